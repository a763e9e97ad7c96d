//! Comparing with all rows that can still count: the nearest groups, then their rows.
//!
//! In two passes, so that what is kept is a few groups or the rows of a few, never all
//! groups that there are.

use super::gathered::{Gathered, keep_nearest};
use super::{GroupKey, Prepared};
use crate::fetch::{Source, source};
use crate::scratches::Candidate;
use crate::segment::Rows;
use crate::shard::SegmentView;
use rayon::prelude::*;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use vicinal_types::Stopped;

/// Rows that are compared together; between them, it is looked whether anybody waits.
const BLOCK_ROWS: usize = 512;

/// Kept beyond what is wanted, so that sorting it out is rare.
const SPARE: usize = 64;

impl Prepared {
    /// The nearest row of each of the nearest groups, and the distances computed.
    pub(super) fn scan_for_groups(
        &self,
        query: &[u8],
        gathered: &Gathered<'_>,
        spread: bool,
    ) -> Result<(Vec<Candidate>, u64), Stopped> {
        let (grouping, wanted) = (gathered.grouping, gathered.grouping.wanted);
        let (found, distances) = self.each_segment(spread, |at| {
            let mut nearest = NearestGroups::new(wanted);
            let distances = self.each_row(query, at, |candidate, source| {
                if candidate.key <= nearest.farthest {
                    nearest.offer(candidate, grouping.key(source));
                }
            })?;
            Ok((nearest.into_rows(), distances))
        })?;
        // One row of each group, not one of each segment: others may lie between those.
        let mut nearest = NearestGroups::new(wanted);
        for candidate in found {
            let source = source(&self.view, candidate.segment, candidate.row);
            nearest.offer(candidate, grouping.key(source));
        }
        Ok((nearest.into_rows(), distances))
    }

    /// The nearest rows of the groups that are not full, and the distances computed.
    pub(super) fn scan_for_rows(
        &self,
        query: &[u8],
        gathered: &Gathered<'_>,
        spread: bool,
    ) -> Result<(Vec<Candidate>, u64), Stopped> {
        let size = gathered.grouping.size;
        self.each_segment(spread, |at| {
            let mut groups: HashMap<GroupKey<'_>, Vec<Candidate>> = HashMap::new();
            groups.extend(gathered.open().map(|key| (key, Vec::new())));
            let distances = self.each_row(query, at, |candidate, source| {
                if let Some(rows) = groups.get_mut(&gathered.grouping.key(source)) {
                    rows.push(candidate);
                    if rows.len() >= 2 * size + SPARE {
                        keep_nearest(rows, size);
                    }
                }
            })?;
            groups.values_mut().for_each(|rows| keep_nearest(rows, size));
            Ok((groups.into_values().flatten().collect(), distances))
        })
    }

    /// What `scan` finds in all segments.
    fn each_segment(
        &self,
        spread: bool,
        scan: impl Fn(usize) -> Result<(Vec<Candidate>, u64), Stopped> + Sync,
    ) -> Result<(Vec<Candidate>, u64), Stopped> {
        let segments = 0..self.view.segments.len();
        let found: Vec<_> = if spread {
            segments.into_par_iter().map(&scan).collect::<Result<_, _>>()?
        } else {
            segments.map(scan).collect::<Result<_, _>>()?
        };
        let distances = found.iter().map(|(_, distances)| distances).sum();
        Ok((found.into_iter().flat_map(|(rows, _)| rows).collect(), distances))
    }

    /// Shows each row of a segment that passes and has a key that is wanted; the distances
    /// computed.
    pub(in crate::search) fn each_row<'a>(
        &'a self,
        query: &[u8],
        at: usize,
        mut show: impl FnMut(Candidate, Source<'a>),
    ) -> Result<u64, Stopped> {
        let blocks: Vec<(&Rows, u32)> = match &self.view.segments[at] {
            SegmentView::Sealed(sealed) => {
                self.count_search(sealed);
                vec![(&sealed.sealed.rows, 0)]
            }
            SegmentView::Memory(memory) => {
                memory.chunks.iter().map(|placed| (&placed.chunk.rows, placed.first_row)).collect()
            }
        };
        let passing = self.parts[at].passing.rows.as_deref();
        let (mut batch, mut keys) = (Vec::with_capacity(BLOCK_ROWS), [0.0; BLOCK_ROWS]);
        let mut distances = 0;
        for (rows, first_row) in blocks {
            // Rows written after the column was dropped have no part in this search.
            let Some(part) = rows.vectors(self.column) else { continue };
            let passes =
                |row: &u32| passing.is_none_or(|passing| passing.contains(first_row + row));
            let mut left = (0..rows.len()).filter(passes);
            loop {
                self.cancel.check()?;
                batch.clear();
                batch.extend(left.by_ref().take(BLOCK_ROWS));
                if batch.is_empty() {
                    break;
                }
                let keys = &mut keys[..batch.len()];
                part.vectors.comparer().keys_at(query, part.vectors.bytes(), &batch, keys);
                distances += batch.len() as u64;
                for (&row, &key) in batch.iter().zip(&*keys) {
                    if self.keys.contains(key) {
                        show(Candidate { key, segment: at, row: first_row + row }, (rows, row));
                    }
                }
            }
        }
        Ok(distances)
    }
}

/// The nearest row of each group, as far as the group can be one of the nearest.
struct NearestGroups<'a> {
    best: HashMap<GroupKey<'a>, Candidate>,
    wanted: usize,
    /// Rows beyond this make no group one of them.
    farthest: f32,
}

impl<'a> NearestGroups<'a> {
    fn new(wanted: usize) -> Self {
        Self { best: HashMap::new(), wanted, farthest: f32::INFINITY }
    }

    fn into_rows(mut self) -> Vec<Candidate> {
        self.prune();
        self.best.into_values().collect()
    }

    fn offer(&mut self, candidate: Candidate, key: GroupKey<'a>) {
        match self.best.entry(key) {
            Entry::Occupied(mut there) => {
                if candidate.by_distance(there.get()).is_lt() {
                    there.insert(candidate);
                }
            }
            Entry::Vacant(place) => {
                place.insert(candidate);
            }
        }
        if self.best.len() >= 2 * self.wanted + SPARE {
            self.prune();
        }
    }

    fn prune(&mut self) {
        if self.best.len() <= self.wanted {
            return;
        }
        let mut all: Vec<_> = self.best.drain().collect();
        all.sort_unstable_by(|(_, a), (_, b)| a.by_distance(b));
        all.truncate(self.wanted);
        self.farthest = all.last().map_or(f32::NEG_INFINITY, |(_, last)| last.key);
        self.best.extend(all);
    }
}
