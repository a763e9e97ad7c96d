//! How many rows a second a core filters: `cargo run --release --example rate`.

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, Float32Array, Float64Array, Int8Array, Int64Array, StringArray};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::Arc;
use vicinal_filter::{ColumnRef, Columns, Expression, Filter, Parameters};
use vicinal_types::{
    ArrayItem, Column, ColumnId, ElementType, IdType, Metric, ScalarType, Schema, VectorType,
};

const ROWS: usize = 1 << 20;

const FILTERS: [&str; 17] = [
    "int64 < 500",
    "int64 between 100 and 200",
    "int64 = 7",
    "int64 in [1, 5, 900]",
    "int64 in [1, 5, 9, 100, 200, 300, 400, 900]",
    "int8 < 50",
    "float32 < 0.1",
    "float64 < 0.1",
    "int64 < 500 and float64 < 0.5",
    "int64 < 10 and string like '%oo%'",
    "int64 * 2 + 1 < 500",
    "string = 'noun.food'",
    "string in ['noun.food', 'noun.plant', 'verb.motion', 'a', 'b', 'c']",
    "string like '%oo%'",
    "string matches 'f[aeiou]+d'",
    "contains(strings, 'b')",
    "json_get(json, '$.b') > 500",
];

fn columns() -> (Schema, Columns) {
    let mut state = 1_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).expect("31 bits")
    };
    let ints: Vec<i64> =
        (0..ROWS).map(|_| i64::try_from(random() % 1_000).expect("small")).collect();
    let floats: Vec<f64> = ints.iter().map(|value| *value as f64 / 1_000.0).collect();
    let words = ["noun.food", "noun.plant", "verb.motion", "adj.all"];
    let texts: Vec<&str> = (0..ROWS).map(|_| words[random() % 4]).collect();
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(ArrayItem::String.field());
    for row in 0..ROWS {
        (0..row % 4).for_each(|item| lists.values().append_value(["a", "b", "c"][item]));
        lists.append(true);
    }
    let documents = ints.iter().map(|value| format!(r#"{{"a": "text", "b": {value}, "c": [1]}}"#));
    let documents: Vec<String> = documents.collect();
    let arrays: [(ScalarType, ArrayRef); 7] = [
        (ScalarType::Int64, Arc::new(Int64Array::from(ints.clone()))),
        (
            ScalarType::Int8,
            Arc::new(Int8Array::from_iter_values(
                ints.iter().map(|value| i8::try_from(value % 100).expect("small")),
            )),
        ),
        (
            ScalarType::Float32,
            Arc::new(Float32Array::from_iter_values(ints.iter().map(|value| *value as f32 / 1e3))),
        ),
        (ScalarType::Float64, Arc::new(Float64Array::from(floats))),
        (ScalarType::String, Arc::new(StringArray::from(texts))),
        (ScalarType::Array(ArrayItem::String), Arc::new(lists.finish())),
        (ScalarType::Json, Arc::new(StringArray::from(documents))),
    ];
    let vector = VectorType::new(4, ElementType::F32, Metric::L2).expect("a right type");
    let mut declared = vec![Column::vector(ColumnId(1), "vector", vector)];
    let mut columns = Columns::new(ROWS);
    for (id, (scalar, array)) in (2..).zip(arrays) {
        let name = scalar.item().map_or(scalar.name(), |_| "strings");
        declared.push(Column::scalar(ColumnId(id), name, scalar, true));
        columns.insert(ColumnRef::Column(ColumnId(id)), array).expect("as many rows");
    }
    (Schema::new(IdType::Int64, declared).expect("a right schema"), columns)
}

/// Seconds of processor time of this thread: others on the machine do not count.
fn seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[expect(clippy::print_stdout, reason = "what it measured is what it is for")]
fn main() {
    let (schema, columns) = columns();
    for text in FILTERS {
        let expression = Expression::parse(text).expect("a filter");
        let filter = Filter::new(&expression, &schema, &Parameters::new(), 0).expect("it fits");
        let mut best = f64::INFINITY;
        let mut rows = 0;
        for _ in 0..12 {
            let start = seconds();
            let found = filter.evaluate(black_box(&columns), None, &mut |_| None);
            best = best.min(seconds() - start);
            rows = found.expect("the columns are there").count();
        }
        println!("{:>9.1} M rows/s  {rows:>8} pass  {text}", ROWS as f64 / best / 1e6);
    }
}
