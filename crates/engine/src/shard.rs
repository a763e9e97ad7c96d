//! One shard: its segments, what writes do to them, and what searches see.
//!
//! A write is applied under the state lock and then published as a new [`View`];
//! a search takes the view that is there and needs no lock. Files are written
//! and read outside of the state lock.

mod apply;
mod build;
mod compact;
mod existing;
mod flush;
mod grow;
mod id_range;
mod install;
mod locate;
mod manifest;
mod open;
mod pin;
mod recall;
mod requests;
mod scalar_indexes;
#[cfg(feature = "seeded-bugs")]
mod seeded;
mod space;
mod state;
mod update;
mod verify;
mod view;

pub(crate) use build::params_of;
pub(crate) use install::{check_staged, install, staged_names};
pub use space::Space;
pub(crate) use state::State;
pub(crate) use verify::ShardFiles;
pub(crate) use view::{SegmentView, View};

use crate::maintenance::Maintenance;
use arc_swap::ArcSwap;
use manifest::Manifest;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use vicinal_storage::Disk;
use vicinal_types::{
    Cancel, Clock, CollectionId, ColumnId, Error, GroupId, IndexSpec, Result, Schema, SegmentId,
    SegmentLimits,
};
use view::WAY_OUT;

/// Segments waiting for their files above which writes are refused: a disk that
/// is slower than the writers must not fill the memory.
const FROZEN_SEGMENTS_MAX: usize = 8;

/// Segments that may wait for their files before writes are slowed down.
const FROZEN_SEGMENTS_EASY: usize = 2;

/// What writes wait for each time the number of waiting segments doubles it: the
/// last step before refusal is 3.2 s, in which any disk writes a segment.
const WRITE_DELAY: Duration = Duration::from_millis(50);

const _: () = assert!(FROZEN_SEGMENTS_EASY < FROZEN_SEGMENTS_MAX, "slow down before refusing");

/// After a failed flush or build the next attempt waits this long: each writes a
/// whole file or takes minutes of CPU.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// What of a collection's declaration may change while it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// At least as new as that of any write that is applied, see
    /// [`Catalogue::reconcile`](crate::catalogue::Catalogue::reconcile).
    pub(crate) schema: Arc<Schema>,
    pub(crate) segments: SegmentLimits,
    pub(crate) indexes: BTreeMap<ColumnId, IndexSpec>,
}

/// What a shard is made of from the start.
pub(crate) struct ShardOptions {
    pub(crate) group: GroupId,
    pub(crate) collection: CollectionId,
    pub(crate) settings: Settings,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) maintenance: Weak<Maintenance>,
}

/// A shard of a collection on this node.
pub(crate) struct Shard {
    pub(crate) group: GroupId,
    collection: CollectionId,
    settings: ArcSwap<Settings>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    maintenance: Weak<Maintenance>,
    /// Held while what is sealed changes, rank 0: by a flush from what it takes
    /// of the state to what it puts back, by a merge while it puts its segment in
    /// place of others. A flush's tombstones are of the segments that it saw.
    sealing: Mutex<()>,
    /// Guards the manifest and its file, rank 1: held while a manifest is
    /// written, never while the state is locked.
    manifest: Mutex<Manifest>,
    /// Guards segments and id maps, rank 2: never held across IO.
    state: RwLock<State>,
    view: ArcSwap<View>,
    /// A flush of this shard is queued or runs; there is one at a time.
    is_flushing: AtomicBool,
    /// Whether a job that copies indexes is on its way.
    is_copying: AtomicBool,
    /// Queries that wait to be asked again.
    samples: recall::Samples,
    /// Whether a job that inserts rows into graphs is on its way.
    is_growing: AtomicBool,
    /// The growing segment and its rows at the last look. Rank: a leaf.
    seen_growing: Mutex<(SegmentId, u32)>,
    /// When and why the last flush failed; cleared by one that succeeds. Rank: a leaf.
    flush_failure: Mutex<Option<(Instant, String)>>,
    /// Columns of segments whose index is queued or being built.
    builds: Mutex<build::Builds>,
    /// Merges that are queued or run, and files that merges replaced. Ranks: leaves.
    merges: Mutex<compact::Merges>,
    retired: Mutex<Vec<space::Retired>>,
    /// Segments whose scalar indexes are. Rank: a leaf.
    scalar_builds: Mutex<scalar_indexes::ScalarBuilds>,
    /// Set when the shard is dropped or the node stops: builds end early.
    cancel: Cancel,
}

