//! Searches grouped by a column: against a model that sorts and groups all rows.

use super::data::{self, DIM, NAME, Row};
use crate::fixture::open;
use arrow_array::{ArrayRef, BooleanArray, Float32Array, Int8Array, Int64Array, StringArray};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use vicinal_engine::{Aggregate, Engine, GroupBy, GroupHits, GroupOrder, QueryHits, Search, Write};
use vicinal_storage::SimDisk;
use vicinal_types::{
    Cancel, CollectionSpec, Column, ColumnId, Effort, ErrorKind, IdType, IndexSpec, RowBatch,
    ScalarType, ScalarValue, Schema, VectorInput,
};

/// Rows of each of two sealed segments; half as many grow.
const SEGMENT_ROWS: i64 = 2_000;
const ROWS: i64 = 2 * SEGMENT_ROWS + SEGMENT_ROWS / 2;

const COLUMNS: [&str; 4] = ["flag", "kind", "at", "doc"];

/// Groups, rows of each, and groups passed over.
const SIZES: [(usize, usize, usize); 6] =
    [(1, 1, 0), (10, 1, 0), (3, 4, 2), (4, 300, 0), (1_500, 3, 10), (10, 2, 5_000)];

/// What groups rows: `flag` and `kind` go with the distance from queries, so that the
/// nearest rows are of one group; `doc` has three rows at most. Of `score` there are no
/// groups.
pub(super) fn key(row: &Row, column: &str) -> Option<ScalarValue> {
    let id = row.id;
    match column {
        "flag" => (id % 10 != 3).then(|| ScalarValue::Bool(row.value("near") < 700_000)),
        "kind" => Some(ScalarValue::Int(row.value("near") / 200_000)),
        "at" => (id % 7 != 0).then(|| ScalarValue::Int(id % 50 * 1_000_000)),
        "score" => (id % 6 != 1).then(|| ScalarValue::Float(score(row).into())),
        _ => Some(ScalarValue::Text(format!("d{}", id / 3))),
    }
}

/// A float of 32 bits, below zero of half the rows.
fn score(row: &Row) -> f32 {
    f32::from(i16::try_from(row.value("near") / 100 - 5_000).expect("small")) / 8.0
}

fn spec(index: IndexSpec) -> CollectionSpec {
    let declared = data::spec(index);
    let vector = declared.schema.columns()[0].clone();
    let scalar = |id, name, scalar, nullable| Column::scalar(ColumnId(id), name, scalar, nullable);
    let columns = vec![
        vector,
        scalar(2, "flag", ScalarType::Bool, true),
        scalar(3, "kind", ScalarType::Int8, false),
        scalar(4, "at", ScalarType::Timestamp, true),
        scalar(5, "doc", ScalarType::String, false),
        scalar(6, "score", ScalarType::Float32, true),
    ];
    let schema = Schema::new(IdType::Int64, columns).expect("a right schema");
    CollectionSpec { schema, ..declared }
}

pub(super) fn batch(ids: Range<i64>) -> RowBatch {
    let rows: Vec<_> = ids.clone().map(data::row).collect();
    let int = |row: &Row, column| match key(row, column) {
        Some(ScalarValue::Int(value)) => Some(value),
        _ => None,
    };
    let flag = |row: &Row| match key(row, "flag") {
        Some(ScalarValue::Bool(value)) => Some(value),
        _ => None,
    };
    let small = |value: i64| i8::try_from(value).expect("five kinds");
    let float = |row: &Row| key(row, "score").map(|_| score(row));
    let scalars: [ArrayRef; 5] = [
        Arc::new(rows.iter().map(flag).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|row| int(row, "kind").map(small)).collect::<Int8Array>()),
        Arc::new(rows.iter().map(|row| int(row, "at")).collect::<Int64Array>()),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| format!("d{}", row.id / 3)))),
        Arc::new(rows.iter().map(float).collect::<Float32Array>()),
    ];
    let scalars = (2..).map(ColumnId).zip(scalars).collect();
    RowBatch { scalars, ..data::batch(ids) }
}

