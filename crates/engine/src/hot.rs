//! Memory for copies of what searches touch most.
//!
//! A file map has small pages; a walk through a graph touches so many of them
//! that address translation costs a sixth of its time. Indexes that fit the
//! limit are copied to memory with large pages, in the background, and what fits the
//! CPU at hand is measured on the copy: in a file's map that would read cold pages.

use crate::memory::MemoryBudget;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vicinal_index::{Index, Vectors};
use vicinal_types::Clock;

/// The part of all memory that copies take at most, whatever the limit.
const MEMORY_PART: u64 = 4;

/// What copies may take, and what they do.
#[derive(Debug)]
pub(crate) struct HotMemory {
    limit: u64,
    used: AtomicU64,
    budget: Arc<MemoryBudget>,
}

/// An index with its own memory, which is given back with it.
#[derive(Debug)]
pub(crate) struct HotIndex {
    index: Index,
    bytes: u64,
    memory: Arc<HotMemory>,
}

impl HotMemory {
    /// At most `limit` bytes and a quarter of what the budget allows, while there is
    /// room in it.
    pub(crate) fn new(limit: u64, budget: Arc<MemoryBudget>) -> Arc<Self> {
        let limit = limit.min(budget.limit() / MEMORY_PART);
        Arc::new(Self { limit, used: AtomicU64::new(0), budget })
    }

    /// Bytes that copies take.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether a copy of an index would be of use and has room.
    pub(crate) fn takes(&self, index: &Index) -> bool {
        let bytes = index.hot_bytes() as u64;
        bytes > 0 && self.used() + bytes <= self.limit && self.budget.has_room_for_copy(bytes)
    }

    /// Copies an index, if there is room for it.
    pub(crate) fn copy(self: &Arc<Self>, index: &Index) -> Option<HotIndex> {
        let bytes = index.hot_bytes() as u64;
        let room = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        let copy = index.hot_copy();
        if copy.is_none() {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        self.budget.add(bytes);
        Some(HotIndex { index: copy?, bytes, memory: Arc::clone(self) })
    }
}

impl HotIndex {
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Bytes of the copy.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Chooses how far ahead searches ask for memory.
    pub(crate) fn measure_ahead(&mut self, vectors: &Vectors, clock: &dyn Clock) {
        self.index.measure_ahead(vectors, clock);
    }
}

impl Drop for HotIndex {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
