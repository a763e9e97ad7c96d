//! The candidates of a walk: the `effort` nearest seen so far.
//!
//! Those not yet expanded (open) stand with their estimates, those expanded
//! (closed) with their exact keys: the walk ends when no estimate is below the
//! `effort` nearest exact keys. Where estimates are rough, for queries far from all
//! rows, it goes on for longer by itself. Both lists are sorted, so that the next
//! candidate is the first of one, and making room for a new one moves only part
//! of all.
//!
//! Where only some vertices may be results, those alone are closed, and open ones stand
//! in a list of their own length: many that are no results are nearer than the
//! `effort` nearest results, and the way goes through them.

use crate::neighbors::Ranked;
use crate::rivals::{Own, Rivals};
use vicinal_distance::Kernels;

/// So many taken at the front of the list are worth closing up.
const CLOSE_UP: usize = 256;

/// The two lists, used again by the next search.
#[derive(Debug, Default)]
pub(super) struct Pool {
    effort: usize,
    /// Open ones that stand beside the closed; `None`: together they are `effort`.
    open_max: Option<usize>,
    /// From `first` on those not expanded by their estimates, nearest first.
    open: Vec<Ranked>,
    first: usize,
    /// Those expanded by their exact keys, nearest first; and second estimates.
    closed: Vec<Ranked>,
    /// Results wanted at least, and how many exact keys came in.
    wanted: usize,
    results: usize,
    /// What was found in other segments, if that counts.
    rivals: Option<Rivals>,
}

impl Pool {
    /// Forgets all candidates; from now on keeps `effort`, `wanted` of them results.
    pub(super) fn begin(&mut self, effort: usize, wanted: usize, open_max: Option<usize>) {
        (self.effort, self.wanted, self.results) = (effort, wanted, 0);
        self.open_max = open_max;
        self.open.clear();
        self.closed.clear();
        self.first = 0;
        self.rivals = None;
    }

    /// Lets what was found elsewhere compete with what this walk finds.
    pub(super) fn compete(&mut self, mut rivals: Rivals, rows: u32) {
        rivals.begin(self.effort, Own::Records, rows);
        self.rivals = Some(rivals);
    }

    /// The rivals with what this walk found, and whether they took part in ending it:
    /// what is beyond them was no candidate.
    pub(super) fn take_rivals(&mut self) -> Option<(Rivals, bool)> {
        let rivals = self.rivals.take()?;
        let is_beaten = rivals.end().is_some();
        Some((rivals, is_beaten))
    }

    /// The key above which a vertex is no candidate.
    #[inline]
    pub(super) fn bound(&self) -> f32 {
        let end = self.rivals.as_ref().and_then(Rivals::end);
        end.map_or(self.own_bound(), |end| self.own_bound().min(end.key()))
    }

    #[inline]
    fn own_bound(&self) -> f32 {
        if let Some(open_max) = self.open_max {
            let farthest = self.farthest_apart(open_max);
            return if farthest == Ranked::FARTHEST { f32::INFINITY } else { farthest.key() };
        }
        if self.len() < self.effort { f32::INFINITY } else { self.worst().key() }
    }

    /// How many vertices that may be results were expanded.
    pub(super) fn results(&self) -> usize {
        self.results
    }

    /// Makes a vertex a candidate, unless `effort` nearer ones are there.
    #[inline]
    pub(super) fn offer(&mut self, kernels: &Kernels, key: f32, vertex: u32) {
        let ranked = Ranked::new(key, vertex);
        let mut has_place = false;
        if let Some(open_max) = self.open_max {
            if self.farthest_apart(open_max) <= ranked {
                return;
            }
            has_place = self.open.len() - self.first >= open_max;
        } else if self.len() >= self.effort {
            let worst = self.worst();
            if worst <= ranked {
                return;
            }
            has_place = self.open.len() > self.first && self.open.last() == Some(&worst);
            if !has_place {
                self.closed.pop();
            }
        }
        if !has_place {
            self.close_up();
            self.open.push(Ranked::FARTHEST);
        }
        kernels.insert_sorted(Ranked::numbers(&mut self.open[self.first..]), ranked.number());
    }

    /// The nearest open candidate, from now on no longer one.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Ranked> {
        let next = *self.open.get(self.first)?;
        if self.open_max.is_some()
            && self.closed.get(self.effort - 1).is_some_and(|far| *far < next)
        {
            return None;
        }
        if self.rivals.as_ref().and_then(Rivals::end).is_some_and(|end| end < next) {
            return None;
        }
        self.first += 1;
        Some(next)
    }

    /// The candidate that [`take`](Self::take) would give.
    #[inline]
    pub(super) fn next(&self) -> Option<Ranked> {
        self.open.get(self.first).copied()
    }

    /// Keeps the exact key of a vertex expanded.
    #[inline]
    pub(super) fn close(&mut self, kernels: &Kernels, ranked: Ranked) {
        self.results += 1;
        if let Some(rivals) = &mut self.rivals {
            rivals.add(kernels, ranked);
        }
        self.keep_closed(kernels, ranked);
    }

    /// Keeps a second estimate of a vertex expanded before: many ways lead to what
    /// is near, and the walk ends the sooner for it. Not before there are results.
    #[inline]
    pub(super) fn close_again(&mut self, kernels: &Kernels, ranked: Ranked) {
        if self.results >= self.wanted && self.open_max.is_none() {
            self.keep_closed(kernels, ranked);
            if let Some(rivals) = &mut self.rivals {
                rivals.add_again(kernels, ranked);
            }
        }
    }

    #[inline]
    fn keep_closed(&mut self, kernels: &Kernels, ranked: Ranked) {
        self.closed.push(Ranked::FARTHEST);
        kernels.insert_sorted(Ranked::numbers(&mut self.closed), ranked.number());
        if self.open_max.is_some() {
            self.closed.truncate(self.effort);
        }
    }

    /// What no candidate may be farther than, if results are counted for themselves.
    #[inline]
    fn farthest_apart(&self, open_max: usize) -> Ranked {
        let of_results = self.closed.get(self.effort - 1).copied();
        let is_full = self.open.len() - self.first >= open_max;
        let of_open = if is_full { self.open.last().copied() } else { None };
        let nearer = |a: Option<Ranked>, b: Option<Ranked>| a.into_iter().chain(b).min();
        nearer(of_results, of_open).unwrap_or(Ranked::FARTHEST)
    }

    #[inline]
    fn len(&self) -> usize {
        self.open.len() - self.first + self.closed.len()
    }

    #[inline]
    fn worst(&self) -> Ranked {
        let open = self.open[self.first..].last();
        open.max(self.closed.last()).copied().unwrap_or(Ranked::FARTHEST)
    }

    #[inline]
    fn close_up(&mut self) {
        if self.first >= CLOSE_UP {
            self.open.drain(..self.first);
            self.first = 0;
        }
    }
}
