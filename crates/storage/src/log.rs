//! The write-ahead log of a node: one log for all its Raft groups.
//!
//! # Writing
//! Records are gathered in memory; [`Log::sync`] writes them with one call and
//! makes them durable with one `fdatasync`, for all groups together. After any
//! failed write or sync the log is poisoned: what is on disk is unknown, nothing
//! is retried, and only a restart, which reads the disk, goes on.
//!
//! # Purging
//! A file is removed, oldest first, when no group needs it:
//! * Entries are no longer needed behind [`Log::purge`].
//! * Votes and purged positions are repeated for every group at the start of
//!   every file, so no older file is needed for them.
//! * A group that writes rarely (the catalogue) would pin old files with a few
//!   entries. When the oldest file is [`MOVE_FILES_BEHIND`] or more behind the
//!   newest one, the groups that pin it get their entries copied to the newest
//!   file, if each has at most [`MOVE_GROUP_BYTES_MAX`] and all of them together
//!   at most a quarter of a file: cleaning then costs at most a quarter of
//!   what it frees. Bigger groups pin their files until they are purged.
//! * Before a file is removed the log is synced, so that what replaces it is
//!   durable.

mod cache;
mod error;
mod files;
mod format;
mod group;
mod inspect;
mod purge;
mod read;
mod recovery;

#[cfg(test)]
mod tests;

pub use error::LogError;
pub use inspect::LogInspection;
pub use recovery::{RecoveryReport, TornTail};

use crate::disk::Disk;
use bytes::Bytes;
use cache::Cache;
use files::Files;
use format::{Kind, Record, State};
use group::{GroupLog, Slot};
use recovery::TornEnd;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use vicinal_types::GroupId;

/// Bounds of [`LogOptions::file_bytes`]: offsets have 32 bits, and a file ends
/// with the record that passes the size.
const FILE_BYTES: std::ops::RangeInclusive<u64> = 1024..=1024 * 1024 * 1024;

/// How many files the oldest one is behind the newest when entries are moved.
pub const MOVE_FILES_BEHIND: u32 = 2;

/// Bytes of a group's entries that are moved at most: one small write.
pub const MOVE_GROUP_BYTES_MAX: u64 = 1024 * 1024;

/// How a log uses disk and memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Bytes after which the log goes on in a new file.
    pub file_bytes: u64,
    /// Bytes of recent entries kept in memory, over all groups.
    pub cache_bytes: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { file_bytes: 64 * 1024 * 1024, cache_bytes: 32 * 1024 * 1024 }
    }
}

/// One entry of a group's Raft log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its index, from 1, without gaps.
    pub index: u64,
    /// The term it was proposed in.
    pub term: u64,
    /// What it is; the log does not look at it.
    pub kind: u8,
    /// Its bytes; the log does not look inside.
    pub data: Bytes,
}

/// What a group must remember besides its entries: Raft's hard state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VoteState {
    /// The latest term seen.
    pub term: u64,
    /// The node voted for in that term; 0 is none.
    pub vote: u64,
    /// The highest index known to be committed.
    pub commit: u64,
}

/// A place in a group's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition {
    /// The index of an entry; 0 is before the first.
    pub index: u64,
    /// The term of that entry.
    pub term: u64,
}

/// What a log holds and has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Files on disk.
    pub files: usize,
    /// Bytes of these files, with what is gathered for the next write.
    pub bytes: u64,
    /// Entries held, over all groups.
    pub entries: u64,
    /// Groups known.
    pub groups: usize,
    /// Memory of cached entries.
    pub cache_bytes: usize,
    /// Memory of the index from entries to files.
    pub index_bytes: usize,
    /// Memory of the gathered write.
    pub gathered_bytes: usize,
    /// Writes since the start.
    pub writes: u64,
    /// Syncs since the start.
    pub syncs: u64,
    /// Entries copied to a newer file since the start.
    pub moved_entries: u64,
    /// Bytes of files removed since the start.
    pub freed_bytes: u64,
}

/// The log of a node. One owner; calls block.
#[derive(Debug)]
pub struct Log {
    options: LogOptions,
    files: Files,
    groups: BTreeMap<GroupId, GroupLog>,
    cache: Cache,
    poisoned: Option<String>,
    moved_entries: u64,
    freed_bytes: u64,
}

