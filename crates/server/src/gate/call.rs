//! One request inside the gate: its deadline, its collection, its place.

use super::body::Charge;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;
use vicinal_engine::{Collection, Engine};
use vicinal_types::{Cancel, Clock, Error, Result};

/// What the gate knows of a request.
///
/// Work that outlives the request's future (a write in the log's queue, a
/// blocking call) holds the context, and with it the request's place.
pub(crate) struct Context {
    start: Instant,
    timeout: Option<Duration>,
    collection: OnceLock<Arc<Collection>>,
    _permit: Option<OwnedSemaphorePermit>,
    charge: Arc<Charge>,
}

impl Context {
    /// A request that came at `start`.
    pub(super) fn new(
        start: Instant,
        timeout: Option<Duration>,
        permit: Option<OwnedSemaphorePermit>,
        charge: Arc<Charge>,
    ) -> Self {
        Self { start, timeout, collection: OnceLock::new(), _permit: permit, charge }
    }

    /// The collection it turned out to be about; names that do not exist never
    /// get here, so they make no metrics.
    pub(super) fn collection(&self) -> Option<&Arc<Collection>> {
        self.collection.get()
    }
}

/// A request in a handler.
pub(crate) struct Call {
    context: Arc<Context>,
}

impl Call {
    /// Takes a request apart.
    ///
    /// # Errors
    /// [`Internal`](vicinal_types::ErrorKind::Internal) if it did not come through the gate.
    pub(crate) fn open<T>(mut request: tonic::Request<T>) -> Result<(Self, T)> {
        let context = request.extensions_mut().remove::<Arc<Context>>();
        let context = context.ok_or_else(|| Error::internal("a request came past the gate"))?;
        Ok((Self { context }, request.into_inner()))
    }

    /// The collection of that name or alias; from here on logs and metrics name it,
    /// and its quotas are charged with the request.
    ///
    /// # Errors
    /// `NotFound`, or `Exhausted` naming the quota.
    pub(crate) fn collection(
        &self,
        engine: &Engine,
        database: &str,
        name: &str,
    ) -> Result<Arc<Collection>> {
        let found = engine.collection(database, name)?;
        if self.context.collection.get().is_none() {
            engine.admit(&found, self.context.charge.bytes())?;
        }
        let collection = self.context.collection.get_or_init(|| Arc::clone(&found));
        tracing::Span::current().record("collection", collection.spec.name.as_str());
        Ok(found)
    }

    /// The deadline: the header's, the options' or the default's, whichever is
    /// set and first.
    pub(crate) fn cancel(
        &self,
        clock: &Arc<dyn Clock>,
        timeout_ms: u32,
        default: Option<Duration>,
    ) -> CancelOnDrop {
        let option = (timeout_ms > 0).then(|| Duration::from_millis(timeout_ms.into()));
        let given = [self.context.timeout, option].into_iter().flatten().min();
        let deadline = given.or(default).map(|timeout| self.context.start + timeout);
        CancelOnDrop { cancel: Cancel::new(Arc::clone(clock), deadline), clock: Arc::clone(clock) }
    }

    /// What work that outlives the request must hold.
    pub(crate) fn place(&self) -> Arc<Context> {
        Arc::clone(&self.context)
    }
}

/// Stops the work when the handler's future is dropped: the client went away.
pub(crate) struct CancelOnDrop {
    cancel: Cancel,
    clock: Arc<dyn Clock>,
}

impl CancelOnDrop {
    /// What the work looks at.
    pub(crate) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Waits for the work, but not beyond the deadline.
    ///
    /// # Errors
    /// [`Deadline`](vicinal_types::ErrorKind::Deadline), and what the work failed with.
    pub(crate) async fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(deadline) = self.cancel.deadline() else {
            return work.await;
        };
        let left = deadline.saturating_duration_since(self.clock.now());
        match tokio::time::timeout(left, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(vicinal_types::Stopped::Deadline.into()),
        }
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
