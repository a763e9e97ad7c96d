//! A filter in the form that is evaluated: tests of single columns where that is
//! possible, other conditions where not, `and` and `or` above them, no `not`.
//!
//! SQL's logic has three values. A row passes only if the filter is true, so what is
//! needed of a condition is where it is true, or, below a `not`, where it is false;
//! `not (a and b)` is true where `a` is false or `b` is. So each `not` moves down to
//! the tests, and everything above them has two values.

use crate::number::Comparison;
use crate::operand::Operand;
use crate::pattern::{Like, Regex};
use std::ops::Bound;
use vicinal_types::{ColumnId, ScalarType};

/// What a test reads of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ColumnRef {
    /// The primary id.
    Id,
    /// A scalar column.
    Column(ColumnId),
}

/// A test of one column against constants: what an index of the column can answer.
///
/// It is true or false where the column has a value and unknown where it is null,
/// but for [`Test::IsNull`].
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// What is tested.
    pub column: ColumnRef,
    /// The type of its values; `id` is an int64 or a string.
    pub scalar: ScalarType,
    /// The test.
    pub test: Test,
}

/// A test of a column's value. Integers of all widths and timestamps are ints here,
/// floats of both widths are floats.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// It is null.
    IsNull,
    /// It is one of these.
    In(Set),
    /// It is not below `min` and not above `max`; never empty.
    IntRange {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// It is not below `min` and not above `max`; infinite where there is no such
    /// bound, never empty.
    FloatRange {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
    /// It is within these bounds, by bytes.
    TextRange {
        /// Where the range begins.
        min: Bound<String>,
        /// Where it ends.
        max: Bound<String>,
    },
    /// It begins with this.
    Prefix(String),
    /// It is like a pattern that is neither a whole string nor a prefix.
    Like(Like),
    /// A regular expression finds something in it.
    Matches(Regex),
    /// Any item of the array is one of these.
    ContainsAny(Set),
    /// Each of these is an item of the array.
    ContainsAll(Set),
}

/// Different constants of one type, ascending.
#[derive(Clone, Debug, PartialEq)]
pub enum Set {
    /// Of a column of bools.
    Bools(Vec<bool>),
    /// Of a column of integers or timestamps.
    Ints(Vec<i64>),
    /// Of a column of floats.
    Floats(Vec<f64>),
    /// Of a column of strings.
    Texts(Vec<String>),
}

impl Set {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Bools(values) => values.len(),
            Self::Ints(values) => values.len(),
            Self::Floats(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    /// Whether there is none, so that the test is false for every value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A condition that no index answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    Compare(Comparison, Operand, Operand),
    In(Operand, Constants),
    /// A test of strings, of a string within JSON.
    Text(Operand, Test),
    IsNull(Operand),
    /// Of a JSON array.
    ContainsAny(Operand, Constants),
    ContainsAll(Operand, Constants),
}

/// Constants of several types, each list ascending and without doubles. A number that
/// is an integer is among the ints.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Constants {
    pub(crate) bools: Vec<bool>,
    pub(crate) ints: Vec<i64>,
    pub(crate) floats: Vec<f64>,
    pub(crate) texts: Vec<String>,
}

/// What is evaluated. `is_negated`: where the test is false, not where it is unknown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Plan {
    /// All rows or none.
    Constant(bool),
    And(Vec<Plan>),
    Or(Vec<Plan>),
    Leaf {
        leaf: Leaf,
        is_negated: bool,
    },
    Condition {
        condition: Condition,
        is_negated: bool,
    },
}

impl Plan {
    /// Where all are true, or any is: without constants, without chains of its own
    /// kind, ranges of one column made one.
    pub(crate) fn chain(plans: Vec<Self>, is_and: bool) -> Self {
        let mut kept: Vec<Self> = Vec::with_capacity(plans.len());
        for plan in plans {
            match plan {
                Self::Constant(value) if value == is_and => {}
                Self::Constant(value) => return Self::Constant(value),
                Self::And(inner) if is_and => {
                    inner.into_iter().for_each(|plan| meet(&mut kept, plan, true));
                }
                Self::Or(inner) if !is_and => {
                    inner.into_iter().for_each(|plan| meet(&mut kept, plan, false));
                }
                Self::And(_) | Self::Or(_) | Self::Leaf { .. } | Self::Condition { .. } => {
                    meet(&mut kept, plan, is_and);
                }
            }
        }
        match (kept.len(), is_and) {
            (0, _) => Self::Constant(is_and),
            (1, _) => kept.remove(0),
            (_, true) => Self::And(kept),
            (_, false) => Self::Or(kept),
        }
    }

    /// A range that does not hold, as the range that does, if it is open at one end.
    fn complemented(mut self) -> Self {
        let Self::Leaf { leaf, is_negated } = &mut self else { return self };
        if !*is_negated {
            return self;
        }
        let complement = match &leaf.test {
            Test::IntRange { min: i64::MIN, max: i64::MAX } => return self,
            Test::IntRange { min: i64::MIN, max } => Test::ints(max + 1, i64::MAX),
            Test::IntRange { min, max: i64::MAX } => Test::ints(i64::MIN, min - 1),
            Test::FloatRange { min: f64::NEG_INFINITY, max } => {
                Test::floats(max.next_up(), f64::INFINITY)
            }
            Test::FloatRange { min, max: f64::INFINITY } => {
                Test::floats(f64::NEG_INFINITY, min.next_down())
            }
            Test::IntRange { .. }
            | Test::FloatRange { .. }
            | Test::IsNull
            | Test::In(_)
            | Test::TextRange { .. }
            | Test::Prefix(_)
            | Test::Like(_)
            | Test::Matches(_)
            | Test::ContainsAny(_)
            | Test::ContainsAll(_) => return self,
        };
        leaf.test = complement;
        *is_negated = false;
        self
    }

