//! How a segment is searched of which only some rows pass a filter.

use crate::RowCost;
use crate::cost::{estimate_masked_scan_nanos, estimate_nanos};
use crate::effort::{EffortUnit, Indexed, SearchChoice, SearchPlan, choose_effort};
use vicinal_types::Effort;

/// Codes of rows that pass, looked at one after the other, that cost as much as a row
/// somewhere in memory.
const CODES_PER_COMPARISON: u64 = 10;

/// Rows that are compared after a look at codes.
const RERANKED: u64 = 100;

/// The effort that finds as much where only some of the rows count, of a walk that goes
/// to its results past others: it sees more of what is around. Measured with a share of
/// 0.1 to 0.9 of wordnet384 strewn or in clumps, a third to two thirds of the candidates
/// beyond `k` do (`vicinal bench ann --passing`).
fn effort_among(effort: usize, k: usize) -> usize {
    k + effort.saturating_sub(k).div_ceil(2)
}

/// Chooses how a segment is searched of which `passing` rows pass a filter, counted.
///
/// No row passes: the segment is skipped. Few do: these are scanned. Else the index is
/// searched with them as a mask, which costs the more the fewer they are: a walk goes
/// on until it has kept as many of them as it keeps of all rows without a filter, or
/// looks at their codes. All do: the search is that without a filter.
pub fn choose_filtered(
    effort: Effort,
    k: usize,
    indexed: &Indexed<'_>,
    passing: u64,
    cost: RowCost,
) -> SearchChoice {
    if passing == 0 {
        let reason = "no row passes the filter";
        return SearchChoice { plan: SearchPlan::Skip, expected_recall: Some(1.0), reason };
    }
    let choice = choose_effort(effort, k, indexed);
    let SearchPlan::Index { effort, .. } = choice.plan else { return choice };
    if passing >= indexed.rows || indexed.unit == EffortUnit::Nothing {
        return choice;
    }
    let effort = if indexed.has_codes { effort_among(effort, k) } else { effort };
    let walked = indexed.unit.comparisons_among(effort, indexed.rows, passing);
    let coded = passing / CODES_PER_COMPARISON + RERANKED;
    let comparisons = if indexed.has_codes { walked.min(coded) } else { walked };
    let masked = SearchPlan::Index { effort, comparisons };
    let scan = estimate_masked_scan_nanos(indexed.rows, passing, cost);
    if scan <= estimate_nanos(indexed.rows, cost, masked) {
        let reason = "a scan of the rows that pass the filter is cheaper than the index";
        return SearchChoice { plan: SearchPlan::Scan, expected_recall: Some(1.0), reason };
    }
    SearchChoice { plan: masked, ..choice }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Calibration, MachineProfile};
    use vicinal_types::{ElementType, Metric, VectorType};

    const ROWS: u64 = 100_000;

    fn cost() -> RowCost {
        let vector = VectorType::new(384, ElementType::F32, Metric::L2).expect("a right type");
        MachineProfile::TYPICAL.row_cost(vector)
    }

    fn plan(unit: EffortUnit, effort: Effort, passing: u64) -> SearchPlan {
        let points = &[(32, 0.90), (64, 0.97), (128, 0.99)];
        let calibration = Some(Calibration { k: 10, samples: 1_000, points });
        choose_filtered(
            effort,
            10,
            &Indexed { rows: ROWS, unit, calibration, has_codes: false },
            passing,
            cost(),
        )
        .plan
    }

    #[test]
    fn few_rows_are_scanned_most_are_a_mask_and_none_is_nothing_to_do() {
        for unit in [EffortUnit::Candidates, EffortUnit::Lists(316)] {
            let plan = |passing| plan(unit, Effort::Candidates(20), passing);
            assert_eq!(plan(0), SearchPlan::Skip);
            assert_eq!(plan(1), SearchPlan::Scan);
            assert_eq!(plan(ROWS / 1_000), SearchPlan::Scan);
            let indexed = |passing| match plan(passing) {
                SearchPlan::Index { comparisons, .. } => comparisons,
                SearchPlan::Skip | SearchPlan::Scan => panic!("{unit:?}, {passing}"),
            };
            let costs = [ROWS * 99 / 100, ROWS / 2, ROWS / 3].map(indexed);
            assert!(costs.is_sorted() && costs[0] < costs[2], "{unit:?}: {costs:?}");
        }
    }

    #[test]
    fn the_scan_is_chosen_below_one_share_and_the_index_above_it() {
        for unit in [EffortUnit::Candidates, EffortUnit::Lists(316)] {
            let plan = |share| plan(unit, Effort::MinRecall(0.95), ROWS * share / 1_000);
            let is_scan = |share| plan(share) == SearchPlan::Scan;
            let scans: Vec<_> = (1..=1_000).map(is_scan).collect();
            assert!(scans.is_sorted_by(|a, b| a >= b), "{unit:?}: it goes back and forth");
            let share = scans.iter().filter(|is_scan| **is_scan).count();
            assert!((5..500).contains(&share), "{unit:?}: scans up to {share} of 1,000");
        }
    }

    #[test]
    fn codes_are_looked_at_where_a_walk_would_cost_more() {
        let plan = |has_codes, share| {
            let unit = EffortUnit::Candidates;
            let indexed = Indexed { rows: ROWS, unit, has_codes, calibration: None };
            choose_filtered(Effort::Candidates(20), 10, &indexed, ROWS * share / 1_000, cost()).plan
        };
        assert_eq!([false, true].map(|has_codes| plan(has_codes, 1)), [SearchPlan::Scan; 2]);
        assert_eq!(plan(false, 30), SearchPlan::Scan);
        assert_eq!(plan(true, 30), SearchPlan::Index { effort: 15, comparisons: 400 });
        let effort = |plan| match plan {
            SearchPlan::Index { effort, .. } => effort,
            SearchPlan::Skip | SearchPlan::Scan => panic!("most rows pass"),
        };
        assert_eq!([true, false].map(|has_codes| effort(plan(has_codes, 900))), [15, 20]);
    }

    #[test]
    fn an_exact_index_takes_every_mask_and_an_exact_search_none() {
        let is_index = |plan| matches!(plan, SearchPlan::Index { .. });
        for passing in [1, ROWS / 2, ROWS] {
            assert!(is_index(plan(EffortUnit::Nothing, Effort::DEFAULT, passing)));
            assert_eq!(plan(EffortUnit::Candidates, Effort::Exact, passing), SearchPlan::Scan);
        }
    }
}
