//! Both disks keep the contract; the real one also at its edges.

use std::path::Path;
use vicinal_storage::{
    Disk as _, FileDisk, LOCK_FILE, LockError, ProbeError, SimDisk, check_disk, startup_probe,
};

#[test]
fn real_disk_keeps_the_contract() {
    let home = tempfile::tempdir().unwrap();
    check_disk(&FileDisk, &home.path().join("new/deep"));
}

#[test]
fn simulated_disk_keeps_the_contract() {
    for seed in 0..8 {
        check_disk(&SimDisk::new(seed), Path::new("new/deep"));
        check_disk(&SimDisk::new(seed), Path::new("/new/deep"));
    }
}

#[test]
fn directories_and_files_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("a/b");
    FileDisk.create_dir_all(&dir).unwrap();
    FileDisk.create_new(&dir.join("file")).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("file")), 0o600);
}

#[test]
fn lock_of_a_dead_holder_is_free_and_its_text_is_replaced() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(LOCK_FILE);
    FileDisk.create_new(&path).unwrap().append(b"123456789\n").unwrap();
    let lock = FileDisk.lock(home.path()).unwrap();
    let text = FileDisk.map(&path).unwrap();
    assert_eq!(text, format!("{}\n", std::process::id()).into_bytes());
    match FileDisk.lock(home.path()) {
        Err(LockError::Held { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    drop(lock);
}

#[test]
fn lock_in_a_missing_directory_names_the_directory() {
    for error in [
        FileDisk.lock(Path::new("/nowhere/at/all")).unwrap_err(),
        SimDisk::new(0).lock(Path::new("/nowhere/at/all")).unwrap_err(),
    ] {
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }
}

#[test]
fn probe_passes_on_good_directories_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    for _ in 0..2 {
        startup_probe(&FileDisk, &dir).unwrap();
        assert!(FileDisk.list(&dir).unwrap().is_empty());
    }
}

#[test]
fn probe_survives_the_leftover_of_a_killed_probe() {
    let disk = SimDisk::new(1);
    let dir = Path::new("data");
    disk.crash_at(5); // the sync of the probe file
    startup_probe(&disk, dir).unwrap_err();
    disk.restart();
    startup_probe(&disk, dir).unwrap();
    assert!(disk.list(dir).unwrap().is_empty());
}

#[test]
fn probe_says_that_the_disk_is_full() {
    let disk = SimDisk::new(1);
    disk.set_capacity(Some(10));
    let error = startup_probe(&disk, Path::new("data")).unwrap_err();
    assert!(matches!(error, ProbeError::Full { .. }), "{error:?}");
    assert!(error.to_string().contains("no space left"), "{error}");
}

#[test]
fn probe_of_an_impossible_place_names_it() {
    let home = tempfile::tempdir().unwrap();
    FileDisk.create_new(&home.path().join("file")).unwrap();
    let dir = home.path().join("file/data");
    let error = startup_probe(&FileDisk, &dir).unwrap_err();
    assert!(error.to_string().contains("file/data"), "{error}");
}
