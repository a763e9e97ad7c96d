//! The `raft-log` thread: owns the log and all replicas.
//!
//! One round: take what was asked for, propose it, append the entries and votes
//! of all groups to the log, sync once, tell the replicas, hand what that commits
//! to the `apply` thread. While this round syncs, that thread applies the last.

use super::NodeOptions;
use super::apply_thread::{ApplyQueue, Entries, ToApply, panic_text};
use super::group::Group;
use super::inbox::{Command, Inbox, Proposal, Returning};
use super::shared::{GroupShared, LogSide, Shared};
use crate::replica::{Replica, ReplicaOptions, SharedLog, ToPersist};
use crate::{GroupStart, ProposeError, StateMachine};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vicinal_storage::{Log, LogEntry, LogError, LogPosition, VoteState};
use vicinal_types::{Clock, GroupId};

/// What a round waits at most for callers to come back, see [`Returning`].
const GRACE_MAX: Duration = Duration::from_millis(1);

/// Runs until stopped. Whatever ends it, everybody who waits is answered.
pub(super) fn run<S: StateMachine>(
    options: NodeOptions,
    log: Log,
    clock: Arc<dyn Clock>,
    shared: &Arc<Shared>,
    inbox: &Arc<Inbox<S>>,
    queue: &Arc<ApplyQueue<S>>,
) {
    let mut thread = LogThread {
        next_tick: clock.now() + options.tick,
        log: Rc::new(RefCell::new(log)),
        groups: BTreeMap::new(),
        active: BTreeSet::new(),
        must_sync: false,
        has_moved: false,
        returning: Returning::default(),
        is_stopping: false,
        options,
        clock,
        shared: Arc::clone(shared),
        inbox: Arc::clone(inbox),
        queue: Arc::clone(queue),
    };
    let ended = catch_unwind(AssertUnwindSafe(|| thread.run()));
    if let Err(panic) = ended {
        let reason = format!("the raft-log thread panicked: {}", panic_text(&*panic));
        thread.fail(&reason);
    }
    for command in inbox.close() {
        thread.refuse(command);
    }
    shared.stop_groups(&ProposeError::Stopping.to_string());
    queue.stop();
    thread.close();
}

struct LogThread<S: StateMachine> {
    options: NodeOptions,
    log: SharedLog,
    clock: Arc<dyn Clock>,
    next_tick: Instant,
    groups: BTreeMap<GroupId, Group<S::Outcome>>,
    /// Groups that may have something to do in this round.
    active: BTreeSet<GroupId>,
    /// The log holds something that the last sync did not cover.
    must_sync: bool,
    /// The last round moved something; if not, only an event helps.
    has_moved: bool,
    /// Whose commands the last round committed.
    returning: Returning,
    is_stopping: bool,
    shared: Arc<Shared>,
    inbox: Arc<Inbox<S>>,
    queue: Arc<ApplyQueue<S>>,
}

impl<S: StateMachine> LogThread<S> {
    fn run(&mut self) {
        while !self.is_done() {
            let commands = self.inbox.take(self.patience(), self.returning);
            for command in commands {
                self.obey(command);
            }
            if let Err(error) = self.round() {
                self.fail(&error.to_string());
            }
        }
    }

    /// Syncs the log and notes in it that its end is whole.
    fn close(mut self) {
        self.groups.clear();
        if self.has_failed() {
            return;
        }
        let log = Rc::into_inner(self.log).expect("the replicas that shared it are gone");
        if let Err(error) = log.into_inner().close() {
            let reason = error.to_string();
            tracing::error!(
                reason,
                "the log was not closed; the next start reads it as after a crash"
            );
            self.shared.refuse(&ProposeError::LogFailed { reason });
        }
    }

    /// How long to wait for commands: not at all while there is work to do.
    fn patience(&self) -> Option<Duration> {
        let is_idle = self.active.is_empty() || !self.has_moved || self.queue.is_full();
        is_idle.then_some(self.options.tick)
    }

    fn is_done(&self) -> bool {
        self.is_stopping && (self.has_failed() || self.groups.values().all(Group::is_quiet))
    }

    fn has_failed(&self) -> bool {
        self.shared.failure().is_some()
    }

    fn obey(&mut self, command: Command<S>) {
        if self.has_failed() {
            return self.refuse(command);
        }
        match command {
            Command::Add { start, group, machine } => self.add(start, group, *machine),
            Command::Remove { group } => self.remove(group),
            Command::Propose { group, proposal } => self.enqueue(group, proposal),
            Command::Purge { group, up_to } => self.purge(group, up_to),
            Command::Halt { group } => self.halt(group),
            Command::Stop => self.is_stopping = true,
        }
    }

