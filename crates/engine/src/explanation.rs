//! What is said of a search when it is to be explained.

use crate::request::SegmentState;
use vicinal_index::Work;
use vicinal_planner::{Candidate, Cost};
use vicinal_types::{Effort, SegmentId, ShardId};

/// How a search would go, and if it was run how it went.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The vector column.
    pub vector_column: String,
    /// Rows that each segment is asked for.
    pub k: usize,
    /// How hard it tries.
    pub effort: Effort,
    /// Its segments, oldest first.
    pub segments: Vec<ExplainedSegment>,
    /// What the chosen ways are predicted to cost together.
    pub predicted: Cost,
    /// From its start to its answer, predicted: threads share the work.
    pub latency_nanos: u64,
    /// Evaluating the filter, predicted; nothing where what passes is remembered.
    pub filter_nanos: u64,
    /// Where it runs.
    pub placement: Placement,
    /// Of a search that was run: what it took.
    pub analysis: Option<Analysis>,
}

/// Where a search runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// On the thread that asks.
    Inline,
    /// On a thread of the search pool.
    Pool,
    /// On so many threads of the search pool.
    Spread(usize),
}

/// How a search goes through one segment.
#[derive(Clone, Debug)]
pub struct ExplainedSegment {
    /// Its shard.
    pub shard: ShardId,
    /// Its number in the shard.
    pub segment: SegmentId,
    /// Where it stands.
    pub state: SegmentState,
    /// Rows that are not deleted.
    pub rows: u64,
    /// Of these, rows that pass the filter, counted.
    pub passing: u64,
    /// Whether the rows that pass were remembered from an earlier search.
    pub filter_remembered: bool,
    /// Its index, as `describe` names it.
    pub index: String,
    /// All ways through it.
    pub ways: Vec<Candidate>,
    /// The place of the chosen one among these.
    pub chosen: usize,
    /// What searching it took; none if it was not run, or if rows are grouped, which
    /// goes through segments several times.
    pub analysis: Option<SegmentAnalysis>,
}

/// What searching a segment took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentAnalysis {
    /// From its start to its end.
    pub nanos: u64,
    /// What was done.
    pub work: Work,
    /// Rows that it found.
    pub found: u64,
    /// The thread: `search-NODE-THREAD`, by the NUMA node.
    pub thread: String,
}

/// What a search took, phase by phase; those of a spread search overlap in their segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Analysis {
    /// Evaluating the filter.
    pub filter_nanos: u64,
    /// Weighing all ways through all segments.
    pub plan_nanos: u64,
    /// Searching the segments.
    pub search_nanos: u64,
    /// Putting together what they found.
    pub merge_nanos: u64,
    /// Reading the ids and columns of the rows found.
    pub columns_nanos: u64,
    /// All of it, with what is between.
    pub total_nanos: u64,
    /// Rows of the answer.
    pub hits: u64,
    /// Distances computed.
    pub distances: u64,
}
