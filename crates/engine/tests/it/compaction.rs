//! Merging segments: rows, versions and searches stay, files and deleted rows go.

mod crash;

use crate::fixture::{
    NAME, contents, delete, flush, insert, nearest, options, range, rows, spec, upsert,
};
use arrow_array::StringArray;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use vicinal_engine::{Compaction, Engine, EngineOptions, RowFilter, Space, Write};
use vicinal_filter::{Expression, Parameters};
use vicinal_storage::SimDisk;
use vicinal_types::{Cancel, Clock as _, IndexKind, IndexSpec, Metric, Result, SystemClock};

fn open(disk: &SimDisk, compaction: Compaction) -> Result<Engine> {
    let disk = Arc::new(disk.clone());
    let engine = Engine::open(EngineOptions { compaction, ..options(disk) })?;
    if engine.collection("", NAME).is_err() {
        let mut spec = spec(Metric::L2);
        spec.segments.max_rows = 64;
        engine.create_collection("", spec, None)?;
    }
    Ok(engine)
}

fn within(seconds: u64) -> Cancel {
    let end = SystemClock.now() + Duration::from_secs(seconds);
    Cancel::new(Arc::new(SystemClock), Some(end))
}

fn compact(engine: &Engine) -> u64 {
    engine.compact("", NAME, &within(60)).expect("merges that work")
}

fn space(engine: &Engine) -> Space {
    engine.stats().collections[0].space.clone()
}

#[test]
fn small_segments_become_one_and_their_files_go() {
    let disk = SimDisk::new(1);
    let engine = open(&disk, Compaction::OnRequest).expect("an empty disk");
    for batch in 0..9 {
        insert(&engine, &range(batch * 64..batch * 64 + 64), 0).expect("an insert");
        flush(&engine);
    }
    upsert(&engine, &range(100..140), 1).expect("an upsert");
    assert_eq!(flush(&engine), 10);
    let expected = contents(&engine);
    assert_eq!(compact(&engine), 1, "eight at once, and what that makes with the others");
    assert_eq!(contents(&engine), expected);
    assert_eq!(nearest(&engine, 120, 1, 1), [120]);
    let files = |ending: &str| {
        let names = vicinal_storage::Disk::list(&disk, std::path::Path::new("data/groups/1"));
        names.expect("a directory").iter().filter(|name| name.ends_with(ending)).count()
    };
    assert_eq!((files(".rows"), files(".tombstones")), (1, 0), "deleted rows are gone");
    engine.close();
    drop(engine);
    let engine = open(&disk, Compaction::OnRequest).expect("a restart");
    assert_eq!(contents(&engine), expected);
    engine.close();
}

#[test]
fn deleted_rows_give_their_bytes_back_and_stats_say_which_will() {
    let disk = SimDisk::new(2);
    let engine = open(&disk, Compaction::OnRequest).expect("an empty disk");
    insert(&engine, &range(0..60), 0).expect("an insert");
    flush(&engine);
    delete(&engine, &range(0..12)).expect("a delete");
    flush(&engine);
    let before = space(&engine);
    assert_eq!((before.merges_running, before.merges_queued), (0, 0), "one in five is not more");
    assert!(before.outlook.contains("once more than 20 %"), "{}", before.outlook);
    delete(&engine, &[12]).expect("a delete");
    let before = space(&engine);
    assert_eq!(before.merges_queued, 1);
    assert!(before.outlook.ends_with("bytes with the merges that wait"), "{}", before.outlook);
    let file_bytes = before.live_bytes + before.deleted_bytes;
    assert_eq!(before.deleted_bytes, file_bytes * 13 / 60);
    assert_eq!(compact(&engine), 1);
    let after = space(&engine);
    assert_eq!((after.deleted_bytes, after.removal_bytes), (0, 0));
    assert_eq!(after.outlook, "nothing to come back");
    delete(&engine, &range(0..60)).expect("a delete of all");
    assert_eq!(compact(&engine), 0, "of no rows nothing is left");
    assert_eq!(contents(&engine), []);
    insert(&engine, &[5], 0).expect("an id that was deleted");
    assert_eq!(contents(&engine), [(5, 0)]);
    engine.close();
}

