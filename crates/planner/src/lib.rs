//! Pure functions from statistics to plans: which index a segment gets, how a search
//! goes through it, and which segments are merged.
//!
//! It does no IO, holds no state and starts nothing: the engine asks, decides by
//! the answer, and acts.
//!
//! # Example
//! ```
//! use vicinal_planner::{
//!     Calibration, Indexed, MachineProfile, SearchPlan, Segment, Way, plan_search,
//! };
//! use vicinal_types::{Effort, ElementType, GraphParams, IndexParams, Metric, VectorType};
//!
//! let points = &[(32, 0.90), (64, 0.97), (128, 0.99)];
//! let calibration = Some(Calibration { k: 10, samples: 256, points, of_queries: false });
//! let params = IndexParams::Graph(GraphParams { m: 16, ef_construction: 128, seed: 0 });
//! let (rows, vector) = (250_000, VectorType::new(128, ElementType::F32, Metric::L2)?);
//! let index = Some(Indexed { rows, params, has_codes: true, calibration, curves: &[] });
//! let row = MachineProfile::TYPICAL.row_cost(vector);
//! let segment = Segment { rows, passing: rows, index, row };
//! let ways = plan_search(Effort::MinRecall(0.95), 10, &segment);
//! assert!(matches!(ways.best().plan, SearchPlan::Index { effort: 65..=128 }));
//! assert_eq!(ways.all().last().map(|rejected| rejected.way), Some(Way::Scan));
//!
//! let ways = plan_search(Effort::MinRecall(1.0), 10, &segment);
//! assert_eq!(ways.best().plan, SearchPlan::Scan);
//! # Ok::<(), vicinal_types::Error>(())
//! ```

mod cost;
mod curves;
mod effort;
mod filtered;
mod index;
mod learned;
mod machine;
mod merge;
mod plan;
mod steps;

pub use cost::{Cost, estimate_build_bytes};
pub use effort::{Calibration, EffortUnit, Indexed};
pub use index::{GROWING_GRAPH_ROWS_MIN, IndexChoice, choose_growing, choose_index};
pub use learned::Learned;
pub use machine::{
    DiskTimes, Gpu, KERNELS, KernelTime, Line, MachineProfile, MemoryTimes, RowCost,
};
pub use merge::{
    DELETED_ONE_IN, DROPPED_ONE_IN, Merge, MergeReason, SegmentFigures, SegmentTarget, Writes,
    choose_merge,
};
pub use plan::{Candidate, Candidates, Prediction, SearchPlan, Segment, Way, plan_search};
