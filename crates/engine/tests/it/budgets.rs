//! Memory that fills and quotas that are used up.

use crate::fixture::{
    NAME, contents, delete, flush, insert, nearest, options, range, spec, upsert,
};
use std::sync::Arc;
use std::time::Duration;
use vicinal_engine::{
    Aggregate, ApplyMode, Engine, EngineOptions, GroupBy, GroupOrder, MemoryOptions, Pressure,
    RowFilter, Search,
};
use vicinal_filter::{Expression, Parameters};
use vicinal_storage::{SimDisk, WholeFileDisk};
use vicinal_types::{
    Cancel, Clock as _, Error, ErrorKind, IndexKind, IndexSpec, Metric, Quota, Quotas, SystemClock,
    VectorInput,
};

const MIB: u64 = 1 << 20;

/// Something that takes time and answers with the number of rows.
type Work<'a> = &'a dyn Fn(&Engine) -> Result<u64, Error>;

fn open(change: impl FnOnce(&mut EngineOptions)) -> Engine {
    let mut options = options(Arc::new(SimDisk::new(1)));
    options.log_cache_bytes = 0;
    change(&mut options);
    let engine = Engine::open(options).expect("an empty disk");
    engine.create_collection("", spec(Metric::L2), None).expect("a right declaration");
    engine
}

fn limited(limit_bytes: u64) -> Engine {
    open(|options| options.memory = MemoryOptions { limit_bytes, ..MemoryOptions::default() })
}

/// Tries until it works; a minute is more than any flush of these sizes takes.
fn until<T>(mut attempt: impl FnMut() -> Result<T, Error>) -> T {
    let end = SystemClock.now() + Duration::from_secs(60);
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(error) if SystemClock.now() > end => panic!("still refused: {error}"),
            Err(_) => std::thread::park_timeout(Duration::from_millis(20)),
        }
    }
}

#[test]
fn a_full_memory_refuses_writes_and_nothing_else_until_there_is_room() {
    let engine = limited(6 * MIB);
    assert_eq!(engine.memory_pressure(), Pressure::Calm);
    let mut next = 0;
    let error = loop {
        match insert(&engine, &range(next..next + 5_000), 1) {
            Ok(_) => next += 5_000,
            Err(error) => break error,
        }
        assert!(next < 1_000_000, "no limit holds");
    };
    assert_eq!(error.kind(), ErrorKind::Exhausted);
    let message = error.to_string();
    assert!(message.contains("bytes of memory are in use") && message.contains("6291456"));
    assert!(error.retry_hint().is_some() && next >= 5_000, "{next}");
    assert!(engine.write_delay("", NAME) > Duration::ZERO);
    assert_eq!(nearest(&engine, 7, 1, 1), [7]);
    delete(&engine, &[7]).expect("a delete makes room");
    // The ticker seals what grows; nobody has to ask for it.
    until(|| insert(&engine, &range(next..next + 100), 1));
    assert!(contents(&engine).len() as i64 == next + 99);
    engine.close();
}

