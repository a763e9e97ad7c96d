//! Efforts and curves as tables.

use super::*;

const CURVE: Calibration<'_> = Calibration {
    k: 10,
    samples: 1_000,
    points: &[(16, 0.80), (32, 0.90), (64, 0.96), (128, 0.99), (256, 0.998)],
};

fn check(effort: Effort, k: usize, rows: u64, expected: SearchPlan) {
    let choice = choose_effort(effort, k, rows, Some(&CURVE));
    assert_eq!(choice.plan, expected, "{effort:?}, k {k}, {rows} rows: {}", choice.reason);
}

fn effort_of(effort: Effort, k: usize, calibration: Option<&Calibration<'_>>) -> usize {
    match choose_effort(effort, k, 10_000_000, calibration).plan {
        SearchPlan::Index { effort } => effort,
        SearchPlan::Scan => panic!("{effort:?} with k = {k} is scanned"),
    }
}

#[test]
fn exact_is_scanned_and_candidates_are_taken_at_their_word() {
    check(Effort::Exact, 10, 1_000_000, SearchPlan::Scan);
    check(Effort::Candidates(64), 10, 1_000_000, SearchPlan::Index { effort: 64 });
    check(Effort::Candidates(5), 10, 1_000_000, SearchPlan::Index { effort: 10 });
}

#[test]
fn the_promise_is_below_the_measurement() {
    for (target, least, most) in
        [(0.5, 16, 16), (0.80, 17, 20), (0.90, 33, 40), (0.95, 57, 64), (0.98, 100, 128)]
    {
        let effort = effort_of(Effort::MinRecall(target), 10, Some(&CURVE));
        assert!((least..=most).contains(&effort), "{target} gives {effort}");
    }
}

#[test]
fn a_small_sample_takes_more_effort_than_a_large_one() {
    let small = Calibration { samples: 32, ..CURVE };
    let target = Effort::MinRecall(0.95);
    assert!(effort_of(target, 10, Some(&small)) > effort_of(target, 10, Some(&CURVE)));
}

#[test]
fn beyond_the_curve_is_scanned() {
    check(Effort::MinRecall(1.0), 10, 1_000_000, SearchPlan::Scan);
    check(Effort::MinRecall(0.999), 10, 1_000_000, SearchPlan::Scan);
}

#[test]
fn few_rows_are_scanned() {
    check(Effort::Candidates(64), 10, 2_048, SearchPlan::Scan);
    check(Effort::Candidates(64), 10, 2_049, SearchPlan::Index { effort: 64 });
    check(Effort::MinRecall(0.5), 10, 100, SearchPlan::Scan);
    check(Effort::Candidates(1), 0, 0, SearchPlan::Scan);
}

#[test]
fn more_neighbors_take_more_effort() {
    let target = Effort::MinRecall(0.9);
    let ten = effort_of(target, 10, Some(&CURVE));
    assert_eq!(effort_of(target, 1, Some(&CURVE)), ten);
    assert_eq!(effort_of(target, 100, Some(&CURVE)), 10 * ten);
    check(target, 16_384, u64::MAX, SearchPlan::Index { effort: (ten * 16_384).div_ceil(10) });
}

#[test]
fn an_effort_above_the_limit_is_scanned() {
    check(Effort::MinRecall(0.99), 16_384, u64::MAX, SearchPlan::Scan);
}

#[test]
fn without_measurements_a_cautious_curve_is_assumed() {
    assert_eq!(effort_of(Effort::MinRecall(0.96), 10, None), 128);
    let empty = Calibration { points: &[], ..CURVE };
    let choice = choose_effort(Effort::MinRecall(0.96), 10, 1_000_000, Some(&empty));
    assert_eq!(choice.plan, SearchPlan::Index { effort: 128 });
    assert_eq!(choice.expected_recall, None);
}

#[test]
fn the_expected_recall_is_read_off_the_curve() {
    for (effort, expected) in [(16, 0.80), (24, 0.85), (64, 0.96), (9_999, 0.998)] {
        let choice = choose_effort(Effort::Candidates(effort), 10, 10_000_000, Some(&CURVE));
        let recall = choice.expected_recall.expect("there is a curve");
        assert!((recall - expected).abs() < 1e-6, "effort {effort} gives {recall}");
    }
    let hundred = choose_effort(Effort::Candidates(640), 100, 10_000_000, Some(&CURVE));
    assert_eq!(hundred.expected_recall, Some(0.96));
}

#[test]
fn more_recall_never_takes_less_effort() {
    let efforts: Vec<_> = (1..99)
        .map(|percent| effort_of(Effort::MinRecall(percent as f32 / 100.0), 10, Some(&CURVE)))
        .collect();
    assert!(efforts.is_sorted(), "{efforts:?}");
}
