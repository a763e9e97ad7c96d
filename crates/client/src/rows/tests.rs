//! Rows are built, joined, sent and read without losing a value.

use super::*;

fn two() -> Rows {
    Rows::new([1, 2])
        .vectors("vector", &[1.0, 2.0, 3.0, 4.0])
        .column("word", vec!["a", "b"])
        .column("count", vec![Some(7), None])
}

fn through_message(rows: Rows) -> Rows {
    let message = rows.into_message();
    Rows::from_parts(message.ids, message.columns).expect("a message of ours is right")
}

#[test]
fn rows_survive_the_message() {
    let rows = two()
        .column("flag", vec![true, false])
        .column("at", Scalars::timestamps(vec![None, Some(5)]))
        .column("doc", Scalars::json(vec![Some("{}".into()), None]))
        .column("ratio", vec![0.5, 1.5])
        .column("small", vec![i8::MIN, i8::MAX])
        .column("float", vec![Some(0.1_f32), None])
        .column("tags", vec![vec!["a".to_owned(), String::new()], vec![]])
        .column("times", Scalars::timestamp_arrays(vec![None, Some(vec![1, 2])]));
    assert_eq!(through_message(rows.clone()), rows);
}

#[test]
fn nulls_read_as_null_and_values_as_values() {
    let rows = through_message(two());
    assert_eq!(rows.value("count", 0), Some(Value::Int(7)));
    assert_eq!(rows.value("count", 1), Some(Value::Null));
    assert_eq!(rows.value("count", 2), None);
    assert_eq!(rows.value("vector", 1), Some(Value::Vector(vec![3.0, 4.0])));
    assert_eq!(rows.text("word", 1), Some("b"));
    assert_eq!(rows.value("nothing", 0), None);
}

#[test]
fn arrays_are_read_row_by_row_and_joined() {
    let mut rows = Rows::new([1, 2]).column("n", vec![Some(vec![7_i16, 8]), None]);
    let more = Rows::new([3, 4]).column("n", vec![vec![], vec![9_i64]]);
    rows.append(more).expect("arrays of integers, both");
    let rows = through_message(rows);
    let array = |items: &[i64]| Value::Array(items.iter().copied().map(Value::Int).collect());
    let expected = [array(&[7, 8]), Value::Null, array(&[]), array(&[9])];
    for (row, expected) in expected.into_iter().enumerate() {
        assert_eq!(rows.value("n", row), Some(expected), "row {row}");
    }
    assert_eq!(rows.value("n", 4), None);
    assert_eq!(array(&[7, 8]).to_string(), "[7,8]");
    let other = Rows::new([5]).column("n", vec![vec![0.5]]);
    let mut rows = rows;
    assert!(rows.append(other).is_err(), "arrays of floats do not follow arrays of integers");
}

#[test]
fn nulls_of_either_half_stay_at_their_rows_when_joined() {
    let check = |first: Vec<Option<i64>>, second: Vec<Option<i64>>| {
        let all: Vec<_> = first.iter().chain(&second).copied().collect();
        let mut joined = Scalars::from(first);
        joined.append(Scalars::from(second));
        let values: Vec<_> = (0..joined.len()).map(|row| joined.value(row)).collect();
        let expected: Vec<_> =
            all.into_iter().map(|value| Some(value.map_or(Value::Null, Value::Int))).collect();
        assert_eq!(values, expected);
    };
    check(vec![Some(1)], vec![Some(2)]);
    check(vec![None, Some(1)], vec![Some(2)]);
    check(vec![Some(1)], vec![Some(2), None]);
    check(vec![None; 9], vec![None; 9]);
}

#[test]
fn joined_rows_are_the_rows_one_after_another() {
    let mut rows = two();
    rows.append(two()).expect("the same columns");
    assert_eq!(rows.ids(), &Ids::Int(vec![1, 2, 1, 2]));
    assert_eq!(rows.vector("vector", 3), Some(vec![3.0, 4.0]));
    rows.check().expect("columns grew together");
    let error = rows.append(Rows::new([3])).expect_err("other columns");
    assert!(error.to_string().contains("cannot follow"), "{error}");
    assert_eq!(rows.len(), 4);
}

#[test]
fn uneven_columns_are_refused_by_name() {
    let check = |rows: Rows, expected: &str| {
        let error = rows.check().expect_err("uneven");
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(Rows::new(Vec::<i64>::new()), "no rows");
    check(Rows::new([1]).column("word", vec!["a", "b"]), "column `word` has 2 values for 1 ids");
    check(Rows::new([1, 2]).vectors("v", &[1.0]).vectors("w", &[]), "vectors of `w`");
    check(Rows::new([1, 2, 3]).vectors("v", &[1.0]), "vectors of `v` are 4 bytes");
}

#[test]
fn every_element_type_reads_as_floats() {
    let check = |element, bytes: &[u8], expected: &[f32]| {
        assert_eq!(decode(element, bytes), expected, "{element}");
    };
    check(ElementType::F32, &1.5_f32.to_le_bytes(), &[1.5]);
    check(ElementType::F16, &f16::from_f32(-0.5).to_le_bytes(), &[-0.5]);
    check(ElementType::Bf16, &bf16::from_f32(2.0).to_le_bytes(), &[2.0]);
    check(ElementType::I8, &[255, 3], &[-1.0, 3.0]);
    check(ElementType::U8, &[255], &[255.0]);
    check(ElementType::Binary, &[0b101], &[1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
}
