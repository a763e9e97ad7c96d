//! How fast this machine is: [`measure`] finds out, [`store`] and [`load`] keep it in
//! the file [`MACHINE_FILE`] of a data directory.
//!
//! The figures are what [`MachineProfile`] has room for. They are measured with the
//! kernels, the pools and the disk that the server runs on, in about a second, and they
//! are those of a machine at rest: of many repetitions the fastest counts, and how far
//! the others are from it says whether the machine was at rest.
//!
//! It decides nothing: what the figures mean for a search is the planner's.
//!
//! # Invariants
//! * What [`load`] gives was measured on this machine, with this program's kernels.
//! * Measuring asks its `Cancel` every few milliseconds, and leaves no file behind.
//!
//! # Example
//! ```
//! use std::{path::Path, sync::Arc};
//! use vicinal_exec::{PoolOptions, Pools, Topology};
//! use vicinal_machine::{Loaded, Machine, Setup, load, measure, store};
//! use vicinal_storage::SimDisk;
//! use vicinal_types::{Cancel, SystemClock};
//!
//! let (disk, directory) = (SimDisk::new(1), Path::new(""));
//! let pools = Pools::new(&Topology::detect(), &PoolOptions::default())?;
//! let setup = Setup { disk: &disk, directory, clock: Arc::new(SystemClock), pools: &pools };
//! let measured = measure(&setup, &Cancel::never())?;
//! assert!(measured.profile.is_sound());
//! store(&disk, directory, &measured)?;
//! assert_eq!(load(&disk, directory, &Machine::detect())?, Loaded::Measured(Box::new(measured)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`MachineProfile`]: vicinal_planner::MachineProfile

mod cpu;
mod file;
mod measure;

pub use cpu::Machine;
pub use file::{Loaded, MACHINE_FILE, Measured, load, store};
pub use measure::{MeasureError, Setup, measure, working_bytes};
