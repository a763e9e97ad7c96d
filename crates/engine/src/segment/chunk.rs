//! A block of rows in memory that never changes once others see it.

use super::Rows;
use crate::columns::id_ref;

/// Rows of a growing segment, as they came or put together from several writes.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) rows: Rows,
    /// The hash of each row's id.
    pub(crate) hashes: Vec<u64>,
}

impl Chunk {
    /// The rows with their ids hashed.
    pub(crate) fn new(rows: Rows) -> Self {
        let hashes = (0..rows.ids.len()).map(|row| id_ref(&rows.ids, row).hash()).collect();
        Self { rows, hashes }
    }

    /// Two chunks of the same columns as one.
    pub(crate) fn concat(a: &Self, b: &Self) -> Self {
        Self {
            rows: Rows::concat(&[&a.rows, &b.rows]),
            hashes: [a.hashes.as_slice(), &b.hashes].concat(),
        }
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> u32 {
        self.rows.len()
    }

    /// Bytes that it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.bytes() + self.hashes.len() * 8 + self.rows.versions.runs.len() * 24
    }
}
