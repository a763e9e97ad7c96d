//! Files of each format version, kept for ever.

use std::path::{Path, PathBuf};
use vicinal_storage::{Disk as _, FileDisk};

/// Where a golden file lies.
pub(crate) fn golden_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Compares what a writer made now with the golden file of that name; with
/// `UPDATE=1` in the environment it writes the file instead.
pub(crate) fn check_golden(name: &str, made: &[u8]) {
    let path = golden_path(name);
    if std::env::var_os("UPDATE").is_some() {
        if FileDisk.exists(&path).unwrap() {
            FileDisk.remove(&path).unwrap();
        }
        FileDisk.create_new(&path).unwrap().append(made).unwrap();
    }
    let golden = FileDisk.map(&path).unwrap();
    let moved = golden.iter().zip(made).position(|(old, new)| old != new);
    assert_eq!(moved, None, "{name}: the first byte that moved");
    assert_eq!(golden.len(), made.len(), "{name}: bytes");
}
