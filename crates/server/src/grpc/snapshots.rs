//! Copying collections away, and bringing them back.

use super::{Api, shutting_down};
use crate::convert;
use crate::gate::Call;
use crate::snapshots::Job;
use crate::status::status;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tracing::Instrument as _;
use vicinal_api::v1;
use vicinal_api::v1::snapshots_server::Snapshots;
use vicinal_types::Result;

/// Between two answers that only tell of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// Answers that may wait for a slow reader; progress is skipped beyond.
const ANSWERS_WAITING_MAX: usize = 2;

/// The answers of a call that takes its time.
type Answers<M> = ReceiverStream<Result<M, Status>>;

impl Api {
    /// Runs a job to its end, whether or not anybody listens: what it began it
    /// cleans up. It is asked to stop when nobody does.
    fn watch<M: Send + 'static, F: Future<Output = Result<M>> + Send + 'static>(
        &self,
        call: &Call,
        work: impl FnOnce(Self, Arc<Job>) -> F,
        progress: fn(v1::SnapshotProgress) -> M,
    ) -> Response<Answers<M>> {
        let cancel = call.cancel(&self.0.clock, 0, None);
        let rate = self.0.snapshot_rate;
        let job = Job::new(cancel.cancel().clone(), Arc::clone(&self.0.clock), rate);
        let (job, place) = (Arc::new(job), call.place());
        let work = work(self.clone(), Arc::clone(&job));
        let (sender, receiver) = mpsc::channel(ANSWERS_WAITING_MAX);
        let run = async move {
            let mut work = pin!(work);
            let mut ticks = tokio::time::interval(PROGRESS_INTERVAL);
            let outcome = loop {
                tokio::select! {
                    outcome = &mut work => break outcome,
                    _ = ticks.tick() => {
                        let answer = progress(convert::progress_out(&job));
                        if let Err(TrySendError::Closed(_)) = sender.try_send(Ok(answer)) {
                            cancel.cancel().cancel();
                        }
                    }
                }
            };
            // Nobody is left to tell if the receiver is gone.
            drop(sender.send(outcome.map_err(|error| status(&error))).await);
            drop(place);
        };
        tokio::spawn(run.instrument(tracing::Span::current()));
        Response::new(ReceiverStream::new(receiver))
    }

    /// Runs what is over soon to its end, whether or not anybody listens.
    async fn to_its_end<T: Send + 'static>(
        &self,
        call: &Call,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let place = call.place();
        let run = async move {
            let outcome = work.await;
            drop(place);
            outcome
        };
        let task = tokio::spawn(run.instrument(tracing::Span::current()));
        task.await.unwrap_or_else(|_| Err(shutting_down()))
    }
}

#[tonic::async_trait]
impl Snapshots for Api {
    type CreateSnapshotStream = Answers<v1::CreateSnapshotResponse>;
    type RestoreSnapshotStream = Answers<v1::RestoreSnapshotResponse>;
    type VerifySnapshotStream = Answers<v1::VerifySnapshotResponse>;

    async fn create_snapshot(
        &self,
        request: Request<v1::CreateSnapshotRequest>,
    ) -> Result<Response<Self::CreateSnapshotStream>, Status> {
        let (call, request) = Call::open(request).map_err(|error| status(&error))?;
        let wanted = convert::create_snapshot_in(request);
        let work = |api: Self, job| async move {
            let created = api.0.snapshots.create(wanted, job).await?;
            let snapshot = Some(convert::created_out(created));
            Ok(v1::CreateSnapshotResponse { snapshot, progress: None })
        };
        Ok(self.watch(&call, work, |progress| v1::CreateSnapshotResponse {
            progress: Some(progress),
            snapshot: None,
        }))
    }

    async fn list_snapshots(
        &self,
        request: Request<v1::ListSnapshotsRequest>,
    ) -> Result<Response<v1::ListSnapshotsResponse>, Status> {
        let list = async {
            let (call, request) = Call::open(request)?;
            let api = self.clone();
            let work = async move { api.0.snapshots.list(&request.store).await };
            let listed = self.to_its_end(&call, work).await?;
            self.0.fits(convert::listed_out(listed))
        };
        list.await.map(Response::new).map_err(|error| status(&error))
    }

    async fn restore_snapshot(
        &self,
        request: Request<v1::RestoreSnapshotRequest>,
    ) -> Result<Response<Self::RestoreSnapshotStream>, Status> {
        let (call, request) = Call::open(request).map_err(|error| status(&error))?;
        let wanted = convert::restore_snapshot_in(request).map_err(|error| status(&error))?;
        let work = |api: Self, job| async move {
            let restored = api.0.snapshots.restore(wanted, job).await?;
            let restored = Some(convert::restored_out(restored));
            Ok(v1::RestoreSnapshotResponse { restored, progress: None })
        };
        Ok(self.watch(&call, work, |progress| v1::RestoreSnapshotResponse {
            progress: Some(progress),
            restored: None,
        }))
    }

    async fn verify_snapshot(
        &self,
        request: Request<v1::VerifySnapshotRequest>,
    ) -> Result<Response<Self::VerifySnapshotStream>, Status> {
        let (call, request) = Call::open(request).map_err(|error| status(&error))?;
        let v1::VerifySnapshotRequest { store, snapshot } = request;
        let work = |api: Self, job| async move {
            let verified = api.0.snapshots.verify(&store, &snapshot, job).await?;
            let verified = Some(convert::verified_out(verified));
            Ok(v1::VerifySnapshotResponse { verified, progress: None })
        };
        Ok(self.watch(&call, work, |progress| v1::VerifySnapshotResponse {
            progress: Some(progress),
            verified: None,
        }))
    }

    async fn delete_snapshot(
        &self,
        request: Request<v1::DeleteSnapshotRequest>,
    ) -> Result<Response<v1::DeleteSnapshotResponse>, Status> {
        let delete = async {
            let (call, request) = Call::open(request)?;
            let api = self.clone();
            let v1::DeleteSnapshotRequest { store, snapshot } = request;
            let work = async move { api.0.snapshots.delete(&store, &snapshot).await };
            let deleted = self.to_its_end(&call, work).await?;
            Ok(convert::deleted_out(&deleted))
        };
        delete.await.map(Response::new).map_err(|error| status(&error))
    }
}
