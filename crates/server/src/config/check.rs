//! What the types of the settings do not say: ranges, and what goes together.

use super::{Config, ConfigError};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use tracing_subscriber::EnvFilter;
use vicinal_types::{
    CollectionSpec, Column, ColumnId, ElementType, IdType, Metric, Schema, VectorType, limits,
};

/// A day: longer waits are mistakes of unit.
const MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// More threads than the largest machines have cores.
const THREADS_MAX: usize = 4_096;

impl Config {
    /// Checks every value against its limits.
    ///
    /// # Errors
    /// [`ConfigError::Value`] naming the setting, its value and its limit.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_addresses()?;
        self.check_threads()?;
        self.check_sizes()?;
        self.check_times()?;
        self.check_memory()?;
        self.check_quotas()?;
        self.check_collection_defaults()?;
        if let Err(error) = EnvFilter::try_new(&self.log.level) {
            let level = &self.log.level;
            return Err(ConfigError::Value {
                key: "log.level",
                reason: format!(
                    "is {level:?}, which is no filter such as `info` or `info,vicinal_server=debug`: {error}"
                ),
            });
        }
        Ok(())
    }

    fn check_addresses(&self) -> Result<(), ConfigError> {
        let listeners: [(&'static str, SocketAddr); 2] =
            [("server.address", self.server.address), ("http.address", self.http.address)];
        for (key, address) in listeners {
            if !address.ip().is_loopback() && !self.server.insecure {
                return Err(ConfigError::Value {
                    key,
                    reason: format!(
                        "is {address}, which others can reach, and there is no authentication yet; use 127.0.0.1, or set server.insecure: true on a network you trust"
                    ),
                });
            }
        }
        if self.server.address == self.http.address && self.server.address.port() != 0 {
            let address = self.http.address;
            return Err(ConfigError::Value {
                key: "http.address",
                reason: format!("is {address}, and so is server.address; use two ports"),
            });
        }
        Ok(())
    }

    fn check_threads(&self) -> Result<(), ConfigError> {
        let threads = 0..=THREADS_MAX;
        within("server.worker_threads", self.server.worker_threads, &threads)?;
        within("search.threads", self.search.threads, &threads)?;
        within("search.max_waiting_us", self.search.max_waiting_us, &(1_000..=3_600_000_000))?;
        within("search.scratch_bytes", self.search.scratch_bytes, &(0..=1 << 30))?;
        within("search.scratch_buffers", self.search.scratch_buffers, &(0..=16))?;
        within("search.batch_queries", self.search.batch_queries, &(1..=1_024))?;
        within("raft.max_waiting", self.raft.max_waiting, &(1..=1_048_576))?;
        let one_command = limits::COMMAND_BYTES_MAX + 1;
        within("raft.max_waiting_bytes", self.raft.max_waiting_bytes, &(one_command..=64 << 30))?;
        within("flush.workers", self.flush.workers, &threads)?;
        within("flush.build_workers", self.flush.build_workers, &threads)?;
        within("flush.max_waiting", self.flush.max_waiting, &(1..=1_048_576))?;
        within("flush.build_threads", self.flush.build_threads, &threads)
    }

    fn check_sizes(&self) -> Result<(), ConfigError> {
        const MIB: usize = 1024 * 1024;
        let Self { http, storage, limits: caps, metrics, .. } = self;
        within("http.max_connections", http.max_connections, &(1..=65_536))?;
        // Above: what the log itself takes. Below: a file is made every few writes.
        within("storage.log_file_bytes", storage.log_file_bytes, &(MIB as u64..=1 << 30))?;
        within("storage.log_max_bytes", storage.log_max_bytes, &(4 * MIB as u64..=1 << 40))?;
        within("storage.log_cache_bytes", storage.log_cache_bytes, &(0..=64 << 30))?;
        if storage.directory.as_os_str().is_empty() {
            let reason = "is empty; name the directory for the data".to_owned();
            return Err(ConfigError::Value { key: "storage.directory", reason });
        }
        let rate = self.snapshots.bytes_per_second;
        if rate > 0 {
            within("snapshots.bytes_per_second", rate, &(65_536..=u64::MAX))?;
        }
        within("limits.max_connections", caps.max_connections, &(1..=1_048_576))?;
        within(
            "limits.max_streams_per_connection",
            caps.max_streams_per_connection,
            &(1..=65_536),
        )?;
        within("limits.max_requests", caps.max_requests, &(1..=1_048_576))?;
        within("limits.message_bytes", caps.message_bytes, &(4_096..=limits::MESSAGE_BYTES_MAX))?;
        within("limits.request_bytes", caps.request_bytes, &(caps.message_bytes..=usize::MAX))?;
        within("limits.header_bytes", caps.header_bytes, &(1_024..=1_048_576))?;
        within("metrics.max_collections", metrics.max_collections, &(0..=limits::COLLECTIONS_MAX))
    }

    fn check_times(&self) -> Result<(), ConfigError> {
        let server = &self.server;
        within("server.handshake_timeout_ms", server.handshake_timeout_ms, &(1..=MS_MAX))?;
        within("server.keepalive_interval_ms", server.keepalive_interval_ms, &(0..=MS_MAX))?;
        within("server.keepalive_timeout_ms", server.keepalive_timeout_ms, &(1..=MS_MAX))?;
        within("server.shutdown_grace_ms", server.shutdown_grace_ms, &(0..=MS_MAX))?;
        within("limits.receive_timeout_ms", self.limits.receive_timeout_ms, &(1..=MS_MAX))?;
        within("limits.default_timeout_ms", self.limits.default_timeout_ms, &(0..=MS_MAX))
    }

    fn check_memory(&self) -> Result<(), ConfigError> {
        let memory = &self.memory;
        within("memory.refuse_percent", memory.refuse_percent, &(10..=100))?;
        within("memory.slow_percent", memory.slow_percent, &(5..=memory.refuse_percent))?;
        if memory.limit_bytes == 0 {
            return Ok(());
        }
        // Below: what an empty server needs for its log, caches and threads.
        within("memory.limit_bytes", memory.limit_bytes, &(64 << 20..=u64::MAX))
    }

    fn check_quotas(&self) -> Result<(), ConfigError> {
        let quotas = self.quotas.databases.iter().chain(&self.quotas.collections);
        for (name, quota) in quotas {
            for (rate, value) in quota.rates() {
                let max = if rate == "cpu_share" { 1.0 } else { f64::MAX };
                if value.is_some_and(|value| !(value > 0.0 && value <= max)) {
                    let value = value.unwrap_or_default();
                    return Err(ConfigError::Value {
                        key: "quotas",
                        reason: format!(
                            "gives `{name}` {rate} {value}, which must be above 0{}",
                            if rate == "cpu_share" { " and at most 1" } else { "" }
                        ),
                    });
                }
            }
        }
        Ok(())
    }

    /// A collection that names nothing must be one that can be created.
    fn check_collection_defaults(&self) -> Result<(), ConfigError> {
        let wrong = |error: vicinal_types::Error| ConfigError::Value {
            key: "segments and index",
            reason: format!("cannot be defaults: {error}"),
        };
        let kind = VectorType::new(8, ElementType::F32, Metric::L2).map_err(wrong)?;
        let name = "default".to_owned();
        let column = Column::vector(ColumnId(1), name.clone(), kind);
        let spec = CollectionSpec {
            name: name.clone(),
            schema: Schema::new(IdType::Int64, vec![column]).map_err(wrong)?,
            segments: self.segments,
            indexes: BTreeMap::from([(name, self.index)]),
            ttl: None,
        };
        spec.check().map_err(wrong)
    }
}

fn within<T: PartialOrd + Display>(
    key: &'static str,
    value: T,
    range: &RangeInclusive<T>,
) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    let (low, high) = (range.start(), range.end());
    Err(ConfigError::Value { key, reason: format!("is {value}, not between {low} and {high}") })
}
