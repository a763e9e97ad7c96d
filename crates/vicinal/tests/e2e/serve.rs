//! The life of a server: its start, its pages, its orderly end; and the help of
//! every command.

use crate::message::{column, ids, packed};
use crate::process::{
    PATIENCE, POLL, Server, Setup, Starting, free_address, http, until, vicinal, write_file,
};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;
use vicinal_client::proto;
use vicinal_client::proto::column_values::Values;
use vicinal_client::{Client, Code, CollectionSpec, ElementType, Metric, Retry, Rows, VectorType};
use vicinal_types::{Clock as _, SystemClock};

const DIM: usize = 256;

fn rows(ids: impl IntoIterator<Item = i64>) -> Rows {
    let ids: Vec<i64> = ids.into_iter().collect();
    let vector = |id: &i64| (0..DIM).map(|at| (*id + at as i64) as f32).collect::<Vec<_>>();
    let vectors: Vec<f32> = ids.iter().flat_map(vector).collect();
    Rows::new(ids).vectors("v", &vectors)
}

async fn create(client: &Client, name: &str) {
    let dim = u32::try_from(DIM).expect("few");
    let vector = VectorType::new(dim, ElementType::F32, Metric::L2).expect("a type");
    client.create(CollectionSpec::new(name).vector("v", vector)).await.expect("a collection");
}

/// A write of one row that the server has begun to take and whose message is
/// still to be sent.
struct InFlight {
    send: mpsc::Sender<proto::InsertRequest>,
    answer: tokio::task::JoinHandle<Result<proto::InsertResponse, tonic::Status>>,
}

impl InFlight {
    /// Begins it at a server that takes one request at a time.
    async fn begin(server: &Server) -> Self {
        let client = server.client().await;
        let begun = async {
            loop {
                let call = Self::open(&server.channel()).await;
                if call.has_arrived(&client).await {
                    return call;
                }
            }
        };
        tokio::time::timeout(PATIENCE, begun).await.expect("the server takes one request")
    }

    async fn open(channel: &Channel) -> Self {
        let mut stub = tonic::client::Grpc::new(channel.clone());
        stub.ready().await.expect("a connection");
        let (send, messages) = mpsc::channel(1);
        let path = PathAndQuery::from_static("/vicinal.v1.Rows/Insert");
        let call = async move {
            let codec = ProstCodec::<proto::InsertRequest, proto::InsertResponse>::default();
            let messages = tonic::Request::new(ReceiverStream::new(messages));
            stub.client_streaming(messages, path, codec).await.map(tonic::Response::into_inner)
        };
        Self { send, answer: tokio::spawn(call) }
    }

    /// Waits until others are refused, and not because of one another; false if
    /// this call is the one that was.
    async fn has_arrived(&self, client: &Client) -> bool {
        let mut refusals = 0;
        while refusals < 5 && !self.answer.is_finished() {
            tokio::time::sleep(POLL).await;
            match client.list().await {
                Ok(_) => refusals = 0,
                Err(error) => {
                    assert_eq!(error.code(), Code::ResourceExhausted, "{error}");
                    refusals += 1;
                }
            }
        }
        !self.answer.is_finished()
    }

