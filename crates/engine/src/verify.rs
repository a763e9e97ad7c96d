//! Looking at a data directory without a server: every checksum, and what files say
//! of each other. Nothing is changed.

use crate::catalogue::{CatalogueCommand, State};
use crate::command::{decode_text, format};
use crate::shard::ShardFiles;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vicinal_machine::{Loaded, MACHINE_FILE, Machine, load};
use vicinal_storage::{
    Disk, IDENTITY_FILE, Identity, LogEntry, LogInspection, LogPosition, ManifestStore,
};
use vicinal_types::{CollectionId, Error, GroupId, Result};

/// What was found in a data directory.
#[derive(Clone, Debug, Default)]
pub struct Verification {
    /// Every file that was looked at.
    pub files: Vec<VerifiedFile>,
}

/// A file of a data directory.
#[derive(Clone, Debug)]
pub struct VerifiedFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub kind: FileRole,
    /// Its bytes; none if it cannot be opened.
    pub bytes: Option<u64>,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// What is worth knowing, though nothing is wrong.
    pub note: Option<String>,
}

/// What a file of a data directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileRole {
    /// Whose directory it is.
    Identity,
    /// How fast the machine is.
    Machine,
    /// Writes that no segment holds yet.
    Log,
    /// What is in force of a group.
    Manifest,
    /// The rows of a segment.
    Rows,
    /// An index over a segment.
    Index,
    /// Indexes over the scalar columns of a segment.
    ScalarIndexes,
    /// Deletions from a segment.
    Tombstones,
    /// Outcomes of recent requests.
    Requests,
    /// A file of a restore that the next start completes.
    Staged,
    /// What nobody names: a crash left it, the next start removes it.
    Leftover,
}

impl FileRole {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Machine => "machine",
            Self::Log => "log",
            Self::Manifest => "manifest",
            Self::Rows => "rows",
            Self::Index => "index",
            Self::ScalarIndexes => "scalars",
            Self::Tombstones => "tombstones",
            Self::Requests => "requests",
            Self::Staged => "staged",
            Self::Leftover => "leftover",
        }
    }
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.files.iter().all(|file| file.problem.is_none())
    }
}

/// Checks all files of a data directory that no server uses.
///
/// # Errors
/// `Unavailable` if there is no such directory, or a server uses it. Damage is no
/// error here: the report says it.
pub fn verify(disk: &Arc<dyn Disk>, directory: &Path) -> Result<Verification> {
    let has_identity = disk.exists(&directory.join(IDENTITY_FILE));
    if !has_identity.map_err(|error| unlisted(directory, &error))? {
        let directory = directory.display();
        return Err(Error::invalid(format!(
            "{directory} is no data directory: it has no file {IDENTITY_FILE}; name the one in storage.directory"
        )));
    }
    let _lock = disk.lock(directory)?;
    let mut look = Look { disk: Arc::clone(disk), files: Vec::new() };
    let identity = Identity::read(&**disk, directory).err().map(|error| error.to_string());
    look.file(directory.join(IDENTITY_FILE), FileRole::Identity, identity);
    look.machine(directory)?;
    let (log, groups) = (directory.join("log"), directory.join("groups"));
    let own = groups.join(GroupId::CATALOGUE.to_string());
    // The first start ended before it had made more.
    if !look.exists(&log)? && !look.has_manifest(&own)? {
        return Ok(Verification { files: look.files });
    }
    let log = look.log(&log)?;
    if let Some(state) = look.catalogue(&own, log.as_ref())? {
        let (staging, mut awaited) = (directory.join("staging"), Vec::new());
        for (id, entry) in state.collections() {
            let dir = groups.join(entry.group.to_string());
            let files = ShardFiles {
                group: entry.group,
                collection: id,
                dir: &dir,
                schema: &entry.spec.schema,
                log: log.as_ref(),
            };
            match &entry.restored {
                Some(restored) if !look.has_manifest(&dir)? => {
                    files.verify_staged(&staging.join(&restored.staged), &mut look)?;
                    awaited.push(restored.staged.as_str());
                }
                Some(_) | None => files.verify(&mut look)?,
            }
        }
        let known = state.collections().map(|(_, entry)| entry.group);
        let known: Vec<_> = known.chain([GroupId::CATALOGUE]).collect();
        let is_group = |name: &str| name.parse().is_ok_and(|group| known.contains(&GroupId(group)));
        look.strays(&groups, is_group)?;
        look.strays(&staging, |name| awaited.contains(&name))?;
    }
    Ok(Verification { files: look.files })
}

