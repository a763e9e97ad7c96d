//! Snapshots in a directory or an object store.
//!
//! The engine hands files out and takes them in; here they travel. A file is kept
//! under its SHA-256, so that what a store has is never written again, and a
//! manifest is written last: a snapshot that was interrupted is none.

mod create;
mod delete;
mod format;
mod job;
mod list;
mod restore;
mod store;
mod transfer;
mod verify;

#[cfg(test)]
mod tests;

pub(crate) use create::{Create, Created};
pub(crate) use delete::Deleted;
pub(crate) use format::{Manifest, ManifestCollection, SnapshotId};
pub(crate) use job::Job;
pub(crate) use list::Listed;
pub(crate) use restore::{Restore, Restored};
pub(crate) use verify::{Damaged, Verified};

use crate::config::SnapshotsConfig;
use std::path::Path;
use std::sync::Arc;
use store::Store;
use tokio::sync::Mutex;
use vicinal_engine::Engine;
use vicinal_types::{Clock, Error, Result};

/// Everything about snapshots on this node.
pub(crate) struct Snapshots {
    engine: Engine,
    clock: Arc<dyn Clock>,
    config: SnapshotsConfig,
    /// Held while files are written to or removed from a store: what one finds
    /// there, the other must not remove. Held across IO, and no other lock is
    /// taken under it.
    changes: Mutex<()>,
}

impl Snapshots {
    /// Snapshots of an engine's collections, in the store of `config`, else below the
    /// data directory.
    pub(crate) fn new(
        engine: Engine,
        clock: Arc<dyn Clock>,
        mut config: SnapshotsConfig,
        data: &Path,
    ) -> Self {
        if config.store.is_empty() {
            let folder = data.join("snapshots");
            // Without a working directory the relative path is refused when it is used.
            let folder = std::path::absolute(&folder).unwrap_or(folder);
            config.store = folder.display().to_string();
        }
        Self { engine, clock, config, changes: Mutex::new(()) }
    }

    /// The store of a URL; the configured one for the empty URL.
    async fn open(&self, url: &str) -> Result<Store> {
        let configured = self.config.store.as_str();
        let url = if url.is_empty() { configured } else { url };
        if url != configured && !self.config.other_stores {
            return Err(Error::invalid(format!(
                "store {url} is not this server's, {configured}, and snapshots.other_stores is false; set snapshots.store to it, or leave it out"
            )));
        }
        let url = url.to_owned();
        blocking(move || Store::open(&url)).await
    }
}

/// The id of a snapshot that a request names.
fn id_in(text: &str) -> Result<SnapshotId> {
    SnapshotId::parse(text).ok_or_else(|| {
        Error::invalid(format!(
            "{text:?} is no snapshot's id, which looks like 20261121T140000Z-1a2b3c4d; `vicinal snapshot list` shows those there are"
        ))
    })
}

/// Runs what blocks on tokio's threads for such.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let span = tracing::Span::current();
    let task = tokio::task::spawn_blocking(move || span.in_scope(work));
    task.await.unwrap_or_else(|error| {
        Err(Error::internal("work on a snapshot ended in a bug").caused_by(error))
    })
}