impl Log {
    /// Opens the log in a directory, creating it if it is missing. The directory
    /// must be locked by the caller. A torn tail is cut off and reported.
    ///
    /// # Errors
    /// [`LogError::Damaged`] if bytes that were durable are bad; nothing is
    /// changed then.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: LogOptions,
    ) -> Result<(Self, RecoveryReport), LogError> {
        if !FILE_BYTES.contains(&options.file_bytes) {
            return Err(LogError::FileBytes {
                bytes: options.file_bytes,
                bytes_min: *FILE_BYTES.start(),
                bytes_max: *FILE_BYTES.end(),
            });
        }
        disk.create_dir_all(dir).map_err(LogError::io("create", dir))?;
        let recovered = recovery::recover(&disk, dir, TornEnd::Cut)?;
        let mut log = Self {
            cache: Cache::new(options.cache_bytes),
            options,
            files: recovered.files,
            groups: recovered.groups,
            poisoned: None,
            moved_entries: 0,
            freed_bytes: 0,
        };
        // What was read may be in the page cache only: the process was killed
        // before its sync, or the sync had failed. It must be durable before
        // anybody acts on it.
        if log.files.count() > 0 {
            log.files.sync_found(recovered.durable)?;
        }
        if log.files.count() == 0 || log.is_full() {
            log.rotate()?;
        } else {
            log.push_states()?;
        }
        log.files.sync()?; // what was found is now provably durable
        Ok((log, recovered.report))
    }

    /// Gathers entries of a group. The first one replaces everything from its
    /// index on. They are durable after the next [`Log::sync`].
    ///
    /// # Errors
    /// [`LogError::NotContiguous`] if they leave a gap or are purged already,
    /// [`LogError::TooLarge`] if one does not fit a record; nothing is done then.
    pub fn append(&mut self, group: GroupId, entries: &[LogEntry]) -> Result<(), LogError> {
        self.check_alive()?;
        self.check_entries(group, entries)?;
        let pushed = entries.iter().try_for_each(|entry| {
            let slot = self.push(group, Kind::Entry, entry)?;
            let position = position_of(entry);
            self.groups.entry(group).or_default().put(position, slot);
            self.cache.put(group, entry.clone());
            Ok(())
        });
        self.poisoning(pushed)
    }

    /// Gathers a group's vote; durable after the next [`Log::sync`].
    ///
    /// # Errors
    /// [`LogError::Io`] if the disk fails, [`LogError::Poisoned`] ever after.
    pub fn set_vote(&mut self, group: GroupId, vote: VoteState) -> Result<(), LogError> {
        self.check_alive()?;
        self.groups.entry(group).or_default().vote = Some(vote);
        let pushed = self.push_state(group);
        self.poisoning(pushed)
    }

    /// Makes everything gathered so far durable, for all groups.
    ///
    /// # Errors
    /// [`LogError::Io`] if the disk fails: nothing since the last successful
    /// sync may be acknowledged. [`LogError::Poisoned`] ever after.
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.check_alive()?;
        #[cfg(feature = "seeded-bugs")]
        if self.files.has_bug(crate::Bug::AckBeforeSync) {
            let written = self.files.write();
            return self.poisoning(written);
        }
        let synced = self.files.sync();
        self.poisoning(synced)
    }

    /// Syncs, and notes that the end of the log is durable, so that later damage
    /// there is not taken for a torn write. Dropping a log instead is safe.
    ///
    /// # Errors
    /// As [`Log::sync`].
    pub fn close(mut self) -> Result<(), LogError> {
        self.sync()?;
        self.push_states()?;
        self.files.sync()
    }

    /// The group's vote; none if it was never set.
    #[must_use]
    pub fn state(&self, group: GroupId) -> Option<VoteState> {
        self.groups.get(&group)?.vote
    }

    /// The position up to which the group was purged; zero at first.
    #[must_use]
    pub fn purged(&self, group: GroupId) -> LogPosition {
        self.groups.get(&group).map_or_else(LogPosition::default, |log| log.purged)
    }

    /// The index of the first entry held, or of the next one if there is none.
    #[must_use]
    pub fn first_index(&self, group: GroupId) -> u64 {
        self.groups.get(&group).map_or(1, GroupLog::first)
    }

    /// The index of the newest entry, or the purged one if there is none.
    #[must_use]
    pub fn last_index(&self, group: GroupId) -> u64 {
        self.groups.get(&group).map_or(0, GroupLog::last)
    }

    /// Groups that have entries, a vote or a purged position.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupId> {
        self.groups.keys().copied().collect()
    }

    /// What the log holds and has done.
    #[must_use]
    pub fn stats(&self) -> LogStats {
        LogStats {
            files: self.files.count(),
            bytes: self.files.bytes(),
            entries: self.groups.values().map(GroupLog::entry_count).sum(),
            groups: self.groups.len(),
            cache_bytes: self.cache.bytes(),
            index_bytes: self.groups.values().map(GroupLog::index_bytes).sum(),
            gathered_bytes: self.files.gathered_bytes(),
            writes: self.files.writes,
            syncs: self.files.syncs,
            moved_entries: self.moved_entries,
            freed_bytes: self.freed_bytes,
        }
    }

    fn check_alive(&self) -> Result<(), LogError> {
        self.poisoned.clone().map_or(Ok(()), |reason| Err(LogError::Poisoned { reason }))
    }

    /// Remembers the first failure of a call that changes the disk.
    fn poisoning<T>(&mut self, outcome: Result<T, LogError>) -> Result<T, LogError> {
        if let Err(error) = &outcome
            && self.poisoned.is_none()
        {
            self.poisoned = Some(error.to_string());
        }
        outcome
    }

    fn check_entries(&self, group: GroupId, entries: &[LogEntry]) -> Result<(), LogError> {
        let first = self.first_index(group);
        let mut next = self.last_index(group) + 1;
        for (ordinal, entry) in entries.iter().enumerate() {
            let found = entry.index;
            let fits = if ordinal == 0 { (first..=next).contains(&found) } else { found == next };
            if !fits || found > format::INDEX_MAX {
                return Err(LogError::NotContiguous {
                    group,
                    first: if ordinal == 0 { first } else { next },
                    next,
                    found,
                });
            }
            next = found + 1;
            let bytes = entry.data.len();
            let bytes_max = format::PAYLOAD_BYTES_MAX;
            if bytes > bytes_max {
                let index = entry.index;
                return Err(LogError::TooLarge { group, index, bytes, bytes_max });
            }
        }
        Ok(())
    }

    fn push(&mut self, group: GroupId, kind: Kind, entry: &LogEntry) -> Result<Slot, LogError> {
        self.push_record(Record {
            kind,
            detail: entry.kind,
            synced: 0,
            group,
            position: position_of(entry),
            payload: &entry.data,
        })
    }

    fn push_state(&mut self, group: GroupId) -> Result<(), LogError> {
        let log = self.groups.entry(group).or_default();
        let position = log.purged;
        let (detail, payload) =
            format::encode_state(State { vote: log.vote, is_empty: log.entry_count() == 0 });
        let slot = self.push_record(Record {
            kind: Kind::State,
            detail,
            synced: 0,
            group,
            position,
            payload: &payload,
        })?;
        self.groups.entry(group).or_default().state_file = Some(slot.file);
        Ok(())
    }

    fn push_record(&mut self, record: Record<'_>) -> Result<Slot, LogError> {
        if self.is_full() {
            self.rotate()?;
        }
        self.files.push(record)
    }

    fn is_full(&self) -> bool {
        self.files.newest_bytes() >= self.options.file_bytes
    }

    /// Goes on in a new file that starts with every group's state.
    fn rotate(&mut self) -> Result<(), LogError> {
        self.files.rotate()?;
        self.push_states()?;
        self.files.sync()
    }

    /// Writes every group's state into the newest file, however full it is.
    fn push_states(&mut self) -> Result<(), LogError> {
        for (&group, log) in &mut self.groups {
            let (detail, payload) =
                format::encode_state(State { vote: log.vote, is_empty: log.entry_count() == 0 });
            let slot = self.files.push(Record {
                kind: Kind::State,
                detail,
                synced: 0,
                group,
                position: log.purged,
                payload: &payload,
            })?;
            log.state_file = Some(slot.file);
        }
        Ok(())
    }
}

fn position_of(entry: &LogEntry) -> LogPosition {
    LogPosition { index: entry.index, term: entry.term }
}