fn unlisted(directory: &Path, error: &std::io::Error) -> Error {
    Error::unavailable(format!("{} cannot be read: {error}", directory.display()))
}

/// Files looked at so far.
pub(crate) struct Look {
    pub(crate) disk: Arc<dyn Disk>,
    files: Vec<VerifiedFile>,
}

impl Look {
    /// Enters a file.
    pub(crate) fn file(&mut self, path: PathBuf, kind: FileRole, problem: Option<String>) {
        let bytes = self.disk.open(&path).and_then(|file| file.bytes_len()).ok();
        self.files.push(VerifiedFile { path, kind, bytes, problem, note: None });
    }

    /// Adds to what is wrong with a file, which may not be there.
    pub(crate) fn problem(&mut self, path: &Path, kind: FileRole, problem: String) {
        match self.files.iter_mut().find(|file| file.path == path) {
            Some(VerifiedFile { problem: Some(text), .. }) => {
                text.push_str("; ");
                text.push_str(&problem);
            }
            Some(file) => file.problem = Some(problem),
            None => self.file(path.to_owned(), kind, Some(problem)),
        }
    }

    /// Enters the machine's figures. Damage to them costs nothing: it is told, but no
    /// problem.
    fn machine(&mut self, directory: &Path) -> Result<()> {
        let loaded = load(&*self.disk, directory, &Machine::detect());
        let note = match loaded.map_err(|error| unlisted(directory, &error))? {
            Loaded::Missing => return Ok(()),
            Loaded::Measured(_) => None,
            Loaded::Unusable(reason) => {
                Some(format!("{reason}; the next start measures this machine"))
            }
        };
        self.file(directory.join(MACHINE_FILE), FileRole::Machine, None);
        if let Some(file) = self.files.last_mut() {
            file.note = note;
        }
        Ok(())
    }

    fn exists(&self, dir: &Path) -> Result<bool> {
        self.disk.exists(dir).map_err(|error| unlisted(dir, &error))
    }

    /// The names in a directory; none if it is missing.
    pub(crate) fn names(&self, dir: &Path) -> Result<Vec<String>> {
        if !self.exists(dir)? {
            return Ok(Vec::new());
        }
        self.disk.list(dir).map_err(|error| unlisted(dir, &error))
    }

    fn log(&mut self, dir: &Path) -> Result<Option<LogInspection>> {
        for name in self.names(dir)? {
            self.file(dir.join(name), FileRole::Log, None);
        }
        match LogInspection::open(&self.disk, dir) {
            Ok(log) => {
                if let Some(torn) = &log.report().torn
                    && let Some(file) = self.files.iter_mut().find(|file| file.path == torn.path)
                {
                    let (bytes, offset) = (torn.bytes, torn.offset);
                    file.note = Some(format!(
                        "ends in a torn write, {bytes} bytes from byte {offset} on, which were never acknowledged"
                    ));
                }
                Ok(Some(log))
            }
            Err(error) => {
                let text = error.to_string();
                let named = self.files.iter().find(|file| {
                    file.kind == FileRole::Log && text.contains(&file.path.display().to_string())
                });
                let path = named.map_or_else(|| dir.to_owned(), |file| file.path.clone());
                self.problem(&path, FileRole::Log, text);
                Ok(None)
            }
        }
    }

