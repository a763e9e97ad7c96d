//! Which rows are probably near: FLAT and HNSW.
//!
//! An [`Index`] is built over the [`Vectors`] of a segment, searched with a
//! number of neighbours, an effort and an optional mask of allowed rows, and
//! stored as sections of bytes that are searched as they lie.
//!
//! It knows no files, no clock and no threads of its own: bytes in and out, a
//! rayon pool as a parameter, a [`Cancel`](vicinal_types::Cancel) that says when
//! to stop.
//!
//! # Invariants
//! * A search returns as many rows as asked for, or all that are allowed.
//! * FLAT is exact. Neighbours are ordered by key, ties by row.
//! * Opening checks every number that a search follows: damaged bytes are an
//!   error at opening, never a panic.
//! * A build on a pool of one thread is a function of its parameters and rows.
//!
//! # Example
//! ```
//! use bytes::Bytes;
//! use vicinal_index::{Index, IndexParams, Progress, Scratch, Search, Vectors};
//! use vicinal_types::{Cancel, ElementType, Metric, VectorType};
//!
//! let points = VectorType::new(2, ElementType::U8, Metric::L2)?;
//! let vectors = Vectors::new(points, Bytes::from_static(&[0, 0, 9, 9, 3, 4]))?;
//! let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
//! let never = Cancel::never();
//! let index = Index::build(&IndexParams::Flat, &vectors, &pool, &Progress::default(), &never)?;
//!
//! let search = Search::new(2, 2);
//! let found = index.search(&vectors, &[1, 1], &search, &mut Scratch::default(), &never)?;
//! let rows: Vec<_> = found.neighbors.iter().map(|neighbor| neighbor.row).collect();
//! assert_eq!(rows, [0, 2]);
//! # Ok::<(), vicinal_types::Error>(())
//! ```

mod accelerator;
mod ahead;
mod calibrate;
mod engines;
mod error;
mod flat;
mod graph;
mod hnsw;
mod hot;
mod index;
mod ivf;
mod kmeans;
mod neighbors;
mod paged;
mod profile;
mod quantise;
mod range;
mod rivals;
mod scan;
mod scratch;
mod vectors;

pub use accelerator::{
    Accelerator, AcceleratorError, Batch, Candidates, DeviceState, Faults, SimulatedAccelerator,
    are_same_rows, settle,
};
pub use ahead::{Ahead, AheadUnit};
pub use calibrate::{Calibration, calibrate, recall_of};
pub use engines::{Faiss, HnswRs};
pub use error::{IndexError, SearchError};
pub use flat::{Flat, FlatCoded};
pub use graph::{Graph, GrowingRecords};
pub use hnsw::{GrowingHnsw, Hnsw, HnswParams};
pub use index::{Found, Index, IndexParams, Progress, Search, Section, section};
pub use ivf::Ivf;
pub use neighbors::{KeyRange, Neighbor, TopK, Work};
pub use paged::Paged;
pub use profile::{CodeErrors, Neighborhood, Spread, VectorProfile, profile};
pub use scan::{scan, scan_many};
pub use scratch::{Scratch, ScratchCounters, ScratchOptions, ScratchStats};
pub use vectors::Vectors;
