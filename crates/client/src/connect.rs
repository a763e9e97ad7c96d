//! The connection: one per [`Client`], shared by its clones.

use crate::error::{Error, Result, root};
use crate::retry::{Retry, retry_hint};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use vicinal_api::v1 as proto;
use vicinal_types::{RequestId, limits};

/// Bytes in flight on a stream before the receiver has to confirm: a batch of
/// rows or hits fits, so no transfer waits for a round trip in the middle.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;

/// The same for all streams of a connection together.
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// A connection to a server. Cheap to clone; clones share the connection, which
/// is made again by itself when it breaks.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    database: String,
    timeout: Option<Duration>,
}

struct Shared {
    channel: Channel,
    address: String,
    message_bytes: usize,
    retry: Retry,
    /// Guards nothing but itself; held for one draw.
    random: Mutex<SmallRng>,
}

/// How to connect; made by [`Client::builder`].
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    database: String,
    timeout: Option<Duration>,
    connect_timeout: Duration,
    message_bytes: usize,
    retry: Retry,
}

impl Client {
    /// Connects with default settings to `host:port`.
    ///
    /// # Errors
    /// [`Error::Address`] or [`Error::Unreachable`].
    pub async fn connect(address: &str) -> Result<Self> {
        Self::builder().connect(address).await
    }

    /// Settings to change before connecting.
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            database: String::new(),
            timeout: Some(Duration::from_secs(30)),
            connect_timeout: Duration::from_secs(5),
            message_bytes: limits::MESSAGE_BYTES_MAX,
            retry: Retry::default(),
        }
    }

    /// The same connection, speaking of another database; empty: `default`.
    #[must_use]
    pub fn with_database(mut self, database: impl Into<String>) -> Self {
        self.database = database.into();
        self
    }

    /// The same connection with another time limit per attempt; none: wait for ever.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// Where the server is.
    pub fn address(&self) -> &str {
        &self.shared.address
    }

    pub(crate) fn database(&self) -> String {
        self.database.clone()
    }

    /// What makes a write exactly once, whatever is repeated.
    pub(crate) fn write_options(&self) -> Option<proto::WriteOptions> {
        let RequestId(id) = self.request_id();
        Some(proto::WriteOptions { request_id: id.to_vec(), timeout_ms: 0 })
    }

    fn request_id(&self) -> RequestId {
        RequestId(self.draw(|random| random.random()))
    }

    fn draw<T>(&self, from: impl FnOnce(&mut SmallRng) -> T) -> T {
        from(&mut self.shared.random.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends a message, again and again while the server is unavailable or says when to
    /// come again. What is sent so may happen twice: reads, and writes by the id of their
    /// request.
    pub(crate) async fn call<Q, A, S, F>(&self, message: Q, send: S) -> Result<A>
    where
        Q: Clone,
        S: Fn(Request<Q>) -> F,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let retries = self.shared.retry.retries;
        let start = Instant::now();
        // Only an attempt that may be repeated pays for a copy.
        let mut message = Some(message);
        for attempt in 0..=retries {
            let copy = if attempt == retries { message.take() } else { message.clone() };
            let Some(copy) = copy else { break };
            let mut request = Request::new(copy);
            if let Some(timeout) = self.timeout {
                request.set_timeout(timeout);
            }
            let status = match send(request).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => status,
            };
            let error = Error::from_status(&status, self.address());
            let hint = retry_hint(&status);
            if attempt == retries || error.code() != Code::Unavailable && hint.is_none() {
                return Err(error);
            }
            let jitter = self.draw(|random| random.random());
            let wait = self.shared.retry.wait(attempt, hint, jitter);
            let is_late = |timeout: Duration| start.elapsed().saturating_add(wait) > timeout;
            if hint.is_some() && self.timeout.is_some_and(is_late) {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
        }
        unreachable!("the last attempt returns")
    }

    pub(crate) fn answer_error(&self, reason: impl Into<String>) -> Error {
        Error::Answer { address: self.address().to_owned(), reason: reason.into() }
    }

    pub(crate) fn collections_stub(&self) -> proto::collections_client::CollectionsClient<Channel> {
        let bytes = self.shared.message_bytes;
        proto::collections_client::CollectionsClient::new(self.shared.channel.clone())
            .max_decoding_message_size(bytes)
            .max_encoding_message_size(bytes)
    }

    pub(crate) fn rows_stub(&self) -> proto::rows_client::RowsClient<Channel> {
        let bytes = self.shared.message_bytes;
        proto::rows_client::RowsClient::new(self.shared.channel.clone())
            .max_decoding_message_size(bytes)
            .max_encoding_message_size(bytes)
    }

    pub(crate) fn search_stub(&self) -> proto::search_client::SearchClient<Channel> {
        let bytes = self.shared.message_bytes;
        proto::search_client::SearchClient::new(self.shared.channel.clone())
            .max_decoding_message_size(bytes)
            .max_encoding_message_size(bytes)
    }

    pub(crate) fn admin_stub(&self) -> proto::admin_client::AdminClient<Channel> {
        let bytes = self.shared.message_bytes;
        proto::admin_client::AdminClient::new(self.shared.channel.clone())
            .max_decoding_message_size(bytes)
            .max_encoding_message_size(bytes)
    }

    pub(crate) fn snapshots_stub(&self) -> proto::snapshots_client::SnapshotsClient<Channel> {
        let bytes = self.shared.message_bytes;
        proto::snapshots_client::SnapshotsClient::new(self.shared.channel.clone())
            .max_decoding_message_size(bytes)
            .max_encoding_message_size(bytes)
    }
}

