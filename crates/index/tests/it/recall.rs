//! How much is found, by metric, element type and effort.

use crate::data::{build, clustered, l2, mean_recall, search, store};
use vicinal_index::Vectors;
use vicinal_types::{ElementType, Metric, VectorType};

fn data(vector: VectorType, rows: usize, queries: usize) -> (Vectors, Vectors) {
    let dim = vector.dim();
    let all = clustered(rows + queries, dim, 50, 1);
    let (base, queries) = all.split_at(rows * dim);
    (store(vector, base), store(vector, queries))
}

#[test]
fn clustered_data_is_found_and_more_effort_finds_more() {
    let (vectors, queries) = data(l2(32), 20_000, 200);
    let index = build(&vectors, 16, 100, 2);
    let recalls =
        [16, 32, 64, 128].map(|effort| mean_recall(&index, &vectors, &queries, 10, effort, None));
    for (recall, floor) in recalls.iter().zip([0.80, 0.92, 0.97, 0.99]) {
        assert!(*recall >= floor, "{recalls:?}");
    }
    assert!(recalls.is_sorted(), "{recalls:?}");
    let work = search(&index, &vectors, queries.row(0), 10, 64, None).work;
    assert!(work.distances < 4_000, "a walk is not a scan: {work:?}");
}

#[test]
fn every_element_type_and_metric_is_found() {
    let check = |dim, element, metric, floor| {
        let vector = VectorType::new(dim, element, metric).expect("a right type");
        let (vectors, queries) = data(vector, 4_000, 50);
        let index = build(&vectors, 12, 64, 2);
        let recall = mean_recall(&index, &vectors, &queries, 10, 64, None);
        assert!(recall >= floor, "{element} {metric}: {recall}");
    };
    for element in [ElementType::F32, ElementType::F16, ElementType::Bf16] {
        check(24, element, Metric::L2, 0.97);
        check(24, element, Metric::Cosine, 0.97);
        check(24, element, Metric::InnerProduct, 0.85);
    }
    for element in [ElementType::I8, ElementType::U8] {
        check(24, element, Metric::L2, 0.97);
    }
    check(24, ElementType::I8, Metric::InnerProduct, 0.85);
    check(128, ElementType::Binary, Metric::Hamming, 0.95);
}

#[test]
fn large_k_and_large_effort_are_found() {
    let (vectors, queries) = data(l2(16), 10_000, 10);
    let index = build(&vectors, 16, 64, 2);
    assert!(mean_recall(&index, &vectors, &queries, 500, 600, None) >= 0.97);
    // Above this effort the walk keeps its candidates in heaps.
    assert!(mean_recall(&index, &vectors, &queries, 1_500, 2_000, None) >= 0.97);
}
