//! Records that are replaced while others read them.
//!
//! A record that can be seen never changes. A new one is written to a slot that nobody
//! knows, and one store puts the slot into the record's place. The slot of the old record
//! is written again when nobody can be reading it any more: readers count themselves in by
//! the epoch in which they begin, of which there are never more than two with readers.
//!
//! 1. What was replaced in an epoch can be known only to readers that began in it or before:
//!    who begins in a later one sees what stood in the places when it began.
//! 2. The epoch goes on only when nobody is left of the one before. What was replaced in that
//!    one is free then.
//!
//! Readers wait for nobody; a reader that is slow keeps slots from being written again.

use crate::IndexError;
use crate::graph::walk::Records;
use crate::hnsw::zeroed;
use crate::hot::Hot;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Bytes of a chunk at most, unless that is less than one record.
const CHUNK_BYTES: usize = 32 << 20;

/// Slots for records that were replaced and may still be read, beside an eighth of those in
/// their places.
const SPARE_SLOTS: usize = 8_192;

/// Records in places, each in one piece.
#[derive(Debug)]
pub(super) struct Slots {
    record_bytes: usize,
    /// The slots of a chunk are 2 to the power of this.
    chunk_bits: u32,
    /// The slot of every record; 0, which is never written, where there is none.
    places: Box<[AtomicU32]>,
    chunks: Box<[OnceLock<Chunk>]>,
    epoch: OwnLine,
    /// Readers that began in an even epoch, and in an odd one.
    readers: [OwnLine; 2],
}

/// What the one who writes knows.
#[derive(Debug, Default)]
pub(super) struct Writer {
    free: Vec<u32>,
    /// The highest slot that was ever written.
    last: u32,
    /// Slots of records replaced in the epoch before and in this one.
    retired: [Vec<u32>; 2],
}

/// A counter that shares its cache line with nothing.
#[derive(Debug, Default)]
#[repr(align(64))]
struct OwnLine(AtomicU64);

/// Memory of many slots.
#[derive(Debug)]
struct Chunk {
    start: *mut u8,
    /// Keeps the memory.
    _memory: Hot,
}

// SAFETY: the pointer is to memory that the chunk owns, wherever it is dropped.
unsafe impl Send for Chunk {}
// SAFETY: a shared chunk only gives its address away; what is behind it is read and written
// under the rules of `Slots`.
unsafe impl Sync for Chunk {}

/// Somebody who reads records; none that it can see is written over.
pub(super) struct Reading<'a> {
    slots: &'a Slots,
    readers: &'a AtomicU64,
}

impl Slots {
    /// Room for so many records, which takes memory as they are written.
    pub(super) fn new(record_bytes: usize, places: usize) -> Self {
        let chunk_bits = (CHUNK_BYTES / record_bytes).max(1).ilog2();
        let slots = places + places / 8 + 2 * SPARE_SLOTS;
        let chunks = (slots >> chunk_bits) + 1;
        Self {
            record_bytes,
            chunk_bits,
            places: zeroed(places),
            chunks: std::iter::repeat_with(OnceLock::new).take(chunks).collect(),
            epoch: OwnLine::default(),
            readers: <[OwnLine; 2]>::default(),
        }
    }

    /// Bytes of all slots that were written.
    pub(super) fn written_bytes(&self, writer: &Writer) -> usize {
        writer.last as usize * self.record_bytes
    }

