//! Removing a snapshot, and files that none needs.

use super::format::{FILES, FileHash};
use super::list::{Listed, manifests};
use super::{Snapshots, id_in};
use std::collections::BTreeSet;
use vicinal_types::{Error, Result};

/// How old a file must be that no snapshot has ever named before it is removed: it
/// may be one of a snapshot that is being taken, by a server of the same store.
const LEFTOVER_AGE_US: u64 = 24 * 60 * 60 * 1_000_000;

/// What was removed beside the manifest.
#[derive(Default)]
pub(crate) struct Deleted {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

impl Snapshots {
    /// Removes a snapshot: its manifest first, then its files that no other
    /// snapshot names, then what interrupted ones left a day ago.
    ///
    /// # Errors
    /// `NotFound` if it is not there, `Corrupt` if another manifest cannot be read,
    /// so that nobody knows what it needs.
    pub(crate) async fn delete(&self, store: &str, id: &str) -> Result<Deleted> {
        let (id, changes) = (id_in(id)?, self.changes.lock().await);
        let store = self.open(store).await?;
        let (mut own, mut needed, mut is_there) = (BTreeSet::new(), BTreeSet::new(), false);
        let listed = manifests(&store).await?;
        let is_damaged =
            |listed: &Listed| matches!(listed, Listed::Damaged(found, _) if *found == id);
        if listed.iter().any(is_damaged) {
            // Its files are known to nobody; once they are a day old, they go with
            // the next snapshot that is deleted.
            store.remove(&id.key()).await?;
            return Ok(Deleted::default());
        }
        for listed in listed {
            match listed {
                Listed::Whole(manifest) => {
                    let is_own = manifest.id == id;
                    is_there |= is_own;
                    let hashes = if is_own { &mut own } else { &mut needed };
                    hashes.extend(manifest.files().map(|file| file.sha256));
                }
                Listed::Damaged(damaged, reason) => {
                    return Err(Error::corrupt(format!(
                        "nobody knows which files snapshot {damaged} needs: {reason}; delete that one first"
                    )));
                }
            }
        }
        if !is_there {
            return Err(Error::not_found(format!("there is no snapshot {id}")));
        }
        store.remove(&id.key()).await?;
        let now = self.clock.unix_micros();
        let mut deleted = Deleted::default();
        for object in store.list(FILES).await? {
            let name = object.key.rsplit('/').next().and_then(FileHash::parse);
            let Some(hash) = name.filter(|hash| hash.key() == object.key) else {
                continue;
            };
            let modified = u64::try_from(object.modified_us).unwrap_or_default();
            let is_leftover = modified.saturating_add(LEFTOVER_AGE_US) < now;
            if needed.contains(&hash) || !(own.contains(&hash) || is_leftover) {
                continue;
            }
            store.remove(&object.key).await?;
            deleted.files += 1;
            deleted.bytes += object.bytes;
        }
        drop(changes);
        tracing::info!(snapshot = %id, files = deleted.files, bytes = deleted.bytes, "snapshot deleted");
        Ok(deleted)
    }
}
