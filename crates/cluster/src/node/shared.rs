//! What callers and the two threads see of the node and its groups.

use super::NodeOptions;
use crate::{CatchUpError, GroupStart, ProposeError};
use parking_lot::{Condvar, Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use vicinal_storage::LogStats;
use vicinal_types::{Clock, GroupId};

/// How a group on this node is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// The current term; 0 until the group has read its log.
    pub term: u64,
    /// Whether this node leads the group.
    pub is_leader: bool,
    /// The last committed index.
    pub commit: u64,
    /// The last index applied to the state machine.
    pub applied: u64,
    /// The first index still in the log.
    pub first: u64,
    /// The last index in the log.
    pub last: u64,
    /// Why the group stopped; `None` while it runs.
    pub stopped: Option<String>,
}

/// The node as its handle sees it.
pub(super) struct Shared {
    clock: Arc<dyn Clock>,
    proposals_waiting_max: usize,
    proposal_bytes_waiting_max: usize,
    proposals_waiting: Arc<Waiting>,
    /// Guards the running groups. Rank: 1, before a group's own state.
    groups: RwLock<BTreeMap<GroupId, Arc<GroupShared>>>,
    /// Guards why proposals are refused. Rank: a leaf.
    refusal: RwLock<Option<ProposeError>>,
    /// Guards the log's figures. Rank: a leaf.
    log_stats: Mutex<LogStats>,
}

/// Commands on their way in the whole node.
#[derive(Default)]
struct Waiting {
    count: AtomicUsize,
    bytes: AtomicUsize,
}

/// A place in the queue, given back when dropped.
pub(super) struct Ticket {
    node: Arc<Waiting>,
    group: Arc<GroupShared>,
    bytes: usize,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.node.count.fetch_sub(1, Ordering::AcqRel);
        self.node.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        self.group.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Shared {
    pub(super) fn new(options: &NodeOptions, clock: Arc<dyn Clock>, log_stats: LogStats) -> Self {
        Self {
            clock,
            proposals_waiting_max: options.proposals_waiting_max,
            proposal_bytes_waiting_max: options.proposal_bytes_waiting_max,
            proposals_waiting: Arc::default(),
            groups: RwLock::default(),
            refusal: RwLock::default(),
            log_stats: Mutex::new(log_stats),
        }
    }

    /// Makes a group known.
    ///
    /// # Panics
    /// If it is known already.
    pub(super) fn register(&self, start: GroupStart) -> Arc<GroupShared> {
        let group = Arc::new(GroupShared::new(start, Arc::clone(&self.clock)));
        let before = self.groups.write().insert(start.group, Arc::clone(&group));
        assert!(before.is_none(), "group {} runs already", start.group);
        if let Some(refusal) = self.refusal.read().clone() {
            group.stop(refusal.to_string());
        }
        group
    }

    pub(super) fn unregister(&self, id: GroupId) {
        if let Some(group) = self.groups.write().remove(&id) {
            group.stop(ProposeError::GroupRemoved { group: id }.to_string());
        }
    }

    pub(super) fn group(&self, id: GroupId) -> Option<Arc<GroupShared>> {
        self.groups.read().get(&id).cloned()
    }

    /// Gives a command its place in the queue, or says why there is none.
    pub(super) fn admit(&self, id: GroupId, bytes: usize) -> Result<Ticket, ProposeError> {
        if let Some(refusal) = self.refusal.read().clone() {
            return Err(refusal);
        }
        let group = self.group(id).ok_or(ProposeError::UnknownGroup { group: id })?;
        if let Some(reason) = group.stopped() {
            return Err(ProposeError::GroupStopped { group: id, reason });
        }
        if bytes == 0 {
            return Err(ProposeError::Empty { group: id });
        }
        let limit_bytes = vicinal_types::limits::COMMAND_BYTES_MAX;
        if bytes > limit_bytes {
            return Err(ProposeError::TooLarge { bytes, limit_bytes });
        }
        // Taken first and given back by the ticket, so that callers who race
        // cannot pass the limits together.
        let node = &self.proposals_waiting;
        let waiting = group.waiting.fetch_add(1, Ordering::AcqRel);
        let waiting_bytes = node.bytes.fetch_add(bytes, Ordering::AcqRel);
        node.count.fetch_add(1, Ordering::AcqRel);
        let ticket = Ticket { node: Arc::clone(node), group, bytes };
        let (limit, limit_bytes) = (self.proposals_waiting_max, self.proposal_bytes_waiting_max);
        if waiting >= limit {
            return Err(ProposeError::Full { group: id, waiting, limit });
        }
        // A command larger than the limit passes while nothing else waits.
        if waiting_bytes > 0 && waiting_bytes.saturating_add(bytes) > limit_bytes {
            return Err(ProposeError::FullBytes { waiting_bytes, limit_bytes });
        }
        Ok(ticket)
    }

    pub(super) fn waiting(&self) -> (usize, usize) {
        let waiting = &self.proposals_waiting;
        (waiting.count.load(Ordering::Acquire), waiting.bytes.load(Ordering::Acquire))
    }

    /// Refuses proposals from now on; the first reason stays, except that a
    /// failure of the log is said even while stopping.
    pub(super) fn refuse(&self, reason: &ProposeError) {
        let mut refusal = self.refusal.write();
        let is_first_failure = matches!(reason, ProposeError::LogFailed { .. })
            && !matches!(*refusal, Some(ProposeError::LogFailed { .. }));
        if refusal.is_none() || is_first_failure {
            *refusal = Some(reason.clone());
        }
    }

    /// Marks every group as stopped, so that nobody waits for it in vain.
    pub(super) fn stop_groups(&self, reason: &str) {
        for group in self.groups.read().values() {
            group.stop(reason.to_owned());
        }
    }

    pub(super) fn failure(&self) -> Option<String> {
        match &*self.refusal.read() {
            Some(ProposeError::LogFailed { reason }) => Some(reason.clone()),
            Some(_) | None => None,
        }
    }

    pub(super) fn log_stats(&self) -> LogStats {
        *self.log_stats.lock()
    }

    pub(super) fn set_log_stats(&self, stats: LogStats) {
        *self.log_stats.lock() = stats;
    }
}

/// One group as its callers see it.
pub(super) struct GroupShared {
    group: GroupId,
    clock: Arc<dyn Clock>,
    /// Commands on their way in this group.
    waiting: AtomicUsize,
    /// Guards status and target. Rank: 2, a leaf.
    state: Mutex<GroupState>,
    moved: Condvar,
}

struct GroupState {
    status: GroupStatus,
    /// The last index that was in the log when the group was added; not known
    /// before the `raft-log` thread has looked.
    target: Option<u64>,
}

impl GroupState {
    fn is_caught_up(&self) -> bool {
        self.target.is_some_and(|target| self.status.applied >= target)
    }
}

/// What the `raft-log` thread knows of a group.
pub(super) struct LogSide {
    pub(super) term: u64,
    pub(super) is_leader: bool,
    pub(super) commit: u64,
    pub(super) first: u64,
    pub(super) last: u64,
}

impl GroupShared {
    fn new(start: GroupStart, clock: Arc<dyn Clock>) -> Self {
        let status = GroupStatus {
            term: 0,
            is_leader: false,
            commit: start.applied.index,
            applied: start.applied.index,
            first: 0,
            last: 0,
            stopped: None,
        };
        Self {
            group: start.group,
            clock,
            waiting: AtomicUsize::new(0),
            state: Mutex::new(GroupState { status, target: None }),
            moved: Condvar::new(),
        }
    }

