//! Reading a snapshot to see whether it is whole.

use super::format::{Manifest, ManifestFile};
use super::job::Job;
use super::list::manifest;
use super::transfer::{damage, fetch, for_each};
use super::{Snapshots, id_in};
use std::collections::BTreeMap;
use std::sync::Arc;
use vicinal_types::Result;

/// What was found.
pub(crate) struct Verified {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) damaged: Vec<Damaged>,
}

/// A file that is not what it was.
pub(crate) struct Damaged {
    pub(crate) key: String,
    pub(crate) database: String,
    pub(crate) collection: String,
    pub(crate) name: String,
    pub(crate) reason: String,
}

impl Snapshots {
    /// Reads every file of a snapshot.
    ///
    /// # Errors
    /// `NotFound` for the snapshot, `Corrupt` for its manifest, `Unavailable` with
    /// what the store says; a damaged file is no error.
    pub(crate) async fn verify(&self, store: &str, id: &str, job: Arc<Job>) -> Result<Verified> {
        let (id, store) = (id_in(id)?, self.open(store).await?);
        let manifest = manifest(&store, &id).await?;
        let files: Vec<ManifestFile> = distinct(&manifest).into_values().cloned().collect();
        let bytes = files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.bytes));
        job.expect(files.len() as u64, bytes);
        let (count, names) = (files.len() as u64, files.clone());
        let reasons = for_each(files, |file| {
            let (store, job) = (store.clone(), Arc::clone(&job));
            async move {
                match fetch(&store, &file, None, &job).await {
                    Ok(()) => Ok(None),
                    Err(error) => damage(error).map(Some),
                }
            }
        });
        let mut damaged = Vec::new();
        for (file, reason) in names.iter().zip(reasons.await?) {
            let Some(reason) = reason else { continue };
            damaged.extend(uses(&manifest, file).map(|(of, name)| Damaged {
                key: file.sha256.key(),
                database: of.collection.database.clone(),
                collection: of.collection.spec.name.clone(),
                name: name.to_owned(),
                reason: reason.clone(),
            }));
        }
        Ok(Verified { files: count, bytes, damaged })
    }
}

/// Each file once, however many collections have it.
fn distinct(manifest: &Manifest) -> BTreeMap<super::format::FileHash, &ManifestFile> {
    manifest.files().map(|file| (file.sha256, file)).collect()
}

/// Who has a file, and under which name.
fn uses<'a>(
    manifest: &'a Manifest,
    file: &ManifestFile,
) -> impl Iterator<Item = (&'a super::format::ManifestCollection, &'a str)> {
    let hash = file.sha256;
    manifest.collections.iter().flat_map(move |of| {
        let same = of.files.iter().filter(move |file| file.sha256 == hash);
        same.map(move |file| (of, file.name.as_str()))
    })
}
