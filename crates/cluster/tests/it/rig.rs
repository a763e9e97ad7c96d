//! A counter as state machine, and a node of counters over a disk.

use bytes::Bytes;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use vicinal_cluster::{Committed, GroupStart, Node, NodeOptions, ProposeError, StateMachine};
use vicinal_storage::{Disk, Log, LogError, LogOptions, LogPosition, SimDisk};
use vicinal_types::{GroupId, NodeId, SystemClock};

/// Longer than any wait of these tests on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const ONE: GroupId = GroupId(1);
pub(crate) const TWO: GroupId = GroupId(2);

/// What a counter was told, seen from the test.
#[derive(Default)]
pub(crate) struct Journal {
    pub(crate) commands: Vec<Committed>,
    /// Commands in each call of `apply`.
    pub(crate) calls: Vec<usize>,
    pub(crate) positions: Vec<LogPosition>,
}

pub(crate) type SharedJournal = Arc<Mutex<Journal>>;

/// Counts commands; the outcome is the count so far.
pub(crate) struct Counter {
    pub(crate) journal: SharedJournal,
    /// Called for each command before it counts.
    pub(crate) hook: Box<dyn FnMut(&Committed) + Send>,
}

impl Counter {
    pub(crate) fn new() -> (Self, SharedJournal) {
        Self::with_hook(|_| ())
    }

    pub(crate) fn with_hook(
        hook: impl FnMut(&Committed) + Send + 'static,
    ) -> (Self, SharedJournal) {
        let journal = SharedJournal::default();
        (Self { journal: Arc::clone(&journal), hook: Box::new(hook) }, journal)
    }
}

impl StateMachine for Counter {
    type Outcome = u64;

    fn apply(&mut self, commands: &[Committed]) -> Vec<u64> {
        assert!(!commands.is_empty(), "a call has commands");
        let mut outcomes = Vec::new();
        for command in commands {
            (self.hook)(command);
            let mut journal = self.journal.lock();
            journal.commands.push(command.clone());
            outcomes.push(journal.commands.len() as u64);
        }
        self.journal.lock().calls.push(commands.len());
        outcomes
    }

    fn applied(&mut self, position: LogPosition) {
        let mut journal = self.journal.lock();
        let last = journal.commands.last().map_or(0, |command| command.index);
        assert!(position.index >= last, "applied() comes after apply()");
        let before = journal.positions.last().map_or(0, |position| position.index);
        assert!(position.index > before, "positions grow");
        journal.positions.push(position);
    }
}

/// The commands of a journal as text.
pub(crate) fn texts(journal: &SharedJournal) -> Vec<String> {
    let journal = journal.lock();
    journal.commands.iter().map(|command| text(&command.data)).collect()
}

pub(crate) fn text(data: &Bytes) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// Small files, so that short tests rotate and purge.
pub(crate) fn open_log(disk: &SimDisk) -> Result<Log, LogError> {
    let options = LogOptions { file_bytes: 4096, cache_bytes: 64 * 1024 };
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Log::open(disk, Path::new("log"), options).map(|(log, _)| log)
}

pub(crate) fn start_with(
    disk: &SimDisk,
    change: impl FnOnce(&mut NodeOptions),
) -> Result<Node<Counter>, LogError> {
    let mut options = NodeOptions { seed: 1, ..NodeOptions::new(NodeId(1)) };
    change(&mut options);
    let log = open_log(disk)?;
    Ok(Node::start(options, log, Arc::new(SystemClock)).expect("threads"))
}

pub(crate) fn start(disk: &SimDisk) -> Node<Counter> {
    start_with(disk, |_| ()).expect("a good disk")
}

/// Adds a group from scratch.
pub(crate) fn add(node: &Node<Counter>, group: GroupId) -> SharedJournal {
    add_at(node, group, LogPosition::default())
}

/// Adds a group whose state machine stands at a position.
pub(crate) fn add_at(node: &Node<Counter>, group: GroupId, applied: LogPosition) -> SharedJournal {
    let (counter, journal) = Counter::new();
    node.add_group(GroupStart { applied, ..GroupStart::empty(group) }, counter);
    journal
}

pub(crate) type Outcome = Receiver<Result<u64, ProposeError>>;

pub(crate) fn propose(node: &Node<Counter>, group: GroupId, data: impl Into<Bytes>) -> Outcome {
    let (sender, receiver) = mpsc::channel();
    let done = move |outcome| drop(sender.send(outcome));
    node.propose(group, data.into(), Box::new(done));
    receiver
}

pub(crate) fn wait(outcome: &Outcome) -> Result<u64, ProposeError> {
    outcome.recv_timeout(PATIENCE).expect("every proposal is answered")
}

/// Proposes and waits.
pub(crate) fn put(
    node: &Node<Counter>,
    group: GroupId,
    data: impl Into<Bytes>,
) -> Result<u64, ProposeError> {
    wait(&propose(node, group, data))
}

/// Lets the disk's syncs wait until dropped; a test that fails in between does not
/// keep its node from stopping.
pub(crate) struct HeldSyncs<'a>(&'a SimDisk);

pub(crate) fn hold_syncs(disk: &SimDisk) -> HeldSyncs<'_> {
    disk.hold_syncs(true);
    HeldSyncs(disk)
}

impl Drop for HeldSyncs<'_> {
    fn drop(&mut self) {
        self.0.hold_syncs(false);
    }
}

/// Waits until what the log thread does is seen from outside.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let (_keep, never) = mpsc::channel::<()>();
    for _ in 0..PATIENCE.as_millis() {
        if holds() {
            return;
        }
        let waited = never.recv_timeout(Duration::from_millis(1));
        assert_eq!(waited, Err(mpsc::RecvTimeoutError::Timeout));
    }
    panic!("waited too long until {what}");
}
