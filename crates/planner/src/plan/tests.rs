//! Ways through segments as tables.

use super::*;
use crate::{Calibration, MachineProfile};
use vicinal_types::{
    ElementType, FlatCodes, GraphParams, HnswCodes, HnswParams, IndexParams, IvfCodes, IvfParams,
    Metric, VectorType,
};

const ROWS: u64 = 100_000;

const HNSW: IndexParams =
    IndexParams::Hnsw(HnswParams { m: 16, ef_construction: 128, seed: 0, codes: HnswCodes::None });
const GRAPH: IndexParams = IndexParams::Graph(GraphParams { m: 16, ef_construction: 128, seed: 0 });
const LISTS: IndexParams =
    IndexParams::Ivf(IvfParams { lists: 316, codes: IvfCodes::None, seed: 0 });
const EXACT: IndexParams = IndexParams::FlatCodes(FlatCodes::Sq8);

fn row() -> RowCost {
    let vector = VectorType::new(384, ElementType::F32, Metric::L2).expect("a right type");
    MachineProfile::TYPICAL.row_cost(vector)
}

fn planned(params: IndexParams, effort: Effort, passing: u64) -> Candidates {
    let points = &[(32, 0.90), (64, 0.97), (128, 0.99)];
    let calibration = Some(Calibration { k: 10, samples: 1_000, points, of_queries: false });
    let index =
        Some(Indexed { rows: ROWS, params, has_codes: params == GRAPH, calibration, curves: &[] });
    plan_search(effort, 10, &Segment { rows: ROWS, passing, index, row: row() })
}

fn ways(candidates: &Candidates) -> Vec<Way> {
    candidates.all().iter().map(|candidate| candidate.way).collect()
}

fn chosen(candidates: &Candidates) -> Way {
    candidates.all()[candidates.best_at()].way
}

#[test]
fn a_segment_without_an_index_is_compared() {
    let plan = |rows, passing| {
        plan_search(Effort::DEFAULT, 10, &Segment { rows, passing, index: None, row: row() })
    };
    assert_eq!(ways(&plan(ROWS, ROWS)), [Way::Scan]);
    assert_eq!(ways(&plan(0, 0)), [Way::Scan]);
    assert_eq!(ways(&plan(ROWS, 0)), [Way::Skip]);
    assert_eq!(plan(ROWS, 0).best(), SKIPPED);
    assert_eq!(ways(&plan(ROWS, 1)), [Way::Survivors, Way::Scan]);
    let best = [100, ROWS / 3, ROWS * 2 / 3].map(|passing| chosen(&plan(ROWS, passing)));
    assert_eq!(best, [Way::Survivors, Way::Survivors, Way::Scan]);
    assert_eq!(plan(ROWS, 100).best().plan, SearchPlan::Scan);
}

#[test]
fn every_way_is_there_with_its_cost() {
    let all = planned(GRAPH, Effort::Candidates(20), ROWS / 2);
    assert_eq!(ways(&all), [Way::Index, Way::Codes, Way::Survivors, Way::Scan]);
    assert!(all.all().iter().all(|way| way.predicted.is_some_and(|way| way.cost.nanos > 0)));
    let cheapest = all.all().iter().filter_map(|way| Some(way.predicted?.cost.nanos)).min();
    assert_eq!(Some(all.best().cost.nanos), cheapest);
    assert_eq!(ways(&planned(HNSW, Effort::DEFAULT, ROWS)), [Way::Index, Way::Scan]);
}

#[test]
fn a_way_that_leads_nowhere_says_why() {
    for (effort, why) in [
        (Effort::Exact, "exact search was asked for"),
        (Effort::MinRecall(1.0), "no measured effort promises the recall asked for"),
    ] {
        let all = planned(HNSW, effort, ROWS);
        assert_eq!((all.all()[0].predicted, all.all()[0].reason), (None, why));
        assert_eq!(chosen(&all), Way::Scan);
    }
}

#[test]
fn few_rows_are_scanned_most_are_a_mask_and_none_is_nothing_to_do() {
    for params in [HNSW, LISTS] {
        let plan = |passing| planned(params, Effort::Candidates(20), passing).best();
        assert_eq!(plan(0).plan, SearchPlan::Skip);
        assert_eq!(plan(1).plan, SearchPlan::Scan);
        assert_eq!(plan(ROWS / 1_000).plan, SearchPlan::Scan);
        let indexed = |passing| match plan(passing) {
            Prediction { plan: SearchPlan::Index { .. }, cost, .. } => cost.nanos,
            other => panic!("{params}, {passing}: {other:?}"),
        };
        let costs = [ROWS * 99 / 100, ROWS / 2, ROWS / 3].map(indexed);
        assert!(costs.is_sorted() && costs[0] < costs[2], "{params}: {costs:?}");
    }
}

#[test]
fn the_scan_is_chosen_below_one_share_and_the_index_above_it() {
    for params in [HNSW, LISTS] {
        let plan = |share| planned(params, Effort::MinRecall(0.95), ROWS * share / 1_000).best();
        let scans: Vec<_> = (1..=1_000).map(|share| plan(share).plan == SearchPlan::Scan).collect();
        assert!(scans.is_sorted_by(|a, b| a >= b), "{params}: it goes back and forth");
        let share = scans.iter().filter(|is_scan| **is_scan).count();
        assert!((5..500).contains(&share), "{params}: scans up to {share} of 1,000");
    }
}

#[test]
fn codes_are_looked_at_where_a_walk_would_cost_more() {
    let way =
        |params, share| chosen(&planned(params, Effort::Candidates(20), ROWS * share / 1_000));
    assert_eq!([HNSW, GRAPH].map(|params| way(params, 1)), [Way::Survivors; 2]);
    assert_eq!([HNSW, GRAPH].map(|params| way(params, 30)), [Way::Survivors, Way::Codes]);
    let effort = |params| match planned(params, Effort::Candidates(20), ROWS * 9 / 10).best().plan {
        SearchPlan::Index { effort } => effort,
        SearchPlan::Skip | SearchPlan::Scan => panic!("most rows pass"),
    };
    assert_eq!([GRAPH, HNSW].map(effort), [15, 20]);
}

#[test]
fn an_exact_index_is_as_good_as_a_scan() {
    let way = |effort, passing| chosen(&planned(EXACT, effort, passing));
    assert_eq!(way(Effort::DEFAULT, 1), Way::Survivors);
    assert_eq!([ROWS / 2, ROWS].map(|passing| way(Effort::DEFAULT, passing)), [Way::Index; 2]);
    assert_eq!(way(Effort::Exact, ROWS), Way::Scan);
    assert_eq!(planned(EXACT, Effort::MinRecall(1.0), ROWS).best().recall, Some(1.0));
}
