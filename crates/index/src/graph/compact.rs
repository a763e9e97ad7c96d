//! One byte for every element, for building: a quarter of the memory traffic
//! of floats and integer arithmetic, exact enough to choose links by.
//!
//! All dimensions share one scale (and for L2, which does not care, one shift),
//! so that keys of codes order like keys of vectors but for the rounding. Vectors
//! of one length are compared by L2 whatever their metric: the order is the same.

use crate::Vectors;
use crate::quantise::floats;
use rayon::prelude::*;
use vicinal_distance::{Comparer, kernels, prefetch};
use vicinal_types::{ElementType, Metric, VectorType};

/// Rows that the range of values is taken from.
const SAMPLE_ROWS: u32 = 4_096;

/// The part of all values at either end that may lie outside of the range:
/// a few outliers should not make the codes of all others coarse.
const OUTLIERS: f64 = 1e-4;

/// Vectors whose squared lengths differ by this part at most count as of one.
const LENGTHS_DIFFER: f32 = 0.02;

/// Rows asked for before they are read.
const ROWS_AHEAD: usize = 8;

/// Rows coded by a thread at once.
const BLOCK_ROWS: usize = 1_024;

/// Signed bytes, `dim` a row.
pub(super) struct Compact {
    comparer: Comparer,
    dim: usize,
    codes: Vec<u8>,
}

impl Compact {
    /// Codes all rows, on the pool it is called in. Vectors must not be binary.
    pub(super) fn new(vectors: &Vectors) -> Self {
        let kind = vectors.vector_type();
        let dim = kind.dim();
        let metric = metric(vectors);
        #[expect(clippy::cast_possible_truncation, reason = "a dimension is at most DIM_MAX")]
        let compact = VectorType::new(dim as u32, ElementType::I8, metric);
        let comparer = Comparer::new(compact.expect("bytes of any dimension exist"), kernels());
        let (shift, scale) = range(vectors, metric);
        let mut codes = vec![0; vectors.len() as usize * dim];
        codes.par_chunks_mut(BLOCK_ROWS * dim).enumerate().for_each(|(block, codes)| {
            let mut values = vec![0.0; dim];
            for (at, codes) in codes.chunks_exact_mut(dim).enumerate() {
                #[expect(clippy::cast_possible_truncation, reason = "rows fit 32 bits")]
                let row = (block * BLOCK_ROWS + at) as u32;
                floats::decode(kind.element(), vectors.row(row), &mut values);
                for (code, value) in codes.iter_mut().zip(&values) {
                    *code = code_of((value - shift) * scale);
                }
            }
        });
        Self { comparer, dim, codes }
    }

    /// The codes of some rows, on the pool it is called in.
    pub(super) fn gathered(&self, rows: &[u32]) -> Self {
        let (comparer, dim) = (self.comparer, self.dim);
        let mut codes = vec![0; rows.len() * dim];
        codes.par_chunks_exact_mut(dim).zip(rows).for_each(|(code, &row)| {
            code.copy_from_slice(self.row(row));
        });
        Self { comparer, dim, codes }
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.codes.len() / self.dim
    }

    /// Whether keys are squared distances.
    pub(super) fn is_l2(&self) -> bool {
        self.comparer.vector_type().metric() == Metric::L2
    }

    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    pub(super) fn row(&self, row: u32) -> &[u8] {
        &self.codes[row as usize * self.dim..][..self.dim]
    }

    pub(super) fn comparer(&self) -> &Comparer {
        &self.comparer
    }

    /// Asks for a row before it is read.
    pub(super) fn prefetch(&self, row: u32) {
        prefetch(self.row(row));
    }

    /// `out[a * count of b + b]` is the key of two codes.
    pub(super) fn keys_many(&self, a: &[u8], b: &[u8], out: &mut [f32]) {
        self.comparer.keys_many(a, b, out);
    }

    /// Copies the codes of some rows one behind the other.
    pub(super) fn gather(&self, rows: impl Iterator<Item = u32> + Clone, out: &mut Vec<u8>) {
        out.clear();
        let mut later = rows.clone();
        later.by_ref().take(ROWS_AHEAD).for_each(|row| self.prefetch(row));
        for row in rows {
            if let Some(row) = later.next() {
                self.prefetch(row);
            }
            out.extend_from_slice(self.row(row));
        }
    }
}

/// L2, but for inner products of vectors whose lengths differ.
fn metric(vectors: &Vectors) -> Metric {
    let kind = vectors.vector_type();
    if kind.metric() != Metric::InnerProduct {
        return Metric::L2;
    }
    let mut values = vec![0.0; kind.dim()];
    let squares: Vec<f32> = floats::sample(vectors, SAMPLE_ROWS)
        .map(|row| {
            floats::decode(kind.element(), vectors.row(row), &mut values);
            values.iter().map(|value| value * value).sum()
        })
        .collect();
    let (least, most) = kernels().min_max(&squares);
    if most - least <= LENGTHS_DIFFER * most { Metric::L2 } else { Metric::InnerProduct }
}

/// Rounds to the nearest signed byte; what is not a number becomes 0.
#[expect(clippy::cast_possible_truncation, reason = "clamped before; a cast of NaN gives 0")]
fn code_of(value: f32) -> u8 {
    (value.clamp(-127.0, 127.0).round_ties_even() as i8).cast_unsigned()
}

/// What is subtracted from values, and what they are then multiplied with.
fn range(vectors: &Vectors, metric: Metric) -> (f32, f32) {
    let kind = vectors.vector_type();
    let mut values = vec![0.0; kind.dim()];
    let mut all = Vec::new();
    for row in floats::sample(vectors, SAMPLE_ROWS) {
        floats::decode(kind.element(), vectors.row(row), &mut values);
        all.extend(values.iter().filter(|value| value.is_finite()));
    }
    if all.is_empty() {
        return (0.0, 1.0);
    }
    all.sort_unstable_by(f32::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small part")]
    let outside = (all.len() as f64 * OUTLIERS) as usize;
    let (low, high) = (all[outside], all[all.len() - 1 - outside]);
    let shift = if metric == Metric::L2 { low / 2.0 + high / 2.0 } else { 0.0 };
    let reach = (high - shift).abs().max((shift - low).abs());
    (shift, if reach > 0.0 { 127.0 / reach } else { 1.0 })
}
