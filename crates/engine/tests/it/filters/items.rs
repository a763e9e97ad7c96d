//! Groups of rows by the items of their arrays: against a brute-force oracle.

use super::data::{self, NAME};
use crate::columns::values::array;
use crate::fixture::open;
use std::collections::BTreeMap;
use std::ops::Range;
use vicinal_engine::{
    Aggregate, Aggregated, Engine, Figure, Function, Group, GroupBy, GroupOrder, Write,
};
use vicinal_filter::TimeUnit;
use vicinal_storage::SimDisk;
use vicinal_types::{
    ArrayItem, Cancel, CollectionSpec, Column, ColumnId, IndexSpec, RowBatch, ScalarType,
    ScalarValue, Schema,
};

const DAY: i64 = 86_400_000_000;

const TYPES: [(&str, ScalarType); 5] = [
    ("tags", ScalarType::Array(ArrayItem::String)),
    ("codes", ScalarType::Array(ArrayItem::Int16)),
    ("flags", ScalarType::Array(ArrayItem::Bool)),
    ("times", ScalarType::Array(ArrayItem::Timestamp)),
    ("price", ScalarType::Int64),
];

/// The items of a row, some of them several times; none: null.
fn items(id: i64, column: &str) -> Option<Vec<ScalarValue>> {
    if id % 9 == 4 {
        return None;
    }
    let count = id % 5;
    let item = |at: i64| match column {
        "tags" => ScalarValue::Text(format!("t{}", (id + at * at) % 7)),
        "codes" => ScalarValue::Int(id * at % 6 - 2),
        "flags" => ScalarValue::Bool(id * at % 3 == 1),
        _ => ScalarValue::Int(id % 40 * at * DAY / 4),
    };
    Some((0..count).map(item).collect())
}

fn batch(ids: Range<i64>) -> RowBatch {
    let values = |column: &str| -> Vec<_> {
        let price = |id| Some(ScalarValue::Int(id * 3));
        let value = |id| match column {
            "price" => price(id),
            _ => items(id, column).map(ScalarValue::Array),
        };
        ids.clone().map(value).collect()
    };
    let columns = TYPES.map(|(name, scalar)| array(scalar, &values(name)));
    let scalars = (2..).map(ColumnId).zip(columns).collect();
    RowBatch { scalars, ..data::batch(ids.clone()) }
}

/// Sealed, growing and deleted rows.
fn collection() -> (SimDisk, Engine, Vec<i64>) {
    let declared = data::spec(IndexSpec::default());
    let mut columns = vec![declared.schema.columns()[0].clone()];
    columns.extend(
        (2..).zip(TYPES).map(|(id, (name, scalar))| {
            Column::scalar(ColumnId(id), name, scalar, name != "price")
        }),
    );
    let schema = Schema::new(declared.schema.id_type(), columns).expect("a right schema");
    let disk = SimDisk::new(6);
    let engine = open(&disk).expect("an empty disk");
    let spec = CollectionSpec { schema, ..declared };
    engine.create_collection("", spec, None).expect("a right declaration");
    for (first, is_sealed) in [(0, true), (3_000, true), (6_000, false)] {
        engine
            .write_blocking("", NAME, Write::Insert(batch(first..first + 3_000)), None)
            .expect("new");
        if is_sealed {
            data::flush(&engine);
        }
    }
    let is_deleted = |id: &i64| id % 11 == 5;
    data::delete(&engine, (0..9_000).filter(is_deleted).collect());
    (disk, engine, (0..9_000).filter(|id| !is_deleted(id)).collect())
}

fn by(group_by: GroupBy) -> Aggregate {
    let figure = |function| Figure { function, column: "price".into() };
    let (figures, order) = (vec![figure(Function::Count), figure(Function::Sum)], GroupOrder::Key);
    Aggregate { filter: None, group_by, figures, order, limit: 1_000, partial_ok: false }
}

fn aggregate(engine: &Engine, asked: &Aggregate) -> Aggregated {
    engine.aggregate("", NAME, asked, &Cancel::never()).expect("groups")
}

