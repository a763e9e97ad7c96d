//! One column of scalars as bytes, in a write command and in a segment file.
//!
//! | offset | bytes | field                                                    |
//! |-------:|------:|----------------------------------------------------------|
//! |      0 |     1 | version, 1                                               |
//! |      1 |     1 | type: 1 bool, 2 int64, 3 float64, 4 utf8                 |
//! |      2 |     1 | 1 if a null bitmap follows                               |
//! |      3 |     5 | zero                                                     |
//! |      8 |     8 | rows                                                     |
//! |     16 |     8 | bytes of text (utf8), else zero                          |
//! |     24 |    40 | zero                                                     |
//! |     64 |     … | Arrow buffers, each padded with zeros to 64 bytes:       |
//! |        |       | null bitmap (1 = there) if any; then bools as bits,      |
//! |        |       | numbers as 8 bytes, or rows + 1 offsets of 4 bytes and   |
//! |        |       | the text                                                 |
//!
//! Integers are little-endian. The buffers are Arrow's own layout, so a mapped
//! column is read where it lies.

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray,
    cast::AsArray,
    types::{Float64Type, Int64Type},
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use bytes::Bytes;
use std::sync::Arc;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 64;
const ALIGNMENT: usize = 64;
/// The version under which these bytes stand in a section table.
pub(crate) const SECTION_VERSION: u16 = VERSION as u16;

const BOOL: u8 = 1;
const INT64: u8 = 2;
const FLOAT64: u8 = 3;
const UTF8: u8 = 4;

/// Why bytes are not a column.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ColumnError {
    /// Written by a newer program.
    #[error("the column has format version {found}, this program reads version {VERSION}")]
    Version {
        /// The version found.
        found: u8,
    },
    /// Fewer bytes than the header promises.
    #[error("the column's bytes end at {len} where {needed} are needed")]
    Short {
        /// Bytes there are.
        len: usize,
        /// Bytes there should be.
        needed: usize,
    },
    /// A field that no writer writes.
    #[error("the column's {0} is not valid")]
    Wrong(&'static str),
}

/// Appends the column to `out`, which must end at a multiple of 64 bytes for the
/// buffers to be aligned where they are mapped.
///
/// # Panics
/// If the array is of a type that no schema has.
pub(crate) fn encode(array: &dyn Array, out: &mut Vec<u8>) {
    let rows = array.len();
    let mut header = [0; HEADER_BYTES];
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
    header[0] = VERSION;
    header[2] = u8::from(nulls.is_some());
    header[8..16].copy_from_slice(&(rows as u64).to_le_bytes());
    let start = out.len();
    out.extend_from_slice(&header);
    if let Some(nulls) = nulls {
        padded(out, nulls.inner().sliced().as_slice());
    }
    out[start + 1] = if let Some(bools) = array.as_boolean_opt() {
        padded(out, bools.values().sliced().as_slice());
        BOOL
    } else if let Some(numbers) = array.as_primitive_opt::<Int64Type>() {
        padded(out, numbers.values().inner().as_slice());
        INT64
    } else if let Some(numbers) = array.as_primitive_opt::<Float64Type>() {
        padded(out, numbers.values().inner().as_slice());
        FLOAT64
    } else {
        let text_bytes = encode_strings(array.as_string(), out) as u64;
        out[start + 16..start + 24].copy_from_slice(&text_bytes.to_le_bytes());
        UTF8
    };
}

fn encode_strings(strings: &StringArray, out: &mut Vec<u8>) -> usize {
    let offsets = strings.value_offsets();
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    let mut rebased = Vec::with_capacity(offsets.len() * 4);
    for offset in offsets {
        rebased.extend_from_slice(&(offset - first).to_le_bytes());
    }
    padded(out, &rebased);
    let text = &strings.value_data()[index(first)..index(last)];
    padded(out, text);
    text.len()
}

fn index(offset: i32) -> usize {
    usize::try_from(offset).expect("Arrow's offsets are never negative")
}

fn padded(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
    let len = out.len().next_multiple_of(ALIGNMENT);
    out.resize(len, 0);
}

