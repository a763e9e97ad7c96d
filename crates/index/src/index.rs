//! One index of a segment's vector column, whatever its kind.

use crate::engines::{Faiss, HnswRs};
use crate::flat::{Flat, FlatCoded};
use crate::graph::Graph;
use crate::hnsw::Hnsw;
use crate::ivf::Ivf;
use crate::paged::Paged;
use crate::range::widen;
use crate::{IndexError, Neighbor, Scratch, SearchError, Vectors, Work};
use bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering};
pub use vicinal_types::IndexParams;
use vicinal_types::{Bitmap, Cancel, Error, IndexKind};

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
    /// A graph whose vertices carry codes of their neighbours.
    Graph(Box<Graph>),
    /// Looks at the codes of every row.
    FlatCoded(Box<FlatCoded>),
    /// Lists of near rows.
    Ivf(Box<Ivf>),
    /// A navigable small-world graph in pages, for disk.
    Paged(Box<Paged>),
    /// A navigable small-world graph by the crate `hnsw_rs`.
    HnswRs(Box<HnswRs>),
    /// An index by the library faiss; only in builds with the feature `faiss`.
    Faiss(Box<Faiss>),
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
    /// Only rows whose key is at most this are found; infinity for all. Rows are
    /// looked for up to there, so that `k` may be large without costing what so
    /// many rows would.
    pub within: f32,
    /// What searches with the same scratch found since
    /// [`Scratch::forget_rivals`] counts among the nearest: those were of the same
    /// query, in other segments.
    pub competes: bool,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The neighbours, nearest first, ties by row; in a buffer that
    /// [`Scratch::give_back`] takes.
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
    /// Graph: the record of every vertex.
    pub const GRAPH_RECORDS: u32 = 10;
    /// Graph: the row of every vertex.
    pub const GRAPH_ORDER: u32 = 11;
    /// Graph: the mean of the rows.
    pub const GRAPH_MEAN: u32 = 12;
    /// Graph: the landmarks that searches begin at.
    pub const GRAPH_LANDMARKS: u32 = 13;
    /// IVF: how many rows each list has and how far they reach.
    pub const IVF_LISTS: u32 = 20;
    /// IVF: the centroids of the lists.
    pub const IVF_CENTROIDS: u32 = 21;
    /// IVF: the codewords of product codes.
    pub const IVF_CODEBOOK: u32 = 22;
    /// IVF: the rows and codes of the lists.
    pub const IVF_BLOCKS: u32 = 23;
    /// FLAT over codes: what the codes are relative to.
    pub const FLAT_CENTER: u32 = 30;
    /// FLAT over codes: the codes.
    pub const FLAT_BLOCKS: u32 = 31;
    /// `hnsw_rs`: the levels and links of the vertices.
    pub const HNSW_RS_LINKS: u32 = 50;
    /// faiss: the index as faiss writes it.
    pub const FAISS_FILE: u32 = 51;
    /// HNSW: the codes of all rows, if it has any.
    pub const HNSW_CODES: u32 = 40;
    /// HNSW: the centre of 1-bit codes.
    pub const HNSW_CENTRE: u32 = 41;
    /// Paged graph: the records of the vertices, links and row.
    pub const PAGED_RECORDS: u32 = 44;
    /// Paged graph: the row of every vertex.
    pub const PAGED_ROWS: u32 = 45;
}

/// The format version of all sections so far.
pub(crate) const VERSION: u16 = 1;

/// The first word of the header of a FLAT index.
pub(crate) const FLAT: u32 = 1;

/// The first word of the header of an HNSW index.
pub(crate) const HNSW: u32 = 2;

/// The first word of the header of a graph of records.
pub(crate) const GRAPH: u32 = 3;

/// The first word of the header of an IVF index.
pub(crate) const IVF: u32 = 4;

/// The first word of the header of a FLAT index over codes.
pub(crate) const FLAT_CODED: u32 = 5;

/// The first word of the header of a graph by `hnsw_rs`.
pub(crate) const HNSW_RS: u32 = 6;

/// The first word of the header of an index by faiss.
pub(crate) const FAISS: u32 = 7;

/// The first word of the header of a graph in pages.
pub(crate) const PAGED: u32 = 8;

impl Search<'_> {
    /// The `k` nearest of all rows.
    pub fn new(k: usize, effort: usize) -> Self {
        Self { k, effort, allowed: None, within: f32::INFINITY, competes: false }
    }
}

