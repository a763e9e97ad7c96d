//! What a query is compared with on a walk: the vectors themselves, or codes.

use crate::Vectors;

/// Bytes asked for before they are compared: about the cache lines that a core
/// can wait for at once.
const BYTES_AHEAD: usize = 2_048;

/// Rows by number, and the keys of a query and a row: smaller is nearer.
///
/// Keys of one kind of rows order like the true ones, up to the codes' error;
/// they need not be on the same scale.
pub(crate) trait Rows {
    /// A query in the form that it is compared in.
    type Query: ?Sized;

    /// The bytes that a comparison with the row reads.
    fn bytes(&self, row: u32) -> &[u8];

    /// The key of a query and a row; never NaN.
    fn key(&self, query: &Self::Query, row: u32) -> f32;

    /// How many scattered rows to ask for before they are compared.
    fn ahead(&self) -> usize;

    /// Whether the row may be looked at: a graph may know more rows than the
    /// search that walks it.
    #[inline]
    fn has(&self, _row: u32) -> bool {
        true
    }
}

/// How many rows of so many bytes to ask for before they are compared.
pub(crate) fn rows_ahead(row_bytes: usize) -> usize {
    (BYTES_AHEAD / row_bytes.max(1)).clamp(2, 16)
}

impl Rows for Vectors {
    type Query = [u8];

    #[inline]
    fn bytes(&self, row: u32) -> &[u8] {
        self.row(row)
    }

    #[inline]
    fn key(&self, query: &[u8], row: u32) -> f32 {
        Self::key(self, query, row)
    }

    #[inline]
    fn ahead(&self) -> usize {
        self.rows_ahead()
    }
}
