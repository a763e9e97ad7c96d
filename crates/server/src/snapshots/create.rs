//! Taking a snapshot.

use super::format::{Manifest, ManifestCollection, SnapshotId};
use super::job::Job;
use super::transfer::{Sent, for_each, send};
use super::{Snapshots, blocking};
use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use vicinal_engine::{Engine, Pinned};
use vicinal_types::{Cancel, Error, Result};

/// Bytes of a label.
const LABEL_BYTES_MAX: usize = 1_024;

/// What a snapshot shall have.
pub(crate) struct Create {
    pub(crate) store: String,
    pub(crate) database: String,
    /// None: all of the database.
    pub(crate) collections: Vec<String>,
    pub(crate) label: String,
}

/// A snapshot that was taken.
pub(crate) struct Created {
    pub(crate) manifest: Manifest,
    /// Files that the store did not have, and their bytes.
    pub(crate) written_files: u64,
    pub(crate) written_bytes: u64,
}

impl Snapshots {
    /// Takes a snapshot; it is in the store, whole, when this returns.
    ///
    /// # Errors
    /// `NotFound` for a collection, `Corrupt` if one of its files is damaged,
    /// `Unavailable` with what the store says.
    pub(crate) async fn create(&self, wanted: Create, job: Arc<Job>) -> Result<Created> {
        let Create { store, database, collections, label } = wanted;
        if label.len() > LABEL_BYTES_MAX {
            let bytes = label.len();
            return Err(Error::invalid(format!(
                "the label has {bytes} bytes, the limit is {LABEL_BYTES_MAX}"
            )));
        }
        let (changes, url) = (self.changes.lock().await, store);
        let store = self.open(&url).await?;
        let (engine, cancel) = (self.engine.clone(), job.cancel().clone());
        let pinned = blocking(move || pin(&engine, &database, collections, &cancel)).await?;
        let files = || pinned.iter().flat_map(|pinned| &pinned.files);
        let bytes = files().map(|file| file.bytes().len() as u64).sum();
        job.expect(files().count() as u64, bytes);
        let (mut kept, mut seen) = (Vec::new(), BTreeSet::new());
        let (mut written_files, mut written_bytes) = (0, 0);
        for Pinned { collection, files } in pinned {
            let sent = for_each(files, |file| send(store.clone(), file, Arc::clone(&job))).await?;
            for Sent { file, is_new } in &sent {
                if *is_new && seen.insert(file.sha256) {
                    written_files += 1;
                    written_bytes += file.bytes;
                }
            }
            let files = sent.into_iter().map(|sent| sent.file).collect();
            kept.push(ManifestCollection { collection, files });
        }
        let created_us = self.clock.unix_micros();
        let random = RandomState::new().hash_one(created_us);
        let manifest = Manifest {
            id: SnapshotId::new(created_us, u32::try_from(random >> 32).unwrap_or_default()),
            created_us,
            label,
            server_version: env!("CARGO_PKG_VERSION").to_owned(),
            collections: kept,
        };
        store.put(&manifest.id.key(), manifest.encode().into(), &job).await?;
        drop(changes);
        tracing::info!(snapshot = %manifest.id, written_files, written_bytes, "snapshot taken");
        Ok(Created { manifest, written_files, written_bytes })
    }
}

/// Holds on to the collections, one right after the other.
fn pin(
    engine: &Engine,
    database: &str,
    mut names: Vec<String>,
    cancel: &Cancel,
) -> Result<Vec<Pinned>> {
    if names.is_empty() {
        names = engine.list_collections(database)?.into_iter().map(|known| known.name).collect();
    }
    let mut pinned: Vec<Pinned> = Vec::with_capacity(names.len());
    for name in names {
        let name = engine.collection(database, &name)?.spec.name.clone();
        // Two aliases of one collection are no two collections.
        if !pinned.iter().any(|pinned| pinned.collection.spec.name == name) {
            pinned.push(engine.pin(database, &name, cancel)?);
        }
    }
    if pinned.is_empty() {
        return Err(Error::not_found("there is no collection to take a snapshot of"));
    }
    Ok(pinned)
}
