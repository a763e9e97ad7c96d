//! Rows as codes in blocks, and looking through them.
//!
//! Plainly: for every row estimate the least key that it can have; if that is
//! below the k-th best key so far, compare the row itself.
//!
//! Tricks: (1) what depends on the query only is in tables made once, what
//! depends on the list is one number, what depends on the row stands behind its
//! codes; (2) 32 rows at a time; (3) rows to be compared are collected, sorted by
//! their bound and asked for before they are read: the best ones come first and
//! let the others be forgotten.

use super::blocks::{Block, Blocks, LANES, Layout};
use super::product::Product;
use super::rabitq::Rabitq;
use super::scalar::{Scalar, ScalarQuery};
use super::tables::Tables;
use crate::neighbors::Ranked;
use crate::{TopK, Vectors, Work};
use std::ops::Range;
use vicinal_distance::{Facts, kernels, prefetch, prefetch_far};
use vicinal_types::Bitmap;

/// Candidates collected before they are compared: more of them are compared in a
/// better order, fewer move the bound earlier. Measured.
const CANDIDATES: usize = 128;

/// How many blocks ahead of their turn codes are asked for, and how many of the next
/// list: the hardware's own stream prefetcher stops where pages end. Measured.
pub(crate) const BLOCKS_AHEAD: usize = 4;

/// How codes are made and read.
#[derive(Clone, Debug)]
pub(crate) enum Codec {
    /// The rows themselves.
    Rows,
    /// A byte a dimension.
    Scalar(Scalar),
    /// Product codes.
    Product(Product),
    /// Codes of a rotated vector.
    Rabitq(Rabitq),
}

/// Rows as codes.
#[derive(Clone, Debug)]
pub(crate) struct Coded {
    pub(crate) codec: Codec,
    pub(crate) blocks: Blocks,
}

/// A query as the codecs want it, and the candidates of its search; used again
/// by the next.
#[derive(Debug, Default)]
pub(crate) struct CodedScratch {
    tables: Tables,
    /// For product codes of 8 bits.
    products: Vec<f32>,
    scalar: ScalarQuery,
    shifted: Vec<f32>,
    rotated: Vec<f32>,
    candidates: Vec<Ranked>,
    pub(crate) top: TopK,
}

/// What is looked for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) vectors: &'a Vectors,
    /// The query as it is stored.
    pub(crate) query: &'a [u8],
    pub(crate) allowed: Option<&'a Bitmap>,
    pub(crate) within: f32,
    pub(crate) certainty: Certainty,
}

/// How far below its estimate a key may lie.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Certainty {
    /// So many standard deviations.
    Deviations(f32),
    /// As far as it can at all, for bytes; for other codes so many standard
    /// deviations.
    Always(f32),
}

/// Some blocks of one list.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) blocks: Range<usize>,
    /// Rows in them.
    pub(crate) rows: usize,
    /// The list's term of its rows' keys.
    pub(crate) base: f32,
    /// The length of what is multiplied with the rows' code errors.
    pub(crate) reach: f32,
}

impl Codec {
    pub(crate) fn layout(&self, row_bytes: usize) -> Layout {
        match self {
            Self::Rows => Layout { code_bytes: LANES * row_bytes, columns: 1 },
            Self::Scalar(scalar) => scalar.layout(),
            Self::Product(product) => product.shape().layout(),
            Self::Rabitq(rabitq) => rabitq.layout(),
        }
    }

    /// Makes what depends on the query only; `origin` is that of the encoder.
    pub(crate) fn prepare(&self, query: &[f32], origin: &[f32], scratch: &mut CodedScratch) {
        let mut shifted = std::mem::take(&mut scratch.shifted);
        shifted.clear();
        shifted.extend(query.iter().zip(origin).map(|(value, origin)| value - origin));
        match self {
            Self::Rows => {}
            Self::Scalar(scalar) => scalar.prepare(query, &mut scratch.scalar),
            Self::Product(product) => {
                product.rotate(&shifted, &mut scratch.rotated);
                if product.shape().bits == 4 {
                    product.prepare(&scratch.rotated, &mut scratch.tables);
                } else {
                    product.products(&scratch.rotated, &mut scratch.products);
                }
            }
            Self::Rabitq(rabitq) => {
                rabitq.rotate(&shifted, &mut scratch.rotated);
                rabitq.prepare(&scratch.rotated, &mut scratch.tables);
            }
        }
        scratch.shifted = shifted;
    }

    /// Bytes that it holds in memory.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Rows | Self::Scalar(_) => 0,
            Self::Product(product) => product.bytes(),
            Self::Rabitq(rabitq) => rabitq.bytes(),
        }
    }
}

impl CodedScratch {
    /// Forgets what the search before found; `k` rows are wanted.
    pub(crate) fn begin(&mut self, k: usize) {
        self.top.reset(k);
        self.candidates.clear();
    }

