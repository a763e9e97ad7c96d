//! Opening a shard: its manifest, its sealed segments, no leftovers.

use super::manifest::{Body, FileKind, Manifest, SegmentEntry, file_path};
use super::requests::RequestWindow;
use super::state::{SealedState, State};
use super::{Shard, ShardOptions, build};
use crate::segment::{BuiltIndex, ScalarIndexes, Sealed, SealedView, VectorPart, read_tombstones};
use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use vicinal_index::Index;
use vicinal_storage::{Disk, LogPosition, ManifestStore, SectionFile, advise_scattered};
use vicinal_types::{Cancel, Error, Result};

impl Shard {
    /// Opens the shard in its directory, which may be empty, and says up to
    /// where its state is durable there: the log's tail comes on top.
    ///
    /// # Errors
    /// If the manifest cannot be read. A damaged segment is no error here: the
    /// others serve, and reads say what is missing.
    pub(crate) fn open(options: ShardOptions) -> Result<(Arc<Self>, LogPosition)> {
        let ShardOptions { group, collection, settings, disk, dir, clock, maintenance } = options;
        let (store, document) = ManifestStore::open(Arc::clone(&disk), &dir)?;
        let body = match document {
            Some(document) => Body::decode(&document, &dir)?,
            None => Body::empty(collection),
        };
        if body.collection != collection {
            let (dir, found) = (dir.display(), body.collection);
            return Err(Error::corrupt(format!(
                "directory {dir} holds collection {found} instead of {collection}; restore it from a copy"
            )));
        }
        remove_leftovers(&*disk, &dir, &body);
        let applied = body.applied();
        let mut manifest = Manifest { store, body };
        let state = open_state(&*disk, &dir, &settings.schema, &mut manifest.body);
        let cancel = Cancel::new(Arc::clone(&clock), None);
        let shard = Self {
            group,
            collection,
            settings: ArcSwap::from_pointee(settings),
            disk,
            dir,
            clock,
            maintenance,
            sealing: Mutex::default(),
            manifest: Mutex::new(manifest),
            view: ArcSwap::from_pointee(state.view()),
            state: RwLock::new(state),
            is_flushing: AtomicBool::new(false),
            is_copying: AtomicBool::new(false),
            samples: super::recall::Samples::default(),
            is_growing: AtomicBool::new(false),
            seen_growing: Mutex::default(),
            flush_failure: Mutex::default(),
            builds: Mutex::new(build::Builds::default()),
            merges: Mutex::default(),
            retired: Mutex::default(),
            scalar_builds: Mutex::default(),
            cancel,
        };
        Ok((Arc::new(shard), applied))
    }
}

pub(super) fn open_state(
    disk: &dyn Disk,
    dir: &Path,
    schema: &vicinal_types::Schema,
    body: &mut Body,
) -> State {
    let mut sealed = Vec::new();
    let mut damaged = Vec::new();
    for entry in &mut body.segments {
        match open_segment(disk, dir, schema, entry) {
            Ok(segment) => sealed.push(segment),
            Err(error) => {
                let reason = entry.loss(&error);
                tracing::error!(directory = %dir.display(), "{reason}");
                damaged.push(reason);
            }
        }
    }
    let requests = body.requests_file.map_or_else(
        || Ok(RequestWindow::default()),
        |file| RequestWindow::read(disk, &file_path(dir, FileKind::Requests, file), file),
    );
    let requests = requests.unwrap_or_else(|error| {
        damaged.push(format!("the outcomes of recent requests are missing: {error}"));
        RequestWindow::default()
    });
    State::new(sealed, damaged, requests, body.applied(), body.next_segment)
}

