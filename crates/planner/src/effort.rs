//! How hard a segment's index is searched.

use crate::curves::{among_all, among_some};
use crate::filtered::effort_among;
use vicinal_types::limits::EFFORT_MAX;
use vicinal_types::{Effort, FaissParams, IndexParams, RecallCurve};

/// What was measured when the index was built: recall at growing efforts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration<'a> {
    /// Neighbours asked for by the queries of the sample.
    pub k: usize,
    /// Queries of the sample.
    pub samples: usize,
    /// Effort and mean recall, by ascending effort.
    pub points: &'a [(u32, f32)],
    /// Whether it is the recall of users' queries already, as far as one can know it; else
    /// that of rows.
    pub of_queries: bool,
}

/// What the effort of a search counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffortUnit {
    /// Candidates that a walk through a graph keeps.
    Candidates,
    /// Lists that are probed, out of this many.
    Lists(u32),
    /// Nothing: the index is exact.
    Nothing,
}

/// A segment with an index, as far as its searches go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Indexed<'a> {
    /// Rows that can be found.
    pub rows: u64,
    /// What it is.
    pub params: IndexParams,
    /// Whether the index has codes of all rows to look at where few pass.
    pub has_codes: bool,
    /// What was measured for few neighbours among all rows, if anything.
    pub calibration: Option<Calibration<'a>>,
    /// What was measured besides: for many neighbours, among some of the rows.
    pub curves: &'a [RecallCurve],
}

/// An effort, the recall to expect of it if anything is known, and what it rests on.
pub(crate) type EffortChoice = (usize, Option<f32>, &'static str);

impl<'a> Indexed<'a> {
    /// What an effort means there.
    pub fn unit(&self) -> EffortUnit {
        EffortUnit::of(&self.params)
    }

    /// What was measured for about `k` neighbours among all rows.
    fn measured(&self, k: usize) -> Option<Calibration<'a>> {
        let few = self.calibration.filter(|curve| !curve.points.is_empty() && curve.k > 0)?;
        let many = among_all(self.curves, k).map(Calibration::of);
        many.filter(|many| (few.k + 1..=k).contains(&many.k)).or(Some(few))
    }

    /// The smallest effort for `k` neighbours that promises a recall among a share of the
    /// rows; nothing if none was measured among so few.
    fn effort_among(&self, target: f32, k: usize, share: f64) -> Option<EffortChoice> {
        let unit = self.unit();
        let k_of = |curve: &RecallCurve| curve.k as usize;
        let effort = among_some(self.curves, share, |curve| {
            let effort = Calibration::of(curve).effort_for(target)?;
            Some(unit.scaled(effort, k, k_of(curve)) as f64)
        })?;
        let effort = if effort.is_finite() { rounded_up(effort) as usize } else { usize::MAX };
        let missed = among_some(self.curves, share, |curve| {
            let effort = unit.unscaled(effort, k, k_of(curve));
            Some(1.0 - f64::from(Calibration::of(curve).recall_at(effort)))
        })?;
        #[expect(clippy::cast_possible_truncation, reason = "a recall is between 0 and 1")]
        let recall = (1.0 - missed) as f32;
        Some((effort, Some(recall), "the smallest effort that promises the recall among so many"))
    }
}

/// Standard errors by which a measured recall must exceed the one asked for: one
/// sample in six is worse by more than that.
const CONFIDENCE: f32 = 1.0;

/// What queries miss for each neighbour that a sample missed: its queries are rows, which
/// the graph was built around, even if a search passes them by. Of sift1m's own queries
/// 1.3 to 2.2 times as many neighbours are missed, of wordnet384's as many.
pub(crate) const MISSED_BY_QUERIES: f32 = 2.0;

/// Neighbours of one query are found or missed together; so many of them tell
/// as much as one independent trial.
const CORRELATED_NEIGHBORS: f32 = 4.0;

/// Assumed where nothing was measured: low for m = 16 and well-behaved data.
const UNMEASURED: Calibration<'_> = Calibration {
    k: 10,
    samples: 0,
    points: &[(32, 0.80), (64, 0.90), (128, 0.96), (256, 0.98), (512, 0.99)],
    of_queries: true,
};

