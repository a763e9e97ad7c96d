//! Measuring this machine.
//!
//! Of the repetitions of one measurement the fastest counts: whatever else the machine
//! does makes code slower, never faster. Waits for others, that is pages of the disk and
//! sleeping threads, have no such floor: there the middle one counts.

mod disk;
mod hand_off;
mod kernels;
mod memory;
mod sample;

use crate::{Machine, Measured};
use sample::{Watch, middle};
use std::io;
use std::path::Path;
use std::sync::Arc;
use vicinal_exec::Pools;
use vicinal_planner::{Gpu, MachineProfile};
use vicinal_storage::Disk;
use vicinal_types::{Cancel, Clock, Stopped};

/// Repetitions further from the fastest than this part of it get a note.
const NOTED_SPREAD: f64 = 0.5;

/// What is measured.
pub struct Setup<'a> {
    /// Where pages are read from.
    pub disk: &'a dyn Disk,
    /// A directory there, in which a file is made and removed.
    pub directory: &'a Path,
    /// What times are read from.
    pub clock: Arc<dyn Clock>,
    /// The threads that tasks are given to.
    pub pools: &'a Pools,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// Nobody waits for them any more.
    #[error("measuring the machine was stopped: {0}")]
    Stopped(#[from] Stopped),
    /// The file that pages are read from cannot be made, read or removed.
    #[error("pages of a file of the data directory cannot be measured: {0}")]
    Disk(#[from] io::Error),
    /// The clock does not move, or moves back.
    #[error("the clock stands still: {what} took no time")]
    Clock {
        /// What was measured.
        what: &'static str,
    },
}

/// Measures the machine, on the calling thread but for what is given to the pools.
///
/// It takes about a second of one core, [`working_bytes`] of memory (four times the last
/// cache, 64 to 256 MiB, and at most an eighth of what the process may use), and 8 MiB of
/// disk.
///
/// # Errors
/// [`MeasureError`]; then there are no figures, rather than some that are made up.
pub fn measure(setup: &Setup<'_>, cancel: &Cancel) -> Result<Measured, MeasureError> {
    let machine = Machine::detect();
    let watch = Watch { clock: &*setup.clock, cancel };
    let started = setup.clock.now();
    let (mut spreads, mut notes) = (Vec::new(), Vec::new());
    let kernels = kernels::measure(&watch, &mut spreads)?;
    let memory = memory::measure(&watch, memory_len(&machine), &mut spreads)?;
    let disk = disk::measure(&watch, setup.disk, setup.directory, &mut notes)?;
    let hand_off_nanos = hand_off::measure(&watch, &setup.clock, setup.pools)?;
    for (what, spread) in &spreads {
        if *spread > NOTED_SPREAD {
            let percent = spread * 100.0;
            notes.push(format!(
                "{what}: the middle repetition took {percent:.0} % longer than the fastest"
            ));
        }
    }
    let mut spreads: Vec<_> = spreads.into_iter().map(|(_, spread)| spread).collect();
    let took = setup.clock.now().saturating_duration_since(started);
    let profile = MachineProfile { kernels, memory, disk, hand_off_nanos, gpu: Gpu::None };
    if !profile.is_sound() {
        return Err(MeasureError::Clock { what: "some measurement" });
    }
    Ok(Measured {
        machine,
        unix_micros: setup.clock.unix_micros(),
        took_millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        spread: middle(&mut spreads),
        notes,
        profile,
    })
}

/// Bytes of memory that [`measure`] takes: so many that most are far from the caches.
pub fn working_bytes(machine: &Machine) -> u64 {
    const MIB: u64 = 1024 * 1024;
    let wanted = machine.last_cache_bytes.saturating_mul(4).clamp(64 * MIB, 256 * MIB);
    wanted.min((vicinal_exec::memory_limit() / 8).max(MIB))
}

fn memory_len(machine: &Machine) -> usize {
    usize::try_from(working_bytes(machine)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