#[test]
fn a_dropped_column_gives_its_bytes_back_and_stats_say_when() {
    const WORD_BYTES: usize = 1_000;
    let disk = SimDisk::new(5);
    let engine = open(&disk, Compaction::OnRequest).expect("an empty disk");
    let mut batch = rows(&range(0..60), 0);
    let words = StringArray::from_iter_values((0..60).map(|id| format!("{id:0>WORD_BYTES$}")));
    batch.scalars[0].1 = Arc::new(words);
    engine.write_blocking("", NAME, Write::Insert(batch), None).expect("an insert");
    flush(&engine);
    let before = space(&engine);
    assert_eq!((before.deleted_bytes, before.merges_queued), (0, 0));
    // A delete that reads the column, before it goes: this must be in files first.
    let expression = Expression::parse("word like '%59'").expect("a condition");
    let last = RowFilter { expression, parameters: Parameters::default() };
    let deleted = engine.write_blocking("", NAME, Write::DeleteWhere(last), None);
    assert_eq!(deleted.expect("a delete").deleted, 1);
    engine.drop_column("", NAME, "word", None).expect("dropped");
    let dropped = space(&engine);
    assert!(dropped.deleted_bytes > 60 * WORD_BYTES as u64, "{dropped:?}");
    assert_eq!(dropped.merges_queued, 1);
    assert!(dropped.outlook.ends_with("bytes with the merges that wait"), "{}", dropped.outlook);
    assert_eq!(compact(&engine), 1);
    let after = space(&engine);
    assert_eq!((after.deleted_bytes, after.merges_queued), (0, 0), "{after:?}");
    assert!(after.live_bytes + 60 * (WORD_BYTES as u64) < before.live_bytes, "{after:?}");
    assert_eq!(engine.count("", NAME).expect("a count"), 59);
    engine.close();
    drop(engine);
    let engine = open(&disk, Compaction::OnRequest).expect("a restart");
    assert_eq!(engine.count("", NAME).expect("a count"), 59);
    assert_eq!(space(&engine), after, "as it was");
    engine.close();
}

#[test]
fn deletions_that_come_during_the_merge_are_carried_over() {
    let disk = SimDisk::new(3);
    let engine = open(&disk, Compaction::OnRequest).expect("an empty disk");
    for batch in 0..4 {
        insert(&engine, &range(batch * 64..batch * 64 + 64), 0).expect("an insert");
        flush(&engine);
    }
    flush(&engine);
    // The merge waits for its first sync; meanwhile rows go in every way.
    disk.hold_syncs(true);
    std::thread::scope(|scope| {
        let merge = scope.spawn(|| compact(&engine));
        while disk.syncs_waiting() == 0 {
            std::thread::yield_now();
        }
        let writes = scope.spawn(|| {
            delete(&engine, &range(0..10)).expect("a delete");
            upsert(&engine, &range(60..70), 1).expect("an upsert");
        });
        // The log's sync is held, too: the delete is in its hands.
        while disk.syncs_waiting() < 2 {
            std::thread::yield_now();
        }
        disk.hold_syncs(false);
        writes.join().expect("writes that work");
        merge.join().expect("a merge that works");
    });
    let expected: Vec<_> = (10..256).map(|id| (id, i64::from((60..70).contains(&id)))).collect();
    assert_eq!(contents(&engine), expected);
    engine.close();
    drop(engine);
    let engine = open(&disk, Compaction::OnRequest).expect("a restart");
    assert_eq!(contents(&engine), expected, "the log finds the rows it deleted");
    assert_eq!(flush(&engine), 2);
    engine.close();
    drop(engine);
    let engine = open(&disk, Compaction::OnRequest).expect("another restart");
    assert_eq!(contents(&engine), expected, "so does the tombstones' file");
    engine.close();
}

