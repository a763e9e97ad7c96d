//! The rows of each of many keys, compressed as in roaring bitmaps (Chambi and others,
//! 2016): per key and chunk of 65,536 rows a container, which lists the rows' lower 16
//! bits if they are few and has a bit for each row if not.
//!
//! Containers are read where they are mapped. The crate `roaring` has the same layout
//! and copies each of them to the heap; what is needed of them here is one loop.

use crate::error::{BuildError, OpenError};
use crate::words;
use arrow_buffer::ScalarBuffer;
use std::ops::Range;

/// Rows of a chunk.
const CHUNK_ROWS: usize = 1 << 16;
/// Words of a container that has a bit for each row.
pub(crate) const CONTAINER_WORDS: usize = CHUNK_ROWS / 64;
/// Rows of a container that lists them, at most: from there on bits are smaller.
const LISTED_MAX: usize = 4_096;

/// The rows of each key.
#[derive(Clone, Debug)]
pub(crate) struct Postings {
    /// The first container of each key, and their end.
    pub(crate) starts: ScalarBuffer<u32>,
    /// By key and chunk: [`Container`]s, packed.
    pub(crate) containers: ScalarBuffer<u64>,
    /// Lower 16 bits of rows.
    pub(crate) lists: ScalarBuffer<u16>,
    /// Bits of chunks, [`CONTAINER_WORDS`] each.
    pub(crate) bits: ScalarBuffer<u64>,
}

/// The rows of a key in a chunk.
#[derive(Clone, Copy, Debug)]
struct Container {
    chunk: usize,
    /// At least one.
    count: usize,
    /// Where its rows are: in the lists, or which of the bits.
    at: usize,
}

impl Container {
    /// Chunk, rows less one, place: 16, 16 and 32 bits.
    fn unpack(packed: u64) -> Self {
        let part = |shift: u32, bits: u32| {
            usize::try_from(packed >> shift & ((1 << bits) - 1)).expect("32 bits at most")
        };
        Self { chunk: part(0, 16), count: part(16, 16) + 1, at: part(32, 32) }
    }

    fn is_listed(self) -> bool {
        self.count <= LISTED_MAX
    }
}

/// Which rows of the words come out of those that were there and those of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Merge {
    /// Those of either.
    Or,
    /// Those of one alone.
    Flip,
}

impl Postings {
    pub(crate) fn none() -> Self {
        Self {
            starts: Vec::new().into(),
            containers: Vec::new().into(),
            lists: Vec::new().into(),
            bits: Vec::new().into(),
        }
    }

    pub(crate) fn key_count(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    fn containers(&self, keys: Range<usize>) -> impl Iterator<Item = Container> + '_ {
        let range = self.starts[keys.start] as usize..self.starts[keys.end] as usize;
        self.containers[range].iter().map(|packed| Container::unpack(*packed))
    }

    /// Rows of keys; one that several of them have counts for each.
    pub(crate) fn count(&self, keys: Range<usize>) -> usize {
        self.containers(keys).map(|container| container.count).sum()
    }

    /// Brings the rows of keys into a bit a row.
    pub(crate) fn merge(&self, keys: Range<usize>, how: Merge, words: &mut [u64]) {
        match how {
            Merge::Or => self.merge_with(keys, words, |word, bits| *word |= bits),
            Merge::Flip => self.merge_with(keys, words, |word, bits| *word ^= bits),
        }
    }

    #[inline]
    fn merge_with(&self, keys: Range<usize>, words: &mut [u64], op: impl Fn(&mut u64, u64)) {
        for container in self.containers(keys) {
            let words = &mut words[container.chunk * CONTAINER_WORDS..];
            if container.is_listed() {
                for low in self.list(container) {
                    op(&mut words[usize::from(low / 64)], 1 << (low % 64));
                }
            } else {
                words
                    .iter_mut()
                    .zip(self.bits_of(container))
                    .for_each(|(word, bits)| op(word, *bits));
            }
        }
    }

