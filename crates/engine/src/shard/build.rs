//! Giving sealed segments the indexes that they should have.

use super::manifest::{FileKind, IndexEntry, file_path};
use super::open::open_index;
use super::{SegmentView, Shard};
use crate::maintenance::Maintenance;
use crate::segment::{BuiltIndex, Sealed, SealedView};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use vicinal_index::{Calibration, Index, Progress, calibrate};
use vicinal_planner::{IndexChoice, Learned, choose_index, estimate_build_bytes};
use vicinal_storage::SectionWriter;
use vicinal_types::{Among, Cancel, ColumnId, Error, IndexParams, Result, SegmentId, VectorType};

/// Neighbours that calibration asks for first of all.
pub(crate) const CALIBRATION_K: u32 = 10;
/// Rows that calibration takes as queries: enough for a standard error of half a
/// percent at recall 0.95, a second or two of one core's time.
pub(crate) const CALIBRATION_SAMPLES: u32 = 256;

/// What is measured of an index: a few neighbours among all rows, many, and a few where
/// filters leave some of the rows. Half as many queries do for these: between two shares
/// both tell.
const CALIBRATION: [Calibration; 11] = {
    const K: usize = CALIBRATION_K as usize;
    const SAMPLES: usize = CALIBRATION_SAMPLES as usize;
    const fn among(among: Among) -> Calibration {
        Calibration { k: K, among, queries: SAMPLES / 2 }
    }
    [
        Calibration { k: K, among: Among::All, queries: SAMPLES },
        Calibration { k: 100, among: Among::All, queries: 64 },
        Calibration { k: 1_000, among: Among::All, queries: 16 },
        among(Among::Strewn(90)),
        among(Among::Strewn(50)),
        among(Among::Strewn(25)),
        among(Among::Strewn(12)),
        among(Among::Clumps(90)),
        among(Among::Clumps(50)),
        among(Among::Clumps(25)),
        among(Among::Clumps(12)),
    ]
};

/// Indexes that are queued or being built, by segment and column.
pub(super) type Builds = BTreeMap<(SegmentId, ColumnId), Arc<Build>>;

/// An index on its way.
#[derive(Debug)]
pub(crate) struct Build {
    choice: IndexChoice,
    progress: Progress,
    is_running: AtomicBool,
    /// When it failed, if it did; it is tried again after a while. Rank: a leaf.
    failed_at: Mutex<Option<Instant>>,
    /// Bytes that the build takes, estimated.
    bytes: u64,
    /// Stops with the shard, or when nobody needs the index any more.
    cancel: Cancel,
}

impl Build {
    /// What is being built.
    pub(crate) fn name(&self) -> String {
        self.choice.params.to_string()
    }

    /// How far it is, 0 to 1.
    pub(crate) fn progress(&self) -> f64 {
        let total = self.progress.total();
        if total == 0 { 0.0 } else { self.progress.done() as f64 / total as f64 }
    }

    /// Bytes that it takes in memory now.
    pub(crate) fn bytes(&self) -> u64 {
        if self.is_running.load(Ordering::Relaxed) { self.bytes } else { 0 }
    }
}

impl Shard {
    /// The index that a segment of `rows` rows should have, and why.
    pub(crate) fn choose(&self, column: ColumnId, kind: VectorType, rows: u32) -> IndexChoice {
        let spec = self.settings().indexes.get(&column).copied().unwrap_or_default();
        choose_index(u64::from(rows), kind, &spec)
    }

    /// The vector columns of a sealed segment whose index is not as it should be.
    pub(crate) fn missing_indexes(&self, view: &SealedView) -> Vec<(ColumnId, IndexChoice)> {
        let settings = self.settings();
        let wanted = settings.schema.vectors().filter_map(|(column, kind)| {
            let choice = self.choose(column.id, kind, view.sealed.rows.len());
            let has = params_of(view.index(column.id));
            (has != choice.params).then_some((column.id, choice))
        });
        wanted.collect()
    }

    /// Whether a segment has all indexes that it should have.
    pub(crate) fn is_indexed(&self, view: &SealedView) -> bool {
        self.missing_indexes(view).is_empty() && self.has_scalar_indexes(view)
    }

    /// What is queued or being built for a column of a segment.
    pub(crate) fn build_of(&self, segment: SegmentId, column: ColumnId) -> Option<Arc<Build>> {
        let build = self.builds.lock().get(&(segment, column)).cloned();
        build.filter(|build| build.failed_at.lock().is_none())
    }

    /// Stops the builds of segments that a merge is to replace: it would begin later, for
    /// indexes that nobody keeps.
    pub(super) fn stop_builds(&self, segments: &[SegmentId]) {
        let builds = self.builds.lock();
        let of_segments = builds.iter().filter(|((of, _), _)| segments.contains(of));
        of_segments.for_each(|(_, build)| build.cancel.cancel());
    }

    /// Bytes that running builds take.
    pub(crate) fn build_bytes(&self) -> u64 {
        let builds: u64 = self.builds.lock().values().map(|build| build.bytes()).sum();
        builds + self.merge_bytes()
    }

