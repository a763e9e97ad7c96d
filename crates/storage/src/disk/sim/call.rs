//! The kinds of calls, for counting and for faults.

/// A method of [`Disk`](super::Disk) or [`DiskFile`](super::DiskFile).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskCall {
    /// A new file.
    Create,
    /// An existing file.
    Open,
    /// A whole file as memory.
    Map,
    /// A new name for a file.
    Rename,
    /// A file goes.
    Remove,
    /// The names in a directory.
    List,
    /// A new directory.
    CreateDir,
    /// A directory with all in it goes.
    RemoveDir,
    /// Names of a directory made durable.
    SyncDir,
    /// Whether a name is taken.
    Exists,
    /// Free space.
    AvailableBytes,
    /// A directory taken for a process.
    Lock,
    /// Bytes at the end of a file.
    Append,
    /// Bytes of a file made durable.
    Sync,
    /// Bytes written once more as they are.
    Rewrite,
    /// Bytes of a file.
    Read,
    /// The length of a file.
    Len,
    /// A file cut.
    Truncate,
}

impl DiskCall {
    /// All kinds, in the order of their declaration.
    pub const ALL: [Self; 18] = [
        Self::Create,
        Self::Open,
        Self::Map,
        Self::Rename,
        Self::Remove,
        Self::List,
        Self::CreateDir,
        Self::RemoveDir,
        Self::SyncDir,
        Self::Exists,
        Self::AvailableBytes,
        Self::Lock,
        Self::Append,
        Self::Sync,
        Self::Rewrite,
        Self::Read,
        Self::Len,
        Self::Truncate,
    ];

    /// Whether a crash right after it may find another disk than right before.
    #[must_use]
    pub fn is_change(self) -> bool {
        match self {
            Self::Create
            | Self::Rename
            | Self::Remove
            | Self::CreateDir
            | Self::RemoveDir
            | Self::SyncDir
            | Self::Append
            | Self::Sync
            | Self::Rewrite
            | Self::Truncate => true,
            Self::Open
            | Self::Map
            | Self::List
            | Self::Exists
            | Self::AvailableBytes
            | Self::Lock
            | Self::Read
            | Self::Len => false,
        }
    }

    pub(super) fn is_sync(self) -> bool {
        matches!(self, Self::Sync | Self::SyncDir)
    }
}
