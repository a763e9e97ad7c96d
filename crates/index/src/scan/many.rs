//! Comparing several queries with every row: exact.
//!
//! Plainly: [`scan`] for each of the queries. Tricks: (1) rows are read once for
//! all queries and compared in tiles; (2) keys that are too large, nearly all,
//! are passed over 64 at a time; (3) tiles sum floats in another order than pairs
//! do, so whatever comes near enough is compared again as a pair: the rows and
//! keys found are bit for bit those of the queries one by one.

use super::scan;
use crate::{TopK, Vectors, Work};
use vicinal_distance::kernels;
use vicinal_types::{Bitmap, Cancel, ElementType, Metric, Stopped};

/// Queries that meet a block of rows together; more go over the rows again.
const QUERIES_MAX: usize = 64;

/// Rows compared between two looks at the clock: whole tiles and words, and their
/// keys for 16 queries stay in the second cache.
const BLOCK_ROWS: usize = 960;

/// Words of a block's rows.
const BLOCK_WORDS: usize = BLOCK_ROWS / u64::BITS as usize;
const _: () = assert!(BLOCK_ROWS.is_multiple_of(u64::BITS as usize));

/// With fewer allowed rows than this part of all, each query compares with these
/// alone.
const SPARSE: usize = 4;

/// Compares each of the contiguous `queries` with every row, or every allowed
/// one, and keeps the nearest of the first in the first of `tops`, and so on.
/// Exact: what [`scan`] finds for the queries one by one, for less.
///
/// Rows are numbered as by [`scan`]. `work` grows by what each query took.
///
/// # Errors
/// [`Stopped`] as soon as `cancel` says so; looked at between blocks of rows.
///
/// # Panics
/// If there is not one stored vector for each of `tops`, or `allowed` ends before
/// the rows do.
pub fn scan_many(
    vectors: &Vectors,
    queries: &[u8],
    allowed: Option<&Bitmap>,
    base_row: u32,
    tops: &mut [TopK],
    work: &mut Work,
    cancel: &Cancel,
) -> Result<(), Stopped> {
    let row_bytes = vectors.vector_type().row_bytes();
    assert_eq!(queries.len(), tops.len() * row_bytes, "each query has its nearest rows");
    if tops.len() < 2 || allowed.is_some_and(|allowed| is_sparse(vectors, allowed, base_row)) {
        let before = *work;
        for (query, top) in queries.chunks_exact(row_bytes).zip(tops) {
            *work = before;
            scan(vectors, query, allowed, base_row, top, work, cancel)?;
        }
        return Ok(());
    }
    let rounding = Rounding::of(vectors);
    let mut keys = vec![0.0; tops.len().min(QUERIES_MAX) * BLOCK_ROWS];
    for (queries, tops) in queries.chunks(QUERIES_MAX * row_bytes).zip(tops.chunks_mut(QUERIES_MAX))
    {
        for first in (0..vectors.len()).step_by(BLOCK_ROWS) {
            cancel.check()?;
            let count = ((vectors.len() - first) as usize).min(BLOCK_ROWS);
            let keys = &mut keys[..tops.len() * count];
            let rows = vectors.rows(first, count);
            vectors.comparer().keys_many(queries, rows, keys);
            let longest = rounding.longest(vectors, rows);
            let queries = queries.chunks_exact(row_bytes);
            for ((query, keys), top) in queries.zip(keys.chunks_exact(count)).zip(&mut *tops) {
                let error = rounding.error(vectors, query, longest);
                keep(&Block { vectors, query, allowed, base_row, first, error }, keys, top);
            }
        }
    }
    work.distances += u64::from(vectors.len());
    Ok(())
}

/// A block of rows that a query was compared with.
struct Block<'a> {
    vectors: &'a Vectors,
    query: &'a [u8],
    allowed: Option<&'a Bitmap>,
    base_row: u32,
    first: u32,
    error: Error,
}

