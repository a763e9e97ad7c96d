//! Devices that hold rows: a pool of memory with a budget on each.

use crate::device::{Buffer, Device};
use crate::resident::{Kind, Resident, read};
use crate::search::{K_MAX, search};
use parking_lot::Mutex;
use std::sync::Arc;
use vicinal_index::{
    Accelerator, AcceleratorError, Batch, Candidates, DeviceState, Vectors, are_same_rows,
};
use vicinal_types::VectorType;

/// Devices of one machine; each set of rows is on one of them.
pub struct Devices<D: Device> {
    slots: Vec<Slot<D>>,
}

/// A device with its pool.
struct Slot<D: Device> {
    device: Arc<D>,
    budget_bytes: u64,
    /// Rank 1: never held while the device works.
    pool: Mutex<Pool<D>>,
    /// Rank 0: one search at a time; memory that searches use again.
    scratch: Mutex<Option<Buffer<D>>>,
}

struct Pool<D: Device> {
    /// Used longest ago first.
    resident: Vec<Arc<Resident<D>>>,
    /// Taken by rows that are on their way.
    promised_bytes: u64,
    is_lost: bool,
}

impl<D: Device> Pool<D> {
    fn used_bytes(&self) -> u64 {
        self.promised_bytes + self.resident.iter().map(|rows| rows.bytes()).sum::<u64>()
    }

    fn at(&self, rows: &Vectors) -> Option<usize> {
        self.resident.iter().position(|there| are_same_rows(&there.vectors, rows))
    }
}

impl<D: Device> Slot<D> {
    fn new(device: D, budget_bytes: u64) -> Self {
        let pool = Pool { resident: Vec::new(), promised_bytes: 0, is_lost: false };
        let device = Arc::new(device);
        Self { device, budget_bytes, pool: Mutex::new(pool), scratch: Mutex::new(None) }
    }

    /// Gives up what was used longest ago until there is room, and takes that.
    fn promise(&self, bytes: u64) -> Result<Vec<Arc<Resident<D>>>, AcceleratorError> {
        let (wanted_bytes, budget_bytes) = (bytes, self.budget_bytes);
        let mut pool = self.pool.lock();
        if wanted_bytes + pool.promised_bytes > budget_bytes {
            return Err(AcceleratorError::OutOfMemory { wanted_bytes, budget_bytes });
        }
        let mut given_up = Vec::new();
        while pool.used_bytes() + wanted_bytes > budget_bytes {
            given_up.push(pool.resident.remove(0));
        }
        pool.promised_bytes += wanted_bytes;
        Ok(given_up)
    }

    fn load(&self, rows: &Vectors, kind: Kind) -> Result<(), AcceleratorError> {
        let bytes = kind.bytes(rows.len());
        // Searches under way keep theirs; the memory is given back behind them.
        drop(self.promise(bytes)?);
        let loaded = Resident::load(&self.device, rows, kind);
        let mut pool = self.pool.lock();
        pool.promised_bytes -= bytes;
        match loaded {
            Ok(loaded) if pool.at(rows).is_none() => pool.resident.push(Arc::new(loaded)),
            Ok(_) => {}
            Err(error) => {
                drop(pool);
                return Err(self.noted(error));
            }
        }
        Ok(())
    }

    /// Marks rows as used.
    fn resident(&self, rows: &Vectors) -> Option<Arc<Resident<D>>> {
        let mut pool = self.pool.lock();
        let at = pool.at(rows).filter(|_| !pool.is_lost)?;
        let used = pool.resident.remove(at);
        pool.resident.push(Arc::clone(&used));
        Some(used)
    }

    /// Remembers that the device is lost, if that is the error.
    fn noted(&self, error: AcceleratorError) -> AcceleratorError {
        if matches!(error, AcceleratorError::Lost { .. }) {
            let mut pool = self.pool.lock();
            pool.is_lost = true;
            let forgotten = std::mem::take(&mut pool.resident);
            drop(pool);
            drop(forgotten);
        }
        error
    }

    fn state(&self) -> DeviceState {
        let (facts, pool) = (self.device.facts(), self.pool.lock());
        DeviceState {
            name: facts.name.clone(),
            memory_bytes: facts.memory_bytes,
            budget_bytes: self.budget_bytes,
            used_bytes: pool.used_bytes(),
            resident: pool.resident.len(),
            is_lost: pool.is_lost,
        }
    }
}

impl<D: Device> Devices<D> {
    /// Devices, each with the bytes that rows may take of its memory.
    pub fn new(devices: Vec<(D, u64)>) -> Self {
        let slots = devices.into_iter().map(|(device, budget)| Slot::new(device, budget));
        Self { slots: slots.collect() }
    }

    /// Has resident rows read so many times: what any search of them must do, and no
    /// more. The bytes that were read.
    ///
    /// # Errors
    /// [`AcceleratorError`] if there are no such rows or the device fails.
    pub fn read(&self, rows: &Vectors, times: u32) -> Result<u64, AcceleratorError> {
        let (slot, resident) = self.find(rows)?;
        let search = slot.scratch.lock();
        let bytes = read(&slot.device, &resident, times).map_err(|error| slot.noted(error));
        drop(search);
        bytes
    }

    /// The device that has the rows.
    fn find(&self, rows: &Vectors) -> Result<(&Slot<D>, Arc<Resident<D>>), AcceleratorError> {
        let found = self.slots.iter().find_map(|slot| Some((slot, slot.resident(rows)?)));
        found.ok_or(AcceleratorError::NotResident)
    }
}

impl<D: Device> Accelerator for Devices<D> {
    fn devices(&self) -> Vec<DeviceState> {
        self.slots.iter().map(Slot::state).collect()
    }

    fn takes(&self, vector: VectorType, k: usize) -> bool {
        Kind::of(vector).is_some() && k <= K_MAX
    }

    fn is_resident(&self, rows: &Vectors) -> bool {
        self.slots.iter().any(|slot| {
            let pool = slot.pool.lock();
            !pool.is_lost && pool.at(rows).is_some()
        })
    }

    fn load(&self, rows: &Vectors) -> Result<(), AcceleratorError> {
        if self.is_resident(rows) {
            return Ok(());
        }
        let Some(kind) = Kind::of(rows.vector_type()) else {
            return Err(AcceleratorError::NotResident);
        };
        // The device that works and has most room, then the others.
        let mut slots: Vec<_> = self
            .slots
            .iter()
            .map(|slot| (slot, slot.state()))
            .filter(|(_, state)| !state.is_lost)
            .collect();
        slots.sort_by_key(|(_, state)| {
            std::cmp::Reverse(state.budget_bytes.saturating_sub(state.used_bytes))
        });
        let mut failed = AcceleratorError::NotResident;
        for (slot, _) in slots {
            match slot.load(rows, kind) {
                Ok(()) => return Ok(()),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn evict(&self, rows: &Vectors) {
        for slot in &self.slots {
            let mut pool = slot.pool.lock();
            let given_up = pool.at(rows).map(|at| pool.resident.remove(at));
            drop(pool);
            drop(given_up);
        }
    }

    fn search(
        &self,
        rows: &Vectors,
        batch: &Batch<'_>,
    ) -> Result<Vec<Candidates>, AcceleratorError> {
        let (slot, resident) = self.find(rows)?;
        let mut scratch = slot.scratch.lock();
        let found = search(&slot.device, &resident, batch, &mut scratch);
        found.map_err(|error| slot.noted(error))
    }
}
