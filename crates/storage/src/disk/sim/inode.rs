//! The contents of one simulated file: what is there, and what would survive.

use super::Survivors;
use super::rng::Rng;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;

/// A file, whatever its name is now.
pub(super) type SharedInode = Arc<Mutex<Inode>>;

/// Bytes are lost in units of sectors.
const SECTOR_BYTES: usize = 512;

/// Invariant: the durable contents are `bytes[..synced]` followed by `cut`.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    /// Shared with pictures of the disk until it is changed.
    bytes: Arc<Vec<u8>>,
    synced: usize,
    /// Durable bytes that a truncation removed and no sync has confirmed yet.
    cut: Vec<u8>,
    /// After a failed sync the kernel calls the pages clean: later syncs succeed
    /// and save nothing.
    lost: bool,
}

impl Inode {
    /// A file whose contents are durable.
    pub(super) fn durable(bytes: Vec<u8>) -> Self {
        Self { synced: bytes.len(), bytes: Arc::new(bytes), ..Self::default() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn bytes_len(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        Arc::make_mut(&mut self.bytes).extend_from_slice(bytes);
    }

    pub(super) fn truncate(&mut self, bytes: u64) {
        let len = usize::try_from(bytes).unwrap_or(usize::MAX);
        if len < self.synced {
            let mut cut = self.bytes[len..self.synced].to_vec();
            cut.append(&mut self.cut);
            self.cut = cut;
            self.synced = len;
        }
        Arc::make_mut(&mut self.bytes).resize(len, 0);
    }

    pub(super) fn sync(&mut self) {
        if !self.lost {
            self.synced = self.bytes.len();
            self.cut.clear();
        }
    }

    /// Makes the pages from an offset on count as changed again.
    pub(super) fn rewrite(&mut self, from: u64) {
        if usize::try_from(from).is_ok_and(|from| from <= self.synced) {
            self.lost = false;
        }
    }

    pub(super) fn lose_unsynced(&mut self) {
        self.lost = true;
    }

    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let found = start
            .checked_add(buffer.len())
            .and_then(|end| self.bytes.get(start..end))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(found);
        Ok(())
    }

    pub(super) fn flip(&mut self, offset: u64, mask: u8) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let byte = Arc::make_mut(&mut self.bytes).get_mut(offset);
        *byte.ok_or(io::ErrorKind::UnexpectedEof)? ^= mask;
        Ok(())
    }

    /// Keeps the durable bytes and of the rest what survives.
    pub(super) fn crash(&mut self, survivors: Survivors, rng: &mut Rng) {
        let bytes = Arc::make_mut(&mut self.bytes);
        match survivors {
            Survivors::Everything | Survivors::Bytes | Survivors::Newer if !self.lost => {}
            Survivors::Everything
            | Survivors::Bytes
            | Survivors::Newer
            | Survivors::Nothing
            | Survivors::Names => {
                bytes.truncate(self.synced);
                bytes.append(&mut self.cut);
            }
            Survivors::Torn => {
                let mut unsynced = bytes.split_off(self.synced);
                if !self.cut.is_empty() && rng.coin() {
                    bytes.append(&mut self.cut); // the truncation did not reach the disk
                } else {
                    unsynced.truncate(kept(unsynced.len(), rng));
                    damage(&mut unsynced, bytes.len(), rng);
                    bytes.extend(unsynced);
                }
            }
        }
        self.cut.clear();
        self.synced = self.bytes.len();
        self.lost = false;
    }
}

/// How many of the unsynced bytes stay: none, all, or some.
fn kept(len: usize, rng: &mut Rng) -> usize {
    match rng.below(4) {
        0 => 0,
        1 => len,
        _ => below(len + 1, rng),
    }
}

/// Sometimes loses sectors (they read as zeros) or flips bits.
fn damage(bytes: &mut [u8], file_offset: usize, rng: &mut Rng) {
    match rng.below(4) {
        0 => {
            // Sectors lie on boundaries of the file; the first one is shared
            // with synced bytes.
            let first = (SECTOR_BYTES - file_offset % SECTOR_BYTES).min(bytes.len());
            let (head, rest) = bytes.split_at_mut(first);
            for sector in std::iter::once(head).chain(rest.chunks_mut(SECTOR_BYTES)) {
                if rng.below(3) == 0 {
                    sector.fill(0);
                }
            }
        }
        1 => {
            for _ in 0..rng.below(4) {
                let at = below(bytes.len(), rng);
                let mask = 1_u8 << rng.below(8);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= mask;
                }
            }
        }
        _ => {}
    }
}

pub(super) fn below(bound: usize, rng: &mut Rng) -> usize {
    let bound = u64::try_from(bound).unwrap_or(u64::MAX);
    usize::try_from(rng.below(bound)).unwrap_or(0)
}
