//! Builds on one thread, and which stored links are refused.

use super::HnswRs;
use crate::index::section;
use crate::{IndexError, Progress, Section, Vectors};
use bytes::Bytes;
use vicinal_types::{Cancel, ElementType, ForeignGraph, Metric, VectorType};

const ROWS: u32 = 1_500;

/// Rows of 4 bytes, some of them equal.
fn vectors() -> Vectors {
    let vector = VectorType::new(4, ElementType::U8, Metric::InnerProduct).expect("a right type");
    let bytes = (0..4 * ROWS).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8);
    let mut bytes: Vec<u8> = bytes.collect();
    bytes.copy_within(..80, 4_000);
    Vectors::new(vector, Bytes::from(bytes)).expect("whole rows")
}

fn sections(vectors: &Vectors) -> Vec<Section> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    let params = ForeignGraph { m: 6, ef_construction: 30 };
    HnswRs::build(params, vectors, &pool, &Progress::default(), &Cancel::never())
        .expect("right parameters")
        .sections()
}

/// What opening says with one word of a section changed.
fn with_word(sections: &[Section], kind: u32, at: usize, word: u32) -> Result<HnswRs, IndexError> {
    let changed = |found: u32| {
        let (_, _, bytes) =
            sections.iter().find(|section| section.0 == found).expect("it is there");
        let mut bytes = bytes.to_vec();
        if found == kind {
            bytes.as_chunks_mut::<4>().0[at] = word.to_le_bytes();
        }
        Bytes::from(bytes)
    };
    let header = changed(section::HEADER);
    HnswRs::open(&header, &mut |kind| Ok(changed(kind)), &vectors())
}

#[test]
fn a_build_on_one_thread_is_a_function_of_its_rows() {
    let vectors = vectors();
    assert!(sections(&vectors) == sections(&vectors), "two builds differ");
}

#[test]
fn impossible_words_are_refused() {
    let sections = sections(&vectors());
    let (entry, m, rows) = (4, 2, 1);
    for (at, word, expected) in [
        (rows, 3, "about 3 rows"),
        (m, 256, "m is 256"),
        (m, 1, "m is 1"),
        (entry, ROWS, "not a vertex of the top layer"),
        // A copy of the first row.
        (entry, 1_000, "not a vertex of the top layer"),
    ] {
        let error = with_word(&sections, section::HEADER, at, word).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
    }
    for (at, word, expected) in [
        (0, 16, "level 16"),
        (0, 17 << 8, "17 lists"),
        (1, u32::MAX, "ends within row 0"),
        (2, ROWS, "links to 1500, no vertex"),
        (2, 1_000, "links to 1000, no vertex"),
    ] {
        let error = with_word(&sections, section::HNSW_RS_LINKS, at, word).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
    }
}
