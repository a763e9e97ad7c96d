//! One figure of every group.

use super::{Figure, Function};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{Array as _, ArrayRef};
use vicinal_types::{Error, Result, ScalarType, ScalarValue};

/// A figure of every group, by the group's number.
pub(super) enum Tally {
    Count(Vec<u64>),
    Ints { end: End, values: Vec<Option<i64>>, batch: Vec<Option<i64>> },
    Floats { end: End, values: Vec<Option<f64>>, batch: Vec<Option<f64>> },
    Texts { end: End, values: Vec<Option<String>>, bytes: usize },
    IntSums { result: SumResult, sums: Vec<(i128, u64)>, batch: Vec<Option<i64>> },
    FloatSums { result: SumResult, sums: Vec<(f64, u64)>, batch: Vec<Option<f64>> },
}

/// Which end of the values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Least,
    Greatest,
}

/// What becomes of a sum.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SumResult {
    Sum,
    Average,
}

impl End {
    /// Whether a value takes the place of the one that is there.
    fn takes<T: PartialOrd>(self, there: Option<&T>, value: &T) -> bool {
        there.is_none_or(|there| match self {
            Self::Least => value < there,
            Self::Greatest => value > there,
        })
    }
}

impl Tally {
    /// # Errors
    /// `Invalid` if values of this type have no such figure.
    pub(super) fn new(figure: &Figure, scalar: ScalarType) -> Result<Self> {
        let tally = match (figure.function, Kind::of(scalar)) {
            (Function::Count, _) => Self::Count(Vec::new()),
            (Function::Min, Kind::Int | Kind::Time) => Self::ints(End::Least),
            (Function::Max, Kind::Int | Kind::Time) => Self::ints(End::Greatest),
            (Function::Min, Kind::Float) => Self::floats(End::Least),
            (Function::Max, Kind::Float) => Self::floats(End::Greatest),
            (Function::Min, Kind::Text) => Self::texts(End::Least),
            (Function::Max, Kind::Text) => Self::texts(End::Greatest),
            (Function::Sum, Kind::Int) => Self::int_sums(SumResult::Sum),
            (Function::Avg, Kind::Int) => Self::int_sums(SumResult::Average),
            (Function::Sum, Kind::Float) => Self::float_sums(SumResult::Sum),
            (Function::Avg, Kind::Float) => Self::float_sums(SumResult::Average),
            (Function::Min | Function::Max, Kind::Other)
            | (Function::Sum | Function::Avg, Kind::Time | Kind::Text | Kind::Other) => {
                let (function, name) = (figure.function.name(), &figure.column);
                return Err(Error::invalid(format!(
                    "{function} of column `{name}`: {scalar} values have none; sum and avg are of numbers, min and max of numbers, timestamps and strings"
                )));
            }
        };
        Ok(tally)
    }

    fn ints(end: End) -> Self {
        Self::Ints { end, values: Vec::new(), batch: Vec::new() }
    }

    fn floats(end: End) -> Self {
        Self::Floats { end, values: Vec::new(), batch: Vec::new() }
    }

    fn texts(end: End) -> Self {
        Self::Texts { end, values: Vec::new(), bytes: 0 }
    }

    fn int_sums(result: SumResult) -> Self {
        Self::IntSums { result, sums: Vec::new(), batch: Vec::new() }
    }

    fn float_sums(result: SumResult) -> Self {
        Self::FloatSums { result, sums: Vec::new(), batch: Vec::new() }
    }

    /// Makes room for so many groups.
    pub(super) fn make_room(&mut self, groups: usize) {
        match self {
            Self::Count(counts) => counts.resize(groups, 0),
            Self::Ints { values, .. } => values.resize(groups, None),
            Self::Floats { values, .. } => values.resize(groups, None),
            Self::Texts { values, .. } => values.resize(groups, None),
            Self::IntSums { sums, .. } => sums.resize(groups, (0, 0)),
            Self::FloatSums { sums, .. } => sums.resize(groups, (0.0, 0)),
        }
    }

