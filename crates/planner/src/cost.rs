//! What a plan costs, roughly: enough to decide whether a search runs where it is,
//! goes to a pool, or is split, and whether a scan is cheaper than an index.

use crate::{RowCost, SearchPlan};
use vicinal_types::{FaissParams, FlatCodes, HnswCodes, IndexParams, IvfCodes, VectorType};

/// Entering a search: the query's set-up, the first misses, the answer.
const SEARCH_NANOS: u64 = 2_000;

/// Bytes of a row's number, list and factors beside its code.
const CODE_FACTS_BYTES: u64 = 16;

/// Rows for each list that centroids are learnt from.
const LEARNT_ROWS_PER_LIST: u64 = 256;

/// How much larger than ours the links of `hnsw_rs` are: counted pointers.
const FOREIGN_GRAPH_FACTOR: u64 = 6;

/// The estimated time of one search of a segment on one thread, where a row costs
/// what [`MachineProfile::row_cost`](crate::MachineProfile::row_cost) says.
pub fn estimate_nanos(rows: u64, cost: RowCost, plan: SearchPlan) -> u64 {
    let work = match plan {
        SearchPlan::Skip => return 0,
        SearchPlan::Scan => times(rows, cost.scanned_nanos),
        SearchPlan::Index { comparisons, .. } => times(comparisons.min(rows), cost.scattered_nanos),
    };
    SEARCH_NANOS.saturating_add(work)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "costs are positive, and what is too large becomes the largest"
)]
fn times(rows: u64, nanos: f64) -> u64 {
    (rows as f64 * nanos) as u64
}

/// The estimated time of a scan of those of a segment's rows that pass a filter:
/// where they stand close together all rows are compared, else they alone.
pub(crate) fn estimate_masked_scan_nanos(rows: u64, passing: u64, cost: RowCost) -> u64 {
    let all = times(rows, cost.scanned_nanos);
    let alone = times(passing, cost.scanned_nanos * SCATTERED_FACTOR);
    SEARCH_NANOS.saturating_add(alone.min(all))
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
    use vicinal_types::{ElementType, HnswParams, IvfParams, Metric};

    fn row_cost(dim: u32) -> RowCost {
        let vector = VectorType::new(dim, ElementType::F32, Metric::L2).expect("a right type");
        MachineProfile::TYPICAL.row_cost(vector)
    }

    #[test]
    fn estimates_are_of_the_right_order() {
        let walk = |effort| SearchPlan::Index { effort, comparisons: effort as u64 * 16 };
        let table = [
            // rows, dimensions, plan, at least µs, at most µs
            (0, 128, SearchPlan::Scan, 0, 10),
            (1_000_000, 128, SearchPlan::Scan, 10_000, 50_000),
            (1_000_000, 768, SearchPlan::Scan, 90_000, 300_000),
            (250_000, 128, walk(64), 30, 200),
            (250_000, 128, walk(512), 250, 1_600),
            (100, 128, walk(512), 1, 20),
        ];
        for (rows, dim, plan, least, most) in table {
            let micros = estimate_nanos(rows, row_cost(dim), plan) / 1_000;
            assert!((least..=most).contains(&micros), "{plan:?} of {rows} × {dim}: {micros} µs");
        }
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
        let check = |profile: &MachineProfile, plan, expected| {
            let nanos = estimate_nanos(1_000, profile.row_cost(vector), plan);
            assert_eq!(nanos, SEARCH_NANOS + expected, "{plan:?}");
        };
        let walk = SearchPlan::Index { effort: 10, comparisons: 160 };
        check(&profile, SearchPlan::Scan, 1_000 * 256);
        check(&profile, walk, 160 * 612);
        // Slow code: computing is what takes long.
        profile.kernels[0].time = Line { base_nanos: 24.0, unit_nanos: 4.0 };
        check(&profile, SearchPlan::Scan, 1_000 * 1_048);
        check(&profile, walk, 160 * 1_048);
    }

    #[test]
    fn a_masked_scan_costs_at_most_the_whole_one() {
        let cost = RowCost { scanned_nanos: 10.0, scattered_nanos: 30.0 };
        let nanos = |passing| estimate_masked_scan_nanos(1_000, passing, cost) - SEARCH_NANOS;
        assert_eq!([0, 100, 500, 900].map(nanos), [0, 2_000, 10_000, 10_000]);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        assert_eq!(estimate_nanos(u64::MAX, row_cost(32_768), SearchPlan::Scan), u64::MAX);
    }
}
