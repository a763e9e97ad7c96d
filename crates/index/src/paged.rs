//! A graph to be searched from a memory map of a disk (the layout of DiskANN,
//! Subramanya and others, 2019).
//!
//! A vertex's links and its row stand together in one record, and no record
//! crosses a page that it could stay within: following a vertex's links and
//! comparing its row takes one page. Which vertices to follow is told by codes,
//! which are in memory with the layers above the ground: about
//! [`HnswCodes`](vicinal_types::HnswCodes)' bits a dimension and 9 bytes a row.
//!
//! Vertices are numbered in the order of a breadth-first walk from the entry, so
//! that neighbours tend to share pages; rows that are copies of another have no
//! vertex.

mod build;
mod format;
mod records;
mod search;

use crate::hnsw::{Codes, Duplicates, HnswParams, HnswScratch, Tower, Words};
use crate::{IndexError, Progress, Section, Vectors};
use bytes::Bytes;
use records::{PagesRead, Records};
use vicinal_types::Cancel;

/// A graph of records as it is stored and searched.
#[derive(Clone, Debug)]
pub struct Paged {
    params: HnswParams,
    /// Rows of the segment.
    rows: u32,
    records: Records,
    /// The row of every vertex.
    row_of: Words,
    tower: Tower,
    codes: Codes,
    duplicates: Duplicates,
}

/// Memory of searches, used again by the next.
#[derive(Debug, Default)]
pub(crate) struct PagedScratch {
    graph: HnswScratch,
    pages: PagesRead,
}

impl Paged {
    pub(crate) fn build(
        params: HnswParams,
        vectors: &Vectors,
        pool: &rayon::ThreadPool,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Self, IndexError> {
        build::build(params, vectors, pool, progress, cancel)
    }

    pub(crate) fn sections(&self) -> Vec<Section> {
        format::encode(self)
    }

    pub(crate) fn open(
        header: &[u8],
        read: &mut dyn FnMut(u32) -> Result<Bytes, IndexError>,
        vectors: &Vectors,
    ) -> Result<Self, IndexError> {
        format::decode(header, read, vectors)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.records.bytes().len() + self.resident_bytes()
    }

    /// The pages that searches read here and there.
    pub(crate) fn records(&self) -> &Bytes {
        self.records.bytes()
    }

    /// Bytes that every search needs near: all but the records.
    pub fn resident_bytes(&self) -> usize {
        let (upper, row_of) = (self.tower.words.bytes().len(), self.row_of.bytes().len());
        upper + row_of + self.codes.bytes() + self.duplicates.bytes()
    }

    /// Pages that reading one record takes.
    pub fn pages_per_record(&self) -> usize {
        self.records.pages_per_record()
    }

    pub(crate) fn params(&self) -> HnswParams {
        self.params
    }

    /// Whether a row shares its vertex with another.
    pub(crate) fn is_duplicated(&self, row: u32) -> bool {
        self.duplicates.is_duplicate(row) || !self.duplicates.of(row).is_empty()
    }
}

#[cfg(test)]
mod tests;
