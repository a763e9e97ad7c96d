//! Rows through their whole life: growing, sealed, replaced, deleted, reopened.

use crate::fixture::{contents, delete, engine, flush, insert, nearest, open, range, upsert};
use vicinal_engine::SegmentState;

#[test]
fn a_row_is_found_as_soon_as_it_is_acknowledged() {
    let (_, engine) = engine();
    for id in 0..50 {
        insert(&engine, &[id], 0).expect("an insert");
        assert_eq!(nearest(&engine, id, 0, 1), [id]);
    }
    engine.close();
}

#[test]
fn everything_survives_sealing_and_restarting() {
    let (disk, engine) = engine();
    insert(&engine, &range(0..100), 0).expect("an insert");
    upsert(&engine, &range(50..120), 1).expect("an upsert");
    delete(&engine, &range(10..20)).expect("a delete");
    let expected = contents(&engine);
    assert_eq!(expected.len(), 110);
    assert_eq!(flush(&engine), 1);
    assert_eq!(contents(&engine), expected, "sealing changes nothing");
    delete(&engine, &[0, 119]).expect("a delete from the sealed segment");
    upsert(&engine, &[1, 2], 2).expect("an upsert of sealed rows");
    insert(&engine, &range(200..210), 0).expect("an insert");
    let expected = contents(&engine);
    assert_eq!(expected.len(), 118);
    engine.close();
    drop(engine);
    let engine = open(&disk).expect("a restart");
    assert_eq!(contents(&engine), expected, "the log's tail is applied to the sealed segment");
    assert_eq!(flush(&engine), 2);
    engine.close();
    drop(engine);
    let engine = open(&disk).expect("another restart");
    assert_eq!(contents(&engine), expected, "tombstones come back from their file");
    assert_eq!(nearest(&engine, 1, 2, 1), [1]);
    engine.close();
}

#[test]
fn rows_deleted_while_they_grow_are_not_sealed() {
    let (_, engine) = engine();
    insert(&engine, &range(0..10), 0).expect("an insert");
    delete(&engine, &range(0..9)).expect("a delete");
    flush(&engine);
    let described = engine.describe("", "points").expect("there");
    let [segment] = described.segments.as_slice() else { panic!("one segment: {described:?}") };
    assert_eq!((segment.state, segment.rows, segment.deleted_rows), (SegmentState::Sealed, 1, 0));
    delete(&engine, &[9]).expect("a delete");
    assert_eq!(flush(&engine), 1, "only tombstones were written");
    assert_eq!(contents(&engine), []);
    engine.close();
}

#[test]
fn a_full_segment_is_sealed_and_the_log_purged_without_being_asked() {
    let disk = vicinal_storage::SimDisk::new(2);
    let engine = open(&disk).expect("an empty disk");
    let mut spec = crate::fixture::spec(vicinal_types::Metric::L2);
    spec.segments.max_rows = 100;
    engine.create_collection("", spec, None).expect("a right declaration");
    for batch in 0..30 {
        insert(&engine, &range(batch * 20..batch * 20 + 20), 0).expect("an insert");
    }
    assert_eq!(flush(&engine), 6);
    let described = engine.describe("", "points").expect("there");
    assert!(described.fully_indexed);
    assert_eq!(described.log_bytes, 0);
    let entries = || engine.stats().log.entries;
    for _ in 0..1_000 {
        if entries() < 5 {
            break;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(2));
    }
    assert!(entries() < 5, "{} entries are still in the log", entries());
    assert_eq!(contents(&engine).len(), 600);
    engine.close();
}

