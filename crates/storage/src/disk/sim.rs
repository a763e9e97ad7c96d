//! A disk in memory that loses, tears and flips what was not synced.
//!
//! One seed is one run: the same calls in the same order give the same crash.

mod call;
mod faults;
mod file;
mod images;
mod inode;
mod rng;
mod volume;

pub use call::DiskCall;
pub use faults::Failure;
pub use images::DiskImage;

use super::{DirLock, Disk, DiskFile, LockError};
use bytes::Bytes;
use faults::{Counted, Faults, Verdict};
use file::{SimFile, SimLock};
use images::Recording;
use inode::SharedInode;
use parking_lot::{Condvar, Mutex};
use rng::Rng;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use volume::Volume;

const PAGE_BYTES: usize = 4096;

/// A simulated [`Disk`]. Clones are the same disk.
///
/// A crash keeps what was synced and an arbitrary part of the rest: see
/// [`SimDisk::crash`]. Faults are asked for by count: "the third sync from now
/// fails", "the power goes at the hundredth call".
#[derive(Clone)]
pub struct SimDisk {
    shared: Arc<Shared>,
}

struct Shared {
    /// Guards everything of this disk; taken before the lock of an inode.
    state: Mutex<State>,
    /// Wakes the syncs that wait while [`State::syncs_held`].
    released: Condvar,
}

struct State {
    volume: Volume,
    faults: Faults,
    rng: Rng,
    /// Counts the crashes; handles of an earlier epoch are dead.
    epoch: u64,
    syncs_held: bool,
    syncs_waiting: usize,
    ignore_syncs: bool,
    recording: Option<Recording>,
    #[cfg(feature = "seeded-bugs")]
    bug: Option<crate::Bug>,
}

/// What a crash leaves of the bytes and names that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivors {
    /// None of them.
    Nothing,
    /// All of them.
    Everything,
    /// All bytes; no name that was created, changed or removed.
    Bytes,
    /// All names; none of the bytes.
    Names,
    /// All bytes and names, but of each directory the one that was changed first:
    /// what was written on top of it may be there already.
    Newer,
    /// Any part of them, torn and with bits flipped, as the seed decides.
    Torn,
}

impl Survivors {
    /// All kinds of crashes.
    pub const ALL: [Self; 6] =
        [Self::Nothing, Self::Everything, Self::Bytes, Self::Names, Self::Newer, Self::Torn];
}

