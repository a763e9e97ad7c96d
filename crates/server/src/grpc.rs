//! The gRPC services: one file each, thin between conversion and engine.

mod admin;
mod collections;
mod dispatch;
mod rows;
mod search;
mod snapshots;

pub(crate) use dispatch::{Dispatch, Rpc, SERVICES};

use crate::cache::ResultCache;
use crate::gate::{Call, CancelOnDrop, panic_text};
use crate::snapshots::Snapshots;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use vicinal_engine::{Done, Engine};
use vicinal_types::{Cancel, Clock, Error, IndexSpec, Result, SegmentLimits};

/// What the handlers of all services share.
pub(crate) struct Node {
    /// The database.
    pub engine: Engine,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// When the server started.
    pub started: Instant,
    /// Segment limits of collections that name none.
    pub segments: SegmentLimits,
    /// Index parameters of columns that name none.
    pub index: IndexSpec,
    /// Deadline of requests that name none.
    pub default_timeout: Option<Duration>,
    /// Bytes of one message.
    pub message_bytes: usize,
    /// Copies of collections elsewhere.
    pub snapshots: Snapshots,
    /// Bytes in a second that each of them moves at most; 0: as many as it can.
    pub snapshot_rate: u64,
    /// Answers kept, if the configuration wants it.
    pub cache: Option<ResultCache>,
}

/// A handle of [`Node`] that the generated traits are implemented on.
#[derive(Clone)]
pub(crate) struct Api(pub Arc<Node>);

impl Node {
    fn cancel(&self, call: &Call, timeout_ms: u32) -> CancelOnDrop {
        call.cancel(&self.clock, timeout_ms, self.default_timeout)
    }

    /// Runs a blocking call of the engine on tokio's pool for such.
    async fn blocking<T: Send + 'static>(
        &self,
        call: &Call,
        cancel: &CancelOnDrop,
        work: impl FnOnce(&Engine, &Cancel) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        cancel.cancel().check()?;
        let (engine, inner, place) = (self.engine.clone(), cancel.cancel().clone(), call.place());
        let span = tracing::Span::current();
        let task = tokio::task::spawn_blocking(move || {
            let outcome = span.in_scope(|| work(&engine, &inner));
            drop(place);
            outcome
        });
        cancel
            .wait(async {
                match task.await {
                    Ok(outcome) => outcome,
                    Err(error) if error.is_panic() => {
                        let panic = error.into_panic();
                        let reason = panic_text(panic.as_ref());
                        tracing::error!(reason, "a blocking call panicked");
                        Err(Error::internal("the request met a bug in the server; report the x-request-id of this answer"))
                    }
                    Err(_) => Err(shutting_down()),
                }
            })
            .await
    }

    /// Starts work that calls back, and waits for it.
    async fn called_back<T: Send + 'static>(
        &self,
        call: &Call,
        cancel: &CancelOnDrop,
        start: impl FnOnce(&Engine, Done<T>),
    ) -> Result<T> {
        cancel.cancel().check()?;
        let (sender, receiver) = oneshot::channel();
        let place = call.place();
        let done: Done<T> = Box::new(move |outcome| {
            // Nobody waits any more when the client went away or gave up.
            drop(sender.send(outcome));
            drop(place);
        });
        start(&self.engine, done);
        cancel.wait(async { receiver.await.unwrap_or_else(|_| Err(shutting_down())) }).await
    }

    /// What an answer is without, for those who asked for one all the same.
    fn missing_rows(
        &self,
        is_asked: bool,
        (database, collection): (&str, &str),
    ) -> Result<Vec<String>> {
        if is_asked { self.engine.missing_rows(database, collection) } else { Ok(Vec::new()) }
    }

    /// Refuses an answer that is too large for a message, with a way out.
    fn fits<M: prost::Message>(&self, answer: M) -> Result<M> {
        let (bytes, max) = (answer.encoded_len(), self.message_bytes);
        if bytes <= max {
            return Ok(answer);
        }
        Err(Error::exhausted(format!(
            "the answer has {bytes} bytes, more than the {max} of one message; ask for fewer rows or columns"
        )))
    }
}

/// What a caller hears whose work was dropped on the way down.
fn shutting_down() -> Error {
    Error::unavailable("the server is shutting down; try again")
}

/// Says of a write that ran out of time what the caller may conclude.
fn write_error(error: Error) -> Error {
    if error.kind() == vicinal_types::ErrorKind::Deadline {
        return Error::deadline(
            "the deadline passed before the write was acknowledged; it may still happen: repeat it with the same request_id to learn its outcome",
        );
    }
    error
}
