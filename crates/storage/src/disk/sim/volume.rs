//! The name space of the simulated disk: what is there, and what would survive.

use super::Survivors;
use super::inode::{Inode, SharedInode, below};
use super::rng::Rng;
use crate::disk::parent_of;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names of files and directories. Parents of all names are directories.
#[derive(Default)]
struct Names {
    files: BTreeMap<PathBuf, SharedInode>,
    dirs: BTreeSet<PathBuf>,
}

/// One change of a name that a crash may undo.
#[derive(Clone)]
enum Change {
    Create { path: PathBuf, inode: SharedInode },
    Remove { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
    RemoveDir { path: PathBuf },
}

/// A change that is not durable yet, and the directories whose sync makes it so.
struct Pending {
    change: Change,
    dirs: [PathBuf; 2],
}

#[derive(Default)]
pub(super) struct Volume {
    live: Names,
    durable: Names,
    pending: Vec<Pending>,
    locked: BTreeSet<PathBuf>,
}

impl Names {
    /// Applies the change if it still makes sense: an earlier change that it
    /// builds on may not have survived.
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Create { path, inode } => {
                self.files.insert(path.clone(), Arc::clone(inode));
            }
            Change::Remove { path } => {
                self.files.remove(path);
            }
            Change::Rename { from, to } => {
                if let Some(inode) = self.files.remove(from) {
                    self.files.insert(to.clone(), inode);
                }
            }
            Change::RemoveDir { path } => {
                if !self.files.keys().any(|file| file.starts_with(path)) {
                    self.dirs.remove(path);
                }
            }
        }
    }
}

impl Volume {
    fn change(&mut self, change: Change, dirs: [&Path; 2]) {
        self.live.apply(&change);
        let dirs = dirs.map(Path::to_owned);
        self.pending.push(Pending { change, dirs });
    }

