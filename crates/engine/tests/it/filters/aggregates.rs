//! Figures of groups: against a brute-force oracle.

use super::collection;
use super::data::{self, DIM, NAME, Row};
use crate::fixture::open;
use arrow_array::{BooleanArray, Float32Array, Int64Array};
use std::collections::BTreeMap;
use std::sync::Arc;
use vicinal_engine::{
    Aggregate, Aggregated, Engine, Figure, Function, Group, GroupBy, GroupOrder, Write,
};
use vicinal_filter::TimeUnit;
use vicinal_storage::SimDisk;
use vicinal_types::{
    Cancel, CollectionSpec, Column, ColumnId, ElementType, Error, IdType, Ids, IndexSpec, Metric,
    RowBatch, ScalarType, ScalarValue, Schema, VectorInput, VectorType,
};

const FUNCTIONS: [Function; 5] =
    [Function::Count, Function::Min, Function::Max, Function::Sum, Function::Avg];

fn by(group_by: GroupBy) -> Aggregate {
    Aggregate {
        filter: None,
        group_by,
        figures: Vec::new(),
        order: GroupOrder::Count,
        limit: 1_000,
        partial_ok: false,
    }
}

fn by_column(name: &str) -> Aggregate {
    by(GroupBy::Column(name.to_owned()))
}

fn figures(functions: &[Function], column: &str) -> Vec<Figure> {
    let figure = |function: &Function| Figure { function: *function, column: column.to_owned() };
    functions.iter().map(figure).collect()
}

fn aggregate(engine: &Engine, asked: &Aggregate) -> Aggregated {
    engine.aggregate("", NAME, asked, &Cancel::never()).expect("groups")
}

fn refused(engine: &Engine, asked: &Aggregate) -> Error {
    engine.aggregate("", NAME, asked, &Cancel::never()).expect_err("a wrong aggregation")
}

/// Words with their rows' values of `near`, by the oracle.
fn by_word(rows: &[Row], passes: impl Fn(&Row) -> bool) -> BTreeMap<Option<String>, Vec<i64>> {
    let mut groups: BTreeMap<_, Vec<i64>> = BTreeMap::new();
    for row in rows.iter().filter(|row| passes(row)) {
        groups.entry(row.word.clone()).or_default().push(row.value("near"));
    }
    groups
}

#[expect(clippy::cast_precision_loss, reason = "sums of a test are small")]
fn expected(key: Option<String>, values: &[i64]) -> Group {
    let (count, sum) = (values.len(), values.iter().sum::<i64>());
    let ends = [values.iter().min(), values.iter().max()].map(|end| end.copied().expect("values"));
    let ints = [i64::try_from(count).expect("small"), ends[0], ends[1], sum];
    let mut values: Vec<_> = ints.map(ScalarValue::Int).into_iter().map(Some).collect();
    values.push(Some(ScalarValue::Float(sum as f64 / count as f64)));
    Group { key: key.map(ScalarValue::Text), rows: count as u64, values }
}

#[test]
fn groups_of_a_column_are_those_of_the_rows_that_pass() {
    let (_, engine, rows) = collection(IndexSpec::default());
    for (text, most) in [(None, i64::MAX), (Some("shuffled < 250000"), 250_000)] {
        let groups = by_word(&rows, |row| row.value("shuffled") < most);
        let asked = Aggregate {
            filter: text.map(|text| data::filter(text, &[])),
            figures: figures(&FUNCTIONS, "near"),
            order: GroupOrder::Key,
            ..by_column("word")
        };
        let answer = aggregate(&engine, &asked);
        let total: usize = groups.values().map(Vec::len).sum();
        assert_eq!((answer.rows, answer.group_count), (total as u64, groups.len() as u64));
        // Null comes last.
        let (null, keyed): (Vec<_>, Vec<_>) = groups.iter().partition(|(key, _)| key.is_none());
        let in_order = keyed.into_iter().chain(null);
        let in_order: Vec<_> =
            in_order.map(|(key, values)| expected(key.clone(), values)).collect();
        assert_eq!(answer.groups, in_order);
        let mut largest = in_order;
        largest.sort_by_key(|group| std::cmp::Reverse(group.rows));
        largest.truncate(7);
        let first = Aggregate { order: GroupOrder::Count, limit: 7, ..asked };
        assert_eq!(aggregate(&engine, &first).groups, largest);
    }
    engine.close();
}

