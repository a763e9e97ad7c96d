//! Work that nobody waits for: flushes, index builds, purging the log.

use crate::hot::HotMemory;
use crate::machine::Machine;
use crate::memory::MemoryBudget;
use std::sync::{Arc, OnceLock};
use vicinal_cluster::Node;
use vicinal_exec::{Pools, Workers};
use vicinal_storage::LogPosition;
use vicinal_types::{Error, GroupId, Result};

/// Jobs of a kind that may wait: more are asked for again by the next round.
const QUEUE_MAX: usize = 1_024;

/// The workers of a node, and what they need of the rest of it.
pub(crate) struct Maintenance {
    flushers: Workers,
    builders: Workers,
    pools: Arc<Pools>,
    hot_memory: Arc<HotMemory>,
    budget: Arc<MemoryBudget>,
    node: OnceLock<Node<Machine>>,
}

impl Maintenance {
    /// Starts `flush_workers` threads for flushes and one that runs index builds
    /// on the build pool, one after another.
    ///
    /// # Errors
    /// `Exhausted` if the operating system gives no thread.
    pub(crate) fn new(
        flush_workers: usize,
        pools: Arc<Pools>,
        hot_memory: Arc<HotMemory>,
        budget: Arc<MemoryBudget>,
    ) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::exhausted("no thread could be started for maintenance").caused_by(error)
        };
        Ok(Self {
            flushers: Workers::new("flush", flush_workers, QUEUE_MAX).map_err(failed)?,
            builders: Workers::new("build", 1, QUEUE_MAX).map_err(failed)?,
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
    }
}
