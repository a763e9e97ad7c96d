//! The meaning of a filter, one row at a time and as simple as can be.

use crate::table::Cell;
use std::cmp::Ordering;
use vicinal_filter::{Node, NodeKind, Operator, Parameters, Value};
use vicinal_types::{ScalarType, Schema};

/// A row to be asked.
pub(crate) struct Oracle<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) parameters: &'a Parameters,
    pub(crate) now: i64,
    pub(crate) cell: &'a dyn Fn(&str) -> Cell,
}

impl Oracle<'_> {
    /// Whether a condition holds; none if that is unknown.
    pub(crate) fn condition(&self, node: &Node) -> Option<bool> {
        let NodeKind::Call(operator, operands) = node.kind() else {
            return truth(&self.value(node));
        };
        let at = |place: usize| &operands[place];
        match operator {
            Operator::And => all(operands.iter().map(|node| self.condition(node)).collect()),
            Operator::Or => any(operands.iter().map(|node| self.condition(node)).collect()),
            Operator::Not => self.condition(at(0)).map(|holds| !holds),
            Operator::Equal => self.order(at(0), at(1)).map(Ordering::is_eq),
            Operator::NotEqual => self.order(at(0), at(1)).map(Ordering::is_ne),
            Operator::Less => self.order(at(0), at(1)).map(Ordering::is_lt),
            Operator::LessOrEqual => self.order(at(0), at(1)).map(Ordering::is_le),
            Operator::Greater => self.order(at(0), at(1)).map(Ordering::is_gt),
            Operator::GreaterOrEqual => self.order(at(0), at(1)).map(Ordering::is_ge),
            Operator::Between => {
                let above = self.order(at(0), at(1)).map(Ordering::is_ge);
                let below = self.order(at(0), at(2)).map(Ordering::is_le);
                all(vec![above, below])
            }
            Operator::IsNull => {
                // A document that is `null` is a value of its column.
                let is_column = matches!(at(0).kind(), NodeKind::Column(_));
                let value = self.value(at(0));
                let is_json_null = value == Cell::Json(serde_json::Value::Null);
                Some(value == Cell::Null || (is_json_null && !is_column))
            }
            Operator::In => {
                if let Cell::Null | Cell::Json(serde_json::Value::Null) = self.value(at(0)) {
                    return None;
                }
                any(self.items(at(1)).iter().map(|item| self.equal(at(0), item)).collect())
            }
            Operator::Like => self.like(operands),
            Operator::Matches => {
                let text = text(self.value(at(0)))?;
                let regex = regex::Regex::new(&text_of(self.value(at(1)))?).expect("a pattern");
                Some(regex.is_match(&text))
            }
            Operator::Contains => {
                Some(self.array(at(0))?.iter().any(|item| self.is(at(0), item, &self.value(at(1)))))
            }
            Operator::ContainsAny => {
                let found = self.array(at(0))?;
                let is_there =
                    |wanted: &Cell| found.iter().any(|item| self.is(at(0), item, wanted));
                Some(self.items(at(1)).iter().any(is_there))
            }
            Operator::ContainsAll => {
                let found = self.array(at(0))?;
                let is_there =
                    |wanted: &Cell| found.iter().any(|item| self.is(at(0), item, wanted));
                Some(self.items(at(1)).iter().all(is_there))
            }
            _ => truth(&self.value(node)),
        }
    }

    fn like(&self, operands: &[Node]) -> Option<bool> {
        let text = text(self.value(&operands[0]))?;
        let escape = operands.get(2).and_then(|node| text_of(self.value(node)));
        let escape = escape.and_then(|text| text.chars().next()).unwrap_or('\\');
        let pattern: Vec<char> = text_of(self.value(&operands[1]))?.chars().collect();
        Some(like(&text.chars().collect::<Vec<_>>(), &pattern, escape))
    }

    fn value(&self, node: &Node) -> Cell {
        let (operator, operands) = match node.kind() {
            NodeKind::Column(name) => return (self.cell)(name),
            NodeKind::Value(value) => return cell(value),
            NodeKind::Parameter(name) => return cell(&self.parameters[name]),
            NodeKind::Call(operator, operands) => (operator, operands),
        };
        let at = |place: usize| self.value(&operands[place]);
        match operator {
            Operator::Now => Cell::Time(self.now),
            Operator::Length => match at(0) {
                Cell::Text(text) => Cell::Int(count(text.chars().count())),
                Cell::Array(items) => Cell::Int(count(items.len())),
                Cell::Json(serde_json::Value::String(text)) => {
                    Cell::Int(count(text.chars().count()))
                }
                Cell::Json(serde_json::Value::Array(items)) => Cell::Int(count(items.len())),
                _ => Cell::Null,
            },
            Operator::JsonGet => match (at(0), at(1)) {
                (Cell::Json(document), Cell::Text(path)) => {
                    // Of RFC 6901: the paths here are names and numbers only.
                    let pointer = path[1..].replace('[', "/").replace(']', "").replace('.', "/");
                    document.pointer(&pointer).map_or(Cell::Null, |found| Cell::Json(found.clone()))
                }
                _ => Cell::Null,
            },
            Operator::DateTrunc => match at(1) {
                // The units asked for here have one length.
                Cell::Time(micros) => {
                    let unit = match at(0) {
                        Cell::Text(unit) if unit == "hour" => 3_600_000_000,
                        _ => 86_400_000_000,
                    };
                    let start = micros.checked_sub(micros.rem_euclid(unit));
                    start.map_or(Cell::Null, Cell::Time)
                }
                _ => Cell::Null,
            },
            Operator::Negate => match at(0) {
                Cell::Int(value) => value.checked_neg().map_or(Cell::Null, Cell::Int),
                Cell::Span(value) => value.checked_neg().map_or(Cell::Null, Cell::Span),
                Cell::Float(value) => Cell::Float(-value),
                _ => Cell::Null,
            },
            operator => arithmetic(*operator, at(0), at(1)),
        }
    }

    /// How two values stand, the types of their nodes considered.
    fn order(&self, left: &Node, right: &Node) -> Option<Ordering> {
        let a = self.stored(left, self.value(right), is_constant(right));
        let b = self.stored(right, self.value(left), is_constant(left));
        order(&b, &a)
    }

    fn equal(&self, node: &Node, item: &Cell) -> Option<bool> {
        let item = self.stored(node, item.clone(), true);
        order(&self.value(node), &item).map(Ordering::is_eq)
    }

    /// A constant as a column of 32-bit floats would store it.
    fn stored(&self, other: &Node, value: Cell, is_constant: bool) -> Cell {
        let NodeKind::Column(name) = other.kind() else { return value };
        let narrow = self.schema.scalars().any(|(column, scalar, _)| {
            let scalar = scalar.item().map_or(scalar, |item| item.scalar());
            column.name == *name && scalar == ScalarType::Float32
        });
        match value {
            Cell::Float(float) if narrow && is_constant && (float as f32).is_finite() => {
                Cell::Float(f64::from(float as f32))
            }
            value => value,
        }
    }

    fn is(&self, array: &Node, item: &Cell, wanted: &Cell) -> bool {
        let wanted = self.stored(array, wanted.clone(), true);
        order(item, &wanted).is_some_and(Ordering::is_eq)
    }

    fn array(&self, node: &Node) -> Option<Vec<Cell>> {
        match self.value(node) {
            Cell::Array(items) => Some(items),
            Cell::Json(serde_json::Value::Array(items)) => {
                Some(items.into_iter().map(Cell::Json).collect())
            }
            _ => None,
        }
    }

    fn items(&self, list: &Node) -> Vec<Cell> {
        match list.kind() {
            NodeKind::Call(Operator::List, items) => {
                items.iter().map(|item| self.value(item)).collect()
            }
            NodeKind::Parameter(name) => match &self.parameters[name] {
                Value::List(values) => values.iter().map(cell).collect(),
                value => panic!("{value} is no list"),
            },
            kind => panic!("{kind:?} is no list"),
        }
    }
}

