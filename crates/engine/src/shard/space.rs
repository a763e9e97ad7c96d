//! What the files of a shard take, and what of it will come back.

use super::state::SealedState;
use super::{SegmentView, Shard};
use crate::segment::{BuiltIndex, Sealed, SealedView};
use std::sync::{Arc, Weak};
use vicinal_planner::{DELETED_ONE_IN, DROPPED_ONE_IN};
use vicinal_types::SegmentId;

/// What a collection's files take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Bytes of segment and index files, as far as their rows live.
    pub live_bytes: u64,
    /// The rest of them: what deleted rows and dropped columns hold.
    pub deleted_bytes: u64,
    /// Bytes of files that were replaced and are removed, but which searches still
    /// read: the disk has them back when the last of these ends.
    pub removal_bytes: u64,
    /// Merges that run.
    pub merges_running: u64,
    /// Merges that wait: for their turn, for memory, or for deletions to be flushed.
    pub merges_queued: u64,
    /// Which of the deleted bytes come back when.
    pub outlook: String,
}

/// Files that were replaced by a merge.
#[derive(Debug)]
pub(super) struct Retired {
    segments: Vec<Weak<Sealed>>,
    indexes: Vec<Weak<BuiltIndex>>,
    bytes: u64,
}

impl Retired {
    pub(super) fn new(replaced: &[SealedState], bytes: u64) -> Self {
        let indexes = replaced.iter().flat_map(|of| &of.view.indexes);
        Self {
            segments: replaced.iter().map(|of| Arc::downgrade(&of.view.sealed)).collect(),
            indexes: indexes.map(Arc::downgrade).collect(),
            bytes,
        }
    }

    fn is_held(&self) -> bool {
        self.segments.iter().any(|of| of.strong_count() > 0)
            || self.indexes.iter().any(|of| of.strong_count() > 0)
    }
}

impl Shard {
    /// What the shard's files take now, and what will come back.
    pub(crate) fn space(&self) -> Space {
        let plan = self.merge_plan();
        let is_in = |merges: &[Vec<SegmentId>], id| merges.iter().any(|of| of.contains(&id));
        let mut space = Space {
            removal_bytes: self.removal_bytes(),
            merges_running: plan.running.len() as u64,
            merges_queued: plan.queued.len() as u64,
            ..Space::default()
        };
        let schema = &self.settings().schema;
        let (mut now, mut next, mut later) = (0, 0, 0);
        for segment in &self.view().segments {
            let SegmentView::Sealed(view) = segment else { continue };
            let (live, deleted) = shares(view, view.sealed.dropped_bytes(schema));
            space.live_bytes += live;
            space.deleted_bytes += deleted;
            let id = view.sealed.id;
            let when = if is_in(&plan.running, id) {
                &mut now
            } else if is_in(&plan.queued, id) {
                &mut next
            } else {
                &mut later
            };
            *when += deleted;
        }
        space.outlook = outlook(now, next, later, space.removal_bytes);
        space
    }

    fn removal_bytes(&self) -> u64 {
        let mut retired = self.retired.lock();
        retired.retain(Retired::is_held);
        retired.iter().map(|of| of.bytes).sum()
    }
}

/// What rows that live take of a segment's files, if all take the same, and what deleted
/// rows and dropped columns take.
fn shares(view: &SealedView, dropped: u64) -> (u64, u64) {
    let (all, rows) = (view.file_bytes(), u64::from(view.sealed.rows.len()).max(1));
    let bytes = all.saturating_sub(dropped);
    let deleted = u128::from(bytes) * u128::from(view.deleted_count) / u128::from(rows);
    let deleted = u64::try_from(deleted).unwrap_or(bytes).min(bytes);
    (bytes - deleted, all - bytes + deleted)
}

fn outlook(now: u64, next: u64, later: u64, removal: u64) -> String {
    let (percent, of_columns) = (100 / DELETED_ONE_IN, 100 / DROPPED_ONE_IN);
    let parts = [
        (now, "when the merges that run are done".to_owned()),
        (next, "with the merges that wait".to_owned()),
        (
            later,
            format!(
                "once more than {percent} % of their segment's rows are deleted, or {of_columns} % of its bytes are of dropped columns"
            ),
        ),
        (removal, "when the searches end that read the files they are in".to_owned()),
    ];
    let parts = parts.into_iter().filter(|(bytes, _)| *bytes > 0);
    let parts: Vec<_> = parts.map(|(bytes, when)| format!("{bytes} bytes {when}")).collect();
    if parts.is_empty() { "nothing to come back".to_owned() } else { parts.join("; ") }
}
