//! What passes, for the cases that people expect something of.

use crate::table::schema;
use arrow_array::{ArrayRef, Float32Array, Float64Array, Int64Array, StringArray};
use std::sync::Arc;
use vicinal_filter::{ColumnRef, Columns, EvaluateError, Expression, Filter, Parameters, Value};
use vicinal_types::{IdType, Schema};

const NOW: i64 = 1_767_225_600_000_000;

fn columns(schema: &Schema) -> Columns {
    let mut columns = Columns::new(5);
    let mut insert = |name: &str, array: ArrayRef| {
        let column = match schema.column(name) {
            Some(column) => ColumnRef::Column(column.id),
            None => ColumnRef::Id,
        };
        columns.insert(column, array).expect("five rows");
    };
    insert("id", Arc::new(Int64Array::from(vec![10, 11, 12, 13, 14])));
    let ints = [Some(0), Some(9_007_199_254_740_993), None, Some(-7), Some(i64::MAX)];
    insert("int64", Arc::new(Int64Array::from(ints.to_vec())));
    let floats = [Some(-0.0), Some(9_007_199_254_740_992.0), Some(0.1), None, Some(2.0)];
    insert("float64", Arc::new(Float64Array::from(floats.to_vec())));
    insert("float32", Arc::new(Float32Array::from(vec![0.1, 0.5, 16_777_216.0, 1e10, -0.0])));
    let texts = [Some("a%b"), Some("Ärger"), None, Some(""), Some("a\nb")];
    insert("string", Arc::new(StringArray::from(texts.to_vec())));
    let day = 86_400_000_000;
    let times = [NOW, NOW - 3 * day, NOW - 8 * day, NOW + 1, NOW - day];
    insert("timestamp", Arc::new(Int64Array::from(times.to_vec())));
    let documents = [
        r#"{"a": {"b": [1, "x"]}, "n": 1}"#,
        r#"{"a": null, "n": 1.0}"#,
        r#"{"n": "1", "key with.dot": true}"#,
        "not json",
        r#"[0, 0.30000000000000004]"#,
    ];
    insert("json", Arc::new(StringArray::from(documents.to_vec())));
    columns
}

fn passing(text: &str, parameters: &Parameters) -> Vec<u32> {
    let schema = schema(IdType::Int64);
    let expression = Expression::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let filter = Filter::new(&expression, &schema, parameters, NOW);
    let filter = filter.unwrap_or_else(|error| panic!("{error}"));
    let found = filter.evaluate(&columns(&schema), None, &mut |_| None).expect("columns are there");
    found.iter().collect()
}

fn check(text: &str, expected: &[u32]) {
    assert_eq!(passing(text, &Parameters::new()), expected, "{text}");
}

#[test]
fn nulls_pass_neither_a_test_nor_its_opposite() {
    check("int64 = 0", &[0]);
    check("not int64 = 0", &[1, 3, 4]);
    check("int64 != 0", &[1, 3, 4]);
    check("int64 in []", &[]);
    check("int64 not in []", &[0, 1, 3, 4]);
    check("int64 is null", &[2]);
    check("int64 is not null and string is not null", &[0, 1, 3, 4]);
    check("int64 = 0 or id = 12", &[0, 2]);
    check("not (int64 = 0 and id = 12)", &[0, 1, 3, 4]);
}

#[test]
fn numbers_compare_exactly() {
    check("int64 > 9007199254740992.0", &[1, 4]);
    check("int64 = 9007199254740992.0", &[]);
    check("float64 = 9007199254740993", &[]);
    check("float64 < 9007199254740993", &[0, 1, 2, 4]);
    check("int64 > float64", &[1, 4]);
    check("float64 = 0", &[0]);
    check("float64 in [0, 2]", &[0, 4]);
    check("float32 = 0.1", &[0]);
    check("float32 in [0.1, 16777216]", &[0, 2]);
    check("float32 = 16777217", &[]);
    check("float32 + 0 = 0.1", &[]);
    check("int64 < 1e300", &[0, 1, 3, 4]);
}

#[test]
fn arithmetic_that_fails_is_unknown() {
    check("int64 + 1 > 0", &[0, 1]);
    check("not (int64 + 1 > 0)", &[3]);
    check("1 / int64 = 0", &[1, 3, 4]);
    check("1 / int64 is null", &[0, 2]);
    check("int64 / 2 = -3", &[3]);
    check("int64 % 2 = -1", &[3]);
    check("float64 / 0 is null", &[0, 1, 2, 3, 4]);
    check("9223372036854775807 + 1 > 0", &[]);
    check("not (9223372036854775807 + 1 > 0)", &[]);
    check("-int64 = 7", &[3]);
    check("-9223372036854775808 < int64", &[0, 1, 3, 4]);
}

