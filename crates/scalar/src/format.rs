//! The bytes of an index.
//!
//! | offset | bytes | field                                              |
//! |-------:|------:|----------------------------------------------------|
//! |      0 |     1 | [`VERSION`]                                        |
//! |      1 |     1 | kind: 1 bitmap, 2 sorted, 3 inverted, 4 trigram    |
//! |      2 |     1 | 1 if the column itself is in order                 |
//! |      3 |     5 | zero                                               |
//! |      8 |     8 | rows of the column                                 |
//! |     16 |     8 | places: of values in their order, or trigrams      |
//! |     24 |     8 | starts: one more than keys, or none                |
//! |     32 |     8 | containers                                         |
//! |     40 |     8 | listed rows                                        |
//! |     48 |     8 | words of containers' bits                          |
//! |     56 |     8 | places for which bits are kept                     |
//!
//! Then places, starts (32 bits each), containers (64), lists (16), bits (64), kept
//! places (32) and their bits (64), each at a multiple of 64 bytes. Integers are
//! little-endian. The length and the checksum are those of the section that holds it.

use crate::cumulative::Cumulative;
use crate::error::OpenError;
use crate::index::Kind;
use crate::postings::Postings;
use crate::words;
use arrow_buffer::{ArrowNativeType, Buffer, ScalarBuffer};
use bytes::Bytes;

/// The version of the bytes.
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 64;
/// Where parts begin.
const ALIGNMENT: usize = 64;

const KINDS: [(u8, Kind); 4] =
    [(1, Kind::Bitmap), (2, Kind::Sorted), (3, Kind::Inverted), (4, Kind::Trigram)];

/// All that an index consists of, besides the column.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) kind: Kind,
    pub(crate) rows: usize,
    /// Whether the column itself is in order, so that there are no places.
    pub(crate) is_in_order: bool,
    pub(crate) places: ScalarBuffer<u32>,
    pub(crate) postings: Postings,
    pub(crate) cumulative: Cumulative,
}

/// Bytes of the index.
pub(crate) fn encode(parts: &Parts) -> Vec<u8> {
    let Parts { postings, cumulative, .. } = parts;
    let code = KINDS.iter().find(|(_, kind)| *kind == parts.kind);
    let (code, _) = code.expect("every kind has a code");
    let mut bytes = vec![VERSION, *code, u8::from(parts.is_in_order), 0, 0, 0, 0, 0];
    for len in [
        parts.rows,
        parts.places.len(),
        postings.starts.len(),
        postings.containers.len(),
        postings.lists.len(),
        postings.bits.len(),
        cumulative.places.len(),
    ] {
        bytes.extend_from_slice(&(len as u64).to_le_bytes());
    }
    put(&mut bytes, &parts.places, |value, out| out.extend_from_slice(&value.to_le_bytes()));
    put(&mut bytes, &postings.starts, |value, out| out.extend_from_slice(&value.to_le_bytes()));
    put(&mut bytes, &postings.containers, |value, out| out.extend_from_slice(&value.to_le_bytes()));
    put(&mut bytes, &postings.lists, |value, out| out.extend_from_slice(&value.to_le_bytes()));
    put(&mut bytes, &postings.bits, |value, out| out.extend_from_slice(&value.to_le_bytes()));
    put(&mut bytes, &cumulative.places, |value, out| out.extend_from_slice(&value.to_le_bytes()));
    put(&mut bytes, &cumulative.words, |value, out| out.extend_from_slice(&value.to_le_bytes()));
    bytes
}

fn put<T: Copy>(bytes: &mut Vec<u8>, values: &[T], write: impl Fn(T, &mut Vec<u8>)) {
    values.iter().for_each(|value| write(*value, bytes));
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
}

/// Reads what [`encode`] wrote, without copying it; what the parts say of each other and
/// of the column is for others to check.
///
/// # Errors
/// [`OpenError`] if it is too short or too long, of another version, or has bytes that
/// none writes.
pub(crate) fn decode(bytes: &Bytes) -> Result<Parts, OpenError> {
    let short = OpenError::Short { len: bytes.len(), needed: HEADER_BYTES };
    let header = bytes.get(..HEADER_BYTES).ok_or(short)?;
    if header[0] != VERSION {
        return Err(OpenError::Version { found: header[0], supported: VERSION });
    }
    let kind = KINDS.iter().find(|(code, _)| *code == header[1]);
    let (_, kind) = *kind.ok_or(OpenError::Wrong("kind"))?;
    if header[2] > 1 || header[3..8].iter().any(|byte| *byte != 0) {
        return Err(OpenError::Wrong("header"));
    }
    let len = |field: usize| {
        let bytes = header[field * 8..field * 8 + 8].try_into().expect("eight bytes");
        usize::try_from(u64::from_le_bytes(bytes)).map_err(|_| OpenError::Wrong("header"))
    };
    let (rows, steps) = (len(1)?, len(7)?);
    let kept = words::word_count(rows).checked_mul(steps).ok_or(OpenError::Wrong("header"))?;
    let mut rest = Rest { bytes, at: HEADER_BYTES };
    let parts = Parts {
        kind,
        rows,
        is_in_order: header[2] == 1,
        places: rest.take(len(2)?)?,
        postings: Postings {
            starts: rest.take(len(3)?)?,
            containers: rest.take(len(4)?)?,
            lists: rest.take(len(5)?)?,
            bits: rest.take(len(6)?)?,
        },
        cumulative: Cumulative { places: rest.take(steps)?, words: rest.take(kept)? },
    };
    if rest.at != bytes.len() {
        return Err(OpenError::Wrong("length"));
    }
    Ok(parts)
}

struct Rest<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Rest<'_> {
    /// The next part; copied only if it is not aligned.
    fn take<T: ArrowNativeType>(&mut self, len: usize) -> Result<ScalarBuffer<T>, OpenError> {
        let size = len.checked_mul(size_of::<T>()).ok_or(OpenError::Wrong("header"))?;
        let end = self.at.checked_add(size).ok_or(OpenError::Wrong("header"))?;
        let padded = end.checked_next_multiple_of(ALIGNMENT).ok_or(OpenError::Wrong("header"))?;
        if padded > self.bytes.len() {
            return Err(OpenError::Short { len: self.bytes.len(), needed: padded });
        }
        if self.bytes[end..padded].iter().any(|byte| *byte != 0) {
            return Err(OpenError::Wrong("padding"));
        }
        let part = self.bytes.slice(self.at..end);
        self.at = padded;
        let is_aligned = part.as_ptr().addr().is_multiple_of(align_of::<T>());
        let buffer = if is_aligned && !part.is_empty() {
            Buffer::from(part)
        } else {
            Buffer::from_slice_ref(part.as_ref())
        };
        Ok(ScalarBuffer::new(buffer, 0, len))
    }
}
