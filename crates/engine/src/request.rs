//! What the engine is asked and what it answers.

use crate::shard::Space;
use arrow_array::ArrayRef;
use vicinal_exec::{AdmissionStats, NodeStats};
use vicinal_filter::{Expression, Parameters};
use vicinal_index::ScratchStats;
use vicinal_types::{
    CollectionId, CollectionSpec, ColumnId, Effort, Ids, Nearer, Result, RowBatch, ScalarValue,
    SegmentId, ShardId, VectorInput,
};

/// Called once with the outcome, on whatever thread has it; must not block.
pub type Done<T> = Box<dyn FnOnce(Result<T>) + Send>;

/// A write to one collection.
#[derive(Clone, Debug)]
pub enum Write {
    /// Adds rows; those whose ids exist are left out and named in the outcome.
    Insert(RowBatch),
    /// Adds rows, replacing those of the same id.
    Upsert(RowBatch),
    /// The same, as far as a condition lets; rows that it does not are left out and named
    /// in the outcome.
    UpsertIf(RowBatch, UpsertCondition),
    /// Deletes rows by id.
    Delete(Ids),
    /// Deletes the rows that pass a filter when the write is applied.
    DeleteWhere(RowFilter),
    /// Sets columns of rows that are there.
    Update(Update),
}

/// Which rows of an upsert are written.
#[derive(Clone, Debug)]
pub struct UpsertCondition {
    /// What the row that is there must pass, as it is when the write is applied; none:
    /// any does.
    pub filter: Option<RowFilter>,
    /// What becomes of rows whose ids have none.
    pub missing: Missing,
}

/// What an upsert does with a row whose id has none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is added.
    Insert,
    /// It is left out.
    LeaveOut,
}

/// New values of some columns; rows keep what is not given.
#[derive(Clone, Debug)]
pub struct Update {
    /// The rows.
    pub rows: Selection,
    /// Vector columns.
    pub vectors: Vec<(ColumnId, VectorInput)>,
    /// Scalar columns in their [`ScalarType::arrow`](vicinal_types::ScalarType::arrow)
    /// types.
    pub scalars: Vec<(ColumnId, ArrayRef)>,
}

/// Rows to be changed.
#[derive(Clone, Debug)]
pub enum Selection {
    /// Those of the ids; columns have a value for each.
    Ids(Ids),
    /// Those of the ids that pass when the write is applied; columns have a value for
    /// each id.
    IdsIf(Ids, RowFilter),
    /// Those that pass when the write is applied; columns have one value for all.
    Where(RowFilter),
}

/// Which rows: a condition as it was written, and the values of its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct RowFilter {
    /// The condition.
    pub expression: Expression,
    /// A value for each parameter, no more and no fewer.
    pub parameters: Parameters,
}

impl RowFilter {
    /// A condition without parameters.
    pub fn new(expression: Expression) -> Self {
        Self { expression, parameters: Parameters::new() }
    }

    /// A text that filters have in common which say the same.
    pub fn key(&self) -> String {
        let values = self.parameters.iter().map(|(name, value)| format!("\n{name} = {value}"));
        let mut values: Vec<_> = values.collect();
        values.sort_unstable();
        format!("{}{}", self.expression, values.concat())
    }
}

/// What a write did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOutcome {
    /// Rows that are new.
    pub inserted: u64,
    /// Rows that replaced one of the same id, or were updated.
    pub replaced: u64,
    /// Rows that are gone.
    pub deleted: u64,
    /// Places in the batch of rows that were left out: an insert's whose ids exist, an
    /// update's whose ids do not, and those that did not pass a condition.
    pub left_out: Vec<u32>,
    /// Where the write stands in the history of each shard it touched.
    pub positions: Vec<(ShardId, u64)>,
}

/// A search of one collection for one or many queries.
#[derive(Clone, Debug)]
pub struct Search {
    /// Name of the vector column; empty: the only one.
    pub vector_column: String,
    /// The query vectors, one after another.
    pub queries: VectorInput,
    /// Rows wanted for each, or groups of rows.
    pub k: usize,
    /// Nearest rows, or groups, that are passed over first.
    pub offset: usize,
    /// What groups rows; none: nothing.
    pub group_by: Option<GroupHits>,
    /// Where scores end, itself excluded: rows this far are too far; none: nowhere.
    pub radius: Option<f32>,
    /// Where scores begin, itself included: rows nearer are too near; none: nowhere.
    pub inner_radius: Option<f32>,
    /// How hard to try.
    pub effort: Effort,
    /// Names of columns wanted with each hit; `*` all scalars, `**` everything.
    pub columns: Vec<String>,
    /// Whether an answer without the rows of damaged segments is welcome, or at the
    /// deadline one with what was found until then.
    pub partial_ok: bool,
    /// Which rows may be found; none: all.
    pub filter: Option<RowFilter>,
    /// Makes the answer a page of `k` rows of a walk over the nearest, by score and then by
    /// id: where it begins, as the last page said; empty: at the nearest. None: no walk.
    pub cursor: Option<Vec<u8>>,
}

