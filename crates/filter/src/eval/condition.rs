//! Conditions of several columns, of what is computed, and of JSON.

use super::arrays::{Texts, Values};
use super::bits::{self, Bits, Block, each, pack_pairs};
use super::{Columns, EvaluateError};
use crate::json::{Found, Items, Path};
use crate::number::{self, Comparison};
use crate::operand::{Arithmetic, Kind, Operand, int_inside};
use crate::plan::{ColumnRef, Condition, Constants, Test};
use crate::time::TimeUnit;
use crate::value::Value;
use arrow_array::Array;
use arrow_buffer::NullBuffer;
use std::borrow::Cow;
use std::cmp::Ordering;
use vicinal_types::ScalarType;

/// A condition with the arrays that it reads.
pub(super) enum ConditionTask<'a> {
    /// Both sides are numbers of one kind, computed a block at a time.
    Ints(Comparison, Source<'a>, Source<'a>),
    Floats(Comparison, Source<'a>, Source<'a>),
    /// Row by row.
    Compare(Comparison, Source<'a>, Source<'a>),
    In(Source<'a>, &'a Constants),
    Text(Source<'a>, &'a Test),
    IsNull(Source<'a>),
    Any(Source<'a>, &'a Constants),
    All(Source<'a>, &'a Constants),
}