#[test]
fn strings_compare_by_bytes_and_match_patterns() {
    check("string > 'a'", &[0, 1, 4]);
    check("string >= 'b'", &[1]);
    check("string = \"\"", &[3]);
    check("string = 'a\\u{25}b'", &[0]);
    check("string like 'a%'", &[0, 4]);
    check("string like 'a\\%%'", &[0]);
    check("string like 'a!%b' escape '!'", &[0]);
    check("string like 'a_b'", &[0, 4]);
    check("string not like '%b'", &[1, 3]);
    check("string like '_rger'", &[1]);
    check("string regex '^a.b$'", &[0]);
    check(r"string matches r'\s'", &[4]);
    check("length(string) = 5", &[1]);
    check("length(string) = 3 and string < 'a\\n\\u007f'", &[4]);
}

#[test]
fn times_are_moments_in_utc() {
    check("timestamp > now() - interval '7 days'", &[0, 1, 3, 4]);
    check("timestamp <= now()", &[0, 1, 2, 4]);
    check("timestamp = timestamp'2026-01-01T02:00:00+02:00'", &[0]);
    check("timestamp between '2025-12-25' and '2025-12-31'", &[1, 4]);
    check("timestamp in ['2026-01-01', timestamp'2025-12-31']", &[0, 4]);
    check("date_trunc('year', timestamp) = '2025-01-01'", &[1, 2, 4]);
    check("date_trunc('month', timestamp) < now()", &[1, 2, 4]);
    check("now() - timestamp > interval '1 day' * 2", &[1, 2]);
}

#[test]
fn json_is_read_by_path_and_compared_by_type() {
    check("json_get(json, '$.n') = 1", &[0, 1]);
    check("json_get(json, '$.n') != 2", &[0, 1]);
    check("json_get(json, '$.n') = '1'", &[2]);
    check("json_get(json, '$.n') in [1, '1']", &[0, 1, 2]);
    check("json_get(json, '$.n') not in [2]", &[0, 1]);
    check("json_get(json, '$.a') is not null", &[0]);
    check("json_get(json, '$.a.b[1]') like 'x%'", &[0]);
    check("json_get(json, \"$['key with.dot']\")", &[2]);
    check("json_get(json, '$[1]') > 0.3", &[4]);
    check("contains_any(json_get(json, '$.a.b'), ['x', 'y'])", &[0]);
    check("contains_all(json_get(json, '$.a.b'), [1, 'x'])", &[0]);
    check("length(json_get(json, '$')) = 2", &[4]);
    check("json is null", &[]);
    check("int64 < json_get(json, '$.n')", &[0]);
}

#[test]
fn parameters_are_values_and_never_text() {
    let with = |text: &str, name: &str, value: Value| {
        passing(text, &Parameters::from([(name.to_owned(), value)]))
    };
    assert_eq!(with("string = {s}", "s", Value::Text("' or 1 = 1 or '".into())), [0_u32; 0]);
    assert_eq!(with("id in {ids}", "ids", Value::List(vec![Value::Int(11), Value::Int(99)])), [1]);
    assert_eq!(with("float64 < { max }", "max", Value::Float(0.5)), [0, 2]);
    assert_eq!(with("timestamp = {t}", "t", Value::Timestamp(NOW)), [0]);
    assert_eq!(with("id > {x} and id < {x} + 2", "x", Value::Int(11)), [2]);
}

#[test]
fn what_is_missing_is_named() {
    let schema = schema(IdType::Int64);
    let filter = |text: &str| {
        let expression = Expression::parse(text).expect("a filter");
        Filter::new(&expression, &schema, &Parameters::new(), 0).expect("it fits")
    };
    let evaluate = |text: &str| filter(text).evaluate(&columns(&schema), None, &mut |_| None);
    let missing = evaluate("int8 = 1").expect_err("int8 is not there");
    let id = schema.column("int8").expect("a column").id;
    assert_eq!(missing, EvaluateError::Missing(ColumnRef::Column(id)));
    let mut wrong = Columns::new(1);
    let array: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    wrong.insert(ColumnRef::Id, array).expect("one row");
    let error = filter("id = 1").evaluate(&wrong, None, &mut |_| None).expect_err("a string");
    assert!(error.to_string().contains("the primary id has values of type Utf8"), "{error}");
    assert_eq!(filter("1 = 1").constant(), Some(true));
    assert_eq!(filter("id = 1 and 1 > 2").constant(), Some(false));
    assert_eq!(filter("id = 1").constant(), None);
    assert_eq!(filter("id = 1 or int8 = 2").columns(), [ColumnRef::Id, ColumnRef::Column(id)]);
}
