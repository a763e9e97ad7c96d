//! The client against a small server that misbehaves on demand.

mod server;

use server::Script;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};
use vicinal_client::{Client, Code, Error, OnExisting, Retry, Rows, Value, WriterOptions, Written};

fn quick() -> Retry {
    Retry { retries: 3, first_wait: Duration::from_millis(1), wait_max: Duration::from_millis(2) }
}

async fn connect(address: &str) -> Client {
    let builder = Client::builder().retry(quick());
    builder.connect(address).await.expect("the test server listens")
}

fn rows(ids: std::ops::Range<i64>) -> Rows {
    let count = ids.clone().count();
    Rows::new(ids.collect::<Vec<_>>()).vectors("vector", vec![0.5_f32; count * 2])
}

#[tokio::test]
async fn unavailable_is_retried_with_one_request_id() {
    let server = server::start(Script::fail(2, Status::unavailable("electing"))).await;
    let client = connect(&server.address).await;
    let answer = client.collection("c").insert(rows(0..3)).await.expect("the third attempt");
    assert_eq!(answer.inserted, 3);
    let seen = server.request_ids();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[0].len(), 16);
    assert!(seen.iter().all(|id| id == &seen[0]), "a retry is the same request");
    client.collection("c").insert(rows(0..3)).await.expect("no failure is left");
    assert_ne!(server.request_ids()[3], seen[0], "another call is another request");
}

#[tokio::test]
async fn a_refusal_for_good_is_not_retried_and_the_sentence_is_the_servers() {
    let wrong = Status::invalid_argument("vector has 3 dimensions, collection `c` takes 4");
    let server = server::start(Script::fail(9, wrong)).await;
    let error = connect(&server.address).await.collection("c").insert(rows(0..1)).await;
    let error = error.expect_err("refused");
    assert_eq!(error.code(), Code::InvalidArgument);
    assert_eq!(error.to_string(), "vector has 3 dimensions, collection `c` takes 4");
    assert_eq!(server.request_ids().len(), 1);
}

#[tokio::test]
async fn a_refusal_that_says_when_to_come_again_is_retried_then() {
    let wait = Duration::from_millis(40);
    let server = server::start(Script::fail(2, full_for(wait))).await;
    let client = connect(&server.address).await;
    let start = Instant::now();
    let answer = client.collection("c").insert(rows(0..3)).await.expect("the third attempt");
    assert!(answer.inserted == 3 && start.elapsed() >= 2 * wait, "{:?}", start.elapsed());
    let seen = server.request_ids();
    assert!(seen.len() == 3 && seen.iter().all(|id| id == &seen[0]), "one request: {seen:?}");
}

#[tokio::test]
async fn a_wait_beyond_the_time_limit_is_not_begun() {
    let server = server::start(Script::fail(9, full_for(Duration::from_secs(20)))).await;
    let client = connect(&server.address).await.with_timeout(Some(Duration::from_secs(10)));
    let collection = client.collection("c");
    let call = collection.insert(rows(0..1));
    let outcome = tokio::time::timeout(Duration::from_secs(5), call).await.expect("at once");
    let error = outcome.expect_err("full");
    assert_eq!((error.code(), error.to_string()), (Code::ResourceExhausted, "full".to_owned()));
    assert_eq!(server.request_ids().len(), 1);
}

/// A refusal as the server sends it while memory is full.
fn full_for(wait: Duration) -> Status {
    let details = ErrorDetails::with_retry_info(Some(wait));
    Status::with_error_details(Code::ResourceExhausted, "full", details)
}

#[tokio::test]
async fn retries_end() {
    let server = server::start(Script::fail(99, Status::unavailable("electing"))).await;
    let error = connect(&server.address).await.collection("c").insert(rows(0..1)).await;
    assert_eq!(error.expect_err("never available").code(), Code::Unavailable);
    assert_eq!(server.request_ids().len(), 4, "one attempt and three repetitions");
}

#[tokio::test]
async fn a_broken_connection_is_unavailable_and_made_again() {
    let server = server::start(Script::default()).await;
    let proxy = server::proxy(server.address.clone()).await;
    let client = connect(&proxy.address).await;
    client.collection("c").insert(rows(0..1)).await.expect("whole connection");
    proxy.cut();
    client.collection("c").insert(rows(0..1)).await.expect("made again");
    proxy.stop();
    proxy.cut();
    let error = client.collection("c").insert(rows(0..1)).await.expect_err("nobody there");
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(error.to_string().contains("vicinal serve"), "{error}");
}

#[tokio::test]
async fn a_late_answer_is_a_timeout() {
    let server = server::start(Script::late(Duration::from_secs(5))).await;
    let client = connect(&server.address).await.with_timeout(Some(Duration::from_millis(20)));
    let error = client.collection("c").insert(rows(0..1)).await.expect_err("too late");
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
}

