//! A server in a temporary directory, and clients of it.

use std::net::SocketAddr;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use vicinal_api::v1;
use vicinal_api::v1::admin_client::AdminClient;
use vicinal_api::v1::collections_client::CollectionsClient;
use vicinal_api::v1::column_values::Values;
use vicinal_api::v1::rows_client::RowsClient;
use vicinal_api::v1::search_client::SearchClient;
use vicinal_server::{Config, Running, Server};
use vicinal_types::SystemClock;

/// Dimensions of the collections that [`TestServer::with_docs`] makes.
pub(crate) const DIM: usize = 4;

/// A running server and its directory, which goes with it.
pub(crate) struct TestServer {
    pub running: Running,
    pub channel: Channel,
    pub directory: TempDir,
}

/// Settings for tests: free ports, few threads, any disk.
pub(crate) fn config(directory: &TempDir) -> Config {
    let mut config = Config::default();
    config.server.address.set_port(0);
    config.http.address.set_port(0);
    config.server.shutdown_grace_ms = 5_000;
    config.storage.directory = directory.path().join("data");
    config.storage.log_file_bytes = 1024 * 1024;
    config.storage.disk_reserve_bytes = 0;
    config.search.threads = 1;
    config.search.pin_threads = false;
    config.search.profile_machine = false;
    config.flush.workers = 1;
    config.flush.build_threads = 1;
    config
}

/// A connection that is made on its first use.
pub(crate) fn connect(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::try_from(format!("http://{address}")).expect("an address");
    endpoint.connect_lazy()
}

impl TestServer {
    /// A server with the settings of tests.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A server with those settings but for what `change` does.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut config = config(&directory);
        change(&mut config);
        let running = Server::start(config, Arc::new(SystemClock)).await.expect("a server");
        let channel = connect(running.grpc_addr());
        Self { running, channel, directory }
    }

    /// A server with the collection `docs`: int64 ids, `v` (f32, L2), `word`
    /// (string, nullable) and `year` (int64).
    pub(crate) async fn with_docs() -> Self {
        let server = Self::start().await;
        server.create("docs").await;
        server
    }

    /// Creates a collection like `docs`.
    pub(crate) async fn create(&self, name: &str) {
        let request = v1::CreateCollectionRequest { spec: Some(docs(name)), ..Default::default() };
        self.collections().create_collection(request).await.expect("a new collection");
    }

    pub(crate) fn collections(&self) -> CollectionsClient<Channel> {
        CollectionsClient::new(self.channel.clone())
    }

    pub(crate) fn rows(&self) -> RowsClient<Channel> {
        RowsClient::new(self.channel.clone())
            .max_encoding_message_size(usize::MAX)
            .max_decoding_message_size(usize::MAX)
    }

    pub(crate) fn search(&self) -> SearchClient<Channel> {
        SearchClient::new(self.channel.clone())
    }

    pub(crate) fn admin(&self) -> AdminClient<Channel> {
        AdminClient::new(self.channel.clone())
    }

    /// Inserts rows into `docs`: row `id` has the vector (id, 0, 0, 0).
    pub(crate) async fn insert(&self, ids: impl IntoIterator<Item = i64>) -> v1::InsertResponse {
        let request = v1::InsertRequest {
            collection: "docs".to_owned(),
            rows: Some(batch(ids)),
            ..Default::default()
        };
        self.rows().insert(request).await.expect("inserted").into_inner()
    }

    /// Gets a page of the HTTP port: its status and body.
    pub(crate) async fn http(&self, path: &str) -> (u16, String) {
        http(self.running.http_addr(), "GET", path).await
    }
}

/// Asks an HTTP server.
pub(crate) async fn http(address: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, body.to_owned())
}

/// The declaration of a collection like `docs`.
pub(crate) fn docs(name: &str) -> v1::CollectionSpec {
    let column = |name: &str, kind: v1::ScalarType, nullable| v1::ScalarColumn {
        name: name.to_owned(),
        r#type: kind.into(),
        nullable,
        ..Default::default()
    };
    v1::CollectionSpec {
        name: name.to_owned(),
        id_type: v1::IdType::Int64.into(),
        vectors: vec![v1::VectorColumn {
            name: "v".to_owned(),
            dimension: u32::try_from(DIM).expect("small"),
            element: v1::ElementType::F32.into(),
            metric: v1::Metric::L2.into(),
            index: None,
        }],
        columns: vec![
            column("word", v1::ScalarType::String, true),
            column("year", v1::ScalarType::Int64, false),
        ],
        segments: None,
        ttl: None,
    }
}

/// Integer ids.
pub(crate) fn ids(values: impl IntoIterator<Item = i64>) -> Option<v1::Ids> {
    let values = values.into_iter().collect();
    Some(v1::Ids { kind: Some(v1::ids::Kind::Ints(v1::IntIds { values })) })
}

/// The integers of ids.
pub(crate) fn ints(ids: Option<v1::Ids>) -> Vec<i64> {
    match ids.and_then(|ids| ids.kind) {
        Some(v1::ids::Kind::Ints(ints)) => ints.values,
        other => panic!("{other:?} are no integers"),
    }
}

/// Little-endian floats.
pub(crate) fn packed(values: &[f32]) -> v1::Vectors {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    v1::Vectors { data: Some(v1::vectors::Data::Packed(bytes.into())), element: 0 }
}

/// The vector of a row.
pub(crate) fn vector(id: i64) -> [f32; DIM] {
    #[expect(clippy::cast_precision_loss, reason = "tests have few rows")]
    let first = id as f32;
    [first, 0.0, 0.0, 0.0]
}

/// Rows of `docs`: `year` is the id, `word` is null in odd rows.
pub(crate) fn batch(rows: impl IntoIterator<Item = i64>) -> v1::RowBatch {
    let rows: Vec<i64> = rows.into_iter().collect();
    let vectors: Vec<f32> = rows.iter().flat_map(|&id| vector(id)).collect();
    let words = rows.iter().map(|id| format!("word {id}")).collect();
    let mut nulls = vec![0_u8; rows.len().div_ceil(8)];
    for (at, _) in rows.iter().enumerate().filter(|(_, id)| *id % 2 != 0) {
        nulls[at / 8] |= 1 << (at % 8);
    }
    let column = |name: &str, values, nulls| v1::ColumnValues {
        name: name.to_owned(),
        values: Some(values),
        nulls,
    };
    v1::RowBatch {
        ids: ids(rows.iter().copied()),
        columns: vec![
            column("v", Values::Vectors(packed(&vectors)), Vec::new()),
            column("word", Values::Strings(v1::StringValues { values: words }), nulls),
            column("year", Values::Ints(v1::IntValues { values: rows }), Vec::new()),
        ],
    }
}

/// A search of `docs` for the rows nearest to (at, 0, 0, 0).
pub(crate) fn nearest(at: f32, k: u32) -> v1::SearchRequest {
    v1::SearchRequest {
        collection: "docs".to_owned(),
        vector: Some(packed(&[at, 0.0, 0.0, 0.0])),
        k,
        ..Default::default()
    }
}

/// Asserts that a call failed with that code and a sentence that says `expected`.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(
    outcome: Result<T, Status>,
    code: Code,
    expected: &str,
) -> Status {
    let status = outcome.expect_err("a failure");
    assert_eq!(status.code(), code, "{status}");
    assert!(status.message().contains(expected), "{status} does not say {expected:?}");
    status
}
