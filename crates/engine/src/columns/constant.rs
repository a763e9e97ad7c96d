//! Columns that have one value in every row: defaults and nulls.

use super::take;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{
    ArrayRef, BooleanArray, ListArray, PrimitiveArray, StringArray, new_empty_array, new_null_array,
};
use arrow_buffer::OffsetBuffer;
use std::sync::Arc;
use vicinal_types::{ScalarType, ScalarValue};

/// The value, or null, `rows` times.
///
/// # Panics
/// If the value is none of the type; a schema's defaults are.
pub(crate) fn constant(scalar: ScalarType, value: Option<&ScalarValue>, rows: usize) -> ArrayRef {
    match value {
        None => new_null_array(&scalar.arrow(), rows),
        Some(_) if rows == 0 => new_empty_array(&scalar.arrow()),
        Some(value) if rows == 1 => values(scalar, std::slice::from_ref(value)),
        Some(value) => take(&values(scalar, std::slice::from_ref(value)), &vec![0; rows]),
    }
}

/// Values of one type as an array.
fn values(scalar: ScalarType, values: &[ScalarValue]) -> ArrayRef {
    match scalar {
        ScalarType::Bool => {
            Arc::new(values.iter().map(|value| Some(bool_of(value))).collect::<BooleanArray>())
        }
        ScalarType::Int8 => ints::<Int8Type>(values),
        ScalarType::Int16 => ints::<Int16Type>(values),
        ScalarType::Int32 => ints::<Int32Type>(values),
        ScalarType::Int64 | ScalarType::Timestamp => ints::<Int64Type>(values),
        ScalarType::Float32 => {
            #[expect(clippy::cast_possible_truncation, reason = "the schema holds rounded values")]
            let narrow = |value| float_of(value) as f32;
            let values = values.iter().map(narrow);
            Arc::new(PrimitiveArray::<Float32Type>::from_iter_values(values))
        }
        ScalarType::Float64 => {
            Arc::new(PrimitiveArray::<Float64Type>::from_iter_values(values.iter().map(float_of)))
        }
        ScalarType::String | ScalarType::Json => {
            Arc::new(StringArray::from_iter_values(values.iter().map(text_of)))
        }
        ScalarType::Array(item) => {
            let lists: Vec<_> = values.iter().map(items_of).collect();
            let offsets = OffsetBuffer::from_lengths(lists.iter().map(|items| items.len()));
            let items = self::values(item.scalar(), &lists.concat());
            Arc::new(ListArray::new(item.field(), offsets, items, None))
        }
    }
}

fn ints<T: ArrowPrimitiveType>(values: &[ScalarValue]) -> ArrayRef
where
    T::Native: TryFrom<i64>,
{
    let value = |value| match value {
        &ScalarValue::Int(value) => T::Native::try_from(value).ok(),
        ScalarValue::Bool(_)
        | ScalarValue::Float(_)
        | ScalarValue::Text(_)
        | ScalarValue::Array(_) => None,
    };
    let values = values.iter().map(|given| value(given).unwrap_or_else(|| wrong(given)));
    Arc::new(PrimitiveArray::<T>::from_iter_values(values))
}

fn bool_of(value: &ScalarValue) -> bool {
    match value {
        ScalarValue::Bool(value) => *value,
        ScalarValue::Int(_)
        | ScalarValue::Float(_)
        | ScalarValue::Text(_)
        | ScalarValue::Array(_) => wrong(value),
    }
}

fn float_of(value: &ScalarValue) -> f64 {
    match value {
        ScalarValue::Float(value) => *value,
        ScalarValue::Bool(_)
        | ScalarValue::Int(_)
        | ScalarValue::Text(_)
        | ScalarValue::Array(_) => wrong(value),
    }
}

fn text_of(value: &ScalarValue) -> &str {
    match value {
        ScalarValue::Text(text) => text,
        ScalarValue::Bool(_)
        | ScalarValue::Int(_)
        | ScalarValue::Float(_)
        | ScalarValue::Array(_) => wrong(value),
    }
}

fn items_of(value: &ScalarValue) -> &[ScalarValue] {
    match value {
        ScalarValue::Array(items) => items,
        ScalarValue::Bool(_)
        | ScalarValue::Int(_)
        | ScalarValue::Float(_)
        | ScalarValue::Text(_) => wrong(value),
    }
}

fn wrong(value: &ScalarValue) -> ! {
    unreachable!("a schema's defaults are values of their columns, {value} is none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Array as _;
    use arrow_array::cast::AsArray as _;
    use vicinal_types::ArrayItem;

    /// A value of a type, and how often it is to be had.
    fn check(scalar: ScalarType, value: &ScalarValue) {
        for rows in [0, 1, 3] {
            let array = constant(scalar, Some(value), rows);
            assert_eq!((array.len(), array.data_type()), (rows, &scalar.arrow()), "{scalar}");
            assert_eq!(array.null_count(), 0);
        }
    }

    #[test]
    fn a_default_is_there_in_every_row() {
        for scalar in ScalarType::ALL {
            let single = |scalar| match scalar {
                ScalarType::Bool => ScalarValue::Bool(true),
                ScalarType::Float32 | ScalarType::Float64 => ScalarValue::Float(0.5),
                ScalarType::String | ScalarType::Json => ScalarValue::Text("{}".into()),
                ScalarType::Int8
                | ScalarType::Int16
                | ScalarType::Int32
                | ScalarType::Int64
                | ScalarType::Timestamp
                | ScalarType::Array(_) => ScalarValue::Int(-7),
            };
            match scalar.item() {
                None => check(scalar, &single(scalar)),
                Some(item) => {
                    check(scalar, &ScalarValue::Array(vec![]));
                    check(scalar, &ScalarValue::Array(vec![single(item.scalar()); 2]));
                }
            }
            assert_eq!(constant(scalar, None, 2).null_count(), 2, "{scalar}");
        }
        let pair = ScalarValue::Array(vec![ScalarValue::Int(1), ScalarValue::Int(2)]);
        let array = constant(ScalarType::Array(ArrayItem::Int16), Some(&pair), 2);
        let second = array.as_list::<i32>().value(1);
        assert_eq!(second.as_primitive::<Int16Type>().values(), &[1, 2]);
    }
}
