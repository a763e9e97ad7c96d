//! Measuring which effort gives which recall.

use crate::hnsw::mix;
use crate::{Index, Neighbor, Scratch, Search, TopK, Vectors};
use rayon::prelude::*;
use vicinal_types::{Cancel, FaissParams, Stopped};

/// The efforts measured, until one reaches [`RECALL_ENOUGH`].
const EFFORTS: [u32; 12] = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];

/// The same for lists probed, of which fewer do.
const LIST_EFFORTS: [u32; 16] = [1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512];

/// Beyond this, more effort would measure the sample's luck.
const RECALL_ENOUGH: f32 = 0.999;

/// Bytes of the rows that all queries are compared with in turn: they stay in a
/// core's second cache beside the queries.
const BLOCK_BYTES: usize = 128 * 1024;

/// The mean recall of one effort.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalibrationPoint {
    /// Candidates kept by the search.
    pub effort: u32,
    /// The part of the `k` true neighbours that was found, 0 to 1.
    pub recall: f32,
}

/// Measures recall@`k` at growing efforts, with `sample` stored rows as queries.
///
/// A query's own row is taken out of the truth and of the graph, as if it had
/// never been inserted. A row found counts if it is as near as the `k`-th true
/// neighbour, so ties do not matter. FLAT gives no points: it is exact.
///
/// # Errors
/// [`Stopped`] when `cancel` says so.
pub fn calibrate(
    index: &Index,
    vectors: &Vectors,
    pool: &rayon::ThreadPool,
    sample: usize,
    k: usize,
    seed: u64,
    cancel: &Cancel,
) -> Result<Vec<CalibrationPoint>, Stopped> {
    let efforts = match index {
        Index::Flat(_) | Index::FlatCoded(_) => return Ok(Vec::new()),
        Index::Ivf(_) => &LIST_EFFORTS[..],
        Index::Graph(_) | Index::Hnsw(_) | Index::Paged(_) | Index::HnswRs(_) => &EFFORTS[..],
        Index::Faiss(faiss) => match faiss.params() {
            FaissParams::Flat => return Ok(Vec::new()),
            FaissParams::Hnsw(_) => &EFFORTS[..],
            FaissParams::IvfPq(_) => &LIST_EFFORTS[..],
        },
    };
    let queries = queries(index, vectors.len(), sample, seed);
    if queries.is_empty() || k == 0 {
        return Ok(Vec::new());
    }
    pool.install(|| {
        let bounds = truth(vectors, &queries, k, cancel)?;
        let mut points = Vec::new();
        for &effort in efforts {
            let search = Search::new(k, effort as usize);
            let found = |(&query, &(bound, count)): (&u32, &(f32, usize)),
                         scratch: &mut Scratch| {
                let found = search_without(index, vectors, query, &search, scratch, cancel)?;
                let right = found.iter().filter(|neighbor| neighbor.key <= bound).count();
                scratch.give_back(found);
                Ok((right.min(count), count))
            };
            let (right, count) = queries
                .par_iter()
                .zip(&bounds)
                .with_min_len(16)
                .map_init(Scratch::default, |scratch, query| found(query, scratch))
                .try_reduce(|| (0, 0), |a, b| Ok((a.0 + b.0, a.1 + b.1)))?;
            let recall = right as f32 / count.max(1) as f32;
            points.push(CalibrationPoint { effort, recall });
            if recall >= RECALL_ENOUGH {
                break;
            }
        }
        Ok(points)
    })
}

/// The neighbours of a row as if it were not there.
fn search_without(
    index: &Index,
    vectors: &Vectors,
    without: u32,
    search: &Search<'_>,
    scratch: &mut Scratch,
    cancel: &Cancel,
) -> Result<Vec<Neighbor>, Stopped> {
    if let Index::Graph(graph) = index {
        return graph.search_without(vectors, without, search, scratch, cancel);
    }
    if let Index::Hnsw(hnsw) = index {
        return hnsw.search_without(vectors, without, search, scratch, cancel);
    }
    let search = Search { k: search.k + 1, ..*search };
    let mut found = index.search(vectors, vectors.row(without), &search, scratch, cancel)?;
    found.neighbors.retain(|neighbor| neighbor.row != without);
    found.neighbors.truncate(search.k - 1);
    Ok(found.neighbors)
}

/// At most `sample` different rows, ascending; of a graph, whose copies share a
/// vertex, only those that share it with no other.
fn queries(index: &Index, rows: u32, sample: usize, seed: u64) -> Vec<u32> {
    let mut queries: Vec<u32> = if sample >= rows as usize {
        (0..rows).collect()
    } else {
        let numbers = (0..).map(|at: u64| mix(mix(seed).wrapping_add(at)));
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the remainder is below a 32-bit number"
        )]
        numbers.map(|number| (number % u64::from(rows)) as u32).take(sample).collect()
    };
    queries.sort_unstable();
    queries.dedup();
    if let Index::Hnsw(hnsw) = index {
        queries.retain(|&row| !hnsw.is_duplicated(row));
    } else if let Index::Graph(graph) = index {
        queries.retain(|&row| !graph.is_duplicated(row));
    } else if let Index::Paged(graph) = index {
        queries.retain(|&row| !graph.is_duplicated(row));
    }
    queries
}

/// For every query the key of its `k`-th true neighbour, and how many there are.
fn truth(
    vectors: &Vectors,
    queries: &[u32],
    k: usize,
    cancel: &Cancel,
) -> Result<Vec<(f32, usize)>, Stopped> {
    let row_bytes = vectors.vector_type().row_bytes();
    let block = (BLOCK_BYTES / row_bytes).clamp(1, 1_024);
    let blocks = (vectors.len() as usize).div_ceil(block);
    let nothing = || vec![TopK::new(k); queries.len()];
    let scan = |mut tops: Vec<TopK>, at: usize| {
        cancel.check()?;
        let first = at * block;
        let count = block.min(vectors.len() as usize - first);
        #[expect(clippy::cast_possible_truncation, reason = "a segment's rows fit 32 bits")]
        block_truth(vectors, queries, first as u32, count, &mut tops);
        Ok(tops)
    };
    let merge = |mut all: Vec<TopK>, more: Vec<TopK>| {
        all.iter_mut().zip(more).for_each(|(top, other)| top.merge(other));
        Ok(all)
    };
    let tops = (0..blocks)
        .into_par_iter()
        .with_min_len(blocks.div_ceil(4 * rayon::current_num_threads()))
        .try_fold(nothing, scan)
        .try_reduce(nothing, merge)?;
    let bound = |neighbors: Vec<Neighbor>| {
        (neighbors.last().map_or(f32::NEG_INFINITY, |last| last.key), neighbors.len())
    };
    Ok(tops.into_iter().map(|top| bound(top.into_sorted())).collect())
}

/// Compares every query with the rows of one block.
fn block_truth(vectors: &Vectors, queries: &[u32], first: u32, count: usize, tops: &mut [TopK]) {
    let rows = vectors.rows(first, count);
    let mut keys = vec![0.0; count];
    for (&query, top) in queries.iter().zip(tops) {
        vectors.comparer().keys(vectors.row(query), rows, &mut keys);
        for (row, &key) in (first..).zip(&keys) {
            if key <= top.threshold() && row != query {
                top.push(key, row);
            }
        }
    }
}

#[cfg(test)]
mod tests;
