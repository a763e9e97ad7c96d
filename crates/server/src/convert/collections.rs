//! Declared collections, and descriptions of what became of them.

use super::indexes::{index_in, index_out, or};
use super::scalar_columns::{scalar_column_in, scalar_column_out};
use super::vectors::{element_in, element_out, metric_in, metric_out};
use std::collections::BTreeMap;
use vicinal_api::v1;
use vicinal_engine::{
    Applied, Change, CollectionStats, Description, LogFigures, NodeStats, SegmentDescription,
    SegmentIndexDescription, SegmentState, Space, Summary,
};
use vicinal_types::{
    CollectionSpec, Column, ColumnId, ElementType, Error, IdType, IndexSpec, Result, Schema,
    SegmentLimits, Ttl, VectorType, limits,
};

/// Parses a declaration; what it leaves out comes from the configuration.
///
/// Columns are numbered from 1 in their order, vectors first.
pub(crate) fn spec_in(
    spec: Option<v1::CollectionSpec>,
    segments: SegmentLimits,
    index: IndexSpec,
) -> Result<CollectionSpec> {
    let spec = spec.ok_or_else(|| Error::invalid("there is no declaration; set `spec`"))?;
    let (count, max) = (spec.vectors.len() + spec.columns.len(), limits::COLUMNS_MAX);
    if count > max {
        return Err(Error::invalid(format!("{count} columns are more than the limit of {max}")));
    }
    let mut columns = Vec::with_capacity(count);
    let mut indexes = BTreeMap::new();
    let mut ids = (1..).map(ColumnId);
    for (vector, id) in spec.vectors.into_iter().zip(&mut ids) {
        let element = element_in(vector.element)?.unwrap_or(ElementType::F32);
        let metric = metric_in(&vector.name, vector.metric)?;
        let kind = VectorType::new(vector.dimension, element, metric)?;
        indexes.insert(vector.name.clone(), index_in(vector.index.unwrap_or_default(), index)?);
        columns.push(Column::vector(id, vector.name, kind));
    }
    for (column, id) in spec.columns.into_iter().zip(ids) {
        columns.push(scalar_column_in(id, column)?);
    }
    let spec = CollectionSpec {
        name: spec.name,
        schema: Schema::new(id_type_in(spec.id_type)?, columns)?,
        segments: segments_in(spec.segments.unwrap_or_default(), segments),
        indexes,
        ttl: spec.ttl.map(|v1::Ttl { column }| Ttl { column }),
    };
    spec.check()?;
    Ok(spec)
}

fn spec_out(spec: &CollectionSpec) -> v1::CollectionSpec {
    let vector = |(column, kind): (&Column, VectorType)| v1::VectorColumn {
        name: column.name.clone(),
        // Cannot be cut off: a dimension is made from a u32.
        dimension: u32::try_from(kind.dim()).unwrap_or(u32::MAX),
        element: element_out(kind.element()).into(),
        metric: metric_out(kind.metric()).into(),
        index: Some(index_out(spec.index(&column.name))),
    };
    v1::CollectionSpec {
        name: spec.name.clone(),
        id_type: id_type_out(spec.schema.id_type()).into(),
        vectors: spec.schema.vectors().map(vector).collect(),
        columns: spec.schema.scalars().map(scalar_column_out).collect(),
        segments: Some(v1::SegmentLimits {
            max_rows: spec.segments.max_rows,
            max_bytes: spec.segments.max_bytes,
            max_interval_s: spec.segments.max_interval_s,
        }),
        ttl: spec.ttl.as_ref().map(|ttl| v1::Ttl { column: ttl.column.clone() }),
    }
}

fn segments_in(given: v1::SegmentLimits, default: SegmentLimits) -> SegmentLimits {
    SegmentLimits {
        max_rows: or(given.max_rows, default.max_rows),
        max_bytes: or(given.max_bytes, default.max_bytes),
        max_interval_s: or(given.max_interval_s, default.max_interval_s),
    }
}

fn id_type_in(number: i32) -> Result<IdType> {
    match v1::IdType::try_from(number) {
        Ok(v1::IdType::Unspecified | v1::IdType::Int64) => Ok(IdType::Int64),
        Ok(v1::IdType::String) => Ok(IdType::String),
        Err(_) => Err(Error::invalid(format!("{number} is no IdType; use 0 to 2"))),
    }
}

fn id_type_out(id_type: IdType) -> v1::IdType {
    match id_type {
        IdType::Int64 => v1::IdType::Int64,
        IdType::String => v1::IdType::String,
    }
}

