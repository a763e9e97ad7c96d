//! Manifests: one document per Raft group, replaced as a whole.
//!
//! Every commit is a new file `MANIFEST-<sequence>`, written aside, synced,
//! renamed and its directory synced; the last two are kept. Opening takes the
//! newest. If that one is damaged, opening fails although an older one is there:
//! a manifest gets its name after it was synced, so a bad one under a final name
//! is no leftover of a crash but damage of something that others already built
//! on: the log may be purged behind it, files named by the older one removed.
//! Falling back silently would lose acknowledged rows. Leftovers of crashes have
//! temporary names and are removed.

mod format;

use crate::disk::{Disk, ReplaceError, TEMPORARY_SUFFIX, kind_of, read_file, replace_file};
use format::Seen;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;
use vicinal_types::{Error, ErrorKind};

/// Manifests that are kept: the one in force and its predecessor, for a look
/// back after an accident.
const KEPT: usize = 2;

/// Why a manifest could not be read or replaced.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// A disk call failed. The manifest in force is still the old one.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: create, list, read, replace, remove.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The newest manifest is not what was written.
    #[error(
        "manifest {} is damaged: {reason}; restore this group from a replica or a snapshot",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The newest manifest is of another format version.
    #[error(
        "manifest {} has format version {found}, this program reads version {supported}: \
         start the program that wrote it",
        path.display()
    )]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The version of this program.
        supported: u32,
    },
    /// The new body exceeds the limit.
    #[error("a manifest of {bytes} bytes is too large, the limit is {bytes_max}")]
    TooLarge {
        /// Bytes of the body.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// An earlier commit failed half-way: old or new may be in force.
    #[error(
        "manifests in {} stopped after a failure ({reason}): \
         restart the server to read what is on disk",
        dir.display()
    )]
    Poisoned {
        /// The directory.
        dir: PathBuf,
        /// The first failure.
        reason: String,
    },
}

impl ManifestError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// What the caller should do next.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } => kind_of(source),
            Self::Damaged { .. } => ErrorKind::Corrupt,
            Self::UnknownVersion { .. } => ErrorKind::Invalid,
            Self::TooLarge { .. } => ErrorKind::Exhausted,
            Self::Poisoned { .. } => ErrorKind::Unavailable,
        }
    }
}

impl From<ManifestError> for Error {
    fn from(error: ManifestError) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}

/// A manifest file as [`ManifestStore::inspect`] found it.
#[derive(Debug)]
pub struct InspectedManifest {
    /// The file.
    pub path: PathBuf,
    /// Its body, or what is wrong with it.
    pub body: Result<Vec<u8>, ManifestError>,
}

/// The manifests of one group. One owner; calls block.
#[derive(Debug)]
pub struct ManifestStore {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Sequences of the manifests on disk, ascending; the last is in force.
    sequences: Vec<u64>,
    poisoned: Option<String>,
}

