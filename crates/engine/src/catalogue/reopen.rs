//! Shards that could not be opened, and may be now: the disk was full, or failed once.
//!
//! What the log has for such a shard stays there, since nobody applies it. It is opened
//! in the background, applies its log, and only then takes the place of the failure: who
//! sees it sees everything that was acknowledged.

use super::{Catalogue, OpenedShard};
use crate::shard::Shard;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vicinal_types::{CollectionId, ErrorKind, GroupId};

/// Between two attempts at one shard.
const PERIOD: Duration = Duration::from_secs(1);

/// Shards that are on their way, and what was tried when.
#[derive(Default)]
pub(crate) struct Reopening {
    applying: BTreeMap<GroupId, Arc<Shard>>,
    tried: BTreeMap<GroupId, Instant>,
}

/// Whether opening may succeed without a restart: nothing is damaged.
pub(super) fn is_passing(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Unavailable | ErrorKind::Exhausted => true,
        ErrorKind::Invalid
        | ErrorKind::NotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::Conflict
        | ErrorKind::Deadline
        | ErrorKind::Cancelled
        | ErrorKind::Corrupt
        | ErrorKind::Internal => false,
    }
}

impl Catalogue {
    /// Tries again to open what could not be opened, and shows what has been since.
    /// One caller at a time.
    pub(crate) fn reopen(&self, reopening: &mut Reopening, now: Instant) {
        let failed = self.failed();
        let is_failed = |group: &GroupId| failed.iter().any(|(of, _)| of == group);
        reopening.tried.retain(|group, _| is_failed(group));
        // Dropped meanwhile: who dropped it ended the group.
        reopening.applying.retain(|group, shard| {
            let stays = is_failed(group);
            if !stays {
                self.close(*group, Ok(Arc::clone(shard)));
            }
            stays
        });
        for (group, collection) in failed {
            if let Some(shard) = reopening.applying.get(&group) {
                if self.is_caught_up(group) {
                    let shard = Arc::clone(shard);
                    reopening.applying.remove(&group);
                    self.show(group, shard);
                }
                continue;
            }
            let last = reopening.tried.get(&group);
            if last.is_some_and(|last| now.saturating_duration_since(*last) < PERIOD) {
                continue;
            }
            reopening.tried.insert(group, now);
            if let Some(Ok(shard)) = self.try_open(collection, group) {
                reopening.applying.insert(group, shard);
            }
        }
    }

    /// The shards that could not be opened for a reason that may pass.
    fn failed(&self) -> Vec<(GroupId, CollectionId)> {
        let (state, shards) = (self.state.read(), self.shards.read());
        let is_failed = |group: &GroupId| match shards.get(group) {
            Some(Err((kind, _))) => is_passing(*kind),
            Some(Ok(_)) | None => false,
        };
        let entries = state.collections().map(|(id, entry)| (entry.group, id));
        entries.filter(|(group, _)| is_failed(group)).collect()
    }

    /// None if the collection was dropped.
    fn try_open(&self, collection: CollectionId, group: GroupId) -> Option<OpenedShard> {
        let entry = self.state.read().entry(collection).ok()?.clone();
        debug_assert_eq!(entry.group, group);
        Some(self.open_shard(collection, &entry))
    }

    fn is_caught_up(&self, group: GroupId) -> bool {
        let maintenance = self.maintenance.upgrade();
        let node = maintenance.as_ref().and_then(|maintenance| maintenance.node());
        node.is_some_and(|node| node.wait_caught_up(group, Duration::ZERO).is_ok())
    }

    /// Puts the shard in the place of the failure, if its collection is still there.
    fn show(&self, group: GroupId, shard: Arc<Shard>) {
        {
            let mut shards = self.shards.write();
            let Some(place) = shards.get_mut(&group) else {
                drop(shards);
                self.close(group, Ok(shard));
                return;
            };
            *place = Ok(Arc::clone(&shard));
        }
        tracing::info!(%group, "a collection that could not be opened is open now");
        self.reconcile();
        shard.request_flush();
        shard.request_builds();
    }
}
