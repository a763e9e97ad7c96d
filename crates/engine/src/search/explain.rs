//! Searches that say how they go: every way through every segment with its predicted cost,
//! and of a search that is run what it really took.

use super::pooled::UNKNOWN_NANOS_MIN;
use super::{Asked, EVALUATE_NANOS_MAX, Part, Prepared, SPREAD_NANOS_MIN, Wish};
use crate::engine::Engine;
use crate::explanation::{Analysis, ExplainedSegment, Explanation, Placement, SegmentAnalysis};
use crate::fetch::Wanted;
use crate::filtering::Passing;
use crate::request::{Done, Search, SegmentState};
use crate::scratches::{Candidate, Worker};
use crate::shard::{SegmentView, params_of};
use rayon::prelude::*;
use std::sync::Arc;
use std::time::Instant;
use vicinal_distance::{Comparer, kernels};
use vicinal_index::Work;
use vicinal_planner::Cost;
use vicinal_types::{Cancel, Clock, Error, Result, SegmentId, ShardId, Stopped};

/// What a search is explained with.
struct Explaining {
    clock: Arc<dyn Clock>,
    /// What it takes a thread of the pool to begin.
    hand_off_nanos: u64,
    /// What a search may take that runs where it is asked for.
    inline_nanos_max: u64,
    /// Whether it is run.
    analyze: bool,
}

/// The place of a segment, and what searching it took.
type Measured = (usize, SegmentAnalysis);

impl Explaining {
    /// What is done, and how long it took.
    fn timed<T>(&self, work: impl FnOnce() -> T) -> (T, u64) {
        let start = self.clock.now();
        let done = work();
        (done, self.since(start))
    }

    fn since(&self, start: Instant) -> u64 {
        let elapsed = self.clock.now().saturating_duration_since(start);
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Engine {
    /// Says how a search goes, and with `analyze` runs it and says how it went. The filter
    /// is evaluated in any case, since plans go by the rows that pass.
    pub fn explain(
        &self,
        (database, collection): (&str, &str),
        search: Search,
        analyze: bool,
        cancel: Cancel,
        done: Done<Explanation>,
    ) {
        let asked = match self.ask_explained(database, collection, search, cancel) {
            Ok(asked) => asked,
            Err(error) => return done(Err(error)),
        };
        let (clock, machine) = (Arc::clone(&self.options().clock), self.machine_profile());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some microseconds"
        )]
        let hand_off_nanos = machine.hand_off_nanos as u64;
        let inline_nanos_max = self.inline_nanos_max();
        let explaining = Explaining { clock, hand_off_nanos, inline_nanos_max, analyze };
        let (quotas, live) = (Arc::clone(&asked.quotas), Arc::clone(&asked.live));
        let place = (&*live.info, asked.evaluation_nanos().max(UNKNOWN_NANOS_MIN), None);
        let info = Arc::clone(&live.info);
        self.on_pool(place, done, move |permit, done| {
            let explained = quotas.charged(&info, 1, || asked.explain(&explaining));
            drop(permit);
            done(explained);
        });
    }

    fn ask_explained(
        &self,
        database: &str,
        collection: &str,
        search: Search,
        cancel: Cancel,
    ) -> Result<Asked> {
        if search.cursor.is_some() {
            return Err(Error::invalid(
                "a walk in pages cannot be explained; leave out `cursor` and ask for the rows of a page",
            ));
        }
        let asked = self.ask(database, collection, search, cancel)?;
        let (count, row_bytes) = (asked.queries.len(), asked.kind.row_bytes());
        if count > row_bytes {
            let queries = count / row_bytes;
            return Err(Error::invalid(format!(
                "{queries} queries cannot be explained; ask for one"
            )));
        }
        Ok(asked)
    }
}