/// Makes rows with the same value in a column one group, null included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupHits {
    /// The column: of bools, integers, timestamps or strings.
    pub column: String,
    /// Rows wanted of each group.
    pub size: usize,
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct SearchAnswer {
    /// One for each query, in their order.
    pub results: Vec<QueryHits>,
    /// Which way scores point.
    pub nearer: Nearer,
    /// What it took.
    pub report: SearchReport,
    /// With `partial_ok`: what the deadline left out, a line for each segment.
    pub missing: Vec<String>,
}

/// The rows found for one query, nearest first; if they are grouped, group after group.
#[derive(Clone, Debug)]
pub struct QueryHits {
    /// Ids and the columns asked for.
    pub rows: RowBatch,
    /// The metric's own scores.
    pub scores: Vec<f32>,
    /// The groups, that of the nearest row first; empty if nothing groups rows.
    pub groups: Vec<HitGroup>,
    /// Of a walk: where the next page begins; none: this was the last.
    pub next: Option<Vec<u8>>,
}

/// Rows found that are of one group; they follow those of the group before.
#[derive(Clone, Debug, PartialEq)]
pub struct HitGroup {
    /// What they have in common; none: null.
    pub key: Option<ScalarValue>,
    /// How many they are.
    pub rows: usize,
}

/// What a search took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchReport {
    /// Segments looked at.
    pub segments: u32,
    /// Of those, searched by an exact scan.
    pub scanned_segments: u32,
    /// Distances computed over all segments and queries.
    pub distances: u64,
    /// Rows that could be found: those that pass the filter, or all.
    pub passing_rows: u64,
}

/// A read of rows by id.
#[derive(Clone, Debug)]
pub struct Get {
    /// The ids; those that have no row are left out.
    pub ids: Ids,
    /// Names of columns wanted; `*` all scalars, `**` everything.
    pub columns: Vec<String>,
    /// Whether an answer without the rows of damaged segments is welcome.
    pub partial_ok: bool,
}

/// Rows to be counted.
#[derive(Clone, Debug, Default)]
pub struct Count {
    /// Which rows; none: all.
    pub filter: Option<RowFilter>,
    /// Whether a count without the rows of damaged segments is welcome.
    pub partial_ok: bool,
}

/// The next page of a walk over all rows.
#[derive(Clone, Debug, Default)]
pub struct Scroll {
    /// Where it begins, as the last page said; empty: at the start.
    pub cursor: Vec<u8>,
    /// Rows of the page, at most.
    pub limit: usize,
    /// Names of columns wanted; `*` all scalars, `**` everything.
    pub columns: Vec<String>,
    /// Which rows; none: all.
    pub filter: Option<RowFilter>,
    /// In which order; none: one that stays the same whatever is written.
    pub order_by: Option<OrderBy>,
    /// Whether a page without the rows of damaged segments is welcome.
    pub partial_ok: bool,
}

/// The order of rows by a column's values, nulls last, rows of the same value by id; or
/// by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderBy {
    /// The column: of bools, numbers, timestamps or strings; or `id`.
    pub column: String,
    /// Which values come first.
    pub direction: Direction,
}

/// Which values come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The least.
    Ascending,
    /// The greatest.
    Descending,
}

/// A page of a walk over all rows.
#[derive(Clone, Debug)]
pub struct Page {
    /// The rows of the page.
    pub rows: RowBatch,
    /// Where the next page begins; none: this was the last.
    pub next: Option<Vec<u8>>,
}

/// How a collection is made to be as declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApplyMode {
    /// Only say what would change.
    pub dry_run: bool,
    /// Drop columns that the declaration does not have; else they are an error.
    pub drop_columns: bool,
}

/// What declaring a collection changed, or would change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The collection did not exist.
    pub created: bool,
    /// What differed.
    pub changes: Vec<Change>,
    /// Sealed segments that get a new index.
    pub segments_to_reindex: u64,
}

/// One difference between what is and what was declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// For example `vectors.embedding.index.m`.
    pub field: String,
    /// What it is.
    pub from: String,
    /// What was declared.
    pub to: String,
}

