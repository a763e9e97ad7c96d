//! What every request passes: an id, a span, a place among those in flight, a
//! deadline, a measured end.
//!
//! A panic in a handler ends here as INTERNAL; the connection and all other
//! requests go on.

mod body;
mod call;
mod timeout;

use body::{Budget, Charge, Held, Metered};
use call::Context;
pub(crate) use call::{Call, CancelOnDrop};

use crate::grpc::{Dispatch, Rpc};
use crate::metrics::Requests;
use crate::status::{code_name, is_ours};
use http::HeaderValue;
use http::header::HeaderName;
use hyper::body::Incoming;
use std::any::Any;
use std::hash::{BuildHasher as _, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{self, Poll};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tonic::{Code, Status};
use tracing::{Instrument as _, field};
use vicinal_types::Clock;

/// A request as hyper hands it over, its body counted.
pub(crate) type Request = http::Request<Metered<Incoming>>;

/// An answer as tonic makes it.
pub(crate) type Response = http::Response<tonic::body::Body>;

/// An answer that keeps its request's place among those in flight until it is sent.
type HeldResponse = http::Response<Held<Option<Arc<Context>>>>;

/// The name under which an answer carries its request id.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The gate in front of all services.
pub(crate) struct Gate {
    dispatch: Dispatch,
    clock: Arc<dyn Clock>,
    requests: Requests,
    in_flight: Arc<Semaphore>,
    limits: GateLimits,
    budget: Arc<Budget>,
    /// Request ids are a mixed counter: unique in a process, unlike those of the next.
    id_seed: u64,
    ids: AtomicU64,
}

/// What the gate lets through at once.
#[derive(Clone, Copy)]
pub(crate) struct GateLimits {
    /// Requests.
    pub requests: usize,
    /// Bytes of request messages.
    pub request_bytes: usize,
    /// Time for one request message to arrive.
    pub receive_timeout: Duration,
}

impl Gate {
    /// A gate in front of `dispatch`.
    pub(crate) fn new(
        dispatch: Dispatch,
        clock: Arc<dyn Clock>,
        requests: Requests,
        limits: GateLimits,
    ) -> Self {
        Self {
            dispatch,
            clock,
            requests,
            in_flight: Arc::new(Semaphore::new(limits.requests)),
            limits,
            budget: Arc::new(Budget::new(limits.request_bytes)),
            id_seed: RandomState::new().hash_one("request ids"),
            ids: AtomicU64::new(0),
        }
    }

    /// Bytes of request messages in memory, as they change.
    pub(crate) fn request_bytes(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let budget = Arc::clone(&self.budget);
        move || budget.used()
    }

    /// Whether no request is in flight; watching health is none.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.available_permits() == self.limits.requests
    }

    /// Answers a request; every failure is an answer, too.
    pub(crate) async fn answer(&self, request: http::Request<Incoming>) -> HeldResponse {
        let start = self.clock.now();
        let rpc = Rpc::of(request.uri().path());
        let id = self.next_id();
        let span = tracing::error_span!(
            "request",
            request_id = %format_args!("{id:016x}"),
            rpc = rpc.name(),
            collection = field::Empty,
        );
        let (mut response, context) = async {
            match self.admit(rpc, start, request) {
                Ok((request, context)) => (self.dispatch(request).await, Some(context)),
                Err(status) => (status.into_http(), None),
            }
        }
        .instrument(span.clone())
        .await;
        if let Ok(id) = HeaderValue::try_from(format!("{id:016x}")) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        span.in_scope(|| self.record(rpc, context.as_deref(), start, &response));
        // Watching health is no request in flight, however long it lasts.
        let kept = context.filter(|_| rpc != Rpc::OTHER);
        response.map(|body| Held::new(body, kept))
    }

    /// Lets a request in, or says why not.
    fn admit(
        &self,
        rpc: Rpc,
        start: Instant,
        request: http::Request<Incoming>,
    ) -> Result<(Request, Arc<Context>), Status> {
        let permit = match Arc::clone(&self.in_flight).try_acquire_owned() {
            Ok(permit) => Some(permit),
            // Health must answer when nothing else does.
            Err(_) if rpc == Rpc::OTHER => None,
            Err(_) => {
                let max = self.limits.requests;
                return Err(Status::resource_exhausted(format!(
                    "{max} requests are in flight, the limit of limits.max_requests; try again later"
                )));
            }
        };
        let timeout = timeout::grpc_timeout(request.headers())?;
        let charge = Arc::new(Charge::new(Arc::clone(&self.budget)));
        let context = Arc::new(Context::new(start, timeout, permit, Arc::clone(&charge)));
        let within = (rpc != Rpc::OTHER).then_some(self.limits.receive_timeout);
        let mut request = request.map(|body| Metered::new(body, charge, within));
        request.extensions_mut().insert(Arc::clone(&context));
        Ok((request, context))
    }

    async fn dispatch(&self, request: Request) -> Response {
        match CatchPanic(self.dispatch.call(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(panic) => {
                let reason = panic_text(panic.as_ref());
                tracing::error!(reason, "a handler panicked");
                Status::internal(
                    "the request met a bug in the server; report the x-request-id of this answer",
                )
                .into_http()
            }
        }
    }

    fn record(&self, rpc: Rpc, context: Option<&Context>, start: Instant, response: &Response) {
        let took = self.clock.now().saturating_duration_since(start);
        // tonic leaves the status of a failed call in the extensions.
        let status = response.extensions().get::<Status>();
        let code = status.map_or(Code::Ok, Status::code);
        let collection = context.and_then(Context::collection);
        self.requests.record(rpc, collection.map(Arc::as_ref), code, took);
        let took_us = took.as_micros();
        match status {
            Some(status) if is_ours(code) => {
                tracing::warn!(
                    code = code_name(code),
                    took_us,
                    message = status.message(),
                    "failed"
                );
            }
            Some(status) => {
                tracing::debug!(
                    code = code_name(code),
                    took_us,
                    message = status.message(),
                    "refused"
                );
            }
            None => tracing::debug!(took_us, "ok"),
        }
    }

    /// A number that looks random and does not repeat (splitmix64's mixer is a bijection).
    fn next_id(&self) -> u64 {
        let count = self.ids.fetch_add(1, Ordering::Relaxed);
        let mut id = self.id_seed.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        id = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        id = (id ^ (id >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        id ^ (id >> 31)
    }
}

/// A future whose panics are values.
struct CatchPanic<F>(F);

impl<F: Future + Unpin> Future for CatchPanic<F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        // After a panic the future is dropped and nothing it borrowed is used again.
        match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.0).poll(cx))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_a_value() {
        let panic = CatchPanic(Box::pin(async { panic!("row {} is gone", 3) })).await;
        let panic: Box<dyn Any + Send> = match panic {
            Ok(()) => unreachable!("the future panics"),
            Err(panic) => panic,
        };
        assert_eq!(panic_text(panic.as_ref()), "row 3 is gone");
        assert!(matches!(CatchPanic(Box::pin(async { 7 })).await, Ok(7)));
    }
}
