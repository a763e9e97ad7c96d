//! Finding the nearest rows: plan every segment, search them, merge.

mod explain;
mod grouped;
mod memory;
mod pages;
mod partial;
mod placed;
mod pooled;
mod range;
mod together;
mod ways;

use crate::catalogue::LiveCollection;
use crate::columns::{IdRef, id_ref};
use crate::engine::Engine;
use crate::fetch::{Wanted, fetch, source};
use crate::filtering::{CompiledFilter, Passing};
use crate::quotas::QuotaBook;
use crate::request::{Done, QueryHits, Search, SearchAnswer};
use crate::scratches::{Candidate, Scratches, Worker};
use crate::segment::SealedView;
use crate::shard::{SegmentView, View};
use crate::vectors;
use grouped::Grouping;
use pages::Paging;
use partial::Missed;
use pooled::{UNKNOWN_NANOS_MIN, with_permit};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::ops::Deref;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use vicinal_distance::{Comparer, kernels};
use vicinal_exec::Pools;
use vicinal_index::{Index, KeyRange, Neighbor, SearchError, Work, scan};
use vicinal_planner::{Prediction, RowCost, SearchPlan};
use vicinal_types::{
    Cancel, ColumnId, Error, Nearer, Result, Stopped, VectorInput, VectorType, limits,
};

/// A search of one query that should take longer is spread over the pool.
const SPREAD_NANOS_MIN: u64 = 1_000_000;

/// A filter that takes less is evaluated where the search is asked for.
const EVALUATE_NANOS_MAX: u64 = 100_000;

/// A search that passed validation, or one that it is made of.
struct Asked {
    live: Arc<LiveCollection>,
    view: Arc<View>,
    search: Search,
    filter: Option<Arc<CompiledFilter>>,
    grouping: Option<Grouping>,
    paging: Option<Paging>,
    column: ColumnId,
    kind: VectorType,
    /// What comparing with a row of it takes.
    cost: RowCost,
    /// Rows of each query, those included that the answer begins behind.
    k: usize,
    /// Which keys they may have.
    keys: KeyRange,
    /// Query vectors in stored form, one after another.
    queries: bytes::Bytes,
    scratches: Arc<Scratches>,
    pools: Arc<Pools>,
    quotas: Arc<QuotaBook>,
    /// Queries that go over rows together, at most.
    together_max: usize,
    cancel: Cancel,
    missed: Missed,
}

/// A search with a plan for every segment.
struct Prepared {
    asked: Asked,
    /// One for each segment of the view.
    parts: Vec<Part>,
    /// For all queries.
    estimated_nanos: u64,
}

/// What a search does with a segment.
struct Part {
    plan: SearchPlan,
    /// What it is predicted to take.
    nanos: u64,
    passing: Passing,
}

impl Part {
    fn new(prediction: &Prediction, passing: Passing) -> Self {
        Self { plan: prediction.plan, nanos: prediction.cost.nanos, passing }
    }

    /// How many rows the segment is asked for of which `k` are wanted.
    fn k_of(&self, k: usize) -> usize {
        k.min(usize::try_from(self.passing.count).unwrap_or(usize::MAX))
    }
}

impl Deref for Prepared {
    type Target = Asked;

    fn deref(&self) -> &Asked {
        &self.asked
    }
}

