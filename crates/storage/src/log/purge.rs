//! Letting go of entries and files; the module above describes the scheme.

use super::files::Files;
use super::format::{INDEX_MAX, Kind, Record};
use super::group::GroupLog;
use super::{Log, LogEntry, LogError, LogPosition, MOVE_FILES_BEHIND, MOVE_GROUP_BYTES_MAX};
use std::collections::VecDeque;
use vicinal_types::GroupId;

/// The entries of a group that are about to be copied.
struct Move {
    group: GroupId,
    entries: Vec<LogEntry>,
}

impl Log {
    /// Lets go of a group's entries up to a position, because they are durable
    /// elsewhere, and removes the files that nobody needs any more. Returns the
    /// bytes of these files. The position may lie beyond the last entry, as after
    /// installing a snapshot. If the entry at its index has another term, the
    /// group's entries are of another history and all go, as Raft wants it.
    ///
    /// # Errors
    /// [`LogError::Io`] if the disk fails, [`LogError::Poisoned`] ever after;
    /// [`LogError::Damaged`] if entries that had to be moved are damaged,
    /// [`LogError::OutOfRange`] for an index beyond all that there can be.
    pub fn purge(&mut self, group: GroupId, up_to: LogPosition) -> Result<u64, LogError> {
        self.check_alive()?;
        if up_to.index > INDEX_MAX {
            let index = up_to.index;
            let last = self.last_index(group);
            return Err(LogError::OutOfRange { group, index, last });
        }
        if up_to.index > self.purged(group).index {
            let log = self.groups.entry(group).or_default();
            log.purge(up_to);
            let kept = if log.entry_count() == 0 { u64::MAX } else { up_to.index };
            self.cache.purge(group, kept);
            let pushed = self.push_state(group);
            self.poisoning(pushed)?;
        }
        self.release()
    }

    /// Drops a group for good: its number never comes back.
    ///
    /// # Errors
    /// As [`Log::purge`].
    pub fn forget(&mut self, group: GroupId) -> Result<(), LogError> {
        self.check_alive()?;
        if self.groups.remove(&group).is_some() {
            self.cache.forget(group);
            let pushed = self.push_record(Record {
                kind: Kind::Forget,
                detail: 0,
                synced: 0,
                group,
                position: LogPosition::default(),
                payload: &[],
            });
            self.poisoning(pushed)?;
        }
        self.release().map(|_| ())
    }

    /// Moves what pins the oldest file, if it is little, and removes the files
    /// in front of the first that is needed.
    fn release(&mut self) -> Result<u64, LogError> {
        let moves = self.plan_moves()?;
        let released = self.move_entries(moves).and_then(|()| self.remove_files());
        self.poisoning(released)
    }

    /// Reads the entries that must move for the oldest file to go; none if it is
    /// too early, or too much.
    fn plan_moves(&self) -> Result<Vec<Move>, LogError> {
        let oldest = self.files.oldest();
        if self.files.newest() - oldest < MOVE_FILES_BEHIND {
            return Ok(Vec::new());
        }
        let pins = |log: &GroupLog| log.oldest_entry_file() == Some(oldest);
        let pinning = || self.groups.iter().filter(|(_, log)| pins(log));
        let bytes: u64 = pinning().map(|(_, log)| log.live_bytes()).sum();
        let is_small = |log: &GroupLog| log.live_bytes() <= MOVE_GROUP_BYTES_MAX;
        if bytes > self.options.file_bytes / 4 || !pinning().all(|(_, log)| is_small(log)) {
            return Ok(Vec::new());
        }
        let read = |(&group, log): (&GroupId, &GroupLog)| {
            let entries = self.entries(group, log.first()..log.last() + 1, u64::MAX)?;
            Ok(Move { group, entries })
        };
        pinning().map(read).collect()
    }

    fn move_entries(&mut self, moves: Vec<Move>) -> Result<(), LogError> {
        for Move { group, entries } in moves {
            let mut slots = VecDeque::with_capacity(entries.len());
            for entry in &entries {
                slots.push_back(self.push(group, Kind::Moved, entry)?);
                self.moved_entries += 1;
            }
            self.groups.entry(group).or_default().move_to(slots);
        }
        Ok(())
    }

    fn remove_files(&mut self) -> Result<u64, LogError> {
        let needed = self.groups.values().filter_map(GroupLog::oldest_file).min();
        let needed = needed.unwrap_or(u32::MAX).min(self.files.newest());
        if self.files.oldest() >= needed {
            return Ok(0);
        }
        // What replaces the files (purged positions, copies) must be durable.
        self.files.sync()?;
        let freed = remove_below(&mut self.files, needed)?;
        self.freed_bytes += freed;
        Ok(freed)
    }
}

fn remove_below(files: &mut Files, needed: u32) -> Result<u64, LogError> {
    let mut freed = 0;
    while files.oldest() < needed {
        freed += files.remove_oldest()?;
    }
    Ok(freed)
}
