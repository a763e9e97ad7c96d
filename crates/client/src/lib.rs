//! The Rust client of Vicinal: connect, declare, write in batches, search.
//!
//! It is not a cache and not an embedded database: it speaks the gRPC of proto/
//! to a server and knows nothing of how that keeps its rows.
//!
//! # Invariants
//! * Only `UNAVAILABLE`, broken connections and refusals that say when to come again are
//!   retried, with exponential backoff and jitter; every write carries a request id, so
//!   that a repeated write happens once.
//! * Every failure is one sentence that says what to do, with the gRPC code.
//!
//! # Example
//! ```no_run
//! use vicinal_client::{Client, CollectionSpec, ElementType, Metric, Rows, ScalarType, VectorType};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = Client::connect("127.0.0.1:7878").await?;
//!     let spec = CollectionSpec::new("words")
//!         .vector("vector", VectorType::new(4, ElementType::F32, Metric::Cosine)?)
//!         .column("word", ScalarType::String);
//!     client.create(spec).await?;
//!
//!     let words = client.collection("words");
//!     let rows = Rows::new([1, 2])
//!         .vectors("vector", &[0.1, 0.9, 0.2, 0.0, 0.8, 0.1, 0.0, 0.3])
//!         .column("word", vec!["near", "far"]);
//!     words.insert(rows).await?; // on stable storage when this returns
//!
//!     let query = [0.1, 0.8, 0.3, 0.0];
//!     let found = words.search(&query).k(10).min_recall(0.95).columns(["word"]).send().await?;
//!     for row in 0..found.hits.rows.len() {
//!         let word = found.hits.rows.text("word", row).unwrap_or_default();
//!         eprintln!("{word}: {}", found.hits.scores[row]);
//!     }
//!     Ok(())
//! }
//! ```

mod connect;
mod error;
mod retry;

mod aggregate;
mod collection;
mod filter;
mod rows;
mod scroll;
mod search;
mod snapshots;
mod spec;
mod update;
mod upsert;
mod writer;

mod convert;

pub use aggregate::{Aggregate, Group, Groups};
pub use collection::{Apply, Collection, FlushUntil, Partial};
pub use connect::{Client, ClientBuilder};
pub use error::{Error, Result};
pub use filter::{Filter, FilterValue};
pub use retry::Retry;
pub use rows::{Columns, Rows, Scalars, Value, Vectors};
pub use scroll::Scroll;
pub use search::{Explain, Found, HitGroup, Hits, Many, One, Search, SearchPages};
pub use spec::{
    CollectionSpec, ColumnSpec, column_index, default_value, index_spec, scalar_type, vector_type,
};
pub use tonic::Code;
pub use update::UpdateWhere;
pub use upsert::UpsertIf;
pub use vicinal_api::v1 as proto;
pub use vicinal_types::{
    ArrayItem, ColumnIndex, Effort, ElementType, IdType, Ids, IndexCodes, IndexEngine, IndexKind,
    IndexLayout, IndexObjective, IndexSpec, Metric, Nearer, RowId, ScalarType, ScalarValue,
    SegmentLimits, VectorType,
};
pub use writer::{OnExisting, Writer, WriterOptions, Written};
