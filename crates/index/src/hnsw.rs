//! A hierarchical navigable small-world graph (Malkov and Yashunin, 2016).
//!
//! Every row is a vertex of the ground layer, one in `m` of them of the layer
//! above, and so on. A search walks greedily from the entry vertex down to the
//! ground and there keeps the `effort` nearest vertices seen, always following
//! the links of the nearest one not yet followed.
//!
//! Rows whose vectors are equal byte for byte share one vertex: copies would
//! link to each other only and be cut off from the rest.
//!
//! With codes, the graph is built and walked on these, and the best vertices
//! found are compared again by their rows.

mod build;
mod codes;
mod duplicates;
mod format;
mod growing;
mod head;
mod layers;
mod linker;
mod repair;
mod rows;
mod search;
mod select;
mod walk;

use crate::neighbors::Ranked;
use crate::{IndexError, Progress, Section, TopK, Vectors};
use codes::QueryScratch;
use vicinal_types::{Cancel, VectorType, limits};

pub(crate) use build::mix;
pub(crate) use codes::{BitCodes, BitQuery, Codes, ROWS_AT_ONCE, are_stored};
pub(crate) use duplicates::Duplicates;
pub use growing::GrowingHnsw;
pub(crate) use head::{Head, Read, check_duplicates, damaged, duplicates, words};
pub(crate) use layers::{Links, NONE, PAGE_WORDS, Tower, UpperLayer, Words};
pub(crate) use linker::zeroed;
pub(crate) use rows::Rows;
pub(crate) use search::{POOL_MAX, rerank, walk_pays, with_duplicates};
pub use vicinal_types::HnswParams;
pub(crate) use walk::{Ended, Walk, WalkScratch};

/// A graph as it is stored and searched.
#[derive(Clone, Debug)]
pub struct Hnsw {
    pub(crate) params: HnswParams,
    pub(crate) rows: u32,
    /// [`HnswParams::ground_degree`] words a row, [`layers::NONE`] at the end.
    pub(crate) ground: Words,
    pub(crate) tower: Tower,
    pub(crate) duplicates: Duplicates,
    /// What searches walk on, if it is not the vectors.
    pub(crate) codes: Option<Codes>,
    /// How many rows a search asks for ahead, where that was measured.
    pub(crate) ahead: Option<usize>,
}

/// Memory of searches, used again by the next.
#[derive(Debug, Default)]
pub(crate) struct HnswScratch {
    pub(crate) walk: WalkScratch,
    pub(crate) query: QueryScratch,
    /// The vertices found with their exact keys.
    pub(crate) ranked: Vec<Ranked>,
    top: TopK,
}

/// Refuses parameters out of their bounds, and codes that the vectors cannot have.
fn check(params: HnswParams, vector: VectorType) -> Result<(), IndexError> {
    let bounds = [
        ("m", params.m, 2, limits::GRAPH_M_MAX),
        ("ef_construction", params.ef_construction, 4, limits::EF_CONSTRUCTION_MAX),
    ];
    for (name, value, min, max) in bounds {
        if !(min..=max).contains(&value) {
            return Err(IndexError::Parameter { name, value, min, max });
        }
    }
    codes::check(params.codes, vector.element())
}

impl Hnsw {
    pub(crate) fn build(
        params: HnswParams,
        vectors: &Vectors,
        pool: &rayon::ThreadPool,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Self, IndexError> {
        check(params, vectors.vector_type())?;
        build::build(params, vectors, pool, progress, cancel)
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
        let codes = self.codes.as_ref().map_or(0, Codes::bytes);
        codes + self.ground.bytes().len() + self.tower.words.bytes().len() + self.duplicates.bytes()
    }

    pub(crate) fn params(&self) -> HnswParams {
        self.params
    }

    /// The rows that a search on `vectors` asks for ahead, and whether that was
    /// measured.
    pub(crate) fn ahead(&self, vectors: &Vectors) -> (usize, bool) {
        let by_bytes = match &self.codes {
            None => vectors.ahead(),
            Some(Codes::Scalar(codes)) => codes.ahead(),
            Some(Codes::Bits(codes)) => codes.ahead(),
            Some(Codes::Rows(rows)) => rows.ahead(),
        };
        (self.ahead.unwrap_or(by_bytes), self.ahead.is_some())
    }

    /// Whether a row shares its vertex with another.
    pub(crate) fn is_duplicated(&self, row: u32) -> bool {
        self.duplicates.is_duplicate(row) || !self.duplicates.of(row).is_empty()
    }
}

#[cfg(test)]
mod tests;
