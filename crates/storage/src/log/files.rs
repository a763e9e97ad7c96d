//! The files of the log: the gathered tail, the newest file, and the older ones.

use super::format::{self, Record, Seen};
use super::group::Slot;
use super::{LogError, LogPosition};
use crate::disk::{Disk, DiskFile};
use crate::fields::to_u64;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vicinal_types::GroupId;

/// Gathered bytes beyond this are written, though not synced, so that a huge
/// batch does not need its size in memory twice.
const GATHERED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of neighbouring records that one read fetches.
const READ_BYTES: u64 = 1024 * 1024;

/// One file of the log.
#[derive(Debug)]
struct LogFile {
    handle: Box<dyn DiskFile>,
    path: PathBuf,
    /// Bytes written; of the newest file the gathered ones come on top.
    written: u64,
}

/// Where an entry is, and who it must turn out to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) group: GroupId,
    pub(super) position: LogPosition,
    pub(super) slot: Slot,
}

/// An entry as it was read.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) detail: u8,
    pub(super) data: Bytes,
}

/// Invariant: file numbers have no gaps; only the newest file is written.
#[derive(Debug)]
pub(super) struct Files {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    files: BTreeMap<u32, LogFile>,
    newest: u32,
    /// Records of the newest file that are not written yet.
    gathered: Vec<u8>,
    /// Bytes of the newest file that are durable.
    synced: u64,
    pub(super) writes: u64,
    pub(super) syncs: u64,
}

impl Files {
    /// No files yet; `rotate` creates the first one, number 1.
    pub(super) fn new(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        Self {
            disk,
            dir: dir.to_owned(),
            files: BTreeMap::new(),
            newest: 0,
            gathered: Vec::new(),
            synced: 0,
            writes: 0,
            syncs: 0,
        }
    }

    /// Takes a file found at start, oldest first; the last one taken is the
    /// newest and counts as not synced.
    pub(super) fn adopt(&mut self, number: u32, written: u64) -> Result<(), LogError> {
        let path = self.path(number);
        let handle = self.disk.open(&path).map_err(LogError::io("open", &path))?;
        let file = LogFile { handle, path, written };
        self.files.insert(number, file);
        self.newest = number;
        self.synced = 0;
        Ok(())
    }

    pub(super) fn path(&self, number: u32) -> PathBuf {
        self.dir.join(format::file_name(number))
    }

    pub(super) fn newest(&self) -> u32 {
        self.newest
    }

    pub(super) fn oldest(&self) -> u32 {
        self.files.keys().next().copied().unwrap_or(self.newest)
    }

    pub(super) fn count(&self) -> usize {
        self.files.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        let written: u64 = self.files.values().map(|file| file.written).sum();
        written + to_u64(self.gathered.len())
    }

    pub(super) fn gathered_bytes(&self) -> usize {
        self.gathered.capacity()
    }

    /// Bytes of the newest file, gathered ones included.
    pub(super) fn newest_bytes(&self) -> u64 {
        let written = self.files.get(&self.newest).map_or(0, |file| file.written);
        written + to_u64(self.gathered.len())
    }

    /// Gathers a record for the newest file and says where it will stand.
    pub(super) fn push(&mut self, record: Record<'_>) -> Result<Slot, LogError> {
        let offset = self.newest_bytes();
        let narrow = "rotation keeps files below 4 GiB";
        let synced = u32::try_from(self.synced).expect(narrow);
        let before = self.gathered.len();
        let record = Record { synced, ..record };
        format::encode(&record, self.newest, offset, &mut self.gathered);
        let slot = Slot {
            file: self.newest,
            offset: u32::try_from(offset).expect(narrow),
            bytes: u32::try_from(self.gathered.len() - before).expect(narrow),
        };
        if self.gathered.len() > GATHERED_BYTES_MAX {
            self.write()?;
        }
        Ok(slot)
    }

    fn newest_file(&mut self) -> &mut LogFile {
        let file = self.files.get_mut(&self.newest);
        file.expect("a log is opened with at least one file")
    }

    #[cfg(feature = "seeded-bugs")]
    pub(super) fn has_bug(&self, bug: crate::Bug) -> bool {
        bug.is_on(&*self.disk)
    }

