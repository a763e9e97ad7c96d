//! Relations between answers that hold whatever the rows are: no oracle says what is
//! right, two ways to it say the same.

mod pages;
mod relations;

use crate::fixture::{NAME, flush, open, spec, upsert, vector};
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use vicinal_engine::{
    Aggregate, Aggregated, Engine, Figure, Function, GroupBy, GroupOrder, RowFilter, Scroll, Search,
};
use vicinal_filter::Expression;
use vicinal_storage::SimDisk;
use vicinal_types::{
    Cancel, Clock as _, Effort, Ids, IndexKind, IndexSpec, Metric, RowBatch, SystemClock,
    VectorInput,
};

/// Ids are below it; so are those of queries, in a form that no row has.
const IDS: i64 = 160;
const QUERY_FORM: i64 = 9;

/// Ids and the forms of their values.
type Rows = Vec<(i64, i64)>;

/// Rows in some order.
fn some_rows() -> impl Strategy<Value = Rows> {
    let rows = prop::collection::btree_map(0..IDS, 0..3_i64, 1..100);
    rows.prop_map(|rows| rows.into_iter().collect::<Rows>()).prop_shuffle()
}

fn metric() -> impl Strategy<Value = Metric> {
    prop_oneof![Just(Metric::L2), Just(Metric::InnerProduct), Just(Metric::Cosine)]
}

fn kind() -> impl Strategy<Value = IndexKind> {
    prop_oneof![Just(IndexKind::Flat), Just(IndexKind::Hnsw), Just(IndexKind::IvfFlat)]
}

/// Conditions over the columns of the fixture; any two have rows in common now and then.
fn condition() -> impl Strategy<Value = String> {
    let number = || 0..IDS * 10;
    let leaf = prop_oneof![
        (prop_oneof!["<", "<=", "=", "!=", ">", ">="], number())
            .prop_map(|(test, n)| format!("number {test} {n}")),
        (number(), number()).prop_map(|(a, b)| format!("number between {a} and {b}")),
        (0..IDS).prop_map(|n| format!("id in [{n}, {}, {}]", n + 1, n * 2)),
        (0..IDS).prop_map(|n| format!("id < {n}")),
        (1..7_i64, 0..3_i64).prop_map(|(by, left)| format!("number % {by} = {left}")),
        (0..10_i64).prop_map(|n| format!("word like '%{n}%'")),
        (0..IDS, 0..3_i64).prop_map(|(id, form)| format!("word > 'word {id}.{form}'")),
        Just("word is null".to_owned()),
        (6..10_i64).prop_map(|n| format!("length(word) > {n}")),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) or ({b})")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    })
}

/// What is asked of a collection.
#[derive(Clone, Debug)]
struct Questions {
    queries: Vec<i64>,
    k: usize,
    condition: String,
}

fn questions() -> impl Strategy<Value = Questions> {
    (prop::collection::vec(0..IDS, 1..4), 1..20_usize, condition())
        .prop_map(|(queries, k, condition)| Questions { queries, k, condition })
}

/// A hit that no tie with the last one makes a matter of luck: its score's bits, its id.
type Hit = (u32, i64);

/// What a collection answers.
#[derive(Debug, PartialEq)]
struct Answers {
    rows: Rows,
    passing: Rows,
    /// For each query the settled hits of all rows, then of those that pass.
    hits: Vec<[Vec<Hit>; 2]>,
    groups: Aggregated,
}

fn filter(text: &str) -> RowFilter {
    RowFilter::new(Expression::parse(text).expect("a filter"))
}

/// The ids and scores of the nearest, in the order of the answer.
fn search(engine: &Engine, name: &str, search: Search) -> Vec<(i64, f32)> {
    let search = Search { effort: Effort::Exact, ..search };
    let answer = engine.search_blocking("", name, search, Cancel::never()).expect("a search");
    let Ids::Int(ids) = &answer.results[0].rows.ids else { panic!("integer ids") };
    ids.iter().copied().zip(answer.results[0].scores.iter().copied()).collect()
}

fn nearest(query: i64, k: usize) -> Search {
    Search::new(VectorInput::Floats(vector(query, QUERY_FORM).to_vec()), k)
}

