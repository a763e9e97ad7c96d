//! The tree of a filter, before names and types are known.

use crate::error::{FilterError, Span};
use crate::token::is_parameter_name;
use crate::value::Value;
use crate::{parse, print};
use std::fmt;
use vicinal_types::limits;

/// What is done with operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `a or b or …`
    Or,
    /// `a and b and …`
    And,
    /// `not a`
    Not,
    /// `a = b`
    Equal,
    /// `a != b`
    NotEqual,
    /// `a < b`
    Less,
    /// `a <= b`
    LessOrEqual,
    /// `a > b`
    Greater,
    /// `a >= b`
    GreaterOrEqual,
    /// `a in [b, …]`
    In,
    /// `a between b and c`
    Between,
    /// `a like 'pattern'`, `a like 'pattern' escape '!'`
    Like,
    /// `a matches 'regular expression'`
    Matches,
    /// `a is null`
    IsNull,
    /// `contains(array, a)`
    Contains,
    /// `contains_any(array, [a, …])`
    ContainsAny,
    /// `contains_all(array, [a, …])`
    ContainsAll,
    /// `a + b`
    Add,
    /// `a - b`
    Subtract,
    /// `a * b`
    Multiply,
    /// `a / b`
    Divide,
    /// `a % b`
    Remainder,
    /// `-a`, but not in front of a number, which is a negative number
    Negate,
    /// `[a, …]`
    List,
    /// `now()`
    Now,
    /// `length(a)`
    Length,
    /// `date_trunc('unit', a)`
    DateTrunc,
    /// `json_get(column, 'path')`
    JsonGet,
}

/// The operators that are written as functions.
pub(crate) const FUNCTIONS: [(&str, Operator); 7] = [
    ("contains", Operator::Contains),
    ("contains_any", Operator::ContainsAny),
    ("contains_all", Operator::ContainsAll),
    ("now", Operator::Now),
    ("length", Operator::Length),
    ("date_trunc", Operator::DateTrunc),
    ("json_get", Operator::JsonGet),
];

impl Operator {
    /// How few and how many operands it takes.
    fn operands(self) -> (usize, usize) {
        match self {
            Self::Or | Self::And => (2, usize::MAX),
            Self::List => (0, usize::MAX),
            Self::Now => (0, 0),
            Self::Not | Self::IsNull | Self::Negate | Self::Length => (1, 1),
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::In
            | Self::Matches
            | Self::Contains
            | Self::ContainsAny
            | Self::ContainsAll
            | Self::Add
            | Self::Subtract
            | Self::Multiply
            | Self::Divide
            | Self::Remainder
            | Self::DateTrunc
            | Self::JsonGet => (2, 2),
            Self::Between => (3, 3),
            Self::Like => (2, 3),
        }
    }

    /// How few operands it takes.
    pub(crate) fn least(self) -> usize {
        self.operands().0
    }

    /// Whether it can have `count` operands.
    pub(crate) fn takes(self, count: usize) -> bool {
        let (min, max) = self.operands();
        (min..=max).contains(&count)
    }
}

/// A part of a filter. Two are equal if they say the same, wherever they stand.
#[derive(Clone, Debug)]
pub struct Node {
    kind: NodeKind,
    height: usize,
    pub(crate) span: Span,
}

