//! The node's share of all groups: the handle, and the two threads behind it.

mod apply_thread;
mod group;
mod inbox;
mod log_thread;
mod shared;

pub use shared::GroupStatus;

use crate::{CatchUpError, Done, GroupStart, ProposeError, StartError, StateMachine};
use apply_thread::ApplyQueue;
use bytes::Bytes;
use inbox::{Command, Inbox};
use parking_lot::Mutex;
use shared::Shared;
use std::sync::Arc;
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;
use vicinal_storage::{Log, LogPosition, LogStats};
use vicinal_types::{Clock, GroupId, NodeId, limits};

/// How a node runs its groups.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// This node's number in the cluster; not 0.
    pub node: NodeId,
    /// The length of raft's logical tick; elections take 10 to 20 of them.
    pub tick: Duration,
    /// Draws the election timeouts.
    pub seed: u64,
    /// Commands of one group that may be on their way at once.
    pub proposals_waiting_max: usize,
    /// Bytes of commands of all groups that may be on their way at once.
    pub proposal_bytes_waiting_max: usize,
    /// Bytes of one group's committed entries that are read and applied at once;
    /// one entry always is.
    pub commit_bytes_max: usize,
    /// Bytes of commands that one round writes to the log before it syncs, shared
    /// out evenly to the groups at work; one command of each always is.
    pub round_bytes_max: usize,
}

impl NodeOptions {
    /// The options a server starts with.
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            tick: Duration::from_millis(100),
            seed: 0,
            proposals_waiting_max: limits::PROPOSALS_WAITING_MAX,
            proposal_bytes_waiting_max: limits::PROPOSAL_BYTES_WAITING_MAX,
            commit_bytes_max: 8 * 1024 * 1024,
            round_bytes_max: 16 * 1024 * 1024,
        }
    }

    fn check(&self) -> Result<(), StartError> {
        let zeros = [
            ("tick", self.tick.is_zero()),
            ("proposals_waiting_max", self.proposals_waiting_max == 0),
            ("proposal_bytes_waiting_max", self.proposal_bytes_waiting_max == 0),
            ("commit_bytes_max", self.commit_bytes_max == 0),
            ("round_bytes_max", self.round_bytes_max == 0),
        ];
        if self.node.0 == 0 {
            return Err(StartError::NodeIdZero);
        }
        match zeros.iter().find(|(_, is_zero)| *is_zero) {
            Some(&(option, _)) => Err(StartError::OptionZero { option }),
            None => Ok(()),
        }
    }
}

/// All groups of this node; clones are handles to the same node.
///
/// No method waits for the disk or for a state machine, except
/// [`wait_caught_up`](Self::wait_caught_up) and [`stop`](Self::stop). A state
/// machine that holds a handle keeps its node alive: then only `stop` ends it.
pub struct Node<S: StateMachine> {
    inner: Arc<Inner<S>>,
}

impl<S: StateMachine> Clone for Node<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

struct Inner<S: StateMachine> {
    shared: Arc<Shared>,
    inbox: Arc<Inbox<S>>,
    groups_in_log: Vec<GroupId>,
    /// Guards the handles of the two threads, taken by whoever stops the node.
    /// Rank: held while joining, and no other lock is.
    threads: Mutex<Vec<JoinHandle<()>>>,
    thread_ids: Vec<ThreadId>,
}

impl<S: StateMachine> Node<S> {
    /// Starts the threads over a log; groups are added afterwards.
    ///
    /// # Errors
    /// [`StartError`] if an option is wrong or no thread can be had.
    pub fn start(
        options: NodeOptions,
        log: Log,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        options.check()?;
        let groups_in_log = log.groups();
        let shared = Arc::new(Shared::new(&options, Arc::clone(&clock), log.stats()));
        let inbox = Arc::new(Inbox::new());
        let queue = Arc::new(ApplyQueue::new(options.commit_bytes_max));

        let apply = {
            let (queue, shared, inbox) =
                (Arc::clone(&queue), Arc::clone(&shared), Arc::clone(&inbox));
            spawn("apply", move || apply_thread::run(&queue, &shared, &inbox))?
        };
        let raft_log = {
            let (shared, inbox, to_apply) =
                (Arc::clone(&shared), Arc::clone(&inbox), Arc::clone(&queue));
            spawn("raft-log", move || {
                log_thread::run(options, log, clock, &shared, &inbox, &to_apply)
            })
        };
        let raft_log = raft_log.inspect_err(|_| queue.stop())?;

        let thread_ids = vec![raft_log.thread().id(), apply.thread().id()];
        let threads = Mutex::new(vec![raft_log, apply]);
        Ok(Self { inner: Arc::new(Inner { shared, inbox, groups_in_log, threads, thread_ids }) })
    }

