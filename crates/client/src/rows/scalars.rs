//! The values of one scalar column.

mod flat;

use super::Value;
use flat::Flat;
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
    /// One value a row.
    Single(Flat),
    /// An array a row.
    Array {
        /// Where the items of each row end among those of all rows.
        ends: Vec<usize>,
        /// The items of all rows; none: all arrays that came are empty, and their
        /// type is not known.
        items: Option<Flat>,
    },
}

impl Scalars {
    /// Moments in microseconds since 1970-01-01 UTC.
    pub fn timestamps(micros: Vec<Option<i64>>) -> Self {
        Self::with_nulls(micros, Flat::Timestamp)
    }

    /// JSON documents as text.
    pub fn json(documents: Vec<Option<String>>) -> Self {
        Self::with_nulls(documents, Flat::Json)
    }

    /// Arrays of moments in microseconds since 1970-01-01 UTC.
    pub fn timestamp_arrays(micros: Vec<Option<Vec<i64>>>) -> Self {
        Self::arrays(micros, Flat::Timestamp)
    }

    fn with_nulls<T: Default>(values: Vec<Option<T>>, kind: fn(Vec<T>) -> Flat) -> Self {
        let nulls = nulls_of(&values);
        let values = values.into_iter().map(Option::unwrap_or_default).collect();
        Self { kind: Kind::Single(kind(values)), nulls }
    }

    fn arrays<T>(arrays: Vec<Option<Vec<T>>>, kind: impl Fn(Vec<T>) -> Flat) -> Self {
        let nulls = nulls_of(&arrays);
        let mut end = 0;
        let ends = arrays.iter().map(|array| {
            end += array.as_ref().map_or(0, Vec::len);
            end
        });
        let ends = ends.collect();
        let items = Some(kind(arrays.into_iter().flatten().flatten().collect()));
        Self { kind: Kind::Array { ends, items }, nulls }
    }

    /// How many values there are, nulls included.
    pub fn len(&self) -> usize {
        match &self.kind {
            Kind::Single(values) => values.len(),
            Kind::Array { ends, .. } => ends.len(),
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
            Kind::Single(values) => values.value(row),
            Kind::Array { ends, items } => {
                let end = *ends.get(row)?;
                let first = row.checked_sub(1).map_or(0, |before| ends[before]);
                let item = |at| items.as_ref().and_then(|items| items.value(at));
                Some(Value::Array((first..end).filter_map(item).collect()))
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let values = match &self.kind {
            Kind::Single(values) => values.bytes(),
            Kind::Array { ends, items } => ends.len() * 2 + items.as_ref().map_or(0, Flat::bytes),
        };
        values + self.nulls.len() / 8
    }

    /// Whether both hold values of one type.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Single(a), Kind::Single(b)) => a.is_like(b),
            (Kind::Array { items: a, .. }, Kind::Array { items: b, .. }) => {
                a.as_ref().zip(b.as_ref()).is_none_or(|(a, b)| a.is_like(b))
            }
            (Kind::Single(_), Kind::Array { .. }) | (Kind::Array { .. }, Kind::Single(_)) => false,
        }
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
            (Kind::Single(values), Kind::Single(more)) => values.append(more),
            (Kind::Array { ends, items }, Kind::Array { ends: more_ends, items: more_items }) => {
                let end = ends.last().copied().unwrap_or_default();
                ends.extend(more_ends.into_iter().map(|more| end + more));
                match (items.as_mut(), more_items) {
                    (Some(items), Some(more)) => items.append(more),
                    (None, more) => *items = more,
                    (Some(_), None) => {}
                }
            }
            (_, more) => unreachable!("is_like() was asked before appending {more:?}"),
        }
    }

    pub(super) fn into_message(self, name: String) -> proto::ColumnValues {
        use proto::column_values::Values;
        let values = match self.kind {
            Kind::Single(values) => values.into_values(),
            Kind::Array { ends, items } => {
                let mut start = 0;
                let lengths = ends.into_iter().map(|end| {
                    // A longer one is refused by the server, as any beyond its limit.
                    let len = u32::try_from(end - start).unwrap_or(u32::MAX);
                    start = end;
                    len
                });
                let lengths = lengths.collect();
                let items = items.and_then(Flat::into_items);
                Values::Arrays(proto::ArrayValues { lengths, items })
            }
        };
        proto::ColumnValues { name, values: Some(values), nulls: pack(&self.nulls) }
    }

    pub(super) fn from_message(message: proto::ColumnValues) -> Result<Self, String> {
        use proto::column_values::Values;
        let name = message.name;
        let kind = match message.values {
            Some(Values::Arrays(arrays)) => {
                let items = arrays.items.map(Flat::from_items);
                let mut total = 0;
                let ends = arrays.lengths.iter().map(|len| {
                    total += *len as usize;
                    total
                });
                let ends = ends.collect();
                let found = items.as_ref().map_or(0, Flat::len);
                if found != total {
                    return Err(format!(
                        "column `{name}` has {found} items, its lengths add up to {total}"
                    ));
                }
                Some(Kind::Array { ends, items })
            }
            Some(values) => Flat::from_values(values).map(Kind::Single),
            None => None,
        };
        let kind = kind.ok_or_else(|| format!("column `{name}` has no scalar values"))?;
        let mut scalars = Self { kind, nulls: Vec::new() };
        if !message.nulls.is_empty() {
            let bit =
                |row: usize| message.nulls.get(row / 8).is_some_and(|b| b >> (row % 8) & 1 == 1);
            scalars.nulls = (0..scalars.len()).map(bit).collect();
        }
        Ok(scalars)
    }
}

/// One flag a row, or nothing if all are there.
fn nulls_of<T>(values: &[Option<T>]) -> Vec<bool> {
    let has_nulls = values.iter().any(Option::is_none);
    if has_nulls { values.iter().map(Option::is_none).collect() } else { Vec::new() }
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
    ($($of:ty => $kind:expr),* $(,)?) => {
        $(
            impl From<Vec<$of>> for Scalars {
                fn from(values: Vec<$of>) -> Self {
                    Self { kind: Kind::Single($kind(values)), nulls: Vec::new() }
                }
            }

            impl From<Vec<Option<$of>>> for Scalars {
                fn from(values: Vec<Option<$of>>) -> Self {
                    Self::with_nulls(values, $kind)
                }
            }

            impl From<Vec<Vec<$of>>> for Scalars {
                fn from(arrays: Vec<Vec<$of>>) -> Self {
                    Self::arrays(arrays.into_iter().map(Some).collect(), $kind)
                }
            }

            impl From<Vec<Option<Vec<$of>>>> for Scalars {
                fn from(arrays: Vec<Option<Vec<$of>>>) -> Self {
                    Self::arrays(arrays, $kind)
                }
            }
        )*
    };
}

from_values!(
    bool => Flat::Bool,
    i8 => Flat::widened,
    i16 => Flat::widened,
    i32 => Flat::widened,
    i64 => Flat::Int,
    f32 => Flat::Float32,
    f64 => Flat::Float,
    String => Flat::Text,
);

impl From<Vec<&str>> for Scalars {
    fn from(values: Vec<&str>) -> Self {
        Self::from(values.into_iter().map(String::from).collect::<Vec<_>>())
    }
}
