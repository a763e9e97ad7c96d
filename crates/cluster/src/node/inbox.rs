//! What the `raft-log` thread is asked to do, in the order it was asked.

use super::shared::{GroupShared, Ticket};
use crate::{Done, GroupStart, ProposeError, StateMachine};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::time::Duration;
use vicinal_storage::LogPosition;
use vicinal_types::GroupId;

/// One request to the `raft-log` thread.
pub(super) enum Command<S: StateMachine> {
    Add {
        start: GroupStart,
        group: Arc<GroupShared>,
        machine: Box<S>,
    },
    Remove {
        group: GroupId,
    },
    Propose {
        group: GroupId,
        proposal: Proposal<S::Outcome>,
    },
    Purge {
        group: GroupId,
        up_to: LogPosition,
    },
    /// The state machine of the group failed; what waits for it must hear so.
    Halt {
        group: GroupId,
    },
    Stop,
}

/// A command and who hears of it.
pub(super) struct Proposal<O> {
    pub(super) data: Bytes,
    pub(super) reply: Reply<O>,
}

/// Who hears of a proposal, exactly once: whoever loses track of a reply answers
/// [`ProposeError::Stopping`] by dropping it.
pub(super) struct Reply<O> {
    done: Option<Done<O>>,
    ticket: Option<Ticket>,
}

impl<S: StateMachine> Command<S> {
    pub(super) fn propose(
        group: GroupId,
        data: Bytes,
        ticket: Ticket,
        done: Done<S::Outcome>,
    ) -> Self {
        let reply = Reply { done: Some(done), ticket: Some(ticket) };
        Self::Propose { group, proposal: Proposal { data, reply } }
    }
}

impl<O> Reply<O> {
    /// Frees the proposal's place in the queue, then tells its owner.
    pub(super) fn send(mut self, outcome: Result<O, ProposeError>) {
        self.answer(outcome);
    }

    fn answer(&mut self, outcome: Result<O, ProposeError>) {
        drop(self.ticket.take());
        let Some(done) = self.done.take() else {
            return;
        };
        let call = std::panic::AssertUnwindSafe(move || done(outcome));
        if std::panic::catch_unwind(call).is_err() {
            tracing::error!("the receiver of a proposal's outcome panicked");
        }
    }
}

impl<O> Drop for Reply<O> {
    fn drop(&mut self) {
        if self.done.is_some() {
            self.answer(Err(ProposeError::Stopping));
        }
    }
}

/// Commands from which on a round is large enough not to wait for more.
const GATHERED_MAX: usize = 64;

/// Commands that were answered a moment ago: callers who propose one after the
/// other are about to come back. Waiting for them a fraction of what a sync takes
/// lets them share the next one; otherwise two crowds form that sync in turn,
/// each waiting for the other's.
#[derive(Clone, Copy, Default)]
pub(super) struct Returning {
    pub(super) count: usize,
    pub(super) grace: Duration,
}

/// The queue in front of the `raft-log` thread. What is in it is bounded by the
/// tickets that proposals hold; the other commands come one per group and event.
pub(super) struct Inbox<S: StateMachine> {
    /// Guards the commands. Rank: a leaf, nothing is called while it is held.
    state: Mutex<State<S>>,
    arrived: Condvar,
}

struct State<S: StateMachine> {
    commands: Vec<Command<S>>,
    is_nudged: bool,
    /// Nobody reads any more: what is pushed is dropped, which answers it.
    is_closed: bool,
}

impl<S: StateMachine> Inbox<S> {
    pub(super) fn new() -> Self {
        let state = State { commands: Vec::new(), is_nudged: false, is_closed: false };
        Self { state: Mutex::new(state), arrived: Condvar::new() }
    }

    pub(super) fn push(&self, command: Command<S>) {
        let mut state = self.state.lock();
        if state.is_closed {
            drop(state);
            drop(command);
            return;
        }
        state.commands.push(command);
        drop(state);
        self.arrived.notify_one();
    }

    /// Wakes the thread without a command.
    pub(super) fn nudge(&self) {
        self.state.lock().is_nudged = true;
        self.arrived.notify_one();
    }

    /// Takes all commands, waiting for the first one if `wait` says how long, and
    /// a moment more for those that are on their way back.
    pub(super) fn take(&self, wait: Option<Duration>, returning: Returning) -> Vec<Command<S>> {
        let mut state = self.state.lock();
        let gathered = state.commands.len() + returning.count;
        if let Some(timeout) = wait
            && state.commands.is_empty()
            && !state.is_nudged
        {
            self.arrived.wait_for(&mut state, timeout);
        }
        if (1..GATHERED_MAX).contains(&state.commands.len()) {
            let is_short = |state: &mut State<S>| state.commands.len() < gathered.min(GATHERED_MAX);
            self.arrived.wait_while_for(&mut state, is_short, returning.grace);
        }
        state.is_nudged = false;
        std::mem::take(&mut state.commands)
    }

    /// Ends the inbox; gives back what nobody will read.
    pub(super) fn close(&self) -> Vec<Command<S>> {
        let mut state = self.state.lock();
        state.is_closed = true;
        std::mem::take(&mut state.commands)
    }
}
