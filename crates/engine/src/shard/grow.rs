//! Graphs over segments in memory, which follow the writes a little behind.

use super::{SegmentView, Shard};
use crate::memory::Pressure;
use crate::segment::{GrowingGraph, MemoryView};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use vicinal_planner::choose_growing;
use vicinal_types::{Result, SegmentId, limits};

/// Rows between two looks at whether a segment still grows.
const ROWS_PER_LOOK: u32 = 64;

/// Rows by which a segment may have grown since the last look for a graph to be begun:
/// one that is filled within seconds, as by an import, is sealed before a graph of it
/// would be of use.
const GROWTH_MAX: u32 = 8_192;

/// Rows that a graph has room for at most; those beyond are scanned.
const GRAPH_ROWS_MAX: u64 = 1 << 20;

impl Shard {
    /// Begins graphs over the growing segment where they pay, and has the rows that
    /// came since inserted.
    pub(crate) fn request_growth(self: &Arc<Self>) {
        let Some(maintenance) = self.maintenance.upgrade() else {
            return;
        };
        if maintenance.budget().pressure() != Pressure::Calm {
            return self.give_back_interims();
        }
        let view = self.view();
        let memory = || view.segments.iter().filter_map(in_memory);
        let is_behind = |of: &MemoryView| of.graphs.iter().any(|graph| graph.missing(of) > 0);
        let is_new = memory().next_back().is_some_and(|growing| self.should_begin(growing));
        if !is_new && !memory().any(is_behind) || self.is_growing.swap(true, Ordering::AcqRel) {
            return;
        }
        let shard = Arc::clone(self);
        let submitted = maintenance.growers().submit(move || {
            if is_new && let Err(error) = shard.begin_graphs() {
                tracing::warn!(group = %shard.group, "a growing segment stays without a graph: {error}");
            }
            shard.insert_rows();
            shard.is_growing.store(false, Ordering::Release);
        });
        if submitted.is_err() {
            self.is_growing.store(false, Ordering::Release);
        }
    }

    /// Forgets what is in memory of sealed segments: these are scanned until they have
    /// their index.
    fn give_back_interims(&self) {
        let is_held = |segment: &SegmentView| match segment {
            SegmentView::Sealed(sealed) => sealed.interim.is_some(),
            SegmentView::Memory(_) => false,
        };
        if self.view().segments.iter().any(is_held) {
            let mut state = self.state.write();
            state.sealed.iter_mut().for_each(|sealed| sealed.view.interim = None);
            self.publish(&mut state);
        }
    }

    /// Whether the growing segment has a column that should have a graph and does not
    /// grow too fast for one.
    fn should_begin(&self, growing: &MemoryView) -> bool {
        let seen =
            std::mem::replace(&mut *self.seen_growing.lock(), (growing.id, growing.row_count));
        let grown = match seen {
            (id, rows) if id == growing.id => growing.row_count - rows,
            (_, _) => growing.row_count,
        };
        grown <= GROWTH_MAX && !self.missing_graphs(growing).is_empty()
    }

    fn missing_graphs(&self, growing: &MemoryView) -> Vec<GraphWish> {
        let settings = self.settings();
        let wishes = settings.schema.vectors().filter_map(|(column, kind)| {
            let spec = settings.indexes.get(&column.id).copied().unwrap_or_default();
            let params = choose_growing(u64::from(growing.row_count), &spec)?;
            growing.graph(column.id).is_none().then_some((column.id, kind, params))
        });
        wishes.collect()
    }

    fn begin_graphs(&self) -> Result<()> {
        let view = self.view();
        let Some(growing) = view.segments.iter().filter_map(in_memory).next_back() else {
            return Ok(());
        };
        let rows = self.settings().segments.max_rows + limits::WRITE_ROWS_MAX as u64;
        let capacity = u32::try_from(rows.min(GRAPH_ROWS_MAX)).unwrap_or(u32::MAX);
        for (column, kind, params) in self.missing_graphs(growing) {
            let graph = GrowingGraph::new(column, params, kind, (growing, capacity))?;
            let graph = Arc::new(graph);
            let mut state = self.state.write();
            // Sealed meanwhile: its file gets an index.
            if state.growing().view.id == growing.id {
                state.growing().view.graphs.push(graph);
                self.publish(&mut state);
            }
        }
        Ok(())
    }

    /// Inserts what the graphs lack. A segment that was frozen is finished if most of
    /// it is there, else left alone: its index will be there first.
    fn insert_rows(&self) {
        let view = self.view();
        for memory in view.segments.iter().filter_map(in_memory) {
            for graph in &memory.graphs {
                for row in 0..graph.missing(memory) {
                    let is_look = row % ROWS_PER_LOOK == 0;
                    if is_look && (self.cancel.check().is_err() || self.is_lost(memory.id, graph)) {
                        break;
                    }
                    if let Err(error) = graph.insert_next(memory) {
                        tracing::warn!(group = %self.group, "a growing graph lacks rows: {error}");
                        break;
                    }
                }
            }
        }
    }

    fn is_lost(&self, segment: SegmentId, graph: &GrowingGraph) -> bool {
        let view = self.view();
        let now = view.segments.iter().filter_map(in_memory).find(|of| of.id == segment);
        now.is_none_or(|of| of.is_frozen && graph.missing(of) > of.row_count / 8)
    }
}

/// A graph to be begun.
type GraphWish = (vicinal_types::ColumnId, vicinal_types::VectorType, vicinal_index::HnswParams);

fn in_memory(segment: &SegmentView) -> Option<&MemoryView> {
    match segment {
        SegmentView::Memory(memory) => Some(memory),
        SegmentView::Sealed(_) => None,
    }
}