impl SimDisk {
    /// An empty disk; the seed decides what crashes leave behind.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_volume(Volume::default(), seed)
    }

    fn with_volume(volume: Volume, seed: u64) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    volume,
                    faults: Faults::default(),
                    rng: Rng(seed),
                    epoch: 0,
                    syncs_held: false,
                    syncs_waiting: 0,
                    ignore_syncs: false,
                    recording: None,
                    #[cfg(feature = "seeded-bugs")]
                    bug: None,
                }),
                released: Condvar::new(),
            }),
        }
    }

    /// Whoever uses this disk, or a picture of it, has that bug from now on.
    #[cfg(feature = "seeded-bugs")]
    pub fn plant(&self, bug: Option<crate::Bug>) {
        self.shared.state.lock().bug = bug;
    }

    /// The power goes and comes back, now. Of the bytes written since the last
    /// sync of their file an arbitrary prefix stays, perhaps with sectors missing
    /// or bits flipped; names not synced by `sync_dir` are kept or undone one by
    /// one. Open handles and locks are dead, pending faults are forgotten.
    pub fn crash(&self) {
        self.crash_leaving(Survivors::Torn);
    }

    /// A [`crash`](Self::crash) of which is known what it leaves.
    pub fn crash_leaving(&self, survivors: Survivors) {
        let state = &mut *self.shared.state.lock();
        state.volume.crash(survivors, &mut state.rng);
        state.begin_epoch();
        self.shared.released.notify_all();
    }

    /// The process dies, the machine lives on: everything written stays, open
    /// handles and locks are dead.
    pub fn kill(&self) {
        self.shared.state.lock().begin_epoch();
        self.shared.released.notify_all();
    }

    /// The power goes at the `n`-th call from now (1 is the next): that call may
    /// or may not take effect, it and all later ones fail until
    /// [`SimDisk::restart`].
    pub fn crash_at(&self, n: u64) {
        self.shared.state.lock().faults.crash_at(n);
    }

    /// The power goes now: every call fails until a [`crash`](Self::crash),
    /// [`kill`](Self::kill) or [`restart`](Self::restart). What runs on the disk
    /// can be ended in the meantime, without changing it any more.
    pub fn power_off(&self) {
        self.shared.state.lock().faults.power_off();
    }

    /// Brings the power back after [`SimDisk::crash_at`], with the losses of a
    /// [`SimDisk::crash`]. Says whether the power had gone.
    pub fn restart(&self) -> bool {
        let was_down = self.shared.state.lock().faults.is_down();
        self.crash();
        was_down
    }

    /// The `n`-th sync from now, of a file or a directory, fails with an I/O
    /// error; as on Linux, later syncs of that file succeed without saving what
    /// the failed one lost.
    pub fn fail_sync(&self, n: u64) {
        self.shared.state.lock().faults.fail(Counted::Syncs, n);
    }

    /// The `n`-th append from now writes a part of its bytes and fails with
    /// "no space left".
    pub fn fail_write(&self, n: u64) {
        self.shared.state.lock().faults.fail(Counted::Appends, n);
    }

    /// The `n`-th call from now, whatever it is, fails with an I/O error.
    pub fn fail_call(&self, n: u64) {
        self.shared.state.lock().faults.fail(Counted::Any, n);
    }

    /// The `n`-th call of this disk, counted from its first as by
    /// [`calls`](Self::calls), fails that way; crashes do not forget it.
    pub fn fail_at(&self, n: u64, failure: Failure) {
        self.shared.state.lock().faults.fail_at(n, failure);
    }

    /// The last call that failed on purpose, and what it was about.
    #[must_use]
    pub fn struck(&self) -> Option<(DiskCall, PathBuf)> {
        self.shared.state.lock().faults.struck()
    }

    /// Limits the bytes of all files together; `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.shared.state.lock().faults.capacity = bytes;
    }

    /// A bug on purpose: syncs return at once and save nothing. Tests use it to
    /// prove that they notice.
    pub fn ignore_syncs(&self, ignore: bool) {
        self.shared.state.lock().ignore_syncs = ignore;
    }

    /// While held, every sync of a file waits inside the call.
    pub fn hold_syncs(&self, held: bool) {
        self.shared.state.lock().syncs_held = held;
        self.shared.released.notify_all();
    }

    /// How many syncs wait because of [`SimDisk::hold_syncs`].
    #[must_use]
    pub fn syncs_waiting(&self) -> usize {
        self.shared.state.lock().syncs_waiting
    }

    /// Calls so far, of every kind.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.shared.state.lock().faults.calls()
    }

    /// Calls of one kind so far.
    #[must_use]
    pub fn calls_of(&self, call: DiskCall) -> u64 {
        self.shared.state.lock().faults.calls_of(call)
    }

    /// Syncs of files and directories so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.calls_of(DiskCall::Sync) + self.calls_of(DiskCall::SyncDir)
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.shared.state.lock().volume.used_bytes()
    }

    /// A number that differs for disks of different names or contents.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (path, inode) in self.shared.state.lock().volume.files() {
            path.hash(&mut hasher);
            inode.lock().bytes().hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The paths of all files, sorted.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.shared.state.lock().volume.files().map(|(path, _)| path.clone()).collect()
    }

    /// A disk of its own with the same contents, what is not synced included.
    #[must_use]
    pub fn fork(&self, seed: u64) -> Self {
        Self::with_volume(self.shared.state.lock().volume.fork(), seed)
    }

    /// Flips the bits of `mask` in one byte of a file, on purpose and durably.
    ///
    /// # Errors
    /// `NotFound` without that file, `UnexpectedEof` beyond its end.
    pub fn flip(&self, path: &Path, offset: u64, mask: u8) -> io::Result<()> {
        let node = self.shared.state.lock().volume.file(path)?;
        node.lock().flip(offset, mask)
    }

    /// The contents of a file, without counting as a call.
    ///
    /// # Errors
    /// `NotFound` without that file.
    pub fn contents(&self, path: &Path) -> io::Result<Vec<u8>> {
        let node = self.shared.state.lock().volume.file(path)?;
        let bytes = node.lock().bytes().to_vec();
        Ok(bytes)
    }

    /// Gives a file these durable contents, creating it if it is missing,
    /// without counting as a call.
    pub fn set_contents(&self, path: &Path, bytes: &[u8]) {
        self.shared.state.lock().volume.set_contents(path, bytes);
    }

    fn call<T>(
        &self,
        call: DiskCall,
        path: &Path,
        epoch: Option<u64>,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.shared.state.lock();
        state.check_epoch(epoch)?;
        match state.next(call, path) {
            Verdict::Proceed => act(&mut state),
            Verdict::Fail(failure) => Err(failure.error()),
            Verdict::Down => Err(power_lost()),
            Verdict::Dying => {
                // A sync that dies may have saved the bytes or not; what else
                // dies is unsynced anyway, and the crash decides.
                if !call.is_sync() || state.rng.coin() {
                    drop(act(&mut state)); // nobody is left to hear the outcome
                }
                Err(power_lost())
            }
        }
    }
}

