//! The crash harness: lives of a database on a simulated disk, ended at every disk
//! call in every way, and continued.
//!
//! A [`script`] is a list of steps beside which a [`world`] is kept, the model. One
//! run takes a picture of the disk before each call; [`points`] loses of each
//! picture what was not synced, opens what is left and holds it against the model.
//! [`failures`] lets each call fail instead, [`flips`] turns bits of what was durable. Bugs planted on purpose (`seeded`, with
//! the feature `seeded-bugs`) show that both notice.
//!
//! `VICINAL_CRASH_SEEDS` is the number of torn disks for each call,
//! `VICINAL_CRASH_EVERY=1` lets every call fail instead of every fifth.

mod check;
mod failures;
mod flips;
mod points;
mod script;
#[cfg(feature = "seeded-bugs")]
mod seeded;
mod snapshots;
mod step;
mod world;

use crate::fixture::{NAME, contents, engine, insert, open, options, range, spec, upsert};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vicinal_engine::Engine;
use vicinal_storage::{Disk, SimDisk};
use vicinal_types::Metric;

#[test]
fn a_flipped_byte_in_a_segment_is_an_error_and_spares_the_others() {
    let (disk, engine) = engine();
    insert(&engine, &range(0..30), 0).expect("an insert");
    crate::fixture::flush(&engine);
    engine
        .create_collection(
            "",
            vicinal_types::CollectionSpec { name: "other".into(), ..spec(Metric::L2) },
            None,
        )
        .expect("another collection");
    engine.close();
    drop(engine);
    let dir = Path::new("data/groups/1");
    let names = disk.list(dir).expect("a group's directory");
    let file = names.iter().find(|name| name.ends_with(".rows")).expect("a sealed segment");
    disk.flip(&dir.join(file), 4_096 + 17, 1).expect("a file");
    let engine = open(&disk).expect("one bad file does not stop the server");
    let error = engine.count("", NAME).expect_err("rows are missing");
    assert_eq!(error.kind(), vicinal_types::ErrorKind::Corrupt);
    assert!(error.to_string().contains("segment 1 with 30 rows is missing"), "{error}");
    assert!(error.to_string().contains(file), "{error} names the file");
    let error = insert(&engine, &[99], 0).expect_err("its ids are unknown");
    assert_eq!(error.kind(), vicinal_types::ErrorKind::Corrupt);
    assert_eq!(engine.count("", "other").expect("the other collection serves"), 0);
    engine.close();
}

#[test]
fn the_log_stays_small_under_writes_without_end() {
    let disk = SimDisk::new(10);
    let engine = Engine::open(vicinal_engine::EngineOptions {
        log_file_bytes: 64 * 1024,
        ..options(Arc::new(disk.clone()))
    })
    .expect("an empty disk");
    let mut spec = spec(Metric::L2);
    spec.segments.max_rows = 5_000;
    engine.create_collection("", spec, None).expect("a right declaration");
    let most = AtomicU64::new(0);
    for round in 0..60 {
        // The same ids again and again: segments and tombstones, not more rows.
        upsert(&engine, &range(0..2_000), round).expect("an upsert");
        most.fetch_max(engine.stats().log.bytes, Ordering::Relaxed);
    }
    crate::fixture::flush(&engine);
    let (most, entry) = (most.into_inner(), 2_000 * 64);
    assert!(most < 40 * entry, "the log grew to {most} bytes");
    assert_eq!(contents(&engine).len(), 2_000);
    engine.close();
}
