//! Lists of constants: `in`, `contains`, `contains_any`, `contains_all`.

use super::compare::{column_of, stored};
use super::{Checker, leaf};
use crate::error::{FilterError, Span};
use crate::number;
use crate::operand::{Kind, Operand, int_inside};
use crate::plan::{Condition, Constants, Plan, Set, Test};
use crate::time;
use crate::tree::{Node, NodeKind, Operator};
use crate::value::Value;
use vicinal_types::{ArrayItem, ScalarType, limits};

/// A list of constants of which each has the type of a column or operand.
struct Items {
    constants: Constants,
    /// Whether one of them is no value that the column can have, as 0.5 of integers.
    has_impossible: bool,
}

impl<'a> Checker<'a> {
    pub(super) fn is_in(
        &mut self,
        value: &'a Node,
        list: &'a Node,
        is_negated: bool,
    ) -> Result<Plan, FilterError> {
        let operand = self.operand(value)?;
        if matches!(operand.kind(), Kind::Array | Kind::Document) {
            let found = self.describe(value, &operand);
            let what = format!("{found} is no single value; use contains_any(array, [...])");
            return self.fail(value.span.clone(), what);
        }
        let scalar = column_of(&operand).map(|(_, scalar)| scalar);
        let values = self.list(list)?;
        let of = self.describe(value, &operand);
        let items = self.items(values, operand.kind(), scalar, &of)?;
        Ok(match operand {
            Operand::Unknown(_) => Plan::Constant(false),
            Operand::Constant(value) => {
                Plan::Constant(items.constants.contains(&value) != is_negated)
            }
            Operand::Column(column, scalar) => {
                leaf(column, scalar, Test::one_of(items.constants.set(scalar)), is_negated)
            }
            Operand::Arithmetic(..)
            | Operand::Length(_)
            | Operand::Truncate(..)
            | Operand::Json(..) => {
                let condition = Condition::In(operand, items.constants);
                Plan::Condition { condition, is_negated }
            }
        })
    }

    pub(super) fn contains(
        &mut self,
        operator: Operator,
        array: &'a Node,
        list: &'a Node,
        is_all: bool,
        is_negated: bool,
    ) -> Result<Plan, FilterError> {
        let operand = self.operand(array)?;
        let scalar = column_of(&operand).and_then(|(_, scalar)| scalar.item());
        let scalar = scalar.map(ArrayItem::scalar);
        if scalar.is_none() && operand.kind() != Kind::Json {
            let hint = if operand.kind() == Kind::Text {
                "; for a part of a string use like '%part%'"
            } else if operand.kind() == Kind::Document {
                "; read an array of the document by json_get(column, '$.name')"
            } else {
                ""
            };
            let found = self.describe(array, &operand);
            let what = format!("this takes an array, not {found}{hint}");
            return self.fail(array.span.clone(), what);
        }
        let values = if operator == Operator::Contains {
            vec![(self.item(list)?, list.span.clone())]
        } else {
            self.list(list)?
        };
        let kind = scalar.map_or(Kind::Json, Kind::of);
        let of = format!("an item of {}", self.describe(array, &operand));
        let items = self.items(values, kind, scalar, &of)?;
        let Operand::Column(column, whole) = operand else {
            let condition = if is_all {
                Condition::ContainsAll(operand, items.constants)
            } else {
                Condition::ContainsAny(operand, items.constants)
            };
            return Ok(Plan::Condition { condition, is_negated });
        };
        let set = items.constants.set(scalar.unwrap_or(ScalarType::Int64));
        let test = match (is_all, items.has_impossible) {
            (false, _) => Test::ContainsAny(set),
            (true, false) => Test::ContainsAll(set),
            (true, true) => Test::ContainsAny(set.emptied()),
        };
        Ok(leaf(column, whole, test, is_negated))
    }

    /// The constants of a list, or of a parameter that is one.
    fn list(&mut self, node: &'a Node) -> Result<Vec<(Value, Span)>, FilterError> {
        let values = match node.kind() {
            NodeKind::Call(Operator::List, items) => {
                let item = |item: &'a Node| Ok((self.item(item)?, item.span.clone()));
                items.iter().map(item).collect::<Result<Vec<_>, _>>()?
            }
            NodeKind::Parameter(name) => {
                let value = self.parameter(name, node)?;
                let Value::List(values) = value else {
                    let kind = value.kind();
                    let what = format!("parameter {{{name}}} is {kind}, a list is expected here");
                    return self.fail(node.span.clone(), what);
                };
                values.iter().map(|value| (value.clone(), node.span.clone())).collect()
            }
            NodeKind::Column(_) | NodeKind::Value(_) | NodeKind::Call(..) => {
                return self.fail(
                    node.span.clone(),
                    "a list of constants in brackets is expected here, as [1, 2], or a parameter",
                );
            }
        };
        let (count, max) = (values.len(), limits::FILTER_LIST_MAX);
        if count > max {
            let what = format!("the list has {count} values, the limit is {max}");
            return self.fail(node.span.clone(), what);
        }
        Ok(values)
    }

    /// One constant of a list.
    fn item(&mut self, node: &'a Node) -> Result<Value, FilterError> {
        let operand = self.operand(node)?;
        if let Operand::Constant(value) = operand {
            return Ok(value);
        }
        let what = if matches!(operand, Operand::Unknown(_)) {
            "this has no value: it overflows or divides by zero".to_owned()
        } else {
            format!("a constant is expected here, not {}", self.describe(node, &operand))
        };
        self.fail(node.span.clone(), what)
    }