/// How the rows of an answer are read and scored.
struct Wish<'a> {
    wanted: Wanted<'a>,
    comparer: Comparer,
}

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
        let asked = match self.ask(database, collection, search, cancel) {
            Ok(asked) => asked,
            Err(error) => return done(Err(error)),
        };
        asked.keep_sample();
        // What groups and pages take beyond the first rows is not known.
        let evaluation_nanos = asked.evaluation_nanos();
        let collection = Arc::clone(&asked.live.info);
        if asked.grouping.is_some()
            || asked.paging.is_some()
            || evaluation_nanos > EVALUATE_NANOS_MAX
        {
            let place = (&*collection, evaluation_nanos.max(UNKNOWN_NANOS_MIN), None);
            return self.on_pool(place, done, move |mut permit, done| match asked.prepare(true) {
                Ok(prepared) => {
                    let nanos = evaluation_nanos.saturating_add(prepared.estimated_nanos);
                    permit.raise(Duration::from_nanos(nanos));
                    prepared.finish(with_permit(permit, done));
                }
                Err(error) => done(Err(error)),
            });
        }
        match asked.prepare(false) {
            Err(error) => done(Err(error)),
            Ok(prepared) if prepared.estimated_nanos <= self.inline_nanos_max() => {
                done(prepared.run(false));
            }
            Ok(prepared) => {
                let node = (self.pools().node_count() > 1).then(|| prepared.node());
                let place = (&*collection, prepared.estimated_nanos, node);
                self.on_pool(place, done, move |permit, done| {
                    prepared.finish(with_permit(permit, done));
                });
            }
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

    fn ask(
        &self,
        database: &str,
        collection: &str,
        mut search: Search,
        cancel: Cancel,
    ) -> Result<Asked> {
        let live = Arc::clone(&self.live(database, collection)?);
        self.quotas().admit_cpu(&live.info)?;
        let schema = &live.info.spec.schema;
        let (column, kind) = schema.vector_column(&search.vector_column)?;
        Wanted::new(schema, &search.columns)?;
        search.effort.check()?;
        let grouping =
            Grouping::new(schema, &search, || self.group_texts(limits::MESSAGE_BYTES_MAX))?;
        let count = query_count(&column.name, kind, &search)?;
        let encoded = vectors::encode(&column.name, kind, count, &search.queries)?;
        let view = live.shard()?.view();
        if !search.partial_ok {
            view.check_whole()?;
        }
        let filter = self.compile(&live, search.filter.as_ref())?.map(Arc::new);
        let (queries, column) = (encoded.bytes, column.id);
        let paging = Paging::new(&live.info, (column, kind), &search, &queries)?;
        let mut keys = range::keys_of(&search, kind.metric())?;
        let mut k = search.k + search.offset;
        if let Some(paging) = &paging {
            k = paging.rows_of_an_index();
            keys.least = keys.least.max(paging.least());
        }
        if let Some(grouping) = &grouping {
            // It passes over groups by itself.
            (k, search.offset) = (grouping.first_rows(), 0);
        }
        let scratches = Arc::clone(self.scratches());
        let quotas = Arc::clone(self.quotas());
        Ok(Asked {
            live,
            view,
            search,
            filter,
            grouping,
            paging,
            column,
            kind,
            cost: self.machine_profile().row_cost(kind),
            k,
            keys,
            queries,
            scratches,
            pools: Arc::clone(self.maintenance().pools()),
            quotas,
            together_max: self.options().queries_together_max.max(1),
            cancel,
            missed: Missed::default(),
        })
    }
}