/// Assumed of lists, in thousandths of them.
const UNMEASURED_LISTS: [(u32, f32); 4] = [(4, 0.80), (8, 0.90), (16, 0.95), (64, 0.99)];

/// Chooses the effort with which an index is searched for `k` neighbours.
///
/// A wanted recall takes the smallest effort that promises it: measured points
/// are lowered by their standard error and joined by straight lines, which lie
/// below the curve. More neighbours than were measured take proportionally
/// more candidates of a graph, and more lists by the square root. Where only some rows
/// pass a filter, that goes by what was measured among about as many.
///
/// # Errors
/// Why the index does not lead to what was asked for.
pub(crate) fn index_effort(
    effort: Effort,
    k: usize,
    indexed: &Indexed<'_>,
    passing: u64,
) -> Result<EffortChoice, &'static str> {
    let (unit, measured) = (indexed.unit(), indexed.measured(k));
    let is_masked = passing < indexed.rows && indexed.has_codes;
    let share = is_masked.then(|| passing.max(1) as f64 / indexed.rows as f64);
    let among = |target| indexed.effort_among(target, k, share?);
    let choice = match effort {
        Effort::Exact => return Err("exact search was asked for"),
        Effort::Candidates(_) | Effort::MinRecall(_) if unit == EffortUnit::Nothing => {
            (k.max(1), Some(1.0), "the index is exact")
        }
        Effort::Candidates(candidates) => {
            let effort = unit.bounded(candidates, k);
            let effort = if is_masked { effort_among(effort, k) } else { effort };
            let recall = measured.map(|curve| curve.recall_at(unit.unscaled(effort, k, curve.k)));
            (effort, recall, "the request names the effort")
        }
        Effort::MinRecall(target) if let Some(choice) = among(target) => choice,
        Effort::MinRecall(target) => {
            let Some((effort, measured_k)) = (match measured {
                Some(curve) => curve.effort_for(target).map(|effort| (effort, curve.k)),
                None => unit.unmeasured_effort(target),
            }) else {
                return Err("no measured effort promises the recall asked for");
            };
            let recall = measured.map(|curve| curve.recall_at(effort));
            let reason = if measured.is_some() {
                "the smallest effort measured to promise the recall"
            } else {
                "nothing was measured yet: an effort that is usually enough"
            };
            let effort = unit.scaled(effort, k, measured_k);
            (if is_masked { effort_among(effort, k) } else { effort }, recall, reason)
        }
    };
    match unit {
        _ if choice.0 > EFFORT_MAX => Err("the effort needed is above the limit"),
        // What so many find was never measured, and they are half of the rows.
        EffortUnit::Lists(lists) if choice.0 as u64 * 2 >= u64::from(lists) => {
            Err("half of the lists would have to be probed")
        }
        EffortUnit::Lists(_) | EffortUnit::Candidates | EffortUnit::Nothing => Ok(choice),
    }
}

impl EffortUnit {
    /// What the effort of an index counts.
    pub fn of(params: &IndexParams) -> Self {
        match params {
            IndexParams::Flat
            | IndexParams::FlatCodes(_)
            | IndexParams::Faiss(FaissParams::Flat) => Self::Nothing,
            IndexParams::Ivf(params) => Self::Lists(params.lists),
            IndexParams::Graph(_)
            | IndexParams::Hnsw(_)
            | IndexParams::Paged(_)
            | IndexParams::HnswRs(_)
            | IndexParams::Faiss(FaissParams::Hnsw(_)) => Self::Candidates,
            IndexParams::Faiss(FaissParams::IvfPq(params)) => Self::Lists(params.lists),
        }
    }

    /// An effort that a request names, as far as it has a meaning.
    fn bounded(self, effort: usize, k: usize) -> usize {
        match self {
            Self::Candidates | Self::Nothing => effort.max(k).max(1),
            Self::Lists(lists) => effort.clamp(1, lists.max(1) as usize),
        }
    }