    /// Enters the manifests of a directory; the newest with its body, if it is good.
    pub(crate) fn manifests(&mut self, dir: &Path) -> Result<Option<(PathBuf, Vec<u8>)>> {
        if self.names(dir)?.is_empty() {
            return Ok(None);
        }
        let mut newest = None;
        for manifest in ManifestStore::inspect(Arc::clone(&self.disk), dir)? {
            let problem = manifest.body.as_ref().err().map(ToString::to_string);
            self.file(manifest.path.clone(), FileRole::Manifest, problem);
            newest = Some(manifest);
        }
        Ok(newest.and_then(|manifest| Some((manifest.path, manifest.body.ok()?))))
    }

    /// The catalogue as a server would have it after a start; none if what is wrong
    /// with it leaves nobody to say what the other files should be.
    fn catalogue(&mut self, dir: &Path, log: Option<&LogInspection>) -> Result<Option<State>> {
        let mut state = State::default();
        let mut named = dir.to_owned();
        if let Some((path, body)) = self.manifests(dir)? {
            match State::decode(&body, dir) {
                Ok(decoded) => state = decoded,
                Err(error) => {
                    self.problem(&path, FileRole::Manifest, error.to_string());
                    return Ok(None);
                }
            }
            named = path;
        } else if self.has_manifest(dir)? {
            return Ok(None);
        }
        let Some(log) = log else { return Ok(None) };
        if let Err(error) = tail(log, GroupId::CATALOGUE, state.applied(), |entry| {
            let position = LogPosition { index: entry.index, term: entry.term };
            let (envelope, parts) = format::decode(&entry.data).map_err(|e| e.to_string())?;
            let text = decode_text(&parts).map_err(|e| e.to_string())?;
            let change: CatalogueCommand =
                serde_json::from_slice(text).map_err(|e| e.to_string())?;
            // What was refused when it was applied is refused again.
            drop(state.apply(position, envelope.request, change));
            Ok(())
        }) {
            self.problem(&named, FileRole::Manifest, error);
            return Ok(None);
        }
        Ok(Some(state))
    }

    /// Whether a manifest says what a directory holds.
    fn has_manifest(&self, dir: &Path) -> Result<bool> {
        let names = self.names(dir)?;
        Ok(names.iter().any(|name| name.starts_with("MANIFEST-") && !name.ends_with(".tmp")))
    }

    /// Directories below `dir` that nobody knows.
    fn strays(&mut self, dir: &Path, is_known: impl Fn(&str) -> bool) -> Result<()> {
        for name in self.names(dir)? {
            if !is_known(&name) {
                for file in self.names(&dir.join(&name))? {
                    self.file(dir.join(&name).join(file), FileRole::Leftover, None);
                }
            }
        }
        Ok(())
    }
}

/// Shows each command that the log holds behind a position; says if some are in
/// neither.
pub(crate) fn tail(
    log: &LogInspection,
    group: GroupId,
    applied: LogPosition,
    mut command: impl FnMut(&LogEntry) -> Result<(), String>,
) -> Result<(), String> {
    let purged = log.purged(group).index;
    if purged > applied.index {
        return Err(format!(
            "it holds writes up to entry {}, but the log of group {group} was purged up to entry {purged}: those between are lost",
            applied.index
        ));
    }
    for entry in log.entries_after(group, applied.index) {
        let entry = entry.map_err(|error| error.to_string())?;
        // The others are raft's own.
        if entry.kind == 0 && !entry.data.is_empty() {
            let index = entry.index;
            command(&entry)
                .map_err(|error| format!("log entry {index} of group {group}: {error}"))?;
        }
    }
    Ok(())
}

/// Whether a log entry is a command of a collection's shard.
pub(crate) fn check_command(entry: &LogEntry, collection: CollectionId) -> Result<(), String> {
    let (envelope, _) = format::decode(&entry.data).map_err(|error| error.to_string())?;
    let found = envelope.collection;
    if found == collection {
        Ok(())
    } else {
        Err(format!("it is of collection {found} instead of {collection}"))
    }
}
