//! Walking over records towards a query.
//!
//! Plainly: while a vertex may be nearer, by its estimate, than the `effort`
//! nearest expanded, expand the nearest such: compare its vector with the query,
//! which is a result, and estimate the keys of its neighbours, which are candidates.
//!
//! Tricks: (1) the vertex to expand next is chosen, and its record asked for,
//! before the present one is expanded: the walk is one step behind what it
//! knows, needs a twentieth more steps, and waits for memory half as long; (2)
//! records are asked for into the second cache, which more requests can be under
//! way to than to the first, and how much of a record is measured; (3) one pass
//! over a block of codes estimates 32 keys, and a comparison with the worst
//! candidate leaves few of them; (4) a vertex may be a candidate more than once,
//! with estimates made from different neighbours: remembering who is a candidate
//! already would cost more, and many ways lead to what is near, so that a walk may
//! end the sooner for it; (5) nothing is allocated after the first search, and
//! only the bits that a search has set are cleared.

use super::coded::CodedScratch;
use super::pool::Pool;
use super::query::Query;
use super::records::{LANES, Layout};
use crate::Work;
use crate::neighbors::Ranked;
use crate::rivals::Rivals;
use vicinal_distance::{Comparer, Estimate, Kernels, prefetch_far};
use vicinal_types::{Cancel, Stopped};

/// Expansions between two looks at the clock.
const EXPANDED_PER_CHECK: u64 = 64;

/// Memory of a search, used again by the next.
#[derive(Debug, Default)]
pub(crate) struct GraphScratch {
    pub(super) query: Query,
    /// The query as vectors stand in records.
    pub(super) stored: Vec<u8>,
    /// One bit for every vertex expanded; all clear between searches.
    expanded: Vec<u64>,
    /// Candidates by estimate.
    pool: Pool,
    pub(super) coded: CodedScratch,
    /// The last walk ended before it had found what it looked for.
    pub(super) has_given_up: bool,
    /// It ended because nearer rows are in other segments.
    pub(super) is_beaten: bool,
    /// Exact keys of the vertices expanded, in that order.
    pub(super) found: Vec<Ranked>,
}

/// Where the record of a vertex lies.
pub(super) trait Records {
    /// The record of one of the vertices that a walk was told of, and the same bytes
    /// until it ends: as long as its layout says, from an address divisible by four on.
    fn record(&self, vertex: u32) -> &[u8];
}

/// Records one after another.
pub(super) struct Contiguous<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) record_bytes: usize,
}

impl Records for Contiguous<'_> {
    #[inline]
    fn record(&self, vertex: u32) -> &[u8] {
        &self.bytes[vertex as usize * self.record_bytes..][..self.record_bytes]
    }
}

/// What is walked on, and how far.
pub(super) struct Walk<'a, R> {
    pub(super) kernels: &'static Kernels,
    pub(super) comparer: &'a Comparer,
    pub(super) layout: &'a Layout,
    pub(super) records: &'a R,
    /// Bytes that are asked for: of the next record, what is left of that of the
    /// candidate behind it.
    pub(super) bytes_ahead: usize,
    pub(super) vertices: usize,
    pub(super) reach: Reach<'a>,
}

/// How far to walk.
#[derive(Clone, Copy)]
pub(super) struct Reach<'a> {
    /// Nearest kept.
    pub(super) effort: usize,
    /// Candidates beside the nearest results, where not all vertices may be results.
    pub(super) open_max: Option<usize>,
    /// Results wanted, at most `effort`.
    pub(super) wanted: usize,
    /// A vertex to pass by as if it were not there.
    pub(super) without: Option<u32>,
    /// Which vertices may be results; `None`: all.
    pub(super) passes: Option<&'a dyn Fn(u32) -> bool>,
    /// A walk may give up after so many vertices.
    pub(super) expanded_max: u64,
    /// It may give up once it has expanded more than so many for each that may be a
    /// result.
    pub(super) expanded_per_result_max: u64,
    pub(super) cancel: &'a Cancel,
}

impl GraphScratch {
    /// Forgets the last search, but for the query.
    pub(super) fn begin(&mut self, vertices: usize, reach: &Reach<'_>) {
        let words = vertices.div_ceil(64);
        if self.expanded.len() < words {
            self.expanded.resize(words, 0);
        }
        self.pool.begin(reach.effort, reach.wanted, reach.open_max);
        self.found.clear();
        (self.has_given_up, self.is_beaten) = (false, false);
    }

    /// Lets what was found elsewhere compete with what the walk finds.
    pub(super) fn compete(&mut self, rivals: &mut Rivals, rows: u32) {
        self.pool.compete(std::mem::take(rivals), rows);
    }

    /// Gives the rivals back with what the walk found.
    pub(super) fn end_competition(&mut self, rivals: &mut Rivals) {
        if let Some((more, is_beaten)) = self.pool.take_rivals() {
            (*rivals, self.is_beaten) = (more, is_beaten);
        }
    }