    /// The key that a row must not exceed to be of interest.
    #[inline]
    pub(crate) fn bound(&self, wanted: &Wanted<'_>) -> f32 {
        self.top.threshold().min(wanted.within)
    }

    /// Compares the candidates collected, the most promising first.
    pub(crate) fn compare(&mut self, wanted: &Wanted<'_>, work: &mut Work) {
        let ahead = wanted.vectors.rows_ahead();
        self.candidates.sort_unstable();
        let ask = |candidate: Option<&Ranked>| {
            if let Some(candidate) = candidate {
                prefetch(wanted.vectors.row(candidate.id()));
            }
        };
        self.candidates.iter().take(ahead).for_each(|candidate| ask(Some(candidate)));
        for (at, candidate) in self.candidates.iter().enumerate() {
            if candidate.key() > slackened(self.bound(wanted), wanted.certainty) {
                break;
            }
            ask(self.candidates.get(at + ahead));
            work.distances += 1;
            self.top.push(wanted.vectors.key(wanted.query, candidate.id()), candidate.id());
        }
        self.candidates.clear();
    }
}

impl Coded {
    /// Looks through some blocks; how many rows of them are allowed. Candidates
    /// may be left to [`CodedScratch::compare`].
    pub(crate) fn scan(
        &self,
        part: &Part,
        wanted: &Wanted<'_>,
        scratch: &mut CodedScratch,
        work: &mut Work,
    ) -> usize {
        match &self.codec {
            Codec::Rows => self.scan_rows(part, wanted, scratch, work),
            Codec::Scalar(scalar) => self.scan_scalar(scalar, part, wanted, scratch, work),
            Codec::Product(product) if product.shape().bits == 8 => {
                let products = std::mem::take(&mut scratch.products);
                let reach = part.reach * wanted.certainty.deviations();
                let seen = self.each(part, wanted, scratch, work, |block, bound, lower| {
                    let mut sums = [0.0; LANES];
                    kernels().table_sum_rows(&products, block.codes, &mut sums);
                    let (bias, scale, error) = (block.bias(), block.scale(), block.error());
                    for lane in 0..LANES {
                        let mid = part.base + bias[lane] + scale[lane] * sums[lane];
                        lower[lane] = mid - reach * error[lane];
                    }
                    below(lower, bound)
                });
                scratch.products = products;
                seen
            }
            Codec::Product(_) | Codec::Rabitq(_) => self.scan_tables(part, wanted, scratch, work),
        }
    }

    /// Codes of 4 bits, by FastScan. Scales are negative: a larger product is a
    /// smaller key, so the least key goes with the largest sum.
    fn scan_tables(
        &self,
        part: &Part,
        wanted: &Wanted<'_>,
        scratch: &mut CodedScratch,
        work: &mut Work,
    ) -> usize {
        let tables = std::mem::take(&mut scratch.tables);
        let deviations = wanted.certainty.deviations();
        let rounding = match wanted.certainty {
            Certainty::Deviations(_) => deviations * tables.rounding,
            Certainty::Always(_) => tables.rounding_max,
        };
        let (step, offset) = (tables.step, tables.offset + rounding);
        let reach = part.reach * deviations;
        let seen = self.each(part, wanted, scratch, work, |block, bound, lower| {
            let facts = Facts {
                biases: block.bias(),
                scales: block.scale(),
                errors: block.error(),
                base: part.base,
                step,
                offset,
                reach,
                bound,
            };
            kernels().least_keys(&tables.sums(block.codes), &facts, lower)
        });
        scratch.tables = tables;
        seen
    }

    fn scan_scalar(
        &self,
        scalar: &Scalar,
        part: &Part,
        wanted: &Wanted<'_>,
        scratch: &mut CodedScratch,
        work: &mut Work,
    ) -> usize {
        let query = std::mem::take(&mut scratch.scalar);
        let dim = query.levels.len().max(1) as f32;
        let weight = match wanted.certainty {
            Certainty::Deviations(deviations) => (deviations / dim.sqrt()).min(1.0),
            Certainty::Always(_) => 1.0,
        };
        let product_error = weight * query.error * scalar.range().norm_max;
        let seen = self.each(part, wanted, scratch, work, |block, bound, lower| {
            let keys = scalar.keys(&query, block.codes);
            let (bias, error) = (block.bias(), block.error());
            if scalar.is_l2() {
                for lane in 0..LANES {
                    let distance = (query.scale * keys[lane]).sqrt();
                    let least = (distance - weight * (error[lane] + query.error)).max(0.0);
                    lower[lane] = least * least;
                }
            } else {
                let slack = weight * query.norm;
                for lane in 0..LANES {
                    let mid = query.base + bias[lane] + query.scale * keys[lane];
                    lower[lane] = mid - product_error - slack * error[lane];
                }
            }
            below(lower, bound)
        });
        scratch.scalar = query;
        seen
    }

