//! Records of vertices in pages.
//!
//! A record is the number of its links, places for all links that a vertex may
//! have, and the vertex's row. As many stand in a page as fit; one that is larger
//! than a page begins a page and takes as many as it needs.
//!
//! What the records say is checked as it is read: looking at all of them when a
//! graph is opened would read the whole disk.

use crate::hnsw::{Links, Words};
use bytes::Bytes;
use std::cell::RefCell;
use vicinal_distance::prefetch;
use vicinal_types::VectorType;

/// Bytes that a disk reads at once.
pub(super) const PAGE_BYTES: usize = 4_096;

/// Where records lie and what is in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Links of a record at most.
    degree: usize,
    row_bytes: usize,
    record_bytes: usize,
    /// Records of a page; 1 if a record takes several pages.
    per_page: usize,
    /// Pages of a record; 1 if a page has several records.
    pages_each: usize,
}

/// The records of all vertices.
#[derive(Clone, Debug)]
pub(super) struct Records {
    shape: Shape,
    vertices: u32,
    words: Words,
}

/// Which pages a search read.
#[derive(Debug, Default)]
pub(super) struct PagesRead {
    read: Vec<u64>,
    count: u64,
}

/// The records as a walk sees them; it notes the pages of those expanded.
pub(super) struct PagedLinks<'a> {
    pub(super) records: &'a Records,
    pub(super) pages: RefCell<&'a mut PagesRead>,
}

impl Shape {
    pub(super) fn new(vector: VectorType, degree: usize) -> Self {
        let row_bytes = vector.row_bytes();
        let record_bytes = (size_of::<u32>() * (1 + degree) + row_bytes).next_multiple_of(4);
        let per_page = (PAGE_BYTES / record_bytes).max(1);
        let pages_each = record_bytes.div_ceil(PAGE_BYTES);
        Self { degree, row_bytes, record_bytes, per_page, pages_each }
    }

    /// Bytes of the pages that hold so many records.
    pub(super) fn bytes(self, vertices: u32) -> usize {
        (vertices as usize).div_ceil(self.per_page) * self.pages_each * PAGE_BYTES
    }

    /// Where a record begins.
    #[inline]
    fn offset(self, vertex: u32) -> usize {
        let (page, place) = (vertex as usize / self.per_page, vertex as usize % self.per_page);
        page * self.pages_each * PAGE_BYTES + place * self.record_bytes
    }

    /// Writes a record into zeroed pages.
    pub(super) fn write(self, pages: &mut [u8], vertex: u32, links: &[u32], row: &[u8]) {
        let record = &mut pages[self.offset(vertex)..][..self.record_bytes];
        let (words, rest) = record.split_at_mut(size_of::<u32>() * (1 + self.degree));
        let count = u32::try_from(links.len()).expect("links fit their places");
        let values = std::iter::once(count).chain(links.iter().copied());
        for (place, value) in words.as_chunks_mut().0.iter_mut().zip(values) {
            *place = value.to_le_bytes();
        }
        rest[..self.row_bytes].copy_from_slice(row);
    }
}

impl Records {
    /// Takes whole pages of `vertices` records.
    pub(super) fn new(shape: Shape, vertices: u32, words: Words) -> Option<Self> {
        let is_right = words.bytes().len() == shape.bytes(vertices);
        is_right.then_some(Self { shape, vertices, words })
    }

    pub(super) fn bytes(&self) -> &Bytes {
        self.words.bytes()
    }

    pub(super) fn vertices(&self) -> u32 {
        self.vertices
    }

    pub(super) fn pages_per_record(&self) -> usize {
        self.shape.pages_each
    }

    /// The row in a vertex's record.
    #[inline]
    pub(super) fn row(&self, vertex: u32) -> &[u8] {
        let start = self.shape.offset(vertex) + size_of::<u32>() * (1 + self.shape.degree);
        &self.words.bytes()[start..start + self.shape.row_bytes]
    }

    #[inline]
    fn record(&self, vertex: u32) -> &[u8] {
        let start = self.shape.offset(vertex);
        &self.words.bytes()[start..start + self.shape.record_bytes]
    }
}

impl PagesRead {
    /// Forgets what was read, before a search of `records`.
    pub(super) fn begin(&mut self, records: &Records) {
        let pages = records.bytes().len() / PAGE_BYTES + 2;
        self.read.clear();
        self.read.resize(pages.div_ceil(64), 0);
        self.count = 0;
    }

    /// Different pages read.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Notes the pages of a record, by where it really lies in memory.
    #[inline]
    pub(super) fn note(&mut self, records: &Records, vertex: u32) {
        let skew = records.bytes().as_ptr().addr() % PAGE_BYTES;
        let start = skew + records.shape.offset(vertex);
        for page in start / PAGE_BYTES..=(start + records.shape.record_bytes - 1) / PAGE_BYTES {
            let (word, bit) = (&mut self.read[page / 64], 1 << (page % 64));
            self.count += u64::from(*word & bit == 0);
            *word |= bit;
        }
    }
}

impl Links for PagedLinks<'_> {
    #[inline]
    fn neighbors(&self, vertex: u32) -> impl Iterator<Item = u32> {
        let records = self.records;
        self.pages.borrow_mut().note(records, vertex);
        let words = records.record(vertex).as_chunks().0;
        let mut words = words.iter().map(|word| u32::from_le_bytes(*word));
        let count = words.next().unwrap_or(0) as usize;
        words.take(count.min(records.shape.degree)).filter(|&link| link < records.vertices)
    }

    #[inline]
    fn row(&self, vertex: u32) -> u32 {
        vertex
    }

    #[inline]
    fn prefetch(&self, vertex: u32) {
        prefetch(self.records.record(vertex));
    }
}
