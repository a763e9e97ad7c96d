//! A graph in pages: what is found, how many pages it takes, stored bytes.

use crate::data::{
    Random, changed, clustered, exact, l2, mean_recall, open, pool, recall_curve, search, store,
};
use proptest::prelude::*;
use std::sync::LazyLock;
use vicinal_index::{HnswParams, Index, IndexParams, Progress, Section, Vectors, section};
use vicinal_types::{Bitmap, Cancel, ElementType, HnswCodes, Metric, VectorType};

fn build(vectors: &Vectors, codes: HnswCodes, threads: usize) -> Index {
    let params = IndexParams::Paged(HnswParams { m: 12, ef_construction: 64, seed: 42, codes });
    Index::build(&params, vectors, &pool(threads), &Progress::default(), &Cancel::never())
        .expect("right parameters")
}

fn data(vector: VectorType, rows: usize, queries: usize) -> (Vectors, Vectors) {
    let dim = vector.dim();
    let all = clustered(rows + queries, dim, 50, 1);
    let (base, queries) = all.split_at(rows * dim);
    (store(vector, base), store(vector, queries))
}

#[test]
fn every_element_type_and_metric_is_found_in_few_pages() {
    let check = |dim, element, metric, codes, floor| {
        let vector = VectorType::new(dim, element, metric).expect("a right type");
        let (vectors, queries) = data(vector, 4_000, 50);
        let index = build(&vectors, codes, 2);
        let recall = mean_recall(&index, &vectors, &queries, 10, 64, None);
        assert!(recall >= floor, "{element} {metric} {codes}: {recall}");
        let (mut pages, mut expanded) = (0, 0);
        for query in 0..queries.len() {
            let work = search(&index, &vectors, queries.row(query), 10, 64, None).work;
            (pages, expanded) = (pages + work.pages, expanded + work.expanded);
        }
        let per_vertex = pages as f64 / expanded as f64;
        assert!(per_vertex <= 1.0, "{element} {metric} {codes}: {per_vertex} pages a vertex");
    };
    check(32, ElementType::F32, Metric::L2, HnswCodes::None, 0.97);
    check(32, ElementType::F32, Metric::L2, HnswCodes::Rabitq1, 0.85);
    check(32, ElementType::F16, Metric::Cosine, HnswCodes::Sq8, 0.95);
    check(32, ElementType::Bf16, Metric::InnerProduct, HnswCodes::Sq4, 0.90);
    check(32, ElementType::U8, Metric::L2, HnswCodes::None, 0.97);
    check(32, ElementType::I8, Metric::InnerProduct, HnswCodes::Sq4, 0.90);
    check(128, ElementType::Binary, Metric::Hamming, HnswCodes::None, 0.95);
}

#[test]
fn masks_and_copies_give_as_many_rows_as_there_are() {
    let mut values = clustered(5_000, 16, 20, 3);
    let copy = values[..16].to_vec();
    (0..5_000).step_by(10).for_each(|row| values[row * 16..][..16].copy_from_slice(&copy));
    let vectors = store(l2(16), &values);
    let index = build(&vectors, HnswCodes::None, 2);
    let found = search(&index, &vectors, vectors.row(0), 20, 40, None);
    assert_eq!(found.neighbors, exact(&vectors, vectors.row(0), 20, None));
    let queries = store(l2(16), &clustered(5_020, 16, 20, 3)[5_000 * 16..]);
    for permille in [0, 1, 10, 100, 300, 500, 900, 999, 1_000] {
        let (mut random, mut mask) = (Random(permille), Bitmap::new(5_000));
        let passing = (0..5_000).filter(|_| random.below(1_000) < permille);
        passing.for_each(|row| _ = mask.insert(row));
        let recall = mean_recall(&index, &vectors, &queries, 10, 64, Some(&mask));
        assert!(recall >= 0.95, "{permille} of 1,000: {recall}");
    }
}