/// Sealed, growing, replaced and deleted rows.
pub(super) fn collection(index: IndexSpec) -> (SimDisk, Engine, Vec<Row>) {
    let disk = SimDisk::new(5);
    let engine = open(&disk).expect("an empty disk");
    engine.create_collection("", spec(index), None).expect("a right declaration");
    let write = |write| engine.write_blocking("", NAME, write, None).expect("a write");
    for first in [0, SEGMENT_ROWS] {
        write(Write::Insert(batch(first..first + SEGMENT_ROWS)));
        data::flush(&engine);
    }
    write(Write::Insert(batch(2 * SEGMENT_ROWS..ROWS)));
    write(Write::Upsert(batch(100..300)));
    let is_deleted = |id: &i64| id % 11 == 5;
    data::delete(&engine, (0..ROWS).filter(is_deleted).collect());
    let rows = (0..ROWS).filter(|id| !is_deleted(id)).map(data::row).collect();
    (disk, engine, rows)
}

fn search_for(
    query: &[f32; DIM],
    column: &str,
    (k, size, offset): (usize, usize, usize),
) -> Search {
    let group_by = Some(GroupHits { column: column.to_owned(), size });
    Search { k, offset, group_by, ..data::search_for(query) }
}

fn find(engine: &Engine, asked: &Search) -> QueryHits {
    data::search(engine, asked.clone()).results.remove(0)
}

/// The groups that an exact search finds, nearest first, and all their rows by distance.
fn model<'a>(
    rows: &'a [Row],
    query: &[f32; DIM],
    column: &str,
    passes: impl Fn(&Row) -> bool,
) -> Vec<(Option<ScalarValue>, Vec<&'a Row>)> {
    let mut sorted: Vec<_> = rows.iter().filter(|row| passes(row)).collect();
    // Scores are not negative: their bits have their order.
    sorted.sort_by_cached_key(|row| row.score(query).to_bits());
    let mut groups: Vec<(Option<ScalarValue>, Vec<&Row>)> = Vec::new();
    let mut numbers = BTreeMap::new();
    for row in sorted {
        let key = key(row, column);
        let number = *numbers.entry(format!("{key:?}")).or_insert(groups.len());
        if number == groups.len() {
            groups.push((key, Vec::new()));
        }
        groups[number].1.push(row);
    }
    groups
}

/// Checks all that holds whatever the recall is; the rows of the model that were found,
/// and all of them.
fn check(engine: &Engine, rows: &[Row], asked: &Search, query: &[f32; DIM]) -> (usize, usize) {
    let GroupHits { column, size } = asked.group_by.clone().expect("a column");
    let radius = asked.radius.unwrap_or(f32::INFINITY);
    let passes = |row: &Row| {
        let is_filtered = asked.filter.is_some() && row.id % 50 >= 25;
        row.score(query) < radius && !is_filtered
    };
    let groups = model(rows, query, &column, passes);
    let wanted = groups.iter().skip(asked.offset).take(asked.k);
    let wanted: Vec<_> = wanted
        .map(|(_, rows)| rows.iter().take(size).map(|row| row.id).collect::<Vec<_>>())
        .collect();
    let hits = find(engine, asked);
    let ids = data::ids(&hits.rows);
    let at = format!("{column} {:?} {:?} {query:?}", asked.group_by, asked.effort);
    assert_eq!(hits.groups.len(), wanted.len(), "{at}");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{at}");
    let (mut keys, mut nearest, mut end) = (BTreeSet::new(), f32::NEG_INFINITY, 0);
    for group in &hits.groups {
        let these = end..end + group.rows;
        end = these.end;
        assert!(keys.insert(format!("{:?}", group.key)), "{at}: {:?} twice", group.key);
        let known = groups.iter().find(|(key, _)| *key == group.key);
        let (_, all) = known.unwrap_or_else(|| panic!("{at}: there is no {:?}", group.key));
        assert_eq!(group.rows, all.len().min(size), "{at}: rows of {:?}", group.key);
        for row in ids[these.clone()].iter().map(|id| data::row(*id)) {
            let is_in = passes(&row) && key(&row, &column) == group.key;
            assert!(is_in, "{at}: {} is not in {:?}", row.id, group.key);
        }
        let scores = &hits.scores[these];
        assert!(scores.is_sorted() && scores[0] >= nearest, "{at}: {scores:?}");
        nearest = scores[0];
    }
    assert_eq!((end, hits.scores.len()), (ids.len(), ids.len()), "{at}");
    let wanted: Vec<i64> = wanted.concat();
    if asked.effort == Effort::Exact {
        assert_eq!(ids, wanted, "{at}");
    }
    let found: BTreeSet<_> = ids.into_iter().collect();
    (wanted.iter().filter(|id| found.contains(id)).count(), wanted.len())
}

