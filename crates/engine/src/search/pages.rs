//! Pages of the nearest rows, one after the other, beyond the limit of `k`.
//!
//! A page is the first rows behind the last one, by key and then by id. Where a walk has
//! come to is a key and an id, which its cursor holds: nothing is kept between two pages,
//! rows may be written and segments sealed or merged, and the server may restart. Rows that
//! stay as they are come once.
//!
//! An index finds the nearest so many rows, so it is asked for those that the walk passed
//! over and a page more, which costs more from page to page until the planner finds that
//! comparing with all rows is cheaper: that is what a page costs at most. Whether more rows
//! are as near as the last one found nobody knows, and they may come before it by their
//! ids, so rows that near wait for the next page. Where too few are left, as among many
//! equal vectors, the rows of the segment are compared; so they are where an index finds
//! fewer than it was asked for, else a walk would end before the rows do.

mod cursor;

use super::{Prepared, Wish};
use crate::columns::{IdRef, id_ref};
use crate::cursor::id_of;
use crate::fetch::source;
use crate::first::First;
use crate::request::{Collection, QueryHits, Search};
use crate::scratches::{Candidate, Worker};
use cursor::{After, Cursor};
use rayon::prelude::*;
use std::cmp::Ordering;
use vicinal_planner::SearchPlan;
use vicinal_types::{ColumnId, Error, Result, Stopped, VectorType};

/// Rows that an index is asked for beyond a page: some are as near as the last of the page
/// before, some as near as the last that is found.
const SPARE: usize = 8;

/// How many times as many an index is asked for where these are too few.
const GROWTH: usize = 4;

/// The page that a search asks for.
pub(super) struct Paging {
    /// Rows of the page.
    rows: usize,
    /// What all pages of a walk have in common.
    question: u64,
    /// Where the last page ended; none: this is the first.
    after: Option<After>,
}

/// A row in the order of a walk.
#[derive(Clone, Copy, Debug)]
struct Stop<'a> {
    key: f32,
    id: IdRef<'a>,
    segment: usize,
    row: u32,
}

impl Ord for Stop<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.total_cmp(&other.key).then(self.id.cmp(&other.id))
    }
}

impl PartialOrd for Stop<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Stop<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Stop<'_> {}

impl Paging {
    /// None: the search has no cursor.
    ///
    /// # Errors
    /// `Invalid` for a cursor of another walk, or what makes no pages.
    pub(super) fn new(
        collection: &Collection,
        (column, kind): (ColumnId, VectorType),
        search: &Search,
        queries: &[u8],
    ) -> Result<Option<Self>> {
        let Some(bytes) = &search.cursor else { return Ok(None) };
        if queries.len() != kind.row_bytes() {
            return Err(Error::invalid("a walk over the nearest rows has one query; send one"));
        }
        if search.offset > 0 {
            let offset = search.offset;
            return Err(Error::invalid(format!(
                "offset {offset} of a walk in pages: these follow each other; leave it out"
            )));
        }
        if search.group_by.is_some() {
            return Err(Error::invalid(
                "a walk in pages has no groups; leave out group_by or the cursor",
            ));
        }
        let question = cursor::question(collection, column, search, queries);
        let after = Cursor::decode(bytes, question, kind.metric())?;
        Ok(Some(Self { rows: search.k, question, after }))
    }

    /// The least key that a row of the page can have.
    pub(super) fn least(&self) -> f32 {
        self.after.as_ref().map_or(f32::NEG_INFINITY, |after| after.key)
    }

    /// Rows behind the last page that an index is asked for: one more than the page has
    /// tells whether there is another page.
    pub(super) fn rows_of_an_index(&self) -> usize {
        self.rows + 1 + SPARE
    }

    /// About how many rows of one of so many segments are nearer.
    pub(super) fn passed_over(&self, segments: usize) -> usize {
        let seen = self.after.as_ref().map_or(0, |after| after.seen);
        usize::try_from(seen).unwrap_or(usize::MAX) / segments.max(1)
    }

    /// Whether a row is behind the last page.
    fn is_behind(&self, key: f32, id: IdRef<'_>) -> bool {
        self.after.as_ref().is_none_or(|after| {
            key.total_cmp(&after.key).then_with(|| id.cmp(&id_of(&after.id))).is_gt()
        })
    }
}