/// Groups by a text that orders as their keys do, null last; a row is once in each.
fn oracle(
    ids: impl Iterator<Item = i64>,
    keys: impl Fn(i64) -> Option<Vec<ScalarValue>>,
) -> (u64, Vec<Group>) {
    let mut rows = 0;
    let mut groups: BTreeMap<(bool, String), (Option<ScalarValue>, Vec<i64>)> = BTreeMap::new();
    for id in ids {
        rows += 1;
        let of_row: BTreeMap<(bool, String), Option<ScalarValue>> = match keys(id) {
            None => [((true, String::new()), None)].into(),
            Some(keys) => {
                keys.into_iter().map(|key| ((false, sortable(&key)), Some(key))).collect()
            }
        };
        for (name, key) in of_row {
            groups.entry(name).or_insert((key, Vec::new())).1.push(id);
        }
    }
    let group = |(key, ids): (_, Vec<i64>)| {
        let (count, sum) = (ids.len(), ids.iter().map(|id| id * 3).sum());
        let values = [i64::try_from(count).expect("small"), sum];
        let values = values.map(|value| Some(ScalarValue::Int(value))).to_vec();
        Group { key, rows: count as u64, values }
    };
    (rows, groups.into_values().map(group).collect())
}

fn sortable(key: &ScalarValue) -> String {
    if let ScalarValue::Int(value) = key { format!("{:020}", value + DAY) } else { key.to_string() }
}

#[test]
fn a_row_counts_once_in_the_group_of_each_distinct_item() {
    let (_, engine, ids) = collection();
    for column in ["tags", "codes", "flags", "times"] {
        for (text, modulus) in [(None, 1), (Some("id % 4 = 0"), 4)] {
            let passing = ids.iter().copied().filter(|id| id % modulus == 0);
            let (rows, groups) = oracle(passing, |id| items(id, column));
            let filter = text.map(|text| data::filter(text, &[]));
            let asked = Aggregate { filter, ..by(GroupBy::Column(column.into())) };
            let answer = aggregate(&engine, &asked);
            assert_eq!((answer.rows, answer.group_count), (rows, groups.len() as u64), "{column}");
            assert_eq!(answer.groups, groups, "{column}, {text:?}");
        }
    }
    // Several items may be of one day.
    let day = |key| {
        let ScalarValue::Int(at) = key else { panic!("timestamps are integers") };
        ScalarValue::Int(at - at.rem_euclid(DAY))
    };
    let days = |id| items(id, "times").map(|items| items.into_iter().map(day).collect());
    let (_, groups) = oracle(ids.iter().copied(), days);
    let per_day = GroupBy::Time { column: "times".into(), unit: TimeUnit::Day };
    assert_eq!(aggregate(&engine, &by(per_day)).groups, groups);
    engine.close();
}

#[test]
fn rows_older_than_a_column_of_arrays_have_the_items_of_its_default() {
    let (_, engine, ids) = collection();
    let column = Column::scalar(ColumnId(0), "marks", ScalarType::Array(ArrayItem::Int8), false);
    let marks = [3, 1, 3].map(ScalarValue::Int).to_vec();
    let column = Column { default: Some(ScalarValue::Array(marks)), ..column };
    engine.add_column("", NAME, column, None).expect("a new column");
    let answer = aggregate(&engine, &by(GroupBy::Column("marks".into())));
    let all = ids.len() as u64;
    let groups: Vec<_> =
        answer.groups.iter().map(|group| (group.key.clone(), group.rows)).collect();
    let expected = [1, 3].map(|mark| (Some(ScalarValue::Int(mark)), all));
    assert_eq!((answer.rows, &groups[..]), (all, &expected[..]));
    engine.close();
}

#[test]
fn arrays_whose_items_are_no_keys_make_no_groups() {
    let (_, engine, _) = collection();
    let column = Column::scalar(ColumnId(0), "parts", ScalarType::Array(ArrayItem::Float32), true);
    engine.add_column("", NAME, column, None).expect("a new column");
    let refused = |group_by| {
        let error = engine.aggregate("", NAME, &by(group_by), &Cancel::never());
        error.expect_err("a wrong aggregation").to_string()
    };
    let line = refused(GroupBy::Column("parts".into()));
    assert!(line.contains("`parts`") && line.contains("groups are those of bools"), "{line}");
    let line = refused(GroupBy::Time { column: "codes".into(), unit: TimeUnit::Day });
    assert!(line.contains("stretches of time"), "{line}");
    engine.close();
}
