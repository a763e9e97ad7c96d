//! Merging sealed segments: the rows that live in several, or in one with many
//! deleted rows, go into a new segment, which takes their place.
//!
//! The order of the steps is what makes a crash harmless at each of them:
//! 1. the new segment's file and those of its indexes are written and made durable,
//!    under names nobody refers to, and the rows in them are checked;
//! 2. so are the tombstones of rows that were deleted meanwhile;
//! 3. one manifest names them all, and no longer what they replace;
//! 4. searches see the new segment in place of the old ones;
//! 5. the old files are removed; searches that still read them keep their maps.
//!
//! A row is left out only if the write that deleted it is in the manifest's files.
//! After a crash the log's tail is applied again, and must find every row that it
//! found the first time: what was deleted later is copied with its tombstone. So it is
//! with columns that were dropped and that writes of that tail read.
//!
//! Vectors and scalars are copied as they are stored. Codes and graphs are made anew:
//! a vertex's record has codes of its neighbours relative to itself, and with other
//! neighbours none of them stays what it was.

mod install;
mod output;

use super::state::SealedState;
use super::{SegmentView, Shard};
use crate::maintenance::{Maintenance, WorkShare};
use output::Input;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vicinal_planner::{
    DELETED_ONE_IN, Merge, SegmentFigures, SegmentTarget, Writes, choose_merge,
    estimate_build_bytes,
};
use vicinal_types::{Cancel, Error, Result, SegmentId, limits};

/// What a segment should have at least before it is left alone, whatever its
/// collection seals at: smaller ones cost searches more than merges cost. Bytes are a
/// part of the machine's memory, of which building an index takes several times those of
/// its rows.
const TARGET_ROWS: u64 = 1 << 20;
const TARGET_BYTES_MIN: u64 = 512 << 20;
const TARGET_BYTES_MAX: u64 = 4 << 30;
const TARGET_MEMORY_PART: u64 = 16;

/// How long nobody must have written for all that fits together to be merged.
const QUIET: Duration = Duration::from_secs(20);

/// Merges that are queued or run.
#[derive(Debug, Default)]
pub(super) struct Merges {
    planned: Vec<Planned>,
    /// The last write that was there at a look, and when it was seen first.
    last_write: Option<(u64, Instant)>,
    /// When one failed, if the last did.
    failed_at: Option<Instant>,
}

#[derive(Debug)]
struct Planned {
    merge: Merge,
    is_running: bool,
    /// Rows that it copies; 0 until it runs.
    rows: u64,
    /// Bytes of memory that it takes, estimated.
    bytes: u64,
    /// Stops with the shard, or when too many of the rows are deleted meanwhile.
    cancel: Cancel,
}

/// What merges are there.
#[derive(Clone, Debug, Default)]
pub(super) struct MergePlan {
    /// Segments being merged, by merge.
    pub(super) running: Vec<Vec<SegmentId>>,
    /// Segments that will be.
    pub(super) queued: Vec<Vec<SegmentId>>,
}

/// Which deletions, of rows and of columns, a decision counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deletions {
    /// Those that the manifest's files hold: a merge leaves these out.
    Durable,
    All,
}

impl Shard {
    /// Queues every merge that is worth its work and has room in the budget. Where
    /// only deletions that are not in files yet make one worth it, these are flushed.
    pub(crate) fn request_merges(self: &Arc<Self>, writes: Writes) {
        let Some(maintenance) = self.maintenance.upgrade() else {
            return;
        };
        let failed_at = self.merges.lock().failed_at;
        let is_stopped = self.cancel.check().is_err() || self.view().damage().is_some();
        if is_stopped || self.is_soon_after(failed_at) {
            return;
        }
        self.stop_obsolete_merges();
        while let Some(merge) = self.next_merge(Deletions::Durable, writes) {
            if !self.queue_merge(&maintenance, merge) {
                return;
            }
        }
        if self.next_merge(Deletions::All, writes).is_some() && !self.has_frozen() {
            self.freeze();
            self.request_flush();
        }
    }

    /// Whether the collection is written to; to be asked now and then.
    pub(crate) fn writes(&self) -> Writes {
        let (now, applied) = (self.clock.now(), self.state.read().applied.index);
        let mut merges = self.merges.lock();
        match merges.last_write {
            Some((last, since)) if last == applied => {
                let is_quiet = now.saturating_duration_since(since) >= QUIET;
                if is_quiet { Writes::Quiet } else { Writes::Going }
            }
            Some(_) | None => {
                merges.last_write = Some((applied, now));
                Writes::Going
            }
        }
    }

    /// Whether merges run, are queued, or should be if there are no more writes.
    pub(crate) fn has_merges(&self) -> bool {
        let is_planned = !self.merges.lock().planned.is_empty();
        is_planned || self.next_merge(Deletions::All, Writes::Quiet).is_some()
    }

    /// Why the last merge failed a moment ago, if it did.
    pub(crate) fn is_merge_failing(&self) -> bool {
        self.merges.lock().failed_at.is_some()
    }

