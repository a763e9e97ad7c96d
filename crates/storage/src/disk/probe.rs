//! Finding out at start, not at the first write, that a directory is unusable.

use super::{Disk, is_full, kind_of, parent_of};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;
use vicinal_types::{Error, ErrorKind};

const PROBE_FILE: &str = "PROBE";
const PROBE_BYTES: &[u8] = b"written at start to see that this directory can be written\n";

/// Why a directory cannot hold data.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// The user may not write there.
    #[error(
        "no permission to write in {}: give the directory to the user that runs the server",
        dir.display()
    )]
    Denied {
        /// The directory asked for.
        dir: PathBuf,
    },
    /// The file system is mounted read-only.
    #[error(
        "{} is on a read-only file system: mount it writable or choose another directory",
        dir.display()
    )]
    ReadOnly {
        /// The directory asked for.
        dir: PathBuf,
    },
    /// The file system is full.
    #[error("{} has no space left: free some, or choose another directory", dir.display())]
    Full {
        /// The directory asked for.
        dir: PathBuf,
    },
    /// Anything else.
    #[error("cannot write, sync and delete a file in {}: {source}", dir.display())]
    Io {
        /// The directory asked for.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<ProbeError> for Error {
    fn from(error: ProbeError) -> Self {
        let kind = match &error {
            ProbeError::Denied { .. } | ProbeError::ReadOnly { .. } => ErrorKind::Invalid,
            ProbeError::Full { .. } => ErrorKind::Exhausted,
            ProbeError::Io { source, .. } => kind_of(source),
        };
        Self::new(kind, error.to_string())
    }
}

/// Creates the directory if it is missing, then writes, syncs and deletes a
/// small file in it.
///
/// # Errors
/// A sentence that says what is wrong with the directory.
pub fn startup_probe(disk: &dyn Disk, dir: &Path) -> Result<(), ProbeError> {
    probe(disk, dir).map_err(|source| explain(dir, source))
}

fn explain(dir: &Path, source: io::Error) -> ProbeError {
    let dir = dir.to_owned();
    let kind = source.kind();
    if kind == io::ErrorKind::PermissionDenied {
        ProbeError::Denied { dir }
    } else if kind == io::ErrorKind::ReadOnlyFilesystem {
        ProbeError::ReadOnly { dir }
    } else if is_full(&source) {
        ProbeError::Full { dir }
    } else {
        ProbeError::Io { dir, source }
    }
}

fn probe(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    disk.create_dir_all(dir)?;
    let path = dir.join(PROBE_FILE);
    if disk.exists(&path)? {
        disk.remove(&path)?; // a crash during an earlier probe left it
    }
    let mut file = disk.create_new(&path)?;
    file.append(PROBE_BYTES)?;
    file.sync()?;
    disk.remove(&path)?;
    disk.sync_dir(parent_of(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_what_is_wrong_with_the_directory() {
        let cases = [
            (io::ErrorKind::PermissionDenied, "no permission to write in data"),
            (io::ErrorKind::ReadOnlyFilesystem, "data is on a read-only file system"),
            (io::ErrorKind::StorageFull, "data has no space left"),
            (io::ErrorKind::QuotaExceeded, "data has no space left"),
            (io::ErrorKind::NotADirectory, "cannot write, sync and delete a file in data"),
        ];
        for (kind, text) in cases {
            let message = explain(Path::new("data"), kind.into()).to_string();
            assert!(message.starts_with(text), "{message}");
        }
    }
}
