//! The rules as tables.

use super::*;
use vicinal_types::{ElementType, Metric};

fn floats(dim: u32) -> VectorType {
    VectorType::new(dim, ElementType::F32, Metric::L2).expect("a right type")
}

fn hnsw(codes: HnswCodes) -> IndexParams {
    IndexParams::Hnsw(HnswParams { m: 16, ef_construction: 128, seed: 0, codes })
}

fn check(vector: VectorType, rows: u64, spec: IndexSpec, expected: IndexParams) {
    assert_eq!(choose_index(rows, vector, &spec).params, expected, "{spec:?} of {rows}");
}

#[test]
fn few_rows_are_scanned() {
    let of = |kind| IndexSpec { kind, ..IndexSpec::default() };
    let table = [
        (IndexKind::Auto, 0, true),
        (IndexKind::Auto, 4_095, true),
        (IndexKind::Auto, 4_096, false),
        (IndexKind::Flat, 16_000_000, true),
        (IndexKind::Hnsw, 0, true),
        (IndexKind::Hnsw, 1, true),
        (IndexKind::Hnsw, 2, false),
        (IndexKind::IvfFlat, 255, true),
        (IndexKind::IvfFlat, 256, false),
        (IndexKind::Scann, 256, false),
    ];
    for (kind, rows, is_flat) in table {
        let params = choose_index(rows, floats(128), &of(kind)).params;
        assert_eq!(params == IndexParams::Flat, is_flat, "{kind} of {rows}: {params}");
    }
}

#[test]
fn lists_are_many_but_not_of_a_few_rows() {
    let check = |rows, declared, expected| {
        assert_eq!(list_count(rows, LISTS_OF_ROOT, declared), expected);
    };
    check(1_000_000, 0, 4_000);
    check(1_000, 0, 31);
    check(1_000, 100, 31);
    check(1_000_000, 1_024, 1_024);
    check(16_777_216, 0, 16_384);
    check(10, 0, 1);
    assert_eq!(list_count(1_000_000, LISTS_OF_ROOT / 2, 0), 2_000);
}

#[test]
fn product_codes_divide_the_dimensions() {
    let check = |dim, bits, declared, expected| {
        assert_eq!(subvectors_of(dim, bits, declared), expected, "{declared} of {dim}");
    };
    check(128, 4, 0, 64);
    check(128, 8, 0, 32);
    check(50, 4, 0, 25);
    check(7, 4, 0, 1);
    check(1, 8, 0, 1);
    check(128, 4, 16, 16);
    check(128, 4, 100, 64);
}

#[test]
fn engines_and_objectives_decide_the_graph() {
    let spec = IndexSpec { kind: IndexKind::Hnsw, ..IndexSpec::default() };
    let foreign = ForeignGraph { m: 16, ef_construction: 128 };
    let engine = |engine| IndexSpec { engine, ..spec };
    check(floats(8), 100, engine(IndexEngine::HnswRs), IndexParams::HnswRs(foreign));
    let faiss = IndexParams::Faiss(FaissParams::Hnsw(foreign));
    check(floats(8), 100, engine(IndexEngine::Faiss), faiss);
    let inlined = IndexParams::Graph(GraphParams { m: 16, ef_construction: 128, seed: 0 });
    check(floats(8), 100, spec, inlined);
    let throughput = IndexSpec { objective: IndexObjective::Throughput, ..spec };
    check(floats(8), 100, throughput, inlined);
    let paged =
        |codes| IndexParams::Paged(HnswParams { m: 16, ef_construction: 128, seed: 0, codes });
    let on_disk = IndexSpec { layout: IndexLayout::Paged, ..spec };
    check(floats(8), 100, on_disk, paged(HnswCodes::Sq8));
    let bytes = VectorType::new(8, ElementType::U8, Metric::L2).expect("a right type");
    check(bytes, 100, on_disk, paged(HnswCodes::None));
    let codes = |codes| IndexSpec { codes, ..spec };
    check(floats(8), 100, codes(IndexCodes::Inlined), inlined);
    check(floats(8), 100, codes(IndexCodes::None), hnsw(HnswCodes::None));
    check(floats(8), 100, codes(IndexCodes::Sq4), hnsw(HnswCodes::Sq4));
    let memory = IndexSpec { objective: IndexObjective::Memory, ..spec };
    check(floats(8), 100, memory, hnsw(HnswCodes::Sq8));
    let bits = VectorType::new(64, ElementType::Binary, Metric::Hamming).expect("a right type");
    check(bits, 100, memory, hnsw(HnswCodes::None));
    check(bits, 100, spec, hnsw(HnswCodes::None));
}

#[test]
fn the_reason_names_the_numbers() {
    let vector = VectorType::new(64, ElementType::Binary, Metric::Hamming).expect("a right type");
    let choice = choose_index(5_000, vector, &IndexSpec::default());
    assert!(choice.reason.contains("5000 binary vectors"), "{}", choice.reason);
    assert!(choice.reason.contains("4096"), "{}", choice.reason);
    let spec = IndexSpec { kind: IndexKind::IvfPq, ..IndexSpec::default() };
    let choice = choose_index(100, vector, &spec);
    assert_eq!(choice.reason, "IVF_PQ is declared, but 100 rows are too few to make lists");
}
