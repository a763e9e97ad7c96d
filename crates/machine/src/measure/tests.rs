//! What must be so on any machine: orders, never absolute times.

use super::*;
use crate::{Loaded, MACHINE_FILE, load, store};
use std::time::Duration;
use vicinal_exec::{PoolOptions, Topology};
use vicinal_planner::KERNELS;
use vicinal_storage::{FileDisk, SimDisk};
use vicinal_types::{ElementType, Metric, SystemClock, TestClock, VectorType};

fn pools() -> Pools {
    let options = PoolOptions { search_threads: 1, build_threads: 1, pin: false };
    Pools::new(&Topology::detect(), &options).expect("threads")
}

#[test]
fn figures_of_this_machine_are_in_order() {
    let directory = tempfile::tempdir().expect("a directory");
    let (disk, pools) = (FileDisk, pools());
    let (directory, clock) = (directory.path(), Arc::new(SystemClock));
    let setup = Setup { disk: &disk, directory, clock, pools: &pools };
    let measured = measure(&setup, &Cancel::never()).expect("figures");
    let profile = measured.profile;
    assert!(profile.is_sound(), "{measured:?}");
    for (element, metric) in KERNELS {
        let nanos = |dim| {
            let vector = VectorType::new(dim, element, metric).expect("a right type");
            profile.kernel(vector).nanos(f64::from(dim))
        };
        assert!(nanos(64) < nanos(256) && nanos(256) < nanos(1536), "{element} {metric}");
    }
    let memory = profile.memory;
    let line_in_a_row = 64.0 * memory.sequential_byte_nanos;
    let line_scattered = memory.scattered.nanos(64.0);
    assert!(line_in_a_row < line_scattered, "{memory:?}");
    assert!(line_scattered < memory.dependent_nanos, "{memory:?}");
    let cost =
        profile.row_cost(VectorType::new(128, ElementType::F32, Metric::L2).expect("a type"));
    assert!(cost.scanned_nanos < cost.scattered_nanos, "{cost:?}");
    let disk_times = profile.disk;
    let is_dearer = |read| read > disk_times.cached_page_nanos;
    assert!(disk_times.read_page_nanos.is_none_or(is_dearer), "{disk_times:?}");
    assert!(disk_times.cached_page_nanos > line_in_a_row, "{disk_times:?}");
    assert!(profile.hand_off_nanos > memory.dependent_nanos, "{measured:?}");

    // Nothing is left behind, and what is stored is this machine's.
    assert_eq!(disk.list(directory).expect("a directory"), [""; 0]);
    store(&disk, directory, &measured).expect("a disk");
    let found = load(&disk, directory, &Machine::detect()).expect("a disk");
    assert_eq!(found, Loaded::Measured(Box::new(measured)));
    assert_eq!(disk.list(directory).expect("a directory"), [MACHINE_FILE]);
}

#[test]
fn measuring_stops_when_asked() {
    let (disk, pools, cancel) = (SimDisk::new(1), pools(), Cancel::never());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let setup = Setup { disk: &disk, directory: Path::new(""), clock, pools: &pools };
    cancel.cancel();
    let outcome = measure(&setup, &cancel);
    assert!(matches!(outcome, Err(MeasureError::Stopped(Stopped::Cancelled))), "{outcome:?}");
    let deadline = SystemClock.now() + Duration::from_millis(20);
    let outcome = measure(&setup, &Cancel::new(Arc::new(SystemClock), Some(deadline)));
    assert!(matches!(outcome, Err(MeasureError::Stopped(Stopped::Deadline))), "{outcome:?}");
}

#[test]
fn a_leftover_of_a_crash_is_no_obstacle() {
    let (disk, cancel, mut notes) = (SimDisk::new(1), Cancel::never(), Vec::new());
    let watch = Watch { clock: &SystemClock, cancel: &cancel };
    disk.create_new(Path::new("MACHINE.probe")).expect("a simulated disk");
    let times = disk::measure(&watch, &disk, Path::new(""), &mut notes).expect("times");
    assert_eq!(times.read_page_nanos, None, "what is in memory stays there");
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert_eq!(disk.list(Path::new("")).expect("a directory"), [""; 0]);
}

#[test]
fn a_clock_that_stands_still_gives_no_figures() {
    let (disk, pools) = (SimDisk::new(1), pools());
    let clock: Arc<dyn Clock> = Arc::new(TestClock::default());
    let setup = Setup { disk: &disk, directory: Path::new(""), clock, pools: &pools };
    let outcome = measure(&setup, &Cancel::never());
    assert!(matches!(outcome, Err(MeasureError::Clock { .. })), "{outcome:?}");
    assert_eq!(disk.list(Path::new("")).expect("a directory"), [""; 0]);
}
