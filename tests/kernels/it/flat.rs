//! Comparing all rows, merging the lists, comparing candidates anew.

use crate::data::{ELEMENTS, Stored, comparer, rng, tolerance};
use crate::run::{FlatRun, NONE, unranked};
use rand::Rng;
use vicinal_types::{ElementType, Metric, VectorType};

/// What a case is made of.
#[derive(Clone, Copy, Debug)]
struct Case {
    dim: u32,
    rows: u32,
    queries: u32,
    k: u32,
    /// The part of the rows that is allowed, in tenths; 10 is without a bitmap.
    allowed: u32,
}

fn check(case: Case, element: ElementType, metric: Metric, seed: u64) {
    let kind = VectorType::new(case.dim, element, metric).expect("a kind of vector");
    let mut rng = rng(seed);
    let rows = Stored::random(kind, case.rows, &mut rng);
    let queries = Stored::random(kind, case.queries, &mut rng);
    let mut allowed = vec![u64::MAX; case.rows.div_ceil(64) as usize];
    for row in 0..case.rows as usize {
        if rng.random_range(0..10) >= case.allowed {
            allowed[row / 64] &= !(1 << (row % 64));
        }
    }
    let is_allowed = |row: u32| allowed[row as usize / 64] >> (row % 64) & 1 == 1;
    let element = ELEMENTS.iter().find(|(of, _)| *of == element).expect("a device's type").1;
    let run = FlatRun {
        element,
        rows: &rows,
        queries: &queries,
        allowed: (case.allowed < 10).then_some(&allowed[..]),
        k: case.k,
        order: (seed % 3) as u32,
    };
    let found = run.search();
    let is_tiles = run.plan().is_tiles;
    let reranked = run.rerank(&found, case.k.div_ceil(2));
    let comparer = comparer(kind);
    for query in 0..case.queries {
        let bytes = queries.row(query);
        let keys: Vec<f32> = (0..case.rows).map(|row| comparer.key(bytes, rows.row(row))).collect();
        let k = case.k as usize;
        let found = &found[query as usize * k..][..k];
        let what = format!("{kind:?} {case:?} query {query}");
        let slack = tolerance(kind, is_tiles);
        let list = check_list(&what, found, &keys, &is_allowed, slack);
        let half = case.k.div_ceil(2) as usize;
        let reranked = &reranked[query as usize * half..][..half];
        let of_list = |row: u32| list.contains(&row);
        check_list(&what, reranked, &keys, &of_list, tolerance(kind, false));
    }
}

/// Whether a list has the nearest of the allowed rows, in order, as many as there are;
/// keys may be off by `slack`. The rows.
fn check_list(
    what: &str,
    found: &[u64],
    keys: &[f32],
    is_allowed: &dyn Fn(u32) -> bool,
    slack: f32,
) -> Vec<u32> {
    let mut exact: Vec<(f32, u32)> =
        keys.iter().copied().zip(0..).filter(|(_, row)| is_allowed(*row)).collect();
    exact.sort_by(|a, b| a.partial_cmp(b).expect("keys are numbers"));
    let count = exact.len().min(found.len());
    assert!(found.is_sorted(), "{what}: in order");
    assert!(found[..count].iter().all(|row| *row != NONE), "{what}: {count} rows are there");
    assert!(found[count..].iter().all(|row| *row == NONE), "{what}: no more than {count}");
    let mut rows = Vec::new();
    for (at, ranked) in found[..count].iter().enumerate() {
        let (key, row) = unranked(*ranked);
        assert!(is_allowed(row), "{what}: row {row} is allowed");
        assert!((key - keys[row as usize]).abs() <= slack, "{what}: key {key} of row {row}");
        assert!((key - exact[at].0).abs() <= slack, "{what}: place {at} has {row}");
        if slack == 0.0 {
            assert_eq!(row, exact[at].1, "{what}: place {at}");
        }
        rows.push(row);
    }
    rows.sort_unstable();
    assert!(rows.windows(2).all(|pair| pair[0] < pair[1]), "{what}: each row once");
    rows
}

