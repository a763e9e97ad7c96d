//! Arrow's types and values as those of columns.

#![expect(clippy::wildcard_enum_match_arm, reason = "Arrow's types are a foreign set that grows")]

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array as _, ArrayRef, ListArray};
use arrow_schema::{DataType, TimeUnit};
use vicinal_client::{ElementType, IdType, Ids, ScalarType, Scalars};

pub(super) fn id_type(found: &DataType) -> Option<IdType> {
    match scalar_type(found) {
        Some(ScalarType::Int64) => Some(IdType::Int64),
        Some(ScalarType::String) => Some(IdType::String),
        Some(
            ScalarType::Bool
            | ScalarType::Int8
            | ScalarType::Int16
            | ScalarType::Int32
            | ScalarType::Float32
            | ScalarType::Float64
            | ScalarType::Timestamp
            | ScalarType::Json
            | ScalarType::Array(_),
        )
        | None => None,
    }
}

pub(super) fn vector_element(found: &DataType) -> Option<ElementType> {
    let DataType::List(item) = found else {
        return None;
    };
    match item.data_type() {
        DataType::Float16 => Some(ElementType::F16),
        DataType::Float32 | DataType::Float64 => Some(ElementType::F32),
        DataType::UInt8 => Some(ElementType::U8),
        _ => None,
    }
}

pub(super) fn scalar_type(found: &DataType) -> Option<ScalarType> {
    match found {
        DataType::Boolean => Some(ScalarType::Bool),
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => Some(ScalarType::Int64),
        DataType::Float32 | DataType::Float64 => Some(ScalarType::Float64),
        DataType::Utf8 => Some(ScalarType::String),
        DataType::Timestamp(..) | DataType::Date32 => Some(ScalarType::Timestamp),
        _ => None,
    }
}

pub(super) fn ids(array: &ArrayRef) -> Result<Ids, String> {
    if array.null_count() > 0 {
        return Err("an id is null".into());
    }
    if array.data_type() == &DataType::Utf8 {
        let ids = array.as_string::<i32>().iter().flatten().map(String::from);
        return Ok(Ids::Str(ids.collect()));
    }
    Ok(Ids::Int(integers(array)?.into_iter().flatten().collect()))
}

/// The vectors of a list array, one after another, little-endian.
pub(super) fn packed(list: &ListArray, dim: u32) -> Result<Vec<u8>, String> {
    if list.null_count() > 0 {
        return Err("a vector is null".into());
    }
    let offsets = list.value_offsets();
    for (row, ends) in offsets.windows(2).enumerate() {
        let found = i64::from(ends[1]) - i64::from(ends[0]);
        if found != i64::from(dim) {
            return Err(format!(
                "the vector of row {row} has {found} dimensions, the first has {dim}"
            ));
        }
    }
    let start = offsets.first().copied().unwrap_or(0);
    let start = usize::try_from(start).map_err(|error| error.to_string())?;
    let values = list.values().slice(start, list.len() * dim as usize);
    if values.null_count() > 0 {
        return Err("an element of a vector is null".into());
    }
    Ok(match values.data_type() {
        DataType::Float16 => values
            .as_primitive::<Float16Type>()
            .values()
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect(),
        DataType::Float32 => floats(values.as_primitive::<Float32Type>().values().iter().copied()),
        DataType::Float64 => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "vectors are stored as 32-bit floats"
            )]
            let narrow = |value: &f64| *value as f32;
            floats(values.as_primitive::<Float64Type>().values().iter().map(narrow))
        }
        DataType::UInt8 => values.as_primitive::<UInt8Type>().values().to_vec(),
        other => return Err(format!("elements are {other}, not those of the first rows")),
    })
}

fn floats(values: impl ExactSizeIterator<Item = f32>) -> Vec<u8> {
    let mut bytes = vec![0; values.len() * 4];
    for (element, value) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(values) {
        *element = value.to_le_bytes();
    }
    bytes
}

pub(super) fn scalars(array: &ArrayRef) -> Result<Scalars, String> {
    match array.data_type() {
        DataType::Boolean => Ok(array.as_boolean().iter().collect::<Vec<_>>().into()),
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>().iter();
            Ok(values.map(|value| value.map(f64::from)).collect::<Vec<_>>().into())
        }
        DataType::Float64 => {
            Ok(array.as_primitive::<Float64Type>().iter().collect::<Vec<_>>().into())
        }
        DataType::Utf8 => {
            let values = array.as_string::<i32>().iter();
            Ok(values.map(|value| value.map(String::from)).collect::<Vec<_>>().into())
        }
        DataType::Timestamp(..) | DataType::Date32 => Ok(Scalars::timestamps(micros(array)?)),
        _ => Ok(integers(array)?.into()),
    }
}

fn integers(array: &ArrayRef) -> Result<Vec<Option<i64>>, String> {
    match array.data_type() {
        DataType::Int8 => Ok(widened::<Int8Type>(array)),
        DataType::Int16 => Ok(widened::<Int16Type>(array)),
        DataType::Int32 => Ok(widened::<Int32Type>(array)),
        DataType::Int64 => Ok(widened::<Int64Type>(array)),
        DataType::UInt8 => Ok(widened::<UInt8Type>(array)),
        DataType::UInt16 => Ok(widened::<UInt16Type>(array)),
        DataType::UInt32 => Ok(widened::<UInt32Type>(array)),
        DataType::UInt64 => {
            let signed = |value: u64| {
                i64::try_from(value).map_err(|_| format!("{value} does not fit into an int64"))
            };
            let values = array.as_primitive::<UInt64Type>().iter();
            values.map(|value| value.map(signed).transpose()).collect()
        }
        other => Err(format!("{other} is not an integer")),
    }
}

fn widened<T: ArrowPrimitiveType>(array: &ArrayRef) -> Vec<Option<i64>>
where
    i64: From<T::Native>,
{
    array.as_primitive::<T>().iter().map(|value| value.map(i64::from)).collect()
}

/// Moments in microseconds since 1970.
fn micros(array: &ArrayRef) -> Result<Vec<Option<i64>>, String> {
    const DAY: i64 = 86_400_000_000;
    let times = |values: Vec<Option<i64>>, factor: i64| {
        let scale = |value: i64| {
            value
                .checked_mul(factor)
                .ok_or(format!("the moment {value} does not fit into microseconds"))
        };
        values.into_iter().map(|value| value.map(scale).transpose()).collect()
    };
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            times(widened::<TimestampSecondType>(array), 1_000_000)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            times(widened::<TimestampMillisecondType>(array), 1_000)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Ok(widened::<TimestampMicrosecondType>(array))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let values = widened::<TimestampNanosecondType>(array).into_iter();
            Ok(values.map(|value| value.map(|nanos| nanos.div_euclid(1_000))).collect())
        }
        DataType::Date32 => times(widened::<Date32Type>(array), DAY),
        other => Err(format!("{other} is not a moment")),
    }
}
