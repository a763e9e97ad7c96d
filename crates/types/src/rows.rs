//! Rows on their way in and out, column by column.

use crate::{ColumnId, ElementType, RowId};
use arrow_array::ArrayRef;
use bytes::Bytes;

/// Primary ids of a batch, in row order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Of a collection with integer ids.
    Int(Vec<i64>),
    /// Of a collection with string ids.
    Str(Vec<String>),
}

/// Vectors of a batch as the caller sent them, row after row.
#[derive(Clone, Debug, PartialEq)]
pub enum VectorInput {
    /// Little-endian elements of the named type; converted if the column's differs.
    Packed {
        /// Type of the elements in `bytes`.
        element: ElementType,
        /// rows × row bytes.
        bytes: Bytes,
    },
    /// Elements as floats, converted to the column's type.
    Floats(Vec<f32>),
}

/// Rows of one write, as columns that all have one length.
#[derive(Clone, Debug)]
pub struct RowBatch {
    /// Primary ids.
    pub ids: Ids,
    /// Every vector column of the schema.
    pub vectors: Vec<(ColumnId, VectorInput)>,
    /// Scalar columns in their [`ScalarType::arrow`](crate::ScalarType::arrow)
    /// types; an absent column has its default in every row, or else is null there.
    pub scalars: Vec<(ColumnId, ArrayRef)>,
}

impl Ids {
    /// How many ids there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Int(ids) => ids.len(),
            Self::Str(ids) => ids.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id at `at`.
    ///
    /// # Panics
    /// If `at` is not below [`len`](Self::len).
    pub fn get(&self, at: usize) -> RowId {
        match self {
            Self::Int(ids) => RowId::Int(ids[at]),
            Self::Str(ids) => RowId::Str(ids[at].clone()),
        }
    }
}
