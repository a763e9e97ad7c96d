//! What is searched, for what, and what would be right.

use super::Args;
use super::mask::mask;
use crate::failure::Failure;
use crate::source::npy::{self, Matrix};
use bytes::Bytes;
use half::{bf16, f16};
use rayon::prelude::*;
use std::path::Path;
use vicinal_client::{ElementType, Metric, VectorType};
use vicinal_index::{TopK, Vectors};
use vicinal_types::Bitmap;

/// Bytes of the rows that a thread's queries are compared with in turn: they stay
/// in a core's second cache.
const BLOCK_BYTES: usize = 128 * 1024;

/// Queries that a thread compares with a block before it takes the next one.
const QUERIES_TOGETHER: usize = 32;

/// Decides which rows are held out as queries.
const HOLD_OUT_SEED: u64 = 0x5eed;

/// Rows, queries, and the keys of each query's true neighbours.
pub(super) struct Data {
    pub(super) vectors: Vectors,
    /// The rows that may be found; `None`: all.
    pub(super) allowed: Option<Bitmap>,
    pub(super) queries: Vectors,
    pub(super) truth: Vec<Vec<f32>>,
}

impl Data {
    /// Reads what the flags name.
    pub(super) fn read(args: &Args, pool: &rayon::ThreadPool) -> Result<Self, Failure> {
        let mut base = npy::read_f32(&args.base)?;
        let (query_path, queries) = match (&args.query, args.hold_out) {
            (Some(path), _) => (path, npy::read_f32(path)?),
            (None, Some(count)) => (&args.base, hold_out(&mut base, count, &args.base)?),
            (None, None) => {
                let ways = "--query FILE, or --hold-out N to take rows of the base";
                return Err(Failure::new(format!("there are no queries; give {ways}")));
            }
        };
        if base.dim != queries.dim {
            let (found, expected) = (queries.dim, base.dim);
            let reason = format!("queries have {found} dimensions, the rows {expected}");
            return Err(Failure::file(query_path, reason));
        }
        let rows = base.rows;
        if args.k == 0 || args.k > rows {
            let k = args.k;
            return Err(Failure::new(format!("--k {k} is not between 1 and the {rows} rows")));
        }
        let vectors = stored(&args.base, &base, args.element, args.metric)?;
        drop(base);
        let queries = stored(query_path, &queries, args.element, args.metric)?;
        let allowed = args.passing.map(|share| mask(&vectors, share, args.clumped));
        let truth = match &args.truth {
            Some(path) => {
                let truth = npy::read_i32(path)?;
                check_truth(path, &truth, &vectors, &queries, args.k)?;
                true_keys(&vectors, &queries, &truth, args.k)
            }
            None => computed_truth((&vectors, allowed.as_ref()), &queries, args.k, pool),
        };
        Ok(Self { vectors, allowed, queries, truth })
    }
}

impl Data {
    /// The rows cut into so many segments of about one size, and which of each may be
    /// found.
    pub(super) fn segments(&self, count: usize) -> Vec<(Vectors, Option<Bitmap>)> {
        let (rows, kind) = (self.vectors.len() as usize, self.vectors.vector_type());
        let row_bytes = kind.row_bytes();
        let part = |at: usize| {
            let range = rows * at / count..rows * (at + 1) / count;
            let bytes = self.vectors.bytes().slice(range.start * row_bytes..range.end * row_bytes);
            let vectors = Vectors::new(kind, bytes).expect("whole rows, and fewer than all");
            let allowed = self.allowed.as_ref().map(|allowed| {
                let first = u32::try_from(range.start).expect("rows have 32-bit numbers");
                let mut part = Bitmap::new(range.len());
                let passing = (0..vectors.len()).filter(|row| allowed.contains(first + row));
                passing.for_each(|row| _ = part.insert(row));
                part
            });
            (vectors, allowed)
        };
        (0..count).map(part).collect()
    }
}

/// Takes some rows out, always the same ones.
fn hold_out(base: &mut Matrix<f32>, count: usize, path: &Path) -> Result<Matrix<f32>, Failure> {
    if count == 0 || count >= base.rows {
        let rows = base.rows;
        let reason = format!("--hold-out {count} is not between 1 and its {rows} rows less one");
        return Err(Failure::file(path, reason));
    }
    let mut order: Vec<usize> = (0..base.rows).collect();
    order.sort_unstable_by_key(|row| scattered(*row as u64));
    let mut is_held = vec![false; base.rows];
    order[..count].iter().for_each(|row| is_held[*row] = true);
    let part = |held: bool| {
        let rows = base.values.chunks_exact(base.dim).zip(&is_held);
        let values = rows.filter(|(_, is_held)| **is_held == held).flat_map(|(row, _)| row);
        values.copied().collect::<Vec<f32>>()
    };
    let (queries, rest) = (part(true), part(false));
    let dim = base.dim;
    *base = Matrix { rows: base.rows - count, dim, values: rest };
    Ok(Matrix { rows: count, dim, values: queries })
}

