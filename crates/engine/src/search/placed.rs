//! Searches on a machine of several NUMA nodes: each segment by threads of the node that
//! it lies on, as far as these have time.
//!
//! A search of one query is cut into its segments; one of many queries into some of them
//! for all segments of a node, so that what is found in one ends the walks through the
//! others. Whoever does the last unit merges.

use super::{Part, Prepared, SPREAD_NANOS_MIN, Wish};
use crate::fetch::Wanted;
use crate::request::{Done, SearchAnswer, SearchReport};
use crate::scratches::Candidate;
use crate::segment::SealedView;
use crate::shard::SegmentView;
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::mem::take;
use std::ops::Range;
use std::sync::Arc;
use vicinal_distance::{Comparer, kernels};
use vicinal_exec::Units;
use vicinal_index::KeyRange;
use vicinal_planner::SearchPlan;
use vicinal_types::{Error, Nearer, Result, Stopped};

/// Units that a thread has on average, so that all end at about one time.
const UNITS_PER_THREAD: usize = 4;

/// A search while threads of several nodes are at it.
struct Placed {
    prepared: Prepared,
    units: Vec<Unit>,
    /// Whether the queries of a unit go over rows together.
    is_together: bool,
    /// Rank: a leaf.
    state: Mutex<State>,
}

/// Some segments for some queries.
struct Unit {
    segments: Vec<usize>,
    queries: Range<usize>,
}

struct State {
    /// Of each query.
    candidates: Vec<Vec<Candidate>>,
    distances: u64,
    units_left: usize,
    /// Taken by whoever answers: with an error, or at the end.
    done: Option<Done<SearchAnswer>>,
}

/// What a unit found for each of its queries, and the distances computed.
type Found = (Vec<Vec<Candidate>>, u64);

impl Prepared {
    /// Runs on a thread of a search pool and answers, perhaps from another.
    pub(super) fn finish(self, done: Done<SearchAnswer>) {
        let is_plain = self.grouping.is_none() && self.paging.is_none();
        let is_long = self.estimated_nanos >= SPREAD_NANOS_MIN;
        if self.pools.node_count() > 1 && is_plain && is_long {
            Placed::start(self, done);
        } else {
            done(self.run(true));
        }
    }

    /// The node where most of the work lies.
    pub(super) fn node(&self) -> usize {
        let mut nanos = vec![0_u64; self.pools.node_count()];
        for (segment, part) in self.view.segments.iter().zip(&self.parts) {
            if let Some(home) = self.home_of(segment) {
                nanos[home] += part.nanos;
            }
        }
        (0..nanos.len()).max_by_key(|node| (nanos[*node], Reverse(*node))).unwrap_or(0)
    }

    /// The node that a segment lies on; rows in memory lie on any.
    fn home_of(&self, segment: &SegmentView) -> Option<usize> {
        match segment {
            SegmentView::Sealed(sealed) => Some(sealed.sealed.node(&self.pools)),
            SegmentView::Memory(_) => None,
        }
    }

    /// Counts from where a segment is searched; with one node there is nothing to tell.
    pub(super) fn count_search(&self, sealed: &SealedView) {
        if self.pools.node_count() > 1 {
            self.pools.count_search(sealed.sealed.node(&self.pools));
        }
    }

    /// What the search looked at.
    pub(super) fn report(&self, distances: u64) -> SearchReport {
        let scanned = self.parts.iter().filter(|part| part.plan == SearchPlan::Scan).count();
        SearchReport {
            segments: super::count_u32(self.parts.len()),
            scanned_segments: super::count_u32(scanned),
            distances,
            passing_rows: self.parts.iter().map(|part| part.passing.count).sum(),
        }
    }

    /// The units, those that take longest first, and the home of each.
    fn units(&self, chunk: usize) -> (Vec<Unit>, Vec<Option<usize>>) {
        let count = self.queries.len() / self.kind.row_bytes();
        let segments = self.view.segments.iter().zip(&self.parts).enumerate();
        let asked = segments.filter(|(_, (_, part))| part.k_of(self.k) > 0);
        let of_segment = |(at, (segment, part)): (usize, (&SegmentView, &Part))| {
            (Reverse(part.nanos), at, self.home_of(segment))
        };
        let mut asked: Vec<_> = asked.map(of_segment).collect();
        asked.sort_unstable();
        let mut groups: Vec<(Option<usize>, Vec<usize>)> = Vec::new();
        for (_, at, home) in asked {
            match groups.iter_mut().find(|(of, _)| count > 1 && *of == home) {
                Some((_, segments)) => segments.push(at),
                None => groups.push((home, vec![at])),
            }
        }
        let chunks = (0..count).step_by(chunk).map(|from| from..(from + chunk).min(count));
        let units = chunks.flat_map(|queries| {
            let unit = move |(home, segments): &(_, Vec<usize>)| {
                (Unit { segments: segments.clone(), queries: queries.clone() }, *home)
            };
            groups.iter().map(unit).collect::<Vec<_>>()
        });
        units.unzip()
    }

