//! Snapshots: what of a collection is copied away, and how it comes back.
//!
//! Sealed files never change, so a snapshot is a list of them with the state that
//! names them. The engine hands them out and takes them in; where they are kept is
//! its caller's business.

mod restore;

pub use restore::{RestoreAs, StagedFile, Staging};

use crate::engine::{Engine, FLUSH_POLL};
use crate::shard::Shard;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use vicinal_storage::SectionFile;
use vicinal_types::{Cancel, CollectionSpec, Error, Result};

/// What a snapshot says of a collection, beside its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotCollection {
    /// The database it was in.
    pub database: String,
    /// Its declaration.
    pub spec: CollectionSpec,
    /// The aliases that pointed at it.
    pub aliases: Vec<String>,
    /// Rows that were not deleted.
    pub rows: u64,
    schema_version: u32,
    next_column: u32,
    /// The manifest of its shard.
    state: serde_json::Value,
}

/// A collection at one moment: its files stay readable while this lives, whatever
/// is written, compacted or dropped meanwhile.
pub struct Pinned {
    /// What it is.
    pub collection: SnapshotCollection,
    /// Its files.
    pub files: Vec<PinnedFile>,
}

/// A file of a [`Pinned`] collection.
pub struct PinnedFile {
    /// Its name, unique among those of the collection.
    pub name: String,
    file: SectionFile,
}

impl PinnedFile {
    /// Its bytes, as they lie on the disk.
    pub fn bytes(&self) -> Bytes {
        self.file.bytes()
    }

    /// Reads all of it and checks that it is what was written.
    ///
    /// # Errors
    /// `Corrupt` naming the file and what is wrong with it.
    pub fn verify(&self) -> Result<()> {
        self.file.verify_all().map_err(Error::from)
    }
}

impl Engine {
    /// Holds on to a collection as it is now: everything acknowledged before the
    /// call is in it. Waits until that is in files; writes go on.
    ///
    /// # Errors
    /// `NotFound` for the collection, `Corrupt` if rows of it are damaged,
    /// `Deadline` or `Cancelled` when `cancel` says so.
    pub fn pin(&self, database: &str, name: &str, cancel: &Cancel) -> Result<Pinned> {
        let live = self.live(database, name)?;
        let shard = live.shard()?;
        shard.view().check_whole()?;
        self.seal_all(shard, cancel)?;
        let pinned = shard.pin()?;
        // Taken after the files: it knows every column that rows of them have.
        let (spec, schema_version, next_column) = self
            .catalogue()
            .read(|state| Ok::<_, Error>(state.entry(live.info.id)?.declaration()))?;
        let database = live.info.database.clone();
        let aliases = self.catalogue().names().aliases(&database).into_iter();
        let aliases = aliases.filter(|(_, collection)| *collection == spec.name);
        let collection = SnapshotCollection {
            aliases: aliases.map(|(alias, _)| alias).collect(),
            rows: pinned.rows,
            state: pinned.state,
            database,
            spec,
            schema_version,
            next_column,
        };
        let files = pinned.files.into_iter().map(|(name, file)| PinnedFile { name, file });
        Ok(Pinned { collection, files: files.collect() })
    }

    /// Waits until files hold everything written before the call, and no longer:
    /// writers that go on must not keep a snapshot from beginning.
    fn seal_all(&self, shard: &Arc<Shard>, cancel: &Cancel) -> Result<()> {
        shard.forget_flush_failure();
        let Some(position) = shard.freeze_up_to_now() else {
            return Ok(());
        };
        while !shard.is_durable(position) {
            if self.is_closed() {
                return Err(Error::unavailable("the node is stopping"));
            }
            if let Some(failure) = shard.flush_failure() {
                return Err(Error::unavailable(format!(
                    "there is no snapshot of what cannot be sealed: {failure}"
                )));
            }
            shard.request_flush();
            cancel.check()?;
            std::thread::park_timeout(FLUSH_POLL);
        }
        Ok(())
    }
}