    /// Bytes of texts.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Texts { bytes, .. } => *bytes,
            Self::Count(_)
            | Self::Ints { .. }
            | Self::Floats { .. }
            | Self::IntSums { .. }
            | Self::FloatSums { .. } => 0,
        }
    }

    /// Takes the values at some places of an array, each into its group.
    pub(super) fn add(
        &mut self,
        scalar: ScalarType,
        array: &ArrayRef,
        places: &[u32],
        groups: &[u32],
    ) {
        let groups = groups.iter().map(|group| *group as usize);
        match self {
            Self::Count(counts) => {
                let valid = places.iter().map(|place| u64::from(array.is_valid(*place as usize)));
                groups.zip(valid).for_each(|(group, valid)| counts[group] += valid);
            }
            Self::Ints { end, values, batch } => {
                ints(scalar, array, places, batch);
                extremes(*end, values, groups, batch);
            }
            Self::Floats { end, values, batch } => {
                floats(scalar, array, places, batch);
                extremes(*end, values, groups, batch);
            }
            Self::Texts { end, values, bytes } => {
                for (group, text) in groups.zip(texts(array, places)) {
                    let there = &mut values[group];
                    let Some(text) = text else { continue };
                    let takes = there.as_deref().is_none_or(|there| end.takes(Some(&there), &text));
                    if takes {
                        *bytes = *bytes + text.len() - there.as_ref().map_or(0, String::len);
                        *there = Some(text.to_owned());
                    }
                }
            }
            Self::IntSums { sums, batch, .. } => {
                ints(scalar, array, places, batch);
                for (group, value) in groups.zip(batch) {
                    if let Some(value) = value {
                        sums[group].0 += i128::from(*value);
                        sums[group].1 += 1;
                    }
                }
            }
            Self::FloatSums { sums, batch, .. } => {
                floats(scalar, array, places, batch);
                for (group, value) in groups.zip(batch) {
                    if let Some(value) = value {
                        sums[group].0 += *value;
                        sums[group].1 += 1;
                    }
                }
            }
        }
    }

    /// The figure of a group; none if none of its rows has a value.
    pub(super) fn value(&self, group: usize) -> Option<ScalarValue> {
        match self {
            Self::Count(counts) => {
                Some(ScalarValue::Int(i64::try_from(counts[group]).unwrap_or(i64::MAX)))
            }
            Self::Ints { values, .. } => values[group].map(ScalarValue::Int),
            Self::Floats { values, .. } => values[group].map(ScalarValue::Float),
            Self::Texts { values, .. } => values[group].clone().map(ScalarValue::Text),
            Self::IntSums { result, sums, .. } => {
                let (sum, count) = sums[group];
                (count > 0).then(|| match (result, i64::try_from(sum)) {
                    (SumResult::Sum, Ok(sum)) => ScalarValue::Int(sum),
                    (SumResult::Sum, Err(_)) => ScalarValue::Float(nearest(sum)),
                    (SumResult::Average, _) => {
                        ScalarValue::Float(nearest(sum) / nearest(i128::from(count)))
                    }
                })
            }
            Self::FloatSums { result, sums, .. } => {
                let (sum, count) = sums[group];
                (count > 0).then(|| match result {
                    SumResult::Sum => ScalarValue::Float(sum),
                    SumResult::Average => ScalarValue::Float(sum / nearest(i128::from(count))),
                })
            }
        }
    }
}

/// What can be done with the values of a column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Time,
    Float,
    Text,
    Other,
}

impl Kind {
    fn of(scalar: ScalarType) -> Self {
        match scalar {
            ScalarType::Int8 | ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => {
                Self::Int
            }
            ScalarType::Timestamp => Self::Time,
            ScalarType::Float32 | ScalarType::Float64 => Self::Float,
            ScalarType::String => Self::Text,
            ScalarType::Bool | ScalarType::Json | ScalarType::Array(_) => Self::Other,
        }
    }
}

fn extremes<T: PartialOrd + Copy>(
    end: End,
    values: &mut [Option<T>],
    groups: impl Iterator<Item = usize>,
    batch: &[Option<T>],
) {
    for (group, value) in groups.zip(batch) {
        let there = &mut values[group];
        if value.is_some_and(|value| end.takes(there.as_ref(), &value)) {
            *there = *value;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "rounding is what floats do")]
fn nearest(value: i128) -> f64 {
    value as f64
}

/// Values of bools, integers or timestamps.
pub(super) fn ints(
    scalar: ScalarType,
    array: &ArrayRef,
    places: &[u32],
    out: &mut Vec<Option<i64>>,
) {
    out.clear();
    match scalar {
        ScalarType::Bool => {
            let values = array.as_boolean();
            out.extend(places.iter().map(|place| {
                let place = *place as usize;
                values.is_valid(place).then(|| i64::from(values.value(place)))
            }));
        }
        ScalarType::Int8 => primitives::<Int8Type, _>(array, places, out),
        ScalarType::Int16 => primitives::<Int16Type, _>(array, places, out),
        ScalarType::Int32 => primitives::<Int32Type, _>(array, places, out),
        ScalarType::Int64 | ScalarType::Timestamp => {
            primitives::<Int64Type, _>(array, places, out);
        }
        ScalarType::Float32
        | ScalarType::Float64
        | ScalarType::String
        | ScalarType::Json
        | ScalarType::Array(_) => unreachable!("{scalar} values are no integers"),
    }
}

/// Values of floats.
fn floats(scalar: ScalarType, array: &ArrayRef, places: &[u32], out: &mut Vec<Option<f64>>) {
    out.clear();
    match scalar {
        ScalarType::Float32 => primitives::<Float32Type, _>(array, places, out),
        ScalarType::Float64 => primitives::<Float64Type, _>(array, places, out),
        ScalarType::Bool
        | ScalarType::Int8
        | ScalarType::Int16
        | ScalarType::Int32
        | ScalarType::Int64
        | ScalarType::String
        | ScalarType::Timestamp
        | ScalarType::Json
        | ScalarType::Array(_) => unreachable!("{scalar} values are no floats"),
    }
}

fn primitives<T: ArrowPrimitiveType, V: From<T::Native>>(
    array: &ArrayRef,
    places: &[u32],
    out: &mut Vec<Option<V>>,
) {
    let values = array.as_primitive::<T>();
    out.extend(places.iter().map(|place| {
        let place = *place as usize;
        values.is_valid(place).then(|| V::from(values.value(place)))
    }));
}

/// Values of strings.
pub(super) fn texts<'a>(
    array: &'a ArrayRef,
    places: &'a [u32],
) -> impl Iterator<Item = Option<&'a str>> {
    let values = array.as_string::<i32>();
    places.iter().map(|place| {
        let place = *place as usize;
        values.is_valid(place).then(|| values.value(place))
    })
}
