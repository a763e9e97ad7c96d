//! Files read whole where others are mapped.

use super::{DirLock, Disk, DiskFile, FileDisk, LockError};
use crate::fields::to_u64;
use bytes::Bytes;
use memmap2::{Mmap, MmapMut};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The operating system's files, none of them mapped: what others map is read into
/// memory, all of it. A file system that fails later ends in an error of the opening,
/// where a map would end the process; in return nothing of it can be left to the page
/// cache. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct WholeFileDisk {
    held: Arc<AtomicU64>,
}

/// What a file held when it was read, counted while it lives.
struct Whole {
    /// Pages of their own: they start where a map would, go back to the system at once,
    /// and too few of them are an error.
    memory: Mmap,
    held: Arc<AtomicU64>,
}

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        &self.memory
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.held.fetch_sub(to_u64(self.memory.len()), Ordering::Relaxed);
    }
}

impl Disk for WholeFileDisk {
    fn map(&self, path: &Path) -> io::Result<Bytes> {
        let file = FileDisk.open(path)?;
        let len = usize::try_from(file.bytes_len()?).map_err(io::Error::other)?;
        if len == 0 {
            return Ok(Bytes::new());
        }
        let mut memory = MmapMut::map_anon(len)?;
        file.read_at(0, &mut memory)?;
        let memory = memory.make_read_only()?;
        self.held.fetch_add(to_u64(len), Ordering::Relaxed);
        Ok(Bytes::from_owner(Whole { memory, held: Arc::clone(&self.held) }))
    }

    fn held_bytes(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        FileDisk.create_new(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        FileDisk.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        FileDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        FileDisk.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        FileDisk.list(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        FileDisk.create_dir_all(dir)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        FileDisk.remove_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        FileDisk.sync_dir(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        FileDisk.exists(path)
    }

    fn available_bytes(&self, dir: &Path) -> io::Result<u64> {
        FileDisk.available_bytes(dir)
    }

    fn lock(&self, dir: &Path) -> Result<DirLock, LockError> {
        FileDisk.lock(dir)
    }
}