#[test]
fn without_groups_there_is_one_even_of_no_rows() {
    let (_, engine, rows) = collection(IndexSpec::default());
    let all: Vec<_> = rows.iter().map(|row| row.value("near")).collect();
    let asked = Aggregate { figures: figures(&FUNCTIONS, "near"), ..by(GroupBy::Nothing) };
    assert_eq!(aggregate(&engine, &asked).groups, [expected(None, &all)]);
    let words = figures(&[Function::Count, Function::Min, Function::Max], "word");
    let answer = aggregate(&engine, &Aggregate { figures: words, ..by(GroupBy::Nothing) });
    let words: Vec<_> = rows.iter().filter_map(|row| row.word.clone()).collect();
    let ends = [words.iter().min(), words.iter().max()];
    let ends = ends.map(|end| end.cloned().map(ScalarValue::Text));
    assert_eq!(answer.groups[0].values[1..], ends);
    let count = i64::try_from(words.len()).expect("small");
    assert_eq!(answer.groups[0].values[0], Some(ScalarValue::Int(count)));
    let none = Some(data::filter("shuffled < 0", &[]));
    let answer = aggregate(&engine, &Aggregate { filter: none.clone(), ..asked });
    assert_eq!((answer.rows, answer.group_count, answer.groups[0].rows), (0, 1, 0));
    let values = &answer.groups[0].values;
    assert_eq!(values[0], Some(ScalarValue::Int(0)));
    assert!(values[1..].iter().all(Option::is_none));
    let answer = aggregate(&engine, &Aggregate { filter: none, ..by_column("word") });
    assert_eq!((answer.rows, answer.group_count, answer.groups.len()), (0, 0, 0));
    engine.close();
}

#[test]
fn rows_older_than_a_column_are_in_the_group_of_its_default() {
    let (_, engine, rows) = collection(IndexSpec::default());
    data::add_columns(&engine);
    let sum = figures(&[Function::Sum], "price");
    let answer = aggregate(&engine, &Aggregate { figures: sum, ..by_column("price") });
    let all = rows.len() as u64;
    let sum = Some(ScalarValue::Int(7 * i64::try_from(all).expect("small")));
    let group = Group { key: Some(ScalarValue::Int(7)), rows: all, values: vec![sum] };
    assert_eq!(answer.groups, [group]);
    let answer = aggregate(&engine, &by_column("note"));
    assert_eq!(answer.groups, [Group { key: None, rows: all, values: Vec::new() }]);
    engine.close();
}

/// Rows with a timestamp, a float and a bool; an hour between two of them.
fn hourly(rows: i64) -> Engine {
    let engine = open(&SimDisk::new(5)).expect("an empty disk");
    let kind = VectorType::new(8, ElementType::F32, Metric::L2).expect("a right type");
    let scalar = |id, name, scalar| Column::scalar(ColumnId(id), name, scalar, true);
    let columns = vec![
        Column::vector(ColumnId(1), "v", kind),
        scalar(2, "at", ScalarType::Timestamp),
        scalar(3, "heat", ScalarType::Float32),
        scalar(4, "big", ScalarType::Int64),
        scalar(5, "is_even", ScalarType::Bool),
    ];
    let schema = Schema::new(IdType::Int64, columns).expect("a right schema");
    engine.create_collection("", CollectionSpec::new(NAME, schema), None).expect("a collection");
    let heat = |row: i64| (row % 3 != 0).then(|| f32::from(i16::try_from(row).expect("few")) / 2.0);
    let batch = RowBatch {
        ids: Ids::Int((0..rows).collect()),
        vectors: vec![(
            ColumnId(1),
            VectorInput::Floats(vec![0.5; DIM * usize::try_from(rows).expect("few")]),
        )],
        scalars: vec![
            (ColumnId(2), Arc::new((0..rows).map(|row| Some(row * HOUR)).collect::<Int64Array>())),
            (ColumnId(3), Arc::new((0..rows).map(heat).collect::<Float32Array>())),
            (ColumnId(4), Arc::new((0..rows).map(|_| Some(i64::MAX)).collect::<Int64Array>())),
            (
                ColumnId(5),
                Arc::new((0..rows).map(|row| Some(row % 2 == 0)).collect::<BooleanArray>()),
            ),
        ],
    };
    engine.write_blocking("", NAME, Write::Insert(batch), None).expect("an insert");
    engine
}

