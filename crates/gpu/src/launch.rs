//! How kernels are started: which of them, how many blocks, how much memory.
//!
//! Pure: what a device is comes in, numbers come out.

use crate::sources::{Element, Family, Kernel, Module};

/// Threads of every block.
pub const BLOCK_THREADS: u32 = 256;

/// Rows that a block compares before it looks at its lists; a list needs as many
/// places more than it keeps.
const STEP_ROWS: u32 = 128;

/// Rows that a list may keep at most: with a step there are 4,096 places, which is
/// what selecting and sorting have room for.
pub const LIST_ROWS_MAX: u32 = 2_048;

/// Places of the shortest list: shorter ones are sorted too often.
const CAPACITY_MIN: u32 = 256;

/// From so many queries on, rows are multiplied by the tensor cores.
const TILES_MIN: u32 = 9;

/// From so many on, 128 queries are a tile; until then 32.
const WIDE_TILES_MIN: u32 = 65;

/// Bytes of a vector in a stage of a tile, two of which are in shared memory.
const CHUNK_STRIDE: u32 = 96;

/// Shared memory that a block of a scan should make do with, so that several fit.
const SCAN_SHARED_BYTES: u32 = 48 * 1024;

/// Shared memory that a kernel has beside what is asked for, at most.
const SHARED_BYTES_OWN: u32 = 2 * 1024;

/// Blocks for each multiprocessor.
const SCAN_BLOCKS: u32 = 8;
const TILE_BLOCKS: u32 = 2;

/// What is known of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceFacts {
    /// As its maker calls it.
    pub name: String,
    /// Memory in all.
    pub memory_bytes: u64,
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// Shared memory that a block may have.
    pub shared_bytes: u32,
    /// Compute capability, 90 for 9.0.
    pub capability: u32,
}

/// A kernel and the shape of its launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// What runs.
    pub kernel: Kernel,
    /// Blocks.
    pub grid: (u32, u32),
    /// Dynamic shared memory of each.
    pub shared_bytes: u32,
}

/// How two vectors are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Squared distance.
    L2,
    /// Negated inner product.
    Dot,
}

/// A search to be shaped.
#[derive(Clone, Copy, Debug)]
pub struct FlatSize {
    /// The type of the elements.
    pub element: Element,
    /// How they are compared.
    pub compare: Compare,
    /// Rows.
    pub rows: u32,
    /// Queries.
    pub queries: u32,
    /// Words of four bytes of a vector.
    pub words: u32,
    /// Rows that lists keep.
    pub k: u32,
}

/// The shape of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlatPlan {
    /// The kernel and its blocks.
    pub launch: Launch,
    /// Queries of a block.
    pub queries: u32,
    /// Lists of each query.
    pub lists: u32,
    /// Places of a list.
    pub capacity: u32,
    /// Lists sorted at once.
    pub places: u32,
    /// Whether keys come from the tensor cores, with fewer bits where rows are floats of
    /// 32 bits.
    pub is_tiles: bool,
}

impl FlatPlan {
    /// Shapes a search of at least one row and query for at most [`LIST_ROWS_MAX`] rows.
    pub fn new(facts: &DeviceFacts, size: FlatSize) -> Self {
        let capacity = (size.k.min(LIST_ROWS_MAX) + STEP_ROWS).next_power_of_two();
        let capacity = capacity.max(CAPACITY_MIN);
        let (name, queries) = kernel_of(facts, size, capacity);
        let is_tiles = queries > 8;
        let list_bytes = capacity * 8;
        let (shared_bytes, places) = if is_tiles {
            let stages = 2 * (STEP_ROWS + queries) * CHUNK_STRIDE;
            (stages.max(list_bytes), (stages / list_bytes).clamp(1, 8))
        } else {
            let bytes = queries * size.words * 4;
            let places = SCAN_SHARED_BYTES.saturating_sub(bytes) / list_bytes;
            let places = places.clamp(1, 8);
            (bytes + places * list_bytes, places)
        };
        let groups = size.queries.div_ceil(queries);
        let each = if is_tiles { TILE_BLOCKS } else { SCAN_BLOCKS };
        let blocks = (facts.multiprocessors * each).div_ceil(groups);
        let lists = blocks.clamp(1, size.rows.div_ceil(STEP_ROWS).max(1));
        let kernel = Kernel { module: Module::typed(Family::Flat, size.element), name };
        let launch = Launch { kernel, grid: (lists, groups), shared_bytes };
        Self { launch, queries, lists, capacity, places, is_tiles }
    }

    /// Bytes that the lists of so many queries take.
    pub fn list_bytes(&self, queries: u32) -> u64 {
        u64::from(queries) * u64::from(self.lists) * u64::from(self.capacity) * 8
    }
}

