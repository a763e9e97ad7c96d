//! Which parameters go together.

use super::*;
use crate::Metric;

fn check(vector: VectorType, spec: IndexSpec, expected: &str) {
    match spec.check(vector) {
        Ok(()) => assert_eq!(expected, "", "{spec:?} was taken"),
        Err(error) => {
            let reason = error.to_string();
            assert!(!expected.is_empty() && reason.contains(expected), "{reason}");
        }
    }
}

#[test]
fn parameters_that_contradict_each_other_are_named() {
    let floats = VectorType::new(8, ElementType::F32, Metric::L2).expect("a right type");
    let spec = IndexSpec::default();
    let of = |kind| IndexSpec { kind, ..spec };
    let table = [
        (spec, ""),
        (IndexSpec { m: 1, ..spec }, "m 1 is not between 2 and 256"),
        (IndexSpec { ef_construction: 3, ..spec }, "ef_construction 3 is not between 4 and 4096"),
        (IndexSpec { lists: 65_537, ..spec }, "lists 65537 is not between 0 and 65536"),
        (IndexSpec { pq_bits: 5, ..spec }, "pq_bits 5 is neither 4 nor 8"),
        (
            IndexSpec { pq_bits: 9, kind: IndexKind::IvfRabitq, ..spec },
            "pq_bits 9 is not between 0 and 8",
        ),
        (IndexSpec { pq_subvectors: 9, ..spec }, "pq_subvectors 9 is not between 0 and 8"),
        (IndexSpec { engine: IndexEngine::HnswRs, ..of(IndexKind::Hnsw) }, ""),
        (
            IndexSpec { engine: IndexEngine::HnswRs, ..of(IndexKind::IvfPq) },
            "engine hnsw_rs has no kind IVF_PQ; it has AUTO, HNSW",
        ),
        (
            IndexSpec { engine: IndexEngine::Faiss, codes: IndexCodes::Sq4, ..spec },
            "codes sq4 goes with engine native, not with faiss",
        ),
        (
            IndexSpec { engine: IndexEngine::HnswRs, layout: IndexLayout::Paged, ..spec },
            "layout paged goes with engine native",
        ),
        (IndexSpec { codes: IndexCodes::Sq4, ..of(IndexKind::IvfSq8) }, "goes with kind FLAT or"),
        (IndexSpec { codes: IndexCodes::None, ..of(IndexKind::IvfSq8) }, "leave codes out"),
        (
            IndexSpec { codes: IndexCodes::Inlined, ..of(IndexKind::Flat) },
            "kind HNSW, not with FLAT",
        ),
        (IndexSpec { codes: IndexCodes::Rabitq, ..of(IndexKind::Flat) }, ""),
        (IndexSpec { codes: IndexCodes::Sq4, ..of(IndexKind::Flat) }, "FLAT has none, sq8"),
        (IndexSpec { layout: IndexLayout::Paged, ..of(IndexKind::Scann) }, "not with SCANN"),
        (
            IndexSpec { layout: IndexLayout::Paged, codes: IndexCodes::Inlined, ..spec },
            "codes inlined goes with layout memory, not with paged",
        ),
    ];
    for (spec, expected) in table {
        check(floats, spec, expected);
    }
}

#[test]
fn binary_vectors_have_no_codes_and_no_lists() {
    let bits = VectorType::new(64, ElementType::Binary, Metric::Hamming).expect("a right type");
    let spec = IndexSpec::default();
    check(bits, spec, "");
    check(bits, IndexSpec { kind: IndexKind::Hnsw, ..spec }, "");
    check(
        bits,
        IndexSpec { kind: IndexKind::IvfFlat, ..spec },
        "kind IVF_FLAT does not take binary",
    );
    check(bits, IndexSpec { codes: IndexCodes::Sq8, ..spec }, "codes sq8 does not take binary");
    check(bits, IndexSpec { engine: IndexEngine::Faiss, ..spec }, "engine faiss does not take");
}

#[test]
fn a_declaration_shows_what_has_an_effect() {
    let spec = IndexSpec::default();
    let of = |kind| IndexSpec { kind, ..spec };
    let table = [
        (spec, "AUTO m=16 ef_construction=128 flat_below_rows=4096"),
        (of(IndexKind::Flat), "FLAT"),
        (IndexSpec { codes: IndexCodes::Sq8, ..of(IndexKind::Flat) }, "FLAT codes=sq8"),
        (of(IndexKind::IvfPq), "IVF_PQ"),
        (
            IndexSpec { lists: 64, pq_bits: 8, engine: IndexEngine::Faiss, ..of(IndexKind::IvfPq) },
            "IVF_PQ engine=faiss lists=64 pq_bits=8",
        ),
        (
            IndexSpec { layout: IndexLayout::Paged, ..of(IndexKind::Hnsw) },
            "HNSW layout=paged m=16 ef_construction=128",
        ),
    ];
    for (spec, expected) in table {
        assert_eq!(spec.to_string(), expected);
    }
}
