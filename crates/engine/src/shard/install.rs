//! From staged files to a shard: the last steps of a restore.
//!
//! The order is what makes a crash harmless at each of them:
//! 1. the files are written into a folder of their own and made durable, a
//!    manifest that names them last;
//! 2. a command of the catalogue creates the collection and names the folder;
//! 3. applying it moves the files into the directory of the new group and makes
//!    that durable;
//! 4. a manifest there names them, for the new collection;
//! 5. the folder is removed.
//!
//! A crash before 2 is durable leaves a folder that nobody names, which the next
//! start removes. After it, every start goes through 3 to 5 until 4 has happened.

use super::manifest::Body;
use super::open::open_state;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use vicinal_storage::{Disk, LogPosition, ManifestStore};
use vicinal_types::{CollectionId, Error, Result, Schema};

/// The names of the files that a shard's state needs, and up to where they hold
/// every write.
///
/// # Errors
/// `Corrupt` if it is no state of a shard, `Invalid` for that of a newer program.
pub(crate) fn staged_names(
    state: &serde_json::Value,
    dir: &Path,
) -> Result<(BTreeSet<String>, LogPosition)> {
    let body = decode(state, dir)?;
    body.check_numbers()?;
    Ok((body.file_names().into_iter().collect(), body.applied()))
}

/// Checks that the staged files are what the state says, all of it, and makes
/// them durable.
///
/// # Errors
/// `Corrupt` naming what is wrong.
pub(crate) fn check_staged(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    schema: &Schema,
    state: &serde_json::Value,
) -> Result<()> {
    let body = decode(state, dir)?;
    let mut opened = body.clone();
    let damaged = open_state(&**disk, dir, schema, &mut opened).damaged;
    if !damaged.is_empty() {
        return Err(Error::corrupt(damaged.join("; ")));
    }
    if opened != body {
        return Err(Error::corrupt("an index of the snapshot is not what its manifest says"));
    }
    disk.sync_dir(dir).map_err(|error| unusable(dir, error))?;
    let (mut store, _) = ManifestStore::open(Arc::clone(disk), dir)?;
    store.commit(&body.encode())?;
    Ok(())
}

/// Moves staged files into the directory of their group, if that has not been
/// done before.
///
/// # Errors
/// `Corrupt` if files are gone, `Unavailable` if they cannot be moved now.
pub(crate) fn install(
    disk: &Arc<dyn Disk>,
    staged: &Path,
    dir: &Path,
    collection: CollectionId,
) -> Result<()> {
    let (mut store, document) = ManifestStore::open(Arc::clone(disk), dir)?;
    if document.is_none() {
        let mut body = staged_body(disk, staged)?;
        body.collection = collection;
        move_files(&**disk, staged, dir, &body)?;
        #[cfg(feature = "seeded-bugs")]
        if vicinal_storage::Bug::StageRemovedEarly.is_on(&**disk) {
            disk.remove_dir_all(staged).map_err(|error| unusable(staged, error))?;
        }
        store.commit(&body.encode())?;
    }
    let is_there = disk.exists(staged).map_err(|error| unusable(staged, error))?;
    if is_there && let Err(error) = disk.remove_dir_all(staged) {
        tracing::warn!("{} is left for the next start to remove: {error}", staged.display());
    }
    Ok(())
}

fn move_files(disk: &dyn Disk, staged: &Path, dir: &Path, body: &Body) -> Result<()> {
    for name in body.file_names() {
        let (from, to) = (staged.join(&name), dir.join(&name));
        let moved = match disk.exists(&from) {
            Ok(true) => disk.rename(&from, &to).map(|()| true),
            // An earlier start moved it before it was stopped.
            Ok(false) => disk.exists(&to),
            Err(error) => Err(error),
        };
        if !moved.map_err(|error| unusable(&from, error))? {
            let from = from.display();
            return Err(Error::corrupt(format!(
                "restored file {from} is gone; drop the collection and restore it again"
            )));
        }
    }
    #[cfg(feature = "seeded-bugs")]
    if vicinal_storage::Bug::MovesNotSynced.is_on(disk) {
        return Ok(());
    }
    disk.sync_dir(dir).map_err(|error| unusable(dir, error))
}

fn staged_body(disk: &Arc<dyn Disk>, staged: &Path) -> Result<Body> {
    let gone = || {
        let staged = staged.display();
        Error::corrupt(format!(
            "the restored files in {staged} are gone; drop the collection and restore it again"
        ))
    };
    if !disk.exists(staged).map_err(|error| unusable(staged, error))? {
        return Err(gone());
    }
    let (_, document) = ManifestStore::open(Arc::clone(disk), staged)?;
    Body::decode(&document.ok_or_else(gone)?, staged)
}

fn decode(state: &serde_json::Value, dir: &Path) -> Result<Body> {
    let document = serde_json::to_vec(state).expect("a value of JSON is JSON");
    Body::decode(&document, dir)
}

fn unusable(path: &Path, error: std::io::Error) -> Error {
    Error::unavailable(format!("{} cannot be used", path.display())).caused_by(error)
}