    /// Goes through the blocks that have allowed rows: `lower` writes the least
    /// keys of a block's rows and says which are at most a bound; these rows are
    /// collected.
    #[inline]
    fn each(
        &self,
        part: &Part,
        wanted: &Wanted<'_>,
        scratch: &mut CodedScratch,
        work: &mut Work,
        mut lower: impl FnMut(&Block<'_>, f32, &mut [f32; LANES]) -> u32,
    ) -> usize {
        let (mut rest, mut seen) = (part.rows, 0);
        let mut bound = scratch.bound(wanted);
        let mut keys = [0.0; LANES];
        for (at, block) in part.blocks.clone().zip(self.blocks.range(part.blocks.clone())) {
            if at + BLOCKS_AHEAD < part.blocks.end {
                prefetch_far(self.blocks.words_of(at + BLOCKS_AHEAD));
            }
            let lanes = alive(&block, rest.min(LANES), wanted.allowed);
            rest = rest.saturating_sub(LANES);
            seen += lanes.count_ones() as usize;
            if lanes == 0 {
                continue;
            }
            let passing = lower(&block, slackened(bound, wanted.certainty), &mut keys) & lanes;
            if passing == 0 {
                continue;
            }
            collect(&block, &keys, passing, &mut scratch.candidates);
            if scratch.candidates.len() >= CANDIDATES {
                scratch.compare(wanted, work);
                bound = scratch.bound(wanted);
            }
        }
        seen
    }

    /// Blocks of rows: their keys are the true ones.
    fn scan_rows(
        &self,
        part: &Part,
        wanted: &Wanted<'_>,
        scratch: &mut CodedScratch,
        work: &mut Work,
    ) -> usize {
        let (mut rest, mut seen) = (part.rows, 0);
        let comparer = wanted.vectors.comparer();
        let mut keys = [0.0; LANES];
        for block in self.blocks.range(part.blocks.clone()) {
            let count = rest.min(LANES);
            let lanes = alive(&block, count, wanted.allowed);
            rest -= count;
            seen += lanes.count_ones() as usize;
            if lanes == 0 {
                continue;
            }
            let row_bytes = wanted.query.len();
            comparer.keys(wanted.query, &block.codes[..count * row_bytes], &mut keys[..count]);
            work.distances += count as u64;
            let mut passing = below(&keys, scratch.bound(wanted)) & lanes;
            while passing != 0 {
                let lane = passing.trailing_zeros() as usize;
                passing &= passing - 1;
                scratch.top.push(keys[lane], block.rows()[lane]);
            }
        }
        seen
    }
}

impl Certainty {
    fn deviations(self) -> f32 {
        match self {
            Self::Deviations(deviations) | Self::Always(deviations) => deviations,
        }
    }
}

/// Where bounds must hold always, they must hold in spite of rounded sums.
fn slackened(bound: f32, certainty: Certainty) -> f32 {
    match certainty {
        Certainty::Deviations(_) => bound,
        Certainty::Always(_) => bound + 1e-5 * bound.abs() + f32::MIN_POSITIVE,
    }
}

/// The lanes among the first `count` whose rows are allowed.
#[inline]
fn alive(block: &Block<'_>, count: usize, allowed: Option<&Bitmap>) -> u32 {
    let first = if count >= LANES { u32::MAX } else { (1 << count) - 1 };
    let Some(allowed) = allowed else { return first };
    let words = allowed.words();
    let bits = block.rows().iter().enumerate().fold(0, |bits, (lane, row)| {
        let bit = words.get(*row as usize / 64).map_or(0, |word| word >> (row % 64) & 1);
        bits | u32::from(bit == 1) << lane
    });
    bits & first
}

/// The lanes whose key is at most `bound`: mostly none, which the least key tells.
#[inline]
fn below(keys: &[f32; LANES], bound: f32) -> u32 {
    let mut least = [f32::INFINITY; 8];
    for keys in keys.as_chunks::<8>().0 {
        for (least, key) in least.iter_mut().zip(keys) {
            *least = if *key < *least { *key } else { *least };
        }
    }
    if least.iter().all(|least| *least > bound) {
        return 0;
    }
    keys.iter().enumerate().fold(0, |bits, (lane, key)| bits | u32::from(*key <= bound) << lane)
}

#[cold]
fn collect(block: &Block<'_>, keys: &[f32; LANES], mut lanes: u32, out: &mut Vec<Ranked>) {
    while lanes != 0 {
        let lane = lanes.trailing_zeros() as usize;
        lanes &= lanes - 1;
        out.push(Ranked::new(keys[lane], block.rows()[lane]));
    }
}