    /// Runs a group: what its log holds above [`GroupStart::applied`] is applied
    /// to the machine, then what is proposed. A state machine that does not fit
    /// the log stops the group; [`status`](Self::status) and
    /// [`wait_caught_up`](Self::wait_caught_up) say why.
    ///
    /// Proposals are taken as soon as this returns; it may be called while
    /// another group's command is applied.
    ///
    /// # Panics
    /// If the group runs already: that is a bug of the caller.
    pub fn add_group(&self, start: GroupStart, machine: S) {
        let group = self.inner.shared.register(start);
        self.inner.inbox.push(Command::Add { start, group, machine: Box::new(machine) });
    }

    /// Ends a group for good: waiting proposals fail, what is committed is still
    /// applied, then the state machine is dropped and the log forgets the group.
    /// For a group that only the log knows, the log forgets it.
    pub fn remove_group(&self, group: GroupId) {
        self.inner.shared.unregister(group);
        self.inner.inbox.push(Command::Remove { group });
    }

    /// Proposes a command; `done` hears what it came to once it is durable and
    /// applied, or at once why it was refused.
    pub fn propose(&self, group: GroupId, data: Bytes, done: Done<S::Outcome>) {
        match self.inner.shared.admit(group, data.len()) {
            Ok(ticket) => self.inner.inbox.push(Command::propose(group, data, ticket, done)),
            Err(error) => done(Err(error)),
        }
    }

    /// Lets the log drop the group's entries up to a position whose effects are
    /// durable elsewhere; done in the background, once they are applied.
    pub fn purge(&self, group: GroupId, up_to: LogPosition) {
        self.inner.inbox.push(Command::Purge { group, up_to });
    }

    /// Whether everything is applied that the log held when the group was added.
    pub fn caught_up(&self, group: GroupId) -> bool {
        self.inner.shared.group(group).is_some_and(|group| group.is_caught_up())
    }

    /// Waits until the group is [caught up](Self::caught_up).
    ///
    /// # Errors
    /// [`CatchUpError`] if there is no such group, if it stopped, or after `timeout`.
    pub fn wait_caught_up(&self, group: GroupId, timeout: Duration) -> Result<(), CatchUpError> {
        match self.inner.shared.group(group) {
            Some(running) => running.wait_caught_up(timeout),
            None => Err(CatchUpError::UnknownGroup { group }),
        }
    }

    /// How the group is doing; `None` if it does not run here.
    pub fn status(&self, group: GroupId) -> Option<GroupStatus> {
        self.inner.shared.group(group).map(|group| group.status())
    }

    /// The groups of which the log held something at start. One that nobody adds
    /// was removed just before the node stopped: [`remove_group`](Self::remove_group)
    /// lets the log forget it.
    pub fn groups_in_log(&self) -> &[GroupId] {
        &self.inner.groups_in_log
    }

    /// The log's figures as of its last round of work.
    pub fn log_stats(&self) -> LogStats {
        self.inner.shared.log_stats()
    }

    /// Commands on their way in all groups, and their bytes.
    pub fn waiting(&self) -> (usize, usize) {
        self.inner.shared.waiting()
    }

    /// Why the log takes no writes any more; `None` while it does.
    pub fn failure(&self) -> Option<String> {
        self.inner.shared.failure()
    }

    /// Refuses new proposals, finishes those waiting, syncs the log, drops the
    /// state machines and joins the threads. Later calls do nothing. Called from
    /// a state machine or a [`Done`] it only begins to stop: they run on the
    /// threads that would be joined.
    pub fn stop(&self) {
        self.inner.stop();
    }
}

impl<S: StateMachine> Inner<S> {
    fn stop(&self) {
        self.shared.refuse(&ProposeError::Stopping);
        self.inbox.push(Command::Stop);
        if self.thread_ids.contains(&thread::current().id()) {
            return;
        }
        let mut threads = self.threads.lock();
        for thread in threads.drain(..) {
            // Both threads catch panics and report them as the node's failure.
            if thread.join().is_err() {
                tracing::error!("a thread of the node ended with a panic");
            }
        }
    }
}

impl<S: StateMachine> Drop for Inner<S> {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(
    name: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let builder = thread::Builder::new().name(name.to_owned());
    builder.spawn(body).map_err(|source| StartError::Thread { name, source })
}
