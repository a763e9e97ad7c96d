//! The seam to the file system: [`Disk`], the real one, with or without maps, and the
//! simulated one.
//!
//! What a crash leaves behind, and what callers may therefore rely on:
//! * bytes of a file are durable once [`DiskFile::sync`] returned;
//! * names (creation, rename, removal) are durable once [`Disk::sync_dir`] of
//!   their directory returned;
//! * everything else may be lost, cut, torn or flipped, in any combination; only
//!   a rename is atomic.

mod conformance;
mod file;
#[expect(unsafe_code, reason = "memory maps; the module gives the reasons")]
mod mmap;
mod probe;
mod replace;
mod sim;
mod whole;

pub use conformance::check_disk;
pub use file::FileDisk;
pub use mmap::{advise_scattered, page_out, resident_pages};
pub use probe::{ProbeError, startup_probe};
pub use replace::{ReplaceError, replace_file};
pub(crate) use replace::{TEMPORARY_SUFFIX, temporary_path};
pub use sim::{DiskCall, DiskImage, Failure, SimDisk, Survivors};
pub use whole::WholeFileDisk;

use bytes::Bytes;
use std::any::Any;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;
use vicinal_types::{Error, ErrorKind};

/// A file system, as thin as the formats of this crate need it.
///
/// Every implementation passes [`check_disk`].
pub trait Disk: Send + Sync + fmt::Debug {
    /// Creates an empty file; fails with `AlreadyExists` if the name is taken.
    /// The name is durable after [`Disk::sync_dir`] of its directory.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens an existing file for reading and appending; fails with `NotFound`.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Gives the whole file, read-only, mapped or read, starting on a page boundary. Whoever
    /// maps a file promises not to change or truncate it while the bytes live.
    fn map(&self, path: &Path) -> io::Result<Bytes>;

    /// Memory that files given by [`Disk::map`] take as long as their bytes live: none
    /// where they are maps, whose pages the system takes back when it needs them.
    fn held_bytes(&self) -> u64 {
        0
    }

    /// Gives the file a new name in one step, replacing what had that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; open handles and maps of it stay usable.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, sorted; `NotFound` if there is no directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Creates a directory and its missing parents, readable by the owner only
    /// and durable on return.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Removes a directory with everything in it. After a crash any part of it
    /// may be back unless [`Disk::sync_dir`] of its parent returned.
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Makes every creation, rename and removal in the directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Whether a file or directory has that name.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Bytes that can still be written below the directory.
    fn available_bytes(&self, dir: &Path) -> io::Result<u64>;

    /// Takes the directory for this process, until the lock is dropped or the
    /// process ends. The holder's process id stands in the file `LOCK`.
    ///
    /// # Errors
    /// [`LockError::Held`] if somebody has it, naming the holder.
    fn lock(&self, dir: &Path) -> Result<DirLock, LockError>;

    /// The bug that a test planted, if any.
    #[cfg(feature = "seeded-bugs")]
    fn bug(&self) -> Option<crate::Bug> {
        None
    }
}

/// An open file of a [`Disk`].
///
/// After a failed [`append`](DiskFile::append) or [`sync`](DiskFile::sync) the
/// contents behind the last successful sync are unknown; syncing again proves
/// nothing, because the kernel may have dropped the pages.
pub trait DiskFile: Send + fmt::Debug {
    /// Writes all bytes at the end of the file.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes all bytes and the length durable.
    fn sync(&mut self) -> io::Result<()>;

    /// Writes the bytes from the offset to the end once more, as they are read
    /// now. After a failed sync the kernel takes pages for saved that are not;
    /// whoever finds them after a restart of the process alone makes them
    /// durable with this and a sync.
    fn rewrite(&mut self, from: u64) -> io::Result<()>;

    /// Fills the buffer from the offset; `UnexpectedEof` if the file is shorter.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Bytes in the file now.
    fn bytes_len(&self) -> io::Result<u64>;

    /// Cuts the file; durable after [`sync`](DiskFile::sync).
    fn truncate(&mut self, bytes: u64) -> io::Result<()>;
}

/// A directory taken for this process; dropping it gives the directory back.
pub struct DirLock {
    _guard: Box<dyn Any + Send + Sync>,
}

impl DirLock {
    fn new(guard: impl Any + Send + Sync) -> Self {
        Self { _guard: Box::new(guard) }
    }
}

impl fmt::Debug for DirLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirLock")
    }
}

/// The name of the lock file in a data directory.
pub const LOCK_FILE: &str = "LOCK";

/// Why a directory could not be taken.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another holder has it.
    #[error(
        "directory {} is in use by {}: stop it, or choose another directory",
        dir.display(),
        holder(*pid)
    )]
    Held {
        /// The directory asked for.
        dir: PathBuf,
        /// The holder's process id, if its lock file says it.
        pid: Option<u32>,
    },
    /// The lock file could not be opened or written.
    #[error("cannot lock directory {}: {source}", dir.display())]
    Io {
        /// The directory asked for.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl From<LockError> for Error {
    fn from(error: LockError) -> Self {
        Self::new(ErrorKind::Unavailable, error.to_string())
    }
}

/// The kind that a failed disk call has for the upper crates.
pub(crate) fn kind_of(error: &io::Error) -> ErrorKind {
    if is_full(error) { ErrorKind::Exhausted } else { ErrorKind::Unavailable }
}

fn is_full(error: &io::Error) -> bool {
    let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
    full.contains(&error.kind())
}

/// The directory that a file stands in.
pub(crate) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The whole contents of a file.
///
/// # Errors
/// The disk's.
pub fn read_file(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let len = usize::try_from(file.bytes_len()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}
