//! Bugs of a flush on purpose, see [`Bug`].

use super::Shard;
use super::manifest::{Body, SegmentEntry};
use crate::segment::{SealedView, Tombstone};
use std::path::PathBuf;
use vicinal_storage::{Bug, LogPosition};
use vicinal_types::SegmentId;

impl Shard {
    /// A manifest that says too little or too much.
    pub(super) fn misname(&self, body: &mut Body, before: &Body) {
        let bug = self.disk.bug();
        if bug == Some(Bug::TombstonesForgotten) {
            for entry in &mut body.segments {
                let old = before.segments.iter().find(|old| old.id == entry.id);
                entry.tombstones = old.and_then(|old| old.tombstones);
            }
        }
        if bug == Some(Bug::RequestsForgotten) {
            body.requests_file = before.requests_file;
        }
        if bug == Some(Bug::AppliedTooFar) {
            let at = body.applied();
            body.set_applied(LogPosition { index: at.index + 1, ..at });
        }
    }

    /// A merge that takes deleted rows for live ones.
    pub(super) fn without_tombstones(
        &self,
        mut inputs: Vec<(SealedView, Vec<Tombstone>)>,
    ) -> Vec<(SealedView, Vec<Tombstone>)> {
        if self.disk.bug() == Some(Bug::MergeDropsTombstones) {
            inputs.iter_mut().for_each(|(_, deleted)| deleted.clear());
        }
        inputs
    }

    /// And forgets that they are deleted.
    pub(super) fn miscarry(&self, mut carried: Vec<Tombstone>) -> Vec<Tombstone> {
        if self.disk.bug() == Some(Bug::MergeDropsTombstones) {
            carried.clear();
        }
        carried
    }

    /// A merge whose inputs stay named.
    pub(super) fn misreplace(
        &self,
        body: &mut Body,
        mut old: Vec<SegmentEntry>,
        is_input: impl Fn(SegmentId) -> bool,
    ) {
        if self.disk.bug() == Some(Bug::MergeKeepsOld) {
            old.retain(|entry| is_input(entry.id));
            body.segments.extend(old);
        }
    }

    /// What comes behind the manifest, done before it.
    pub(super) fn misorder(&self, at: LogPosition, obsolete: &[PathBuf]) {
        let bug = self.disk.bug();
        if bug == Some(Bug::RemoveBeforeManifest) {
            self.remove_files(obsolete);
        }
        let maintenance = self.maintenance.upgrade();
        let node = maintenance.as_ref().and_then(|maintenance| maintenance.node());
        if let (Some(Bug::PurgeBeforeManifest), Some(node)) = (bug, node) {
            node.purge(self.group, at);
            let is_done = || {
                let status = node.status(self.group);
                status.is_none_or(|status| status.stopped.is_some() || status.first > at.index)
            };
            while !is_done() && self.cancel.check().is_ok() {
                std::thread::yield_now();
            }
        }
    }
}
