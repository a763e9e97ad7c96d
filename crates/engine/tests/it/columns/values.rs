//! Values of every type: made, put into arrays and read from them.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, ListArray, PrimitiveArray,
    StringArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use std::sync::Arc;
use vicinal_types::{ScalarType, ScalarValue};

/// A value of a type, the ends of its range and what is easily lost among them.
pub(crate) fn value(scalar: ScalarType, seed: usize) -> ScalarValue {
    let pick = |count: usize| seed % count;
    match scalar {
        ScalarType::Bool => ScalarValue::Bool(seed % 2 == 1),
        ScalarType::Int8
        | ScalarType::Int16
        | ScalarType::Int32
        | ScalarType::Int64
        | ScalarType::Timestamp => {
            let (min, max) = scalar.int_range().expect("integers have a range");
            ScalarValue::Int([0, min, max, -1, 77][pick(5)])
        }
        ScalarType::Float32 => {
            let values = [0.5, -0.0, f32::MIN_POSITIVE, f32::MAX, -1.25];
            ScalarValue::Float(values[pick(5)].into())
        }
        ScalarType::Float64 => {
            ScalarValue::Float([0.1, -0.0, f64::MIN_POSITIVE, f64::MAX, -1e-300][pick(5)])
        }
        ScalarType::String => {
            let text = ["", "grün", "日本語", "a\0b\n", "🦀"][pick(5)];
            ScalarValue::Text(text.to_owned())
        }
        ScalarType::Json => {
            let text = ["{}", "null", r#"{"a": ["ü", 1.50]}"#, " [1] "][pick(4)];
            ScalarValue::Text(text.to_owned())
        }
        ScalarType::Array(item) => {
            let item = |at| value(item.scalar(), seed / 4 + at);
            ScalarValue::Array((0..seed % 4).map(item).collect())
        }
    }
}

/// Values, some of them null, as rows of a write have them.
pub(crate) fn array(scalar: ScalarType, values: &[Option<ScalarValue>]) -> ArrayRef {
    match scalar {
        ScalarType::Bool => {
            let value = |value: &Option<ScalarValue>| value.as_ref().map(bool_of);
            Arc::new(values.iter().map(value).collect::<BooleanArray>())
        }
        ScalarType::Int8 => ints::<Int8Type>(values),
        ScalarType::Int16 => ints::<Int16Type>(values),
        ScalarType::Int32 => ints::<Int32Type>(values),
        ScalarType::Int64 | ScalarType::Timestamp => ints::<Int64Type>(values),
        ScalarType::Float32 => {
            #[expect(clippy::cast_possible_truncation, reason = "made from 32 bits")]
            let narrow = |value: &ScalarValue| float_of(value) as f32;
            let value = |value: &Option<ScalarValue>| value.as_ref().map(narrow);
            Arc::new(values.iter().map(value).collect::<Float32Array>())
        }
        ScalarType::Float64 => {
            let value = |value: &Option<ScalarValue>| value.as_ref().map(float_of);
            Arc::new(values.iter().map(value).collect::<Float64Array>())
        }
        ScalarType::String | ScalarType::Json => {
            let value = |value: &Option<ScalarValue>| value.as_ref().map(|v| text_of(v).to_owned());
            Arc::new(values.iter().map(value).collect::<StringArray>())
        }
        ScalarType::Array(item) => {
            let items =
                |value: &Option<ScalarValue>| value.as_ref().map_or(&[][..], items_of).to_vec();
            let lists: Vec<Vec<ScalarValue>> = values.iter().map(items).collect();
            let offsets = OffsetBuffer::from_lengths(lists.iter().map(Vec::len));
            let flat: Vec<_> = lists.into_iter().flatten().map(Some).collect();
            let nulls: NullBuffer = values.iter().map(Option::is_some).collect();
            let items = array(item.scalar(), &flat);
            Arc::new(ListArray::new(item.field(), offsets, items, Some(nulls)))
        }
    }
}

/// The value of a row.
pub(crate) fn value_at(scalar: ScalarType, array: &ArrayRef, row: usize) -> Option<ScalarValue> {
    if array.is_null(row) {
        return None;
    }
    Some(match scalar {
        ScalarType::Bool => ScalarValue::Bool(array.as_boolean().value(row)),
        ScalarType::Int8 => ScalarValue::Int(array.as_primitive::<Int8Type>().value(row).into()),
        ScalarType::Int16 => ScalarValue::Int(array.as_primitive::<Int16Type>().value(row).into()),
        ScalarType::Int32 => ScalarValue::Int(array.as_primitive::<Int32Type>().value(row).into()),
        ScalarType::Int64 | ScalarType::Timestamp => {
            ScalarValue::Int(array.as_primitive::<Int64Type>().value(row))
        }
        ScalarType::Float32 => {
            ScalarValue::Float(array.as_primitive::<Float32Type>().value(row).into())
        }
        ScalarType::Float64 => ScalarValue::Float(array.as_primitive::<Float64Type>().value(row)),
        ScalarType::String | ScalarType::Json => {
            ScalarValue::Text(array.as_string::<i32>().value(row).to_owned())
        }
        ScalarType::Array(item) => {
            let items = array.as_list::<i32>().value(row);
            let value = |at| value_at(item.scalar(), &items, at).expect("items are never null");
            ScalarValue::Array((0..items.len()).map(value).collect())
        }
    })
}

fn ints<T: ArrowPrimitiveType>(values: &[Option<ScalarValue>]) -> ArrayRef
where
    T::Native: TryFrom<i64>,
{
    let value = |value: &Option<ScalarValue>| match value {
        Some(ScalarValue::Int(value)) => T::Native::try_from(*value).ok(),
        None => None,
        other => panic!("{other:?} is no integer"),
    };
    Arc::new(values.iter().map(value).collect::<PrimitiveArray<T>>())
}

fn bool_of(value: &ScalarValue) -> bool {
    let ScalarValue::Bool(value) = value else { panic!("{value} is no bool") };
    *value
}

fn float_of(value: &ScalarValue) -> f64 {
    let ScalarValue::Float(value) = value else { panic!("{value} is no float") };
    *value
}

fn text_of(value: &ScalarValue) -> &str {
    let ScalarValue::Text(text) = value else { panic!("{value} is no text") };
    text
}

fn items_of(value: &ScalarValue) -> &[ScalarValue] {
    let ScalarValue::Array(items) = value else { panic!("{value} is no array") };
    items
}
