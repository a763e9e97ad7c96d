//! Walking a layer towards a query.
//!
//! Plainly: while the nearest candidate not yet expanded is among the `effort`
//! nearest, mark it expanded and compare the query with those of its neighbours
//! that were not seen before.
//!
//! Tricks: (1) candidates are single integers, key above number, in a sorted
//! array whose end falls off; (2) the lowest bit says "expanded", so the array is
//! queue and result at once; (3) a vertex's unseen neighbours are collected
//! first, and each is asked for a few before it is compared: asking for all at
//! once is more than a core can wait for, and measured a fifth slower; how many
//! is measured again where a large graph is opened; (4) the
//! links of the next candidate are asked for before the comparisons; (5) seen
//! vertices are one bit each, cleared at once; (6) nothing is allocated after the
//! first search.

use super::layers::Links;
use super::rows::Rows;
use crate::neighbors::Ranked;
use crate::rivals::{Own, Rivals};
use crate::{TopK, Work};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use vicinal_distance::{kernels, prefetch};
use vicinal_types::{Cancel, Stopped, limits};

/// Expansions between two looks at the clock.
const EXPANDED_PER_CHECK: u64 = 32;

const _: () = assert!(limits::SEGMENT_ROWS_MAX < 1 << 31, "a vertex shares 32 bits with a flag");

/// Memory of a walk, used again by the next.
#[derive(Debug, Default)]
pub(crate) struct WalkScratch {
    seen: Seen,
    /// Candidates by key; numbers are vertex × 2 + expanded.
    pool: Vec<Ranked>,
    fresh: Vec<u32>,
    queue: BinaryHeap<Reverse<Ranked>>,
    results: TopK,
    /// What was found in other segments, if that counts.
    rivals: Option<Rivals>,
}

/// One bit for every vertex seen.
#[derive(Debug, Default)]
struct Seen(Vec<u64>);

/// Where to and how far.
pub(crate) struct Walk<'a, R: Rows> {
    pub(crate) rows: &'a R,
    pub(crate) query: &'a R::Query,
    /// Candidates kept.
    pub(crate) effort: usize,
    /// How many rows are asked for before they are compared.
    pub(crate) ahead: usize,
    pub(crate) cancel: &'a Cancel,
}

/// How a walk ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// No candidate was left that could improve the result.
    Converged,
    /// Nearer rows are in other segments.
    Beaten,
    /// It made more comparisons than it was allowed.
    OverBudget,
}

impl WalkScratch {
    /// Forgets what was seen, before a walk on a layer of `vertices`.
    pub(crate) fn begin(&mut self, vertices: u32) {
        self.seen.0.clear();
        self.seen.0.resize((vertices as usize).div_ceil(64), 0);
    }

    /// Lets what was found elsewhere compete with what the next walk finds, of such an
    /// effort through so many rows.
    pub(crate) fn compete(&mut self, rivals: &mut Rivals, effort: usize, rows: u32) {
        rivals.begin(effort, Own::Growing, rows);
        self.rivals = Some(std::mem::take(rivals));
    }

    /// Gives the rivals back with what the walk found.
    pub(crate) fn end_competition(&mut self, rivals: &mut Rivals) {
        if let Some(more) = self.rivals.take() {
            *rivals = more;
        }
    }

    /// Makes the next walk pass by `vertex`.
    pub(crate) fn skip(&mut self, vertex: u32) {
        self.seen.insert(vertex);
    }

    /// The vertices that the last walk found, nearest first.
    pub(crate) fn found(&self) -> impl Iterator<Item = Ranked> {
        self.pool.iter().map(|candidate| Ranked::new(candidate.key(), candidate.id() / 2))
    }
}

/// Whether a candidate has no part in the answer any more.
#[inline]
fn is_beaten(rivals: Option<&Rivals>, candidate: Ranked) -> bool {
    rivals.and_then(Rivals::end).is_some_and(|end| end < candidate)
}

#[inline]
fn add_rival(rivals: Option<&mut Rivals>, found: Ranked) {
    if let Some(rivals) = rivals {
        rivals.add(kernels(), found);
    }
}

impl Seen {
    /// Adds a vertex; says whether it is new.
    #[inline]
    fn insert(&mut self, vertex: u32) -> bool {
        let word = &mut self.0[vertex as usize / 64];
        let was = *word;
        *word |= 1 << (vertex % 64);
        *word != was
    }
}

