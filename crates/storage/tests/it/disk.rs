//! Both disks keep the contract; the real one also at its edges.

use std::path::Path;
use vicinal_storage::{
    Disk as _, FileDisk, LOCK_FILE, LockError, ProbeError, SimDisk, WholeFileDisk,
    advise_scattered, check_disk, page_out, resident_pages, startup_probe,
};

#[test]
fn real_disk_keeps_the_contract() {
    let home = tempfile::tempdir().unwrap();
    check_disk(&FileDisk, &home.path().join("new/deep"));
    check_disk(&WholeFileDisk::default(), &home.path().join("another/deep"));
}

#[test]
fn files_read_whole_are_no_maps_and_as_long_and_aligned_as_they() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("file");
    let whole = WholeFileDisk::default();
    for (bytes, is_mapped) in [(vec![7_u8; 3 * 4096 + 5], true), (Vec::new(), false)] {
        FileDisk.create_new(&path).unwrap().append(&bytes).unwrap();
        let maps = || std::fs::read_to_string("/proc/self/maps").unwrap();
        let is_named = || maps().contains(&path.display().to_string());
        let read = whole.map(&path).unwrap();
        assert!(!is_named());
        let mapped = FileDisk.map(&path).unwrap();
        assert_eq!(is_named(), is_mapped);
        assert_eq!((&read[..], &mapped[..]), (&bytes[..], &bytes[..]));
        assert!(read.is_empty() || read.as_ptr().align_offset(4096) == 0);
        drop(mapped);
        FileDisk.remove(&path).unwrap();
        assert_eq!(read, bytes, "what was read outlives its file");
        let rest = read.slice(bytes.len() / 2..);
        drop(read);
        assert_eq!(whole.held_bytes(), bytes.len() as u64);
        assert_eq!((rest.len(), FileDisk.held_bytes()), (bytes.len().div_ceil(2), 0));
        drop(rest);
        assert_eq!(whole.clone().held_bytes(), 0);
    }
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

#[test]
fn a_read_of_scattered_pages_takes_those_pages_alone() {
    const PAGES: usize = 1_000;
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = home.path().join("pages");
    let page = rustix::param::page_size();
    let mut file = FileDisk.create_new(&path).unwrap();
    file.append(&vec![7; PAGES * page]).unwrap();
    file.sync().unwrap();
    let map = FileDisk.map(&path).unwrap();
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    assert_eq!(sum(&map), 7 * (PAGES * page) as u64);
    assert_eq!(resident_pages(&map).unwrap(), PAGES);
    assert_eq!(resident_pages(&map[1..=page * 2]).unwrap(), 1, "whole pages count");
    assert_eq!(resident_pages(&map[1..2]).unwrap(), 0);
    advise_scattered(&map).unwrap();
    page_out(&map).unwrap();
    // A file system in memory (`TMPFS_MAGIC`) keeps its pages there.
    if rustix::fs::statfs(&path).unwrap().f_type == 0x0102_1994 {
        return;
    }
    assert_eq!(resident_pages(&map).unwrap(), 0);
    let read = [3, 4, 500, 999].map(|at: usize| sum(&map[at * page..][..page]));
    assert_eq!(read, [7 * page as u64; 4]);
    assert_eq!(resident_pages(&map).unwrap(), 4);
    assert_eq!(resident_pages(&map[3 * page..5 * page]).unwrap(), 2);
}

#[test]
fn advice_about_memory_of_ones_own_changes_nothing() {
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let before = bytes.clone();
    advise_scattered(&bytes).unwrap();
    page_out(&bytes).unwrap();
    assert_eq!(bytes, before);
    for nothing in [&[][..], &bytes[..1]] {
        advise_scattered(nothing).unwrap();
        page_out(nothing).unwrap();
        assert_eq!(resident_pages(nothing).unwrap(), 0);
    }
}
