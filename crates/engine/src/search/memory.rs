//! Searching segments in memory: by their graph, and what that lacks by a scan.

use super::ways::memory_indexed;
use super::{Asked, Prepared};
use crate::scratches::Worker;
use crate::segment::{Interim, MemoryView, SealedView};
use crate::shard::SegmentView;
use vicinal_index::{Neighbor, Search as IndexSearch, Work, scan};
use vicinal_planner::{EffortUnit, SearchPlan};
use vicinal_types::{Bitmap, Stopped};

impl Asked {
    /// The segment in memory with a graph, if that is what is searched.
    pub(super) fn memory_of<'a>(&self, segment: &'a SegmentView) -> Option<&'a MemoryView> {
        let memory = match segment {
            SegmentView::Memory(memory) => memory,
            SegmentView::Sealed(sealed) => &*self.interim(sealed)?.memory,
        };
        memory.graph(self.column).map(|_| memory)
    }

    /// A sealed segment as it is still in memory, if it is to be searched there. Not
    /// under a filter, which says what passes by the rows of the file.
    pub(super) fn interim<'a>(&self, sealed: &'a SealedView) -> Option<&'a Interim> {
        let interim = sealed.interim.as_ref().filter(|_| self.filter.is_none())?;
        let is_used =
            sealed.index(self.column).is_none() && interim.memory.graph(self.column).is_some();
        is_used.then_some(interim)
    }
}

impl Prepared {
    /// Adds the nearest rows of a segment in memory to what was found: `k` of those
    /// in its graph and `k` of the others.
    pub(super) fn search_memory(
        &self,
        query: &[u8],
        memory: &MemoryView,
        allowed: Option<&Bitmap>,
        (plan, k): (SearchPlan, usize),
        worker: &mut Worker,
    ) -> Result<u64, Stopped> {
        let &mut Worker { ref mut scratch, ref mut top, ref mut found, competes, .. } = worker;
        let mut work = Work::default();
        let mut scanned_from = 0;
        if let Some(graph) = memory.graph(self.column) {
            let visible = graph.inserted().min(memory.row_count);
            let passing = || allowed.map_or(memory.row_count.into(), |rows| rows.count() as u64);
            // Without a filter those that pass are those that live.
            let rows = || match &self.filter {
                None => passing(),
                Some(_) => memory.live_count(),
            };
            let replan = |wanted| self.choose(&memory_indexed(graph, rows()), passing(), wanted);
            let nearest =
                self.widen(EffortUnit::Candidates, (plan, k), replan, |wanted, effort| {
                    let search =
                        IndexSearch { allowed, competes, ..IndexSearch::new(wanted, effort) };
                    graph.search(memory, visible, query, &search, scratch, &self.cancel).map(Some)
                })?;
            if let Some(nearest) = nearest {
                found.extend_from_slice(&nearest.neighbors);
                work += nearest.work;
                scratch.give_back(nearest.neighbors);
                scanned_from = visible;
            }
        }
        top.reset_among(k, self.keys);
        let mut blocks = memory.blocks_from(self.column, scanned_from);
        let outcome = blocks.try_for_each(|(vectors, first_row)| {
            scan(vectors.as_ref(), query, allowed, first_row, top, &mut work, &self.cancel)
        });
        let of_graph = found.len();
        top.drain_into(found);
        if competes {
            scratch.add_rivals(&found[of_graph..]);
        }
        worker.work += work;
        outcome.map(|()| work.distances)
    }

    /// [`search_memory`](Self::search_memory) of a sealed segment; rows are its own.
    pub(super) fn search_interim(
        &self,
        query: &[u8],
        interim: &Interim,
        plan: (SearchPlan, usize),
        worker: &mut Worker,
    ) -> Result<u64, Stopped> {
        let live = interim.live.as_deref();
        let outcome = self.search_memory(query, &interim.memory, live, plan, worker);
        // Rows that were not sealed were deleted before, so none of them is found.
        worker.found.retain_mut(|Neighbor { row, .. }| {
            let sealed = interim.sealed_row(*row);
            *row = sealed.unwrap_or(*row);
            sealed.is_some()
        });
        outcome
    }
}
