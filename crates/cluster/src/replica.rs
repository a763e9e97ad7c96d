//! One replica of one group, without sockets, threads or a clock.
//!
//! Same inputs, same outputs. What must be durable comes out of
//! [`Replica::take_ready`]; what is committed by its being durable comes out of
//! [`Replica::persisted`], which the driver calls only after a sync returned.
//! The entry that commits is thus never applied before it is on disk, also not
//! in a group of one, where being on disk here is being committed.

mod log_view;
mod logger;

pub(crate) use log_view::SharedLog;

use bytes::Bytes;
use log_view::{LogView, ReadFailure};
use raft::prelude::{Config, Entry, EntryType, Message, MessageType, RawNode, Ready};
use raft::{ReadOnlyOption, StateRole};
use vicinal_storage::{LogEntry, LogPosition, VoteState};
use vicinal_types::{GroupId, NodeId};

/// Ticks without a heartbeat after which a follower stands for election, at
/// least; the timeout lies between one and two times this.
const ELECTION_TICKS: usize = 10;

/// Ticks between two heartbeats of a leader.
const HEARTBEAT_TICKS: usize = 2;

/// Bytes of entries in one message to a follower.
const MESSAGE_ENTRY_BYTES_MAX: u64 = 1024 * 1024;

/// Messages on their way to one follower.
const MESSAGES_IN_FLIGHT_MAX: usize = 256;

/// Bytes of entries proposed and not yet committed in one group. The node's own
/// bound on waiting commands is met first; one entry is always admitted.
const UNCOMMITTED_BYTES_MAX: u64 = 64 * 1024 * 1024;

const _: () = assert!(MESSAGE_ENTRY_BYTES_MAX <= UNCOMMITTED_BYTES_MAX, "raft checks it at start");

/// What a replica is made with.
pub(crate) struct ReplicaOptions {
    pub(crate) group: GroupId,
    pub(crate) node: NodeId,
    /// The nodes whose majority commits.
    pub(crate) voters: Vec<NodeId>,
    /// Draws the election timeouts.
    pub(crate) seed: u64,
    /// Bytes of committed entries handed out at once; at least one entry is.
    pub(crate) commit_bytes_max: u64,
    /// The last position that the state machine holds.
    pub(crate) applied: LogPosition,
}

