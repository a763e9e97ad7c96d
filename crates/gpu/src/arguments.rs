//! What kernels are given, laid out as the structures of the same names in the
//! sources. Addresses are the device's.

use zerocopy::{Immutable, IntoBytes};

/// Arguments of `flat_scan` and `flat_tiles`.
#[derive(Clone, Copy, Debug, IntoBytes, Immutable)]
#[repr(C)]
pub struct FlatArgs {
    /// Row after row, `words` of four bytes each, zeros behind the elements.
    pub rows: u64,
    /// Queries, laid out the same.
    pub queries: u64,
    /// One bit a row, or 0: all are allowed.
    pub allowed: u64,
    /// Squares of the rows' lengths; only tiles of squared distances read them.
    pub row_norms: u64,
    /// Those of the queries.
    pub query_norms: u64,
    /// Room for `capacity` rows for each query and block.
    pub lists: u64,
    /// How many there are.
    pub counts: u64,
    /// For each query, all ones before the first block.
    pub thresholds: u64,
    /// Rows in all.
    pub row_count: u32,
    /// Queries in all.
    pub query_count: u32,
    /// Words of a vector, a multiple of eight.
    pub words: u32,
    /// Rows that a list keeps.
    pub k: u32,
    /// Rows that a list has room for, a power of two.
    pub capacity: u32,
    /// Lists that there is shared memory to sort at once.
    pub places: u32,
}

/// Arguments of `row_norms`.
#[derive(Clone, Copy, Debug, IntoBytes, Immutable)]
#[repr(C)]
pub struct NormsArgs {
    /// Vectors.
    pub rows: u64,
    /// Their squared lengths, floats or ints.
    pub norms: u64,
    /// How many.
    pub row_count: u32,
    /// Words of each.
    pub words: u32,
}

/// Arguments of `select_topk`.
#[derive(Clone, Copy, Debug, IntoBytes, Immutable)]
#[repr(C)]
pub struct SelectArgs {
    /// Lists as [`FlatArgs`] has them.
    pub lists: u64,
    /// Their lengths.
    pub counts: u64,
    /// The `k` nearest for each query, all ones where there are fewer.
    pub out: u64,
    /// Lists of each query.
    pub list_count: u32,
    /// Room of a list.
    pub capacity: u32,
    /// Rows wanted.
    pub k: u32,
    /// Nothing.
    pub padding: u32,
}

/// Arguments of `rerank`.
#[derive(Clone, Copy, Debug, IntoBytes, Immutable)]
#[repr(C)]
pub struct RerankArgs {
    /// Rows.
    pub rows: u64,
    /// Queries.
    pub queries: u64,
    /// `count` candidates for each query.
    pub candidates: u64,
    /// The `k` nearest of these.
    pub out: u64,
    /// Words of a vector.
    pub words: u32,
    /// Candidates of a query.
    pub count: u32,
    /// Rows wanted.
    pub k: u32,
    /// Nothing.
    pub padding: u32,
}

/// Arguments of `kmeans_assign`.
#[derive(Clone, Copy, Debug, IntoBytes, Immutable)]
#[repr(C)]
pub struct AssignArgs {
    /// Floats, row after row.
    pub rows: u64,
    /// Floats, centroid after centroid.
    pub centroids: u64,
    /// The nearest centroid of each row, its key in the upper half.
    pub nearest: u64,
    /// Rows.
    pub row_count: u32,
    /// Centroids.
    pub centroid_count: u32,
    /// Floats of each.
    pub dim: u32,
    /// Nothing.
    pub padding: u32,
}

/// Arguments of `kmeans_means`.
#[derive(Clone, Copy, Debug, IntoBytes, Immutable)]
#[repr(C)]
pub struct MeansArgs {
    /// Floats, row after row.
    pub rows: u64,
    /// Rows, cluster after cluster.
    pub members: u64,
    /// Where those of each cluster begin, and the end.
    pub starts: u64,
    /// Floats, moved to the means.
    pub centroids: u64,
    /// Floats of each.
    pub dim: u32,
    /// Nothing.
    pub padding: u32,
}
