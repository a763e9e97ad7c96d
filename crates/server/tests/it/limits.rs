//! The bounds on connections, requests and bytes, and who is turned away at them.

use crate::serving::{TestServer, connect, nearest, refused};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;
use vicinal_api::v1;
use vicinal_api::v1::admin_client::AdminClient;
use vicinal_types::Quota;

/// A call whose messages are sent when we like.
pub(crate) struct OpenCall<M, A> {
    pub send: mpsc::Sender<M>,
    pub answer: JoinHandle<Result<Response<A>, Status>>,
}

/// Begins a call of Admin.Stats and leaves it in flight.
pub(crate) async fn open_call(channel: &Channel) -> OpenCall<v1::StatsRequest, v1::StatsResponse> {
    open(channel, "/vicinal.v1.Admin/Stats").await
}

async fn open<M, A>(channel: &Channel, path: &'static str) -> OpenCall<M, A>
where
    M: prost::Message + 'static,
    A: prost::Message + Default + 'static,
{
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.expect("a connection");
    let (send, messages) = mpsc::channel(1);
    let answer = tokio::spawn(async move {
        let codec = tonic_prost::ProstCodec::<M, A>::default();
        let messages = Request::new(ReceiverStream::new(messages));
        client.client_streaming(messages, PathAndQuery::from_static(path), codec).await
    });
    OpenCall { send, answer }
}

/// Asks until the answer is as wanted: the other call has to arrive first.
async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..500 {
        if let Some(found) = ask().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come about in five seconds");
}

#[tokio::test]
async fn requests_beyond_the_limit_are_shed_and_health_still_answers() {
    let server = TestServer::start_with(|config| config.limits.max_requests = 1).await;
    let open = open_call(&server.channel).await;
    let shed = until(async || server.admin().stats(v1::StatsRequest {}).await.err()).await;
    assert_eq!(shed.code(), Code::ResourceExhausted, "{shed}");
    assert!(shed.message().contains("limits.max_requests"), "{shed}");
    let mut health = tonic_health::pb::health_client::HealthClient::new(server.channel.clone());
    health.check(tonic_health::pb::HealthCheckRequest::default()).await.expect("healthy");
    open.send.send(v1::StatsRequest {}).await.expect("a server that listens");
    drop(open.send);
    open.answer.await.expect("no panic").expect("the first call is answered");
    until(async || server.admin().stats(v1::StatsRequest {}).await.ok()).await;
}

#[tokio::test]
async fn a_message_that_does_not_arrive_is_given_up() {
    let server = TestServer::start_with(|config| config.limits.receive_timeout_ms = 50).await;
    let open = open_call(&server.channel).await;
    let answer = open.answer.await.expect("no panic");
    refused(answer, Code::DeadlineExceeded, "limits.receive_timeout_ms");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed() {
    let server = TestServer::start_with(|config| config.limits.max_connections = 1).await;
    server.admin().stats(v1::StatsRequest {}).await.expect("the first connection");
    let mut second = AdminClient::new(connect(server.running.grpc_addr()));
    let refused = second.stats(v1::StatsRequest {}).await.expect_err("no second connection");
    assert!(
        matches!(refused.code(), Code::Unavailable | Code::Unknown | Code::Cancelled),
        "{refused}"
    );
    server.admin().stats(v1::StatsRequest {}).await.expect("the first still works");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let server = TestServer::start_with(|config| config.server.handshake_timeout_ms = 50).await;
    let mut silent = TcpStream::connect(server.running.grpc_addr()).await.expect("a connection");
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), silent.read_to_end(&mut rest)).await;
    // Closed in order or reset: either way it is over.
    drop(read.expect("the server closes the connection"));
}

#[tokio::test]
async fn bytes_of_all_requests_together_are_bounded_and_given_back() {
    let server = TestServer::start_with(|config| {
        config.limits.message_bytes = 64 * 1024;
        config.limits.request_bytes = 64 * 1024;
    })
    .await;
    let large = v1::SearchRequest { columns: vec!["x".repeat(40 * 1024)], ..nearest(0.0, 1) };
    for _ in 0..10 {
        let answer = server.search().search(large.clone()).await;
        refused(answer, Code::NotFound, "docs");
    }
    let held = open::<_, v1::SearchResponse>(&server.channel, "/vicinal.v1.Search/Search").await;
    held.send.send(large.clone()).await.expect("a server that listens");
    let refused = until(async || {
        let status = server.search().search(large.clone()).await.expect_err("no such collection");
        (status.code() == Code::ResourceExhausted).then_some(status)
    });
    assert!(refused.await.message().contains("limits.request_bytes allows 65536"));
    drop(held.send);
    drop(held.answer.await.expect("no panic").expect_err("no such collection"));
    let answer = server.search().search(large).await;
    assert_eq!(answer.expect_err("no such collection").code(), Code::NotFound);
}

#[tokio::test]
async fn requests_beyond_a_quota_are_refused_with_its_name_and_when_to_come_again() {
    let server = TestServer::start_with(|config| {
        let quota = Quota { requests_per_s: Some(3.0), ..Quota::default() };
        config.quotas.collections.insert("docs".to_owned(), quota);
    })
    .await;
    server.create("docs").await;
    server.create("free").await;
    let mut status = None;
    for _ in 0..50 {
        status = server.search().search(nearest(0.0, 1)).await.err();
        if status.is_some() {
            break;
        }
    }
    let status = status.expect("fifty requests take less than seventeen seconds");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("`docs` has used up its quota requests_per_s 3"), "{status}");
    let wait = status.get_details_retry_info().and_then(|info| info.retry_delay);
    assert!(wait.is_some_and(|wait| wait < Duration::from_secs(1)), "{wait:?}");
    for _ in 0..20 {
        let other = v1::SearchRequest { collection: "free".to_owned(), ..nearest(0.0, 1) };
        server.search().search(other).await.expect("it has no quota");
    }
}