impl Asked {
    fn explain(self, explaining: &Explaining) -> Result<Explanation> {
        let start = explaining.clock.now();
        let mut analysis = Analysis::default();
        let evaluation_nanos = self.evaluation_nanos();
        let (mut segments, mut parts) = (Vec::new(), Vec::new());
        for segment in &self.view.segments {
            self.cancel.check()?;
            let filter_remembered = self.remembers(segment);
            let (passing, nanos) = explaining.timed(|| match &self.filter {
                None => Ok(Passing::live(segment)),
                Some(filter) => filter.passing(segment),
            });
            let passing = passing?;
            analysis.filter_nanos += nanos;
            let (ways, nanos) = explaining.timed(|| self.candidates(segment, passing.count));
            analysis.plan_nanos += nanos;
            let (shard, state, index) = self.named(segment)?;
            segments.push(ExplainedSegment {
                shard,
                segment: segment_id(segment),
                state,
                rows: segment.live_count(),
                passing: passing.count,
                filter_remembered,
                index,
                ways: ways.all().to_vec(),
                chosen: ways.best_at(),
                analysis: None,
            });
            parts.push((ways.best(), passing));
        }
        let mut predicted = Cost::NOTHING;
        parts.iter().for_each(|(way, _)| predicted += way.cost);
        let slowest = parts.iter().map(|(way, _)| way.cost.latency_nanos).max().unwrap_or(0);
        let placement = self.placement(predicted.nanos, evaluation_nanos, explaining);
        let searched = latency(placement, predicted, slowest, explaining.hand_off_nanos);
        let latency_nanos = searched.saturating_add(evaluation_nanos);
        let mut explanation = Explanation {
            vector_column: self.column_name(),
            k: self.k,
            effort: self.search.effort,
            segments,
            predicted,
            latency_nanos,
            filter_nanos: evaluation_nanos,
            placement,
            analysis: None,
        };
        if explaining.analyze {
            let parts = parts.iter().map(|(way, passing)| Part::new(way, passing.clone()));
            let parts = parts.collect();
            let prepared = Prepared { estimated_nanos: predicted.nanos, parts, asked: self };
            prepared.analyze(explaining, &mut explanation, &mut analysis)?;
            analysis.total_nanos = explaining.since(start);
            explanation.analysis = Some(analysis);
        }
        Ok(explanation)
    }

    fn column_name(&self) -> String {
        let mut vectors = self.live.info.spec.schema.vectors();
        let found = vectors.find(|(column, _)| column.id == self.column);
        found.map(|(column, _)| column.name.clone()).unwrap_or_default()
    }

    /// Whether what passes the filter is known before it is evaluated.
    fn remembers(&self, segment: &SegmentView) -> bool {
        match (&self.filter, segment) {
            (Some(filter), SegmentView::Sealed(sealed)) => filter.remembers(sealed),
            (Some(_) | None, SegmentView::Memory(_)) | (None, SegmentView::Sealed(_)) => false,
        }
    }

    /// The shard of a segment, where the segment stands, and its index.
    fn named(&self, segment: &SegmentView) -> Result<(ShardId, SegmentState, String)> {
        let shard = self.live.shard()?.group;
        let (state, index) = match segment {
            SegmentView::Memory(memory) => {
                let has_graph = memory.graph(self.column).is_some();
                let index = if has_graph { "HNSW in memory, as far as it is" } else { "FLAT" };
                let state =
                    if memory.is_frozen { SegmentState::Frozen } else { SegmentState::Growing };
                (state, index.to_owned())
            }
            SegmentView::Sealed(sealed) if self.interim(sealed).is_some() => {
                (SegmentState::Sealed, "HNSW in memory, until its own is built".to_owned())
            }
            SegmentView::Sealed(sealed) => {
                (SegmentState::Sealed, params_of(sealed.index(self.column)).to_string())
            }
        };
        Ok((shard, state, index))
    }

    /// Where the search runs that is predicted to take so long.
    fn placement(&self, nanos: u64, evaluation_nanos: u64, explaining: &Explaining) -> Placement {
        let is_inline = self.grouping.is_none()
            && evaluation_nanos <= EVALUATE_NANOS_MAX
            && nanos <= explaining.inline_nanos_max;
        if is_inline {
            Placement::Inline
        } else if nanos >= SPREAD_NANOS_MIN {
            Placement::Spread(rayon::current_num_threads())
        } else {
            Placement::Pool
        }
    }
}

