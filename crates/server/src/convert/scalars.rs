//! Scalar columns: protobuf's repeated values to Arrow arrays and back.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use std::sync::Arc;
use vicinal_api::v1;
use vicinal_api::v1::column_values::Values;
use vicinal_types::{Error, Result, ScalarType};

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
    let check = |len: usize| {
        if len == rows {
            return Ok(());
        }
        Err(Error::invalid(format!("column `{name}` has {len} values for {rows} rows")))
    };
    match (scalar, values) {
        (ScalarType::Bool, Some(Values::Bools(v1::BoolValues { values }))) => {
            check(values.len())?;
            Ok(Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls)))
        }
        (ScalarType::Int64, Some(Values::Ints(v1::IntValues { values })))
        | (ScalarType::Timestamp, Some(Values::Timestamps(v1::IntValues { values }))) => {
            check(values.len())?;
            Ok(Arc::new(Int64Array::new(ScalarBuffer::from(values), nulls)))
        }
        (ScalarType::Float64, Some(Values::Doubles(v1::DoubleValues { values }))) => {
            check(values.len())?;
            Ok(Arc::new(Float64Array::new(ScalarBuffer::from(values), nulls)))
        }
        (ScalarType::String, Some(Values::Strings(v1::StringValues { values })))
        | (ScalarType::Json, Some(Values::Json(v1::StringValues { values }))) => {
            check(values.len())?;
            let (offsets, bytes, _) = StringArray::from_iter_values(values).into_parts();
            Ok(Arc::new(StringArray::new(offsets, bytes, nulls)))
        }
        (
            ScalarType::Bool
            | ScalarType::Int64
            | ScalarType::Float64
            | ScalarType::String
            | ScalarType::Timestamp
            | ScalarType::Json,
            _,
        ) => Err(Error::invalid(format!(
            "column `{name}` holds {scalar} values, the request has {found}"
        ))),
    }
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
    let ints = || array.as_primitive::<Int64Type>().values().to_vec();
    let strings = || {
        let array = array.as_string::<i32>();
        // A null's value may be anything; what is behind it is nobody's business.
        array.iter().map(|value| value.unwrap_or_default().to_owned()).collect()
    };
    let values = match scalar {
        ScalarType::Bool => {
            let values = array.as_boolean().values().iter().collect();
            Values::Bools(v1::BoolValues { values })
        }
        ScalarType::Int64 => Values::Ints(v1::IntValues { values: ints() }),
        ScalarType::Float64 => {
            let values = array.as_primitive::<Float64Type>().values().to_vec();
            Values::Doubles(v1::DoubleValues { values })
        }
        ScalarType::String => Values::Strings(v1::StringValues { values: strings() }),
        ScalarType::Timestamp => Values::Timestamps(v1::IntValues { values: ints() }),
        ScalarType::Json => Values::Json(v1::StringValues { values: strings() }),
    };
    Ok((values, nulls_out(array)))
}

/// What the values are, in the words of the schema.
pub(super) fn kind_of(values: &Values) -> &'static str {
    match values {
        Values::Vectors(_) => "vectors",
        Values::Bools(_) => "bools",
        Values::Ints(_) => "ints",
        Values::Doubles(_) => "doubles",
        Values::Strings(_) => "strings",
        Values::Timestamps(_) => "timestamps",
        Values::Json(_) => "json",
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