/// Keeps the nearest of a block's rows, whose keys by tile are `keys`.
fn keep(block: &Block<'_>, keys: &[f32], top: &mut TopK) {
    let mut words = [0; BLOCK_WORDS];
    let words = &mut words[..keys.len().div_ceil(u64::BITS as usize)];
    kernels().at_most(keys, block.error.above(top.threshold()), words);
    for (word_at, word) in words.iter_mut().enumerate() {
        while *word != 0 {
            let at = word_at * u64::BITS as usize + word.trailing_zeros() as usize;
            *word &= *word - 1;
            if keys[at] > block.error.above(top.threshold()) {
                continue;
            }
            #[expect(clippy::cast_possible_truncation, reason = "below BLOCK_ROWS")]
            let row = block.first + at as u32;
            if block.allowed.is_none_or(|allowed| allowed.contains(block.base_row + row)) {
                top.push(block.vectors.key(block.query, row), block.base_row + row);
            }
        }
    }
}

/// Whether few of the rows are allowed.
fn is_sparse(vectors: &Vectors, allowed: &Bitmap, base_row: u32) -> bool {
    let (start, end) = (base_row as usize, base_row as usize + vectors.len() as usize);
    assert!(end <= allowed.len(), "the mask has {} rows of {end}", allowed.len());
    let words = &allowed.words()[start / 64..end.div_ceil(64)];
    let passing: usize = words.iter().map(|word| word.count_ones() as usize).sum();
    passing < vectors.len() as usize / SPARSE
}

/// How far the sum of a tile may be from that of a pair.
#[derive(Clone, Copy)]
enum Rounding {
    /// Both are exact.
    None,
    /// By a part of the sum, whose terms are squares.
    OfKey(f32),
    /// By a part of the product of the vectors' lengths.
    OfLengths(f32),
}

/// [`Rounding`] of a query and a block of rows.
#[derive(Clone, Copy)]
struct Error {
    relative: f32,
    absolute: f32,
}

impl Rounding {
    fn of(vectors: &Vectors) -> Self {
        let kind = vectors.vector_type();
        match kind.element() {
            ElementType::I8 | ElementType::U8 | ElementType::Binary => return Self::None,
            ElementType::F32 | ElementType::F16 | ElementType::Bf16 => {}
        }
        // Half of that for either sum: a rounding a term and some for the last steps.
        let part = (kind.dim() + 8) as f32 * f32::EPSILON;
        match kind.metric() {
            Metric::L2 => Self::OfKey(part),
            Metric::Cosine | Metric::InnerProduct => Self::OfLengths(part),
            Metric::Hamming | Metric::Jaccard => Self::None,
        }
    }

    /// The length of the longest row, where it matters.
    fn longest(self, vectors: &Vectors, rows: &[u8]) -> f32 {
        match self {
            Self::None | Self::OfKey(_) => 0.0,
            Self::OfLengths(_) => {
                let rows = rows.chunks_exact(vectors.vector_type().row_bytes());
                rows.map(|row| length(vectors, row)).fold(0.0, f32::max)
            }
        }
    }

    fn error(self, vectors: &Vectors, query: &[u8], longest: f32) -> Error {
        match self {
            Self::None => Error { relative: 0.0, absolute: 0.0 },
            Self::OfKey(part) => Error { relative: part, absolute: f32::MIN_POSITIVE },
            Self::OfLengths(part) => {
                Error { relative: 0.0, absolute: 1.1 * part * length(vectors, query) * longest }
            }
        }
    }
}

/// The length of a vector that is compared by inner product.
fn length(vectors: &Vectors, vector: &[u8]) -> f32 {
    (-vectors.comparer().key(vector, vector)).sqrt()
}

impl Error {
    /// The least bound that no pair at most `key` exceeds as part of a tile.
    #[inline]
    fn above(self, key: f32) -> f32 {
        // What is no number, as infinity times zero, is no bound.
        (key + self.relative * key + self.absolute).min(f32::INFINITY)
    }
}

#[cfg(test)]
mod tests;