const HOUR: i64 = 3_600_000_000;

#[test]
fn timestamps_are_grouped_by_stretches_of_time() {
    let engine = hourly(60);
    let days = GroupBy::Time { column: "at".to_owned(), unit: TimeUnit::Day };
    let asked = Aggregate {
        figures: figures(&[Function::Max, Function::Count, Function::Sum, Function::Avg], "heat"),
        order: GroupOrder::Key,
        ..by(days)
    };
    let answer = aggregate(&engine, &asked);
    let days: Vec<_> = answer.groups.iter().map(|group| (group.key.clone(), group.rows)).collect();
    let day = |day: i64| Some(ScalarValue::Int(day * 24 * HOUR));
    assert_eq!(days, [(day(0), 24), (day(1), 24), (day(2), 12)]);
    // Rows 49, 50, 52, 53, 55, 56, 58 and 59, halved.
    let last = &answer.groups[2].values;
    let (sum, count) = (216.0, 8);
    let floats =
        [Some(29.5), Some(sum), Some(sum / 8.0)].map(|value| value.map(ScalarValue::Float));
    assert_eq!(
        *last,
        [floats[0].clone(), Some(ScalarValue::Int(count)), floats[1].clone(), floats[2].clone()]
    );
    engine.close();
}

#[test]
fn sums_beyond_64_bits_are_floats_and_bools_are_groups() {
    let engine = hourly(10);
    let asked = Aggregate {
        figures: figures(&[Function::Sum, Function::Avg], "big"),
        order: GroupOrder::Key,
        ..by_column("is_even")
    };
    let answer = aggregate(&engine, &asked);
    let keys: Vec<_> = answer.groups.iter().map(|group| group.key.clone()).collect();
    assert_eq!(keys, [false, true].map(|key| Some(ScalarValue::Bool(key))));
    let power = 9_223_372_036_854_775_808.0;
    let values = [5.0 * power, power].map(|value| Some(ScalarValue::Float(value)));
    assert_eq!(answer.groups[0].values, values);
    engine.close();
}

#[test]
fn wrong_aggregations_are_refused() {
    let engine = hourly(10);
    let check = |asked: &Aggregate, expected: &str| {
        let error = refused(&engine, asked);
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(&by_column("hot"), "no scalar column `hot`; there are `at`, `heat`");
    check(&by_column("heat"), "float32 values; groups are those of bools");
    let days = GroupBy::Time { column: "big".to_owned(), unit: TimeUnit::Day };
    check(&by(days), "those of a timestamp column");
    let sum = figures(&[Function::Sum], "at");
    check(&Aggregate { figures: sum, ..by(GroupBy::Nothing) }, "sum of column `at`");
    let many = figures(&[Function::Max; 33], "at");
    check(&Aggregate { figures: many, ..by(GroupBy::Nothing) }, "limit of 32");
    check(&Aggregate { limit: 0, ..by_column("at") }, "limit 0 is not between 1 and 65536");
    engine.close();
}

#[test]
fn more_groups_than_the_limit_are_refused() {
    const BATCH: i64 = 50_000;
    let engine = open(&SimDisk::new(3)).expect("an empty disk");
    engine.create_collection("", data::spec(IndexSpec::default()), None).expect("a collection");
    data::write(&engine, 0..BATCH);
    assert!(aggregate(&engine, &by_column("shuffled")).group_count > 40_000);
    data::write(&engine, BATCH..2 * BATCH);
    let error = refused(&engine, &by_column("shuffled"));
    assert!(error.to_string().contains("limit of 65536"), "{error}");
    engine.close();
}
