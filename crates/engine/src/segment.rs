//! Segments: rows in memory while they grow, in a mapped file once sealed.

mod chunk;
mod format;
mod graph;
mod lessons;
mod memory;
mod rows;
mod scalar_indexes;
mod sealed;
mod tombstones;

pub(crate) use chunk::Chunk;
pub(crate) use format::{Dropped, Part, dropped, write_segment};
pub(crate) use graph::{GrowingGraph, Interim};
pub(crate) use lessons::LearnedCurve;
pub(crate) use memory::{MemorySegment, MemoryView, PlacedChunk};
pub(crate) use rows::{Rows, VectorPart, Versions};
pub(crate) use scalar_indexes::ScalarIndexes;
pub(crate) use sealed::{BuiltIndex, Sealed, SealedView};
pub(crate) use tombstones::{Tombstone, read_tombstones, write_tombstones};
