//! What is refused, with which kind and words; nothing is half-written.

use crate::fixture::{NAME, contents, engine, flush, insert, options, rows, spec, vector};
use std::sync::Arc;
use vicinal_engine::{Engine, Search, Write};
use vicinal_storage::{Failure, SimDisk};
use vicinal_types::{
    Cancel, CollectionSpec, ColumnId, Effort, Error, ErrorKind, Ids, Metric, RowBatch, VectorInput,
    limits,
};

fn check(error: &Error, kind: ErrorKind, words: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "`{error}` does not say `{words}`");
}

#[test]
fn wrong_writes_are_refused_whole() {
    let (_, engine) = engine();
    insert(&engine, &[1], 0).expect("an insert");
    let refused = |write: Write, words: &str| {
        let error = engine.write_blocking("", NAME, write, None).expect_err(words);
        check(&error, ErrorKind::Invalid, words);
    };
    let change = |change: &dyn Fn(&mut RowBatch)| {
        let mut batch = rows(&[5, 6], 0);
        change(&mut batch);
        Write::Upsert(batch)
    };
    let floats = |floats: Vec<f32>| (ColumnId(1), VectorInput::Floats(floats));
    refused(change(&|b| b.ids = Ids::Int(vec![5, 5])), "id 5 is in rows 0 and 1");
    refused(change(&|b| b.ids = Ids::Str(vec!["a".into(), "b".into()])), "string ids were sent");
    refused(change(&|b| b.ids = Ids::Int(vec![])), "1 to 65536 ids");
    refused(
        change(&|b| b.vectors[0] = floats(vec![1.0; 6])),
        "vectors of 3 dimensions were sent, column `v` takes 4",
    );
    refused(
        change(&|b| b.vectors[0] = floats([vec![1.0; 7], vec![f32::NAN]].concat())),
        "vector 1 of `v` holds NaN",
    );
    refused(change(&|b| b.vectors.clear()), "vector column `v` is missing");
    refused(change(&|b| b.vectors[0].0 = ColumnId(9)), "no column number 9");
    refused(Write::Delete(Ids::Int(vec![])), "1 to 65536 ids");
    assert_eq!(contents(&engine), [(1, 0)]);
    engine.close();
}

#[test]
fn wrong_scalars_are_refused_whole() {
    let (_, engine) = engine();
    let refused = |write: Write, words: &str| {
        let error = engine.write_blocking("", NAME, write, None).expect_err(words);
        check(&error, ErrorKind::Invalid, words);
    };
    let change = |change: &dyn Fn(&mut RowBatch)| {
        let mut batch = rows(&[5, 6], 0);
        change(&mut batch);
        Write::Upsert(batch)
    };
    refused(
        change(&|b| b.scalars.truncate(1)),
        "column `number` is missing, takes no nulls and has no default",
    );
    let twice = |b: &mut RowBatch| b.scalars.push(b.scalars[0].clone());
    refused(change(&twice), "column `word` is given twice");
    let long = "x".repeat(limits::STRING_BYTES_MAX + 1);
    let with_word =
        |word: String| -> Arc<arrow_array::StringArray> { Arc::new(vec![Some(word), None].into()) };
    refused(change(&|b| b.scalars[0].1 = with_word(long.clone())), "at most 65536 bytes a value");
    let swap = |b: &mut RowBatch| b.scalars[1].1 = Arc::clone(&b.scalars[0].1);
    refused(change(&swap), "column `number` holds int64 values");
    refused(Write::Delete(Ids::Int(vec![])), "1 to 65536 ids");
    let missing =
        engine.write_blocking("", "nowhere", change(&|_| {}), None).expect_err("no collection");
    check(&missing, ErrorKind::NotFound, "no collection or alias `nowhere` in database `default`");
    assert_eq!(contents(&engine), []);
    engine.close();
}

#[test]
fn wrong_searches_are_refused() {
    let (_, engine) = engine();
    let refused = |change: &dyn Fn(&mut Search), words: &str| {
        let mut search = Search::new(VectorInput::Floats(vector(0, 0).to_vec()), 10);
        change(&mut search);
        let error = engine.search_blocking("", NAME, search, Cancel::never()).expect_err(words);
        check(&error, ErrorKind::Invalid, words);
    };
    refused(&|s| s.k = 0, "k 0 is not between 1 and 16384");
    refused(&|s| s.k = 1_000_000, "k 1000000 is not between");
    refused(&|s| s.queries = VectorInput::Floats(vec![1.0; 5]), "4 dimensions");
    refused(&|s| s.queries = VectorInput::Floats(vec![]), "0 were sent");
    refused(&|s| s.queries = VectorInput::Floats(vec![f32::INFINITY; 4]), "NaN or an infinity");
    refused(&|s| s.queries = VectorInput::Floats(vec![0.0; 4 * 20_000]), "limit of 16384");
    refused(
        &|s| (s.queries, s.k) = (VectorInput::Floats(vec![0.0; 400]), 16_384),
        "100 queries for 16384 rows each",
    );
    refused(&|s| s.effort = Effort::Candidates(0), "effort 0 is not between");
    refused(&|s| s.effort = Effort::MinRecall(1.5), "min_recall 1.5");
    refused(&|s| s.vector_column = "w".into(), "no vector column `w`; there are `v`");
    refused(&|s| s.columns = vec!["w".into()], "no column `w`; there are `v`, `word`, `number`");
    engine.close();
}