    fn need_dir(&self, dir: &Path) -> io::Result<()> {
        if is_root(dir) || self.live.dirs.contains(dir) {
            Ok(())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<SharedInode> {
        let found = self.live.files.get(path);
        found.cloned().ok_or(io::ErrorKind::NotFound.into())
    }

    pub(super) fn exists(&self, path: &Path) -> bool {
        self.live.files.contains_key(path) || self.need_dir(path).is_ok()
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<SharedInode> {
        let dir = parent_of(path);
        self.need_dir(dir)?;
        if self.exists(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = SharedInode::default();
        let change = Change::Create { path: path.to_owned(), inode: Arc::clone(&inode) };
        self.change(change, [dir, dir]);
        Ok(inode)
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.file(path)?;
        let dir = parent_of(path);
        let path = path.to_owned();
        self.change(Change::Remove { path }, [dir, dir]);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.file(from)?;
        self.need_dir(parent_of(to))?;
        let change = Change::Rename { from: from.to_owned(), to: to.to_owned() };
        self.change(change, [parent_of(from), parent_of(to)]);
        Ok(())
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.need_dir(dir)?;
        let files = self.live.files.keys();
        let mut names: Vec<String> = files
            .chain(&self.live.dirs)
            .filter(|path| parent_of(path) == dir && path.as_path() != dir)
            .filter_map(|path| path.file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    pub(super) fn create_dir_all(&mut self, dir: &Path) -> io::Result<()> {
        for dir in dir.ancestors().filter(|dir| !is_root(dir)) {
            if self.live.files.contains_key(dir) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            // Durable at once, as the trait says; a pending removal of the same
            // name must not come back later.
            self.pending.retain(
                |pending| !matches!(&pending.change, Change::RemoveDir { path } if path == dir),
            );
            self.live.dirs.insert(dir.to_owned());
            self.durable.dirs.insert(dir.to_owned());
        }
        Ok(())
    }

    pub(super) fn remove_dir_all(&mut self, dir: &Path) -> io::Result<()> {
        self.need_dir(dir)?;
        let parent = parent_of(dir);
        let below = |path: &&PathBuf| path.starts_with(dir);
        let files: Vec<PathBuf> = self.live.files.keys().filter(below).cloned().collect();
        for path in files {
            let own = parent_of(&path).to_owned();
            self.change(Change::Remove { path }, [&own, parent]);
        }
        let dirs: Vec<PathBuf> = self.live.dirs.iter().filter(below).cloned().collect();
        for path in dirs.into_iter().rev() {
            self.change(Change::RemoveDir { path }, [parent, parent]);
        }
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.need_dir(dir)?;
        let durable = &mut self.durable;
        self.pending.retain(|pending| {
            let synced = pending.dirs.iter().any(|touched| touched == dir);
            if synced {
                durable.apply(&pending.change);
            }
            !synced
        });
        Ok(())
    }

    /// Says whether the directory was free and is now taken.
    pub(super) fn lock(&mut self, dir: &Path) -> io::Result<bool> {
        self.need_dir(dir)?;
        Ok(self.locked.insert(dir.to_owned()))
    }

    pub(super) fn unlock(&mut self, dir: &Path) {
        self.locked.remove(dir);
    }

    pub(super) fn unlock_all(&mut self) {
        self.locked.clear();
    }

    pub(super) fn used_bytes(&self) -> u64 {
        let files = self.live.files.values();
        files.map(|inode| inode.lock().bytes_len()).sum()
    }

    pub(super) fn set_contents(&mut self, path: &Path, bytes: &[u8]) {
        let inode: SharedInode = Arc::new(Mutex::new(Inode::durable(bytes.to_vec())));
        for names in [&mut self.live, &mut self.durable] {
            names.files.insert(path.to_owned(), Arc::clone(&inode));
        }
    }

    /// The files, by path.
    pub(super) fn files(&self) -> impl Iterator<Item = (&PathBuf, &SharedInode)> {
        self.live.files.iter()
    }

    /// A volume of its own with the same contents; nobody has a directory of it.
    pub(super) fn fork(&self) -> Self {
        let mut twins: BTreeMap<*const Mutex<Inode>, SharedInode> = BTreeMap::new();
        let mut twin = |inode: &SharedInode| {
            let made = || Arc::new(Mutex::new(inode.lock().clone()));
            Arc::clone(twins.entry(Arc::as_ptr(inode)).or_insert_with(made))
        };
        let mut names = |names: &Names| {
            let files = names.files.iter().map(|(path, inode)| (path.clone(), twin(inode)));
            Names { files: files.collect(), dirs: names.dirs.clone() }
        };
        let (live, durable) = (names(&self.live), names(&self.durable));
        let pending = self.pending.iter().map(|pending| {
            let change = match &pending.change {
                Change::Create { path, inode } => {
                    Change::Create { path: path.clone(), inode: twin(inode) }
                }
                same @ (Change::Remove { .. }
                | Change::Rename { .. }
                | Change::RemoveDir { .. }) => same.clone(),
            };
            Pending { change, dirs: pending.dirs.clone() }
        });
        Self { pending: pending.collect(), live, durable, locked: BTreeSet::new() }
    }

    /// Undoes or keeps each pending change, then each file's unsynced bytes.
    pub(super) fn crash(&mut self, survivors: Survivors, rng: &mut Rng) {
        let changes = std::mem::take(&mut self.pending);
        for (pending, survives) in changes.iter().zip(surviving(&changes, survivors, rng)) {
            if survives {
                self.durable.apply(&pending.change);
            }
        }
        for inode in self.durable.files.values() {
            inode.lock().crash(survivors, rng);
        }
        self.live.files = self.durable.files.clone();
        self.live.dirs = self.durable.dirs.clone();
    }
}

/// Which changes a crash keeps. Of the torn crashes half keep a prefix of them, as
/// journals do; the other half any subset, as the standard allows.
fn surviving(changes: &[Pending], survivors: Survivors, rng: &mut Rng) -> Vec<bool> {
    let prefix = |kept: usize| (0..changes.len()).map(|position| position < kept).collect();
    match survivors {
        Survivors::Nothing | Survivors::Bytes => prefix(0),
        Survivors::Everything | Survivors::Names => prefix(changes.len()),
        Survivors::Newer => {
            let mut begun = BTreeSet::new();
            changes.iter().map(|pending| !begun.insert(&pending.dirs[1])).collect()
        }
        Survivors::Torn if rng.coin() => prefix(below(changes.len() + 1, rng)),
        Survivors::Torn => changes.iter().map(|_| rng.coin()).collect(),
    }
}

fn is_root(dir: &Path) -> bool {
    dir.as_os_str().is_empty() || dir == Path::new("/") || dir == Path::new(".")
}
