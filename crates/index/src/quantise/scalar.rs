//! One byte for every element: all dimensions share one range.

use super::blocks::{Factors, LANES, Layout};
use crate::Vectors;
use crate::quantise::floats;
use vicinal_distance::{Comparer, kernels};
use vicinal_types::{ElementType, Metric, VectorType};

/// Rows that the range of values is taken from.
const SAMPLE_ROWS: u32 = 4_096;

/// The part of all values at either end that may lie outside of the range:
/// a few outliers should not make the codes of all others coarse.
const OUTLIERS: f64 = 1e-4;

/// How floats become bytes, and how these are compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar {
    dim: usize,
    range: Range,
    comparer: Comparer,
}

/// The range of values that bytes stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) lo: f32,
    /// The width of a level.
    pub(crate) step: f32,
    /// The length of the longest decoded row.
    pub(crate) norm_max: f32,
}

/// A query in bytes.
#[derive(Debug, Default)]
pub(crate) struct ScalarQuery {
    pub(crate) levels: Vec<u8>,
    /// A row's key is about `base + bias + scale · (key of the bytes)`.
    pub(crate) base: f32,
    pub(crate) scale: f32,
    /// The distance between the query and what its bytes stand for.
    pub(crate) error: f32,
    /// The length of the query.
    pub(crate) norm: f32,
}

impl Range {
    /// The range of the rows' values; bytes stand for themselves.
    pub(crate) fn measure(vectors: &Vectors) -> Self {
        let kind = vectors.vector_type();
        match kind.element() {
            ElementType::U8 => return Self { lo: 0.0, step: 1.0, norm_max: 0.0 },
            ElementType::I8 => return Self { lo: -128.0, step: 1.0, norm_max: 0.0 },
            ElementType::F32 | ElementType::F16 | ElementType::Bf16 | ElementType::Binary => {}
        }
        let mut values = vec![0.0; kind.dim()];
        let mut all: Vec<f32> = Vec::new();
        for row in floats::sample(vectors, SAMPLE_ROWS) {
            floats::decode(kind.element(), vectors.row(row), &mut values);
            all.extend(values.iter().filter(|value| value.is_finite()));
        }
        if all.is_empty() {
            return Self { lo: 0.0, step: 1.0, norm_max: 0.0 };
        }
        all.sort_unstable_by(f32::total_cmp);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small part")]
        let outside = (all.len() as f64 * OUTLIERS) as usize;
        let (lo, hi) = (all[outside], all[all.len() - 1 - outside]);
        let step = hi / 255.0 - lo / 255.0;
        Self { lo, step: if step > 0.0 { step } else { 1.0 }, norm_max: 0.0 }
    }
}

impl Scalar {
    /// Vectors must not be binary.
    pub(crate) fn new(vector: VectorType, range: Range) -> Self {
        let is_l2 = vector.metric() == Metric::L2;
        let metric = if is_l2 { Metric::L2 } else { Metric::InnerProduct };
        #[expect(clippy::cast_possible_truncation, reason = "a dimension is at most DIM_MAX")]
        let bytes = VectorType::new(vector.dim() as u32, ElementType::U8, metric);
        let comparer = Comparer::new(bytes.expect("bytes of any dimension exist"), kernels());
        Self { dim: vector.dim(), range, comparer }
    }

    pub(crate) fn range(&self) -> Range {
        self.range
    }

    /// Remembers the length of the longest decoded row, which belongs to the
    /// bounds.
    pub(crate) fn set_norm_max(&mut self, norm_max: f32) {
        self.range.norm_max = norm_max;
    }

    pub(crate) fn layout(&self) -> Layout {
        Layout { code_bytes: LANES * self.dim, columns: 3 }
    }

    /// Codes a vector; what the bytes leave out, and their decoded length.
    pub(crate) fn encode(&self, vector: &[f32], levels: &mut Vec<u8>) -> (Factors, f32) {
        let Range { lo, step, .. } = self.range;
        levels.clear();
        levels.resize(self.dim, 0);
        kernels().quantise_u8(vector, lo, step.recip(), levels);
        let (mut error, mut norm, mut sum) = (0.0, 0.0, 0.0);
        for (value, level) in vector.iter().zip(&*levels) {
            let decoded = lo + step * f32::from(*level);
            error += (value - decoded) * (value - decoded);
            norm += decoded * decoded;
            sum += f32::from(*level);
        }
        let bias = if self.is_l2() { 0.0 } else { -lo * step * sum };
        let error = if error.is_finite() { error.sqrt() } else { f32::MAX };
        (Factors { bias, scale: 0.0, error }, norm.sqrt())
    }

    pub(crate) fn prepare(&self, query: &[f32], out: &mut ScalarQuery) {
        let Range { lo, step, .. } = self.range;
        let mut levels = std::mem::take(&mut out.levels);
        let (Factors { bias, error, .. }, _) = self.encode(query, &mut levels);
        let base = if self.is_l2() { 0.0 } else { bias - lo * lo * self.dim as f32 };
        let norm = query.iter().map(|value| value * value).sum::<f32>().sqrt();
        *out = ScalarQuery { levels, base, scale: step * step, error, norm };
    }

    /// Whether keys are squared distances; otherwise negated inner products.
    pub(crate) fn is_l2(&self) -> bool {
        self.comparer.vector_type().metric() == Metric::L2
    }

    /// The keys of the bytes of a block's rows.
    #[inline]
    pub(crate) fn keys(&self, query: &ScalarQuery, codes: &[u8]) -> [f32; LANES] {
        let mut keys = [0.0; LANES];
        self.comparer.keys(&query.levels, codes, &mut keys);
        keys
    }
}