    /// Answers a command that comes too late: after a failure or at the end.
    fn refuse(&mut self, command: Command<S>) {
        match command {
            Command::Propose { proposal, .. } => {
                let reason = self.shared.failure();
                let error = reason
                    .map_or(ProposeError::Stopping, |reason| ProposeError::LogFailed { reason });
                proposal.reply.send(Err(error));
            }
            Command::Add { group, .. } => {
                group.stop(
                    self.shared.failure().unwrap_or_else(|| ProposeError::Stopping.to_string()),
                );
            }
            Command::Stop => self.is_stopping = true,
            Command::Remove { group } => self.queue.remove(group),
            Command::Purge { .. } | Command::Halt { .. } => {}
        }
    }

    fn add(&mut self, start: GroupStart, shared: Arc<GroupShared>, machine: S) {
        let options = ReplicaOptions {
            group: start.group,
            node: self.options.node,
            voters: vec![self.options.node],
            seed: self.options.seed,
            commit_bytes_max: self.options.commit_bytes_max as u64,
            applied: start.applied,
        };
        if let Err(error) = self.begin(&start) {
            self.fail(&error.to_string());
        }
        let log = Rc::clone(&self.log);
        let last = log.borrow().last_index(start.group);
        let made = catch_unwind(AssertUnwindSafe(|| Replica::new(&options, log)));
        let reason = match made {
            Ok(Ok(replica)) => {
                self.queue.add(start.group, machine, Arc::clone(&shared));
                shared.set_target(last);
                let group = Group::new(replica, shared);
                self.groups.insert(start.group, group);
                self.active.insert(start.group);
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic_text(&*panic),
        };
        tracing::error!(group = %start.group, reason, "a group did not start");
        shared.stop(reason);
    }

    /// Tells the log of a group that began elsewhere; once, before its first entry.
    fn begin(&mut self, start: &GroupStart) -> Result<(), LogError> {
        let GroupStart { group, begins_at, .. } = *start;
        let mut log = self.log.borrow_mut();
        let is_known = log.state(group).is_some() || log.last_index(group) > 0;
        if begins_at.index == 0 || is_known {
            return Ok(());
        }
        log.purge(group, begins_at)?;
        // Terms never go back: the group is led in the next one.
        let vote = VoteState { term: begins_at.term, vote: 0, commit: begins_at.index };
        log.set_vote(group, vote)?;
        self.must_sync = true;
        Ok(())
    }

    fn remove(&mut self, id: GroupId) {
        if let Some(group) = self.groups.remove(&id) {
            group.answer_all(|| ProposeError::GroupRemoved { group: id });
        }
        self.queue.remove(id);
        let forgotten = self.log.borrow_mut().forget(id);
        match forgotten {
            Ok(()) => self.must_sync = true,
            Err(error) => self.fail(&error.to_string()),
        }
    }

    fn enqueue(&mut self, id: GroupId, proposal: Proposal<S::Outcome>) {
        if let Some(group) = self.groups.get_mut(&id) {
            group.waiting.push_back(proposal);
            self.active.insert(id);
            return;
        }
        // Admitted, and then the group stopped or was removed.
        let stopped = self.shared.group(id).and_then(|group| group.stopped());
        proposal.reply.send(Err(match stopped {
            Some(reason) => ProposeError::GroupStopped { group: id, reason },
            None => ProposeError::GroupRemoved { group: id },
        }));
    }

    /// Purges what is applied. A state machine that asks while it applies is ahead
    /// of what is known here; that waits for a later tick.
    fn purge(&mut self, id: GroupId, up_to: LogPosition) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        if up_to.index > group.shared.applied() {
            group.purge_later = group.purge_later.max(Some(up_to));
            return;
        }
        group.purge_later.take_if(|later| later.index <= up_to.index);
        let purged = self.log.borrow_mut().purge(id, up_to);
        match purged {
            Ok(bytes) => {
                tracing::debug!(group = %id, up_to = up_to.index, bytes, "log purged");
                self.must_sync = true;
                self.active.insert(id);
            }
            Err(error) => self.fail(&error.to_string()),
        }
    }

    /// The state machine is gone: its group takes no more part.
    fn halt(&mut self, id: GroupId) {
        let Some(group) = self.groups.remove(&id) else {
            return;
        };
        let reason =
            group.shared.stopped().unwrap_or_else(|| "its state machine failed".to_owned());
        group.answer_all(|| ProposeError::GroupStopped { group: id, reason: reason.clone() });
    }