    /// Searches some segments for some queries.
    fn run_unit(&self, unit: &Unit, is_together: bool) -> Result<Found, Stopped> {
        let row_bytes = self.kind.row_bytes();
        let Range { start, end } = unit.queries;
        let queries = &self.queries[start * row_bytes..end * row_bytes];
        let mut found: Found = (vec![Vec::new(); end - start], 0);
        if is_together {
            for &segment in &unit.segments {
                let of_segment = self.search_segment(queries, segment)?;
                for (candidates, of_query) in found.0.iter_mut().zip(of_segment) {
                    let row = |row: &vicinal_index::Neighbor| Candidate {
                        key: row.key,
                        segment,
                        row: row.row,
                    };
                    candidates.extend(of_query.neighbors.iter().map(row));
                    found.1 += of_query.work.distances;
                }
            }
            return Ok(found);
        }
        for (query, candidates) in queries.chunks_exact(row_bytes).zip(&mut found.0) {
            found.1 += self.scratches.with(|worker| {
                worker.competes = unit.segments.len() > 1 && self.keys == KeyRange::ALL;
                worker.scratch.forget_rivals();
                let mut distances = 0;
                for &segment in &unit.segments {
                    distances += self.run_segment(query, segment, worker)?;
                }
                worker.candidates.sort_unstable_by(Candidate::by_distance);
                worker.candidates.truncate(self.k);
                candidates.extend_from_slice(&worker.candidates);
                Ok(distances)
            })?;
        }
        Ok(found)
    }
}

impl Placed {
    fn start(prepared: Prepared, done: Done<SearchAnswer>) {
        let count = prepared.queries.len() / prepared.kind.row_bytes();
        let threads = prepared.pools.search_threads();
        let together = prepared.queries_together(count, threads);
        let is_together = together > 1;
        let chunk = if is_together { together } else { count.div_ceil(threads * UNITS_PER_THREAD) };
        let (units, homes) = prepared.units(chunk.max(1));
        if units.is_empty() {
            return done(prepared.run(false));
        }
        let pools = Arc::clone(&prepared.pools);
        let shared = Units::new(pools.node_count(), homes);
        let state = State {
            candidates: vec![Vec::new(); count],
            distances: 0,
            units_left: units.len(),
            done: Some(done),
        };
        let placed = Self { prepared, units, is_together, state: Mutex::new(state) };
        pools.share_units(shared, move |unit| placed.run_unit(unit));
    }

    fn run_unit(&self, at: usize) {
        if self.state.lock().done.is_none() {
            return;
        }
        let (unit, prepared) = (&self.units[at], &self.prepared);
        let run = || prepared.run_unit(unit, self.is_together);
        let outcome = prepared.quotas.charged(&prepared.live.info, 1, run);
        let mut state = self.state.lock();
        let answer = match outcome {
            Err(stopped) => Err(Error::from(stopped)),
            Ok((candidates, distances)) => {
                let of_queries = &mut state.candidates[unit.queries.clone()];
                of_queries.iter_mut().zip(candidates).for_each(|(all, more)| all.extend(more));
                state.distances += distances;
                state.units_left -= 1;
                if state.units_left > 0 {
                    return;
                }
                Ok((take(&mut state.candidates), state.distances))
            }
        };
        let done = state.done.take();
        drop(state);
        if let Some(done) = done {
            done(answer.and_then(|(candidates, distances)| self.answer(candidates, distances)));
        }
    }

    fn answer(&self, found: Vec<Vec<Candidate>>, distances: u64) -> Result<SearchAnswer> {
        let prepared = &self.prepared;
        let wish = Wish {
            wanted: Wanted::new(&prepared.live.info.spec.schema, &prepared.search.columns)?,
            comparer: Comparer::new(prepared.kind, kernels()),
        };
        let hits = |mut candidates: Vec<Candidate>| {
            prepared.keep_nearest(&mut candidates);
            prepared.hits(&wish, &candidates)
        };
        let results = found.into_iter().map(hits).collect();
        let nearer = Nearer::of(prepared.kind.metric());
        let (report, missing) = (prepared.report(distances), prepared.missing());
        Ok(SearchAnswer { results, nearer, report, missing })
    }
}
