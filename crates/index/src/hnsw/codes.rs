//! Rows in fewer bits: what a graph is built and walked on.
//!
//! A walk on codes reads a fraction of the memory that the rows take; its best
//! candidates are then compared again by the rows themselves.

mod bits;
mod scalar;

use crate::index::section;
use crate::{IndexError, Vectors};
use bytes::Bytes;
use vicinal_types::{Cancel, ElementType, HnswCodes, Stopped};

pub(crate) use bits::{BitCodes, BitQuery, ROWS_AT_ONCE};
pub(crate) use scalar::{ScalarCodes, Scale};

/// The codes of all rows.
#[derive(Clone, Debug)]
pub(crate) enum Codes {
    /// 8 or 4 bits a dimension.
    Scalar(ScalarCodes),
    /// 1 bit a dimension.
    Bits(BitCodes),
    /// The rows themselves, where a walk is not to touch the segment's own.
    Rows(Vectors),
}

/// Memory to prepare a query in, used again by the next.
#[derive(Debug, Default)]
pub(crate) struct QueryScratch {
    pub(crate) values: Vec<f32>,
    pub(crate) code: Vec<u8>,
    pub(crate) bits: BitQuery,
}

/// Whether an index of such vectors keeps codes beside them.
pub(crate) fn are_stored(codes: HnswCodes, element: ElementType) -> bool {
    match codes {
        HnswCodes::None => false,
        // Integers of 8 bits are their own codes.
        HnswCodes::Sq8 => !matches!(element, ElementType::I8 | ElementType::U8),
        HnswCodes::Sq4 | HnswCodes::Rabitq1 => true,
    }
}

/// Refuses codes that the vectors cannot have.
pub(crate) fn check(codes: HnswCodes, element: ElementType) -> Result<(), IndexError> {
    if codes != HnswCodes::None && element == ElementType::Binary {
        return Err(IndexError::Codes { codes, element });
    }
    Ok(())
}

impl Codes {
    /// Learns codes from the rows and encodes them, on the pool it is called in;
    /// nothing if the rows are compared as they are.
    pub(crate) fn build(
        codes: HnswCodes,
        vectors: &Vectors,
        seed: u64,
        cancel: &Cancel,
    ) -> Result<Option<Self>, Stopped> {
        if !are_stored(codes, vectors.vector_type().element()) {
            return Ok(None);
        }
        Ok(match codes {
            HnswCodes::None => None,
            HnswCodes::Sq8 => Some(Self::Scalar(ScalarCodes::build(vectors, 8, cancel)?)),
            HnswCodes::Sq4 => Some(Self::Scalar(ScalarCodes::build(vectors, 4, cancel)?)),
            HnswCodes::Rabitq1 => Some(Self::Bits(BitCodes::build(vectors, seed, cancel)?)),
        })
    }

    /// The sections that they are stored as.
    pub(crate) fn parts(&self) -> Vec<(u32, Bytes)> {
        match self {
            Self::Scalar(codes) => vec![(section::HNSW_CODES, codes.words().bytes().clone())],
            Self::Bits(codes) => vec![
                (section::HNSW_CODES, codes.words().bytes().clone()),
                (section::HNSW_CENTRE, codes.centre().bytes().clone()),
            ],
            Self::Rows(rows) => vec![(section::HNSW_CODES, rows.bytes().clone())],
        }
    }

    /// The codes of some rows, in their order.
    pub(crate) fn gathered(&self, rows: &[u32]) -> Self {
        match self {
            Self::Scalar(codes) => Self::Scalar(codes.gathered(rows)),
            Self::Bits(codes) => Self::Bits(codes.gathered(rows)),
            Self::Rows(_) => unreachable!("rows are gathered where they lie"),
        }
    }

    /// Bytes held, in memory or mapped.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Scalar(codes) => codes.words().bytes().len(),
            Self::Bits(codes) => codes.held_bytes(),
            Self::Rows(rows) => rows.bytes().len(),
        }
    }

    /// What a difference of 1 between keys of codes is between exact ones.
    pub(crate) fn unit(&self) -> f32 {
        match self {
            Self::Scalar(codes) => codes.scale().step.powi(2),
            Self::Bits(_) | Self::Rows(_) => 1.0,
        }
    }

    /// How many of the `effort` candidates of a walk are compared again at least to
    /// find the nearest `k`.
    ///
    /// The coarser the codes, the farther behind a true neighbour may stand;
    /// with a fixed number, more effort would not find it.
    pub(crate) fn reranked(&self, k: usize, effort: usize) -> usize {
        match self {
            Self::Scalar(codes) if codes.bits() == 8 => (k + k.div_ceil(2)).max(effort / 8),
            Self::Scalar(_) => (k + k.div_ceil(2)).max(effort / 2),
            Self::Bits(_) => (3 * k).max(effort),
            Self::Rows(_) => k,
        }
    }
}
