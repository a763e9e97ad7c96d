//! What is built for one segment: the declaration, resolved.

use super::engines::{FaissParams, ForeignGraph};
use super::lists::{FlatCodes, IvfParams};
use std::fmt;

/// Which index to build, with every parameter decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexParams {
    /// Compare with every row.
    Flat,
    /// A navigable small-world graph.
    Hnsw(HnswParams),
    /// A graph whose vertices carry 1-bit codes of their neighbours.
    Graph(GraphParams),
    /// Look at the codes of every row, compare those that they do not rule out.
    FlatCodes(FlatCodes),
    /// Lists of near rows.
    Ivf(IvfParams),
    /// A navigable small-world graph in pages; its codes, of 8 bits if none are
    /// named, steer the walk.
    Paged(HnswParams),
    /// A navigable small-world graph by the crate `hnsw_rs`.
    HnswRs(ForeignGraph),
    /// An index by the library faiss; only in builds with the feature `faiss`.
    Faiss(FaissParams),
}

/// The parameters of a graph whose vertices carry codes of their neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphParams {
    /// A vertex has twice as many links, filled up to a multiple of 32. 2 to 256.
    pub m: u32,
    /// Candidates kept while the neighbours of a vertex are searched for. 4 to
    /// 4096.
    pub ef_construction: u32,
    /// Decides the rotation, the leaders of the partition and the landmarks.
    pub seed: u64,
}

/// The parameters of an HNSW graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HnswParams {
    /// Links of a vertex above the ground layer; twice as many on it. 2 to 256.
    pub m: u32,
    /// Candidates kept while a vertex is linked. 4 to 4096.
    pub ef_construction: u32,
    /// Decides the layers of the vertices and the order of their insertion.
    pub seed: u64,
    /// What a search compares with before it looks at the rows themselves.
    pub codes: HnswCodes,
}

/// What the vertices of an HNSW graph are compared by while it is built and
/// walked; the best are compared again by their rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HnswCodes {
    /// The rows alone.
    #[default]
    None,
    /// 8 bits a dimension; rows of 8-bit integers are their own codes.
    Sq8,
    /// 4 bits a dimension.
    Sq4,
    /// 1 bit a dimension (RaBitQ; Gao and Long, 2024).
    Rabitq1,
}

impl IndexParams {
    /// The same index with another seed: two builds that differ in nothing else
    /// are equally good.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        match self {
            Self::Flat => Self::Flat,
            Self::Hnsw(params) => Self::Hnsw(HnswParams { seed, ..params }),
            Self::Paged(params) => Self::Paged(HnswParams { seed, ..params }),
            Self::Graph(params) => Self::Graph(GraphParams { seed, ..params }),
            Self::Ivf(params) => Self::Ivf(IvfParams { seed, ..params }),
            Self::FlatCodes(_) | Self::HnswRs(_) | Self::Faiss(_) => self,
        }
    }
}

impl HnswCodes {
    /// Their name in YAML, flags and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sq8 => "sq8",
            Self::Sq4 => "sq4",
            Self::Rabitq1 => "rabitq",
        }
    }
}

impl HnswParams {
    /// Links of a vertex on the ground layer.
    pub fn ground_degree(self) -> usize {
        2 * self.m as usize
    }
}

impl fmt::Display for IndexParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flat => f.write_str("FLAT"),
            Self::Hnsw(HnswParams { m, ef_construction, codes, .. }) => {
                write!(f, "HNSW m={m} ef_construction={ef_construction}")?;
                match codes {
                    HnswCodes::None => Ok(()),
                    HnswCodes::Sq8 | HnswCodes::Sq4 | HnswCodes::Rabitq1 => {
                        write!(f, " codes={codes}")
                    }
                }
            }
            Self::Paged(HnswParams { m, ef_construction, codes, .. }) => {
                write!(f, "HNSW m={m} ef_construction={ef_construction} codes={codes} layout=paged")
            }
            Self::Graph(GraphParams { m, ef_construction, .. }) => {
                write!(f, "HNSW m={m} ef_construction={ef_construction} codes=inlined")
            }
            Self::FlatCodes(codes) => write!(f, "FLAT codes={codes}"),
            Self::Ivf(params) => params.fmt(f),
            Self::HnswRs(graph) => write!(f, "hnsw_rs HNSW {graph}"),
            Self::Faiss(params) => write!(f, "faiss {params}"),
        }
    }
}

impl fmt::Display for HnswCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
