//! Searches that meet their deadline and answer with what they have.
//!
//! Rows that were compared before it count; what is missing is said by segment. Groups and
//! pages are whole or nothing: with rows missing they would be others.

use super::Asked;
use crate::shard::SegmentView;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use vicinal_types::Stopped;

/// The segments that some queries did without; takes no memory until one does.
#[derive(Debug, Default)]
pub(super) struct Missed {
    /// How many queries, by segment. Rank: a leaf.
    queries: Mutex<BTreeMap<usize, usize>>,
}

impl Asked {
    /// How many queries there are.
    pub(super) fn query_count(&self) -> usize {
        self.queries.len() / self.kind.row_bytes()
    }

    /// Goes on without what so many queries would still find in a segment.
    ///
    /// # Errors
    /// What stopped the search, unless it is the deadline and the caller wants what there
    /// is.
    pub(super) fn forgo(&self, stopped: Stopped, at: usize, queries: usize) -> Result<(), Stopped> {
        let is_plain = self.grouping.is_none() && self.paging.is_none();
        match stopped {
            Stopped::Deadline if self.search.partial_ok && is_plain => {
                *self.missed.queries.lock().entry(at).or_default() += queries;
                Ok(())
            }
            Stopped::Deadline | Stopped::Cancelled => Err(stopped),
        }
    }

    /// What the answer is without, a line for each segment.
    pub(super) fn missing(&self) -> Vec<String> {
        let (missed, count) = (self.missed.queries.lock(), self.query_count());
        let line = |(at, queries): (&usize, &usize)| {
            let segment = &self.view.segments[*at];
            let id = match segment {
                SegmentView::Memory(memory) => memory.id,
                SegmentView::Sealed(sealed) => sealed.sealed.id,
            };
            let rows = segment.live_count();
            let of = if count == 1 {
                "the query".to_owned()
            } else {
                format!("{queries} of {count} queries")
            };
            format!(
                "segment {id}: the deadline came before {of} had been compared with all of its {rows} rows; allow more time or ask for less"
            )
        };
        // One in memory that nobody has written to lacks nothing.
        let has_rows = |(at, _): &(&usize, &usize)| self.view.segments[**at].live_count() > 0;
        missed.iter().filter(has_rows).map(line).collect()
    }
}
