//! Runs kernels as a device would, on memory of this process.

use crate::data::Stored;
use vicinal_gpu::{
    Compare, DeviceFacts, Element, FlatArgs, FlatPlan, FlatSize, Launch, NormsArgs, RerankArgs,
    SelectArgs, norms, rerank, select,
};
use vicinal_kernels::HostKernel;
use vicinal_types::Metric;
use zerocopy::{Immutable, IntoBytes};

/// No row.
pub(crate) const NONE: u64 = u64::MAX;

/// A small device: several blocks share the rows.
pub(crate) fn facts() -> DeviceFacts {
    DeviceFacts {
        name: "this CPU".to_owned(),
        memory_bytes: 1 << 30,
        multiprocessors: 1,
        shared_bytes: 100 * 1024,
        capability: 80,
    }
}

pub(crate) fn address<T>(slice: &[T]) -> u64 {
    slice.as_ptr() as u64
}

pub(crate) fn address_mut<T>(slice: &mut [T]) -> u64 {
    slice.as_mut_ptr() as u64
}

/// # Safety
/// As for [`vicinal_kernels::launch`].
pub(crate) unsafe fn launch(launch: &Launch, order: u32, args: &(impl IntoBytes + Immutable)) {
    let kernel = HostKernel {
        name: launch.kernel.name,
        element: launch.kernel.module.element_name(),
        grid: launch.grid,
        shared_bytes: launch.shared_bytes,
        order,
    };
    // SAFETY: the caller's promise.
    unsafe { vicinal_kernels::launch(&kernel, args.as_bytes()) }
}

/// A search of all rows: what, and how it runs.
pub(crate) struct FlatRun<'a> {
    pub(crate) element: Element,
    pub(crate) rows: &'a Stored,
    pub(crate) queries: &'a Stored,
    pub(crate) allowed: Option<&'a [u64]>,
    pub(crate) k: u32,
    pub(crate) order: u32,
}

impl FlatRun<'_> {
    fn compare(&self) -> Compare {
        match self.rows.kind.metric() {
            Metric::L2 => Compare::L2,
            Metric::InnerProduct | Metric::Cosine | Metric::Hamming | Metric::Jaccard => {
                Compare::Dot
            }
        }
    }

    pub(crate) fn plan(&self) -> FlatPlan {
        let size = FlatSize {
            element: self.element,
            compare: self.compare(),
            rows: self.rows.count,
            queries: self.queries.count,
            words: self.rows.words(),
            k: self.k,
        };
        FlatPlan::new(&facts(), size)
    }

    fn norms(&self, stored: &[u32], count: u32) -> Vec<u32> {
        let mut out = vec![0; count as usize];
        let args = NormsArgs {
            rows: address(stored),
            norms: address_mut(&mut out),
            row_count: count,
            words: self.rows.words(),
        };
        // SAFETY: there are `count` vectors of so many words and a place for each.
        unsafe { launch(&norms(&facts(), self.element, count), self.order, &args) };
        out
    }

    /// The nearest rows of each query, ranked.
    pub(crate) fn search(&self) -> Vec<u64> {
        let (rows, queries) = (self.rows.padded(), self.queries.padded());
        let (row_norms, query_norms) =
            (self.norms(&rows, self.rows.count), self.norms(&queries, self.queries.count));
        let plan = self.plan();
        let lists = self.queries.count as usize * plan.lists as usize;
        let mut rows_of_lists = vec![NONE; lists * plan.capacity as usize];
        let mut counts = vec![0u32; lists];
        let mut thresholds = vec![NONE; self.queries.count as usize];
        let args = FlatArgs {
            rows: address(&rows),
            queries: address(&queries),
            allowed: self.allowed.map_or(0, address),
            row_norms: address(&row_norms),
            query_norms: address(&query_norms),
            lists: address_mut(&mut rows_of_lists),
            counts: address_mut(&mut counts),
            thresholds: address_mut(&mut thresholds),
            row_count: self.rows.count,
            query_count: self.queries.count,
            words: self.rows.words(),
            k: self.k,
            capacity: plan.capacity,
            places: plan.places,
        };
        // SAFETY: the vectors above are as large as the plan and the arguments say.
        unsafe { launch(&plan.launch, self.order, &args) };
        let mut out = vec![0u64; self.queries.count as usize * self.k as usize];
        let args = SelectArgs {
            lists: address(&rows_of_lists),
            counts: address(&counts),
            out: address_mut(&mut out),
            list_count: plan.lists,
            capacity: plan.capacity,
            k: self.k,
            padding: 0,
        };
        // SAFETY: the lists of every query are there, and `k` places for each.
        unsafe { launch(&select(self.queries.count), self.order, &args) };
        out
    }

    /// The `k` nearest of what was found.
    pub(crate) fn rerank(&self, candidates: &[u64], k: u32) -> Vec<u64> {
        let (rows, queries) = (self.rows.padded(), self.queries.padded());
        let mut out = vec![0u64; self.queries.count as usize * k as usize];
        let args = RerankArgs {
            rows: address(&rows),
            queries: address(&queries),
            candidates: address(candidates),
            out: address_mut(&mut out),
            words: self.rows.words(),
            count: self.k,
            k,
            padding: 0,
        };
        let shape = rerank(self.element, self.compare(), self.queries.count);
        // SAFETY: there are `self.k` candidates and `k` places for each query.
        unsafe { launch(&shape, self.order, &args) };
        out
    }
}

/// The key and the row of a ranked integer.
pub(crate) fn unranked(ranked: u64) -> (f32, u32) {
    let ordered = (ranked >> 32) as u32;
    let bits = if ordered >> 31 == 1 { ordered & 0x7fff_ffff } else { !ordered };
    (f32::from_bits(bits), ranked as u32)
}
