//! Values one after another: those of a column, or the items of its arrays.

use crate::rows::Value;
use vicinal_api::v1 as proto;
use vicinal_api::v1::array_values::Items;
use vicinal_api::v1::column_values::Values;

/// Values of one type, as messages hold them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Flat {
    Bool(Vec<bool>),
    /// Integers of every width.
    Int(Vec<i64>),
    Float32(Vec<f32>),
    Float(Vec<f64>),
    Text(Vec<String>),
    Timestamp(Vec<i64>),
    Json(Vec<String>),
}

impl Flat {
    /// Integers of fewer bits.
    pub(super) fn widened<T: Into<i64>>(values: Vec<T>) -> Self {
        Self::Int(values.into_iter().map(Into::into).collect())
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::Int(values) | Self::Timestamp(values) => values.len(),
            Self::Float32(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Text(values) | Self::Json(values) => values.len(),
        }
    }

    /// The value at a place; none beyond the last.
    pub(super) fn value(&self, at: usize) -> Option<Value<'_>> {
        match self {
            Self::Bool(values) => values.get(at).copied().map(Value::Bool),
            Self::Int(values) => values.get(at).copied().map(Value::Int),
            Self::Float32(values) => values.get(at).copied().map(Value::Float32),
            Self::Float(values) => values.get(at).copied().map(Value::Float),
            Self::Text(values) => values.get(at).map(|text| Value::Text(text)),
            Self::Timestamp(values) => values.get(at).copied().map(Value::Timestamp),
            Self::Json(values) => values.get(at).map(|text| Value::Json(text)),
        }
    }

    /// Bytes on the wire, about.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::Int(values) | Self::Timestamp(values) => values.len() * 8,
            Self::Float32(values) => values.len() * 4,
            Self::Float(values) => values.len() * 8,
            Self::Text(values) | Self::Json(values) => {
                values.iter().map(|text| text.len() + 3).sum()
            }
        }
    }

    /// Whether both hold values of one type.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Adds values of the same type behind these.
    pub(super) fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Bool(values), Self::Bool(more)) => values.extend(more),
            (Self::Int(values), Self::Int(more))
            | (Self::Timestamp(values), Self::Timestamp(more)) => values.extend(more),
            (Self::Float32(values), Self::Float32(more)) => values.extend(more),
            (Self::Float(values), Self::Float(more)) => values.extend(more),
            (Self::Text(values), Self::Text(more)) | (Self::Json(values), Self::Json(more)) => {
                values.extend(more);
            }
            (_, more) => unreachable!("is_like() was asked before appending {more:?}"),
        }
    }

    pub(super) fn into_values(self) -> Values {
        match self {
            Self::Bool(values) => Values::Bools(proto::BoolValues { values }),
            Self::Int(values) => Values::Ints(proto::IntValues { values }),
            Self::Float32(values) => Values::Floats(proto::FloatValues { values }),
            Self::Float(values) => Values::Doubles(proto::DoubleValues { values }),
            Self::Text(values) => Values::Strings(proto::StringValues { values }),
            Self::Timestamp(values) => Values::Timestamps(proto::IntValues { values }),
            Self::Json(values) => Values::Json(proto::StringValues { values }),
        }
    }

    /// The values of a column; none of vectors and arrays.
    pub(super) fn from_values(values: Values) -> Option<Self> {
        match values {
            Values::Bools(bools) => Some(Self::Bool(bools.values)),
            Values::Ints(ints) => Some(Self::Int(ints.values)),
            Values::Floats(floats) => Some(Self::Float32(floats.values)),
            Values::Doubles(doubles) => Some(Self::Float(doubles.values)),
            Values::Strings(strings) => Some(Self::Text(strings.values)),
            Values::Timestamps(timestamps) => Some(Self::Timestamp(timestamps.values)),
            Values::Json(json) => Some(Self::Json(json.values)),
            Values::Vectors(_) | Values::Arrays(_) => None,
        }
    }

    /// The items of arrays; none of JSON, of which there are no arrays.
    pub(super) fn into_items(self) -> Option<Items> {
        match self {
            Self::Bool(values) => Some(Items::Bools(proto::BoolValues { values })),
            Self::Int(values) => Some(Items::Ints(proto::IntValues { values })),
            Self::Float32(values) => Some(Items::Floats(proto::FloatValues { values })),
            Self::Float(values) => Some(Items::Doubles(proto::DoubleValues { values })),
            Self::Text(values) => Some(Items::Strings(proto::StringValues { values })),
            Self::Timestamp(values) => Some(Items::Timestamps(proto::IntValues { values })),
            Self::Json(_) => None,
        }
    }

    pub(super) fn from_items(items: Items) -> Self {
        match items {
            Items::Bools(bools) => Self::Bool(bools.values),
            Items::Ints(ints) => Self::Int(ints.values),
            Items::Floats(floats) => Self::Float32(floats.values),
            Items::Doubles(doubles) => Self::Float(doubles.values),
            Items::Strings(strings) => Self::Text(strings.values),
            Items::Timestamps(timestamps) => Self::Timestamp(timestamps.values),
        }
    }
}