/// An operand with the arrays that it reads.
pub(super) enum Source<'a> {
    Constant(&'a Value),
    Unknown,
    Column(Values<'a>, Option<&'a NullBuffer>),
    Arithmetic(Arithmetic, Kind, Box<[Source<'a>; 2]>),
    Length(Box<Source<'a>>),
    Truncate(TimeUnit, Box<Source<'a>>),
    Json(Texts<'a>, Option<&'a NullBuffer>, &'a Path),
}

/// A value of one row.
enum Cell<'a> {
    Null,
    Bool(bool),
    /// An int, timestamp or interval.
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    /// An array, by its length.
    Array(usize, Vec<Found<'a>>),
    Object,
}

impl<'a> ConditionTask<'a> {
    /// # Errors
    /// [`EvaluateError`] if a column is missing or has another type.
    pub(super) fn bind(
        condition: &'a Condition,
        columns: &'a Columns,
    ) -> Result<Self, EvaluateError> {
        let bind = |operand| Source::bind(operand, columns);
        Ok(match condition {
            Condition::Compare(comparison, left, right) => {
                let (a, b) = (bind(left)?, bind(right)?);
                let is_int = |kind| matches!(kind, Kind::Int | Kind::Timestamp | Kind::Interval);
                match (left.kind(), right.kind()) {
                    (Kind::Float, Kind::Float) => Self::Floats(*comparison, a, b),
                    (left, right) if is_int(left) && is_int(right) => Self::Ints(*comparison, a, b),
                    _ => Self::Compare(*comparison, a, b),
                }
            }
            Condition::In(operand, constants) => Self::In(bind(operand)?, constants),
            Condition::Text(operand, test) => Self::Text(bind(operand)?, test),
            Condition::IsNull(operand) => Self::IsNull(bind(operand)?),
            Condition::ContainsAny(operand, constants) => Self::Any(bind(operand)?, constants),
            Condition::ContainsAll(operand, constants) => Self::All(bind(operand)?, constants),
        })
    }

    /// Sets `out` to the rows of `mask` for which the condition is true, or false if
    /// `is_negated`.
    pub(super) fn run(&self, block: Block, mask: &Bits, is_negated: bool, out: &mut Bits) {
        let start = block.start;
        let wanted = Some(!is_negated);
        match self {
            Self::Ints(comparison, left, right) => {
                let (mut a, mut b) = (Vec::new(), Vec::new());
                *out = *mask;
                left.ints(block, &mut a, out);
                right.ints(block, &mut b, out);
                let mut found: Bits = [0; _];
                pack_pairs(&a, &b, &mut found, |a, b| comparison.holds(a.cmp(&b)));
                bits::resolve(out, &found, is_negated);
            }
            Self::Floats(comparison, left, right) => {
                let (mut a, mut b) = (Vec::new(), Vec::new());
                *out = *mask;
                left.floats(block, &mut a, out);
                right.floats(block, &mut b, out);
                let mut found: Bits = [0; _];
                pack_pairs(&a, &b, &mut found, |a, b| {
                    a.partial_cmp(&b).is_some_and(|ordering| comparison.holds(ordering))
                });
                bits::resolve(out, &found, is_negated);
            }
            Self::Compare(comparison, left, right) => each(mask, out, |row| {
                let ordering = left.cell(start + row).order(&right.cell(start + row));
                ordering.map(|ordering| comparison.holds(ordering)) == wanted
            }),
            Self::In(operand, constants) => {
                each(mask, out, |row| operand.cell(start + row).is_in(constants) == wanted);
            }
            Self::Text(operand, test) => each(mask, out, |row| match operand.cell(start + row) {
                Cell::Text(text) => Some(test.passes_text(text.as_bytes())) == wanted,
                Cell::Null
                | Cell::Bool(_)
                | Cell::Int(_)
                | Cell::Float(_)
                | Cell::Array(..)
                | Cell::Object => false,
            }),
            Self::IsNull(operand) => {
                each(mask, out, |row| matches!(operand.cell(start + row), Cell::Null) != is_negated)
            }
            Self::Any(operand, constants) => each(mask, out, |row| {
                operand.items(start + row).map(|items| has_any(&items, constants)) == wanted
            }),
            Self::All(operand, constants) => each(mask, out, |row| {
                operand.items(start + row).map(|items| has_all(&items, constants)) == wanted
            }),
        }
    }
}

impl<'a> Source<'a> {
    fn bind(operand: &'a Operand, columns: &'a Columns) -> Result<Self, EvaluateError> {
        let column = |column: ColumnRef, scalar: ScalarType| {
            let array = columns.array(column)?;
            Ok((Values::bind(column, scalar, array)?, array.nulls()))
        };
        Ok(match operand {
            Operand::Constant(value) => Self::Constant(value),
            Operand::Unknown(_) => Self::Unknown,
            Operand::Column(at, scalar) => {
                let (values, nulls) = column(*at, *scalar)?;
                Self::Column(values, nulls)
            }
            Operand::Arithmetic(operator, kind, operands) => {
                let [left, right] = &**operands;
                let operands = [Self::bind(left, columns)?, Self::bind(right, columns)?];
                Self::Arithmetic(*operator, *kind, Box::new(operands))
            }
            Operand::Length(operand) => Self::Length(Box::new(Self::bind(operand, columns)?)),
            Operand::Truncate(unit, operand) => {
                Self::Truncate(*unit, Box::new(Self::bind(operand, columns)?))
            }
            Operand::Json(at, path) => match column(*at, ScalarType::Json)? {
                (Values::Texts(texts), nulls) => Self::Json(texts, nulls, path),
                _ => Self::Unknown,
            },
        })
    }

    /// The value of a row.
    fn cell(&self, row: usize) -> Cell<'a> {
        match self {
            Self::Constant(value) => match *value {
                Value::Bool(value) => Cell::Bool(*value),
                Value::Float(value) => Cell::Float(*value),
                Value::Text(text) => Cell::Text(Cow::Borrowed(text)),
                Value::Int(value) | Value::Timestamp(value) | Value::Interval(value) => {
                    Cell::Int(*value)
                }
                Value::List(_) => Cell::Null,
            },
            Self::Unknown => Cell::Null,
            Self::Column(_, Some(nulls)) if nulls.is_null(row) => Cell::Null,
            Self::Column(values, _) => match values {
                Values::Bools(values) => Cell::Bool(values.value(row)),
                Values::Ints(values) => Cell::Int(values.get(row)),
                Values::Floats(values) => Cell::Float(values.get(row)),
                Values::Texts(values) => Cell::Text(Cow::Borrowed(values.text(row))),
                Values::Lists(lists) => Cell::Array(lists.range(row).len(), Vec::new()),
            },
            Self::Arithmetic(operator, Kind::Float, operands) => {
                let [left, right] = &**operands;
                let floats = left.cell(row).float().zip(right.cell(row).float());
                floats.and_then(|(a, b)| operator.floats(a, b)).map_or(Cell::Null, Cell::Float)
            }
            Self::Arithmetic(operator, _, operands) => {
                let [left, right] = &**operands;
                let ints = left.cell(row).int().zip(right.cell(row).int());
                ints.and_then(|(a, b)| operator.ints(a, b)).map_or(Cell::Null, Cell::Int)
            }
            Self::Length(operand) => operand.cell(row).length().map_or(Cell::Null, Cell::Int),
            Self::Truncate(unit, operand) => {
                let start = operand.cell(row).int().and_then(|micros| unit.truncate(micros));
                start.map_or(Cell::Null, Cell::Int)
            }
            Self::Json(..) => self.json(row, Items::Counted),
        }
    }

    /// The value within a row's document.
    fn json(&self, row: usize, items: Items) -> Cell<'a> {
        let Self::Json(texts, nulls, path) = self else { return Cell::Null };
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return Cell::Null;
        }
        match path.find(texts.text(row), items) {
            Found::Null => Cell::Null,
            Found::Bool(value) => Cell::Bool(value),
            Found::Int(value) => Cell::Int(value),
            Found::Float(value) => Cell::Float(value),
            Found::Text(text) => Cell::Text(text),
            Found::Array(len, items) => Cell::Array(len, items),
            Found::Object => Cell::Object,
        }
    }

    /// The items of a JSON array; none if there is no array.
    fn items(&self, row: usize) -> Option<Vec<Found<'a>>> {
        match self.json(row, Items::Read) {
            Cell::Array(_, items) => Some(items),
            Cell::Null
            | Cell::Bool(_)
            | Cell::Int(_)
            | Cell::Float(_)
            | Cell::Text(_)
            | Cell::Object => None,
        }
    }

    /// Appends a block's integers; takes rows without one out of `valid`.
    fn ints(&self, block: Block, out: &mut Vec<i64>, valid: &mut Bits) {
        match self {
            Self::Constant(value) => {
                out.resize(block.len, int_inside(value).unwrap_or_default());
            }
            Self::Column(Values::Ints(values), nulls) => {
                values.extend(block, out);
                bits::keep_valid(valid, *nulls, block);
            }
            Self::Arithmetic(operator, _, operands) => {
                let [left, right] = &**operands;
                let mut other = Vec::new();
                left.ints(block, out, valid);
                right.ints(block, &mut other, valid);
                for (row, (a, b)) in out.iter_mut().zip(other).enumerate() {
                    set(a, operator.ints(*a, b), row, valid);
                }
            }
            Self::Truncate(unit, operand) => {
                operand.ints(block, out, valid);
                let starts = out.iter_mut().enumerate();
                starts.for_each(|(row, micros)| set(micros, unit.truncate(*micros), row, valid));
            }
            Self::Column(..) | Self::Unknown | Self::Length(_) | Self::Json(..) => {
                out.resize(block.len, 0);
                let mask = *valid;
                each(&mask, valid, |row| {
                    let value = self.cell(block.start + row).int();
                    out[row] = value.unwrap_or_default();
                    value.is_some()
                });
            }
        }
    }

    /// Appends a block's floats; takes rows without one out of `valid`.
    fn floats(&self, block: Block, out: &mut Vec<f64>, valid: &mut Bits) {
        match self {
            Self::Constant(Value::Float(value)) => out.resize(block.len, *value),
            Self::Column(Values::Floats(values), nulls) => {
                values.extend(block, out);
                bits::keep_valid(valid, *nulls, block);
            }
            Self::Arithmetic(operator, Kind::Float, operands) => {
                let [left, right] = &**operands;
                let mut other = Vec::new();
                left.floats(block, out, valid);
                right.floats(block, &mut other, valid);
                for (row, (a, b)) in out.iter_mut().zip(other).enumerate() {
                    set(a, operator.floats(*a, b), row, valid);
                }
            }
            Self::Constant(_)
            | Self::Column(..)
            | Self::Arithmetic(..)
            | Self::Truncate(..)
            | Self::Length(_)
            | Self::Json(..)
            | Self::Unknown => {
                let mut ints = Vec::new();
                self.ints(block, &mut ints, valid);
                out.extend(ints.into_iter().map(number::nearest_float));
            }
        }
    }
}

/// Takes a result over, or the row out of `valid` if there is none.
#[inline]
fn set<T: Default>(value: &mut T, result: Option<T>, row: usize, valid: &mut Bits) {
    valid[row / 64] &= !(u64::from(result.is_none()) << (row % 64));
    *value = result.unwrap_or_default();
}

impl Cell<'_> {
    fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Null
            | Self::Bool(_)
            | Self::Float(_)
            | Self::Text(_)
            | Self::Array(..)
            | Self::Object => None,
        }
    }

    /// The number as arithmetic on floats takes it.
    fn float(&self) -> Option<f64> {
        if let Self::Float(value) = self {
            return Some(*value);
        }
        self.int().map(number::nearest_float)
    }

    /// Characters of a string or items of an array.
    fn length(&self) -> Option<i64> {
        let count = match self {
            Self::Text(text) => text.chars().count(),
            Self::Array(len, _) => *len,
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::Object => {
                return None;
            }
        };
        i64::try_from(count).ok()
    }

    /// How it stands to another; unknown for values of different types.
    fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(b),
            (Self::Int(a), Self::Float(b)) => Some(number::compare(*a, *b)),
            (Self::Float(a), Self::Int(b)) => Some(number::compare(*b, *a).reverse()),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// Whether it equals one of the constants: like an `or` of comparisons, unknown if
    /// none is equal and one is of another type.
    fn is_in(&self, constants: &Constants) -> Option<bool> {
        let has_numbers = !constants.ints.is_empty() || !constants.floats.is_empty();
        let (has_texts, has_bools) = (!constants.texts.is_empty(), !constants.bools.is_empty());
        let (is_in, has_others) = match self {
            Self::Bool(value) => (constants.bools.contains(value), has_numbers || has_texts),
            Self::Int(value) => (constants.has_int(*value), has_bools || has_texts),
            Self::Float(value) => (constants.has_float(*value), has_bools || has_texts),
            Self::Text(text) => (constants.has_text(text), has_bools || has_numbers),
            Self::Array(..) | Self::Object => (false, has_bools || has_numbers || has_texts),
            Self::Null => return None,
        };
        (is_in || !has_others).then_some(is_in)
    }
}

