//! The filter language: from a text to the rows that pass.
//!
//! ```text
//! price < {max} and category in ["noun.food", "noun.plant"]
//!     and json_get(meta, "$.a") is not null and created > now() - interval '7 days'
//! ```
//!
//! It is not a query language: it says which rows, not in which order and which columns
//! of them. It knows nothing of files, threads and clocks.
//!
//! # Grammar
//! Weakest first; keywords and functions in any case, names of columns as declared.
//!
//! | | |
//! |---|---|
//! | `a or b` | also `\|\|` |
//! | `a and b` | also `&&` |
//! | `not a` | also `!` |
//! | `=` `!=` `<` `<=` `>` `>=` | also `==`, `<>`; they do not chain |
//! | `a in [1, 2]`, `a not in {list}` | also in parentheses; constants only |
//! | `a between 1 and 5` | both included |
//! | `a like 'a%'`, `… escape '!'` | `%` any text, `_` one character, `\\` escapes |
//! | `a matches r'^\d+$'` | also `regex`; finds anywhere in the string, linear time |
//! | `a is null`, `a is not null` | the only tests that are never unknown |
//! | `+` `-`, then `*` `/` `%`, then `-a` | |
//! | `contains(array, a)`, `contains_any(array, [a, b])`, `contains_all(array, [a, b])` | arrays, and arrays within JSON |
//! | `length(a)` | characters of a string, items of an array |
//! | `now()` | when the command was given, the same on every replica |
//! | `date_trunc('day', t)` | second, minute, hour, day, week, month, quarter, year; UTC |
//! | `json_get(column, '$.a.b[0]')` | also `['any name']` |
//! | `12`, `-0.5`, `1e9`, `true`, `'text'`, `"text"` | `\n \t \r \0 \\ \' \" \u0041 \u{1f600}`, and quotes doubled |
//! | `r'…'` | nothing in it is an escape |
//! | `timestamp'2026-01-31T12:00:00Z'`, `timestamp(0)` | microseconds since 1970 in parentheses |
//! | `interval'1 day 2 hours'` | weeks to microseconds; months have no fixed length |
//! | `{name}` | a value given with the filter, never read as text |
//!
//! A column's name is letters, digits, `_` and `.`; any other, and one that is a keyword,
//! stands in backticks. `id` is the primary id.
//!
//! # What it means
//! * **Unknown.** Logic has three values, as in SQL: comparing with null is unknown,
//!   `false and unknown` is false, `true or unknown` is true, `not unknown` is unknown.
//!   A row passes only if the filter is true. So neither `a = 1` nor `a != 1` finds
//!   rows in which `a` is null. `a in []` is false, and unknown for null. There is no
//!   constant null.
//! * **Numbers** compare as numbers, whatever their types: `2^53 + 1` and the float
//!   `2^53` differ. -0.0 equals 0.0. NaN and infinities do not occur. A float that is
//!   compared with a column of 32-bit floats is rounded as the column rounds, so that
//!   `a = 0.1` finds what was stored as 0.1; within arithmetic nothing is rounded to 32
//!   bits.
//! * **Arithmetic** on integers is in 64 bits; between an integer and a float both are
//!   floats. What does not fit, a division by zero, and a float that is not finite are
//!   null, never an error: a filter cannot fail at a row. `/` of integers rounds toward
//!   zero, `%` has the sign of its left side.
//! * **Strings** compare byte by byte, which for UTF-8 is the order of code points;
//!   nothing folds case. Positions and lengths count code points.
//! * **Timestamps** are microseconds in UTC. A string that is compared with one is read
//!   as one. Their difference is an interval; intervals are added to them, added to each
//!   other, multiplied and divided by integers.
//! * **JSON.** What a path finds is compared as what it is: with a value of another type
//!   it is unknown, and so are arrays and objects with anything. `null` and a path that
//!   leads nowhere are null. There is no arithmetic on it. Of names that come twice in an
//!   object the last counts. A number is an integer if it is written as one of 64 bits.
//!   Items of another type in `contains` are just not equal. `column is null` is about
//!   the column: a document that is `null` is a value.
//!
//! # Invariants
//! * Reading a text takes no recursion; trees are at most
//!   [`FILTER_DEPTH_MAX`](vicinal_types::limits::FILTER_DEPTH_MAX) levels high, so what
//!   walks over them may recurse.
//! * A tree prints as one text, and that text reads as the same tree.
//! * A filter that fits its schema is evaluated without an error and without a panic on
//!   any values.
//!
//! # Example
//! ```
//! use arrow_array::Int64Array;
//! use std::sync::Arc;
//! use vicinal_filter::{ColumnRef, Columns, Expression, Filter, Parameters, Value};
//! # use vicinal_types::{Column, ColumnId, ElementType, IdType, Metric, Schema, VectorType};
//! # let vector = VectorType::new(4, ElementType::F32, Metric::L2)?;
//! # let schema = Schema::new(IdType::Int64, vec![Column::vector(ColumnId(1), "v", vector)])?;
//!
//! let expression = Expression::parse("id between 2 and {last}")?;
//! let parameters = Parameters::from([("last".to_owned(), Value::Int(3))]);
//! let filter = Filter::new(&expression, &schema, &parameters, 0)?;
//!
//! let mut columns = Columns::new(4);
//! columns.insert(ColumnRef::Id, Arc::new(Int64Array::from(vec![1, 2, 3, 4])))?;
//! let rows = filter.evaluate(&columns, None, &mut |_leaf| None)?;
//! assert_eq!(rows.iter().collect::<Vec<_>>(), [1, 2]);
//!
//! let error = Expression::parse("id = = 2").expect_err("a second `=`");
//! assert_eq!(error.column(), 6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod error;
mod eval;
mod filter;
mod grammar;
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
pub use time::TimeUnit;
pub use tree::{Expression, Node, NodeKind, Operator};
pub use value::{Parameters, Value};
