//! Values in filters: literals and what is given for parameters.

use crate::time;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;

/// A constant in a filter, or the value of a parameter. There is no null: it would
/// make every comparison unknown; `is null` tests for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A finite float.
    Float(f64),
    /// A string.
    Text(String),
    /// Microseconds since 1970-01-01 UTC.
    Timestamp(i64),
    /// Microseconds between two timestamps.
    Interval(i64),
    /// Values of one type; for `in`, `contains_any` and `contains_all`.
    List(Vec<Value>),
}

/// The values of a filter's parameters, by name.
pub type Parameters = HashMap<String, Value>;

/// As the filter language spells it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => quote(text, f),
            Self::Timestamp(micros) => match time::print_timestamp(*micros) {
                Some(text) => write!(f, "timestamp'{text}'"),
                None => write!(f, "timestamp({micros})"),
            },
            Self::Interval(micros) => write!(f, "interval'{}'", time::print_interval(*micros)),
            Self::List(values) => {
                f.write_str("[")?;
                for (at, value) in values.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}{value}")?;
                }
                f.write_str("]")
            }
        }
    }
}

fn quote(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("'")?;
    for c in text.chars() {
        match c {
            '\'' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            c if c.is_control() => write!(f, "\\u{{{:x}}}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("'")
}

impl Value {
    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a bool",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Text(_) => "a string",
            Self::Timestamp(_) => "a timestamp",
            Self::Interval(_) => "an interval",
            Self::List(_) => "a list",
        }
    }
}
