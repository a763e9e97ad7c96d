//! IVF indexes and FLAT codes as bytes: there and back, and bytes that are wrong;
//! and their results and work, pinned.

use crate::data::{clustered, l2, open, search, store};
use crate::ivf::{CODES, FLAT_CODES, build, ivf};
use bytes::Bytes;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;
use vicinal_index::{IndexParams, Section, Vectors, section};
use vicinal_types::{ElementType, Error, ErrorKind, Metric, VectorType};

const ROWS: usize = 500;

static VECTORS: LazyLock<Vectors> = LazyLock::new(|| store(l2(6), &clustered(ROWS, 6, 10, 4)));

static STORED: LazyLock<Vec<(IndexParams, Vec<Section>)>> = LazyLock::new(|| {
    let params = CODES.map(|codes| ivf(20, codes));
    let flat = FLAT_CODES.map(IndexParams::FlatCodes);
    let built = params.into_iter().chain(flat);
    built.map(|params| (params, build(params, &VECTORS, 1).sections())).collect()
});

/// The sections with one of them changed.
fn changed(sections: &[Section], kind: u32, change: impl FnOnce(&mut Vec<u8>)) -> Vec<Section> {
    let mut sections = sections.to_vec();
    let section =
        sections.iter_mut().find(|section| section.0 == kind).expect("all kinds are there");
    let mut bytes = section.2.to_vec();
    change(&mut bytes);
    section.2 = Bytes::from(bytes);
    sections
}

#[test]
fn an_opened_index_finds_the_same_with_the_same_work() {
    for (params, sections) in &*STORED {
        let built = build(*params, &VECTORS, 1);
        let opened = open(sections, &VECTORS).expect("its own bytes");
        let hot = opened.hot_copy();
        assert_eq!(hot.is_some(), opened.hot_bytes() > 0);
        let shifted = sections.iter().map(|(kind, version, bytes)| {
            let longer = [&[0], &bytes[..]].concat();
            (*kind, *version, Bytes::from(longer).slice(1..))
        });
        let shifted = open(&shifted.collect::<Vec<_>>(), &VECTORS);
        let shifted = shifted.expect("alignment does not matter");
        for index in [&opened, &shifted].into_iter().chain(&hot) {
            assert!(index.sections() == *sections, "{params}");
            assert_eq!((index.bytes(), index.params()), (built.bytes(), *params));
            assert_eq!(index.kind(), built.kind());
            for row in (0..VECTORS.len()).step_by(50) {
                let query = VECTORS.row(row);
                let found = search(index, &VECTORS, query, 5, 4, None);
                assert_eq!(found, search(&built, &VECTORS, query, 5, 4, None), "{params}");
            }
        }
    }
}

#[test]
fn aligned_sections_are_searched_where_they_lie() {
    for (params, sections) in &*STORED {
        let opened = open(sections, &VECTORS).expect("its own bytes").sections();
        for (before, after) in sections.iter().zip(&opened).skip(1) {
            let is_same = before.2.is_empty() || before.2.as_ptr() == after.2.as_ptr();
            assert!(is_same, "{params}: section {}", before.0);
        }
    }
}

#[test]
fn empty_and_tiny_indexes_are_stored_too() {
    for rows in [0, 1, 3, 33] {
        let vectors = store(l2(4), &clustered(rows, 4, 2, 1));
        for (params, _) in &*STORED {
            let index = build(*params, &vectors, 1);
            let opened = open(&index.sections(), &vectors).expect("its own bytes");
            let found = search(&opened, &vectors, &[0; 16], 3, 8, None);
            assert_eq!(found.neighbors.len(), rows.min(3), "{params}");
            assert_eq!(found, search(&index, &vectors, &[0; 16], 3, 8, None));
        }
    }
}

#[test]
fn other_vectors_missing_sections_and_unknown_versions_are_errors() {
    let fewer = store(l2(6), &clustered(ROWS - 1, 6, 10, 4));
    let wider = store(l2(7), &clustered(ROWS, 7, 10, 4));
    for (params, sections) in &*STORED {
        let error = open(sections, &fewer).expect_err("other rows").to_string();
        assert!(error.contains("about 500 rows, the segment has 499"), "{error}");
        assert!(open(sections, &wider).is_err(), "{params}");
        for (kind, ..) in sections {
            let rest: Vec<_> =
                sections.iter().filter(|section| section.0 != *kind).cloned().collect();
            let error = Error::from(open(&rest, &VECTORS).expect_err("a section is missing"));
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{params}: {error}");
            let mut newer = sections.clone();
            newer.iter_mut().filter(|section| section.0 == *kind).for_each(|it| it.1 = 9);
            let error = open(&newer, &VECTORS).expect_err("a version of the future").to_string();
            assert!(error.contains("version 9, this build reads 1"), "{error}");
        }
    }
}

