//! Foreign engines behind the same interface: the crate `hnsw_rs`, always there,
//! and the library faiss, behind the cargo feature `faiss`.
//!
//! An engine gets the rows as 32-bit floats, which it copies, and gives rows;
//! keys, masks, duplicates and the order of equal rows are ours: what it found is
//! compared again by the stored rows, and where it cannot fill an answer, the
//! allowed rows are scanned. It is loaded by copy from checked bytes, since
//! loaders exit, assert or believe what they read.
//!
//! The loader of `hnsw_rs` knows files only: its bytes pass through a private
//! temporary folder that is gone when opening returns, the one exception to this
//! crate's knowing no files. Both engines bring threads of their own to a build,
//! `hnsw_rs` by rayon, faiss by OpenMP, no more than the pool has.

#[cfg(not(feature = "faiss"))]
mod absent;
#[cfg(feature = "faiss")]
mod faiss;
mod floats;
mod hnsw_rs;

use crate::hnsw::{Duplicates, Words, check_duplicates};
use crate::index::section;
use crate::{Found, IndexError, Search, TopK, Vectors, Work, scan};
use bytes::Bytes;
use std::ops::Range;
use vicinal_types::{Bitmap, Cancel, ForeignGraph, Stopped, limits};

#[cfg(not(feature = "faiss"))]
pub use absent::Faiss;
#[cfg(feature = "faiss")]
pub use faiss::Faiss;
pub use hnsw_rs::HnswRs;

// What is searched is shared by many threads.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<HnswRs>();
    shared::<Faiss>();
};

/// What a search asks of an engine once the mask and the number of rows are
/// taken into account.
#[derive(Clone, Copy)]
struct Asked<'a> {
    /// At most as many as may be found.
    k: usize,
    /// At least `k`.
    effort: usize,
    /// No mask if it allows every row.
    allowed: Option<&'a Bitmap>,
    /// Rows that may be found.
    passing: usize,
}

impl<'a> Asked<'a> {
    fn new(search: &Search<'a>, rows: u32) -> Self {
        let rows = rows as usize;
        let passing = search.allowed.map_or(rows, Bitmap::count);
        let k = search.k.min(passing);
        let allowed = search.allowed.filter(|_| passing < rows);
        Self { k, effort: search.effort.max(k), allowed, passing }
    }

    /// Whether walking a graph of `rows` rows is likely to be cheaper than
    /// comparing with every passing row.
    ///
    /// A walk expands about `rows / passing` vertices for one that passes; an
    /// expansion of a foreign graph, with its heaps and hash tables, costs some
    /// sixty comparisons of a scan.
    fn walk_pays(&self, rows: u32) -> bool {
        const SCANNED_PER_VERTEX: u64 = 64;
        let walked = self.effort as u64 * u64::from(rows) / self.passing.max(1) as u64;
        match self.allowed {
            None => self.effort < rows as usize,
            Some(_) => walked * SCANNED_PER_VERTEX < self.passing as u64,
        }
    }

    fn passes(&self, row: u32) -> bool {
        self.allowed.is_none_or(|allowed| allowed.contains(row))
    }

    /// Compares with every allowed row.
    fn exact(
        &self,
        vectors: &Vectors,
        query: &[u8],
        mut work: Work,
        cancel: &Cancel,
    ) -> Result<Found, Stopped> {
        let mut top = TopK::new(self.k);
        scan(vectors, query, self.allowed, 0, &mut top, &mut work, cancel)?;
        Ok(Found { neighbors: top.into_sorted(), work })
    }

    /// The nearest of what an engine found, by our own keys; rows that do not pass
    /// are left out. Compares with every allowed row if too few are left.
    fn rank(
        &self,
        vectors: &Vectors,
        query: &[u8],
        rows: impl Iterator<Item = u32>,
        mut work: Work,
        cancel: &Cancel,
    ) -> Result<Found, Stopped> {
        let mut top = TopK::new(self.k);
        for row in rows.filter(|&row| self.passes(row)) {
            top.push(vectors.key(query, row), row);
            work.distances += 1;
        }
        if top.len() < self.k {
            return self.exact(vectors, query, work, cancel);
        }
        Ok(Found { neighbors: top.into_sorted(), work })
    }
}

/// The bounds that engines put on a graph's parameters: `hnsw_rs` keeps `m` in a
/// byte.
fn check_graph(graph: ForeignGraph) -> Result<(), IndexError> {
    check_parameter("m", graph.m, 2, 255)?;
    check_parameter("ef_construction", graph.ef_construction, 4, limits::EF_CONSTRUCTION_MAX)
}

fn check_parameter(name: &'static str, value: u32, min: u32, max: u32) -> Result<(), IndexError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(IndexError::Parameter { name, value, min, max })
}

/// The section of rows whose vector another row has.
fn read_duplicates(
    read: &mut dyn FnMut(u32) -> Result<Bytes, IndexError>,
    rows: u32,
) -> Result<Duplicates, IndexError> {
    let words = whole_words(section::HNSW_DUPLICATES, read)?;
    check_duplicates(words.get(), rows)?;
    Ok(Duplicates::new(words, rows))
}

fn whole_words(
    section: u32,
    read: &mut dyn FnMut(u32) -> Result<Bytes, IndexError>,
) -> Result<Words, IndexError> {
    let bytes = read(section)?;
    let found = bytes.len();
    Words::new(bytes)
        .ok_or_else(|| damaged(section, format!("it has {found} bytes, not whole words")))
}

/// A little-endian word of a header that is long enough.
fn word(header: &[u8], at: Range<usize>) -> u32 {
    header[at].iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte))
}

fn damaged(section: u32, reason: impl Into<String>) -> IndexError {
    IndexError::Damaged { section, reason: reason.into() }
}