impl Prepared {
    /// The page, and the distances computed.
    pub(super) fn run_page(
        &self,
        query: &[u8],
        paging: &Paging,
        wish: &Wish<'_>,
        spread: bool,
    ) -> Result<(QueryHits, u64)> {
        let segments = 0..self.view.segments.len();
        let run = |at| self.scratches.with(|worker| self.page_of(query, at, paging, worker));
        let found: Vec<_> = if spread {
            segments.into_par_iter().map(run).collect::<Result<_, Stopped>>()?
        } else {
            segments.map(run).collect::<Result<_, Stopped>>()?
        };
        let distances = found.iter().map(|(_, distances)| distances).sum();
        let mut stops: Vec<Stop<'_>> = found.into_iter().flat_map(|(stops, _)| stops).collect();
        stops.sort_unstable();
        let has_more = stops.len() > paging.rows;
        stops.truncate(paging.rows);
        let candidate =
            |stop: &Stop<'_>| Candidate { key: stop.key, segment: stop.segment, row: stop.row };
        let candidates: Vec<_> = stops.iter().map(candidate).collect();
        let seen = paging.after.as_ref().map_or(0, |after| after.seen);
        let next = stops.last().filter(|_| has_more).map(|last| {
            let seen = seen.saturating_add(stops.len() as u64);
            Cursor { question: paging.question, key: last.key, seen, id: last.id }.encode()
        });
        Ok((QueryHits { next, ..self.hits(wish, &candidates) }, distances))
    }

    /// The first rows of a segment behind the last page, a page and one at most, and the
    /// distances computed.
    fn page_of(
        &self,
        query: &[u8],
        at: usize,
        paging: &Paging,
        worker: &mut Worker,
    ) -> Result<(Vec<Stop<'_>>, u64), Stopped> {
        let mut distances = 0;
        match self.parts[at].plan {
            SearchPlan::Skip => return Ok((Vec::new(), 0)),
            SearchPlan::Scan => {}
            SearchPlan::Index { .. } => {
                for k in [self.k, GROWTH * self.k] {
                    worker.candidates.clear();
                    distances += self.run_segment_for(query, at, k, worker)?;
                    if let Some(stops) = self.settled(query, (at, k), paging, worker) {
                        return Ok((stops, distances));
                    }
                }
            }
        }
        let (stops, compared) = self.compare_all(query, at, paging)?;
        Ok((stops, distances + compared))
    }

    /// The first rows behind the last page of those that a search of a segment for `k` rows
    /// found; none if others may come before them.
    fn settled(
        &self,
        query: &[u8],
        (at, k): (usize, usize),
        paging: &Paging,
        worker: &mut Worker,
    ) -> Option<Vec<Stop<'_>>> {
        let (part, found) = (&self.parts[at], &mut worker.candidates);
        let k = part.k_of(k);
        let is_all = found.len() as u64 >= part.passing.count;
        if !is_all && found.len() < k {
            // An index that was told of a radius may stop there.
            return self.keys.most.is_finite().then(|| self.behind(query, found, paging));
        }
        found.sort_unstable_by(Candidate::by_distance);
        if !is_all {
            let last = found[k - 1].key;
            found.truncate(found.partition_point(|found| found.key < last));
        }
        let stops = self.behind(query, found, paging);
        (is_all || stops.len() > paging.rows).then_some(stops)
    }

    /// The first of some rows behind the last page. They are compared again: who found
    /// them may have summed in another order, and the next page must agree with this one
    /// to the last bit.
    fn behind(&self, query: &[u8], found: &[Candidate], paging: &Paging) -> Vec<Stop<'_>> {
        let stop = |found: &Candidate| {
            let (rows, row) = source(&self.view, found.segment, found.row);
            let vectors = &rows.vectors(self.column)?.vectors;
            let key = vectors.comparer().key(query, vectors.row(row));
            let id = id_ref(&rows.ids, row as usize);
            let is_wanted = self.keys.contains(key) && paging.is_behind(key, id);
            let (segment, row) = (found.segment, found.row);
            is_wanted.then_some(Stop { key, id, segment, row })
        };
        let mut stops: Vec<_> = found.iter().filter_map(stop).collect();
        stops.sort_unstable();
        stops.truncate(paging.rows + 1);
        stops
    }

    /// The first rows of a segment behind the last page, by comparing with all.
    fn compare_all(
        &self,
        query: &[u8],
        at: usize,
        paging: &Paging,
    ) -> Result<(Vec<Stop<'_>>, u64), Stopped> {
        let mut first = First::new(paging.rows + 1);
        let distances = self.each_row(query, at, |Candidate { key, segment, row }, place| {
            if first.end().is_some_and(|end: &Stop<'_>| key > end.key) {
                return;
            }
            let (rows, place) = place;
            let id = id_ref(&rows.ids, place as usize);
            if paging.is_behind(key, id) {
                first.offer(Stop { key, id, segment, row });
            }
        })?;
        Ok((first.into_sorted(), distances))
    }
}
