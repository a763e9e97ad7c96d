//! One value of one row.

use std::fmt;
use vicinal_api::v1 as proto;

/// A value of a row, borrowed from its column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// The row has none.
    Null,
    /// true or false.
    Bool(bool),
    /// An integer of any width.
    Int(i64),
    /// A 32-bit float.
    Float32(f32),
    /// A 64-bit float.
    Float(f64),
    /// A string.
    Text(&'a str),
    /// Microseconds since 1970-01-01 UTC.
    Timestamp(i64),
    /// A JSON document as text.
    Json(&'a str),
    /// A vector as floats.
    Vector(Vec<f32>),
    /// The items of an array, none of them null.
    Array(Vec<Value<'a>>),
}

impl<'a> Value<'a> {
    /// A single value of a message; what has no kind is null.
    pub(crate) fn of(message: &'a proto::Value) -> Self {
        use proto::value::Kind;
        match &message.kind {
            None => Self::Null,
            Some(Kind::BoolValue(value)) => Self::Bool(*value),
            Some(Kind::IntValue(value)) => Self::Int(*value),
            Some(Kind::DoubleValue(value)) => Self::Float(*value),
            Some(Kind::StringValue(text)) => Self::Text(text),
            Some(Kind::ListValue(list)) => Self::Array(list.values.iter().map(Self::of).collect()),
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) | Self::Timestamp(value) => value.fmt(f),
            Self::Float32(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Text(text) | Self::Json(text) => f.write_str(text),
            Self::Vector(values) => list(values, f),
            Self::Array(items) => list(items, f),
        }
    }
}

fn list(values: &[impl fmt::Display], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("[")?;
    for (at, value) in values.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(f, "{comma}{value}")?;
    }
    f.write_str("]")
}