    /// Begins to read.
    pub(super) fn read(&self) -> Reading<'_> {
        loop {
            let epoch = self.epoch.0.load(Ordering::SeqCst);
            let readers = self.readers_of(epoch);
            readers.fetch_add(1, Ordering::SeqCst);
            // Counted in while the epoch lasted, so whoever ends it sees the count.
            if self.epoch.0.load(Ordering::SeqCst) == epoch {
                return Reading { slots: self, readers };
            }
            readers.fetch_sub(1, Ordering::Release);
        }
    }

    fn readers_of(&self, epoch: u64) -> &AtomicU64 {
        &self.readers[usize::from(epoch % 2 == 1)].0
    }

    /// The record in a place as the writer left it.
    pub(super) fn written<'a>(&'a self, _writer: &'a Writer, place: u32) -> Option<&'a [u8]> {
        let slot = self.places[place as usize].load(Ordering::Relaxed);
        // SAFETY: the slot is in a place, and it takes the writer to write another.
        (slot != 0).then(|| unsafe { self.slot(slot) })
    }

    /// Puts what `write` makes of the old record, or of none, into a place. The bytes it
    /// writes to may hold anything.
    ///
    /// # Errors
    /// [`IndexError::NoMemory`] if the system has none; nothing is changed then.
    pub(super) fn replace(
        &self,
        writer: &mut Writer,
        place: u32,
        write: impl FnOnce(Option<&[u8]>, &mut [u8]),
    ) -> Result<(), IndexError> {
        let slot = self.take(writer)?;
        let old = self.places[place as usize].load(Ordering::Relaxed);
        // SAFETY: the slot is in a place, and it takes the writer to write another.
        let old_record = (old != 0).then(|| unsafe { self.slot(old) });
        let start = self.start(slot);
        // SAFETY: the slot was free: it is in no place, nobody who began to read when it was
        // still reads, and there is one writer. Its memory was zeroed, so all bytes are
        // initialised.
        let record = unsafe { std::slice::from_raw_parts_mut(start, self.record_bytes) };
        write(old_record, record);
        self.places[place as usize].store(slot, Ordering::Release);
        if old != 0 {
            writer.retired[1].push(old);
        }
        Ok(())
    }

    /// Frees what was replaced, if nobody can be reading it.
    pub(super) fn reclaim(&self, writer: &mut Writer) {
        let epoch = self.epoch.0.load(Ordering::Relaxed);
        if self.readers_of(epoch + 1).load(Ordering::SeqCst) == 0 {
            let Writer { free, retired: [before, now], .. } = writer;
            free.append(before);
            std::mem::swap(before, now);
            self.epoch.0.store(epoch + 1, Ordering::SeqCst);
        }
    }

    /// Whether slow readers keep more slots than there are to spare.
    pub(super) fn is_held_up(&self, writer: &Writer) -> bool {
        let retired: usize = writer.retired.iter().map(Vec::len).sum();
        retired > SPARE_SLOTS + writer.last as usize / 16
    }

    /// A slot that nobody knows.
    fn take(&self, writer: &mut Writer) -> Result<u32, IndexError> {
        if let Some(slot) = writer.free.pop() {
            return Ok(slot);
        }
        let slot = writer.last + 1;
        let chunk = &self.chunks[slot as usize >> self.chunk_bits];
        if chunk.get().is_none() {
            let bytes = self.record_bytes << self.chunk_bits;
            let mut memory = Hot::new(bytes).ok_or(IndexError::NoMemory { bytes })?;
            let start = memory.bytes_mut().as_mut_ptr();
            _ = chunk.set(Chunk { start, _memory: memory });
        }
        writer.last = slot;
        Ok(slot)
    }

    /// Where a slot begins that was taken once, or slot 0.
    #[inline]
    fn start(&self, slot: u32) -> *mut u8 {
        let chunk = self.chunks[slot as usize >> self.chunk_bits].get();
        let chunk = chunk.expect("a slot is taken after its chunk was made");
        let at = (slot as usize & ((1 << self.chunk_bits) - 1)) * self.record_bytes;
        chunk.start.wrapping_add(at)
    }

    /// The bytes of a slot.
    ///
    /// # Safety
    /// As long as they are borrowed nobody writes to the slot: it is in a place and there is
    /// no writer at work, or it was in one after a reader began that still reads.
    #[inline]
    unsafe fn slot(&self, slot: u32) -> &[u8] {
        let start = self.start(slot);
        // SAFETY: the caller's promise; the slot lies within its chunk, which was zeroed.
        unsafe { std::slice::from_raw_parts(start, self.record_bytes) }
    }
}

impl Reading<'_> {
    /// The record in a place, if there is one.
    pub(super) fn get(&self, place: u32) -> Option<&[u8]> {
        let slot = self.slots.places[place as usize].load(Ordering::Acquire);
        // SAFETY: it is in its place after this reader began, which ends when `self` does.
        (slot != 0).then(|| unsafe { self.slots.slot(slot) })
    }
}

impl Records for Reading<'_> {
    /// The record in a place; zeros, or what is in slot 0, where there is none.
    #[inline]
    fn record(&self, place: u32) -> &[u8] {
        let slot = self.slots.places[place as usize].load(Ordering::Acquire);
        // SAFETY: it is in its place after this reader began, which ends when `self` does.
        unsafe { self.slots.slot(slot) }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.readers.fetch_sub(1, Ordering::Release);
    }
}