fn check_all(cases: &[Case]) {
    let mut seed = 1;
    for case in cases {
        for (element, _) in ELEMENTS {
            for metric in [Metric::L2, Metric::InnerProduct] {
                check(*case, element, metric, seed);
                seed += 1;
            }
        }
    }
}

#[test]
fn one_query_finds_what_the_definition_finds() {
    let case = Case { dim: 33, rows: 300, queries: 1, k: 10, allowed: 10 };
    check_all(&[
        case,
        Case { rows: 1, k: 3, ..case },
        Case { dim: 1, rows: 127, k: 1, ..case },
        Case { dim: 200, rows: 129, k: 129, ..case },
        Case { allowed: 3, ..case },
        Case { allowed: 0, ..case },
    ]);
}

#[test]
fn a_few_queries_find_what_the_definition_finds() {
    let case = Case { dim: 17, rows: 700, queries: 8, k: 7, allowed: 10 };
    check_all(&[
        case,
        Case { dim: 100, queries: 3, ..case },
        Case { queries: 5, k: 130, allowed: 7, ..case },
    ]);
}

#[test]
fn tiles_find_what_the_definition_finds() {
    let case = Case { dim: 24, rows: 400, queries: 33, k: 10, allowed: 10 };
    check_all(&[
        case,
        Case { dim: 67, rows: 131, queries: 9, ..case },
        Case { rows: 5, queries: 130, k: 20, ..case },
        Case { queries: 129, rows: 260, k: 3, allowed: 5, ..case },
    ]);
}

#[test]
fn long_lists_are_merged() {
    let case = Case { dim: 8, rows: 6_000, queries: 2, k: 1_024, allowed: 10 };
    check(case, ElementType::F32, Metric::L2, 1);
    check(Case { queries: 12, k: 2_048, ..case }, ElementType::I8, Metric::L2, 2);
    check(Case { queries: 70, k: 40, ..case }, ElementType::U8, Metric::InnerProduct, 3);
}

/// Equal rows: ties go to the lower one, whatever the order of threads.
#[test]
fn ties_go_to_the_lower_row() {
    let kind = VectorType::new(4, ElementType::U8, Metric::L2).expect("a kind of vector");
    let rows = Stored { kind, bytes: vec![7; 4 * 900], count: 900 };
    for count in [1, 8, 40] {
        let queries = Stored { kind, bytes: vec![9; 4 * count as usize], count };
        let element = ELEMENTS[4].1;
        for order in 0..3 {
            let run =
                FlatRun { element, rows: &rows, queries: &queries, allowed: None, k: 5, order };
            for found in run.search().chunks(5) {
                let rows: Vec<u32> = found.iter().map(|ranked| unranked(*ranked).1).collect();
                assert_eq!(rows, [0, 1, 2, 3, 4]);
            }
        }
    }
}

/// What overflows has no order: it is infinitely far, not nowhere.
#[test]
fn overflows_are_infinitely_far() {
    let kind = VectorType::new(2, ElementType::F32, Metric::InnerProduct).expect("a kind");
    let floats = |floats: [f32; 2]| floats.into_iter().flat_map(f32::to_le_bytes);
    let rows: Vec<u8> = floats([1e38, -1e38]).chain(floats([1.0, 0.0])).collect();
    let rows = Stored { kind, bytes: rows, count: 2 };
    let queries = Stored { kind, bytes: floats([1e38, 1e38]).collect(), count: 1 };
    let element = ELEMENTS[0].1;
    let run = FlatRun { element, rows: &rows, queries: &queries, allowed: None, k: 2, order: 0 };
    let comparer = comparer(kind);
    let found: Vec<(f32, u32)> = run.search().iter().map(|ranked| unranked(*ranked)).collect();
    let exact = |row: u32| (comparer.key(queries.row(0), rows.row(row)), row);
    assert_eq!(found[0], exact(1));
    assert_eq!(found[1], exact(0));
}