impl State {
    /// Counts a call, takes its picture, and says what becomes of it.
    fn next(&mut self, call: DiskCall, path: &Path) -> Verdict {
        if !self.faults.is_down() {
            self.picture(call, path);
        }
        self.faults.next(call, path)
    }

    fn begin_epoch(&mut self) {
        if let Some(recording) = &mut self.recording {
            recording.forget();
        }
        self.epoch += 1;
        self.faults.reset();
        self.volume.unlock_all();
    }

    fn check_epoch(&self, epoch: Option<u64>) -> io::Result<()> {
        match epoch {
            Some(epoch) if epoch != self.epoch => {
                Err(io::Error::other("this handle is from before a crash"))
            }
            _ => Ok(()),
        }
    }
}

fn power_lost() -> io::Error {
    io::Error::other("simulated power loss")
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimDisk")
    }
}

impl Disk for SimDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let (inode, epoch) = self.call(DiskCall::Create, path, None, |state| {
            Ok((state.volume.create(path)?, state.epoch))
        })?;
        Ok(self.handle(path, inode, epoch))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let (inode, epoch) = self.call(DiskCall::Open, path, None, |state| {
            Ok((state.volume.file(path)?, state.epoch))
        })?;
        Ok(self.handle(path, inode, epoch))
    }

    fn map(&self, path: &Path) -> io::Result<Bytes> {
        self.call(DiskCall::Map, path, None, |state| {
            let inode = state.volume.file(path)?;
            let bytes = page_aligned(inode.lock().bytes());
            Ok(bytes)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(DiskCall::Rename, from, None, |state| state.volume.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call(DiskCall::Remove, path, None, |state| state.volume.remove(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.call(DiskCall::List, dir, None, |state| state.volume.list(dir))
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.call(DiskCall::CreateDir, dir, None, |state| state.volume.create_dir_all(dir))
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.call(DiskCall::RemoveDir, dir, None, |state| state.volume.remove_dir_all(dir))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.call(DiskCall::SyncDir, dir, None, |state| {
            if state.ignore_syncs {
                return Ok(());
            }
            state.volume.sync_dir(dir)
        })
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.call(DiskCall::Exists, path, None, |state| Ok(state.volume.exists(path)))
    }

    fn available_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.call(DiskCall::AvailableBytes, dir, None, |state| {
            state.volume.list(dir)?;
            Ok(state.room())
        })
    }

    #[cfg(feature = "seeded-bugs")]
    fn bug(&self) -> Option<crate::Bug> {
        self.shared.state.lock().bug
    }

    fn lock(&self, dir: &Path) -> Result<DirLock, LockError> {
        let taken = self
            .call(DiskCall::Lock, dir, None, |state| Ok((state.volume.lock(dir)?, state.epoch)));
        match taken {
            Ok((true, epoch)) => {
                Ok(DirLock::new(SimLock { disk: self.clone(), dir: dir.to_owned(), epoch }))
            }
            Ok((false, _)) => {
                Err(LockError::Held { dir: dir.to_owned(), pid: Some(std::process::id()) })
            }
            Err(source) => Err(LockError::Io { dir: dir.to_owned(), source }),
        }
    }
}

impl SimDisk {
    fn handle(&self, path: &Path, inode: SharedInode, epoch: u64) -> Box<dyn DiskFile> {
        Box::new(SimFile { disk: self.clone(), path: path.to_owned(), inode, epoch })
    }
}

impl State {
    fn room(&self) -> u64 {
        self.faults
            .capacity
            .map_or(u64::MAX, |capacity| capacity.saturating_sub(self.volume.used_bytes()))
    }
}

/// Copies the bytes to a page boundary, as a real map would start.
fn page_aligned(bytes: &[u8]) -> Bytes {
    let mut memory = vec![0; bytes.len() + PAGE_BYTES];
    let start = memory.as_ptr().align_offset(PAGE_BYTES);
    memory[start..start + bytes.len()].copy_from_slice(bytes);
    // A vector's memory stays where it is when it becomes `Bytes`.
    Bytes::from(memory).slice(start..start + bytes.len())
}
