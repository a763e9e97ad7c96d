//! The types of scalar columns, and single values of them.

use crate::{JsonError, check_json, limits};
use arrow_schema::{DataType, Field};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The type of a scalar column.
///
/// Its name is how YAML, flags, messages and stored schemas spell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum ScalarType {
    /// true or false.
    Bool,
    /// 8-bit signed integer.
    Int8,
    /// 16-bit signed integer.
    Int16,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
    /// IEEE 754 binary32, finite.
    Float32,
    /// IEEE 754 binary64, finite.
    Float64,
    /// UTF-8, at most [`limits::STRING_BYTES_MAX`] bytes.
    String,
    /// Microseconds since 1970-01-01 UTC.
    Timestamp,
    /// A JSON document as text, at most [`limits::STRING_BYTES_MAX`] bytes and
    /// [`limits::JSON_DEPTH_MAX`] levels.
    Json,
    /// Up to [`limits::ARRAY_ITEMS_MAX`] items of one type, none of them null.
    Array(ArrayItem),
}

/// The type of an array's items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArrayItem {
    /// As [`ScalarType::Bool`].
    Bool,
    /// As [`ScalarType::Int8`].
    Int8,
    /// As [`ScalarType::Int16`].
    Int16,
    /// As [`ScalarType::Int32`].
    Int32,
    /// As [`ScalarType::Int64`].
    Int64,
    /// As [`ScalarType::Float32`].
    Float32,
    /// As [`ScalarType::Float64`].
    Float64,
    /// As [`ScalarType::String`].
    String,
    /// As [`ScalarType::Timestamp`].
    Timestamp,
}

/// One value, as a declaration or a request spells it; which type it is of says
/// the column, see [`ScalarType::value`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ScalarValue {
    /// true or false.
    Bool(bool),
    /// An integer of any width, or a timestamp.
    Int(i64),
    /// A float of either width.
    Float(f64),
    /// A string or a JSON document.
    Text(String),
    /// An array.
    Array(Vec<ScalarValue>),
}

/// Why a value is none of a column's type.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ValueError {
    /// A value of another type.
    #[error("{value} is no {scalar}")]
    Type {
        /// The value.
        value: ScalarValue,
        /// What was wanted.
        scalar: ScalarType,
    },
    /// An integer that is too large or too small.
    #[error("{value} is not between {min} and {max}, which {scalar} takes")]
    Range {
        /// The value.
        value: i64,
        /// What was wanted.
        scalar: ScalarType,
        /// The least that it takes.
        min: i64,
        /// The greatest that it takes.
        max: i64,
    },
    /// NaN, an infinity, or beyond what a float of 32 bits can be.
    #[error("{value:?} is no finite {scalar}")]
    NotFinite {
        /// The value.
        value: f64,
        /// What was wanted.
        scalar: ScalarType,
    },
    /// Too long a text.
    #[error("a text has at most {} bytes, this one has {len}", limits::STRING_BYTES_MAX)]
    Bytes {
        /// Its bytes.
        len: usize,
    },
    /// Too long an array.
    #[error("an array has at most {} items, this one has {len}", limits::ARRAY_ITEMS_MAX)]
    Items {
        /// Its items.
        len: usize,
    },
    /// A text that is no JSON document.
    #[error("the value {0}")]
    Json(JsonError),
    /// A wrong item of an array.
    #[error("item {at}: {reason}")]
    Item {
        /// Its place, from 0.
        at: usize,
        /// What is wrong with it.
        reason: Box<ValueError>,
    },
}

impl ScalarType {
    /// Every type there is.
    pub const ALL: [Self; 19] = [
        Self::Bool,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Float32,
        Self::Float64,
        Self::String,
        Self::Timestamp,
        Self::Json,
        Self::Array(ArrayItem::Bool),
        Self::Array(ArrayItem::Int8),
        Self::Array(ArrayItem::Int16),
        Self::Array(ArrayItem::Int32),
        Self::Array(ArrayItem::Int64),
        Self::Array(ArrayItem::Float32),
        Self::Array(ArrayItem::Float64),
        Self::Array(ArrayItem::String),
        Self::Array(ArrayItem::Timestamp),
    ];

