//! The filter language: from a text to the rows that pass.

mod check;
mod error;
mod eval;
mod filter;
mod json;
mod number;
mod operand;
mod parse;
mod pattern;
mod plan;
mod print;
mod time;
mod token;
mod tree;
mod value;

pub use error::FilterError;
pub use eval::{Columns, EvaluateError};
pub use filter::Filter;
pub use pattern::{Like, Regex};
pub use plan::{ColumnRef, Leaf, Set, Test};
pub use tree::{Expression, Node, NodeKind, Operator};
pub use value::{Parameters, Value};