impl ClientBuilder {
    /// Sets the database that calls speak of. Default: `default`.
    #[must_use]
    pub fn database(mut self, database: impl Into<String>) -> Self {
        self.database = database.into();
        self
    }

    /// Sets the time limit of one attempt; none: wait for ever. Default: 30 s.
    /// [`flush`](crate::Collection::flush) has no limit.
    #[must_use]
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the time limit for making a connection. Default: 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the largest message in either direction. Default and what the
    /// server takes: [`limits::MESSAGE_BYTES_MAX`].
    #[must_use]
    pub fn message_bytes(mut self, bytes: usize) -> Self {
        self.message_bytes = bytes;
        self
    }

    /// Sets how often calls are repeated while the server is unavailable or tells to come
    /// again.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Connects to `host:port`; one attempt, so that a wrong address shows at once.
    ///
    /// # Errors
    /// [`Error::Address`] or [`Error::Unreachable`].
    pub async fn connect(self, address: &str) -> Result<Client> {
        let endpoint = self.endpoint(address)?;
        let channel = endpoint.connect().await.map_err(|error| Error::Unreachable {
            address: address.to_owned(),
            reason: root(&error),
        })?;
        let shared = Shared {
            channel,
            address: address.to_owned(),
            message_bytes: self.message_bytes,
            retry: self.retry,
            random: Mutex::new(SmallRng::from_os_rng()),
        };
        Ok(Client { shared: Arc::new(shared), database: self.database, timeout: self.timeout })
    }

    fn endpoint(&self, address: &str) -> Result<Endpoint> {
        let wrong = |reason: String| Error::Address { address: address.to_owned(), reason };
        let url = match address.split_once("://") {
            Some(("http", _)) => address.to_owned(),
            Some((scheme, _)) => return Err(wrong(format!("`{scheme}://` is not spoken here"))),
            None => format!("http://{address}"),
        };
        let endpoint = Endpoint::from_shared(url).map_err(|error| wrong(root(&error)))?;
        if endpoint.uri().port().is_none() {
            return Err(wrong("it names no port".to_owned()));
        }
        Ok(endpoint
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.shared.address)
            .field("database", &self.database)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