    /// Whether a segment is about to be replaced.
    pub(super) fn is_merging(&self, segment: SegmentId) -> bool {
        self.merges.lock().planned.iter().any(|planned| planned.merge.segments.contains(&segment))
    }

    /// Bytes of memory that running merges take.
    pub(super) fn merge_bytes(&self) -> u64 {
        let merges = self.merges.lock();
        merges
            .planned
            .iter()
            .filter(|planned| planned.is_running)
            .map(|planned| planned.bytes)
            .sum()
    }

    /// Merges that run, are queued, or would be if there were room for them and no more
    /// writes.
    pub(super) fn merge_plan(&self) -> MergePlan {
        let mut plan = MergePlan::default();
        for planned in &self.merges.lock().planned {
            let list = if planned.is_running { &mut plan.running } else { &mut plan.queued };
            list.push(planned.merge.segments.clone());
        }
        let mut figures = self.figures(Deletions::All);
        while let Some(merge) = choose_merge(&figures, self.segment_target(), Writes::Quiet) {
            figures.retain(|segment| !merge.segments.contains(&segment.id));
            plan.queued.push(merge.segments);
        }
        plan
    }

    fn next_merge(&self, deletions: Deletions, writes: Writes) -> Option<Merge> {
        choose_merge(&self.figures(deletions), self.segment_target(), writes)
    }

    fn segment_target(&self) -> SegmentTarget {
        let declared = self.settings().segments;
        let memory = self.maintenance.upgrade().map_or(0, |of| of.budget().limit());
        let bytes = (memory / TARGET_MEMORY_PART).clamp(TARGET_BYTES_MIN, TARGET_BYTES_MAX);
        SegmentTarget {
            rows: TARGET_ROWS.max(declared.max_rows).min(limits::SEGMENT_ROWS_MAX as u64 / 2),
            bytes: bytes.max(declared.max_bytes),
        }
    }

    /// Stops merges whose outcome would have so many deleted rows, in files by now, that
    /// another merge followed. What is left to copy shrinks each time, so merging ends.
    fn stop_obsolete_merges(&self) {
        let state = self.state.read();
        let kept = |id: &SegmentId| {
            let of = &state.sealed[state.sealed_at(*id)?];
            let deleted = of.tombstones_up_to(state.durable).len() as u64;
            Some(u64::from(of.view.sealed.rows.len()).saturating_sub(deleted))
        };
        for planned in self.merges.lock().planned.iter().filter(|planned| planned.is_running) {
            let left: u64 = planned.merge.segments.iter().filter_map(kept).sum();
            let deleted = planned.rows.saturating_sub(left);
            if deleted * DELETED_ONE_IN > planned.rows {
                planned.cancel.cancel();
            }
        }
    }

    /// Segments that may be merged. Those whose index is still to be built are left
    /// alone: their rows would be scanned until the merge is done. But where so many are
    /// deleted that a merge will follow anyway, it is done at once; and where so many were
    /// deleted since the last flush, after the next.
    fn figures(&self, deletions: Deletions) -> Vec<SegmentFigures> {
        let view = self.view();
        let is_ready = |segment: &SegmentView| match segment {
            SegmentView::Sealed(sealed) => {
                let rows = u64::from(sealed.sealed.rows.len());
                let is_heavy = u64::from(sealed.deleted_count) * DELETED_ONE_IN > rows;
                let is_ready = is_heavy || self.missing_indexes(sealed).is_empty();
                (is_ready && !self.is_merging(sealed.sealed.id)).then_some(sealed.sealed.id)
            }
            SegmentView::Memory(_) => None,
        };
        let ready: Vec<_> = view.segments.iter().filter_map(is_ready).collect();
        let schema = &self.settings().schema;
        let state = self.state.read();
        let sealed = state.sealed.iter().filter(|of| ready.contains(&of.view.sealed.id));
        let durable = |of: &SealedState| of.tombstones_up_to(state.durable).len() as u64;
        let is_due = |of: &&SealedState| {
            let since = of.tombstones.len() as u64 - durable(of);
            let rows = u64::from(of.view.sealed.rows.len());
            deletions == Deletions::All || since * DELETED_ONE_IN <= rows
        };
        let figures = sealed.filter(is_due).map(|of| SegmentFigures {
            id: of.view.sealed.id,
            rows: u64::from(of.view.sealed.rows.len()),
            deleted_rows: match deletions {
                Deletions::Durable => durable(of),
                Deletions::All => of.tombstones.len() as u64,
            },
            bytes: of.view.sealed.file_bytes,
            column_bytes: of.view.sealed.largest_scalar_bytes(schema),
            dropped_bytes: match deletions {
                Deletions::Durable if !state.may_drop_columns(schema) => 0,
                Deletions::Durable | Deletions::All => of.view.sealed.dropped_bytes(schema),
            },
        });
        figures.collect()
    }

