//! What is refused, with which code and which sentence.

use crate::serving::{DIM, TestServer, batch, docs, ids, nearest, packed, refused, vector};
use std::time::Duration;
use tonic::{Code, Request, Response, Status};
use vicinal_api::v1;
use vicinal_api::v1::column_values::Values;

fn insert(rows: v1::RowBatch) -> v1::InsertRequest {
    v1::InsertRequest { collection: "docs".to_owned(), rows: Some(rows), ..Default::default() }
}

/// One row whose vector is `values`.
fn row_with(values: &[f32]) -> v1::InsertRequest {
    let mut rows = batch([1]);
    rows.columns[0].values = Some(Values::Vectors(packed(values)));
    insert(rows)
}

#[tokio::test]
async fn unknown_names_are_not_found() {
    let server = TestServer::start().await;
    let name = || "nowhere".to_owned();
    let not_found = Code::NotFound;
    let request = v1::SearchRequest { collection: name(), ..nearest(0.0, 1) };
    refused(server.search().search(request).await, not_found, "nowhere");
    let request = v1::InsertRequest { collection: name(), ..insert(batch([1])) };
    refused(server.rows().insert(request).await, not_found, "nowhere");
    let request = v1::CountRequest { collection: name(), ..Default::default() };
    refused(server.rows().count(request).await, not_found, "nowhere");
    let request = v1::FlushRequest { collection: name(), ..Default::default() };
    refused(server.rows().flush(request).await, not_found, "nowhere");
    let request = v1::DescribeCollectionRequest { collection: name(), ..Default::default() };
    refused(server.collections().describe_collection(request).await, not_found, "nowhere");
    let request = v1::DropCollectionRequest { collection: name(), ..Default::default() };
    refused(server.collections().drop_collection(request).await, not_found, "nowhere");
    let request = v1::DropAliasRequest { alias: name(), ..Default::default() };
    refused(server.collections().drop_alias(request).await, not_found, "nowhere");
}

#[tokio::test]
async fn a_giant_name_gets_an_answer_of_ordinary_size() {
    let server = TestServer::with_docs().await;
    let name = "x".repeat(1 << 20);
    let request = v1::SearchRequest { collection: name.clone(), ..nearest(0.0, 1) };
    refused(server.search().search(request).await, Code::NotFound, "xxx");
    let request = v1::SearchRequest { vector_column: name.clone(), ..nearest(0.0, 1) };
    refused(server.search().search(request).await, Code::InvalidArgument, "xxx");
    let request = v1::SearchRequest { columns: vec![name], ..nearest(0.0, 1) };
    refused(server.search().search(request).await, Code::InvalidArgument, "xxx");
}

#[tokio::test]
async fn a_second_collection_of_one_name_already_exists() {
    let server = TestServer::with_docs().await;
    let request = v1::CreateCollectionRequest { spec: Some(docs("docs")), ..Default::default() };
    refused(server.collections().create_collection(request).await, Code::AlreadyExists, "docs");
}

#[tokio::test]
async fn wrong_vectors_are_refused_and_nothing_is_written() {
    let server = TestServer::with_docs().await;
    let mut rows = server.rows();
    let invalid = Code::InvalidArgument;
    refused(
        rows.insert(row_with(&[0.0; 3])).await,
        invalid,
        "vector has 3 dimensions, column `v` of collection `docs` takes 4",
    );
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        refused(rows.insert(row_with(&[0.0, wrong, 0.0, 0.0])).await, invalid, "v");
    }
    let mut both = batch([1, 2]);
    both.columns[0].values =
        Some(Values::Vectors(packed(&[0.0, 0.0, 0.0, 0.0, 0.0, f32::NAN, 0.0, 0.0])));
    refused(rows.insert(insert(both)).await, invalid, "v");
    let count =
        rows.count(v1::CountRequest { collection: "docs".to_owned(), ..Default::default() });
    assert_eq!(count.await.expect("a count").into_inner().rows, 0);
    let mut query = nearest(f32::NAN, 1);
    refused(server.search().search(query.clone()).await, invalid, "");
    query.vector = Some(packed(&[0.0; DIM + 1]));
    refused(server.search().search(query).await, invalid, "vector has 5 dimensions");
}

#[tokio::test]
async fn wrong_rows_are_refused() {
    let server = TestServer::with_docs().await;
    let mut rows = server.rows();
    let invalid = Code::InvalidArgument;
    refused(rows.insert(insert(batch([7, 8, 7]))).await, invalid, "7");
    refused(rows.insert(insert(batch([]))).await, invalid, "0 ids");
    let mut missing = batch([1]);
    missing.columns.retain(|column| column.name != "year");
    refused(rows.insert(insert(missing)).await, invalid, "year");
    let mut null = batch([1]);
    null.columns[2].nulls = vec![1];
    refused(rows.insert(insert(null)).await, invalid, "year");
    let mut long = batch([1]);
    let words = vec!["x".repeat(64 * 1024 + 1)];
    long.columns[1].values = Some(Values::Strings(v1::StringValues { values: words }));
    long.columns[1].nulls = Vec::new();
    refused(rows.insert(insert(long)).await, invalid, "65536");
    let mut strings = batch([1]);
    let values = vec!["one".to_owned()];
    strings.ids = Some(v1::Ids { kind: Some(v1::ids::Kind::Strings(v1::StringIds { values })) });
    refused(rows.insert(insert(strings)).await, invalid, "int64 ids");
    let mut unknown = batch([1]);
    unknown.columns[1].name = "colour".to_owned();
    refused(rows.insert(insert(unknown)).await, invalid, "colour");
}

