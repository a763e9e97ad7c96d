//! Names and types: from a tree to a plan.

mod compare;
mod lists;
mod operands;

use crate::error::{FilterError, Span, suggestion};
use crate::number::Comparison;
use crate::operand::{Kind, Operand};
use crate::pattern::{Like, LikeShape, Regex};
use crate::plan::{ColumnRef, Condition, Leaf, Plan, Set, Test};
use crate::tree::{Expression, Node, NodeKind, Operator};
use crate::value::{Parameters, Value};
use std::collections::HashSet;
use vicinal_types::{ScalarType, Schema, limits};

/// Checks a filter against a schema and brings it into the form that is evaluated.
///
/// # Errors
/// At the name or operand that does not fit.
pub(crate) fn check(
    expression: &Expression,
    schema: &Schema,
    parameters: &Parameters,
    now: i64,
) -> Result<Plan, FilterError> {
    let text = expression.text();
    let mut checker =
        Checker { text, schema, parameters, now, used: HashSet::new(), pattern_count: 0 };
    let plan = checker.condition(expression.root(), false)?;
    let mut unused: Vec<&String> =
        parameters.keys().filter(|name| !checker.used.contains(name.as_str())).collect();
    unused.sort();
    if let Some(name) = unused.first() {
        let near = suggestion(name, checker.used.iter().copied());
        let what = format!("parameter `{name}` is given, but the filter has no {{{name}}}{near}");
        return checker.fail(0..text.len(), what);
    }
    Ok(plan)
}

struct Checker<'a> {
    text: &'a str,
    schema: &'a Schema,
    parameters: &'a Parameters,
    now: i64,
    used: HashSet<&'a str>,
    pattern_count: usize,
}

/// The plan of a test of a column.
fn leaf(column: ColumnRef, scalar: ScalarType, test: Test, is_negated: bool) -> Plan {
    Plan::Leaf { leaf: Leaf { column, scalar, test }, is_negated }
}

/// The plan of a test of strings.
fn text_plan(operand: Operand, test: Test, is_negated: bool) -> Plan {
    if let Operand::Constant(Value::Text(text)) = &operand {
        return Plan::Constant(test.passes_text(text.as_bytes()) != is_negated);
    }
    match compare::column_of(&operand) {
        Some((column, scalar)) => leaf(column, scalar, test, is_negated),
        None => Plan::Condition { condition: Condition::Text(operand, test), is_negated },
    }
}

impl<'a> Checker<'a> {
    fn fail<T>(&self, span: Span, what: impl Into<String>) -> Result<T, FilterError> {
        Err(FilterError::new(self.text, span, what))
    }

    /// The plan for where a node is true, or where it is false if `is_negated`.
    fn condition(&mut self, node: &'a Node, is_negated: bool) -> Result<Plan, FilterError> {
        let NodeKind::Call(operator, operands) = node.kind() else {
            return self.bare(node, is_negated);
        };
        match (operator, &operands[..]) {
            (Operator::And | Operator::Or, operands) => {
                let plans = operands.iter().map(|operand| self.condition(operand, is_negated));
                let plans = plans.collect::<Result<_, _>>()?;
                Ok(Plan::chain(plans, (*operator == Operator::And) != is_negated))
            }
            (Operator::Not, [operand]) => self.condition(operand, !is_negated),
            (Operator::Equal, [left, right]) => {
                self.compare(Comparison::Equal, left, right, is_negated)
            }
            (Operator::NotEqual, [left, right]) => {
                self.compare(Comparison::Equal, left, right, !is_negated)
            }
            (Operator::Less, [left, right]) => {
                self.compare(Comparison::Less, left, right, is_negated)
            }
            (Operator::LessOrEqual, [left, right]) => {
                self.compare(Comparison::LessOrEqual, left, right, is_negated)
            }
            (Operator::Greater, [left, right]) => {
                self.compare(Comparison::Less, right, left, is_negated)
            }
            (Operator::GreaterOrEqual, [left, right]) => {
                self.compare(Comparison::LessOrEqual, right, left, is_negated)
            }
            (Operator::Between, [value, min, max]) => {
                let above = self.compare(Comparison::LessOrEqual, min, value, is_negated)?;
                let below = self.compare(Comparison::LessOrEqual, value, max, is_negated)?;
                Ok(Plan::chain(vec![above, below], !is_negated))
            }
            (Operator::In, [value, list]) => self.is_in(value, list, is_negated),
            (Operator::Contains | Operator::ContainsAny, [array, list]) => {
                self.contains(*operator, array, list, false, is_negated)
            }
            (Operator::ContainsAll, [array, list]) => {
                self.contains(*operator, array, list, true, is_negated)
            }
            (Operator::Like, [value, pattern, escape @ ..]) => {
                self.like(value, pattern, escape.first(), is_negated)
            }
            (Operator::Matches, [value, pattern]) => self.matches(value, pattern, is_negated),
            (Operator::IsNull, [operand]) => self.is_null(operand, is_negated),
            _ => self.bare(node, is_negated),
        }
    }

