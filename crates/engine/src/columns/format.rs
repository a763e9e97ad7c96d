//! One column of scalars as bytes, in a write command and in a segment file.
//!
//! | offset | bytes | field                                                    |
//! |-------:|------:|----------------------------------------------------------|
//! |      0 |     1 | version, 1                                               |
//! |      1 |     1 | type: 1 bool, 2 int64, 3 float64, 4 utf8, 5 int8,        |
//! |        |       | 6 int16, 7 int32, 8 float32, 9 list                      |
//! |      2 |     1 | 1 if a null bitmap follows                               |
//! |      3 |     1 | type of a list's items, 1 to 8, else zero                |
//! |      4 |     4 | zero                                                     |
//! |      8 |     8 | rows                                                     |
//! |     16 |     8 | bytes of text (utf8 and lists of it), else zero          |
//! |     24 |     8 | items of all lists, else zero                            |
//! |     32 |    32 | zero                                                     |
//! |     64 |     … | Arrow buffers, each padded with zeros to 64 bytes:       |
//! |        |       | null bitmap (1 = there) if any; rows + 1 offsets of 4    |
//! |        |       | bytes if lists; then the values, or the items of all     |
//! |        |       | lists: bools as bits, numbers as they are, texts as      |
//! |        |       | offsets, one more than there are texts, and their bytes  |
//!
//! Integers are little-endian. The buffers are Arrow's own layout, so a mapped
//! column is read where it lies.

use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, ListArray, PrimitiveArray, StringArray, cast::AsArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use bytes::Bytes;
use std::sync::Arc;
use vicinal_types::ArrayItem;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 64;
const ALIGNMENT: usize = 64;
/// The version under which these bytes stand in a section table.
pub(crate) const SECTION_VERSION: u16 = VERSION as u16;

const BOOL: u8 = 1;
const INT64: u8 = 2;
const FLOAT64: u8 = 3;
const UTF8: u8 = 4;
const INT8: u8 = 5;
const INT16: u8 = 6;
const INT32: u8 = 7;
const FLOAT32: u8 = 8;
const LIST: u8 = 9;

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
    let (kind, item, text_bytes) = match array.as_list_opt::<i32>() {
        Some(lists) => {
            let items = encode_offsets(lists.value_offsets(), out);
            let items = lists.values().slice(items.0, items.1);
            out[start + 24..start + 32].copy_from_slice(&(items.len() as u64).to_le_bytes());
            let (item, text_bytes) = encode_values(&items, out);
            (LIST, item, text_bytes)
        }
        None => {
            let (kind, text_bytes) = encode_values(array, out);
            (kind, 0, text_bytes)
        }
    };
    (out[start + 1], out[start + 3]) = (kind, item);
    out[start + 16..start + 24].copy_from_slice(&(text_bytes as u64).to_le_bytes());
}

/// Appends values without their nulls; returns their type and, of texts, the bytes.
fn encode_values(array: &dyn Array, out: &mut Vec<u8>) -> (u8, usize) {
    if let Some(bools) = array.as_boolean_opt() {
        padded(out, bools.values().sliced().as_slice());
        return (BOOL, 0);
    }
    let numbers = encode_numbers::<Int64Type>(array, out, INT64)
        .or_else(|| encode_numbers::<Float64Type>(array, out, FLOAT64))
        .or_else(|| encode_numbers::<Int8Type>(array, out, INT8))
        .or_else(|| encode_numbers::<Int16Type>(array, out, INT16))
        .or_else(|| encode_numbers::<Int32Type>(array, out, INT32))
        .or_else(|| encode_numbers::<Float32Type>(array, out, FLOAT32));
    match numbers {
        Some(kind) => (kind, 0),
        None => (UTF8, encode_strings(array.as_string(), out)),
    }
}

fn encode_numbers<T: ArrowPrimitiveType>(
    array: &dyn Array,
    out: &mut Vec<u8>,
    kind: u8,
) -> Option<u8> {
    let numbers = array.as_primitive_opt::<T>()?;
    padded(out, numbers.values().inner().as_slice());
    Some(kind)
}

fn encode_strings(strings: &StringArray, out: &mut Vec<u8>) -> usize {
    let (first, len) = encode_offsets(strings.value_offsets(), out);
    padded(out, &strings.value_data()[first..first + len]);
    len
}