/// Reads a column without copying, where the bytes are aligned for it.
///
/// # Errors
/// [`ColumnError`]; hostile bytes never panic.
pub(crate) fn decode(bytes: &Bytes) -> Result<ArrayRef, ColumnError> {
    let header = bytes
        .get(..HEADER_BYTES)
        .ok_or(ColumnError::Short { len: bytes.len(), needed: HEADER_BYTES })?;
    if header[0] != VERSION {
        return Err(ColumnError::Version { found: header[0] });
    }
    let rows = read_len(header, 8).ok_or(ColumnError::Wrong("row count"))?;
    let text_bytes = read_len(header, 16).ok_or(ColumnError::Wrong("text length"))?;
    let mut rest = Rest { bytes, at: HEADER_BYTES };
    let nulls = match header[2] {
        0 => None,
        1 => Some(NullBuffer::new(BooleanBuffer::new(rest.take(rows.div_ceil(8), 1)?, 0, rows))),
        _ => return Err(ColumnError::Wrong("null flag")),
    };
    let eight = rows.checked_mul(8).ok_or(ColumnError::Wrong("row count"))?;
    Ok(match header[1] {
        BOOL => {
            let bits = BooleanBuffer::new(rest.take(rows.div_ceil(8), 1)?, 0, rows);
            Arc::new(BooleanArray::new(bits, nulls))
        }
        INT64 => Arc::new(Int64Array::new(ScalarBuffer::new(rest.take(eight, 8)?, 0, rows), nulls)),
        FLOAT64 => {
            Arc::new(Float64Array::new(ScalarBuffer::new(rest.take(eight, 8)?, 0, rows), nulls))
        }
        UTF8 => Arc::new(decode_strings(&mut rest, rows, text_bytes, nulls)?),
        _ => return Err(ColumnError::Wrong("type")),
    })
}

fn decode_strings(
    rest: &mut Rest<'_>,
    rows: usize,
    text_bytes: usize,
    nulls: Option<NullBuffer>,
) -> Result<StringArray, ColumnError> {
    let count = rows.checked_add(1).ok_or(ColumnError::Wrong("row count"))?;
    let offsets_bytes = count.checked_mul(4).ok_or(ColumnError::Wrong("row count"))?;
    let offsets = ScalarBuffer::<i32>::new(rest.take(offsets_bytes, 4)?, 0, count);
    let is_rising = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
    let is_whole = offsets[0] == 0 && usize::try_from(offsets[rows]) == Ok(text_bytes);
    if !is_rising || !is_whole {
        return Err(ColumnError::Wrong("list of offsets"));
    }
    let text = rest.take(text_bytes, 1)?;
    StringArray::try_new(OffsetBuffer::new(offsets), text, nulls)
        .map_err(|_| ColumnError::Wrong("text"))
}

fn read_len(header: &[u8], at: usize) -> Option<usize> {
    let bytes = header.get(at..at + 8)?.try_into().ok()?;
    usize::try_from(u64::from_le_bytes(bytes)).ok()
}

struct Rest<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Rest<'_> {
    /// The next buffer; copied only when it does not lie at a multiple of `align`.
    fn take(&mut self, len: usize, align: usize) -> Result<Buffer, ColumnError> {
        let needed = self.at.saturating_add(len);
        if needed > self.bytes.len() {
            let len = self.bytes.len();
            return Err(ColumnError::Short { len, needed });
        }
        let bytes = self.bytes.slice(self.at..needed);
        self.at = needed.next_multiple_of(ALIGNMENT);
        if bytes.as_ptr().addr().is_multiple_of(align) && !bytes.is_empty() {
            Ok(Buffer::from(bytes))
        } else {
            Ok(Buffer::from_slice_ref(bytes.as_ref()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(array: ArrayRef) {
        let mut bytes = Vec::new();
        encode(&array, &mut bytes);
        assert!(bytes.len().is_multiple_of(ALIGNMENT));
        assert_eq!(&decode(&Bytes::from(bytes.clone())).expect("what was encoded"), &array);
        // Bytes that lie at odd addresses are read as well.
        bytes.insert(0, 7);
        assert_eq!(&decode(&Bytes::from(bytes).slice(1..)).expect("unaligned"), &array);
    }

    #[test]
    fn every_type_comes_back() {
        round_trip(Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])));
        round_trip(Arc::new(Int64Array::from(vec![i64::MIN, 0, i64::MAX])));
        round_trip(Arc::new(Float64Array::from(vec![Some(0.5), None])));
        round_trip(Arc::new(StringArray::from(vec![Some("grün"), None, Some("")])));
        round_trip(Arc::new(StringArray::from(Vec::<String>::new())));
        let sliced = Int64Array::from((0..100).map(Some).chain([None]).collect::<Vec<_>>());
        round_trip(Arc::new(sliced.slice(37, 64)));
        let sliced = StringArray::from(vec![Some("a"), None, Some("bc"), Some("def")]);
        round_trip(Arc::new(sliced.slice(1, 2)));
        let sliced = BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]);
        round_trip(Arc::new(sliced.slice(1, 3)));
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_an_error_or_a_column(mut bytes in prop::collection::vec(any::<u8>(), 0..300), tag in 0u8..6) {
            if bytes.len() > 24 {
                (bytes[0], bytes[1], bytes[2]) = (1, tag, bytes[2] & 1);
                bytes[9..16].fill(0);
                bytes[17..24].fill(0);
            }
            let _ = decode(&Bytes::from(bytes)).map(|array| array.len());
        }
    }
}
