//! Lists of near rows: every row is in the list of its nearest centroid, and a
//! search probes the lists of the centroids nearest to the query.
//!
//! A list's rows lie one behind the other, as codes in blocks (or as copies of
//! the rows themselves), so that probing it is one sequential read. What its
//! codes cannot rule out is compared by the rows.

mod build;
pub(crate) mod coarse;
pub(crate) mod format;
mod search;

use crate::neighbors::Ranked;
use crate::quantise::blocks::block_count;
use crate::quantise::coded::{Coded, CodedScratch};
use crate::quantise::words::Words;
use crate::{Found, IndexError, Progress, Scratch, Search, Section, Vectors};
use coarse::{Coarse, CoarseScratch};
use vicinal_types::{Cancel, ElementType, IvfCodes, IvfParams, Stopped, limits};

/// Rows in lists, as they are stored and searched.
#[derive(Clone, Debug)]
pub struct Ivf {
    params: IvfParams,
    rows: u32,
    coarse: Coarse,
    /// For every list its rows, then for every list its radius.
    lists: Words,
    /// The first block of every list, and the end of the last.
    starts: Vec<usize>,
    /// The squared length of every centroid.
    norms: Vec<f32>,
    /// What queries are seen from.
    origin: Vec<f32>,
    coded: Coded,
}

/// Memory of a search, used again by the next.
#[derive(Debug, Default)]
pub(crate) struct IvfScratch {
    coarse: CoarseScratch,
    coded: CodedScratch,
    /// Lists to probe, nearest first.
    order: Vec<Ranked>,
    /// Lists that were probed.
    probed: Vec<bool>,
}

impl Ivf {
    pub(crate) fn build(
        params: IvfParams,
        vectors: &Vectors,
        pool: &rayon::ThreadPool,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Self, IndexError> {
        check(params, vectors)?;
        pool.install(|| build::build(params, vectors, progress, cancel))
    }

    pub(crate) fn sections(&self) -> Vec<Section> {
        format::encode(self)
    }

    pub(crate) fn open(
        header: &[u8],
        read: &mut dyn FnMut(u32) -> Result<bytes::Bytes, IndexError>,
        vectors: &Vectors,
    ) -> Result<Self, IndexError> {
        format::decode(header, read, vectors)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.coarse.bytes()
            + self.lists.bytes().len()
            + size_of_val(&self.starts[..])
            + size_of_val(&self.norms[..])
            + size_of_val(&self.origin[..])
            + self.coded.blocks.words().bytes().len()
            + self.coded.codec.bytes()
    }

    /// Bytes that a copy in large pages takes.
    pub(crate) fn hot_bytes(&self) -> usize {
        self.coded.blocks.words().bytes().len()
    }

    /// The same index, its lists in large pages where the system has them.
    pub(crate) fn hot_copy(&self) -> Option<Self> {
        let coded = Coded { blocks: self.coded.blocks.hot_copy()?, ..self.coded.clone() };
        Some(Self { coded, ..self.clone() })
    }

    pub(crate) fn params(&self) -> IvfParams {
        self.params
    }

    /// How many lists there are.
    pub(crate) fn list_count(&self) -> usize {
        self.norms.len()
    }

    pub(crate) fn search(
        &self,
        vectors: &Vectors,
        query: &[u8],
        search: &Search<'_>,
        scratch: &mut Scratch,
        cancel: &Cancel,
    ) -> Result<Found, Stopped> {
        search::search(self, vectors, query, search, scratch, cancel)
    }

    /// Puts the parts together.
    fn new(params: IvfParams, rows: u32, coarse: Coarse, lists: Words, coded: Coded) -> Self {
        let count = coarse.centroids().len() as usize;
        let mut starts = Vec::with_capacity(count + 1);
        starts.push(0);
        for rows in &lists.get()[..count] {
            starts.push(starts.last().map_or(0, |start| start + block_count(*rows as usize)));
        }
        let mut centroid = vec![0.0; coarse.centroids().vector_type().dim()];
        let norms = (0..coarse.centroids().len()).map(|list| {
            coarse.centroid(list, &mut centroid);
            centroid.iter().map(|value| value * value).sum()
        });
        let norms = norms.collect();
        let origin = coarse::origin(coarse.centroids());
        Self { params, rows, coarse, lists, starts, norms, origin, coded }
    }

    /// Rows of a list.
    #[inline]
    fn list_rows(&self, list: u32) -> usize {
        self.lists.get()[list as usize] as usize
    }

    /// The distance of a list's farthest row from its centroid.
    #[inline]
    fn radius(&self, list: u32) -> f32 {
        self.lists.floats()[self.norms.len() + list as usize]
    }
}

fn check(params: IvfParams, vectors: &Vectors) -> Result<(), IndexError> {
    let kind = vectors.vector_type();
    if kind.element() == ElementType::Binary {
        return Err(IndexError::BinaryLists);
    }
    let dim = u32::try_from(kind.dim()).unwrap_or(u32::MAX);
    let within = |name, value, min, max| {
        let is_within = (min..=max).contains(&value);
        is_within.then_some(()).ok_or(IndexError::Parameter { name, value, min, max })
    };
    within("lists", params.lists, 0, limits::LISTS_MAX)?;
    match params.codes {
        IvfCodes::None | IvfCodes::Sq8 => Ok(()),
        IvfCodes::Pq { bits, subvectors } => {
            if bits != 4 && bits != 8 {
                return Err(IndexError::Parameter { name: "bits", value: bits, min: 4, max: 8 });
            }
            within("subvectors", subvectors, 0, dim)
        }
        IvfCodes::Rabitq { bits } => within("bits", bits, 1, 8),
        IvfCodes::Scann { subvectors } => within("subvectors", subvectors, 0, dim),
    }
}
