//! Product codes: a vector cut into subvectors, each of them the number of its
//! codeword (Jégou and others, 2011).
//!
//! Vectors are rotated at random before they are cut: it spreads their length
//! evenly over the subvectors, whose codewords are all equally many, and makes
//! the direction of a code's error random, so that its effect on a key is known.
//! They are coded at unit length, which is kept apart: codewords of one size fit
//! neither short residuals nor long ones.
//!
//! Codes of 4 bits are summed by FastScan, 32 rows at a time; codes of 8 bits by
//! a table lookup for every subvector.

use super::blocks::{BlockMut, LANES, Layout};
use super::codewords::{self, Codewords};
use super::rotation::{DIM_MULTIPLE, Rotation};
use super::tables::{QUERY_ERROR, Tables};
use super::words::Words;
use rayon::prelude::*;
use std::ops::Range;
use vicinal_types::{Cancel, Stopped};

/// Rounds of choosing codewords anew where errors along the vector weigh more.
const DESCENTS: usize = 2;

/// Rounds of fitting the codewords to that.
const FITS: usize = 3;

/// Subvectors longer than this keep the codewords of the plain error.
const FITTED_DIM_MAX: usize = 16;

/// Errors along a vector weigh as if only rows were asked for whose inner
/// product with the query is above this part of the largest possible one
/// (the `T` of Guo and others, 2020).
const THRESHOLD: f32 = 0.2;

/// How a product code is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Dimensions after the rotation.
    pub(crate) dim: usize,
    pub(crate) subvectors: usize,
    /// 4 or 8.
    pub(crate) bits: u32,
    /// Whether errors along the vector weigh more than those across it.
    pub(crate) is_anisotropic: bool,
}

/// Codewords, and what is made with them.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    shape: Shape,
    rotation: Rotation,
    /// For every subvector its codewords, dimension by dimension.
    codebook: Words,
}

/// Vectors to learn from, rotated, at unit length: their residuals, and the directions along which errors
/// weigh more, of unit length.
pub(crate) struct Sample {
    pub(crate) residuals: Vec<f32>,
    pub(crate) directions: Vec<f32>,
}

/// The rotation of the codes; any would do.
const ROTATION_SEED: u64 = 0x7071;

/// The rotation that product codes of `dim` dimensions have.
pub(crate) fn rotation(dim: usize) -> Rotation {
    Rotation::new(dim.next_multiple_of(DIM_MULTIPLE), ROTATION_SEED)
}

impl Shape {
    fn codewords(self) -> usize {
        1 << self.bits
    }

    /// The dimensions of a subvector; lengths differ by one at most.
    fn dims(self, subvector: usize) -> Range<usize> {
        subvector * self.dim / self.subvectors..(subvector + 1) * self.dim / self.subvectors
    }

    /// Words of a codebook.
    pub(crate) fn codebook_words(self) -> usize {
        self.dim * self.codewords()
    }

    pub(crate) fn layout(self) -> Layout {
        let groups = self.subvectors.next_multiple_of(4);
        let code_bytes = if self.bits == 4 { groups * 16 } else { LANES * self.subvectors };
        Layout { code_bytes, columns: 4 }
    }

    /// How much more an error along the vector weighs.
    fn weight(self) -> f32 {
        let square = THRESHOLD * THRESHOLD;
        ((self.dim.max(2) - 1) as f32 * square / (1.0 - square)).max(1.0)
    }
}

impl Product {
    /// Learns codewords, on the pool it is called in; the same ones on any.
    pub(crate) fn train(
        shape: Shape,
        sample: &Sample,
        seed: u64,
        cancel: &Cancel,
    ) -> Result<Self, Stopped> {
        let train = |subvector: usize| {
            cancel.check()?;
            let dims = shape.dims(subvector);
            let rows = sample.residuals.chunks_exact(shape.dim);
            let part: Vec<f32> = rows.flat_map(|row| &row[dims.clone()]).copied().collect();
            let seed = crate::hnsw::mix(seed.wrapping_add(subvector as u64));
            Ok(codewords::train(&part, dims.len(), shape.codewords(), seed))
        };
        let learnt: Result<Vec<Vec<f32>>, Stopped> =
            (0..shape.subvectors).into_par_iter().map(train).collect();
        let mut codebook = learnt?.concat();
        if shape.is_anisotropic {
            for _ in 0..FITS {
                cancel.check()?;
                Self::new(shape, Words::from_floats(&codebook)).fit(sample, &mut codebook);
            }
        }
        Ok(Self::new(shape, Words::from_floats(&codebook)))
    }

    /// Takes a codebook of the right length.
    pub(crate) fn new(shape: Shape, codebook: Words) -> Self {
        Self { shape, rotation: rotation(shape.dim), codebook }
    }