#[test]
fn sections_of_any_other_length_are_refused() {
    for (params, sections) in &*STORED {
        for (kind, _, bytes) in sections {
            for len in (0..bytes.len()).step_by(bytes.len().div_ceil(23).max(1)) {
                let shorter = changed(sections, *kind, |bytes| bytes.truncate(len));
                assert!(open(&shorter, &VECTORS).is_err(), "{params}: {kind} of {len} bytes");
            }
            let longer = changed(sections, *kind, |bytes| bytes.push(0));
            assert!(open(&longer, &VECTORS).is_err(), "{params}: section {kind} and a byte");
        }
    }
}

#[test]
fn a_row_twice_is_refused() {
    for (params, sections) in &*STORED {
        let blocks = if sections.iter().any(|section| section.0 == section::IVF_BLOCKS) {
            section::IVF_BLOCKS
        } else {
            section::FLAT_BLOCKS
        };
        let number = 77u32.to_le_bytes();
        let twice = changed(sections, blocks, |bytes| {
            for word in bytes.as_chunks_mut::<4>().0 {
                if *word == 78u32.to_le_bytes() {
                    *word = number;
                }
            }
        });
        let error = open(&twice, &VECTORS).expect_err("a row is missing").to_string();
        assert!(error.contains("row 77 of 500"), "{params}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    /// Opening finds the damage, or searches still find as many rows as asked.
    #[test]
    fn changed_words_are_an_error_or_can_be_searched(
        index in 0usize..9,
        section in 0usize..5,
        changes in proptest::collection::vec(
            (any::<usize>(), prop_oneof![0u32..600, any::<u32>(), Just(f32::NAN.to_bits())]),
            1..4,
        ),
    ) {
        let (_, sections) = &STORED[index];
        let kind = sections[section % sections.len()].0;
        let damaged = changed(sections, kind, |bytes| {
            let words = bytes.as_chunks_mut::<4>().0;
            let count = words.len();
            for (at, word) in changes.into_iter().filter(|_| count > 0) {
                words[at % count] = word.to_le_bytes();
            }
        });
        if let Ok(index) = open(&damaged, &VECTORS) {
            for row in [0, 250, 499] {
                let found = search(&index, &VECTORS, VECTORS.row(row), 5, 3, None);
                prop_assert_eq!(found.neighbors.len(), 5);
            }
        }
    }
}

#[test]
fn results_and_work_are_pinned() {
    // Whole numbers: the keys are exact.
    let vector = VectorType::new(16, ElementType::U8, Metric::L2).expect("a right type");
    let all = clustered(2_003, 16, 10, 5);
    let (base, queries) = all.split_at(2_000 * 16);
    let (vectors, queries) = (store(vector, base), store(vector, queries));
    let mut text = String::from("# index, query, lists: distances, lists probed: row=key …\n");
    let params = CODES.map(|codes| ivf(40, codes));
    for params in params.into_iter().chain(FLAT_CODES.map(IndexParams::FlatCodes)) {
        let index = build(params, &vectors, 1);
        for query in 0..queries.len() {
            for effort in [1, 6] {
                let found = search(&index, &vectors, queries.row(query), 5, effort, None);
                let work = found.work;
                write!(text, "{params}, {query}, {effort}: {}, {}:", work.distances, work.lists)
                    .expect("memory");
                for neighbor in found.neighbors {
                    write!(text, " {}={}", neighbor.row, neighbor.key).expect("memory");
                }
                text.push('\n');
            }
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/ivf_search.txt");
    if std::env::var_os("UPDATE").is_some() {
        #[expect(
            clippy::disallowed_methods,
            reason = "the golden file is part of the source tree"
        )]
        std::fs::write(&path, &text).expect("the source tree is writable");
    }
    let expected =
        std::fs::read_to_string(&path).expect("the golden file is part of the source tree");
    assert_eq!(text, expected, "run with UPDATE=1 if the change is meant, and say why");
}
