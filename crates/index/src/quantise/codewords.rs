//! The codewords of one subvector: learning, choosing, decoding.

use crate::hnsw::mix;

/// Rounds of moving codewords to the means of those that chose them.
const ROUNDS: usize = 16;

/// Codewords, dimension by dimension, so that all of them are compared at once.
#[derive(Clone, Copy)]
pub(super) struct Codewords<'a> {
    values: &'a [f32],
    count: usize,
}

/// An error along a direction that weighs more than its length.
#[derive(Clone, Copy)]
pub(super) struct Along<'a> {
    /// The subvector of a direction of unit length.
    pub(super) direction: &'a [f32],
    /// The inner product with it that would leave no error along it.
    pub(super) wanted: f32,
    /// What the square of that error is multiplied with.
    pub(super) weight: f32,
}

/// Sums over the vectors that chose a codeword, to find the best one for them.
pub(super) struct Fit {
    dim: usize,
    weight: f32,
    /// For every codeword the normal equations: a matrix and its right side.
    matrices: Vec<f64>,
    sides: Vec<f64>,
}

/// Most codewords: a code has at most 8 bits.
const COUNT_MAX: usize = 256;

impl<'a> Codewords<'a> {
    pub(super) fn new(values: &'a [f32], count: usize) -> Self {
        Self { values, count }
    }

    /// The number of the codeword nearest to a vector; of equal ones the lowest.
    pub(super) fn nearest(&self, vector: &[f32], along: Option<Along<'_>>) -> u8 {
        let mut errors = [0.0; COUNT_MAX];
        let errors = &mut errors[..self.count];
        for (value, codewords) in vector.iter().zip(self.values.chunks_exact(self.count)) {
            for (error, codeword) in errors.iter_mut().zip(codewords) {
                let difference = value - codeword;
                *error += difference * difference;
            }
        }
        if let Some(along) = along {
            let mut products = [0.0; COUNT_MAX];
            let products = &mut products[..self.count];
            self.products(along.direction, products);
            for (error, product) in errors.iter_mut().zip(products) {
                let difference = along.wanted - *product;
                *error += along.weight * difference * difference;
            }
        }
        let least = errors.iter().fold(f32::INFINITY, |least, error| least.min(*error));
        let number = errors.iter().position(|error| *error <= least).unwrap_or(0);
        u8::try_from(number).expect("a code has at most 256 codewords")
    }

    pub(super) fn decode(&self, number: u8, out: &mut [f32]) {
        for (out, codewords) in out.iter_mut().zip(self.values.chunks_exact(self.count)) {
            *out = codewords[number as usize];
        }
    }

    /// Adds the inner products with all codewords to `out`.
    pub(super) fn products(&self, vector: &[f32], out: &mut [f32]) {
        for (value, codewords) in vector.iter().zip(self.values.chunks_exact(self.count)) {
            for (out, codeword) in out.iter_mut().zip(codewords) {
                *out += value * codeword;
            }
        }
    }
}

/// Learns `count` codewords of `dim` dimensions by k-means.
pub(super) fn train(rows: &[f32], dim: usize, count: usize, seed: u64) -> Vec<f32> {
    let row_count = rows.len().checked_div(dim).unwrap_or(0);
    let mut values = vec![0.0; dim * count];
    if row_count == 0 {
        return values;
    }
    for number in 0..count {
        // Evenly spread starts, each in a stretch of its own.
        let stretch = (row_count / count).max(1) as u64;
        let offset = mix(seed.wrapping_add(number as u64)) % stretch;
        let row = (number as u64 * stretch + offset) % row_count as u64;
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of a row count")]
        let row = &rows[row as usize * dim..][..dim];
        set(&mut values, count, number, row.iter().copied());
    }
    let mut moved = values.clone();
    for _ in 0..ROUNDS {
        let sizes = means(rows, dim, &values, count, &mut moved);
        split_largest(&mut moved, count, sizes);
        if moved == values {
            break;
        }
        values.copy_from_slice(&moved);
    }
    values
}

