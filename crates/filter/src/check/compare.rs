//! Comparisons: which types compare, and which comparisons are tests of a column.

use super::{Checker, leaf};
use crate::error::FilterError;
use crate::number::{self, Comparison, Side};
use crate::operand::{Kind, Operand, int_inside};
use crate::plan::{ColumnRef, Condition, Plan, Set, Test};
use crate::time;
use crate::tree::{Node, NodeKind};
use crate::value::Value;
use std::cmp::Ordering;
use std::ops::Bound;
use vicinal_types::ScalarType;

impl<'a> Checker<'a> {
    pub(super) fn compare(
        &mut self,
        comparison: Comparison,
        left: &'a Node,
        right: &'a Node,
        is_negated: bool,
    ) -> Result<Plan, FilterError> {
        let (a, b) = (self.operand(left)?, self.operand(right)?);
        self.compared(comparison, (left, a), (right, b), is_negated)
    }

    pub(super) fn compared(
        &mut self,
        comparison: Comparison,
        (left, a): (&'a Node, Operand),
        (right, b): (&'a Node, Operand),
        is_negated: bool,
    ) -> Result<Plan, FilterError> {
        let a_as_time = self.as_timestamp(left, a, b.kind())?;
        let b = self.as_timestamp(right, b, a_as_time.kind())?;
        let a = a_as_time;
        if !comparable(comparison, a.kind(), b.kind()) {
            let what = self.mismatch(comparison, (left, &a), (right, &b));
            return self.fail(right.span.clone(), what);
        }
        Ok(match (a, b) {
            (Operand::Unknown(_), _) | (_, Operand::Unknown(_)) => Plan::Constant(false),
            (Operand::Constant(a), Operand::Constant(b)) => {
                Plan::Constant(comparison.holds(order(&a, &b)) != is_negated)
            }
            (Operand::Column(column, scalar), Operand::Constant(value)) => {
                let test = column_test(comparison, Side::Right, scalar, value);
                leaf(column, scalar, test, is_negated)
            }
            (Operand::Constant(value), Operand::Column(column, scalar)) => {
                let test = column_test(comparison, Side::Left, scalar, value);
                leaf(column, scalar, test, is_negated)
            }
            (a, b) => {
                Plan::Condition { condition: Condition::Compare(comparison, a, b), is_negated }
            }
        })
    }

    /// A string that is compared with a timestamp, as one.
    pub(super) fn as_timestamp(
        &self,
        node: &Node,
        operand: Operand,
        other: Kind,
    ) -> Result<Operand, FilterError> {
        let Operand::Constant(Value::Text(text)) = &operand else { return Ok(operand) };
        if other != Kind::Timestamp {
            return Ok(operand);
        }
        match time::parse_timestamp(text) {
            Ok(micros) => Ok(Operand::Constant(Value::Timestamp(micros))),
            Err(what) => self.fail(node.span.clone(), what),
        }
    }

    fn mismatch(
        &self,
        comparison: Comparison,
        (left, a): (&Node, &Operand),
        (right, b): (&Node, &Operand),
    ) -> String {
        let kinds = [a.kind(), b.kind()];
        let is_given = |node: &Node| matches!(node.kind(), NodeKind::Parameter(_));
        let has = |kind: Kind| kinds.contains(&kind);
        let hint = if has(Kind::Document) {
            "; read a value of the document by json_get(column, '$.name')"
        } else if has(Kind::Array) {
            "; use contains(array, value)"
        } else if has(Kind::Timestamp) && has(Kind::Int) {
            "; write timestamp'2026-01-31T12:00:00Z' or timestamp(microseconds)"
        } else if kinds == [Kind::Bool; 2] && comparison != Comparison::Equal {
            "; bools are equal or not, none is greater"
        } else if has(Kind::Text) && has(Kind::Int) && !is_given(left) && !is_given(right) {
            "; strings stand in quotes, numbers do not"
        } else {
            ""
        };
        let (a, b) = (self.describe(left, a), self.describe(right, b));
        format!("{a} cannot be compared with {b}{hint}")
    }
}

/// Whether values of these types can be compared so.
fn comparable(comparison: Comparison, left: Kind, right: Kind) -> bool {
    match (left, right) {
        (Kind::Int | Kind::Float, Kind::Int | Kind::Float)
        | (Kind::Text, Kind::Text)
        | (Kind::Timestamp, Kind::Timestamp)
        | (Kind::Interval, Kind::Interval) => true,
        (Kind::Bool, Kind::Bool | Kind::Json) | (Kind::Json, Kind::Bool) => {
            comparison == Comparison::Equal
        }
        (Kind::Json, Kind::Json | Kind::Int | Kind::Float | Kind::Text)
        | (Kind::Int | Kind::Float | Kind::Text, Kind::Json) => true,
        _ => false,
    }
}

/// How two constants stand that can be compared.
fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
        (Value::Int(a), Value::Float(b)) => number::compare(*a, *b),
        (Value::Float(a), Value::Int(b)) => number::compare(*b, *a).reverse(),
        (a, b) => int_inside(a).cmp(&int_inside(b)),
    }
}

/// The test of a column that a comparison with a constant is; both have types that
/// compare.
fn column_test(comparison: Comparison, side: Side, scalar: ScalarType, value: Value) -> Test {
    match value {
        Value::Bool(value) => Test::In(Set::Bools(vec![value])),
        Value::Text(text) => text_test(comparison, side, text),
        Value::Int(value) if is_float(scalar) => {
            let (min, max) = number::floats_to_int(comparison, side, value);
            Test::floats(min, max)
        }
        Value::Float(value) if is_float(scalar) => {
            let value = stored(scalar, value);
            let (min, max) = number::floats_to_float(comparison, side, value);
            Test::floats(min, max)
        }
        Value::Float(value) => {
            let (min, max) = number::ints_to_float(comparison, side, value);
            Test::ints(min, max)
        }
        Value::Int(value) | Value::Timestamp(value) | Value::Interval(value) => {
            let (min, max) = number::ints_to_int(comparison, side, value);
            Test::ints(min, max)
        }
        Value::List(_) => Test::In(Set::Ints(Vec::new())),
    }
}

fn is_float(scalar: ScalarType) -> bool {
    matches!(scalar, ScalarType::Float32 | ScalarType::Float64)
}

/// A float as the column stores it, so that what was inserted is found.
pub(super) fn stored(scalar: ScalarType, value: f64) -> f64 {
    if scalar == ScalarType::Float32 { number::stored_f32(value) } else { value }
}

fn text_test(comparison: Comparison, side: Side, text: String) -> Test {
    let (min, max) = match (comparison, side) {
        (Comparison::Equal, _) => return Test::In(Set::Texts(vec![text])),
        (Comparison::Less, Side::Right) => (Bound::Unbounded, Bound::Excluded(text)),
        (Comparison::Less, Side::Left) => (Bound::Excluded(text), Bound::Unbounded),
        (Comparison::LessOrEqual, Side::Right) => (Bound::Unbounded, Bound::Included(text)),
        (Comparison::LessOrEqual, Side::Left) => (Bound::Included(text), Bound::Unbounded),
    };
    Test::TextRange { min, max }
}

/// Names a column for its test.
pub(super) fn column_of(operand: &Operand) -> Option<(ColumnRef, ScalarType)> {
    match operand {
        Operand::Column(column, scalar) => Some((*column, *scalar)),
        Operand::Constant(_)
        | Operand::Unknown(_)
        | Operand::Arithmetic(..)
        | Operand::Length(_)
        | Operand::Truncate(..)
        | Operand::Json(..) => None,
    }
}
