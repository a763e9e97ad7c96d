//! What a log should hold, kept in the plainest way, and helpers around it.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vicinal_storage::{
    Disk as _, Log, LogEntry, LogError, LogOptions, LogPosition, RecoveryReport, SimDisk, VoteState,
};
use vicinal_types::GroupId;

pub(crate) const DIR: &str = "log";

/// All of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) vote: Option<VoteState>,
    pub(crate) purged: LogPosition,
    pub(crate) entries: Vec<LogEntry>,
}

/// All groups that have anything.
pub(crate) type Model = BTreeMap<GroupId, Group>;

impl Group {
    pub(crate) fn last(&self) -> u64 {
        self.entries.last().map_or(self.purged.index, |entry| entry.index)
    }

    pub(crate) fn put(&mut self, entry: LogEntry) {
        self.entries.retain(|held| held.index < entry.index);
        self.entries.push(entry);
    }

    pub(crate) fn purge(&mut self, up_to: LogPosition) {
        if up_to.index <= self.purged.index {
            return;
        }
        let held = self.entries.iter().find(|entry| entry.index == up_to.index);
        if held.is_none_or(|entry| entry.term != up_to.term) {
            self.entries.clear();
        }
        self.entries.retain(|entry| entry.index > up_to.index);
        self.purged = up_to;
    }
}

pub(crate) fn entry(index: u64, term: u64, bytes: usize) -> LogEntry {
    let fill = u8::try_from((index * 31 + term * 7) % 251).unwrap();
    LogEntry {
        index,
        term,
        kind: u8::try_from(index % 3).unwrap(),
        data: Bytes::from(vec![fill; bytes]),
    }
}

pub(crate) fn position(index: u64, term: u64) -> LogPosition {
    LogPosition { index, term }
}

/// Small files, and a cache too small to hide the disk.
pub(crate) fn small() -> LogOptions {
    LogOptions { file_bytes: 1024, cache_bytes: 600 }
}

pub(crate) fn open_with(
    disk: &SimDisk,
    options: LogOptions,
) -> Result<(Log, RecoveryReport), LogError> {
    Log::open(Arc::new(disk.clone()), Path::new(DIR), options)
}

pub(crate) fn open(disk: &SimDisk) -> Result<(Log, RecoveryReport), LogError> {
    open_with(disk, small())
}

/// Everything a log holds, read through its interface.
pub(crate) fn contents(log: &Log) -> Result<Model, LogError> {
    let group = |id| {
        let range = log.first_index(id)..log.last_index(id) + 1;
        let entries = log.entries(id, range.clone(), u64::MAX)?;
        let indexes: Vec<u64> = entries.iter().map(|entry| entry.index).collect();
        assert_eq!(indexes, range.collect::<Vec<u64>>(), "no gaps");
        for entry in &entries {
            assert_eq!(log.term(id, entry.index)?, Some(entry.term));
        }
        let purged = log.purged(id);
        assert_eq!(log.term(id, purged.index)?, Some(purged.term));
        let vote = log.state(id);
        Ok((id, Group { vote, purged, entries }))
    };
    log.groups().into_iter().map(group).collect()
}

/// The log's files, oldest first.
pub(crate) fn log_files(disk: &SimDisk) -> Vec<PathBuf> {
    let names = disk.list(Path::new(DIR)).unwrap();
    names.iter().map(|name| Path::new(DIR).join(name)).collect()
}