/// Whether all hold: false if one does not, else unknown if one is.
fn all(conditions: Vec<Option<bool>>) -> Option<bool> {
    any(conditions.into_iter().map(|condition| condition.map(|holds| !holds)).collect())
        .map(|fails| !fails)
}

/// Whether any holds: true if one does, else unknown if one is.
fn any(conditions: Vec<Option<bool>>) -> Option<bool> {
    if conditions.contains(&Some(true)) {
        return Some(true);
    }
    if conditions.contains(&None) { None } else { Some(false) }
}

fn count(count: usize) -> i64 {
    i64::try_from(count).expect("few")
}

fn is_constant(node: &Node) -> bool {
    match node.kind() {
        NodeKind::Column(_) => false,
        NodeKind::Value(_) | NodeKind::Parameter(_) => true,
        NodeKind::Call(_, operands) => operands.iter().all(is_constant),
    }
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Bool(value) => Cell::Bool(*value),
        Value::Int(value) => Cell::Int(*value),
        Value::Float(value) => Cell::Float(*value),
        Value::Text(text) => Cell::Text(text.clone()),
        Value::Timestamp(micros) => Cell::Time(*micros),
        Value::Interval(micros) => Cell::Span(*micros),
        Value::List(values) => Cell::Array(values.iter().map(cell).collect()),
    }
}

