//! Manifests are replaced as a whole, whatever happens.

use crate::golden::{check_golden, golden_path};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vicinal_storage::{Disk as _, FileDisk, ManifestError, ManifestStore, SimDisk};

const DIR: &str = "group";

type Opened = Result<(ManifestStore, Option<Vec<u8>>), ManifestError>;

fn open(disk: &SimDisk) -> Opened {
    ManifestStore::open(Arc::new(disk.clone()), Path::new(DIR))
}

fn body(number: u64) -> Vec<u8> {
    format!("body {number} ").repeat(200).into_bytes()
}

fn file(sequence: u64) -> PathBuf {
    Path::new(DIR).join(format!("MANIFEST-{sequence:020}"))
}

#[test]
fn newest_body_comes_back_and_two_files_are_kept() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("group");
    let open = || ManifestStore::open(Arc::new(FileDisk), &dir).unwrap();
    let (mut store, none) = open();
    assert_eq!(none, None);
    for sequence in 1..=5 {
        assert_eq!(store.commit(&body(sequence)).unwrap(), sequence);
    }
    assert_eq!(FileDisk.list(&dir).unwrap().len(), 2);
    let (store, newest) = open();
    assert_eq!((store.sequence(), newest), (5, Some(body(5))));
}

/// Commits until the power goes at the n-th call; says what was acknowledged.
fn commit_until_crash(disk: &SimDisk, n: u64) -> Option<u64> {
    disk.crash_at(n);
    let Ok((mut store, _)) = open(disk) else {
        return None;
    };
    (1..=4).map_while(|sequence| store.commit(&body(sequence)).ok()).last()
}

/// The body in force after a crash is the acknowledged one or its successor.
fn survives_crashes(ignore_syncs: bool) -> Result<(), String> {
    for seed in 0..30 {
        for n in 1.. {
            let disk = SimDisk::new(seed);
            disk.ignore_syncs(ignore_syncs);
            let acknowledged = commit_until_crash(&disk, n);
            let went = disk.restart();
            let place = format!("seed {seed}, crash at call {n}");
            let (mut store, found) = open(&disk).map_err(|error| format!("{place}: {error}"))?;
            let acknowledged = acknowledged.unwrap_or(0);
            let found_sequence = store.sequence();
            if !(acknowledged..=acknowledged + 1).contains(&found_sequence) {
                return Err(format!("{place}: {found_sequence} instead of {acknowledged}"));
            }
            let expected = (found_sequence > 0).then(|| body(found_sequence));
            if found != expected {
                return Err(format!("{place}: a body that was never written"));
            }
            store.commit(b"goes on").unwrap();
            disk.crash();
            let goes_on = open(&disk).map_err(|error| format!("{place}: {error}"))?.1;
            if goes_on.as_deref() != Some(b"goes on".as_slice()) {
                return Err(format!("{place}: the next commit was lost"));
            }
            if !went {
                break;
            }
        }
    }
    Ok(())
}

#[test]
fn crash_at_any_call_leaves_the_old_or_the_new_body() {
    survives_crashes(false).unwrap();
}

#[test]
fn crash_test_notices_missing_syncs() {
    survives_crashes(true).unwrap_err();
}

#[test]
fn failed_call_keeps_the_old_body_or_stops_the_store() {
    for seed in 0..10 {
        for n in 1..20 {
            let disk = SimDisk::new(seed);
            let (mut store, _) = open(&disk).unwrap();
            store.commit(&body(1)).unwrap();
            disk.fail_call(n);
            let outcome = store.commit(&body(2));
            let again = store.commit(&body(3));
            drop(store);
            if seed.is_multiple_of(2) {
                disk.crash();
            } else {
                disk.kill();
            }
            let (_, found) = open(&disk).unwrap();
            disk.crash();
            assert_eq!(open(&disk).unwrap().1, found, "what was shown must stay");
            let expected = match (outcome, again) {
                (_, Ok(_)) => vec![body(3)],
                (Ok(_), Err(_)) => vec![body(2), body(3)],
                (Err(_), Err(error)) => {
                    assert!(matches!(error, ManifestError::Poisoned { .. }), "{error:?}");
                    vec![body(1), body(2)]
                }
            };
            assert!(expected.contains(&found.unwrap()), "seed {seed}, call {n}");
        }
    }
}

#[test]
fn damaged_newest_is_refused_though_an_older_one_is_good() {
    let disk = SimDisk::new(1);
    let (mut store, _) = open(&disk).unwrap();
    store.commit(&body(1)).unwrap();
    store.commit(b"short body").unwrap();
    let good = disk.contents(&file(2)).unwrap();
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 0x10;
        for bytes in [&flipped[..], &good[..at]] {
            disk.set_contents(&file(2), bytes);
            let error = open(&disk).unwrap_err();
            assert!(matches!(error, ManifestError::Damaged { .. }), "{error:?}");
            assert!(error.to_string().contains("MANIFEST-00000000000000000002"), "{error}");
        }
    }
    disk.set_contents(&file(2), &good);
    assert_eq!(open(&disk).unwrap().1.unwrap(), b"short body");
}

#[test]
fn intact_manifest_under_another_sequence_is_refused() {
    let disk = SimDisk::new(1);
    let (mut store, _) = open(&disk).unwrap();
    store.commit(&body(1)).unwrap();
    disk.set_contents(&file(2), &disk.contents(&file(1)).unwrap());
    open(&disk).unwrap_err();
}

#[test]
fn too_large_body_is_refused_with_the_limit() {
    let (mut store, _) = open(&SimDisk::new(1)).unwrap();
    let error = store.commit(&vec![0; 64 * 1024 * 1024 + 1]).unwrap_err();
    assert!(error.to_string().contains("the limit is 67108864"), "{error}");
}

#[test]
fn golden_manifest_of_version_1_is_read_and_written() {
    let disk = SimDisk::new(0);
    let (mut store, _) = open(&disk).unwrap();
    store.commit(b"the body of a golden manifest").unwrap();
    check_golden("manifest-v1.bin", &disk.contents(&file(1)).unwrap());
    let disk = SimDisk::new(0);
    let golden = FileDisk.map(&golden_path("manifest-v1.bin")).unwrap();
    disk.create_dir_all(Path::new(DIR)).unwrap();
    disk.set_contents(&file(1), &golden);
    assert_eq!(open(&disk).unwrap().1.unwrap(), b"the body of a golden manifest");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let disk = SimDisk::new(0);
        disk.create_dir_all(Path::new(DIR)).unwrap();
        disk.set_contents(&file(1), &bytes);
        prop_assert!(open(&disk).is_err());
    }
}
