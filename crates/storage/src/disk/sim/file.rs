//! An open file of the simulated disk, and a directory it has locked.

use super::call::DiskCall;
use super::faults::{Failure, Verdict};
use super::inode::{Inode, SharedInode};
use super::{SimDisk, State, power_lost};
use crate::disk::DiskFile;
use std::io;
use std::path::PathBuf;

pub(super) struct SimLock {
    pub(super) disk: SimDisk,
    pub(super) dir: PathBuf,
    pub(super) epoch: u64,
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
pub(super) struct SimFile {
    pub(super) disk: SimDisk,
    /// The name it was opened by.
    pub(super) path: PathBuf,
    pub(super) inode: SharedInode,
    pub(super) epoch: u64,
}

impl SimFile {
    fn call<T>(
        &self,
        call: DiskCall,
        act: impl FnOnce(&mut State, &mut Inode) -> io::Result<T>,
    ) -> io::Result<T> {
        self.disk
            .call(call, &self.path, Some(self.epoch), |state| act(state, &mut self.inode.lock()))
    }
}

impl DiskFile for SimFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.shared.state.lock();
        state.check_epoch(Some(self.epoch))?;
        let verdict = state.next(DiskCall::Append, &self.path);
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let room = match state.faults.capacity {
            Some(_) => state.room(),
            None => u64::MAX,
        };
        let written = match verdict {
            Verdict::Down => return Err(power_lost()),
            Verdict::Fail(_) => state.rng.below(len),
            Verdict::Proceed | Verdict::Dying => len.min(room),
        };
        let count = usize::try_from(written).unwrap_or(bytes.len());
        self.inode.lock().append(&bytes[..count]);
        match verdict {
            Verdict::Dying | Verdict::Down => Err(power_lost()),
            Verdict::Proceed if written == len => Ok(()),
            Verdict::Proceed => Err(Failure::Full.error()),
            Verdict::Fail(failure) => Err(failure.error()),
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
        match state.next(DiskCall::Sync, &self.path) {
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
            Verdict::Fail(failure) => {
                self.inode.lock().lose_unsynced();
                Err(failure.error())
            }
            Verdict::Down => Err(power_lost()),
        }
    }

    fn rewrite(&mut self, from: u64) -> io::Result<()> {
        self.call(DiskCall::Rewrite, |_, inode| {
            inode.rewrite(from);
            Ok(())
        })
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.call(DiskCall::Read, |_, inode| inode.read_at(offset, buffer))
    }

    fn bytes_len(&self) -> io::Result<u64> {
        self.call(DiskCall::Len, |_, inode| Ok(inode.bytes_len()))
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.call(DiskCall::Truncate, |_, inode| {
            inode.truncate(bytes);
            Ok(())
        })
    }
}
