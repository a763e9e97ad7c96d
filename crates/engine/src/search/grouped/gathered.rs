//! The groups found so far, and their nearest rows.

use super::{Among, GroupKey, Grouping};
use crate::fetch::source;
use crate::memory::GroupTexts;
use crate::request::{HitGroup, RowFilter};
use crate::scratches::Candidate;
use crate::shard::View;
use std::collections::HashMap;
use vicinal_types::{Result, limits};

/// The groups found so far.
///
/// Invariant: between calls each has a row at least, and its rows are in order. Once
/// closed, they are in order, and those that are wanted.
pub(super) struct Gathered<'a> {
    pub(super) grouping: &'a Grouping,
    view: &'a View,
    numbers: HashMap<GroupKey<'a>, usize>,
    groups: Vec<(GroupKey<'a>, Vec<Candidate>)>,
    is_closed: bool,
    /// Those of the filter that leaves out rows.
    texts: GroupTexts,
}

impl<'a> Gathered<'a> {
    pub(super) fn new(grouping: &'a Grouping, view: &'a View) -> Self {
        let texts = grouping.texts.others(limits::GROUP_BYTES_MAX);
        let (numbers, groups) = (HashMap::new(), Vec::new());
        Self { grouping, view, numbers, groups, is_closed: false, texts }
    }

    /// Takes rows that were found, some of them perhaps again.
    pub(super) fn add(&mut self, found: &[Candidate]) {
        for candidate in found {
            let key = self.grouping.key(source(self.view, candidate.segment, candidate.row));
            match self.numbers.get(&key) {
                Some(&number) => self.groups[number].1.push(*candidate),
                None if self.is_closed => {}
                None => {
                    self.numbers.insert(key, self.groups.len());
                    self.groups.push((key, vec![*candidate]));
                }
            }
        }
        for (_, rows) in &mut self.groups {
            rows.sort_unstable_by_key(|row| (row.segment, row.row));
            rows.dedup_by_key(|row| (row.segment, row.row));
            keep_nearest(rows, self.grouping.size);
        }
        if !self.is_closed && self.groups.len() >= self.grouping.wanted {
            self.close();
        }
    }

    /// Keeps the nearest of the groups that are known; no other will be.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.groups.sort_unstable_by(|(_, a), (_, b)| a[0].by_distance(&b[0]));
        self.groups.truncate(self.grouping.wanted);
        let keys = self.groups.iter().enumerate().map(|(number, (key, _))| (*key, number));
        self.numbers = keys.collect();
    }

    /// Whether the groups that are wanted are known.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether nothing is missing.
    pub(super) fn is_done(&self) -> bool {
        self.is_closed && self.open().next().is_none()
    }

    /// The groups that are not full.
    pub(super) fn open(&self) -> impl Iterator<Item = GroupKey<'a>> {
        self.by_fullness(false)
    }

    fn by_fullness(&self, is_full: bool) -> impl Iterator<Item = GroupKey<'a>> {
        let size = self.grouping.size;
        let groups = self.groups.iter().filter(move |(_, rows)| (rows.len() == size) == is_full);
        groups.map(|(key, _)| *key)
    }

    /// The rows that can still count; none: all.
    ///
    /// # Errors
    /// `Invalid` if the keys of that many groups are too long.
    pub(super) fn filter(&mut self) -> Result<Option<RowFilter>> {
        let among = if self.is_closed { Among::Only } else { Among::AllBut };
        let groups: Vec<_> = self.by_fullness(among == Among::AllBut).collect();
        if groups.is_empty() && among == Among::AllBut {
            return Ok(None);
        }
        // As parameters, and compiled.
        self.texts.replace(2 * text_bytes(groups.iter()))?;
        self.grouping.filter(&groups, among).map(Some)
    }

    /// The rows of the answer, group after group.
    ///
    /// # Errors
    /// `Invalid` if the keys of all queries' groups are too long.
    pub(super) fn finish(mut self) -> Result<(Vec<Candidate>, Vec<HitGroup>)> {
        self.close();
        let groups = &self.groups[self.grouping.offset.min(self.groups.len())..];
        self.grouping.texts.hold(text_bytes(groups.iter().map(|(key, _)| key)))?;
        let group =
            |(key, rows): &(GroupKey<'_>, Vec<_>)| HitGroup { key: key.value(), rows: rows.len() };
        let candidates = groups.iter().flat_map(|(_, rows)| rows).copied().collect();
        Ok((candidates, groups.iter().map(group).collect()))
    }
}

fn text_bytes<'k>(keys: impl Iterator<Item = &'k GroupKey<'k>>) -> usize {
    keys.map(|key| key.text_bytes()).sum()
}

/// Leaves the nearest, in order.
pub(super) fn keep_nearest(rows: &mut Vec<Candidate>, count: usize) {
    rows.sort_unstable_by(Candidate::by_distance);
    rows.truncate(count);
}
