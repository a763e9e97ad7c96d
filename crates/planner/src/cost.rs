//! What a plan costs, roughly.
//!
//! The constants are those of one core of a server of 2023 with AVX-512; they
//! are good to a factor of two or three, which is enough to decide whether a
//! search runs where it is, goes to a pool, or is split. A profile measured on
//! the machine replaces them later.

use crate::SearchPlan;
use vicinal_types::VectorType;

/// Entering a search: the query's set-up, the first misses, the answer.
const SEARCH_NANOS: u64 = 2_000;

/// Comparing with one row at least, however short.
const ROW_NANOS: u64 = 4;

/// Bytes that a scan streams from memory in a nanosecond.
const SCAN_BYTES_PER_NANO: u64 = 20;

/// Comparisons of a walk for each candidate kept.
const COMPARISONS_PER_CANDIDATE: u64 = 16;

/// A row that is somewhere in memory: a miss, mostly hidden by asking early.
const FAR_ROW_NANOS: u64 = 25;

/// Bytes of such a row compared in a nanosecond once they arrive.
const FAR_BYTES_PER_NANO: u64 = 10;

/// The estimated time of one search on one thread.
pub fn estimate_nanos(rows: u64, vector: VectorType, plan: SearchPlan) -> u64 {
    let row_bytes = vector.row_bytes() as u64;
    let work = match plan {
        SearchPlan::Scan => rows.saturating_mul(ROW_NANOS.max(row_bytes / SCAN_BYTES_PER_NANO)),
        SearchPlan::Index { effort } => {
            let comparisons = (effort as u64 * COMPARISONS_PER_CANDIDATE).min(rows);
            comparisons.saturating_mul(FAR_ROW_NANOS + row_bytes / FAR_BYTES_PER_NANO)
        }
    };
    SEARCH_NANOS.saturating_add(work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vicinal_types::{ElementType, Metric};

    #[test]
    fn estimates_are_of_the_right_order() {
        let table = [
            // rows, dimensions, plan, at least µs, at most µs
            (0, 128, SearchPlan::Scan, 0, 10),
            (1_000_000, 128, SearchPlan::Scan, 10_000, 50_000),
            (1_000_000, 768, SearchPlan::Scan, 90_000, 300_000),
            (250_000, 128, SearchPlan::Index { effort: 64 }, 30, 200),
            (250_000, 128, SearchPlan::Index { effort: 512 }, 250, 1_600),
            (100, 128, SearchPlan::Index { effort: 512 }, 1, 20),
        ];
        for (rows, dim, plan, least, most) in table {
            let vector = VectorType::new(dim, ElementType::F32, Metric::L2).expect("a right type");
            let micros = estimate_nanos(rows, vector, plan) / 1_000;
            assert!((least..=most).contains(&micros), "{plan:?} of {rows} × {dim}: {micros} µs");
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let vector = VectorType::new(32_768, ElementType::F32, Metric::L2).expect("a right type");
        assert_eq!(estimate_nanos(u64::MAX, vector, SearchPlan::Scan), u64::MAX);
    }
}
