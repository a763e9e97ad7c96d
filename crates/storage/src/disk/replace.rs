//! Replacing a whole small file: the old contents or the new, never a mixture.

use super::{Disk, parent_of};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// Ends the name of a file that is still being written.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

/// The name that a file has until it is complete and durable.
pub(crate) fn temporary_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(TEMPORARY_SUFFIX);
    PathBuf::from(name)
}

/// How far a replacement came before it failed.
#[derive(Debug)]
pub enum ReplaceError {
    /// The file still is what it was before the call.
    Unchanged(io::Error),
    /// The rename was asked for: a crash may leave the old or the new contents.
    Unknown(io::Error),
}

impl ReplaceError {
    /// What the disk said.
    pub fn into_source(self) -> io::Error {
        match self {
            Self::Unchanged(source) | Self::Unknown(source) => source,
        }
    }
}

/// Puts a file under its name in one step: written aside, synced, renamed, and
/// the directory synced. A leftover of an earlier attempt is removed first.
///
/// # Errors
/// [`ReplaceError`], which says what the file may be now.
pub fn replace_file(disk: &dyn Disk, path: &Path, contents: &[u8]) -> Result<(), ReplaceError> {
    let temporary = temporary_path(path);
    write_aside(disk, &temporary, contents).map_err(ReplaceError::Unchanged)?;
    disk.rename(&temporary, path).map_err(ReplaceError::Unknown)?;
    #[cfg(feature = "seeded-bugs")]
    if crate::Bug::ManifestNameNotSynced.is_on(disk) {
        return Ok(());
    }
    disk.sync_dir(parent_of(path)).map_err(ReplaceError::Unknown)
}

fn write_aside(disk: &dyn Disk, temporary: &Path, contents: &[u8]) -> io::Result<()> {
    if disk.exists(temporary)? {
        disk.remove(temporary)?;
    }
    let mut file = disk.create_new(temporary)?;
    file.append(contents)?;
    file.sync()
}
