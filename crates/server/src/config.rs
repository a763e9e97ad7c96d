//! The settings of a server: a YAML file, then environment variables, checked.
//!
//! `configs/vicinal.yaml` lists every setting with its meaning; a test asserts
//! that it says exactly what [`Config::default`] says.

mod check;
mod load;

#[cfg(test)]
mod tests;

pub use load::ConfigError;

use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use vicinal_engine::MemoryOptions;
use vicinal_types::{IndexSpec, Quotas, SegmentLimits, limits};

/// Every setting of a server; a section that is left out has its defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where gRPC is served, and by how many threads.
    pub server: ServerConfig,
    /// Where metrics and health are served.
    pub http: HttpConfig,
    /// Where data is kept, and the log.
    pub storage: StorageConfig,
    /// The search pool.
    pub search: SearchConfig,
    /// Segment limits of collections that name none.
    pub segments: SegmentLimits,
    /// Index parameters of vector columns that name none.
    pub index: IndexSpec,
    /// Writes on their way through the Raft log.
    pub raft: RaftConfig,
    /// Sealing segments and building indexes.
    pub flush: FlushConfig,
    /// How much memory may be used.
    pub memory: MemoryConfig,
    /// What databases and collections may use.
    pub quotas: Quotas,
    /// What one client, and all together, may ask for.
    pub limits: LimitsConfig,
    /// Copies of collections elsewhere.
    pub snapshots: SnapshotsConfig,
    /// The result cache.
    pub cache: CacheConfig,
    /// Metrics.
    pub metrics: MetricsConfig,
    /// Logs.
    pub log: LogConfig,
}

/// Where gRPC is served, and by how many threads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address and port of gRPC; port 0 takes a free one.
    pub address: SocketAddr,
    /// Whether addresses other than loopback are allowed although there is no
    /// authentication.
    pub insecure: bool,
    /// Threads that serve requests; 0: one per core.
    pub worker_threads: usize,
    /// How long a new connection may take to send the first bytes of HTTP/2.
    pub handshake_timeout_ms: u64,
    /// How often an idle connection is asked whether it lives; 0: never.
    pub keepalive_interval_ms: u64,
    /// How long the answer may take before the connection is closed.
    pub keepalive_timeout_ms: u64,
    /// How long a shutdown waits for requests in flight.
    pub shutdown_grace_ms: u64,
}

/// Copies of collections elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SnapshotsConfig {
    /// The store of requests that name none; empty: `snapshots` in the data directory.
    pub store: String,
    /// Whether requests may name other stores.
    pub other_stores: bool,
    /// Bytes in a second that each snapshot, restore or verification moves at
    /// most; 0: as many as it can.
    pub bytes_per_second: u64,
}

/// Where metrics and health are served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address and port of /metrics, /healthz and /readyz.
    pub address: SocketAddr,
    /// Connections at once.
    pub max_connections: usize,
}

/// Where data is kept, and the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// The data directory; one server at a time.
    pub directory: PathBuf,
    /// Size from which the log goes on in a new file.
    pub log_file_bytes: u64,
    /// Size of the whole log from which segments are sealed early.
    pub log_max_bytes: u64,
    /// Recent log entries kept in memory.
    pub log_cache_bytes: usize,
    /// Free disk space below which writes are refused.
    pub disk_reserve_bytes: u64,
    /// Whether segment and index files are mapped; else they are read, all of each.
    pub mmap: bool,
}

/// The search pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SearchConfig {
    /// Threads that search; 0: one per core.
    pub threads: usize,
    /// Whether each is bound to its core.
    pub pin_threads: bool,
    /// The cores that search threads may use, as `0-3,8`; empty: all.
    pub cores: String,
    /// Whether segments lie on NUMA nodes and are searched there.
    pub numa: bool,
    /// Predicted microseconds of processor time of searches that run or wait, for each
    /// thread; more get RESOURCE_EXHAUSTED.
    pub max_waiting_us: u64,
    /// Queries of one request that go over rows together.
    pub batch_queries: usize,
    /// See [`vicinal_engine::EngineOptions::hot_index_bytes`].
    pub hot_index_bytes: u64,
    /// Bytes of free buffers that each thread keeps for its searches.
    pub scratch_bytes: usize,
    /// Buffers of each size that it begins with.
    pub scratch_buffers: usize,
    /// Whether searches are planned by how fast this machine is.
    pub profile_machine: bool,
}