/// The kernel for so many queries, and how many of them a block has.
fn kernel_of(facts: &DeviceFacts, size: FlatSize, capacity: u32) -> (&'static str, u32) {
    // Long vectors of eight queries may not fit beside a list.
    let eight_bytes = u64::from(size.words) * 4 * 8 + u64::from(capacity) * 8;
    let eight_fit = eight_bytes + u64::from(SHARED_BYTES_OWN) <= u64::from(facts.shared_bytes);
    let queries = match size.queries {
        1 => 1,
        2..TILES_MIN if eight_fit => 8,
        0..WIDE_TILES_MIN => 32,
        _ => 128,
    };
    let name = match (size.compare, queries) {
        (Compare::L2, 1) => "flat_scan_l2_1",
        (Compare::L2, 8) => "flat_scan_l2_8",
        (Compare::L2, 32) => "flat_tiles_l2_32",
        (Compare::L2, _) => "flat_tiles_l2_128",
        (Compare::Dot, 1) => "flat_scan_dot_1",
        (Compare::Dot, 8) => "flat_scan_dot_8",
        (Compare::Dot, 32) => "flat_tiles_dot_32",
        (Compare::Dot, _) => "flat_tiles_dot_128",
    };
    (name, queries)
}

/// Squared lengths of some vectors.
pub fn norms(facts: &DeviceFacts, element: Element, rows: u32) -> Launch {
    let module = Module::typed(Family::Flat, element);
    let blocks = rows.div_ceil(BLOCK_THREADS / 32).clamp(1, facts.multiprocessors * SCAN_BLOCKS);
    Launch { kernel: Kernel { module, name: "flat_row_norms" }, grid: (blocks, 1), shared_bytes: 0 }
}

/// Merging the lists of so many queries.
pub fn select(queries: u32) -> Launch {
    let kernel = Kernel { module: Module::plain(Family::SelectTopk), name: "select_topk_merge" };
    Launch { kernel, grid: (queries, 1), shared_bytes: 0 }
}

/// Comparing the candidates of so many queries anew.
pub fn rerank(element: Element, compare: Compare, queries: u32) -> Launch {
    let name = match compare {
        Compare::L2 => "rerank_l2",
        Compare::Dot => "rerank_dot",
    };
    let kernel = Kernel { module: Module::typed(Family::Rerank, element), name };
    Launch { kernel, grid: (queries, 1), shared_bytes: 0 }
}

/// Finding the nearest centroid of so many rows.
pub fn assign(rows: u32) -> Launch {
    let kernel = Kernel { module: Module::plain(Family::Kmeans), name: "kmeans_assign_rows" };
    Launch { kernel, grid: (rows.div_ceil(64).max(1), 1), shared_bytes: 0 }
}

/// Moving so many centroids.
pub fn means(centroids: u32) -> Launch {
    let kernel = Kernel { module: Module::plain(Family::Kmeans), name: "kmeans_cluster_means" };
    Launch { kernel, grid: (centroids, 1), shared_bytes: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> DeviceFacts {
        let name = "a device".to_owned();
        let memory_bytes = 80 << 30;
        DeviceFacts {
            name,
            memory_bytes,
            multiprocessors: 108,
            shared_bytes: 166_912,
            capability: 80,
        }
    }

    fn plan(queries: u32, words: u32, k: u32) -> FlatPlan {
        let (element, compare) = (Element::F32, Compare::L2);
        FlatPlan::new(&facts(), FlatSize { element, compare, rows: 1_000_000, queries, words, k })
    }

    #[test]
    fn every_shape_fits_the_device() {
        for queries in [1, 2, 8, 9, 64, 65, 10_000] {
            for words in [8, 128, 768, 32_768] {
                for k in [1, 10, 128, 129, 1_024, LIST_ROWS_MAX] {
                    let plan = plan(queries, words, k);
                    assert!(plan.capacity >= k + STEP_ROWS, "{plan:?}");
                    let room = facts().shared_bytes - SHARED_BYTES_OWN;
                    assert!(plan.launch.shared_bytes <= room, "{words} {plan:?}");
                    let sorting = plan.places * plan.capacity * 8;
                    assert!(sorting <= plan.launch.shared_bytes, "{plan:?}");
                }
            }
        }
    }

    #[test]
    fn many_queries_go_to_the_tensor_cores() {
        assert_eq!(plan(1, 128, 10).launch.kernel.name, "flat_scan_l2_1");
        assert_eq!(plan(8, 128, 10).launch.kernel.name, "flat_scan_l2_8");
        assert_eq!(plan(64, 128, 10).launch.kernel.name, "flat_tiles_l2_32");
        let wide = plan(1_000, 128, 10);
        assert_eq!((wide.launch.kernel.name, wide.launch.grid.1), ("flat_tiles_l2_128", 8));
        assert!(wide.is_tiles);
    }
}