    /// Queues the builds of all missing indexes that are not queued yet.
    pub(crate) fn request_builds(self: &Arc<Self>) {
        self.request_scalar_indexes();
        let Some(maintenance) = self.maintenance.upgrade() else {
            return;
        };
        for segment in &self.view().segments {
            let SegmentView::Sealed(view) = segment else {
                continue;
            };
            if self.is_merging(view.sealed.id) {
                continue;
            }
            for (column, choice) in self.missing_indexes(view) {
                self.request_build(&maintenance, view, column, choice);
            }
        }
    }

    /// Has indexes copied to faster memory in the background, as far as there is
    /// room.
    pub(crate) fn request_copies(self: &Arc<Self>) {
        let Some(maintenance) = self.maintenance.upgrade() else {
            return;
        };
        let memory = Arc::clone(maintenance.hot_memory());
        let wanted: Vec<_> = self
            .view()
            .segments
            .iter()
            .filter_map(|segment| match segment {
                SegmentView::Sealed(view) => Some(view.clone()),
                SegmentView::Memory(_) => None,
            })
            .filter(|view| view.indexes.iter().any(|built| built.wants_copy(&memory)))
            .collect();
        if wanted.is_empty() || self.is_copying.swap(true, Ordering::AcqRel) {
            return;
        }
        let shard = Arc::clone(self);
        let pools = Arc::clone(maintenance.pools());
        let submitted = maintenance.flushers().submit(move || {
            for view in wanted {
                let built = view.indexes.iter().filter(|built| built.wants_copy(&memory));
                // Memory is of the node whose thread touches it first.
                pools.on_node(view.sealed.node(&pools), || {
                    built.for_each(|built| built.copy_to(&memory, &view.sealed, &*shard.clock));
                });
            }
            shard.is_copying.store(false, Ordering::Release);
        });
        if submitted.is_err() {
            self.is_copying.store(false, Ordering::Release);
        }
    }

    fn request_build(
        self: &Arc<Self>,
        maintenance: &Arc<Maintenance>,
        view: &SealedView,
        column: ColumnId,
        choice: IndexChoice,
    ) {
        let key = (view.sealed.id, column);
        let mut builds = self.builds.lock();
        if let Some(known) = builds.get(&key) {
            let failed_at = *known.failed_at.lock();
            if failed_at.is_none() || self.is_soon_after(failed_at) {
                return;
            }
        }
        let Some(part) = view.sealed.rows.vectors(column) else { return };
        let kind = part.vectors.vector_type();
        let rows = u64::from(view.sealed.rows.len());
        let bytes = estimate_build_bytes(rows, kind, &choice.params);
        let progress = Progress::default();
        let build = Arc::new(Build {
            choice,
            progress,
            is_running: AtomicBool::new(false),
            failed_at: Mutex::default(),
            bytes,
            cancel: self.cancel.part(),
        });
        let Some(share) = maintenance.work().take(bytes) else { return };
        let (shard, view, job) = (Arc::clone(self), view.clone(), Arc::clone(&build));
        let pools = Arc::clone(maintenance.pools());
        let submitted = maintenance.builders().submit(move || {
            shard.run_build(&view, column, &job, pools.build());
            drop(share);
        });
        if submitted.is_ok() {
            builds.insert(key, build);
        }
    }

    /// Why a build cannot begin for want of memory, if so.
    pub(crate) fn build_waits(
        &self,
        sealed: &Sealed,
        kind: VectorType,
        choice: &IndexChoice,
    ) -> Option<String> {
        let bytes = estimate_build_bytes(u64::from(sealed.rows.len()), kind, &choice.params);
        let what = format!("building {}", choice.params);
        let refused = self.maintenance.upgrade()?.budget().check_job(&what, bytes).err()?;
        Some(refused.to_string())
    }

    fn run_build(
        self: &Arc<Self>,
        view: &SealedView,
        column: ColumnId,
        build: &Build,
        pool: &rayon::ThreadPool,
    ) {
        build.is_running.store(true, Ordering::Relaxed);
        if self.is_merging(view.sealed.id) || build.cancel.check().is_err() {
            // The merge makes an index of its own.
            self.builds.lock().remove(&(view.sealed.id, column));
            return;
        }
        let started = self.clock.now();
        // A panic of the build would leave it "running" for ever.
        let build_it = AssertUnwindSafe(|| self.build(view, column, build, pool));
        let outcome = catch_unwind(build_it)
            .unwrap_or_else(|_| Err(Error::internal("the index build ended with a panic")));
        let seconds = self.clock.now().saturating_duration_since(started).as_secs_f64();
        build.is_running.store(false, Ordering::Relaxed);
        let is_stopped = build.cancel.check().is_err();
        match &outcome {
            Err(_) if !is_stopped => *build.failed_at.lock() = Some(self.clock.now()),
            Ok(()) | Err(_) => drop(self.builds.lock().remove(&(view.sealed.id, column))),
        }
        match outcome {
            Ok(()) => {
                metrics::histogram!("vicinal_index_build_seconds").record(seconds);
                metrics::counter!("vicinal_index_builds_total").increment(1);
                let (segment, rows) = (view.sealed.id, view.sealed.rows.len());
                tracing::info!(group = %self.group, %segment, rows, seconds, "built {}", build.name());
            }
            Err(_) if is_stopped => {}
            Err(error) => {
                metrics::counter!("vicinal_index_build_failures_total").increment(1);
                tracing::warn!(group = %self.group, "an index build failed and is tried again: {error}");
            }
        }
    }

