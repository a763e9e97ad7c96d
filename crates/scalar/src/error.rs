//! Why an index cannot be built or opened.

use crate::index::Kind;
use vicinal_types::ScalarType;

/// Why an index cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// An index that is not for columns of that type.
    #[error("a column of type {scalar} has no {kind} index")]
    Kind {
        /// The index.
        kind: Kind,
        /// The column's type.
        scalar: ScalarType,
    },
    /// An array of another type than its column.
    #[error("a column of type {scalar} is held as an array of {found}")]
    Column {
        /// The column's type.
        scalar: ScalarType,
        /// The array's type.
        found: String,
    },
    /// More than its numbers can count.
    #[error("the column has too many values for an index; choose none, or smaller segments")]
    TooLarge,
}

/// Why bytes are no index of a column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Fewer bytes than the header says.
    #[error("the index has {len} bytes instead of {needed}")]
    Short {
        /// Bytes that are there.
        len: usize,
        /// Bytes that should be there.
        needed: usize,
    },
    /// Another version.
    #[error("the index has version {found}, this program reads {supported}")]
    Version {
        /// The version found.
        found: u8,
        /// The version that is read.
        supported: u8,
    },
    /// Bytes that no program writes for this column.
    #[error("the index's {0} is wrong")]
    Wrong(&'static str),
}
