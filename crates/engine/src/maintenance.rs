//! Work that nobody waits for: flushes, index builds, purging the log.

use crate::hot::HotMemory;
use crate::machine::Machine;
use crate::memory::MemoryBudget;
use crate::options::EngineOptions;
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};
use vicinal_cluster::Node;
use vicinal_exec::{Pools, Workers};
use vicinal_storage::LogPosition;
use vicinal_types::{Error, GroupId, Result};

/// The nice value of the thread that inserts into graphs: below searches, and above
/// index builds, since every search scans the rows that it has not come to yet.
const GROW_NICE: i32 = 5;

/// The part of all memory that index builds and merges take together.
const MEMORY_PART: u64 = 4;

/// Memory for index builds and merges that run side by side.
#[derive(Debug)]
pub(crate) struct WorkBudget {
    limit: u64,
    /// Guards what is taken. Rank: a leaf.
    taken: Mutex<u64>,
    memory: Arc<MemoryBudget>,
}

/// A part of the budget, given back with it.
#[derive(Debug)]
pub(crate) struct WorkShare {
    budget: Arc<WorkBudget>,
    bytes: u64,
}

/// The workers of a node, and what they need of the rest of it.
pub(crate) struct Maintenance {
    flushers: Workers,
    builders: Workers,
    mergers: Workers,
    growers: Workers,
    scalar_builders: Workers,
    work: Arc<WorkBudget>,
    pools: Arc<Pools>,
    hot_memory: Arc<HotMemory>,
    budget: Arc<MemoryBudget>,
    node: OnceLock<Node<Machine>>,
}

impl Maintenance {
    /// Starts the options' threads for flushes, those that run index builds on the build
    /// pool and as many that merge segments there, one that inserts into graphs, and one that builds indexes of scalar columns: they take less than a
    /// second and do not wait for the others.
    ///
    /// # Errors
    /// `Exhausted` if the operating system gives no thread.
    pub(crate) fn new(
        options: &EngineOptions,
        pools: Arc<Pools>,
        hot_memory: Arc<HotMemory>,
        budget: Arc<MemoryBudget>,
    ) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::exhausted("no thread could be started for maintenance").caused_by(error)
        };
        let cores = options.topology.core_count();
        let (workers, heavy_workers) = (options.flush_workers(cores), options.build_workers(cores));
        let queue_max = options.jobs_waiting_max;
        Ok(Self {
            flushers: Workers::new("flush", workers, queue_max).map_err(failed)?,
            builders: Workers::new("build", heavy_workers, queue_max).map_err(failed)?,
            mergers: Workers::new("merge", heavy_workers, queue_max).map_err(failed)?,
            growers: Workers::nice("grow", GROW_NICE, 1, queue_max).map_err(failed)?,
            scalar_builders: Workers::new("scalar", 1, queue_max).map_err(failed)?,
            work: WorkBudget::new(Arc::clone(&budget)),
            pools,
            hot_memory,
            budget,
            node: OnceLock::new(),
        })
    }

    /// The node that runs the groups; set once, right after it is started.
    pub(crate) fn set_node(&self, node: Node<Machine>) {
        assert!(self.node.set(node).is_ok(), "a node is set once");
    }

    /// The node, once it is set.
    pub(crate) fn node(&self) -> Option<&Node<Machine>> {
        self.node.get()
    }

    /// The workers that write segment files.
    pub(crate) fn flushers(&self) -> &Workers {
        &self.flushers
    }

    /// The worker that runs index builds.
    pub(crate) fn builders(&self) -> &Workers {
        &self.builders
    }

    /// The workers that merge segments.
    pub(crate) fn mergers(&self) -> &Workers {
        &self.mergers
    }

    /// The worker that inserts rows into graphs over segments in memory.
    pub(crate) fn growers(&self) -> &Workers {
        &self.growers
    }

    /// The worker that builds indexes of scalar columns.
    pub(crate) fn scalar_builders(&self) -> &Workers {
        &self.scalar_builders
    }

    /// What index builds and merges may take together.
    pub(crate) fn work(&self) -> &Arc<WorkBudget> {
        &self.work
    }

    /// The pools.
    pub(crate) fn pools(&self) -> &Arc<Pools> {
        &self.pools
    }

    /// Where copies of indexes lie.
    pub(crate) fn hot_memory(&self) -> &Arc<HotMemory> {
        &self.hot_memory
    }

    /// The account of memory.
    pub(crate) fn budget(&self) -> &Arc<MemoryBudget> {
        &self.budget
    }

    /// Lets the log forget what is durable elsewhere.
    pub(crate) fn purge(&self, group: GroupId, up_to: LogPosition) {
        if let Some(node) = self.node() {
            node.purge(group, up_to);
        }
    }

    /// Ends the workers after the jobs they have begun.
    pub(crate) fn stop(&self) {
        self.flushers.stop();
        self.builders.stop();
        self.mergers.stop();
        self.growers.stop();
        self.scalar_builders.stop();
    }
}

impl WorkBudget {
    fn new(memory: Arc<MemoryBudget>) -> Arc<Self> {
        Arc::new(Self { limit: memory.limit() / MEMORY_PART, taken: Mutex::new(0), memory })
    }

    /// A share of so many bytes, if there is room. Work that is alone has it whatever
    /// its part is, as long as writes would not be refused for it.
    pub(crate) fn take(self: &Arc<Self>, bytes: u64) -> Option<WorkShare> {
        let mut taken = self.taken.lock();
        let is_alone = *taken == 0;
        if !is_alone && *taken + bytes > self.limit || !self.memory.has_room(bytes) {
            return None;
        }
        *taken += bytes;
        self.memory.add(bytes);
        Some(WorkShare { budget: Arc::clone(self), bytes })
    }
}

impl Drop for WorkShare {
    fn drop(&mut self) {
        *self.budget.taken.lock() -= self.bytes;
    }
}
