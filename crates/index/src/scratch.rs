//! Memory that searches of one thread use again and again.
//!
//! Every kind of index keeps what it needs of its own, which grows to the largest
//! index searched. What goes in and out, found rows and decoded vectors, comes
//! from pools: free buffers by size class, powers of two, the smallest first.

use crate::flat::FlatScratch;
use crate::graph::GraphScratch;
use crate::hnsw::HnswScratch;
use crate::ivf::IvfScratch;
use crate::neighbors::{Neighbor, TopK};
use crate::paged::PagedScratch;
use crate::rivals::Rivals;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vicinal_types::limits;

/// Elements of the smallest buffers.
const LEN_MIN: usize = 64;

/// Size classes: buffers of the largest take the longest vector and the most
/// neighbours that a search may ask for.
const CLASSES: usize = 10;
const LEN_MAX: usize = LEN_MIN << (CLASSES - 1);
const _: () = assert!(LEN_MAX >= limits::DIM_MAX as usize && LEN_MAX >= limits::K_MAX);

/// Free buffers of one class that are kept: a search has one in use, its caller
/// some more.
const FREE_MAX: usize = 16;

/// How much memory a [`Scratch`] keeps ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScratchOptions {
    /// Bytes of free buffers that are kept at most.
    pub bytes_max: usize,
    /// Buffers of each size class and kind to begin with, as far as they fit,
    /// the small ones first; at most 16.
    pub buffers: usize,
}

impl Default for ScratchOptions {
    fn default() -> Self {
        Self { bytes_max: 4 * 1024 * 1024, buffers: 0 }
    }
}

/// Memory that searches of one thread use again and again.
///
/// A search takes the buffer for what it finds from here;
/// [`give_back`](Self::give_back) lets the next search have it.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) graph: GraphScratch,
    pub(crate) hnsw: HnswScratch,
    pub(crate) paged: PagedScratch,
    pub(crate) ivf: IvfScratch,
    pub(crate) flat: FlatScratch,
    pub(crate) pools: Pools,
    pub(crate) rivals: Rivals,
}

/// What a thread's pools of buffers did, for others to read.
#[derive(Debug, Default)]
pub struct ScratchCounters {
    taken: AtomicU64,
    returned: AtomicU64,
    missed: AtomicU64,
    free_bytes: AtomicU64,
}

/// What pools of buffers did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScratchStats {
    /// Buffers taken.
    pub taken: u64,
    /// Buffers given back and kept; others were one too many and freed.
    pub returned: u64,
    /// Buffers taken that had to be allocated.
    pub missed: u64,
    /// Bytes of the buffers that are free now.
    pub free_bytes: u64,
}

/// What searches of every kind need: buffers, and a place for the nearest rows.
#[derive(Debug)]
pub(crate) struct Pools {
    results: Pool<Neighbor>,
    vectors: Pool<f32>,
    /// For scans.
    pub(crate) top: TopK,
    bytes_max: usize,
    counters: Arc<ScratchCounters>,
}

/// Free buffers by class.
#[derive(Debug)]
struct Pool<T>([Vec<Vec<T>>; CLASSES]);

impl Scratch {
    /// With buffers as `options` say.
    pub fn new(options: ScratchOptions) -> Self {
        Self { pools: Pools::new(options), ..Self::default() }
    }

    /// Another query comes: what searches found does not count for those that
    /// [compete](crate::Search::competes) from now on.
    pub fn forget_rivals(&mut self) {
        self.rivals.forget();
    }

    /// Lets what was found without competing count.
    pub fn add_rivals(&mut self, found: &[Neighbor]) {
        self.rivals.add_found(found);
    }

    /// Takes the buffer of an answer that is no longer needed.
    pub fn give_back(&mut self, neighbors: Vec<Neighbor>) {
        self.pools.put_results(neighbors);
    }

    /// What its pools did; keeps counting.
    pub fn counters(&self) -> &Arc<ScratchCounters> {
        &self.pools.counters
    }
}

impl ScratchCounters {
    /// The counts as they are now.
    pub fn stats(&self) -> ScratchStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ScratchStats {
            taken: read(&self.taken),
            returned: read(&self.returned),
            missed: read(&self.missed),
            free_bytes: read(&self.free_bytes),
        }
    }
}

impl std::iter::Sum for ScratchStats {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, other| Self {
            taken: sum.taken + other.taken,
            returned: sum.returned + other.returned,
            missed: sum.missed + other.missed,
            free_bytes: sum.free_bytes + other.free_bytes,
        })
    }
}

/// Adds to a counter that no other thread writes: cheaper than an atomic addition.
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}

impl Default for Pools {
    fn default() -> Self {
        Self::new(ScratchOptions::default())
    }
}

impl Pools {
    fn new(ScratchOptions { bytes_max, buffers }: ScratchOptions) -> Self {
        let (results, vectors) = (Pool::default(), Pool::default());
        let (top, counters) = (TopK::default(), Arc::default());
        let mut pools = Self { results, vectors, top, bytes_max, counters };
        for class in 0..CLASSES {
            for _ in 0..buffers.min(FREE_MAX) {
                pools.results.put(Vec::with_capacity(LEN_MIN << class), bytes_max, &pools.counters);
                pools.vectors.put(Vec::with_capacity(LEN_MIN << class), bytes_max, &pools.counters);
            }
        }
        pools.counters.returned.store(0, Ordering::Relaxed);
        pools
    }

