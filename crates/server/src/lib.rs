//! The server process: configuration, gRPC, metrics, wiring.
//!
//! It is not the database: what a request means is the engine's business. Here
//! bytes from the network become the words of `vicinal-types`, checked at the
//! door, and answers become messages again.
//!
//! # Invariants
//! * Only this crate and the client know `async` and protobuf.
//! * Every request passes the gate: it has an id, a deadline, a place among a
//!   bounded number in flight, and is counted once with its code.
//! * Errors become gRPC codes in one place.
//!
//! # Example
//! ```no_run
//! use std::path::Path;
//! use vicinal_server::{Config, run};
//!
//! let config = Config::load(Some(Path::new("vicinal.yaml")), std::env::vars())?;
//! run(config)?; // until SIGTERM
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod allocator;
mod cache;
mod config;
mod convert;
mod edge;
mod gate;
mod grpc;
mod http;
mod logs;
mod metrics;
mod process;
mod server;
mod snapshots;
mod status;

pub use allocator::held_bytes;
pub use config::{
    CacheConfig, Config, ConfigError, FlushConfig, HttpConfig, LimitsConfig, LogConfig, LogFormat,
    MetricsConfig, SearchConfig, ServerConfig, SnapshotsConfig, StorageConfig,
};
pub use server::{Running, Server, StartError, run};
pub use vicinal_engine::{
    FileRole, Measured, Verification, VerifiedFile, calibrate, machine_figures, verify,
};
