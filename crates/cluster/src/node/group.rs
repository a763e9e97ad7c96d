//! One group on the `raft-log` thread: its replica and who waits for it.

use super::inbox::{Proposal, Reply};
use super::shared::GroupShared;
use crate::ProposeError;
use crate::replica::{Replica, ToPersist};
use std::collections::VecDeque;
use std::sync::Arc;
use vicinal_storage::{LogEntry, LogPosition};
use vicinal_types::GroupId;

/// One group as this thread has it.
pub(super) struct Group<O> {
    pub(super) replica: Replica,
    pub(super) shared: Arc<GroupShared>,
    /// Not yet in the log, oldest first.
    pub(super) waiting: VecDeque<Proposal<O>>,
    /// In the log, not yet committed, by position.
    pub(super) proposed: VecDeque<(LogPosition, Reply<O>)>,
    /// Up to where entries may go as soon as they are applied.
    pub(super) purge_later: Option<LogPosition>,
}

impl<O> Group<O> {
    pub(super) fn new(replica: Replica, shared: Arc<GroupShared>) -> Self {
        let (waiting, proposed) = (VecDeque::new(), VecDeque::new());
        Self { replica, shared, waiting, proposed, purge_later: None }
    }

    /// The purge that waited for entries that are applied now.
    pub(super) fn due_purge(&self) -> Option<LogPosition> {
        self.purge_later.filter(|up_to| up_to.index <= self.shared.applied())
    }

    /// Moves waiting commands into the log, as many as the round and raft take but
    /// at least one; returns how many.
    pub(super) fn propose_waiting(&mut self, id: GroupId, bytes_max: usize) -> usize {
        if self.waiting.is_empty() {
            return 0;
        }
        if !self.replica.is_leader() {
            for proposal in self.waiting.drain(..) {
                proposal.reply.send(Err(ProposeError::NotLeader { group: id }));
            }
            return 0;
        }
        let (mut count, mut bytes) = (0, 0);
        for proposal in &self.waiting {
            let with_this = bytes + proposal.data.len();
            if count > 0 && with_this > bytes_max {
                break;
            }
            (count, bytes) = (count + 1, with_this);
        }
        let commands = self.waiting.iter().take(count);
        let commands = commands.map(|proposal| proposal.data.clone()).collect();
        let Some(first) = self.replica.propose(commands) else {
            return 0;
        };
        let replies = self.waiting.drain(..count).map(|proposal| proposal.reply);
        let positions = (first.index..).map(|index| LogPosition { index, ..first });
        self.proposed.extend(positions.zip(replies));
        count
    }

    pub(super) fn take_ready(&mut self) -> Option<ToPersist> {
        self.replica.has_ready().then(|| self.replica.take_ready())
    }

    /// Who proposed this entry here. Proposals whose place another leader's entry
    /// took are answered on the way.
    pub(super) fn take_reply(&mut self, id: GroupId, entry: &LogEntry) -> Option<Reply<O>> {
        while let Some((position, reply)) =
            self.proposed.pop_front_if(|(position, _)| position.index <= entry.index)
        {
            if position.index == entry.index && position.term == entry.term {
                return Some(reply);
            }
            reply.send(Err(ProposeError::NotLeader { group: id }));
        }
        None
    }

    pub(super) fn answer_all(self, error: impl Fn() -> ProposeError) {
        for (_, reply) in self.proposed {
            reply.send(Err(error()));
        }
        for proposal in self.waiting {
            proposal.reply.send(Err(error()));
        }
    }

    /// Nobody waits for anything here.
    pub(super) fn is_quiet(&self) -> bool {
        self.waiting.is_empty() && self.proposed.is_empty()
    }
}
