//! Searches, end to end.

use crate::serving::{TestServer, ids, ints, nearest, packed, refused};
use tonic::Code;
use vicinal_api::v1;
use vicinal_api::v1::column_values::Values;

async fn flush(server: &TestServer) {
    let request = v1::FlushRequest {
        collection: "docs".to_owned(),
        wait_indexed: true,
        ..Default::default()
    };
    server.rows().flush(request).await.expect("flushed");
}

async fn find(server: &TestServer, request: v1::SearchRequest) -> v1::SearchResponse {
    server.search().search(request).await.expect("an answer").into_inner()
}

#[tokio::test]
async fn the_nearest_rows_come_first_with_their_columns() {
    let server = TestServer::with_docs().await;
    server.insert(0..100).await;
    for sealed in [false, true] {
        if sealed {
            flush(&server).await;
        }
        let request = v1::SearchRequest {
            vector_column: "v".to_owned(),
            columns: vec!["year".to_owned()],
            ..nearest(41.8, 3)
        };
        let answer = find(&server, request).await;
        assert_eq!(answer.nearer(), v1::Nearer::Lower);
        let hits = answer.hits.expect("hits");
        assert_eq!(hits.ids, ids([42, 41, 43]), "sealed: {sealed}");
        assert!((hits.scores[0] - 0.04).abs() < 1e-3, "{:?} are squared distances", hits.scores);
        let years = hits.columns[0].values.clone();
        assert_eq!(years, Some(Values::Ints(v1::IntValues { values: vec![42, 41, 43] })));
        let report = answer.report.expect("a report");
        assert!(report.segments >= 1 && report.distances >= 3 && !report.from_cache);
    }
}

#[tokio::test]
async fn a_search_sees_what_was_acknowledged_and_no_deleted_row() {
    let server = TestServer::with_docs().await;
    server.insert(0..10).await;
    flush(&server).await;
    server.insert([77]).await;
    let hits = find(&server, nearest(77.0, 1)).await.hits.expect("hits");
    assert_eq!(ints(hits.ids), [77]);
    let request =
        v1::DeleteRequest { collection: "docs".to_owned(), ids: ids([5]), ..Default::default() };
    server.rows().delete(request).await.expect("deleted");
    let hits = find(&server, nearest(5.0, 20)).await.hits.expect("hits");
    let found = ints(hits.ids);
    assert!(found.len() == 10 && !found.contains(&5), "{found:?}");
}

#[tokio::test]
async fn an_empty_collection_has_no_hits() {
    let server = TestServer::with_docs().await;
    let hits = find(&server, nearest(1.0, 5)).await.hits.expect("hits");
    assert!(ints(hits.ids).is_empty() && hits.scores.is_empty());
}

#[tokio::test]
async fn every_way_to_ask_for_effort_works() {
    use v1::search_params::EffortKind;
    let server = TestServer::with_docs().await;
    server.insert(0..100).await;
    for kind in [EffortKind::Exact(true), EffortKind::Effort(32), EffortKind::MinRecall(0.9)] {
        let params = Some(v1::SearchParams { effort_kind: Some(kind), allow_cached: false });
        let hits = find(&server, v1::SearchRequest { params, ..nearest(7.0, 1) }).await.hits;
        assert_eq!(ints(hits.expect("hits").ids), [7], "{kind:?}");
    }
}

#[tokio::test]
async fn a_batch_answers_its_queries_in_order() {
    let server = TestServer::with_docs().await;
    server.insert(0..100).await;
    let queries = [3.0, 0.0, 0.0, 0.0, 90.0, 0.0, 0.0, 0.0, 50.0, 0.0, 0.0, 0.0];
    let request = v1::SearchBatchRequest {
        collection: "docs".to_owned(),
        vectors: Some(packed(&queries)),
        k: 2,
        ..Default::default()
    };
    let answer = server.search().search_batch(request).await.expect("answers").into_inner();
    let nearest: Vec<_> = answer.results.into_iter().map(|hits| ints(hits.ids)[0]).collect();
    assert_eq!(nearest, [3, 90, 50]);
}

#[tokio::test]
async fn scores_may_have_bounds_and_an_answer_an_offset() {
    let server = TestServer::with_docs().await;
    server.insert(0..100).await;
    let bounded = v1::SearchRequest {
        radius: Some(16.0),
        inner_radius: Some(4.0),
        offset: 1,
        ..nearest(0.0, 50)
    };
    let hits = find(&server, bounded.clone()).await.hits.expect("hits");
    assert_eq!((ints(hits.ids), hits.scores), (vec![3], vec![9.0]), "2 is passed over, 4 is out");
    let v1::SearchRequest { collection, vector, k, radius, inner_radius, offset, .. } = bounded;
    let batch = v1::SearchBatchRequest {
        collection,
        vectors: vector,
        k,
        radius,
        inner_radius,
        offset,
        ..Default::default()
    };
    let answer = server.search().search_batch(batch).await.expect("answers").into_inner();
    assert_eq!(ints(answer.results[0].ids.clone()), [3]);
}

