//! Efforts and curves as tables.

use super::*;
use crate::{MachineProfile, Prediction, SearchPlan, Segment, plan_search};
use vicinal_types::{Among, ElementType, GraphParams, IvfCodes, IvfParams, Metric, VectorType};

const CURVE: Calibration<'_> = Calibration {
    k: 10,
    samples: 1_000,
    points: &[(16, 0.80), (32, 0.90), (64, 0.96), (128, 0.99), (256, 0.998)],
    of_queries: false,
};

const GRAPH: IndexParams = IndexParams::Graph(GraphParams { m: 16, ef_construction: 128, seed: 0 });

fn graph(rows: u64, calibration: Option<Calibration<'_>>) -> Indexed<'_> {
    Indexed { rows, params: GRAPH, has_codes: false, calibration, curves: &[] }
}

/// What is planned where all rows can be found.
fn plan(effort: Effort, k: usize, indexed: &Indexed<'_>) -> Prediction {
    let vector = VectorType::new(128, ElementType::F32, Metric::L2).expect("a right type");
    let (rows, row) = (indexed.rows, MachineProfile::TYPICAL.row_cost(vector));
    plan_search(effort, k, &Segment { rows, passing: rows, index: Some(*indexed), row }).best()
}

/// The effort that is chosen; none for a scan.
fn chosen(effort: Effort, k: usize, indexed: &Indexed<'_>) -> Option<usize> {
    match plan(effort, k, indexed).plan {
        SearchPlan::Index { effort } => Some(effort),
        SearchPlan::Scan | SearchPlan::Skip => None,
    }
}

fn check(effort: Effort, k: usize, rows: u64, expected: Option<usize>) {
    let found = chosen(effort, k, &graph(rows, Some(CURVE)));
    assert_eq!(found, expected, "{effort:?}, k {k}, {rows} rows");
}

fn effort_of(effort: Effort, k: usize, calibration: Option<Calibration<'_>>) -> usize {
    let chosen = chosen(effort, k, &graph(10_000_000, calibration));
    chosen.unwrap_or_else(|| panic!("{effort:?} with k = {k} is scanned"))
}

#[test]
fn exact_is_scanned_and_candidates_are_taken_at_their_word() {
    check(Effort::Exact, 10, 1_000_000, None);
    check(Effort::Candidates(64), 10, 1_000_000, Some(64));
    check(Effort::Candidates(5), 10, 1_000_000, Some(10));
}

#[test]
fn the_promise_is_below_the_measurement() {
    for (target, least, most) in
        [(0.5, 16, 24), (0.80, 32, 36), (0.90, 58, 68), (0.95, 92, 106), (0.98, 128, 150)]
    {
        let effort = effort_of(Effort::MinRecall(target), 10, Some(CURVE));
        assert!((least..=most).contains(&effort), "{target} gives {effort}");
    }
}

#[test]
fn a_small_sample_takes_more_effort_than_a_large_one() {
    let small = Calibration { samples: 32, ..CURVE };
    let target = Effort::MinRecall(0.95);
    assert!(effort_of(target, 10, Some(small)) > effort_of(target, 10, Some(CURVE)));
}

#[test]
fn beyond_the_curve_is_scanned() {
    check(Effort::MinRecall(1.0), 10, 1_000_000, None);
    check(Effort::MinRecall(0.999), 10, 1_000_000, None);
}

#[test]
fn few_rows_are_scanned() {
    check(Effort::Candidates(64), 10, 2_048, None);
    check(Effort::Candidates(64), 10, 8_192, Some(64));
    check(Effort::MinRecall(0.5), 10, 100, None);
    check(Effort::Candidates(1), 0, 0, None);
}

#[test]
fn more_neighbors_take_more_effort() {
    let target = Effort::MinRecall(0.8);
    let ten = effort_of(target, 10, Some(CURVE));
    assert_eq!(effort_of(target, 1, Some(CURVE)), ten);
    assert_eq!(effort_of(target, 100, Some(CURVE)), 10 * ten);
    check(target, 16_384, u64::MAX, Some((ten * 16_384).div_ceil(10)));
}

#[test]
fn an_effort_above_the_limit_is_scanned() {
    check(Effort::MinRecall(0.99), 16_384, u64::MAX, None);
}

#[test]
fn without_measurements_a_cautious_curve_is_assumed() {
    assert_eq!(effort_of(Effort::MinRecall(0.96), 10, None), 128);
    let empty = Calibration { points: &[], ..CURVE };
    let choice = plan(Effort::MinRecall(0.96), 10, &graph(1_000_000, Some(empty)));
    assert_eq!((choice.plan, choice.recall), (SearchPlan::Index { effort: 128 }, None));
}

#[test]
fn the_expected_recall_is_read_off_the_curve() {
    for (effort, expected) in [(16, 0.60), (24, 0.70), (64, 0.92), (9_999, 0.996)] {
        let choice = plan(Effort::Candidates(effort), 10, &graph(10_000_000, Some(CURVE)));
        let recall = choice.recall.expect("there is a curve");
        assert!((recall - expected).abs() < 1e-6, "effort {effort} gives {recall}");
    }
    let hundred = plan(Effort::Candidates(640), 100, &graph(10_000_000, Some(CURVE)));
    let hundred = hundred.recall.expect("there is a curve");
    assert!((hundred - 0.92).abs() < 1e-6, "{hundred}");
}

#[test]
fn more_recall_never_takes_less_effort() {
    let efforts: Vec<_> = (1..99)
        .map(|percent| effort_of(Effort::MinRecall(percent as f32 / 100.0), 10, Some(CURVE)))
        .collect();
    assert!(efforts.is_sorted(), "{efforts:?}");
}

#[test]
fn an_effort_of_lists_is_at_most_all_of_them() {
    let curve = Calibration { points: &[(1, 0.5), (8, 0.9), (32, 0.98)], ..CURVE };
    let params = IndexParams::Ivf(IvfParams { lists: 1_000, codes: IvfCodes::None, seed: 0 });
    let indexed = Indexed {
        rows: 1_000_000,
        params,
        has_codes: false,
        calibration: Some(curve),
        curves: &[],
    };
    let check = |effort, k, expected| assert_eq!(chosen(effort, k, &indexed), expected);
    // k says nothing about lists.
    check(Effort::Candidates(1), 100, Some(1));
    check(Effort::Candidates(64), 10, Some(64));
    // Probing all is a scan.
    check(Effort::Candidates(5_000), 10, None);
    check(Effort::Candidates(500), 10, None);
    check(Effort::Candidates(400), 10, Some(400));
    check(Effort::MinRecall(0.999), 10, None);
    let ten = chosen(Effort::MinRecall(0.9), 10, &indexed).expect("an effort");
    assert!((17..=26).contains(&ten), "{ten}");
    check(Effort::MinRecall(0.9), 40, Some(2 * ten));
    let unmeasured = Indexed { calibration: None, ..indexed };
    assert_eq!(chosen(Effort::MinRecall(0.95), 10, &unmeasured), Some(17));
}

/// Where curves among some of the rows were measured, these are gone by.
#[test]
fn under_a_filter_goes_what_was_measured_among_as_many() {
    let curve = |among, points: &[(u32, f32)]| RecallCurve {
        k: 10,
        among,
        queries: 100_000,
        live: 1,
        points: points.to_vec(),
    };
    let curves = [
        curve(Among::Strewn(90), &[(10, 0.90), (30, 0.99)]),
        curve(Among::Strewn(25), &[(10, 0.94), (90, 0.99)]),
    ];
    let indexed = Indexed { curves: &curves, has_codes: true, ..graph(1_000_000, Some(CURVE)) };
    let effort = |target, k, passing| {
        let choice = index_effort(Effort::MinRecall(target), k, &indexed, passing);
        choice.map(|(effort, recall, _)| (effort, recall))
    };
    let (all, recall) = effort(0.95, 10, 1_000_000).expect("measured");
    assert!((60..110).contains(&all) && recall.is_some(), "{all}");
    let (most, recall) = effort(0.95, 10, 900_000).expect("measured");
    assert!((20..=22).contains(&most), "{most}");
    assert!(recall.is_some_and(|recall| (recall - 0.95).abs() < 0.01), "{recall:?}");
    let (few, _) = effort(0.95, 10, 250_000).expect("measured");
    assert!((26..=29).contains(&few), "{few}");
    let (between, _) = effort(0.95, 10, 474_000).expect("measured");
    assert!((most + 1..few).contains(&between), "{between}");
    let (many, _) = effort(0.95, 100, 250_000).expect("measured");
    assert!((260..=270).contains(&many), "{many}");
    assert!(effort(0.999, 10, 500_000).is_err(), "no effort among so many promises that");
    assert!(effort(0.90, 10, 10).is_ok_and(|(fewest, _)| fewest == 10), "as among the fewest");
}

/// What was measured for many neighbours is gone by where many are asked for.
#[test]
fn many_neighbours_go_by_what_was_measured_for_many() {
    let many = RecallCurve {
        k: 100,
        among: Among::All,
        queries: 1_000,
        live: 1,
        points: vec![(100, 0.99)],
    };
    let curves = [many];
    let indexed = Indexed { curves: &curves, ..graph(10_000_000, Some(CURVE)) };
    let effort = |k| index_effort(Effort::MinRecall(0.95), k, &indexed, 10_000_000);
    assert!(effort(99).is_ok_and(|(effort, ..)| effort > 500));
    assert_eq!([100, 200].map(|k| effort(k).map(|(effort, ..)| effort)), [Ok(100), Ok(200)]);
}
