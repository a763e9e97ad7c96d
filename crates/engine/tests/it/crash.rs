//! The crash harness: scripts on a simulated disk, ended at every disk call.

mod check;
mod points;
mod script;
mod step;
mod world;

use crate::fixture::{NAME, contents, delete, insert, open, options, range, spec, upsert};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vicinal_engine::Engine;
use vicinal_storage::{Disk, SimDisk};
use vicinal_types::{Metric, Result};

/// Rows of a segment in the script: a flush every few writes.
const SEGMENT_ROWS: u64 = 24;

/// A write of the script, and what it makes of the rows.
#[derive(Clone, Debug)]
enum Op {
    Insert(Vec<i64>, i64),
    Upsert(Vec<i64>, i64),
    Delete(Vec<i64>),
}

type Model = BTreeMap<i64, i64>;

impl Op {
    fn run(&self, engine: &Engine) -> Result<()> {
        match self {
            Self::Insert(ids, form) => insert(engine, ids, *form),
            Self::Upsert(ids, form) => upsert(engine, ids, *form),
            Self::Delete(ids) => delete(engine, ids),
        }
        .map(|_| ())
    }

    fn apply(&self, model: &mut Model) {
        match self {
            Self::Insert(ids, form) => {
                for id in ids {
                    model.entry(*id).or_insert(*form);
                }
            }
            Self::Upsert(ids, form) => model.extend(ids.iter().map(|id| (*id, *form))),
            Self::Delete(ids) => model.retain(|id, _| !ids.contains(id)),
        }
    }
}

/// Inserts, upserts of sealed and growing rows, and deletes of both.
fn script() -> Vec<Op> {
    let mut ops = Vec::new();
    for round in 0..6 {
        let base = round * 10;
        ops.push(Op::Insert(range(base..base + 10), 0));
        ops.push(Op::Upsert(vec![base, base + 3, (base + 9) / 2], round + 1));
        ops.push(Op::Delete(vec![base + 7, (base + 5) / 2]));
        ops.push(Op::Insert(vec![base + 7, base], 9));
    }
    ops
}

fn open_with_collection(disk: &SimDisk) -> Result<Engine> {
    let engine = open(disk)?;
    if engine.collection("", NAME).is_err() {
        let mut spec = spec(Metric::L2);
        spec.segments.max_rows = SEGMENT_ROWS;
        engine.create_collection("", spec, None)?;
    }
    Ok(engine)
}

/// Runs the script until an error; says what was acknowledged, and the write
/// that failed.
fn run(disk: &SimDisk) -> (Model, Option<(Op, String)>) {
    let mut acknowledged = Model::new();
    let Ok(engine) = open_with_collection(disk) else {
        return (acknowledged, None);
    };
    let mut failed = None;
    for op in script() {
        if let Err(error) = op.run(&engine) {
            failed = Some((op, error.to_string()));
            break;
        }
        op.apply(&mut acknowledged);
    }
    engine.close();
    (acknowledged, failed)
}

/// Whether the rows are those acknowledged, with or without the failed write.
fn is_right(found: &[(i64, i64)], acknowledged: &Model, failed: Option<&(Op, String)>) -> bool {
    let rows = |model: &Model| model.iter().map(|(id, form)| (*id, *form)).collect::<Vec<_>>();
    let mut with_failed = acknowledged.clone();
    if let Some((op, _)) = failed {
        op.apply(&mut with_failed);
    }
    found == rows(acknowledged) || found == rows(&with_failed)
}

fn calls_of_a_clean_run() -> u64 {
    let disk = SimDisk::new(1);
    let (model, failed) = run(&disk);
    assert!(failed.is_none() && !model.is_empty(), "{failed:?}");
    disk.calls()
}

#[test]
fn a_power_failure_at_every_disk_call_loses_nothing_acknowledged() {
    let calls = calls_of_a_clean_run();
    let (mut crashes, mut sealed_before) = (0, 0);
    for at in 1..=calls {
        let disk = SimDisk::new(at);
        disk.crash_at(at);
        let (acknowledged, failed) = run(&disk);
        crashes += u64::from(disk.restart());
        let engine =
            open_with_collection(&disk).unwrap_or_else(|error| panic!("call {at}: {error}"));
        let found = contents(&engine);
        assert!(
            is_right(&found, &acknowledged, failed.as_ref()),
            "power failed at call {at}: found {found:?}, acknowledged {acknowledged:?}, failed {failed:?}"
        );
        sealed_before += u64::from(engine.describe("", NAME).expect("there").segments.len() > 1);
        // What was found still takes writes and seals.
        insert(&engine, &[1_000], 0).expect("a write after the restart");
        engine.close();
    }
    assert!(crashes * 10 > calls * 8, "{crashes} of {calls} runs met their power failure");
    assert!(sealed_before > 20, "only {sealed_before} restarts found sealed segments");
}

#[test]
fn a_log_that_acknowledges_before_its_sync_is_caught() {
    // The seeded bug: syncs return without doing anything.
    let lost = (1..=20_u64).filter(|seed| {
        let disk = SimDisk::new(*seed);
        disk.ignore_syncs(true);
        let (acknowledged, failed) = run(&disk);
        disk.crash();
        disk.ignore_syncs(false);
        match open_with_collection(&disk) {
            // A manifest or segment may be torn as well, which is as good a catch.
            Ok(engine) if engine.count("", NAME).is_err() => true,
            Ok(engine) => {
                let found = contents(&engine);
                engine.close();
                !is_right(&found, &acknowledged, failed.as_ref())
            }
            Err(_) => true,
        }
    });
    let lost = lost.count();
    assert!(lost >= 15, "the check caught {lost} of 20 runs without syncs");
}

#[test]
fn a_failed_disk_call_is_an_error_and_never_a_loss() {
    let calls = calls_of_a_clean_run();
    for at in (1..=calls).step_by(3) {
        let disk = SimDisk::new(at);
        disk.fail_call(at);
        let (acknowledged, failed) = run(&disk);
        // The fault may come only now, if this run made fewer calls: once.
        let reopened = (0..2).find_map(|_| {
            let engine = open_with_collection(&disk).ok()?;
            engine.count("", NAME).is_ok().then_some(engine)
        });
        let engine = reopened.unwrap_or_else(|| panic!("call {at}: it does not open"));
        let found = contents(&engine);
        assert!(
            is_right(&found, &acknowledged, failed.as_ref()),
            "call {at} failed: found {found:?}, acknowledged {acknowledged:?}, failed {failed:?}"
        );
        engine.close();
    }
}

#[test]
fn a_flipped_byte_in_a_segment_is_an_error_and_spares_the_others() {
    let disk = SimDisk::new(9);
    let engine = open_with_collection(&disk).expect("an empty disk");
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
