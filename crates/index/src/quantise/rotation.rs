//! A random rotation that costs `n log n`.
//!
//! Four rounds of: flip signs at random, Walsh-Hadamard transform of the first
//! (then the last) power of two of the values, and where that is not all of
//! them, a step that mixes the two halves. Every step keeps the length of the
//! vector and the angles between vectors; together they spread any vector's
//! length evenly over the dimensions, which is what codes of few bits need
//! (RaBitQ, Gao and Long, 2024, with the Kac walk in place of a random matrix).

use crate::hnsw::mix;
use vicinal_distance::kernels;

/// Dimensions of rotated vectors are a multiple of this.
pub(crate) const DIM_MULTIPLE: usize = 64;

const ROUNDS: usize = 4;

/// Pads vectors with zeros and rotates them at random.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    /// 1 or -1, `ROUNDS` rounds of as many as there are rotated dimensions.
    signs: Vec<f32>,
    rotated_dim: usize,
}

impl Rotation {
    /// A rotation into `rotated_dim` dimensions, a function of the seed.
    pub(crate) fn new(rotated_dim: usize, seed: u64) -> Self {
        assert!(rotated_dim.is_multiple_of(DIM_MULTIPLE));
        let word = |at: usize| mix(mix(seed).wrapping_add(at as u64 / 64));
        let sign = |at: usize| if word(at) >> (at % 64) & 1 == 1 { -1.0 } else { 1.0 };
        Self { signs: (0..ROUNDS * rotated_dim).map(sign).collect(), rotated_dim }
    }

    /// Dimensions after the rotation.
    pub(crate) fn rotated_dim(&self) -> usize {
        self.rotated_dim
    }

    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.signs[..])
    }

    /// Writes a vector and zeros behind it to `out`.
    pub(crate) fn pad(&self, vector: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.extend_from_slice(vector);
        out.resize(self.rotated_dim, 0.0);
    }

    /// Rotates `values`, in place: the vector at its beginning, then zeros.
    pub(crate) fn rotate(&self, values: &mut [f32]) {
        assert_eq!(values.len(), self.rotated_dim, "a rotated vector has its padding");
        let part = 1 << self.rotated_dim.ilog2();
        let scale = (part as f32).sqrt().recip();
        for (round, signs) in self.signs.chunks_exact(self.rotated_dim).enumerate() {
            for (value, sign) in values.iter_mut().zip(signs) {
                *value *= sign;
            }
            let start = if round % 2 == 0 { 0 } else { self.rotated_dim - part };
            let transformed = &mut values[start..start + part];
            kernels().rotate_fht(transformed);
            for value in transformed {
                *value *= scale;
            }
            if part < self.rotated_dim {
                mix_halves(values);
            }
        }
    }
}

/// Turns every pair of values half the length apart by 45 degrees.
fn mix_halves(values: &mut [f32]) {
    let (low, high) = values.split_at_mut(values.len() / 2);
    for (low, high) in low.iter_mut().zip(high) {
        let (sum, difference) = (*low + *high, *low - *high);
        (*low, *high) =
            (sum * std::f32::consts::FRAC_1_SQRT_2, difference * std::f32::consts::FRAC_1_SQRT_2);
    }
}
