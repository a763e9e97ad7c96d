//! Looking at a log without changing it.

use super::cache::Cache;
use super::recovery::{TornEnd, recover};
use super::{Log, LogEntry, LogError, LogOptions, LogPosition, RecoveryReport};
use crate::disk::Disk;
use std::path::Path;
use std::sync::Arc;
use vicinal_types::GroupId;

/// A log that is only read: nothing on disk changes, a torn end included.
#[derive(Debug)]
pub struct LogInspection {
    log: Log,
    report: RecoveryReport,
}

impl LogInspection {
    /// Reads and checks all files of the log in a directory.
    ///
    /// # Errors
    /// [`LogError::Damaged`] if bytes that were durable are bad.
    pub fn open(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Self, LogError> {
        let recovered = recover(disk, dir, TornEnd::Leave)?;
        let log = Log {
            options: LogOptions::default(),
            files: recovered.files,
            groups: recovered.groups,
            cache: Cache::new(0),
            poisoned: None,
            moved_entries: 0,
            freed_bytes: 0,
        };
        Ok(Self { log, report: recovered.report })
    }

    /// What the files hold, and whether they end in a torn write.
    #[must_use]
    pub fn report(&self) -> &RecoveryReport {
        &self.report
    }

    /// As [`Log::purged`].
    #[must_use]
    pub fn purged(&self, group: GroupId) -> LogPosition {
        self.log.purged(group)
    }

    /// The entries of a group behind an index, one after the other.
    ///
    /// # Errors
    /// As [`Log::entries`], for each entry.
    pub fn entries_after(
        &self,
        group: GroupId,
        index: u64,
    ) -> impl Iterator<Item = Result<LogEntry, LogError>> + '_ {
        let first = self.log.first_index(group).max(index.saturating_add(1));
        let indexes = first..self.log.last_index(group) + 1;
        indexes.map(move |index| {
            let mut entries = self.log.entries(group, index..index + 1, u64::MAX)?;
            Ok(entries.remove(0))
        })
    }
}
