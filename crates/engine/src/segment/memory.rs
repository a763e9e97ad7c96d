//! A segment in memory: growing, or frozen and on its way to its file.
//!
//! Rows are appended as chunks that never change, so searches read them while
//! the next write is applied. Small chunks are put together as they come, like
//! the digits of a binary counter: a row is copied a logarithmic number of times
//! and there are few chunks to scan.

use super::{Chunk, GrowingGraph, Tombstone};
use crate::columns::{IdRef, id_is};
use hashbrown::HashTable;
use std::sync::Arc;
use vicinal_storage::LogPosition;
use vicinal_types::{Bitmap, SegmentId, Version};

/// Rows above which chunks are not put together any more: large enough for a
/// scan to run at the speed of memory, small enough to copy between two writes.
const CHUNK_ROWS_MAX: u32 = 8_192;

/// What a search sees of a segment in memory.
#[derive(Clone, Debug)]
pub(crate) struct MemoryView {
    pub(crate) id: SegmentId,
    pub(crate) is_frozen: bool,
    /// By ascending first row.
    pub(crate) chunks: Vec<PlacedChunk>,
    pub(crate) row_count: u32,
    /// The rows that are not deleted, if any is; may range over more rows.
    pub(crate) live: Option<Arc<Bitmap>>,
    pub(crate) deleted_count: u32,
    /// Graphs over its vector columns, as far as it is large enough for them.
    pub(crate) graphs: Vec<Arc<GrowingGraph>>,
}

/// A chunk and where in its segment it begins.
#[derive(Clone, Debug)]
pub(crate) struct PlacedChunk {
    pub(crate) first_row: u32,
    pub(crate) chunk: Arc<Chunk>,
}

/// A segment in memory with the map from ids to rows; one owner writes it.
#[derive(Debug)]
pub(crate) struct MemorySegment {
    pub(crate) view: MemoryView,
    ids: HashTable<IdEntry>,
    /// Where it was frozen: it holds every row written up to here.
    pub(crate) frozen_at: Option<LogPosition>,
    /// Bytes of the commands applied while it grew: the log holds them until it
    /// is sealed.
    pub(crate) command_bytes: u64,
    /// Bytes of rows that its commands did not bring, but copied from others.
    pub(crate) copied_bytes: u64,
    /// Deletions since it was frozen; those before are not sealed at all.
    pub(crate) late_tombstones: Vec<Tombstone>,
}

#[derive(Debug)]
struct IdEntry {
    hash: u64,
    row: u32,
}

impl MemoryView {
    /// The chunk that holds a row, and the row's place in it.
    pub(crate) fn locate(&self, row: u32) -> (&Chunk, u32) {
        let after = self.chunks.partition_point(|placed| placed.first_row <= row);
        let placed = &self.chunks[after - 1];
        (&placed.chunk, row - placed.first_row)
    }

    /// Whether the row was not deleted.
    pub(crate) fn is_live(&self, row: u32) -> bool {
        self.live.as_ref().is_none_or(|live| live.contains(row))
    }

    /// Rows that are not deleted.
    pub(crate) fn live_count(&self) -> u64 {
        u64::from(self.row_count - self.deleted_count)
    }

    /// Bytes of the rows in memory.
    pub(crate) fn bytes(&self) -> usize {
        let chunks: usize = self.chunks.iter().map(|placed| placed.chunk.bytes()).sum();
        let graphs: usize = self.graphs.iter().map(|graph| graph.bytes()).sum();
        chunks + graphs + self.live.as_ref().map_or(0, |live| live.len() / 8)
    }
}

impl MemorySegment {
    /// An empty growing segment.
    pub(crate) fn new(id: SegmentId) -> Self {
        let view = MemoryView {
            id,
            is_frozen: false,
            chunks: Vec::new(),
            row_count: 0,
            live: None,
            deleted_count: 0,
            graphs: Vec::new(),
        };
        Self {
            view,
            ids: HashTable::new(),
            frozen_at: None,
            command_bytes: 0,
            copied_bytes: 0,
            late_tombstones: Vec::new(),
        }
    }

    /// The row of an id, deleted or not; the latest if it was written again.
    pub(crate) fn find(&self, hash: u64, id: IdRef<'_>) -> Option<u32> {
        let is_it = |entry: &IdEntry| {
            let (chunk, row) = self.view.locate(entry.row);
            entry.hash == hash && id_is(&chunk.rows.ids, row as usize, id)
        };
        self.ids.find(hash, is_it).map(|entry| entry.row)
    }

    /// Appends rows; live rows of the same ids must have been deleted before.
    pub(crate) fn push(&mut self, chunk: Chunk) {
        let first_row = self.view.row_count;
        self.view.row_count += chunk.len();
        self.reserve_live();
        let chunk = Arc::new(chunk);
        self.view.chunks.push(PlacedChunk { first_row, chunk: Arc::clone(&chunk) });
        for (row, &hash) in (first_row..).zip(&chunk.hashes) {
            let id = crate::columns::id_ref(&chunk.rows.ids, (row - first_row) as usize);
            let view = &self.view;
            let is_it = |entry: &IdEntry| {
                let (other, at) = view.locate(entry.row);
                entry.hash == hash && id_is(&other.rows.ids, at as usize, id)
            };
            match self.ids.find_mut(hash, is_it) {
                Some(entry) => entry.row = row,
                None => {
                    self.ids.insert_unique(hash, IdEntry { hash, row }, |entry| entry.hash);
                }
            }
        }
        self.merge_tail();
    }

    /// Deletes a live row.
    pub(crate) fn delete(&mut self, row: u32, version: Version) {
        let view = &mut self.view;
        let capacity = (view.row_count as usize).next_multiple_of(65_536);
        let live = view.live.get_or_insert_with(|| Arc::new(Bitmap::full(capacity)));
        let was_live = Arc::make_mut(live).remove(row);
        assert!(was_live, "row {row} of segment {} is deleted twice", view.id);
        view.deleted_count += 1;
        if self.frozen_at.is_some() {
            self.late_tombstones.push(Tombstone { row, version });
        }
    }

    /// Takes no more rows from here on.
    pub(crate) fn freeze(&mut self, at: LogPosition) {
        self.frozen_at = Some(at);
        self.view.is_frozen = true;
    }

    /// Bytes of the map from ids to rows.
    pub(crate) fn id_map_bytes(&self) -> usize {
        self.ids.capacity() * (size_of::<IdEntry>() + 1)
    }

    fn reserve_live(&mut self) {
        let rows = self.view.row_count as usize;
        if let Some(live) = &mut self.view.live
            && live.len() < rows
        {
            Arc::make_mut(live).extend_full(rows.next_multiple_of(65_536));
        }
    }

    fn merge_tail(&mut self) {
        let chunks = &mut self.view.chunks;
        while let [.., a, b] = chunks.as_slice() {
            let (left, right) = (a.chunk.len(), b.chunk.len());
            if left + right > CHUNK_ROWS_MAX || left > 2 * right {
                break;
            }
            // A column came or went between them.
            if !a.chunk.rows.has_columns_of(&b.chunk.rows) {
                break;
            }
            let first_row = a.first_row;
            let chunk = Arc::new(Chunk::concat(&a.chunk, &b.chunk));
            chunks.truncate(chunks.len() - 2);
            chunks.push(PlacedChunk { first_row, chunk });
        }
    }
}
