//! Graphs over segments in memory: searched while rows are inserted, and after the
//! segment was sealed until its file has an index of its own.

use super::MemoryView;
use std::borrow::Cow;
use std::sync::Arc;
use vicinal_index::{Found, GrowingHnsw, GrowingRecords, HnswParams, IndexError, Scratch};
use vicinal_index::{Search, Vectors};
use vicinal_planner::Calibration;
use vicinal_types::{
    Bitmap, Cancel, ColumnId, ElementType, GraphParams, IndexParams, Stopped, VectorType,
};

/// Assumed of records: what is found of word vectors, which are hard. Other data needs less
/// than half the effort.
const OF_RECORDS: Calibration<'_> = Calibration {
    k: 10,
    samples: 0,
    points: &[(16, 0.85), (32, 0.92), (64, 0.955), (128, 0.975), (256, 0.99), (512, 0.995)],
    of_queries: true,
};

/// Rows that a graph learns from what the others are like.
const SAMPLE_ROWS: u32 = 4_096;

/// A graph over a vector column of a segment in memory.
#[derive(Debug)]
pub(crate) struct GrowingGraph {
    pub(crate) column: ColumnId,
    params: IndexParams,
    graph: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Of all but binary vectors.
    Records(Box<GrowingRecords>),
    /// Of binary vectors.
    Hnsw(Box<GrowingHnsw>),
}

/// A sealed segment as it was in memory, which is searched by its graphs until the
/// indexes of its file are built.
#[derive(Clone, Debug)]
pub(crate) struct Interim {
    pub(crate) memory: Arc<MemoryView>,
    /// The row in memory of each sealed row, ascending.
    kept: Arc<[u32]>,
    /// The rows in memory that are not deleted.
    pub(crate) live: Option<Arc<Bitmap>>,
}

impl GrowingGraph {
    /// An empty graph with room for `capacity` rows, which learns from those of the view.
    ///
    /// # Errors
    /// [`IndexError`] for a parameter out of its bounds.
    pub(crate) fn new(
        column: ColumnId,
        params: HnswParams,
        kind: VectorType,
        (view, capacity): (&MemoryView, u32),
    ) -> Result<Self, IndexError> {
        let (graph, params) = if kind.element() == ElementType::Binary {
            let graph = Kind::Hnsw(Box::new(GrowingHnsw::new(params, kind, capacity)?));
            (graph, IndexParams::Hnsw(params))
        } else {
            let HnswParams { m, ef_construction, seed, codes: _ } = params;
            let params = GraphParams { m, ef_construction, seed };
            let sample = sample(view, column, kind)?;
            let graph = Kind::Records(Box::new(GrowingRecords::new(params, &sample, capacity)?));
            (graph, IndexParams::Graph(params))
        };
        Ok(Self { column, params, graph })
    }

    /// Rows from 0 on that a search finds by the graph.
    pub(crate) fn inserted(&self) -> u32 {
        match &self.graph {
            Kind::Records(graph) => graph.inserted(),
            Kind::Hnsw(graph) => graph.inserted(),
        }
    }

    /// What it is.
    pub(crate) fn params(&self) -> IndexParams {
        self.params
    }

    /// The recall to expect of it, where more is known than of any graph.
    pub(crate) fn calibration(&self) -> Option<Calibration<'_>> {
        match &self.graph {
            Kind::Records(_) => Some(OF_RECORDS),
            Kind::Hnsw(_) => None,
        }
    }

    /// Rows of the view that could be inserted but are not.
    pub(crate) fn missing(&self, view: &MemoryView) -> u32 {
        self.end(view).saturating_sub(self.inserted())
    }

    /// Bytes of it that rows take; the rest was never touched.
    pub(crate) fn bytes(&self) -> usize {
        match &self.graph {
            Kind::Records(graph) => graph.bytes(),
            Kind::Hnsw(graph) => {
                graph.bytes() / graph.capacity().max(1) as usize * graph.inserted() as usize
            }
        }
    }

    /// Inserts the next row of the view; one caller at a time.
    ///
    /// # Errors
    /// [`IndexError::NoMemory`] if the system has none.
    pub(crate) fn insert_next(&self, view: &MemoryView) -> Result<(), IndexError> {
        let row = |row| vector(view, self.column, row);
        match &self.graph {
            Kind::Records(graph) => graph.insert_next(row),
            Kind::Hnsw(graph) => {
                graph.insert(row, graph.inserted());
                Ok(())
            }
        }
    }

    /// Finds the nearest of the first `visible` rows, which must be inserted.
    ///
    /// # Errors
    /// [`Stopped`] when `cancel` says so.
    pub(crate) fn search(
        &self,
        view: &MemoryView,
        visible: u32,
        query: &[u8],
        search: &Search<'_>,
        scratch: &mut Scratch,
        cancel: &Cancel,
    ) -> Result<Found, Stopped> {
        let row = |row| vector(view, self.column, row);
        match &self.graph {
            Kind::Records(graph) => graph.search(row, visible, query, search, scratch, cancel),
            Kind::Hnsw(graph) => graph.search(row, visible, query, search, scratch, cancel),
        }
    }

    /// Rows that there is room for and that have the column: those written after it
    /// was dropped do not.
    fn end(&self, view: &MemoryView) -> u32 {
        let without =
            |placed: &&super::PlacedChunk| placed.chunk.rows.vectors(self.column).is_none();
        let end = view.chunks.iter().find(without).map_or(view.row_count, |of| of.first_row);
        let capacity = match &self.graph {
            Kind::Records(graph) => graph.capacity(),
            Kind::Hnsw(graph) => graph.capacity(),
        };
        end.min(capacity)
    }
}

