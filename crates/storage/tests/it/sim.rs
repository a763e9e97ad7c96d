//! The simulated disk crashes as hard as the contract allows, and repeatably.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vicinal_storage::{Disk, DiskFile, SimDisk};
use vicinal_types::{Clock as _, SystemClock};

const DIR: &str = "dir";

fn path(name: &str) -> std::path::PathBuf {
    Path::new(DIR).join(name)
}

/// A disk with one file that is durable as "synced", open for more.
fn disk_with_file(seed: u64) -> (SimDisk, Box<dyn DiskFile>) {
    let disk = SimDisk::new(seed);
    disk.create_dir_all(Path::new(DIR)).unwrap();
    let mut file = disk.create_new(&path("file")).unwrap();
    file.append(b"synced").unwrap();
    file.sync().unwrap();
    disk.sync_dir(Path::new(DIR)).unwrap();
    (disk, file)
}

#[test]
fn crash_keeps_synced_bytes_and_any_part_of_the_rest() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..200 {
        let (disk, mut file) = disk_with_file(seed);
        file.append(b" and more").unwrap();
        disk.crash();
        let bytes = disk.contents(&path("file")).unwrap();
        assert!(bytes.starts_with(b"synced"), "{bytes:?}");
        assert!(bytes.len() <= b"synced and more".len());
        outcomes.insert(bytes);
    }
    assert!(outcomes.contains(b"synced".as_slice()), "all may be lost");
    assert!(outcomes.contains(b"synced and more".as_slice()), "all may stay");
    let flipped = |bytes: &&Vec<u8>| !b"synced and more".starts_with(bytes);
    assert!(outcomes.iter().any(|bytes| flipped(&bytes)), "bits may flip");
    assert!(outcomes.len() > 10, "and anything between");
}

#[test]
fn crash_loses_whole_sectors_in_the_middle() {
    let is_holed = |seed| {
        let (disk, mut file) = disk_with_file(seed);
        file.append(&[7; 4096]).unwrap();
        disk.crash();
        let bytes = disk.contents(&path("file")).unwrap();
        let zero = bytes.chunks(512).position(|sector| sector == [0; 512]);
        let full = bytes.chunks(512).rposition(|sector| sector == [7; 512]);
        zero.is_some() && zero < full
    };
    assert!((0..200).any(is_holed));
}

#[test]
fn names_not_synced_are_kept_or_undone() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..200 {
        let (disk, file) = disk_with_file(seed);
        drop(file);
        disk.create_new(&path("new")).unwrap();
        disk.rename(&path("file"), &path("renamed")).unwrap();
        disk.crash();
        outcomes.insert(disk.list(Path::new(DIR)).unwrap());
    }
    let expected = [vec!["file"], vec!["file", "new"], vec!["new", "renamed"], vec!["renamed"]];
    assert_eq!(
        outcomes,
        expected.map(|names| names.iter().map(|n| n.to_string()).collect()).into()
    );
}

#[test]
fn truncation_not_synced_may_come_back_but_never_mixes() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..100 {
        let (disk, mut file) = disk_with_file(seed);
        file.truncate(3).unwrap();
        disk.crash();
        outcomes.insert(disk.contents(&path("file")).unwrap());
    }
    assert_eq!(outcomes, [b"syn".to_vec(), b"synced".to_vec()].into());
}

#[test]
fn kill_keeps_everything_and_ends_handles_and_locks() {
    let (disk, mut file) = disk_with_file(1);
    let lock = disk.lock(Path::new(DIR)).unwrap();
    file.append(b"!").unwrap();
    disk.kill();
    file.append(b"?").unwrap_err();
    drop(disk.lock(Path::new(DIR)).unwrap());
    let again = disk.lock(Path::new(DIR)).unwrap();
    drop(lock); // of the dead process: must not free the new one
    disk.lock(Path::new(DIR)).unwrap_err();
    drop(again);
    assert_eq!(disk.contents(&path("file")).unwrap(), b"synced!");
}

