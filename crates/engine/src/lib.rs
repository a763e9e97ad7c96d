//! One node's database: collections, segments, writes and searches.
//!
//! A write is validated, put through its shard's Raft log, applied to the growing
//! segment and then acknowledged; a full segment is sealed into a file, and gets
//! its index in the background. A search takes a snapshot of the segments, plans
//! each, and merges what they find.
//!
//! It is not a server: it knows no network and no protobuf, and nothing in it is
//! async. Answers that take time come through a callback.
//!
//! # Invariants
//! * Sealed segments never change; deletions are new files in a new manifest.
//! * Applying a command always yields an outcome, the same on every replica.
//! * An id has at most one live row in any view that a search can take.
//! * What a manifest names is durable; what it does not name is a leftover.
//!
//! # Example
//! ```
//! use std::sync::{Arc, mpsc};
//! use vicinal_engine::{Engine, EngineOptions, Search, Write};
//! use vicinal_storage::SimDisk;
//! use vicinal_types::*;
//!
//! let options = EngineOptions::new(Arc::new(SimDisk::new(1)), "data".into(), Arc::new(SystemClock));
//! let engine = Engine::open(options)?;
//! let kind = VectorType::new(2, ElementType::F32, Metric::L2)?;
//! let column = Column::vector(ColumnId(1), "v", kind);
//! let schema = Schema::new(IdType::Int64, vec![column])?;
//! engine.create_collection("", CollectionSpec::new("points", schema), None)?;
//!
//! let vectors = vec![(ColumnId(1), VectorInput::Floats(vec![0.0, 0.0, 3.0, 4.0]))];
//! let rows = RowBatch { ids: Ids::Int(vec![7, 8]), vectors, scalars: vec![] };
//! let (sender, receiver) = mpsc::channel();
//! let done = Box::new(move |outcome| sender.send(outcome).expect("the receiver waits"));
//! engine.write("", "points", Write::Insert(rows), None, done);
//! assert_eq!(receiver.recv().expect("an outcome")?.inserted, 2);
//!
//! let search = Search::new(VectorInput::Floats(vec![3.0, 3.0]), 1);
//! let found = engine.search_blocking("", "points", search, Cancel::never())?;
//! assert_eq!(found.results[0].rows.ids, Ids::Int(vec![8]));
//! engine.close();
//! # Ok::<(), vicinal_types::Error>(())
//! ```

mod aggregate;
mod catalogue;
mod columns;
mod command;
mod cursor;
mod declare;
mod describe;
mod engine;
mod expiry;
mod explanation;
mod fetch;
mod filtering;
mod first;
mod hot;
mod machine;
mod maintenance;
mod memory;
mod options;
mod profile;
mod quotas;
mod request;
mod rows;
mod scratches;
mod search;
mod segment;
mod shard;
mod snapshot;
mod ticker;
mod validate;
mod vectors;
mod verify;

pub use aggregate::{Aggregate, Aggregated, Figure, Function, Group, GroupBy, GroupOrder};
pub use engine::Engine;
pub use explanation::{Analysis, ExplainedSegment, Explanation, Placement, SegmentAnalysis};
pub use memory::{MemoryOptions, Pressure};
pub use options::{Compaction, EngineOptions};
pub use profile::{calibrate, machine_figures};
pub use request::{
    Applied, ApplyMode, Change, Collection, CollectionStats, Count, Description, Direction, Done,
    Get, GroupHits, HitGroup, LogFigures, Missing, OrderBy, Page, QueryHits, RowFilter, Scroll,
    Search, SearchAnswer, SearchReport, SegmentDescription, SegmentIndexDescription, SegmentState,
    Selection, Stats, Summary, Update, UpsertCondition, Write, WriteOutcome,
};
pub use shard::Space;
pub use snapshot::{Pinned, PinnedFile, RestoreAs, SnapshotCollection, StagedFile, Staging};
pub use verify::{FileRole, Verification, VerifiedFile, verify};
pub use vicinal_exec::{AdmissionStats, NodeStats, Topology};
pub use vicinal_index::Work;
pub use vicinal_machine::Measured;
pub use vicinal_planner::{Candidate, Cost, Prediction, SearchPlan, Way};
