//! What a group drives: a state machine fed with committed commands.

use crate::ProposeError;
use bytes::Bytes;
use vicinal_storage::LogPosition;
use vicinal_types::GroupId;

/// The state that a group's commands build, the same on every replica.
///
/// All methods are called on the node's `apply` thread, one group at a time.
/// They may call [`Node::propose`](crate::Node::propose),
/// [`Node::add_group`](crate::Node::add_group),
/// [`Node::remove_group`](crate::Node::remove_group) and
/// [`Node::purge`](crate::Node::purge), which never wait, but must not wait for
/// an outcome or for a group to catch up: this thread would produce it.
pub trait StateMachine: Send + 'static {
    /// What a command came to; goes to whoever proposed it on this node.
    type Outcome: Send + 'static;

    /// Applies commands of the group in log order and returns one outcome each.
    ///
    /// Before: every earlier command was applied, by this call's predecessors or
    /// by whatever [`GroupStart::applied`] was read from. After: all effects are
    /// visible to readers. The call is total and deterministic: how commands are
    /// cut into calls must not show. A panic, or another number of outcomes,
    /// stops the group.
    fn apply(&mut self, commands: &[Committed]) -> Vec<Self::Outcome>;

    /// Learns that everything up to `position` is applied, entries without a
    /// command included; called after [`apply`](Self::apply), before anybody
    /// hears the outcomes. Positions only grow.
    fn applied(&mut self, position: LogPosition);
}

/// A command whose place in the group's history is final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its index in the group's log.
    pub index: u64,
    /// The term of the leader that proposed it.
    pub term: u64,
    /// The bytes that were proposed.
    pub data: Bytes,
}

/// Who hears of a proposal's outcome; called exactly once, on the `apply` or the
/// `raft-log` thread or, if refused at once, on the caller's: it must not wait.
pub type Done<O> = Box<dyn FnOnce(Result<O, ProposeError>) + Send>;

/// A group to run and what its state machine holds already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupStart {
    /// The group.
    pub group: GroupId,
    /// The last position whose effects the state machine holds durably; entries
    /// up to it are not applied again. (0, 0) for a new group.
    pub applied: LogPosition,
    /// Where the group's history begins: behind what it was restored with. A log
    /// that does not know the group takes this for what was purged. (0, 0) for a
    /// group that began empty.
    pub begins_at: LogPosition,
}

impl GroupStart {
    /// A group whose state machine holds nothing yet.
    pub fn empty(group: GroupId) -> Self {
        Self { group, applied: LogPosition::default(), begins_at: LogPosition::default() }
    }
}
