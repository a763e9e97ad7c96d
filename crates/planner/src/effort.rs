//! How hard a segment's index is searched.

use vicinal_types::Effort;
use vicinal_types::limits::EFFORT_MAX;

/// What was measured when the index was built: recall at growing efforts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration<'a> {
    /// Neighbours asked for by the queries of the sample.
    pub k: usize,
    /// Queries of the sample.
    pub samples: usize,
    /// Effort and mean recall, by ascending effort.
    pub points: &'a [(u32, f32)],
}

/// How one segment is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchPlan {
    /// Compare with every allowed row.
    Scan,
    /// Walk the index, keeping this many candidates.
    Index {
        /// Candidates kept; at least k.
        effort: usize,
    },
}

/// The plan, what it promises, and why it was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchChoice {
    /// The plan.
    pub plan: SearchPlan,
    /// The recall to expect, if anything is known about it.
    pub expected_recall: Option<f32>,
    /// One clause for EXPLAIN.
    pub reason: &'static str,
}

/// Standard errors by which a measured recall must exceed the one asked for: one
/// sample in six is worse by more than that.
const CONFIDENCE: f32 = 1.0;

/// Neighbours of one query are found or missed together; so many of them tell
/// as much as one independent trial.
const CORRELATED_NEIGHBORS: f32 = 4.0;

/// An index with `rows` below this many times the effort is scanned instead: a
/// candidate kept costs about sixteen comparisons in the graph, each twice as
/// dear as one in a scan.
const ROWS_PER_EFFORT: u64 = 32;

/// Assumed where nothing was measured: low for m = 16 and well-behaved data.
const UNMEASURED: Calibration<'_> = Calibration {
    k: 10,
    samples: 0,
    points: &[(32, 0.80), (64, 0.90), (128, 0.96), (256, 0.98), (512, 0.99)],
};

/// Chooses how a segment of `rows` rows with a graph index is searched for `k`
/// neighbours.
///
/// A wanted recall takes the smallest effort that promises it: measured points
/// are lowered by their standard error and joined by straight lines, which lie
/// below the curve. Beyond the curve, and where the graph would cost more, the
/// segment is scanned. More neighbours than were measured take proportionally
/// more effort.
pub fn choose_effort(
    effort: Effort,
    k: usize,
    rows: u64,
    calibration: Option<&Calibration<'_>>,
) -> SearchChoice {
    let measured = calibration.filter(|curve| !curve.points.is_empty() && curve.k > 0);
    let choice = match effort {
        Effort::Exact => return scan("exact search was asked for"),
        Effort::Candidates(candidates) => {
            let effort = candidates.max(k).max(1);
            let recall = measured.map(|curve| curve.recall_at(unscaled(effort, k, curve.k)));
            index(effort, recall, "the request names the effort")
        }
        Effort::MinRecall(target) => {
            let curve = measured.unwrap_or(&UNMEASURED);
            let Some(effort) = curve.effort_for(target) else {
                return scan("no measured effort promises the recall asked for");
            };
            let recall = measured.map(|curve| curve.recall_at(effort));
            let reason = if measured.is_some() {
                "the smallest effort measured to promise the recall"
            } else {
                "nothing was measured yet: an effort that is usually enough"
            };
            index(scaled(effort, k, curve.k), recall, reason)
        }
    };
    match choice.plan {
        SearchPlan::Index { effort } if effort > EFFORT_MAX => {
            scan("the effort needed is above the limit")
        }
        SearchPlan::Index { effort } if effort as u64 * ROWS_PER_EFFORT >= rows => {
            scan("a scan of so few rows is cheaper than the graph")
        }
        SearchPlan::Index { .. } | SearchPlan::Scan => choice,
    }
}

fn scan(reason: &'static str) -> SearchChoice {
    SearchChoice { plan: SearchPlan::Scan, expected_recall: Some(1.0), reason }
}

fn index(effort: usize, expected_recall: Option<f32>, reason: &'static str) -> SearchChoice {
    SearchChoice { plan: SearchPlan::Index { effort }, expected_recall, reason }
}

/// The effort for `k` neighbours that is worth `effort` for `measured_k`.
fn scaled(effort: usize, k: usize, measured_k: usize) -> usize {
    if k <= measured_k { effort.max(k) } else { (effort * k).div_ceil(measured_k).max(k) }
}

/// The inverse of [`scaled`].
fn unscaled(effort: usize, k: usize, measured_k: usize) -> usize {
    if k <= measured_k { effort } else { effort * measured_k / k }
}

impl Calibration<'_> {
    /// The smallest effort that promises `target`.
    fn effort_for(&self, target: f32) -> Option<usize> {
        let promised = |recall| recall - CONFIDENCE * self.standard_error(recall);
        let mut before: Option<(u32, f32)> = None;
        for &(effort, recall) in self.points {
            let recall = promised(recall);
            if recall >= target {
                let effort = before.map_or(effort, |(low_effort, low)| {
                    let part = (target - low) / (recall - low);
                    low_effort
                        + rounded_up((effort - low_effort) as f32 * part).min(effort - low_effort)
                });
                return Some(effort as usize);
            }
            before = Some((effort, recall));
        }
        None
    }

    /// The mean recall to expect, between the measured points by straight lines.
    fn recall_at(&self, effort: usize) -> f32 {
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
    reason = "a part of an effort is small and not negative"
)]
fn rounded_up(number: f32) -> u32 {
    number.ceil() as u32
}

#[cfg(test)]
mod tests;
