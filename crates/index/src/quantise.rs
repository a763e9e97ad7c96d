//! Vectors as codes: smaller, and faster to compare.
//!
//! A code decodes to a vector near the true one; what is known about the
//! difference stands beside the code, so that a search knows how far to trust it
//! and compares the rows themselves where it must.

pub(crate) mod blocks;
pub(crate) mod coded;
mod codewords;
pub(crate) mod encode;
pub(crate) mod floats;
pub(crate) mod product;
pub(crate) mod rabitq;
pub(crate) mod rotation;
pub(crate) mod scalar;
mod tables;
pub(crate) mod words;

#[cfg(test)]
mod tests;
