//! Ids, rows and their columns.

use super::*;
use crate::convert::{columns_in, fetch_ids_in, rows_in, rows_out, write_ids_in};
use arrow_array::{Array as _, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;
use vicinal_api::v1::array_values::Items;
use vicinal_types::{Ids, RowBatch, VectorInput, limits};

/// Rows of every scalar type, some null.
fn rows() -> impl Strategy<Value = RowBatch> {
    (1..70_usize).prop_flat_map(|rows| {
        let nullable = |rows| vec(any::<Option<i64>>(), rows);
        (
            vec(any::<i64>(), rows),
            vec(any::<u8>(), rows * DIM * 4),
            vec(any::<Option<bool>>(), rows),
            nullable(rows),
            vec(prop::option::of(-1e300..1e300_f64), rows),
            vec(prop::option::of("[a-zäß]{0,9}"), rows),
            nullable(rows),
        )
            .prop_map(|(ids, bytes, bools, ints, doubles, strings, timestamps)| RowBatch {
                ids: Ids::Int(ids),
                vectors: vec![(
                    ColumnId(1),
                    VectorInput::Packed { element: ElementType::F32, bytes: bytes.into() },
                )],
                scalars: vec![
                    (ColumnId(4), Arc::new(BooleanArray::from(bools)) as ArrayRef),
                    (ColumnId(5), Arc::new(Int64Array::from(ints))),
                    (ColumnId(6), Arc::new(Float64Array::from(doubles))),
                    (ColumnId(7), Arc::new(StringArray::from(strings))),
                    (ColumnId(8), Arc::new(Int64Array::from(timestamps))),
                ],
            })
    })
}

proptest! {
    #[test]
    fn rows_come_back_as_they_went_out(rows in rows()) {
        let collection = collection(IdType::Int64);
        let message = rows_out(&collection, rows.clone()).expect("rows of the collection");
        let back = rows_in(&collection, Some(message)).expect("what we say we understand");
        prop_assert_eq!(&back.ids, &rows.ids);
        prop_assert_eq!(&back.vectors, &rows.vectors);
        prop_assert_eq!(back.scalars.len(), rows.scalars.len());
        for ((id, array), (found_id, found)) in rows.scalars.iter().zip(&back.scalars) {
            prop_assert_eq!(id, found_id);
            prop_assert_eq!(array.as_ref(), found.as_ref());
        }
    }

    #[test]
    fn hostile_batches_are_refused_without_a_panic(
        ids in vec(any::<i64>(), 0..20),
        name in "(v|half|bits|string|[a-z]{0,3})",
        bytes in vec(any::<u8>(), 0..200),
        element in -1..9_i32,
        nulls in vec(any::<u8>(), 0..5),
    ) {
        let vectors = v1::Vectors { data: Some(v1::vectors::Data::Packed(bytes.into())), element };
        let message = v1::RowBatch {
            ids: ints(ids),
            columns: vec![column(&name, Some(Values::Vectors(vectors)), nulls)],
        };
        if let Ok(rows) = rows_in(&collection(IdType::Int64), Some(message)) {
            prop_assert!(!rows.ids.is_empty());
        }
    }
}

/// A column of the collection, in and out again.
fn round_trip(rows: i64, column: v1::ColumnValues) {
    let docs = collection(IdType::Int64);
    let rows = rows_in(&docs, batch(rows, column.clone())).expect("a right column");
    let out = rows_out(&docs, rows).expect("rows of the collection");
    assert_eq!(out.columns, [column]);
}

fn arrays(lengths: Vec<u32>, items: Option<Items>) -> Option<Values> {
    Some(Values::Arrays(v1::ArrayValues { lengths, items }))
}

#[test]
fn narrow_numbers_and_arrays_come_back() {
    let ints = |values: Vec<i64>| Some(Values::Ints(v1::IntValues { values }));
    round_trip(2, column("int8", ints(vec![-128, 127]), Vec::new()));
    round_trip(2, column("int16", ints(vec![-32_768, 32_767]), Vec::new()));
    round_trip(2, column("int32", ints(vec![i32::MIN.into(), i32::MAX.into()]), Vec::new()));
    let floats = Some(Values::Floats(v1::FloatValues { values: vec![0.1, f32::MAX] }));
    round_trip(2, column("float32", floats, Vec::new()));
    let shorts = Some(Items::Ints(v1::IntValues { values: vec![7, -8, 9] }));
    round_trip(4, column("shorts", arrays(vec![2, 0, 0, 1], shorts), vec![0b0100]));
    let texts = v1::StringValues { values: vec![String::new(), "ü".to_owned()] };
    round_trip(1, column("tags", arrays(vec![2], Some(Items::Strings(texts))), Vec::new()));
    let none = Some(Items::Strings(v1::StringValues::default()));
    round_trip(2, column("tags", arrays(vec![0, 0], none), Vec::new()));
    let untyped = column("tags", arrays(vec![0], None), Vec::new());
    rows_in(&collection(IdType::Int64), batch(1, untyped)).expect("empty arrays have no type");
}

#[test]
fn what_a_null_covers_is_ignored() {
    let values = Some(Values::Ints(v1::IntValues { values: vec![1_000, 5] }));
    let docs = collection(IdType::Int64);
    let rows = rows_in(&docs, batch(2, column("int8", values, vec![0b01]))).expect("a null");
    assert!(rows.scalars[0].1.is_null(0));
}

#[test]
fn values_beyond_their_type_and_torn_arrays_are_refused() {
    let ints = |values: Vec<i64>| v1::IntValues { values };
    let far = Some(Values::Ints(ints(vec![0, 128])));
    check(2, column("int8", far, Vec::new()), "holds int8 values, -128 to 127; row 1 has 128");
    let shorts = |values| Some(Items::Ints(ints(values)));
    let short = |lengths, values| column("shorts", arrays(lengths, shorts(values)), Vec::new());
    check(2, short(vec![0, 2], vec![1, 40_000]), "32767; row 1, item 1 has 40000");
    check(2, short(vec![1, 1], vec![40_000, 1]), "32767; row 0, item 0 has 40000");
    check(2, short(vec![1], vec![1]), "has 1 values for 2 rows");
    check(1, short(vec![2], vec![1]), "has 1 items, its lengths add up to 2");
    check(1, short(vec![u32::MAX], vec![1]), "takes at most 4096 items, row 0 has 4294967295");
    let null = column("shorts", arrays(vec![1], shorts(vec![1])), vec![1]);
    check(1, null, "row 0 is null and has 1 items; give it the length 0");
    let bools = Some(Items::Bools(v1::BoolValues { values: vec![true] }));
    let wrong = column("shorts", arrays(vec![1], bools), Vec::new());
    check(1, wrong, "holds arrays of int16, the request has bools items");
    let single = column("shorts", Some(Values::Ints(ints(vec![1]))), Vec::new());
    check(1, single, "column `shorts` holds array<int16> values, the request has ints");
}

#[test]
fn nulls_are_set_bits_and_come_back_with_clean_padding() {
    let collection = collection(IdType::Int64);
    let values = Some(Values::Ints(v1::IntValues { values: vec![1, 2, 3] }));
    let rows = rows_in(&collection, batch(3, column("int64", values, vec![0b1111_1010])))
        .expect("a right batch");
    let array = &rows.scalars[0].1;
    assert_eq!((0..3).map(|row| array.is_null(row)).collect::<Vec<_>>(), [false, true, false]);
    let out = rows_out(&collection, rows).expect("rows of the collection");
    assert_eq!(out.columns[0].nulls, [0b0000_0010]);
}

/// Says why a batch of `rows` rows with that one column is refused.
fn check(rows: i64, column: v1::ColumnValues, expected: &str) {
    refused(rows_in(&collection(IdType::Int64), batch(rows, column)), expected);
}

fn vectors(name: &str, vectors: v1::Vectors) -> v1::ColumnValues {
    column(name, Some(Values::Vectors(vectors)), Vec::new())
}

fn f32s(name: &str, elements: usize) -> v1::ColumnValues {
    vectors(name, packed(vec![0; elements * 4], v1::ElementType::F32))
}

fn texts(name: &str, nulls: Vec<u8>) -> v1::ColumnValues {
    let values = vec!["a".to_owned()];
    column(name, Some(Values::Strings(v1::StringValues { values })), nulls)
}

#[test]
fn wrong_lengths_are_refused_with_their_numbers() {
    let dimensions = "vector has 3 dimensions, column `v` of collection `docs` takes 4";
    check(2, f32s("v", 6), dimensions);
    check(2, f32s("v", 7), "7 elements are not 2 vectors of the 4 dimensions");
    check(1, f32s("v", 0), "0 elements are not 1 vectors");
    let torn = packed(vec![0; 15], v1::ElementType::F32);
    check(1, vectors("v", torn), "15 packed bytes are not whole f32");
    check(1, vectors("v", floats(vec![0.0; 5])), "vector has 5 dimensions");
    let bits = packed(vec![0; 2], v1::ElementType::Binary);
    check(1, vectors("bits", bits), "vector has 16 dimensions");
    check(2, texts("string", Vec::new()), "column `string` has 1 values for 2 rows");
    check(1, texts("string", vec![0, 0]), "null bitmap of 2 bytes; 1 rows take 1");
}

#[test]
fn wrong_types_are_refused_with_their_names() {
    let half = packed(vec![0; 8], v1::ElementType::F16);
    check(1, vectors("v", half), "packed vectors are f16, column `v`");
    check(1, vectors("v", v1::Vectors::default()), "set `packed` or `floats`");
    let unknown = v1::Vectors { element: 77, ..floats(vec![0.0; 4]) };
    check(1, vectors("v", unknown), "77 is no ElementType");
    check(1, texts("v", Vec::new()), "column `v` holds vectors, the request has strings");
    check(1, column("v", None, Vec::new()), "the request has no values");
    check(1, v1::ColumnValues { nulls: vec![1], ..f32s("v", 4) }, "never null");
    check(1, vectors("bits", floats(vec![1.0; 8])), "use `packed`");
    let text = "column `string` holds string values, the request has vectors";
    check(1, f32s("string", 4), text);
    let json = "column `json` holds json values, the request has strings";
    check(1, texts("json", Vec::new()), json);
    let nowhere = "collection `docs` has no column \"nowhere\"; it has `v`, `half`";
    check(1, texts("nowhere", Vec::new()), nowhere);
}

#[test]
fn f32_vectors_go_into_half_columns() {
    let docs = collection(IdType::Int64);
    let vectors = Some(Values::Vectors(packed(vec![0; 32], v1::ElementType::F32)));
    let rows =
        rows_in(&docs, batch(1, column("half", vectors, Vec::new()))).expect("rounded later");
    let VectorInput::Packed { element, bytes } = &rows.vectors[0].1 else {
        panic!("packed vectors stay packed");
    };
    assert_eq!((*element, bytes.len()), (ElementType::F32, 32));
}

#[test]
fn packed_vectors_are_not_copied() {
    let docs = collection(IdType::Int64);
    let bytes = Bytes::from(vec![1; 16]);
    let vectors = v1::Vectors { data: Some(v1::vectors::Data::Packed(bytes.clone())), element: 0 };
    let values = Some(Values::Vectors(vectors));
    let rows = rows_in(&docs, batch(1, column("v", values, Vec::new()))).expect("a right batch");
    let VectorInput::Packed { bytes: found, .. } = &rows.vectors[0].1 else {
        panic!("packed vectors stay packed");
    };
    assert_eq!(found.as_ptr(), bytes.as_ptr());
}

#[test]
fn wrong_ids_are_refused() {
    let (by_int, by_string) = (collection(IdType::Int64), collection(IdType::String));
    let many = i64::try_from(limits::WRITE_ROWS_MAX).expect("small") + 1;
    refused(write_ids_in(&by_int, None), "there are no ids");
    refused(write_ids_in(&by_int, ints(vec![])), "0 ids are not the 1 to 65536 of one write");
    refused(write_ids_in(&by_int, ints((0..many).collect())), "65537 ids");
    refused(
        fetch_ids_in(&by_int, ints((0..20_000).collect())),
        "20000 ids are not the 1 to 16384 of one get",
    );
    refused(
        write_ids_in(&by_string, ints(vec![1])),
        "collection `docs` has string ids, the request has int64 ids",
    );
    refused(rows_in(&by_int, None), "set `rows`");
    let twice = vec![column("v", Some(Values::Vectors(floats(vec![0.0; 4]))), Vec::new()); 2];
    refused(
        rows_in(&by_int, Some(v1::RowBatch { ids: ints(vec![1]), columns: twice })),
        "column `v` is there twice",
    );
    let wide = vec![v1::ColumnValues::default(); 257];
    refused(
        rows_in(&by_int, Some(v1::RowBatch { ids: ints(vec![1]), columns: wide })),
        "257 columns are more than",
    );
    refused(columns_in(vec![String::new(); 257]), "257 names of columns");
}