#[test]
fn every_index_finds_the_nearest_groups_and_their_nearest_rows() {
    for (name, index) in data::kinds() {
        let (_, engine, rows) = collection(index);
        let condition = data::filter("id % 50 < 25", &[]);
        for column in COLUMNS {
            for (at, sizes) in SIZES.into_iter().enumerate() {
                let (mut found, mut wanted) = (0, 0);
                for query in (0..2).map(data::query) {
                    let filter = (at % 2 == 1).then(|| condition.clone());
                    let asked = Search { filter, ..search_for(&query, column, sizes) };
                    let (these, all) = check(&engine, &rows, &asked, &query);
                    (found, wanted) = (found + these, wanted + all);
                    if name == "paged" {
                        // An exact search asks no index.
                        check(&engine, &rows, &Search { effort: Effort::Exact, ..asked }, &query);
                    }
                }
                assert!(
                    found * 20 >= wanted * 17,
                    "{name}, {column}, {sizes:?}: {found} of {wanted}"
                );
            }
        }
        engine.close();
    }
}

#[test]
fn groups_within_a_radius_are_of_the_rows_within_it() {
    let (_, engine, rows) = collection(IndexSpec::default());
    for column in COLUMNS {
        for query in (0..4).map(data::query) {
            let mut scores: Vec<_> = rows.iter().map(|row| row.score(&query)).collect();
            scores.sort_by(f32::total_cmp);
            let radius = Some((scores[59] + scores[60]) / 2.0);
            let asked = Search { radius, ..search_for(&query, column, (20, 5, 0)) };
            check(&engine, &rows, &Search { effort: Effort::Exact, ..asked }, &query);
        }
    }
    engine.close();
}

#[test]
fn few_groups_take_an_index_and_not_a_scan() {
    let index = data::kinds().into_iter().find(|(name, _)| name == "hnsw Inlined");
    let (_, engine, rows) = collection(index.expect("a kind").1);
    for column in ["at", "doc"] {
        let mut distances = 0;
        for query in (0..10).map(data::query) {
            let asked = search_for(&query, column, (3, 1, 0));
            distances += data::search(&engine, asked).report.distances;
        }
        // The growing segment is always scanned.
        let all = 10 * rows.len() as u64;
        assert!(distances < all * 3 / 4, "{column}: {distances} of {all}");
    }
    engine.close();
}

#[test]
fn a_batch_groups_for_each_query_as_for_it_alone() {
    for (name, index) in data::kinds().into_iter().take(4) {
        let (_, engine, _) = collection(index);
        let queries: Vec<_> = (0..40).map(data::query).collect();
        let floats = VectorInput::Floats(queries.concat());
        let all = search_for(&queries[0], "at", (5, 2, 1));
        let all = data::search(&engine, Search { queries: floats, ..all });
        for (query, hits) in queries.iter().zip(&all.results) {
            let alone = find(&engine, &search_for(query, "at", (5, 2, 1)));
            assert_eq!((&alone.rows.ids, &alone.groups), (&hits.rows.ids, &hits.groups), "{name}");
        }
        engine.close();
    }
}