/// From the start to the answer: a spread search is as long as its largest part at least.
fn latency(placement: Placement, all: Cost, slowest: u64, hand_off_nanos: u64) -> u64 {
    match placement {
        Placement::Inline => all.latency_nanos,
        Placement::Pool => all.latency_nanos.saturating_add(hand_off_nanos),
        Placement::Spread(threads) => {
            let shared = all.latency_nanos / threads.max(1) as u64;
            shared.max(slowest).saturating_add(hand_off_nanos)
        }
    }
}

fn segment_id(segment: &SegmentView) -> SegmentId {
    match segment {
        SegmentView::Memory(memory) => memory.id,
        SegmentView::Sealed(sealed) => sealed.sealed.id,
    }
}

impl Prepared {
    /// Runs the search, as one that is not explained, and keeps what each part took.
    fn analyze(
        &self,
        explaining: &Explaining,
        explanation: &mut Explanation,
        analysis: &mut Analysis,
    ) -> Result<()> {
        let schema = &self.live.info.spec.schema;
        let wish = Wish {
            wanted: Wanted::new(schema, &self.search.columns)?,
            comparer: Comparer::new(self.kind, kernels()),
        };
        let spread = matches!(explanation.placement, Placement::Spread(_));
        let query = &self.queries[..];
        if self.grouping.is_some() {
            let (found, nanos) = explaining.timed(|| self.run_query(query, &wish, spread));
            let (hits, distances) = found?;
            analysis.search_nanos = nanos;
            analysis.distances = distances;
            analysis.hits = hits.scores.len() as u64;
            return Ok(());
        }
        let (found, nanos) = explaining.timed(|| self.measured(query, explaining, spread));
        analysis.search_nanos = nanos;
        let (mut candidates, parts) = found?;
        let (_, nanos) = explaining.timed(|| self.keep_nearest(&mut candidates));
        analysis.merge_nanos = nanos;
        let (hits, nanos) = explaining.timed(|| self.hits(&wish, &candidates));
        analysis.columns_nanos = nanos;
        analysis.hits = hits.scores.len() as u64;
        analysis.distances = parts.iter().map(|(_, part)| part.work.distances).sum();
        for (at, part) in parts {
            explanation.segments[at].analysis = Some(part);
        }
        Ok(())
    }

    /// What all segments have, in no order, and what searching each took.
    fn measured(
        &self,
        query: &[u8],
        explaining: &Explaining,
        spread: bool,
    ) -> Result<(Vec<Candidate>, Vec<Measured>), Stopped> {
        if spread {
            let run = |at| {
                self.scratches.with(|worker| {
                    let (_, part) = self.measured_segment(query, at, explaining, worker)?;
                    Ok((worker.candidates.clone(), (at, part)))
                })
            };
            let found = (0..self.parts.len()).into_par_iter().map(run);
            let found = found.collect::<Result<Vec<_>, Stopped>>()?;
            let (candidates, parts): (Vec<_>, Vec<_>) = found.into_iter().unzip();
            return Ok((candidates.concat(), parts));
        }
        self.scratches.with(|worker| {
            let mut parts = Vec::with_capacity(self.parts.len());
            self.each_segment_in_turn(worker, |at, worker| {
                let (distances, part) = self.measured_segment(query, at, explaining, worker)?;
                parts.push((at, part));
                Ok(distances)
            })?;
            Ok((worker.candidates.clone(), parts))
        })
    }

    fn measured_segment(
        &self,
        query: &[u8],
        at: usize,
        explaining: &Explaining,
        worker: &mut Worker,
    ) -> Result<(u64, SegmentAnalysis), Stopped> {
        let before = worker.candidates.len();
        worker.work = Work::default();
        let (distances, nanos) = explaining.timed(|| self.run_segment(query, at, worker));
        let thread = std::thread::current();
        let part = SegmentAnalysis {
            nanos,
            work: worker.work,
            found: (worker.candidates.len() - before) as u64,
            thread: thread.name().unwrap_or_default().to_owned(),
        };
        Ok((distances?, part))
    }
}
