//! Every way through a segment with what it costs; the cheapest is the plan.

use crate::RowCost;
use crate::cost::Cost;
use crate::effort::{EffortUnit, Indexed, index_effort};
use crate::filtered::{CODES_PER_COMPARISON, RERANKED};
use vicinal_types::Effort;

/// A segment as a search meets it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment<'a> {
    /// Rows that are not deleted.
    pub rows: u64,
    /// Of these, rows that pass the filter, counted.
    pub passing: u64,
    /// The index of the column that is searched, if it has one.
    pub index: Option<Indexed<'a>>,
    /// What comparing with a row of that column takes.
    pub row: RowCost,
}

/// A way to find the nearest rows of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Leave the segment out: none of its rows passes.
    Skip,
    /// Search the index; under a filter with the rows that pass as a mask.
    Index,
    /// Look at the codes of the rows that pass, which the index keeps of every row, and
    /// compare the best.
    Codes,
    /// Compare with the rows that pass, one by one.
    Survivors,
    /// Compare with all rows, one block after the other.
    Scan,
}

/// How one segment is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchPlan {
    /// Leave the segment out: no row of it is allowed.
    Skip,
    /// Compare with every allowed row.
    Scan,
    /// Search the index with this effort.
    Index {
        /// Candidates kept, at least k; or lists probed.
        effort: usize,
    },
}

/// What is predicted of a way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// How it is gone.
    pub plan: SearchPlan,
    /// What it costs one query.
    pub cost: Cost,
    /// The recall to expect, if anything is known about it.
    pub recall: Option<f32>,
}

/// A way, and what is predicted of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The way.
    pub way: Way,
    /// What is predicted of it; none: it does not lead to what was asked for.
    pub predicted: Option<Prediction>,
    /// One clause: what it rests on, or why it does not lead there.
    pub reason: &'static str,
}

/// All ways through a segment that there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidates {
    ways: [Candidate; WAYS_MAX],
    count: usize,
}

/// Ways that one segment may have at once.
const WAYS_MAX: usize = 4;

const SKIPPED: Prediction =
    Prediction { plan: SearchPlan::Skip, cost: Cost::NOTHING, recall: Some(1.0) };

impl Candidates {
    /// None passes: there is one way.
    fn skip() -> Self {
        let reason = "no row passes the filter";
        let skip = Candidate { way: Way::Skip, predicted: Some(SKIPPED), reason };
        Self { ways: [skip; WAYS_MAX], count: 1 }
    }

    fn push(&mut self, candidate: Candidate) {
        self.ways[self.count] = candidate;
        self.count += 1;
    }

    /// All of them.
    pub fn all(&self) -> &[Candidate] {
        &self.ways[..self.count]
    }

    /// The place of the cheapest, of equally cheap ones the first.
    pub fn best_at(&self) -> usize {
        let nanos = |at: &usize| self.ways[*at].predicted.map_or(u64::MAX, |way| way.cost.nanos);
        (0..self.count).min_by_key(nanos).unwrap_or(0)
    }

    /// What is predicted of the cheapest, which is the plan.
    pub fn best(&self) -> Prediction {
        self.ways[self.best_at()].predicted.unwrap_or(SKIPPED)
    }
}

/// Every way to the `k` nearest of the rows of a segment that pass, with its cost.
///
/// No row passes: the segment is skipped. Comparing is exact, and costs by the rows that
/// pass, or by all where most do. The index is searched with the effort that the recall
/// asks for; under a filter with those that pass as a mask, which costs the more the
/// fewer they are: a walk goes on until it has kept as many of them as it keeps of all
/// rows without a filter.
pub fn plan_search(effort: Effort, k: usize, segment: &Segment<'_>) -> Candidates {
    let Segment { rows, passing, index, row } = *segment;
    let mut candidates = Candidates::skip();
    if passing == 0 && (rows > 0 || index.is_some()) {
        return candidates;
    }
    candidates.count = 0;
    if let Some(indexed) = &index {
        push_index(&mut candidates, (effort, k), indexed, passing, row);
    }
    let scan = |way, cost, reason| {
        let predicted = Some(Prediction { plan: SearchPlan::Scan, cost, recall: Some(1.0) });
        Candidate { way, predicted, reason }
    };
    if passing < rows {
        let cost = Cost::of_survivors(passing, rows, row);
        candidates.push(scan(Way::Survivors, cost, "exact; reads the rows that pass"));
    }
    candidates.push(scan(Way::Scan, Cost::of_scan(rows, row), "exact; reads all rows"));
    candidates
}

fn push_index(
    candidates: &mut Candidates,
    (effort, k): (Effort, usize),
    indexed: &Indexed<'_>,
    passing: u64,
    row: RowCost,
) {
    let rows = indexed.rows;
    let (effort, recall, reason) = match index_effort(effort, k, indexed, passing) {
        Ok(found) => found,
        Err(reason) => {
            return candidates.push(Candidate { way: Way::Index, predicted: None, reason });
        }
    };
    let is_masked = passing < rows && indexed.unit() != EffortUnit::Nothing;
    let looks = is_masked && indexed.has_codes;
    let among = if is_masked { passing } else { rows };
    let index = |way, cost, reason| {
        let predicted = Some(Prediction { plan: SearchPlan::Index { effort }, cost, recall });
        Candidate { way, predicted, reason }
    };
    candidates.push(index(Way::Index, Cost::of_index(effort, indexed, among, row), reason));
    if looks {
        let comparisons = passing / CODES_PER_COMPARISON + RERANKED;
        let reason = "the codes of the rows that pass, the best compared";
        candidates.push(index(Way::Codes, Cost::of_comparisons(comparisons, row), reason));
    }
}

#[cfg(test)]
mod tests;