#[tokio::test]
async fn rows_may_be_grouped_by_a_column() {
    let server = TestServer::with_docs().await;
    server.insert(0..100).await;
    let word = |id: i64| {
        let text = v1::value::Kind::StringValue(format!("word {id}"));
        Some(v1::Value { kind: Some(text) })
    };
    let asked = v1::SearchRequest {
        group_by: "word".to_owned(),
        group_size: 2,
        offset: 1,
        ..nearest(10.2, 2)
    };
    for sealed in [false, true] {
        if sealed {
            flush(&server).await;
        }
        let hits = find(&server, asked.clone()).await.hits.expect("hits");
        // 10 is passed over, odd rows have no word.
        assert_eq!(ints(hits.ids), [11, 9, 12], "sealed: {sealed}");
        let groups = [(None, 2), (word(12), 1)].map(|(key, rows)| v1::HitGroup { key, rows });
        assert_eq!(hits.groups, groups);
    }
    let v1::SearchRequest { collection, vector, k, group_by, .. } = asked.clone();
    let vectors = vector;
    let batch = v1::SearchBatchRequest { collection, vectors, k, group_by, ..Default::default() };
    let answer = server.search().search_batch(batch).await.expect("answers").into_inner();
    let groups = [(word(10), 1), (None, 1)].map(|(key, rows)| v1::HitGroup { key, rows });
    assert_eq!(answer.results[0].groups, groups, "one row of each is the default");
    let ungrouped = v1::SearchRequest { group_by: String::new(), ..asked.clone() };
    let outcome = server.search().search(ungrouped).await;
    refused(outcome, Code::InvalidArgument, "group_size 2 is set and group_by is not");
    let large = v1::SearchRequest { group_size: 10_000, ..asked };
    let outcome = server.search().search(large).await;
    refused(outcome, Code::InvalidArgument, "are 30000 rows, the limit is 16384");
}

#[tokio::test]
async fn a_cached_answer_is_said_to_be_one_and_a_write_ends_it() {
    let server = TestServer::start_with(|config| config.cache.result_bytes = 1 << 20).await;
    server.create("docs").await;
    server.insert(0..10).await;
    let params = Some(v1::SearchParams { effort_kind: None, allow_cached: true });
    let ask = async |params: Option<v1::SearchParams>| {
        let answer = find(&server, v1::SearchRequest { params, ..nearest(20.0, 1) }).await;
        let from_cache = answer.report.expect("a report").from_cache;
        (ints(answer.hits.expect("hits").ids)[0], from_cache)
    };
    assert_eq!(ask(params).await, (9, false));
    assert_eq!(ask(params).await, (9, true));
    assert_eq!(ask(None).await, (9, false), "only those who allow it");
    server.insert([20]).await;
    assert_eq!(ask(params).await, (20, false));
    assert_eq!(ask(params).await, (20, true));
    let request =
        v1::DeleteRequest { collection: "docs".to_owned(), ids: ids([20]), ..Default::default() };
    server.rows().delete(request).await.expect("deleted");
    assert_eq!(ask(params).await, (9, false));
    let stats = server.admin().stats(v1::StatsRequest {}).await.expect("stats").into_inner();
    let components = stats.memory.expect("memory").components;
    assert!(components.iter().any(|component| component.name == "result cache"));
}

#[tokio::test]
async fn an_answer_of_a_moment_is_not_kept_and_one_of_any_time_is() {
    let server = TestServer::start_with(|config| config.cache.result_bytes = 1 << 20).await;
    server.create("docs").await;
    server.insert(0..10).await;
    let params = Some(v1::SearchParams { effort_kind: None, allow_cached: true });
    let ask = async |text: &str| {
        let form = Some(v1::filter::Form::Text(text.to_owned()));
        let filter = Some(v1::Filter { form, ..Default::default() });
        let request = v1::SearchRequest { params, filter, ..nearest(20.0, 1) };
        find(&server, request).await.report.expect("a report").from_cache
    };
    for is_repeated in [false, true] {
        assert_eq!(ask("year < 5").await, is_repeated);
        assert!(!ask("year < 5 and now() > timestamp'2020-01-01'").await);
        assert!(!ask("not (year < 5 or date_trunc('day', now()) < timestamp'2020-01-01')").await);
    }
}

#[tokio::test]
async fn without_a_configured_cache_nothing_is_cached() {
    let server = TestServer::with_docs().await;
    server.insert(0..10).await;
    let params = Some(v1::SearchParams { effort_kind: None, allow_cached: true });
    for _ in 0..2 {
        let answer = find(&server, v1::SearchRequest { params, ..nearest(1.0, 1) }).await;
        assert!(!answer.report.expect("a report").from_cache);
    }
}

#[tokio::test]
async fn an_explanation_says_what_the_search_then_takes() {
    let server = TestServer::with_docs().await;
    server.insert(0..100).await;
    flush(&server).await;
    let search = nearest(41.8, 3);
    let explain = |analyze| v1::ExplainRequest { search: Some(search.clone()), analyze };
    let planned = server.search().explain(explain(false)).await.expect("an answer").into_inner();
    assert!(planned.analysis.is_none() && !planned.in_result_cache);
    assert_eq!((planned.k, planned.placement()), (3, v1::Placement::Inline));
    let run = server.search().explain(explain(true)).await.expect("an answer").into_inner();
    let found = find(&server, search.clone()).await.report.expect("a report");
    let analysis = run.analysis.expect("it was run");
    assert_eq!((analysis.hits, analysis.distances), (3, found.distances));
    let segments = run.segments.iter().filter(|segment| segment.rows > 0);
    let [sealed] = &segments.collect::<Vec<_>>()[..] else { panic!("{run:?}") };
    assert_eq!((sealed.state(), sealed.passing_rows), (v1::SegmentState::Sealed, 100));
    let [scan] = &sealed.ways[..] else { panic!("{sealed:?}") };
    assert_eq!((scan.way(), scan.chosen), (v1::PlanWay::Scan, true));
    assert!(scan.predicted.is_some_and(|cost| cost.cpu_us > 0.0 && cost.memory_bytes > 0));
    assert_eq!(sealed.analysis.as_ref().map(|part| (part.distances, part.found)), Some((100, 3)));
    let nothing = v1::ExplainRequest::default();
    let error = server.search().explain(nothing).await.expect_err("a refusal");
    assert_eq!(error.code(), Code::InvalidArgument);
}