fn truth(cell: &Cell) -> Option<bool> {
    match plain(cell) {
        Cell::Bool(value) => Some(value),
        _ => None,
    }
}

/// A string where a pattern is tested.
fn text(cell: Cell) -> Option<String> {
    text_of(plain(&cell))
}

fn text_of(cell: Cell) -> Option<String> {
    if let Cell::Text(text) = cell { Some(text) } else { None }
}

/// A JSON scalar as the value that it is.
fn plain(cell: &Cell) -> Cell {
    match cell {
        Cell::Json(serde_json::Value::Null) => Cell::Null,
        Cell::Json(serde_json::Value::Bool(value)) => Cell::Bool(*value),
        Cell::Json(serde_json::Value::String(text)) => Cell::Text(text.clone()),
        Cell::Json(serde_json::Value::Number(number)) => match number.as_i64() {
            Some(int) => Cell::Int(int),
            None => Cell::Float(number.as_f64().expect("a number")),
        },
        cell => cell.clone(),
    }
}

fn order(a: &Cell, b: &Cell) -> Option<Ordering> {
    match (plain(a), plain(b)) {
        (Cell::Bool(a), Cell::Bool(b)) => Some(a.cmp(&b)),
        (Cell::Int(a), Cell::Int(b))
        | (Cell::Time(a), Cell::Time(b))
        | (Cell::Span(a), Cell::Span(b)) => Some(a.cmp(&b)),
        (Cell::Text(a), Cell::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Cell::Float(a), Cell::Float(b)) => a.partial_cmp(&b),
        (Cell::Int(a), Cell::Float(b)) => Some(int_to_float(a, b)),
        (Cell::Float(a), Cell::Int(b)) => Some(int_to_float(b, a).reverse()),
        _ => None,
    }
}

/// A float with a fraction is so small that rounding the integer cannot matter.
fn int_to_float(int: i64, float: f64) -> Ordering {
    if float.trunc() == float {
        i128::from(int).cmp(&(float as i128))
    } else {
        (int as f64).partial_cmp(&float).expect("no NaN")
    }
}

fn arithmetic(operator: Operator, a: Cell, b: Cell) -> Cell {
    let int = |a: i64, b: i64| match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide => a.checked_div(b),
        Operator::Remainder if b == -1 => Some(0),
        Operator::Remainder => a.checked_rem(b),
        operator => panic!("{operator:?} is no arithmetic"),
    };
    let float = |a: f64, b: f64| {
        let result = match operator {
            Operator::Add => a + b,
            Operator::Subtract => a - b,
            Operator::Multiply => a * b,
            Operator::Divide => a / b,
            Operator::Remainder => a % b,
            operator => panic!("{operator:?} is no arithmetic"),
        };
        if result.is_finite() { Cell::Float(result) } else { Cell::Null }
    };
    match (a, b) {
        (Cell::Null, _) | (_, Cell::Null) => Cell::Null,
        (Cell::Int(a), Cell::Int(b)) => int(a, b).map_or(Cell::Null, Cell::Int),
        (Cell::Float(a), Cell::Float(b)) => float(a, b),
        (Cell::Int(a), Cell::Float(b)) => float(a as f64, b),
        (Cell::Float(a), Cell::Int(b)) => float(a, b as f64),
        (Cell::Time(a), Cell::Time(b)) | (Cell::Span(a), Cell::Int(b) | Cell::Span(b)) => {
            int(a, b).map_or(Cell::Null, Cell::Span)
        }
        (Cell::Int(a), Cell::Span(b)) => int(a, b).map_or(Cell::Null, Cell::Span),
        (Cell::Time(a), Cell::Span(b)) | (Cell::Span(a), Cell::Time(b)) => {
            int(a, b).map_or(Cell::Null, Cell::Time)
        }
        (a, b) => panic!("no arithmetic of {a:?} and {b:?}"),
    }
}

/// `like` by trying everything.
fn like(text: &[char], pattern: &[char], escape: char) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return text.is_empty() };
    if *first == escape {
        let (literal, rest) = rest.split_first().expect("something behind the escape");
        return text.first() == Some(literal) && like(&text[1..], rest, escape);
    }
    match first {
        '%' => (0..=text.len()).any(|skip| like(&text[skip..], rest, escape)),
        '_' => !text.is_empty() && like(&text[1..], rest, escape),
        literal => text.first() == Some(literal) && like(&text[1..], rest, escape),
    }
}
