//! Searching a graph: down the layers, through the ground, and with codes once
//! more over the best.

use super::codes::Codes;
use super::duplicates::Duplicates;
use super::layers::Layer;
use super::rows::Rows;
use super::walk::{Ended, Walk, WalkScratch};
use super::{Hnsw, HnswScratch};
use crate::flat::exact;
use crate::neighbors::Ranked;
use crate::scratch::Pools;
use crate::{Found, Neighbor, Scratch, Search, Vectors, Work};
use vicinal_distance::prefetch;
use vicinal_types::{Bitmap, Cancel, Stopped};

/// Efforts above this are searched with heaps: a sorted array would move too
/// many candidates at every insertion.
pub(crate) const POOL_MAX: usize = 1_024;

/// A search whose numbers are settled, and what it is about.
#[derive(Clone, Copy)]
struct Task<'a> {
    search: Search<'a>,
    /// Rows that may be found.
    passing: usize,
    /// A vertex to pass by as if it were not there.
    without: Option<u32>,
    cancel: &'a Cancel,
}

impl Hnsw {
    pub(crate) fn search(
        &self,
        vectors: &Vectors,
        query: &[u8],
        search: &Search<'_>,
        Scratch { hnsw: scratch, pools, .. }: &mut Scratch,
        cancel: &Cancel,
    ) -> Result<Found, Stopped> {
        assert_eq!(
            vectors.len(),
            self.rows,
            "an index is searched with the vectors it was built for"
        );
        let passing = search.allowed.map_or(self.rows as usize, Bitmap::count);
        let allowed = search.allowed.filter(|_| passing < self.rows as usize);
        let k = search.k.min(passing);
        let effort = search.effort.max(self.reranked(k));
        let search = Search { k, effort, allowed, ..*search };
        let mut work = Work::default();
        if k == 0 {
            return Ok(Found { neighbors: Vec::new(), work });
        }
        if !walk_pays(&search, self.rows, passing) {
            return exact(vectors, query, &search, pools, work, cancel);
        }
        let task = Task { search, passing, without: None, cancel };
        let ended = self.walk(vectors, query, &task, scratch, &mut work)?;
        let neighbors = with_duplicates(&self.duplicates, &search, scratch, pools);
        if ended == Ended::Converged && neighbors.len() == k {
            return Ok(Found { neighbors, work });
        }
        // Fewer than there are, or more work than a scan: the mask and the query
        // disagree, or the graph has few vertices near.
        pools.put_results(neighbors);
        exact(vectors, query, &search, pools, work, cancel)
    }

    /// Searches on the ground for the neighbours of a vertex as if it were not
    /// there; `without` must have no duplicates.
    pub(crate) fn search_without(
        &self,
        vectors: &Vectors,
        without: u32,
        search: &Search<'_>,
        Scratch { hnsw: scratch, pools, .. }: &mut Scratch,
        cancel: &Cancel,
    ) -> Result<Vec<Neighbor>, Stopped> {
        let search = Search { effort: search.effort.max(self.reranked(search.k)), ..*search };
        let passing = self.rows as usize;
        let task = Task { search, passing, without: Some(without), cancel };
        self.walk(vectors, vectors.row(without), &task, scratch, &mut Work::default())?;
        Ok(with_duplicates(&self.duplicates, &search, scratch, pools))
    }

    /// How many vertices found are compared by their rows at least.
    fn reranked(&self, k: usize) -> usize {
        self.codes.as_ref().map_or(k, |codes| codes.reranked(k, 0))
    }

    /// Walks on the codes, or on the vectors if there are none, and leaves the
    /// best vertices in the scratch with their exact keys.
    fn walk(
        &self,
        vectors: &Vectors,
        query: &[u8],
        task: &Task<'_>,
        scratch: &mut HnswScratch,
        work: &mut Work,
    ) -> Result<Ended, Stopped> {
        let HnswScratch { walk, query: prepared, ranked, .. } = scratch;
        let vector = vectors.vector_type();
        let ended = match &self.codes {
            None => self.walk_on(vectors, query, task, walk, work),
            Some(Codes::Scalar(codes)) => {
                codes.encode_query(vector, query, &mut prepared.values, &mut prepared.code);
                self.walk_on(codes, &prepared.code, task, walk, work)
            }
            Some(Codes::Bits(codes)) => {
                codes.prepare(query, &mut prepared.values, &mut prepared.bits);
                self.walk_on(codes, &prepared.bits, task, walk, work)
            }
            Some(Codes::Rows(rows)) => self.walk_on(rows, query, task, walk, work),
        }?;
        ranked.clear();
        ranked.extend(walk.found());
        if let Some(codes) = &self.codes {
            let least = codes.reranked(task.search.k, task.search.effort);
            let again = Again { vectors, query, k: task.search.k, least, unit: codes.unit() };
            again.compare(ranked, work);
        }
        Ok(ended)
    }

