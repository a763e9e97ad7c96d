//! The real file system: the one home of `std::fs`.

use super::{DirLock, Disk, DiskFile, LOCK_FILE, LockError, mmap, parent_of};
use crate::fields::to_u64;
use bytes::Bytes;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Files and directories are for the server's user only: maps rely on it.
const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileDisk;

impl Disk for FileDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(path)?;
        OpenFile::boxed(file)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        OpenFile::boxed(file)
    }

    fn map(&self, path: &Path) -> io::Result<Bytes> {
        mmap::map(&File::open(path)?)
    }

    #[expect(clippy::disallowed_methods, reason = "the one home of std::fs")]
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    #[expect(clippy::disallowed_methods, reason = "the one home of std::fs")]
    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        let parent = parent_of(dir);
        if parent != dir {
            self.create_dir_all(parent)?;
        }
        match DirBuilder::new().mode(DIR_MODE).create(dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
            other => other?,
        }
        self.sync_dir(parent)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn available_bytes(&self, dir: &Path) -> io::Result<u64> {
        let stats = rustix::fs::statvfs(dir)?;
        Ok(stats.f_bavail.saturating_mul(stats.f_frsize))
    }

    fn lock(&self, dir: &Path) -> Result<DirLock, LockError> {
        let failed = |source| LockError::Io { dir: dir.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(dir.join(LOCK_FILE))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text).map_err(failed)?;
                let pid = text.trim().parse().ok();
                let dir = dir.to_owned();
                return Err(LockError::Held { dir, pid });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(DirLock::new(file))
    }
}

/// Bytes read and written at a time by a rewrite.
const REWRITE_BYTES: usize = 1024 * 1024;

#[derive(Debug)]
struct OpenFile {
    file: File,
    /// Where the next append goes. Not `O_APPEND`: with it Linux would append
    /// rewrites, too.
    end: u64,
}

impl OpenFile {
    fn boxed(file: File) -> io::Result<Box<dyn DiskFile>> {
        let end = file.metadata()?.len();
        Ok(Box::new(Self { file, end }))
    }
}

impl DiskFile for OpenFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Loops on short and interrupted writes.
        self.file.write_all_at(bytes, self.end)?;
        self.end += to_u64(bytes.len());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn rewrite(&mut self, from: u64) -> io::Result<()> {
        let mut buffer = vec![0; REWRITE_BYTES];
        let mut offset = from;
        while offset < self.end {
            let left = usize::try_from(self.end - offset).unwrap_or(REWRITE_BYTES);
            let chunk = &mut buffer[..left.min(REWRITE_BYTES)];
            self.file.read_exact_at(chunk, offset)?;
            self.file.write_all_at(chunk, offset)?;
            offset += to_u64(chunk.len());
        }
        Ok(())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn bytes_len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)?;
        self.end = bytes;
        Ok(())
    }
}
