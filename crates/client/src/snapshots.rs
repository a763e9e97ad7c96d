//! Copies of collections in a store, and back.

use crate::connect::Client;
use crate::error::{Error, Result};
use tonic::codec::Streaming;
use tonic::{Request, Response, Status};
use vicinal_api::v1 as proto;

/// An answer of a call that takes its time.
enum Step<T> {
    Progress(proto::SnapshotProgress),
    Done(T),
}

impl Client {
    /// Takes a snapshot into a store that the server reaches; files that are there
    /// are not written again. `progress` hears how far it is. Dropping the future
    /// stops it, and then there is no snapshot.
    ///
    /// # Errors
    /// `NOT_FOUND` for a collection, `UNAVAILABLE` with what the store says.
    pub async fn create_snapshot(
        &self,
        mut request: proto::CreateSnapshotRequest,
        progress: impl FnMut(&proto::SnapshotProgress),
    ) -> Result<proto::Snapshot> {
        if request.database.is_empty() {
            request.database = self.database();
        }
        let answers = self.snapshots_stub().create_snapshot(Request::new(request)).await;
        let step = |answer: proto::CreateSnapshotResponse| step(answer.snapshot, answer.progress);
        self.last(answers, step, progress).await
    }

    /// Lists the snapshots of a store, oldest first; of the server's own for "".
    ///
    /// # Errors
    /// `UNAVAILABLE` with what the store says.
    pub async fn list_snapshots(&self, store: &str) -> Result<Vec<proto::Snapshot>> {
        let message = proto::ListSnapshotsRequest { store: store.to_owned() };
        let answer = self
            .call(message, |request| {
                let mut stub = self.snapshots_stub();
                async move { stub.list_snapshots(request).await }
            })
            .await?;
        Ok(answer.snapshots)
    }

    /// Makes collections of a snapshot, each at once or not at all.
    ///
    /// # Errors
    /// `ALREADY_EXISTS` for a name, `DATA_LOSS` naming a file that is not what it
    /// was.
    pub async fn restore_snapshot(
        &self,
        request: proto::RestoreSnapshotRequest,
        progress: impl FnMut(&proto::SnapshotProgress),
    ) -> Result<Vec<proto::RestoredCollection>> {
        let answers = self.snapshots_stub().restore_snapshot(Request::new(request)).await;
        let step = |answer: proto::RestoreSnapshotResponse| step(answer.restored, answer.progress);
        Ok(self.last(answers, step, progress).await?.collections)
    }

    /// Reads every file of a snapshot and says which are not what they were.
    ///
    /// # Errors
    /// `NOT_FOUND` for the snapshot, `DATA_LOSS` for its manifest.
    pub async fn verify_snapshot(
        &self,
        store: &str,
        snapshot: &str,
        progress: impl FnMut(&proto::SnapshotProgress),
    ) -> Result<proto::VerifiedSnapshot> {
        let (store, snapshot) = (store.to_owned(), snapshot.to_owned());
        let request = Request::new(proto::VerifySnapshotRequest { store, snapshot });
        let answers = self.snapshots_stub().verify_snapshot(request).await;
        let step = |answer: proto::VerifySnapshotResponse| step(answer.verified, answer.progress);
        self.last(answers, step, progress).await
    }

    /// Removes a snapshot, and the files that no other one needs.
    ///
    /// # Errors
    /// `NOT_FOUND` if it is not there.
    pub async fn delete_snapshot(
        &self,
        store: &str,
        snapshot: &str,
    ) -> Result<proto::DeleteSnapshotResponse> {
        let (store, snapshot) = (store.to_owned(), snapshot.to_owned());
        // Not repeated: who asks twice is told that it is not there.
        let request = Request::new(proto::DeleteSnapshotRequest { store, snapshot });
        let answer = self.snapshots_stub().delete_snapshot(request).await;
        let answer = answer.map_err(|status| Error::from_status(&status, self.address()))?;
        Ok(answer.into_inner())
    }

    /// Reads answers up to the one that ends the call.
    async fn last<M, T>(
        &self,
        answers: Result<Response<Streaming<M>>, Status>,
        step: impl Fn(M) -> Option<Step<T>>,
        mut progress: impl FnMut(&proto::SnapshotProgress),
    ) -> Result<T> {
        let failed = |status: Status| Error::from_status(&status, self.address());
        let mut answers = answers.map_err(failed)?.into_inner();
        while let Some(answer) = answers.message().await.map_err(failed)? {
            match step(answer) {
                Some(Step::Done(done)) => return Ok(done),
                Some(Step::Progress(now)) => progress(&now),
                None => return Err(self.answer_error("an answer says nothing")),
            }
        }
        Err(self.answer_error("it ends before it is done"))
    }
}

fn step<T>(done: Option<T>, progress: Option<proto::SnapshotProgress>) -> Option<Step<T>> {
    done.map(Step::Done).or(progress.map(Step::Progress))
}