    /// Walks down and through the ground, on any rows.
    fn walk_on<R: Rows>(
        &self,
        rows: &R,
        query: &R::Query,
        task: &Task<'_>,
        scratch: &mut WalkScratch,
        work: &mut Work,
    ) -> Result<Ended, Stopped> {
        let Task { search, passing, without, cancel } = *task;
        let ahead = self.ahead.unwrap_or(rows.ahead());
        let walk = Walk { rows, query, effort: search.effort, ahead, cancel };
        let (seeds, count) = self.tower.descend(&walk, work);
        let seeds = &seeds[..count];
        scratch.begin(self.rows);
        let without_seed = without.filter(|without| seeds.contains(without));
        if let Some(without) = without.filter(|_| without_seed.is_none()) {
            scratch.skip(without);
        }
        let ground = self.ground();
        match search.allowed {
            None if search.effort <= POOL_MAX && without_seed.is_none() => {
                walk.beam(&ground, seeds, scratch, work)
            }
            None => {
                let passes = |row| Some(row) != without_seed;
                walk.heaps(&ground, seeds, passes, u64::MAX, scratch, work)
            }
            Some(allowed) => {
                let passes = |row| {
                    allowed.contains(row)
                        || self.duplicates.of(row).iter().any(|&row| allowed.contains(row))
                };
                walk.heaps(&ground, seeds, passes, passing as u64, scratch, work)
            }
        }
    }

    pub(super) fn ground(&self) -> Layer<'_, u32, impl Fn(&u32) -> u32> {
        Layer::new(self.ground.get(), self.params.ground_degree(), None, |link: &u32| *link)
    }
}

/// The nearest `k` allowed rows of the vertices found, which stand in the
/// scratch by their rows, nearest first.
pub(crate) fn with_duplicates(
    duplicates: &Duplicates,
    search: &Search<'_>,
    scratch: &mut HnswScratch,
    pools: &mut Pools,
) -> Vec<Neighbor> {
    let passes = |row| search.allowed.is_none_or(|allowed| allowed.contains(row));
    let HnswScratch { ranked: found, top, .. } = scratch;
    if duplicates.is_empty() {
        let passing = found.iter().filter(|ranked| passes(ranked.id()));
        let mut neighbors = pools.results(search.k.min(found.len()));
        neighbors.extend(passing.take(search.k).map(|ranked| ranked.neighbor()));
        return neighbors;
    }
    top.reset(search.k);
    for vertex in found.iter() {
        let copies = duplicates.of(vertex.id()).iter().copied();
        for row in std::iter::once(vertex.id()).chain(copies).filter(|&row| passes(row)) {
            top.push(vertex.key(), row);
        }
        if top.worst_of_full().is_some_and(|worst| worst.key() < vertex.key()) {
            break;
        }
    }
    let mut neighbors = pools.results(top.len());
    top.drain_into(&mut neighbors);
    neighbors
}

/// Whether the graph is likely to be cheaper than comparing with every passing
/// row.
///
/// A walk keeps `effort` passing vertices and expands about `rows / passing`
/// times as many; measured, each costs ten comparisons of rows not seen before,
/// which are half as dear again as those of a scan.
pub(crate) fn walk_pays(search: &Search<'_>, rows: u32, passing: usize) -> bool {
    const SCANNED_PER_VERTEX: u64 = 16;
    let walked = search.effort as u64 * u64::from(rows) / passing as u64;
    match search.allowed {
        None => search.effort < rows as usize,
        Some(_) => walked * SCANNED_PER_VERTEX < passing as u64,
    }
}

/// Comparing the rows of vertices that were found by their codes.
struct Again<'a> {
    vectors: &'a Vectors,
    query: &'a [u8],
    k: usize,
    /// How many to compare at least.
    least: usize,
    /// An exact key is this times the code's, and something that the query adds to
    /// all, but for the code's error.
    unit: f32,
}

impl Again<'_> {
    /// Compares the nearest by code, and goes on until the error that codes have had
    /// so far leaves the next no place among the best. Sorts what it has compared
    /// and drops the rest.
    fn compare(&self, found: &mut Vec<Ranked>, work: &mut Work) {
        /// Deviations by which a code may be wrong: further ones find next to nothing.
        const DEVIATIONS: f64 = 2.0;
        let Self { vectors, query, k, least, unit } = *self;
        let estimate = |found: Ranked| f64::from(unit * found.key());
        let (mut done, mut end, mut sum, mut squares) =
            (0, least.max(k).min(found.len()), 0.0, 0.0);
        loop {
            let compared = &mut found[done..end];
            compared.iter().for_each(|found| prefetch(vectors.row(found.id())));
            for found in compared {
                let key = vectors.key(query, found.id());
                let error = f64::from(key) - estimate(*found);
                (sum, squares) = (sum + error, squares + error * error);
                *found = Ranked::new(key, found.id());
            }
            work.distances += (end - done) as u64;
            found[..end].sort_unstable();
            done = end;
            let (Some(next), Some(worst)) = (found.get(done), found.get(k.wrapping_sub(1))) else {
                break;
            };
            let mean = sum / done as f64;
            let deviation = (squares / done as f64 - mean * mean).max(0.0).sqrt();
            if estimate(*next) + mean - DEVIATIONS * deviation > f64::from(worst.key()) {
                break;
            }
            end = (done + least.div_ceil(2)).min(found.len());
        }
        found.truncate(done);
    }
}

/// Compares the rows of the vertices found and sorts them by their exact keys.
pub(crate) fn rerank(vectors: &Vectors, query: &[u8], found: &mut [Ranked], work: &mut Work) {
    let ahead = vectors.rows_ahead();
    let ask = |found: &[Ranked], at: usize| {
        if let Some(ranked) = found.get(at) {
            prefetch(vectors.row(ranked.id()));
        }
    };
    (0..ahead).for_each(|at| ask(found, at));
    for at in 0..found.len() {
        ask(found, at + ahead);
        let row = found[at].id();
        found[at] = Ranked::new(vectors.key(query, row), row);
    }
    work.distances += found.len() as u64;
    found.sort_unstable();
}