impl<R: Rows> Walk<'_, R> {
    /// Goes to ever nearer neighbours; returns the vertex that has none.
    pub(crate) fn greedy<L: Links>(&self, layer: &L, from: u32, work: &mut Work) -> u32 {
        let mut nearest = Ranked::new(self.key(layer, from, work), from);
        loop {
            work.expanded += 1;
            let neighbors =
                || layer.neighbors(nearest.id()).filter(|&vertex| self.rows.has(layer.row(vertex)));
            neighbors().for_each(|vertex| prefetch(self.rows.bytes(layer.row(vertex))));
            let best =
                neighbors().map(|vertex| Ranked::new(self.key(layer, vertex, work), vertex)).min();
            match best {
                Some(best) if best.key() < nearest.key() => nearest = best,
                Some(_) | None => return nearest.id(),
            }
        }
    }

    /// Walks with a sorted array of candidates, left in the scratch.
    pub(crate) fn beam<L: Links>(
        &self,
        layer: &L,
        seeds: &[u32],
        scratch: &mut WalkScratch,
        work: &mut Work,
    ) -> Result<Ended, Stopped> {
        let WalkScratch { seen, pool, fresh, rivals, .. } = scratch;
        pool.clear();
        for &seed in seeds.iter().filter(|&&seed| seen.insert(seed)) {
            self.offer(pool, Ranked::new(self.key(layer, seed, work), seed * 2));
        }
        let mut cursor = 0;
        while let Some(&candidate) = pool.get(cursor) {
            if candidate.id() % 2 == 1 {
                cursor += 1;
                continue;
            }
            if is_beaten(rivals.as_ref(), candidate) {
                return Ok(Ended::Beaten);
            }
            pool[cursor] = Ranked::new(candidate.key(), candidate.id() + 1);
            self.count_expansion(work)?;
            self.collect(layer, candidate.id() / 2, seen, fresh);
            if let Some(next) = pool.get(cursor + 1) {
                layer.prefetch(next.id() / 2);
            }
            self.compare(layer, fresh, work, |ranked| {
                if let Some(at) = self.offer(pool, ranked) {
                    cursor = cursor.min(at);
                    add_rival(rivals.as_mut(), ranked);
                }
            });
        }
        Ok(Ended::Converged)
    }

    /// Walks with heaps, through all vertices, keeping those that pass; left in
    /// the scratch, as far as `budget` comparisons go.
    pub(crate) fn heaps<L: Links>(
        &self,
        layer: &L,
        seeds: &[u32],
        passes: impl Fn(u32) -> bool,
        budget: u64,
        scratch: &mut WalkScratch,
        work: &mut Work,
    ) -> Result<Ended, Stopped> {
        let WalkScratch { seen, pool, fresh, queue, results, rivals } = scratch;
        queue.clear();
        results.reset(self.effort);
        fresh.clear();
        fresh.extend(seeds.iter().filter(|&&seed| seen.insert(seed)));
        let limit = work.distances.saturating_add(budget);
        let mut ended = Ended::Converged;
        loop {
            self.compare(layer, fresh, work, |ranked| {
                if results.worst_of_full().is_none_or(|worst| ranked < worst) {
                    queue.push(Reverse(ranked));
                    if passes(ranked.id() / 2) {
                        results.push_ranked(ranked);
                        add_rival(rivals.as_mut(), ranked);
                    }
                }
            });
            let Some(Reverse(candidate)) = queue.pop() else {
                break;
            };
            if results.worst_of_full().is_some_and(|worst| candidate > worst) {
                break;
            }
            if is_beaten(rivals.as_ref(), candidate) {
                ended = Ended::Beaten;
                break;
            }
            if work.distances > limit {
                ended = Ended::OverBudget;
                break;
            }
            self.count_expansion(work)?;
            self.collect(layer, candidate.id() / 2, seen, fresh);
            if let Some(Reverse(next)) = queue.peek() {
                layer.prefetch(next.id() / 2);
            }
        }
        results.drain_sorted(pool);
        Ok(ended)
    }

    /// Puts a candidate where it belongs, unless the array is full of nearer
    /// ones; says where.
    #[inline]
    fn offer(&self, pool: &mut Vec<Ranked>, ranked: Ranked) -> Option<usize> {
        if pool.len() >= self.effort {
            if pool.last().is_some_and(|worst| *worst < ranked) {
                return None;
            }
            pool.pop();
        }
        let at = pool.partition_point(|other| *other < ranked);
        pool.insert(at, ranked);
        Some(at)
    }

    /// The neighbours of a vertex that were not seen before.
    #[inline]
    fn collect<L: Links>(&self, layer: &L, vertex: u32, seen: &mut Seen, fresh: &mut Vec<u32>) {
        fresh.clear();
        let known = layer.neighbors(vertex).filter(|&other| self.rows.has(layer.row(other)));
        for neighbor in known.filter(|&neighbor| seen.insert(neighbor)) {
            fresh.push(neighbor);
        }
    }

    /// Compares the query with the vertices, asking for each of them early.
    #[inline]
    fn compare<L: Links>(
        &self,
        layer: &L,
        vertices: &[u32],
        work: &mut Work,
        mut take: impl FnMut(Ranked),
    ) {
        let ask = |at: usize| {
            if let Some(&vertex) = vertices.get(at) {
                prefetch(self.rows.bytes(layer.row(vertex)));
            }
        };
        (0..self.ahead).for_each(ask);
        for (at, &vertex) in vertices.iter().enumerate() {
            ask(at + self.ahead);
            take(Ranked::new(self.key(layer, vertex, work), vertex * 2));
        }
    }

    #[inline]
    fn count_expansion(&self, work: &mut Work) -> Result<(), Stopped> {
        work.expanded += 1;
        if work.expanded.is_multiple_of(EXPANDED_PER_CHECK) {
            self.cancel.check()?;
        }
        Ok(())
    }

    #[inline]
    fn key<L: Links>(&self, layer: &L, vertex: u32, work: &mut Work) -> f32 {
        work.distances += 1;
        self.rows.key(self.query, layer.row(vertex))
    }
}
