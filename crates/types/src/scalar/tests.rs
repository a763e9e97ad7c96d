//! Names, values and what is refused.

use super::*;

fn text(text: &str) -> ScalarValue {
    ScalarValue::Text(text.to_owned())
}

#[test]
fn every_type_is_found_by_its_name_and_stored_under_it() {
    for scalar in ScalarType::ALL {
        assert_eq!(ScalarType::try_from(scalar.name().to_owned()), Ok(scalar));
        let json = serde_json::to_string(&scalar).expect("a name");
        assert_eq!(json, format!("{:?}", scalar.name()));
        assert_eq!(serde_json::from_str::<ScalarType>(&json).expect("a name"), scalar);
    }
    let wrong = ScalarType::try_from("int128".to_owned()).expect_err("no such type");
    assert!(wrong.contains("int128") && wrong.contains("array<int8>"), "{wrong}");
}

#[test]
fn every_type_but_json_and_arrays_has_arrays() {
    for scalar in ScalarType::ALL {
        let has_arrays = scalar != ScalarType::Json && scalar.item().is_none();
        assert_eq!(scalar.array().is_some(), has_arrays, "{scalar}");
    }
}

#[test]
fn values_become_those_of_the_type() {
    use ScalarValue::{Array, Bool, Float, Int};
    let check = |scalar: ScalarType, given, expected| {
        assert_eq!(scalar.value(given), Ok(expected), "{scalar}");
    };
    check(ScalarType::Bool, Bool(true), Bool(true));
    check(ScalarType::Int8, Int(-128), Int(-128));
    check(ScalarType::Int64, Int(i64::MIN), Int(i64::MIN));
    check(ScalarType::Timestamp, Int(i64::MAX), Int(i64::MAX));
    check(ScalarType::Float64, Int(3), Float(3.0));
    check(ScalarType::Float64, Float(-0.0), Float(-0.0));
    check(ScalarType::Float32, Float(0.1), Float(f64::from(0.1_f32)));
    check(ScalarType::Json, text("{}"), text("{}"));
    let item = ScalarType::Array(ArrayItem::Float32);
    check(item, Array(vec![Int(1), Float(0.5)]), Array(vec![Float(1.0), Float(0.5)]));
    check(item, Array(vec![]), Array(vec![]));
}

#[test]
fn wrong_values_are_refused_with_the_limit() {
    use ScalarValue::{Array, Float, Int};
    let check = |scalar: ScalarType, given, expected: &str| {
        let error = scalar.value(given).expect_err("a wrong value").to_string();
        assert!(error.contains(expected), "{error} does not say {expected:?}");
    };
    check(ScalarType::Int8, Int(300), "300 is not between -128 and 127, which int8 takes");
    check(ScalarType::Int16, Int(-32_769), "-32769 is not between -32768 and 32767");
    check(ScalarType::Int32, Int(i64::MAX), "2147483647, which int32 takes");
    check(ScalarType::Int8, Float(1.0), "1.0 is no int8");
    check(ScalarType::Float32, Float(1e300), "1e300 is no finite float32");
    check(ScalarType::Float64, Float(f64::NAN), "NaN is no finite float64");
    check(ScalarType::Timestamp, text("today"), "\"today\" is no timestamp");
    check(ScalarType::Json, text("{a: 1}"), "is not JSON");
    check(ScalarType::String, text(&"x".repeat(65_537)), "at most 65536 bytes");
    let shorts = ScalarType::Array(ArrayItem::Int8);
    check(shorts, Array(vec![Int(1), Int(128)]), "item 1: 128 is not between");
    check(shorts, Array(vec![Array(vec![])]), "item 0: [] is no int8");
    check(shorts, Array(vec![Int(1); 4_097]), "at most 4096 items, this one has 4097");
}

#[test]
fn values_survive_json_bit_by_bit() {
    let values = [
        ScalarValue::Bool(false),
        ScalarValue::Int(i64::MIN),
        ScalarValue::Float(3.0),
        ScalarValue::Float(-0.0),
        ScalarValue::Float(f64::MIN_POSITIVE / 8.0),
        // A double that only an exact parser reads back.
        ScalarValue::Float(122.416_294_033_786_59),
        text("true"),
        ScalarValue::Array(vec![ScalarValue::Float(1e300), ScalarValue::Int(1)]),
    ];
    for value in values {
        let json = serde_json::to_string(&value).expect("JSON");
        assert_eq!(serde_json::from_str::<ScalarValue>(&json).expect("ours"), value, "{json}");
    }
}
