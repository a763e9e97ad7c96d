//! Starting twice, stopping in order.

use crate::limits::open_call;
use crate::serving::{TestServer, batch, config, connect, http};
use std::sync::Arc;
use std::time::Duration;
use vicinal_api::v1;
use vicinal_api::v1::rows_client::RowsClient;
use vicinal_server::{Server, StartError};
use vicinal_types::SystemClock;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_answers_what_is_in_flight_and_takes_nothing_new() {
    let server = TestServer::start().await;
    let (grpc, http_addr) = (server.running.grpc_addr(), server.running.http_addr());
    let open = open_call(&server.channel).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stopping = tokio::spawn(server.running.shutdown());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!stopping.is_finished(), "a request is in flight");
    let (status, reason) = http(http_addr, "GET", "/readyz").await;
    assert_eq!((status, reason.as_str()), (503, "not ready: the server is shutting down\n"));
    assert_eq!(http(http_addr, "GET", "/healthz").await.0, 200);
    let late = RowsClient::new(connect(grpc)).count(v1::CountRequest::default()).await;
    assert!(late.is_err(), "nothing new is taken");
    open.send.send(v1::StatsRequest {}).await.expect("a server that listens");
    drop(open.send);
    open.answer.await.expect("no panic").expect("what was in flight is answered");
    tokio::time::timeout(Duration::from_secs(5), stopping).await.expect("stops").expect("no panic");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_longer_than_its_grace() {
    let server = TestServer::start_with(|config| config.server.shutdown_grace_ms = 100).await;
    let open = open_call(&server.channel).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stopped = tokio::time::timeout(Duration::from_secs(5), server.running.shutdown()).await;
    stopped.expect("the grace is over");
    assert!(open.answer.await.expect("no panic").is_err(), "the call was cut off");
}

#[tokio::test]
async fn rows_are_there_after_a_restart() {
    let server = TestServer::with_docs().await;
    server.insert(0..10).await;
    let TestServer { running, channel, directory } = server;
    drop(channel);
    running.shutdown().await;
    let running = Server::start(config(&directory), Arc::new(SystemClock)).await.expect("again");
    let mut rows = RowsClient::new(connect(running.grpc_addr()));
    let request = v1::CountRequest { collection: "docs".to_owned(), ..Default::default() };
    assert_eq!(rows.count(request).await.expect("a count").into_inner().rows, 10);
    let more = v1::InsertRequest {
        collection: "docs".to_owned(),
        rows: Some(batch([9, 10])),
        ..Default::default()
    };
    let outcome = rows.insert(more).await.expect("one is new").into_inner();
    assert_eq!((outcome.inserted, outcome.already_exists), (1, vec![0]));
    running.shutdown().await;
}

#[tokio::test]
async fn a_second_server_on_one_directory_is_refused() {
    let server = TestServer::start().await;
    let error = Server::start(config(&server.directory), Arc::new(SystemClock)).await;
    let Err(StartError::Open { directory, source }) = error else {
        panic!("a second server opened the directory");
    };
    let pid = std::process::id().to_string();
    assert!(directory.ends_with("data"));
    assert!(source.to_string().contains(&pid), "{source} does not name process {pid}");
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_setting() {
    let server = TestServer::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let mut config = config(&directory);
    config.server.address = server.running.grpc_addr();
    let error =
        Server::start(config, Arc::new(SystemClock)).await.err().expect("one port, one server");
    let text = error.to_string();
    assert!(text.contains("server.address") && !text.contains('\n'), "{text}");
}

#[tokio::test]
async fn a_wrong_setting_is_refused_before_anything_is_touched() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut config = config(&directory);
    config.server.address = "0.0.0.0:0".parse().expect("an address");
    let error = Server::start(config, Arc::new(SystemClock)).await.err().expect("not insecure");
    assert!(error.to_string().contains("server.insecure"), "{error}");
    assert!(!directory.path().join("data").exists());
}