#[test]
fn a_search_keeps_the_files_that_it_reads() {
    let disk = SimDisk::new(4);
    let engine = open(&disk, Compaction::OnRequest).expect("an empty disk");
    for batch in 0..4 {
        insert(&engine, &range(batch * 64..batch * 64 + 64), 0).expect("an insert");
        flush(&engine);
    }
    flush(&engine);
    let (sender, receiver) = std::sync::mpsc::channel();
    let other = engine.clone();
    // A search has its view until its answer is taken.
    let done = move |answer: Result<vicinal_engine::SearchAnswer>| {
        compact(&other);
        sender.send((answer, space(&other))).expect("the test waits");
    };
    let queries = vicinal_types::VectorInput::Floats(crate::fixture::vector(7, 0).to_vec());
    let search = vicinal_engine::Search::new(queries, 1);
    engine.search("", NAME, search, Cancel::never(), Box::new(done));
    let (answer, during) = receiver.recv().expect("an answer");
    assert_eq!(answer.expect("a search").results[0].rows.ids, vicinal_types::Ids::Int(vec![7]));
    assert!(during.removal_bytes > during.live_bytes, "{during:?}");
    assert!(during.outlook.ends_with("when the searches end that read the files they are in"));
    assert_eq!(space(&engine).removal_bytes, 0);
    assert_eq!(nearest(&engine, 200, 0, 1), [200]);
    engine.close();
}

#[test]
fn the_merged_segment_has_its_index_when_searches_see_it() {
    let disk = SimDisk::new(5);
    let engine = Engine::open(EngineOptions {
        compaction: Compaction::OnRequest,
        ..options(Arc::new(disk.clone()))
    })
    .expect("an empty disk");
    let mut spec = spec(Metric::L2);
    spec.segments.max_rows = 64;
    let index = IndexSpec { kind: IndexKind::Hnsw, ..IndexSpec::default() };
    spec.indexes.insert("v".into(), index);
    engine.create_collection("", spec, None).expect("a right declaration");
    for batch in 0..4 {
        insert(&engine, &range(batch * 64..batch * 64 + 64), 0).expect("an insert");
        flush(&engine);
    }
    flush(&engine);
    let mut looks = 0;
    std::thread::scope(|scope| {
        let merging = scope.spawn(|| compact(&engine));
        while !merging.is_finished() {
            let described = engine.describe("", NAME).expect("there");
            assert!(described.fully_indexed, "{:?}", described.segments);
            looks += 1;
        }
        assert_eq!(merging.join().expect("a merge that works"), 1);
    });
    assert!(looks > 0);
    let described = engine.describe("", NAME).expect("there");
    assert!(described.segments[0].indexes[0].index.contains("HNSW"), "{described:?}");
    for id in [0, 99, 255] {
        assert_eq!(nearest(&engine, id, 0, 1), [id]);
    }
    engine.close();
}