#[test]
fn power_stays_away_until_restart() {
    let (disk, mut file) = disk_with_file(1);
    disk.crash_at(2);
    file.append(b"a").unwrap();
    file.append(b"b").unwrap_err();
    file.sync().unwrap_err();
    disk.list(Path::new(DIR)).unwrap_err();
    assert!(disk.restart(), "the power had gone");
    assert_eq!(disk.list(Path::new(DIR)).unwrap(), ["file"]);
    assert!(!disk.restart());
}

#[test]
fn failed_sync_loses_the_bytes_though_the_next_one_succeeds() {
    let mut lost = false;
    for seed in 0..50 {
        let (disk, mut file) = disk_with_file(seed);
        disk.fail_sync(1);
        file.append(b" more").unwrap();
        file.sync().unwrap_err();
        file.sync().unwrap();
        disk.crash();
        lost |= disk.contents(&path("file")).unwrap() != b"synced more";
    }
    assert!(lost);
}

#[test]
fn faults_strike_at_their_count_and_once() {
    let (disk, mut file) = disk_with_file(3);
    disk.fail_write(2);
    file.append(b"a").unwrap();
    let error = file.append(b"bcdef").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert!(file.bytes_len().unwrap() < 12, "only a part was written");
    file.append(b"g").unwrap();
    disk.fail_call(1);
    disk.list(Path::new(DIR)).unwrap_err();
    disk.list(Path::new(DIR)).unwrap();
    let (calls, syncs) = (disk.calls(), disk.syncs());
    file.sync().unwrap();
    assert_eq!((disk.calls(), disk.syncs()), (calls + 1, syncs + 1));
}

#[test]
fn capacity_is_a_limit_on_all_files() {
    let (disk, mut file) = disk_with_file(3);
    disk.set_capacity(Some(10));
    assert_eq!(disk.available_bytes(Path::new(DIR)).unwrap(), 4);
    assert_eq!(file.append(b"12345").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(disk.used_bytes(), 10);
    disk.remove(&path("file")).unwrap();
    assert_eq!(disk.available_bytes(Path::new(DIR)).unwrap(), 10);
}

#[test]
fn ignored_syncs_save_nothing() {
    let mut lost = false;
    for seed in 0..20 {
        let (disk, mut file) = disk_with_file(seed);
        disk.ignore_syncs(true);
        file.append(b" more").unwrap();
        file.sync().unwrap();
        disk.crash();
        lost |= disk.contents(&path("file")).unwrap() != b"synced more";
    }
    assert!(lost);
}

#[test]
fn held_syncs_wait_until_released() {
    let (disk, mut file) = disk_with_file(1);
    disk.hold_syncs(true);
    let (done, outcome) = std::sync::mpsc::channel();
    let syncing =
        std::thread::Builder::new().spawn(move || done.send(file.sync()).unwrap()).unwrap();
    let patience = SystemClock.now() + Duration::from_secs(10);
    while disk.syncs_waiting() == 0 && SystemClock.now() < patience {
        std::thread::yield_now();
    }
    assert_eq!(disk.syncs_waiting(), 1);
    assert!(outcome.try_recv().is_err(), "the sync has not returned");
    disk.hold_syncs(false);
    outcome.recv().unwrap().unwrap();
    syncing.join().unwrap();
}

#[test]
fn one_seed_is_one_run() {
    let run = |seed| {
        let (disk, mut file) = disk_with_file(seed);
        for round in 0..20_u8 {
            file.append(&[round; 700]).unwrap();
            disk.create_new(&path(&round.to_string())).unwrap();
        }
        disk.crash();
        let disk: Arc<dyn Disk> = Arc::new(disk);
        let names = disk.list(Path::new(DIR)).unwrap();
        (names, disk.map(&path("file")).unwrap())
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}