impl Shard {
    /// What searches see now.
    pub(crate) fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Rows that are not deleted.
    pub(crate) fn live_count(&self) -> u64 {
        self.view.load().live_count()
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Takes new settings; the next maintenance round builds what they ask for.
    pub(crate) fn set_settings(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// Ends builds early; the shard goes away.
    pub(crate) fn stop(&self) {
        self.cancel.cancel();
    }

    /// Why writes cannot be taken now, if so.
    ///
    /// # Errors
    /// `Corrupt` when a segment is damaged, `Exhausted` when segments wait for
    /// their files.
    pub(crate) fn check_writable(&self) -> Result<()> {
        let view = self.view.load();
        if let Some(reason) = view.damage() {
            return Err(Error::corrupt(format!(
                "writes are refused while a segment is damaged, since its ids are unknown: {reason}; {WAY_OUT}"
            )));
        }
        let frozen = view.frozen_count();
        if frozen < FROZEN_SEGMENTS_MAX {
            return Ok(());
        }
        let failure = self.flush_failure();
        let reason =
            failure.map_or(String::new(), |failure| format!(": the last flush failed, {failure}"));
        Err(Error::exhausted(format!(
            "{frozen} full segments wait for their files, the limit is {FROZEN_SEGMENTS_MAX}{reason}; retry in a second"
        ))
        .retry_after(Duration::from_secs(1)))
    }

    /// How long a write should wait: nothing while few segments wait for their
    /// files, then twice as long for each more, up to where writes are refused.
    pub(crate) fn write_delay(&self) -> Duration {
        let frozen = self.view.load().frozen_count();
        let beyond = frozen.min(FROZEN_SEGMENTS_MAX).saturating_sub(FROZEN_SEGMENTS_EASY);
        if beyond == 0 { Duration::ZERO } else { WRITE_DELAY * (1 << beyond) }
    }

    /// Freezes the growing segment if it is older than its limit; says whether
    /// there is something to flush.
    pub(crate) fn freeze_if_due(&self) -> bool {
        let interval = Duration::from_secs(self.settings().segments.max_interval_s);
        let now = self.clock.now();
        let is_due = |state: &State| {
            state.first_change.is_some_and(|first| now.saturating_duration_since(first) >= interval)
        };
        if is_due(&self.state.read()) {
            let mut state = self.state.write();
            if is_due(&state) {
                state.freeze();
                self.publish(&mut state);
            }
        }
        self.has_frozen()
    }

    /// When the first row came that only the log holds, if there is one and no
    /// segment is on its way to its file already.
    pub(crate) fn growing_since(&self) -> Option<Instant> {
        let state = self.state.read();
        state.first_change.filter(|_| state.memory.len() == 1)
    }

    /// Freezes what is growing now, whatever its size.
    pub(crate) fn freeze(&self) {
        let mut state = self.state.write();
        if state.first_change.is_some() {
            state.freeze();
            self.publish(&mut state);
        }
    }

    /// Whether a frozen segment waits for its file.
    pub(crate) fn has_frozen(&self) -> bool {
        self.view.load().frozen_count() > 0
    }

    /// Forgets an earlier failure: the next flush is tried at once, and if it
    /// fails, that is news.
    pub(crate) fn forget_flush_failure(&self) {
        *self.flush_failure.lock() = None;
    }

    /// Why the last flush failed, if it did.
    pub(crate) fn flush_failure(&self) -> Option<String> {
        self.flush_failure.lock().as_ref().map(|(_, reason)| reason.clone())
    }

    /// Bytes of the maps from ids to rows, and of tombstones and request ids.
    pub(crate) fn map_bytes(&self) -> (usize, usize) {
        let state = self.state.read();
        (state.id_map_bytes(), state.history_bytes())
    }

    /// Bytes of rows in the segment that takes rows.
    pub(crate) fn growing_bytes(&self) -> u64 {
        match self.view.load().segments.last() {
            Some(SegmentView::Memory(growing)) => growing.bytes() as u64,
            Some(SegmentView::Sealed(_)) | None => 0,
        }
    }

    /// Whether the files of its segments are in memory instead of mapped.
    pub(crate) fn reads_files_whole(&self) -> bool {
        self.disk.held_bytes() > 0
    }

    /// Gives the copy of one index back, if there is any.
    pub(crate) fn give_back_copy(&self) -> bool {
        let view = self.view.load();
        let sealed = view.segments.iter().filter_map(|segment| match segment {
            SegmentView::Sealed(sealed) => Some(sealed),
            SegmentView::Memory(_) => None,
        });
        let mut indexes = sealed.flat_map(|sealed| &sealed.indexes);
        let copied = indexes.find(|index| index.copied_bytes() > 0);
        copied.inspect(|index| index.give_back_copy()).is_some()
    }

    /// Bytes of commands that only the log holds.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.state.read().log_bytes()
    }

    /// Lets searches see the state; called with the state locked.
    fn publish(&self, state: &mut State) {
        state.published += 1;
        self.view.store(Arc::new(state.view()));
    }
}
