//! Reading entries: from the cache, or from the files.

use super::files::Wanted;
use super::{Log, LogEntry, LogError, LogPosition};
use crate::fields::to_u64;
use std::ops::Range;
use vicinal_types::GroupId;

impl Log {
    /// The term of an entry or of the purged position; none outside of these.
    ///
    /// # Errors
    /// [`LogError::Poisoned`] after a failed write or sync.
    pub fn term(&self, group: GroupId, index: u64) -> Result<Option<u64>, LogError> {
        self.check_alive()?;
        let unknown = (index == 0).then_some(0);
        Ok(self.groups.get(&group).map_or(unknown, |log| log.term(index)))
    }

    /// The entries of a range: at least one if the range is not empty, then as
    /// many as fit into `bytes_max` of data.
    ///
    /// # Errors
    /// [`LogError::Purged`] or [`LogError::OutOfRange`] if the log does not hold
    /// the range, [`LogError::Damaged`] if a record is not what was written.
    pub fn entries(
        &self,
        group: GroupId,
        range: Range<u64>,
        bytes_max: u64,
    ) -> Result<Vec<LogEntry>, LogError> {
        self.check_alive()?;
        self.check_range(group, &range)?;
        let mut found = Vec::new();
        let mut bytes = 0;
        let mut index = range.start;
        while index < range.end {
            let batch =
                self.next_entries(group, index..range.end, bytes_max - bytes.min(bytes_max))?;
            for entry in batch {
                bytes = bytes.saturating_add(data_bytes(&entry));
                if bytes > bytes_max && !found.is_empty() {
                    return Ok(found);
                }
                index += 1;
                found.push(entry);
            }
        }
        Ok(found)
    }

    fn check_range(&self, group: GroupId, range: &Range<u64>) -> Result<(), LogError> {
        let first = self.first_index(group);
        let last = self.last_index(group);
        if range.start < first {
            let index = range.start;
            return Err(LogError::Purged { group, index, first });
        }
        if range.end > last + 1 {
            let index = range.end - 1;
            return Err(LogError::OutOfRange { group, index, last });
        }
        Ok(())
    }

    /// Some entries from the start of a range that is held: one from the cache,
    /// or from disk up to the first cached one and about `bytes_max`.
    fn next_entries(
        &self,
        group: GroupId,
        range: Range<u64>,
        bytes_max: u64,
    ) -> Result<Vec<LogEntry>, LogError> {
        if let Some(entry) = self.cache.get(group, range.start) {
            return Ok(vec![entry.clone()]);
        }
        let held = "the range was checked against the index";
        let log = self.groups.get(&group).expect(held);
        let mut bytes = 0;
        let mut wanted = Vec::new();
        for index in range {
            let slot = log.slot(index).expect(held);
            bytes += u64::from(slot.bytes);
            let is_enough = bytes > bytes_max.saturating_add(64) && !wanted.is_empty();
            if is_enough || self.cache.get(group, index).is_some() {
                break;
            }
            let term = log.term(index).expect(held);
            wanted.push(Wanted { group, position: LogPosition { index, term }, slot });
        }
        let fetched = self.files.read(&wanted)?;
        let entries = wanted.iter().zip(fetched).map(|(wanted, fetched)| LogEntry {
            index: wanted.position.index,
            term: wanted.position.term,
            kind: fetched.detail,
            data: fetched.data,
        });
        Ok(entries.collect())
    }
}

fn data_bytes(entry: &LogEntry) -> u64 {
    to_u64(entry.data.len())
}