    /// The effort for `k` neighbours that is worth `effort` for `measured_k`.
    fn scaled(self, effort: usize, k: usize, measured_k: usize) -> usize {
        if k <= measured_k {
            return self.bounded(effort, k);
        }
        match self {
            Self::Candidates | Self::Nothing => (effort * k).div_ceil(measured_k).max(k),
            Self::Lists(_) => {
                let (lists, more) = (effort as f64, k as f64 / measured_k as f64);
                self.bounded(rounded_up(lists * more.sqrt()) as usize, k)
            }
        }
    }

    /// The inverse of [`scaled`](Self::scaled).
    fn unscaled(self, effort: usize, k: usize, measured_k: usize) -> usize {
        if k <= measured_k {
            return effort;
        }
        match self {
            Self::Candidates | Self::Nothing => effort * measured_k / k,
            Self::Lists(_) => {
                let (lists, less) = (effort as f64, measured_k as f64 / k as f64);
                rounded_up(lists * less.sqrt()) as usize
            }
        }
    }

    /// The effort that usually gives a recall, and for how many neighbours.
    fn unmeasured_effort(self, target: f32) -> Option<(usize, usize)> {
        match self {
            Self::Candidates | Self::Nothing => {
                UNMEASURED.effort_for(target).map(|effort| (effort, UNMEASURED.k))
            }
            Self::Lists(lists) => {
                let points =
                    UNMEASURED_LISTS.map(|(part, recall)| (1 + lists * part / 1_000, recall));
                let curve = Calibration { points: &points, ..UNMEASURED };
                curve.effort_for(target).map(|effort| (effort, curve.k))
            }
        }
    }
}

impl<'a> Calibration<'a> {
    /// What a curve says.
    pub fn of(curve: &'a RecallCurve) -> Self {
        Self {
            k: curve.k as usize,
            samples: curve.queries as usize,
            points: &curve.points,
            of_queries: curve.live > 0,
        }
    }

    /// The smallest effort that promises `target`.
    fn effort_for(&self, target: f32) -> Option<usize> {
        let promised = |recall| self.of_queries(recall) - CONFIDENCE * self.standard_error(recall);
        let mut before: Option<(u32, f32)> = None;
        for &(effort, recall) in self.points {
            let recall = promised(recall);
            if recall >= target {
                let effort = before.map_or(effort, |(low_effort, low)| {
                    let part = (target - low) / (recall - low);
                    low_effort
                        + rounded_up(f64::from(effort - low_effort) * f64::from(part))
                            .min(effort - low_effort)
                });
                return Some(effort as usize);
            }
            before = Some((effort, recall));
        }
        None
    }

    /// The recall of queries where the sample's was measured.
    fn of_queries(&self, recall: f32) -> f32 {
        if self.of_queries { recall } else { 1.0 - (1.0 - recall) * MISSED_BY_QUERIES }
    }

    /// The mean recall to expect, between the measured points by straight lines.
    fn recall_at(&self, effort: usize) -> f32 {
        self.of_queries(self.measured_at(effort)).max(0.0)
    }

    fn measured_at(&self, effort: usize) -> f32 {
        let mut before: Option<(u32, f32)> = None;
        for &(high_effort, high) in self.points {
            if high_effort as usize >= effort {
                return before.map_or(high, |(low_effort, low)| {
                    let part =
                        (effort as f32 - low_effort as f32) / (high_effort - low_effort) as f32;
                    low + (high - low) * part
                });
            }
            before = Some((high_effort, high));
        }
        before.map_or(0.0, |(_, recall)| recall)
    }

    /// How far the sample's mean is likely to be off. A recall of 0 or 1 counts
    /// as one trial short of it.
    fn standard_error(&self, recall: f32) -> f32 {
        if self.samples == 0 {
            return 0.0;
        }
        let trials = (self.samples * self.k) as f32 / CORRELATED_NEIGHBORS.min(self.k as f32);
        ((recall * (1.0 - recall)).max(1.0 / trials) / trials).sqrt()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an effort is small and not negative"
)]
fn rounded_up(number: f64) -> u32 {
    number.ceil() as u32
}

#[cfg(test)]
mod tests;
