//! Snapshots: what is asked for, and what came of it.

use crate::snapshots::{
    Create, Created, Damaged, Deleted, Job, Listed, Manifest, Restore, Restored, Verified,
};
use vicinal_api::v1;
use vicinal_engine::RestoreAs;
use vicinal_types::{Error, Result};

/// What a snapshot shall have.
pub(crate) fn create_snapshot_in(request: v1::CreateSnapshotRequest) -> Create {
    let v1::CreateSnapshotRequest { store, database, collections, label } = request;
    Create { store, database, collections, label }
}

/// What to bring back.
///
/// # Errors
/// `Invalid` for a new name of all collections.
pub(crate) fn restore_snapshot_in(request: v1::RestoreSnapshotRequest) -> Result<Restore> {
    let named = |name: String| Some(name).filter(|name| !name.is_empty());
    let to = RestoreAs {
        database: named(request.into_database),
        collection: named(request.into_collection),
    };
    if to.collection.is_some() && request.collection.is_empty() {
        return Err(Error::invalid(
            "into_collection needs collection: all collections cannot get one name",
        ));
    }
    let v1::RestoreSnapshotRequest { store, snapshot, collection, aliases, .. } = request;
    Ok(Restore { store, snapshot, collection: named(collection), to, aliases })
}

/// How far a job is.
pub(crate) fn progress_out(job: &Job) -> v1::SnapshotProgress {
    let progress = job.progress();
    v1::SnapshotProgress {
        files: progress.files,
        files_total: progress.files_total,
        bytes: progress.bytes,
        bytes_total: progress.bytes_total,
    }
}

/// A snapshot that was taken.
pub(crate) fn created_out(created: Created) -> v1::Snapshot {
    let Created { manifest, written_files, written_bytes } = created;
    v1::Snapshot { written_files, written_bytes, ..snapshot_out(manifest) }
}

/// The snapshots of a store.
pub(crate) fn listed_out(listed: Vec<Listed>) -> v1::ListSnapshotsResponse {
    let out = |listed| match listed {
        Listed::Whole(manifest) => snapshot_out(manifest),
        Listed::Damaged(id, damage) => {
            v1::Snapshot { id: id.to_string(), damage, ..v1::Snapshot::default() }
        }
    };
    v1::ListSnapshotsResponse { snapshots: listed.into_iter().map(out).collect() }
}

/// Collections that are back.
pub(crate) fn restored_out(restored: Vec<Restored>) -> v1::RestoredSnapshot {
    let out = |restored| {
        let Restored { id, database, collection, rows, bytes } = restored;
        v1::RestoredCollection { database, collection, collection_id: id.0, rows, bytes }
    };
    v1::RestoredSnapshot { collections: restored.into_iter().map(out).collect() }
}

/// What was found.
pub(crate) fn verified_out(verified: Verified) -> v1::VerifiedSnapshot {
    let out = |damaged| {
        let Damaged { key, database, collection, name, reason } = damaged;
        v1::DamagedFile { key, database, collection, name, reason }
    };
    let Verified { files, bytes, damaged } = verified;
    v1::VerifiedSnapshot { files, bytes, damaged: damaged.into_iter().map(out).collect() }
}

/// What was removed.
pub(crate) fn deleted_out(deleted: &Deleted) -> v1::DeleteSnapshotResponse {
    v1::DeleteSnapshotResponse { removed_files: deleted.files, removed_bytes: deleted.bytes }
}

fn snapshot_out(manifest: Manifest) -> v1::Snapshot {
    let of = |of: crate::snapshots::ManifestCollection| v1::SnapshotCollection {
        files: of.files.len() as u64,
        bytes: of.bytes(),
        database: of.collection.database,
        collection: of.collection.spec.name,
        rows: of.collection.rows,
        aliases: of.collection.aliases,
    };
    v1::Snapshot {
        id: manifest.id.to_string(),
        label: manifest.label,
        created_us: i64::try_from(manifest.created_us).unwrap_or(i64::MAX),
        server_version: manifest.server_version,
        collections: manifest.collections.into_iter().map(of).collect(),
        ..v1::Snapshot::default()
    }
}
