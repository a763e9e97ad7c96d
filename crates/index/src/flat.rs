//! FLAT: no structure at all.
//!
//! One section of kind [`section::HEADER`]:
//!
//! | offset | bytes | field               |
//! |-------:|------:|---------------------|
//! |      0 |     4 | index kind, 1: FLAT |
//! |      4 |     4 | rows                |

mod coded;

use crate::index::{FLAT, VERSION, section};
use crate::scratch::Pools;
use crate::{Found, IndexError, Scratch, Search, Section, TopK, Vectors, Work, scan, scan_many};
use bytes::Bytes;
use vicinal_types::{Cancel, Stopped};

pub use coded::FlatCoded;
pub(crate) use coded::FlatScratch;

/// An index that compares with every row; always exact.
#[derive(Clone, Debug)]
pub struct Flat {
    rows: u32,
}

impl Flat {
    pub(crate) fn new(vectors: &Vectors) -> Self {
        Self { rows: vectors.len() }
    }

    pub(crate) fn search(
        &self,
        vectors: &Vectors,
        query: &[u8],
        search: &Search<'_>,
        Scratch { pools, .. }: &mut Scratch,
        cancel: &Cancel,
    ) -> Result<Found, Stopped> {
        exact(vectors, query, search, pools, Work::default(), cancel)
    }

    /// [`Self::search`] for each of the contiguous `queries`.
    pub(crate) fn search_many(
        &self,
        vectors: &Vectors,
        queries: &[u8],
        search: &Search<'_>,
        cancel: &Cancel,
    ) -> Result<Vec<Found>, Stopped> {
        let count = queries.len() / vectors.vector_type().row_bytes();
        let (mut tops, mut work) = (vec![TopK::new(search.k); count], Work::default());
        scan_many(vectors, queries, search.allowed, 0, &mut tops, &mut work, cancel)?;
        Ok(tops.into_iter().map(|top| Found { neighbors: top.into_sorted(), work }).collect())
    }

    pub(crate) fn sections(&self) -> Vec<Section> {
        let header = [FLAT.to_le_bytes(), self.rows.to_le_bytes()].concat();
        vec![(section::HEADER, VERSION, Bytes::from(header))]
    }

    pub(crate) fn open(header: &[u8], vectors: &Vectors) -> Result<Self, IndexError> {
        let flat = Self::new(vectors);
        let (_, _, expected) = &flat.sections()[0];
        if header != expected.as_ref() {
            let reason = format!("it is not the header of a FLAT index over {} rows", flat.rows);
            return Err(IndexError::Damaged { section: section::HEADER, reason });
        }
        Ok(flat)
    }
}

/// Compares with every allowed row.
pub(crate) fn exact(
    vectors: &Vectors,
    query: &[u8],
    search: &Search<'_>,
    pools: &mut Pools,
    mut work: Work,
    cancel: &Cancel,
) -> Result<Found, Stopped> {
    pools.top.reset(search.k);
    scan(vectors, query, search.allowed, 0, &mut pools.top, &mut work, cancel)?;
    Ok(Found { neighbors: pools.take_top(), work })
}