    /// The type's name in YAML, flags and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::String => "string",
            Self::Timestamp => "timestamp",
            Self::Json => "json",
            Self::Array(ArrayItem::Bool) => "array<bool>",
            Self::Array(ArrayItem::Int8) => "array<int8>",
            Self::Array(ArrayItem::Int16) => "array<int16>",
            Self::Array(ArrayItem::Int32) => "array<int32>",
            Self::Array(ArrayItem::Int64) => "array<int64>",
            Self::Array(ArrayItem::Float32) => "array<float32>",
            Self::Array(ArrayItem::Float64) => "array<float64>",
            Self::Array(ArrayItem::String) => "array<string>",
            Self::Array(ArrayItem::Timestamp) => "array<timestamp>",
        }
    }

    /// The Arrow type in which values are held and stored.
    pub fn arrow(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int8 => DataType::Int8,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 | Self::Timestamp => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::String | Self::Json => DataType::Utf8,
            Self::Array(item) => DataType::List(item.field()),
        }
    }

    /// The type of an array's items; none if this is no array.
    pub fn item(self) -> Option<ArrayItem> {
        match self {
            Self::Array(item) => Some(item),
            Self::Bool
            | Self::Int8
            | Self::Int16
            | Self::Int32
            | Self::Int64
            | Self::Float32
            | Self::Float64
            | Self::String
            | Self::Timestamp
            | Self::Json => None,
        }
    }

    /// The arrays whose items are of this type; none if there are no such arrays.
    pub fn array(self) -> Option<Self> {
        Self::ALL.into_iter().find(|array| array.item().is_some_and(|item| item.scalar() == self))
    }

    /// The least and the greatest integer; none if this is no type of integers.
    pub fn int_range(self) -> Option<(i64, i64)> {
        match self {
            Self::Int8 => Some((i8::MIN.into(), i8::MAX.into())),
            Self::Int16 => Some((i16::MIN.into(), i16::MAX.into())),
            Self::Int32 => Some((i32::MIN.into(), i32::MAX.into())),
            Self::Int64 | Self::Timestamp => Some((i64::MIN, i64::MAX)),
            Self::Bool
            | Self::Float32
            | Self::Float64
            | Self::String
            | Self::Json
            | Self::Array(_) => None,
        }
    }

    /// The value as this type has it: integers become floats where floats are
    /// wanted, and floats of 32 bits are rounded to them.
    ///
    /// # Errors
    /// [`ValueError`] with the value and the limit.
    pub fn value(self, value: ScalarValue) -> Result<ScalarValue, ValueError> {
        match (self, value) {
            (Self::Bool, value @ ScalarValue::Bool(_)) => Ok(value),
            (
                Self::Int8 | Self::Int16 | Self::Int32 | Self::Int64 | Self::Timestamp,
                ScalarValue::Int(value),
            ) => self.int(value),
            (Self::Float32 | Self::Float64, ScalarValue::Float(value)) => self.float(value),
            (Self::Float32 | Self::Float64, ScalarValue::Int(value)) => {
                self.float(nearest_float(value))
            }
            (Self::String | Self::Json, ScalarValue::Text(text)) => self.text(text),
            (Self::Array(item), ScalarValue::Array(items)) => item.array(items),
            (
                Self::Bool
                | Self::Int8
                | Self::Int16
                | Self::Int32
                | Self::Int64
                | Self::Float32
                | Self::Float64
                | Self::String
                | Self::Timestamp
                | Self::Json
                | Self::Array(_),
                value,
            ) => Err(ValueError::Type { value, scalar: self }),
        }
    }

    fn int(self, value: i64) -> Result<ScalarValue, ValueError> {
        match self.int_range() {
            Some((min, max)) if (min..=max).contains(&value) => Ok(ScalarValue::Int(value)),
            Some((min, max)) => Err(ValueError::Range { value, scalar: self, min, max }),
            None => Err(ValueError::Type { value: ScalarValue::Int(value), scalar: self }),
        }
    }

    fn float(self, value: f64) -> Result<ScalarValue, ValueError> {
        let stored = if self == Self::Float32 { f64::from(nearest_f32(value)) } else { value };
        if !stored.is_finite() {
            return Err(ValueError::NotFinite { value, scalar: self });
        }
        Ok(ScalarValue::Float(stored))
    }

    fn text(self, text: String) -> Result<ScalarValue, ValueError> {
        let len = text.len();
        if len > limits::STRING_BYTES_MAX {
            return Err(ValueError::Bytes { len });
        }
        if self == Self::Json {
            check_json(&text).map_err(ValueError::Json)?;
        }
        Ok(ScalarValue::Text(text))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounding is what a 32-bit column does")]
fn nearest_f32(value: f64) -> f32 {
    value as f32
}

#[expect(clippy::cast_precision_loss, reason = "rounding is what a column of floats does")]
fn nearest_float(value: i64) -> f64 {
    value as f64
}

impl ArrayItem {
    /// The type that a single item is of.
    pub fn scalar(self) -> ScalarType {
        match self {
            Self::Bool => ScalarType::Bool,
            Self::Int8 => ScalarType::Int8,
            Self::Int16 => ScalarType::Int16,
            Self::Int32 => ScalarType::Int32,
            Self::Int64 => ScalarType::Int64,
            Self::Float32 => ScalarType::Float32,
            Self::Float64 => ScalarType::Float64,
            Self::String => ScalarType::String,
            Self::Timestamp => ScalarType::Timestamp,
        }
    }

    /// The field of Arrow's list whose items these are; they are never null.
    pub fn field(self) -> Arc<Field> {
        Arc::new(Field::new("item", self.scalar().arrow(), false))
    }

    fn array(self, items: Vec<ScalarValue>) -> Result<ScalarValue, ValueError> {
        let len = items.len();
        if len > limits::ARRAY_ITEMS_MAX {
            return Err(ValueError::Items { len });
        }
        let item = |(at, item)| {
            let wrong = |reason| ValueError::Item { at, reason: Box::new(reason) };
            self.scalar().value(item).map_err(wrong)
        };
        Ok(ScalarValue::Array(items.into_iter().enumerate().map(item).collect::<Result<_, _>>()?))
    }
}

/// Floats are equal if their bits are: a declaration is what was written.
impl PartialEq for ScalarValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::Text(_) | Self::Array(_), _) => {
                false
            }
        }
    }
}

impl Eq for ScalarValue {}

/// As JSON spells it.
impl fmt::Display for ScalarValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Array(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
        }
    }
}

impl fmt::Display for ScalarType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<ScalarType> for &'static str {
    fn from(scalar: ScalarType) -> Self {
        scalar.name()
    }
}

impl TryFrom<String> for ScalarType {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::ALL.into_iter().find(|scalar| scalar.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|scalar| scalar.name()).collect();
            format!("there is no column type {name:?}; use one of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests;
