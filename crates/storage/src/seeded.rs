//! Bugs on purpose, to prove that the crash harness notices them.
//!
//! They are here with the feature `seeded-bugs` only, which no server is built
//! with, and only on a [`SimDisk`](crate::SimDisk) that a test planted one on.

use crate::Disk;

/// A mistake that would lose or bring back what it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A write is acknowledged when the log is written, not when it is synced.
    AckBeforeSync,
    /// After a failed sync the log syncs again and believes the second answer.
    SyncTriedAgain,
    /// A new log file is used before its name is durable.
    LogNameNotSynced,
    /// A record at the torn end of the log is taken without its checksum.
    TornTailAccepted,
    /// A manifest counts before its name is durable.
    ManifestNameNotSynced,
    /// A manifest names a section file whose bytes are not synced.
    ManifestBeforeFile,
    /// A manifest names a section file whose name is not durable.
    FileNameNotSynced,
    /// The log is purged before the manifest holds what it held.
    PurgeBeforeManifest,
    /// Replaced files go before the manifest that names their successors.
    RemoveBeforeManifest,
    /// The manifest edit of a flush leaves the new tombstones out.
    TombstonesForgotten,
    /// The manifest edit of a flush leaves the outcomes of requests out.
    RequestsForgotten,
    /// A manifest claims to hold one log entry more than its files do.
    AppliedTooFar,
    /// A merge copies deleted rows and not their tombstones.
    MergeDropsTombstones,
    /// A merge names its segment beside those that it was made of.
    MergeKeepsOld,
    /// Files that no manifest names stay for ever.
    LeftoversKept,
    /// The catalogue's log is purged without its document.
    CatalogueUnsaved,
    /// A restore counts on staged files whose bytes are not synced.
    StagedNotSynced,
    /// A restored manifest names files before their new names are durable.
    MovesNotSynced,
    /// What is left of a restore's folder goes before a manifest says that it is done.
    StageRemovedEarly,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::AckBeforeSync,
        Self::SyncTriedAgain,
        Self::LogNameNotSynced,
        Self::TornTailAccepted,
        Self::ManifestNameNotSynced,
        Self::ManifestBeforeFile,
        Self::FileNameNotSynced,
        Self::PurgeBeforeManifest,
        Self::RemoveBeforeManifest,
        Self::TombstonesForgotten,
        Self::RequestsForgotten,
        Self::AppliedTooFar,
        Self::MergeDropsTombstones,
        Self::MergeKeepsOld,
        Self::LeftoversKept,
        Self::CatalogueUnsaved,
        Self::StagedNotSynced,
        Self::MovesNotSynced,
        Self::StageRemovedEarly,
    ];

    /// Whether a test planted this bug on the disk.
    #[must_use]
    pub fn is_on(self, disk: &dyn Disk) -> bool {
        disk.bug() == Some(self)
    }
}
