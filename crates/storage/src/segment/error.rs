//! What can go wrong with a section file.

use crate::disk::kind_of;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;
use vicinal_types::{Error, ErrorKind};

/// Why a section file could not be written or read.
#[derive(Debug, Error)]
pub enum SegmentError {
    /// A disk call failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: create, write, sync, rename, map.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Header, table or trailer are not what was written.
    #[error(
        "segment file {} (number {file_number}) is damaged: {reason}; \
         restore it from a replica or a snapshot",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The number it should have.
        file_number: u64,
        /// What is wrong.
        reason: String,
    },
    /// A newer program wrote it.
    #[error(
        "segment file {} cannot be read: {reason}: start the program that wrote it",
        path.display()
    )]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The version, features or codec found and known.
        reason: String,
    },
    /// The bytes of one section are not what was written.
    #[error(
        "section {kind:#x} of segment file {} is damaged: {reason}; \
         restore the file from a replica or a snapshot",
        path.display()
    )]
    Section {
        /// The file.
        path: PathBuf,
        /// The section.
        kind: u32,
        /// What is wrong.
        reason: String,
    },
    /// The file has no such section.
    #[error("segment file {} has no section {kind:#x}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The section asked for.
        kind: u32,
    },
    /// The writer began a section twice, or too many.
    #[error(
        "section {kind:#x} cannot be added to segment file {}: {reason}",
        path.display()
    )]
    Rejected {
        /// The file.
        path: PathBuf,
        /// The section.
        kind: u32,
        /// Why not.
        reason: String,
    },
}

impl SegmentError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// What the caller should do next.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } => kind_of(source),
            Self::Damaged { .. } | Self::Section { .. } => ErrorKind::Corrupt,
            Self::Unsupported { .. } => ErrorKind::Invalid,
            Self::Missing { .. } | Self::Rejected { .. } => ErrorKind::Internal,
        }
    }
}

impl From<SegmentError> for Error {
    fn from(error: SegmentError) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}
