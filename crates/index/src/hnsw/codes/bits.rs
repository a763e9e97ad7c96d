//! 1 bit a dimension (RaBitQ; Gao and Long, 2024), around one centre.
//!
//! Plainly: `r = rotate(x - centre)` is replaced by its signs `s`. For another
//! such vector `q`, `r · q` is about `(r · r / |r|₁) (s · q)`, and
//!
//! * `|x - query|² = r · r + q · q - 2 r · q`,
//! * `x · query = r · q + x · centre` + what all rows have in common.
//!
//! A query's values are rounded to 4 bits, cut into 4 planes of one bit each: its
//! product with signs is a sum of counted bits.
//!
//! A record is the signs, then three floats: what is added to the estimate
//! (`r · r`, or `-x · centre`), `r · r / |r|₁`, and how many signs are positive; then
//! zeros, so that no record takes more lines of memory than it must.

use crate::Vectors;
use crate::hnsw::layers::{LINE_WORDS, Words};
use crate::hnsw::rows::{Rows, rows_ahead};
use crate::quantise::floats::decode;
use crate::quantise::rotation::{DIM_MULTIPLE, Rotation};
use rayon::prelude::*;
use vicinal_distance::{Kernels, kernels};
use vicinal_types::{Cancel, Metric, Stopped, VectorType};
use zerocopy::IntoBytes;

/// Rows that the centre is the mean of.
const CENTRE_ROWS: u32 = 16_384;

/// Rows encoded between two looks at the clock.
const ENCODED_PER_CHECK: usize = 256;

/// Planes of a query: bits that its values are rounded to.
const PLANES: usize = 4;

/// The highest level of a query's value.
const LEVEL_MAX: f32 = 15.0;

/// Rows whose keys are computed at once.
pub(crate) const ROWS_AT_ONCE: usize = 16;

/// Bytes of a line of memory.
const LINE_BYTES: usize = 64;

/// Bytes of a record's floats.
const FACTOR_BYTES: usize = 12;

/// The 1-bit codes of all rows, record after record.
#[derive(Clone, Debug)]
pub(crate) struct BitCodes {
    vector: VectorType,
    rotation: Rotation,
    /// One float a dimension.
    centre: Words,
    sign_bytes: usize,
    /// How often the estimated product counts: twice in a squared distance.
    factor: f32,
    kernels: &'static Kernels,
    words: Words,
}

/// A query as bit codes are compared with it.
#[derive(Debug, Default)]
pub(crate) struct BitQuery {
    planes: Vec<u8>,
    /// Twice the value of a level.
    step: f32,
    /// Twice the value of level 0.
    low: f32,
    /// What all signs negative would give, negated.
    base: f32,
}

/// What stands behind a record's signs.
struct Factors {
    add: f32,
    scale: f32,
    positive: f32,
}

impl BitCodes {
    /// Finds the centre and encodes all rows, on the pool it is called in.
    pub(crate) fn build(vectors: &Vectors, seed: u64, cancel: &Cancel) -> Result<Self, Stopped> {
        let vector = vectors.vector_type();
        let centre = centre(vectors);
        let centre = Words::aligned(centre.len(), centre.iter().map(|value| value.to_bits()));
        let mut codes = Self::of(vector, seed, centre, Words::aligned(0, std::iter::empty()));
        let record_bytes = codes.record_bytes();
        let count = vectors.len() as usize * record_bytes / 4;
        let mut stopped = Ok(());
        let words = Words::filled(count, LINE_WORDS, |words| {
            let encode = |(batch, words): (usize, &mut [u32])| {
                cancel.check()?;
                let mut values = Vec::new();
                let records = words.as_mut_bytes().chunks_exact_mut(record_bytes);
                #[expect(clippy::cast_possible_truncation, reason = "a segment's rows fit")]
                let first = (batch * ENCODED_PER_CHECK) as u32;
                for (row, record) in (first..).zip(records) {
                    codes.encode(vectors.row(row), &mut values, record);
                }
                Ok(())
            };
            let batch_words = ENCODED_PER_CHECK * record_bytes / 4;
            stopped = words.par_chunks_mut(batch_words).enumerate().try_for_each(encode);
        });
        stopped?;
        codes.words = words;
        Ok(codes)
    }

