//! IVF and FLAT over codes: what is found, under masks and bounds, and what is
//! refused.

use crate::data::{Random, clustered, exact, l2, mean_recall, pool, recall_curve, search, store};
use proptest::prelude::*;
use vicinal_index::{
    Index, IndexError, IndexParams, Progress, Scratch, Search, SearchError, Vectors,
};
use vicinal_types::{
    Bitmap, Cancel, ElementType, Error, ErrorKind, FlatCodes, IndexKind, IvfCodes, IvfParams,
    Metric, Stopped, VectorType,
};

pub(crate) const CODES: [IvfCodes; 7] = [
    IvfCodes::None,
    IvfCodes::Sq8,
    IvfCodes::Pq { bits: 4, subvectors: 0 },
    IvfCodes::Pq { bits: 8, subvectors: 0 },
    IvfCodes::Rabitq { bits: 1 },
    IvfCodes::Rabitq { bits: 3 },
    IvfCodes::Scann { subvectors: 0 },
];

pub(crate) const FLAT_CODES: [FlatCodes; 2] = [FlatCodes::Sq8, FlatCodes::Rabitq];

pub(crate) fn ivf(lists: u32, codes: IvfCodes) -> IndexParams {
    IndexParams::Ivf(IvfParams { lists, codes, seed: 11 })
}

pub(crate) fn build(params: IndexParams, vectors: &Vectors, threads: usize) -> Index {
    let progress = Progress::default();
    let index = Index::build(&params, vectors, &pool(threads), &progress, &Cancel::never())
        .expect("right parameters");
    assert_eq!((progress.done(), progress.total()), (vectors.len().into(), vectors.len().into()));
    assert_eq!(index.params(), params);
    index
}

fn data(vector: VectorType, rows: usize, queries: usize) -> (Vectors, Vectors) {
    let dim = vector.dim();
    let all = clustered(rows + queries, dim, 50, 1);
    let (base, queries) = all.split_at(rows * dim);
    (store(vector, base), store(vector, queries))
}

#[test]
fn clustered_data_is_found_and_more_lists_find_more() {
    let (vectors, queries) = data(l2(32), 10_000, 100);
    for codes in CODES {
        let index = build(ivf(200, codes), &vectors, 2);
        let recalls =
            [1, 4, 16].map(|effort| mean_recall(&index, &vectors, &queries, 10, effort, None));
        for (recall, floor) in recalls.iter().zip([0.45, 0.85, 0.97]) {
            assert!(*recall >= floor, "{codes:?}: {recalls:?}");
        }
        let work = search(&index, &vectors, queries.row(0), 10, 16, None).work;
        assert!(work.lists <= 16 && work.distances < 2_000, "{codes:?}: {work:?}");
    }
}

#[test]
fn every_element_type_and_metric_is_found() {
    let check = |element, metric| {
        let vector = VectorType::new(40, element, metric).expect("a right type");
        let (vectors, queries) = data(vector, 3_000, 30);
        for codes in CODES {
            let index = build(ivf(40, codes), &vectors, 2);
            let recall = mean_recall(&index, &vectors, &queries, 10, 20, None);
            assert!(recall >= 0.95, "{codes:?} {element} {metric}: {recall}");
        }
        for codes in FLAT_CODES {
            let index = build(IndexParams::FlatCodes(codes), &vectors, 2);
            let recall = mean_recall(&index, &vectors, &queries, 10, 1, None);
            assert_eq!(recall, 1.0, "{codes} {element} {metric}");
        }
    };
    for element in [ElementType::F32, ElementType::F16, ElementType::Bf16] {
        for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
            check(element, metric);
        }
    }
    for element in [ElementType::I8, ElementType::U8] {
        check(element, Metric::L2);
        check(element, Metric::InnerProduct);
    }
}

#[test]
fn flat_codes_rule_most_rows_out() {
    let (vectors, queries) = data(l2(64), 10_000, 20);
    for (codes, most) in [(FlatCodes::Sq8, 200), (FlatCodes::Rabitq, 4_000)] {
        let index = build(IndexParams::FlatCodes(codes), &vectors, 2);
        assert_eq!(index.kind(), IndexKind::Flat);
        let mut scratch = Scratch::default();
        for query in (0..queries.len()).map(|query| queries.row(query)) {
            let asked = Search::new(10, 1);
            let found = index.search(&vectors, query, &asked, &mut scratch, &Cancel::never());
            let found = found.expect("not stopped");
            assert_eq!(found.neighbors, exact(&vectors, query, 10, None), "{codes}");
            assert!(found.work.distances < most, "{codes}: {:?}", found.work);
        }
    }
}

