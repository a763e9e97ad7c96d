//! Walking over records towards a query.
//!
//! Plainly: while there is a candidate not yet expanded among the `effort`
//! nearest, expand the nearest: compare its vector with the query, which is a
//! result, and estimate the keys of its neighbours, which are candidates.
//!
//! Tricks: (1) the vertex to expand next is chosen, and its record asked for,
//! before the present one is expanded: the walk is one step behind what it
//! knows, needs a twentieth more steps, and waits for memory half as long; (2)
//! records are asked for into the second cache, which more requests can be under
//! way to than to the first; (3) one pass over a block of codes estimates 32
//! keys, and a comparison with the worst candidate leaves few of them; (4) a
//! vertex may be a candidate more than once, with estimates made from different
//! neighbours: the best one counts, and remembering who is a candidate already
//! would cost more; (5) nothing is allocated after the first search, and only
//! the bits that a search has set are cleared.

use super::query::Query;
use super::records::{LANES, Layout};
use crate::Work;
use crate::neighbors::Ranked;
use vicinal_distance::{Comparer, Estimate, Kernels, prefetch_far};
use vicinal_types::{Cancel, Stopped, limits};

/// Expansions between two looks at the clock.
const EXPANDED_PER_CHECK: u64 = 64;

const _: () = assert!(limits::SEGMENT_ROWS_MAX < 1 << 31, "a vertex shares 32 bits with a flag");

/// Memory of a search, used again by the next.
#[derive(Debug, Default)]
pub(crate) struct GraphScratch {
    pub(super) query: Query,
    /// The query as vectors stand in records.
    pub(super) stored: Vec<u8>,
    /// One bit for every vertex expanded; all clear between searches.
    expanded: Vec<u64>,
    /// Candidates by estimate; numbers are vertex × 2 + expanded.
    pool: Vec<Ranked>,
    /// Before it in the pool, all candidates are expanded.
    cursor: usize,
    /// Exact keys of the vertices expanded, in that order.
    pub(super) found: Vec<Ranked>,
}

/// What is walked on, and how far.
pub(super) struct Walk<'a> {
    pub(super) kernels: &'static Kernels,
    pub(super) comparer: &'a Comparer,
    pub(super) layout: &'a Layout,
    pub(super) records: &'a [u8],
    pub(super) vertices: usize,
    pub(super) reach: Reach<'a>,
}

/// How far to walk.
#[derive(Clone, Copy)]
pub(super) struct Reach<'a> {
    /// Candidates kept.
    pub(super) effort: usize,
    /// A vertex to pass by as if it were not there.
    pub(super) without: Option<u32>,
    pub(super) cancel: &'a Cancel,
}

impl GraphScratch {
    /// Forgets the last search, but for the query.
    pub(super) fn begin(&mut self, vertices: usize) {
        let words = vertices.div_ceil(64);
        if self.expanded.len() < words {
            self.expanded.resize(words, 0);
        }
        self.pool.clear();
        self.found.clear();
        self.cursor = 0;
    }

    /// Makes a vertex a candidate, unless `effort` nearer ones are there.
    #[inline]
    pub(super) fn offer(&mut self, kernels: &Kernels, effort: usize, key: f32, vertex: u32) {
        let ranked = Ranked::new(key, vertex * 2);
        if self.pool.len() < effort {
            self.pool.push(Ranked::FARTHEST);
        } else if self.pool.last().is_some_and(|worst| *worst < ranked) {
            return;
        }
        let at = kernels.insert_sorted(Ranked::numbers(&mut self.pool), ranked.number());
        self.cursor = self.cursor.min(at);
    }

    /// The nearest candidate not yet expanded, from now on expanded.
    #[inline]
    fn take(&mut self) -> Option<u32> {
        while let Some(candidate) = self.pool.get_mut(self.cursor) {
            self.cursor += 1;
            let vertex = candidate.id() / 2;
            if candidate.id() % 2 == 1 || self.is_expanded(vertex) {
                continue;
            }
            self.pool[self.cursor - 1].mark();
            self.expanded[vertex as usize / 64] |= 1 << (vertex % 64);
            return Some(vertex);
        }
        None
    }

    #[inline]
    fn is_expanded(&self, vertex: u32) -> bool {
        self.expanded[vertex as usize / 64] >> (vertex % 64) & 1 == 1
    }

    /// The key above which a vertex is no candidate.
    #[inline]
    fn bound(&self, effort: usize) -> f32 {
        if self.pool.len() < effort { f32::INFINITY } else { self.pool[effort - 1].key() }
    }
}

impl Walk<'_> {
    /// Walks from the candidates in the scratch on; leaves what it found there.
    pub(super) fn run(&self, scratch: &mut GraphScratch, work: &mut Work) -> Result<(), Stopped> {
        if let Some(without) = self.reach.without {
            scratch.expanded[without as usize / 64] |= 1 << (without % 64);
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
            let stopped = if work.expanded.is_multiple_of(EXPANDED_PER_CHECK) {
                self.reach.cancel.check()
            } else {
                Ok(())
            };
            self.expand(vertex, scratch);
            if stopped.is_err() {
                // Everything taken must be among the found, whose bits are cleared.
                scratch.found.extend(next.map(|vertex| Ranked::new(0.0, vertex)));
                return stopped;
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

    /// Takes the nearest candidate and asks for its record.
    #[inline]
    fn take(&self, scratch: &mut GraphScratch) -> Option<u32> {
        let vertex = scratch.take()?;
        prefetch_far(self.record(vertex));
        Some(vertex)
    }

    #[inline]
    fn record(&self, vertex: u32) -> &[u8] {
        &self.records[vertex as usize * self.layout.bytes..][..self.layout.bytes]
    }

    #[inline]
    fn expand(&self, vertex: u32, scratch: &mut GraphScratch) {
        let record = self.record(vertex);
        let Self { kernels, reach: Reach { effort, .. }, .. } = *self;
        let key = self.comparer.key(&scratch.stored, &record[self.layout.vector.clone()]);
        scratch.found.push(Ranked::new(key, vertex));
        for block in 0..self.layout.degree / LANES {
            let block = self.layout.block(record, block);
            let (mut sums, mut keys) = ([0; LANES], [0.0; LANES]);
            self.kernels.fastscan(block.codes, &scratch.query.tables, &mut sums);
            let estimate = Estimate {
                base: key,
                scale: scratch.query.scale,
                shift: scratch.query.shift,
                bound: scratch.bound(effort),
            };
            let mut near = kernels.estimates(&sums, block.adds, block.factors, estimate, &mut keys);
            while near != 0 {
                let lane = near.trailing_zeros() as usize;
                near &= near - 1;
                let neighbor = block.ids[lane];
                // Damaged records may name vertices that do not exist.
                if (neighbor as usize) < self.vertices && !scratch.is_expanded(neighbor) {
                    scratch.offer(kernels, effort, keys[lane], neighbor);
                }
            }
        }
    }
}
