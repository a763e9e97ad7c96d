//! Why a node did not start, a command was not applied, or a group is behind.

use vicinal_types::{Error, GroupId};

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Raft takes 0 for "nobody".
    #[error("node id 0 is reserved; number nodes from 1")]
    NodeIdZero,
    /// An option that must have a value above zero is zero.
    #[error("option {option} of the node is 0; it must be at least 1")]
    OptionZero {
        /// The option.
        option: &'static str,
    },
    /// The operating system gave no thread.
    #[error("thread `{name}` could not be started: {source}; check the process's thread limit")]
    Thread {
        /// The thread.
        name: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Why a proposed command has no outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Too many commands wait in the group.
    #[error(
        "{waiting} writes wait for group {group}, the limit is {limit}; retry later or send larger batches"
    )]
    Full {
        /// The group.
        group: GroupId,
        /// Commands waiting.
        waiting: usize,
        /// How many may.
        limit: usize,
    },
    /// Too many bytes of commands wait in the node.
    #[error(
        "{waiting_bytes} bytes of writes wait in this node, the limit is {limit_bytes}; retry later"
    )]
    FullBytes {
        /// Bytes waiting, this command not included.
        waiting_bytes: usize,
        /// How many may.
        limit_bytes: usize,
    },
    /// The command is larger than a log record may be.
    #[error("a command has {bytes} bytes, the limit is {limit_bytes}; split the batch")]
    TooLarge {
        /// Bytes of the command.
        bytes: usize,
        /// How many it may have.
        limit_bytes: usize,
    },
    /// The command has no bytes; Raft uses such entries itself.
    #[error("a command for group {group} is empty; commands have at least one byte")]
    Empty {
        /// The group.
        group: GroupId,
    },
    /// No such group runs on this node.
    #[error("group {group} does not run on this node; its collection may have been dropped")]
    UnknownGroup {
        /// The group.
        group: GroupId,
    },
    /// The group was removed while the command waited.
    #[error("group {group} was removed while the write waited; it was not applied")]
    GroupRemoved {
        /// The group.
        group: GroupId,
    },
    /// The group stopped because applying a command failed.
    #[error("group {group} has stopped and takes no writes until the node restarts: {reason}")]
    GroupStopped {
        /// The group.
        group: GroupId,
        /// What stopped it.
        reason: String,
    },
    /// Another node leads the group, or nobody yet.
    #[error("this node does not lead group {group}; retry")]
    NotLeader {
        /// The group.
        group: GroupId,
    },
    /// The log could not be written or synced; the outcome is unknown.
    #[error("the log of this node failed and takes no writes until the node restarts: {reason}")]
    LogFailed {
        /// The first failure.
        reason: String,
    },
    /// The node is stopping.
    #[error("this node is stopping; retry when it is back")]
    Stopping,
}

/// Why a group is not caught up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatchUpError {
    /// No such group runs on this node.
    #[error("group {group} does not run on this node")]
    UnknownGroup {
        /// The group.
        group: GroupId,
    },
    /// The group, the log or the node stopped before.
    #[error("group {group} stopped before it caught up with its log: {reason}")]
    Stopped {
        /// The group.
        group: GroupId,
        /// What stopped it.
        reason: String,
    },
    /// Time ran out.
    #[error("group {group} has applied its log up to index {applied} of {target}; wait longer")]
    TimedOut {
        /// The group.
        group: GroupId,
        /// The last index applied.
        applied: u64,
        /// The last index that was in the log at start.
        target: u64,
    },
}

impl From<ProposeError> for Error {
    fn from(error: ProposeError) -> Self {
        let message = error.to_string();
        match error {
            ProposeError::Full { .. } | ProposeError::FullBytes { .. } => Self::exhausted(message),
            ProposeError::TooLarge { .. } => Self::invalid(message),
            ProposeError::Empty { .. } => Self::internal(message),
            ProposeError::UnknownGroup { .. } => Self::not_found(message),
            ProposeError::GroupRemoved { .. }
            | ProposeError::GroupStopped { .. }
            | ProposeError::NotLeader { .. }
            | ProposeError::LogFailed { .. }
            | ProposeError::Stopping => Self::unavailable(message),
        }
    }
}

impl From<CatchUpError> for Error {
    fn from(error: CatchUpError) -> Self {
        Self::unavailable(error.to_string())
    }
}
