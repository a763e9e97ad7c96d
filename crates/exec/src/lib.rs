//! Where work runs: worker pools that know the machine's NUMA nodes, a fair queue
//! bounded by predicted cost, and threads for jobs in the background.
//!
//! It is not a place that knows what a task computes, nor one with deadlines of
//! its own: tasks look at their `Cancel` between blocks of work.
//!
//! # Invariants
//! * Search threads stay on the cores of their NUMA node, as far as the process
//!   may use them; build threads run at the lowest ordinary priority everywhere.
//! * Data has a home by load; units of work go to threads of their home node first, and
//!   to those of others that have none left.
//! * A panic in a task ends the task, is counted and logged; no thread dies of it.
//! * What waits is bounded: [`Admission`] for searches, [`Workers`] for jobs.
//!
//! # Example
//! ```
//! use std::sync::mpsc;
//! use std::time::Duration;
//! use vicinal_exec::{Admission, PoolOptions, Pools, Topology};
//!
//! let pools = Pools::new(&Topology::detect(), &PoolOptions::default())?;
//! let admission = Admission::new(Duration::from_secs(1), pools.search_threads(), 1);
//! let (sender, receiver) = mpsc::channel();
//! let permit = admission.enter("tenant", Duration::from_millis(2))?;
//! admission.queue(0, permit, move |_permit| {
//!     sender.send(6 * 7).expect("the receiver waits");
//! });
//! pools.spawn_search_on(0, move || admission.run_next(0));
//! assert_eq!(receiver.recv()?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod admission;
mod memory;
mod nodes;
mod pools;
mod topology;
mod units;
mod workers;

pub use admission::{Admission, AdmissionStats, Overloaded, Permit};
pub use memory::memory_limit;
pub use nodes::{Home, NodeStats};
pub use pools::{PoolError, PoolOptions, Pools};
pub use topology::{NumaNode, Topology, TopologyError};
pub use units::Units;
pub use workers::{SubmitError, Workers};
