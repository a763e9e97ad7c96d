//! Pure functions from statistics to plans: which index a segment gets, how a search
//! goes through it, and which segments are merged.
//!
//! It does no IO, holds no state and starts nothing: the engine asks, decides by
//! the answer, and acts.
//!
//! # Example
//! ```
//! use vicinal_planner::{Calibration, EffortUnit, Indexed, SearchPlan, choose_effort};
//! use vicinal_types::Effort;
//!
//! let curve = Calibration { k: 10, samples: 256, points: &[(32, 0.90), (64, 0.97), (128, 0.99)] };
//! let graph =
//!     Indexed { rows: 250_000, unit: EffortUnit::Candidates, has_codes: false, calibration: Some(curve) };
//! let choice = choose_effort(Effort::MinRecall(0.95), 10, &graph);
//! assert!(matches!(choice.plan, SearchPlan::Index { effort: 65..=128, .. }));
//!
//! let choice = choose_effort(Effort::MinRecall(1.0), 10, &graph);
//! assert_eq!(choice.plan, SearchPlan::Scan);
//! ```

mod cost;
mod effort;
mod filtered;
mod index;
mod machine;
mod merge;

pub use cost::{estimate_build_bytes, estimate_nanos};
pub use effort::{Calibration, EffortUnit, Indexed, SearchChoice, SearchPlan, choose_effort};
pub use filtered::choose_filtered;
pub use index::{GROWING_GRAPH_ROWS_MIN, IndexChoice, choose_growing, choose_index};
pub use machine::{
    DiskTimes, Gpu, KERNELS, KernelTime, Line, MachineProfile, MemoryTimes, RowCost,
};
pub use merge::{
    DELETED_ONE_IN, DROPPED_ONE_IN, Merge, MergeReason, SegmentFigures, SegmentTarget, Writes,
    choose_merge,
};
