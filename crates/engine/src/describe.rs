//! What there is and what it takes, as others see it.

use crate::catalogue::LiveCollection;
use crate::engine::Engine;
use crate::memory::holding;
use crate::request::{
    CollectionStats, Description, LogFigures, SegmentDescription, SegmentIndexDescription,
    SegmentState, Stats, Summary,
};
use crate::segment::SealedView;
use crate::shard::{SegmentView, Shard, View, params_of};
use vicinal_types::{Column, ColumnIndex, Result, ScalarType, VectorType};

impl Engine {
    /// Says what a collection is and how far its segments and indexes are.
    ///
    /// # Errors
    /// `NotFound` for the collection.
    pub fn describe(&self, database: &str, name: &str) -> Result<Description> {
        let live = self.live(database, name)?;
        let shard = live.shard()?;
        let view = shard.view();
        let segments: Vec<_> = view
            .segments
            .iter()
            .filter_map(|segment| describe_segment(&live, shard, segment))
            .collect();
        let names = self.catalogue().names();
        let aliases = names.aliases(&live.info.database).into_iter();
        let aliases = aliases.filter(|(_, collection)| *collection == live.info.spec.name);
        Ok(Description {
            collection: live.info.as_ref().clone(),
            rows: view.live_count(),
            segments,
            aliases: aliases.map(|(alias, _)| alias).collect(),
            fully_indexed: is_fully_indexed(shard, &view),
            log_bytes: shard.log_bytes(),
        })
    }

    /// Lists the collections of a database, by name.
    ///
    /// # Errors
    /// None today; a database without collections is empty.
    pub fn list_collections(&self, database: &str) -> Result<Vec<Summary>> {
        let names = self.catalogue().names();
        let summary = |live: &LiveCollection| Summary {
            name: live.info.spec.name.clone(),
            id: live.info.id,
            rows: live.shard.as_ref().map_or(0, |shard| shard.live_count()),
        };
        Ok(names.list(database).into_iter().map(|live| summary(live)).collect())
    }

    /// Lists the aliases of a database with what they point at, by alias.
    ///
    /// # Errors
    /// None today; a database without aliases is empty.
    pub fn list_aliases(&self, database: &str) -> Result<Vec<(String, String)>> {
        Ok(self.catalogue().names().aliases(database))
    }

    /// Says what the node uses.
    pub fn stats(&self) -> Stats {
        let names = self.catalogue().names();
        let mut collections: Vec<_> = names.all().map(|live| collection_stats(live)).collect();
        collections.sort_by(|a, b| (&a.database, &a.collection).cmp(&(&b.database, &b.collection)));
        let log = self.node().log_stats();
        let scratch = self.scratches().stats();
        let budget = self.account().budget();
        Stats {
            collections,
            memory: self.account().components(),
            memory_limit: budget.limit(),
            memory_used: budget.used(),
            scratch,
            log: LogFigures {
                files: log.files as u64,
                bytes: log.bytes,
                entries: log.entries,
                syncs: log.syncs,
                failure: self.failure(),
            },
            admission: self.admission().stats(),
            nodes: self.pools().node_stats(),
        }
    }
}

fn describe_segment(
    live: &LiveCollection,
    shard: &Shard,
    segment: &SegmentView,
) -> Option<SegmentDescription> {
    match segment {
        // A growing segment that nobody wrote to is no news.
        SegmentView::Memory(memory) if memory.row_count == 0 => None,
        SegmentView::Memory(memory) => Some(SegmentDescription {
            shard: shard.group,
            segment: memory.id,
            state: if memory.is_frozen { SegmentState::Frozen } else { SegmentState::Growing },
            rows: u64::from(memory.row_count),
            deleted_rows: u64::from(memory.deleted_count),
            bytes: memory.bytes() as u64,
            indexes: Vec::new(),
        }),
        SegmentView::Sealed(sealed) => {
            let indexes = live.info.spec.schema.vectors();
            let indexes = indexes.map(|(column, kind)| describe_index(shard, sealed, column, kind));
            let scalars = live.info.spec.schema.scalars();
            let scalars = scalars.filter_map(|(column, scalar, _)| {
                describe_scalar_index(shard, sealed, column, scalar)
            });
            Some(SegmentDescription {
                shard: shard.group,
                segment: sealed.sealed.id,
                state: SegmentState::Sealed,
                rows: u64::from(sealed.sealed.rows.len()),
                deleted_rows: u64::from(sealed.deleted_count),
                bytes: sealed.file_bytes(),
                indexes: indexes.chain(scalars).collect(),
            })
        }
    }
}