    fn build(
        &self,
        view: &SealedView,
        column: ColumnId,
        build: &Build,
        pool: &rayon::ThreadPool,
    ) -> Result<()> {
        let params = build.choice.params;
        if params == IndexParams::Flat {
            return self.install_index(view.sealed.id, column, None);
        }
        let (progress, cancel) = (&build.progress, &build.cancel);
        let built = self.write_index(&view.sealed, column, &params, progress, cancel, pool)?;
        let Some((file, built)) = built else { return Ok(()) };
        let installed = self.install_index(view.sealed.id, column, Some((file, built)));
        if installed.is_err() && self.check_manifest().is_ok() {
            self.remove_files(&[file_path(&self.dir, FileKind::Index, file)]);
        }
        installed
    }

    /// Builds and measures an index, and makes its file durable; nothing if the
    /// column was dropped.
    pub(super) fn write_index(
        &self,
        sealed: &Sealed,
        column: ColumnId,
        params: &IndexParams,
        progress: &Progress,
        cancel: &Cancel,
        pool: &rayon::ThreadPool,
    ) -> Result<Option<(u64, BuiltIndex)>> {
        self.check_manifest()?;
        let Some(part) = sealed.rows.vectors(column) else {
            return Ok(None);
        };
        let seed = self.group.0 << 32 | sealed.id.0;
        let params = params.with_seed(seed);
        let index = Index::build(&params, &part.vectors, pool, progress, cancel)?;
        let curves = calibrate(&index, &part.vectors, pool, &CALIBRATION, seed, cancel)?;
        let file = self.take_file();
        let path = file_path(&self.dir, FileKind::Index, file);
        let mut writer = SectionWriter::create(Arc::clone(&self.disk), &path, file)?;
        for (kind, version, bytes) in index.sections() {
            writer.section(kind, version, &bytes)?;
        }
        writer.finish()?;
        drop(index);
        let opened = open_index(&*self.disk, &path, file, part);
        let (index, file_bytes) = opened.inspect_err(|_| self.remove_files(&[path]))?;
        Ok(Some((file, BuiltIndex::new(column, index, (curves, Learned::default()), file_bytes))))
    }

    /// Names the index in the manifest, then lets searches see it; `None` takes
    /// the column's index away.
    fn install_index(
        &self,
        segment: SegmentId,
        column: ColumnId,
        built: Option<(u64, BuiltIndex)>,
    ) -> Result<()> {
        let mut manifest = self.manifest.lock();
        let mut body = manifest.body.clone();
        let Some(entry) = body.segment(segment) else {
            // A merge has put another in its place, with an index of its own.
            let unused = built.map(|(file, _)| file_path(&self.dir, FileKind::Index, file));
            drop(manifest);
            self.remove_files(unused.as_slice());
            return Ok(());
        };
        let replaced = entry.indexes.iter().filter(|index| index.column == column);
        let obsolete: Vec<_> =
            replaced.map(|index| file_path(&self.dir, FileKind::Index, index.file)).collect();
        entry.indexes.retain(|index| index.column != column);
        if let Some((file, built)) = &built {
            entry.indexes.push(IndexEntry::new(column, *file, &built.curves));
        }
        manifest.store.commit(&body.encode())?;
        manifest.body = body;
        drop(manifest);
        let mut state = self.state.write();
        for sealed in state.sealed.iter_mut().filter(|sealed| sealed.view.sealed.id == segment) {
            sealed.view.indexes.retain(|index| index.column != column);
        }
        if let Some((_, built)) = built {
            let built = Arc::new(built);
            for sealed in state.sealed.iter_mut().filter(|sealed| sealed.view.sealed.id == segment)
            {
                sealed.view.indexes.push(Arc::clone(&built));
            }
        }
        for sealed in state.sealed.iter_mut().filter(|sealed| sealed.view.sealed.id == segment) {
            if self.missing_indexes(&sealed.view).is_empty() {
                sealed.view.interim = None;
            }
        }
        self.publish(&mut state);
        drop(state);
        self.remove_files(&obsolete);
        Ok(())
    }
}

/// What a column's index is, as the planner names it; a scan if there is none.
pub(crate) fn params_of(built: Option<&BuiltIndex>) -> IndexParams {
    built.map_or(IndexParams::Flat, |built| built.index().params().with_seed(0))
}
