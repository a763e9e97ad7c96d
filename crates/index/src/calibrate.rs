//! Measuring which effort gives which recall.

mod masks;

use crate::hnsw::mix;
use crate::quantise::floats;
use crate::{Index, Neighbor, Scratch, Search, SearchError, TopK, Vectors, Work, scan};
use masks::masks;
use rayon::prelude::*;
use std::borrow::Cow;
use vicinal_types::{
    Among, Bitmap, Cancel, ElementType, FaissParams, Metric, RecallCurve, Stopped,
};

/// The efforts measured, until one reaches [`RECALL_ENOUGH`].
const EFFORTS: [u32; 12] = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];

/// The same among some of the rows, where a search costs several times as much.
const EFFORTS_AMONG: [u32; 7] = [10, 16, 32, 64, 128, 256, 512];

/// The same for lists probed, of which fewer do.
const LIST_EFFORTS: [u32; 16] = [1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512];

/// Beyond this, more effort would measure the sample's luck.
const RECALL_ENOUGH: f32 = 0.999;

/// Bytes of the rows that all queries are compared with in turn: they stay in a
/// core's second cache beside the queries.
const BLOCK_BYTES: usize = 128 * 1024;

/// One curve to be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calibration {
    /// Neighbours that are asked for.
    pub k: usize,
    /// Which rows count.
    pub among: Among,
    /// Queries, at most.
    pub queries: usize,
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

