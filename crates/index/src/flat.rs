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
use crate::{Found, IndexError, Search, Section, TopK, Vectors, Work, scan};
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
        cancel: &Cancel,
    ) -> Result<Found, Stopped> {
        let (mut top, mut work) = (TopK::new(search.k), Work::default());
        scan(vectors, query, search.allowed, 0, &mut top, &mut work, cancel)?;
        Ok(Found { neighbors: top.into_sorted(), work })
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
