//! How much searches find, by the queries that are really asked.
//!
//! The rows of a segment stand in for queries when its index is measured. Users' queries
//! may be unlike them, so one in so many is kept and asked again when there is time:
//! exactly, and with every effort that was measured. What is learned so is searched with
//! from then on, and goes into the manifest now and then.

use super::{SegmentView, Shard};
use crate::segment::{BuiltIndex, SealedView};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use vicinal_index::{Scratch, SearchError, recall_of};
use vicinal_types::{ColumnId, Effort, Error, Result};

/// One query in so many is kept.
const KEPT_ONE_IN: u64 = 64;

/// Queries that wait to be asked again; more are let go.
const KEPT_MAX: usize = 64;

/// How long queries are asked again before others may use the thread.
const LEARN_FOR: Duration = Duration::from_millis(10);

/// Queries of an index that were learned from when this is stored first; each time it
/// has doubled, or grown by the largest of these, it is stored again.
const STORED_MIN: f64 = 32.0;
const STORED_MORE_MAX: f64 = 256.0;

/// Queries that wait to be asked again.
#[derive(Debug, Default)]
pub(super) struct Samples {
    seen: AtomicU64,
    /// Rank: a leaf.
    kept: Mutex<VecDeque<Sample>>,
    is_running: AtomicBool,
}

#[derive(Debug)]
struct Sample {
    column: ColumnId,
    /// As vectors are stored.
    query: Vec<u8>,
}

impl Shard {
    /// Keeps a query now and then: of searches among all rows for a recall.
    pub(crate) fn sample(&self, column: ColumnId, query: &[u8]) {
        if !self.samples.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(KEPT_ONE_IN) {
            return;
        }
        let mut kept = self.samples.kept.lock();
        if kept.len() < KEPT_MAX {
            kept.push_back(Sample { column, query: query.to_vec() });
        }
    }

    /// Has some of the queries that were kept asked again, at the lowest priority; to be
    /// called now and then.
    pub(crate) fn request_recall(self: &Arc<Self>) {
        if self.samples.kept.lock().is_empty()
            || self.samples.is_running.swap(true, Ordering::AcqRel)
        {
            return;
        }
        let submitted = self.maintenance.upgrade().is_some_and(|maintenance| {
            let (shard, pools) = (Arc::clone(self), Arc::clone(maintenance.pools()));
            let job = move || {
                pools.merge().install(|| shard.learn_for(LEARN_FOR));
                shard.samples.is_running.store(false, Ordering::Release);
            };
            maintenance.mergers().submit(job).is_ok()
        });
        if !submitted {
            self.samples.is_running.store(false, Ordering::Release);
        }
    }

    /// Asks queries again until so much time has gone by, one at least.
    fn learn_for(&self, time: Duration) {
        let began = self.clock.now();
        loop {
            let sample = self.samples.kept.lock().pop_front();
            let Some(sample) = sample else { return };
            if let Err(error) = self.learn(&sample) {
                if self.cancel.check().is_ok() {
                    tracing::warn!(group = %self.group, "a query was not asked again: {error}");
                }
                return;
            }
            if self.clock.now().saturating_duration_since(began) >= time {
                return;
            }
        }
    }

    /// Asks a query again of every index of its column.
    fn learn(&self, sample: &Sample) -> Result<()> {
        let view = self.view();
        let mut scratch = Scratch::default();
        let mut is_due = false;
        for segment in &view.segments {
            if let SegmentView::Sealed(sealed) = segment
                && let Some(built) = sealed.index(sample.column)
            {
                is_due |= self.learn_of(sample, sealed, built, &mut scratch)?;
            }
        }
        if is_due { self.store_learned() } else { Ok(()) }
    }

    /// Whether what was learned should be stored.
    fn learn_of(
        &self,
        sample: &Sample,
        sealed: &SealedView,
        built: &BuiltIndex,
        scratch: &mut Scratch,
    ) -> Result<bool> {
        let Some(measured) = built.measured() else { return Ok(false) };
        let Some(part) = sealed.sealed.rows.vectors(sample.column) else { return Ok(false) };
        let query = &sample.query;
        let recalls =
            recall_of(&built.index(), &part.vectors, query, measured, scratch, &self.cancel);
        let recalls = recalls.map_err(|error| match error {
            SearchError::Stopped(stopped) => Error::from(stopped),
            SearchError::Engine(error) => Error::internal(error.to_string()),
        })?;
        metrics::counter!("vicinal_recall_samples_total").increment(1);
        let (learned, stored) = built.learn(&recalls);
        let Effort::MinRecall(target) = Effort::DEFAULT else { return Ok(false) };
        if let Some(drift) = learned.drift(measured, target) {
            let labels =
                [("group", self.group.to_string()), ("segment", sealed.sealed.id.to_string())];
            metrics::gauge!("vicinal_recall_drift", &labels).set(drift);
        }
        let due = stored + stored.clamp(STORED_MIN, STORED_MORE_MAX);
        Ok(learned.queries >= due || learned.queries < stored)
    }

    /// Puts what was learned of all indexes into the manifest.
    fn store_learned(&self) -> Result<()> {
        self.check_manifest()?;
        let view = self.view();
        let sealed = view.segments.iter().filter_map(|segment| match segment {
            SegmentView::Sealed(sealed) => Some(sealed),
            SegmentView::Memory(_) => None,
        });
        let mut manifest = self.manifest.lock();
        let mut body = manifest.body.clone();
        let mut stored = Vec::new();
        for sealed in sealed {
            // One that was merged away meanwhile needs nothing.
            let Some(entry) = body.segment(sealed.sealed.id) else { continue };
            for built in &sealed.indexes {
                let learned = built.learned();
                let of_column = entry.indexes.iter_mut().filter(|of| of.column == built.column);
                of_column.for_each(|index| index.learn(&learned));
                stored.push((built, learned.queries));
            }
        }
        manifest.store.commit(&body.encode())?;
        manifest.body = body;
        drop(manifest);
        stored.into_iter().for_each(|(built, queries)| built.learned_is_stored(queries));
        Ok(())
    }
}
