//! Search on CUDA devices.
//!
//! The binary carries the sources of the kernels. The driver and NVRTC are looked for
//! when the process starts: without them there is no device, and nothing fails.
//!
//! It knows no files but those that it is told to keep compiled kernels in, no network
//! and no clock.

mod arguments;
mod compile;
mod launch;
mod sources;

pub use arguments::{AssignArgs, FlatArgs, MeansArgs, NormsArgs, RerankArgs, SelectArgs};
pub use compile::{CompileError, compile, has_compiler};
pub use launch::{
    BLOCK_THREADS, Compare, DeviceFacts, FlatPlan, FlatSize, LIST_ROWS_MAX, Launch, assign, means,
    norms, rerank, select,
};
pub use sources::{Element, Family, Kernel, Module};