    fn round(&mut self) -> Result<(), LogError> {
        if let Some(reason) = self.shared.failure() {
            self.fail(&reason);
            return Ok(());
        }
        self.tick_if_due();
        // Rest until the state machines have caught up; what waits is bounded.
        if self.queue.is_full() {
            return self.sync();
        }
        let active = std::mem::take(&mut self.active);
        let bytes_max = self.options.round_bytes_max / active.len().max(1);
        let mut proposed = 0;
        for &id in &active {
            let count = self.with_group(id, |group| group.propose_waiting(id, bytes_max));
            proposed += count.unwrap_or_default();
        }
        let mut persisting = Vec::new();
        for &id in &active {
            if let Some(Some(ready)) = self.with_group(id, Group::take_ready) {
                self.persist(id, ready)?;
                persisting.push(id);
            }
        }
        self.has_moved = !persisting.is_empty();
        let synced = self.must_sync;
        let begin = self.clock.now();
        self.sync()?;
        let sync_time = self.clock.now().saturating_duration_since(begin);
        self.returning = Returning { count: proposed, grace: (sync_time / 4).min(GRACE_MAX) };
        for &id in &persisting {
            let committed = self.with_group(id, |group| group.replica.persisted());
            self.hand_over(id, committed.unwrap_or_default());
        }
        for &id in &active {
            self.publish(id);
        }
        if synced {
            self.shared.set_log_stats(self.log.borrow().stats());
        }
        Ok(())
    }

    fn tick_if_due(&mut self) {
        let now = self.clock.now();
        if now < self.next_tick {
            return;
        }
        // After a pause one tick, not many: nobody missed our heartbeats twice.
        self.next_tick = now + self.options.tick;
        let ids: Vec<_> = self.groups.keys().copied().collect();
        for id in ids {
            if let Some(up_to) = self.groups.get(&id).and_then(Group::due_purge) {
                self.purge(id, up_to);
            }
            let has_ready = self.with_group(id, |group| {
                group.replica.tick();
                group.replica.has_ready()
            });
            if has_ready == Some(true) {
                self.active.insert(id);
            }
        }
    }

    /// Writes a ready to the log; what earlier rounds made durable goes on to be
    /// applied without waiting for this round's sync.
    fn persist(&mut self, id: GroupId, ready: ToPersist) -> Result<(), LogError> {
        {
            let mut log = self.log.borrow_mut();
            if let Some(vote) = ready.vote {
                log.set_vote(id, vote)?;
                self.must_sync = true;
            }
            if !ready.entries.is_empty() {
                log.append(id, &ready.entries)?;
                self.must_sync = true;
            }
        }
        self.hand_over(id, ready.committed);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), LogError> {
        if self.must_sync {
            self.log.borrow_mut().sync()?;
            self.must_sync = false;
        }
        Ok(())
    }

    fn hand_over(&mut self, id: GroupId, committed: Vec<LogEntry>) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        if committed.is_empty() {
            return;
        }
        let entries = committed.into_iter().map(|entry| {
            let reply = group.take_reply(id, &entry);
            ToApply { entry, reply }
        });
        self.queue.push(Entries { group: id, entries: entries.collect() });
    }

    /// Keeps the group active while it has work, and shows how it is doing.
    fn publish(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        group.replica.applied_to(group.shared.applied());
        if !group.waiting.is_empty() || group.replica.has_ready() {
            self.active.insert(id);
        }
        let log = self.log.borrow();
        group.shared.set_log_side(&LogSide {
            term: group.replica.term(),
            is_leader: group.replica.is_leader(),
            commit: group.replica.commit(),
            first: log.first_index(id),
            last: log.last_index(id),
        });
    }

    /// Runs a step of one group. Raft panics where it cannot go on, for example
    /// if an entry it needs is damaged: that stops this group, not the others.
    fn with_group<T>(
        &mut self,
        id: GroupId,
        step: impl FnOnce(&mut Group<S::Outcome>) -> T,
    ) -> Option<T> {
        let group = self.groups.get_mut(&id)?;
        match catch_unwind(AssertUnwindSafe(|| step(group))) {
            Ok(made) => Some(made),
            Err(panic) => {
                let reason = group.replica.read_failure().unwrap_or_else(|| panic_text(&*panic));
                tracing::error!(group = %id, reason, "a group stopped");
                group.shared.stop(reason);
                self.queue.remove(id);
                self.halt(id);
                None
            }
        }
    }

    /// The log failed: nothing is written any more, everybody hears why.
    fn fail(&mut self, reason: &str) {
        if !self.has_failed() {
            tracing::error!(reason, "the log failed; this node takes no writes until it restarts");
        }
        let error = ProposeError::LogFailed { reason: reason.to_owned() };
        self.shared.refuse(&error);
        self.shared.stop_groups(&error.to_string());
        for (_, group) in std::mem::take(&mut self.groups) {
            group.answer_all(|| error.clone());
        }
        self.active.clear();
        self.must_sync = false;
    }
}
