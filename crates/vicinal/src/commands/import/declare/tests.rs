//! Files become collections, and go into those that are there, or are refused.

use super::*;
use crate::source::ScalarLayout;
use vicinal_client::{Ids, ScalarType, Value};

fn layout(element: ElementType) -> Layout {
    let scalar = |name: &str, nullable| ScalarLayout {
        name: name.into(),
        scalar: ScalarType::String,
        nullable,
    };
    Layout {
        rows: 2,
        id_type: IdType::Int64,
        vectors: vec![VectorLayout { name: "vector".into(), dim: 2, element }],
        scalars: vec![scalar("word", false), scalar("gloss", true)],
        skipped: Vec::new(),
    }
}

/// A described collection with one vector column and the column `word`.
fn described(vector: &str, element: proto::ElementType, dimension: u32) -> proto::CollectionSpec {
    let vector = proto::VectorColumn {
        name: vector.into(),
        dimension,
        element: element.into(),
        metric: proto::Metric::L2.into(),
        index: None,
    };
    let word = proto::ScalarColumn { name: "word".into(), ..Default::default() };
    proto::CollectionSpec {
        name: "c".into(),
        id_type: proto::IdType::Int64.into(),
        vectors: vec![vector],
        columns: vec![word],
        segments: None,
        ttl: None,
    }
}

fn rows() -> Rows {
    Rows::new([1, 2])
        .vectors("vector", vicinal_client::Vectors::packed(ElementType::U8, vec![1, 2, 3, 4]))
        .column("word", vec!["a", "b"])
        .column("gloss", vec!["x", "y"])
}

#[test]
fn a_new_collection_has_the_columns_of_the_file() {
    let check = |in_file, flag, expected| {
        let (spec, _) = declared("c", &layout(in_file), Metric::L2, flag).expect("right");
        let kind = VectorType::new(2, expected, Metric::L2).expect("right");
        let declared = CollectionSpec::new("c")
            .vector("vector", kind)
            .column("word", ScalarType::String)
            .nullable_column("gloss", ScalarType::String);
        assert_eq!(spec, declared);
    };
    check(ElementType::F16, None, ElementType::F16);
    check(ElementType::U8, None, ElementType::F32);
    check(ElementType::U8, Some(ElementType::U8), ElementType::U8);
    check(ElementType::F32, Some(ElementType::Bf16), ElementType::Bf16);
}

#[test]
fn bytes_are_eight_bits_of_binary_vectors() {
    let layout = layout(ElementType::U8);
    let (spec, mapping) =
        declared("c", &layout, Metric::Jaccard, Some(ElementType::Binary)).expect("right");
    let kind = VectorType::new(16, ElementType::Binary, Metric::Jaccard).expect("right");
    let expected = CollectionSpec::new("c")
        .vector("vector", kind)
        .column("word", ScalarType::String)
        .nullable_column("gloss", ScalarType::String);
    assert_eq!(spec, expected);
    assert_eq!(mapping.row_bytes(&layout.vectors[0]), 2);
    let mapped = mapping.map(rows()).expect("bytes are bits");
    assert_eq!(mapped.vector("vector", 0).map(|bits| bits.len()), Some(16));
    let floats = Layout {
        vectors: vec![VectorLayout { element: ElementType::F32, ..layout.vectors[0].clone() }],
        ..layout
    };
    let error =
        declared("c", &floats, Metric::Jaccard, Some(ElementType::Binary)).expect_err("no bits");
    assert!(error.to_string().contains("2 bits are not whole bytes"), "{error}");
}

#[test]
fn rows_are_mapped_to_what_the_collection_has() {
    let layout = layout(ElementType::U8);
    let spec = described("embedding", proto::ElementType::F16, 2);
    let mapping = existing(&layout, &spec, None, None).expect("they go together");
    let mapped = mapping.map(rows()).expect("bytes become floats");
    assert_eq!(mapped.ids(), &Ids::Int(vec![1, 2]));
    assert_eq!(mapped.vector("embedding", 1), Some(vec![3.0, 4.0]));
    assert_eq!(mapped.value("word", 0), Some(Value::Text("a")));
    assert_eq!(mapped.value("gloss", 0), None, "the collection has no such column");
    assert_eq!(mapping.row_bytes(&layout.vectors[0]), 8);
}

#[test]
fn contradictions_are_refused_by_name() {
    use proto::ElementType::{F32, U8};
    let check = |spec: proto::CollectionSpec, metric, element, expected: &str| {
        let error = existing(&layout(ElementType::U8), &spec, metric, element).expect_err("no");
        assert!(error.to_string().contains(expected), "{error}");
    };
    let right = || described("vector", F32, 2);
    check(right(), Some(Metric::Cosine), None, "with l2, not cosine; leave --metric out");
    check(right(), None, Some(ElementType::F16), "with f32, not f16; leave --element out");
    check(described("vector", U8, 3), None, None, "have 2 dimensions, collection `c` takes 3");
    let id_type = proto::IdType::String.into();
    check(proto::CollectionSpec { id_type, ..right() }, None, None, "has string ids");
    let mut two = right();
    two.vectors.push(proto::VectorColumn { name: "other".into(), ..two.vectors[0].clone() });
    check(two, None, None, "no vector column `other`");
}