#[test]
fn a_database_directory_serves_one_engine() {
    let (disk, engine) = engine();
    let error = crate::fixture::open(&disk).err().expect("it is in use");
    check(&error, ErrorKind::Unavailable, "in use by");
    engine.close();
}

#[test]
fn a_full_disk_refuses_writes_and_serves_reads() {
    let disk = vicinal_storage::SimDisk::new(1);
    disk.set_capacity(Some(500_000));
    let options = vicinal_engine::EngineOptions {
        disk_reserve_bytes: 1_000_000,
        ..crate::fixture::options(Arc::new(disk))
    };
    let engine = vicinal_engine::Engine::open(options).expect("an empty disk");
    let error = engine.create_collection("", spec(Metric::L2), None).expect_err("no space");
    check(&error, ErrorKind::Exhausted, "writes need 1000000; free some");
    assert!(engine.list_collections("").expect("reads go on").is_empty());
    engine.close();
}

#[test]
fn a_failed_sync_refuses_writes_from_then_on_and_serves_reads() {
    let (disk, engine) = engine();
    insert(&engine, &[1], 0).expect("an insert");
    disk.fail_sync(1);
    let error = insert(&engine, &[2], 0).expect_err("the sync failed");
    check(&error, ErrorKind::Unavailable, "log of this node failed");
    let error = insert(&engine, &[3], 0).expect_err("the log takes nothing any more");
    check(&error, ErrorKind::Unavailable, "until the node restarts");
    assert!(engine.failure().is_some());
    assert_eq!(contents(&engine), [(1, 0)]);
    engine.close();
}

#[test]
fn an_engine_that_does_not_open_leaves_nothing_running() {
    let (disk, engine) = engine();
    insert(&engine, &[1, 2, 3], 0).expect("an insert");
    flush(&engine);
    insert(&engine, &[4, 5], 0).expect("an insert");
    engine.close();
    drop(engine);
    let mut failed = 0;
    for ahead in 1.. {
        let at = disk.calls() + ahead;
        disk.fail_at(at, Failure::Io);
        let shared = Arc::new(disk.clone());
        let opened = Engine::open(options(Arc::<SimDisk>::clone(&shared)));
        failed += u32::from(opened.is_err());
        let error = opened.map(|engine| engine.close()).err();
        // Threads hold the disk; so would what they were given to do.
        assert_eq!(Arc::strong_count(&shared), 1, "call {ahead}: {error:?}");
        if disk.calls() < at {
            break;
        }
    }
    assert!(failed > 20, "{failed} calls keep an engine from opening");
}

#[test]
fn declarations_are_checked() {
    let (_, engine) = engine();
    let wrong = |change: &dyn Fn(&mut CollectionSpec), kind: ErrorKind, words: &str| {
        let mut declared = spec(Metric::L2);
        change(&mut declared);
        check(&engine.create_collection("", declared, None).expect_err(words), kind, words);
    };
    wrong(&|_| {}, ErrorKind::AlreadyExists, "collection `points` exists");
    wrong(&|s| s.name = "a/b".into(), ErrorKind::Invalid, "may hold only");
    wrong(&|s| (s.name, s.segments.max_rows) = ("b".into(), 0), ErrorKind::Invalid, "max_rows 0");
    let index = vicinal_types::IndexSpec { m: 1, ..vicinal_types::IndexSpec::default() };
    let with_index = |s: &mut CollectionSpec| {
        s.name = "b".into();
        s.indexes.insert("v".into(), index);
    };
    wrong(&with_index, ErrorKind::Invalid, "m 1 is not between 2 and 256");
    let of = |index: vicinal_types::IndexSpec| {
        move |s: &mut CollectionSpec| {
            s.name = "b".into();
            s.indexes.insert("v".into(), index);
        }
    };
    let (kind, code) = (vicinal_types::IndexKind::IvfPq, vicinal_types::IndexEngine::HnswRs);
    let index =
        vicinal_types::IndexSpec { kind, engine: code, ..vicinal_types::IndexSpec::default() };
    wrong(&of(index), ErrorKind::Invalid, "index of `v`: engine hnsw_rs has no kind IVF_PQ");
    if cfg!(not(feature = "faiss")) {
        let engine = vicinal_types::IndexEngine::Faiss;
        let index = vicinal_types::IndexSpec { engine, ..index };
        wrong(&of(index), ErrorKind::Invalid, "engine faiss is not in this build; use native");
    }
    engine.close();
}
