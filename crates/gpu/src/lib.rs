//! Search on CUDA devices.
//!
//! The binary carries the sources of the kernels. The driver and NVRTC are looked for
//! when the process starts: without them there is no device, and nothing fails.
//!
//! [`Devices`] are an [`Accelerator`](vicinal_index::Accelerator): rows are loaded into a
//! pool of memory with a budget, batches of queries run over them, and candidates with a
//! bound for all other rows come back.
//!
//! It knows no files, no network and no clock.

mod accelerator;
mod arguments;
mod compile;
mod cuda;
mod device;
mod launch;
mod resident;
mod search;
mod sources;

pub use accelerator::Devices;
pub use arguments::{AssignArgs, FlatArgs, MeansArgs, NormsArgs, RerankArgs, SelectArgs};
pub use compile::{CompileError, compile, has_compiler};
pub use cuda::{Cuda, NoDevices};
pub use device::Device;
pub use launch::{
    BLOCK_THREADS, Compare, DeviceFacts, FlatPlan, FlatSize, LIST_ROWS_MAX, Launch, assign, means,
    norms, rerank, select,
};
pub use sources::{Element, Family, Kernel, Module};
