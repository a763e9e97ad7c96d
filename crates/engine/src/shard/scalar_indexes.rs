//! Giving sealed segments the indexes of scalar columns that are declared.
//!
//! All of a segment's are in one file, which is written anew when a declaration has
//! changed: that takes less than a second for a million rows. Until it is there, filters
//! read the columns.

use super::manifest::{FileKind, file_path};
use super::{SegmentView, Shard};
use crate::segment::{ScalarIndexes, SealedView};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;
use vicinal_types::{Error, Result, SegmentId};

/// Segments whose scalar indexes are queued or being built, or when that failed last.
pub(super) type ScalarBuilds = BTreeMap<SegmentId, Option<Instant>>;

impl Shard {
    /// Whether all scalar columns of a segment have the indexes that are declared.
    pub(crate) fn has_scalar_indexes(&self, view: &SealedView) -> bool {
        let schema = &self.settings().schema;
        view.scalar_indexes.are_as_declared(schema, &view.sealed.rows)
    }

    /// Whether a segment's scalar indexes are queued or being built.
    pub(crate) fn builds_scalar_indexes(&self, segment: SegmentId) -> bool {
        self.scalar_builds.lock().get(&segment).is_some_and(Option::is_none)
    }

    /// Queues what is missing and not queued yet.
    pub(super) fn request_scalar_indexes(self: &Arc<Self>) {
        let Some(maintenance) = self.maintenance.upgrade() else {
            return;
        };
        for segment in &self.view().segments {
            let SegmentView::Sealed(view) = segment else {
                continue;
            };
            let id = view.sealed.id;
            if self.has_scalar_indexes(view) || self.is_merging(id) {
                continue;
            }
            let mut builds = self.scalar_builds.lock();
            match builds.get(&id) {
                Some(None) => continue,
                Some(failed_at) if self.is_soon_after(*failed_at) => continue,
                Some(Some(_)) | None => {}
            }
            let (shard, view) = (Arc::clone(self), view.clone());
            let job = move || shard.run_scalar_build(&view);
            if maintenance.scalar_builders().submit(job).is_ok() {
                builds.insert(id, None);
            }
        }
    }

    fn run_scalar_build(self: &Arc<Self>, view: &SealedView) {
        let id = view.sealed.id;
        let started = self.clock.now();
        // A panic would leave it "running" for ever.
        let build = AssertUnwindSafe(|| self.build_scalar_indexes(view));
        let outcome = catch_unwind(build)
            .unwrap_or_else(|_| Err(Error::internal("building scalar indexes ended with a panic")));
        let mut builds = self.scalar_builds.lock();
        match outcome {
            Ok(()) => {
                builds.remove(&id);
                let seconds = self.clock.now().saturating_duration_since(started).as_secs_f64();
                metrics::histogram!("vicinal_scalar_index_build_seconds").record(seconds);
                tracing::info!(group = %self.group, segment = %id, seconds, "built scalar indexes");
            }
            Err(error) => {
                builds.insert(id, Some(self.clock.now()));
                if self.cancel.check().is_ok() {
                    tracing::warn!(group = %self.group, segment = %id, "scalar indexes were not built and are tried again: {error}");
                }
            }
        }
    }

    fn build_scalar_indexes(&self, view: &SealedView) -> Result<()> {
        self.cancel.check()?;
        self.check_manifest()?;
        let (schema, rows) = (Arc::clone(&self.settings().schema), &view.sealed.rows);
        let file = self.take_file();
        let path = file_path(&self.dir, FileKind::ScalarIndexes, file);
        let cancel = &self.cancel;
        let is_written =
            view.scalar_indexes.write(&self.disk, &path, file, rows, &schema, cancel)?;
        let installed = if is_written {
            ScalarIndexes::open(&*self.disk, &path, file, rows, &schema)
                .and_then(|indexes| self.install_scalar_indexes(view, Some((file, indexes))))
        } else {
            self.install_scalar_indexes(view, None)
        };
        if installed.is_err() && is_written && self.check_manifest().is_ok() {
            self.remove_files(&[path]);
        }
        installed
    }

    /// Names the file in the manifest, then lets searches see it; `None` takes away what
    /// is there.
    fn install_scalar_indexes(
        &self,
        view: &SealedView,
        built: Option<(u64, ScalarIndexes)>,
    ) -> Result<()> {
        let id = view.sealed.id;
        let mut manifest = self.manifest.lock();
        let mut body = manifest.body.clone();
        let file = built.as_ref().map(|(file, _)| *file);
        let Some(entry) = body.segment(id) else {
            drop(manifest);
            let path = file.map(|file| file_path(&self.dir, FileKind::ScalarIndexes, file));
            // It was merged with others meanwhile.
            self.remove_files(path.as_slice());
            return Ok(());
        };
        let obsolete = std::mem::replace(&mut entry.scalar_indexes, file);
        manifest.store.commit(&body.encode())?;
        manifest.body = body;
        drop(manifest);
        let indexes = built.map(|(_, indexes)| indexes).unwrap_or_default();
        let indexes = Arc::new(indexes);
        let mut state = self.state.write();
        for sealed in state.sealed.iter_mut().filter(|sealed| sealed.view.sealed.id == id) {
            sealed.view.scalar_indexes = Arc::clone(&indexes);
        }
        self.publish(&mut state);
        drop(state);
        let obsolete = obsolete.map(|file| file_path(&self.dir, FileKind::ScalarIndexes, file));
        self.remove_files(obsolete.as_slice());
        Ok(())
    }
}