/// A collection as names resolve to it now.
#[derive(Clone, Debug)]
pub struct Collection {
    /// Its number.
    pub id: CollectionId,
    /// Its database's name.
    pub database: String,
    /// Grows with every column that comes or goes.
    pub schema_version: u32,
    /// Its declaration; `spec.name` is the name behind an alias.
    pub spec: CollectionSpec,
}

/// A collection in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// Its number.
    pub id: CollectionId,
    /// Its rows.
    pub rows: u64,
}

/// A collection, its segments and how far they are.
#[derive(Clone, Debug)]
pub struct Description {
    /// The collection.
    pub collection: Collection,
    /// Rows that a search can find.
    pub rows: u64,
    /// Its segments, shard by shard, oldest first.
    pub segments: Vec<SegmentDescription>,
    /// Aliases that point at it.
    pub aliases: Vec<String>,
    /// Whether every sealed segment has the index it should have and nothing
    /// waits to be sealed.
    pub fully_indexed: bool,
    /// Bytes of the log that its shards still need.
    pub log_bytes: u64,
}

/// Where a segment stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentState {
    /// Takes rows.
    Growing,
    /// Full; being written to its file.
    Frozen,
    /// In its file.
    Sealed,
}

/// A segment as others see it.
#[derive(Clone, Debug)]
pub struct SegmentDescription {
    /// Its shard.
    pub shard: ShardId,
    /// Its number in the shard.
    pub segment: SegmentId,
    /// Where it stands.
    pub state: SegmentState,
    /// Rows, deleted ones included.
    pub rows: u64,
    /// Deleted rows.
    pub deleted_rows: u64,
    /// Bytes of its files, or in memory.
    pub bytes: u64,
    /// One for each vector column, and for each scalar column that has one.
    pub indexes: Vec<SegmentIndexDescription>,
}

/// The index of one column in one segment.
#[derive(Clone, Debug)]
pub struct SegmentIndexDescription {
    /// The column's name.
    pub column: String,
    /// What is searched now.
    pub index: String,
    /// What is being built, and how far it is (0 to 1).
    pub building: Option<(String, f64)>,
    /// Bytes of the index.
    pub bytes: u64,
    /// Why it was chosen.
    pub reason: String,
    /// Recall@10 by effort, measured when it was built.
    pub calibration: Vec<(u32, f32)>,
    /// Queries of users that were asked again, exactly.
    pub live_queries: u32,
    /// What these and the measurement say together; empty without them.
    pub live_calibration: Vec<(u32, f32)>,
}

/// What the node uses.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Per collection.
    pub collections: Vec<CollectionStats>,
    /// Accounted memory by component.
    pub memory: Vec<(&'static str, u64)>,
    /// Bytes of memory that there may be, and in use as writes see it.
    pub memory_limit: u64,
    /// See [`memory_limit`](Self::memory_limit).
    pub memory_used: u64,
    /// Buffers of searches, over all threads.
    pub scratch: ScratchStats,
    /// The log.
    pub log: LogFigures,
    /// Searches that wait or run on the search pools.
    pub admission: AdmissionStats,
    /// The NUMA nodes: what lies on each, and from where it is searched.
    pub nodes: Vec<NodeStats>,
}

/// What a collection uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectionStats {
    /// Its database.
    pub database: String,
    /// Its name.
    pub collection: String,
    /// Rows that a search can find.
    pub rows: u64,
    /// Segments by state.
    pub growing_segments: u64,
    /// Segments being written.
    pub frozen_segments: u64,
    /// Segments in files.
    pub sealed_segments: u64,
    /// Sealed segments with the index they should have.
    pub indexed_segments: u64,
    /// Bytes of segment and index files.
    pub file_bytes: u64,
    /// Bytes of memory: growing segments, maps of ids, tombstones, index builds and
    /// copies of indexes.
    pub memory_bytes: u64,
    /// Bytes of writes that only the log holds: the flushes' backlog.
    pub log_bytes: u64,
    /// What of the files is of use, and what comes back.
    pub space: Space,
}

/// The log's figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFigures {
    /// Files.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Entries still needed.
    pub entries: u64,
    /// fsyncs since start.
    pub syncs: u64,
    /// Why writes are refused until a restart, if they are.
    pub failure: Option<String>,
}

impl Search {
    /// A search of the only vector column, for ids and scores.
    pub fn new(queries: VectorInput, k: usize) -> Self {
        Self {
            vector_column: String::new(),
            queries,
            k,
            offset: 0,
            group_by: None,
            radius: None,
            inner_radius: None,
            effort: Effort::DEFAULT,
            columns: Vec::new(),
            partial_ok: false,
            filter: None,
            cursor: None,
        }
    }
}