    /// A value that stands where a condition does: right if it is a bool.
    fn bare(&mut self, node: &'a Node, is_negated: bool) -> Result<Plan, FilterError> {
        let operand = self.operand(node)?;
        if !matches!(operand.kind(), Kind::Bool | Kind::Json) {
            let what = format!("{} is no condition; compare it", self.describe(node, &operand));
            return self.fail(node.span.clone(), what);
        }
        let truth = Operand::Constant(Value::Bool(true));
        self.compared(Comparison::Equal, (node, operand), (node, truth), is_negated)
    }

    fn is_null(&mut self, node: &'a Node, is_negated: bool) -> Result<Plan, FilterError> {
        Ok(match self.operand(node)? {
            Operand::Constant(_) => Plan::Constant(is_negated),
            Operand::Unknown(_) => Plan::Constant(!is_negated),
            Operand::Column(column, scalar) => leaf(column, scalar, Test::IsNull, is_negated),
            operand @ (Operand::Arithmetic(..)
            | Operand::Length(_)
            | Operand::Truncate(..)
            | Operand::Json(..)) => {
                Plan::Condition { condition: Condition::IsNull(operand), is_negated }
            }
        })
    }

    /// The operand of a pattern, which is a string.
    fn string(&mut self, node: &'a Node) -> Result<Operand, FilterError> {
        let operand = self.operand(node)?;
        if matches!(operand.kind(), Kind::Text | Kind::Json) {
            return Ok(operand);
        }
        let what = format!("patterns are for strings, not {}", self.describe(node, &operand));
        self.fail(node.span.clone(), what)
    }

    /// A string that is a constant.
    fn text(&mut self, node: &'a Node, what: &str) -> Result<String, FilterError> {
        match self.operand(node)? {
            Operand::Constant(Value::Text(text)) => Ok(text),
            operand @ (Operand::Constant(_)
            | Operand::Unknown(_)
            | Operand::Column(..)
            | Operand::Arithmetic(..)
            | Operand::Length(_)
            | Operand::Truncate(..)
            | Operand::Json(..)) => {
                let found = self.describe(node, &operand);
                self.fail(node.span.clone(), format!("{what} is a string in quotes, not {found}"))
            }
        }
    }

    fn count_pattern(&mut self, span: &Span) -> Result<(), FilterError> {
        self.pattern_count += 1;
        let max = limits::FILTER_PATTERNS_MAX;
        if self.pattern_count > max {
            return self.fail(span.clone(), format!("a filter has at most {max} such patterns"));
        }
        Ok(())
    }

    fn matches(
        &mut self,
        value: &'a Node,
        pattern: &'a Node,
        is_negated: bool,
    ) -> Result<Plan, FilterError> {
        let operand = self.string(value)?;
        let spelled = self.text(pattern, "a regular expression")?;
        self.count_pattern(&pattern.span)?;
        let regex = match Regex::new(&spelled) {
            Ok(regex) => regex,
            Err(what) => return self.fail(pattern.span.clone(), what),
        };
        Ok(text_plan(operand, Test::Matches(regex), is_negated))
    }

    fn like(
        &mut self,
        value: &'a Node,
        pattern: &'a Node,
        escape: Option<&'a Node>,
        is_negated: bool,
    ) -> Result<Plan, FilterError> {
        let operand = self.string(value)?;
        let spelled = self.text(pattern, "the pattern of a `like`")?;
        let mut escape_by = '\\';
        if let Some(node) = escape {
            let text = self.text(node, "the escape character")?;
            let mut characters = text.chars();
            match (characters.next(), characters.next()) {
                (Some(one), None) => escape_by = one,
                _ => return self.fail(node.span.clone(), "`escape` takes one character"),
            }
        }
        self.count_like(&spelled, &pattern.span)?;
        let shape = match Like::shape(&spelled, escape_by) {
            Ok(shape) => shape,
            Err(what) => return self.fail(pattern.span.clone(), what),
        };
        let test = match shape {
            LikeShape::Whole(text) => Test::In(Set::Texts(vec![text])),
            LikeShape::Prefix(text) => Test::Prefix(text),
            LikeShape::Pattern(like) => Test::Like(like),
        };
        Ok(text_plan(operand, test, is_negated))
    }

    /// Patterns with `_` are regular expressions inside.
    fn count_like(&mut self, pattern: &str, span: &Span) -> Result<(), FilterError> {
        if pattern.contains('_') { self.count_pattern(span) } else { Ok(()) }
    }
}
