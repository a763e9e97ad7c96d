//! Searches that want scores within bounds only.
//!
//! An index finds the nearest so many rows, and how many there are within a radius
//! nobody knows. So few are asked for, with the effort planned for so few, then four
//! times as many while all that came are near enough: the last search costs more than
//! those before it together. Rows nearer than the inner bound come before all others,
//! and take no part in what is wanted.

use super::{Asked, Part, Prepared, go_on_without};
use crate::request::Search;
use crate::scratches::Worker;
use crate::segment::SealedView;
use vicinal_index::{Found, KeyRange, Search as IndexSearch, Work};
use vicinal_planner::{EffortUnit, SearchPlan};
use vicinal_types::{Error, Metric, Nearer, Result, Stopped};

/// Rows that an index is asked for at first.
const FIRST: usize = 32;

/// How many times as many are asked for when too few of all that came are wanted.
const GROWTH: usize = 4;

/// The keys that a search wants.
///
/// # Errors
/// `Invalid` for bounds that are no numbers, or between which nothing is.
pub(super) fn keys_of(search: &Search, metric: Metric) -> Result<KeyRange> {
    let nearer = Nearer::of(metric);
    let key = |name: &str, score: f32| {
        if !score.is_finite() {
            return Err(Error::invalid(format!("{name} {score} is no finite number")));
        }
        Ok(match nearer {
            Nearer::Lower => score,
            Nearer::Higher => -score,
        })
    };
    let most = search.radius.map(|radius| key("radius", radius)).transpose()?;
    let least = search.inner_radius.map(|radius| key("inner_radius", radius)).transpose()?;
    if let (Some(radius), Some(inner), Some(most), Some(least)) =
        (search.radius, search.inner_radius, most, least)
        && least >= most
    {
        let rule = match nearer {
            Nearer::Lower => "at least inner_radius and below radius",
            Nearer::Higher => "above radius and at most inner_radius",
        };
        return Err(Error::invalid(format!(
            "no score of {metric} is {rule} for radius {radius} and inner_radius {inner}"
        )));
    }
    Ok(KeyRange {
        least: least.unwrap_or(f32::NEG_INFINITY),
        most: most.map_or(f32::INFINITY, f32::next_down),
    })
}

impl Asked {
    /// How many rows an index is asked for at first.
    pub(super) fn first_k(&self, unit: EffortUnit) -> usize {
        if let Some(paging) = &self.paging {
            return self.k.saturating_add(paging.passed_over(self.view.segments.len()));
        }
        match unit {
            EffortUnit::Candidates | EffortUnit::Lists(_) if self.keys != KeyRange::ALL => {
                self.k.min(FIRST)
            }
            EffortUnit::Candidates | EffortUnit::Lists(_) | EffortUnit::Nothing => self.k,
        }
    }
}

impl Prepared {
    /// The `k` nearest rows of the keys wanted, by the index of a sealed segment; none
    /// if a scan is cheaper, or the index failed.
    pub(super) fn search_index(
        &self,
        query: &[u8],
        sealed: &SealedView,
        (Part { plan, passing, .. }, k): (&Part, usize),
        &mut Worker { ref mut scratch, competes, .. }: &mut Worker,
    ) -> Result<Option<Found>, Stopped> {
        let learned = self.learned_of(sealed);
        let (Some(part), Some(built), Some(indexed)) = (
            sealed.sealed.rows.vectors(self.column),
            sealed.index(self.column),
            self.file_indexed(sealed, &learned),
        ) else {
            return Ok(None);
        };
        let (index, allowed) = (built.index(), passing.rows.as_deref());
        let replan = |wanted| self.choose(&indexed, passing.count, wanted);
        self.widen(indexed.unit(), (*plan, k), replan, |wanted, effort| {
            let within = self.keys.most;
            let search =
                IndexSearch { allowed, within, competes, ..IndexSearch::new(wanted, effort) };
            match index.search(&part.vectors, query, &search, scratch, &self.cancel) {
                Ok(found) => Ok(Some(found)),
                Err(error) => go_on_without(error, sealed, &index).map(|()| None),
            }
        })
    }

    /// The `k` nearest rows of the keys wanted that `find` comes to know: it is asked for
    /// so many rows, with an effort. None if it has none, or a plan is no index.
    pub(super) fn widen(
        &self,
        unit: EffortUnit,
        (mut plan, k): (SearchPlan, usize),
        replan: impl Fn(usize) -> SearchPlan,
        mut find: impl FnMut(usize, usize) -> Result<Option<Found>, Stopped>,
    ) -> Result<Option<Found>, Stopped> {
        let mut wanted = self.first_k(unit);
        if self.paging.is_none() {
            wanted = wanted.min(k);
        }
        let mut work = Work::default();
        loop {
            let SearchPlan::Index { effort, .. } = plan else { return Ok(None) };
            let Some(mut found) = find(wanted, effort)? else { return Ok(None) };
            let came = found.neighbors.len();
            let nearer = found.neighbors.partition_point(|found| found.key < self.keys.least);
            let near = found.neighbors.partition_point(|found| found.key <= self.keys.most);
            work += found.work;
            if came < wanted || near < came || near - nearer >= k {
                found.neighbors.truncate(near.min(nearer + k));
                found.neighbors.drain(..nearer);
                found.work = work;
                return Ok(Some(found));
            }
            wanted = wanted.saturating_mul(GROWTH);
            plan = replan(wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vicinal_types::VectorInput;

    fn search(radius: Option<f32>, inner_radius: Option<f32>) -> Search {
        let search = Search::new(VectorInput::Floats(vec![0.0]), 1);
        Search { radius, inner_radius, ..search }
    }

    #[test]
    fn the_radius_is_outside_and_the_inner_radius_inside() {
        let keys = |metric, radius, inner| keys_of(&search(radius, inner), metric).expect("bounds");
        let lower = keys(Metric::L2, Some(2.0), Some(0.5));
        assert_eq!([0.4, 0.5, 1.9, 2.0].map(|key| lower.contains(key)), [false, true, true, false]);
        let higher = keys(Metric::Cosine, Some(0.2), Some(0.8));
        let score = |score: f32| higher.contains(-score);
        assert_eq!([0.9, 0.8, 0.3, 0.2].map(score), [false, true, true, false]);
        assert!(!keys(Metric::L2, Some(0.0), None).contains(0.0));
        assert!(!keys(Metric::InnerProduct, Some(0.0), None).contains(-0.0));
        assert_eq!(keys(Metric::L2, None, None), KeyRange::ALL);
    }

    #[test]
    fn bounds_that_nothing_is_between_are_refused() {
        let refused = |metric, radius, inner, expected: &str| {
            let error = keys_of(&search(radius, inner), metric).expect_err("wrong bounds");
            assert!(error.to_string().contains(expected), "{error}");
        };
        refused(Metric::L2, Some(1.0), Some(1.0), "radius 1 and inner_radius 1");
        refused(Metric::Cosine, Some(0.8), Some(0.2), "above radius");
        refused(Metric::L2, Some(f32::NAN), None, "radius NaN");
        refused(Metric::L2, None, Some(f32::INFINITY), "inner_radius inf");
    }
}
