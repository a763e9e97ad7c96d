//! The pools: one for search on each NUMA node, one for building indexes, one for merging
//! segments.

use crate::nodes::{Home, NodeStats, Nodes};
use crate::topology::{NumaNode, Topology};
use crate::units::Units;
use core_affinity::CoreId;
use rayon::{ThreadPool, ThreadPoolBuilder};
use rustix::process::setpriority_process;
use rustix::thread::{CpuSet, gettid, sched_setaffinity};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The nice value of build threads: below searches, which take longer until what was
/// flushed has its index. Against searches that want all cores they have a tenth.
const BUILD_NICE: i32 = 10;

/// The nice value of threads that merge: the lowest ordinary priority, since nothing waits
/// for them. They still get a share of a busy machine, which `SCHED_IDLE` would not give
/// them.
const MERGE_NICE: i32 = 19;

/// How many threads the pools have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PoolOptions {
    /// Threads that search, over all NUMA nodes; 0: one for each core that the
    /// process may use. Every node has at least one.
    pub search_threads: usize,
    /// Threads that build indexes, and as many that merge segments; 0: one for each core that the process may use.
    pub build_threads: usize,
    /// Whether search threads stay on the cores of their node: each on one of its
    /// own if there is one thread a core, else on any of the node's.
    pub pin: bool,
}

/// Why the pools could not be made.
#[derive(Debug, thiserror::Error)]
#[error(
    "pool `{name}` of {threads} threads could not be started: {source}; check the process's thread limit"
)]
pub struct PoolError {
    /// The pool.
    pub name: String,
    /// Its threads.
    pub threads: usize,
    /// What rayon said.
    pub source: rayon::ThreadPoolBuildError,
}

/// The worker threads of the process.
///
/// A task given to `spawn` that panics is counted and logged; a panic within
/// `install` or `scope` goes to whoever called it.
pub struct Pools {
    search: Vec<ThreadPool>,
    build: ThreadPool,
    merge: ThreadPool,
    counters: Arc<Counters>,
    nodes: Arc<Nodes>,
    next_node: AtomicUsize,
}

#[derive(Default)]
struct Counters {
    panics: AtomicUsize,
    pinned: AtomicUsize,
}

impl Pools {
    /// Starts all threads, named `search-NODE-THREAD`, `build-THREAD` and
    /// `merge-THREAD`.
    ///
    /// A thread that may not be pinned or made nicer runs on as it is, and says
    /// so in the log: some containers forbid it.
    ///
    /// # Errors
    /// [`PoolError`] if the operating system gives no thread.
    pub fn new(topology: &Topology, options: &PoolOptions) -> Result<Self, PoolError> {
        let counters = Arc::new(Counters::default());
        let or_all = |threads: usize| match threads {
            0 => Topology::parallelism().min(topology.core_count()).max(1),
            threads => threads,
        };
        let shares = shares(topology.nodes(), or_all(options.search_threads));
        let search =
            topology.nodes().iter().zip(shares).enumerate().map(|(at, (node, threads))| {
                let places = if options.pin { places(node, threads) } else { Vec::new() };
                let counters_here = Arc::clone(&counters);
                let start = move |thread: usize| {
                    if places.get(thread).is_some_and(|place| place.bind(&counters_here)) {
                        Nodes::pinned_to(at);
                    }
                };
                pool(format!("search-{at}"), threads, start, &counters)
            });
        let search = search.collect::<Result<_, _>>()?;
        let threads = or_all(options.build_threads);
        let build = pool("build".into(), threads, |_| be_nice(BUILD_NICE), &counters)?;
        let merge = pool("merge".into(), threads, |_| be_nice(MERGE_NICE), &counters)?;
        let (nodes, next_node) = (Nodes::new(topology), AtomicUsize::new(0));
        Ok(Self { search, build, merge, counters, nodes, next_node })
    }

    /// NUMA nodes with a search pool.
    pub fn node_count(&self) -> usize {
        self.search.len()
    }

    /// The search pool of the node at that place in the topology.
    ///
    /// # Panics
    /// If `node` is not below [`node_count`](Self::node_count).
    pub fn search(&self, node: usize) -> &ThreadPool {
        &self.search[node]
    }

    /// Threads of all search pools.
    pub fn search_threads(&self) -> usize {
        self.search.iter().map(ThreadPool::current_num_threads).sum()
    }

    /// The pool that builds indexes, at low priority.
    pub fn build(&self) -> &ThreadPool {
        &self.build
    }

    /// The pool that merges segments and builds their indexes, at the lowest priority.
    pub fn merge(&self) -> &ThreadPool {
        &self.merge
    }

    /// Gives a task to the search pools, node by node in turn.
    pub fn spawn_search(&self, task: impl FnOnce() + Send + 'static) {
        self.search[self.next_node()].spawn(task);
    }

    /// The node whose turn it is to be given a task that has no home.
    pub fn next_node(&self) -> usize {
        self.next_node.fetch_add(1, Ordering::Relaxed) % self.search.len()
    }

    /// Gives a task to the search pool of a node.
    ///
    /// # Panics
    /// As [`search`](Self::search).
    pub fn spawn_search_on(&self, node: usize, task: impl FnOnce() + Send + 'static) {
        self.search[node].spawn(task);
    }

