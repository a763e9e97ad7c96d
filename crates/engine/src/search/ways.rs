//! The ways through a segment, as the planner sees it.

use super::Asked;
use crate::segment::{BuiltIndex, GrowingGraph, LearnedCurve, SealedView};
use crate::shard::SegmentView;
use vicinal_index::KeyRange;
use vicinal_planner::{
    Calibration, Candidates, EffortUnit, Indexed, SearchPlan, Segment, plan_search,
};
use vicinal_types::{Effort, IndexParams};

impl Asked {
    /// Keeps the first query now and then, to be asked again when there is time: of those
    /// for a recall among all rows.
    pub(super) fn keep_sample(&self) {
        let is_plain = self.filter.is_none() && self.grouping.is_none() && self.paging.is_none();
        let is_for_recall = matches!(self.search.effort, Effort::MinRecall(_));
        if is_plain
            && is_for_recall
            && self.keys == KeyRange::ALL
            && let Ok(shard) = self.live.shard()
        {
            shard.sample(self.column, &self.queries[..self.kind.row_bytes()]);
        }
    }

    /// Every way through a segment of which so many rows pass.
    pub(super) fn candidates(&self, segment: &SegmentView, passing: u64) -> Candidates {
        let learned;
        let index = match (self.memory_of(segment), segment) {
            (Some(memory), _) => {
                memory.graph(self.column).map(|graph| memory_indexed(graph, segment.live_count()))
            }
            (None, SegmentView::Sealed(sealed)) => {
                learned = self.learned_of(sealed);
                self.file_indexed(sealed, &learned)
            }
            (None, SegmentView::Memory(_)) => None,
        };
        let k = index.as_ref().map_or(self.k, |index| self.first_k(index.unit()));
        self.ways((segment.live_count(), passing), index, k)
    }

    /// Every way to the nearest `k` of those of a segment's rows that pass.
    pub(super) fn ways(
        &self,
        (rows, passing): (u64, u64),
        index: Option<Indexed<'_>>,
        k: usize,
    ) -> Candidates {
        // Exact as well, and rows that are too near take no room.
        let is_near = self.keys.least > f32::NEG_INFINITY;
        let index = index.filter(|index| index.unit() != EffortUnit::Nothing || !is_near);
        plan_search(self.search.effort, k, &Segment { rows, passing, index, row: self.cost })
    }

    /// How `k` rows of a segment with an index are found.
    pub(super) fn choose(&self, indexed: &Indexed<'_>, passing: u64, k: usize) -> SearchPlan {
        self.ways((indexed.rows, passing), Some(*indexed), k).best().plan
    }

    /// What the planner looks at of a sealed segment with an index.
    pub(super) fn file_indexed<'a>(
        &self,
        sealed: &'a SealedView,
        learned: &'a LearnedCurve,
    ) -> Option<Indexed<'a>> {
        let built = sealed.index(self.column)?;
        let learned = learned.as_ref().and_then(|learned| learned.as_deref());
        let calibration = learned.or(built.measured()).map(Calibration::of);
        let (rows, params) = (sealed.live_count(), built.index().params());
        let has_codes = matches!(params, IndexParams::Graph(_));
        Some(Indexed { rows, params, has_codes, calibration, curves: &built.curves })
    }

    /// What users' queries taught about a segment's index.
    pub(super) fn learned_of(&self, sealed: &SealedView) -> LearnedCurve {
        sealed.index(self.column).map(BuiltIndex::learned_curve)
    }
}

/// What the planner looks at of a segment in memory with a graph, of so many rows that
/// live.
pub(super) fn memory_indexed(graph: &GrowingGraph, rows: u64) -> Indexed<'_> {
    let (params, calibration) = (graph.params(), graph.calibration());
    Indexed { rows, params, has_codes: false, calibration, curves: &[] }
}
