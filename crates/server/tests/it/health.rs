//! What the server says about itself: health, readiness, metrics, reflection, stats.

use crate::serving::{TestServer, http, nearest, refused};
use std::collections::BTreeSet;
use tonic::Code;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::ServerReflectionResponse;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use vicinal_api::v1;

#[tokio::test]
async fn every_service_is_healthy_once_the_server_started() {
    let server = TestServer::start().await;
    let mut health = HealthClient::new(server.channel.clone());
    let services =
        ["", "vicinal.v1.Search", "vicinal.v1.Rows", "vicinal.v1.Collections", "vicinal.v1.Admin"];
    for service in services {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = health.check(request).await.expect("a known service").into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
    let unknown = HealthCheckRequest { service: "vicinal.v1.Nothing".to_owned() };
    refused(health.check(unknown).await, Code::NotFound, "");
}

#[tokio::test]
async fn reflection_lists_every_service() {
    let server = TestServer::start().await;
    let mut client = tonic::client::Grpc::new(server.channel.clone());
    client.ready().await.expect("a connection");
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let path =
        PathAndQuery::from_static("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    let codec =
        tonic_prost::ProstCodec::<ServerReflectionRequest, ServerReflectionResponse>::default();
    let requests = tonic::Request::new(tokio_stream::once(request));
    let answers = client.streaming(requests, path, codec).await.expect("reflection");
    let answer = answers.into_inner().message().await.expect("an answer").expect("an answer");
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?} is no list");
    };
    let names: BTreeSet<_> = list.service.into_iter().map(|service| service.name).collect();
    let expected = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "vicinal.v1.Admin",
        "vicinal.v1.Collections",
        "vicinal.v1.Rows",
        "vicinal.v1.Search",
    ];
    for name in expected {
        assert!(names.contains(name), "{name} is not among {names:?}");
    }
}

#[tokio::test]
async fn the_http_port_says_that_the_server_is_alive_and_ready() {
    let server = TestServer::start().await;
    assert_eq!(server.http("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(server.http("/readyz").await, (200, "ready\n".to_owned()));
    assert_eq!(server.http("/debug").await.0, 404);
    assert_eq!(http(server.running.http_addr(), "POST", "/metrics").await.0, 405);
}

#[tokio::test]
async fn metrics_count_requests_by_rpc_collection_and_code() {
    let server = TestServer::start().await;
    server.create("counted").await;
    let mut search = server.search();
    let unknown = v1::SearchRequest { collection: "made_up".to_owned(), ..nearest(0.0, 1) };
    refused(search.search(unknown).await, Code::NotFound, "made_up");
    let no_k = v1::SearchRequest { collection: "counted".to_owned(), ..nearest(0.0, 0) };
    refused(search.search(no_k).await, Code::InvalidArgument, "k 0");
    let (status, text) = server.http("/metrics").await;
    assert_eq!(status, 200);
    let labels = r#"rpc="Search.Search",database="default",collection="counted""#;
    for expected in [
        format!("vicinal_requests_total{{{labels}}} 1"),
        format!("vicinal_request_errors_total{{{labels},code=\"INVALID_ARGUMENT\"}} 1"),
        format!("vicinal_request_seconds_count{{{labels}}} 1"),
        format!("vicinal_request_seconds_bucket{{{labels},le=\"0.00005\"}}"),
        format!("vicinal_request_seconds_bucket{{{labels},le=\"10\"}}"),
        "vicinal_rows{database=\"default\",collection=\"counted\"} 0".to_owned(),
        "vicinal_segments{database=\"default\",collection=\"counted\",state=\"sealed\"} 0"
            .to_owned(),
        "vicinal_log_failed 0".to_owned(),
        "vicinal_process_anonymous_bytes ".to_owned(),
        "vicinal_info{version=".to_owned(),
    ] {
        assert!(text.contains(&expected), "{text}\ndoes not say {expected}");
    }
    assert!(!text.contains("made_up"), "a name that does not exist became a label");
    let mut families = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        assert!(families.insert(line.to_owned()), "{line} is there twice");
    }
}

#[tokio::test]
async fn stats_say_what_the_node_is_and_uses() {
    let server = TestServer::with_docs().await;
    server.insert(0..10).await;
    let stats = server.admin().stats(v1::StatsRequest {}).await.expect("stats").into_inner();
    assert_eq!(stats.version, env!("CARGO_PKG_VERSION"));
    assert!(["avx512bf16", "avx512", "avx2", "scalar"].contains(&stats.isa.as_str()));
    assert!(stats.cpu_us > 0);
    let memory = stats.memory.expect("memory");
    assert!(memory.process_anonymous_bytes > 0 && memory.process_mapped_bytes > 0);
    assert!(!memory.components.is_empty());
    assert!(stats.log.expect("a log").syncs > 0);
    let docs = stats.collections.iter().find(|of| of.collection == "docs").expect("docs");
    assert_eq!((docs.database.as_str(), docs.rows), ("default", 10));
}

#[tokio::test]
async fn every_answer_carries_its_own_request_id() {
    let server = TestServer::start().await;
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let answer = server.admin().stats(v1::StatsRequest {}).await.expect("stats");
        let id = answer.metadata().get("x-request-id").expect("an id");
        let id = id.to_str().expect("ASCII").to_owned();
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert!(seen.insert(id));
    }
    let failed = server.search().search(nearest(0.0, 1)).await.expect_err("no collection");
    assert!(failed.metadata().contains_key("x-request-id"));
}