/// What declaring a collection changed.
pub(crate) fn applied_out(applied: Applied) -> v1::ApplyCollectionResponse {
    let change = |Change { field, from, to }| v1::Change { field, from, to };
    v1::ApplyCollectionResponse {
        created: applied.created,
        changes: applied.changes.into_iter().map(change).collect(),
        segments_to_reindex: applied.segments_to_reindex,
    }
}

/// A collection, its segments and how far they are.
pub(crate) fn description_out(description: Description) -> v1::DescribeCollectionResponse {
    v1::DescribeCollectionResponse {
        spec: Some(spec_out(&description.collection.spec)),
        collection_id: description.collection.id.0,
        rows: description.rows,
        segments: description.segments.into_iter().map(segment_out).collect(),
        aliases: description.aliases,
        fully_indexed: description.fully_indexed,
        log_bytes: description.log_bytes,
    }
}

pub(super) fn state_out(state: SegmentState) -> v1::SegmentState {
    match state {
        SegmentState::Growing => v1::SegmentState::Growing,
        SegmentState::Frozen => v1::SegmentState::Frozen,
        SegmentState::Sealed => v1::SegmentState::Sealed,
    }
}

fn segment_out(segment: SegmentDescription) -> v1::SegmentDescription {
    v1::SegmentDescription {
        shard: segment.shard.0,
        segment: segment.segment.0,
        state: state_out(segment.state).into(),
        rows: segment.rows,
        deleted_rows: segment.deleted_rows,
        bytes: segment.bytes,
        indexes: segment.indexes.into_iter().map(segment_index_out).collect(),
    }
}

fn segment_index_out(index: SegmentIndexDescription) -> v1::SegmentIndex {
    let (building, progress) = index.building.unwrap_or_default();
    let point = |(effort, recall)| v1::CalibrationPoint { effort, recall };
    v1::SegmentIndex {
        column: index.column,
        index: index.index,
        building,
        progress,
        bytes: index.bytes,
        reason: index.reason,
        calibration: index.calibration.into_iter().map(point).collect(),
        live_queries: index.live_queries,
        live_calibration: index.live_calibration.into_iter().map(point).collect(),
    }
}

/// The collections of a database.
pub(crate) fn summaries_out(summaries: Vec<Summary>) -> v1::ListCollectionsResponse {
    let summary = |summary: Summary| v1::CollectionSummary {
        name: summary.name,
        collection_id: summary.id.0,
        rows: summary.rows,
    };
    v1::ListCollectionsResponse { collections: summaries.into_iter().map(summary).collect() }
}

/// The aliases of a database.
pub(crate) fn aliases_out(aliases: Vec<(String, String)>) -> v1::ListAliasesResponse {
    let alias = |(alias, collection)| v1::Alias { alias, collection };
    v1::ListAliasesResponse { aliases: aliases.into_iter().map(alias).collect() }
}

/// What the collections and the log use.
pub(crate) fn stats_out(
    collections: Vec<CollectionStats>,
    log: LogFigures,
) -> (Vec<v1::CollectionStats>, v1::LogStats) {
    let stats = |stats: CollectionStats| v1::CollectionStats {
        database: stats.database,
        collection: stats.collection,
        rows: stats.rows,
        growing_segments: stats.growing_segments,
        frozen_segments: stats.frozen_segments,
        sealed_segments: stats.sealed_segments,
        indexed_segments: stats.indexed_segments,
        file_bytes: stats.file_bytes,
        memory_bytes: stats.memory_bytes,
        log_bytes: stats.log_bytes,
        space: Some(space_out(stats.space)),
    };
    let log = v1::LogStats {
        files: log.files,
        bytes: log.bytes,
        entries: log.entries,
        syncs: log.syncs,
        failure: log.failure.unwrap_or_default(),
    };
    (collections.into_iter().map(stats).collect(), log)
}

/// A NUMA node and what was done there.
pub(crate) fn node_out(node: NodeStats) -> v1::NumaNode {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    v1::NumaNode {
        number: number(node.number),
        cores: node.cores.into_iter().map(number).collect(),
        search_threads: number(node.search_threads),
        segments: node.pieces,
        segment_bytes: node.bytes,
        local_searches: node.local_searches,
        remote_searches: node.remote_searches,
    }
}

fn space_out(space: Space) -> v1::Space {
    v1::Space {
        live_bytes: space.live_bytes,
        deleted_bytes: space.deleted_bytes,
        removal_bytes: space.removal_bytes,
        merges_running: space.merges_running,
        merges_queued: space.merges_queued,
        outlook: space.outlook,
    }
}
