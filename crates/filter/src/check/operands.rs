//! The types of values, columns and functions.

use super::Checker;
use crate::error::{FilterError, suggestion};
use crate::json::Path;
use crate::operand::{Arithmetic, Kind, Operand};
use crate::plan::ColumnRef;
use crate::time::TimeUnit;
use crate::tree::{Node, NodeKind, Operator};
use crate::value::Value;
use vicinal_types::{ColumnType, IdType, ScalarType, Schema};

/// Columns that an error lists.
const LISTED_MAX: usize = 8;

impl<'a> Checker<'a> {
    /// A node that stands for a value.
    pub(super) fn operand(&mut self, node: &'a Node) -> Result<Operand, FilterError> {
        match node.kind() {
            NodeKind::Column(name) => self.column(name, node),
            NodeKind::Value(value) => self.constant(value, node),
            NodeKind::Parameter(name) => {
                let value = self.parameter(name, node)?;
                self.constant(value, node)
            }
            NodeKind::Call(operator, operands) => self.call(*operator, operands, node),
        }
    }

    fn constant(&self, value: &Value, node: &Node) -> Result<Operand, FilterError> {
        match value {
            Value::List(_) => self.fail(
                node.span.clone(),
                "a list stands behind `in` and in contains_any and contains_all only",
            ),
            Value::Float(float) if !float.is_finite() => {
                self.fail(node.span.clone(), format!("{float} is no finite number"))
            }
            Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Timestamp(_)
            | Value::Interval(_) => Ok(Operand::Constant(value.clone())),
        }
    }

