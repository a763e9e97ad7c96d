//! Indexes as bytes: there and back, and bytes that are wrong.

use crate::data::{build, clustered, l2, open, pool, search, store};
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::LazyLock;
use vicinal_index::{Index, IndexParams, Progress, Section, Vectors, section};
use vicinal_types::{Cancel, Error, ErrorKind};

static FIXTURE: LazyLock<(Vectors, Vec<Section>)> = LazyLock::new(|| {
    let mut values = clustered(700, 4, 10, 4);
    values.extend_from_within(..4 * 40);
    let vectors = store(l2(4), &values);
    let sections = build(&vectors, 4, 24, 1).sections();
    (vectors, sections)
});

/// The sections with one of them changed.
fn changed(kind: u32, change: impl FnOnce(&mut Vec<u8>)) -> Vec<Section> {
    let mut sections = FIXTURE.1.clone();
    let section =
        sections.iter_mut().find(|section| section.0 == kind).expect("all kinds are there");
    let mut bytes = section.2.to_vec();
    change(&mut bytes);
    section.2 = Bytes::from(bytes);
    sections
}

#[test]
fn an_opened_index_finds_the_same_with_the_same_work() {
    let (vectors, _) = &*FIXTURE;
    let built = build(vectors, 4, 24, 1);
    let sections = built.sections();
    let opened = open(&sections, vectors).expect("its own bytes");
    // One byte off: these are copied.
    let shifted = sections.iter().map(|(kind, version, bytes)| {
        let longer = [&[0], &bytes[..]].concat();
        (*kind, *version, Bytes::from(longer).slice(1..))
    });
    let shifted = open(&shifted.collect::<Vec<_>>(), vectors).expect("alignment does not matter");
    for index in [&opened, &shifted] {
        assert_eq!(index.sections(), sections);
        assert_eq!((index.bytes(), index.params()), (built.bytes(), built.params()));
        for row in (0..vectors.len()).step_by(50) {
            let query = vectors.row(row);
            assert_eq!(
                search(index, vectors, query, 5, 20, None),
                search(&built, vectors, query, 5, 20, None)
            );
        }
    }
}

#[test]
fn aligned_sections_are_searched_where_they_lie() {
    let (vectors, sections) = &*FIXTURE;
    let opened = open(sections, vectors).expect("its own bytes").sections();
    for (before, after) in sections.iter().zip(&opened).skip(1) {
        assert_eq!(before.2.as_ptr(), after.2.as_ptr(), "section {}", before.0);
    }
}

#[test]
fn flat_and_empty_indexes_are_stored_too() {
    for rows in [0, 1, 50] {
        let vectors = store(l2(4), &clustered(rows, 4, 2, 1));
        let flat = Index::build(
            &IndexParams::Flat,
            &vectors,
            &pool(1),
            &Progress::default(),
            &Cancel::never(),
        );
        for index in [build(&vectors, 8, 32, 1), flat.expect("FLAT takes anything")] {
            let opened = open(&index.sections(), &vectors).expect("its own bytes");
            assert_eq!(opened.kind(), index.kind());
            assert_eq!(
                search(&opened, &vectors, &[0; 16], 3, 8, None),
                search(&index, &vectors, &[0; 16], 3, 8, None)
            );
        }
    }
}

#[test]
fn an_index_of_other_vectors_is_refused() {
    let fewer = store(l2(4), &clustered(700, 4, 10, 4));
    let error = open(&FIXTURE.1, &fewer).expect_err("other rows");
    assert!(error.to_string().contains("about 740 rows, the segment has 700"), "{error}");
    let flat = Index::build(
        &IndexParams::Flat,
        &FIXTURE.0,
        &pool(1),
        &Progress::default(),
        &Cancel::never(),
    );
    let error =
        open(&flat.expect("FLAT takes anything").sections(), &fewer).expect_err("other rows");
    assert!(error.to_string().contains("FLAT index over 700 rows"), "{error}");
}

#[test]
fn missing_sections_and_unknown_versions_and_kinds_are_errors() {
    let (vectors, sections) = &*FIXTURE;
    for kind in
        [section::HEADER, section::HNSW_GROUND, section::HNSW_UPPER, section::HNSW_DUPLICATES]
    {
        let rest: Vec<_> = sections.iter().filter(|section| section.0 != kind).cloned().collect();
        let error = Error::from(open(&rest, vectors).expect_err("a section is missing"));
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains(&format!("no section {kind}")), "{error}");

        let mut newer = sections.clone();
        newer.iter_mut().filter(|section| section.0 == kind).for_each(|section| section.1 = 9);
        let error = open(&newer, vectors).expect_err("a version of the future").to_string();
        assert!(error.contains("version 9, this build reads 1"), "{error}");
    }
    let error =
        open(&changed(section::HEADER, |bytes| bytes[0] = 77), vectors).expect_err("no such kind");
    assert!(error.to_string().contains("Some(77)"), "{error}");
}

#[test]
fn sections_of_any_other_length_are_refused() {
    let (vectors, sections) = &*FIXTURE;
    for (kind, _, bytes) in sections {
        for len in (0..bytes.len()).step_by(bytes.len().div_ceil(97)) {
            let shorter = changed(*kind, |bytes| bytes.truncate(len));
            // Half of the duplicates may be a list of duplicates.
            assert!(
                open(&shorter, vectors).is_err() || *kind == section::HNSW_DUPLICATES,
                "{kind} of {len} bytes"
            );
        }
        assert!(
            open(&changed(*kind, |bytes| bytes.push(0)), vectors).is_err(),
            "section {kind} and a byte"
        );
    }
}

/// Opens what may be damaged; if that succeeds, searches must not panic.
fn check_survives(sections: &[Section]) {
    let vectors = &FIXTURE.0;
    if let Ok(index) = open(sections, vectors) {
        for row in [0, 350, 739] {
            assert_eq!(search(&index, vectors, vectors.row(row), 5, 16, None).neighbors.len(), 5);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn changed_words_are_an_error_or_a_graph_that_can_be_searched(
        section in 0usize..4,
        changes in proptest::collection::vec((any::<usize>(), prop_oneof![0u32..900, any::<u32>(), Just(u32::MAX)]), 1..4),
    ) {
        let kind = FIXTURE.1[section].0;
        check_survives(&changed(kind, |bytes| {
            let words = bytes.as_chunks_mut::<4>().0;
            for (at, word) in changes {
                let count = words.len();
                words[at % count] = word.to_le_bytes();
            }
        }));
    }

    #[test]
    fn flipped_bits_are_an_error_or_a_graph_that_can_be_searched(
        section in 0usize..4,
        at in any::<usize>(),
        bit in 0u8..8,
    ) {
        let kind = FIXTURE.1[section].0;
        check_survives(&changed(kind, |bytes| {
            let count = bytes.len();
            bytes[at % count] ^= 1 << bit;
        }));
    }
}
