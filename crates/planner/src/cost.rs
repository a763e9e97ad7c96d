//! What a way through a segment costs, roughly: enough to decide whether a search runs
//! where it is, goes to a pool, or is split, and whether a scan is cheaper than an index.

use crate::steps::Steps;
use crate::{EffortUnit, Indexed, RowCost};
use std::ops::AddAssign;
use vicinal_types::{FaissParams, FlatCodes, HnswCodes, IndexParams, IvfCodes, VectorType};

/// Entering a search: the query's set-up, the first misses, the answer.
const SEARCH_NANOS: u64 = 2_000;

/// Bytes of a row's number, list and factors beside its code.
const CODE_FACTS_BYTES: u64 = 16;

/// Rows for each list that centroids are learnt from.
const LEARNT_ROWS_PER_LIST: u64 = 256;

/// How much larger than ours the links of `hnsw_rs` are: counted pointers.
const FOREIGN_GRAPH_FACTOR: u64 = 6;

/// What a way through a segment is predicted to cost one query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Nanoseconds of one thread that computes.
    pub nanos: u64,
    /// The same, and what it waits for pages that the system has in memory.
    pub latency_nanos: u64,
    /// Bytes of rows, codes and links that are read.
    pub memory_bytes: u64,
    /// Pages of 4 KiB that are read of a graph in pages; other indexes are taken to be in
    /// memory.
    pub pages: u64,
}

impl Cost {
    /// What is not done.
    pub const NOTHING: Self = Self { nanos: 0, latency_nanos: 0, memory_bytes: 0, pages: 0 };

    /// Comparing with all rows in their order.
    pub(crate) fn of_scan(rows: u64, row: RowCost) -> Self {
        Self::of_rows(rows, row.scanned(rows as f64), row)
    }

    /// Comparing with those of a segment's rows that pass a filter, each for itself.
    pub(crate) fn of_survivors(passing: u64, rows: u64, row: RowCost) -> Self {
        Self::of_rows(passing, row.scanned(rows as f64) * SCATTERED_FACTOR, row)
    }

    /// Comparing with so many rows somewhere in memory, or as much.
    pub(crate) fn of_comparisons(comparisons: u64, row: RowCost) -> Self {
        Self::of_rows(comparisons, row.scattered_nanos, row)
    }

    /// Searching an index, where only `passing` of its rows count: candidates are kept
    /// among rows that pass, and those on the way cost as much; lists are farther away, as
    /// the nearest rows that pass are.
    pub(crate) fn of_index(effort: usize, index: &Indexed<'_>, passing: u64, row: RowCost) -> Self {
        let rows = index.rows as f64;
        let rarity = rows / passing.max(1) as f64;
        let steps = |effort: f64| Steps::of(&index.params, effort, rows, &row);
        let Steps { nanos, bytes, pages } = match index.unit() {
            EffortUnit::Candidates => {
                let once = steps(effort as f64);
                let times = rarity.max(1.0);
                Steps {
                    nanos: once.nanos * times,
                    bytes: once.bytes * times,
                    pages: once.pages * times,
                }
            }
            EffortUnit::Lists(_) => steps(effort as f64 * rarity.max(1.0).cbrt()),
            EffortUnit::Nothing => steps(0.0),
        };
        Self::new(nanos, bytes, pages.min(rows), row)
    }

    fn new(nanos: f64, bytes: f64, pages: f64, row: RowCost) -> Self {
        let (nanos, pages) = (SEARCH_NANOS.saturating_add(whole(nanos)), whole(pages));
        let waited = whole(pages as f64 * row.page_nanos);
        Self {
            nanos,
            latency_nanos: nanos.saturating_add(waited),
            memory_bytes: whole(bytes),
            pages,
        }
    }

    fn of_rows(rows: u64, nanos: f64, row: RowCost) -> Self {
        let rows = rows as f64;
        Self::new(rows * nanos, rows * row.bytes as f64, 0.0, row)
    }
}

/// Bytes that are in the caches whatever else is done, and bytes of which hardly any are:
/// between them a part is. Of a machine with 32 MiB of the last cache.
const CACHED_BYTES: f64 = 8.0 * 1024.0 * 1024.0;
const UNCACHED_BYTES: f64 = 32.0 * 1024.0 * 1024.0;

/// The part of reads that wait for memory, of data of so many bytes.
pub(crate) fn share_beyond_caches(bytes: f64) -> f64 {
    ((bytes - CACHED_BYTES) / (UNCACHED_BYTES - CACHED_BYTES)).clamp(0.0, 1.0)
}

