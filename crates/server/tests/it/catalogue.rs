//! Collections and aliases, end to end.

use crate::serving::{TestServer, docs, ids};
use tonic::Code;
use vicinal_api::v1;

fn describe(collection: &str) -> v1::DescribeCollectionRequest {
    v1::DescribeCollectionRequest { collection: collection.to_owned(), ..Default::default() }
}

#[tokio::test]
async fn a_collection_is_described_as_it_was_declared() {
    let server = TestServer::with_docs().await;
    server.insert(0..5).await;
    let answer = server.collections().describe_collection(describe("docs")).await;
    let answer = answer.expect("docs").into_inner();
    let mut expected = docs("docs");
    expected.segments =
        Some(v1::SegmentLimits { max_rows: 262_144, max_bytes: 536_870_912, max_interval_s: 600 });
    expected.vectors[0].index = Some(v1::IndexSpec {
        kind: v1::IndexKind::Auto.into(),
        m: 16,
        ef_construction: 128,
        flat_below_rows: 4_096,
        engine: v1::IndexEngine::Native.into(),
        codes: v1::IndexCodes::Auto.into(),
        layout: v1::IndexLayout::Memory.into(),
        objective: v1::IndexObjective::Latency.into(),
        ..Default::default()
    });
    for column in &mut expected.columns {
        column.index = v1::ColumnIndex::Auto.into();
    }
    assert_eq!(answer.spec, Some(expected));
    assert_eq!(answer.rows, 5);
    assert_eq!(answer.segments.len(), 1);
    assert_eq!(answer.segments[0].state(), v1::SegmentState::Growing);
    assert_eq!(answer.segments[0].rows, 5);
}

#[tokio::test]
async fn collections_are_listed_by_name_and_dropped() {
    let server = TestServer::start().await;
    server.create("b").await;
    server.create("a").await;
    let list = async || {
        let request = v1::ListCollectionsRequest::default();
        let answer = server.collections().list_collections(request).await.expect("a list");
        answer.into_inner().collections.into_iter().map(|of| of.name).collect::<Vec<_>>()
    };
    assert_eq!(list().await, ["a", "b"]);
    let request = v1::DropCollectionRequest { collection: "a".to_owned(), ..Default::default() };
    server.collections().drop_collection(request).await.expect("dropped");
    assert_eq!(list().await, ["b"]);
}

#[tokio::test]
async fn an_alias_stands_for_its_collection() {
    let server = TestServer::with_docs().await;
    server.create("others").await;
    let point = async |collection: &str| {
        let request = v1::SetAliasRequest {
            alias: "current".to_owned(),
            collection: collection.to_owned(),
            ..Default::default()
        };
        server.collections().set_alias(request).await.expect("an alias").into_inner().previous
    };
    assert_eq!(point("others").await, "");
    assert_eq!(point("docs").await, "others");
    server.insert([1]).await;
    let get =
        v1::GetRequest { collection: "current".to_owned(), ids: ids([1]), ..Default::default() };
    let rows = server.rows().get(get).await.expect("rows").into_inner().rows.expect("rows");
    assert_eq!(rows.ids, ids([1]));
    let list = server.collections().list_aliases(v1::ListAliasesRequest::default()).await;
    let expected = v1::Alias { alias: "current".to_owned(), collection: "docs".to_owned() };
    assert_eq!(list.expect("aliases").into_inner().aliases, [expected]);
    let drop = v1::DropAliasRequest { alias: "current".to_owned(), ..Default::default() };
    server.collections().drop_alias(drop).await.expect("dropped");
    let gone = server.collections().describe_collection(describe("current")).await;
    assert_eq!(gone.expect_err("gone").code(), Code::NotFound);
}

#[tokio::test]
async fn applying_creates_then_changes_then_says_nothing_differs() {
    let server = TestServer::start().await;
    let apply = async |spec: v1::CollectionSpec, dry_run| {
        let request =
            v1::ApplyCollectionRequest { spec: Some(spec), dry_run, ..Default::default() };
        server.collections().apply_collection(request).await.expect("applied").into_inner()
    };
    assert!(apply(docs("docs"), true).await.created);
    let gone = server.collections().describe_collection(describe("docs")).await;
    assert_eq!(gone.expect_err("a dry run").code(), Code::NotFound);
    assert!(apply(docs("docs"), false).await.created);
    let mut wider = docs("docs");
    wider.vectors[0].index = Some(v1::IndexSpec { m: 32, ..Default::default() });
    let changed = apply(wider.clone(), false).await;
    assert!(!changed.created);
    assert_eq!(changed.changes.len(), 1);
    assert_eq!((changed.changes[0].from.as_str(), changed.changes[0].to.as_str()), ("16", "32"));
    assert!(apply(wider, false).await.changes.is_empty());
}

#[tokio::test]
async fn a_repeated_request_id_creates_once() {
    let server = TestServer::start().await;
    let request = v1::CreateCollectionRequest {
        spec: Some(docs("docs")),
        options: Some(v1::WriteOptions { request_id: vec![9; 16], timeout_ms: 0 }),
        ..Default::default()
    };
    let create = async || {
        let answer = server.collections().create_collection(request.clone()).await;
        answer.expect("created, or created before").into_inner().collection_id
    };
    assert_eq!(create().await, create().await);
}
