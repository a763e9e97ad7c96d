//! The gRPC port: connections, their bounds and their end.
//!
//! tonic's own server answers an expired deadline as CANCELLED and bounds
//! neither connections nor handshakes, so the accept loop over hyper is ours.

mod connection;

use crate::config::{Config, duration_ms};
use crate::gate::Gate;
use connection::Connection;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// HTTP/2 window of one stream: a batch of rows arrives without waiting for the reader.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// HTTP/2 window of a connection: several such batches in flight.
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
const _: () = assert!(STREAM_WINDOW_BYTES < CONNECTION_WINDOW_BYTES, "streams share a connection");

/// Largest HTTP/2 frame taken: fewer frames for large batches.
const FRAME_BYTES_MAX: u32 = 256 * 1024;

/// Streams that a peer may open and reset before they are looked at (rapid reset).
const RESET_STREAMS_PENDING_MAX: usize = 20;

/// Streams that errors of the peer may make us reset (made-you-reset).
const RESET_STREAMS_LOCAL_MAX: usize = 256;

/// Answers buffered per stream before a slow reader is waited for.
const SEND_BUFFER_BYTES: usize = 1024 * 1024;

/// Wait after accept failed (too many open files), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Between two looks whether requests are in flight while the server stops.
const QUIET_LOOK: Duration = Duration::from_millis(100);

/// Looks without any request after which connections are closed: peers that live
/// have hung up by then.
const QUIET_LOOKS: u32 = 10;

/// Serves the port until told to stop, then finishes what is in flight.
pub(crate) struct Edge {
    gate: Arc<Gate>,
    http2: http2::Builder<TokioExecutor>,
    connections: Arc<Semaphore>,
    connections_max: usize,
    handshake_timeout: Duration,
    grace: Duration,
}

impl Edge {
    /// The port's settings, in front of `gate`.
    pub(crate) fn new(gate: Gate, config: &Config) -> Self {
        let (server, limits) = (&config.server, &config.limits);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES_MAX)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .max_concurrent_streams(limits.max_streams_per_connection)
            .max_header_list_size(limits.header_bytes)
            .max_pending_accept_reset_streams(RESET_STREAMS_PENDING_MAX)
            .max_local_error_reset_streams(RESET_STREAMS_LOCAL_MAX)
            .keep_alive_interval(duration_ms(server.keepalive_interval_ms))
            .keep_alive_timeout(Duration::from_millis(server.keepalive_timeout_ms));
        Self {
            gate: Arc::new(gate),
            http2,
            connections: Arc::new(Semaphore::new(limits.max_connections)),
            connections_max: limits.max_connections,
            handshake_timeout: Duration::from_millis(server.handshake_timeout_ms),
            grace: Duration::from_millis(server.shutdown_grace_ms),
        }
    }

    /// Accepts connections until `stop` says true, then lets requests in flight
    /// finish for at most the configured grace.
    pub(crate) async fn serve(self, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        let for_connections = stop.clone();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => self.open(stream, &for_connections, &mut tasks),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
                () = stopped(&mut stop) => break,
            }
        }
        drop(listener);
        let finish = async { while tasks.join_next().await.is_some() {} };
        tokio::select! {
            () = finish => {}
            () = self.quiet() => {
                let connections = tasks.len();
                tracing::info!(connections, "connections without requests were closed");
            }
            () = tokio::time::sleep(self.grace) => {
                let (connections, grace_ms) = (tasks.len(), self.grace.as_millis());
                tracing::warn!(
                    connections,
                    grace_ms,
                    "requests were cut off: server.shutdown_grace_ms is over"
                );
            }
        }
        tasks.shutdown().await;
    }

    /// Returns when no request has been in flight for a while. A peer that hangs
    /// would otherwise hold up the shutdown for all of the grace.
    async fn quiet(&self) {
        let mut looks = 0;
        while looks < QUIET_LOOKS {
            tokio::time::sleep(QUIET_LOOK).await;
            looks = if self.gate.is_idle() { looks + 1 } else { 0 };
        }
    }

    fn open(&self, stream: TcpStream, stop: &watch::Receiver<bool>, tasks: &mut JoinSet<()>) {
        let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
            let max = self.connections_max;
            tracing::warn!(max, "a connection was refused: limits.max_connections are open");
            return;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was gone before it was served");
            return;
        }
        let gate = Arc::clone(&self.gate);
        let service = service_fn(move |request| {
            let gate = Arc::clone(&gate);
            async move { Ok::<_, Infallible>(gate.answer(request).await) }
        });
        let io = TokioIo::new(Connection::new(stream, self.handshake_timeout));
        let connection = self.http2.serve_connection(io, service);
        let mut stop = stop.clone();
        tasks.spawn(async move {
            let _permit = permit;
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stopped(&mut stop) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
}

/// Returns when the server is told to stop, or nobody is left to tell it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}
