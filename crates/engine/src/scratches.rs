//! Memory that searches use again and again, of its own for each thread.
//!
//! Threads of the search pools have theirs from the start, others from their first
//! search on. No thread ever waits for another.

use parking_lot::Mutex;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::sync::Arc;
use thread_local::ThreadLocal;
use vicinal_exec::Pools;
use vicinal_index::{Neighbor, Scratch, ScratchCounters, ScratchOptions, ScratchStats, TopK, Work};

/// The scratch of every thread that searches.
pub(crate) struct Scratches {
    options: ScratchOptions,
    workers: ThreadLocal<RefCell<Worker>>,
    /// Of all workers; locked when a thread searches for the first time and when
    /// statistics are read.
    counters: Mutex<Vec<Arc<ScratchCounters>>>,
}

/// What searches of one thread use.
#[derive(Default)]
pub(crate) struct Worker {
    /// For indexes.
    pub(crate) scratch: Scratch,
    /// For scans.
    pub(crate) top: TopK,
    /// What a scan found.
    pub(crate) found: Vec<Neighbor>,
    /// What was found in the segments so far.
    pub(crate) candidates: Vec<Candidate>,
    /// Which segment is searched when.
    pub(crate) order: Vec<usize>,
    /// Whether what was found in the segments so far counts when the next is searched.
    pub(crate) competes: bool,
    /// What searches of segments did, ever.
    pub(crate) work: Work,
}

/// A row found in a segment, by its key: smaller is nearer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) key: f32,
    pub(crate) segment: usize,
    pub(crate) row: u32,
}

impl Candidate {
    /// Nearer ones first; of equally near ones that of the older segment and the lower
    /// row, as within a segment.
    pub(crate) fn by_distance(&self, other: &Self) -> Ordering {
        let place = (self.segment, self.row).cmp(&(other.segment, other.row));
        self.key.total_cmp(&other.key).then(place)
    }
}

impl Scratches {
    /// Gives every thread of the search pools a scratch.
    pub(crate) fn new(options: ScratchOptions, pools: &Pools) -> Arc<Self> {
        let workers = ThreadLocal::new();
        let scratches = Arc::new(Self { options, workers, counters: Mutex::default() });
        for node in 0..pools.node_count() {
            pools.search(node).broadcast(|_| scratches.with(|_| ()));
        }
        scratches
    }

    /// Lends this thread's scratch, without candidates or competition. What runs with it must not
    /// wait in a pool, which might run another search on this thread meanwhile.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Worker) -> T) -> T {
        let worker = self.workers.get_or(|| {
            let scratch = Scratch::new(self.options);
            self.counters.lock().push(Arc::clone(scratch.counters()));
            RefCell::new(Worker { scratch, ..Worker::default() })
        });
        let mut worker = worker.borrow_mut();
        worker.candidates.clear();
        worker.competes = false;
        let done = work(&mut worker);
        // A search of many segments for many rows takes more than is worth keeping.
        let kept = self.options.bytes_max / size_of::<Candidate>();
        if worker.candidates.capacity() > kept {
            worker.candidates.clear();
            worker.candidates.shrink_to(kept);
        }
        done
    }

    /// What the pools of all threads did.
    pub(crate) fn stats(&self) -> ScratchStats {
        self.counters.lock().iter().map(|counters| counters.stats()).sum()
    }
}
