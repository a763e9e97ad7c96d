//! What queries of users teach about an index.
//!
//! The rows of a segment stand in for queries when its index is measured, and may be
//! found more easily than these. What was measured so is a belief worth a number of
//! queries; what users' queries miss takes its place by and by, as a posterior mean does.

use crate::effort::MISSED_BY_QUERIES;
use vicinal_types::RecallCurve;

/// Users' queries that what was measured with rows is worth.
const BELIEF_QUERIES: f64 = 64.0;

/// Queries from which older ones begin to be forgotten: what is asked changes.
const QUERIES_MAX: f64 = 1_024.0;

/// What users' queries found at the efforts of a curve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learned {
    /// Queries, older ones counted less.
    pub queries: f64,
    /// The sum of what each missed of its neighbours, 0 to 1, by point of the curve.
    pub missed: Vec<f64>,
}

impl Learned {
    /// Takes in the recall of one query at each point of the curve.
    ///
    /// What was found of another curve is forgotten.
    pub fn add(&mut self, recalls: &[f32]) {
        if self.missed.len() != recalls.len() {
            *self = Self { queries: 0.0, missed: vec![0.0; recalls.len()] };
        }
        if self.queries >= QUERIES_MAX {
            self.queries /= 2.0;
            self.missed.iter_mut().for_each(|missed| *missed /= 2.0);
        }
        self.queries += 1.0;
        for (missed, recall) in self.missed.iter_mut().zip(recalls) {
            *missed += 1.0 - f64::from(*recall);
        }
    }

    /// The curve of users' queries; as it was measured while there are none of these.
    #[must_use]
    pub fn curve(&self, measured: &RecallCurve) -> RecallCurve {
        let mut curve = measured.clone();
        if self.queries < 1.0 || self.missed.len() != measured.points.len() {
            return curve;
        }
        let all = BELIEF_QUERIES + self.queries;
        for ((_, recall), missed) in curve.points.iter_mut().zip(&self.missed) {
            let believed = (1.0 - f64::from(*recall)) * f64::from(MISSED_BY_QUERIES);
            *recall = narrowed(1.0 - (believed * BELIEF_QUERIES + missed) / all);
        }
        curve.live = whole(self.queries);
        curve.queries = whole(all);
        curve
    }

    /// How far users' queries miss more than rows did, where a curve promises `target`; less
    /// than 0 if they miss less. Nothing while there are too few of them.
    #[must_use]
    pub fn drift(&self, measured: &RecallCurve, target: f32) -> Option<f64> {
        if self.queries < BELIEF_QUERIES || self.missed.len() != measured.points.len() {
            return None;
        }
        let at = measured.points.iter().position(|(_, recall)| *recall >= target)?;
        let missed = self.missed[at] / self.queries;
        Some(missed - (1.0 - f64::from(measured.points[at].1)))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a recall is between 0 and 1")]
fn narrowed(recall: f64) -> f32 {
    recall.clamp(0.0, 1.0) as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of some hundreds"
)]
fn whole(count: f64) -> u32 {
    count.round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use vicinal_types::Among;

    fn measured() -> RecallCurve {
        let points = vec![(10, 0.90), (20, 0.95), (40, 0.99)];
        RecallCurve { k: 10, among: Among::All, queries: 256, live: 0, points }
    }

    #[test]
    fn queries_take_the_place_of_what_was_believed_by_and_by() {
        let mut learned = Learned::default();
        assert_eq!(learned.curve(&measured()), measured(), "nothing was learned");
        let recall_after = |learned: &mut Learned, queries: usize| {
            (0..queries).for_each(|_| learned.add(&[0.7, 0.85, 1.0]));
            learned.curve(&measured()).points[1].1
        };
        let first = recall_after(&mut learned, 1);
        assert!((0.89..0.90).contains(&first), "twice what rows missed: {first}");
        let half = recall_after(&mut learned, 63);
        assert!((half - 0.875).abs() < 0.001, "half of each: {half}");
        let most = recall_after(&mut learned, 900);
        assert!((0.85..0.855).contains(&most), "{most}");
        let curve = learned.curve(&measured());
        assert_eq!((curve.live, curve.queries), (964, 1_028));
        assert!(curve.points.is_sorted_by(|a, b| a.1 <= b.1), "{curve:?}");
    }

    #[test]
    fn what_was_asked_long_ago_is_forgotten() {
        let mut learned = Learned::default();
        (0..5_000).for_each(|_| learned.add(&[0.0, 0.0, 0.0]));
        (0..5_000).for_each(|_| learned.add(&[1.0, 1.0, 1.0]));
        let curve = learned.curve(&measured());
        assert!(curve.points[0].1 > 0.95, "{curve:?}");
        learned.add(&[0.5]);
        assert_eq!(learned, Learned { queries: 1.0, missed: vec![0.5] }, "of another curve");
        assert_eq!(learned.curve(&measured()), measured());
    }

    #[test]
    fn drift_is_what_queries_miss_beyond_what_rows_did() {
        let mut learned = Learned::default();
        (0..63).for_each(|_| learned.add(&[0.8, 0.9, 0.9]));
        assert_eq!(learned.drift(&measured(), 0.95), None, "too few");
        learned.add(&[0.8, 0.9, 0.9]);
        let drift = learned.drift(&measured(), 0.95).expect("enough");
        assert!((drift - 0.05).abs() < 1e-6, "{drift}");
        assert_eq!(learned.drift(&measured(), 0.999), None, "the curve ends before");
    }
}