    /// Sorts constants by type; each must compare with values of `kind`.
    fn items(
        &self,
        values: Vec<(Value, Span)>,
        kind: Kind,
        scalar: Option<ScalarType>,
        of: &str,
    ) -> Result<Items, FilterError> {
        let mut items = Items { constants: Constants::default(), has_impossible: false };
        for (value, span) in values {
            let found = value.kind();
            let is_kept = items.push(value, kind, scalar).map_err(|reason| {
                let what = reason
                    .map_or_else(|| format!("{found} is not comparable with {of}"), str::to_owned);
                FilterError::new(self.text, span, what)
            })?;
            items.has_impossible |= !is_kept;
        }
        items.constants.sort();
        Ok(items)
    }
}

impl Items {
    /// Adds a constant; says whether the column can have that value.
    fn push(
        &mut self,
        value: Value,
        kind: Kind,
        scalar: Option<ScalarType>,
    ) -> Result<bool, Option<&'static str>> {
        let constants = &mut self.constants;
        match (value, kind) {
            (Value::Bool(value), Kind::Bool | Kind::Json) => constants.bools.push(value),
            (Value::Text(value), Kind::Text | Kind::Json) => constants.texts.push(value),
            (Value::Text(value), Kind::Timestamp) => {
                constants.ints.push(time::parse_timestamp(&value).map_err(Some)?);
            }
            (Value::Timestamp(value), Kind::Timestamp)
            | (Value::Interval(value), Kind::Interval) => constants.ints.push(value),
            (Value::Float(value), _) if !value.is_finite() => {
                return Err(Some("floats are finite numbers"));
            }
            (Value::Float(value), Kind::Float) if scalar.is_some() => {
                constants.floats.push(scalar.map_or(value, |scalar| stored(scalar, value)));
            }
            (Value::Int(value), Kind::Float) if scalar.is_some() => {
                let Some(value) = number::exact_float(value) else { return Ok(false) };
                constants.floats.push(value);
            }
            (Value::Int(value), Kind::Int | Kind::Float | Kind::Json) => constants.ints.push(value),
            (Value::Float(value), Kind::Int | Kind::Float | Kind::Json) => {
                match number::exact_int(value) {
                    Some(value) => constants.ints.push(value),
                    None if scalar.is_some() => return Ok(false),
                    None => constants.floats.push(value),
                }
            }
            _ => return Err(None),
        }
        Ok(true)
    }
}

impl Constants {
    pub(crate) fn sort(&mut self) {
        self.bools.sort_unstable();
        self.bools.dedup();
        self.ints.sort_unstable();
        self.ints.dedup();
        // Zeros of both signs are equal, and so are equal here.
        self.floats.iter_mut().for_each(|float| *float += 0.0);
        self.floats.sort_unstable_by(f64::total_cmp);
        self.floats.dedup();
        self.texts.sort_unstable();
        self.texts.dedup();
    }

    fn contains(&self, value: &Value) -> bool {
        match value {
            Value::Bool(value) => self.bools.contains(value),
            Value::Float(value) => self.has_float(*value),
            Value::Text(value) => self.has_text(value),
            Value::Int(_) | Value::Timestamp(_) | Value::Interval(_) | Value::List(_) => {
                int_inside(value).is_some_and(|value| self.has_int(value))
            }
        }
    }

    /// Whether the number is among them, whichever type it has there.
    pub(crate) fn has_float(&self, value: f64) -> bool {
        match number::exact_int(value) {
            Some(int) => self.has_int(int),
            None => self.floats.binary_search_by(|float| float.total_cmp(&value)).is_ok(),
        }
    }

    pub(crate) fn has_int(&self, value: i64) -> bool {
        self.ints.binary_search(&value).is_ok()
    }

    pub(crate) fn has_text(&self, value: &str) -> bool {
        self.texts.binary_search_by(|text| text.as_str().cmp(value)).is_ok()
    }

    /// Those of the column's own type.
    fn set(self, scalar: ScalarType) -> Set {
        match scalar {
            ScalarType::Bool => Set::Bools(self.bools),
            ScalarType::Float32 | ScalarType::Float64 => Set::Floats(self.floats),
            ScalarType::String => Set::Texts(self.texts),
            ScalarType::Int8
            | ScalarType::Int16
            | ScalarType::Int32
            | ScalarType::Int64
            | ScalarType::Timestamp
            | ScalarType::Json
            | ScalarType::Array(_) => Set::Ints(self.ints),
        }
    }
}

impl Set {
    /// The set of the same type without anything in it.
    fn emptied(self) -> Self {
        match self {
            Self::Bools(_) => Self::Bools(Vec::new()),
            Self::Ints(_) => Self::Ints(Vec::new()),
            Self::Floats(_) => Self::Floats(Vec::new()),
            Self::Texts(_) => Self::Texts(Vec::new()),
        }
    }
}

impl Test {
    /// The test for being in a set: a range, if the set is integers without a gap.
    fn one_of(set: Set) -> Self {
        if let Set::Ints(ints) = &set
            && let (Some(min), Some(max)) = (ints.first(), ints.last())
            && i128::from(*max) - i128::from(*min) + 1 == ints.len() as i128
        {
            return Self::IntRange { min: *min, max: *max };
        }
        Self::In(set)
    }
}
