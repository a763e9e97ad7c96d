//! Searches and answers.

use super::*;
use crate::convert::{answer_out, batch_in, search_in};
use std::time::Duration;
use vicinal_api::v1::search_params::EffortKind;
use vicinal_engine::{HitGroup, QueryHits, SearchAnswer, SearchReport};
use vicinal_types::{Effort, Ids, Nearer, RowBatch, ScalarValue, VectorInput};

fn search(vector: v1::Vectors, k: u32) -> v1::SearchRequest {
    let vector_column = "v".to_owned();
    v1::SearchRequest { vector_column, vector: Some(vector), k, ..Default::default() }
}

fn search_batch(vectors: v1::Vectors, k: u32) -> v1::SearchBatchRequest {
    let vector_column = "v".to_owned();
    v1::SearchBatchRequest { vector_column, vectors: Some(vectors), k, ..Default::default() }
}
/// Says why a search is refused.
fn check(request: v1::SearchRequest, expected: &str) {
    refused(search_in(&collection(IdType::Int64), request), expected);
}

/// Says why a batch of that many queries is refused.
fn check_batch(queries: usize, k: u32, expected: &str) {
    let vectors = floats(vec![0.5; DIM * queries]);
    refused(batch_in(&collection(IdType::Int64), search_batch(vectors, k)), expected);
}

fn one() -> v1::Vectors {
    floats(vec![0.5; DIM])
}

#[test]
fn wrong_searches_are_refused() {
    check(search(one(), 0), "k 0 is not between 1 and 16384");
    check(search(one(), 16_385), "k 16385 is not between 1 and 16384");
    let dimensions = "vector has 8 dimensions, column `v` of collection `docs` takes 4";
    check(search(floats(vec![0.5; 2 * DIM]), 1), dimensions);
    check(v1::SearchRequest { vector: None, ..search(one(), 1) }, "set `vector`");
    let column = |name: &str| {
        let vector_column = name.to_owned();
        v1::SearchRequest { vector_column, ..search(one(), 1) }
    };
    check(column(""), "name one of `v`, `half`, `bits`");
    check(column("w"), "there is no vector column `w`");
}

#[test]
fn wrong_batches_are_refused() {
    check_batch(0, 1, "0 queries are not the 1 to 16384");
    check_batch(16_385, 1, "16385 queries");
    check_batch(1_000, 2_000, "2000000 hits, more than the 1048576");
    check_batch(2, 0, "k 0");
    let torn = search_batch(floats(vec![0.5; 7]), 1);
    let text = "7 elements are not whole vectors";
    refused(batch_in(&collection(IdType::Int64), torn), text);
}

#[test]
fn efforts_have_bounds_and_a_default() {
    let request = |kind| {
        let params = v1::SearchParams { effort_kind: Some(kind), allow_cached: false };
        v1::SearchRequest { params: Some(params), ..search(one(), 1) }
    };
    check(request(EffortKind::Effort(0)), "effort 0 is not between 1 and 65536");
    check(request(EffortKind::Effort(65_537)), "effort 65537");
    check(request(EffortKind::MinRecall(1.5)), "min_recall 1.5");
    check(request(EffortKind::MinRecall(f32::NAN)), "min_recall NaN");
    let docs = collection(IdType::Int64);
    let effort = |kind| search_in(&docs, request(kind)).expect("right").search.effort;
    assert_eq!(effort(EffortKind::Exact(true)), Effort::Exact);
    assert_eq!(effort(EffortKind::Exact(false)), Effort::DEFAULT);
}

#[test]
fn a_search_arrives_whole() {
    let docs = collection(IdType::Int64);
    let params = v1::SearchParams {
        effort_kind: Some(v1::search_params::EffortKind::Effort(64)),
        allow_cached: true,
    };
    let request = v1::SearchRequest {
        columns: vec!["*".to_owned()],
        params: Some(params),
        ..search(floats(vec![0.5; DIM]), 7)
    };
    let asked = search_in(&docs, request).expect("a right search");
    assert!(asked.allow_cached);
    assert_eq!(asked.search.vector_column, "v");
    assert_eq!(asked.search.queries, VectorInput::Floats(vec![0.5; DIM]));
    assert_eq!((asked.search.k, asked.search.effort), (7, Effort::Candidates(64)));
    assert_eq!(asked.search.columns, ["*"]);
}

#[test]
fn partial_answers_are_only_for_those_who_ask_and_never_cached() {
    let request = |partial_ok| v1::SearchRequest {
        params: Some(v1::SearchParams { effort_kind: None, allow_cached: true }),
        options: Some(v1::ReadOptions { partial_ok, ..Default::default() }),
        ..search(one(), 1)
    };
    let asked =
        |partial_ok| search_in(&collection(IdType::Int64), request(partial_ok)).expect("right");
    assert!(asked(true).search.partial_ok && !asked(true).allow_cached);
    assert!(!asked(false).search.partial_ok && asked(false).allow_cached);
}

#[test]
fn pages_carry_their_cursors_and_are_never_cached() {
    let request = |cursor| v1::SearchRequest {
        params: Some(v1::SearchParams { effort_kind: None, allow_cached: true }),
        cursor,
        ..search(one(), 1)
    };
    for cursor in [Some(Vec::new()), Some(vec![3, 1]), None] {
        let asked = search_in(&collection(IdType::Int64), request(cursor.clone())).expect("right");
        assert_eq!(asked.allow_cached, cursor.is_none());
        assert_eq!(asked.search.cursor, cursor);
    }
}

#[test]
fn an_answer_leaves_whole() {
    let rows = RowBatch { ids: Ids::Int(vec![3, 1]), vectors: Vec::new(), scalars: Vec::new() };
    let groups = vec![
        HitGroup { key: Some(ScalarValue::Bool(true)), rows: 1 },
        HitGroup { key: None, rows: 1 },
    ];
    let answer = SearchAnswer {
        results: vec![QueryHits { rows, scores: vec![0.5, 2.0], groups, next: Some(vec![3, 1]) }],
        nearer: Nearer::Lower,
        report: SearchReport { segments: 2, scanned_segments: 1, distances: 99, passing_rows: 7 },
        missing: vec!["segment 3".to_owned()],
    };
    let message = answer_out(&collection(IdType::Int64), answer, Duration::from_micros(12));
    let message = message.expect("one answer");
    assert_eq!((message.nearer(), &message.next[..]), (v1::Nearer::Lower, &[3, 1][..]));
    assert_eq!(message.missing_rows, ["segment 3"]);
    let hits = message.hits.expect("hits");
    assert_eq!((hits.ids, hits.scores), (ints(vec![3, 1]), vec![0.5, 2.0]));
    let key = v1::Value { kind: Some(v1::value::Kind::BoolValue(true)) };
    let groups = [(Some(key), 1), (None, 1)].map(|(key, rows)| v1::HitGroup { key, rows });
    assert_eq!(hits.groups, groups);
    let report = v1::SearchReport {
        segments: 2,
        scanned_segments: 1,
        distances: 99,
        from_cache: false,
        engine_us: 12,
        passing_rows: 7,
    };
    assert_eq!(message.report, Some(report));
}