fn has_any(items: &[Found<'_>], constants: &Constants) -> bool {
    items.iter().any(|item| match item {
        Found::Bool(value) => constants.bools.contains(value),
        Found::Int(value) => constants.has_int(*value),
        Found::Float(value) => constants.has_float(*value),
        Found::Text(text) => constants.has_text(text),
        Found::Null | Found::Array(..) | Found::Object => false,
    })
}

fn has_all(items: &[Found<'_>], constants: &Constants) -> bool {
    let mut found = Constants::default();
    for item in items {
        match item {
            Found::Bool(value) => found.bools.push(*value),
            Found::Int(value) => found.ints.push(*value),
            Found::Float(value) => match number::exact_int(*value) {
                Some(value) => found.ints.push(value),
                None => found.floats.push(*value),
            },
            Found::Text(text) if constants.has_text(text) => {
                found.texts.push(text.clone().into_owned());
            }
            Found::Text(_) | Found::Null | Found::Array(..) | Found::Object => {}
        }
    }
    found.sort();
    constants.bools.iter().all(|value| found.bools.contains(value))
        && constants.ints.iter().all(|value| found.has_int(*value))
        && constants.floats.iter().all(|value| found.has_float(*value))
        && constants.texts.iter().all(|value| found.has_text(value))
}