    /// Has the threads of all search pools do units of work, each those of its own node
    /// first; returns when none is left to be taken, some may still run. The calling
    /// thread, one of a search pool, takes part.
    pub fn share_units(&self, units: Units, work: impl Fn(usize) + Send + Sync + 'static) {
        let here = self.node_here().unwrap_or(0);
        let shared = Arc::new((units, work));
        for (node, pool) in self.search.iter().enumerate() {
            let others = pool.current_num_threads() - usize::from(node == here);
            for _ in 0..others.min(shared.0.count()) {
                let shared = Arc::clone(&shared);
                pool.spawn_fifo(move || Self::do_units(node, &shared.0, &shared.1));
            }
        }
        Self::do_units(here, &shared.0, &shared.1);
    }

    fn do_units(node: usize, units: &Units, work: &impl Fn(usize)) {
        while let Some(unit) = units.take(node) {
            work(unit);
        }
    }

    /// The place in the topology of the node that the calling thread is on; none if
    /// that is no node of the topology.
    pub fn node_here(&self) -> Option<usize> {
        self.nodes.here()
    }

    /// Finds a home for some bytes: the node that has the least for each of its cores.
    pub fn place(&self, bytes: u64) -> Home {
        self.nodes.place(bytes)
    }

    /// Does work while the calling thread stays on the cores of a node: memory that it
    /// touches first is that node's.
    ///
    /// # Panics
    /// If `node` is not below [`node_count`](Self::node_count).
    pub fn on_node<T>(&self, node: usize, work: impl FnOnce() -> T) -> T {
        self.nodes.stay(node, work)
    }

    /// Counts a search by the calling thread of data whose home is that node.
    pub fn count_search(&self, home: usize) {
        self.nodes.count_search(home);
    }

    /// The nodes and what was done there.
    pub fn node_stats(&self) -> Vec<NodeStats> {
        let threads = |at: usize| self.search[at].current_num_threads();
        let stats = self.nodes.stats().into_iter().enumerate();
        stats.map(|(at, stats)| NodeStats { search_threads: threads(at), ..stats }).collect()
    }

    /// Spawned tasks that panicked.
    pub fn panics(&self) -> usize {
        self.counters.panics.load(Ordering::Relaxed)
    }

    /// Search threads that were pinned.
    pub fn pinned_threads(&self) -> usize {
        self.counters.pinned.load(Ordering::Relaxed)
    }
}

fn pool(
    name: String,
    threads: usize,
    start: impl Fn(usize) + Send + Sync + 'static,
    counters: &Arc<Counters>,
) -> Result<ThreadPool, PoolError> {
    let (thread_name, panics) = (name.clone(), Arc::clone(counters));
    let built = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(move |thread| format!("{thread_name}-{thread}"))
        .start_handler(start)
        .panic_handler(move |panic| {
            panics.panics.fetch_add(1, Ordering::Relaxed);
            tracing::error!(reason = panic_text(&*panic), "a task panicked");
        })
        .build();
    let pool = built.map_err(|source| PoolError { name, threads, source })?;
    // Every thread answers, so every start handler has run when this returns.
    pool.broadcast(|_| ());
    Ok(pool)
}

/// Deals threads out to nodes by their cores, at least one to each.
fn shares(nodes: &[NumaNode], threads: usize) -> Vec<usize> {
    let mut cores_left: usize = nodes.iter().map(|node| node.cores.len()).sum();
    let mut threads_left = threads;
    let share = |node: &NumaNode| {
        let cores = node.cores.len();
        let share = (threads_left * cores).div_ceil(cores_left.max(1)).max(1);
        cores_left -= cores;
        threads_left = threads_left.saturating_sub(share);
        share
    };
    nodes.iter().map(share).collect()
}

/// Where a search thread stays.
enum Place {
    Core(usize),
    AnyOf(Vec<usize>),
}

/// One core for each thread if they come out even. Else the node's cores for all:
/// with fewer threads the scheduler knows better which cores are free, and
/// with more no core should have two while another has one.
fn places(node: &NumaNode, threads: usize) -> Vec<Place> {
    if threads == node.cores.len() {
        return node.cores.iter().map(|&core| Place::Core(core)).collect();
    }
    (0..threads).map(|_| Place::AnyOf(node.cores.clone())).collect()
}

impl Place {
    /// Whether the calling thread stays there from now on.
    fn bind(&self, counters: &Counters) -> bool {
        let (is_bound, cores) = match self {
            Self::Core(core) => {
                (core_affinity::set_for_current(CoreId { id: *core }), std::slice::from_ref(core))
            }
            Self::AnyOf(cores) => (bind(cores), cores.as_slice()),
        };
        if is_bound {
            counters.pinned.fetch_add(1, Ordering::Relaxed);
        } else {
            tracing::warn!(?cores, "a search thread could not be pinned; it runs anywhere");
        }
        is_bound
    }
}

/// Keeps the calling thread on some cores; whether the system did.
pub(crate) fn bind(cores: &[usize]) -> bool {
    let mut set = CpuSet::new();
    let known = cores.iter().filter(|&&core| core < CpuSet::MAX_CPU);
    known.for_each(|&core| set.set(core));
    sched_setaffinity(None, &set).is_ok()
}

/// The cores that the calling thread may run on.
#[cfg(test)]
pub(crate) fn own_cores() -> Vec<usize> {
    let set = rustix::thread::sched_getaffinity(None).expect("Linux tells");
    (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect()
}

/// Linux keeps nice values by thread, whatever POSIX says.
pub(crate) fn be_nice(nice: i32) {
    if let Err(error) = setpriority_process(Some(gettid()), nice) {
        tracing::warn!(%error, "a background thread could not lower its priority");
    }
}

/// The words of a panic, if it has any.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "a panic without words",
    }
}

#[cfg(test)]
mod tests;
