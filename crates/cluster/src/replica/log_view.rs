//! One group's part of the node's log, as raft reads it.

use super::to_raft_entry;
use raft::prelude::{ConfState, Entry, HardState, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Result, Storage, StorageError};
use std::cell::RefCell;
use std::rc::Rc;
use vicinal_storage::Log;
use vicinal_types::GroupId;

/// The log of the node, owned by the `raft-log` thread and shared with the
/// replicas, which live there too: no lock is needed or held across IO.
pub(crate) type SharedLog = Rc<RefCell<Log>>;

/// What raft calls its storage.
pub(super) struct LogView {
    log: SharedLog,
    group: GroupId,
    voters: Vec<u64>,
    /// The last index that the state machine held at start.
    applied: u64,
    /// Why the log could not be read; raft only has its debug form for a panic.
    failure: ReadFailure,
}

/// The first failure to read the log, in words.
pub(super) type ReadFailure = Rc<RefCell<Option<String>>>;

impl LogView {
    pub(super) fn new(log: SharedLog, group: GroupId, voters: Vec<u64>, applied: u64) -> Self {
        Self { log, group, voters, applied, failure: ReadFailure::default() }
    }

    pub(super) fn failure(&self) -> ReadFailure {
        Rc::clone(&self.failure)
    }

    /// Keeps the words of a failure and makes raft's error of it.
    fn failed(&self, error: impl std::error::Error + Send + Sync + 'static) -> Error {
        self.failure.borrow_mut().get_or_insert_with(|| error.to_string());
        Error::Store(StorageError::Other(Box::new(error)))
    }
}

impl Storage for LogView {
    /// The commit index of a group of one is taken back to what is applied: all
    /// that is durable is committed again once this node leads, and raft would
    /// otherwise read everything in between into memory before it campaigns.
    fn initial_state(&self) -> Result<RaftState> {
        let log = self.log.borrow();
        let mut hard_state = HardState::default();
        if let Some(state) = log.state(self.group) {
            hard_state.term = state.term;
            hard_state.vote = state.vote;
            hard_state.commit = match self.voters.len() {
                0 | 1 => self.applied,
                _ => state.commit.max(self.applied),
            };
        }
        let conf_state = ConfState { voters: self.voters.clone(), ..ConfState::default() };
        Ok(RaftState { hard_state, conf_state })
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> Result<Vec<Entry>> {
        let log = self.log.borrow();
        if low < log.first_index(self.group) {
            return Err(Error::Store(StorageError::Compacted));
        }
        if high > log.last_index(self.group) + 1 {
            return Err(Error::Store(StorageError::Unavailable));
        }
        let bytes_max = max_size.into().unwrap_or(u64::MAX);
        let entries =
            log.entries(self.group, low..high, bytes_max).map_err(|error| self.failed(error))?;
        let made = entries.into_iter().map(|entry| {
            let (index, kind) = (entry.index, entry.kind);
            to_raft_entry(entry)
                .ok_or_else(|| self.failed(UnknownKind { group: self.group, index, kind }))
        });
        made.collect()
    }

    fn term(&self, index: u64) -> Result<u64> {
        let log = self.log.borrow();
        if index == 0 {
            return Ok(0);
        }
        match log.term(self.group, index).map_err(|error| self.failed(error))? {
            Some(term) => Ok(term),
            None if index < log.first_index(self.group) => {
                Err(Error::Store(StorageError::Compacted))
            }
            None => Err(Error::Store(StorageError::Unavailable)),
        }
    }

    fn first_index(&self) -> Result<u64> {
        Ok(self.log.borrow().first_index(self.group))
    }

    fn last_index(&self) -> Result<u64> {
        Ok(self.log.borrow().last_index(self.group))
    }

    /// Nobody asks in a group of one; with followers to feed, "later" is the
    /// answer raft knows how to wait on.
    fn snapshot(&self, _: u64, _: u64) -> Result<Snapshot> {
        Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable))
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "entry {index} of group {group} has kind {kind}, which this version does not know; start the version that wrote it"
)]
struct UnknownKind {
    group: GroupId,
    index: u64,
    kind: u8,
}