#[test]
fn an_index_that_does_not_fit_is_not_built_and_rows_are_found_by_a_scan() {
    let engine = limited(6 * MIB);
    for start in (0..20_000).step_by(5_000) {
        insert(&engine, &range(start..start + 5_000), 1).expect("there is room");
    }
    flush(&engine);
    engine.count_memory("somebody else", || 6 * MIB);
    while engine.memory_pressure() != Pressure::Full {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    insert(&engine, &[70_000], 1).expect_err("somebody else fills the memory");
    let mut declared = spec(Metric::L2);
    let index = IndexSpec { kind: IndexKind::Hnsw, ..IndexSpec::default() };
    declared.indexes.insert("v".into(), index);
    engine.apply_collection("", declared, ApplyMode::default(), None).expect("another index");
    // Twice as long as the ticker takes to ask for it.
    std::thread::park_timeout(Duration::from_millis(600));
    let described = engine.describe("", NAME).expect("a collection");
    let reason = &described.segments[0].indexes[0].reason;
    assert!(!described.fully_indexed && reason.contains("bytes of memory, "), "{reason}");
    assert_eq!(nearest(&engine, 123, 1, 1), [123]);
    let stats = engine.stats();
    assert!(stats.memory.contains(&("somebody else", 6 * MIB)) && stats.memory_limit == 6 * MIB);
    engine.close();
}

#[test]
fn files_that_are_not_mapped_are_memory_of_the_node_and_of_their_collection() {
    let home = tempfile::tempdir().expect("a directory");
    let engine = open(|options| {
        options.disk = Arc::new(WholeFileDisk::default());
        options.directory = home.path().to_owned();
    });
    let read_whole = || {
        let memory = engine.stats().memory;
        memory.into_iter().find(|(name, _)| *name == "files read whole").expect("a component").1
    };
    insert(&engine, &range(0..500), 1).expect("rows");
    assert_eq!(read_whole(), 0);
    flush(&engine);
    let of_collection = engine.stats().collections.remove(0);
    assert!(of_collection.file_bytes > 0);
    assert_eq!(read_whole(), of_collection.file_bytes);
    assert!(of_collection.memory_bytes >= of_collection.file_bytes, "{of_collection:?}");
    assert_eq!(contents(&engine).len(), 500);
    engine.drop_collection("", NAME, None).expect("dropped");
    // The shard goes when the last job that holds it has ended.
    until(|| match read_whole() {
        0 => Ok(()),
        bytes => Err(Error::exhausted(format!("{bytes} bytes are still held"))),
    });
    engine.close();
}

fn with_quota(quota: Quota, of_database: Quota) -> Engine {
    open(|options| {
        options.quotas = Quotas {
            databases: [("default".to_owned(), of_database)].into(),
            collections: [(NAME.to_owned(), quota)].into(),
        };
    })
}

#[test]
fn rows_beyond_a_quota_are_refused_and_replacing_goes_on() {
    let engine = with_quota(Quota { rows: Some(10), ..Quota::default() }, Quota::default());
    insert(&engine, &range(0..8), 1).expect("below the quota");
    let error = insert(&engine, &range(8..11), 1).expect_err("beyond it");
    assert_eq!(error.kind(), ErrorKind::Exhausted);
    let message = error.to_string();
    assert!(message.contains("collection `points` has 8 rows and 3 would come, its quota is 10"));
    upsert(&engine, &range(2..10), 2).expect("six of eight replace others");
    upsert(&engine, &range(0..10), 3).expect("all replace others");
    upsert(&engine, &[10], 1).expect_err("an eleventh");
    delete(&engine, &[0]).expect("a delete");
    upsert(&engine, &[10], 1).expect("there is room again");
    assert_eq!(contents(&engine).len(), 10);
    engine.close();
}

#[test]
fn a_database_shares_its_quota_and_other_databases_have_none() {
    let of_database = Quota { rows: Some(10), disk_bytes: Some(MIB), ..Quota::default() };
    let engine = with_quota(Quota::default(), of_database);
    let mut second = spec(Metric::L2);
    second.name = "second".to_owned();
    engine.create_collection("", second, None).expect("another collection");
    engine.create_collection("free", spec(Metric::L2), None).expect("another database");
    let write = |database: &str, name: &str, ids: std::ops::Range<i64>| {
        let rows = crate::fixture::rows(&range(ids), 1);
        engine.write_blocking(database, name, vicinal_engine::Write::Insert(rows), None)
    };
    write("", NAME, 0..6).expect("below the quota");
    write("", "second", 0..4).expect("just as many as allowed");
    let error = write("", "second", 4..5).expect_err("beyond it").to_string();
    assert!(error.contains("database `default` has 10 rows and 1 would come"), "{error}");
    write("free", NAME, 0..100).expect("no quota");
    engine.close();
}

#[test]
fn aggregates_and_counts_by_filter_use_up_the_share_of_the_processors_as_searches_do() {
    let condition = RowFilter {
        expression: Expression::parse("number >= 0").expect("a condition"),
        parameters: Parameters::default(),
    };
    let all = || Aggregate {
        filter: Some(condition.clone()),
        group_by: GroupBy::Column("word".to_owned()),
        figures: Vec::new(),
        order: GroupOrder::Count,
        limit: 1,
        partial_ok: false,
    };
    let aggregate = |engine: &Engine| {
        let answer = engine.aggregate("", NAME, &all(), &Cancel::never());
        answer.map(|answer| answer.rows)
    };
    let count = |engine: &Engine| engine.count_where("", NAME, &condition, &Cancel::never());
    let search = |engine: &Engine| {
        let search = Search::new(VectorInput::Floats(vec![1.0; 4]), 1);
        engine.search_blocking("", NAME, search, Cancel::never()).map(|_| 500)
    };
    let kinds: [Work<'_>; 3] = [&aggregate, &count, &search];
    for first in kinds {
        // A thousand years for each second of work.
        let quota = Quota { cpu_share: Some(1e-11), ..Quota::default() };
        let engine = with_quota(quota, Quota::default());
        insert(&engine, &range(0..500), 1).expect("rows");
        assert_eq!(first(&engine).expect("nothing was used"), 500);
        for second in kinds {
            let error = second(&engine).expect_err("the time of the first is owed");
            assert_eq!(error.kind(), ErrorKind::Exhausted);
            assert!(error.to_string().contains("its quota cpu_share"), "{error}");
        }
        engine.close();
    }
}

#[test]
fn files_and_memory_count_against_their_quotas() {
    let quota = Quota { disk_bytes: Some(4_096), ..Quota::default() };
    let engine = with_quota(quota, Quota { memory_bytes: Some(40_000), ..Quota::default() });
    insert(&engine, &range(0..500), 1).expect("nothing is there yet");
    let error = insert(&engine, &range(500..501), 1).expect_err("rows in memory").to_string();
    assert!(error.contains("memory_bytes, its quota is 40000"), "{error}");
    flush(&engine);
    let error = insert(&engine, &range(500..501), 1).expect_err("rows in files").to_string();
    assert!(error.contains("disk_bytes, its quota is 4096"), "{error}");
    engine.close();
}