#[test]
fn the_interval_seals_what_is_old() {
    let disk = vicinal_storage::SimDisk::new(3);
    let engine = open(&disk).expect("an empty disk");
    let mut spec = crate::fixture::spec(vicinal_types::Metric::L2);
    spec.segments.max_interval_s = 1;
    engine.create_collection("", spec, None).expect("a right declaration");
    insert(&engine, &range(0..5), 0).expect("an insert");
    let sealed = || engine.describe("", "points").expect("there").fully_indexed;
    for _ in 0..1_000 {
        if sealed() {
            break;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
    assert!(sealed(), "the segment was never sealed");
    engine.close();
}

#[test]
fn get_gives_rows_in_the_order_asked_for_from_every_segment() {
    let (_, engine) = engine();
    insert(&engine, &range(0..10), 0).expect("an insert");
    flush(&engine);
    upsert(&engine, &[3, 20], 1).expect("an upsert");
    let ids = vicinal_types::Ids::Int(vec![20, 7, 99, 3]);
    let columns = ["**".to_owned()];
    let got =
        engine.get("", "points", &ids, &columns, &vicinal_types::Cancel::never()).expect("rows");
    assert_eq!(crate::fixture::forms(&got), [(20, 1), (7, 0), (3, 1)]);
    engine.close();
}

#[test]
fn writers_that_outrun_the_disk_are_slowed_down_then_refused_and_nothing_is_lost() {
    let disk = vicinal_storage::SimDisk::new(6);
    let engine = open(&disk).expect("an empty disk");
    let mut spec = crate::fixture::spec(vicinal_types::Metric::L2);
    spec.segments.max_rows = 1;
    engine.create_collection("", spec, None).expect("a right declaration");
    // A segment's file, with its sections on pages, does not fit any more; the
    // log's few records do.
    disk.set_capacity(Some(disk.used_bytes() + 20_000));
    let mut delays = vec![engine.write_delay("", "points")];
    let mut written = 0;
    let refused = loop {
        match insert(&engine, &[written], 0) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        if written == 1 {
            // The next attempt is seconds away: none takes the log's space meanwhile.
            let never = vicinal_types::Cancel::never();
            engine.flush("", "points", false, &never).expect_err("the disk is full");
        }
        delays.push(engine.write_delay("", "points"));
        assert!(written < 100, "writes were never refused");
    };
    assert_eq!(refused.kind(), vicinal_types::ErrorKind::Exhausted, "{refused}");
    assert!(refused.to_string().contains("8 full segments wait for their files"), "{refused}");
    assert!(delays.is_sorted(), "{delays:?}");
    assert_eq!((delays[0].as_millis(), delays[8].as_millis()), (0, 3_200), "{delays:?}");
    assert_eq!(contents(&engine).len(), 8, "reads go on");
    disk.set_capacity(None);
    flush(&engine);
    assert_eq!(engine.write_delay("", "points").as_millis(), 0);
    insert(&engine, &[100], 0).expect("there is space again");
    assert_eq!(contents(&engine).len(), 9);
    engine.close();
}

#[test]
fn a_long_log_seals_the_segment_that_keeps_it() {
    let disk = vicinal_storage::SimDisk::new(7);
    let engine = vicinal_engine::Engine::open(vicinal_engine::EngineOptions {
        log_file_bytes: 32 * 1024,
        log_max_bytes: 128 * 1024,
        ..crate::fixture::options(std::sync::Arc::new(disk))
    })
    .expect("an empty disk");
    // Both would keep their rows in memory for a minute.
    engine
        .create_collection("", crate::fixture::spec(vicinal_types::Metric::L2), None)
        .expect("right");
    let busy = vicinal_types::CollectionSpec {
        name: "busy".into(),
        ..crate::fixture::spec(vicinal_types::Metric::L2)
    };
    engine.create_collection("", busy, None).expect("right");
    insert(&engine, &range(0..200), 0).expect("an insert that keeps the first log file");
    for batch in 0..40 {
        let rows = crate::fixture::rows(&range(batch * 100..batch * 100 + 100), 0);
        let write = vicinal_engine::Write::Insert(rows);
        engine.write_blocking("", "busy", write, None).expect("an insert");
    }
    let log_bytes = || engine.stats().log.bytes;
    for _ in 0..1_000 {
        if log_bytes() <= 128 * 1024 {
            break;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
    assert!(log_bytes() <= 128 * 1024, "the log still has {} bytes", log_bytes());
    assert_eq!(contents(&engine).len(), 200);
    engine.close();
}
