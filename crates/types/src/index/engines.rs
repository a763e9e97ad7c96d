//! The parameters of foreign engines' indexes.

use super::IndexKind;
use std::fmt;

/// The parameters of a graph that a foreign engine builds; its seed is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignGraph {
    /// Links of a vertex above the ground layer; twice as many on it. 2 to 255.
    pub m: u32,
    /// Candidates kept while a vertex is linked. 4 to 4096.
    pub ef_construction: u32,
}

/// The parameters of an index that faiss builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaissParams {
    /// Compare with every row.
    Flat,
    /// A navigable small-world graph.
    Hnsw(ForeignGraph),
    /// Lists of product codes, the best compared again by their rows.
    IvfPq(FaissIvfPq),
}

/// The parameters of a faiss index of product codes in lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaissIvfPq {
    /// Lists that the rows are sorted into. 1 to 65536; fewer if the rows do not
    /// suffice to train so many.
    pub lists: u32,
    /// Product codes of a row; divides the dimension.
    pub subvectors: u32,
    /// Bits of a product code: 8, or 4, which are compared many at once.
    pub bits: u32,
}

impl FaissParams {
    /// The kind of index.
    pub fn kind(self) -> IndexKind {
        match self {
            Self::Flat => IndexKind::Flat,
            Self::Hnsw(_) => IndexKind::Hnsw,
            Self::IvfPq(_) => IndexKind::IvfPq,
        }
    }
}

impl fmt::Display for ForeignGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} ef_construction={}", self.m, self.ef_construction)
    }
}

impl fmt::Display for FaissParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flat => f.write_str("FLAT"),
            Self::Hnsw(graph) => write!(f, "HNSW {graph}"),
            Self::IvfPq(FaissIvfPq { lists, subvectors, bits }) => {
                write!(f, "IVF_PQ lists={lists} pq_subvectors={subvectors} pq_bits={bits}")
            }
        }
    }
}