/// What a part of a filter is.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// A column, or `id` for the primary id.
    Column(String),
    /// A constant.
    Value(Value),
    /// A constant that is given with the filter: `{name}`.
    Parameter(String),
    /// An operator or function and its operands.
    Call(Operator, Vec<Node>),
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Node {
    /// A column, or `id` for the primary id.
    pub fn column(name: impl Into<String>) -> Self {
        Self::leaf(NodeKind::Column(name.into()), 0..0)
    }

    /// A constant.
    pub fn value(value: Value) -> Self {
        Self::leaf(NodeKind::Value(value), 0..0)
    }

    /// A constant that is given with the filter.
    pub fn parameter(name: impl Into<String>) -> Self {
        Self::leaf(NodeKind::Parameter(name.into()), 0..0)
    }

    /// An operator or function and its operands. The operands of an `and` in an
    /// `and`, or an `or` in an `or`, become its own.
    pub fn call(operator: Operator, operands: Vec<Self>) -> Self {
        Self::call_at(operator, operands, 0..0)
    }

    pub(crate) fn leaf(kind: NodeKind, span: Span) -> Self {
        Self { kind, height: 1, span }
    }

    pub(crate) fn call_at(operator: Operator, operands: Vec<Self>, span: Span) -> Self {
        let is_chain = matches!(operator, Operator::And | Operator::Or);
        let merges = |operand: &Self| is_chain && operand.calls(operator);
        let below = |operand: &Self| operand.height - usize::from(merges(operand));
        let height = operands.iter().map(below).max().unwrap_or(0) + 1;
        let operands = if is_chain { flatten(operator, operands) } else { operands };
        Self { kind: NodeKind::Call(operator, operands), height, span }
    }

    /// What it is.
    pub fn kind(&self) -> &NodeKind {
        &self.kind
    }

    /// The nodes on the longest way down, this one included.
    pub(crate) fn height(&self) -> usize {
        self.height
    }

    /// Shows each node below and including this one.
    fn visit<'a>(&'a self, show: &mut impl FnMut(&'a NodeKind)) {
        show(&self.kind);
        if let NodeKind::Call(_, operands) = &self.kind {
            operands.iter().for_each(|operand| operand.visit(show));
        }
    }

    fn calls(&self, operator: Operator) -> bool {
        matches!(&self.kind, NodeKind::Call(own, _) if *own == operator)
    }

    /// Checks what the text of a filter could not say.
    fn check(&self) -> Result<(), String> {
        match &self.kind {
            NodeKind::Column(name) if name.trim().is_empty() || name.contains('`') => {
                Err(format!("{name:?} is no name of a column"))
            }
            NodeKind::Parameter(name) if !is_parameter_name(name) => {
                Err(format!("{name:?} is no name of a parameter"))
            }
            NodeKind::Value(Value::Float(value)) if !value.is_finite() => {
                Err(format!("{value} is no finite number"))
            }
            NodeKind::Column(_) | NodeKind::Parameter(_) | NodeKind::Value(_) => Ok(()),
            NodeKind::Call(operator, operands) => {
                if !operator.takes(operands.len()) {
                    let count = operands.len();
                    return Err(format!("{operator:?} does not take {count} operands"));
                }
                operands.iter().try_for_each(Self::check)
            }
        }
    }
}

/// Puts the operands of operands of the same kind in their place. A chain that is read
/// from left to right grows its first operand.
fn flatten(operator: Operator, operands: Vec<Node>) -> Vec<Node> {
    let mut flat = Vec::new();
    for operand in operands {
        match operand.kind {
            NodeKind::Call(own, inner) if own == operator && flat.is_empty() => flat = inner,
            NodeKind::Call(own, inner) if own == operator => flat.extend(inner),
            kind @ (NodeKind::Call(..)
            | NodeKind::Column(_)
            | NodeKind::Value(_)
            | NodeKind::Parameter(_)) => flat.push(Node { kind, ..operand }),
        }
    }
    flat
}

/// A filter as it was written: a tree within the limits, and its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    text: String,
    root: Node,
}

impl Expression {
    /// Reads a text.
    ///
    /// # Errors
    /// [`FilterError`] at the place of the text that is wrong or beyond a limit.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Ok(Self { text: text.to_owned(), root: parse::parse(text)? })
    }

    /// Takes a tree; its text is the one that it prints as, which errors point into.
    ///
    /// # Errors
    /// [`FilterError`] if the tree is beyond a limit, an operator has too many or too
    /// few operands, or a name is none.
    pub fn new(root: Node) -> Result<Self, FilterError> {
        let max = limits::FILTER_DEPTH_MAX;
        if root.height > max {
            let height = root.height;
            let what = format!("the filter is {height} levels deep, the limit is {max}");
            return Err(FilterError::new("", 0..0, what));
        }
        root.check().map_err(|what| FilterError::new("", 0..0, what))?;
        let mut text = String::new();
        print::print(&root, &mut text);
        Self::parse(&text)
    }

    /// The text that errors point into.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The tree.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The names of the columns that it speaks of, as often as it does.
    pub fn column_names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.root.visit(&mut |kind| {
            if let NodeKind::Column(name) = kind {
                names.push(name.as_str());
            }
        });
        names
    }

    /// Whether it depends on the time of the command.
    pub fn uses_now(&self) -> bool {
        let mut uses_now = false;
        self.root.visit(&mut |kind| {
            uses_now |= matches!(kind, NodeKind::Call(Operator::Now, _));
        });
        uses_now
    }
}

/// In the one spelling that each tree has.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        print::print(&self.root, &mut text);
        f.write_str(&text)
    }
}
