//! What lies on which NUMA node, and from where it is searched.

use crate::pools::bind;
use crate::topology::{NumaNode, Topology};
use parking_lot::Mutex;
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    /// The place of the node that this thread is pinned to, if it is.
    static PINNED: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The nodes of a topology, by their place in it.
#[derive(Debug)]
pub(crate) struct Nodes {
    nodes: Vec<NumaNode>,
    counts: Vec<Counts>,
    /// What lies where. Rank: a leaf.
    held: Mutex<Vec<Held>>,
}

/// What lies on a node.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    pieces: u64,
    bytes: u64,
}

/// Searches by threads of a node; on cache lines of its own, since all of them count.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counts {
    local: AtomicU64,
    remote: AtomicU64,
}

/// The node that a piece of data lies on; its bytes count there until this is dropped.
#[derive(Debug)]
pub struct Home {
    nodes: Arc<Nodes>,
    node: usize,
    bytes: u64,
}

/// A NUMA node and what was done there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeStats {
    /// The operating system's number of the node.
    pub number: usize,
    /// The operating system's numbers of its hardware threads.
    pub cores: Vec<usize>,
    /// Threads of its search pool.
    pub search_threads: usize,
    /// Pieces of data that lie on it, and their bytes.
    pub pieces: u64,
    /// See [`pieces`](Self::pieces).
    pub bytes: u64,
    /// Searches of its own pieces by its threads.
    pub local_searches: u64,
    /// Searches of other nodes' pieces by its threads.
    pub remote_searches: u64,
}

impl Nodes {
    pub(crate) fn new(topology: &Topology) -> Arc<Self> {
        let nodes = topology.nodes().to_vec();
        let counts = nodes.iter().map(|_| Counts::default()).collect();
        let held = Mutex::new(vec![Held::default(); nodes.len()]);
        Arc::new(Self { nodes, counts, held })
    }

    /// Says that the calling thread never leaves a node.
    pub(crate) fn pinned_to(node: usize) {
        PINNED.set(Some(node));
    }

    /// The node that the calling thread is on; none if it is on none of these.
    pub(crate) fn here(&self) -> Option<usize> {
        if self.nodes.len() == 1 {
            return Some(0);
        }
        if let Some(node) = PINNED.get() {
            return Some(node).filter(|node| *node < self.nodes.len());
        }
        let core = sched_getcpu();
        self.nodes.iter().position(|node| node.cores.binary_search(&core).is_ok())
    }

    /// Finds a home for some bytes: the node that has the least for each of its cores.
    pub(crate) fn place(self: &Arc<Self>, bytes: u64) -> Home {
        let mut held = self.held.lock();
        let load = |at: usize| {
            let (all, cores) = (held[at].bytes.saturating_add(bytes), self.nodes[at].cores.len());
            (all / cores.max(1) as u64, held[at].pieces, at)
        };
        let node = (0..held.len()).min_by_key(|at| load(*at)).unwrap_or(0);
        held[node].pieces += 1;
        held[node].bytes += bytes;
        Home { nodes: Arc::clone(self), node, bytes }
    }

    /// Counts a search of a piece of that node's by the calling thread.
    pub(crate) fn count_search(&self, home: usize) {
        let Some(here) = self.here() else { return };
        let counts = &self.counts[here];
        let count = if here == home { &counts.local } else { &counts.remote };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> Vec<NodeStats> {
        let held = self.held.lock().clone();
        let stats = |((node, counts), held): ((&NumaNode, &Counts), Held)| NodeStats {
            number: node.number,
            cores: node.cores.clone(),
            search_threads: 0,
            pieces: held.pieces,
            bytes: held.bytes,
            local_searches: counts.local.load(Ordering::Relaxed),
            remote_searches: counts.remote.load(Ordering::Relaxed),
        };
        self.nodes.iter().zip(&self.counts).zip(held).map(stats).collect()
    }

    /// Keeps the calling thread on the cores of a node while it does work.
    pub(crate) fn stay<T>(&self, node: usize, work: impl FnOnce() -> T) -> T {
        if self.nodes.len() == 1 {
            return work();
        }
        let _stay = Stay::new(&self.nodes[node].cores);
        work()
    }
}

impl Home {
    /// The place of the node in the topology.
    pub fn node(&self) -> usize {
        self.node
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let held = &mut self.nodes.held.lock()[self.node];
        held.pieces -= 1;
        held.bytes -= self.bytes;
    }
}

/// A thread that stays on some cores, until this is dropped.
struct Stay {
    /// Where it ran before; none if it could not be moved.
    before: Option<CpuSet>,
}

impl Stay {
    fn new(cores: &[usize]) -> Self {
        let before = sched_getaffinity(None).ok().filter(|_| bind(cores));
        if before.is_none() {
            tracing::warn!(?cores, "a thread could not be moved to its data's node");
        }
        Self { before }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        if let Some(before) = &self.before
            && let Err(error) = sched_setaffinity(None, before)
        {
            tracing::warn!(%error, "a thread stays on the cores that it was moved to");
        }
    }
}

#[cfg(test)]
mod tests;
