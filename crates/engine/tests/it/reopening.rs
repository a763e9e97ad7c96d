//! Collections that cannot be opened when a disk call fails, and are open a moment later.

use crate::fixture::{NAME, contents, delete, flush, insert, open, range, spec, upsert};
use std::time::Duration;
use vicinal_engine::Engine;
use vicinal_storage::{Failure, SimDisk};
use vicinal_types::{Clock as _, Error, ErrorKind, Metric, RequestId, SystemClock};

/// Whether the collection is declared and cannot be used.
fn is_closed(engine: &Engine) -> bool {
    match engine.count("", NAME) {
        // Not a damaged segment, which waits for a person.
        Err(error) if error.to_string().contains("could not be opened: ") => {
            let message = error.to_string();
            assert!(message.contains("simulated"), "{message}");
            assert!(message.ends_with("tried again every second"), "{message}");
            true
        }
        Ok(_) | Err(_) => false,
    }
}

/// Waits until it can be used.
fn wait_open(engine: &Engine) {
    let end = SystemClock.now() + Duration::from_secs(60);
    while let Err(error) = engine.count("", NAME) {
        assert!(SystemClock.now() < end, "still closed: {error}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_collection_whose_files_cannot_be_made_is_not_called_created_until_they_are() {
    let calls = |disk: &SimDisk| {
        let engine = open(disk).expect("an empty disk");
        let before = disk.calls();
        engine.create_collection("", spec(Metric::L2), None).expect("a disk that works");
        let after = disk.calls();
        engine.close();
        before + 1..=after
    };
    let mut healed = 0;
    for at in calls(&SimDisk::new(1)) {
        for failure in [Failure::Io, Failure::Full] {
            let disk = SimDisk::new(1);
            let engine = open(&disk).expect("an empty disk");
            disk.fail_at(at, failure);
            let request = Some(RequestId([7; 16]));
            let create = || engine.create_collection("", spec(Metric::L2), request);
            let created = create();
            if is_closed(&engine) {
                healed += 1;
                let error: Error = created.expect_err("nobody can use it");
                assert!(error.to_string().contains("simulated"), "call {at}: {error}");
                wait_open(&engine);
                create().expect("created with the first request");
                let again = engine.create_collection("", spec(Metric::L2), None);
                assert_eq!(again.expect_err("there").kind(), ErrorKind::AlreadyExists);
                insert(&engine, &range(0..10), 0).expect("rows");
                flush(&engine);
                insert(&engine, &range(10..20), 0).expect("rows");
            }
            let expected = engine.count("", NAME).map(|_| contents(&engine));
            engine.close();
            drop(engine);
            let engine = open(&disk).expect("a restart");
            if let Ok(expected) = expected {
                assert_eq!(contents(&engine), expected, "call {at}");
            }
            engine.close();
        }
    }
    assert!(healed >= 4, "{healed} collections were closed at first");
}

#[test]
fn a_collection_that_does_not_open_at_start_is_shown_when_it_has_all_its_rows() {
    let disk = SimDisk::new(1);
    let engine = open(&disk).expect("an empty disk");
    engine.create_collection("", spec(Metric::L2), None).expect("a right declaration");
    insert(&engine, &range(0..40), 0).expect("rows");
    flush(&engine);
    upsert(&engine, &range(30..60), 1).expect("rows that only the log holds");
    delete(&engine, &range(0..5)).expect("a delete");
    let expected = contents(&engine);
    engine.close();
    drop(engine);
    let opening = {
        let disk = disk.fork(1);
        let before = disk.calls();
        open(&disk).expect("a disk that works").close();
        disk.calls() - before
    };
    let mut healed = 0;
    for at in 1..=opening {
        let disk = disk.fork(1);
        disk.fail_at(disk.calls() + at, Failure::Io);
        let Ok(engine) = open(&disk) else { continue };
        if is_closed(&engine) {
            healed += 1;
            wait_open(&engine);
            assert_eq!(contents(&engine), expected, "call {at}");
            upsert(&engine, &[3], 2).expect("writes go on");
            flush(&engine);
            assert_eq!(contents(&engine).len(), expected.len() + 1, "call {at}");
        }
        engine.close();
    }
    assert!(healed > 0, "no call of {opening} kept the collection closed");
}

#[test]
fn a_collection_that_is_dropped_while_it_is_closed_is_gone() {
    let mut closed = 0;
    for n in 1..30 {
        let disk = SimDisk::new(1);
        let engine = open(&disk).expect("an empty disk");
        disk.fail_at(disk.calls() + n, Failure::Full);
        let created = engine.create_collection("", spec(Metric::L2), None);
        if created.is_err() && is_closed(&engine) {
            closed += 1;
            // At some moment of what the ticker does about it.
            std::thread::park_timeout(Duration::from_millis(n * 13));
            engine.drop_collection("", NAME, None).expect("dropped");
            std::thread::park_timeout(Duration::from_millis(600));
            assert_eq!(engine.list_collections("").expect("a list"), []);
            let groups = vicinal_storage::Disk::list(&disk, std::path::Path::new("data/groups"));
            assert_eq!(groups.expect("a directory"), ["0"], "the catalogue's alone");
            engine.create_collection("", spec(Metric::L2), None).expect("the name is free");
            insert(&engine, &range(0..10), 0).expect("rows");
            assert_eq!(contents(&engine).len(), 10);
        }
        engine.close();
    }
    assert!(closed > 0, "every collection was open at once");
}