    /// Makes a vertex a candidate.
    pub(super) fn offer(&mut self, kernels: &Kernels, key: f32, vertex: u32) {
        self.pool.offer(kernels, key, vertex);
    }

    #[inline]
    fn is_expanded(&self, vertex: u32) -> bool {
        self.expanded[vertex as usize / 64] >> (vertex % 64) & 1 == 1
    }

    #[inline]
    fn set_expanded(&mut self, vertex: u32) {
        self.expanded[vertex as usize / 64] |= 1 << (vertex % 64);
    }
}

impl<R: Records> Walk<'_, R> {
    /// Walks from the candidates in the scratch on; leaves what it found there.
    pub(super) fn run(&self, scratch: &mut GraphScratch, work: &mut Work) -> Result<(), Stopped> {
        if let Some(without) = self.reach.without {
            scratch.set_expanded(without);
        }
        let ended = self.expand_all(scratch, work);
        let expanded = scratch.found.iter().map(|found| found.id()).chain(self.reach.without);
        expanded.for_each(|vertex| scratch.expanded[vertex as usize / 64] = 0);
        ended
    }

    fn expand_all(&self, scratch: &mut GraphScratch, work: &mut Work) -> Result<(), Stopped> {
        let mut next = self.take(scratch);
        while let Some(vertex) = next {
            next = self.take(scratch);
            work.expanded += 1;
            self.expand(vertex, scratch);
            if work.expanded.is_multiple_of(EXPANDED_PER_CHECK) {
                let stopped = self.reach.cancel.check();
                scratch.has_given_up = self.gives_up(scratch.pool.results(), work.expanded);
                if stopped.is_err() || scratch.has_given_up {
                    // Everything taken must be among the found, whose bits are cleared.
                    scratch.found.extend(next.map(|vertex| Ranked::new(f32::MAX, vertex)));
                    return stopped;
                }
            }
            if next.is_none() {
                next = self.take(scratch);
            }
        }
        let count = scratch.found.len() as u64;
        work.distances += count;
        work.estimates += count * self.layout.degree as u64;
        Ok(())
    }

    /// Whether to go on is likely to cost more than it finds.
    fn gives_up(&self, results: usize, expanded: u64) -> bool {
        let Reach { expanded_max, expanded_per_result_max, .. } = self.reach;
        let enough = expanded_per_result_max.saturating_mul(results as u64);
        expanded >= expanded_max || expanded > enough && self.reach.passes.is_some()
    }

    /// Takes the nearest candidate not yet expanded and asks for its record.
    #[inline]
    fn take(&self, scratch: &mut GraphScratch) -> Option<u32> {
        while let Some(candidate) = scratch.pool.take() {
            let vertex = candidate.id();
            if !scratch.is_expanded(vertex) {
                scratch.set_expanded(vertex);
                self.ask(vertex, scratch.pool.next());
                return Some(vertex);
            }
            if self.may_be_result(vertex) {
                scratch.pool.close_again(self.kernels, candidate);
            }
        }
        None
    }

    /// Asks for a record, and for that of the candidate after it as far as
    /// `bytes_ahead` goes beyond it.
    #[inline]
    fn ask(&self, vertex: u32, then: Option<Ranked>) {
        let record = self.records.record(vertex);
        prefetch_far(&record[..self.bytes_ahead.min(record.len())]);
        if let Some(beyond) = self.bytes_ahead.checked_sub(record.len())
            && let Some(then) = then
        {
            prefetch_far(&self.records.record(then.id())[..beyond]);
        }
    }

    #[inline]
    fn may_be_result(&self, vertex: u32) -> bool {
        self.reach.passes.is_none_or(|passes| passes(vertex))
    }

    #[inline]
    fn expand(&self, vertex: u32, scratch: &mut GraphScratch) {
        let record = self.records.record(vertex);
        let kernels = self.kernels;
        let key = self.comparer.key(&scratch.stored, &record[self.layout.vector.clone()]);
        scratch.found.push(Ranked::new(key, vertex));
        if self.may_be_result(vertex) {
            scratch.pool.close(kernels, Ranked::new(key, vertex));
        }
        for block in 0..self.layout.degree / LANES {
            let block = self.layout.block(record, block);
            let (mut sums, mut keys) = ([0; LANES], [0.0; LANES]);
            kernels.fastscan(block.codes, &scratch.query.tables, &mut sums);
            let estimate = Estimate {
                base: key,
                scale: scratch.query.scale,
                shift: scratch.query.shift,
                bound: scratch.pool.bound(),
            };
            let mut near = kernels.estimates(&sums, block.adds, block.factors, estimate, &mut keys);
            while near != 0 {
                let lane = near.trailing_zeros() as usize;
                near &= near - 1;
                let neighbor = block.ids[lane];
                // Damaged records may name vertices that do not exist.
                if (neighbor as usize) < self.vertices && !scratch.is_expanded(neighbor) {
                    scratch.pool.offer(kernels, keys[lane], neighbor);
                }
            }
        }
    }
}
