//! Starting, running and stopping a server.

use crate::cache::ResultCache;
use crate::config::{Config, ConfigError, duration_ms};
use crate::edge::Edge;
use crate::gate::{Gate, GateLimits};
use crate::grpc::{Api, Dispatch, Node, SERVICES};
use crate::http::{self, Observer, Phase};
use crate::metrics::{self, Requests};
use crate::snapshots::Snapshots;
use crate::{allocator, logs, process};
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};
use tonic_reflection::server as reflection;
use vicinal_engine::{Compaction, Engine, EngineOptions, MemoryOptions};
use vicinal_storage::{Disk, FileDisk, WholeFileDisk};
use vicinal_types::{Clock, Error, SystemClock};

/// How long blocking calls may keep a stopped process from exiting.
const LEFTOVERS_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a server does not start, in one line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A port cannot be had.
    #[error("cannot listen on {address} ({key}): {source}")]
    Listen {
        /// The setting.
        key: &'static str,
        /// Its value.
        address: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The data directory cannot be opened.
    #[error("cannot open the data directory {directory}: {source}")]
    Open {
        /// The directory.
        directory: String,
        /// Why.
        source: Error,
    },
    /// Threads or signal handlers cannot be had.
    #[error("cannot start the runtime: {0}")]
    Runtime(std::io::Error),
    /// Logs cannot be written.
    #[error("cannot start logging: {0}")]
    Logs(String),
    /// The environment asks for an instruction set that cannot be had.
    #[error(transparent)]
    Isa(#[from] vicinal_distance::SelectError),
    /// Another recorder is installed in this process.
    #[error("metrics of this process are recorded by somebody else")]
    Metrics,
    /// The descriptors of the API cannot be served.
    #[error("cannot serve reflection: {0}")]
    Reflection(#[from] reflection::Error),
}

/// A server that has not started.
pub struct Server;

/// A server that serves; dropped without [`shutdown`](Self::shutdown) it takes no
/// new connections, but its engine is not closed.
pub struct Running {
    grpc_addr: SocketAddr,
    http_addr: SocketAddr,
    engine: Engine,
    health: HealthReporter,
    phase: watch::Sender<Phase>,
    stop: watch::Sender<bool>,
    edge: JoinHandle<()>,
    background: Vec<JoinHandle<()>>,
}

impl Server {
    /// Opens the data directory and serves it; returns when requests are answered.
    ///
    /// Logging is the caller's business; metrics are one recorder for the process.
    ///
    /// # Errors
    /// [`StartError`], in one line that says what to do.
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> Result<Running, StartError> {
        let started = clock.now();
        config.check()?;
        vicinal_distance::from_environment()?;
        let recorder = metrics::recorder()?;
        let reflection_v1 = reflection().build_v1()?;
        let reflection_v1alpha = reflection().build_v1alpha()?;
        let grpc = listen("server.address", config.server.address).await?;
        let http = listen("http.address", config.http.address).await?;
        let (grpc_addr, http_addr) = (local(&grpc)?, local(&http)?);
        warn_if_insecure(&config);

        let (phase, phases) = watch::channel(Phase::Opening);
        let observer = Observer { phase: phases, recorder: recorder.clone() };
        let observing = tokio::spawn(http::serve(http, observer, config.http.clone()));
        let upkeep = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(metrics::UPKEEP);
            loop {
                ticks.tick().await;
                recorder.run_upkeep();
            }
        });
        let background = vec![observing, upkeep];
        let engine = match open(&config, Arc::clone(&clock)).await {
            Ok(engine) => engine,
            Err(error) => {
                background.iter().for_each(JoinHandle::abort);
                return Err(error);
            }
        };
        let node = Arc::new(node(&config, engine.clone(), Arc::clone(&clock), started));
        let (health, health_server) = health_reporter();
        for service in SERVICES {
            health.set_service_status(service, ServingStatus::Serving).await;
        }
        let dispatch = Dispatch::new(&Api(Arc::clone(&node)), config.limits.message_bytes)
            .with_health(health_server)
            .with_reflection(reflection_v1, reflection_v1alpha);
        let gate = gate(&config, dispatch, Arc::clone(&clock));
        count_memory(&engine, &gate, node.cache.as_ref());
        let (stop, stopped) = watch::channel(false);
        let edge = tokio::spawn(Edge::new(gate, &config).serve(grpc, stopped));
        phase.send_replace(Phase::Serving(node));
        let running =
            Running { grpc_addr, http_addr, engine, health, phase, stop, edge, background };
        running.say_hello(&config, clock.now().saturating_duration_since(started));
        Ok(running)
    }
}

