//! Looking through the 1-bit codes of the rows that pass a filter.
//!
//! A walk under a filter goes by all that is nearer than the rows that pass, which are
//! the more, the fewer rows pass and the farther from the query they are. The codes of
//! those that pass cost the same wherever they are: a line of memory each.

use super::Graph;
use crate::hnsw::{BitCodes, BitQuery, ROWS_AT_ONCE, Rows as _, rerank};
use crate::neighbors::Ranked;
use crate::scratch::Pools;
use crate::{Neighbor, Search, Vectors, Work};
use vicinal_distance::{kernels, prefetch, prefetch_far};
use vicinal_types::{Bitmap, Cancel, Stopped};

/// Codes looked at between two looks at the clock.
const CODES_PER_CHECK: usize = 4_096;

/// Codes that are asked for before they are looked at.
const CODES_AHEAD: usize = 2 * ROWS_AT_ONCE;

/// Rows compared again for each that is wanted, and for each candidate of the effort
/// asked for.
const RERANKED_PER_RESULT: usize = 8;
const RERANKED_PER_CANDIDATE: usize = 3;

/// Codes that cost as much as what a walk does for one result among rows that all pass:
/// it expands two vertices or three. Measured on 384 dimensions alone.
const CODES_PER_CANDIDATE: u64 = 150;

/// Codes that cost as much as a vertex expanded.
const CODES_PER_VERTEX: u64 = 64;

/// Vertices that a walk expands for each result, at least, before it gives up: nearly
/// twice what rows take that have nothing to do with the query.
const EXPANDED_PER_RESULT: u64 = 4;

/// Memory of a look, used again by the next.
#[derive(Debug, Default)]
pub(super) struct CodedScratch {
    values: Vec<f32>,
    query: BitQuery,
    rows: Vec<u32>,
    nearest: Vec<Ranked>,
}

/// How rows that pass a filter are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Compare with all of them.
    Compare,
    /// Look at all their codes.
    Codes,
    /// Walk, up to so many vertices.
    Walk(u64),
}

impl Way {
    /// The cheapest way to `passing` of `rows` rows.
    pub(super) fn choose(search: &Search<'_>, rows: u32, passing: usize) -> Self {
        let (effort, rows, passing) = (search.effort as u64, u64::from(rows), passing as u64);
        let reranked = reranked(search) as u64;
        if passing <= 2 * reranked {
            return Self::Compare;
        }
        let rarity = rows as f64 / passing as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and saturates"
        )]
        let times = |count: u64| (count as f64 * rarity) as u64;
        if search.allowed.is_some() && times(effort.saturating_mul(CODES_PER_CANDIDATE)) >= passing
        {
            return Self::Codes;
        }
        if search.allowed.is_none() && effort >= rows {
            return Self::Compare;
        }
        let enough = times(effort.saturating_mul(EXPANDED_PER_RESULT));
        Self::Walk(enough.min(passing / CODES_PER_VERTEX).max(1))
    }
}

/// How many rows are compared again.
fn reranked(search: &Search<'_>) -> usize {
    (search.k * RERANKED_PER_RESULT).max(search.effort * RERANKED_PER_CANDIDATE)
}

impl Graph {
    /// The nearest `k` allowed rows, by their codes and then by the rows themselves.
    pub(super) fn look(
        &self,
        vectors: &Vectors,
        query: &[u8],
        search: &Search<'_>,
        (scratch, pools): (&mut CodedScratch, &mut Pools),
        work: &mut Work,
        cancel: &Cancel,
    ) -> Result<Vec<Neighbor>, Stopped> {
        let CodedScratch { values, query: prepared, rows, nearest } = scratch;
        self.codes.prepare(query, values, prepared);
        let all;
        let allowed = match search.allowed {
            Some(allowed) => allowed,
            None => {
                all = Bitmap::full(self.rows as usize);
                &all
            }
        };
        let keep = reranked(search);
        nearest.clear();
        let mut passing = allowed.iter().take_while(|row| *row < self.rows);
        loop {
            rows.clear();
            rows.extend(passing.by_ref().take(CODES_PER_CHECK));
            if rows.is_empty() {
                break;
            }
            cancel.check()?;
            work.estimates += rows.len() as u64;
            look_at(&self.codes, prepared, rows, (nearest, keep));
        }
        nearest.iter().for_each(|found| prefetch_far(vectors.row(found.id())));
        rerank(vectors, query, nearest, work);
        let mut neighbors = pools.results(search.k.min(nearest.len()));
        neighbors.extend(nearest.iter().take(search.k).map(|found| found.neighbor()));
        Ok(neighbors)
    }
}

/// Keeps the nearest `keep` rows by their codes, nearest first.
fn look_at(
    codes: &BitCodes,
    query: &BitQuery,
    rows: &[u32],
    (nearest, keep): (&mut Vec<Ranked>, usize),
) {
    let (kernels, mut keys) = (kernels(), [0.0; ROWS_AT_ONCE]);
    let ask = |rows: &[u32]| rows.iter().for_each(|&row| prefetch(codes.bytes(row)));
    ask(&rows[..rows.len().min(CODES_AHEAD)]);
    let mut bound = bound_of(nearest, keep);
    for (at, some) in rows.chunks(ROWS_AT_ONCE).enumerate() {
        let ahead = (at * ROWS_AT_ONCE + CODES_AHEAD).min(rows.len());
        ask(&rows[ahead..(ahead + ROWS_AT_ONCE).min(rows.len())]);
        codes.keys(query, some, &mut keys);
        for (&row, &key) in some.iter().zip(&keys) {
            if key >= bound {
                continue;
            }
            if nearest.len() < keep {
                nearest.push(Ranked::FARTHEST);
            }
            kernels.insert_sorted(Ranked::numbers(nearest), Ranked::new(key, row).number());
            bound = bound_of(nearest, keep);
        }
    }
}

/// The key from which a row is none of the nearest.
#[inline]
fn bound_of(nearest: &[Ranked], keep: usize) -> f32 {
    let last = nearest.last().filter(|_| nearest.len() >= keep);
    last.map_or(f32::INFINITY, |last| last.key())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewer_rows_pass_the_less_is_walked() {
        let allowed = Bitmap::new(0);
        let way = |passing| {
            let search = Search { allowed: Some(&allowed), ..Search::new(10, 14) };
            Way::choose(&search, 100_000, passing)
        };
        assert_eq!([1, 100].map(way), [Way::Compare; 2]);
        assert_eq!([1_000, 5_000, 10_000].map(way), [Way::Codes; 3]);
        let budgets = [20_000, 50_000, 90_000].map(way);
        assert!(budgets.iter().all(|way| matches!(way, Way::Walk(1..1_000))), "{budgets:?}");
        let all = Way::choose(&Search::new(10, 14), 100_000, 100_000);
        assert!(matches!(all, Way::Walk(_)), "{all:?}");
        assert_eq!(Way::choose(&Search::new(10, 100_000), 100_000, 100_000), Way::Compare);
    }
}
