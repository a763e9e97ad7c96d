//! What is compared: constants, columns, and what is computed of them.

use crate::json::Path;
use crate::number;
use crate::plan::ColumnRef;
use crate::time::TimeUnit;
use crate::value::Value;
use vicinal_types::ScalarType;

/// What is compared, of one row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Constant(Value),
    /// A constant that overflowed or was divided by zero.
    Unknown(Kind),
    Column(ColumnRef, ScalarType),
    Arithmetic(Arithmetic, Kind, Box<[Operand; 2]>),
    /// Characters of a string, items of an array or of a JSON array.
    Length(Box<Operand>),
    Truncate(TimeUnit, Box<Operand>),
    Json(ColumnRef, Path),
}

/// The type of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int,
    Float,
    Text,
    Timestamp,
    Interval,
    /// A value within a JSON document.
    Json,
    /// A whole JSON column.
    Document,
    Array,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Arithmetic {
    /// On integers: rounds toward zero; none for what 64 bits do not hold and for a
    /// division by zero.
    pub(crate) fn ints(self, left: i64, right: i64) -> Option<i64> {
        match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            Self::Divide => left.checked_div(right),
            // The least integer % -1 is 0, whatever the division does.
            Self::Remainder => (right != 0).then(|| left.wrapping_rem(right)),
        }
    }

    /// On floats: none for what is not finite.
    pub(crate) fn floats(self, left: f64, right: f64) -> Option<f64> {
        let result = match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Remainder => left % right,
        };
        result.is_finite().then_some(result)
    }

    /// The type of the result; none for operands that it does not take.
    pub(crate) fn kind(self, left: Kind, right: Kind) -> Option<Kind> {
        let is_sum = matches!(self, Self::Add | Self::Subtract);
        match (left, right) {
            (Kind::Int, Kind::Int) => Some(Kind::Int),
            (Kind::Int | Kind::Float, Kind::Int | Kind::Float) => Some(Kind::Float),
            (Kind::Timestamp, Kind::Interval) if is_sum => Some(Kind::Timestamp),
            (Kind::Interval, Kind::Timestamp) if self == Self::Add => Some(Kind::Timestamp),
            (Kind::Timestamp, Kind::Timestamp) if self == Self::Subtract => Some(Kind::Interval),
            (Kind::Interval, Kind::Interval) if is_sum => Some(Kind::Interval),
            (Kind::Interval, Kind::Int) if matches!(self, Self::Multiply | Self::Divide) => {
                Some(Kind::Interval)
            }
            (Kind::Int, Kind::Interval) if self == Self::Multiply => Some(Kind::Interval),
            _ => None,
        }
    }
}

impl Kind {
    /// The type of a column's values.
    pub(crate) fn of(scalar: ScalarType) -> Self {
        match scalar {
            ScalarType::Bool => Self::Bool,
            ScalarType::Int8 | ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => {
                Self::Int
            }
            ScalarType::Float32 | ScalarType::Float64 => Self::Float,
            ScalarType::String => Self::Text,
            ScalarType::Timestamp => Self::Timestamp,
            ScalarType::Json => Self::Document,
            ScalarType::Array(_) => Self::Array,
        }
    }

    /// What it is, for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bool => "a bool",
            Self::Int => "an integer",
            Self::Float => "a float",
            Self::Text => "a string",
            Self::Timestamp => "a timestamp",
            Self::Interval => "an interval",
            Self::Json => "a json value",
            Self::Document => "a json document",
            Self::Array => "an array",
        }
    }

    /// A value of this type that is an integer inside.
    fn of_int(self, value: i64) -> Value {
        match self {
            Self::Timestamp => Value::Timestamp(value),
            Self::Interval => Value::Interval(value),
            Self::Bool
            | Self::Int
            | Self::Float
            | Self::Text
            | Self::Json
            | Self::Document
            | Self::Array => Value::Int(value),
        }
    }
}

/// The integer inside an int, timestamp or interval.
pub(crate) fn int_inside(value: &Value) -> Option<i64> {
    match value {
        Value::Int(value) | Value::Timestamp(value) | Value::Interval(value) => Some(*value),
        Value::Bool(_) | Value::Float(_) | Value::Text(_) | Value::List(_) => None,
    }
}

/// The number as arithmetic on floats takes it.
fn float_inside(value: &Value) -> Option<f64> {
    match value {
        Value::Float(value) => Some(*value),
        Value::Int(value) => Some(number::nearest_float(*value)),
        Value::Timestamp(_)
        | Value::Interval(_)
        | Value::Bool(_)
        | Value::Text(_)
        | Value::List(_) => None,
    }
}

impl Operand {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Constant(value) => match value {
                Value::Bool(_) => Kind::Bool,
                Value::Int(_) => Kind::Int,
                Value::Float(_) => Kind::Float,
                Value::Text(_) => Kind::Text,
                Value::Timestamp(_) => Kind::Timestamp,
                Value::Interval(_) => Kind::Interval,
                Value::List(_) => Kind::Array,
            },
            Self::Unknown(kind) | Self::Arithmetic(_, kind, _) => *kind,
            Self::Column(_, scalar) => Kind::of(*scalar),
            Self::Length(_) => Kind::Int,
            Self::Truncate(..) => Kind::Timestamp,
            Self::Json(..) => Kind::Json,
        }
    }

    /// Arithmetic of that result, computed now if both operands are constants.
    pub(crate) fn arithmetic(operator: Arithmetic, kind: Kind, left: Self, right: Self) -> Self {
        match (&left, &right) {
            (Self::Constant(a), Self::Constant(b)) => {
                let result = if kind == Kind::Float {
                    let floats = float_inside(a).zip(float_inside(b));
                    floats.and_then(|(a, b)| operator.floats(a, b)).map(Value::Float)
                } else {
                    let ints = int_inside(a).zip(int_inside(b));
                    ints.and_then(|(a, b)| operator.ints(a, b)).map(|value| kind.of_int(value))
                };
                result.map_or(Self::Unknown(kind), Self::Constant)
            }
            (Self::Unknown(_), _) | (_, Self::Unknown(_)) => Self::Unknown(kind),
            _ => Self::Arithmetic(operator, kind, Box::new([left, right])),
        }
    }

    /// Whether documents are parsed for it.
    pub(crate) fn reads_json(&self) -> bool {
        match self {
            Self::Constant(_) | Self::Unknown(_) | Self::Column(..) => false,
            Self::Json(..) => true,
            Self::Arithmetic(_, _, operands) => operands.iter().any(Self::reads_json),
            Self::Length(operand) | Self::Truncate(_, operand) => operand.reads_json(),
        }
    }

    /// Calls `found` for each column that is read.
    pub(crate) fn columns(&self, found: &mut dyn FnMut(ColumnRef)) {
        match self {
            Self::Constant(_) | Self::Unknown(_) => {}
            Self::Column(column, _) | Self::Json(column, _) => found(*column),
            Self::Arithmetic(_, _, operands) => {
                operands.iter().for_each(|operand| operand.columns(found));
            }
            Self::Length(operand) | Self::Truncate(_, operand) => operand.columns(found),
        }
    }
}
