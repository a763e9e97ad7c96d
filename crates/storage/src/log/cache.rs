//! The newest entries of all groups in memory, within one budget.

use super::LogEntry;
use std::collections::{BTreeMap, VecDeque};
use vicinal_types::GroupId;

/// What an entry costs besides its data: itself, and its share of the maps.
const ENTRY_OVERHEAD_BYTES: usize = size_of::<Cached>() + 64;

#[derive(Debug)]
struct Cached {
    /// Age over all groups: smaller came earlier.
    sequence: u64,
    entry: LogEntry,
}

impl Cached {
    fn bytes(&self) -> usize {
        self.entry.data.len() + ENTRY_OVERHEAD_BYTES
    }
}

/// Invariants: a group's cached entries are contiguous and end with its newest;
/// `oldest` has one line per group with entries, by its first entry's age.
#[derive(Debug, Default)]
pub(super) struct Cache {
    budget_bytes: usize,
    bytes: usize,
    next_sequence: u64,
    groups: BTreeMap<GroupId, VecDeque<Cached>>,
    oldest: BTreeMap<u64, GroupId>,
}

impl Cache {
    pub(super) fn new(budget_bytes: usize) -> Self {
        Self { budget_bytes, ..Self::default() }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Remembers the newest entry of a group, in place of everything from its
    /// index on; forgets the oldest entries of any group beyond the budget.
    pub(super) fn put(&mut self, group: GroupId, entry: LogEntry) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let held = self.groups.entry(group).or_default();
        while let Some(last) = held.pop_back_if(|last| last.entry.index >= entry.index) {
            self.bytes -= last.bytes();
            if held.is_empty() {
                self.oldest.remove(&last.sequence);
            }
        }
        // After a jump the older ones are no longer connected to the newest.
        if held.back().is_some_and(|last| last.entry.index + 1 != entry.index) {
            self.forget(group);
        }
        let held = self.groups.entry(group).or_default();
        if held.is_empty() {
            self.oldest.insert(sequence, group);
        }
        let cached = Cached { sequence, entry };
        self.bytes += cached.bytes();
        held.push_back(cached);
        self.shrink();
    }

    /// Forgets the entries up to an index.
    pub(super) fn purge(&mut self, group: GroupId, up_to: u64) {
        let first = |held: &VecDeque<Cached>| held.front().map(|cached| cached.entry.index);
        while self.groups.get(&group).and_then(first).is_some_and(|index| index <= up_to) {
            self.pop_first(group);
        }
    }

    /// Forgets all entries of a group.
    pub(super) fn forget(&mut self, group: GroupId) {
        self.purge(group, u64::MAX);
    }

    pub(super) fn get(&self, group: GroupId, index: u64) -> Option<&LogEntry> {
        let held = self.groups.get(&group)?;
        let place = index.checked_sub(held.front()?.entry.index)?;
        held.get(usize::try_from(place).ok()?).map(|cached| &cached.entry)
    }

    fn shrink(&mut self) {
        while self.bytes > self.budget_bytes {
            let Some((_, group)) = self.oldest.first_key_value() else {
                return;
            };
            self.pop_first(*group);
        }
    }

    fn pop_first(&mut self, group: GroupId) {
        let Some(held) = self.groups.get_mut(&group) else {
            return;
        };
        if let Some(first) = held.pop_front() {
            self.bytes -= first.bytes();
            self.oldest.remove(&first.sequence);
        }
        match held.front() {
            Some(next) => {
                self.oldest.insert(next.sequence, group);
            }
            None => {
                self.groups.remove(&group);
            }
        }
    }
}