    fn list(&self, container: Container) -> impl Iterator<Item = u16> + '_ {
        self.lists[container.at..container.at + container.count].iter().copied()
    }

    fn bits_of(&self, container: Container) -> &[u64] {
        &self.bits[container.at * CONTAINER_WORDS..][..CONTAINER_WORDS]
    }

    /// Checks that all that is read later is there and is about `rows` rows.
    ///
    /// # Errors
    /// [`OpenError::Wrong`] naming the first part that is not.
    pub(crate) fn check(&self, rows: usize) -> Result<(), OpenError> {
        let is_rising = self.starts.windows(2).all(|pair| pair[0] < pair[1]);
        let ends = (self.starts.first(), self.starts.last());
        let len = self.containers.len();
        let is_whole = match ends {
            (Some(first), Some(last)) => *first == 0 && *last as usize == len,
            _ => len == 0,
        };
        if !is_rising || !is_whole {
            return Err(OpenError::Wrong("list of keys"));
        }
        for key in 0..self.key_count() {
            let mut next_chunk = 0;
            for container in self.containers(key..key + 1) {
                let chunk_rows = rows.saturating_sub(container.chunk * CHUNK_ROWS).min(CHUNK_ROWS);
                if container.chunk < next_chunk || !self.is_within(container, chunk_rows) {
                    return Err(OpenError::Wrong("container of rows"));
                }
                next_chunk = container.chunk + 1;
            }
        }
        Ok(())
    }

    fn is_within(&self, container: Container, chunk_rows: usize) -> bool {
        let Container { count, at, .. } = container;
        if container.is_listed() {
            let Some(list) = self.lists.get(at..at + count) else { return false };
            return list.is_sorted_by(|a, b| a < b)
                && list.last().is_some_and(|last| usize::from(*last) < chunk_rows);
        }
        let start = at * CONTAINER_WORDS;
        let Some(bits) = self.bits.get(start..start + CONTAINER_WORDS) else { return false };
        let (inside, outside) = bits.split_at(words::word_count(chunk_rows));
        let past_end = match (inside.last(), chunk_rows % 64) {
            (Some(last), rest @ 1..) => last >> rest,
            _ => 0,
        };
        past_end == 0 && outside.iter().all(|word| *word == 0) && words::count(inside) == count
    }
}

/// Postings being made.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    /// Keys and packed containers.
    containers: Vec<(u32, u64)>,
    lists: Vec<u16>,
    bits: Vec<u64>,
}

impl Builder {
    /// Adds rows of a key, ascending and each once; a key comes once for each chunk.
    ///
    /// # Errors
    /// [`BuildError::TooLarge`] if there are more rows than places have numbers.
    pub(crate) fn push(&mut self, key: u32, rows: &[u32]) -> Result<(), BuildError> {
        for part in rows.chunk_by(|a, b| a >> 16 == b >> 16) {
            let count = part.len();
            let at = if count <= LISTED_MAX {
                self.lists.extend(part.iter().map(|row| low(*row)));
                self.lists.len() - count
            } else {
                let start = self.bits.len();
                self.bits.resize(start + CONTAINER_WORDS, 0);
                for row in part {
                    words::flip(&mut self.bits[start..], low(*row).into());
                }
                start / CONTAINER_WORDS
            };
            let at = u32::try_from(at).map_err(|_| BuildError::TooLarge)?;
            let chunk = u64::from(part[0] >> 16);
            let packed = u64::from(at) << 32 | (count as u64 - 1) << 16 | chunk;
            self.containers.push((key, packed));
        }
        Ok(())
    }

    /// The keys, ascending, and their rows.
    ///
    /// # Errors
    /// [`BuildError::TooLarge`] if there are more containers than have numbers.
    pub(crate) fn finish(mut self) -> Result<(Vec<u32>, Postings), BuildError> {
        self.containers.sort_unstable_by_key(|(key, packed)| (*key, packed & 0xffff));
        let total = u32::try_from(self.containers.len()).map_err(|_| BuildError::TooLarge)?;
        let mut keys = Vec::new();
        let mut starts = Vec::new();
        for (at, (key, _)) in (0..total).zip(&self.containers) {
            if keys.last() != Some(key) {
                keys.push(*key);
                starts.push(at);
            }
        }
        starts.push(total);
        let postings = Postings {
            starts: starts.into(),
            containers: self.containers.iter().map(|(_, packed)| *packed).collect(),
            lists: self.lists.into(),
            bits: self.bits.into(),
        };
        Ok((keys, postings))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "these are the bits that are wanted")]
fn low(row: u32) -> u16 {
    row as u16
}