    pub(crate) fn codebook(&self) -> &Words {
        &self.codebook
    }

    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.codebook.bytes().len() + self.rotation.bytes()
    }

    /// Rotates a vector into `out`.
    pub(crate) fn rotate(&self, vector: &[f32], out: &mut Vec<f32>) {
        self.rotation.pad(vector, out);
        self.rotation.rotate(out);
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    fn codewords(&self, subvector: usize) -> Codewords<'_> {
        let (dims, count) = (self.shape.dims(subvector), self.shape.codewords());
        Codewords::new(&self.codebook.floats()[dims.start * count..dims.end * count], count)
    }

    /// Codes a rotated vector of unit length: the codewords' numbers, and what they decode to.
    /// `direction`, of unit length, matters to anisotropic codes only.
    pub(crate) fn encode(
        &self,
        vector: &[f32],
        direction: &[f32],
        numbers: &mut Vec<u8>,
        decoded: &mut Vec<f32>,
    ) {
        numbers.clear();
        decoded.clear();
        decoded.resize(self.shape.dim, 0.0);
        for subvector in 0..self.shape.subvectors {
            let dims = self.shape.dims(subvector);
            let (codewords, part) = (self.codewords(subvector), &vector[dims.clone()]);
            let number = codewords.nearest(part, None);
            codewords.decode(number, &mut decoded[dims]);
            numbers.push(number);
        }
        if self.shape.is_anisotropic {
            self.descend(vector, direction, numbers, decoded);
        }
    }

    /// Chooses the codewords anew, one after the other, by the weighted error.
    fn descend(&self, vector: &[f32], direction: &[f32], numbers: &mut [u8], decoded: &mut [f32]) {
        let weight = self.shape.weight() - 1.0;
        let mut along = dot(vector, direction) - dot(decoded, direction);
        for _ in 0..DESCENTS {
            for (subvector, number) in numbers.iter_mut().enumerate() {
                let dims = self.shape.dims(subvector);
                let (codewords, direction) = (self.codewords(subvector), &direction[dims.clone()]);
                let decoded = &mut decoded[dims.clone()];
                let wanted = along + dot(decoded, direction);
                let bias = codewords::Along { direction, wanted, weight };
                *number = codewords.nearest(&vector[dims], Some(bias));
                codewords.decode(*number, decoded);
                along = wanted - dot(decoded, direction);
            }
        }
    }

    /// Moves every codeword to where the weighted error of the sample's vectors
    /// that chose it is least, the others left as they are.
    fn fit(&self, sample: &Sample, codebook: &mut [f32]) {
        let (dim, count) = (self.shape.dim, self.shape.codewords());
        let weight = self.shape.weight() - 1.0;
        let pairs: Vec<(&[f32], &[f32])> =
            sample.residuals.chunks_exact(dim).zip(sample.directions.chunks_exact(dim)).collect();
        let coded: Vec<(Vec<u8>, f32)> = pairs
            .par_iter()
            .map(|(vector, direction)| {
                let (mut numbers, mut decoded) = (Vec::new(), Vec::new());
                self.encode(vector, direction, &mut numbers, &mut decoded);
                (numbers, dot(vector, direction) - dot(&decoded, direction))
            })
            .collect();
        let (numbers, mut along): (Vec<_>, Vec<_>) = coded.into_iter().unzip();
        let is_fitted = |subvector: &usize| self.shape.dims(*subvector).len() <= FITTED_DIM_MAX;
        for subvector in (0..self.shape.subvectors).filter(is_fitted) {
            let dims = self.shape.dims(subvector);
            let old = self.codewords(subvector);
            let mut fit = codewords::Fit::new(dims.len(), count, weight);
            let mut decoded = vec![0.0; dims.len()];
            for (at, (vector, direction)) in pairs.iter().enumerate() {
                let (number, direction) = (numbers[at][subvector], &direction[dims.clone()]);
                old.decode(number, &mut decoded);
                along[at] += dot(&decoded, direction);
                fit.add(number, &vector[dims.clone()], direction, along[at]);
            }
            let part = &mut codebook[dims.start * count..dims.end * count];
            fit.solve(part);
            let new = Codewords::new(part, count);
            for (at, (_, direction)) in pairs.iter().enumerate() {
                new.decode(numbers[at][subvector], &mut decoded);
                along[at] -= dot(&decoded, &direction[dims.clone()]);
            }
        }
    }

    /// Writes a lane's codes into a block.
    pub(crate) fn store(&self, block: &mut BlockMut<'_>, lane: usize, numbers: &[u8]) {
        if self.shape.bits == 4 {
            block.set_nibbles(lane, numbers.iter().copied());
        } else {
            block.set_bytes(lane, numbers);
        }
    }

    /// The inner products of a rotated query with all codewords, subvector by subvector.
    pub(crate) fn products(&self, query: &[f32], out: &mut Vec<f32>) {
        let count = self.shape.codewords();
        out.clear();
        out.resize(self.shape.subvectors * count, 0.0);
        for (subvector, out) in out.chunks_exact_mut(count).enumerate() {
            self.codewords(subvector).products(&query[self.shape.dims(subvector)], out);
        }
    }

    /// Makes the FastScan tables of a rotated query, for codes of 4 bits.
    pub(crate) fn prepare(&self, query: &[f32], tables: &mut Tables) {
        self.products(query, &mut tables.floats);
        let groups = self.shape.subvectors;
        let lo = tables.quantise(groups);
        tables.offset = lo * groups as f32;
        tables.rounding = tables.step * (groups as f32).sqrt() * QUERY_ERROR;
        tables.rounding_max = tables.step * groups as f32 / 2.0;
    }
}

pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