impl RowCost {
    /// A row of so many in a row.
    pub(crate) fn scanned(&self, rows: f64) -> f64 {
        let waited = share_beyond_caches(rows * self.bytes as f64);
        self.computed_nanos + waited * (self.scanned_nanos - self.computed_nanos)
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, more: Self) {
        self.nanos = self.nanos.saturating_add(more.nanos);
        self.latency_nanos = self.latency_nanos.saturating_add(more.latency_nanos);
        self.memory_bytes = self.memory_bytes.saturating_add(more.memory_bytes);
        self.pages = self.pages.saturating_add(more.pages);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "costs are positive, and what is too large becomes the largest"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

/// How much longer a row takes that is compared for itself than one in a row of rows.
const SCATTERED_FACTOR: f64 = 2.0;

/// The memory that a build takes beside the rows, roughly: what is kept of each
/// row, and the rows that codes are learnt from.
pub fn estimate_build_bytes(rows: u64, vector: VectorType, params: &IndexParams) -> u64 {
    let dim = vector.dim() as u64;
    let floats = dim * 4;
    let graph = |m: u32| u64::from(m) * 2 * 4 + 16;
    let (row_bytes, learnt_rows) = match params {
        IndexParams::Flat => (0, 0),
        IndexParams::Hnsw(params) => (graph(params.m) + hnsw_code_bytes(params.codes, dim), 0),
        IndexParams::Graph(params) => (graph_build_row_bytes(params.m, dim, vector), 0),
        IndexParams::Paged(params) => {
            let code = hnsw_code_bytes(params.codes, dim);
            (2 * graph(params.m) + code + vector.row_bytes() as u64, 0)
        }
        IndexParams::FlatCodes(FlatCodes::Sq8) => (dim, 0),
        IndexParams::FlatCodes(FlatCodes::Rabitq) => (dim / 8 + CODE_FACTS_BYTES, 0),
        IndexParams::Ivf(params) => {
            let row_bytes = ivf_row_bytes(params.codes, vector) + CODE_FACTS_BYTES;
            (row_bytes, u64::from(params.lists) * LEARNT_ROWS_PER_LIST)
        }
        IndexParams::HnswRs(params) => (floats + graph(params.m) * FOREIGN_GRAPH_FACTOR, 0),
        IndexParams::Faiss(FaissParams::Flat) => (floats, 0),
        IndexParams::Faiss(FaissParams::Hnsw(params)) => (floats + graph(params.m), 0),
        IndexParams::Faiss(FaissParams::IvfPq(params)) => {
            let code = u64::from(params.subvectors * params.bits) / 8;
            (floats + code, u64::from(params.lists) * LEARNT_ROWS_PER_LIST)
        }
    };
    let learnt = learnt_rows.min(rows).saturating_mul(floats);
    rows.saturating_mul(row_bytes).saturating_add(learnt)
}

/// A record, the rotated row, its 8-bit code, candidates and links both ways.
fn graph_build_row_bytes(m: u32, dim: u64, vector: VectorType) -> u64 {
    const CANDIDATE_BYTES: u64 = 64 * 8;
    let links = u64::from(2 * m).next_multiple_of(32);
    let record = vector.row_bytes() as u64 + links * (dim / 8 + 12);
    record + floats_bytes(dim) + dim + CANDIDATE_BYTES + 3 * links * 8
}

fn floats_bytes(dim: u64) -> u64 {
    4 * dim
}

fn hnsw_code_bytes(codes: HnswCodes, dim: u64) -> u64 {
    match codes {
        HnswCodes::None => 0,
        HnswCodes::Sq8 => dim,
        HnswCodes::Sq4 => dim / 2,
        HnswCodes::Rabitq1 => dim / 8 + CODE_FACTS_BYTES,
    }
}

fn ivf_row_bytes(codes: IvfCodes, vector: VectorType) -> u64 {
    let dim = vector.dim() as u64;
    match codes {
        IvfCodes::None => vector.row_bytes() as u64,
        IvfCodes::Sq8 => dim,
        IvfCodes::Pq { bits, subvectors } => u64::from(bits * subvectors) / 8,
        IvfCodes::Rabitq { bits } => u64::from(bits) * dim / 8,
        IvfCodes::Scann { subvectors } => u64::from(subvectors) / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Line, MachineProfile};
    use vicinal_types::{ElementType, GraphParams, HnswParams, IvfParams, Metric};

    fn row_cost(dim: u32) -> RowCost {
        let vector = VectorType::new(dim, ElementType::F32, Metric::L2).expect("a right type");
        MachineProfile::TYPICAL.row_cost(vector)
    }

    fn graph(rows: u64) -> Indexed<'static> {
        let params = GraphParams { m: 16, ef_construction: 128, seed: 0 };
        Indexed {
            rows,
            params: IndexParams::Graph(params),
            has_codes: false,
            calibration: None,
            curves: &[],
        }
    }

    fn walk(rows: u64, effort: usize, row: RowCost) -> Cost {
        Cost::of_index(effort, &graph(rows), rows, row)
    }

    #[test]
    fn estimates_are_of_the_right_order() {
        let table = [
            // rows, dimensions, effort if it is no scan, at least µs, at most µs
            (0, 128, None, 0, 10),
            (1_000_000, 128, None, 10_000, 50_000),
            (1_000_000, 768, None, 90_000, 300_000),
            (250_000, 128, Some(64), 30, 200),
            (250_000, 128, Some(512), 150, 800),
            (100, 128, Some(512), 1, 50),
        ];
        for (rows, dim, effort, least, most) in table {
            let row = row_cost(dim);
            let cost = effort.map_or(Cost::of_scan(rows, row), |effort| walk(rows, effort, row));
            let micros = cost.nanos / 1_000;
            assert!((least..=most).contains(&micros), "{effort:?} of {rows} × {dim}: {micros} µs");
        }
    }

    #[test]
    fn pages_are_of_graphs_in_pages() {
        let params = HnswParams { m: 16, ef_construction: 128, seed: 0, codes: HnswCodes::Sq8 };
        let paged = Indexed { params: IndexParams::Paged(params), ..graph(1_000_000) };
        let cost = |index| Cost::of_index(64, &index, 1_000_000, row_cost(128));
        let (memory, pages) = (cost(graph(1_000_000)), cost(paged));
        assert_eq!([memory.pages, pages.pages], [0, 57]);
        assert_eq!(memory.latency_nanos, memory.nanos);
        assert_eq!(pages.latency_nanos, pages.nanos + 57 * 500);
    }

    #[test]
    fn builds_take_what_they_keep() {
        let vector = VectorType::new(128, ElementType::F32, Metric::L2).expect("a right type");
        let check = |params: IndexParams, least_mb: u64, most_mb: u64| {
            let mb = estimate_build_bytes(1_000_000, vector, &params) / 1_000_000;
            assert!((least_mb..=most_mb).contains(&mb), "{params}: {mb} MB");
        };
        let hnsw =
            |codes| IndexParams::Hnsw(HnswParams { m: 16, ef_construction: 128, seed: 0, codes });
        check(IndexParams::Flat, 0, 0);
        check(hnsw(HnswCodes::None), 100, 200);
        check(hnsw(HnswCodes::Sq8), 250, 300);
        check(IndexParams::FlatCodes(FlatCodes::Rabitq), 20, 50);
        let codes = IvfCodes::Pq { bits: 4, subvectors: 64 };
        check(IndexParams::Ivf(IvfParams { lists: 4_000, codes, seed: 0 }), 500, 700);
    }

    #[test]
    fn estimates_are_what_the_profile_says() {
        let mut profile = MachineProfile::TYPICAL;
        profile.memory.sequential_byte_nanos = 0.25;
        profile.memory.scattered = Line { base_nanos: 100.0, unit_nanos: 0.5 };
        let vector = VectorType::new(256, ElementType::F32, Metric::L2).expect("a right type");
        let check = |profile: &MachineProfile, rows: u64, scanned: u64, compared: u64| {
            let row = profile.row_cost(vector);
            let scan = Cost::of_scan(rows, row);
            assert_eq!((scan.nanos, scan.memory_bytes), (2_000 + rows * scanned, rows * 1_024));
            let walk = Cost::of_comparisons(160, row);
            assert_eq!((walk.nanos, walk.memory_bytes), (2_000 + 160 * compared, 160 * 1_024));
        };
        check(&profile, 100_000, 256, 612);
        // Slow code: computing is what takes long.
        profile.kernels[0].time = Line { base_nanos: 24.0, unit_nanos: 4.0 };
        check(&profile, 100_000, 1_048, 1_048);
        // Few rows stay in the caches, where fast code need not wait.
        profile.kernels[0].time = Line { base_nanos: 14.0, unit_nanos: 0.25 };
        check(&profile, 1_000, 78, 612);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let row = row_cost(32_768);
        let mut cost = Cost::of_scan(u64::MAX, row);
        assert_eq!((cost.nanos, cost.memory_bytes), (u64::MAX, u64::MAX));
        cost += Cost::of_scan(1, row);
        assert_eq!(cost.nanos, u64::MAX);
    }
}
