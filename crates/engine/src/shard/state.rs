//! The segments of a shard as its writer has them.

use super::requests::RequestWindow;
use super::view::{SegmentView, View};
use crate::columns::IdRef;
use crate::fetch::Source;
use crate::filtering::CompiledFilter;
use crate::segment::{MemorySegment, SealedView, Tombstone};
use std::collections::BTreeMap;
use std::time::Instant;
use vicinal_storage::LogPosition;
use vicinal_types::{ColumnId, Schema, SegmentId, Version};

/// Everything that applied writes have made.
#[derive(Debug)]
pub(crate) struct State {
    /// Sealed segments, oldest first.
    pub(crate) sealed: Vec<SealedState>,
    /// Frozen segments, oldest first, then the growing one.
    pub(crate) memory: Vec<MemorySegment>,
    /// Segments whose files cannot be read, with the reason.
    pub(crate) damaged: Vec<String>,
    /// Outcomes of writes with request ids.
    pub(crate) requests: RequestWindow,
    /// The last applied entry.
    pub(crate) applied: LogPosition,
    /// The manifest's files hold every write up to this Raft index; what came later
    /// comes again from the log after a crash.
    pub(crate) durable: u64,
    /// When the first write since the last freeze was applied.
    pub(crate) first_change: Option<Instant>,
    /// The last write that does what a column's values say, by column.
    last_read: BTreeMap<ColumnId, u64>,
    /// Views published so far.
    pub(crate) published: u64,
    next_segment: SegmentId,
}

/// A sealed segment with the tombstones that its next file must hold.
#[derive(Debug)]
pub(crate) struct SealedState {
    pub(crate) view: SealedView,
    /// All deletions of its rows, in order.
    pub(crate) tombstones: Vec<Tombstone>,
}

/// Where a live row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Place of the segment among those in memory, row.
    Memory(usize, u32),
    /// Place of the segment among the sealed ones, row.
    Sealed(usize, u32),
}

impl SealedState {
    /// The tombstones of writes up to a Raft index.
    pub(crate) fn tombstones_up_to(&self, index: u64) -> &[Tombstone] {
        let end = self.tombstones.partition_point(|tombstone| tombstone.version.index <= index);
        &self.tombstones[..end]
    }
}

impl State {
    /// The state that a manifest describes; the log's tail is applied to it.
    pub(super) fn new(
        sealed: Vec<SealedState>,
        damaged: Vec<String>,
        requests: RequestWindow,
        applied: LogPosition,
        next_segment: SegmentId,
    ) -> Self {
        let mut state = Self {
            sealed,
            memory: Vec::new(),
            damaged,
            requests,
            applied,
            durable: applied.index,
            first_change: None,
            last_read: BTreeMap::new(),
            published: 0,
            next_segment,
        };
        state.add_growing();
        state
    }

    /// The live row of an id.
    pub(crate) fn find(&self, hash: u64, id: IdRef<'_>) -> Option<Place> {
        for (at, segment) in self.memory.iter().enumerate().rev() {
            if let Some(row) = segment.find(hash, id).filter(|row| segment.view.is_live(*row)) {
                return Some(Place::Memory(at, row));
            }
        }
        for (at, segment) in self.sealed.iter().enumerate().rev() {
            let row = segment.view.sealed.find(hash, id);
            if let Some(row) = row.filter(|row| segment.view.is_live(*row)) {
                return Some(Place::Sealed(at, row));
            }
        }
        None
    }

    /// The block of rows that holds a row, and the row's place in it.
    pub(crate) fn source(&self, place: Place) -> Source<'_> {
        match place {
            Place::Memory(at, row) => {
                let (chunk, row) = self.memory[at].view.locate(row);
                (&chunk.rows, row)
            }
            Place::Sealed(at, row) => (&self.sealed[at].view.sealed.rows, row),
        }
    }

    /// Deletes a live row.
    pub(crate) fn delete(&mut self, place: Place, version: Version) {
        match place {
            Place::Memory(at, row) => self.memory[at].delete(row, version),
            Place::Sealed(at, row) => {
                self.sealed[at].view.delete(row);
                self.sealed[at].tombstones.push(Tombstone { row, version });
            }
        }
    }

    /// The segment that takes rows.
    pub(crate) fn growing(&mut self) -> &mut MemorySegment {
        self.memory.last_mut().expect("there is always a growing segment")
    }

    /// Freezes the growing segment at the last applied entry and starts another.
    pub(crate) fn freeze(&mut self) {
        let at = self.applied;
        self.growing().freeze(at);
        self.first_change = None;
        self.add_growing();
    }

    fn add_growing(&mut self) {
        let id = self.take_segment();
        self.memory.push(MemorySegment::new(id));
    }

    /// A number for a new segment.
    pub(crate) fn take_segment(&mut self) -> SegmentId {
        let id = self.next_segment;
        self.next_segment = SegmentId(id.0 + 1);
        id
    }

    /// The place of a sealed segment.
    pub(crate) fn sealed_at(&self, id: SegmentId) -> Option<usize> {
        self.sealed.iter().position(|segment| segment.view.sealed.id == id)
    }

    /// What searches see of it.
    pub(crate) fn view(&self) -> View {
        let sealed = self.sealed.iter().map(|segment| SegmentView::Sealed(segment.view.clone()));
        let memory = self.memory.iter().map(|segment| SegmentView::Memory(segment.view.clone()));
        View {
            number: self.published,
            segments: sealed.chain(memory).collect(),
            damaged: self.damaged.clone(),
        }
    }

    /// Notes that the write at `index` has filters.
    pub(crate) fn filtered<'a>(
        &mut self,
        index: u64,
        filters: impl Iterator<Item = &'a CompiledFilter>,
    ) {
        self.reads(index, filters.flat_map(CompiledFilter::reads));
    }

    /// Notes that what the write at `index` does depends on columns.
    pub(crate) fn reads(&mut self, index: u64, columns: impl Iterator<Item = ColumnId>) {
        self.last_read.extend(columns.map(|column| (column, index)));
    }

    /// Whether every write that reads a column that `schema` does not have is in
    /// the manifest's files.
    pub(crate) fn may_drop_columns(&self, schema: &Schema) -> bool {
        let is_there = |id: &ColumnId| schema.columns().iter().any(|column| column.id == *id);
        let mut dropped = self.last_read.iter().filter(|(id, _)| !is_there(id));
        dropped.all(|(_, index)| *index <= self.durable)
    }

    /// Bytes of commands that only the log holds.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.memory.iter().map(|segment| segment.command_bytes).sum()
    }

    /// Bytes of the maps from ids to rows.
    pub(crate) fn id_map_bytes(&self) -> usize {
        self.memory.iter().map(MemorySegment::id_map_bytes).sum()
    }

    /// Bytes of tombstones and remembered requests.
    pub(crate) fn history_bytes(&self) -> usize {
        let of_segment = |segment: &SealedState| {
            let live = segment.view.live.as_ref().map_or(0, |live| live.len() / 8);
            segment.tombstones.capacity() * size_of::<Tombstone>() + live
        };
        self.sealed.iter().map(of_segment).sum::<usize>() + self.requests.bytes()
    }
}
