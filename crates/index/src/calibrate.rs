//! Measuring which effort gives which recall.

use crate::hnsw::mix;
use crate::quantise::floats;
use crate::{Index, Neighbor, Scratch, Search, SearchError, TopK, Vectors};
use rayon::prelude::*;
use std::borrow::Cow;
use vicinal_types::{Cancel, ElementType, FaissParams, Metric, Stopped};

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

/// What recall is measured with.
struct Query<'a> {
    /// As vectors are stored.
    stored: Cow<'a, [u8]>,
    /// The row that it is and its vertex, if searches leave it out.
    own: Option<Own>,
}

#[derive(Clone, Copy)]
struct Own {
    row: u32,
    /// Of a graph of records; of others a vertex is its row.
    vertex: u32,
}

/// Measures recall@`k` at growing efforts, with queries from `sample` stored rows.
///
/// A query's own row is taken out of the truth and of the graph, as if it had
/// never been inserted. Where a vertex cannot be taken out of the graph, its links
/// would be the answer: there the query is the row's nearest neighbour mirrored at
/// the row, which is as far from it as neighbours are and not stored. A row found
/// counts if it is as near as the `k`-th true neighbour, so ties do not matter.
/// FLAT gives no points: it is exact.
///
/// # Errors
/// [`SearchError`] when `cancel` says so, or an engine fails.
pub fn calibrate(
    index: &Index,
    vectors: &Vectors,
    pool: &rayon::ThreadPool,
    sample: usize,
    k: usize,
    seed: u64,
    cancel: &Cancel,
) -> Result<Vec<CalibrationPoint>, SearchError> {
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
    let rows = rows(index, vectors.len(), sample, seed);
    if rows.is_empty() || k == 0 {
        return Ok(Vec::new());
    }
    pool.install(|| {
        let queries = queries(index, vectors, &rows, cancel)?;
        let bounds: Vec<_> =
            truth(vectors, &queries, k, cancel)?.iter().map(|found| bound(found)).collect();
        let mut points = Vec::new();
        for &effort in efforts {
            let search = Search::new(k, effort as usize);
            let found = |(query, &(bound, count)): (&Query<'_>, &(f32, usize)),
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
                .try_reduce(|| (0, 0), |a, b| Ok::<_, SearchError>((a.0 + b.0, a.1 + b.1)))?;
            let recall = right as f32 / count.max(1) as f32;
            points.push(CalibrationPoint { effort, recall });
            if recall >= RECALL_ENOUGH {
                break;
            }
        }
        Ok(points)
    })
}

/// The neighbours of a query as if its own row were not there.
fn search_without(
    index: &Index,
    vectors: &Vectors,
    query: &Query<'_>,
    search: &Search<'_>,
    scratch: &mut Scratch,
    cancel: &Cancel,
) -> Result<Vec<Neighbor>, SearchError> {
    let stored: &[u8] = &query.stored;
    let Some(own) = query.own else {
        return Ok(index.search(vectors, stored, search, scratch, cancel)?.neighbors);
    };
    if let Index::Graph(graph) = index {
        return Ok(graph.search_without(vectors, (stored, own.vertex), search, scratch, cancel)?);
    }
    if let Index::Hnsw(hnsw) = index {
        return Ok(hnsw.search_without(vectors, own.row, search, scratch, cancel)?);
    }
    let search = Search { k: search.k + 1, ..*search };
    let mut found = index.search(vectors, stored, &search, scratch, cancel)?;
    found.neighbors.retain(|neighbor| neighbor.row != own.row);
    found.neighbors.truncate(search.k - 1);
    Ok(found.neighbors)
}

/// The queries made of some rows.
fn queries<'a>(
    index: &Index,
    vectors: &'a Vectors,
    rows: &[u32],
    cancel: &Cancel,
) -> Result<Vec<Query<'a>>, Stopped> {
    let own = |row, vertex| Query {
        stored: Cow::Borrowed(vectors.row(row)),
        own: Some(Own { row, vertex }),
    };
    match index {
        Index::Graph(graph) => {
            let vertices = graph.vertices(rows);
            Ok(rows.iter().zip(vertices).map(|(&row, vertex)| own(row, vertex)).collect())
        }
        Index::Flat(_) | Index::FlatCoded(_) | Index::Ivf(_) | Index::Hnsw(_) => {
            Ok(rows.iter().map(|&row| own(row, row)).collect())
        }
        Index::Paged(_) | Index::HnswRs(_) | Index::Faiss(_) => {
            let queries: Vec<_> = rows.iter().map(|&row| own(row, row)).collect();
            let nearest = truth(vectors, &queries, 1, cancel)?;
            let mirrored = rows.iter().zip(nearest).map(|(&row, nearest)| {
                let other = nearest.first().map_or(row, |nearest| nearest.row);
                Query { stored: Cow::Owned(mirrored(vectors, row, other)), own: None }
            });
            Ok(mirrored.collect())
        }
    }
}

/// A vector that is as far from `row` as `other` is, on the other side of it.
fn mirrored(vectors: &Vectors, row: u32, other: u32) -> Vec<u8> {
    let vector = vectors.vector_type();
    let (row, other) = (vectors.row(row), vectors.row(other));
    let mut stored = row.to_vec();
    if vector.element() == ElementType::Binary {
        // As many other bits differ.
        let differing = row.iter().zip(other).map(|(a, b)| a ^ b).cycle().skip(1);
        stored.iter_mut().zip(differing).for_each(|(byte, other)| *byte ^= other);
        return stored;
    }
    let (mut values, mut others) = (vec![0.0; vector.dim()], vec![0.0; vector.dim()]);
    floats::decode(vector.element(), row, &mut values);
    floats::decode(vector.element(), other, &mut others);
    values.iter_mut().zip(&others).for_each(|(value, other)| *value += *value - other);
    if vector.metric() == Metric::Cosine {
        let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        let length = if length > 0.0 { length } else { 1.0 };
        values.iter_mut().for_each(|value| *value /= length);
    }
    if values.iter().all(|value| value.is_finite()) {
        floats::encode(vector.element(), &values, &mut stored);
    }
    stored
}

/// At most `sample` different rows, ascending; of a graph, whose copies share a
/// vertex, only those that share it with no other.
fn rows(index: &Index, rows: u32, sample: usize, seed: u64) -> Vec<u32> {
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

/// The key of the last true neighbour, and how many there are.
fn bound(truth: &[Neighbor]) -> (f32, usize) {
    (truth.last().map_or(f32::NEG_INFINITY, |last| last.key), truth.len())
}

/// The `k` true neighbours of every query.
fn truth(
    vectors: &Vectors,
    queries: &[Query<'_>],
    k: usize,
    cancel: &Cancel,
) -> Result<Vec<Vec<Neighbor>>, Stopped> {
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
    Ok(tops.into_iter().map(TopK::into_sorted).collect())
}

/// Compares every query with the rows of one block.
fn block_truth(
    vectors: &Vectors,
    queries: &[Query<'_>],
    first: u32,
    count: usize,
    tops: &mut [TopK],
) {
    let rows = vectors.rows(first, count);
    let mut keys = vec![0.0; count];
    for (query, top) in queries.iter().zip(tops) {
        let own = query.own.map(|own| own.row);
        vectors.comparer().keys(&query.stored, rows, &mut keys);
        for (row, &key) in (first..).zip(&keys) {
            if key <= top.threshold() && Some(row) != own {
                top.push(key, row);
            }
        }
    }
}

#[cfg(test)]
mod tests;
