//! Declared collections and the options of requests.

use super::*;
use crate::convert::indexes::{index_in, index_out};
use crate::convert::{consistency_in, request_id_in, spec_in};
use vicinal_types::{IndexKind, IndexSpec, ScalarValue};

fn declared() -> v1::CollectionSpec {
    v1::CollectionSpec {
        name: "docs".to_owned(),
        vectors: vec![v1::VectorColumn {
            name: "v".to_owned(),
            dimension: 4,
            metric: v1::Metric::Cosine.into(),
            index: Some(v1::IndexSpec { m: 8, ..Default::default() }),
            ..Default::default()
        }],
        columns: vec![v1::ScalarColumn {
            name: "word".to_owned(),
            r#type: v1::ScalarType::String.into(),
            nullable: true,
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[test]
fn columns_of_every_type_come_back_with_their_defaults() {
    use crate::convert::scalar_columns::{new_column_in, scalar_column_out};
    for scalar in ScalarType::ALL {
        let value = match scalar {
            ScalarType::Bool => ScalarValue::Bool(true),
            ScalarType::Float32 | ScalarType::Float64 => ScalarValue::Float(0.5),
            ScalarType::String | ScalarType::Json => ScalarValue::Text("{}".to_owned()),
            ScalarType::Array(_) => ScalarValue::Array(Vec::new()),
            ScalarType::Int8
            | ScalarType::Int16
            | ScalarType::Int32
            | ScalarType::Int64
            | ScalarType::Timestamp => ScalarValue::Int(-1),
        };
        let column = Column::scalar(ColumnId::default(), "c", scalar, true);
        let column = Column { default: Some(value), ..column };
        for index in ColumnIndex::ALL.into_iter().filter(|index| index.takes(scalar)) {
            let column = Column { index, ..column.clone() };
            let message = scalar_column_out((&column, scalar, true));
            assert_eq!(new_column_in(Some(message)).expect("what we say we understand"), column);
        }
    }
    let wrong = |column: v1::ScalarColumn, expected| refused(new_column_in(Some(column)), expected);
    let kind = |scalar: v1::ScalarType| v1::ScalarColumn {
        name: "c".to_owned(),
        r#type: scalar.into(),
        ..Default::default()
    };
    refused(new_column_in(None), "set `column`");
    wrong(v1::ScalarColumn { index: 7, ..kind(v1::ScalarType::Int8) }, "7 is no ColumnIndex");
    wrong(kind(v1::ScalarType::Unspecified), "column `c` names no type");
    let json = v1::ScalarColumn { is_array: true, ..kind(v1::ScalarType::Json) };
    wrong(json, "cannot hold arrays of json");
    let with = |value| v1::ScalarColumn {
        default_value: Some(v1::Value { kind: value }),
        is_array: true,
        ..kind(v1::ScalarType::Int8)
    };
    wrong(with(None), "the value is empty");
    let item = v1::Value { kind: Some(v1::value::Kind::ListValue(v1::ValueList::default())) };
    let list = v1::ValueList { values: vec![item] };
    wrong(with(Some(v1::value::Kind::ListValue(list))), "a list holds single values");
    let item = v1::Value { kind: Some(v1::value::Kind::IntValue(200)) };
    let list = v1::ValueList { values: vec![item] };
    wrong(with(Some(v1::value::Kind::ListValue(list))), "`c`: item 0: 200 is not between -128");
}

#[test]
fn a_declaration_takes_what_it_leaves_out_from_the_configuration() {
    let segments = SegmentLimits { max_rows: 77, ..SegmentLimits::default() };
    let index = IndexSpec { kind: IndexKind::Hnsw, m: 9, ..IndexSpec::default() };
    let spec = spec_in(Some(declared()), segments, index).expect("a right declaration");
    assert_eq!(spec.segments.max_rows, 77);
    assert_eq!(spec.index("v"), IndexSpec { m: 8, ..index });
    let (column, kind) = spec.schema.vector_column("").expect("the only one");
    assert_eq!((column.id, kind.element()), (ColumnId(1), ElementType::F32));
    assert_eq!(spec.schema.column("word").expect("there").id, ColumnId(2));
    assert_eq!(spec.schema.id_type(), IdType::Int64);
}

#[test]
fn index_parameters_come_back_as_they_were_sent() {
    let sent = v1::IndexSpec {
        kind: v1::IndexKind::IvfPq.into(),
        m: 8,
        ef_construction: 40,
        flat_below_rows: 7,
        engine: v1::IndexEngine::Faiss.into(),
        codes: v1::IndexCodes::Sq4.into(),
        layout: v1::IndexLayout::Paged.into(),
        objective: v1::IndexObjective::Memory.into(),
        lists: 64,
        pq_bits: 8,
        pq_subvectors: 2,
    };
    let index = index_in(sent, IndexSpec::default()).expect("names that are known");
    assert_eq!(index_out(index), sent);
    for kind in 1..=8 {
        let sent = v1::IndexSpec { kind, ..index_out(IndexSpec::default()) };
        assert_eq!(index_out(index_in(sent, index).expect("a kind")).kind, kind);
    }
}

/// Says why a declaration is refused that differs by `change` from a right one.
fn check(change: impl FnOnce(&mut v1::CollectionSpec), expected: &str) {
    let mut spec = declared();
    change(&mut spec);
    refused(spec_in(Some(spec), SegmentLimits::default(), IndexSpec::default()), expected);
}

#[test]
fn wrong_columns_are_refused() {
    check(|spec| spec.vectors.clear(), "at least one vector column");
    check(|spec| spec.vectors[0].dimension = 0, "dimension 0");
    check(|spec| spec.vectors[0].dimension = 32_769, "dimension 32769");
    check(|spec| spec.vectors[0].metric = 0, "names no metric");
    check(|spec| spec.vectors[0].metric = 9, "9 is no Metric");
    check(|spec| spec.vectors[0].metric = 4, "binary takes hamming");
    check(|spec| spec.columns[0].r#type = 0, "names no type");
    check(|spec| spec.columns[0].r#type = 20, "20 is no ScalarType");
    check(|spec| spec.columns[0].name = "v".to_owned(), "named twice");
    check(|spec| spec.columns = vec![spec.columns[0].clone(); 256], "257 columns");
}

#[test]
fn wrong_declarations_are_refused() {
    refused(spec_in(None, SegmentLimits::default(), IndexSpec::default()), "set `spec`");
    check(|spec| spec.name.clear(), "1 to 128 bytes");
    check(|spec| spec.name = "a".repeat(129), "has 129");
    check(|spec| spec.id_type = 5, "5 is no IdType");
    let index = |kind, m| Some(v1::IndexSpec { kind, m, ..Default::default() });
    check(|spec| spec.vectors[0].index = index(9, 0), "9 is no IndexKind");
    check(|spec| spec.vectors[0].index = index(0, 1), "m 1");
    let index = v1::IndexSpec { engine: 9, ..Default::default() };
    check(|spec| spec.vectors[0].index = Some(index), "9 is no IndexEngine; use 0 to 3");
    let (kind, engine) = (v1::IndexKind::IvfPq.into(), v1::IndexEngine::HnswRs.into());
    let index = v1::IndexSpec { kind, engine, ..Default::default() };
    check(|spec| spec.vectors[0].index = Some(index), "engine hnsw_rs has no kind IVF_PQ");
    let segments = v1::SegmentLimits { max_rows: 1 << 40, ..Default::default() };
    check(|spec| spec.segments = Some(segments), "max_rows");
}

#[test]
fn request_ids_have_sixteen_bytes_or_none() {
    let options = |request_id| v1::WriteOptions { request_id, timeout_ms: 0 };
    assert_eq!(request_id_in(None).expect("none"), None);
    assert_eq!(request_id_in(Some(&options(vec![]))).expect("none"), None);
    let id = request_id_in(Some(&options(vec![7; 16]))).expect("an id").expect("an id");
    assert_eq!(id.0, [7; 16]);
    refused(request_id_in(Some(&options(vec![7; 15]))), "15 bytes; it takes 16");
}

#[test]
fn every_consistency_level_is_understood_and_no_other() {
    let check = |number| {
        consistency_in(Some(&v1::ReadOptions { consistency: number, ..Default::default() }))
    };
    for number in 0..5 {
        assert!(check(number).is_ok());
    }
    refused(check(5), "5 is no Consistency");
}
