//! What can go wrong with the log.

use crate::disk::kind_of;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;
use vicinal_types::{Error, ErrorKind, GroupId};

/// Why a call to the log failed.
#[derive(Debug, Error)]
pub enum LogError {
    /// A disk call failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: open, read, write, sync, create, remove.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes that were once durable are not what was written.
    #[error(
        "log file {} is damaged at byte {offset}: {reason}; \
         nothing was changed: keep a copy of the directory, then restore this node \
         from a replica or a snapshot",
        path.display()
    )]
    Damaged {
        /// The log file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A file of another format version.
    #[error(
        "log file {} has format version {found}, this program reads version {supported}: \
         start the program that wrote it",
        path.display()
    )]
    UnknownVersion {
        /// The log file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The version of this program.
        supported: u32,
    },
    /// An earlier write or sync failed: nobody knows what is on disk.
    #[error(
        "the log stopped after a failure ({reason}): restart the server to read what is on disk"
    )]
    Poisoned {
        /// The first failure.
        reason: String,
    },
    /// Entries leave a gap, or come before the purged position.
    #[error("group {group} takes entries from {first} to {next} next, not entry {found}")]
    NotContiguous {
        /// The group.
        group: GroupId,
        /// The lowest index that may be written.
        first: u64,
        /// The highest index that may be written.
        next: u64,
        /// The index that came.
        found: u64,
    },
    /// The entry asked for was purged.
    #[error("entry {index} of group {group} was purged, the first one held is {first}")]
    Purged {
        /// The group.
        group: GroupId,
        /// The index asked for.
        index: u64,
        /// The first index held.
        first: u64,
    },
    /// The entry asked for does not exist yet.
    #[error("entry {index} of group {group} does not exist, the last one is {last}")]
    OutOfRange {
        /// The group.
        group: GroupId,
        /// The index asked for.
        index: u64,
        /// The last index held.
        last: u64,
    },
    /// An entry's data exceeds what a record holds.
    #[error("entry {index} of group {group} has {bytes} bytes, a log record takes {bytes_max}")]
    TooLarge {
        /// The group.
        group: GroupId,
        /// The index of the entry.
        index: u64,
        /// Bytes of its data.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// An option is outside its bounds.
    #[error("log files of {bytes} bytes are out of bounds: choose {bytes_min} to {bytes_max}")]
    FileBytes {
        /// The option's value.
        bytes: u64,
        /// The lower bound.
        bytes_min: u64,
        /// The upper bound.
        bytes_max: u64,
    },
}

impl LogError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// What the caller should do next.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } => kind_of(source),
            Self::Poisoned { .. } => ErrorKind::Unavailable,
            Self::Damaged { .. } => ErrorKind::Corrupt,
            Self::UnknownVersion { .. } | Self::FileBytes { .. } => ErrorKind::Invalid,
            Self::TooLarge { .. } => ErrorKind::Exhausted,
            Self::NotContiguous { .. } | Self::Purged { .. } | Self::OutOfRange { .. } => {
                ErrorKind::Internal
            }
        }
    }
}

impl From<LogError> for Error {
    fn from(error: LogError) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}
