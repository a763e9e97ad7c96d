//! The vocabulary of Vicinal: plain data checked at construction.
//!
//! It is not a place for behaviour: nothing here reads files, opens sockets,
//! starts threads or knows protobuf. Every other crate speaks in these words.
//!
//! # Glossary
//! * **database**: a namespace of collections; `default` exists from the start.
//! * **collection**: rows of one [`Schema`], cut into shards.
//! * **shard**: a range of id-hash slots of a collection; one Raft group each.
//! * **segment**: a part of a shard's rows, *growing* in memory or *sealed* in a
//!   file that never changes.
//! * **row**: a primary id, its vectors and its scalar columns.
//! * **tombstone**: the mark that a row of a segment was deleted or replaced.
//! * **version**: where a write stands in its shard's history, see [`Version`].
//! * **effort**: how many candidates an approximate index keeps while it
//!   searches (`ef` of HNSW), or how many lists it probes (`nprobe` of IVF): more
//!   effort, more recall, more time.
//!
//! # Example
//! ```
//! use vicinal_types::{ElementType, Metric, VectorType};
//!
//! let words = VectorType::new(384, ElementType::F16, Metric::Cosine)?;
//! assert_eq!(words.row_bytes(), 768);
//! assert!(VectorType::new(0, ElementType::F32, Metric::L2).is_err());
//! # Ok::<(), vicinal_types::Error>(())
//! ```

mod bitmap;
mod cancel;
mod clock;
mod collection;
mod column_index;
mod error;
mod ids;
mod ids_from;
mod index;
mod json;
pub mod limits;
mod query;
mod quota;
mod recall;
mod rows;
mod scalar;
mod schema;
mod vector;

pub use bitmap::Bitmap;
pub use cancel::{Cancel, Stopped};
pub use clock::{Clock, SystemClock, TestClock};
pub use collection::{CollectionSpec, SegmentLimits, Ttl, check_object_name};
pub use column_index::ColumnIndex;
pub use error::{Error, ErrorKind, Result};
pub use ids::{
    CollectionId, ColumnId, DatabaseId, GroupId, NodeId, RequestId, RowId, SegmentId, ShardId,
    Version,
};
pub use index::{
    FaissIvfPq, FaissParams, ForeignGraph, GraphParams, HnswCodes, HnswParams, IndexCodes,
    IndexEngine, IndexKind, IndexLayout, IndexObjective, IndexParams, IndexSpec,
};
pub use index::{FlatCodes, IvfCodes, IvfParams};
pub use json::{JsonError, check_json};
pub use query::{Consistency, Effort, Hit, Nearer};
pub use quota::{Quota, Quotas};
pub use recall::{Among, RecallCurve};
pub use rows::{Ids, RowBatch, VectorInput};
pub use scalar::{ArrayItem, ScalarType, ScalarValue, ValueError};
pub use schema::{Column, ColumnType, IdType, Schema};
pub use vector::{ElementType, Metric, VectorType};