/// Appends offsets as they are when the first is zero; returns where the values
/// begin and how many there are.
fn encode_offsets(offsets: &[i32], out: &mut Vec<u8>) -> (usize, usize) {
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    let mut rebased = Vec::with_capacity(offsets.len() * 4);
    for offset in offsets {
        rebased.extend_from_slice(&(offset - first).to_le_bytes());
    }
    padded(out, &rebased);
    (index(first), index(last - first))
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
    let items = read_len(header, 24).ok_or(ColumnError::Wrong("item count"))?;
    if header[4..8].iter().chain(&header[32..]).any(|byte| *byte != 0) {
        return Err(ColumnError::Wrong("reserved bytes"));
    }
    let mut rest = Rest { bytes, at: HEADER_BYTES };
    let nulls = match header[2] {
        0 => None,
        1 => Some(NullBuffer::new(BooleanBuffer::new(rest.take(rows.div_ceil(8), 1)?, 0, rows))),
        _ => return Err(ColumnError::Wrong("null flag")),
    };
    if header[1] != LIST {
        if header[3] != 0 || items != 0 {
            return Err(ColumnError::Wrong("item type or count"));
        }
        return decode_values(&mut rest, header[1], rows, text_bytes, nulls);
    }
    let item = item_of(header[3]).ok_or(ColumnError::Wrong("item type"))?;
    let offsets = decode_offsets(&mut rest, rows, items)?;
    let values = decode_values(&mut rest, header[3], items, text_bytes, None)?;
    let lists = ListArray::try_new(item.field(), offsets, values, nulls);
    Ok(Arc::new(lists.map_err(|_| ColumnError::Wrong("list of items"))?))
}

/// Int64 items of timestamps are stored as those of integers: the field is the same.
fn item_of(kind: u8) -> Option<ArrayItem> {
    match kind {
        BOOL => Some(ArrayItem::Bool),
        INT64 => Some(ArrayItem::Int64),
        FLOAT64 => Some(ArrayItem::Float64),
        UTF8 => Some(ArrayItem::String),
        INT8 => Some(ArrayItem::Int8),
        INT16 => Some(ArrayItem::Int16),
        INT32 => Some(ArrayItem::Int32),
        FLOAT32 => Some(ArrayItem::Float32),
        _ => None,
    }
}

fn decode_values(
    rest: &mut Rest<'_>,
    kind: u8,
    len: usize,
    text_bytes: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ColumnError> {
    if kind != UTF8 && text_bytes != 0 {
        return Err(ColumnError::Wrong("text length"));
    }
    match kind {
        BOOL => {
            let bits = BooleanBuffer::new(rest.take(len.div_ceil(8), 1)?, 0, len);
            Ok(Arc::new(BooleanArray::new(bits, nulls)))
        }
        INT8 => decode_numbers::<Int8Type>(rest, len, nulls),
        INT16 => decode_numbers::<Int16Type>(rest, len, nulls),
        INT32 => decode_numbers::<Int32Type>(rest, len, nulls),
        INT64 => decode_numbers::<Int64Type>(rest, len, nulls),
        FLOAT32 => decode_numbers::<Float32Type>(rest, len, nulls),
        FLOAT64 => decode_numbers::<Float64Type>(rest, len, nulls),
        UTF8 => Ok(Arc::new(decode_strings(rest, len, text_bytes, nulls)?)),
        _ => Err(ColumnError::Wrong("type")),
    }
}

fn decode_numbers<T: ArrowPrimitiveType>(
    rest: &mut Rest<'_>,
    len: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ColumnError> {
    let width = size_of::<T::Native>();
    let bytes = len.checked_mul(width).ok_or(ColumnError::Wrong("row count"))?;
    let numbers = ScalarBuffer::new(rest.take(bytes, width)?, 0, len);
    Ok(Arc::new(PrimitiveArray::<T>::new(numbers, nulls)))
}

fn decode_strings(
    rest: &mut Rest<'_>,
    len: usize,
    text_bytes: usize,
    nulls: Option<NullBuffer>,
) -> Result<StringArray, ColumnError> {
    let offsets = decode_offsets(rest, len, text_bytes)?;
    let text = rest.take(text_bytes, 1)?;
    StringArray::try_new(offsets, text, nulls).map_err(|_| ColumnError::Wrong("text"))
}

/// Offsets of `len` texts or lists that share `total` bytes or items.
fn decode_offsets(
    rest: &mut Rest<'_>,
    len: usize,
    total: usize,
) -> Result<OffsetBuffer<i32>, ColumnError> {
    let count = len.checked_add(1).ok_or(ColumnError::Wrong("row count"))?;
    let bytes = count.checked_mul(4).ok_or(ColumnError::Wrong("row count"))?;
    let offsets = ScalarBuffer::<i32>::new(rest.take(bytes, 4)?, 0, count);
    let is_rising = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
    let is_whole = offsets[0] == 0 && usize::try_from(offsets[len]) == Ok(total);
    if !is_rising || !is_whole {
        return Err(ColumnError::Wrong("list of offsets"));
    }
    Ok(OffsetBuffer::new(offsets))
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
mod tests;
