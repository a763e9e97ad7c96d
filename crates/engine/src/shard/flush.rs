//! From memory to files: a frozen segment becomes a sealed one.
//!
//! The order of the steps is what makes a crash harmless at each of them:
//! 1. the segment's file, the tombstones against older segments and the recent
//!    request ids are written and made durable, under names nobody refers to;
//! 2. one manifest names them all together with the position up to which they
//!    hold every write;
//! 3. searches see the sealed segment in place of the frozen one;
//! 4. the log is purged up to that position, replaced files are removed.
//!
//! Only what was written up to the frozen segment's position goes into the
//! files: later tombstones come again from the log, with the writes they are of.

use super::id_range::IdRange;
use super::manifest::{Body, FileKind, SegmentEntry, TombstonesEntry, file_path};
use super::requests::Remembered;
use super::state::SealedState;
use super::{RETRY_PAUSE, Shard};
use crate::segment::{
    Dropped, Interim, MemoryView, Part, Sealed, SealedView, Tombstone, write_segment,
    write_tombstones,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use vicinal_storage::LogPosition;
use vicinal_types::{Error, Result, SegmentId};

/// Sealed segments that stay in memory until they have their index: where builds are
/// slower than writes, memory must not fill up with them.
const INTERIMS_MAX: usize = 4;

/// What of the state a flush writes: everything up to `at`.
struct Batch {
    at: LogPosition,
    view: MemoryView,
    /// Rows to be sealed, ascending: those not deleted up to `at`.
    kept: Vec<u32>,
    /// All tombstones of each sealed segment up to `at`.
    tombstones: Vec<(SegmentId, Vec<Tombstone>)>,
    requests: Remembered,
}

impl Shard {
    /// Queues a flush unless one is queued or runs; a full queue is no loss, the
    /// next maintenance round asks again.
    pub(crate) fn request_flush(self: &Arc<Self>) {
        let Some(maintenance) = self.maintenance.upgrade() else {
            return;
        };
        let failed_at = self.flush_failure.lock().as_ref().map(|(at, _)| *at);
        if self.is_soon_after(failed_at) || self.is_flushing.swap(true, Ordering::AcqRel) {
            return;
        }
        let shard = Arc::clone(self);
        let submitted = maintenance.flushers().submit(move || shard.run_flush());
        if submitted.is_err() {
            self.is_flushing.store(false, Ordering::Release);
        }
    }

    /// Whether something failed so recently that it should not be tried again yet.
    pub(super) fn is_soon_after(&self, failed_at: Option<Instant>) -> bool {
        failed_at.is_some_and(|at| self.clock.now().saturating_duration_since(at) < RETRY_PAUSE)
    }

    /// Seals one segment and queues behind the other shards for the next: those
    /// that are written to all the time must not keep the workers for themselves,
    /// or the log, which goes on where the slowest shard is, never ends.
    fn run_flush(self: &Arc<Self>) {
        if self.has_frozen() && self.view().damaged.is_empty() {
            let started = self.clock.now();
            // A panic would leave the shard "flushing" for ever.
            let flush = catch_unwind(AssertUnwindSafe(|| self.flush_oldest()));
            let outcome =
                flush.unwrap_or_else(|_| Err(Error::internal("the flush ended with a panic")));
            let now = self.clock.now();
            let seconds = now.saturating_duration_since(started).as_secs_f64();
            metrics::histogram!("vicinal_flush_seconds").record(seconds);
            let failures = metrics::counter!("vicinal_flush_failures_total");
            failures.increment(u64::from(outcome.is_err()));
            if let Err(error) = &outcome {
                tracing::warn!(group = %self.group, "a flush failed and is tried again: {error}");
            }
            *self.flush_failure.lock() = outcome.err().map(|error| (now, error.to_string()));
        }
        self.is_flushing.store(false, Ordering::Release);
        self.request_builds();
        if self.has_frozen() && self.view().damaged.is_empty() {
            self.request_flush();
        }
    }

    /// Seals the oldest frozen segment.
    fn flush_oldest(&self) -> Result<()> {
        let _sealing = self.sealing.lock();
        let Some(batch) = self.batch() else {
            return Ok(());
        };
        self.check_manifest()?;
        let mut written = Written::default();
        let files = self.write_files(&batch, &mut written);
        #[cfg(feature = "seeded-bugs")]
        self.misorder(batch.at, files.as_ref().map_or(&[], |(_, obsolete)| obsolete));
        let named = files.and_then(|files| {
            self.name_files(&batch, &written)?;
            Ok(files)
        });
        let (sealed, obsolete) = match named {
            Ok(files) => files,
            Err(error) => {
                // Unless the manifest may name them by now, they go: the next
                // attempt writes its own, and a full disk needs the space.
                if self.check_manifest().is_ok() {
                    self.remove_files(&written.paths(&self.dir));
                }
                return Err(error);
            }
        };
        self.install(sealed, &batch);
        if let Some(maintenance) = self.maintenance.upgrade() {
            maintenance.purge(self.group, batch.at);
        }
        self.remove_files(&obsolete);
        metrics::counter!("vicinal_flushes_total").increment(1);
        Ok(())
    }

    /// Refuses to write files that no manifest could name.
    pub(crate) fn check_manifest(&self) -> Result<()> {
        match self.manifest.lock().store.failure() {
            None => Ok(()),
            Some(reason) => Err(Error::unavailable(format!(
                "the manifest of group {} failed and takes nothing until a restart: {reason}",
                self.group
            ))),
        }
    }

    /// One manifest edit makes durable everything up to the batch's position.
    fn name_files(&self, batch: &Batch, written: &Written) -> Result<()> {
        let mut manifest = self.manifest.lock();
        // Index builds may have named files since; only what is ours is changed.
        let mut body = manifest.body.clone();
        body.set_applied(batch.at);
        body.next_segment = SegmentId(batch.view.id.0 + 1).max(body.next_segment);
        written.enter(&mut body);
        #[cfg(feature = "seeded-bugs")]
        self.misname(&mut body, &manifest.body);
        manifest.store.commit(&body.encode())?;
        manifest.body = body;
        Ok(())
    }

    fn batch(&self) -> Option<Batch> {
        let state = self.state.read();
        let oldest = state.memory.first()?;
        let at = oldest.frozen_at?;
        let view = oldest.view.clone();
        let mut kept: Vec<u32> = (0..view.row_count).filter(|row| view.is_live(*row)).collect();
        kept.extend(oldest.late_tombstones.iter().map(|tombstone| tombstone.row));
        kept.sort_unstable();
        let of_segment = |segment: &SealedState| {
            (segment.view.sealed.id, segment.tombstones_up_to(at.index).to_vec())
        };
        let tombstones = state.sealed.iter().map(of_segment).collect();
        let requests = state.requests.up_to(at.index);
        Some(Batch { at, view, kept, tombstones, requests })
    }

    /// Writes the batch's files; returns the sealed segment and the files that
    /// they replace.
    fn write_files(
        &self,
        batch: &Batch,
        written: &mut Written,
    ) -> Result<(Option<Sealed>, Vec<PathBuf>)> {
        let mut obsolete = Vec::new();
        let before = self.manifest.lock().body.clone();
        let sealed = if batch.kept.is_empty() {
            None
        } else {
            let file = self.take_file();
            let path = file_path(&self.dir, FileKind::Rows, file);
            // Taken after the batch: it knows every column that rows of it have.
            let schema = Arc::clone(&self.settings().schema);
            let parts = Part::of_memory(&batch.view, &batch.kept);
            write_segment(&self.disk, &path, file, &parts, &schema, Dropped::Kept)?;
            let rows = u32::try_from(batch.kept.len()).expect("rows have 32-bit offsets");
            written.segment = Some((batch.view.id, file, rows, None));
            let sealed = Sealed::open(&*self.disk, &path, file, batch.view.id, &schema)?;
            written.segment = Some((batch.view.id, file, rows, IdRange::of(&sealed.rows.ids)));
            Some(sealed)
        };
        for (segment, tombstones) in &batch.tombstones {
            let entry = before.segments.iter().find(|entry| entry.id == *segment);
            let old = entry.and_then(|entry| entry.tombstones);
            if tombstones.len() as u64 == old.map_or(0, |old| old.count) {
                continue;
            }
            let file = self.take_file();
            let path = file_path(&self.dir, FileKind::Tombstones, file);
            write_tombstones(&self.disk, &path, file, tombstones)?;
            let entry = TombstonesEntry { file, count: tombstones.len() as u64 };
            written.tombstones.push((*segment, entry));
            obsolete.extend(old.map(|old| file_path(&self.dir, FileKind::Tombstones, old.file)));
        }
        if !batch.requests.is_empty() {
            let file = self.take_file();
            let path = file_path(&self.dir, FileKind::Requests, file);
            batch.requests.write(&self.disk, &path, file)?;
            written.requests = Some(file);
            let old = before.requests_file;
            obsolete.extend(old.map(|old| file_path(&self.dir, FileKind::Requests, old)));
        }
        Ok((sealed, obsolete))
    }

    /// Lets searches see the sealed segment in place of the oldest frozen one.
    fn install(&self, sealed: Option<Sealed>, batch: &Batch) {
        let mut state = self.state.write();
        let frozen = state.memory.remove(0);
        state.durable = batch.at.index;
        if let Some(sealed) = sealed {
            let mut view = SealedView {
                sealed: Arc::new(sealed),
                indexes: Vec::new(),
                scalar_indexes: Arc::default(),
                live: None,
                deleted_count: 0,
                interim: None,
            };
            let mut tombstones = frozen.late_tombstones;
            for tombstone in &mut tombstones {
                let place = batch.kept.binary_search(&tombstone.row);
                let place = place.expect("rows deleted after the freeze were kept");
                tombstone.row = u32::try_from(place).expect("rows have 32-bit offsets");
                view.delete(tombstone.row);
            }
            // It knows of these deletions, and hears of those to come.
            let interims = state.sealed.iter().filter(|of| of.view.interim.is_some()).count();
            if interims < INTERIMS_MAX && !self.missing_indexes(&view).is_empty() {
                view.interim = Interim::new(frozen.view, &batch.kept);
            }
            state.sealed.push(SealedState { view, tombstones });
        }
        self.publish(&mut state);
    }

    pub(super) fn take_file(&self) -> u64 {
        self.manifest.lock().body.take_file()
    }

    /// Removes files that the manifest names no more; what cannot be removed now
    /// is a leftover that the next start removes.
    pub(super) fn remove_files(&self, paths: &[PathBuf]) {
        for path in paths {
            if let Err(error) = self.disk.remove(path) {
                tracing::warn!("{} is left for the next start to remove: {error}", path.display());
            }
        }
    }
}

/// Files that are durable but not yet named.
#[derive(Default)]
struct Written {
    segment: Option<(SegmentId, u64, u32, Option<IdRange>)>,
    tombstones: Vec<(SegmentId, TombstonesEntry)>,
    requests: Option<u64>,
}

impl Written {
    /// The files' paths.
    fn paths(&self, dir: &Path) -> Vec<PathBuf> {
        let rows = self.segment.iter().map(|(_, file, ..)| (FileKind::Rows, *file));
        let tombstones =
            self.tombstones.iter().map(|(_, entry)| (FileKind::Tombstones, entry.file));
        let requests = self.requests.iter().map(|file| (FileKind::Requests, *file));
        let files = rows.chain(tombstones).chain(requests);
        files.map(|(kind, file)| file_path(dir, kind, file)).collect()
    }

    fn enter(&self, body: &mut Body) {
        for (segment, tombstones) in &self.tombstones {
            if let Some(entry) = body.segment(*segment) {
                entry.tombstones = Some(*tombstones);
            }
        }
        if let Some((id, file, rows, ids)) = self.segment.clone() {
            body.segments.push(SegmentEntry {
                id,
                file,
                rows,
                ids,
                tombstones: None,
                indexes: Vec::new(),
                scalar_indexes: None,
            });
        }
        if self.requests.is_some() {
            body.requests_file = self.requests;
        }
    }
}
