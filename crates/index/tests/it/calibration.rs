//! Effort against recall, measured.

use crate::data::{build, build_as, clustered, l2, mean_recall, pool, store};
use vicinal_index::{Index, IndexParams, Progress, calibrate};
use vicinal_types::{Cancel, ForeignGraph, HnswCodes, HnswParams};

#[test]
fn the_curve_predicts_the_recall_of_other_queries() {
    let all = clustered(8_100, 16, 20, 6);
    let (base, queries) = all.split_at(8_000 * 16);
    let (vectors, queries) = (store(l2(16), base), store(l2(16), queries));
    let index = build(&vectors, 6, 24, 2);
    let curve =
        calibrate(&index, &vectors, &pool(2), 200, 10, 7, &Cancel::never()).expect("not stopped");
    assert!(curve.len() >= 3, "{curve:?}");
    assert!(curve.is_sorted_by(|a, b| a.effort < b.effort), "{curve:?}");
    for point in &curve {
        let real = mean_recall(&index, &vectors, &queries, 10, point.effort as usize, None);
        assert!((real - f64::from(point.recall)).abs() < 0.06, "{point:?}, measured {real}");
    }
    let again =
        calibrate(&index, &vectors, &pool(1), 200, 10, 7, &Cancel::never()).expect("not stopped");
    assert_eq!(curve, again, "one seed is one curve");
}

/// Where a stored row cannot be left out of the graph, its own links would promise
/// more than other queries get.
#[test]
fn the_curve_of_a_graph_that_keeps_all_vertices_promises_no_more() {
    let all = clustered(8_200, 16, 20, 6);
    let (base, queries) = all.split_at(8_000 * 16);
    let (vectors, queries) = (store(l2(16), base), store(l2(16), queries));
    let paged = HnswParams { m: 4, ef_construction: 16, seed: 42, codes: HnswCodes::Sq8 };
    let foreign = ForeignGraph { m: 4, ef_construction: 16 };
    for params in [IndexParams::HnswRs(foreign), IndexParams::Paged(paged)] {
        let index = build_as(params, &vectors, 2);
        let curve = calibrate(&index, &vectors, &pool(2), 400, 10, 7, &Cancel::never());
        for point in curve.expect("not stopped").iter().take(4) {
            let real = mean_recall(&index, &vectors, &queries, 10, point.effort as usize, None);
            let promised = f64::from(point.recall);
            assert!(promised < real + 0.03, "{params}: {point:?}, measured {real}");
            assert!(promised > real - 0.15, "{params}: {point:?}, measured {real}");
        }
    }
}

#[test]
fn flat_and_nothing_have_no_curve() {
    let vectors = store(l2(4), &clustered(100, 4, 2, 1));
    let flat = Index::build(
        &IndexParams::Flat,
        &vectors,
        &pool(1),
        &Progress::default(),
        &Cancel::never(),
    );
    let curve = calibrate(
        &flat.expect("FLAT takes anything"),
        &vectors,
        &pool(1),
        10,
        10,
        0,
        &Cancel::never(),
    );
    assert_eq!(curve.expect("not stopped"), []);
    let nothing = store(l2(4), &[]);
    let curve =
        calibrate(&build(&nothing, 8, 32, 1), &nothing, &pool(1), 10, 10, 0, &Cancel::never());
    assert_eq!(curve.expect("not stopped"), []);
}

#[test]
fn more_queries_than_rows_and_copies_only_are_measured() {
    let mut values = clustered(60, 4, 2, 1);
    values.extend_from_slice(&[2.0; 40]);
    let vectors = store(l2(4), &values);
    let curve =
        calibrate(&build(&vectors, 8, 32, 1), &vectors, &pool(1), 1_000, 10, 0, &Cancel::never());
    let curve = curve.expect("not stopped");
    assert!(curve.last().is_some_and(|last| last.recall >= 0.999), "{curve:?}");
}
