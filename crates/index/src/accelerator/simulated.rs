//! An accelerator that computes on the CPU and fails by its seed.

use super::{Accelerator, AcceleratorError, Batch, Candidates, DeviceState, are_same_rows};
use crate::hnsw::mix;
use crate::{TopK, Vectors, Work, scan};
use parking_lot::Mutex;
use vicinal_types::{Cancel, ElementType, VectorType};

/// What goes wrong, and how often.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// What is drawn from.
    pub seed: u64,
    /// Of a thousand searches and loads, how many fail.
    pub failures: u64,
    /// Of a thousand searches, after how many the device is gone, with the answer.
    pub losses: u64,
    /// Of a thousand queries, how many come with a bound that proves nothing.
    pub unproven: u64,
    /// Rows named for each query beyond those asked for.
    pub margin: usize,
}

/// Rows in memory, searched by the CPU; with [`Faults::default`] it always works.
#[derive(Debug)]
pub struct SimulatedAccelerator {
    budget_bytes: u64,
    faults: Faults,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Used longest ago first.
    resident: Vec<Vectors>,
    draws: u64,
    is_lost: bool,
}

const NAME: &str = "simulated";

/// Neighbours that may be asked for.
const K_MAX: usize = 1_024;

fn bytes_of(rows: &Vectors) -> u64 {
    rows.bytes().len() as u64
}

impl State {
    /// Whether something of which so many in a thousand happen, happens now.
    fn happens(&mut self, seed: u64, of_thousand: u64) -> bool {
        self.draws += 1;
        mix(seed.wrapping_add(self.draws)) % 1_000 < of_thousand
    }

    fn used_bytes(&self) -> u64 {
        self.resident.iter().map(bytes_of).sum()
    }

    fn at(&self, rows: &Vectors) -> Option<usize> {
        self.resident.iter().position(|there| are_same_rows(there, rows))
    }
}

impl SimulatedAccelerator {
    /// A device with room for so many bytes of rows.
    pub fn new(budget_bytes: u64, faults: Faults) -> Self {
        Self { budget_bytes, faults, state: Mutex::default() }
    }

    fn failed(&self, what: &str) -> AcceleratorError {
        AcceleratorError::Failed { device: NAME.to_owned(), reason: what.to_owned() }
    }

    fn check(&self, state: &mut State, what: &str) -> Result<(), AcceleratorError> {
        if state.is_lost {
            let (device, reason) = (NAME.to_owned(), "it was lost before".to_owned());
            return Err(AcceleratorError::Lost { device, reason });
        }
        if state.happens(self.faults.seed, self.faults.failures) {
            return Err(self.failed(what));
        }
        Ok(())
    }

    fn candidates(&self, rows: &Vectors, query: &[u8], batch: &Batch<'_>) -> Candidates {
        let mut top = TopK::new(batch.k + self.faults.margin + 1);
        let (mut work, never) = (Work::default(), Cancel::never());
        scan(rows, query, batch.allowed, 0, &mut top, &mut work, &never)
            .expect("nobody stops this scan");
        let mut found = top.into_sorted();
        let beyond = (found.len() > batch.k + self.faults.margin).then(|| found.pop()).flatten();
        let rows = found.iter().map(|neighbor| neighbor.row).collect();
        Candidates { rows, beyond: beyond.map(|neighbor| neighbor.key) }
    }
}

impl Accelerator for SimulatedAccelerator {
    fn devices(&self) -> Vec<DeviceState> {
        let state = self.state.lock();
        vec![DeviceState {
            name: NAME.to_owned(),
            memory_bytes: self.budget_bytes,
            budget_bytes: self.budget_bytes,
            used_bytes: state.used_bytes(),
            resident: state.resident.len(),
            is_lost: state.is_lost,
        }]
    }

    fn takes(&self, vector: VectorType, k: usize) -> bool {
        vector.element() != ElementType::Binary && k <= K_MAX
    }

    fn is_resident(&self, rows: &Vectors) -> bool {
        let state = self.state.lock();
        !state.is_lost && state.at(rows).is_some()
    }

    fn load(&self, rows: &Vectors) -> Result<(), AcceleratorError> {
        let mut state = self.state.lock();
        self.check(&mut state, "the copy fails")?;
        if state.at(rows).is_some() {
            return Ok(());
        }
        let (wanted_bytes, budget_bytes) = (bytes_of(rows), self.budget_bytes);
        if wanted_bytes > budget_bytes {
            return Err(AcceleratorError::OutOfMemory { wanted_bytes, budget_bytes });
        }
        while state.used_bytes() + wanted_bytes > budget_bytes {
            state.resident.remove(0);
        }
        state.resident.push(rows.clone());
        Ok(())
    }

    fn evict(&self, rows: &Vectors) {
        let mut state = self.state.lock();
        if let Some(at) = state.at(rows) {
            state.resident.remove(at);
        }
    }

    fn search(
        &self,
        rows: &Vectors,
        batch: &Batch<'_>,
    ) -> Result<Vec<Candidates>, AcceleratorError> {
        let mut state = self.state.lock();
        self.check(&mut state, "the kernel fails")?;
        let at = state.at(rows).ok_or(AcceleratorError::NotResident)?;
        let used = state.resident.remove(at);
        state.resident.push(used);
        if state.happens(self.faults.seed, self.faults.losses) {
            state.is_lost = true;
            state.resident.clear();
            let (device, reason) = (NAME.to_owned(), "it fell off the bus".to_owned());
            return Err(AcceleratorError::Lost { device, reason });
        }
        let queries = batch.queries.chunks_exact(rows.vector_type().row_bytes());
        let mut found: Vec<_> = queries.map(|query| self.candidates(rows, query, batch)).collect();
        for candidates in &mut found {
            if state.happens(self.faults.seed, self.faults.unproven) {
                candidates.beyond = Some(f32::NEG_INFINITY);
            }
        }
        Ok(found)
    }
}
