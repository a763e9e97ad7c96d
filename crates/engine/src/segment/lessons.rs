//! What users' queries have taught about an index.

use arc_swap::{ArcSwapOption, Guard};
use parking_lot::Mutex;
use std::sync::Arc;
use vicinal_planner::Learned;
use vicinal_types::RecallCurve;

/// The curve of users' queries, of an index that there is and that they were asked of.
pub(crate) type LearnedCurve = Option<Guard<Option<Arc<RecallCurve>>>>;

/// What was learned since the index was built, and what follows from it.
#[derive(Debug)]
pub(crate) struct Lessons {
    /// Rank: a leaf.
    tally: Mutex<Tally>,
    /// What searches go by, once something was learned.
    curve: ArcSwapOption<RecallCurve>,
}

#[derive(Debug)]
struct Tally {
    learned: Learned,
    /// Queries of it that the manifest has.
    stored: f64,
}

impl Lessons {
    /// Those that the manifest has of an index, whose first curve is `measured`.
    pub(super) fn new(learned: Learned, measured: Option<&RecallCurve>) -> Self {
        let curve = ArcSwapOption::empty();
        if let Some(measured) = measured.filter(|_| learned.queries > 0.0) {
            curve.store(Some(Arc::new(learned.curve(measured))));
        }
        let tally = Mutex::new(Tally { stored: learned.queries, learned });
        Self { tally, curve }
    }

    /// The curve of users' queries, if anything was learned of them.
    pub(super) fn curve(&self) -> Guard<Option<Arc<RecallCurve>>> {
        self.curve.load()
    }

    /// Takes in the recall of a query; all that was learned, and how many queries of it
    /// are stored.
    pub(super) fn add(&self, recalls: &[f32], measured: &RecallCurve) -> (Learned, f64) {
        let mut tally = self.tally.lock();
        tally.learned.add(recalls);
        self.curve.store(Some(Arc::new(tally.learned.curve(measured))));
        (tally.learned.clone(), tally.stored)
    }

    pub(super) fn learned(&self) -> Learned {
        self.tally.lock().learned.clone()
    }

    pub(super) fn is_stored(&self, queries: f64) {
        self.tally.lock().stored = queries;
    }
}
