//! 8 or 4 bits a dimension, on one scale for all of them.
//!
//! A value is about `offset + step · code`. With one scale, squared distances
//! are those of the codes times `step²`, so the codes are compared as integers.
//! For inner products, with `bias = offset / step`,
//!
//! `x · y ≈ step² (codes(x) · codes(y) + bias (Σ codes(x) + Σ codes(y)) + dim · bias²)`:
//!
//! each record ends with the sum of its codes, and what all keys have in common
//! is left out. Unit vectors are compared by inner product too.

use crate::Vectors;
use crate::hnsw::layers::{LINE_WORDS, Words};
use crate::hnsw::rows::{Rows, rows_ahead};
use crate::quantise::floats::decode;
use rayon::prelude::*;
use vicinal_distance::{Kernels, kernels};
use vicinal_types::{Cancel, Metric, Stopped, VectorType};
use zerocopy::IntoBytes;

/// Values that a scale is learned from.
const SAMPLE_VALUES: usize = 1 << 18;

/// The parts of the sampled values that may fall off each end of the scale.
const CLIPPED: [f64; 7] = [0.0, 1e-4, 5e-4, 2e-3, 5e-3, 1e-2, 2e-2];

/// Rows encoded between two looks at the clock.
const ENCODED_PER_CHECK: usize = 1_024;

/// What the levels of a code stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    /// The value of level 0.
    pub(crate) offset: f32,
    /// From one level to the next, above 0.
    pub(crate) step: f32,
}

/// Where a record's parts lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    dim: usize,
    bits: u32,
    /// Bytes of the codes, whole words; the rest is level 0 on both sides.
    code_bytes: usize,
    has_sum: bool,
}

/// The scalar codes of all rows, record after record.
#[derive(Clone, Debug)]
pub(crate) struct ScalarCodes {
    scale: Scale,
    bias: f32,
    shape: Shape,
    record_bytes: usize,
    kernels: &'static Kernels,
    words: Words,
}

impl Scale {
    /// The scale with the least squared error on a sample of the rows.
    fn learn(vectors: &Vectors, bits: u32) -> Self {
        let vector = vectors.vector_type();
        let rows = (SAMPLE_VALUES / vector.dim()).clamp(1, vectors.len().max(1) as usize);
        let mut values = vec![0.0; vector.dim() * rows.min(vectors.len() as usize)];
        for (at, values) in values.chunks_exact_mut(vector.dim()).enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "below the number of rows")]
            let row = (at as u64 * u64::from(vectors.len()) / rows as u64) as u32;
            decode(vector.element(), vectors.row(row), values);
        }
        values.retain(|value| value.is_finite());
        values.par_sort_unstable_by(f32::total_cmp);
        // Whole numbers in the range of the levels are their own codes.
        let whole = Self { offset: values.first().map_or(0.0, |value| value.floor()), step: 1.0 };
        let mut best = (whole, whole.squared_error(&values, bits));
        for scale in CLIPPED.map(|part| Self::clipped(&values, part, bits)) {
            let error = scale.squared_error(&values, bits);
            if error < best.1 {
                best = (scale, error);
            }
        }
        best.0
    }

    /// From the smallest to the largest of sorted values, without a part of
    /// them at each end.
    fn clipped(values: &[f32], part: f64, bits: u32) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a part of a length")]
        let cut = (values.len() as f64 * part) as usize;
        let offset = values.get(cut).copied().unwrap_or(0.0);
        let last = values.len().checked_sub(cut + 1).map_or(offset, |at| values[at]);
        let step = (last / levels(bits) - offset / levels(bits)).min(f32::MAX / 256.0);
        Self { offset, step: if step > f32::MIN_POSITIVE { step } else { 1.0 } }
    }

    fn squared_error(self, values: &[f32], bits: u32) -> f64 {
        let error = |&value: &f32| {
            let level = ((value - self.offset) / self.step).round().clamp(0.0, levels(bits));
            f64::from(self.offset + self.step * level - value).powi(2)
        };
        values.par_iter().with_min_len(1 << 14).map(error).sum()
    }
}

/// The highest level of a code.
fn levels(bits: u32) -> f32 {
    if bits == 8 { 255.0 } else { 15.0 }
}

impl Shape {
    fn new(vector: VectorType, bits: u32) -> Self {
        let dim = vector.dim();
        let code_bytes = (dim * bits as usize).div_ceil(8).next_multiple_of(4);
        let has_sum = match vector.metric() {
            Metric::InnerProduct | Metric::Cosine => true,
            Metric::L2 | Metric::Hamming | Metric::Jaccard => false,
        };
        Self { dim, bits, code_bytes, has_sum }
    }

    fn record_bytes(self) -> usize {
        self.code_bytes + if self.has_sum { 4 } else { 0 }
    }

