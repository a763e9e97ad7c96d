//! Indexes of scalar columns: from a test of one column to the rows that pass, as a
//! bitmap, without reading the column.
//!
//! It is not a filter language: which test of which column is `vicinal-filter`'s to say,
//! and its evaluation asks here before it reads a column. It knows nothing of files and
//! threads: bytes in, bytes out.
//!
//! | kind | what it has | bytes | answers |
//! |---|---|---|---|
//! | bitmap | the rows of each value, as in roaring bitmaps | to 2 a row, and 2 a row | `=`, `in`, ranges, prefixes, `like`, `matches` |
//! | sorted | the rows in the order of their values | 4 a row, and 2 a row; none if the column is in order | `=`, `in`, ranges, prefixes, `like 'a%…'` |
//! | inverted | the rows of each item | to 2 an item, 14 an item that is there once | `contains`, `contains_any`, `contains_all` |
//! | trigram | the rows of each three bytes | to 2 a byte | `like`, prefixes and `=` of three bytes or more |
//!
//! The 2 bytes a row that bitmap and sorted have besides make ranges of any width take
//! the same time: which rows come before each sixteenth of the order, a bit each.
//!
//! # Invariants
//! * Values are not stored again: an index reads those of its column, at places it has.
//! * Answers are exact and have no null rows. What an index cannot say, or not faster
//!   than a look at all values does, it does not answer.
//! * Bytes are checked when they are opened. After that no answer panics; a wrong order
//!   of values, which is for a checksum to find, gives wrong rows.
//!
//! # Example
//! ```
//! use arrow_array::{ArrayRef, Int64Array};
//! use std::sync::Arc;
//! use vicinal_filter::{ColumnRef, Leaf, Test};
//! use vicinal_scalar::{Kind, ScalarIndex};
//! use vicinal_types::{ColumnId, ScalarType};
//!
//! let prices: ArrayRef = Arc::new(Int64Array::from(vec![Some(30), None, Some(10), Some(20)]));
//! let index = ScalarIndex::build(Kind::Sorted, ScalarType::Int64, &prices)?;
//! let index = ScalarIndex::open(&index.to_bytes().into(), ScalarType::Int64, &prices)?;
//! let cheap = Leaf {
//!     column: ColumnRef::Column(ColumnId(1)),
//!     scalar: ScalarType::Int64,
//!     test: Test::IntRange { min: 0, max: 20 },
//! };
//! assert_eq!(index.count(&cheap), Some(2));
//! let rows = index.answer(&cheap).expect("a range is for it");
//! assert_eq!(rows.iter().collect::<Vec<_>>(), [2, 3]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod build;
mod choose;
mod cumulative;
mod error;
mod format;
mod index;
mod order;
mod postings;
mod trigrams;
mod values;
mod words;

pub use choose::{AUTO_ROWS_MIN, BITMAP_VALUES_MAX, Profile, choose};
pub use error::{BuildError, OpenError};
pub use index::{Kind, ScalarIndex};