/// Writes on their way through the Raft log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RaftConfig {
    /// Writes of a collection that wait for the log; more get RESOURCE_EXHAUSTED.
    pub max_waiting: usize,
    /// Bytes of writes that wait, of all collections.
    pub max_waiting_bytes: usize,
}

/// Sealing segments and building indexes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlushConfig {
    /// Threads that write sealed segments; 0: by the number of cores.
    pub workers: usize,
    /// Index builds at once; 0: half as many as `workers`.
    pub build_workers: usize,
    /// Threads that build indexes; 0: one per core.
    pub build_threads: usize,
    /// Flushes, builds and merges that wait, of each kind.
    pub max_waiting: usize,
    /// Whether sealed segments are merged when it is worth it.
    pub compaction: bool,
}

/// How much memory may be used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryConfig {
    /// Bytes; 0: the machine's memory or its control group's limit.
    pub limit_bytes: u64,
    /// Percent of it from which caches and builds give way and writes slow down.
    pub slow_percent: u64,
    /// Percent of it from which writes are refused.
    pub refuse_percent: u64,
}

/// What one client, and all together, may ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// gRPC connections at once; more are closed at once.
    pub max_connections: usize,
    /// Requests in flight on one connection.
    pub max_streams_per_connection: u32,
    /// Requests in flight over all connections; more get RESOURCE_EXHAUSTED.
    pub max_requests: usize,
    /// Bytes of request messages being received or served at once, over all
    /// connections; more get RESOURCE_EXHAUSTED.
    pub request_bytes: usize,
    /// Bytes of one message, in either direction.
    pub message_bytes: usize,
    /// How long one request message may take to arrive.
    pub receive_timeout_ms: u64,
    /// Bytes of the headers of one request.
    pub header_bytes: u32,
    /// Deadline of requests that name none; 0: none.
    pub default_timeout_ms: u64,
}

/// The result cache.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheConfig {
    /// Memory for answers of searches that allow it; 0: no cache.
    pub result_bytes: u64,
}

/// Metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Collections that get request metrics of their own; further ones share
    /// the label `other`.
    pub max_collections: usize,
}

/// Logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Least level shown, by target: `info`, `info,vicinal_server=debug`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 7878)),
            insecure: false,
            worker_threads: 0,
            handshake_timeout_ms: 10_000,
            keepalive_interval_ms: 60_000,
            keepalive_timeout_ms: 20_000,
            shutdown_grace_ms: 30_000,
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 7879)), max_connections: 64 }
    }
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("data"),
            log_file_bytes: 64 * 1024 * 1024,
            log_max_bytes: 1024 * 1024 * 1024,
            log_cache_bytes: 32 * 1024 * 1024,
            disk_reserve_bytes: 512 * 1024 * 1024,
            mmap: true,
        }
    }
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self {
            threads: 0,
            pin_threads: true,
            cores: String::new(),
            numa: true,
            max_waiting_us: 2_000_000,
            batch_queries: 64,
            hot_index_bytes: 4 * 1024 * 1024 * 1024,
            scratch_bytes: 4 * 1024 * 1024,
            scratch_buffers: 2,
            profile_machine: true,
        }
    }
}

impl Default for RaftConfig {
    fn default() -> Self {
        Self {
            max_waiting: limits::PROPOSALS_WAITING_MAX,
            max_waiting_bytes: limits::PROPOSAL_BYTES_WAITING_MAX,
        }
    }
}

impl Default for FlushConfig {
    fn default() -> Self {
        Self {
            workers: 0,
            build_workers: 0,
            build_threads: 0,
            max_waiting: 1_024,
            compaction: true,
        }
    }
}

impl Default for MemoryConfig {
    fn default() -> Self {
        let MemoryOptions { limit_bytes, slow_percent, refuse_percent } = MemoryOptions::default();
        Self { limit_bytes, slow_percent, refuse_percent }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_connections: 16_384,
            max_streams_per_connection: 1_024,
            max_requests: 8_192,
            request_bytes: 1024 * 1024 * 1024,
            message_bytes: limits::MESSAGE_BYTES_MAX,
            receive_timeout_ms: 60_000,
            header_bytes: 16 * 1024,
            default_timeout_ms: 0,
        }
    }
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { max_collections: 256 }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// The duration of a `…_ms` setting, or none if it is 0.
pub(crate) fn duration_ms(ms: u64) -> Option<Duration> {
    (ms > 0).then(|| Duration::from_millis(ms))
}