    /// Calls `found` for each leaf.
    pub(crate) fn leaves<'a>(&'a self, found: &mut dyn FnMut(&'a Leaf)) {
        match self {
            Self::Constant(_) | Self::Condition { .. } => {}
            Self::And(plans) | Self::Or(plans) => {
                plans.iter().for_each(|plan| plan.leaves(found));
            }
            Self::Leaf { leaf, .. } => found(leaf),
        }
    }
}

/// Adds a plan to a chain, or narrows a range that is there. Both ranges hold in an
/// `and` where they overlap; both fail to hold in an `or` likewise, negated.
fn meet(kept: &mut Vec<Plan>, plan: Plan, is_and: bool) {
    let plan = if is_and { plan.complemented() } else { plan };
    if let Plan::Leaf { leaf, is_negated } = &plan
        && *is_negated != is_and
    {
        // Only the last few: chains may be long, and bounds stand side by side.
        for other in kept.iter_mut().rev().take(8) {
            if let Plan::Leaf { leaf: there, is_negated: there_negated } = other
                && there_negated == is_negated
                && there.column == leaf.column
                && let Some(both) = overlap(&there.test, &leaf.test)
            {
                there.test = both;
                return;
            }
        }
    }
    kept.push(plan);
}

/// The test that holds where both do, if both are ranges.
fn overlap(one: &Test, other: &Test) -> Option<Test> {
    if let (Test::IntRange { min: a, max: b }, Test::IntRange { min: c, max: d }) = (one, other) {
        return Some(Test::ints(*a.max(c), *b.min(d)));
    }
    if let (Test::FloatRange { min: a, max: b }, Test::FloatRange { min: c, max: d }) = (one, other)
    {
        return Some(Test::floats(a.max(*c), b.min(*d)));
    }
    if let (Test::TextRange { min: a, max: b }, Test::TextRange { min: c, max: d }) = (one, other) {
        let pick = |a: &Bound<String>, c: &Bound<String>| match (a, c) {
            (Bound::Unbounded, bound) | (bound, Bound::Unbounded) => Some(bound.clone()),
            (Bound::Included(_) | Bound::Excluded(_), Bound::Included(_) | Bound::Excluded(_)) => {
                None
            }
        };
        return Some(Test::TextRange { min: pick(a, c)?, max: pick(b, d)? });
    }
    None
}

impl Test {
    /// The integers of a range, which may be empty.
    pub(crate) fn ints(min: i64, max: i64) -> Self {
        if min > max { Self::In(Set::Ints(Vec::new())) } else { Self::IntRange { min, max } }
    }

    /// The floats of a range, which may be empty.
    pub(crate) fn floats(min: f64, max: f64) -> Self {
        if min > max { Self::In(Set::Floats(Vec::new())) } else { Self::FloatRange { min, max } }
    }
}

impl Plan {
    /// With what is cheap in front of what is not, so that the latter looks at the rows
    /// only that the former left.
    pub(crate) fn ordered(self) -> Self {
        let sort = |plans: Vec<Self>| {
            let mut plans: Vec<Self> = plans.into_iter().map(Self::ordered).collect();
            plans.sort_by_key(Self::cost);
            plans
        };
        match self {
            Self::And(plans) => Self::And(sort(plans)),
            Self::Or(plans) => Self::Or(sort(plans)),
            plan @ (Self::Constant(_) | Self::Leaf { .. } | Self::Condition { .. }) => plan,
        }
    }

    /// Roughly the time that a row takes.
    fn cost(&self) -> u32 {
        match self {
            Self::Constant(_) => 0,
            Self::And(plans) | Self::Or(plans) => plans.iter().map(Self::cost).max().unwrap_or(0),
            Self::Leaf { leaf, .. } => match &leaf.test {
                Test::IsNull => 0,
                Test::IntRange { .. } | Test::FloatRange { .. } => 1,
                Test::In(Set::Texts(_)) | Test::TextRange { .. } | Test::Prefix(_) => 4,
                Test::In(_) => 2,
                Test::ContainsAny(_) | Test::ContainsAll(_) => 8,
                Test::Like(_) => 10,
                Test::Matches(_) => 20,
            },
            Self::Condition { condition, .. } => {
                let mut reads_json = false;
                condition.operands(&mut |operand| reads_json |= operand.reads_json());
                if reads_json { 30 } else { 5 }
            }
        }
    }

    /// Calls `found` for each column that is read.
    pub(crate) fn columns(&self, found: &mut dyn FnMut(ColumnRef)) {
        match self {
            Self::Constant(_) => {}
            Self::And(plans) | Self::Or(plans) => plans.iter().for_each(|plan| plan.columns(found)),
            Self::Leaf { leaf, .. } => found(leaf.column),
            Self::Condition { condition, .. } => {
                condition.operands(&mut |operand| operand.columns(found));
            }
        }
    }
}

impl Condition {
    fn operands(&self, found: &mut dyn FnMut(&Operand)) {
        match self {
            Self::Compare(_, left, right) => {
                found(left);
                found(right);
            }
            Self::In(operand, _)
            | Self::Text(operand, _)
            | Self::IsNull(operand)
            | Self::ContainsAny(operand, _)
            | Self::ContainsAll(operand, _) => found(operand),
        }
    }
}
