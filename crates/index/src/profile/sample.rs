//! The rows that are looked at, as floats.

use crate::Vectors;
use crate::quantise::floats;
use std::collections::HashSet;
use vicinal_types::ElementType;

/// Rows evenly spread over a segment.
pub(super) struct Sample {
    dim: usize,
    values: Vec<f32>,
    /// The part of them that is equal to an earlier one.
    pub(super) duplicates: f32,
}

impl Sample {
    /// So many rows; not more than there are.
    pub(super) fn of(vectors: &Vectors, count: usize) -> Self {
        let kind = vectors.vector_type();
        let dim = kind.dim();
        let mut values = vec![0.0; count * dim];
        let mut seen = HashSet::with_capacity(count);
        for (at, out) in values.chunks_exact_mut(dim).enumerate() {
            let place = at as u64 * u64::from(vectors.len()) / count as u64;
            let stored = vectors.row(u32::try_from(place).unwrap_or(0));
            seen.insert(stored);
            match kind.element() {
                ElementType::Binary => bits(stored, out),
                ElementType::F32
                | ElementType::F16
                | ElementType::Bf16
                | ElementType::I8
                | ElementType::U8 => floats::decode(kind.element(), stored, out),
            }
        }
        let duplicates = (count - seen.len()) as f32 / count.max(1) as f32;
        Self { dim, values, duplicates }
    }

    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    pub(super) fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    pub(super) fn row(&self, at: usize) -> &[f32] {
        &self.values[at * self.dim..][..self.dim]
    }

    /// The mean of each dimension; of equal rows exactly these.
    pub(super) fn means(&self) -> Vec<f64> {
        if self.values.is_empty() {
            return vec![0.0; self.dim];
        }
        let first = self.row(0);
        let mut beyond = vec![0.0; self.dim];
        for row in self.rows() {
            let differences = row.iter().zip(first).map(|(a, b)| f64::from(*a) - f64::from(*b));
            beyond.iter_mut().zip(differences).for_each(|(sum, difference)| *sum += difference);
        }
        let count = self.len() as f64;
        first.iter().zip(beyond).map(|(first, sum)| f64::from(*first) + sum / count).collect()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.dim)
    }
}

fn bits(stored: &[u8], out: &mut [f32]) {
    for (at, out) in out.iter_mut().enumerate() {
        *out = f32::from((stored[at / 8] >> (at % 8)) & 1);
    }
}

/// Numbers in no order, a function of nothing but how many were asked for (splitmix64).
pub(super) struct Picks(u64);

impl Picks {
    pub(super) fn new() -> Self {
        Self(0)
    }

    /// A number below `count`.
    pub(super) fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % count.max(1) as u64).unwrap_or(0)
    }
}
