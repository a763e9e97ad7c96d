//! Checking the files of a shard without a server.

use super::manifest::{Body, FileKind, SegmentEntry, file_path};
use super::open::open_index;
use super::requests::RequestWindow;
use crate::columns::id_ref;
use crate::segment::{ScalarIndexes, Sealed, read_tombstones};
use crate::verify::{FileRole, Look, check_command, tail};
use std::path::Path;
use vicinal_storage::{LogInspection, SectionFile};
use vicinal_types::{Bitmap, CollectionId, Error, GroupId, Result, Schema};

/// A shard's directory and what its files are held against.
pub(crate) struct ShardFiles<'a> {
    pub(crate) group: GroupId,
    pub(crate) collection: CollectionId,
    pub(crate) dir: &'a Path,
    pub(crate) schema: &'a Schema,
    pub(crate) log: Option<&'a LogInspection>,
}

/// A live row: the hash of its id, the place of its segment, its row.
type Live = (u64, usize, u32);

impl ShardFiles<'_> {
    /// Checks every file, and what they say of each other.
    ///
    /// # Errors
    /// If a directory cannot be listed.
    pub(crate) fn verify(&self, look: &mut Look) -> Result<()> {
        let found = look.manifests(self.dir)?;
        let mut path = self.dir.to_owned();
        let body = match found {
            Some((newest, body)) => {
                path = newest;
                Body::decode(&body, self.dir)
            }
            // Created just before the end, or damaged, which is said already.
            None => Ok(Body::empty(self.collection)),
        };
        let body = match body {
            Ok(body) if body.collection == self.collection => body,
            Ok(body) => {
                let (found, wanted) = (body.collection, self.collection);
                let text = format!("it is of collection {found} instead of {wanted}");
                look.problem(&path, FileRole::Manifest, text);
                return Ok(());
            }
            Err(error) => {
                look.problem(&path, FileRole::Manifest, error.to_string());
                return Ok(());
            }
        };
        let check = |entry: &_| check_command(entry, self.collection);
        if let Some(log) = self.log
            && let Err(error) = tail(log, self.group, body.applied(), check)
        {
            look.problem(&path, FileRole::Manifest, error);
        }
        self.segments(look, &body);
        if let Some(file) = body.requests_file {
            let path = file_path(self.dir, FileKind::Requests, file);
            let problem = RequestWindow::read(&*look.disk, &path, file).err();
            look.file(path, FileRole::Requests, problem.map(|error| error.to_string()));
        }
        let named = body.file_names();
        for name in look.names(self.dir)? {
            let is_known =
                named.contains(&name) || (name.starts_with("MANIFEST-") && !name.ends_with(".tmp"));
            if !is_known {
                look.file(self.dir.join(name), FileRole::Leftover, None);
            }
        }
        Ok(())
    }

    /// Checks the files of a restore that the next start completes: it moves them into
    /// the group's directory, where some of them may be already.
    ///
    /// # Errors
    /// If a directory cannot be listed.
    pub(crate) fn verify_staged(&self, staged: &Path, look: &mut Look) -> Result<()> {
        let Some((path, body)) = look.manifests(staged)? else {
            let gone = "the restored files are gone; drop the collection and restore it again";
            look.problem(staged, FileRole::Manifest, gone.to_owned());
            return Ok(());
        };
        let body = match Body::decode(&body, staged) {
            Ok(body) => body,
            Err(error) => {
                look.problem(&path, FileRole::Manifest, error.to_string());
                return Ok(());
            }
        };
        let waiting = look.names(staged)?;
        for (name, number) in body.files() {
            let dir = if waiting.contains(&name) { staged } else { self.dir };
            let path = dir.join(name);
            let problem = check_sections(look, &path, number).err();
            look.file(path, FileRole::Staged, problem);
        }
        Ok(())
    }

    fn segments(&self, look: &mut Look, body: &Body) {
        let mut live: Vec<Live> = Vec::new();
        let mut opened = Vec::new();
        for entry in &body.segments {
            let Some(sealed) = self.rows(look, entry) else { continue };
            let dead = self.tombstones(look, entry, &sealed);
            let rows = sealed.by_hash_from(0).filter(|(_, row)| !dead.contains(*row));
            live.extend(rows.map(|(hash, row)| (hash, opened.len(), row)));
            self.indexes(look, entry, &sealed);
            opened.push((entry, sealed));
        }
        live.sort_unstable();
        for pair in live.windows(2) {
            let [(hash, segment, row), (other_hash, other, other_row)] = *pair else { continue };
            let id = |segment: usize, row: u32| id_ref(&opened[segment].1.rows.ids, row as usize);
            if hash == other_hash && id(segment, row) == id(other, other_row) {
                let (entry, _) = &opened[other];
                let path = file_path(self.dir, FileKind::Rows, entry.file);
                let older = opened[segment].0.id;
                let text = format!(
                    "row {other_row} has the id of row {row} of segment {older}; both live"
                );
                look.problem(&path, FileRole::Rows, text);
                return;
            }
        }
    }

    fn rows(&self, look: &mut Look, entry: &SegmentEntry) -> Option<Sealed> {
        let path = file_path(self.dir, FileKind::Rows, entry.file);
        let checked = check_sections(look, &path, entry.file)
            .and_then(|()| {
                Sealed::open(&*look.disk, &path, entry.file, entry.id, self.schema)
                    .map_err(|error| error.to_string())
            })
            .and_then(|sealed| check_ids(sealed, entry));
        let (sealed, problem) = match checked {
            Ok(sealed) => (Some(sealed), None),
            Err(problem) => (None, Some(entry.loss(&problem))),
        };
        look.file(path, FileRole::Rows, problem);
        sealed
    }

    /// The rows of a segment that its tombstones delete.
    fn tombstones(&self, look: &mut Look, entry: &SegmentEntry, sealed: &Sealed) -> Bitmap {
        let mut dead = Bitmap::new(sealed.rows.len() as usize);
        let Some(named) = entry.tombstones else { return dead };
        let path = file_path(self.dir, FileKind::Tombstones, named.file);
        let read = read_tombstones(&*look.disk, &path, named.file, sealed.rows.len());
        let problem = match read {
            Err(error) => Some(error.to_string()),
            Ok(found) if found.len() as u64 != named.count => {
                let (found, wanted) = (found.len(), named.count);
                Some(format!("it has {found} tombstones instead of {wanted}"))
            }
            Ok(found) => found.iter().find_map(|tombstone| {
                let row = tombstone.row;
                let is_new = dead.insert(row);
                (!is_new).then(|| format!("row {row} has two tombstones"))
            }),
        };
        look.file(path, FileRole::Tombstones, problem);
        dead
    }

    fn indexes(&self, look: &mut Look, entry: &SegmentEntry, sealed: &Sealed) {
        for index in &entry.indexes {
            let path = file_path(self.dir, FileKind::Index, index.file);
            let checked = check_sections(look, &path, index.file).and_then(|()| {
                // Without vectors the column was dropped; its index goes with the segment.
                let Some(part) = sealed.rows.vectors(index.column) else { return Ok(()) };
                let opened = open_index(&*look.disk, &path, index.file, part);
                opened.map(drop).map_err(|error| error.to_string())
            });
            look.file(path, FileRole::Index, checked.err());
        }
        if let Some(file) = entry.scalar_indexes {
            let path = file_path(self.dir, FileKind::ScalarIndexes, file);
            let checked = check_sections(look, &path, file).and_then(|()| {
                let rows = &sealed.rows;
                let opened = ScalarIndexes::open(&*look.disk, &path, file, rows, self.schema);
                opened.map(drop).map_err(|error| error.to_string())
            });
            look.file(path, FileRole::ScalarIndexes, checked.err());
        }
    }
}

/// Every section's checksum, those of dropped columns included.
fn check_sections(look: &Look, path: &Path, file: u64) -> Result<(), String> {
    let opened = SectionFile::open(&*look.disk, path, file);
    let checked = opened.and_then(|file| file.verify_all());
    checked.map_err(|error| Error::from(error).to_string())
}

/// The rows that the manifest says, each once in the id index, under its own hash.
fn check_ids(sealed: Sealed, entry: &SegmentEntry) -> Result<Sealed, String> {
    let rows = sealed.rows.len();
    if rows != entry.rows {
        return Err(format!("it has {rows} rows instead of {}", entry.rows));
    }
    let mut seen = Bitmap::new(rows as usize);
    for (hash, row) in sealed.by_hash_from(0) {
        if id_ref(&sealed.rows.ids, row as usize).hash() != hash {
            return Err(format!("the id index has row {row} under the hash of another id"));
        }
        if !seen.insert(row) {
            return Err(format!("the id index has row {row} twice"));
        }
    }
    Ok(sealed)
}
