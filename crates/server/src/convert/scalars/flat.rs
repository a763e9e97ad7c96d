//! Values one after another: those of a column, or the items of its arrays.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray, StringArray};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use std::sync::Arc;
use vicinal_api::v1;
use vicinal_api::v1::array_values::Items;
use vicinal_api::v1::column_values::Values;
use vicinal_types::ScalarType;

/// Values as messages hold them.
#[derive(Debug)]
pub(super) enum Flat {
    Bools(Vec<bool>),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Doubles(Vec<f64>),
    Strings(Vec<String>),
    Timestamps(Vec<i64>),
    Json(Vec<String>),
}

/// Why values are not those of a type.
#[derive(Clone, Copy, Debug)]
pub(super) enum Misfit {
    /// They are of another.
    Type,
    /// An integer beyond the type's range.
    Range { at: usize, value: i64 },
}

/// What the items are, in the words of messages.
pub(super) fn items_kind(items: &Items) -> &'static str {
    match items {
        Items::Bools(_) => "bools",
        Items::Ints(_) => "ints",
        Items::Floats(_) => "floats",
        Items::Doubles(_) => "doubles",
        Items::Strings(_) => "strings",
        Items::Timestamps(_) => "timestamps",
    }
}

impl Flat {
    /// The values of a column; none of vectors and arrays.
    pub(super) fn from_values(values: Values) -> Option<Self> {
        match values {
            Values::Bools(bools) => Some(Self::Bools(bools.values)),
            Values::Ints(ints) => Some(Self::Ints(ints.values)),
            Values::Floats(floats) => Some(Self::Floats(floats.values)),
            Values::Doubles(doubles) => Some(Self::Doubles(doubles.values)),
            Values::Strings(strings) => Some(Self::Strings(strings.values)),
            Values::Timestamps(timestamps) => Some(Self::Timestamps(timestamps.values)),
            Values::Json(json) => Some(Self::Json(json.values)),
            Values::Vectors(_) | Values::Arrays(_) => None,
        }
    }

    pub(super) fn from_items(items: Items) -> Self {
        match items {
            Items::Bools(bools) => Self::Bools(bools.values),
            Items::Ints(ints) => Self::Ints(ints.values),
            Items::Floats(floats) => Self::Floats(floats.values),
            Items::Doubles(doubles) => Self::Doubles(doubles.values),
            Items::Strings(strings) => Self::Strings(strings.values),
            Items::Timestamps(timestamps) => Self::Timestamps(timestamps.values),
        }
    }

