//! Taking the files of a snapshot in, and making a collection of them.

use super::SnapshotCollection;
use crate::catalogue::{CatalogueCommand, CatalogueOutcome, Restored, database_name};
use crate::declare::check_engines;
use crate::engine::Engine;
use crate::shard::{check_staged, staged_names};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vicinal_storage::{Disk, DiskFile};
use vicinal_types::{CollectionId, Error, ErrorKind, Result};

/// Under which name a collection comes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreAs {
    /// The database; none: the one it was in.
    pub database: Option<String>,
    /// The collection's name; none: the one it had.
    pub collection: Option<String>,
}

/// Files on their way to a collection. Dropped before
/// [`install`](Self::install) was called, they are removed.
pub struct Staging {
    engine: Engine,
    dir: PathBuf,
    names: BTreeSet<String>,
    collection: SnapshotCollection,
    command: CatalogueCommand,
    is_handed_on: bool,
}

/// A file that is being staged.
pub struct StagedFile {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    #[cfg(feature = "seeded-bugs")]
    is_never_synced: bool,
}

impl Engine {
    /// Makes a place for the files of a collection, `bytes` altogether, after
    /// checking that it can be restored here under that name.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken, `Exhausted` if the disk has no room,
    /// `Corrupt` or `Invalid` for what no program of ours writes.
    pub fn stage(
        &self,
        collection: &SnapshotCollection,
        to: &RestoreAs,
        bytes: u64,
    ) -> Result<Staging> {
        let mut spec = collection.spec.clone();
        if let Some(name) = &to.collection {
            spec.name.clone_from(name);
        }
        check_engines(&spec)?;
        let database = to.database.as_deref().unwrap_or(&collection.database);
        let root = self.catalogue().staging_dir();
        let (names, applied) = staged_names(&collection.state, &root)?;
        let disk = &self.options().disk;
        disk.create_dir_all(&root).map_err(|error| unusable(&root, error))?;
        self.check_room(&root, bytes)?;
        let token = loop {
            let token = format!("{:016x}", self.command_time());
            let is_taken = disk.exists(&root.join(&token));
            if !is_taken.map_err(|error| unusable(&root, error))? {
                break token;
            }
        };
        let dir = root.join(&token);
        let command = CatalogueCommand::Restore {
            database: database_name(database).to_owned(),
            spec,
            schema_version: collection.schema_version,
            next_column: collection.next_column,
            restored: Restored::new(token, applied),
        };
        self.catalogue().read(|state| state.check(&command, None))?;
        disk.create_dir_all(&dir).map_err(|error| unusable(&dir, error))?;
        let (engine, collection) = (self.clone(), collection.clone());
        Ok(Staging { engine, dir, names, collection, command, is_handed_on: false })
    }

    /// Refuses files that would fill the disk.
    fn check_room(&self, dir: &Path, bytes: u64) -> Result<()> {
        let options = self.options();
        let available = options.disk.available_bytes(dir).map_err(|error| unusable(dir, error))?;
        let reserve = options.disk_reserve_bytes;
        if available.saturating_sub(reserve) >= bytes {
            return Ok(());
        }
        Err(Error::exhausted(format!(
            "the snapshot has {bytes} bytes, the disk of {} has {available} free, of which {reserve} are reserved; free some or lower storage.disk_reserve_bytes",
            dir.display()
        )))
    }
}

impl Staging {
    /// The names of the files that the collection needs.
    pub fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// Begins a file.
    ///
    /// # Errors
    /// `Corrupt` for a name that the collection does not have: none other becomes
    /// a path; `Unavailable` if the disk refuses it.
    pub fn create(&self, name: &str) -> Result<StagedFile> {
        if !self.names.contains(name) {
            return Err(Error::corrupt(format!(
                "the snapshot brings a file {name:?}, which its collection does not have"
            )));
        }
        let path = self.dir.join(name);
        let file = self.disk().create_new(&path).map_err(|error| unusable(&path, error))?;
        Ok(StagedFile {
            file,
            path,
            #[cfg(feature = "seeded-bugs")]
            is_never_synced: vicinal_storage::Bug::StagedNotSynced.is_on(&**self.disk()),
        })
    }

    /// Checks all files and makes a collection of them, at once or not at all.
    ///
    /// # Errors
    /// `Corrupt` naming what is wrong with the files, `AlreadyExists` if the name
    /// was taken meanwhile.
    pub fn install(mut self) -> Result<CollectionId> {
        let spec = &self.collection.spec;
        check_staged(self.disk(), &self.dir, &spec.schema, &self.collection.state)?;
        let root = self.engine.catalogue().staging_dir();
        self.disk().sync_dir(&root).map_err(|error| unusable(&root, error))?;
        // From here on the files are the command's; if it is not known what came
        // of it, the next start knows.
        self.is_handed_on = true;
        let outcome = self.engine.change(self.command.clone(), None);
        if let Err(error) = &outcome {
            self.is_handed_on = !is_refusal(error.kind());
        }
        let CatalogueOutcome::Created(id) = outcome? else {
            return Err(Error::internal("a restore came to something else than a collection"));
        };
        let live = self.engine.catalogue().names();
        if let Some(live) = live.all().find(|live| live.info.id == id) {
            live.shard()?.request_builds();
        }
        Ok(id)
    }

    fn disk(&self) -> &Arc<dyn Disk> {
        &self.engine.options().disk
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.is_handed_on {
            return;
        }
        if let Err(error) = self.disk().remove_dir_all(&self.dir) {
            let dir = self.dir.display();
            tracing::warn!("{dir} is left for the next start to remove: {error}");
        }
    }
}

impl StagedFile {
    /// Writes at the end of the file.
    ///
    /// # Errors
    /// `Unavailable` if the disk fails.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.append(bytes).map_err(|error| unusable(&self.path, error))
    }

    /// Makes the file durable.
    ///
    /// # Errors
    /// `Unavailable` if the disk fails.
    pub fn finish(mut self) -> Result<()> {
        #[cfg(feature = "seeded-bugs")]
        if self.is_never_synced {
            return Ok(());
        }
        self.file.sync().map_err(|error| unusable(&self.path, error))
    }
}

/// Whether an error says that the command was not, and never will be, applied.
fn is_refusal(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Invalid
        | ErrorKind::NotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::Exhausted => true,
        ErrorKind::Conflict
        | ErrorKind::Unavailable
        | ErrorKind::Deadline
        | ErrorKind::Cancelled
        | ErrorKind::Corrupt
        | ErrorKind::Internal => false,
    }
}

fn unusable(path: &Path, error: std::io::Error) -> Error {
    Error::unavailable(format!("{} cannot be used", path.display())).caused_by(error)
}
