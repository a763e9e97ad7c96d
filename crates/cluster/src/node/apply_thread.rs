//! The `apply` thread: owns all state machines.

use super::inbox::{Command, Inbox, Reply};
use super::shared::{GroupShared, Shared};
use crate::replica::is_command;
use crate::{Committed, ProposeError, StateMachine};
use parking_lot::{Condvar, Mutex};
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use vicinal_storage::{LogEntry, LogPosition};
use vicinal_types::GroupId;

/// Times [`NodeOptions::commit_bytes_max`](super::NodeOptions): what may wait for
/// the state machines before the `raft-log` thread rests. It matters at start,
/// when the log is replayed; later the proposals' own bound is met first.
const QUEUE_BATCHES_MAX: usize = 4;

/// What an entry of the log weighs in the queue beside its bytes.
const ENTRY_OVERHEAD_BYTES: usize = size_of::<LogEntry>();

/// A committed entry and who waits for it.
pub(super) struct ToApply<O> {
    pub(super) entry: LogEntry,
    pub(super) reply: Option<Reply<O>>,
}

impl<O> ToApply<O> {
    fn bytes(&self) -> usize {
        self.entry.data.len() + ENTRY_OVERHEAD_BYTES
    }
}

/// Committed entries of one group, in order.
pub(super) struct Entries<O> {
    pub(super) group: GroupId,
    pub(super) entries: Vec<ToApply<O>>,
}

enum Work<S: StateMachine> {
    Add { group: GroupId, machine: S, shared: Arc<GroupShared> },
    Entries(Entries<S::Outcome>),
    Remove { group: GroupId },
}

/// The queue in front of the `apply` thread. Pushing never waits; the `raft-log`
/// thread commits nothing more while it [is full](Self::is_full), which bounds
/// it by a few batches of [`NodeOptions::commit_bytes_max`](super::NodeOptions)
/// or by what a single round commits, if that is more.
pub(super) struct ApplyQueue<S: StateMachine> {
    batch_bytes_max: usize,
    /// Guards the work. Rank: a leaf, nothing is called while it is held.
    state: Mutex<State<S>>,
    arrived: Condvar,
}

struct State<S: StateMachine> {
    work: Vec<Work<S>>,
    /// Bytes of entries not yet applied, those taken included.
    bytes: usize,
    is_stopped: bool,
    is_closed: bool,
}

impl<S: StateMachine> ApplyQueue<S> {
    pub(super) fn new(batch_bytes_max: usize) -> Self {
        let state = State { work: Vec::new(), bytes: 0, is_stopped: false, is_closed: false };
        Self { batch_bytes_max, state: Mutex::new(state), arrived: Condvar::new() }
    }

    pub(super) fn add(&self, group: GroupId, machine: S, shared: Arc<GroupShared>) {
        self.push_work(Work::Add { group, machine, shared }, 0);
    }

    pub(super) fn remove(&self, group: GroupId) {
        self.push_work(Work::Remove { group }, 0);
    }

    pub(super) fn push(&self, entries: Entries<S::Outcome>) {
        let bytes = entries.entries.iter().map(ToApply::bytes).sum();
        self.push_work(Work::Entries(entries), bytes);
    }

    fn push_work(&self, work: Work<S>, bytes: usize) {
        let mut state = self.state.lock();
        if state.is_closed {
            drop(state);
            drop(work);
            return;
        }
        state.work.push(work);
        state.bytes += bytes;
        drop(state);
        self.arrived.notify_one();
    }

    /// Whether more entries wait than the state machines should be given.
    pub(super) fn is_full(&self) -> bool {
        self.state.lock().bytes > self.full_bytes()
    }

    /// Ends the thread once the queue is empty.
    pub(super) fn stop(&self) {
        self.state.lock().is_stopped = true;
        self.arrived.notify_one();
    }

    /// Nobody takes work any more: what waits and what comes is dropped, which
    /// answers it.
    fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        let work = std::mem::take(&mut state.work);
        drop(state);
        drop(work);
    }

    fn full_bytes(&self) -> usize {
        self.batch_bytes_max.saturating_mul(QUEUE_BATCHES_MAX)
    }

    /// Waits for work; `None` at the end.
    fn take(&self) -> Option<Vec<Work<S>>> {
        let mut state = self.state.lock();
        while state.work.is_empty() {
            if state.is_stopped {
                return None;
            }
            self.arrived.wait(&mut state);
        }
        Some(std::mem::take(&mut state.work))
    }

    /// Says whether the queue is no longer full because of this.
    fn applied(&self, bytes: usize) -> bool {
        let mut state = self.state.lock();
        let was_full = state.bytes > self.full_bytes();
        state.bytes -= bytes;
        was_full && state.bytes <= self.full_bytes()
    }
}

/// Runs until the queue is stopped and empty, then drops the state machines.
pub(super) fn run<S: StateMachine>(
    queue: &Arc<ApplyQueue<S>>,
    shared: &Arc<Shared>,
    inbox: &Arc<Inbox<S>>,
) {
    let mut thread = ApplyThread { queue, inbox, machines: BTreeMap::new() };
    let ended = catch_unwind(AssertUnwindSafe(|| thread.run()));
    if let Err(panic) = ended {
        let reason = format!("the apply thread panicked: {}", panic_text(&*panic));
        tracing::error!(reason, "this node takes no writes until it restarts");
        shared.refuse(&ProposeError::LogFailed { reason: reason.clone() });
        shared.stop_groups(&reason);
        inbox.nudge();
    }
    queue.close();
    let machines = std::mem::take(&mut thread.machines);
    for (group, machine) in machines {
        drop_machine(group, machine);
    }
}