    /// No values of a type.
    pub(super) fn empty(scalar: ScalarType) -> Self {
        Self::from_array(scalar, &arrow_array::new_empty_array(&scalar.arrow()))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bools(values) => values.len(),
            Self::Ints(values) | Self::Timestamps(values) => values.len(),
            Self::Floats(values) => values.len(),
            Self::Doubles(values) => values.len(),
            Self::Strings(values) | Self::Json(values) => values.len(),
        }
    }

    /// Whether a column of that type takes such values.
    pub(super) fn is_of(&self, scalar: ScalarType) -> bool {
        match self {
            Self::Bools(_) => scalar == ScalarType::Bool,
            Self::Ints(_) => scalar.int_range().is_some() && scalar != ScalarType::Timestamp,
            Self::Floats(_) => scalar == ScalarType::Float32,
            Self::Doubles(_) => scalar == ScalarType::Float64,
            Self::Strings(_) => scalar == ScalarType::String,
            Self::Timestamps(_) => scalar == ScalarType::Timestamp,
            Self::Json(_) => scalar == ScalarType::Json,
        }
    }

    /// The values as Arrow has those of a type.
    pub(super) fn into_array(
        self,
        scalar: ScalarType,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, Misfit> {
        if !self.is_of(scalar) {
            return Err(Misfit::Type);
        }
        Ok(match self {
            Self::Bools(values) => Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls)),
            Self::Ints(values) => match scalar {
                ScalarType::Int8 => narrowed::<Int8Type>(&values, nulls)?,
                ScalarType::Int16 => narrowed::<Int16Type>(&values, nulls)?,
                ScalarType::Int32 => narrowed::<Int32Type>(&values, nulls)?,
                ScalarType::Int64 => numbers::<Int64Type>(values, nulls),
                ScalarType::Bool
                | ScalarType::Float32
                | ScalarType::Float64
                | ScalarType::String
                | ScalarType::Timestamp
                | ScalarType::Json
                | ScalarType::Array(_) => return Err(Misfit::Type),
            },
            Self::Timestamps(values) => numbers::<Int64Type>(values, nulls),
            Self::Floats(values) => numbers::<Float32Type>(values, nulls),
            Self::Doubles(values) => numbers::<Float64Type>(values, nulls),
            Self::Strings(values) | Self::Json(values) => {
                let (offsets, bytes, _) = StringArray::from_iter_values(values).into_parts();
                Arc::new(StringArray::new(offsets, bytes, nulls))
            }
        })
    }

    /// The values of an array of that type.
    ///
    /// # Panics
    /// If the array is of another type, or of lists.
    pub(super) fn from_array(scalar: ScalarType, array: &ArrayRef) -> Self {
        let ints = || array.as_primitive::<Int64Type>().values().to_vec();
        let strings = || {
            let array = array.as_string::<i32>();
            // A null's value may be anything; what is behind it is nobody's business.
            array.iter().map(|value| value.unwrap_or_default().to_owned()).collect()
        };
        match scalar {
            ScalarType::Bool => Self::Bools(array.as_boolean().values().iter().collect()),
            ScalarType::Int8 => Self::Ints(widened::<Int8Type>(array)),
            ScalarType::Int16 => Self::Ints(widened::<Int16Type>(array)),
            ScalarType::Int32 => Self::Ints(widened::<Int32Type>(array)),
            ScalarType::Int64 => Self::Ints(ints()),
            ScalarType::Float32 => {
                Self::Floats(array.as_primitive::<Float32Type>().values().to_vec())
            }
            ScalarType::Float64 => {
                Self::Doubles(array.as_primitive::<Float64Type>().values().to_vec())
            }
            ScalarType::String => Self::Strings(strings()),
            ScalarType::Timestamp => Self::Timestamps(ints()),
            ScalarType::Json => Self::Json(strings()),
            ScalarType::Array(_) => unreachable!("arrays are flattened before"),
        }
    }

    pub(super) fn into_values(self) -> Values {
        match self {
            Self::Bools(values) => Values::Bools(v1::BoolValues { values }),
            Self::Ints(values) => Values::Ints(v1::IntValues { values }),
            Self::Floats(values) => Values::Floats(v1::FloatValues { values }),
            Self::Doubles(values) => Values::Doubles(v1::DoubleValues { values }),
            Self::Strings(values) => Values::Strings(v1::StringValues { values }),
            Self::Timestamps(values) => Values::Timestamps(v1::IntValues { values }),
            Self::Json(values) => Values::Json(v1::StringValues { values }),
        }
    }

    /// The items of arrays, of which there are none of JSON.
    pub(super) fn into_items(self) -> Option<Items> {
        match self {
            Self::Bools(values) => Some(Items::Bools(v1::BoolValues { values })),
            Self::Ints(values) => Some(Items::Ints(v1::IntValues { values })),
            Self::Floats(values) => Some(Items::Floats(v1::FloatValues { values })),
            Self::Doubles(values) => Some(Items::Doubles(v1::DoubleValues { values })),
            Self::Strings(values) => Some(Items::Strings(v1::StringValues { values })),
            Self::Timestamps(values) => Some(Items::Timestamps(v1::IntValues { values })),
            Self::Json(_) => None,
        }
    }
}

fn numbers<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls))
}

/// Integers in fewer bits; what a null covers is ignored.
fn narrowed<T: ArrowPrimitiveType>(
    values: &[i64],
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, Misfit>
where
    T::Native: TryFrom<i64>,
{
    let narrow = |(at, &value): (usize, &i64)| match T::Native::try_from(value) {
        Ok(narrow) => Ok(narrow),
        Err(_) if nulls.as_ref().is_some_and(|nulls| nulls.is_null(at)) => Ok(T::default_value()),
        Err(_) => Err(Misfit::Range { at, value }),
    };
    let narrow = values.iter().enumerate().map(narrow).collect::<Result<Vec<_>, _>>()?;
    Ok(numbers::<T>(narrow, nulls))
}

fn widened<T: ArrowPrimitiveType>(array: &ArrayRef) -> Vec<i64>
where
    i64: From<T::Native>,
{
    array.as_primitive::<T>().values().iter().map(|value| i64::from(*value)).collect()
}
