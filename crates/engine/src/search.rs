//! Finding the nearest rows: plan every segment, search them, merge.

use crate::catalogue::LiveCollection;
use crate::engine::Engine;
use crate::fetch::{Wanted, fetch, source};
use crate::request::{Done, QueryHits, Search, SearchAnswer, SearchReport};
use crate::segment::{MemoryView, PlacedChunk, SealedView};
use crate::shard::{CALIBRATION_K, CALIBRATION_SAMPLES, SegmentView, View};
use crate::vectors;
use rayon::prelude::*;
use std::cell::RefCell;
use std::sync::{Arc, mpsc};
use vicinal_distance::{Comparer, kernels};
use vicinal_index::{
    Found, Index, Neighbor, Scratch, Search as IndexSearch, TopK, Vectors, Work, scan_many,
};
use vicinal_planner::{
    Calibration, EffortUnit, Indexed, SearchPlan, choose_effort, estimate_nanos,
};
use vicinal_types::{
    Bitmap, Cancel, Column, Error, Nearer, Result, Stopped, VectorInput, VectorType, limits,
};

/// A search that should take less runs where it is asked for: handing it to
/// another thread would cost a tenth of that.
const INLINE_NANOS_MAX: u64 = 500_000;

/// A search of one query that should take longer is spread over the pool.
const SPREAD_NANOS_MIN: u64 = 1_000_000;

/// Queries that go over the rows of a segment together.
const QUERIES_TOGETHER_MAX: usize = 64;

thread_local! {
    /// What index searches of this thread use again and again.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// A search that passed validation, with a plan for every segment.
struct Prepared {
    live: Arc<LiveCollection>,
    view: Arc<View>,
    search: Search,
    column: Column,
    kind: VectorType,
    /// Query vectors in stored form, one after another.
    queries: bytes::Bytes,
    /// One for each segment of the view.
    plans: Vec<SearchPlan>,
    /// For all queries.
    estimated_nanos: u64,
    cancel: Cancel,
}

/// A row found in a segment, by its key: smaller is nearer.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candidate {
    key: f32,
    segment: usize,
    row: u32,
}

/// The nearest rows of one query, nearest first, and the distances computed.
type Answer = (Vec<Candidate>, u64);

impl Engine {
    /// Finds the nearest rows of each query vector. A cheap search runs before
    /// this returns, a dear one on the search pool.
    pub fn search(
        &self,
        database: &str,
        collection: &str,
        search: Search,
        cancel: Cancel,
        done: Done<SearchAnswer>,
    ) {
        let prepared = match self.prepare(database, collection, search, cancel) {
            Ok(prepared) => prepared,
            Err(error) => return done(Err(error)),
        };
        if prepared.estimated_nanos <= INLINE_NANOS_MAX {
            return done(prepared.run(false));
        }
        match self.admission().enter() {
            Err(full) => done(Err(full.into())),
            Ok(permit) => self.pools().spawn_search(move || {
                let answer = prepared.run(true);
                drop(permit);
                done(answer);
            }),
        }
    }

    /// [`search`](Self::search) for callers that have nothing else to do.
    ///
    /// # Errors
    /// `NotFound` for the collection, `Invalid` for the search, `Deadline` or
    /// `Cancelled` when `cancel` says so, `Corrupt` if some segment is damaged.
    pub fn search_blocking(
        &self,
        database: &str,
        collection: &str,
        search: Search,
        cancel: Cancel,
    ) -> Result<SearchAnswer> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let done = move |answer| {
            // The receiver is there until it has the answer.
            let _ = sender.send(answer);
        };
        self.search(database, collection, search, cancel, Box::new(done));
        receiver.recv().unwrap_or_else(|_| Err(Error::internal("the search ended with a panic")))
    }

    fn prepare(
        &self,
        database: &str,
        collection: &str,
        search: Search,
        cancel: Cancel,
    ) -> Result<Prepared> {
        let live = Arc::clone(&self.live(database, collection)?);
        let schema = &live.info.spec.schema;
        let (column, kind) = schema.vector_column(&search.vector_column)?;
        let column = column.clone();
        Wanted::new(schema, &search.columns)?;
        search.effort.check()?;
        let count = query_count(&column.name, kind, &search)?;
        let encoded = vectors::encode(&column.name, kind, count, &search.queries)?;
        let view = live.shard()?.view();
        if !search.partial_ok {
            view.check_whole()?;
        }
        let plans: Vec<_> =
            view.segments.iter().map(|segment| plan(segment, &column, &search)).collect();
        let costs = view.segments.iter().zip(&plans);
        let per_query: u64 =
            costs.map(|(segment, plan)| estimate_nanos(segment.live_count(), kind, *plan)).sum();
        let estimated_nanos = per_query.saturating_mul(count as u64);
        let queries = encoded.bytes;
        Ok(Prepared { live, view, search, column, kind, queries, plans, estimated_nanos, cancel })
    }
}

