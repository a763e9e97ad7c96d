//! Integers and floats compared as the numbers they are.
//!
//! Nothing here rounds an integer to a float to compare it: 2⁵³ + 1 is not 2⁵³.

use std::cmp::Ordering;

/// How values are compared; the other comparisons are these, swapped or negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
}

impl Comparison {
    /// Whether it holds between values that stand so.
    pub(crate) fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
        }
    }
}

/// On which side of a comparison the constant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// 2⁶³, the first float above every integer.
const ABOVE_INTS: f64 = 9_223_372_036_854_775_808.0;

/// How an integer stands to a finite float.
pub(crate) fn compare(int: i64, float: f64) -> Ordering {
    if float >= ABOVE_INTS {
        return Ordering::Less;
    }
    if float < -ABOVE_INTS {
        return Ordering::Greater;
    }
    let floor = float.floor();
    let has_rest = if floor < float { Ordering::Less } else { Ordering::Equal };
    int.cmp(&to_int(floor)).then(has_rest)
}

/// The integer that a float is, if it is one of 64 bits.
pub(crate) fn exact_int(float: f64) -> Option<i64> {
    let is_int = float.trunc() == float && (-ABOVE_INTS..ABOVE_INTS).contains(&float);
    is_int.then(|| to_int(float))
}

/// The float that an integer is, if there is one.
pub(crate) fn exact_float(int: i64) -> Option<f64> {
    let float = nearest_float(int);
    compare(int, float).is_eq().then_some(float)
}

#[expect(clippy::cast_possible_truncation, reason = "saturates; callers ask within the range")]
fn to_int(float: f64) -> i64 {
    float as i64
}

/// The float that arithmetic takes for an integer.
pub(crate) fn nearest_float(int: i64) -> f64 {
    int as f64
}

/// The float of 32 bits that a column stores for a constant; the constant itself where
/// it is beyond them.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what a 32-bit column does")]
pub(crate) fn stored_f32(float: f64) -> f64 {
    let stored = float as f32;
    if stored.is_finite() { f64::from(stored) } else { float }
}

/// The integers that stand so to an integer: the least and the greatest.
pub(crate) fn ints_to_int(comparison: Comparison, side: Side, constant: i64) -> (i64, i64) {
    let none = (i64::MAX, i64::MIN);
    match (comparison, side) {
        (Comparison::Equal, _) => (constant, constant),
        (Comparison::Less, Side::Right) => match constant.checked_sub(1) {
            Some(max) => (i64::MIN, max),
            None => none,
        },
        (Comparison::Less, Side::Left) => match constant.checked_add(1) {
            Some(min) => (min, i64::MAX),
            None => none,
        },
        (Comparison::LessOrEqual, Side::Right) => (i64::MIN, constant),
        (Comparison::LessOrEqual, Side::Left) => (constant, i64::MAX),
    }
}

/// The integers that stand so to a finite float.
pub(crate) fn ints_to_float(comparison: Comparison, side: Side, constant: f64) -> (i64, i64) {
    let none = (i64::MAX, i64::MIN);
    if let Some(int) = exact_int(constant) {
        return ints_to_int(comparison, side, int);
    }
    let is_above = constant >= ABOVE_INTS;
    let is_below = constant < -ABOVE_INTS;
    match (comparison, side) {
        (Comparison::Equal, _) => none,
        (_, Side::Right) if is_above => (i64::MIN, i64::MAX),
        (_, Side::Right) if is_below => none,
        (_, Side::Right) => (i64::MIN, to_int(constant.floor())),
        (_, Side::Left) if is_above => none,
        (_, Side::Left) if is_below => (i64::MIN, i64::MAX),
        (_, Side::Left) => (to_int(constant.ceil()), i64::MAX),
    }
}

/// The floats that stand so to a finite float.
pub(crate) fn floats_to_float(comparison: Comparison, side: Side, constant: f64) -> (f64, f64) {
    match (comparison, side) {
        (Comparison::Equal, _) => (constant, constant),
        (Comparison::Less, Side::Right) => (f64::NEG_INFINITY, constant.next_down()),
        (Comparison::Less, Side::Left) => (constant.next_up(), f64::INFINITY),
        (Comparison::LessOrEqual, Side::Right) => (f64::NEG_INFINITY, constant),
        (Comparison::LessOrEqual, Side::Left) => (constant, f64::INFINITY),
    }
}

/// The floats that stand so to an integer.
pub(crate) fn floats_to_int(comparison: Comparison, side: Side, constant: i64) -> (f64, f64) {
    if let Some(float) = exact_float(constant) {
        return floats_to_float(comparison, side, float);
    }
    let near = nearest_float(constant);
    let below = if compare(constant, near).is_lt() { near.next_down() } else { near };
    match (comparison, side) {
        (Comparison::Equal, _) => (f64::INFINITY, f64::NEG_INFINITY),
        (_, Side::Right) => (f64::NEG_INFINITY, below),
        (_, Side::Left) => (below.next_up(), f64::INFINITY),
    }
}

/// The 32-bit floats within a range of 64-bit ones.
#[expect(clippy::cast_possible_truncation, reason = "what rounding moved out is moved back")]
pub(crate) fn f32_range(min: f64, max: f64) -> (f32, f32) {
    let (mut low, mut high) = (min as f32, max as f32);
    if f64::from(low) < min {
        low = low.next_up();
    }
    if f64::from(high) > max {
        high = high.next_down();
    }
    (low, high)
}

#[cfg(test)]
mod tests;
