//! Files on the way to a store and back, several at once.

use super::blocking;
use super::format::{FileHash, ManifestFile};
use super::job::Job;
use super::store::{PART_BYTES, Store};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tokio::task::JoinSet;
use tracing::Instrument as _;
use vicinal_engine::{PinnedFile, StagedFile};
use vicinal_types::{Error, ErrorKind, Result};

/// Files under way at once: one is read while another is written.
const FILES_AT_ONCE: usize = 4;

/// Runs work for every item, some at once, and gives the outcomes in the order
/// of the items. After a failure nothing new is begun, and what is under way is
/// waited for.
pub(super) async fn for_each<I, T, F>(
    items: impl IntoIterator<Item = I>,
    work: impl Fn(I) -> F,
) -> Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let mut items = items.into_iter().enumerate();
    let (mut running, mut done) = (JoinSet::new(), Vec::new());
    let mut failed = None;
    loop {
        while failed.is_none() && running.len() < FILES_AT_ONCE {
            let Some((place, item)) = items.next() else { break };
            let work = work(item);
            let placed = async move { (place, work.await) };
            running.spawn(placed.instrument(tracing::Span::current()));
        }
        match running.join_next().await {
            Some(Ok((place, Ok(outcome)))) => done.push((place, outcome)),
            Some(Ok((_, Err(error)))) => failed = failed.or(Some(error)),
            Some(Err(error)) => {
                let bug = Error::internal("a copy ended in a bug").caused_by(error);
                failed = failed.or(Some(bug));
            }
            None => break,
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    done.sort_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, outcome)| outcome).collect())
}

/// A file that a store has by now.
pub(super) struct Sent {
    pub(super) file: ManifestFile,
    /// Whether the store did not have it before.
    pub(super) is_new: bool,
}

/// Checks a file and puts it into the store, unless that has it.
pub(super) async fn send(store: Store, file: PinnedFile, job: Arc<Job>) -> Result<Sent> {
    let name = file.name.clone();
    let cancel = job.cancel().clone();
    let (data, sha256) = blocking(move || {
        file.verify()?;
        let (data, mut hasher) = (file.bytes(), Sha256::new());
        for part in data.chunks(PART_BYTES) {
            cancel.check()?;
            hasher.update(part);
        }
        Ok((data, FileHash::finish(hasher)))
    })
    .await?;
    let (key, bytes) = (sha256.key(), data.len() as u64);
    // A file of another length is what somebody's accident left.
    let is_new = store.size(&key).await? != Some(bytes);
    if is_new {
        store.put(&key, data, &job).await?;
    }
    job.add_bytes(bytes);
    job.add_file();
    Ok(Sent { file: ManifestFile { name, bytes, sha256 }, is_new })
}

/// Reads a file of a store to its end, and perhaps keeps it.
///
/// # Errors
/// `Corrupt` if it is gone, or not what it was.
pub(super) async fn fetch(
    store: &Store,
    file: &ManifestFile,
    mut into: Option<StagedFile>,
    job: &Job,
) -> Result<()> {
    let key = file.sha256.key();
    let damaged = |what: String| Error::corrupt(format!("file {key} ({}) {what}", file.name));
    match store.size(&key).await? {
        None => return Err(damaged("is gone".to_owned())),
        Some(found) if found != file.bytes => {
            let bytes = file.bytes;
            return Err(damaged(format!("has {found} bytes instead of {bytes}")));
        }
        Some(_) => {}
    }
    let (mut hasher, mut at) = (Sha256::new(), 0);
    while at < file.bytes {
        let end = file.bytes.min(at + PART_BYTES as u64);
        job.pace(end - at).await?;
        let part: Bytes = store.read(&key, at..end).await?;
        (hasher, into) = blocking(move || {
            hasher.update(&part);
            if let Some(into) = &mut into {
                into.append(&part)?;
            }
            Ok((hasher, into))
        })
        .await?;
        job.add_bytes(end - at);
        at = end;
    }
    let found = FileHash::finish(hasher);
    if found != file.sha256 {
        return Err(damaged(format!("has SHA-256 {found}")));
    }
    if let Some(into) = into {
        blocking(move || into.finish()).await?;
    }
    job.add_file();
    Ok(())
}

/// The reason, if an error says that a file is damaged.
pub(super) fn damage(error: Error) -> Result<String> {
    match error.kind() {
        ErrorKind::Corrupt => Ok(error.to_string()),
        ErrorKind::Invalid
        | ErrorKind::NotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::Conflict
        | ErrorKind::Exhausted
        | ErrorKind::Unavailable
        | ErrorKind::Deadline
        | ErrorKind::Cancelled
        | ErrorKind::Internal => Err(error),
    }
}