#[test]
fn in_the_background_it_happens_by_itself_and_deletions_need_no_writes_to_come() {
    let disk = SimDisk::new(6);
    let engine = open(&disk, Compaction::Automatic).expect("an empty disk");
    for batch in 0..16 {
        insert(&engine, &range(batch * 64..batch * 64 + 64), 0).expect("an insert");
        flush(&engine);
    }
    // Upserted twice, then deleted to half: the segment they are in stays growing.
    for form in 1..=2 {
        upsert(&engine, &range(0..200), form).expect("an upsert");
        flush(&engine);
    }
    let live = range(512..1_024);
    delete(&engine, &range(0..512)).expect("a delete");
    let limit = within(60);
    loop {
        let Space { live_bytes, deleted_bytes, removal_bytes, .. } = space(&engine);
        // A fresh load of the live rows takes the live bytes.
        let is_small = live_bytes > 0 && (deleted_bytes + removal_bytes) * 10 < live_bytes * 3;
        if is_small && engine.describe("", NAME).expect("there").log_bytes == 0 {
            break;
        }
        limit.check().expect("space comes back within the time");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(contents(&engine), live.iter().map(|id| (*id, 0)).collect::<Vec<_>>());
    engine.close();
}

/// A merge that finds half of its rows deleted, in files, would be done again.
#[test]
fn a_merge_of_rows_that_are_deleted_meanwhile_begins_again_without_them() {
    const ROWS: i64 = 12_000;
    let disk = SimDisk::new(8);
    let engine = Engine::open(EngineOptions {
        compaction: Compaction::OnRequest,
        ..options(Arc::new(disk.clone()))
    })
    .expect("an empty disk");
    let mut spec = spec(Metric::L2);
    let index = IndexSpec { kind: IndexKind::Hnsw, ..IndexSpec::default() };
    spec.indexes.insert("v".into(), index);
    engine.create_collection("", spec, None).expect("a right declaration");
    for first in [0, ROWS] {
        insert(&engine, &range(first..first + ROWS), 0).expect("an insert");
        flush(&engine);
    }
    let files = |ending: &str| {
        let names = vicinal_storage::Disk::list(&disk, std::path::Path::new("data/groups/1"));
        let names = names.expect("a directory").into_iter();
        names.filter(|name| name.ends_with(ending)).collect::<BTreeSet<_>>()
    };
    let before = files(".index");
    let mut indexes = BTreeSet::new();
    std::thread::scope(|scope| {
        let merging = scope.spawn(|| compact(&engine));
        while files(".rows").len() < 3 {
            assert!(!merging.is_finished(), "no merge was seen");
            std::thread::yield_now();
        }
        delete(&engine, &range(0..ROWS)).expect("a delete");
        while !merging.is_finished() {
            indexes.extend(files(".index").into_iter().filter(|name| !before.contains(name)));
            std::thread::yield_now();
        }
        assert_eq!(merging.join().expect("merges that work"), 1);
    });
    indexes.extend(files(".index"));
    assert_eq!(indexes.len(), 1, "of the merge that was stopped there is none: {indexes:?}");
    assert_eq!(space(&engine).deleted_bytes, 0);
    assert_eq!(nearest(&engine, ROWS + 5, 0, 1), [ROWS + 5]);
    assert_eq!(engine.count("", NAME).expect("a count"), ROWS as u64);
    engine.close();
}

/// What happens to the collection.
#[derive(Clone, Debug)]
enum Op {
    Insert(i64, i64),
    Upsert(i64, i64),
    Delete(i64, i64),
    Flush,
    Compact,
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    let ids = || (0..200_i64, 1..60_i64);
    prop_oneof![
        3 => ids().prop_map(|(first, count)| Op::Insert(first, count)),
        3 => ids().prop_map(|(first, count)| Op::Upsert(first, count)),
        3 => ids().prop_map(|(first, count)| Op::Delete(first, count)),
        2 => Just(Op::Flush),
        2 => Just(Op::Compact),
        1 => Just(Op::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever is written, merged and restarted in whatever order, the rows are those
    /// of a map, and retried lookups of each find what the map says.
    #[test]
    fn rows_are_those_of_a_map(ops in prop::collection::vec(op(), 1..24), automatic in any::<bool>()) {
        let compaction = if automatic { Compaction::Automatic } else { Compaction::OnRequest };
        let disk = SimDisk::new(7);
        let mut engine = open(&disk, compaction).expect("an empty disk");
        let mut model = BTreeMap::new();
        for (form, op) in (1..).zip(ops) {
            match op {
                Op::Insert(first, count) => {
                    insert(&engine, &range(first..first + count), form).expect("an insert");
                    for id in first..first + count {
                        model.entry(id).or_insert(form);
                    }
                }
                Op::Upsert(first, count) => {
                    upsert(&engine, &range(first..first + count), form).expect("an upsert");
                    model.extend((first..first + count).map(|id| (id, form)));
                }
                Op::Delete(first, count) => {
                    let outcome = delete(&engine, &range(first..first + count)).expect("a delete");
                    let before = model.len();
                    model.retain(|id, _| !(first..first + count).contains(id));
                    prop_assert_eq!(outcome.deleted, (before - model.len()) as u64);
                }
                Op::Flush => drop(flush(&engine)),
                Op::Compact => drop(compact(&engine)),
                Op::Restart => {
                    engine.close();
                    drop(engine);
                    engine = open(&disk, compaction).expect("a restart");
                }
            }
            let rows: Vec<_> = model.iter().map(|(id, form)| (*id, *form)).collect();
            prop_assert_eq!(contents(&engine), rows);
            if let Some((id, form)) = model.first_key_value() {
                prop_assert_eq!(nearest(&engine, *id, *form, 1), [*id]);
            }
        }
        engine.close();
    }
}
