//! What a query has found in other segments of its collection.
//!
//! Segments are searched one after another for the same query. Each for itself, a walk
//! goes on until the `effort` nearest of its own segment are behind it, and many segments
//! cost as many times what one graph of all their rows would. Together, the nearest of
//! all segments count: a walk ends when no candidate is below the `effort` nearest found
//! anywhere, as it would in the one graph.
//!
//! Some of its own it must have found first: a walk begins far from where it goes, and
//! in a small neighbourhood it may be stuck. With three eighths of the effort, four
//! segments of records together find what one graph of their rows finds with that effort,
//! within half a percent (wordnet384, GloVe). A graph that grows has no estimates, of
//! which a walk sees several of one vertex, and needs twice as many. Where a segment has a
//! small part of the rows, as small a part of the nearest is missed with what is missed
//! there, and fewer are enough; if the nearest are there nevertheless, no rival ends it.

use crate::neighbors::{Neighbor, Ranked};
use vicinal_distance::Kernels;

/// Of its own a walk finds at least so many before rivals end it, and in a small segment.
const OWN_MIN: usize = 16;
const OWN_OF_FEW_MIN: usize = 6;

/// A segment is small if it has less than this part of all rows searched so far.
const FEW: f64 = 0.25;

/// Of what a walk finds with its effort, how many eighths it must have found itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Own {
    /// Of a graph of records.
    Records = 3,
    /// Of a graph that grows.
    Growing = 6,
}

/// The nearest keys found so far in any segment, and those of the walk under way.
#[derive(Debug, Default)]
pub(crate) struct Rivals {
    effort: usize,
    /// Of the walk under way so many count at least.
    own_max: usize,
    /// Rows of the segments searched so far.
    searched: u64,
    /// Rows found so far; those alone that may have a part in the answer are counted.
    rows: usize,
    /// The `effort` nearest, in order; their numbers mean nothing.
    near: Vec<Ranked>,
    /// The nearest of the walk under way.
    own: Vec<Ranked>,
}

impl Rivals {
    /// Another query comes.
    pub(crate) fn forget(&mut self) {
        self.near.clear();
        (self.rows, self.searched) = (0, 0);
    }

    /// A walk begins that keeps `effort`, in a segment of so many rows.
    pub(crate) fn begin(&mut self, effort: usize, own: Own, rows: u32) {
        self.effort = effort.max(1);
        self.near.truncate(self.effort);
        self.own.clear();
        self.searched += u64::from(rows);
        let part = f64::from(rows) / self.searched.max(1) as f64;
        let all = (self.effort * own as usize / 8).max(OWN_MIN);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most what it is a part of"
        )]
        let of_few = (all as f64 * (part / FEW).min(1.0)) as usize;
        self.own_max = of_few.max(OWN_OF_FEW_MIN).min(self.effort);
    }

    /// What is farther has no part in the answer any more; `None` until that is known.
    #[inline]
    pub(crate) fn end(&self) -> Option<Ranked> {
        if self.rows < self.effort {
            return None;
        }
        let (near, own) = (self.near.get(self.effort - 1)?, self.own.get(self.own_max - 1)?);
        Some(*near.max(own))
    }

    /// Adds what the walk under way found.
    #[inline]
    pub(crate) fn add(&mut self, kernels: &Kernels, found: Ranked) {
        self.rows += 1;
        self.add_again(kernels, found);
    }

    /// Adds another estimate of what was found, as walks count these.
    #[inline]
    pub(crate) fn add_again(&mut self, kernels: &Kernels, found: Ranked) {
        insert(kernels, &mut self.near, found, self.effort);
        insert(kernels, &mut self.own, found, self.own_max);
    }

    /// Adds what was found without regard to rivals.
    pub(crate) fn add_found(&mut self, found: &[Neighbor]) {
        self.rows += found.len();
        self.near.extend(found.iter().map(|found| Ranked::new(found.key, found.row)));
        self.near.sort_unstable();
    }
}

/// Keeps the `count` nearest, in order.
#[inline]
fn insert(kernels: &Kernels, nearest: &mut Vec<Ranked>, found: Ranked, count: usize) {
    if nearest.len() >= count {
        if nearest[count - 1] <= found {
            return;
        }
        nearest.truncate(count - 1);
    }
    nearest.push(Ranked::FARTHEST);
    kernels.insert_sorted(Ranked::numbers(nearest), found.number());
}

#[cfg(test)]
mod tests {
    use super::*;
    use vicinal_distance::kernels;

    /// Where walks of an effort end that find such keys, segment by segment.
    fn ends(effort: usize, segments: &[&[f32]]) -> Vec<Option<f32>> {
        let mut rivals = Rivals::default();
        let walk = |keys: &&[f32]| {
            rivals.begin(effort, Own::Records, 1_000);
            for (row, key) in (0..).zip(*keys) {
                rivals.add(kernels(), Ranked::new(*key, row));
            }
            rivals.end().map(Ranked::key)
        };
        segments.iter().map(walk).collect()
    }

    fn keys(from: u8, count: u8) -> Vec<f32> {
        (from..from + count).rev().map(f32::from).collect()
    }

    #[test]
    fn a_walk_ends_at_the_nearest_of_all_segments_but_not_before_some_of_its_own() {
        // With effort 64 a walk finds 24 of its own: the 24th is at 123, 23, 223.
        let (first, nearer, farther) = (keys(100, 80), keys(0, 80), keys(200, 40));
        let found = ends(64, &[&first, &nearer, &farther]);
        assert_eq!(found, [Some(163.0), Some(63.0), Some(223.0)]);
        assert_eq!(ends(64, &[&keys(0, 63)]), [None], "not as many as the effort");
        assert_eq!(ends(64, &[&first, &keys(0, 23)])[1], None, "too few of its own");
        assert_eq!(ends(64, &[&first, &keys(0, 24)])[1], Some(139.0));
        assert_eq!(ends(4, &[&keys(0, 9)]), [Some(3.0)], "few are enough for a small effort");
    }

    #[test]
    fn a_small_segment_has_fewer_of_its_own() {
        let mut rivals = Rivals::default();
        let mut own = |own, rows| {
            rivals.begin(64, own, rows);
            rivals.own_max
        };
        assert_eq!(own(Own::Records, 900), 24);
        assert_eq!(own(Own::Records, 300), 24, "a quarter of all");
        assert_eq!(own(Own::Growing, 300), 38, "a fifth of all");
        assert_eq!(own(Own::Growing, 100), 12);
        assert_eq!(own(Own::Records, 1), 6);
    }

    #[test]
    fn what_was_found_otherwise_counts() {
        let mut rivals = Rivals::default();
        let found: Vec<_> = (0..70).map(|row| Neighbor { row, key: row as f32 }).collect();
        rivals.add_found(&found);
        rivals.begin(64, Own::Records, 1_000);
        keys(200, 24).iter().for_each(|key| rivals.add(kernels(), Ranked::new(*key, 0)));
        assert_eq!(rivals.end().map(Ranked::key), Some(223.0));
        rivals.forget();
        rivals.begin(64, Own::Records, 1_000);
        assert_eq!(rivals.end(), None);
    }
}
