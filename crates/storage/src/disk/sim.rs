//! A disk in memory that loses, tears and flips what was not synced.
//!
//! One seed is one run: the same calls in the same order give the same crash.

mod faults;
mod inode;
mod volume;

use super::{DirLock, Disk, DiskFile, LockError};
use bytes::Bytes;
use faults::{Faults, Verdict};
use inode::{Inode, SharedInode};
use parking_lot::{Condvar, Mutex};
use std::fmt;
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
}

/// What a call does, as far as faults tell calls apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Read,
    Change,
    Write,
    Sync,
}

impl SimDisk {
    /// An empty disk; the seed decides what crashes leave behind.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    volume: Volume::default(),
                    faults: Faults::default(),
                    rng: Rng(seed),
                    epoch: 0,
                    syncs_held: false,
                    syncs_waiting: 0,
                    ignore_syncs: false,
                }),
                released: Condvar::new(),
            }),
        }
    }

    /// The power goes and comes back, now. Of the bytes written since the last
    /// sync of their file an arbitrary prefix stays, perhaps with sectors missing
    /// or bits flipped; names not synced by `sync_dir` are kept or undone one by
    /// one. Open handles and locks are dead, pending faults are forgotten.
    pub fn crash(&self) {
        let state = &mut *self.shared.state.lock();
        state.volume.crash(&mut state.rng);
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
        self.shared.state.lock().faults.fail(Some(Call::Sync), n);
    }

    /// The `n`-th append from now writes a part of its bytes and fails with
    /// "no space left".
    pub fn fail_write(&self, n: u64) {
        self.shared.state.lock().faults.fail(Some(Call::Write), n);
    }

    /// The `n`-th call from now, whatever it is, fails with an I/O error.
    pub fn fail_call(&self, n: u64) {
        self.shared.state.lock().faults.fail(None, n);
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
        self.shared.state.lock().faults.calls
    }

    /// Syncs of files and directories so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.shared.state.lock().faults.syncs
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.shared.state.lock().volume.used_bytes()
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
        call: Call,
        epoch: Option<u64>,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.shared.state.lock();
        state.check_epoch(epoch)?;
        match state.faults.next(call) {
            Verdict::Proceed => act(&mut state),
            Verdict::Fail => Err(io::Error::other("simulated I/O error")),
            Verdict::Down => Err(power_lost()),
            Verdict::Dying => {
                // A sync that dies may have saved the bytes or not; what else
                // dies is unsynced anyway, and the crash decides.
                if call != Call::Sync || state.rng.coin() {
                    drop(act(&mut state)); // nobody is left to hear the outcome
                }
                Err(power_lost())
            }
        }
    }
}

impl State {
    fn begin_epoch(&mut self) {
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
        let (inode, epoch) =
            self.call(Call::Change, None, |state| Ok((state.volume.create(path)?, state.epoch)))?;
        Ok(self.handle(inode, epoch))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let (inode, epoch) =
            self.call(Call::Read, None, |state| Ok((state.volume.file(path)?, state.epoch)))?;
        Ok(self.handle(inode, epoch))
    }

    fn map(&self, path: &Path) -> io::Result<Bytes> {
        self.call(Call::Read, None, |state| {
            let inode = state.volume.file(path)?;
            let bytes = page_aligned(inode.lock().bytes());
            Ok(bytes)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(Call::Change, None, |state| state.volume.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call(Call::Change, None, |state| state.volume.remove(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.call(Call::Read, None, |state| state.volume.list(dir))
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.call(Call::Change, None, |state| state.volume.create_dir_all(dir))
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.call(Call::Change, None, |state| state.volume.remove_dir_all(dir))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.call(Call::Sync, None, |state| {
            if state.ignore_syncs {
                return Ok(());
            }
            state.volume.sync_dir(dir)
        })
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.call(Call::Read, None, |state| Ok(state.volume.exists(path)))
    }

    fn available_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.call(Call::Read, None, |state| {
            state.volume.list(dir)?;
            Ok(state.room())
        })
    }

    fn lock(&self, dir: &Path) -> Result<DirLock, LockError> {
        let taken =
            self.call(Call::Change, None, |state| Ok((state.volume.lock(dir)?, state.epoch)));
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
    fn handle(&self, inode: SharedInode, epoch: u64) -> Box<dyn DiskFile> {
        Box::new(SimFile { disk: self.clone(), inode, epoch })
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

struct SimLock {
    disk: SimDisk,
    dir: PathBuf,
    epoch: u64,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.shared.state.lock();
        if state.epoch == self.epoch {
            state.volume.unlock(&self.dir);
        }
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: SharedInode,
    epoch: u64,
}

impl SimFile {
    fn call<T>(
        &self,
        call: Call,
        act: impl FnOnce(&mut State, &mut Inode) -> io::Result<T>,
    ) -> io::Result<T> {
        self.disk.call(call, Some(self.epoch), |state| act(state, &mut self.inode.lock()))
    }
}

impl DiskFile for SimFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let full = || io::Error::new(io::ErrorKind::StorageFull, "simulated disk is full");
        let mut state = self.disk.shared.state.lock();
        state.check_epoch(Some(self.epoch))?;
        let verdict = state.faults.next(Call::Write);
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let room = match state.faults.capacity {
            Some(_) => state.room(),
            None => u64::MAX,
        };
        let written = match verdict {
            Verdict::Down => return Err(power_lost()),
            Verdict::Fail => state.rng.below(len),
            Verdict::Proceed | Verdict::Dying => len.min(room),
        };
        let count = usize::try_from(written).unwrap_or(bytes.len());
        self.inode.lock().append(&bytes[..count]);
        match verdict {
            Verdict::Dying => Err(power_lost()),
            Verdict::Proceed if written == len => Ok(()),
            Verdict::Proceed | Verdict::Fail | Verdict::Down => Err(full()),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let shared = &*self.disk.shared;
        let mut state = shared.state.lock();
        state.syncs_waiting += 1;
        while state.syncs_held && state.epoch == self.epoch {
            shared.released.wait(&mut state);
        }
        state.syncs_waiting -= 1;
        state.check_epoch(Some(self.epoch))?;
        let saves = !state.ignore_syncs;
        match state.faults.next(Call::Sync) {
            Verdict::Proceed => {
                if saves {
                    self.inode.lock().sync();
                }
                Ok(())
            }
            Verdict::Dying => {
                // The bytes may have been saved before the power went.
                if saves && state.rng.coin() {
                    self.inode.lock().sync();
                }
                Err(power_lost())
            }
            Verdict::Fail => {
                self.inode.lock().lose_unsynced();
                Err(io::Error::other("simulated I/O error"))
            }
            Verdict::Down => Err(power_lost()),
        }
    }

    fn rewrite(&mut self, from: u64) -> io::Result<()> {
        self.call(Call::Change, |_, inode| {
            inode.rewrite(from);
            Ok(())
        })
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.call(Call::Read, |_, inode| inode.read_at(offset, buffer))
    }

    fn bytes_len(&self) -> io::Result<u64> {
        self.call(Call::Read, |_, inode| Ok(inode.bytes_len()))
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.call(Call::Change, |_, inode| {
            inode.truncate(bytes);
            Ok(())
        })
    }
}

/// SplitMix64: small, fast, and the same everywhere.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound - 1`; 0 if the bound is 0.
    fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }
}