/// Some of the rows, evenly spread over all.
fn sample(view: &MemoryView, column: ColumnId, kind: VectorType) -> Result<Vectors, IndexError> {
    let step = (view.row_count / SAMPLE_ROWS).max(1);
    let mut bytes = Vec::new();
    for (vectors, _) in view.blocks_from(column, 0) {
        let rows = (0..vectors.len()).step_by(step as usize);
        rows.for_each(|row| bytes.extend_from_slice(vectors.row(row)));
    }
    Vectors::new(kind, bytes.into())
}

/// The stored vector of a row.
fn vector(view: &MemoryView, column: ColumnId, row: u32) -> &[u8] {
    let (chunk, row) = view.locate(row);
    let part = chunk.rows.vectors(column).expect("rows of a graph have its column");
    part.vectors.row(row)
}

impl MemoryView {
    /// The graph over a column, if there is one.
    pub(crate) fn graph(&self, column: ColumnId) -> Option<&GrowingGraph> {
        self.graphs.iter().find(|graph| graph.column == column).map(Arc::as_ref)
    }

    /// The vectors of a column from a row on, block by block, with the first row of
    /// each; none of rows that were written after the column was dropped.
    pub(crate) fn blocks_from(
        &self,
        column: ColumnId,
        first: u32,
    ) -> impl Iterator<Item = (Cow<'_, Vectors>, u32)> + '_ {
        self.chunks.iter().filter_map(move |placed| {
            let vectors = &placed.chunk.rows.vectors(column)?.vectors;
            let skipped = first.saturating_sub(placed.first_row);
            if skipped == 0 {
                return Some((Cow::Borrowed(vectors), placed.first_row));
            }
            let kind = vectors.vector_type();
            let at = skipped.min(vectors.len()) as usize * kind.row_bytes();
            let rest = Vectors::new(kind, vectors.bytes().slice(at..)).ok()?;
            (!rest.is_empty()).then_some((Cow::Owned(rest), first))
        })
    }
}

impl Interim {
    /// The frozen segment, of which `kept` rows were sealed. None if its graphs lack
    /// many rows: scanning the file costs no memory.
    pub(crate) fn new(memory: MemoryView, kept: &[u32]) -> Option<Self> {
        let has_most = |graph: &Arc<GrowingGraph>| graph.missing(&memory) <= memory.row_count / 8;
        if memory.graphs.is_empty() || !memory.graphs.iter().all(has_most) {
            return None;
        }
        let live = memory.live.clone();
        Some(Self { memory: Arc::new(memory), kept: kept.into(), live })
    }

    /// Deletes a sealed row.
    pub(super) fn delete(&mut self, row: u32) {
        let rows = self.memory.row_count as usize;
        let live = self.live.get_or_insert_with(|| Arc::new(Bitmap::full(rows)));
        Arc::make_mut(live).remove(self.kept[row as usize]);
    }

    /// The sealed row of a row in memory.
    pub(crate) fn sealed_row(&self, row: u32) -> Option<u32> {
        let place = self.kept.binary_search(&row).ok()?;
        Some(u32::try_from(place).expect("rows have 32-bit offsets"))
    }

    /// Bytes of memory that it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.memory.bytes() + self.kept.len() * 4
    }
}