/// Measures recall at growing efforts, a curve for each wish, with stored rows as queries.
///
/// A query's own row is taken out of the truth and of the graph, as if it had
/// never been inserted. Where a vertex cannot be taken out of the graph, its links
/// would be the answer: there the query is the row's nearest neighbour mirrored at
/// the row, which is as far from it as neighbours are and not stored. A row found
/// counts if it is as near as the `k`-th true neighbour, so ties do not matter.
/// FLAT gives no curve: it is exact. Searches among some of the rows are measured of
/// inlined graphs only: elsewhere such wishes give none.
///
/// # Errors
/// [`SearchError`] when `cancel` says so, or an engine fails.
pub fn calibrate(
    index: &Index,
    vectors: &Vectors,
    pool: &rayon::ThreadPool,
    wishes: &[Calibration],
    seed: u64,
    cancel: &Cancel,
) -> Result<Vec<RecallCurve>, SearchError> {
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
    let takes_masks = matches!(index, Index::Graph(_));
    let can = |wish: &&Calibration| wish.k > 0 && (takes_masks || wish.among == Among::All);
    let wishes: Vec<_> = wishes.iter().filter(can).copied().collect();
    let sample = wishes.iter().map(|wish| wish.queries).max().unwrap_or(0);
    let rows = rows(index, vectors.len(), sample, seed);
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    pool.install(|| {
        let queries = queries(index, vectors, &rows, cancel)?;
        let masks = masks(vectors, &wishes, &rows, seed, cancel)?;
        let wanted = wishes.iter().zip(&masks).map(|(wish, mask)| Wanted {
            k: wish.k,
            queries: wish.queries.min(queries.len()),
            mask: mask.as_ref(),
        });
        let wanted: Vec<_> = wanted.collect();
        let truths = truth(vectors, &queries, &wanted, cancel)?;
        let measure = |((wish, wanted), truth): ((&Calibration, &Wanted<'_>), &Vec<TopK>)| {
            let queries = &queries[..wanted.queries];
            let efforts = wanted.mask.map_or(efforts, |_| &EFFORTS_AMONG[..]);
            let points = curve(index, vectors, (queries, truth), wanted, efforts, cancel)?;
            let queries = u32::try_from(queries.len()).unwrap_or(u32::MAX);
            let k = u32::try_from(wish.k).unwrap_or(u32::MAX);
            Ok(RecallCurve { k, among: wish.among, queries, live: 0, points })
        };
        wishes.iter().zip(&wanted).zip(&truths).map(measure).collect()
    })
}

/// The recall of one query at each effort of a curve, among all rows, deleted or not.
///
/// # Errors
/// [`SearchError`] when `cancel` says so, or an engine fails.
pub fn recall_of(
    index: &Index,
    vectors: &Vectors,
    query: &[u8],
    curve: &RecallCurve,
    scratch: &mut Scratch,
    cancel: &Cancel,
) -> Result<Vec<f32>, SearchError> {
    let mut top = TopK::new(curve.k as usize);
    scan(vectors, query, None, 0, &mut top, &mut Work::default(), cancel)?;
    let (bound, count) = bound(&top.into_sorted());
    let recall = |&(effort, _): &(u32, f32)| {
        let search = Search::new(curve.k as usize, effort as usize);
        let found = index.search(vectors, query, &search, scratch, cancel)?.neighbors;
        let right = found.iter().filter(|neighbor| neighbor.key <= bound).count();
        scratch.give_back(found);
        Ok(right.min(count) as f32 / count.max(1) as f32)
    };
    curve.points.iter().map(recall).collect()
}

/// The recall of growing efforts, until it is enough.
fn curve(
    index: &Index,
    vectors: &Vectors,
    (queries, truth): (&[Query<'_>], &[TopK]),
    wanted: &Wanted<'_>,
    efforts: &[u32],
    cancel: &Cancel,
) -> Result<Vec<(u32, f32)>, SearchError> {
    let bounds: Vec<_> = truth.iter().map(|top| bound(&top.clone().into_sorted())).collect();
    let mut points = Vec::new();
    // Candidates for more neighbours are as many times more.
    let times = match index {
        Index::Graph(_) | Index::Hnsw(_) | Index::Paged(_) | Index::HnswRs(_) => {
            (wanted.k / EFFORTS[0] as usize).max(1)
        }
        Index::Flat(_) | Index::FlatCoded(_) | Index::Ivf(_) | Index::Faiss(_) => 1,
    };
    let times = u32::try_from(times).unwrap_or(u32::MAX);
    for effort in efforts.iter().map(|effort| effort.saturating_mul(times)) {
        let search = Search { allowed: wanted.mask, ..Search::new(wanted.k, effort as usize) };
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
        points.push((effort, recall));
        if recall >= RECALL_ENOUGH {
            break;
        }
    }
    Ok(points)
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
            let one = Wanted { k: 1, queries: queries.len(), mask: None };
            let nearest = truth(vectors, &queries, &[one], cancel)?.into_iter().flatten();
            let mirrored = rows.iter().zip(nearest).map(|(&row, nearest)| {
                let other = nearest.into_sorted().first().map_or(row, |nearest| nearest.row);
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

/// The true neighbours of the first queries among the rows of a mask.
struct Wanted<'a> {
    k: usize,
    queries: usize,
    mask: Option<&'a Bitmap>,
}

/// The true neighbours, by what is wanted and query: one pass over the rows.
fn truth(
    vectors: &Vectors,
    queries: &[Query<'_>],
    wanted: &[Wanted<'_>],
    cancel: &Cancel,
) -> Result<Vec<Vec<TopK>>, Stopped> {
    let row_bytes = vectors.vector_type().row_bytes();
    let block = (BLOCK_BYTES / row_bytes).clamp(1, 1_024);
    let blocks = (vectors.len() as usize).div_ceil(block);
    let nothing = || -> Vec<Vec<TopK>> {
        wanted.iter().map(|wanted| vec![TopK::new(wanted.k); wanted.queries]).collect()
    };
    let scan = |mut tops: Vec<Vec<TopK>>, at: usize| {
        cancel.check()?;
        let first = at * block;
        let count = block.min(vectors.len() as usize - first);
        #[expect(clippy::cast_possible_truncation, reason = "a segment's rows fit 32 bits")]
        block_truth(vectors, queries, wanted, (first as u32, count), &mut tops);
        Ok(tops)
    };
    let merge = |mut all: Vec<Vec<TopK>>, more: Vec<Vec<TopK>>| {
        let pairs = all.iter_mut().flatten().zip(more.into_iter().flatten());
        pairs.for_each(|(top, other)| top.merge(other));
        Ok(all)
    };
    (0..blocks)
        .into_par_iter()
        .with_min_len(blocks.div_ceil(4 * rayon::current_num_threads()))
        .try_fold(nothing, scan)
        .try_reduce(nothing, merge)
}

/// Compares every query with the rows of one block.
fn block_truth(
    vectors: &Vectors,
    queries: &[Query<'_>],
    wanted: &[Wanted<'_>],
    (first, count): (u32, usize),
    tops: &mut [Vec<TopK>],
) {
    let rows = vectors.rows(first, count);
    let mut keys = vec![0.0; count];
    for (at, query) in queries.iter().enumerate() {
        let own = query.own.map(|own| own.row);
        vectors.comparer().keys(&query.stored, rows, &mut keys);
        for (wanted, tops) in wanted.iter().zip(tops.iter_mut()) {
            let Some(top) = tops.get_mut(at) else { continue };
            for (row, &key) in (first..).zip(&keys) {
                let passes = || wanted.mask.is_none_or(|mask| mask.contains(row));
                if key <= top.threshold() && Some(row) != own && passes() {
                    top.push(key, row);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