    /// Says whether there was room for it.
    fn queue_merge(self: &Arc<Self>, maintenance: &Arc<Maintenance>, merge: Merge) -> bool {
        let bytes = self.merge_cost(&merge);
        let Some(share) = maintenance.work().take(bytes) else { return false };
        let segments = merge.segments.clone();
        let cancel = self.cancel.part();
        let planned = Planned { merge, is_running: false, bytes, rows: 0, cancel: cancel.clone() };
        self.merges.lock().planned.push(planned);
        self.stop_builds(&segments);
        let (shard, of_job) = (Arc::clone(self), segments.clone());
        let pools = Arc::clone(maintenance.pools());
        let job = move || shard.run_merge(&of_job, &cancel, pools.merge(), share);
        let submitted = maintenance.mergers().submit(job);
        if submitted.is_err() {
            self.forget_merge(&segments);
        }
        submitted.is_ok()
    }

    /// The memory that building its indexes takes, estimated.
    fn merge_cost(&self, merge: &Merge) -> u64 {
        let view = self.view();
        let live = view.segments.iter().filter_map(|segment| match segment {
            SegmentView::Sealed(sealed) if merge.segments.contains(&sealed.sealed.id) => {
                Some(sealed.live_count())
            }
            SegmentView::Sealed(_) | SegmentView::Memory(_) => None,
        });
        let rows = live.sum::<u64>();
        let schema = Arc::clone(&self.settings().schema);
        let cost = |(column, kind): (&vicinal_types::Column, _)| {
            let choice = self.choose(column.id, kind, u32::try_from(rows).unwrap_or(u32::MAX));
            estimate_build_bytes(rows, kind, &choice.params)
        };
        schema.vectors().map(cost).sum()
    }

    fn forget_merge(&self, segments: &[SegmentId]) {
        self.merges.lock().planned.retain(|planned| planned.merge.segments != segments);
    }

    fn run_merge(
        self: &Arc<Self>,
        segments: &[SegmentId],
        cancel: &Cancel,
        pool: &rayon::ThreadPool,
        share: WorkShare,
    ) {
        let started = self.clock.now();
        // A panic would leave the segments "merging" for ever.
        let merge = catch_unwind(AssertUnwindSafe(|| self.merge(segments, cancel, pool)));
        let outcome =
            merge.unwrap_or_else(|_| Err(Error::internal("the merge ended with a panic")));
        let now = self.clock.now();
        let seconds = now.saturating_duration_since(started).as_secs_f64();
        drop(share);
        let has_failed = outcome.is_err() && cancel.check().is_ok();
        self.merges.lock().failed_at = has_failed.then_some(now);
        self.forget_merge(segments);
        match outcome {
            Ok(written) => {
                metrics::histogram!("vicinal_compaction_seconds").record(seconds);
                metrics::counter!("vicinal_compactions_total").increment(1);
                let segments = segments.len();
                tracing::info!(group = %self.group, segments, seconds, "merged into {written} bytes");
            }
            Err(_) if cancel.check().is_err() => {}
            Err(error) => {
                metrics::counter!("vicinal_compaction_failures_total").increment(1);
                tracing::error!(group = %self.group, "a merge was dropped and is tried again: {error}");
            }
        }
    }

    /// Merges the segments, if all of them are still there; the bytes written.
    fn merge(
        &self,
        segments: &[SegmentId],
        cancel: &Cancel,
        pool: &rayon::ThreadPool,
    ) -> Result<u64> {
        cancel.check()?;
        self.check_manifest()?;
        let Some(inputs) = self.inputs(segments) else { return Ok(0) };
        let rows: usize = inputs.iter().map(Input::kept_count).sum();
        for planned in &mut self.merges.lock().planned {
            if planned.merge.segments == segments {
                (planned.is_running, planned.rows) = (true, rows as u64);
            }
        }
        let mut files: Vec<PathBuf> = Vec::new();
        let written = pool.install(|| self.write_output(&inputs, cancel, pool, &mut files));
        let installed = written.and_then(|output| {
            let bytes = output.as_ref().map_or(0, output::Output::bytes);
            self.install_merge(&inputs, output, &mut files).map(|()| bytes)
        });
        // Unless the manifest may name them by now, they go.
        if installed.is_err() && self.check_manifest().is_ok() {
            self.remove_files(&files);
        }
        let bytes = installed?;
        let read = inputs.iter().map(Input::bytes).sum();
        metrics::counter!("vicinal_compaction_read_bytes_total").increment(read);
        metrics::counter!("vicinal_compaction_written_bytes_total").increment(bytes);
        Ok(bytes)
    }

    /// The segments with the rows that the new one will have.
    fn inputs(&self, segments: &[SegmentId]) -> Option<Vec<Input>> {
        let state = self.state.read();
        let inputs = segments.iter().map(|id| {
            let sealed = &state.sealed[state.sealed_at(*id)?];
            Some((sealed.view.clone(), sealed.tombstones_up_to(state.durable).to_vec()))
        });
        let inputs: Vec<_> = inputs.collect::<Option<_>>()?;
        #[cfg(feature = "seeded-bugs")]
        let inputs = self.without_tombstones(inputs);
        drop(state);
        Some(inputs.into_iter().map(|(view, deleted)| Input::new(view, &deleted)).collect())
    }
}
