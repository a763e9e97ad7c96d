//! HNSW over codes: what is found, how it is stored, what is refused.

use crate::data::{
    Random, changed, clustered, exact, l2, mean_recall, open, pool, recall, search, store,
};
use proptest::prelude::*;
use std::sync::LazyLock;
use vicinal_index::{
    HnswParams, Index, IndexError, IndexParams, Progress, Section, Vectors, section,
};
use vicinal_types::{Bitmap, Cancel, ElementType, Error, ErrorKind, HnswCodes, Metric, VectorType};

const ALL: [HnswCodes; 3] = [HnswCodes::Sq8, HnswCodes::Sq4, HnswCodes::Rabitq1];

fn try_build(
    vectors: &Vectors,
    codes: HnswCodes,
    m: u32,
    threads: usize,
) -> Result<Index, IndexError> {
    let params = IndexParams::Hnsw(HnswParams { m, ef_construction: 64, seed: 42, codes });
    Index::build(&params, vectors, &pool(threads), &Progress::default(), &Cancel::never())
}

fn build(vectors: &Vectors, codes: HnswCodes) -> Index {
    try_build(vectors, codes, 12, 2).expect("right parameters")
}

fn data(vector: VectorType, rows: usize, queries: usize) -> (Vectors, Vectors) {
    let dim = vector.dim();
    let all = clustered(rows + queries, dim, 50, 1);
    let (base, queries) = all.split_at(rows * dim);
    (store(vector, base), store(vector, queries))
}

#[test]
fn every_element_type_and_metric_is_found_by_its_codes() {
    let check = |dim, element, metric, floors: [f64; 3]| {
        let vector = VectorType::new(dim, element, metric).expect("a right type");
        let (vectors, queries) = data(vector, 4_000, 50);
        for (codes, floor) in ALL.into_iter().zip(floors) {
            let index = build(&vectors, codes);
            let recall = mean_recall(&index, &vectors, &queries, 10, 64, None);
            assert!(recall >= floor, "{element} {metric} {codes}: {recall}");
        }
    };
    for element in [ElementType::F32, ElementType::F16, ElementType::Bf16] {
        check(48, element, Metric::L2, [0.98, 0.93, 0.94]);
        // Unit vectors of one cluster differ by less than a level of 4 bits.
        check(50, element, Metric::Cosine, [0.95, 0.78, 0.92]);
        check(48, element, Metric::InnerProduct, [0.95, 0.94, 0.95]);
    }
    check(48, ElementType::I8, Metric::L2, [0.98, 0.93, 0.94]);
    check(48, ElementType::U8, Metric::L2, [0.98, 0.93, 0.94]);
    check(48, ElementType::I8, Metric::InnerProduct, [0.95, 0.94, 0.95]);
}

#[test]
fn keys_are_those_of_the_rows_and_in_order() {
    let (vectors, queries) = data(l2(33), 3_000, 20);
    for codes in ALL {
        let index = build(&vectors, codes);
        for query in 0..queries.len() {
            let query = queries.row(query);
            let found = search(&index, &vectors, query, 10, 40, None);
            _ = recall(&found.neighbors, &exact(&vectors, query, 10, None), None);
            for neighbor in found.neighbors {
                let key = vectors.comparer().key(query, vectors.row(neighbor.row));
                assert_eq!(neighbor.key, key, "{codes}");
            }
        }
    }
}

#[test]
fn masks_of_every_selectivity_give_as_many_rows_as_there_are() {
    const ROWS: usize = 6_000;
    let (vectors, queries) = data(l2(24), ROWS, 20);
    for codes in ALL {
        let index = build(&vectors, codes);
        for permille in [0, 1, 10, 100, 300, 500, 900, 999, 1_000] {
            let (mut random, mut mask) = (Random(permille), Bitmap::new(ROWS));
            let passing = (0..vectors.len()).filter(|_| random.below(1_000) < permille);
            passing.for_each(|row| _ = mask.insert(row));
            let recall = mean_recall(&index, &vectors, &queries, 10, 64, Some(&mask));
            let floor = if codes == HnswCodes::Sq8 { 0.97 } else { 0.88 };
            assert!(recall >= floor, "{codes}, {permille} of 1,000: {recall}");
        }
    }
}

#[test]
fn copies_are_found_with_codes_too() {
    let mut values = clustered(3_000, 16, 10, 3);
    let copy = values[..16].to_vec();
    (0..3_000).step_by(10).for_each(|row| values[row * 16..][..16].copy_from_slice(&copy));
    let vectors = store(l2(16), &values);
    for codes in ALL {
        let index = build(&vectors, codes);
        let found = search(&index, &vectors, vectors.row(0), 20, 40, None);
        assert_eq!(found.neighbors, exact(&vectors, vectors.row(0), 20, None), "{codes}");
    }
}

#[test]
fn values_on_one_point_or_far_apart_are_encoded() {
    let far = [1e30, -1e30, 0.0, 1e-30].repeat(400);
    for values in [vec![0.0; 800], vec![7.5; 800], far] {
        let vectors = store(l2(4), &values);
        for codes in ALL {
            let index = try_build(&vectors, codes, 4, 1).expect("right parameters");
            assert_eq!(search(&index, &vectors, vectors.row(0), 5, 16, None).neighbors.len(), 5);
        }
    }
}

