//! The HTTP port: /metrics, /healthz, /readyz and nothing else.

use crate::config::HttpConfig;
use crate::grpc::Node;
use crate::metrics::gauges;
use ::http::{Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long a request's headers may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of a request's headers: ours have one line.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Wait after accept failed (too many open files), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How far the server is.
#[derive(Clone)]
pub(crate) enum Phase {
    /// The engine reads its files and replays the log.
    Opening,
    /// Requests are served.
    Serving(Arc<Node>),
    /// No new requests are taken.
    Stopping,
}

/// Everything that the port shows.
pub(crate) struct Observer {
    /// How far the server is.
    pub phase: watch::Receiver<Phase>,
    /// The process's counters and histograms.
    pub recorder: PrometheusHandle,
}

/// Serves the port until the task is aborted.
pub(crate) async fn serve(listener: TcpListener, observer: Observer, config: HttpConfig) {
    let observer = Arc::new(observer);
    let connections = Arc::new(Semaphore::new(config.max_connections));
    let mut tasks = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an HTTP connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
        };
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            tracing::warn!(
                max = config.max_connections,
                "an HTTP connection was refused: http.max_connections are open"
            );
            continue;
        };
        let observer = Arc::clone(&observer);
        let service = service_fn(move |request| {
            let observer = Arc::clone(&observer);
            async move { Ok::<_, Infallible>(observer.answer(&request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(HEADER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        tasks.spawn(async move {
            let _permit = permit;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an HTTP connection ended early");
            }
        });
    }
}

impl Observer {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n");
        }
        match request.uri().path() {
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.readiness(),
            "/metrics" => self.metrics().await,
            _ => text(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz\n"),
        }
    }

    fn readiness(&self) -> Response<Full<Bytes>> {
        let reason = match &*self.phase.borrow() {
            Phase::Opening => Some("not ready: the data directory is being opened\n".to_owned()),
            Phase::Stopping => Some("not ready: the server is shutting down\n".to_owned()),
            Phase::Serving(node) => node
                .engine
                .failure()
                .map(|reason| format!("not ready: writes are refused: {reason}\n")),
        };
        match reason {
            Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason),
            None => text(StatusCode::OK, "ready\n"),
        }
    }

    async fn metrics(&self) -> Response<Full<Bytes>> {
        let (phase, recorder) = (self.phase.borrow().clone(), self.recorder.clone());
        let render = move || {
            let mut body = recorder.render();
            if let Phase::Serving(node) = phase {
                body.push_str(&gauges(&node)?);
            }
            Ok::<_, vicinal_types::Error>(body)
        };
        match tokio::task::spawn_blocking(render).await {
            Ok(Ok(body)) => text(StatusCode::OK, body),
            Ok(Err(error)) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn a_server_that_opens_or_stops_is_not_ready_and_says_why() {
        let (phase, receiver) = watch::channel(Phase::Opening);
        let recorder = crate::metrics::recorder().expect("the process's recorder");
        let observer = Observer { phase: receiver, recorder };
        let check = async |expected: &str| {
            let answer = observer.readiness();
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            let body = answer.into_body().collect().await.expect("a body").to_bytes();
            let text = String::from_utf8_lossy(&body).into_owned();
            assert!(text.contains(expected), "{text}");
        };
        check("is being opened").await;
        phase.send_replace(Phase::Stopping);
        check("shutting down").await;
        assert_eq!(observer.metrics().await.status(), StatusCode::OK);
    }
}
