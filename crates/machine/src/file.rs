//! The file of a data directory that keeps what was measured.

mod format;

use crate::Machine;
use format::Seen;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use vicinal_planner::MachineProfile;
use vicinal_storage::{Disk, read_file, replace_file};

/// The name of the file in a data directory.
pub const MACHINE_FILE: &str = "MACHINE";

/// How far repetitions may be from the fastest, in the middle, of a machine at rest.
const RESTING_SPREAD: f64 = 0.25;

/// What was measured, when, and on which machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The machine.
    pub machine: Machine,
    /// Microseconds since 1970.
    pub unix_micros: u64,
    /// How long it took.
    pub took_millis: u64,
    /// How much longer than the fastest repetition the middle one took, as a part of it:
    /// of half of all measurements less.
    pub spread: f64,
    /// What is worth knowing of single figures.
    pub notes: Vec<String>,
    /// The figures.
    pub profile: MachineProfile,
}

impl Measured {
    /// Whether something else ran meanwhile, so that it is worth measuring again.
    pub fn is_disturbed(&self) -> bool {
        self.spread > RESTING_SPREAD
    }
}

/// What a data directory has of this machine.
#[derive(Clone, Debug, PartialEq)]
pub enum Loaded {
    /// Figures of this machine.
    Measured(Box<Measured>),
    /// No file.
    Missing,
    /// A file that is damaged, of another machine or of another program; why.
    Unusable(String),
}

/// Reads the figures of a data directory; those of another machine than `machine` are
/// of no use.
///
/// # Errors
/// The disk's. Damage is no error: who finds it measures again.
pub fn load(disk: &dyn Disk, directory: &Path, machine: &Machine) -> io::Result<Loaded> {
    let path = directory.join(MACHINE_FILE);
    if !disk.exists(&path)? {
        return Ok(Loaded::Missing);
    }
    Ok(match format::decode(&read_file(disk, &path)?) {
        Seen::Measured(measured) if measured.machine == *machine => Loaded::Measured(measured),
        Seen::Measured(measured) => {
            let other = &measured.machine;
            Loaded::Unusable(format!("it is of another machine: {other}; this is {machine}"))
        }
        Seen::UnknownVersion(found) => {
            let own = format::VERSION;
            Loaded::Unusable(format!("it has format version {found}, this program reads {own}"))
        }
        Seen::Bad(reason) => Loaded::Unusable(format!("it is damaged: {reason}")),
    })
}

/// Keeps figures in a data directory, in place of those that are there.
///
/// # Errors
/// The disk's: then the old figures are there or the new ones.
pub fn store(disk: &dyn Disk, directory: &Path, measured: &Measured) -> io::Result<()> {
    let bytes = format::encode(measured)?;
    replace_file(disk, &directory.join(MACHINE_FILE), &bytes).map_err(|error| error.into_source())
}

#[cfg(test)]
mod tests;
