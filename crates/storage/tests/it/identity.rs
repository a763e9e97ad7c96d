//! A data directory knows whose it is.

use crate::golden::{check_golden, golden_path};
use std::path::Path;
use vicinal_storage::{FileDisk, IDENTITY_FILE, Identity, IdentityError, SimDisk};
use vicinal_types::NodeId;

const DIR: &str = "data";

fn identity(seed: u8) -> Identity {
    Identity {
        cluster_id: [seed; 16],
        node_id: NodeId(u64::from(seed)),
        incarnation: [seed + 1; 16],
    }
}

fn file() -> std::path::PathBuf {
    Path::new(DIR).join(IDENTITY_FILE)
}

#[test]
fn first_start_creates_it_and_later_ones_keep_it() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let load = |fresh| Identity::load_or_create(&FileDisk, &dir, fresh).unwrap();
    assert_eq!(load(identity(1)), identity(1));
    assert_eq!(load(identity(2)), identity(1));
}

#[test]
fn crash_at_any_call_leaves_one_whole_identity() {
    for seed in 0..20 {
        for n in 1.. {
            let disk = SimDisk::new(seed);
            disk.crash_at(n);
            let first = Identity::load_or_create(&disk, Path::new(DIR), identity(1));
            let went = disk.restart();
            let second = Identity::load_or_create(&disk, Path::new(DIR), identity(2)).unwrap();
            if first.is_ok() {
                assert_eq!(second, identity(1), "seed {seed}, crash at call {n}");
            }
            disk.crash();
            let third = Identity::load_or_create(&disk, Path::new(DIR), identity(3)).unwrap();
            assert_eq!(third, second, "seed {seed}, crash at call {n}");
            if !went {
                break;
            }
        }
    }
}

#[test]
fn flipped_or_cut_file_is_refused_and_kept() {
    let disk = SimDisk::new(0);
    Identity::load_or_create(&disk, Path::new(DIR), identity(1)).unwrap();
    let good = disk.contents(&file()).unwrap();
    let refused = |bytes: &[u8]| {
        disk.set_contents(&file(), bytes);
        let error = Identity::load_or_create(&disk, Path::new(DIR), identity(2)).unwrap_err();
        assert!(matches!(error, IdentityError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("data/IDENTITY"), "{error}");
        assert_eq!(disk.contents(&file()).unwrap(), bytes, "never overwritten");
    };
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            refused(&bytes);
        }
        refused(&good[..at]);
    }
}

#[test]
fn golden_identity_of_version_1_is_read_and_written() {
    let disk = SimDisk::new(0);
    let golden = identity(7);
    Identity::load_or_create(&disk, Path::new(DIR), golden).unwrap();
    check_golden("identity-v1.bin", &disk.contents(&file()).unwrap());
    let old = vicinal_storage::Disk::map(&FileDisk, &golden_path("identity-v1.bin")).unwrap();
    disk.set_contents(&file(), &old);
    let read = Identity::load_or_create(&disk, Path::new(DIR), identity(1)).unwrap();
    assert_eq!(read, golden);
}
