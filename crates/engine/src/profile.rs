//! How fast this machine is: what searches are planned with.

use crate::engine::Engine;
use crate::maintenance::Maintenance;
use crate::options::EngineOptions;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use vicinal_exec::{PoolOptions, Pools, Topology, Workers};
use vicinal_machine::{
    Loaded, MACHINE_FILE, Machine, Measured, Setup, load, measure, store, working_bytes,
};
use vicinal_planner::MachineProfile;
use vicinal_storage::{Disk, IDENTITY_FILE};
use vicinal_types::{Cancel, Clock, Error, Result};

/// The nice value of the thread that measures: requests go first.
const NICE: i32 = 19;

/// The figures in use, and the thread that measures them.
pub(crate) struct Profiler {
    profile: ArcSwap<MachineProfile>,
    cancel: Cancel,
    /// Guards the thread, if there is one. Rank: a leaf.
    worker: Mutex<Option<Workers>>,
}

impl Profiler {
    pub(crate) fn new(machine: MachineProfile) -> Arc<Self> {
        Arc::new(Self {
            profile: ArcSwap::from_pointee(machine),
            cancel: Cancel::never(),
            worker: Mutex::default(),
        })
    }

    /// Ends what is being measured.
    pub(crate) fn stop(&self) {
        self.cancel.cancel();
        if let Some(worker) = self.worker.lock().take() {
            worker.stop();
        }
    }

    /// Measures in the background and keeps what it finds, unless `known` was measured
    /// with less disturbance.
    fn start(
        self: &Arc<Self>,
        known: Option<Box<Measured>>,
        options: &EngineOptions,
        maintenance: &Arc<Maintenance>,
    ) -> Result<()> {
        let worker = Workers::nice("profile", NICE, 1, 1).map_err(|error| {
            Error::exhausted("no thread could be started to measure the machine").caused_by(error)
        })?;
        let (profiler, options) = (Arc::clone(self), options.clone());
        let maintenance = Arc::clone(maintenance);
        worker.submit(move || {
            let Some(_share) = maintenance.work().take(working_bytes(&Machine::detect())) else {
                tracing::info!("no memory is free to measure the machine: the next start tries again");
                return;
            };
            if let Err(error) = profiler.run(known, &options, maintenance.pools()) {
                tracing::warn!(%error, "searches are planned with other figures than this machine's");
            }
        })?;
        *self.worker.lock() = Some(worker);
        Ok(())
    }

    fn run(
        &self,
        known: Option<Box<Measured>>,
        options: &EngineOptions,
        pools: &Pools,
    ) -> Result<()> {
        let EngineOptions { disk, directory, clock, .. } = options;
        let setup = Setup { disk: &**disk, directory, clock: Arc::clone(clock), pools };
        let measured = match measure(&setup, &self.cancel) {
            Err(_) if self.cancel.check().is_err() => return Ok(()),
            outcome => outcome.map_err(unmeasured)?,
        };
        tracing::info!("measured the machine in {} ms: {}", measured.took_millis, measured.machine);
        if known.is_some_and(|known| known.spread <= measured.spread) {
            return Ok(());
        }
        self.profile.store(Arc::new(measured.profile));
        store(&**disk, directory, &measured).map_err(|error| unstored(directory, error))
    }
}

impl Engine {
    /// Plans searches by how fast this machine is from now on: by the figures in the
    /// data directory, or if it has none that are this machine's, and undisturbed, by
    /// those that a thread of low priority measures in about a second. Until then, and
    /// without this call, they are those of a typical machine.
    ///
    /// # Errors
    /// `Unavailable` if the figures cannot be read, `Exhausted` if the operating system
    /// gives no thread. The engine goes on as before.
    pub fn profile_machine(&self) -> Result<()> {
        let EngineOptions { disk, directory, .. } = self.options();
        let known = match read(&**disk, directory)? {
            Loaded::Measured(measured) => {
                self.profiler().profile.store(Arc::new(measured.profile));
                if !measured.is_disturbed() {
                    return Ok(());
                }
                tracing::info!("the machine was busy when it was measured: measuring it again");
                Some(measured)
            }
            Loaded::Missing => None,
            Loaded::Unusable(reason) => {
                tracing::warn!("{MACHINE_FILE}: {reason}: measuring this machine");
                None
            }
        };
        self.profiler().start(known, self.options(), self.maintenance())
    }

    /// What searches are planned with.
    pub fn machine_profile(&self) -> Arc<MachineProfile> {
        self.profiler().profile.load_full()
    }
}

/// Measures the machine for a data directory that no server uses, and keeps the figures
/// there.
///
/// # Errors
/// `Invalid` if it is no data directory, `Unavailable` if a server uses it, or if
/// something cannot be measured or kept.
pub fn calibrate(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    clock: Arc<dyn Clock>,
) -> Result<Measured> {
    check_directory(&**disk, directory)?;
    let _lock = disk.lock(directory)?;
    let pools = Pools::new(&Topology::detect(), &PoolOptions::default()).map_err(|error| {
        Error::exhausted("the worker threads could not be started").caused_by(error)
    })?;
    let setup = Setup { disk: &**disk, directory, clock, pools: &pools };
    let measured = measure(&setup, &Cancel::never()).map_err(unmeasured)?;
    store(&**disk, directory, &measured).map_err(|error| unstored(directory, error))?;
    Ok(measured)
}

/// The figures of this machine that a data directory has, whether a server uses it or
/// not.
///
/// # Errors
/// `Invalid` if it is no data directory, `NotFound` if it has no figures of this
/// machine, `Unavailable` if they cannot be read.
pub fn machine_figures(disk: &dyn Disk, directory: &Path) -> Result<Measured> {
    check_directory(disk, directory)?;
    let shown = directory.display();
    let way_out = "stop the server if one runs, and measure with `vicinal calibrate`";
    match read(disk, directory)? {
        Loaded::Measured(measured) => Ok(*measured),
        Loaded::Missing => Err(Error::not_found(format!(
            "{shown} has no figures of this machine yet: a server measures them within seconds of its first start; else {way_out}"
        ))),
        Loaded::Unusable(reason) => Err(Error::not_found(format!(
            "{MACHINE_FILE} in {shown} is of no use here: {reason}; {way_out}"
        ))),
    }
}

fn read(disk: &dyn Disk, directory: &Path) -> Result<Loaded> {
    load(disk, directory, &Machine::detect()).map_err(|error| {
        let path = directory.join(MACHINE_FILE);
        Error::unavailable(format!("{} cannot be read: {error}", path.display()))
    })
}

fn check_directory(disk: &dyn Disk, directory: &Path) -> Result<()> {
    let shown = directory.display();
    match disk.exists(&directory.join(IDENTITY_FILE)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::invalid(format!(
            "{shown} is no data directory: it has no file {IDENTITY_FILE}; name the one in storage.directory"
        ))),
        Err(error) => Err(Error::unavailable(format!("{shown} cannot be read: {error}"))),
    }
}

fn unmeasured(error: vicinal_machine::MeasureError) -> Error {
    Error::unavailable(error.to_string())
}

fn unstored(directory: &Path, error: std::io::Error) -> Error {
    let path = directory.join(MACHINE_FILE);
    Error::unavailable(format!("{} cannot be written: {error}", path.display()))
}
