//! Figures of the machine: measured once, kept, and no obstacle to closing.

use crate::fixture::{engine, open, slow_at_comparing};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vicinal_engine::{Engine, calibrate, machine_figures};
use vicinal_planner::MachineProfile;
use vicinal_storage::{Disk, SimDisk};
use vicinal_types::{ErrorKind, SystemClock};

const DIRECTORY: &str = "data";

/// Waits until searches are planned with other figures than those it began with.
fn measured(engine: &Engine) -> MachineProfile {
    for _ in 0..60_000 {
        let profile = *engine.machine_profile();
        if profile != slow_at_comparing() {
            return profile;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    panic!("the machine is not measured");
}

fn kept(disk: &SimDisk) -> MachineProfile {
    machine_figures(disk, Path::new(DIRECTORY)).expect("figures").profile
}

#[test]
fn searches_are_planned_with_figures_that_are_measured_once() {
    let (disk, engine) = engine();
    assert_eq!(*engine.machine_profile(), slow_at_comparing(), "nobody asked for others");
    engine.profile_machine().expect("a thread");
    let profile = measured(&engine);
    assert!(profile.is_sound(), "{profile:?}");
    engine.close();
    drop(engine);
    assert_eq!(kept(&disk), profile);

    let engine = open(&disk).expect("the same directory");
    engine.profile_machine().expect("a thread");
    assert_eq!(*engine.machine_profile(), profile, "they are there at once");
    assert_eq!(kept(&disk), profile);
}

#[test]
fn closing_ends_what_is_measured() {
    let (disk, engine) = engine();
    engine.profile_machine().expect("a thread");
    engine.close();
    drop(engine);
    let names = disk.list(Path::new(DIRECTORY)).expect("a directory");
    assert!(!names.iter().any(|name| name.starts_with("MACHINE.probe")), "{names:?}");
    open(&disk).expect("nobody holds the directory").close();
}

#[test]
fn measuring_by_hand_replaces_the_figures_and_needs_the_directory_alone() {
    let (disk, engine) = engine();
    let of_disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let by_hand = || calibrate(&of_disk, Path::new(DIRECTORY), Arc::new(SystemClock));
    let none = machine_figures(&disk, Path::new(DIRECTORY)).expect_err("not measured");
    assert_eq!(none.kind(), ErrorKind::NotFound);
    assert_eq!(by_hand().expect_err("in use").kind(), ErrorKind::Unavailable);
    engine.close();
    drop(engine);
    let measured = by_hand().expect("figures");
    assert_eq!(kept(&disk), measured.profile);
    let again = by_hand().expect("figures");
    assert!(again != measured && kept(&disk) == again.profile);
    let elsewhere = machine_figures(&disk, Path::new("elsewhere")).expect_err("no directory");
    assert_eq!(elsewhere.kind(), ErrorKind::Invalid);
}