/// How many query vectors there are, within the limits.
fn query_count(column: &str, kind: VectorType, search: &Search) -> Result<usize> {
    let (k, k_max) = (search.k, limits::K_MAX);
    if k == 0 || k > k_max {
        return Err(Error::invalid(format!("k {k} is not between 1 and {k_max}")));
    }
    let (len, unit) = match &search.queries {
        VectorInput::Packed { element, bytes } => (bytes.len(), element.row_bytes(kind.dim())),
        VectorInput::Floats(floats) => (floats.len(), kind.dim()),
    };
    if len == 0 || !len.is_multiple_of(unit) {
        let (dim, what) = match &search.queries {
            VectorInput::Packed { .. } => (unit, "bytes"),
            VectorInput::Floats(_) => (unit, "floats"),
        };
        return Err(Error::invalid(format!(
            "a query vector of column `{column}` has {dim} {what} ({} dimensions), {len} were sent",
            kind.dim()
        )));
    }
    let (count, max) = (len / unit, limits::QUERIES_MAX);
    if count > max {
        return Err(Error::invalid(format!(
            "{count} queries are more than the limit of {max}; split them"
        )));
    }
    let (hits, hits_max) = (count * k, limits::HITS_MAX);
    if hits > hits_max {
        return Err(Error::invalid(format!(
            "{count} queries for {k} rows each want {hits} rows, the limit is {hits_max}; split them"
        )));
    }
    Ok(count)
}

fn plan(segment: &SegmentView, column: &Column, search: &Search) -> SearchPlan {
    let SegmentView::Sealed(sealed) = segment else {
        return SearchPlan::Scan;
    };
    let Some(built) = sealed.index(column.id) else {
        return SearchPlan::Scan;
    };
    let calibration =
        Calibration { k: CALIBRATION_K, samples: CALIBRATION_SAMPLES, points: &built.calibration };
    let unit = EffortUnit::of(&built.index().params());
    let indexed = Indexed { rows: sealed.live_count(), unit, calibration: Some(calibration) };
    choose_effort(search.effort, search.k, &indexed).plan
}

impl Prepared {
    /// Runs the search; on the pool its parts may be spread over more threads.
    fn run(&self, on_pool: bool) -> Result<SearchAnswer> {
        let mut report = SearchReport::default();
        let spread = on_pool && self.estimated_nanos >= SPREAD_NANOS_MIN;
        let row_bytes = self.kind.row_bytes();
        let count = self.queries.len() / row_bytes;
        let found: Vec<Answer> = if count == 1 {
            self.run_queries(&self.queries, spread)?
        } else {
            let threads = if spread { rayon::current_num_threads() } else { 1 };
            let groups = self.queries.chunks(self.queries_together(count, threads) * row_bytes);
            let found: Vec<Vec<Answer>> = if spread {
                let groups: Vec<&[u8]> = groups.collect();
                groups
                    .par_iter()
                    .map(|group| self.run_queries(group, false))
                    .collect::<Result<_, _>>()?
            } else {
                groups.map(|group| self.run_queries(group, false)).collect::<Result<_, _>>()?
            };
            found.into_iter().flatten().collect()
        };
        let wanted = Wanted::new(&self.live.info.spec.schema, &self.search.columns)?;
        let comparer = Comparer::new(self.kind, kernels());
        let results = found.into_iter().map(|(candidates, distances)| {
            report.distances += distances;
            self.hits(&wanted, &comparer, &candidates)
        });
        let results = results.collect();
        report.segments = count_u32(self.plans.len());
        let scanned = self.plans.iter().filter(|plan| **plan == SearchPlan::Scan).count();
        report.scanned_segments = count_u32(scanned);
        Ok(SearchAnswer { results, nearer: Nearer::of(self.kind.metric()), report })
    }

    /// How many queries go over the segments together: where rows are scanned they
    /// are read once for all, but every thread should have some.
    fn queries_together(&self, count: usize, threads: usize) -> usize {
        let is_shared = |(segment, plan): (&SegmentView, &SearchPlan)| match (segment, plan) {
            (_, SearchPlan::Scan) => true,
            (SegmentView::Memory(_), SearchPlan::Index { .. }) => false,
            (SegmentView::Sealed(sealed), SearchPlan::Index { .. }) => sealed
                .index(self.column.id)
                .is_some_and(|built| Index::takes_many(&built.index().params())),
        };
        let is_any_shared = self.view.segments.iter().zip(&self.plans).any(is_shared);
        if is_any_shared { count.div_ceil(threads).clamp(1, QUERIES_TOGETHER_MAX) } else { 1 }
    }