#[tokio::test]
async fn wrong_options_are_refused() {
    let server = TestServer::with_docs().await;
    let options = Some(v1::WriteOptions { request_id: vec![1; 3], timeout_ms: 0 });
    let request = v1::InsertRequest { options, ..insert(batch([1])) };
    refused(server.rows().insert(request).await, Code::InvalidArgument, "request_id has 3 bytes");
    let options = Some(v1::ReadOptions { consistency: 9, ..Default::default() });
    let request = v1::SearchRequest { options, ..nearest(0.0, 1) };
    refused(server.search().search(request).await, Code::InvalidArgument, "9 is no Consistency");
    let mut request = Request::new(nearest(0.0, 1));
    request.metadata_mut().insert("grpc-timeout", "soon".parse().expect("ASCII"));
    refused(server.search().search(request).await, Code::InvalidArgument, "grpc-timeout");
}

#[tokio::test]
async fn wrong_reads_are_refused() {
    let server = TestServer::with_docs().await;
    let limit =
        v1::ScrollRequest { collection: "docs".to_owned(), limit: 16_385, ..Default::default() };
    refused(server.rows().scroll(limit).await, Code::InvalidArgument, "limit 16385");
    let cursor = v1::ScrollRequest {
        collection: "docs".to_owned(),
        cursor: vec![1, 2, 3],
        ..Default::default()
    };
    refused(server.rows().scroll(cursor).await, Code::InvalidArgument, "cursor");
    let get = v1::GetRequest {
        collection: "docs".to_owned(),
        ids: ids([1]),
        columns: vec!["colour".to_owned()],
        ..Default::default()
    };
    refused(server.rows().get(get).await, Code::InvalidArgument, "colour");
}

/// What the server answers: now and then the client's own clock is faster, and what
/// it says then is not the server's.
async fn answered<T, F>(ask: impl Fn() -> F) -> Result<Response<T>, Status>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    for _ in 0..200 {
        let answer = ask().await;
        if !answer.as_ref().is_err_and(|status| status.message() == "Timeout expired") {
            return answer;
        }
    }
    panic!("the client was faster each time");
}

#[tokio::test]
async fn a_deadline_that_passed_is_said_so() {
    fn hurried<T>(message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("grpc-timeout", "1n".parse().expect("ASCII"));
        request
    }
    let server = TestServer::with_docs().await;
    let search = || async { server.search().search(hurried(nearest(0.0, 1))).await };
    refused(answered(search).await, Code::DeadlineExceeded, "deadline passed");
    let rows = || async { server.rows().insert(hurried(insert(batch([1])))).await };
    let text = "repeat it with the same request_id";
    refused(answered(rows).await, Code::DeadlineExceeded, text);
}

#[tokio::test]
async fn a_default_deadline_holds_for_requests_that_name_none() {
    let server = TestServer::start_with(|config| config.limits.default_timeout_ms = 1).await;
    let slow = v1::CreateCollectionRequest { spec: Some(docs("docs")), ..Default::default() };
    // Creating waits for the disk; whether a millisecond is enough is the disk's affair.
    if let Err(status) = server.collections().create_collection(slow).await {
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    }
    let wait = v1::CreateCollectionRequest {
        spec: Some(docs("others")),
        options: Some(v1::WriteOptions { request_id: Vec::new(), timeout_ms: 60_000 }),
        ..Default::default()
    };
    server.collections().create_collection(wait).await.expect("enough time");
}

#[tokio::test]
async fn messages_above_the_limit_are_refused_by_name() {
    let server = TestServer::start_with(|config| config.limits.message_bytes = 64 * 1024).await;
    server.create("docs").await;
    let large = v1::SearchRequest { vector: Some(packed(&[0.0; 32 * 1024])), ..nearest(0.0, 1) };
    refused(server.search().search(large).await, Code::OutOfRange, "65536");
    for first in (0..4_000).step_by(500) {
        server.insert(first..first + 500).await;
    }
    let all = v1::ScrollRequest {
        collection: "docs".to_owned(),
        limit: 4_000,
        columns: vec!["**".to_owned()],
        ..Default::default()
    };
    refused(server.rows().scroll(all).await, Code::ResourceExhausted, "ask for fewer rows");
}

#[tokio::test]
async fn services_that_do_not_exist_are_unimplemented() {
    let server = TestServer::start().await;
    let mut client = tonic::client::Grpc::new(server.channel.clone());
    client.ready().await.expect("a connection");
    let codec = tonic_prost::ProstCodec::<v1::StatsRequest, v1::StatsResponse>::default();
    let path = tonic::codegen::http::uri::PathAndQuery::from_static("/vicinal.v2.Rows/Insert");
    let answer = client.unary(Request::new(v1::StatsRequest {}), path, codec).await;
    refused(answer, Code::Unimplemented, "no such service");
}

#[tokio::test]
async fn a_client_that_gives_up_harms_nobody() {
    let server = TestServer::with_docs().await;
    server.insert(0..100).await;
    let mut impatient = server.search();
    let gave_up = tokio::time::timeout(Duration::from_micros(1), impatient.search(nearest(0.0, 1)));
    drop(gave_up.await);
    let answer = server.search().search(nearest(3.0, 1)).await.expect("an answer").into_inner();
    assert_eq!(answer.hits.expect("hits").scores, [0.0]);
    assert!((vector(3)[0] - 3.0).abs() < f32::EPSILON);
}