fn open_segment(
    disk: &dyn Disk,
    dir: &Path,
    schema: &vicinal_types::Schema,
    entry: &mut SegmentEntry,
) -> Result<SealedState> {
    let path = file_path(dir, FileKind::Rows, entry.file);
    let sealed = Sealed::open(disk, &path, entry.file, entry.id, schema)?;
    if sealed.rows.len() != entry.rows {
        let (found, expected) = (sealed.rows.len(), entry.rows);
        let path = path.display();
        return Err(Error::corrupt(format!("{path} has {found} rows instead of {expected}")));
    }
    let tombstones = match &entry.tombstones {
        Some(entry) => {
            let path = file_path(dir, FileKind::Tombstones, entry.file);
            read_tombstones(disk, &path, entry.file, sealed.rows.len())?
        }
        None => Vec::new(),
    };
    let indexes = open_indexes(disk, dir, &sealed, entry);
    let scalar_indexes = open_scalar_indexes(disk, dir, &sealed, schema, entry);
    let mut view = SealedView {
        sealed: Arc::new(sealed),
        indexes,
        scalar_indexes,
        live: None,
        deleted_count: 0,
        interim: None,
    };
    for tombstone in &tombstones {
        if !view.is_live(tombstone.row) {
            let row = tombstone.row;
            return Err(Error::corrupt(format!(
                "row {row} of {} has two tombstones",
                path.display()
            )));
        }
        view.delete(tombstone.row);
    }
    Ok(SealedState { view, tombstones })
}

/// The indexes of a segment. A damaged one is no loss: the segment is scanned
/// until it is rebuilt.
fn open_indexes(
    disk: &dyn Disk,
    dir: &Path,
    sealed: &Sealed,
    entry: &mut SegmentEntry,
) -> Vec<Arc<BuiltIndex>> {
    let mut indexes = Vec::new();
    entry.indexes.retain(|index| {
        let path = file_path(dir, FileKind::Index, index.file);
        // The column was dropped: its index goes with the segment.
        let Some(part) = sealed.rows.vectors(index.column) else { return true };
        let opened = open_index(disk, &path, index.file, part);
        let (column, measured) = (index.column, (index.curves(), index.learned()));
        match opened {
            Ok((index, file_bytes)) => {
                indexes.push(Arc::new(BuiltIndex::new(column, index, measured, file_bytes)));
                true
            }
            Err(error) => {
                tracing::warn!("index file {} is rebuilt: {error}", path.display());
                false
            }
        }
    });
    indexes
}

/// The indexes of a segment's scalar columns. A damaged file is no loss: the columns are
/// read until it is rebuilt.
fn open_scalar_indexes(
    disk: &dyn Disk,
    dir: &Path,
    sealed: &Sealed,
    schema: &vicinal_types::Schema,
    entry: &mut SegmentEntry,
) -> Arc<ScalarIndexes> {
    let Some(file) = entry.scalar_indexes else { return Arc::default() };
    let path = file_path(dir, FileKind::ScalarIndexes, file);
    let opened = ScalarIndexes::open(disk, &path, file, &sealed.rows, schema);
    Arc::new(opened.unwrap_or_else(|error| {
        tracing::warn!("the scalar indexes in {} are rebuilt: {error}", path.display());
        entry.scalar_indexes = None;
        ScalarIndexes::default()
    }))
}

/// Opens an index file over the vectors it was built for.
///
/// # Errors
/// `Corrupt` naming what is wrong with it.
pub(super) fn open_index(
    disk: &dyn Disk,
    path: &Path,
    file: u64,
    part: &VectorPart,
) -> Result<(Index, u64)> {
    let file = SectionFile::open(disk, path, file).map_err(Error::from)?;
    let mut read = |kind: u32| {
        let section = file.section(kind).map_err(Error::from)?;
        Ok((section.version, section.bytes))
    };
    let index = Index::open(&mut read, &part.vectors).map_err(Error::from)?;
    if let Some(Err(error)) = index.scattered().map(|bytes| advise_scattered(bytes)) {
        tracing::warn!("reads of {} take more than their pages: {error}", path.display());
    }
    Ok((index, file.bytes_len()))
}

/// Removes files that no manifest names: a crash came between writing them and
/// naming them, or between naming their successors and removing them. What cannot
/// be removed harms nobody and is tried again at the next start.
fn remove_leftovers(disk: &dyn Disk, dir: &Path, body: &Body) {
    #[cfg(feature = "seeded-bugs")]
    if vicinal_storage::Bug::LeftoversKept.is_on(disk) {
        return;
    }
    let named = body.file_names();
    let names = disk.list(dir).unwrap_or_else(|error| {
        tracing::warn!("leftovers in {} are not looked for: {error}", dir.display());
        Vec::new()
    });
    for name in names {
        if !name.starts_with("MANIFEST") && !named.contains(&name) {
            let path = dir.join(name);
            if let Err(error) = disk.remove(&path) {
                tracing::warn!("leftover {} stays for now: {error}", path.display());
            }
        }
    }
}
