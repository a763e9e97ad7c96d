//! Effort against recall, measured.

use crate::data::{build, build_as, clustered, l2, mean_recall, pool, recall_curve, store};
use vicinal_index::{Calibration, Index, IndexParams, Progress, calibrate};
use vicinal_types::{Among, Bitmap, Cancel, ForeignGraph, GraphParams, HnswCodes, HnswParams};

#[test]
fn the_curve_predicts_the_recall_of_other_queries() {
    let all = clustered(8_100, 16, 20, 6);
    let (base, queries) = all.split_at(8_000 * 16);
    let (vectors, queries) = (store(l2(16), base), store(l2(16), queries));
    let index = build(&vectors, 6, 24, 2);
    let curve = recall_curve(&index, &vectors, 2, 200);
    assert!(curve.len() >= 3, "{curve:?}");
    assert!(curve.is_sorted_by(|a, b| a.0 < b.0), "{curve:?}");
    for point in &curve {
        let real = mean_recall(&index, &vectors, &queries, 10, point.0 as usize, None);
        assert!((real - f64::from(point.1)).abs() < 0.06, "{point:?}, measured {real}");
    }
    let again = recall_curve(&index, &vectors, 1, 200);
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
        let curve = recall_curve(&index, &vectors, 2, 400);
        for point in curve.iter().take(4) {
            let real = mean_recall(&index, &vectors, &queries, 10, point.0 as usize, None);
            let promised = f64::from(point.1);
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
    let curve = recall_curve(&flat.expect("FLAT takes anything"), &vectors, 1, 10);
    assert_eq!(curve, []);
    let nothing = store(l2(4), &[]);
    let curve = recall_curve(&build(&nothing, 8, 32, 1), &nothing, 1, 10);
    assert_eq!(curve, []);
}

#[test]
fn more_queries_than_rows_and_copies_only_are_measured() {
    let mut values = clustered(60, 4, 2, 1);
    values.extend_from_slice(&[2.0; 40]);
    let vectors = store(l2(4), &values);
    let curve = recall_curve(&build(&vectors, 8, 32, 1), &vectors, 1, 1_000);
    assert!(curve.last().is_some_and(|last| last.1 >= 0.999), "{curve:?}");
}

/// Curves among some of the rows tell of searches under filters, and of many neighbours.
#[test]
fn curves_among_some_rows_predict_searches_under_masks() {
    let all = clustered(8_100, 16, 20, 6);
    let (base, queries) = all.split_at(8_000 * 16);
    let (vectors, queries) = (store(l2(16), base), store(l2(16), queries));
    let params = IndexParams::Graph(GraphParams { m: 16, ef_construction: 32, seed: 42 });
    let index = build_as(params, &vectors, 2);
    let wish = |k, among, queries| Calibration { k, among, queries };
    let wishes = [
        wish(10, Among::Strewn(50), 200),
        wish(10, Among::Clumps(50), 100),
        wish(100, Among::All, 50),
        wish(0, Among::All, 50),
    ];
    let curves = calibrate(&index, &vectors, &pool(2), &wishes, 7, &Cancel::never());
    let curves = curves.expect("not stopped");
    assert_eq!(curves.len(), 3, "none of no neighbours: {curves:?}");
    for (curve, wish) in curves.iter().zip(&wishes) {
        assert_eq!((curve.k as usize, curve.among), (wish.k, wish.among));
        assert!((1..=wish.queries).contains(&(curve.queries as usize)), "{curve:?}");
        assert!(curve.points[0].0 >= curve.k, "{curve:?}");
    }
    let mut mask = Bitmap::new(8_000);
    for row in (0..8_000).filter(|row| row % 2 == 1) {
        mask.insert(row);
    }
    let (strewn, many) = (&curves[0], &curves[2]);
    for (curve, k, mask) in [(strewn, 10, Some(&mask)), (many, 100, None)] {
        for &(effort, recall) in &curve.points {
            let real = mean_recall(&index, &vectors, &queries, k, effort as usize, mask);
            let off = (real - f64::from(recall)).abs();
            assert!(off < 0.05, "{curve:?}: effort {effort}, measured {real}");
        }
    }
    let again = calibrate(&index, &vectors, &pool(1), &wishes, 7, &Cancel::never());
    assert_eq!(again.expect("not stopped"), curves, "one seed is one curve");
}