/// Why a replica could not be made or asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplicaError {
    /// The state machine is behind what the log still has.
    #[error(
        "the state holds group {group} up to index {applied}, but the log was purged up to {purged}; restore the group from a snapshot"
    )]
    Gap { group: GroupId, applied: u64, purged: u64 },
    /// The state machine is ahead of the log.
    #[error(
        "the state holds group {group} up to index {applied}, but the log ends at {last}; the log directory is not the one this state was made with"
    )]
    Ahead { group: GroupId, applied: u64, last: u64 },
    /// The log has another entry where the state machine stands.
    #[error(
        "the state holds group {group} up to index {index} of term {applied_term}, the log has term {log_term:?} there; the log directory is not the one this state was made with"
    )]
    OtherHistory { group: GroupId, index: u64, applied_term: u64, log_term: Option<u64> },
    /// Reading the log failed.
    #[error(transparent)]
    Log(#[from] vicinal_storage::LogError),
    /// Raft refused.
    #[error("raft refused: {0}")]
    Raft(#[from] raft::Error),
}

/// What one round has to make durable, and what earlier rounds committed.
pub(crate) struct ToPersist {
    /// The vote, if it must be durable before anything else happens.
    pub(crate) vote: Option<VoteState>,
    /// Entries to append; the first one replaces what stands at its index.
    pub(crate) entries: Vec<LogEntry>,
    /// Entries committed and durable already, in order.
    pub(crate) committed: Vec<LogEntry>,
}

/// One group's Raft state on this node.
pub(crate) struct Replica {
    raw: RawNode<LogView>,
    group: GroupId,
    seed: u64,
    /// Taken by `take_ready`, given back by `persisted`.
    ready: Option<Ready>,
    read_failure: ReadFailure,
}

impl Replica {
    /// Makes the replica as the log has it; the only voter of a group leads it
    /// from here on, as soon as its vote is durable.
    pub(crate) fn new(options: &ReplicaOptions, log: SharedLog) -> Result<Self, ReplicaError> {
        check_history(options, &log)?;
        let is_sole_voter = options.voters == [options.node];
        let voters = options.voters.iter().map(|node| node.0).collect();
        let view = LogView::new(log, options.group, voters, options.applied.index);
        let read_failure = view.failure();
        let logger = slog::Logger::root(logger::TracingDrain, slog::o!());
        let raw = RawNode::new(&config(options), view, &logger)?;
        let mut replica =
            Self { raw, group: options.group, seed: options.seed, ready: None, read_failure };
        replica.seed_election_timeout();
        if is_sole_voter {
            replica.raw.campaign()?;
            replica.seed_election_timeout();
        }
        Ok(replica)
    }

    /// One tick of the logical clock.
    pub(crate) fn tick(&mut self) {
        self.raw.tick();
        self.seed_election_timeout();
    }

    /// Whether this node may propose.
    pub(crate) fn is_leader(&self) -> bool {
        self.raw.raft.state == StateRole::Leader
    }

    /// Appends commands to the group's log, all or none, and returns the position
    /// of the first; none fit while too many bytes are uncommitted.
    pub(crate) fn propose(&mut self, commands: Vec<Bytes>) -> Option<LogPosition> {
        let first = LogPosition {
            index: self.raw.raft.raft_log.last_index() + 1,
            term: self.raw.raft.term,
        };
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.from = self.raw.raft.id;
        let entries = commands.into_iter().map(|data| Entry { data, ..Entry::default() });
        message.set_entries(entries.collect::<Vec<_>>().into());
        match self.raw.step(message) {
            Ok(()) => Some(first),
            Err(raft::Error::ProposalDropped) => None,
            Err(error) => {
                tracing::error!(group = %self.group, %error, "raft refused a proposal");
                None
            }
        }
    }

    /// Whether [`take_ready`](Self::take_ready) has something to give.
    pub(crate) fn has_ready(&self) -> bool {
        self.ready.is_none() && self.raw.has_ready()
    }

    /// Takes what must be persisted now.
    ///
    /// # Panics
    /// If the last one taken was not confirmed by [`persisted`](Self::persisted).
    pub(crate) fn take_ready(&mut self) -> ToPersist {
        assert!(self.ready.is_none(), "the last ready is still being persisted");
        let mut ready = self.raw.ready();
        self.drop_messages(&ready.take_messages());
        self.drop_messages(&ready.take_persisted_messages());
        let vote = ready.hs().filter(|_| ready.must_sync()).map(|state| VoteState {
            term: state.term,
            vote: state.vote,
            commit: state.commit,
        });
        let taken = ToPersist {
            vote,
            entries: ready.take_entries().into_iter().map(to_log_entry).collect(),
            committed: to_log_entries(ready.take_committed_entries()),
        };
        self.ready = Some(ready);
        taken
    }

    /// Confirms that what [`take_ready`](Self::take_ready) gave is on stable
    /// storage and returns the entries which that commits.
    pub(crate) fn persisted(&mut self) -> Vec<LogEntry> {
        let Some(ready) = self.ready.take() else {
            return Vec::new();
        };
        let mut light = self.raw.advance_append(ready);
        self.drop_messages(&light.take_messages());
        self.seed_election_timeout();
        to_log_entries(light.take_committed_entries())
    }

    /// Tells raft how far the state machine has come.
    pub(crate) fn applied_to(&mut self, index: u64) {
        if index > self.raw.raft.raft_log.applied() {
            self.raw.advance_apply_to(index);
        }
    }

    /// The current term.
    pub(crate) fn term(&self) -> u64 {
        self.raw.raft.term
    }

    /// The last index known to be committed.
    pub(crate) fn commit(&self) -> u64 {
        self.raw.raft.raft_log.committed
    }

    /// Why the log could not be read, which makes raft panic.
    pub(crate) fn read_failure(&self) -> Option<String> {
        self.read_failure.borrow().clone()
    }

    /// Overrides raft's own dice, which are drawn from the thread's generator:
    /// the timeout is a function of seed, node, group and term.
    fn seed_election_timeout(&mut self) {
        let raft = &mut self.raw.raft;
        let mixed = mix(self.seed ^ mix(raft.id) ^ mix(self.group.0).rotate_left(1) ^ raft.term);
        let spread = mixed % ELECTION_TICKS as u64;
        let spread = usize::try_from(spread).expect("a remainder of a usize is one");
        raft.set_randomized_election_timeout(ELECTION_TICKS + spread);
    }

    fn drop_messages(&self, messages: &[Message]) {
        for message in messages {
            let (to, kind) = (message.to, message.get_msg_type());
            let group = self.group;
            tracing::error!(%group, to, ?kind, "message to another node dropped: groups have one voter, this node");
        }
    }
}

/// The settings of raft; pre-vote and check-quorum are off by default there.
fn config(options: &ReplicaOptions) -> Config {
    Config {
        id: options.node.0,
        election_tick: ELECTION_TICKS,
        heartbeat_tick: HEARTBEAT_TICKS,
        applied: options.applied.index,
        max_size_per_msg: MESSAGE_ENTRY_BYTES_MAX,
        max_inflight_msgs: MESSAGES_IN_FLIGHT_MAX,
        check_quorum: true,
        pre_vote: true,
        read_only_option: ReadOnlyOption::Safe,
        max_uncommitted_size: UNCOMMITTED_BYTES_MAX,
        max_committed_size_per_ready: options.commit_bytes_max,
        ..Config::default()
    }
}

/// The state machine must stand on an entry that the log knows.
fn check_history(options: &ReplicaOptions, log: &SharedLog) -> Result<(), ReplicaError> {
    let log = log.borrow();
    let (group, applied) = (options.group, options.applied);
    let (purged, last) = (log.purged(group).index, log.last_index(group));
    if applied.index < purged {
        return Err(ReplicaError::Gap { group, applied: applied.index, purged });
    }
    if applied.index > last {
        return Err(ReplicaError::Ahead { group, applied: applied.index, last });
    }
    let log_term = match applied.index {
        0 => Some(0),
        index => log.term(group, index)?,
    };
    if log_term != Some(applied.term) {
        let (index, applied_term) = (applied.index, applied.term);
        return Err(ReplicaError::OtherHistory { group, index, applied_term, log_term });
    }
    Ok(())
}

fn to_log_entries(entries: Vec<Entry>) -> Vec<LogEntry> {
    entries.into_iter().map(to_log_entry).collect()
}

/// The kinds of entries in the log's records; part of the format on disk.
const KIND_NORMAL: u8 = 0;
const KIND_CONF_CHANGE: u8 = 1;
const KIND_CONF_CHANGE_V2: u8 = 2;

/// The entry's context is raft's own scratch space for membership changes and
/// stays empty in all entries that this crate makes.
fn to_log_entry(entry: Entry) -> LogEntry {
    let kind = match entry.get_entry_type() {
        EntryType::EntryNormal => KIND_NORMAL,
        EntryType::EntryConfChange => KIND_CONF_CHANGE,
        EntryType::EntryConfChangeV2 => KIND_CONF_CHANGE_V2,
    };
    LogEntry { index: entry.index, term: entry.term, kind, data: entry.data }
}

/// The inverse of [`to_log_entry`]; `None` for a kind this version does not know.
fn to_raft_entry(entry: LogEntry) -> Option<Entry> {
    let kind = match entry.kind {
        KIND_NORMAL => EntryType::EntryNormal,
        KIND_CONF_CHANGE => EntryType::EntryConfChange,
        KIND_CONF_CHANGE_V2 => EntryType::EntryConfChangeV2,
        _ => return None,
    };
    let mut made =
        Entry { index: entry.index, term: entry.term, data: entry.data, ..Entry::default() };
    made.set_entry_type(kind);
    Some(made)
}

/// Whether a committed entry carries a command for the state machine; a new
/// leader's first entry and membership changes do not.
pub(crate) fn is_command(entry: &LogEntry) -> bool {
    entry.kind == KIND_NORMAL && !entry.data.is_empty()
}

/// SplitMix64's finaliser: every bit of the input moves every bit of the output.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests;