#[test]
fn rows_older_than_the_column_are_of_the_group_of_its_default() {
    let (_, engine, rows) = collection(IndexSpec::default());
    data::add_columns(&engine);
    let query = data::query(2);
    for (column, value) in [("price", Some(ScalarValue::Int(7))), ("note", None)] {
        let hits = find(&engine, &search_for(&query, column, (10, 4, 0)));
        let groups: Vec<_> =
            hits.groups.iter().map(|group| (group.key.clone(), group.rows)).collect();
        assert_eq!(groups, [(value, 4)], "{column}");
        let nearest = super::oracle(&rows, &query, 1, |_| true)[0];
        assert!((hits.scores[0] - nearest).abs() < nearest * 0.000_01, "{column}");
    }
    engine.close();
}

#[test]
fn a_group_of_all_rows_is_found_under_a_filter() {
    let (_, engine, rows) = collection(IndexSpec::default());
    data::add_columns(&engine);
    // What is left out by groups is nothing, also of a growing segment with deleted rows.
    let filter = Some(data::filter("id % 50 < 25", &[]));
    let passing = rows.iter().filter(|row| row.id % 50 < 25).count();
    for effort in [Effort::DEFAULT, Effort::Exact] {
        let asked = search_for(&data::query(2), "price", (2, 3_000, 0));
        let hits = find(&engine, &Search { effort, filter: filter.clone(), ..asked });
        let groups: Vec<_> = hits.groups.iter().map(|group| group.rows).collect();
        assert_eq!(groups, [passing], "{effort:?}");
    }
    engine.close();
}

#[test]
fn wrong_groups_are_refused() {
    let (_, engine, _) = collection(IndexSpec::default());
    let refused = |column, sizes, expected: &str| {
        let asked = search_for(&data::query(1), column, sizes);
        let error = engine.search_blocking("", NAME, asked, Cancel::never()).expect_err("wrong");
        assert!(error.to_string().contains(expected), "{error}");
    };
    refused("score", (1, 1, 0), "column `score` holds float32 values; groups are those of");
    refused("v", (1, 1, 0), "there is no scalar column `v`; there are `flag`");
    refused("doc", (1, 0, 0), "group_size 0 is not between 1 and 16384");
    refused("doc", (0, 2, 0), "k 0 is not between");
    refused("doc", (5_000, 4, 0), "5000 groups, offset included, of group_size 4 are 20000 rows");
    refused("doc", (1, 4, 4_096), "4097 groups, offset included");
    engine.close();
}

#[test]
fn groups_whose_keys_are_too_long_together_are_refused_and_none_is_kept() {
    const ROWS: i64 = 400;
    const KEY_BYTES: usize = 60_000;
    let engine = open(&SimDisk::new(1)).expect("an empty disk");
    engine.create_collection("", spec(IndexSpec::default()), None).expect("a right declaration");
    let mut rows = batch(0..ROWS);
    let keys = StringArray::from_iter_values((0..ROWS).map(|id| format!("{id:0>KEY_BYTES$}")));
    rows.scalars[3].1 = Arc::new(keys);
    engine.write_blocking("", NAME, Write::Insert(rows), None).expect("rows");
    let query = data::query(1);
    let refused = |asked: Search, expected: &str| {
        let error = engine.search_blocking("", NAME, asked, Cancel::never()).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(expected), "{error}");
    };
    assert_eq!(find(&engine, &search_for(&query, "doc", (400, 1, 0))).groups.len(), 400);
    assert_eq!(find(&engine, &search_for(&query, "doc", (100, 2, 0))).groups.len(), 100);
    // None of the groups is full: the others are looked for by their keys.
    refused(search_for(&query, "doc", (400, 2, 0)), "more than the limit of 16777216 bytes");
    let queries = VectorInput::Floats([query; 3].concat());
    let three = Search { queries, ..search_for(&query, "doc", (400, 1, 0)) };
    refused(three, "more than the limit of 67108864 bytes");
    let by_key = Aggregate {
        filter: None,
        group_by: GroupBy::Column("doc".to_owned()),
        figures: Vec::new(),
        order: GroupOrder::Count,
        limit: 1,
        partial_ok: false,
    };
    let error = engine.aggregate("", NAME, &by_key, &Cancel::never()).expect_err("too long");
    assert!(error.to_string().contains("more than the limit of 16777216 bytes"), "{error}");
    assert!(engine.stats().memory.contains(&("texts of groups", 0)), "all are given back");
    engine.close();
}