impl ManifestStore {
    /// Opens the manifests in a directory, creating it if it is missing, and
    /// gives the body in force; none if nothing was ever committed.
    ///
    /// # Errors
    /// [`ManifestError::Damaged`] if the newest manifest is not what was written.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<(Self, Option<Vec<u8>>), ManifestError> {
        disk.create_dir_all(dir).map_err(ManifestError::io("create", dir))?;
        let names = disk.list(dir).map_err(ManifestError::io("list", dir))?;
        for name in &names {
            let is_leftover = name
                .strip_suffix(TEMPORARY_SUFFIX)
                .is_some_and(|name| format::parse_file_name(name).is_some());
            if is_leftover {
                let path = dir.join(name);
                disk.remove(&path).map_err(ManifestError::io("remove", &path))?;
            }
        }
        let mut sequences: Vec<u64> =
            names.iter().filter_map(|n| format::parse_file_name(n)).collect();
        sequences.sort_unstable();
        let mut store = Self { disk, dir: dir.to_owned(), sequences, poisoned: None };
        let Some(&newest) = store.sequences.last() else {
            return Ok((store, None));
        };
        let body = store.read(newest)?;
        // After a killed process the name may be in the page cache only; it must
        // be durable before anybody builds on it.
        store.disk.sync_dir(dir).map_err(ManifestError::io("sync", dir))?;
        store.remove_old()?;
        Ok((store, Some(body)))
    }

    /// Reads all manifests in a directory, oldest first, and changes nothing.
    ///
    /// # Errors
    /// [`ManifestError::Io`] if the directory cannot be listed.
    pub fn inspect(
        disk: Arc<dyn Disk>,
        dir: &Path,
    ) -> Result<Vec<InspectedManifest>, ManifestError> {
        let names = disk.list(dir).map_err(ManifestError::io("list", dir))?;
        let mut sequences: Vec<u64> =
            names.iter().filter_map(|n| format::parse_file_name(n)).collect();
        sequences.sort_unstable();
        let store = Self { disk, dir: dir.to_owned(), sequences, poisoned: None };
        let inspected = |sequence: &u64| InspectedManifest {
            path: store.path(*sequence),
            body: store.read(*sequence),
        };
        Ok(store.sequences.iter().map(inspected).collect())
    }

    /// Puts a new body in force and returns its sequence. Old or new is in force
    /// after a crash at any moment; the new one once this returned.
    ///
    /// # Errors
    /// [`ManifestError::Io`] if the disk fails before the new one gets its name:
    /// the old one stays and the commit may be tried again. A failure at the
    /// name itself leaves it open which one is in force: every later commit is
    /// [`ManifestError::Poisoned`].
    pub fn commit(&mut self, body: &[u8]) -> Result<u64, ManifestError> {
        if let Some(reason) = self.poisoned.clone() {
            let dir = self.dir.clone();
            return Err(ManifestError::Poisoned { dir, reason });
        }
        if body.len() > format::BODY_BYTES_MAX {
            return Err(ManifestError::TooLarge {
                bytes: body.len(),
                bytes_max: format::BODY_BYTES_MAX,
            });
        }
        let sequence = self.sequence() + 1;
        let path = self.path(sequence);
        let replaced = replace_file(&*self.disk, &path, &format::encode(sequence, body));
        replaced.map_err(|error| {
            let is_unknown = matches!(error, ReplaceError::Unknown(_));
            let error = ManifestError::io("replace", &path)(error.into_source());
            if is_unknown {
                self.poisoned = Some(error.to_string());
            }
            error
        })?;
        self.sequences.push(sequence);
        self.remove_old().inspect_err(|error| {
            // The new one is in force; do not let the caller think otherwise.
            self.poisoned = Some(error.to_string());
        })?;
        Ok(sequence)
    }

    /// Why no commit succeeds until a restart; `None` while they may.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.poisoned.as_deref()
    }

    /// The sequence in force; 0 before the first commit.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequences.last().copied().unwrap_or(0)
    }

    fn path(&self, sequence: u64) -> PathBuf {
        self.dir.join(format::file_name(sequence))
    }

    fn read(&self, sequence: u64) -> Result<Vec<u8>, ManifestError> {
        let path = self.path(sequence);
        let bytes = read_file(&*self.disk, &path).map_err(ManifestError::io("read", &path))?;
        match format::decode(&bytes, sequence) {
            Seen::Body(body) => Ok(body.to_vec()),
            Seen::UnknownVersion { found } => {
                Err(ManifestError::UnknownVersion { path, found, supported: format::VERSION })
            }
            Seen::Bad(reason) => Err(ManifestError::Damaged { path, reason }),
        }
    }

    /// Removes all but the last two. That need not be durable: what comes back
    /// is older than the newest and is removed again.
    fn remove_old(&mut self) -> Result<(), ManifestError> {
        while self.sequences.len() > KEPT {
            let path = self.path(self.sequences[0]);
            self.disk.remove(&path).map_err(ManifestError::io("remove", &path))?;
            self.sequences.remove(0);
        }
        Ok(())
    }
}
