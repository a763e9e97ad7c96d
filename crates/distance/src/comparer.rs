//! Comparing stored vectors of a column's type.

use crate::kernels::{Kernel, Kernels};
use crate::tiles::{self, Job, order};
use vicinal_types::{ElementType, Metric, VectorType};

/// Compares stored vectors: little-endian bytes in the column's element type,
/// at any alignment.
///
/// A *key* is smaller for nearer vectors, whatever the metric: the squared
/// distance for L2, the negated inner product for inner product and cosine, the
/// number of differing bits for Hamming, the distance itself for Jaccard. A key is never NaN: what has no order
/// (an overflowed sum minus another) counts as infinitely far.
#[derive(Clone, Copy)]
pub struct Comparer {
    vector: VectorType,
    row_bytes: usize,
    kernel: Kernel,
    sign: f32,
}

impl Comparer {
    /// Picks the kernel for the vector type.
    pub fn new(vector: VectorType, kernels: &'static Kernels) -> Self {
        let (l2, dot) = match vector.element() {
            ElementType::F32 => (kernels.l2_f32, kernels.dot_f32),
            ElementType::F16 => (kernels.l2_f16, kernels.dot_f16),
            ElementType::Bf16 => (kernels.l2_bf16, kernels.dot_bf16),
            ElementType::I8 => (kernels.l2_i8, kernels.dot_i8),
            ElementType::U8 => (kernels.l2_u8, kernels.dot_u8),
            ElementType::Binary => (kernels.hamming, kernels.hamming),
        };
        let (kernel, sign) = match vector.metric() {
            Metric::L2 => (l2, 1.0),
            Metric::InnerProduct | Metric::Cosine => (dot, -1.0),
            Metric::Hamming => (kernels.hamming, 1.0),
            Metric::Jaccard => (kernels.jaccard, 1.0),
        };
        Self { vector, row_bytes: vector.row_bytes(), kernel, sign }
    }

    /// The type of the vectors compared.
    pub fn vector_type(&self) -> VectorType {
        self.vector
    }

    /// The key of two stored vectors.
    ///
    /// # Panics
    /// If either is not [`VectorType::row_bytes`] long.
    #[inline]
    pub fn key(&self, a: &[u8], b: &[u8]) -> f32 {
        let expected = self.row_bytes;
        assert!(a.len() == expected && b.len() == expected, "a stored vector has {expected} bytes");
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        order(self.sign, unsafe { (self.kernel.pair)(a, b) })
    }

    /// The keys of `query` and every one of the contiguous `rows`.
    ///
    /// # Panics
    /// If `query` is not [`VectorType::row_bytes`] long or `rows` does not hold
    /// as many vectors as `out` has places.
    #[inline]
    pub fn keys(&self, query: &[u8], rows: &[u8], out: &mut [f32]) {
        let (expected, count) = (self.row_bytes, out.len());
        assert_eq!(query.len(), expected, "a stored vector has {expected} bytes");
        assert_eq!(rows.len(), expected * count, "{count} results take {count} rows");
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        unsafe { (self.kernel.rows)(query, rows, out) };
        for key in out {
            *key = order(self.sign, *key);
        }
    }

    /// The keys of `query` and those of the contiguous `rows` that `at` numbers;
    /// rows are asked for some ahead of their turn.
    ///
    /// # Panics
    /// If `query` is not [`VectorType::row_bytes`] long, `at` and `out` differ in
    /// length, or a row is not there.
    #[inline]
    pub fn keys_at(&self, query: &[u8], rows: &[u8], at: &[u32], out: &mut [f32]) {
        let expected = self.row_bytes;
        assert_eq!(query.len(), expected, "a stored vector has {expected} bytes");
        assert_eq!(at.len(), out.len(), "each row has one result");
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        unsafe { (self.kernel.scattered)(query, rows, at, out) };
        for key in out {
            *key = order(self.sign, *key);
        }
    }

    /// The keys of every one of the contiguous `queries` and every one of the
    /// contiguous `rows`: `out[q * rows + r]` is the key of query q and row r.
    ///
    /// Floats are summed in another order than by [`Self::key`]. From four
    /// queries on, this costs less than asking for each query's keys. Many rows
    /// are best cut into pieces whose keys fit the cache.
    ///
    /// # Panics
    /// If `queries` or `rows` do not hold whole vectors or `out` has not one place
    /// for each pair of them.
    pub fn keys_many(&self, queries: &[u8], rows: &[u8], out: &mut [f32]) {
        let row_bytes = self.row_bytes;
        assert!(
            queries.len().is_multiple_of(row_bytes) && rows.len().is_multiple_of(row_bytes),
            "a stored vector has {row_bytes} bytes"
        );
        let (query_count, row_count) = (queries.len() / row_bytes, rows.len() / row_bytes);
        assert_eq!(out.len(), query_count * row_count, "each query meets each row once");
        let job = Job { queries, rows, row_bytes, sign: self.sign };
        // SAFETY: the instruction set is present, by the invariant of `Kernels`; the
        // lengths were checked above.
        unsafe { tiles::compare(&self.kernel, job, out) }
    }

    /// The metric's own score of a key: what users see.
    #[inline]
    pub fn score(&self, key: f32) -> f32 {
        // Adding zero turns the -0.0 of a negated product into 0.0.
        self.sign * key + 0.0
    }
}

impl std::fmt::Debug for Comparer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Comparer").field("vector", &self.vector).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