fn mask(rows: u32, passes: impl FnMut(&u32) -> bool) -> Bitmap {
    let mut mask = Bitmap::new(rows as usize);
    (0..rows).filter(passes).for_each(|row| _ = mask.insert(row));
    mask
}

#[test]
fn masks_of_every_selectivity_and_shape() {
    let rows = 8_000;
    let all = clustered(rows + 20, 16, 20, 2);
    let (base, queries) = all.split_at(rows * 16);
    let (vectors, queries) = (store(l2(16), base), store(l2(16), queries));
    let rows = vectors.len();
    let mut masks = vec![
        ("nothing", Bitmap::new(rows as usize)),
        ("one row", mask(rows, |row| *row == 4_321)),
        ("one cluster", mask(rows, |row| row % 20 == 7)),
        ("all but one cluster", mask(rows, |row| row % 20 != 7)),
        ("half of the clusters", mask(rows, |row| row % 20 < 10)),
        ("the first half", mask(rows, |row| *row < rows / 2)),
        ("everything", Bitmap::full(rows as usize)),
    ];
    for permille in [1, 10, 100, 300, 700, 990] {
        let mut random = Random(permille);
        masks.push(("random", mask(rows, |_| random.below(1_000) < permille)));
    }
    for codes in CODES {
        let index = build(ivf(100, codes), &vectors, 2);
        for (what, mask) in &masks {
            // Inside, every result is checked for what holds for all.
            let recall = mean_recall(&index, &vectors, &queries, 10, 12, Some(mask));
            assert!(recall >= 0.9, "{codes:?}, {what}, {} rows: {recall}", mask.count());
            mean_recall(&index, &vectors, &queries, 300, 1, Some(mask));
        }
    }
    for codes in FLAT_CODES {
        let index = build(IndexParams::FlatCodes(codes), &vectors, 2);
        for (what, mask) in &masks {
            let recall = mean_recall(&index, &vectors, &queries, 10, 1, Some(mask));
            assert_eq!(recall, 1.0, "{codes}, {what}");
        }
    }
}