#[test]
fn effort_is_measured_against_recall() {
    let (vectors, _) = data(l2(16), 3_000, 0);
    let index = build(&vectors, HnswCodes::Sq4, 2);
    let curve = recall_curve(&index, &vectors, 2, 100);
    assert!(curve.len() >= 2 && curve.last().is_some_and(|last| last.1 > 0.95), "{curve:?}");
}

static STORED: LazyLock<Vec<(Vectors, Vec<Section>)>> = LazyLock::new(|| {
    let codes = [HnswCodes::Sq8, HnswCodes::Rabitq1, HnswCodes::None];
    let elements = [ElementType::F32, ElementType::F16, ElementType::U8];
    let stored = |(codes, element)| {
        let vector = VectorType::new(6, element, Metric::L2).expect("a right type");
        let mut values = clustered(700, 6, 10, 4);
        values.extend_from_within(..6 * 40);
        let vectors = store(vector, &values);
        let sections = build(&vectors, codes, 1).sections();
        (vectors, sections)
    };
    codes.into_iter().zip(elements).map(stored).collect()
});

#[test]
fn an_opened_graph_finds_the_same_where_its_bytes_lie() {
    for (vectors, sections) in &*STORED {
        let opened = open(sections, vectors).expect("its own bytes");
        assert_eq!(&opened.sections(), sections);
        for (before, after) in sections.iter().zip(&opened.sections()).skip(1) {
            assert_eq!(before.2.as_ptr(), after.2.as_ptr(), "section {}", before.0);
        }
        let IndexParams::Paged(params) = opened.params() else { panic!("it is in pages") };
        let built = build(vectors, params.codes, 1);
        assert_eq!((built.params(), built.bytes()), (opened.params(), opened.bytes()));
        for row in (0..vectors.len()).step_by(70) {
            let query = vectors.row(row);
            assert_eq!(
                search(&opened, vectors, query, 5, 20, None),
                search(&built, vectors, query, 5, 20, None)
            );
        }
    }
}

#[test]
fn few_rows_are_searched_and_stored() {
    for rows in 0..4 {
        let (vectors, _) = data(l2(8), rows, 0);
        let index = build(&vectors, HnswCodes::None, 1);
        let opened = open(&index.sections(), &vectors).expect("its own bytes");
        for index in [index, opened] {
            let found = search(&index, &vectors, &[0; 32], 3, 8, None);
            assert_eq!(found.neighbors.len(), rows.min(3));
        }
    }
}

#[test]
fn sections_of_other_lengths_and_rows_are_refused() {
    for (vectors, sections) in &*STORED {
        for (at, (kind, _, bytes)) in sections.iter().enumerate() {
            for len in [0, 4, bytes.len() / 2, bytes.len().saturating_sub(4)] {
                let shorter = changed(sections, at, |bytes| bytes.truncate(len));
                assert!(open(&shorter, vectors).is_err(), "section {kind} of {len} bytes");
            }
        }
        let rows = sections.iter().position(|section| section.0 == section::PAGED_ROWS);
        let twice = changed(sections, rows.expect("it has one"), |bytes| {
            bytes.copy_within(0..4, 4);
        });
        let error = open(&twice, vectors).expect_err("a row twice").to_string();
        assert!(error.contains("not different rows"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn damaged_bytes_are_an_error_or_a_graph_that_can_be_searched(
        stored in 0usize..3,
        at in any::<usize>(),
        changes in proptest::collection::vec((any::<usize>(), prop_oneof![0u32..900, any::<u32>(), Just(u32::MAX)]), 1..20),
    ) {
        let (vectors, sections) = &STORED[stored];
        let damaged = changed(sections, at % sections.len(), |bytes| {
            let words = bytes.as_chunks_mut::<4>().0;
            let count = words.len().max(1);
            for (at, word) in changes {
                words.get_mut(at % count).into_iter().for_each(|place| *place = word.to_le_bytes());
            }
        });
        if let Ok(index) = open(&damaged, vectors) {
            for row in [0, 350, 699] {
                let found = search(&index, vectors, vectors.row(row), 5, 16, None);
                prop_assert_eq!(found.neighbors.len(), 5);
            }
        }
    }
}