    /// Takes stored codes of `rows` rows and their centre; nothing if either has
    /// another length or the centre is none.
    pub(crate) fn open(
        vector: VectorType,
        seed: u64,
        rows: u32,
        centre: Words,
        words: Words,
    ) -> Option<Self> {
        let is_centre = centre.get().len() == vector.dim()
            && centre.get().iter().all(|&bits| f32::from_bits(bits).is_finite());
        let codes = Self::of(vector, seed, centre, words);
        let is_right =
            is_centre && codes.words.bytes().len() == rows as usize * codes.record_bytes();
        is_right.then_some(codes)
    }

    fn of(vector: VectorType, seed: u64, centre: Words, words: Words) -> Self {
        let rotated = vector.dim().next_multiple_of(DIM_MULTIPLE);
        let factor = match vector.metric() {
            Metric::L2 => 2.0,
            Metric::InnerProduct | Metric::Cosine | Metric::Hamming | Metric::Jaccard => 1.0,
        };
        Self {
            vector,
            rotation: Rotation::new(rotated, seed),
            centre,
            sign_bytes: rotated / 8,
            factor,
            kernels: kernels(),
            words,
        }
    }

    pub(crate) fn words(&self) -> &Words {
        &self.words
    }

    pub(crate) fn centre(&self) -> &Words {
        &self.centre
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.words.bytes().len() + self.centre.bytes().len() + self.rotation.bytes()
    }

    fn record_bytes(&self) -> usize {
        let bytes = self.sign_bytes + FACTOR_BYTES;
        if bytes <= LINE_BYTES {
            bytes.next_power_of_two()
        } else {
            bytes.next_multiple_of(LINE_BYTES)
        }
    }

    /// The codes of some rows, in their order.
    pub(crate) fn gathered(&self, rows: &[u32]) -> Self {
        Self { words: self.words.gathered(rows, self.record_bytes() / 4), ..self.clone() }
    }

    /// Prepares a query to be compared.
    pub(crate) fn prepare(&self, query: &[u8], values: &mut Vec<f32>, out: &mut BitQuery) {
        self.rotated(query, values);
        let (low, high) = self.kernels.min_max(values);
        let step = Some((high - low) / LEVEL_MAX).filter(|step| *step > f32::MIN_POSITIVE);
        let step = step.unwrap_or(1.0);
        out.planes.clear();
        out.planes.resize(PLANES * self.sign_bytes, 0);
        let mut sum = 0;
        for (at, value) in values.iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "clamped; NaN becomes 0")]
            let level = ((value - low) / step).round().clamp(0.0, LEVEL_MAX) as u8;
            sum += u32::from(level);
            for plane in 0..PLANES {
                out.planes[plane * self.sign_bytes + at / 8] |= (level >> plane & 1) << (at % 8);
            }
        }
        (out.step, out.low) = (2.0 * step, 2.0 * low);
        out.base = low * values.len() as f32 + step * sum as f32;
    }

    /// The difference from the centre, rotated.
    fn rotated(&self, row: &[u8], values: &mut Vec<f32>) {
        values.clear();
        values.resize(self.rotation.rotated_dim(), 0.0);
        decode(self.vector.element(), row, &mut values[..self.vector.dim()]);
        for (value, &bits) in values.iter_mut().zip(self.centre.get()) {
            *value -= f32::from_bits(bits);
        }
        self.rotation.rotate(values);
    }

    /// Writes the record of a row into zeroed bytes.
    fn encode(&self, row: &[u8], values: &mut Vec<f32>, record: &mut [u8]) {
        self.rotated(row, values);
        let (signs, factors) = record.split_at_mut(self.sign_bytes);
        let factors = &mut factors[..FACTOR_BYTES];
        let mut positive = 0;
        for (at, value) in values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
            debug_assert!(*value > 0.0);
            signs[at / 8] |= 1 << (at % 8);
            positive += 1;
        }
        let square: f32 = values.iter().map(|value| value * value).sum();
        let sum: f32 = values.iter().map(|value| value.abs()).sum();
        let scale = if sum > 0.0 { square / sum } else { 0.0 };
        let add = match self.vector.metric() {
            Metric::L2 => square,
            Metric::InnerProduct | Metric::Cosine | Metric::Hamming | Metric::Jaccard => {
                decode(self.vector.element(), row, &mut values[..self.vector.dim()]);
                let centre = self.centre.get().iter().map(|&bits| f32::from_bits(bits));
                -values.iter().zip(centre).map(|(value, centre)| value * centre).sum::<f32>()
            }
        };
        let floats = [add, scale, positive as f32].map(f32::to_le_bytes);
        factors.copy_from_slice(floats.as_flattened());
    }
}