impl Found {
    /// Leaves out what is farther.
    pub(crate) fn cut(&mut self, within: f32) {
        let count = self.neighbors.partition_point(|found| found.key <= within);
        self.neighbors.truncate(count);
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
            IndexParams::FlatCodes(codes) => Self::FlatCoded(Box::new(FlatCoded::build(
                *codes, vectors, pool, progress, cancel,
            )?)),
            IndexParams::Graph(params) => {
                Self::Graph(Box::new(Graph::build(*params, vectors, pool, progress, cancel)?))
            }
            IndexParams::Ivf(params) => {
                Self::Ivf(Box::new(Ivf::build(*params, vectors, pool, progress, cancel)?))
            }
            IndexParams::Paged(params) => {
                Self::Paged(Box::new(Paged::build(*params, vectors, pool, progress, cancel)?))
            }
            IndexParams::HnswRs(params) => {
                Self::HnswRs(Box::new(HnswRs::build(*params, vectors, pool, progress, cancel)?))
            }
            IndexParams::Faiss(params) => {
                Self::Faiss(Box::new(Faiss::build(*params, vectors, pool, progress, cancel)?))
            }
        };
        progress.finish();
        Ok(index)
    }

    /// Finds the nearest rows: `search.k` of them, or all that are allowed if
    /// these are fewer.
    ///
    /// # Errors
    /// [`SearchError::Stopped`] when `cancel` says so, [`SearchError::Engine`] if a
    /// foreign engine fails.
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
    ) -> Result<Found, SearchError> {
        if let Some(allowed) = search.allowed {
            assert_eq!(allowed.len(), vectors.len() as usize, "a mask has one bit a row");
        }
        let is_walked = match self {
            Self::Flat(_) | Self::FlatCoded(_) | Self::Ivf(_) => false,
            Self::Hnsw(_) | Self::Graph(_) | Self::Paged(_) | Self::HnswRs(_) | Self::Faiss(_) => {
                true
            }
        };
        if is_walked {
            return widen(search, scratch, |search, scratch| {
                self.search_kind(vectors, query, search, scratch, cancel)
            });
        }
        let mut found = self.search_kind(vectors, query, search, scratch, cancel)?;
        found.cut(search.within);
        Ok(found)
    }

    fn search_kind(
        &self,
        vectors: &Vectors,
        query: &[u8],
        search: &Search<'_>,
        scratch: &mut Scratch,
        cancel: &Cancel,
    ) -> Result<Found, SearchError> {
        let found = match self {
            // It knows itself what it found.
            Self::Graph(graph) => return Ok(graph.search(vectors, query, search, scratch, cancel)?),
            Self::Flat(flat) => {
                flat.search(vectors, query, search, scratch, cancel).map_err(SearchError::from)
            }
            Self::Hnsw(hnsw) => {
                hnsw.search(vectors, query, search, scratch, cancel).map_err(SearchError::from)
            }
            Self::FlatCoded(flat) => {
                flat.search(vectors, query, search, scratch, cancel).map_err(SearchError::from)
            }
            Self::Ivf(ivf) => {
                ivf.search(vectors, query, search, scratch, cancel).map_err(SearchError::from)
            }
            Self::Paged(graph) => {
                graph.search(vectors, query, search, scratch, cancel).map_err(SearchError::from)
            }
            Self::HnswRs(graph) => {
                graph.search(vectors, query, search, cancel).map_err(SearchError::from)
            }
            Self::Faiss(faiss) => faiss.search(vectors, query, search, cancel),
        }?;
        if search.competes {
            scratch.add_rivals(&found.neighbors);
        }
        Ok(found)
    }

    /// Whether [`search_many`](Self::search_many) of an index with these parameters
    /// costs less than the searches one by one.
    pub fn takes_many(params: &IndexParams) -> bool {
        match params {
            IndexParams::Flat => true,
            IndexParams::FlatCodes(_)
            | IndexParams::Hnsw(_)
            | IndexParams::Graph(_)
            | IndexParams::Ivf(_)
            | IndexParams::Paged(_)
            | IndexParams::HnswRs(_)
            | IndexParams::Faiss(_) => false,
        }
    }

    /// [`search`](Self::search) for each of the contiguous `queries`.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    ///
    /// # Panics
    /// As [`search`](Self::search), or if `queries` are not whole stored vectors.
    pub fn search_many(
        &self,
        vectors: &Vectors,
        queries: &[u8],
        search: &Search<'_>,
        scratch: &mut Scratch,
        cancel: &Cancel,
    ) -> Result<Vec<Found>, SearchError> {
        let row_bytes = vectors.vector_type().row_bytes();
        assert!(queries.len().is_multiple_of(row_bytes), "a stored vector has {row_bytes} bytes");
        let Self::Flat(flat) = self else {
            let queries = queries.chunks_exact(row_bytes);
            return queries
                .map(|query| self.search(vectors, query, search, scratch, cancel))
                .collect();
        };
        if let Some(allowed) = search.allowed {
            assert_eq!(allowed.len(), vectors.len() as usize, "a mask has one bit a row");
        }
        let mut found = flat.search_many(vectors, queries, search, cancel)?;
        found.iter_mut().for_each(|found| found.cut(search.within));
        Ok(found)
    }

    /// The index as sections to store; [`open`](Self::open) takes them back.
    pub fn sections(&self) -> Vec<Section> {
        match self {
            Self::Flat(flat) => flat.sections(),
            Self::Hnsw(hnsw) => hnsw.sections(),
            Self::Graph(graph) => graph.sections(),
            Self::FlatCoded(flat) => flat.sections(),
            Self::Ivf(ivf) => ivf.sections(),
            Self::Paged(graph) => graph.sections(),
            Self::HnswRs(graph) => graph.sections(),
            Self::Faiss(faiss) => faiss.sections(),
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
            Some(FLAT_CODED) => {
                Ok(Self::FlatCoded(Box::new(FlatCoded::open(&header, &mut checked, vectors)?)))
            }
            Some(GRAPH) => Ok(Self::Graph(Box::new(Graph::open(&header, &mut checked, vectors)?))),
            Some(IVF) => Ok(Self::Ivf(Box::new(Ivf::open(&header, &mut checked, vectors)?))),
            Some(HNSW) => Ok(Self::Hnsw(Box::new(Hnsw::open(&header, &mut checked, vectors)?))),
            Some(PAGED) => Ok(Self::Paged(Box::new(Paged::open(&header, &mut checked, vectors)?))),
            Some(HNSW_RS) => {
                Ok(Self::HnswRs(Box::new(HnswRs::open(&header, &mut checked, vectors)?)))
            }
            Some(FAISS) => Ok(Self::Faiss(Box::new(Faiss::open(&header, &mut checked, vectors)?))),
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
            Self::Graph(graph) => graph.bytes(),
            Self::FlatCoded(flat) => flat.bytes(),
            Self::Ivf(ivf) => ivf.bytes(),
            Self::Paged(graph) => graph.bytes(),
            Self::HnswRs(graph) => graph.bytes(),
            Self::Faiss(faiss) => faiss.bytes(),
        }
    }

    /// The stored bytes of which a search reads some pages here and there, if it
    /// leaves most of them alone: reading ahead in their file would be a waste.
    pub fn scattered(&self) -> Option<&Bytes> {
        match self {
            Self::Paged(graph) => Some(graph.records()),
            Self::Flat(_)
            | Self::Hnsw(_)
            | Self::Graph(_)
            | Self::FlatCoded(_)
            | Self::Ivf(_)
            | Self::HnswRs(_)
            | Self::Faiss(_) => None,
        }
    }

    /// Bytes that a copy in memory with large pages takes; 0 if a copy would be of
    /// no use.
    pub fn hot_bytes(&self) -> usize {
        match self {
            Self::Graph(graph) => graph.hot_bytes(),
            Self::Ivf(ivf) => ivf.hot_bytes(),
            Self::Flat(_)
            | Self::Hnsw(_)
            | Self::FlatCoded(_)
            | Self::Paged(_)
            | Self::HnswRs(_)
            | Self::Faiss(_) => 0,
        }
    }

    /// A copy that lies in memory of its own, with large pages where the system has
    /// them; `None` if it would be of no use or there is no memory.
    pub fn hot_copy(&self) -> Option<Self> {
        match self {
            Self::Graph(graph) => Some(Self::Graph(Box::new(graph.hot_copy()?))),
            Self::Ivf(ivf) => Some(Self::Ivf(Box::new(ivf.hot_copy()?))),
            Self::Flat(_)
            | Self::Hnsw(_)
            | Self::FlatCoded(_)
            | Self::Paged(_)
            | Self::HnswRs(_)
            | Self::Faiss(_) => None,
        }
    }

    /// The kind of index; never AUTO.
    pub fn kind(&self) -> IndexKind {
        match self {
            Self::Flat(_) => IndexKind::Flat,
            Self::Hnsw(_) => IndexKind::Hnsw,
            Self::Graph(_) => IndexKind::Hnsw,
            Self::FlatCoded(_) => IndexKind::Flat,
            Self::Ivf(ivf) => ivf.params().codes.kind(),
            Self::Paged(_) => IndexKind::Hnsw,
            Self::HnswRs(_) => IndexKind::Hnsw,
            Self::Faiss(faiss) => faiss.params().kind(),
        }
    }

    /// The parameters it was built with.
    pub fn params(&self) -> IndexParams {
        match self {
            Self::Flat(_) => IndexParams::Flat,
            Self::Hnsw(hnsw) => IndexParams::Hnsw(hnsw.params()),
            Self::Graph(graph) => IndexParams::Graph(graph.params()),
            Self::FlatCoded(flat) => IndexParams::FlatCodes(flat.codes()),
            Self::Ivf(ivf) => IndexParams::Ivf(ivf.params()),
            Self::Paged(graph) => IndexParams::Paged(graph.params()),
            Self::HnswRs(graph) => IndexParams::HnswRs(graph.params()),
            Self::Faiss(faiss) => IndexParams::Faiss(faiss.params()),
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

    pub(crate) fn set(&self, rows: u64) {
        self.done.store(rows, Ordering::Relaxed);
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