/// How many query vectors there are, within the limits.
fn query_count(column: &str, kind: VectorType, search: &Search) -> Result<usize> {
    let (k, k_max) = (search.k, limits::K_MAX);
    if k == 0 || k > k_max {
        return Err(Error::invalid(format!("k {k} is not between 1 and {k_max}")));
    }
    let offset = search.offset;
    if offset > k_max - k {
        return Err(Error::invalid(format!(
            "offset {offset} and k {k} are together more than the limit of {k_max}"
        )));
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
    let k = (k + offset) * search.group_by.as_ref().map_or(1, |groups| groups.size);
    let (hits, hits_max) = (count * k, limits::HITS_MAX);
    if hits > hits_max {
        return Err(Error::invalid(format!(
            "{count} queries for {k} rows each, offset included, want {hits} rows, the limit is {hits_max}; split them"
        )));
    }
    Ok(count)
}

impl Asked {
    /// About how long it takes to find the rows that pass.
    fn evaluation_nanos(&self) -> u64 {
        self.filter.as_ref().map_or(0, |filter| filter.estimated_nanos(&self.view))
    }

    /// Evaluates the filter, on the pool all segments at once, and plans each segment.
    fn prepare(self, on_pool: bool) -> Result<Prepared> {
        let count = self.query_count();
        let part = |(at, segment): (usize, &SegmentView)| -> Result<Part> {
            if let Err(stopped) = self.cancel.check() {
                self.forgo(stopped, at, count)?;
                let passing = Passing { rows: None, count: 0 };
                return Ok(Part { plan: SearchPlan::Skip, nanos: 0, passing });
            }
            let passing = match &self.filter {
                None => Passing::live(segment),
                Some(filter) => filter.passing(segment)?,
            };
            Ok(Part::new(&self.candidates(segment, passing.count).best(), passing))
        };
        let segments = &self.view.segments;
        let parts = if on_pool {
            segments.par_iter().enumerate().map(part).collect::<Result<_>>()?
        } else {
            let mut parts = Vec::with_capacity(segments.len());
            for segment in segments.iter().enumerate() {
                parts.push(part(segment)?);
            }
            parts
        };
        let per_query: u64 = parts.iter().map(|part| part.nanos).sum();
        let estimated_nanos = per_query.saturating_mul(count as u64);
        Ok(Prepared { asked: self, parts, estimated_nanos })
    }
}

impl Prepared {
    /// Runs the search and charges its quotas with the time of the threads it had.
    fn run(&self, on_pool: bool) -> Result<SearchAnswer> {
        let spread = on_pool && self.estimated_nanos >= SPREAD_NANOS_MIN;
        let threads = if spread { rayon::current_num_threads() } else { 1 };
        self.quotas.charged(&self.live.info, threads, || self.run_all(spread))
    }

    /// Runs the search; spread, its parts are taken by all threads of the pool.
    fn run_all(&self, spread: bool) -> Result<SearchAnswer> {
        let wish = Wish {
            wanted: Wanted::new(&self.live.info.spec.schema, &self.search.columns)?,
            comparer: Comparer::new(self.kind, kernels()),
        };
        let row_bytes = self.kind.row_bytes();
        let count = self.queries.len() / row_bytes;
        let is_alone = self.grouping.is_some() || self.paging.is_some();
        let threads = if spread { rayon::current_num_threads() } else { 1 };
        let together = if is_alone { 1 } else { self.queries_together(count, threads) };
        let mut computed = 0;
        let mut results = Vec::with_capacity(count);
        let mut add = |(hits, distances)| {
            results.push(hits);
            computed += distances;
        };
        if together > 1 {
            let groups = || self.queries.chunks(together * row_bytes);
            let run = |group| self.run_together(group, &wish);
            let answers: Vec<_> = if spread {
                let groups: Vec<_> = groups().collect();
                groups.into_par_iter().map(run).collect::<Result<_, Stopped>>()?
            } else {
                groups().map(run).collect::<Result<_, Stopped>>()?
            };
            answers.into_iter().flatten().for_each(&mut add);
        } else if spread && count > 1 {
            let queries = self.queries.par_chunks_exact(row_bytes);
            let answers = queries.map(|query| self.run_query(query, &wish, false));
            answers.collect::<Result<Vec<_>>>()?.into_iter().for_each(&mut add);
        } else {
            for query in self.queries.chunks_exact(row_bytes) {
                add(self.run_query(query, &wish, spread)?);
            }
        }
        let (nearer, report) = (Nearer::of(self.kind.metric()), self.report(computed));
        Ok(SearchAnswer { results, nearer, report, missing: self.missing() })
    }

    /// What is found for a query, and the distances computed.
    fn run_query(&self, query: &[u8], wish: &Wish<'_>, spread: bool) -> Result<(QueryHits, u64)> {
        if let Some(grouping) = &self.grouping {
            return self.run_grouped(query, grouping, wish, spread);
        }
        if let Some(paging) = &self.paging {
            return self.run_page(query, paging, wish, spread);
        }
        if spread {
            let (candidates, distances) = self.nearest_spread(query)?;
            return Ok((self.hits(wish, &candidates), distances));
        }
        self.scratches.with(|worker| {
            let distances = self.nearest(query, worker)?;
            Ok((self.hits(wish, &worker.candidates), distances))
        })
    }

    /// Makes the nearest rows of all segments the candidates, nearest first; the
    /// distances computed.
    fn nearest(&self, query: &[u8], worker: &mut Worker) -> Result<u64, Stopped> {
        let distances =
            self.each_segment_in_turn(worker, |at, worker| self.run_segment(query, at, worker))?;
        self.keep_nearest(&mut worker.candidates);
        Ok(distances)
    }

    /// Lets `run` add what it finds in each segment to the candidates, those with most
    /// rows first; the distances computed.
    fn each_segment_in_turn(
        &self,
        worker: &mut Worker,
        mut run: impl FnMut(usize, &mut Worker) -> Result<u64, Stopped>,
    ) -> Result<u64, Stopped> {
        let mut distances = 0;
        // Within a radius all rows count, however near those of other segments are.
        worker.competes = self.parts.len() > 1 && self.keys == KeyRange::ALL;
        worker.scratch.forget_rivals();
        // Those that are likely to have the nearest rows first: others end the sooner.
        worker.order.clear();
        worker.order.extend(0..self.parts.len());
        worker.order.sort_unstable_by_key(|at| (Reverse(self.parts[*at].passing.count), *at));
        for place in 0..self.parts.len() {
            distances += run(worker.order[place], worker)?;
        }
        Ok(distances)
    }

    /// [`nearest`](Self::nearest) by all threads of the pool.
    fn nearest_spread(&self, query: &[u8]) -> Result<(Vec<Candidate>, u64), Stopped> {
        let run = |at| {
            self.scratches.with(|worker| {
                let distances = self.run_segment(query, at, worker)?;
                Ok((worker.candidates.clone(), distances))
            })
        };
        let segments = (0..self.view.segments.len()).into_par_iter();
        let found: Vec<_> = segments.map(run).collect::<Result<_, Stopped>>()?;
        let mut candidates = Vec::new();
        found.iter().for_each(|(found, _)| candidates.extend_from_slice(found));
        self.keep_nearest(&mut candidates);
        Ok((candidates, found.iter().map(|(_, distances)| distances).sum()))
    }

    /// Leaves the `k` nearest behind the offset, in order: those that are equally near by
    /// id, wherever they lie. No id has two rows that live.
    fn keep_nearest(&self, candidates: &mut Vec<Candidate>) {
        candidates.sort_unstable_by(Candidate::by_distance);
        let are_equal = |a: &Candidate, b: &Candidate| a.key.total_cmp(&b.key).is_eq();
        for equal in candidates.chunk_by_mut(are_equal).filter(|equal| equal.len() > 1) {
            equal.sort_unstable_by(|a, b| self.id_of(a).cmp(&self.id_of(b)));
        }
        candidates.truncate(self.k);
        candidates.drain(..self.search.offset.min(candidates.len()));
    }

    fn id_of(&self, found: &Candidate) -> IdRef<'_> {
        let (rows, row) = source(&self.view, found.segment, found.row);
        id_ref(&rows.ids, row as usize)
    }

    /// Adds the nearest rows of a segment to the candidates; the distances computed.
    fn run_segment(&self, query: &[u8], at: usize, worker: &mut Worker) -> Result<u64, Stopped> {
        self.run_segment_for(query, at, self.k, worker)
    }

    /// The same for as many rows.
    fn run_segment_for(
        &self,
        query: &[u8],
        at: usize,
        k: usize,
        worker: &mut Worker,
    ) -> Result<u64, Stopped> {
        let part = &self.parts[at];
        let k = part.k_of(k);
        if k == 0 {
            return Ok(0);
        }
        if let Err(stopped) = self.cancel.check() {
            return self.forgo(stopped, at, 1).map(|()| 0);
        }
        worker.found.clear();
        let outcome = match &self.view.segments[at] {
            SegmentView::Memory(memory) => {
                let allowed = part.passing.rows.as_deref();
                self.search_memory(query, memory, allowed, (part.plan, k), worker)
            }
            SegmentView::Sealed(sealed) => {
                self.count_search(sealed);
                self.search_sealed(query, sealed, (part, k), worker)
            }
        };
        let candidate =
            |found: &Neighbor| Candidate { key: found.key, segment: at, row: found.row };
        // What was found before the deadline counts, if only that is wanted.
        worker.candidates.extend(worker.found.iter().map(candidate));
        outcome.or_else(|stopped| self.forgo(stopped, at, 1).map(|()| 0))
    }

    fn search_sealed(
        &self,
        query: &[u8],
        sealed: &SealedView,
        (part, k): (&Part, usize),
        worker: &mut Worker,
    ) -> Result<u64, Stopped> {
        if let Some(interim) = self.interim(sealed) {
            return self.search_interim(query, interim, (part.plan, k), worker);
        }
        let Some(column) = sealed.sealed.rows.vectors(self.column) else { return Ok(0) };
        if let Some(nearest) = self.search_index(query, sealed, (part, k), worker)? {
            worker.found.extend_from_slice(&nearest.neighbors);
            worker.scratch.give_back(nearest.neighbors);
            worker.work += nearest.work;
            return Ok(nearest.work.distances);
        }
        let (mut work, allowed) = (Work::default(), part.passing.rows.as_deref());
        let Worker { scratch, top, found, competes, .. } = worker;
        top.reset_among(k, self.keys);
        let outcome = scan(&column.vectors, query, allowed, 0, top, &mut work, &self.cancel);
        top.drain_into(found);
        outcome?;
        if *competes {
            scratch.add_rivals(found);
        }
        worker.work += work;
        Ok(work.distances)
    }

    fn hits(&self, wish: &Wish<'_>, candidates: &[Candidate]) -> QueryHits {
        let sources = candidates.iter().map(|found| source(&self.view, found.segment, found.row));
        let scores = candidates.iter().map(|found| wish.comparer.score(found.key)).collect();
        let rows = fetch(&self.live.info.spec.schema, &wish.wanted, sources);
        QueryHits { rows, scores, groups: Vec::new(), next: None }
    }
}

fn count_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Logs and counts that an engine failed, whose rows are scanned then.
fn go_on_without(error: SearchError, sealed: &SealedView, index: &Index) -> Result<(), Stopped> {
    match error {
        SearchError::Stopped(stopped) => Err(stopped),
        SearchError::Engine(error) => {
            let (segment, params) = (sealed.sealed.id, index.params());
            tracing::error!(%segment, %params, %error, "scanning instead of the index");
            metrics::counter!("vicinal_search_engine_failures_total").increment(1);
            Ok(())
        }
    }
}
