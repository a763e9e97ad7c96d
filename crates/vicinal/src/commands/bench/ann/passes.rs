//! Timed passes over all queries.

use super::data::Data;
use crate::failure::Failure;
use crate::recall;
use rayon::prelude::*;
use std::time::Duration;
use vicinal_index::{Found, Index, Scratch, Search, SearchError, Vectors};
use vicinal_types::{Bitmap, Cancel, Clock as _, SystemClock};

/// Indexes with what they are searched for.
pub(super) struct Searched<'a> {
    /// The segments, one after another all rows.
    pub(super) segments: &'a [Segment],
    /// Whether each is searched as if there were no others.
    pub(super) apart: bool,
    pub(super) data: &'a Data,
    /// Passes over all queries; the best counts.
    pub(super) passes: u32,
    /// Queries handed over together.
    pub(super) batch: usize,
}

/// Some of the rows, and their index.
pub(super) struct Segment {
    pub(super) vectors: Vectors,
    /// The rows that may be found; `None`: all.
    pub(super) allowed: Option<Bitmap>,
    pub(super) index: Index,
}

/// What an effort gives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) recall: f64,
    pub(super) qps: f64,
    /// Rows or codes compared, by query.
    pub(super) distances: f64,
    /// Vertices expanded, by query.
    pub(super) expanded: f64,
    /// Pages touched, by query.
    pub(super) pages: f64,
    /// Pages that came from disk, by query, if they were counted.
    pub(super) pages_read: Option<f64>,
}

/// What one pass gave.
#[derive(Default)]
pub(super) struct Pass {
    pub(super) took: Duration,
    recalls: f64,
    distances: u64,
    expanded: u64,
    pages: u64,
}

impl Pass {
    pub(super) fn add(&mut self, found: &Found, truth: &[f32]) {
        let keys: Vec<_> = found.neighbors.iter().map(|neighbor| neighbor.key).collect();
        self.recalls += recall::by_keys(&keys, truth);
        self.distances += found.work.distances;
        self.expanded += found.work.expanded;
        self.pages += found.work.pages;
    }

    pub(super) fn measured(&self, queries: f64) -> Measured {
        Measured {
            recall: self.recalls / queries,
            qps: queries / self.took.as_secs_f64().max(1e-9),
            distances: self.distances as f64 / queries,
            expanded: self.expanded as f64 / queries,
            pages: self.pages as f64 / queries,
            pages_read: None,
        }
    }
}

impl Searched<'_> {
    /// The best of some passes.
    pub(super) fn measure(
        &self,
        k: usize,
        effort: usize,
        pool: &rayon::ThreadPool,
    ) -> Result<Measured, Failure> {
        let search = Search::new(k, effort);
        let mut best: Option<Pass> = None;
        for _ in 0..self.passes {
            let pass = if self.batch > 1 {
                self.pass_batched(&search)
            } else if pool.current_num_threads() == 1 {
                self.pass_alone(&search)
            } else {
                self.pass_together(&search, pool)
            };
            let pass = pass.map_err(|stopped| Failure::new(stopped.to_string()))?;
            if best.as_ref().is_none_or(|best| pass.took < best.took) {
                best = Some(pass);
            }
        }
        let queries = f64::from(self.data.queries.len()).max(1.0);
        let best = best.ok_or_else(|| Failure::new("--passes is at least 1"))?;
        Ok(best.measured(queries))
    }

    /// The nearest rows of all segments.
    fn find(
        &self,
        query: &[u8],
        search: &Search<'_>,
        scratch: &mut Scratch,
        cancel: &Cancel,
    ) -> Result<Found, SearchError> {
        let competes = self.segments.len() > 1 && !self.apart;
        let mut all: Option<Found> = None;
        scratch.forget_rivals();
        for Segment { vectors, allowed, index } in self.segments {
            let search = Search { allowed: allowed.as_ref(), competes, ..*search };
            let found = index.search(vectors, query, &search, scratch, cancel)?;
            let Some(all) = &mut all else {
                all = Some(found);
                continue;
            };
            all.neighbors.extend_from_slice(&found.neighbors);
            all.work += found.work;
            scratch.give_back(found.neighbors);
        }
        let mut all = all.unwrap_or_default();
        if self.segments.len() > 1 {
            all.neighbors.sort_unstable_by(|a, b| a.key.total_cmp(&b.key));
            all.neighbors.truncate(search.k);
        }
        Ok(all)
    }

    /// Every query timed alone, on this thread: the sum of their times.
    fn pass_alone(&self, search: &Search<'_>) -> Result<Pass, SearchError> {
        let Data { queries, truth, .. } = self.data;
        let (mut scratch, cancel) = (Scratch::default(), Cancel::never());
        let mut pass = Pass::default();
        for (query, truth) in (0..queries.len()).zip(truth) {
            let vector = queries.row(query);
            let started = SystemClock.now();
            let found = self.find(vector, search, &mut scratch, &cancel)?;
            pass.took += SystemClock.now().saturating_duration_since(started);
            pass.add(&found, truth);
            scratch.give_back(found.neighbors);
        }
        Ok(pass)
    }

    /// Every batch of queries timed alone, on this thread: the sum of their times.
    fn pass_batched(&self, search: &Search<'_>) -> Result<Pass, SearchError> {
        let Data { queries, truth, .. } = self.data;
        let Some(Segment { vectors, index, allowed }) = self.segments.first() else {
            return Ok(Pass::default());
        };
        let search = Search { allowed: allowed.as_ref(), ..*search };
        let (mut scratch, cancel) = (Scratch::default(), Cancel::never());
        let mut pass = Pass::default();
        let batches = queries.bytes().chunks(self.batch * queries.vector_type().row_bytes());
        for (batch, truth) in batches.zip(truth.chunks(self.batch)) {
            let started = SystemClock.now();
            let found = index.search_many(vectors, batch, &search, &mut scratch, &cancel)?;
            pass.took += SystemClock.now().saturating_duration_since(started);
            found.iter().zip(truth).for_each(|(found, truth)| pass.add(found, truth));
        }
        Ok(pass)
    }

    /// All queries on all threads of the pool: the time from first to last.
    fn pass_together(
        &self,
        search: &Search<'_>,
        pool: &rayon::ThreadPool,
    ) -> Result<Pass, SearchError> {
        let Data { queries, truth, .. } = self.data;
        let started = SystemClock.now();
        let found: Vec<_> = pool.install(|| {
            let searched = (0..queries.len()).into_par_iter().map_init(
                || (Scratch::default(), Cancel::never()),
                |(scratch, cancel), query| self.find(queries.row(query), search, scratch, cancel),
            );
            searched.collect::<Result<_, _>>()
        })?;
        let took = SystemClock.now().saturating_duration_since(started);
        let mut pass = Pass { took, ..Pass::default() };
        found.iter().zip(truth).for_each(|(found, truth)| pass.add(found, truth));
        Ok(pass)
    }
}