/// Numbers in an order that has nothing to do with theirs (splitmix64).
pub(super) fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(HOLD_OUT_SEED).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn check_truth(
    path: &Path,
    truth: &Matrix<i32>,
    vectors: &Vectors,
    queries: &Vectors,
    k: usize,
) -> Result<(), Failure> {
    let wrong = |reason: String| Err(Failure::file(path, reason));
    if truth.rows != queries.len() as usize {
        let (found, expected) = (truth.rows, queries.len());
        return wrong(format!("{found} lists of neighbours for {expected} queries"));
    }
    if k > truth.dim {
        let known = truth.dim;
        return wrong(format!(
            "it has {known} neighbours a query; k {k} is not between 1 and that"
        ));
    }
    let is_row = |row: &i32| u32::try_from(*row).is_ok_and(|row| row < vectors.len());
    if let Some(stray) = truth.values.iter().find(|row| !is_row(row)) {
        let rows = vectors.len();
        return wrong(format!("neighbour {stray} is none of the {rows} rows"));
    }
    Ok(())
}

/// The keys of the `k` true neighbours of each query, computed anew, so that
/// they agree with those of a search to the last bit.
fn true_keys(vectors: &Vectors, queries: &Vectors, truth: &Matrix<i32>, k: usize) -> Vec<Vec<f32>> {
    let comparer = vectors.comparer();
    let keys = |query: u32| {
        let row = truth.row(query as usize).iter().take(k);
        row.map(|row| comparer.key(queries.row(query), vectors.row(row.cast_unsigned()))).collect()
    };
    (0..queries.len()).map(keys).collect()
}

/// The same by comparing every query with every row, on all threads of the pool.
fn computed_truth(
    rows: (&Vectors, Option<&Bitmap>),
    queries: &Vectors,
    k: usize,
    pool: &rayon::ThreadPool,
) -> Vec<Vec<f32>> {
    let all: Vec<u32> = (0..queries.len()).collect();
    let keys_of = |queries_together: &[u32]| nearest(rows, queries, queries_together, k);
    pool.install(|| all.par_chunks(QUERIES_TOGETHER).flat_map_iter(keys_of).collect())
}

/// The `k` smallest keys of some queries.
fn nearest(
    (vectors, allowed): (&Vectors, Option<&Bitmap>),
    queries: &Vectors,
    some: &[u32],
    k: usize,
) -> Vec<Vec<f32>> {
    let row_bytes = vectors.vector_type().row_bytes();
    let block = (BLOCK_BYTES / row_bytes).max(1);
    let mut keys = vec![0.0; block];
    let mut tops = vec![TopK::new(k); some.len()];
    for (rows, first) in vectors.bytes().chunks(block * row_bytes).zip((0..).step_by(block)) {
        let keys = &mut keys[..rows.len() / row_bytes];
        for (&query, top) in some.iter().zip(&mut tops) {
            vectors.comparer().keys(queries.row(query), rows, keys);
            for (row, key) in (first..).zip(keys.iter()) {
                let is_near = *key <= top.threshold();
                if is_near && allowed.is_none_or(|allowed| allowed.contains(row)) {
                    top.push(*key, row);
                }
            }
        }
    }
    let sorted = tops.into_iter().map(TopK::into_sorted);
    sorted.map(|found| found.into_iter().map(|neighbor| neighbor.key).collect()).collect()
}

/// The matrix as a column stores it: cosine at unit length, in the element type.
pub(in super::super) fn stored(
    path: &Path,
    matrix: &Matrix<f32>,
    element: ElementType,
    metric: Metric,
) -> Result<Vectors, Failure> {
    let dim = u32::try_from(matrix.dim).unwrap_or(u32::MAX);
    // Bytes are eight bits each.
    let is_binary = element == ElementType::Binary;
    let dim = if is_binary { dim.saturating_mul(8) } else { dim };
    let kind = VectorType::new(dim, element, metric)?;
    let mut bytes = Vec::with_capacity(matrix.rows * kind.row_bytes());
    for row in matrix.values.chunks_exact(matrix.dim) {
        let scale = if metric == Metric::Cosine { unit_scale(path, row)? } else { 1.0 };
        encode(path, row, scale, element, &mut bytes)?;
    }
    Vectors::new(kind, Bytes::from(bytes)).map_err(|error| Failure::file(path, error))
}

fn unit_scale(path: &Path, row: &[f32]) -> Result<f32, Failure> {
    let square: f64 = row.iter().map(|value| f64::from(*value).powi(2)).sum();
    if square == 0.0 {
        return Err(Failure::file(path, "a vector is zero, which has no cosine with any other"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "vectors are stored as 32-bit floats")]
    let scale = (1.0 / square.sqrt()) as f32;
    Ok(scale)
}

fn encode(
    path: &Path,
    row: &[f32],
    scale: f32,
    element: ElementType,
    bytes: &mut Vec<u8>,
) -> Result<(), Failure> {
    for value in row.iter().map(|value| value * scale) {
        match element {
            ElementType::F32 => bytes.extend(value.to_le_bytes()),
            ElementType::F16 => bytes.extend(f16::from_f32(value).to_le_bytes()),
            ElementType::Bf16 => bytes.extend(bf16::from_f32(value).to_le_bytes()),
            ElementType::U8 | ElementType::Binary
                if value.fract() == 0.0 && (0.0..=255.0).contains(&value) =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
                bytes.push(value as u8);
            }
            ElementType::U8 | ElementType::I8 | ElementType::Binary => {
                return Err(Failure::file(path, format!("{value} does not fit into {element}")));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
