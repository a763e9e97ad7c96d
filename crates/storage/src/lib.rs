//! Bytes that survive: the log, section files, manifests and the disk seam.
//!
//! * [`Disk`] is the file system, real ([`FileDisk`]) or simulated ([`SimDisk`]).
//! * [`Log`] is the write-ahead log of a node, for all its Raft groups.
//! * [`SectionWriter`] and [`SectionFile`] are the immutable, mapped files that
//!   hold rows, indexes and tombstones.
//! * [`ManifestStore`] replaces a group's manifest as a whole.
//! * [`Identity`] says whose directory it is, [`Disk::lock`] who uses it.
//!
//! It is not a place for meaning: what an entry, a section or a manifest says is
//! its owner's business. There is no async here, no thread and no clock.
//!
//! # Invariants
//! 1. Nothing unchecked is served: every byte read from disk has passed a
//!    checksum that knows the byte's place.
//! 2. Whoever returns success after a sync has the bytes on stable storage; a
//!    failed sync is never tried again.
//! 3. A torn write never keeps anything from opening; damage always does, with
//!    the name of the file and the way out.
//! 4. Layouts are made and read in the files called `format.rs` only, and each
//!    version has a golden file.
//!
//! # Example
//! ```
//! use std::{path::Path, sync::Arc};
//! use vicinal_storage::{Log, LogEntry, LogOptions, SimDisk};
//! use vicinal_types::GroupId;
//!
//! let disk = SimDisk::new(1);
//! let open = || Log::open(Arc::new(disk.clone()), Path::new("log"), LogOptions::default());
//! let (mut log, _) = open()?;
//! let entry = LogEntry { index: 1, term: 1, kind: 0, data: "hello".into() };
//! log.append(GroupId(7), &[entry.clone()])?;
//! log.sync()?; // from here on the entry may be acknowledged
//! disk.crash();
//! let (log, _) = open()?;
//! assert_eq!(log.entries(GroupId(7), 1..2, u64::MAX)?, [entry]);
//! # Ok::<(), vicinal_storage::LogError>(())
//! ```

#![deny(unsafe_code)]

mod checksum;
mod disk;
mod fields;
mod identity;
mod log;
mod manifest;
#[cfg(feature = "seeded-bugs")]
mod seeded;
mod segment;

pub use disk::{
    DirLock, Disk, DiskCall, DiskFile, DiskImage, Failure, FileDisk, LOCK_FILE, LockError,
    ProbeError, ReplaceError, SimDisk, Survivors, WholeFileDisk, advise_scattered, check_disk,
    page_out, read_file, replace_file, resident_pages, startup_probe,
};
pub use identity::{IDENTITY_FILE, Identity, IdentityError};
pub use log::{
    Log, LogEntry, LogError, LogInspection, LogOptions, LogPosition, LogStats, MOVE_FILES_BEHIND,
    MOVE_GROUP_BYTES_MAX, RecoveryReport, TornTail, VoteState,
};
pub use manifest::{InspectedManifest, ManifestError, ManifestStore};
#[cfg(feature = "seeded-bugs")]
pub use seeded::Bug;
pub use segment::{SECTIONS_MAX, Section, SectionFile, SectionInfo, SectionWriter, SegmentError};
