//! What every [`Disk`] must do, as a test that each implementation runs.

use super::Disk;
use std::io::ErrorKind;
use std::path::Path;

/// Exercises the contract of [`Disk`] in a directory that does not exist yet.
///
/// # Panics
/// If the implementation breaks the contract, saying where.
pub fn check_disk(disk: &dyn Disk, dir: &Path) {
    directories_are_created_listed_and_removed(disk, dir);
    files_append_read_and_truncate(disk, dir);
    names_change_as_told(disk, dir);
    maps_are_whole_and_page_aligned(disk, dir);
    locks_exclude(disk, dir);
    removed_trees_are_gone(disk, dir);
}

const WORKS: &str = "a disk call in its plain use succeeds";

fn directories_are_created_listed_and_removed(disk: &dyn Disk, dir: &Path) {
    assert!(!disk.exists(dir).expect(WORKS));
    let missing = disk.list(dir).expect_err("the directory is missing");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    disk.create_dir_all(&dir.join("a/b")).expect(WORKS);
    disk.create_dir_all(&dir.join("a/b")).expect(WORKS);
    disk.create_new(&dir.join("a/z")).expect(WORKS);
    disk.create_new(&dir.join("a/c")).expect(WORKS);
    disk.sync_dir(&dir.join("a")).expect(WORKS);
    assert_eq!(disk.list(&dir.join("a")).expect(WORKS), ["b", "c", "z"]);
    assert_eq!(disk.list(dir).expect(WORKS), ["a"]);
    assert!(disk.available_bytes(dir).expect(WORKS) > 0);
}

fn files_append_read_and_truncate(disk: &dyn Disk, dir: &Path) {
    let path = dir.join("file");
    let missing = disk.open(&path).expect_err("the file is missing");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let mut file = disk.create_new(&path).expect(WORKS);
    let taken = disk.create_new(&path).expect_err("the name is taken");
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    file.append(b"hello ").expect(WORKS);
    file.append(b"world").expect(WORKS);
    file.sync().expect(WORKS);
    assert_eq!(file.bytes_len().expect(WORKS), 11);
    let mut word = [0; 5];
    file.read_at(6, &mut word).expect(WORKS);
    assert_eq!(&word, b"world");
    let short = file.read_at(7, &mut word).expect_err("four bytes are left");
    assert_eq!(short.kind(), ErrorKind::UnexpectedEof);
    file.truncate(5).expect(WORKS);
    drop(file);
    let mut file = disk.open(&path).expect(WORKS);
    file.append(b"!").expect(WORKS);
    file.rewrite(2).expect(WORKS);
    file.rewrite(100).expect(WORKS);
    file.sync().expect(WORKS);
    let mut all = [0; 6];
    file.read_at(0, &mut all).expect(WORKS);
    assert_eq!(&all, b"hello!", "appending goes to the end after a reopen");
}

fn names_change_as_told(disk: &dyn Disk, dir: &Path) {
    let (from, to) = (dir.join("from"), dir.join("to"));
    disk.create_new(&from).expect(WORKS).append(b"new").expect(WORKS);
    disk.create_new(&to).expect(WORKS).append(b"older").expect(WORKS);
    let old = disk.open(&to).expect(WORKS);
    disk.rename(&from, &to).expect(WORKS);
    disk.sync_dir(dir).expect(WORKS);
    assert!(!disk.exists(&from).expect(WORKS));
    assert_eq!(super::read_file(disk, &to).expect(WORKS), b"new");
    let mut still = [0; 5];
    old.read_at(0, &mut still).expect(WORKS);
    assert_eq!(&still, b"older", "an open handle outlives its name");
    disk.remove(&to).expect(WORKS);
    assert!(!disk.exists(&to).expect(WORKS));
    for gone in [disk.remove(&to), disk.rename(&to, &from)] {
        let error = gone.expect_err("the file is gone");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}

fn maps_are_whole_and_page_aligned(disk: &dyn Disk, dir: &Path) {
    let path = dir.join("mapped");
    let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let mut file = disk.create_new(&path).expect(WORKS);
    assert!(disk.map(&path).expect(WORKS).is_empty());
    file.append(&bytes).expect(WORKS);
    file.sync().expect(WORKS);
    let map = disk.map(&path).expect(WORKS);
    assert_eq!(map, bytes);
    assert_eq!(map.as_ptr().align_offset(4096), 0, "maps start on a page");
    disk.remove(&path).expect(WORKS);
    assert_eq!(map, bytes, "a map outlives the name of its file");
}

fn locks_exclude(disk: &dyn Disk, dir: &Path) {
    let lock = disk.lock(dir).expect("the directory is free");
    let error = disk.lock(dir).expect_err("the directory is taken");
    let text = error.to_string();
    let pid = std::process::id().to_string();
    assert!(text.contains(&pid), "{text:?} names the holder");
    drop(lock);
    drop(disk.lock(dir).expect("the directory is free again"));
}

fn removed_trees_are_gone(disk: &dyn Disk, dir: &Path) {
    let tree = dir.join("a");
    disk.remove_dir_all(&tree).expect(WORKS);
    disk.sync_dir(dir).expect(WORKS);
    assert!(!disk.exists(&tree).expect(WORKS));
    let missing = disk.list(&tree).expect_err("the directory is gone");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}