impl BitCodes {
    /// The keys of some rows at once, at most [`ROWS_AT_ONCE`].
    #[inline]
    pub(crate) fn keys(&self, query: &BitQuery, rows: &[u32], keys: &mut [f32; ROWS_AT_ONCE]) {
        let mut counted = [0; ROWS_AT_ONCE];
        let (counted, record_bytes) = (&mut counted[..rows.len()], self.record_bytes());
        let records: (&[u8], usize) = (self.words.bytes(), record_bytes);
        self.kernels.bit_dot_rows(&query.planes, records, rows, counted);
        for ((&row, counted), key) in rows.iter().zip(counted).zip(keys) {
            let factors = &records.0[row as usize * record_bytes + self.sign_bytes..];
            *key = self.key_of(query, &Factors::of(&factors[..FACTOR_BYTES]), *counted);
        }
    }

    #[inline]
    fn key_of(&self, query: &BitQuery, factors: &Factors, counted: u32) -> f32 {
        let product = query.step * counted as f32 + query.low * factors.positive - query.base;
        // Factors read from damaged bytes may be no numbers; keys are.
        (factors.add - self.factor * factors.scale * product).min(f32::INFINITY)
    }
}

impl Factors {
    #[inline]
    fn of(bytes: &[u8]) -> Self {
        let [add, scale, positive] = bytes.as_chunks().0 else {
            panic!("a record ends with three floats");
        };
        let [add, scale, positive] = [add, scale, positive].map(|float| f32::from_le_bytes(*float));
        Self { add, scale, positive }
    }
}

impl Rows for BitCodes {
    type Query = BitQuery;

    #[inline]
    fn bytes(&self, row: u32) -> &[u8] {
        let start = row as usize * self.record_bytes();
        &self.words.bytes()[start..start + self.record_bytes()]
    }

    #[inline]
    fn key(&self, query: &BitQuery, row: u32) -> f32 {
        let (signs, factors) = self.bytes(row).split_at(self.sign_bytes);
        let factors = Factors::of(&factors[..FACTOR_BYTES]);
        self.key_of(query, &factors, self.kernels.bit_dot(&query.planes, signs))
    }

    #[inline]
    fn ahead(&self) -> usize {
        rows_ahead(self.record_bytes())
    }
}

/// The mean of the rows, or of evenly spaced ones if they are many.
fn centre(vectors: &Vectors) -> Vec<f32> {
    let vector = vectors.vector_type();
    let rows = vectors.len().min(CENTRE_ROWS);
    let (mut sums, mut values) = (vec![0.0_f64; vector.dim()], vec![0.0; vector.dim()]);
    for at in 0..rows {
        #[expect(clippy::cast_possible_truncation, reason = "below the number of rows")]
        let row = (u64::from(at) * u64::from(vectors.len()) / u64::from(rows)) as u32;
        decode(vector.element(), vectors.row(row), &mut values);
        for (sum, &value) in sums.iter_mut().zip(&values) {
            *sum += f64::from(value);
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "the mean of such numbers is one")]
    let mean = |sum: &f64| (sum / f64::from(rows.max(1))) as f32;
    sums.iter().map(mean).collect()
}
