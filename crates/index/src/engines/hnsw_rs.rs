//! A graph by the crate `hnsw_rs`.
//!
//! Rows are 32-bit floats under the crate's own Euclidean distance; rows whose
//! bytes are equal share a vertex, as in our own graph. Its search cannot be
//! stopped once begun and does not tell how many vertices it expanded.
//!
//! A build on a pool of one thread is a function of its parameters and rows; on
//! more threads insertions meet in any order.

mod files;
mod format;
mod graph;
mod private_files;

use super::floats::Floats;
use super::{Asked, check_graph};
use crate::hnsw::Duplicates;
use crate::{Found, IndexError, Progress, Search, Section, Vectors, Work};
use bytes::Bytes;
use graph::Graph;
use rayon::prelude::*;
use std::sync::Arc;
use vicinal_types::{Cancel, ForeignGraph, Stopped};

/// The engine's name.
const ENGINE: &str = "hnsw_rs";

/// Rows inserted one after another at first: rows inserted at the same time do
/// not find each other.
const FIRST_ROWS: usize = 1_000;

/// A graph that the crate `hnsw_rs` built; clones share it.
#[derive(Clone, Debug)]
pub struct HnswRs {
    params: ForeignGraph,
    rows: u32,
    floats: Floats,
    /// None if there are no rows.
    graph: Option<Arc<Graph>>,
    duplicates: Duplicates,
}

impl HnswRs {
    pub(crate) fn build(
        params: ForeignGraph,
        vectors: &Vectors,
        pool: &rayon::ThreadPool,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Self, IndexError> {
        check_graph(params)?;
        pool.install(|| {
            let floats = Floats::euclidean(ENGINE, vectors)?;
            let duplicates = Duplicates::find(vectors);
            let vertices: Vec<u32> =
                (0..vectors.len()).filter(|&row| !duplicates.is_duplicate(row)).collect();
            progress.add(duplicates.len() as u64);
            let graph = if vertices.is_empty() {
                None
            } else {
                let graph = Graph::new(params, vertices.len());
                insert(&graph, &floats, &vertices, vectors, progress, cancel)?;
                Some(Arc::new(graph))
            };
            Ok(Self { params, rows: vectors.len(), floats, graph, duplicates })
        })
    }

    pub(crate) fn search(
        &self,
        vectors: &Vectors,
        query: &[u8],
        search: &Search<'_>,
        cancel: &Cancel,
    ) -> Result<Found, Stopped> {
        assert_eq!(
            vectors.len(),
            self.rows,
            "an index is searched with the vectors it was built for"
        );
        let asked = Asked::new(search, self.rows);
        let (Some(graph), 1..) = (&self.graph, asked.k) else {
            return Ok(Found { neighbors: Vec::new(), work: Work::default() });
        };
        if !asked.walk_pays(self.rows) {
            return asked.exact(vectors, query, Work::default(), cancel);
        }
        cancel.check()?;
        let mut values = Vec::with_capacity(self.floats.dim());
        self.floats.query(query, &mut values);
        let passes = |vertex| self.duplicates.with_copies(vertex).any(|row| asked.passes(row));
        let filter = asked.allowed.is_some().then_some(&passes as &dyn Fn(u32) -> bool);
        let (found, distances) = graph.search(&values, asked.k, asked.effort, filter);
        let work = Work { distances, ..Work::default() };
        let rows = found.into_iter().flat_map(|vertex| self.duplicates.with_copies(vertex));
        asked.rank(vectors, query, rows, work, cancel)
    }

    pub(crate) fn sections(&self) -> Vec<Section> {
        format::encode(self)
    }

    pub(crate) fn open(
        header: &[u8],
        read: &mut dyn FnMut(u32) -> Result<Bytes, IndexError>,
        vectors: &Vectors,
    ) -> Result<Self, IndexError> {
        format::decode(header, read, vectors)
    }

    /// About what the graph takes on the heap, its copy of the rows included, and
    /// the list of duplicates.
    pub(crate) fn bytes(&self) -> usize {
        self.graph.as_ref().map_or(0, |graph| graph.bytes()) + self.duplicates.bytes()
    }

    pub(crate) fn params(&self) -> ForeignGraph {
        self.params
    }
}

fn insert(
    graph: &Graph,
    floats: &Floats,
    vertices: &[u32],
    vectors: &Vectors,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<(), Stopped> {
    let insert = |values: &mut Vec<f32>, row: u32| {
        cancel.check()?;
        floats.row(vectors.row(row), values);
        graph.insert(row, values);
        progress.add(1);
        Ok(())
    };
    let (first, rest) = vertices.split_at(vertices.len().min(FIRST_ROWS));
    let mut values = Vec::new();
    first.iter().try_for_each(|&row| insert(&mut values, row))?;
    rest.par_iter().map_init(Vec::new, |values, &row| insert(values, row)).collect()
}

#[cfg(test)]
mod tests;
