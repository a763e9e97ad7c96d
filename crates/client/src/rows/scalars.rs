//! The values of one scalar column.

use super::Value;
use vicinal_api::v1 as proto;

/// Values of one scalar column, in row order, with nulls if they came as options.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalars {
    kind: Kind,
    /// One flag a row, or nothing if no row is null.
    nulls: Vec<bool>,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Bool(Vec<bool>),
    Int(Vec<i64>),
    Float(Vec<f64>),
    Text(Vec<String>),
    Timestamp(Vec<i64>),
    Json(Vec<String>),
}

impl Scalars {
    /// Moments in microseconds since 1970-01-01 UTC.
    pub fn timestamps(micros: Vec<Option<i64>>) -> Self {
        Self::with_nulls(micros, Kind::Timestamp)
    }

    /// JSON documents as text.
    pub fn json(documents: Vec<Option<String>>) -> Self {
        Self::with_nulls(documents, Kind::Json)
    }

    fn with_nulls<T: Default>(values: Vec<Option<T>>, kind: fn(Vec<T>) -> Kind) -> Self {
        let has_nulls = values.iter().any(Option::is_none);
        let nulls = if has_nulls { values.iter().map(Option::is_none).collect() } else { vec![] };
        let values = values.into_iter().map(Option::unwrap_or_default).collect();
        Self { kind: kind(values), nulls }
    }

    /// How many values there are, nulls included.
    pub fn len(&self) -> usize {
        match &self.kind {
            Kind::Bool(values) => values.len(),
            Kind::Int(values) | Kind::Timestamp(values) => values.len(),
            Kind::Float(values) => values.len(),
            Kind::Text(values) | Kind::Json(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a row; none beyond the last.
    pub fn value(&self, row: usize) -> Option<Value<'_>> {
        if self.nulls.get(row) == Some(&true) {
            return Some(Value::Null);
        }
        match &self.kind {
            Kind::Bool(values) => values.get(row).copied().map(Value::Bool),
            Kind::Int(values) => values.get(row).copied().map(Value::Int),
            Kind::Float(values) => values.get(row).copied().map(Value::Float),
            Kind::Text(values) => values.get(row).map(|text| Value::Text(text)),
            Kind::Timestamp(values) => values.get(row).copied().map(Value::Timestamp),
            Kind::Json(values) => values.get(row).map(|text| Value::Json(text)),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let values = match &self.kind {
            Kind::Bool(values) => values.len(),
            Kind::Int(values) | Kind::Timestamp(values) => values.len() * 8,
            Kind::Float(values) => values.len() * 8,
            Kind::Text(values) | Kind::Json(values) => {
                values.iter().map(|text| text.len() + 3).sum()
            }
        };
        values + self.nulls.len() / 8
    }

    /// Whether both hold values of one type.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(&self.kind) == std::mem::discriminant(&other.kind)
    }

    /// Adds values of the same type behind these.
    pub(super) fn append(&mut self, other: Self) {
        let (len, more) = (self.len(), other.len());
        if !self.nulls.is_empty() || !other.nulls.is_empty() {
            self.nulls.resize(len, false);
            self.nulls.extend(other.nulls);
            self.nulls.resize(len + more, false);
        }
        match (&mut self.kind, other.kind) {
            (Kind::Bool(values), Kind::Bool(more)) => values.extend(more),
            (Kind::Int(values), Kind::Int(more))
            | (Kind::Timestamp(values), Kind::Timestamp(more)) => values.extend(more),
            (Kind::Float(values), Kind::Float(more)) => values.extend(more),
            (Kind::Text(values), Kind::Text(more)) | (Kind::Json(values), Kind::Json(more)) => {
                values.extend(more);
            }
            (_, more) => unreachable!("is_like() was asked before appending {more:?}"),
        }
    }

    pub(super) fn into_message(self, name: String) -> proto::ColumnValues {
        use proto::column_values::Values;
        let values = match self.kind {
            Kind::Bool(values) => Values::Bools(proto::BoolValues { values }),
            Kind::Int(values) => Values::Ints(proto::IntValues { values }),
            Kind::Float(values) => Values::Doubles(proto::DoubleValues { values }),
            Kind::Text(values) => Values::Strings(proto::StringValues { values }),
            Kind::Timestamp(values) => Values::Timestamps(proto::IntValues { values }),
            Kind::Json(values) => Values::Json(proto::StringValues { values }),
        };
        proto::ColumnValues { name, values: Some(values), nulls: pack(&self.nulls) }
    }

    pub(super) fn from_message(message: proto::ColumnValues) -> Result<Self, String> {
        use proto::column_values::Values;
        let kind = match message.values {
            Some(Values::Bools(bools)) => Kind::Bool(bools.values),
            Some(Values::Ints(ints)) => Kind::Int(ints.values),
            Some(Values::Doubles(doubles)) => Kind::Float(doubles.values),
            Some(Values::Strings(strings)) => Kind::Text(strings.values),
            Some(Values::Timestamps(timestamps)) => Kind::Timestamp(timestamps.values),
            Some(Values::Json(json)) => Kind::Json(json.values),
            Some(Values::Vectors(_)) | None => {
                return Err(format!("column `{}` has no scalar values", message.name));
            }
        };
        let mut scalars = Self { kind, nulls: Vec::new() };
        if !message.nulls.is_empty() {
            let bit =
                |row: usize| message.nulls.get(row / 8).is_some_and(|b| b >> (row % 8) & 1 == 1);
            scalars.nulls = (0..scalars.len()).map(bit).collect();
        }
        Ok(scalars)
    }
}

/// One bit a row, lowest first.
fn pack(nulls: &[bool]) -> Vec<u8> {
    let byte = |rows: &[bool]| {
        let bits = rows.iter().enumerate();
        bits.fold(0, |byte, (bit, is_null)| byte | u8::from(*is_null) << bit)
    };
    nulls.chunks(8).map(byte).collect()
}

macro_rules! from_values {
    ($($of:ty => $kind:ident),* $(,)?) => {
        $(
            impl From<Vec<$of>> for Scalars {
                fn from(values: Vec<$of>) -> Self {
                    Self { kind: Kind::$kind(values), nulls: Vec::new() }
                }
            }

            impl From<Vec<Option<$of>>> for Scalars {
                fn from(values: Vec<Option<$of>>) -> Self {
                    Self::with_nulls(values, Kind::$kind)
                }
            }
        )*
    };
}

from_values!(bool => Bool, i64 => Int, f64 => Float, String => Text);

impl From<Vec<&str>> for Scalars {
    fn from(values: Vec<&str>) -> Self {
        Self::from(values.into_iter().map(String::from).collect::<Vec<_>>())
    }
}
