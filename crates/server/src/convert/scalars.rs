//! Scalar columns: protobuf's repeated values to Arrow arrays and back.

mod flat;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array, ArrayRef, ListArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use flat::{Flat, Misfit};
use std::sync::Arc;
use vicinal_api::v1;
use vicinal_api::v1::column_values::Values;
use vicinal_types::{ArrayItem, Error, Result, ScalarType, limits};

/// Parses `rows` values of a scalar column.
pub(super) fn scalars_in(
    name: &str,
    scalar: ScalarType,
    rows: usize,
    values: Option<Values>,
    nulls: &[u8],
) -> Result<ArrayRef> {
    let found = values.as_ref().map_or("no values", kind_of);
    let nulls = nulls_in(name, rows, nulls)?;
    let wrong_type = || {
        Error::invalid(format!("column `{name}` holds {scalar} values, the request has {found}"))
    };
    match (scalar.item(), values) {
        (Some(item), Some(Values::Arrays(arrays))) => arrays_in(name, item, rows, arrays, nulls),
        (None, Some(values)) => {
            let flat = Flat::from_values(values).ok_or_else(wrong_type)?;
            let len = flat.len();
            if flat.is_of(scalar) && len != rows {
                return Err(wrong_count(name, len, rows));
            }
            flat.into_array(scalar, nulls).map_err(|misfit| match misfit {
                Misfit::Type => wrong_type(),
                Misfit::Range { at, value } => {
                    out_of_range(name, scalar, &format!("row {at}"), value)
                }
            })
        }
        (Some(_) | None, _) => Err(wrong_type()),
    }
}

/// Parses arrays: as many lengths as rows, as many items as they add up to.
fn arrays_in(
    name: &str,
    item: ArrayItem,
    rows: usize,
    arrays: v1::ArrayValues,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let v1::ArrayValues { lengths, items } = arrays;
    if lengths.len() != rows {
        return Err(wrong_count(name, lengths.len(), rows));
    }
    let max = limits::ARRAY_ITEMS_MAX;
    let lengths: Vec<usize> = lengths.iter().map(|len| *len as usize).collect();
    for (row, &len) in lengths.iter().enumerate() {
        if len > max {
            return Err(Error::invalid(format!(
                "column `{name}` takes at most {max} items, row {row} has {len}"
            )));
        }
        if len > 0 && nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return Err(Error::invalid(format!(
                "column `{name}`: row {row} is null and has {len} items; give it the length 0"
            )));
        }
    }
    let total: usize = lengths.iter().sum();
    let scalar = item.scalar();
    let found = items.as_ref().map_or("no", flat::items_kind);
    let flat = match items {
        Some(items) => Flat::from_items(items),
        // Empty lists have no type on the wire.
        None => Flat::empty(scalar),
    };
    let len = flat.len();
    if len != total {
        return Err(Error::invalid(format!(
            "column `{name}` has {len} items, its lengths add up to {total}"
        )));
    }
    let offsets = OffsetBuffer::from_lengths(lengths);
    let items = flat.into_array(scalar, None).map_err(|misfit| match misfit {
        Misfit::Type => Error::invalid(format!(
            "column `{name}` holds arrays of {scalar}, the request has {found} items"
        )),
        Misfit::Range { at, value } => {
            let row = offsets.partition_point(|offset| {
                usize::try_from(*offset).is_ok_and(|offset| offset <= at)
            }) - 1;
            let first = usize::try_from(offsets[row]).unwrap_or_default();
            out_of_range(name, scalar, &format!("row {row}, item {}", at - first), value)
        }
    })?;
    Ok(Arc::new(ListArray::new(item.field(), offsets, items, nulls)))
}

fn wrong_count(name: &str, len: usize, rows: usize) -> Error {
    Error::invalid(format!("column `{name}` has {len} values for {rows} rows"))
}

fn out_of_range(name: &str, scalar: ScalarType, place: &str, value: i64) -> Error {
    let (min, max) = scalar.int_range().unwrap_or((i64::MIN, i64::MAX));
    Error::invalid(format!(
        "column `{name}` holds {scalar} values, {min} to {max}; {place} has {value}"
    ))
}

/// Turns an array of a scalar column into repeated values and a null bitmap.
pub(super) fn scalars_out(
    name: &str,
    scalar: ScalarType,
    array: &ArrayRef,
) -> Result<(Values, Vec<u8>)> {
    if array.data_type() != &scalar.arrow() {
        let found = array.data_type();
        return Err(Error::internal(format!("column `{name}` of type {scalar} came as {found}")));
    }
    let values = match scalar.item() {
        None => Flat::from_array(scalar, array).into_values(),
        Some(item) => {
            let lists = array.as_list::<i32>();
            let offsets = lists.value_offsets();
            let length = |pair: &[i32]| (pair[1] - pair[0]).cast_unsigned();
            let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
            let index = |offset: i32| usize::try_from(offset).unwrap_or_default();
            let items = lists.values().slice(index(first), index(last - first));
            Values::Arrays(v1::ArrayValues {
                lengths: offsets.windows(2).map(length).collect(),
                items: Flat::from_array(item.scalar(), &items).into_items(),
            })
        }
    };
    Ok((values, nulls_out(array)))
}

/// What the values are, in the words of the schema.
pub(super) fn kind_of(values: &Values) -> &'static str {
    match values {
        Values::Vectors(_) => "vectors",
        Values::Bools(_) => "bools",
        Values::Ints(_) => "ints",
        Values::Floats(_) => "floats",
        Values::Doubles(_) => "doubles",
        Values::Strings(_) => "strings",
        Values::Timestamps(_) => "timestamps",
        Values::Json(_) => "json",
        Values::Arrays(_) => "arrays",
    }
}

/// Parses the bitmap in which a set bit means null; Arrow's set bits mean valid.
fn nulls_in(name: &str, rows: usize, nulls: &[u8]) -> Result<Option<NullBuffer>> {
    if nulls.is_empty() {
        return Ok(None);
    }
    let expected = rows.div_ceil(8);
    if nulls.len() != expected {
        let len = nulls.len();
        return Err(Error::invalid(format!(
            "column `{name}` has a null bitmap of {len} bytes; {rows} rows take {expected}, or none"
        )));
    }
    let valid: Vec<u8> = nulls.iter().map(|byte| !byte).collect();
    let valid = NullBuffer::new(BooleanBuffer::new(Buffer::from(valid), 0, rows));
    Ok((valid.null_count() > 0).then_some(valid))
}

fn nulls_out(array: &ArrayRef) -> Vec<u8> {
    let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) else {
        return Vec::new();
    };
    let mut bitmap = vec![0; nulls.len().div_ceil(8)];
    for row in (0..nulls.len()).filter(|&row| nulls.is_null(row)) {
        bitmap[row / 8] |= 1 << (row % 8);
    }
    bitmap
}