struct ApplyThread<'a, S: StateMachine> {
    queue: &'a ApplyQueue<S>,
    inbox: &'a Inbox<S>,
    machines: BTreeMap<GroupId, Machine<S>>,
}

struct Machine<S> {
    state: S,
    shared: Arc<GroupShared>,
}

impl<S: StateMachine> ApplyThread<'_, S> {
    fn run(&mut self) {
        while let Some(work) = self.queue.take() {
            let mut gathered = Gathered::default();
            for work in work {
                match work {
                    Work::Entries(entries) => gathered.push(entries),
                    Work::Add { group, machine, shared } => {
                        self.apply_all(std::mem::take(&mut gathered));
                        self.machines.insert(group, Machine { state: machine, shared });
                    }
                    Work::Remove { group } => {
                        self.apply_all(std::mem::take(&mut gathered));
                        if let Some(machine) = self.machines.remove(&group) {
                            drop_machine(group, machine);
                        }
                    }
                }
            }
            self.apply_all(gathered);
        }
    }

    /// Applies each group's entries in calls of at most a batch's bytes.
    fn apply_all(&mut self, gathered: Gathered<S::Outcome>) {
        for Entries { group, entries } in gathered.groups {
            let mut batch = Vec::new();
            let mut bytes = 0;
            for entry in entries {
                if bytes > 0 && bytes + entry.bytes() > self.queue.batch_bytes_max {
                    self.apply(group, std::mem::take(&mut batch), std::mem::take(&mut bytes));
                }
                bytes += entry.bytes();
                batch.push(entry);
            }
            self.apply(group, batch, bytes);
        }
    }

    fn apply(&mut self, group: GroupId, batch: Vec<ToApply<S::Outcome>>, bytes: usize) {
        self.apply_batch(group, batch);
        if self.queue.applied(bytes) {
            self.inbox.nudge();
        }
    }

    fn apply_batch(&mut self, group: GroupId, batch: Vec<ToApply<S::Outcome>>) {
        let Some(last) = batch.last() else {
            return;
        };
        let position = LogPosition { index: last.entry.index, term: last.entry.term };
        let mut commands = Vec::with_capacity(batch.len());
        let mut replies = Vec::with_capacity(batch.len());
        for ToApply { entry, reply } in batch {
            if is_command(&entry) {
                commands.push(Committed { index: entry.index, term: entry.term, data: entry.data });
                replies.push(reply);
            }
        }
        let Some(machine) = self.machines.get_mut(&group) else {
            // The group stopped while these were on their way.
            let reason = "it stopped before the write was applied".to_owned();
            let error = ProposeError::GroupStopped { group, reason };
            return replies.into_iter().flatten().for_each(|reply| reply.send(Err(error.clone())));
        };
        match apply_caught(&mut machine.state, &commands, position) {
            Ok(outcomes) => {
                drop(commands);
                machine.shared.set_applied(position.index);
                for (reply, outcome) in replies.into_iter().zip(outcomes) {
                    if let Some(reply) = reply {
                        reply.send(Ok(outcome));
                    }
                }
            }
            Err(reason) => self.stop_group(group, reason, replies),
        }
    }

    fn stop_group(
        &mut self,
        group: GroupId,
        reason: String,
        replies: Vec<Option<Reply<S::Outcome>>>,
    ) {
        tracing::error!(%group, reason, "a group stopped; it takes no writes until the node restarts");
        if let Some(machine) = self.machines.remove(&group) {
            machine.shared.stop(reason.clone());
            drop_machine(group, machine);
        }
        self.inbox.push(Command::Halt { group });
        let error = ProposeError::GroupStopped { group, reason };
        for reply in replies.into_iter().flatten() {
            reply.send(Err(error.clone()));
        }
    }
}

/// Applies a batch; the error says why the state is no longer to be trusted.
fn apply_caught<S: StateMachine>(
    state: &mut S,
    commands: &[Committed],
    position: LogPosition,
) -> Result<Vec<S::Outcome>, String> {
    let applied = catch_unwind(AssertUnwindSafe(|| {
        let outcomes = match commands {
            [] => Vec::new(),
            commands => state.apply(commands),
        };
        if outcomes.len() == commands.len() {
            state.applied(position);
        }
        outcomes
    }));
    let up_to = position.index;
    match applied {
        Ok(outcomes) if outcomes.len() == commands.len() => Ok(outcomes),
        Ok(outcomes) => Err(format!(
            "its state machine gave {} outcomes for {} commands up to index {up_to}",
            outcomes.len(),
            commands.len(),
        )),
        Err(panic) => Err(format!(
            "its state machine panicked at one of {} commands up to index {up_to}: {}",
            commands.len(),
            panic_text(&*panic),
        )),
    }
}

fn drop_machine<S>(group: GroupId, machine: Machine<S>) {
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(machine)));
    if let Err(panic) = dropped {
        let reason = panic_text(&*panic);
        tracing::error!(%group, reason, "a state machine panicked while it was dropped");
    }
}

/// The words of a panic, if it has any.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without words".to_owned()
    }
}

/// Entries of several rounds, one list per group, groups in order of arrival.
struct Gathered<O> {
    groups: Vec<Entries<O>>,
    places: BTreeMap<GroupId, usize>,
}

impl<O> Default for Gathered<O> {
    fn default() -> Self {
        Self { groups: Vec::new(), places: BTreeMap::new() }
    }
}

impl<O> Gathered<O> {
    fn push(&mut self, entries: Entries<O>) {
        let next = self.groups.len();
        match *self.places.entry(entries.group).or_insert(next) {
            place if place == next => self.groups.push(entries),
            place => self.groups[place].entries.extend(entries.entries),
        }
    }
}
