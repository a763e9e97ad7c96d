//! Codes of one to eight bits a dimension of a randomly rotated vector (RaBitQ;
//! Gao and Long, 2024; more bits: Gao and others, 2025).
//!
//! The rotation spreads a vector's length evenly over the dimensions, so that a
//! code of odd whole numbers around zero points almost where the vector does,
//! and how far it is off is known. Bit planes are stored one behind the other,
//! highest first; each is read by the same FastScan tables.

use super::blocks::{BlockMut, LANES, Layout};
use super::rotation::{DIM_MULTIPLE, Rotation};
use super::tables::{QUERY_ERROR, Tables};
use vicinal_distance::kernels;

/// Steps that are tried for the scale of a code of several bits.
const SCALES: usize = 16;

/// Makes codes, and tables of queries.
#[derive(Clone, Debug)]
pub(crate) struct Rabitq {
    rotation: Rotation,
    bits: u32,
}

impl Rabitq {
    pub(crate) fn new(dim: usize, bits: u32, seed: u64) -> Self {
        let rotated_dim = dim.next_multiple_of(DIM_MULTIPLE);
        Self { rotation: Rotation::new(rotated_dim, seed), bits }
    }

    pub(crate) fn bits(&self) -> u32 {
        self.bits
    }

    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.rotation.bytes()
    }

    pub(crate) fn rotated_dim(&self) -> usize {
        self.rotation.rotated_dim()
    }

    pub(crate) fn layout(&self) -> Layout {
        let code_bytes = LANES * self.rotated_dim() * self.bits as usize / 8;
        Layout { code_bytes, columns: 4 }
    }

    /// Rotates a vector into `out`.
    pub(crate) fn rotate(&self, vector: &[f32], out: &mut Vec<f32>) {
        self.rotation.pad(vector, out);
        self.rotation.rotate(out);
    }

    /// Codes a rotated vector: whole numbers from 0 on in `levels`, and in
    /// `decoded` the odd numbers around zero that they stand for.
    pub(crate) fn encode(&self, rotated: &[f32], levels: &mut Vec<u8>, decoded: &mut Vec<f32>) {
        levels.clear();
        decoded.clear();
        if self.bits == 1 {
            levels.extend(rotated.iter().map(|value| u8::from(*value > 0.0)));
        } else {
            let top = (1 << self.bits) as f32 / 2.0;
            let step = self.best_step(rotated, top);
            levels.extend(rotated.iter().map(|value| level(value / step, top)));
        }
        let middle = ((1 << self.bits) - 1) as f32;
        decoded.extend(levels.iter().map(|level| 2.0 * f32::from(*level) - middle));
    }

    /// The width of a level with which the code points most nearly where the
    /// vector does.
    fn best_step(&self, rotated: &[f32], top: f32) -> f32 {
        let largest = rotated.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let mut best = (f32::NEG_INFINITY, 1.0);
        for at in 0..SCALES {
            let step = largest / top * (1.0 - at as f32 / (SCALES + 4) as f32);
            if step <= 0.0 || !step.is_finite() {
                return 1.0;
            }
            let (mut dot, mut norm) = (0.0, 0.0);
            for value in rotated {
                let coded = f32::from(level(value / step, top)) + 0.5 - top;
                dot += coded * value;
                norm += coded * coded;
            }
            let cosine = dot / norm.sqrt();
            if cosine > best.0 {
                best = (cosine, step);
            }
        }
        best.1
    }

    /// Writes a lane's levels into a block, plane by plane.
    pub(crate) fn store(&self, block: &mut BlockMut<'_>, lane: usize, levels: &[u8]) {
        let planes = (0..self.bits).rev();
        let nibbles = planes.flat_map(|plane| {
            levels.as_chunks::<4>().0.iter().map(move |group| {
                let bit = |at: usize| (group[at] >> plane & 1) << at;
                bit(0) | bit(1) | bit(2) | bit(3)
            })
        });
        block.set_nibbles(lane, nibbles);
    }

    /// Makes the tables of a rotated query.
    pub(crate) fn prepare(&self, rotated: &[f32], tables: &mut Tables) {
        tables.floats.clear();
        tables.floats.resize(4 * rotated.len(), 0.0);
        kernels().subset_sums(rotated, &mut tables.floats);
        let groups = rotated.len() / 4;
        let lo = tables.quantise(groups);
        let levels = ((1 << self.bits) - 1) as f32;
        let sum: f32 = rotated.iter().sum();
        tables.offset = levels * (2.0 * lo * groups as f32 - sum);
        // The planes' errors are the same ones, weighted.
        tables.rounding = tables.step * (groups as f32).sqrt() * QUERY_ERROR * 2.0 * levels;
        tables.rounding_max = tables.step * groups as f32 * levels;
        tables.step *= 2.0;
    }
}

/// The level of a value in units of a level's width; `top` levels lie above
/// zero and as many below.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the levels, of which there are at most 256"
)]
fn level(value: f32, top: f32) -> u8 {
    (value + top).floor().clamp(0.0, 2.0 * top - 1.0) as u8
}