    pub(super) fn status(&self) -> GroupStatus {
        self.state.lock().status.clone()
    }

    pub(super) fn applied(&self) -> u64 {
        self.state.lock().status.applied
    }

    pub(super) fn stopped(&self) -> Option<String> {
        self.state.lock().status.stopped.clone()
    }

    pub(super) fn is_caught_up(&self) -> bool {
        self.state.lock().is_caught_up()
    }

    pub(super) fn wait_caught_up(&self, timeout: Duration) -> Result<(), CatchUpError> {
        let group = self.group;
        let deadline = self.clock.now() + timeout;
        let mut state = self.state.lock();
        loop {
            if state.is_caught_up() {
                return Ok(());
            }
            if let Some(reason) = state.status.stopped.clone() {
                return Err(CatchUpError::Stopped { group, reason });
            }
            let left = deadline.saturating_duration_since(self.clock.now());
            if left.is_zero() {
                let applied = state.status.applied;
                let target = state.target.unwrap_or(applied);
                return Err(CatchUpError::TimedOut { group, applied, target });
            }
            self.moved.wait_for(&mut state, left);
        }
    }

    pub(super) fn set_target(&self, target: u64) {
        self.state.lock().target = Some(target);
        self.moved.notify_all();
    }

    pub(super) fn set_applied(&self, applied: u64) {
        let mut state = self.state.lock();
        let was_caught_up = state.is_caught_up();
        state.status.applied = applied;
        if !was_caught_up && state.is_caught_up() {
            self.moved.notify_all();
        }
    }

    pub(super) fn set_log_side(&self, side: &LogSide) {
        let status = &mut self.state.lock().status;
        status.term = side.term;
        status.is_leader = side.is_leader;
        status.commit = side.commit;
        status.first = side.first;
        status.last = side.last;
    }

    /// The first reason stays.
    pub(super) fn stop(&self, reason: String) {
        self.state.lock().status.stopped.get_or_insert(reason);
        self.moved.notify_all();
    }
}
