//! Request bodies, counted against one budget for all connections and given a
//! time to arrive; answers that keep their request's place until they are sent.
//!
//! A message is buffered whole before it is decoded: without a budget, clients
//! that each stay below the limit of one message would fill the memory together.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;
use tonic::Status;

/// Bytes of request messages in memory, and how many there may be.
pub(crate) struct Budget {
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl Budget {
    /// A budget of `bytes_max`.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), bytes_max }
    }

    /// Bytes of request messages in memory.
    pub(crate) fn used(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed) as u64
    }
}

/// What one request took from the budget; dropping it gives it back.
pub(crate) struct Charge {
    budget: Arc<Budget>,
    bytes: AtomicUsize,
}

impl Charge {
    /// Nothing taken yet.
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, bytes: AtomicUsize::new(0) }
    }

    /// Bytes of the request's messages so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed) as u64
    }

    fn take(&self, bytes: usize) -> Result<(), Status> {
        let before = self.budget.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let max = self.budget.bytes_max;
        if before.saturating_add(bytes) <= max {
            return Ok(());
        }
        Err(Status::resource_exhausted(format!(
            "requests in flight hold {before} bytes, and limits.request_bytes allows {max}; try again later"
        )))
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut();
        self.budget.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A body that takes what it yields from the budget, and must come in time.
pub(crate) struct Metered<B> {
    body: B,
    charge: Arc<Charge>,
    arrival: Arrival,
}

/// How long a request's body may take.
enum Arrival {
    /// As long as it likes: it is a stream.
    Unbounded,
    /// This long, counted from the first time it is waited for.
    Within(Duration),
    /// Until this is over.
    Until(Pin<Box<Sleep>>),
}

impl<B> Metered<B> {
    /// Counts `body` into `charge`; all of it must come `within` that time.
    pub(crate) fn new(body: B, charge: Arc<Charge>, within: Option<Duration>) -> Self {
        let arrival = within.map_or(Arrival::Unbounded, Arrival::Within);
        Self { body, charge, arrival }
    }
}

impl Arrival {
    /// Ready when the time is over.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        if let Self::Within(time) = self {
            *self = Self::Until(Box::pin(tokio::time::sleep(*time)));
        }
        match self {
            Self::Until(sleep) => {
                ready!(sleep.as_mut().poll(cx));
                Poll::Ready(Status::deadline_exceeded(
                    "the request's message took longer to arrive than limits.receive_timeout_ms; send less at once",
                ))
            }
            Self::Unbounded | Self::Within(_) => Poll::Pending,
        }
    }
}

impl<B> Body for Metered<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => {
                return Poll::Ready(Some(Err(Status::from_error(error.into()))));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => return self.arrival.poll_late(cx).map(|late| Some(Err(late))),
        };
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        Poll::Ready(Some(self.charge.take(bytes).map(|()| frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body, and what must be kept until it is sent.
pub(crate) struct Held<T> {
    body: tonic::body::Body,
    _kept: T,
}

impl<T> Held<T> {
    /// Keeps `kept` as long as `body`.
    pub(crate) fn new(body: tonic::body::Body, kept: T) -> Self {
        Self { body, _kept: kept }
    }
}

impl<T: Unpin> Body for Held<T> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let budget = Arc::new(Budget::new(100));
        let first = Charge::new(Arc::clone(&budget));
        first.take(60).expect("60 of 100");
        first.take(40).expect("100 of 100");
        let second = Charge::new(Arc::clone(&budget));
        let refused = second.take(1).expect_err("101 of 100");
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        assert!(refused.message().contains("limits.request_bytes allows 100"), "{refused}");
        drop(first);
        drop(second);
        assert_eq!(budget.bytes.load(Ordering::Relaxed), 0);
    }
}
