//! Stored words that are read where they lie.

use crate::hot::Hot;
use bytes::Bytes;
use zerocopy::{FromBytes, IntoBytes};

/// Words of a cache line: blocks that begin on one span fewest.
const LINE_WORDS: usize = 16;

/// So many words get memory in large pages: searches touch them anywhere.
const HOT_WORDS: usize = 1 << 20;

/// Little-endian words, aligned to be read in place.
#[derive(Clone, Debug)]
pub(crate) struct Words(Bytes);

struct Buffer(Vec<u32>);

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Words {
    /// Takes whole words; copies them only if they are not aligned.
    pub(crate) fn new(bytes: Bytes) -> Option<Self> {
        if <[u32]>::ref_from_bytes(&bytes).is_ok() {
            return Some(Self(bytes));
        }
        let (words, rest) = bytes.as_chunks();
        rest.is_empty().then(|| {
            Self::filled(words.len(), |out| {
                for (place, word) in out.iter_mut().zip(words) {
                    *place = u32::from_le_bytes(*word);
                }
            })
        })
    }

    /// Lays `count` zeros out from the beginning of a cache line on, many of them in
    /// large pages, and lets `fill` write over them.
    pub(crate) fn filled(count: usize, fill: impl FnOnce(&mut [u32])) -> Self {
        if count >= HOT_WORDS
            && let Some(mut hot) = Hot::new(count * size_of::<u32>())
        {
            fill(<[u32]>::mut_from_bytes(hot.bytes_mut()).expect("whole pages are aligned"));
            return Self(hot.freeze());
        }
        let mut buffer = vec![0u32; count + LINE_WORDS];
        let start = buffer.as_ptr().align_offset(LINE_WORDS * size_of::<u32>()).min(LINE_WORDS);
        fill(&mut buffer[start..start + count]);
        let bytes = start * size_of::<u32>()..(start + count) * size_of::<u32>();
        Self(Bytes::from_owner(Buffer(buffer)).slice(bytes))
    }

    /// The floats as words.
    pub(crate) fn from_floats(floats: &[f32]) -> Self {
        Self::filled(floats.len(), |out| {
            for (place, value) in out.iter_mut().zip(floats) {
                *place = value.to_bits();
            }
        })
    }

    #[inline]
    pub(crate) fn get(&self) -> &[u32] {
        <[u32]>::ref_from_bytes(&self.0).expect("both constructors leave aligned whole words")
    }

    #[inline]
    pub(crate) fn floats(&self) -> &[f32] {
        <[f32]>::ref_from_bytes(&self.0).expect("both constructors leave aligned whole words")
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_zeros_or_what_was_written_in_any_pages() {
        for count in [0, 1, 100, HOT_WORDS, HOT_WORDS + 7] {
            let words = Words::filled(count, |words| {
                assert!(words.iter().all(|word| *word == 0));
                words.iter_mut().zip(1..).for_each(|(word, at)| *word = at);
            });
            assert_eq!((words.get().len(), words.bytes().len()), (count, 4 * count));
            assert!(words.get().iter().copied().eq((1..).take(count)));
        }
    }
}
