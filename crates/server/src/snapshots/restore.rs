//! Bringing collections back.

use super::format::{Manifest, ManifestCollection};
use super::job::Job;
use super::list::manifest;
use super::store::Store;
use super::transfer::{fetch, for_each};
use super::{Snapshots, blocking, id_in};
use std::collections::BTreeSet;
use std::sync::Arc;
use vicinal_engine::{Engine, RestoreAs, Staging};
use vicinal_types::{CollectionId, Error, Result};

/// What to bring back, and under which name.
pub(crate) struct Restore {
    pub(crate) store: String,
    pub(crate) snapshot: String,
    /// None: all.
    pub(crate) collection: Option<String>,
    pub(crate) to: RestoreAs,
    pub(crate) aliases: bool,
}

/// A collection that is back.
pub(crate) struct Restored {
    pub(crate) id: CollectionId,
    pub(crate) database: String,
    pub(crate) collection: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

impl Snapshots {
    /// Makes collections of a snapshot, one after another, each at once or not at
    /// all.
    ///
    /// # Errors
    /// `NotFound` for the snapshot or the collection, `AlreadyExists` for a name
    /// that is taken, before anything is copied; `Corrupt` naming a file.
    pub(crate) async fn restore(&self, wanted: Restore, job: Arc<Job>) -> Result<Vec<Restored>> {
        let (id, store) = (id_in(&wanted.snapshot)?, self.open(&wanted.store).await?);
        let chosen = choose(manifest(&store, &id).await?, &wanted)?;
        let bytes = chosen.iter().fold(0, |sum: u64, of| sum.saturating_add(of.bytes()));
        job.expect(chosen.iter().map(|of| of.files.len() as u64).sum(), bytes);
        let mut staged = Vec::new();
        let mut left = bytes;
        for of in chosen {
            let staging = self.stage(&of, &wanted.to, left).await?;
            left = left.saturating_sub(of.bytes());
            staged.push((of, staging));
        }
        let mut restored = Vec::new();
        for (of, staging) in staged {
            let collection = self.bring(&store, of, staging, &wanted, &job);
            restored.push(collection.await?);
        }
        Ok(restored)
    }

    async fn stage(&self, of: &ManifestCollection, to: &RestoreAs, bytes: u64) -> Result<Staging> {
        let (engine, collection, to) = (self.engine.clone(), of.collection.clone(), to.clone());
        let staging = blocking(move || engine.stage(&collection, &to, bytes)).await?;
        let brought: BTreeSet<&str> = of.files.iter().map(|file| file.name.as_str()).collect();
        match staging.names().iter().find(|name| !brought.contains(name.as_str())) {
            None => Ok(staging),
            Some(name) => Err(Error::corrupt(format!(
                "the snapshot lacks file {name} of collection `{}`",
                of.collection.spec.name
            ))),
        }
    }

    /// Copies the files of a collection and makes it of them.
    async fn bring(
        &self,
        store: &Store,
        of: ManifestCollection,
        staging: Staging,
        wanted: &Restore,
        job: &Arc<Job>,
    ) -> Result<Restored> {
        let bytes = of.bytes();
        let ManifestCollection { collection, files } = of;
        let staging = Arc::new(staging);
        let copied = for_each(files, |file| {
            let (store, job) = (store.clone(), Arc::clone(job));
            let staging = Arc::clone(&staging);
            async move {
                let name = file.name.clone();
                let into = blocking(move || staging.create(&name)).await?;
                fetch(&store, &file, Some(into), &job).await
            }
        });
        copied.await?;
        let staging = Arc::into_inner(staging);
        let staging = staging.ok_or_else(|| Error::internal("a copy outlived its end"))?;
        job.cancel().check()?;
        let (engine, aliases) = (self.engine.clone(), collection.aliases.clone());
        let name = wanted.to.collection.clone().unwrap_or(collection.spec.name);
        let database = wanted.to.database.clone().unwrap_or(collection.database);
        let aliases = if wanted.aliases { aliases } else { Vec::new() };
        let place = (database.clone(), name.clone());
        let id = blocking(move || {
            let id = staging.install()?;
            set_aliases(&engine, &place, &aliases)?;
            Ok(id)
        })
        .await?;
        tracing::info!(collection = name, bytes, "restored from a snapshot");
        Ok(Restored { id, database, collection: name, rows: collection.rows, bytes })
    }
}

fn set_aliases(
    engine: &Engine,
    (database, name): &(String, String),
    aliases: &[String],
) -> Result<()> {
    aliases.iter().try_for_each(|alias| engine.set_alias(database, alias, name, None).map(|_| ()))
}

/// The collections of a snapshot that are asked for.
fn choose(manifest: Manifest, wanted: &Restore) -> Result<Vec<ManifestCollection>> {
    let Manifest { id, mut collections, .. } = manifest;
    if let Some(name) = &wanted.collection {
        let known: Vec<_> = collections.iter().map(|of| of.collection.spec.name.clone()).collect();
        collections.retain(|of| of.collection.spec.name == *name);
        if collections.is_empty() {
            let known = known.join("`, `");
            return Err(Error::not_found(format!(
                "snapshot {id} has no collection `{name}`; it has `{known}`"
            )));
        }
    }
    if wanted.to.collection.is_some() && collections.len() != 1 {
        let count = collections.len();
        return Err(Error::invalid(format!(
            "{count} collections of snapshot {id} cannot get one name; name the collection to restore"
        )));
    }
    Ok(collections)
}
