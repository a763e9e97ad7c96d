//! Who a data directory belongs to.
//!
//! Peers remember the incarnation, so that a node that comes back with an empty
//! disk under its old number is noticed.

mod format;

use crate::disk::{Disk, kind_of, parent_of, read_file, replace_file};
use format::Seen;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;
use vicinal_types::{Error, ErrorKind, NodeId};

/// The name of the identity file in a data directory.
pub const IDENTITY_FILE: &str = "IDENTITY";

/// The cluster and node that a data directory belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Random, made with the cluster.
    pub cluster_id: [u8; 16],
    /// The node's number within the cluster.
    pub node_id: NodeId,
    /// Random, made with the directory.
    pub incarnation: [u8; 16],
}

/// Why the identity of a directory is not known.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// A disk call failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: create, find, read, replace, sync.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error(
        "identity file {} is damaged: {reason}; restore it from a copy, \
         or start this node anew with an empty directory and another number",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file is of another format version.
    #[error(
        "identity file {} has format version {found}, this program reads version {supported}: \
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
}

impl From<IdentityError> for Error {
    fn from(error: IdentityError) -> Self {
        let kind = match &error {
            IdentityError::Io { source, .. } => kind_of(source),
            IdentityError::Damaged { .. } => ErrorKind::Corrupt,
            IdentityError::UnknownVersion { .. } => ErrorKind::Invalid,
        };
        Self::new(kind, error.to_string())
    }
}

impl Identity {
    /// Reads the identity of a directory; a directory without one gets `fresh`,
    /// durably. The directory is created if it is missing.
    ///
    /// # Errors
    /// [`IdentityError::Damaged`] or [`IdentityError::UnknownVersion`] if the
    /// file is there and cannot be understood; it is never overwritten.
    pub fn load_or_create(disk: &dyn Disk, dir: &Path, fresh: Self) -> Result<Self, IdentityError> {
        let path = dir.join(IDENTITY_FILE);
        let failed = |action| {
            let path = path.clone();
            move |source| IdentityError::Io { action, path, source }
        };
        disk.create_dir_all(dir).map_err(failed("create the directory of"))?;
        if !disk.exists(&path).map_err(failed("find"))? {
            let replaced = replace_file(disk, &path, &format::encode(&fresh));
            replaced.map_err(|error| failed("replace")(error.into_source()))?;
            return Ok(fresh);
        }
        let found = Self::read(disk, dir)?;
        disk.sync_dir(parent_of(&path)).map_err(failed("sync the directory of"))?;
        Ok(found)
    }

    /// Reads the identity of a directory and changes nothing.
    ///
    /// # Errors
    /// As [`Identity::load_or_create`], and [`IdentityError::Io`] if there is none.
    pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Self, IdentityError> {
        let path = dir.join(IDENTITY_FILE);
        let failed = |source| IdentityError::Io { action: "read", path: path.clone(), source };
        let bytes = read_file(disk, &path).map_err(failed)?;
        match format::decode(&bytes) {
            Seen::Identity(identity) => Ok(identity),
            Seen::UnknownVersion { found } => {
                Err(IdentityError::UnknownVersion { path, found, supported: format::VERSION })
            }
            Seen::Bad(reason) => Err(IdentityError::Damaged { path, reason: reason.to_owned() }),
        }
    }
}
