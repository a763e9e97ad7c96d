//! Which snapshots there are.

use super::Snapshots;
use super::format::{MANIFEST_BYTES_MAX, Manifest, SNAPSHOTS, SnapshotId};
use super::store::{PART_BYTES, Store};
use super::transfer::{damage, for_each};
use vicinal_types::{Error, ErrorKind, Result};

/// A snapshot of a store.
pub(crate) enum Listed {
    Whole(Manifest),
    /// Its manifest cannot be read, and why.
    Damaged(SnapshotId, String),
}

impl Snapshots {
    /// The snapshots of a store, oldest first.
    ///
    /// # Errors
    /// `Unavailable` with what the store says.
    pub(crate) async fn list(&self, store: &str) -> Result<Vec<Listed>> {
        manifests(&self.open(store).await?).await
    }
}

/// Reads all manifests of a store, oldest first.
pub(super) async fn manifests(store: &Store) -> Result<Vec<Listed>> {
    let ids = ids(store).await?;
    for_each(ids, |id| {
        let store = store.clone();
        async move {
            match manifest(&store, &id).await {
                Ok(manifest) => Ok(Listed::Whole(manifest)),
                Err(error) if error.kind() == ErrorKind::Invalid => {
                    Ok(Listed::Damaged(id, error.to_string()))
                }
                Err(error) => damage(error).map(|reason| Listed::Damaged(id, reason)),
            }
        }
    })
    .await
}

/// The ids of a store's snapshots; what has another name is none of ours.
async fn ids(store: &Store) -> Result<Vec<SnapshotId>> {
    let objects = store.list(SNAPSHOTS).await?;
    let name = |key: &str| key.strip_prefix(SNAPSHOTS)?.strip_prefix('/').map(str::to_owned);
    let names = objects.iter().filter_map(|object| name(&object.key));
    Ok(names.filter_map(|name| SnapshotId::parse(&name)).collect())
}

/// The manifest of a snapshot.
///
/// # Errors
/// `NotFound` if there is none, `Corrupt` if it is not as it was written.
pub(super) async fn manifest(store: &Store, id: &SnapshotId) -> Result<Manifest> {
    let key = id.key();
    let Some(bytes) = store.size(&key).await? else {
        return Err(Error::not_found(format!(
            "there is no snapshot {id}; `vicinal snapshot list` shows those there are"
        )));
    };
    if bytes > MANIFEST_BYTES_MAX {
        return Err(Error::corrupt(format!(
            "the manifest of snapshot {id} has {bytes} bytes, the limit is {MANIFEST_BYTES_MAX}"
        )));
    }
    let mut text = Vec::new();
    let mut at = 0;
    while at < bytes {
        let end = bytes.min(at + PART_BYTES as u64);
        text.extend_from_slice(&store.read(&key, at..end).await?);
        at = end;
    }
    Manifest::decode(&text, id)
}
