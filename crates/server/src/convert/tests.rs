//! Round trips, and what is refused at the door.

mod declarations;
mod rows;
mod searches;

use std::collections::BTreeMap;
use vicinal_api::v1;
use vicinal_api::v1::column_values::Values;
use vicinal_engine::Collection;
use vicinal_types::{
    ArrayItem, CollectionId, CollectionSpec, Column, ColumnId, ColumnIndex, ColumnType,
    ElementType, Error, ErrorKind, IdType, Metric, ScalarType, Schema, SegmentLimits, VectorType,
};

const DIM: usize = 4;

/// A collection with one column of every kind.
fn collection(id_type: IdType) -> Collection {
    let vector = |element, metric| {
        ColumnType::Vector(VectorType::new(8, element, metric).expect("a right type"))
    };
    let scalar = |scalar| ColumnType::Scalar { scalar, nullable: true };
    let small = VectorType::new(4, ElementType::F32, Metric::L2).expect("a right type");
    let kinds = [
        ("v", ColumnType::Vector(small)),
        ("half", vector(ElementType::F16, Metric::Cosine)),
        ("bits", vector(ElementType::Binary, Metric::Hamming)),
        ("bool", scalar(ScalarType::Bool)),
        ("int64", scalar(ScalarType::Int64)),
        ("float64", scalar(ScalarType::Float64)),
        ("string", scalar(ScalarType::String)),
        ("timestamp", scalar(ScalarType::Timestamp)),
        ("json", scalar(ScalarType::Json)),
        ("int8", scalar(ScalarType::Int8)),
        ("int16", scalar(ScalarType::Int16)),
        ("int32", scalar(ScalarType::Int32)),
        ("float32", scalar(ScalarType::Float32)),
        ("shorts", scalar(ScalarType::Array(ArrayItem::Int16))),
        ("tags", scalar(ScalarType::Array(ArrayItem::String))),
    ];
    let columns = (1..).zip(kinds).map(|(id, (name, kind))| Column {
        id: ColumnId(id),
        name: name.to_owned(),
        kind,
        default: None,
        index: ColumnIndex::Auto,
    });
    Collection {
        id: CollectionId(1),
        database: "default".to_owned(),
        schema_version: 1,
        spec: CollectionSpec {
            name: "docs".to_owned(),
            schema: Schema::new(id_type, columns.collect()).expect("a right schema"),
            segments: SegmentLimits::default(),
            indexes: BTreeMap::new(),
            ttl: None,
        },
    }
}

fn ints(values: Vec<i64>) -> Option<v1::Ids> {
    Some(v1::Ids { kind: Some(v1::ids::Kind::Ints(v1::IntIds { values })) })
}

fn packed(bytes: Vec<u8>, element: v1::ElementType) -> v1::Vectors {
    v1::Vectors { data: Some(v1::vectors::Data::Packed(bytes.into())), element: element.into() }
}

fn floats(values: Vec<f32>) -> v1::Vectors {
    let data = Some(v1::vectors::Data::Floats(v1::FloatValues { values }));
    v1::Vectors { data, element: 0 }
}

fn column(name: &str, values: Option<Values>, nulls: Vec<u8>) -> v1::ColumnValues {
    v1::ColumnValues { name: name.to_owned(), values, nulls }
}

/// A batch of `rows` rows with one column.
fn batch(rows: i64, column: v1::ColumnValues) -> Option<v1::RowBatch> {
    Some(v1::RowBatch { ids: ints((0..rows).collect()), columns: vec![column] })
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>, expected: &str) {
    let error = outcome.expect_err("refused at the door");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.message().contains(expected), "{error} does not say {expected:?}");
}
