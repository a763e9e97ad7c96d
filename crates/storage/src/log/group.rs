//! What the log knows of one group: its state, and where its entries stand.

use super::{LogPosition, VoteState};
use crate::fields::to_u64;
use std::collections::VecDeque;

/// Where the record of an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) file: u32,
    pub(super) offset: u32,
    /// Bytes of the whole record.
    pub(super) bytes: u32,
}

/// Invariants: the slots are those of the indexes `first`, `first + 1`, …; their
/// files never decrease; `first` is one above the purged index, except while
/// recovery reads files whose predecessors are gone.
#[derive(Debug, Default)]
pub(super) struct GroupLog {
    pub(super) vote: Option<VoteState>,
    pub(super) purged: LogPosition,
    /// The newest file with a state record; none if all is still default.
    pub(super) state_file: Option<u32>,
    first: u64,
    slots: VecDeque<Slot>,
    /// (index, term) where the term changes, for the indexes of `slots`.
    terms: VecDeque<(u64, u64)>,
    live_bytes: u64,
}

impl GroupLog {
    pub(super) fn first(&self) -> u64 {
        if self.slots.is_empty() { self.purged.index + 1 } else { self.first }
    }

    /// The index of the newest entry, or the purged one.
    pub(super) fn last(&self) -> u64 {
        self.first() + to_u64(self.slots.len()) - 1
    }

    pub(super) fn entry_count(&self) -> u64 {
        to_u64(self.slots.len())
    }

    /// Bytes of the records of all entries held.
    pub(super) fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    pub(super) fn index_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>() + self.terms.capacity() * size_of::<(u64, u64)>()
    }

    /// The oldest file with an entry that is still held.
    pub(super) fn oldest_entry_file(&self) -> Option<u32> {
        self.slots.front().map(|slot| slot.file)
    }

    /// The oldest file that this group cannot do without.
    pub(super) fn oldest_file(&self) -> Option<u32> {
        let entry_file = self.oldest_entry_file();
        entry_file.into_iter().chain(self.state_file).min()
    }

    pub(super) fn slot(&self, index: u64) -> Option<Slot> {
        let place = index.checked_sub(self.first())?;
        self.slots.get(usize::try_from(place).ok()?).copied()
    }

    /// The term of an entry held, or of the purged position.
    pub(super) fn term(&self, index: u64) -> Option<u64> {
        if index == self.purged.index {
            return Some(self.purged.term);
        }
        self.slot(index)?;
        let after = self.terms.partition_point(|(start, _)| *start <= index);
        let run = after.checked_sub(1).and_then(|run| self.terms.get(run));
        run.map(|(_, term)| *term)
    }

    /// Holds an entry in place of everything from its index on.
    ///
    /// # Panics
    /// If the entry would leave a gap.
    pub(super) fn put(&mut self, position: LogPosition, slot: Slot) {
        let fits = self.first()..=self.last() + 1;
        assert!(fits.contains(&position.index), "the log checks indexes when they come in");
        while self.last() >= position.index {
            self.drop_last();
        }
        if self.slots.is_empty() {
            self.first = position.index;
        }
        self.slots.push_back(slot);
        self.live_bytes += u64::from(slot.bytes);
        if self.terms.back().is_none_or(|(_, term)| *term != position.term) {
            self.terms.push_back((position.index, position.term));
        }
    }

    /// Holds this entry only: what was held before is not connected to it.
    pub(super) fn restart_at(&mut self, position: LogPosition, slot: Slot) {
        self.clear();
        self.first = position.index;
        self.slots.push_back(slot);
        self.live_bytes = u64::from(slot.bytes);
        self.terms.push_back((position.index, position.term));
    }

    /// Says that the entries held now stand in other places.
    ///
    /// # Panics
    /// If there is not one place for each.
    pub(super) fn move_to(&mut self, slots: VecDeque<Slot>) {
        assert_eq!(slots.len(), self.slots.len(), "one new place for each entry");
        self.slots = slots;
    }

    /// Drops what is durable elsewhere. Entries behind the position stay if they
    /// follow from it: if the entry at its index has another term, or there is
    /// none, they belong to another history and go too.
    pub(super) fn purge(&mut self, up_to: LogPosition) {
        if up_to.index <= self.purged.index {
            return;
        }
        let held = up_to.index >= self.first();
        if held && self.term(up_to.index) != Some(up_to.term) {
            self.clear();
        }
        self.purged = up_to;
        while !self.slots.is_empty() && self.first <= up_to.index {
            self.drop_first();
        }
        if self.slots.is_empty() {
            self.clear();
        } else if self.slots.capacity() > 1024 && self.slots.capacity() / 4 > self.slots.len() {
            self.slots.shrink_to(self.slots.len() * 2); // a backlog is not kept for ever
        }
    }

    /// Drops all entries.
    pub(super) fn clear(&mut self) {
        self.slots = VecDeque::new();
        self.terms.clear();
        self.live_bytes = 0;
    }

    fn drop_first(&mut self) {
        if let Some(slot) = self.slots.pop_front() {
            self.live_bytes -= u64::from(slot.bytes);
            self.first += 1;
        }
        if self.terms.get(1).is_some_and(|(start, _)| *start <= self.first) {
            self.terms.pop_front();
        }
    }

    fn drop_last(&mut self) {
        let last = self.last();
        if let Some(slot) = self.slots.pop_back() {
            self.live_bytes -= u64::from(slot.bytes);
        }
        if self.terms.back().is_some_and(|(start, _)| *start >= last) {
            self.terms.pop_back();
        }
    }
}