impl Running {
    /// Where gRPC is served.
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }

    /// Where metrics and health are served.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Stops accepting, finishes requests in flight (for at most the configured
    /// grace), closes the engine.
    pub async fn shutdown(self) {
        tracing::info!("shutting down");
        self.phase.send_replace(Phase::Stopping);
        for service in SERVICES.into_iter().chain([""]) {
            self.health.set_service_status(service, ServingStatus::NotServing).await;
        }
        self.stop.send_replace(true);
        if let Err(error) = self.edge.await {
            tracing::error!(%error, "the gRPC port ended in a bug");
        }
        let engine = self.engine;
        if let Err(error) = tokio::task::spawn_blocking(move || engine.close()).await {
            tracing::error!(%error, "closing the engine ended in a bug");
        }
        self.background.iter().for_each(JoinHandle::abort);
        tracing::info!("stopped: everything acknowledged is on stable storage");
    }

    /// Serves until SIGTERM or SIGINT, then shuts down; at a second signal at once.
    ///
    /// # Errors
    /// [`StartError::Runtime`] if signals cannot be listened to.
    pub async fn run_until_signal(self) -> Result<(), StartError> {
        self.run_until(Signals::listen()?).await;
        Ok(())
    }

    async fn run_until(self, mut signals: Signals) {
        let signal = signals.next().await;
        tracing::info!("got {signal}");
        tokio::select! {
            () = self.shutdown() => {}
            signal = signals.next() => {
                tracing::warn!("got {signal} while shutting down: stopping at once");
            }
        }
    }

    fn say_hello(&self, config: &Config, took: Duration) {
        let stats = self.engine.stats();
        let rows: u64 = stats.collections.iter().map(|of| of.rows).sum();
        let segments: u64 = stats
            .collections
            .iter()
            .map(|of| of.growing_segments + of.frozen_segments + of.sealed_segments)
            .sum();
        tracing::info!(
            "vicinal {} serves {} (gRPC) and {} (HTTP) from {}: {} collections, {rows} rows, {segments} segments; kernels {}; started in {} ms",
            env!("CARGO_PKG_VERSION"),
            self.grpc_addr,
            self.http_addr,
            config.storage.directory.display(),
            stats.collections.len(),
            process::isa(),
            took.as_millis(),
        );
    }
}

/// Serves until SIGTERM or SIGINT: logging, runtime, server and all.
///
/// # Errors
/// [`StartError`], in one line that says what to do.
pub fn run(config: Config) -> Result<(), StartError> {
    config.check()?;
    logs::start(&config.log)?;
    process::raise_open_files(config.limits.max_connections);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if config.server.worker_threads > 0 {
        runtime.worker_threads(config.server.worker_threads);
    }
    let runtime = runtime.thread_name("serve").enable_all().build().map_err(StartError::Runtime)?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let running = tokio::select! {
            started = Server::start(config, Arc::new(SystemClock)) => started?,
            signal = signals.next() => {
                tracing::info!("got {signal} before the server had started");
                return Ok(());
            }
        };
        running.run_until(signals).await;
        Ok(())
    });
    runtime.shutdown_timeout(LEFTOVERS_TIMEOUT);
    outcome
}

/// The signals that ask a server to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, StartError> {
        let listen = |kind| signal(kind).map_err(StartError::Runtime);
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for one and says its name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

async fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| StartError::Listen { key, address, source })
}

fn local(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(StartError::Runtime)
}

fn warn_if_insecure(config: &Config) {
    for address in [config.server.address, config.http.address] {
        if !address.ip().is_loopback() {
            tracing::warn!(
                "INSECURE: {address} is open to everybody who can reach it, without authentication or encryption (server.insecure)"
            );
        }
    }
}

async fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Engine, StartError> {
    let directory = config.storage.directory.clone();
    let disk: Arc<dyn Disk> =
        if config.storage.mmap { Arc::new(FileDisk) } else { Arc::new(WholeFileDisk::default()) };
    let mut options = EngineOptions::new(disk, directory, clock);
    options.search_threads = config.search.threads;
    options.pin_threads = config.search.pin_threads;
    if !config.search.cores.is_empty() {
        let cut = options
            .topology
            .only(&config.search.cores)
            .map_err(|error| ConfigError::Value { key: "search.cores", reason: error.to_string() });
        options.topology = cut?;
    }
    if !config.search.numa {
        options.topology = options.topology.as_one_node();
    }
    options.searches_waiting_max = Duration::from_micros(config.search.max_waiting_us);
    options.queries_together_max = config.search.batch_queries;
    options.writes_waiting_max = config.raft.max_waiting;
    options.write_bytes_waiting_max = config.raft.max_waiting_bytes;
    options.build_threads = config.flush.build_threads;
    options.build_workers = config.flush.build_workers;
    options.jobs_waiting_max = config.flush.max_waiting;
    options.flush_workers = config.flush.workers;
    let is_automatic = config.flush.compaction;
    options.compaction = if is_automatic { Compaction::Automatic } else { Compaction::OnRequest };
    options.log_file_bytes = config.storage.log_file_bytes;
    options.log_max_bytes = config.storage.log_max_bytes;
    options.hot_index_bytes = config.search.hot_index_bytes;
    options.scratch.bytes_max = config.search.scratch_bytes;
    options.scratch.buffers = config.search.scratch_buffers;
    options.log_cache_bytes = config.storage.log_cache_bytes;
    options.disk_reserve_bytes = config.storage.disk_reserve_bytes;
    options.memory = MemoryOptions {
        limit_bytes: config.memory.limit_bytes,
        slow_percent: config.memory.slow_percent,
        refuse_percent: config.memory.refuse_percent,
    };
    options.quotas = config.quotas.clone();
    // Ids of a new directory and election timeouts differ from server to server.
    options.seed = RandomState::new().hash_one(std::process::id());
    let is_profiled = config.search.profile_machine;
    let opened = tokio::task::spawn_blocking(move || {
        let engine = Engine::open(options)?;
        if is_profiled && let Err(error) = engine.profile_machine() {
            tracing::warn!(%error, "searches are planned as on a typical machine");
        }
        Ok(engine)
    });
    let opened = opened.await;
    let opened = opened.unwrap_or_else(|error| {
        Err(Error::internal("opening it ended in a bug; report this line").caused_by(error))
    });
    let directory = config.storage.directory.display().to_string();
    opened.map_err(|source| StartError::Open { directory, source })
}

fn node(config: &Config, engine: Engine, clock: Arc<dyn Clock>, started: Instant) -> Node {
    let (directory, snapshots) = (&config.storage.directory, config.snapshots.clone());
    let snapshots = Snapshots::new(engine.clone(), Arc::clone(&clock), snapshots, directory);
    Node {
        snapshots,
        snapshot_rate: config.snapshots.bytes_per_second,
        engine,
        clock,
        started,
        segments: config.segments,
        index: config.index,
        default_timeout: duration_ms(config.limits.default_timeout_ms),
        message_bytes: config.limits.message_bytes,
        cache: ResultCache::new(config.cache.result_bytes),
    }
}

fn gate(config: &Config, dispatch: Dispatch, clock: Arc<dyn Clock>) -> Gate {
    let limits = GateLimits {
        requests: config.limits.max_requests,
        request_bytes: config.limits.request_bytes,
        receive_timeout: Duration::from_millis(config.limits.receive_timeout_ms),
    };
    let requests = Requests::new(config.metrics.max_collections);
    Gate::new(dispatch, clock, requests, limits)
}

/// Counts what the server itself holds as memory of its engine.
fn count_memory(engine: &Engine, gate: &Gate, cache: Option<&ResultCache>) {
    engine.count_memory("allocator: free and overhead", allocator::held_bytes);
    engine.count_memory("request messages", gate.request_bytes());
    if let Some(cache) = cache {
        let cache = cache.clone();
        engine.count_memory("result cache", move || cache.bytes());
    }
}

/// What reflection tells of: our services and health.
fn reflection<'a>() -> reflection::Builder<'a> {
    reflection::Builder::configure()
        .register_encoded_file_descriptor_set(vicinal_api::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