    /// The value that is given for a parameter.
    pub(super) fn parameter(
        &mut self,
        name: &'a str,
        node: &Node,
    ) -> Result<&'a Value, FilterError> {
        self.used.insert(name);
        let given = self.parameters;
        given.get(name).map_or_else(
            || {
                let near = suggestion(name, given.keys().map(String::as_str));
                let what = format!("no value is given for parameter {{{name}}}{near}");
                self.fail(node.span.clone(), what)
            },
            Ok,
        )
    }

    fn column(&self, name: &str, node: &Node) -> Result<Operand, FilterError> {
        if name == Schema::ID_NAME {
            let scalar = match self.schema.id_type() {
                IdType::Int64 => ScalarType::Int64,
                IdType::String => ScalarType::String,
            };
            return Ok(Operand::Column(ColumnRef::Id, scalar));
        }
        let Some(column) = self.schema.column(name) else {
            return self.fail(node.span.clone(), self.no_column(name));
        };
        match column.kind {
            ColumnType::Scalar { scalar, .. } => {
                Ok(Operand::Column(ColumnRef::Column(column.id), scalar))
            }
            ColumnType::Vector(_) => self.fail(
                node.span.clone(),
                format!("`{name}` is a vector column; a filter reads scalar columns only"),
            ),
        }
    }

    fn no_column(&self, name: &str) -> String {
        let what = format!("there is no column `{name}`");
        if let Some((column, path)) = name.split_once('.')
            && let Some(found) = self.schema.column(column)
            && matches!(found.kind, ColumnType::Scalar { scalar: ScalarType::Json, .. })
        {
            return format!("{what}; a json column is read by json_get({column}, '$.{path}')");
        }
        let names = || {
            let scalars = self.schema.scalars().map(|(column, ..)| column.name.as_str());
            std::iter::once(Schema::ID_NAME).chain(scalars)
        };
        let near = suggestion(name, names());
        if !near.is_empty() {
            return format!("{what}{near}");
        }
        let listed: Vec<&str> = names().take(LISTED_MAX).collect();
        let more = if names().count() > LISTED_MAX { " and more" } else { "" };
        format!("{what}; there are `{}`{more}, and strings stand in quotes", listed.join("`, `"))
    }

    fn call(
        &mut self,
        operator: Operator,
        operands: &'a [Node],
        node: &'a Node,
    ) -> Result<Operand, FilterError> {
        match (operator, operands) {
            (Operator::Now, []) => Ok(Operand::Constant(Value::Timestamp(self.now))),
            (Operator::Length, [operand]) => self.length(operand),
            (Operator::DateTrunc, [unit, operand]) => self.date_trunc(unit, operand),
            (Operator::JsonGet, [column, path]) => self.json_get(column, path),
            (Operator::Negate, [operand]) => self.negate(operand),
            (Operator::Add, [left, right]) => self.arithmetic(Arithmetic::Add, left, right, node),
            (Operator::Subtract, [left, right]) => {
                self.arithmetic(Arithmetic::Subtract, left, right, node)
            }
            (Operator::Multiply, [left, right]) => {
                self.arithmetic(Arithmetic::Multiply, left, right, node)
            }
            (Operator::Divide, [left, right]) => {
                self.arithmetic(Arithmetic::Divide, left, right, node)
            }
            (Operator::Remainder, [left, right]) => {
                self.arithmetic(Arithmetic::Remainder, left, right, node)
            }
            (Operator::List, _) => self.fail(
                node.span.clone(),
                "a list stands behind `in` and in contains_any and contains_all only",
            ),
            _ => self.fail(
                node.span.clone(),
                "a condition is no value; conditions are joined by and, or and not",
            ),
        }
    }

    fn negate(&mut self, node: &'a Node) -> Result<Operand, FilterError> {
        let operand = self.operand(node)?;
        let (kind, zero) = match operand.kind() {
            Kind::Int => (Kind::Int, Value::Int(0)),
            Kind::Float => (Kind::Float, Value::Float(0.0)),
            Kind::Interval => (Kind::Interval, Value::Interval(0)),
            Kind::Bool
            | Kind::Text
            | Kind::Timestamp
            | Kind::Json
            | Kind::Document
            | Kind::Array => {
                let what = format!("`-` takes a number, not {}", self.describe(node, &operand));
                return self.fail(node.span.clone(), what);
            }
        };
        Ok(Operand::arithmetic(Arithmetic::Subtract, kind, Operand::Constant(zero), operand))
    }

    fn arithmetic(
        &mut self,
        operator: Arithmetic,
        left: &'a Node,
        right: &'a Node,
        node: &Node,
    ) -> Result<Operand, FilterError> {
        let (a, b) = (self.operand(left)?, self.operand(right)?);
        if let Some(kind) = operator.kind(a.kind(), b.kind()) {
            return Ok(Operand::arithmetic(operator, kind, a, b));
        }
        let hint = if a.kind() == Kind::Json || b.kind() == Kind::Json {
            "; a json value has no fixed type and can only be compared"
        } else {
            ""
        };
        let what = format!(
            "there is no arithmetic of {} and {}{hint}",
            self.describe(left, &a),
            self.describe(right, &b)
        );
        self.fail(node.span.clone(), what)
    }

    fn length(&mut self, node: &'a Node) -> Result<Operand, FilterError> {
        let operand = self.operand(node)?;
        match (&operand, operand.kind()) {
            (Operand::Constant(Value::Text(text)), _) => {
                let count = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
                Ok(Operand::Constant(Value::Int(count)))
            }
            (_, Kind::Text | Kind::Array | Kind::Json) => Ok(Operand::Length(Box::new(operand))),
            _ => {
                let found = self.describe(node, &operand);
                self.fail(
                    node.span.clone(),
                    format!("length() takes a string or array, not {found}"),
                )
            }
        }
    }

    fn date_trunc(&mut self, unit: &'a Node, node: &'a Node) -> Result<Operand, FilterError> {
        let name = self.text(unit, "the unit")?;
        let units = || TimeUnit::ALL.iter().map(|(name, _)| *name);
        let found = TimeUnit::ALL.iter().find(|(own, _)| own.eq_ignore_ascii_case(&name));
        let Some((_, found)) = found else {
            let near = suggestion(&name, units());
            let all: Vec<_> = units().collect();
            let what = format!("there is no unit '{name}'{near} The units are {}", all.join(", "));
            return self.fail(unit.span.clone(), what);
        };
        let operand = self.operand(node)?;
        if operand.kind() != Kind::Timestamp {
            let what =
                format!("date_trunc() takes a timestamp, not {}", self.describe(node, &operand));
            return self.fail(node.span.clone(), what);
        }
        if let Operand::Constant(Value::Timestamp(micros)) = operand {
            let start = found.truncate(micros).map(Value::Timestamp);
            return Ok(start.map_or(Operand::Unknown(Kind::Timestamp), Operand::Constant));
        }
        if matches!(operand, Operand::Unknown(_)) {
            return Ok(operand);
        }
        Ok(Operand::Truncate(*found, Box::new(operand)))
    }

    fn json_get(&mut self, node: &'a Node, path: &'a Node) -> Result<Operand, FilterError> {
        let operand = self.operand(node)?;
        let Operand::Column(column, ScalarType::Json) = operand else {
            let what =
                format!("json_get() takes a json column, not {}", self.describe(node, &operand));
            return self.fail(node.span.clone(), what);
        };
        let spelled = self.text(path, "a path into json")?;
        match Path::parse(&spelled) {
            Ok(path) => Ok(Operand::Json(column, path)),
            Err(what) => self.fail(path.span.clone(), what),
        }
    }

    /// What a node is, for messages: its name, if it has one, and its type.
    pub(super) fn describe(&self, node: &Node, operand: &Operand) -> String {
        match (node.kind(), operand) {
            (NodeKind::Column(name), Operand::Column(_, scalar)) => {
                format!("column `{name}` ({scalar})")
            }
            (NodeKind::Parameter(name), _) => {
                format!("parameter {{{name}}}, which is {}", operand.kind().name())
            }
            _ => operand.kind().name().to_owned(),
        }
    }
}
