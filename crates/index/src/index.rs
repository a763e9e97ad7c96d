//! One index of a segment's vector column, whatever its kind.

use crate::flat::Flat;
use crate::hnsw::{Hnsw, HnswParams, HnswScratch};
use crate::{IndexError, Neighbor, Vectors, Work};
use bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering};
use vicinal_types::{Bitmap, Cancel, Error, IndexKind, Stopped};

/// Which index to build, with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexParams {
    /// Compare with every row.
    Flat,
    /// A navigable small-world graph.
    Hnsw(HnswParams),
}

/// An index of one vector column of one segment.
///
/// It does not hold the vectors: every call gets the same [`Vectors`] that the
/// index was built or opened with.
#[derive(Clone, Debug)]
pub enum Index {
    /// Compares with every row.
    Flat(Flat),
    /// A navigable small-world graph.
    Hnsw(Box<Hnsw>),
}

/// What to search for.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// Neighbours wanted.
    pub k: usize,
    /// Candidates kept while searching; at least `k` is used. FLAT ignores it.
    pub effort: usize,
    /// The rows that may be found; all if there is no mask.
    pub allowed: Option<&'a Bitmap>,
    /// Only rows whose key is at most this are found; infinity for all.
    pub within: f32,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The neighbours, nearest first, ties by row.
    pub neighbors: Vec<Neighbor>,
    /// What it took.
    pub work: Work,
}

/// How far a build is; others read it while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    total: AtomicU64,
}

/// Memory that searches of one thread use again and again. It grows to the
/// largest index searched with it.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) hnsw: HnswScratch,
}

/// A stored part of an index: its kind, its format version, its bytes.
pub type Section = (u32, u16, Bytes);

/// The kinds of sections that indexes are stored as.
pub mod section {
    /// What kind of index it is and its parameters; every index has it.
    pub const HEADER: u32 = 1;
    /// HNSW: the links of the ground layer.
    pub const HNSW_GROUND: u32 = 2;
    /// HNSW: the layers above the ground.
    pub const HNSW_UPPER: u32 = 3;
    /// HNSW: rows whose vector another row has as well.
    pub const HNSW_DUPLICATES: u32 = 4;
}

/// The format version of all sections so far.
pub(crate) const VERSION: u16 = 1;

/// The first word of the header of a FLAT index.
pub(crate) const FLAT: u32 = 1;

/// The first word of the header of an HNSW index.
pub(crate) const HNSW: u32 = 2;

impl Search<'_> {
    /// The `k` nearest of all rows.
    pub fn new(k: usize, effort: usize) -> Self {
        Self { k, effort, allowed: None, within: f32::INFINITY }
    }
}

impl Index {
    /// Builds an index over all rows, on all threads of `pool`.
    ///
    /// On a pool of one thread the same parameters and rows give the same index.
    ///
    /// # Errors
    /// [`IndexError`] for a parameter out of its bounds, or when `cancel` says
    /// to stop.
    pub fn build(
        params: &IndexParams,
        vectors: &Vectors,
        pool: &rayon::ThreadPool,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Self, IndexError> {
        progress.start(u64::from(vectors.len()));
        let index = match params {
            IndexParams::Flat => Self::Flat(Flat::new(vectors)),
            IndexParams::Hnsw(params) => {
                Self::Hnsw(Box::new(Hnsw::build(*params, vectors, pool, progress, cancel)?))
            }
        };
        progress.finish();
        Ok(index)
    }

    /// Finds the nearest rows: `search.k` of them, or all that are allowed if
    /// these are fewer.
    ///
    /// # Errors
    /// [`Stopped`] when `cancel` says so.
    ///
    /// # Panics
    /// If `query` is not one stored vector, the mask has not one bit a row, or
    /// `vectors` are not those of the index.
    pub fn search(
        &self,
        vectors: &Vectors,
        query: &[u8],
        search: &Search<'_>,
        scratch: &mut Scratch,
        cancel: &Cancel,
    ) -> Result<Found, Stopped> {
        if let Some(allowed) = search.allowed {
            assert_eq!(allowed.len(), vectors.len() as usize, "a mask has one bit a row");
        }
        let mut found = match self {
            Self::Flat(flat) => flat.search(vectors, query, search, cancel),
            Self::Hnsw(hnsw) => hnsw.search(vectors, query, search, &mut scratch.hnsw, cancel),
        }?;
        let within = found.neighbors.partition_point(|found| found.key <= search.within);
        found.neighbors.truncate(within);
        Ok(found)
    }

    /// The index as sections to store; [`open`](Self::open) takes them back.
    pub fn sections(&self) -> Vec<Section> {
        match self {
            Self::Flat(flat) => flat.sections(),
            Self::Hnsw(hnsw) => hnsw.sections(),
        }
    }

    /// Opens a stored index over the vectors it was built for. The bytes are
    /// searched where they lie; copied only if they are not aligned to 4.
    ///
    /// `read` gives the version and bytes of a section by its kind.
    ///
    /// # Errors
    /// [`IndexError`] if a section cannot be read, has an unknown version, or
    /// contradicts itself or the vectors.
    pub fn open(
        read: &mut dyn FnMut(u32) -> Result<(u16, Bytes), Error>,
        vectors: &Vectors,
    ) -> Result<Self, IndexError> {
        let mut checked = |section| {
            let (found, bytes) =
                read(section).map_err(|source| IndexError::Unreadable { section, source })?;
            if found != VERSION {
                return Err(IndexError::Version { section, found, supported: VERSION });
            }
            Ok(bytes)
        };
        let header = checked(section::HEADER)?;
        let kind = header.first_chunk().map(|word| u32::from_le_bytes(*word));
        match kind {
            Some(FLAT) => Ok(Self::Flat(Flat::open(&header, vectors)?)),
            Some(HNSW) => Ok(Self::Hnsw(Box::new(Hnsw::open(&header, &mut checked, vectors)?))),
            Some(_) | None => {
                let reason = format!("index kind {kind:?} is unknown");
                Err(IndexError::Damaged { section: section::HEADER, reason })
            }
        }
    }

    /// Bytes that the index holds, mapped or in memory, beside the vectors.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Flat(_) => 0,
            Self::Hnsw(hnsw) => hnsw.bytes(),
        }
    }

    /// The kind of index; never AUTO.
    pub fn kind(&self) -> IndexKind {
        match self {
            Self::Flat(_) => IndexKind::Flat,
            Self::Hnsw(_) => IndexKind::Hnsw,
        }
    }

    /// The parameters it was built with.
    pub fn params(&self) -> IndexParams {
        match self {
            Self::Flat(_) => IndexParams::Flat,
            Self::Hnsw(hnsw) => IndexParams::Hnsw(hnsw.params()),
        }
    }
}

impl Progress {
    /// Rows done.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Rows in all; 0 before the build has begun.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, rows: u64) {
        self.done.fetch_add(rows, Ordering::Relaxed);
    }

    fn start(&self, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    fn finish(&self) {
        self.done.store(self.total(), Ordering::Relaxed);
    }
}
