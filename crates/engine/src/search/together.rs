//! Several queries of one request over the same rows: these are read once for all.

use super::{Part, Prepared, Wish, go_on_without};
use crate::request::QueryHits;
use crate::scratches::Candidate;
use crate::segment::{PlacedChunk, SealedView};
use crate::shard::SegmentView;
use vicinal_index::{
    Found, Index, KeyRange, Search as IndexSearch, TopK, Vectors, Work, scan_many,
};
use vicinal_planner::SearchPlan;
use vicinal_types::{Bitmap, Stopped};

impl Prepared {
    /// How many queries go over the segments together: where rows are scanned they
    /// are read once for all, but every thread should have some.
    pub(super) fn queries_together(&self, count: usize, threads: usize) -> usize {
        let is_shared = |(segment, part): (&SegmentView, &Part)| match (segment, part.plan) {
            (_, SearchPlan::Scan) => true,
            (_, SearchPlan::Skip) | (SegmentView::Memory(_), SearchPlan::Index { .. }) => false,
            (SegmentView::Sealed(sealed), SearchPlan::Index { .. }) => sealed
                .index(self.column)
                .is_some_and(|built| Index::takes_many(&built.index().params())),
        };
        let is_any_shared = || self.view.segments.iter().zip(&self.parts).any(is_shared);
        if count > 1 && is_any_shared() {
            count.div_ceil(threads).min(self.together_max)
        } else {
            1
        }
    }

    /// The nearest rows of all segments for each of the contiguous queries, and the
    /// distances computed.
    pub(super) fn run_together(
        &self,
        queries: &[u8],
        wish: &Wish<'_>,
    ) -> Result<Vec<(QueryHits, u64)>, Stopped> {
        let mut answers = vec![(Vec::new(), 0); queries.len() / self.kind.row_bytes()];
        for segment in 0..self.view.segments.len() {
            let found = self.search_segment(queries, segment)?;
            for ((candidates, distances), found) in answers.iter_mut().zip(&found) {
                candidates.extend(found.neighbors.iter().map(|found| Candidate {
                    key: found.key,
                    segment,
                    row: found.row,
                }));
                *distances += found.work.distances;
            }
        }
        let answers = answers.into_iter().map(|(mut candidates, distances)| {
            self.keep_nearest(&mut candidates);
            (self.hits(wish, &candidates), distances)
        });
        Ok(answers.collect())
    }

    /// What each query finds in a segment; nothing at all where no row passes, or the
    /// deadline came first and what there is is wanted.
    pub(super) fn search_segment(&self, queries: &[u8], at: usize) -> Result<Vec<Found>, Stopped> {
        let k = self.parts[at].k_of(self.k);
        if k == 0 {
            return Ok(Vec::new());
        }
        let count = queries.len() / self.kind.row_bytes();
        let found = self.cancel.check().and_then(|()| self.search_rows(queries, at, k));
        found.or_else(|stopped| self.forgo(stopped, at, count).map(|()| Vec::new()))
    }

    fn search_rows(&self, queries: &[u8], at: usize, k: usize) -> Result<Vec<Found>, Stopped> {
        let part = &self.parts[at];
        let segment = &self.view.segments[at];
        let is_walk = self.memory_of(segment).is_some() || self.keys != KeyRange::ALL;
        if is_walk && part.plan != SearchPlan::Scan {
            return self.search_one_by_one(queries, at, k);
        }
        match segment {
            SegmentView::Memory(memory) => {
                // Rows written after the column was dropped have no part in this search.
                let parts = memory.chunks.iter().filter_map(|PlacedChunk { first_row, chunk }| {
                    Some((&chunk.rows.vectors(self.column)?.vectors, *first_row))
                });
                self.scan_parts((queries, at), parts, part.passing.rows.as_deref(), k)
            }
            SegmentView::Sealed(sealed) => {
                self.count_search(sealed);
                self.search_file((queries, at), sealed, part, k)
            }
        }
    }

    /// A walk has nothing to share with another, nor has an index asked again and again.
    fn search_one_by_one(
        &self,
        queries: &[u8],
        at: usize,
        k: usize,
    ) -> Result<Vec<Found>, Stopped> {
        let part = &self.parts[at];
        let allowed = part.passing.rows.as_deref();
        let search = |query| {
            self.scratches.with(|worker| {
                worker.found.clear();
                let outcome = match &self.view.segments[at] {
                    SegmentView::Memory(memory) => {
                        self.search_memory(query, memory, allowed, (part.plan, k), worker)
                    }
                    SegmentView::Sealed(sealed) => {
                        self.search_sealed(query, sealed, (part, k), worker)
                    }
                };
                let distances =
                    outcome.or_else(|stopped| self.forgo(stopped, at, 1).map(|()| 0))?;
                let work = Work { distances, ..Work::default() };
                Ok(Found { neighbors: worker.found.clone(), work })
            })
        };
        queries.chunks_exact(self.kind.row_bytes()).map(search).collect()
    }

    fn search_file(
        &self,
        (queries, at): (&[u8], usize),
        sealed: &SealedView,
        Part { plan, passing, .. }: &Part,
        k: usize,
    ) -> Result<Vec<Found>, Stopped> {
        let Some(part) = sealed.sealed.rows.vectors(self.column) else {
            return Ok(Vec::new());
        };
        let vectors = &part.vectors;
        let allowed = passing.rows.as_deref();
        if let (SearchPlan::Index { effort, .. }, Some(built)) = (plan, sealed.index(self.column)) {
            let search = IndexSearch { allowed, ..IndexSearch::new(k, *effort) };
            let found = self.scratches.with(|worker| {
                let scratch = &mut worker.scratch;
                built.index().search_many(vectors, queries, &search, scratch, &self.cancel)
            });
            match found {
                Ok(found) => return Ok(found),
                Err(error) => go_on_without(error, sealed, &built.index())?,
            }
        }
        self.scan_parts((queries, at), std::iter::once((vectors, 0)), allowed, k)
    }

    /// Compares with all rows of some parts of a segment.
    fn scan_parts<'a>(
        &self,
        (queries, at): (&[u8], usize),
        parts: impl Iterator<Item = (&'a Vectors, u32)>,
        allowed: Option<&Bitmap>,
        k: usize,
    ) -> Result<Vec<Found>, Stopped> {
        let count = queries.len() / self.kind.row_bytes();
        let mut tops = vec![TopK::among(k, self.keys); count];
        let mut work = Work::default();
        for (vectors, first_row) in parts {
            let (tops, work) = (&mut tops, &mut work);
            if let Err(stopped) =
                scan_many(vectors, queries, allowed, first_row, tops, work, &self.cancel)
            {
                self.forgo(stopped, at, count)?;
                break;
            }
        }
        Ok(tops.into_iter().map(|top| Found { neighbors: top.into_sorted(), work }).collect())
    }
}