#[test]
fn a_bound_leaves_out_what_is_farther_and_nothing_else() {
    let (vectors, queries) = data(l2(24), 4_000, 10);
    let indexes = CODES.map(|codes| build(ivf(50, codes), &vectors, 2));
    let flat = FLAT_CODES.map(|codes| build(IndexParams::FlatCodes(codes), &vectors, 2));
    for index in indexes.iter().chain(&flat) {
        let (mut right, mut found) = (0, 0);
        for query in (0..queries.len()).map(|query| queries.row(query)) {
            let truth = exact(&vectors, query, 500, None);
            for within in [truth[0].key * 0.9, truth[5].key, truth[200].key] {
                let search = Search { within, ..Search::new(300, 50) };
                let scratch = &mut Scratch::default();
                let result = index.search(&vectors, query, &search, scratch, &Cancel::never());
                let neighbors = result.expect("not stopped").neighbors;
                assert!(neighbors.iter().all(|neighbor| neighbor.key <= within));
                found += neighbors.len();
                right += truth.partition_point(|neighbor| neighbor.key <= within);
            }
        }
        let floor = if index.kind() == IndexKind::Flat { right } else { right * 9 / 10 };
        assert!((floor..=right).contains(&found), "{}: {found} of {right}", index.params());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    /// With every list probed, IVF over rows is a scan; over codes nearly so.
    #[test]
    fn all_lists_are_all_rows(
        rows in 0usize..400,
        dim in 1u32..40,
        lists in 0u32..60,
        codes in 0usize..7,
        k in 0usize..30,
        density in 0u64..5,
        seed in any::<u64>(),
    ) {
        let vectors = store(l2(dim), &clustered(rows, dim as usize, 7, seed));
        let query = store(l2(dim), &clustered(1, dim as usize, 7, seed ^ 1));
        let mut random = Random(seed);
        let allowed = mask(vectors.len(), |_| random.below(4) < density);
        let index = build(ivf(lists, CODES[codes]), &vectors, 1);
        let truth = exact(&vectors, query.row(0), k, Some(&allowed));
        let found = search(&index, &vectors, query.row(0), k, 60, Some(&allowed)).neighbors;
        // Checks order, number, and that all are allowed.
        let recall = crate::data::recall(&found, &truth, Some(&allowed));
        prop_assert!(recall >= if codes == 0 { 1.0 } else { 0.5 }, "{:?}: {recall}", CODES[codes]);
        for codes in FLAT_CODES {
            let index = build(IndexParams::FlatCodes(codes), &vectors, 1);
            let found = search(&index, &vectors, query.row(0), k, 1, Some(&allowed));
            prop_assert_eq!(&found.neighbors, &truth);
        }
    }
}

#[test]
fn copies_and_values_without_an_order_are_found() {
    let mut values = [1.5; 8].repeat(3_000);
    values.extend(clustered(100, 8, 3, 1));
    values[80] = f32::MAX;
    values[160] = f32::INFINITY;
    let vectors = store(l2(8), &values);
    for codes in CODES {
        let index = build(ivf(64, codes), &vectors, 2);
        let found = search(&index, &vectors, vectors.row(0), 50, 8, None);
        assert_eq!(found.neighbors, exact(&vectors, vectors.row(0), 50, None), "{codes:?}");
        assert_eq!(search(&index, &vectors, vectors.row(20), 9, 2, None).neighbors.len(), 9);
    }
    for codes in FLAT_CODES {
        let index = build(IndexParams::FlatCodes(codes), &vectors, 2);
        let found = search(&index, &vectors, vectors.row(0), 50, 8, None);
        assert_eq!(found.neighbors, exact(&vectors, vectors.row(0), 50, None), "{codes}");
    }
}

#[test]
fn any_number_of_threads_builds_the_same_bytes() {
    let vectors = store(l2(12), &clustered(3_000, 12, 9, 4));
    for codes in CODES {
        let params = ivf(600, codes);
        let (one, three) = (build(params, &vectors, 1), build(params, &vectors, 3));
        assert!(one.sections() == three.sections(), "{codes:?}");
    }
    for codes in FLAT_CODES {
        let params = IndexParams::FlatCodes(codes);
        let (one, three) = (build(params, &vectors, 1), build(params, &vectors, 3));
        assert!(one.sections() == three.sections(), "{codes}");
    }
}

fn refused(params: IndexParams, vectors: &Vectors) -> String {
    let (progress, never) = (Progress::default(), Cancel::never());
    let built = Index::build(&params, vectors, &pool(1), &progress, &never);
    let error = Error::from(built.expect_err("a wrong parameter"));
    assert_eq!(error.kind(), ErrorKind::Invalid);
    error.to_string()
}

#[test]
fn wrong_parameters_are_refused_with_the_limit() {
    let vectors = store(l2(4), &clustered(10, 4, 1, 1));
    let table = [
        (ivf(65_537, IvfCodes::None), "lists is 65537, which is not between 0 and 65536"),
        (ivf(4, IvfCodes::Pq { bits: 6, subvectors: 0 }), "bits is 6"),
        (
            ivf(4, IvfCodes::Pq { bits: 4, subvectors: 5 }),
            "subvectors is 5, which is not between 0 and 4",
        ),
        (ivf(4, IvfCodes::Scann { subvectors: 9 }), "subvectors is 9"),
        (ivf(4, IvfCodes::Rabitq { bits: 0 }), "bits is 0, which is not between 1 and 8"),
    ];
    for (params, expected) in table {
        let error = refused(params, &vectors);
        assert!(error.contains(expected), "{error}");
    }
    let binary = VectorType::new(8, ElementType::Binary, Metric::Hamming).expect("a right type");
    let bits = store(binary, &clustered(10, 8, 1, 1));
    for params in [ivf(4, IvfCodes::None), IndexParams::FlatCodes(FlatCodes::Sq8)] {
        assert!(refused(params, &bits).contains("binary vectors"));
    }
}

#[test]
fn cancelled_work_stops() {
    let vectors = store(l2(8), &clustered(3_000, 8, 5, 1));
    let cancel = Cancel::never();
    cancel.cancel();
    let codes = IvfCodes::Rabitq { bits: 1 };
    for params in [ivf(50, codes), ivf(600, codes), IndexParams::FlatCodes(FlatCodes::Sq8)] {
        let built = Index::build(&params, &vectors, &pool(2), &Progress::default(), &cancel);
        assert!(matches!(built, Err(IndexError::Stopped(Stopped::Cancelled))), "{params}");
        let index = build(params, &vectors, 2);
        let (search, scratch) = (Search::new(10, 5), &mut Scratch::default());
        let found = index.search(&vectors, vectors.row(0), &search, scratch, &cancel);
        assert!(matches!(found, Err(SearchError::Stopped(Stopped::Cancelled))), "{params}");
    }
}

#[test]
fn effort_is_calibrated_in_lists() {
    let all = clustered(8_100, 16, 20, 6);
    let (base, queries) = all.split_at(8_000 * 16);
    let (vectors, queries) = (store(l2(16), base), store(l2(16), queries));
    let index = build(ivf(100, IvfCodes::Rabitq { bits: 1 }), &vectors, 2);
    let curve = recall_curve(&index, &vectors, 2, 200);
    assert!(curve.len() >= 3, "{curve:?}");
    for point in &curve {
        let real = mean_recall(&index, &vectors, &queries, 10, point.0 as usize, None);
        assert!((real - f64::from(point.1)).abs() < 0.08, "{point:?}, measured {real}");
    }
}