#[tokio::test]
async fn wrong_addresses_are_told_apart_from_absent_servers() {
    let check = async |address: &str, expected: &str| {
        let error = Client::connect(address).await.expect_err("no server");
        assert!(error.to_string().contains(expected), "{error}");
    };
    check("127.0.0.1", "names no port").await;
    check("ftp://127.0.0.1:1", "`ftp://` is not spoken").await;
    check("not an address:1", "write host:port").await;
    check("127.0.0.1:1", "refused").await;
}

#[tokio::test]
async fn writer_cuts_by_rows_and_bytes_and_bounds_what_flies() {
    let check = async |batch_rows, batch_bytes, expected: &[usize]| {
        let server = server::start(Script::late(Duration::from_millis(5))).await;
        let collection = connect(&server.address).await.collection("c");
        let on_existing = OnExisting::Keep;
        let options = WriterOptions { batch_rows, batch_bytes, in_flight: 3, on_existing };
        let mut writer = collection.writer(options);
        for start in (0..310).step_by(30) {
            writer.push(rows(start..310.min(start + 30))).await.expect("written");
        }
        let written = writer.finish().await.expect("written");
        assert_eq!(written, Written { rows: 310, inserted: 310, ..Default::default() });
        let mut batches = server.batch_rows();
        batches.sort_unstable();
        assert_eq!(batches, expected);
        assert_eq!(server.script.flying_max.load(Ordering::SeqCst), 3);
    };
    // Parts of 30 rows, the last has 10; a row is 16 bytes.
    check(100, 1 << 20, &[40, 90, 90, 90]).await;
    check(1_000, 1_000, &[10, 60, 60, 60, 60, 60]).await;
    check(1_000, 1, &[10, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30]).await;
}

#[tokio::test]
async fn writer_reports_the_first_failure_and_refuses_giant_parts() {
    let script = Script::fail(1, Status::resource_exhausted("disk is full"));
    let server = server::start(script).await;
    let collection = connect(&server.address).await.collection("c");
    let mut writer = collection.writer(WriterOptions { batch_rows: 10, ..Default::default() });
    let giant = writer.push(rows(0..11)).await.expect_err("more than a batch");
    assert!(matches!(giant, Error::Invalid(_)), "{giant}");
    writer.push(rows(0..10)).await.expect("sent, not yet answered");
    let error = writer.finish().await.expect_err("refused");
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert_eq!(error.to_string(), "disk is full");
}

#[tokio::test]
async fn scroll_ends_after_the_last_page() {
    let server = server::start(Script::default()).await;
    let collection = connect(&server.address).await.collection("c");
    let mut pages = collection.scroll().columns(["word"]).page_rows(2);
    let mut seen = Vec::new();
    while let Some(page) = pages.next_page().await.expect("a page") {
        for row in 0..page.len() {
            seen.push((page.ids().get(row).to_string(), page.text("word", row).map(String::from)));
        }
    }
    let expected: Vec<_> = (0..5).map(|id| (id.to_string(), Some(format!("w{id}")))).collect();
    assert_eq!(seen, expected);
    assert!(pages.next_page().await.expect("the end stays the end").is_none());
}

#[tokio::test]
async fn pages_of_a_search_follow_their_cursors_and_end() {
    let server = server::start(Script::default()).await;
    let collection = connect(&server.address).await.collection("c");
    let mut pages = collection.search(&[0.1, 0.2]).k(2).exact().pages();
    let mut count = 0;
    while let Some(found) = pages.next_page().await.expect("a page") {
        assert_eq!((found.hits.scores, found.hits.rows.len()), (vec![0.25, 0.5], 2));
        count += 1;
    }
    assert!(pages.next_page().await.expect("the end stays the end").is_none());
    let cursors: Vec<_> = server.searches().into_iter().map(|asked| asked.cursor).collect();
    assert_eq!((count, cursors), (2, vec![Some(Vec::new()), Some(vec![1])]));
    collection.search(&[0.1, 0.2]).send().await.expect("found");
    assert_eq!(server.searches()[2].cursor, None);
}

#[tokio::test]
async fn search_carries_what_was_asked_and_reads_what_was_found() {
    let server = server::start(Script::default()).await;
    let collection = connect(&server.address).await.collection("c");
    let search = collection.search(&[0.1, 0.2]).k(2).min_recall(0.9).columns(["word"]);
    let search = search.group_by("word", 3);
    let found = search.send().await.expect("found");
    assert_eq!(found.hits.scores, [0.25, 0.5]);
    assert_eq!(found.hits.rows.value("word", 1), Some(Value::Text("w1")));
    let groups = found.hits.groups.iter().map(|group| (group.key(), group.rows.clone()));
    assert_eq!(groups.collect::<Vec<_>>(), [(Value::Text("w"), 0..1), (Value::Null, 1..2)]);
    let asked = server.searches();
    assert_eq!(asked[0].k, 2);
    assert_eq!((asked[0].group_by.as_str(), asked[0].group_size), ("word", 3));
    assert_eq!(asked[0].columns, ["word"]);
    let params = asked[0].params.expect("params");
    assert!(!params.allow_cached);
    assert_eq!(format!("{:?}", params.effort_kind), "Some(MinRecall(0.9))");
}