/// Hits without those whose score is the last one's, if there may be more of them.
fn settled(found: &[(i64, f32)], k: usize) -> Vec<Hit> {
    let last = found.last().filter(|_| found.len() == k).map(|(_, score)| score.to_bits());
    let hits = found.iter().map(|(id, score)| (score.to_bits(), *id));
    let mut hits: Vec<Hit> = hits.filter(|(score, _)| Some(*score) != last).collect();
    hits.sort_unstable();
    hits
}

/// The rows of a page, told by their numbers: vectors of cosine come back normalised.
fn rows_of(page: &RowBatch) -> Rows {
    let Ids::Int(ids) = &page.ids else { panic!("integer ids") };
    let numbers = page.scalars[0].1.as_primitive::<Int64Type>().values();
    ids.iter().zip(numbers).map(|(id, number)| (*id, number - id * 10)).collect()
}

/// The rows that pass, by id.
fn passing(engine: &Engine, name: &str, condition: Option<&str>) -> Rows {
    let (mut all, mut cursor) = (Rows::new(), Vec::new());
    loop {
        let (columns, filter) = (vec!["number".to_owned()], condition.map(filter));
        let (order_by, partial_ok) = (None, false);
        let scroll = Scroll { cursor, limit: 33, columns, filter, order_by, partial_ok };
        let page = engine.scroll_where("", name, &scroll, &Cancel::never()).expect("a page");
        all.extend(rows_of(&page.rows));
        match page.next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    all.sort_unstable();
    assert!(all.windows(2).all(|pair| pair[0].0 != pair[1].0), "an id comes twice");
    all
}

fn count(engine: &Engine, condition: &str) -> u64 {
    engine.count_where("", NAME, &filter(condition), &Cancel::never()).expect("a count")
}

/// The rows that pass by their words, with figures of their numbers.
fn groups(engine: &Engine, name: &str, condition: &str) -> Aggregated {
    let figure = |function| Figure { function, column: "number".into() };
    let functions = [Function::Count, Function::Min, Function::Max, Function::Sum, Function::Avg];
    let asked = Aggregate {
        filter: Some(filter(condition)),
        group_by: GroupBy::Column("word".into()),
        figures: functions.map(figure).into(),
        order: GroupOrder::Key,
        limit: 1_000,
        partial_ok: false,
    };
    engine.aggregate("", name, &asked, &Cancel::never()).expect("groups")
}

fn ask(engine: &Engine, name: &str, questions: &Questions) -> Answers {
    let Questions { queries, k, condition } = questions;
    let hits = queries.iter().map(|query| {
        let asked = nearest(*query, *k);
        let filtered = Search { filter: Some(filter(condition)), ..asked.clone() };
        [asked, filtered].map(|asked| settled(&search(engine, name, asked), *k))
    });
    Answers {
        hits: hits.collect(),
        rows: passing(engine, name, None),
        passing: passing(engine, name, Some(condition)),
        groups: groups(engine, name, condition),
    }
}

/// A collection on a disk of its own.
fn fresh(metric: Metric, kind: IndexKind) -> (SimDisk, Engine) {
    let disk = SimDisk::new(1);
    let engine = open(&disk).expect("an empty disk");
    let mut spec = spec(metric);
    spec.segments.max_rows = 64;
    spec.indexes.insert("v".into(), IndexSpec { kind, ..IndexSpec::default() });
    engine.create_collection("", spec, None).expect("a right declaration");
    (disk, engine)
}

/// Upserts rows, those of a form together.
fn put(engine: &Engine, rows: &[(i64, i64)]) {
    for form in 0..QUERY_FORM {
        let ids: Vec<_> = rows.iter().filter(|row| row.1 == form).map(|row| row.0).collect();
        if !ids.is_empty() {
            upsert(engine, &ids, form).expect("an upsert");
        }
    }
}

/// A collection of rows in segments of at most so many.
fn sealed(metric: Metric, rows: &[(i64, i64)], segment_rows: usize) -> (SimDisk, Engine) {
    let (disk, engine) = fresh(metric, IndexKind::Flat);
    for part in rows.chunks(segment_rows.max(1)) {
        put(&engine, part);
        flush(&engine);
    }
    (disk, engine)
}

fn compact(engine: &Engine) {
    let end = SystemClock.now() + Duration::from_secs(60);
    let cancel = Cancel::new(Arc::new(SystemClock), Some(end));
    engine.compact("", NAME, &cancel).expect("merges that work");
}