#[test]
fn a_graph_on_codes_keeps_to_its_memory() {
    let vector = VectorType::new(128, ElementType::F16, Metric::Cosine).expect("a right type");
    let (vectors, _) = data(vector, 3_000, 0);
    let index = try_build(&vectors, HnswCodes::Sq8, 16, 2).expect("right parameters");
    let per_row = index.bytes() as f64 / f64::from(vectors.len());
    assert!(per_row <= 1.5 * 128.0 + 160.0, "{per_row} bytes a row beside the vectors");
    let sections: usize = index.sections().iter().skip(1).map(|section| section.2.len()).sum();
    assert_eq!(index.bytes(), sections, "what is held is what is stored");
}

#[test]
fn integers_of_8_bits_are_their_own_codes() {
    let vector = VectorType::new(16, ElementType::U8, Metric::L2).expect("a right type");
    let (vectors, queries) = data(vector, 2_000, 5);
    let plain = try_build(&vectors, HnswCodes::None, 8, 1).expect("right parameters");
    let coded = try_build(&vectors, HnswCodes::Sq8, 8, 1).expect("right parameters");
    assert_eq!(plain.sections()[1..], coded.sections()[1..], "there is nothing to store");
    for query in 0..queries.len() {
        let query = queries.row(query);
        assert_eq!(
            search(&coded, &vectors, query, 5, 20, None),
            search(&plain, &vectors, query, 5, 20, None)
        );
    }
    assert_eq!(open(&coded.sections(), &vectors).expect("its own bytes").params(), coded.params());
}

#[test]
fn bits_have_no_codes() {
    let vector = VectorType::new(64, ElementType::Binary, Metric::Hamming).expect("a right type");
    let (vectors, _) = data(vector, 10, 0);
    for codes in ALL {
        let error = Error::from(try_build(&vectors, codes, 8, 1).expect_err("no codes"));
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("do not go with binary vectors; use none"), "{error}");
    }
}

#[test]
fn few_rows_are_searched_and_stored() {
    for rows in 0..4 {
        let (vectors, _) = data(l2(8), rows, 0);
        for codes in ALL {
            let index = try_build(&vectors, codes, 8, 1).expect("right parameters");
            let opened = open(&index.sections(), &vectors).expect("its own bytes");
            for index in [index, opened] {
                let found = search(&index, &vectors, &[0; 32], 3, 8, None);
                assert_eq!(found.neighbors.len(), rows.min(3));
            }
        }
    }
}

/// By metric, then by codes.
static STORED: LazyLock<Vec<(Vectors, Vec<Section>)>> = LazyLock::new(|| {
    let stored = |metric| {
        let vector = VectorType::new(6, ElementType::F32, metric).expect("a right type");
        let (vectors, _) = data(vector, 700, 0);
        ALL.map(|codes| {
            let index = try_build(&vectors, codes, 4, 1).expect("right parameters");
            (vectors.clone(), index.sections())
        })
    };
    [Metric::L2, Metric::InnerProduct].into_iter().flat_map(stored).collect()
});

#[test]
fn an_opened_index_finds_the_same_where_its_bytes_lie() {
    for (vectors, sections) in &*STORED {
        let opened = open(sections, vectors).expect("its own bytes");
        assert_eq!(&opened.sections(), sections);
        for (before, after) in sections.iter().zip(&opened.sections()).skip(1) {
            assert_eq!(before.2.as_ptr(), after.2.as_ptr(), "section {}", before.0);
        }
        let IndexParams::Hnsw(params) = opened.params() else { panic!("it is an HNSW index") };
        let built = try_build(vectors, params.codes, 4, 1).expect("right parameters");
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
fn codes_of_other_lengths_and_kinds_are_refused() {
    for (vectors, sections) in &*STORED {
        for (at, (kind, _, bytes)) in sections.iter().enumerate() {
            for len in [0, 4, bytes.len() / 2, bytes.len().saturating_sub(4)] {
                let shorter = changed(sections, at, |bytes| bytes.truncate(len));
                let is_whole = len == bytes.len() || *kind == section::HNSW_DUPLICATES;
                assert!(open(&shorter, vectors).is_err() || is_whole, "{kind} of {len} bytes");
            }
        }
        let other = changed(sections, 0, |bytes| bytes[96] = 9);
        let error = open(&other, vectors).expect_err("no such codes").to_string();
        assert!(error.contains("codes 9 are unknown"), "{error}");
        let missing: Vec<_> =
            sections.iter().filter(|kept| kept.0 != section::HNSW_CODES).cloned().collect();
        assert!(open(&missing, vectors).is_err(), "without its codes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn damaged_bytes_are_an_error_or_a_graph_that_can_be_searched(
        stored in 0usize..6,
        at in any::<usize>(),
        changes in proptest::collection::vec((any::<usize>(), prop_oneof![any::<u32>(), Just(u32::MAX), Just(f32::NAN.to_bits())]), 1..4),
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
