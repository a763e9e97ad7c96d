//! One record a vertex: all that a search needs when it gets there.
//!
//! | bytes                           | field                                         |
//! |--------------------------------:|-----------------------------------------------|
//! | a vector, filled up to 64       | the vertex's own vector                       |
//! | `degree / 32` blocks of 4 · dim | signs of the rotated way to every neighbour   |
//! | 4 · `degree`                    | what an estimate adds, for every neighbour    |
//! | 4 · `degree`                    | what it multiplies the sum of signs with      |
//! | 4 · `degree`                    | the neighbours                                |
//!
//! A free place adds infinity, so that nobody goes there.
//!
//! # The estimate
//! With `o` the unit vector from the vertex `p` to its neighbour `v`, rotated, and
//! `x` the corner of the hypercube with the same signs, scaled to length 1:
//! `<o, y>` is about `<x, y> / <x, o>` for any rotated `y` (RaBitQ). For y = q - p
//! that gives the neighbour's key from the vertex's own, which is exact:
//! L2: key(v) = key(p) + |v-p|² - 2 |v-p| <o, q-p>; inner product:
//! key(v) = key(p) - <v-p, p> - |v-p| <o, q-p>. What does not depend on `q` is
//! the number to add. All of it is done with the rows' mean as the origin.

use crate::Vectors;
use crate::quantise::floats;
use crate::quantise::rotation::Rotation;
use rayon::prelude::*;
use std::ops::Range;
use vicinal_distance::kernels;
use vicinal_types::Metric;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// Neighbours whose codes are summed at once.
pub(super) const LANES: usize = 32;

/// Fields begin at a multiple of a cache line.
const LINE: usize = 64;

/// Where the fields of a record lie.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) vector: Range<usize>,
    pub(super) codes: Range<usize>,
    pub(super) adds: Range<usize>,
    pub(super) factors: Range<usize>,
    pub(super) ids: Range<usize>,
    pub(super) bytes: usize,
    pub(super) degree: usize,
    /// Lines that a walk asks for before it needs them, where that was measured; those
    /// of one record otherwise.
    pub(super) ahead: Option<usize>,
}

impl Layout {
    pub(super) fn new(vector_bytes: usize, rotated_dim: usize, degree: usize) -> Self {
        assert!(degree.is_multiple_of(LANES), "neighbours come in blocks");
        let codes = vector_bytes.next_multiple_of(LINE);
        let adds = codes + degree * rotated_dim / 8;
        let factors = adds + 4 * degree;
        let ids = factors + 4 * degree;
        let end = ids + 4 * degree;
        let bytes = end.next_multiple_of(LINE);
        Self {
            vector: 0..vector_bytes,
            codes: codes..adds,
            adds: adds..factors,
            factors: factors..ids,
            ids: ids..end,
            bytes,
            degree,
            ahead: None,
        }
    }
}

/// One way in a record: where it leads, and how.
pub(super) struct Lane<'a> {
    pub(super) at: usize,
    pub(super) vertex: u32,
    /// Both ends, rotated.
    pub(super) ends: (&'a [f32], &'a [f32]),
    /// The inner product of the mean and the way, 0 for L2.
    pub(super) mean_dot: f32,
}

/// The neighbours of one block.
pub(super) struct Block<'a> {
    pub(super) codes: &'a [u8],
    pub(super) adds: &'a [f32; LANES],
    pub(super) factors: &'a [f32; LANES],
    pub(super) ids: &'a [u32; LANES],
}

impl Layout {
    /// Lines of a record.
    pub(super) fn lines(&self) -> usize {
        self.bytes / LINE
    }

    /// Bytes that a walk asks for, of two records at most.
    pub(super) fn bytes_ahead(&self) -> usize {
        self.ahead.map_or(self.bytes, |lines| (lines * LINE).min(2 * self.bytes))
    }

    /// Writes one lane.
    pub(super) fn put(
        &self,
        metric: Metric,
        lane: &Lane<'_>,
        signs: &mut Vec<u8>,
        record: &mut [u8],
    ) {
        let code_bytes = self.codes.len() / (self.degree / LANES);
        let block = &mut record[self.codes.clone()][lane.at / LANES * code_bytes..][..code_bytes];
        let terms = encode_lane(metric, lane.ends, lane.mean_dot, signs, lane.at % LANES, block);
        self.put_terms(lane.at, &terms, lane.vertex, record);
    }

    /// Makes a lane one that nobody takes.
    pub(super) fn put_nothing(&self, lane: usize, record: &mut [u8]) {
        self.put_terms(lane, &Terms { add: f32::INFINITY, factor: 0.0 }, 0, record);
    }