fn set(values: &mut [f32], count: usize, number: usize, codeword: impl Iterator<Item = f32>) {
    for (place, value) in values[number..].iter_mut().step_by(count).zip(codeword) {
        *place = value;
    }
}

/// The mean of the rows nearest to each codeword, and how many these are.
fn means(rows: &[f32], dim: usize, values: &[f32], count: usize, out: &mut [f32]) -> Vec<u32> {
    let codewords = Codewords::new(values, count);
    let (mut sums, mut sizes) = (vec![0.0f64; dim * count], vec![0; count]);
    for row in rows.chunks_exact(dim) {
        let number = codewords.nearest(row, None) as usize;
        sizes[number] += 1;
        for (sum, value) in sums[number * dim..].iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
    for (number, sum) in sums.chunks_exact(dim).enumerate() {
        if sizes[number] > 0 {
            #[expect(clippy::cast_possible_truncation, reason = "a mean of such floats")]
            let mean = sum.iter().map(|sum| (sum / f64::from(sizes[number])) as f32);
            set(out, count, number, mean);
        }
    }
    sizes
}

/// Moves codewords that nobody chose beside those that most chose.
fn split_largest(values: &mut [f32], count: usize, mut sizes: Vec<u32>) {
    while let Some(empty) = sizes.iter().position(|size| *size == 0) {
        let largest = (0..count).max_by_key(|number| sizes[*number]).unwrap_or(0);
        if sizes[largest] < 2 {
            return;
        }
        for values in values.chunks_exact_mut(count) {
            let value = values[largest];
            (values[largest], values[empty]) = (value * (1.0 - 1e-3), value * (1.0 + 1e-3));
        }
        sizes[empty] = sizes[largest] / 2;
        sizes[largest] -= sizes[empty];
    }
}

impl Fit {
    pub(super) fn new(dim: usize, count: usize, weight: f32) -> Self {
        Self { dim, weight, matrices: vec![0.0; count * dim * dim], sides: vec![0.0; count * dim] }
    }

    /// Counts a vector that chose the codeword; `wanted` as in [`Along`].
    pub(super) fn add(&mut self, number: u8, vector: &[f32], direction: &[f32], wanted: f32) {
        let (dim, at) = (self.dim, number as usize);
        let matrix = &mut self.matrices[at * dim * dim..][..dim * dim];
        let side = &mut self.sides[at * dim..][..dim];
        for row in 0..dim {
            let scaled = f64::from(self.weight * direction[row]);
            matrix[row * dim + row] += 1.0;
            for column in 0..dim {
                matrix[row * dim + column] += scaled * f64::from(direction[column]);
            }
            side[row] += f64::from(vector[row]) + scaled * f64::from(wanted);
        }
    }

    /// Writes the best codewords over those that were chosen at all.
    pub(super) fn solve(mut self, values: &mut [f32]) {
        let (dim, count) = (self.dim, self.sides.len() / self.dim.max(1));
        for number in 0..count {
            let matrix = &mut self.matrices[number * dim * dim..][..dim * dim];
            let side = &mut self.sides[number * dim..][..dim];
            if matrix.first().is_some_and(|first| *first > 0.0) {
                eliminate(matrix, side);
                #[expect(clippy::cast_possible_truncation, reason = "near vectors of such floats")]
                let codeword = side.iter().map(|value| *value as f32);
                if codeword.clone().all(f32::is_finite) {
                    set(values, count, number, codeword);
                }
            }
        }
    }
}

/// Solves a symmetric positive definite system, which needs no pivots; the
/// solution takes the right side's place.
fn eliminate(matrix: &mut [f64], side: &mut [f64]) {
    let dim = side.len();
    for pivot in 0..dim {
        for row in pivot + 1..dim {
            let factor = matrix[row * dim + pivot] / matrix[pivot * dim + pivot];
            for column in pivot..dim {
                matrix[row * dim + column] -= factor * matrix[pivot * dim + column];
            }
            side[row] -= factor * side[pivot];
        }
    }
    for row in (0..dim).rev() {
        let known: f64 = (row + 1..dim).map(|at| matrix[row * dim + at] * side[at]).sum();
        side[row] = (side[row] - known) / matrix[row * dim + row];
    }
}