    /// The nearest rows of all segments for each of the contiguous queries.
    fn run_queries(&self, queries: &[u8], spread: bool) -> Result<Vec<Answer>, Stopped> {
        let segments = 0..self.view.segments.len();
        let found: Vec<Vec<Found>> = if spread {
            segments
                .into_par_iter()
                .map(|at| self.run_segment(queries, at))
                .collect::<Result<_, _>>()?
        } else {
            segments.map(|at| self.run_segment(queries, at)).collect::<Result<_, _>>()?
        };
        let mut answers = vec![(Vec::new(), 0); queries.len() / self.kind.row_bytes()];
        for (segment, found) in found.iter().enumerate() {
            for ((candidates, distances), found) in answers.iter_mut().zip(found) {
                let candidate =
                    |found: &Neighbor| Candidate { key: found.key, segment, row: found.row };
                candidates.extend(found.neighbors.iter().map(candidate));
                *distances += found.work.distances;
            }
        }
        for (candidates, _) in &mut answers {
            // Ties go to the older segment and the lower row, as within a segment.
            candidates.sort_by(|a: &Candidate, b| {
                a.key.total_cmp(&b.key).then((a.segment, a.row).cmp(&(b.segment, b.row)))
            });
            candidates.truncate(self.search.k);
        }
        Ok(answers)
    }

    /// What each query finds in a segment; nothing at all where no row lives.
    fn run_segment(&self, queries: &[u8], at: usize) -> Result<Vec<Found>, Stopped> {
        self.cancel.check()?;
        let segment = &self.view.segments[at];
        let live_rows = usize::try_from(segment.live_count()).unwrap_or(usize::MAX);
        let k = self.search.k.min(live_rows);
        if k == 0 {
            return Ok(Vec::new());
        }
        match segment {
            SegmentView::Memory(memory) => self.scan_memory(queries, memory, k),
            SegmentView::Sealed(sealed) => self.search_sealed(queries, sealed, self.plans[at], k),
        }
    }

    fn scan_memory(
        &self,
        queries: &[u8],
        memory: &MemoryView,
        k: usize,
    ) -> Result<Vec<Found>, Stopped> {
        let live = memory.live.as_deref();
        let chunks = memory.chunks.iter().map(|PlacedChunk { first_row, chunk }| {
            (&chunk.rows.vectors(self.column.id).vectors, *first_row)
        });
        self.scan(queries, chunks, live, k)
    }

    /// Compares with all rows of some parts of a segment.
    fn scan<'a>(
        &self,
        queries: &[u8],
        parts: impl Iterator<Item = (&'a Vectors, u32)>,
        live: Option<&Bitmap>,
        k: usize,
    ) -> Result<Vec<Found>, Stopped> {
        let mut tops = vec![TopK::new(k); queries.len() / self.kind.row_bytes()];
        let mut work = Work::default();
        for (vectors, first_row) in parts {
            scan_many(vectors, queries, live, first_row, &mut tops, &mut work, &self.cancel)?;
        }
        Ok(tops.into_iter().map(|top| Found { neighbors: top.into_sorted(), work }).collect())
    }

    fn search_sealed(
        &self,
        queries: &[u8],
        sealed: &SealedView,
        plan: SearchPlan,
        k: usize,
    ) -> Result<Vec<Found>, Stopped> {
        let vectors = &sealed.sealed.rows.vectors(self.column.id).vectors;
        let live = sealed.live.as_deref();
        if let (SearchPlan::Index { effort, .. }, Some(built)) =
            (plan, sealed.index(self.column.id))
        {
            let search = IndexSearch { allowed: live, ..IndexSearch::new(k, effort) };
            return SCRATCH.with_borrow_mut(|scratch| {
                built.index().search_many(vectors, queries, &search, scratch, &self.cancel)
            });
        }
        self.scan(queries, std::iter::once((vectors, 0)), live, k)
    }

    fn hits(
        &self,
        wanted: &Wanted<'_>,
        comparer: &Comparer,
        candidates: &[Candidate],
    ) -> QueryHits {
        let sources: Vec<_> =
            candidates.iter().map(|found| source(&self.view, found.segment, found.row)).collect();
        let scores = candidates.iter().map(|found| comparer.score(found.key)).collect();
        QueryHits { rows: fetch(&self.live.info.spec.schema, wanted, &sources), scores }
    }
}

fn count_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
