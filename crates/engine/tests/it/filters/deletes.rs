//! Deletes by filter: once, durable, and the same when they are applied again.

use super::data::{self, NAME, delete_where, filter, spec, write};
use crate::fixture::{open, options};
use crate::power::fail_power;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use vicinal_engine::{Engine, EngineOptions, Scroll};
use vicinal_storage::SimDisk;
use vicinal_types::{Cancel, IndexSpec, RequestId, Result, TestClock};

/// The ids of all rows.
fn contents(engine: &Engine) -> BTreeSet<i64> {
    let scroll = Scroll { limit: 16_000, ..Scroll::default() };
    let page = engine.scroll_where("", NAME, &scroll, &Cancel::never()).expect("a page");
    assert!(page.next.is_none(), "all rows are on one page");
    data::ids(&page.rows).into_iter().collect()
}

fn create(disk: &SimDisk) -> Result<Engine> {
    let engine = open(disk)?;
    if engine.collection("", NAME).is_err() {
        engine.create_collection("", spec(IndexSpec::default()), None)?;
    }
    Ok(engine)
}

fn kept(ids: impl Iterator<Item = i64>, passes: impl Fn(i64) -> bool) -> BTreeSet<i64> {
    ids.filter(|id| !passes(*id)).collect()
}

#[test]
fn rows_that_pass_are_gone_wherever_they_are_also_after_a_crash() {
    let disk = SimDisk::new(5);
    let engine = create(&disk).expect("an empty disk");
    write(&engine, 0..1_000);
    data::flush(&engine);
    write(&engine, 1_000..1_500);
    let condition = filter("shuffled < {most}", &[("most", 400_000)]);
    let passes = |id| data::row(id).value("shuffled") < 400_000;
    let expected = kept(0..1_500, passes);
    let outcome = delete_where(&engine, condition.clone(), None).expect("a delete");
    assert_eq!(outcome.deleted, 1_500 - expected.len() as u64);
    assert_eq!(contents(&engine), expected);
    let again = delete_where(&engine, condition.clone(), None).expect("a delete");
    assert_eq!(again.deleted, 0, "they are gone");
    // Rows that come later are not its business.
    write(&engine, 1_500..1_600);
    let expected: BTreeSet<_> = expected.into_iter().chain(1_500..1_600).collect();
    disk.crash();
    engine.close();
    drop(engine);
    disk.restart();

    let engine = open(&disk).expect("a restart");
    assert_eq!(contents(&engine), expected, "applied again from the log");
    data::flush(&engine);
    disk.crash();
    engine.close();
    drop(engine);
    disk.restart();
    let engine = open(&disk).expect("a restart from files");
    assert_eq!(contents(&engine), expected);
    engine.close();
}

#[test]
fn a_retry_deletes_nothing_more() {
    let disk = SimDisk::new(6);
    let engine = create(&disk).expect("an empty disk");
    write(&engine, 0..100);
    let request = Some(RequestId([9; 16]));
    let first = delete_where(&engine, filter("id < 10", &[]), request).expect("a delete");
    assert_eq!(first.deleted, 10);
    write(&engine, 0..5);
    let again = || delete_where(&engine, filter("id < 10", &[]), request).expect("a retry");
    assert_eq!(again(), first);
    assert_eq!(contents(&engine).len(), 95, "the five that came between are there");
    engine.close();
    drop(engine);
    let engine = open(&disk).expect("a restart");
    assert_eq!(contents(&engine).len(), 95);
    engine.close();
}

#[test]
fn now_is_when_the_delete_was_given_however_late_it_is_applied_again() {
    let disk = SimDisk::new(7);
    let clock = Arc::new(TestClock::default());
    let with_clock = || EngineOptions { clock: clock.clone(), ..options(Arc::new(disk.clone())) };
    let engine = Engine::open(with_clock()).expect("an empty disk");
    engine.create_collection("", spec(IndexSpec::default()), None).expect("a declaration");
    write(&engine, 0..100);
    // Rows are a second apart, and the clock stands at the fifth.
    let text = "timestamp'2026-01-01T00:00:00Z' + interval'1 second' * id <= now()";
    clock.advance(Duration::from_secs(5) + Duration::from_micros(500));
    let deleted = delete_where(&engine, filter(text, &[]), None).expect("a delete").deleted;
    assert_eq!(deleted, 6);
    disk.crash();
    engine.close();
    drop(engine);
    disk.restart();
    clock.advance(Duration::from_secs(50));
    let engine = Engine::open(with_clock()).expect("a restart");
    assert_eq!(contents(&engine), (6..100).collect());
    let count = engine.count_where("", NAME, &filter(text, &[]), &Cancel::never());
    assert_eq!(count.expect("a count"), 50, "reads have the time of their own");
    engine.close();
}

#[test]
fn a_column_dropped_since_is_still_read_when_a_delete_is_applied_again() {
    for is_sealed_before in [false, true] {
        let disk = SimDisk::new(8);
        let engine = create(&disk).expect("an empty disk");
        write(&engine, 0..300);
        if is_sealed_before {
            data::flush(&engine);
            write(&engine, 300..400);
        }
        let all = if is_sealed_before { 400 } else { 300 };
        let condition = filter("shuffled < 400000 and word is not null", &[]);
        delete_where(&engine, condition, None).expect("a delete");
        let expected = contents(&engine);
        assert!(expected.len() < all, "some rows pass");
        engine.drop_column("", NAME, "shuffled", None).expect("dropped");
        // Another column of that name is another column.
        data::add_columns(&engine);
        disk.crash();
        engine.close();
        drop(engine);
        disk.restart();
        let engine = open(&disk).expect("a restart");
        assert_eq!(contents(&engine), expected, "sealed before: {is_sealed_before}");
        engine.close();
    }
}

#[test]
fn a_power_failure_at_every_disk_call_leaves_all_or_nothing_of_a_delete() {
    // Two writes, so that the delete spans segments of both kinds.
    let script = |engine: &Engine| -> Result<()> {
        for first in [0, 40] {
            let batch = data::batch(first..first + 40);
            engine.write_blocking("", NAME, vicinal_engine::Write::Insert(batch), None)?;
            if first == 0 {
                engine.flush("", NAME, false, &Cancel::never())?;
            }
        }
        delete_where(engine, filter("id % 4 = 1", &[]), None)?;
        engine.flush("", NAME, false, &Cancel::never())?;
        Ok(())
    };
    let with_delete = kept(0..80, |id| id % 4 == 1);
    fail_power(create, script, |engine, is_acknowledged| {
        let found = contents(engine);
        let is_before = [0, 40, 80].iter().any(|rows| found == (0..*rows).collect());
        let is_right = is_before && !is_acknowledged || found == with_delete;
        if is_right { Ok(!is_before) } else { Err(format!("{found:?}")) }
    });
}