    fn put_terms(&self, lane: usize, terms: &Terms, vertex: u32, record: &mut [u8]) {
        let word = 4 * lane..4 * lane + 4;
        record[self.adds.clone()][word.clone()].copy_from_slice(&terms.add.to_le_bytes());
        record[self.factors.clone()][word.clone()].copy_from_slice(&terms.factor.to_le_bytes());
        record[self.ids.clone()][word].copy_from_slice(&vertex.to_le_bytes());
    }

    /// A block of a record, which begins at an address divisible by four.
    #[inline]
    pub(super) fn block<'a>(&self, record: &'a [u8], block: usize) -> Block<'a> {
        let code_bytes = self.codes.len() / (self.degree / LANES);
        let words = block * LANES * 4..(block + 1) * LANES * 4;
        Block {
            codes: &record[self.codes.clone()][block * code_bytes..][..code_bytes],
            adds: words_of(&record[self.adds.clone()][words.clone()]),
            factors: words_of(&record[self.factors.clone()][words.clone()]),
            ids: words_of(&record[self.ids.clone()][words]),
        }
    }
}

fn words_of<T: FromBytes + KnownLayout + Immutable>(bytes: &[u8]) -> &T {
    T::ref_from_bytes(bytes).expect("records are aligned and as long as their layout says")
}

/// The rows' mean, and some rows relative to it, rotated.
pub(super) struct Rotated {
    pub(super) mean: Vec<f32>,
    dim: usize,
    values: Vec<f32>,
}

impl Rotated {
    /// Rotates these rows, on the pool it is called in.
    pub(super) fn new(
        vectors: &Vectors,
        rows: &[u32],
        mean: Vec<f32>,
        rotation: &Rotation,
    ) -> Self {
        let (kind, dim) = (vectors.vector_type(), rotation.rotated_dim());
        let mut values = vec![0.0; rows.len() * dim];
        values.par_chunks_exact_mut(dim).zip(rows).for_each(|(out, &row)| {
            floats::decode(kind.element(), vectors.row(row), &mut out[..kind.dim()]);
            for (value, mean) in out.iter_mut().zip(&mean) {
                *value -= mean;
            }
            rotation.rotate(out);
        });
        Self { mean, dim, values }
    }

    pub(super) fn rows(&self) -> u32 {
        u32::try_from(self.values.len() / self.dim).expect("rows fit 32 bits")
    }

    pub(super) fn row(&self, row: u32) -> &[f32] {
        &self.values[row as usize * self.dim..][..self.dim]
    }
}

/// The mean of a sample of the rows.
pub(super) fn mean(vectors: &Vectors) -> Vec<f32> {
    const SAMPLE_ROWS: u32 = 16_384;
    let kind = vectors.vector_type();
    let (mut sums, mut values) = (vec![0.0_f64; kind.dim()], vec![0.0; kind.dim()]);
    let mut count = 0.0;
    for row in floats::sample(vectors, SAMPLE_ROWS) {
        floats::decode(kind.element(), vectors.row(row), &mut values);
        sums.iter_mut().zip(&values).for_each(|(sum, value)| *sum += f64::from(*value));
        count += 1.0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a mean of floats is one")]
    sums.into_iter().map(|sum| (sum / f64::max(count, 1.0)) as f32).collect()
}

/// What a query's estimate of one neighbour needs beside the signs.
struct Terms {
    add: f32,
    factor: f32,
}

/// Writes the signs of the way from `from` to `to` into lane `lane` of a block
/// of codes, and returns the terms. `mean_dot_way` is the inner
/// product of the mean and the way, 0 for L2.
fn encode_lane(
    metric: Metric,
    (from, to): (&[f32], &[f32]),
    mean_dot_way: f32,
    signs: &mut Vec<u8>,
    lane: usize,
    block: &mut [u8],
) -> Terms {
    signs.resize(from.len() / 8, 0);
    let way = kernels().way(from, to, signs);
    let (shift, others) = if lane < LANES / 2 { (0, 0xf0) } else { (4, 0x0f) };
    for (pair, signs) in block.as_chunks_mut::<32>().0.iter_mut().zip(signs) {
        let (low, high) = (pair[lane % 16] & others, pair[16 + lane % 16] & others);
        pair[lane % 16] = low | (*signs & 15) << shift;
        pair[16 + lane % 16] = high | (*signs >> 4) << shift;
    }
    // <x, o> = absolute / (sqrt(dim) |v-p|): what the sum of signs is multiplied
    // with is |v-p| / (sqrt(dim) <x, o>) = |v-p|² / absolute.
    let ratio = if way.absolute > 0.0 { way.squared / way.absolute } else { 0.0 };
    let from_code = ratio * way.signed_from;
    match metric {
        Metric::L2 => Terms { add: way.squared + 2.0 * from_code, factor: -2.0 * ratio },
        Metric::InnerProduct | Metric::Cosine | Metric::Hamming | Metric::Jaccard => {
            Terms { add: from_code - way.from_dot - mean_dot_way, factor: -ratio }
        }
    }
}