fn describe_index(
    shard: &Shard,
    sealed: &SealedView,
    column: &Column,
    kind: VectorType,
) -> SegmentIndexDescription {
    let built = sealed.index(column.id);
    let building = shard.build_of(sealed.sealed.id, column.id);
    let choice = shard.choose(column.id, kind, sealed.sealed.rows.len());
    let is_missing = building.is_none() && params_of(built) != choice.params;
    let wait = is_missing.then(|| shard.build_waits(&sealed.sealed, kind, &choice)).flatten();
    let learned = built.and_then(|built| built.learned_curve().clone());
    SegmentIndexDescription {
        column: column.name.clone(),
        index: params_of(built).to_string(),
        building: building.map(|build| (build.name(), build.progress())),
        bytes: built.map_or(0, |built| built.file_bytes),
        reason: match built.and_then(|built| built.hot_report(&sealed.sealed)).or(wait) {
            Some(report) => format!("{}; {report}", choice.reason),
            None => choice.reason,
        },
        calibration: built.map_or_else(Vec::new, |built| built.calibration().to_vec()),
        live_queries: learned.as_ref().map_or(0, |learned| learned.live),
        live_calibration: learned.map_or_else(Vec::new, |learned| learned.points.clone()),
    }
}

/// The index of a scalar column, if it has one or is about to.
fn describe_scalar_index(
    shard: &Shard,
    sealed: &SealedView,
    column: &Column,
    scalar: ScalarType,
) -> Option<SegmentIndexDescription> {
    let indexes = &sealed.scalar_indexes;
    let is_building = shard.builds_scalar_indexes(sealed.sealed.id)
        && !indexes.is_as_declared(column, scalar, &sealed.sealed.rows);
    let index = sealed.scalar_index(column.id);
    if index.is_none() && !is_building {
        return None;
    }
    let reason = match column.index {
        ColumnIndex::Auto => "auto: by its type and values",
        ColumnIndex::None
        | ColumnIndex::Bitmap
        | ColumnIndex::Sorted
        | ColumnIndex::Inverted
        | ColumnIndex::Trigram => "named",
    };
    Some(SegmentIndexDescription {
        column: column.name.clone(),
        index: index.map_or("none".to_owned(), |index| index.kind().to_string()),
        building: is_building.then(|| (column.index.to_string(), 0.0)),
        bytes: indexes.bytes(column.id),
        reason: reason.to_owned(),
        calibration: Vec::new(),
        live_queries: 0,
        live_calibration: Vec::new(),
    })
}

fn collection_stats(live: &LiveCollection) -> CollectionStats {
    let mut stats = CollectionStats {
        database: live.info.database.clone(),
        collection: live.info.spec.name.clone(),
        ..CollectionStats::default()
    };
    let Ok(shard) = &live.shard else { return stats };
    let view = shard.view();
    stats.rows = view.live_count();
    stats.memory_bytes = holding(live).memory_bytes;
    for segment in &view.segments {
        match segment {
            SegmentView::Memory(memory) if memory.is_frozen => stats.frozen_segments += 1,
            SegmentView::Memory(_) => stats.growing_segments += 1,
            SegmentView::Sealed(sealed) => {
                stats.sealed_segments += 1;
                stats.indexed_segments += u64::from(shard.is_indexed(sealed));
                stats.file_bytes += sealed.file_bytes();
            }
        }
    }
    stats.log_bytes = shard.log_bytes();
    stats.space = shard.space();
    stats
}

fn is_fully_indexed(shard: &Shard, view: &View) -> bool {
    view.segments.iter().all(|segment| match segment {
        SegmentView::Memory(memory) => {
            memory.row_count == memory.deleted_count && !memory.is_frozen
        }
        SegmentView::Sealed(sealed) => shard.is_indexed(sealed),
    })
}
