//! The power fails, or a call fails, at every disk call of merges.

use super::{open, within};
use crate::fixture::{NAME, contents, delete, insert, range, upsert};
use vicinal_engine::{Compaction, Engine};
use vicinal_storage::SimDisk;
use vicinal_types::Result;

/// Rows that are there before the merges, in several segments, some deleted.
fn prepare(disk: &SimDisk) -> Vec<(i64, i64)> {
    let engine = open(disk, Compaction::OnRequest).expect("an empty disk");
    for batch in 0..5 {
        insert(&engine, &range(batch * 30..batch * 30 + 30), 0).expect("an insert");
        crate::fixture::flush(&engine);
    }
    delete(&engine, &range(0..20)).expect("a delete");
    upsert(&engine, &range(100..110), 1).expect("an upsert");
    let rows = contents(&engine);
    engine.close();
    rows
}

/// Merges, deletes, merges; says how far it came.
fn run(disk: &SimDisk) -> (u64, Option<Engine>) {
    let steps: [fn(&Engine) -> Result<()>; 3] = [
        |engine| engine.compact("", NAME, &within(60)).map(drop),
        |engine| delete(engine, &range(30..90)).map(drop),
        |engine| engine.compact("", NAME, &within(60)).map(drop),
    ];
    let Ok(engine) = open(disk, Compaction::OnRequest) else { return (0, None) };
    let mut done = 0;
    for step in steps {
        if step(&engine).is_err() {
            break;
        }
        done += 1;
    }
    (done, Some(engine))
}

fn prepared(seed: u64) -> (SimDisk, Vec<(i64, i64)>) {
    let disk = SimDisk::new(seed);
    let rows = prepare(&disk);
    (disk, rows)
}

/// Whether the rows are those that the steps done leave, or one more, which may have
/// been done unheard.
fn is_right(found: &[(i64, i64)], before: &[(i64, i64)], done: u64) -> bool {
    let after: Vec<_> = before.iter().filter(|(id, _)| !(30..90).contains(id)).copied().collect();
    match done {
        0 => found == before,
        1 => found == before || found == after,
        _ => found == after,
    }
}

fn calls_of_a_clean_run() -> u64 {
    let (disk, before) = prepared(1);
    let calls = disk.calls();
    let (done, engine) = run(&disk);
    let engine = engine.expect("a disk that works");
    assert_eq!(done, 3);
    assert!(is_right(&contents(&engine), &before, done));
    assert!(engine.describe("", NAME).expect("there").segments.len() < 4, "they are merged");
    engine.close();
    disk.calls() - calls
}

#[test]
fn a_power_failure_at_every_disk_call_of_merges_loses_nothing_and_brings_nothing_back() {
    let calls = calls_of_a_clean_run();
    assert!(calls > 60, "merges take only {calls} calls");
    let (mut crashes, mut merged) = (0, 0);
    for at in 1..=calls {
        let (disk, before) = prepared(at);
        disk.crash_at(at);
        let (done, engine) = run(&disk);
        if let Some(engine) = &engine {
            engine.close();
        }
        drop(engine);
        crashes += u64::from(disk.restart());
        let engine =
            open(&disk, Compaction::OnRequest).unwrap_or_else(|error| panic!("call {at}: {error}"));
        let found = contents(&engine);
        assert!(is_right(&found, &before, done), "call {at}, {done} done: {found:?}");
        let segments = engine.describe("", NAME).expect("there").segments.len();
        merged += u64::from(segments < 5);
        // What was found can still be merged, and no file is left over.
        let sealed = engine.compact("", NAME, &within(60)).expect("merges after the restart");
        assert_eq!(contents(&engine), found, "call {at}");
        engine.close();
        let names = vicinal_storage::Disk::list(&disk, std::path::Path::new("data/groups/1"));
        let rows = names.expect("a directory");
        let rows = rows.iter().filter(|name| name.ends_with(".rows")).count();
        assert_eq!(rows as u64, sealed, "call {at}: files that nobody names");
    }
    assert!(crashes * 10 > calls * 8, "{crashes} of {calls} runs met their power failure");
    assert!(merged > 10 && merged < calls, "{merged} of {calls} crashes came after a merge");
}

#[test]
fn a_failed_disk_call_of_a_merge_is_an_error_and_never_a_loss() {
    let calls = calls_of_a_clean_run();
    for at in (1..=calls).step_by(3) {
        let (disk, before) = prepared(at);
        disk.fail_call(at);
        let (done, engine) = run(&disk);
        // What serves on serves the right rows, whatever failed.
        if let Some(engine) = engine.filter(|engine| engine.count("", NAME).is_ok()) {
            assert!(is_right(&contents(&engine), &before, done), "call {at}, {done} done");
            engine.close();
        }
        // The fault may come only now, once, if this run made fewer calls.
        let reopened = (0..2).find_map(|_| {
            let engine = open(&disk, Compaction::OnRequest).ok()?;
            engine.count("", NAME).is_ok().then_some(engine)
        });
        let engine = reopened.unwrap_or_else(|| panic!("call {at}: it does not open"));
        let found = contents(&engine);
        assert!(is_right(&found, &before, done), "call {at}, {done} done: {found:?}");
        engine.close();
    }
}