    /// Sends the message and waits for the answer.
    async fn finish(self, id: i64) -> proto::InsertResponse {
        let vectors = column("v", Values::Vectors(packed(&[1.0; DIM])));
        let rows = Some(proto::RowBatch { ids: ids([id]), columns: vec![vectors] });
        let collection = "docs".to_owned();
        let request = proto::InsertRequest { collection, rows, ..Default::default() };
        self.send.send(request).await.expect("a server that listens");
        drop(self.send);
        self.answer.await.expect("no panic").expect("what was in flight is finished")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_finishes_what_is_in_flight_and_takes_nothing_new() {
    let directory = tempfile::tempdir().expect("a directory");
    let setup = Setup::new(directory.path())
        .with("SERVER__SHUTDOWN_GRACE_MS", 20_000)
        .with("LIMITS__MAX_REQUESTS", 1);
    let server = setup.start();
    create(&server.client().await, "docs").await;
    server.client().await.collection("docs").insert(rows(0..100)).await.expect("rows");
    let (page, call) = (server.http_address(), InFlight::begin(&server).await);
    server.terminate();
    until("the end of readiness", || {
        let (status, reason) = http(page, "/readyz")?;
        (status == 503 && reason.contains("shutting down")).then_some(())
    });
    let late = async {
        let client = Client::builder().retry(Retry::NEVER).connect(&server.address()).await?;
        client.collection("docs").count().await
    };
    let late = late.await.expect_err("nothing new is taken");
    assert_eq!(late.code(), Code::Unavailable, "{late}");
    let answered = call.finish(1_000).await;
    assert_eq!(answered.inserted, 1);
    let ended = server.ended();
    assert!(ended.status.success(), "{ended:#?}");
    assert!(ended.lines.iter().any(|line| line.contains("got SIGTERM")), "{ended:#?}");
    let server = setup.start();
    let docs = server.client().await.collection("docs");
    assert_eq!(docs.count().await.expect("a count"), 101);
    assert_eq!(docs.get([1_000_i64], &[]).await.expect("a row").len(), 1);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_ends_after_its_grace_and_at_once_at_a_second_signal() {
    for (grace_ms, signals) in [(200, 1), (60_000, 2)] {
        let directory = tempfile::tempdir().expect("a directory");
        let setup = Setup::new(directory.path())
            .with("SERVER__SHUTDOWN_GRACE_MS", grace_ms)
            .with("LIMITS__MAX_REQUESTS", 1);
        let server = setup.start();
        create(&server.client().await, "docs").await;
        let call = InFlight::begin(&server).await;
        let started = SystemClock.now();
        server.terminate();
        if signals == 2 {
            let page = server.http_address();
            until("the shutdown", || http(page, "/readyz").filter(|(status, _)| *status == 503));
            server.terminate();
        }
        let ended = server.ended();
        let took = SystemClock.now().saturating_duration_since(started);
        assert!(ended.status.success(), "{ended:#?}");
        assert!(took < Duration::from_secs(8), "{took:?} with {signals} signals");
        assert!(call.answer.await.expect("no panic").is_err(), "it was cut off");
    }
}

#[test]
fn a_peer_that_hangs_does_not_hold_up_a_shutdown() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Setup::new(directory.path()).with("SERVER__SHUTDOWN_GRACE_MS", 60_000).start();
    // HTTP/2's preface and empty settings, and never a word again.
    let mut silent = TcpStream::connect(server.address()).expect("a connection");
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    silent.write_all(preface).expect("sent");
    silent.read_exact(&mut [0; 9]).expect("the server's settings");
    let started = SystemClock.now();
    server.stop();
    let took = SystemClock.now().saturating_duration_since(started);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_comes_when_the_log_is_replayed_and_not_before() {
    let directory = tempfile::tempdir().expect("a directory");
    let page = free_address();
    let setup = Setup::new(directory.path()).with("HTTP__ADDRESS", page);
    let server = setup.start();
    let client = server.client().await;
    create(&client, "docs").await;
    for start in (0..20_000).step_by(1_000) {
        client.collection("docs").insert(rows(start..start + 1_000)).await.expect("rows");
    }
    server.kill();
    let started = SystemClock.now();
    let starting = setup.spawn();
    let mut seen = BTreeSet::new();
    until("readiness", || {
        let (status, reason) = http(page, "/readyz")?;
        let (health, _) = http(page, "/healthz")?;
        assert_eq!(health, 200, "the process lives");
        seen.insert(reason);
        (status == 200).then_some(())
    });
    let took = SystemClock.now().saturating_duration_since(started);
    let opening = "not ready: the data directory is being opened\n".to_owned();
    assert_eq!(seen, BTreeSet::from([opening, "ready\n".to_owned()]));
    assert!(took < Duration::from_secs(5), "20 MB of log took {took:?}");
    let Ok(server) = starting.up() else { panic!("it was ready") };
    let count = server.client().await.collection("docs").count().await;
    assert_eq!(count.expect("it is ready"), 20_000);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_rides_out_restarts_and_writes_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let setup = Setup::new(directory.path()).with("SERVER__ADDRESS", free_address());
    let mut server = setup.start();
    let client = Client::connect(&server.address()).await.expect("it serves");
    create(&client, "docs").await;
    let docs = client.collection("docs");
    let writing = tokio::spawn(async move {
        for start in (0..6_000).step_by(10) {
            let answer = docs.insert(rows(start..start + 10)).await.expect("sent again until done");
            // Sent twice, done once: the second attempt hears of the first.
            assert_eq!((answer.inserted, answer.already_exists), (10, vec![]));
        }
    });
    let mut restarts = 0;
    while !writing.is_finished() {
        tokio::time::sleep(Duration::from_millis(150)).await;
        server.kill();
        server = setup.start();
        restarts += 1;
    }
    writing.await.expect("every write was done once");
    assert_eq!(client.collection("docs").count().await.expect("a count"), 6_000);
    assert!(restarts > 1, "{restarts} restarts");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_say_what_happens() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Setup::new(directory.path()).start();
    let client = server.client().await;
    create(&client, "docs").await;
    let docs = client.collection("docs");
    docs.insert(rows(0..100)).await.expect("rows");
    docs.search(&[0.0; DIM][..]).k(3).send().await.expect("hits");
    client.collection("nowhere").count().await.expect_err("there is none");
    assert_eq!(server.http("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(server.http("/readyz"), (200, "ready\n".to_owned()));
    assert_eq!(server.http("/nothing").0, 404);
    let (status, page) = server.http("/metrics");
    assert_eq!(status, 200);
    let has = |words: &[&str]| {
        let found = page.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "{words:?} in no line of\n{page}");
    };
    has(&["vicinal_", "Rows.Insert", "docs"]);
    has(&["vicinal_", "Search.Search", "docs", "_bucket"]);
    has(&["vicinal_", "NOT_FOUND"]);
    has(&["vicinal_rows", "docs", " 100"]);
    has(&["vicinal_log_bytes"]);
    // What does not speak HTTP/2 does no harm.
    let garbage = http(server.address().parse().expect("an address"), "/");
    drop(garbage);
    assert_eq!(docs.count().await.expect("it serves on"), 100);
    server.stop();
}

#[test]
fn a_wrong_configuration_is_refused_in_one_line_with_line_and_key() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("vicinal.yaml");
    let file = path.to_str().expect("UTF-8");
    let check = |text: &str, variable: Option<(&str, &str)>, words: &[&str]| {
        write_file(&path, text);
        let mut command = vicinal(["serve", "-c", file]);
        command.envs(variable).current_dir(directory.path());
        Starting::new(command).ended().says(words);
    };
    check("server:\n  adress: 127.0.0.1:1\n", None, &["line 2", "adress", file]);
    check("serve:\n  address: 127.0.0.1:1\n", None, &["line 1", "serve", file]);
    check("server:\n  address: nowhere\n", None, &["line 2", "address"]);
    check("server: [\n", None, &[file, "line"]);
    check("server:\n  address: 0.0.0.0:1\n", None, &["server.address", "server.insecure"]);
    check("storage:\n  log_file_bytes: 1\n", None, &["storage.log_file_bytes", "1048576"]);
    let variable = Some(("VICINAL_SERVER__ADRESS", "127.0.0.1:1"));
    check("", variable, &["VICINAL_SERVER__ADRESS", "address"]);
    let variable = Some(("VICINAL_STORAGE__LOG_FILE_BYTES", "4294967296"));
    check("", variable, &["storage.log_file_bytes", "1073741824"]);
    let mut command = vicinal(["serve", "-c", "missing.yaml"]);
    command.current_dir(directory.path());
    Starting::new(command).ended().says(&["missing.yaml"]);
    assert!(!directory.path().join("data").exists(), "nothing was touched");
}

#[test]
fn a_port_in_use_is_named_with_its_setting() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Setup::new(directory.path()).start();
    let other = Setup::new(&directory.path().join("other"));
    for key in ["SERVER", "HTTP"] {
        let setting = format!("{}.address", key.to_lowercase());
        let (address, key) = (server.address(), format!("{key}__ADDRESS"));
        other.clone().with(&key, &address).refused().says(&[&setting, &address]);
    }
    server.stop();
}

/// The commands that a help lists, without `help` itself.
fn listed(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| line.starts_with("  "));
    let names = lines.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_has_help_with_an_example() {
    let mut waiting: Vec<Vec<String>> = vec![Vec::new()];
    let mut leaves = 0;
    while let Some(path) = waiting.pop() {
        let arguments = path.iter().map(String::as_str).chain(["--help"]);
        let output = vicinal(arguments).output().expect("the binary starts");
        let help = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(output.status.success(), "{path:?}");
        let commands = listed(&help);
        leaves += usize::from(commands.is_empty());
        let name = ["vicinal"].into_iter().chain(path.iter().map(String::as_str));
        let name = name.collect::<Vec<_>>().join(" ");
        let (_, examples) = help.split_once("Examples:\n").unwrap_or_default();
        let own = if commands.is_empty() { name.as_str() } else { "vicinal" };
        assert!(examples.contains(own), "`{name} --help` shows no example of it:\n{help}");
        waiting.extend(
            commands.into_iter().map(|command| path.iter().cloned().chain([command]).collect()),
        );
    }
    assert!(leaves >= 14, "{leaves} commands");
}

#[test]
fn clients_without_a_server_fail_in_one_line() {
    let address = free_address().to_string();
    let started = SystemClock.now();
    let output = vicinal(["count", "-c", "docs", "--address", &address]).output();
    let output = output.expect("the binary starts");
    assert_eq!(output.status.code(), Some(1));
    let line = crate::process::one_line(&output);
    assert!(line.contains(&address) && line.contains("vicinal serve"), "{line}");
    assert!(SystemClock.now().saturating_duration_since(started) < PATIENCE);
}