    pub(super) fn write(&mut self) -> Result<(), LogError> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let mut gathered = std::mem::take(&mut self.gathered);
        let file = self.newest_file();
        file.handle.append(&gathered).map_err(LogError::io("write", &file.path))?;
        file.written += to_u64(gathered.len());
        self.writes += 1;
        gathered.clear();
        gathered.shrink_to(2 * GATHERED_BYTES_MAX);
        self.gathered = gathered;
        Ok(())
    }

    /// Makes everything pushed so far durable.
    pub(super) fn sync(&mut self) -> Result<(), LogError> {
        self.write()?;
        let synced = self.synced;
        let file = self.newest_file();
        if file.written == synced {
            return Ok(());
        }
        let outcome = file.handle.sync();
        #[cfg(feature = "seeded-bugs")]
        let outcome = match outcome {
            Err(_) if crate::Bug::SyncTriedAgain.is_on(&*self.disk) => {
                self.newest_file().handle.sync()
            }
            outcome => outcome,
        };
        let file = self.newest_file();
        outcome.map_err(LogError::io("sync", &file.path))?;
        self.synced = file.written;
        self.syncs += 1;
        Ok(())
    }

    /// Makes the newest file durable as it was found at start, of which only the
    /// bytes below `durable` are known to be so. Its name is durable: `rotate`
    /// sees to that before it writes anything.
    pub(super) fn sync_found(&mut self, durable: u64) -> Result<(), LogError> {
        let file = self.newest_file();
        let rewritten = file.handle.rewrite(durable);
        rewritten.map_err(LogError::io("write", &file.path))?;
        self.sync()
    }

    /// Syncs the newest file, then creates its successor. Its name is durable
    /// when this returns; its header is with the next `sync`.
    pub(super) fn rotate(&mut self) -> Result<(), LogError> {
        if !self.files.is_empty() {
            self.sync()?;
        }
        let number = self.newest + 1;
        let path = self.path(number);
        let handle = self.disk.create_new(&path).map_err(LogError::io("create", &path))?;
        #[cfg(feature = "seeded-bugs")]
        let is_skipped = self.has_bug(crate::Bug::LogNameNotSynced);
        #[cfg(not(feature = "seeded-bugs"))]
        let is_skipped = false;
        if !is_skipped {
            self.disk.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))?;
        }
        let file = LogFile { handle, path, written: 0 };
        self.files.insert(number, file);
        self.newest = number;
        self.synced = 0;
        self.gathered.extend_from_slice(&format::encode_file_header(number));
        Ok(())
    }

    /// Removes the oldest file durably, before the next one may go: what a crash
    /// leaves has no gaps. Returns its bytes.
    pub(super) fn remove_oldest(&mut self) -> Result<u64, LogError> {
        let oldest = self.oldest();
        assert!(oldest < self.newest, "the newest file stays");
        let Some(file) = self.files.remove(&oldest) else {
            return Ok(0);
        };
        let LogFile { path, written, .. } = file;
        self.disk.remove(&path).map_err(LogError::io("remove", &path))?;
        self.disk.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))?;
        Ok(written)
    }

    /// Reads entries that stand in ascending places; neighbours share a read.
    pub(super) fn read(&self, wanted: &[Wanted]) -> Result<Vec<Fetched>, LogError> {
        let mut fetched = Vec::with_capacity(wanted.len());
        let mut rest = wanted;
        while let Some(first) = rest.first() {
            let start = first.slot.offset;
            let joins = |next: &&Wanted| {
                next.slot.file == first.slot.file
                    && next.slot.offset >= start
                    && u64::from(next.slot.offset - start) + u64::from(next.slot.bytes)
                        <= READ_BYTES
            };
            let neighbours = rest.iter().take_while(joins).count().max(1);
            let (now, later) = rest.split_at(neighbours);
            let last = now.last().unwrap_or(first).slot;
            let chunk = self.chunk(first.slot, u64::from(last.offset) + u64::from(last.bytes))?;
            for wanted in now {
                fetched.push(self.entry_in(&chunk, start, wanted)?);
            }
            rest = later;
        }
        Ok(fetched)
    }

    /// The bytes from a record to the offset `end` of its file.
    fn chunk(&self, from: Slot, end: u64) -> Result<Bytes, LogError> {
        let file = self.files.get(&from.file);
        let file = file.expect("entries held are in files held");
        let start = u64::from(from.offset);
        let in_memory = |offset: u64| usize::try_from(offset).expect("files are below 4 GiB");
        if start >= file.written {
            let gathered = in_memory(start - file.written)..in_memory(end - file.written);
            return Ok(Bytes::copy_from_slice(&self.gathered[gathered]));
        }
        let mut chunk = vec![0; in_memory(end.min(file.written) - start)];
        let read = file.handle.read_at(start, &mut chunk);
        read.map_err(LogError::io("read", &file.path))?;
        if end > file.written {
            chunk.extend_from_slice(&self.gathered[..in_memory(end - file.written)]);
        }
        Ok(Bytes::from(chunk))
    }

    fn entry_in(&self, chunk: &Bytes, start: u32, wanted: &Wanted) -> Result<Fetched, LogError> {
        let Wanted { group, position, slot } = *wanted;
        let damaged = |reason: String| LogError::Damaged {
            path: self.path(slot.file),
            offset: u64::from(slot.offset),
            reason,
        };
        let place = |offset: u32| usize::try_from(offset).expect("offsets have 32 bits");
        let from = place(slot.offset - start);
        let bytes = chunk.slice(from..from + place(slot.bytes));
        match format::decode(&bytes, slot.file, u64::from(slot.offset)) {
            Seen::Record { record, .. } if record.group == group && record.position == position => {
                Ok(Fetched {
                    detail: record.detail,
                    data: bytes.slice(format::RECORD_HEADER_BYTES..),
                })
            }
            Seen::Record { record, .. } => Err(damaged(format!(
                "entry {} of group {group} should stand here, but it is entry {} of group {}",
                position.index, record.position.index, record.group
            ))),
            Seen::End => Err(damaged("the file ends here".to_owned())),
            Seen::Bad(bad) => Err(damaged(bad.to_string())),
        }
    }
}