    /// Writes the record of `values`; `out` is zero where it writes nothing.
    fn encode(self, scale: Scale, values: &[f32], out: &mut [u8]) {
        let (codes, rest) = out.split_at_mut(self.code_bytes);
        let code = |value: f32| {
            let level = ((value - scale.offset) / scale.step).round();
            #[expect(clippy::cast_possible_truncation, reason = "clamped; NaN becomes 0")]
            let level = level.clamp(0.0, levels(self.bits)) as u8;
            level
        };
        let mut sum = 0;
        if self.bits == 8 {
            for (place, &value) in codes.iter_mut().zip(values) {
                *place = code(value);
                sum += u32::from(*place);
            }
        } else {
            for (place, pair) in codes.iter_mut().zip(values.chunks(2)) {
                let (low, high) = (code(pair[0]), pair.get(1).map_or(0, |&value| code(value)));
                *place = low | high << 4;
                sum += u32::from(low) + u32::from(high);
            }
        }
        if self.has_sum {
            // At most 255 × 32,768: a float holds it exactly.
            rest.copy_from_slice(&(sum as f32).to_le_bytes());
        }
    }
}

impl ScalarCodes {
    /// Learns a scale and encodes all rows, on the pool it is called in.
    pub(crate) fn build(vectors: &Vectors, bits: u32, cancel: &Cancel) -> Result<Self, Stopped> {
        let vector = vectors.vector_type();
        let (scale, shape) = (Scale::learn(vectors, bits), Shape::new(vector, bits));
        let record_words = shape.record_bytes() / 4;
        let batch_words = ENCODED_PER_CHECK * record_words;
        let mut stopped = Ok(());
        let words = Words::filled(vectors.len() as usize * record_words, LINE_WORDS, |words| {
            let encode = |(batch, words): (usize, &mut [u32])| {
                cancel.check()?;
                let mut values = vec![0.0; vector.dim()];
                let records = words.as_mut_bytes().chunks_exact_mut(shape.record_bytes());
                #[expect(clippy::cast_possible_truncation, reason = "a segment's rows fit")]
                let first = (batch * ENCODED_PER_CHECK) as u32;
                for (row, record) in (first..).zip(records) {
                    decode(vector.element(), vectors.row(row), &mut values);
                    shape.encode(scale, &values, record);
                }
                Ok(())
            };
            stopped = words.par_chunks_mut(batch_words).enumerate().try_for_each(encode);
        });
        stopped?;
        Ok(Self::of(scale, shape, words))
    }

    /// Takes stored codes of `rows` rows; nothing if they have another length or
    /// their scale is none.
    pub(crate) fn open(
        vector: VectorType,
        bits: u32,
        scale: Scale,
        rows: u32,
        words: Words,
    ) -> Option<Self> {
        let shape = Shape::new(vector, bits);
        let is_right = words.bytes().len() == rows as usize * shape.record_bytes()
            && scale.offset.is_finite()
            && scale.step.is_finite()
            && scale.step > 0.0
            && (scale.offset / scale.step).is_finite();
        is_right.then(|| Self::of(scale, shape, words))
    }

    fn of(scale: Scale, shape: Shape, words: Words) -> Self {
        let (bias, record_bytes) = (scale.offset / scale.step, shape.record_bytes());
        Self { scale, bias, shape, record_bytes, kernels: kernels(), words }
    }

    /// Bits of a dimension.
    pub(crate) fn bits(&self) -> u32 {
        self.shape.bits
    }

    pub(crate) fn scale(&self) -> Scale {
        self.scale
    }

    pub(crate) fn words(&self) -> &Words {
        &self.words
    }

    /// The codes of some rows, in their order.
    pub(crate) fn gathered(&self, rows: &[u32]) -> Self {
        Self { words: self.words.gathered(rows, self.record_bytes / 4), ..self.clone() }
    }

    /// The record of a query, in `code`.
    pub(crate) fn encode_query(
        &self,
        vector: VectorType,
        query: &[u8],
        values: &mut Vec<f32>,
        code: &mut Vec<u8>,
    ) {
        values.clear();
        values.resize(self.shape.dim, 0.0);
        decode(vector.element(), query, values);
        code.clear();
        code.resize(self.record_bytes, 0);
        self.shape.encode(self.scale, values, code);
    }
}

impl Rows for ScalarCodes {
    type Query = [u8];

    #[inline]
    fn bytes(&self, row: u32) -> &[u8] {
        let start = row as usize * self.record_bytes;
        &self.words.bytes()[start..start + self.record_bytes]
    }

    #[inline]
    fn key(&self, query: &[u8], row: u32) -> f32 {
        let record = self.bytes(row);
        if !self.shape.has_sum {
            return match self.shape.bits {
                8 => self.kernels.l2_u8(query, record),
                _ => self.kernels.l2_u4(query, record),
            };
        }
        let (query, query_sum) = sum_behind(query);
        let (record, sum) = sum_behind(record);
        let product = match self.shape.bits {
            8 => self.kernels.dot_u8(query, record),
            _ => self.kernels.dot_u4(query, record),
        };
        // Sums read from damaged bytes may be no numbers; keys are.
        (-(product + self.bias * (query_sum + sum))).min(f32::INFINITY)
    }

    #[inline]
    fn ahead(&self) -> usize {
        rows_ahead(self.record_bytes)
    }
}

/// A record's codes and their sum.
#[inline]
fn sum_behind(record: &[u8]) -> (&[u8], f32) {
    let (codes, sum) = record.split_last_chunk().expect("a record of this shape has a sum");
    (codes, f32::from_le_bytes(*sum))
}
