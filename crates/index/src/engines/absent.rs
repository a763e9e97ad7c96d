//! The engine faiss in builds without the feature `faiss`: it cannot be made.

use crate::{Found, IndexError, Progress, Search, SearchError, Section, Vectors};
use bytes::Bytes;
use vicinal_types::{Cancel, FaissParams};

/// An index by faiss, which this build does not have: there are no values of it.
#[derive(Clone, Debug)]
pub enum Faiss {}

impl Faiss {
    pub(crate) fn build(
        _: FaissParams,
        _: &Vectors,
        _: &rayon::ThreadPool,
        _: &Progress,
        _: &Cancel,
    ) -> Result<Self, IndexError> {
        Err(IndexError::EngineMissing { engine: "faiss" })
    }

    pub(crate) fn search(
        &self,
        _: &Vectors,
        _: &[u8],
        _: &Search<'_>,
        _: &Cancel,
    ) -> Result<Found, SearchError> {
        match *self {}
    }

    pub(crate) fn sections(&self) -> Vec<Section> {
        match *self {}
    }

    pub(crate) fn open(
        _: &[u8],
        _: &mut dyn FnMut(u32) -> Result<Bytes, IndexError>,
        _: &Vectors,
    ) -> Result<Self, IndexError> {
        Err(IndexError::EngineMissing { engine: "faiss" })
    }

    pub(crate) fn bytes(&self) -> usize {
        match *self {}
    }

    pub(crate) fn params(&self) -> FaissParams {
        match *self {}
    }
}
