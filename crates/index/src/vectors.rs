//! The stored vectors that an index is about.

use crate::IndexError;
use bytes::Bytes;
use vicinal_distance::{Comparer, kernels};
use vicinal_types::{VectorType, limits};

/// Bytes asked for before they are compared: about the cache lines that a core
/// can wait for at once.
const BYTES_AHEAD: usize = 2_048;

/// Stored vectors, row after row, contiguous; clones share the bytes.
#[derive(Clone, Debug)]
pub struct Vectors {
    comparer: Comparer,
    row_bytes: usize,
    len: u32,
    bytes: Bytes,
}

impl Vectors {
    /// Takes little-endian rows of `vector`'s element type.
    ///
    /// # Errors
    /// [`IndexError`] if the bytes are not whole rows, or too many.
    pub fn new(vector: VectorType, bytes: Bytes) -> Result<Self, IndexError> {
        let row_bytes = vector.row_bytes();
        if !bytes.len().is_multiple_of(row_bytes) {
            return Err(IndexError::PartialVector { bytes: bytes.len(), row_bytes });
        }
        let (rows, max) = (bytes.len() / row_bytes, limits::SEGMENT_ROWS_MAX);
        let len = u32::try_from(rows).ok().filter(|_| rows <= max);
        let len = len.ok_or(IndexError::TooManyRows { rows, max })?;
        Ok(Self { comparer: Comparer::new(vector, kernels()), row_bytes, len, bytes })
    }

    /// How many rows there are.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The stored bytes of one row.
    ///
    /// # Panics
    /// If `row` is not below [`len`](Self::len).
    #[inline]
    pub fn row(&self, row: u32) -> &[u8] {
        let start = row as usize * self.row_bytes;
        &self.bytes[start..start + self.row_bytes]
    }

    /// All rows.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The type of the vectors.
    pub fn vector_type(&self) -> VectorType {
        self.comparer.vector_type()
    }

    /// How the vectors are compared.
    pub fn comparer(&self) -> &Comparer {
        &self.comparer
    }

    /// How many scattered rows to ask for before they are compared.
    #[inline]
    pub(crate) fn rows_ahead(&self) -> usize {
        (BYTES_AHEAD / self.row_bytes).clamp(2, 16)
    }

    /// The stored bytes of `count` rows from `first` on.
    #[inline]
    pub(crate) fn rows(&self, first: u32, count: usize) -> &[u8] {
        let start = first as usize * self.row_bytes;
        &self.bytes[start..start + count * self.row_bytes]
    }

    /// The key of a query and a row.
    #[inline]
    pub(crate) fn key(&self, query: &[u8], row: u32) -> f32 {
        self.comparer.key(query, self.row(row))
    }
}