    /// An empty buffer for so many rows.
    pub(crate) fn results(&mut self, len: usize) -> Vec<Neighbor> {
        self.results.take(len, &self.counters)
    }

    pub(crate) fn put_results(&mut self, buffer: Vec<Neighbor>) {
        self.results.put(buffer, self.bytes_max, &self.counters);
    }

    /// A buffer with so many zeros.
    pub(crate) fn vector(&mut self, dim: usize) -> Vec<f32> {
        let mut vector = self.vectors.take(dim, &self.counters);
        vector.resize(dim, 0.0);
        vector
    }

    pub(crate) fn put_vector(&mut self, buffer: Vec<f32>) {
        self.vectors.put(buffer, self.bytes_max, &self.counters);
    }

    /// The rows in [`top`](Self::top), nearest first; it is empty then.
    pub(crate) fn take_top(&mut self) -> Vec<Neighbor> {
        let mut neighbors = self.results(self.top.len());
        self.top.drain_into(&mut neighbors);
        neighbors
    }
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Vec::with_capacity(FREE_MAX)))
    }
}

impl<T> Pool<T> {
    fn take(&mut self, len: usize, counters: &ScratchCounters) -> Vec<T> {
        add(&counters.taken, 1);
        let capacity = len.max(LEN_MIN).next_power_of_two();
        if let Some(buffer) = self.class(capacity).and_then(Vec::pop) {
            let left = counters.free_bytes.load(Ordering::Relaxed) - bytes_of(&buffer);
            counters.free_bytes.store(left, Ordering::Relaxed);
            return buffer;
        }
        add(&counters.missed, 1);
        Vec::with_capacity(capacity)
    }

    /// Keeps a buffer, unless there are enough.
    fn put(&mut self, mut buffer: Vec<T>, bytes_max: usize, counters: &ScratchCounters) {
        let bytes = counters.free_bytes.load(Ordering::Relaxed) + bytes_of(&buffer);
        // A buffer that has grown belongs to the class that it is sure to serve.
        let capacity = if buffer.capacity() < LEN_MIN { 0 } else { 1 << buffer.capacity().ilog2() };
        let Some(free) = self.class(capacity) else { return };
        if free.len() < FREE_MAX && bytes <= bytes_max as u64 {
            buffer.clear();
            free.push(buffer);
            add(&counters.returned, 1);
            counters.free_bytes.store(bytes, Ordering::Relaxed);
        }
    }

    /// The free buffers of a capacity; those of others are not kept.
    fn class(&mut self, capacity: usize) -> Option<&mut Vec<Vec<T>>> {
        let class = capacity.checked_div(LEN_MIN)?.checked_ilog2()? as usize;
        self.0.get_mut(class)
    }
}

fn bytes_of<T>(buffer: &Vec<T>) -> u64 {
    (buffer.capacity() * size_of::<T>()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(taken: u64, returned: u64, missed: u64, free_bytes: u64) -> ScratchStats {
        ScratchStats { taken, returned, missed, free_bytes }
    }

    #[test]
    fn a_buffer_given_back_serves_the_next_of_its_class() {
        let mut scratch = Scratch::default();
        let buffer = scratch.pools.results(65);
        let place = buffer.as_ptr();
        assert_eq!(buffer.capacity(), 128);
        scratch.give_back(buffer);
        assert_eq!(scratch.counters().stats(), stats(1, 1, 1, 128 * 8));
        assert_eq!(scratch.pools.results(129).capacity(), 256, "another class");
        let again = scratch.pools.results(100);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        assert_eq!(scratch.counters().stats(), stats(3, 1, 2, 0));
    }

    #[test]
    fn buffers_asked_for_are_there_at_the_start() {
        let mut scratch = Scratch::new(ScratchOptions { bytes_max: 1 << 30, buffers: 2 });
        let all = 2 * (LEN_MIN * ((1 << CLASSES) - 1)) * (size_of::<Neighbor>() + size_of::<f32>());
        assert_eq!(scratch.counters().stats(), stats(0, 0, 0, all as u64));
        for len in [1, limits::K_MAX] {
            _ = scratch.pools.results(len);
            _ = scratch.pools.results(len);
        }
        _ = scratch.pools.vector(limits::DIM_MAX as usize);
        assert_eq!(scratch.counters().stats().missed, 0);
        _ = scratch.pools.results(1);
        assert_eq!(scratch.counters().stats().missed, 1);
    }

    #[test]
    fn free_buffers_stay_below_their_bound() {
        let bytes_max = 3 * LEN_MIN * size_of::<f32>();
        // A buffer for rows and one for a vector are as much at the start.
        for (buffers, returned) in [(0, 3), (16, 1)] {
            let mut scratch = Scratch::new(ScratchOptions { bytes_max, buffers });
            let vectors: Vec<_> = (0..9).map(|_| scratch.pools.vector(3)).collect();
            vectors.into_iter().for_each(|vector| scratch.pools.put_vector(vector));
            let stats = scratch.counters().stats();
            assert_eq!((stats.returned, stats.free_bytes), (returned, bytes_max as u64));
        }
    }

    #[test]
    fn buffers_of_no_class_are_freed() {
        let mut scratch = Scratch::default();
        for capacity in [0, LEN_MIN - 1, 4 * LEN_MAX] {
            scratch.give_back(Vec::with_capacity(capacity));
        }
        let large = scratch.pools.results(2 * LEN_MAX);
        scratch.give_back(large);
        assert_eq!(scratch.counters().stats(), stats(1, 0, 1, 0));
    }
}
