//! Where rows stand while a graph is built: near ones near each other.
//!
//! Whatever is done for one row after the other (searching for it, choosing its
//! links) then touches what was touched for the row before, which is still in the
//! caches.

use super::compact::Compact;
use super::partition;
use crate::Vectors;
use crate::hnsw::Duplicates;
use rayon::prelude::*;
use vicinal_types::{Bitmap, Cancel, Stopped};

/// The rows that become vertices, in the order of the leaves.
pub(super) struct Places {
    /// The row at each place.
    pub(super) rows: Vec<u32>,
    /// Their codes, in that order.
    pub(super) compact: Compact,
    /// Places near each other; every place is in at least one leaf.
    pub(super) leaves: Vec<Vec<u32>>,
}

impl Places {
    /// Cuts all rows but copies into leaves, on the pool it is called in.
    pub(super) fn new(
        vectors: &Vectors,
        duplicates: &Duplicates,
        seed: u64,
        cancel: &Cancel,
    ) -> Result<Self, Stopped> {
        let members = (0..vectors.len()).filter(|&row| !duplicates.is_duplicate(row)).collect();
        let compact = Compact::new(vectors);
        let mut leaves = partition::leaves(&compact, members, seed, cancel)?;
        let mut seen = Bitmap::new(vectors.len() as usize);
        let mut rows = Vec::with_capacity(vectors.len() as usize);
        rows.extend(leaves.iter().flatten().filter(|&&row| seen.insert(row)));
        let mut places = vec![0; vectors.len() as usize];
        for (place, &row) in (0..).zip(&rows) {
            places[row as usize] = place;
        }
        leaves.par_iter_mut().flatten().for_each(|row| *row = places[*row as usize]);
        Ok(Self { compact: compact.gathered(&rows), rows, leaves })
    }
}
