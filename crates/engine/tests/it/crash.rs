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

use crate::fixture::{
    NAME, contents, delete, engine, flush, forms, insert, open, options, range, spec, upsert,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vicinal_engine::{
    Aggregate, Count, Engine, Get, GroupBy, GroupOrder, RowFilter, Scroll, Search,
};
use vicinal_filter::Expression;
use vicinal_storage::{Disk, SimDisk};
use vicinal_types::{Cancel, Error, ErrorKind, Ids, Metric, VectorInput};

/// Two collections, a bit of whose first segment's file is turned: the file.
fn damaged() -> (SimDisk, PathBuf) {
    let (disk, engine) = engine();
    insert(&engine, &range(0..30), 0).expect("an insert");
    flush(&engine);
    insert(&engine, &range(100..110), 0).expect("an insert");
    delete(&engine, &[7, 105]).expect("a delete");
    flush(&engine);
    let other = vicinal_types::CollectionSpec { name: "other".into(), ..spec(Metric::L2) };
    engine.create_collection("", other, None).expect("another collection");
    engine.close();
    let dir = Path::new("data/groups/1");
    let names = disk.list(dir).expect("a group's directory");
    let file = names.iter().find(|name| name.ends_with(".rows")).expect("a sealed segment");
    let file = dir.join(file);
    flip(&disk, &file);
    (disk, file)
}

fn flip(disk: &SimDisk, file: &Path) {
    disk.flip(file, 4_096 + 17, 1).expect("a file");
}

/// Which rows of [`damaged`] are missing.
const MISSING: &str = "segment 1 with 30 rows is missing (29 of them live, ids from 0 to 29): ";

#[test]
fn a_flipped_byte_in_a_segment_is_an_error_and_spares_the_others() {
    let (disk, file) = damaged();
    let engine = open(&disk).expect("one bad file does not stop the server");
    let says = |error: Error| {
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        let file = file.display().to_string();
        for words in [MISSING, &file, "put undamaged files in their place"] {
            assert!(error.to_string().contains(words), "`{error}` does not say `{words}`");
        }
    };
    says(engine.count("", NAME).expect_err("rows are missing"));
    says(insert(&engine, &[99], 0).expect_err("its ids are unknown"));
    says(engine.pin("", NAME, &Cancel::never()).err().expect("no snapshot without them"));
    assert_eq!(engine.count("", "other").expect("the other collection serves"), 0);
    engine.close();
    drop(engine);
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let found = vicinal_engine::verify(&disk, Path::new("data")).expect("a data directory");
    let problem = found.files.into_iter().find_map(|of| of.problem.filter(|_| of.path == file));
    assert!(problem.as_ref().is_some_and(|text| text.contains(MISSING)), "{problem:?}");
}

#[test]
fn the_rest_of_a_damaged_collection_serves_those_who_ask_for_it() {
    let (disk, _) = damaged();
    let engine = open(&disk).expect("one bad file does not stop the server");
    let walk = |partial_ok| {
        let columns = vec!["**".to_owned()];
        let scroll = Scroll { limit: 100, columns, partial_ok, ..Scroll::default() };
        engine.scroll_where("", NAME, &scroll, &Cancel::never())
    };
    let error = walk(false).expect_err("nobody asked for less");
    assert!(error.to_string().contains(MISSING), "{error}");
    let mut found = forms(&walk(true).expect("the rest").rows);
    found.sort_unstable();
    let rest: Vec<_> = (100..110).filter(|id| *id != 105).map(|id| (id, 0)).collect();
    assert_eq!(found, rest);
    let query = VectorInput::Floats(crate::fixture::vector(3, 0).to_vec());
    let search = Search { partial_ok: true, ..Search::new(query, 50) };
    let answer = engine.search_blocking("", NAME, search, Cancel::never()).expect("the rest");
    assert_eq!(answer.results[0].scores.len(), rest.len());
    reads_in_part(&engine, &rest);
    engine.close();
}

/// Reads by id, counts and figures, for those who ask for less and for others.
fn reads_in_part(engine: &Engine, rest: &[(i64, i64)]) {
    let ids = Ids::Int((0..120).collect());
    let get = |partial_ok| {
        let get = Get { ids: ids.clone(), columns: vec!["**".to_owned()], partial_ok };
        engine.get_rows("", NAME, &get, &Cancel::never())
    };
    assert_eq!(forms(&get(true).expect("the rest")), rest);
    let count = |filter: Option<&str>, partial_ok| {
        let filter = filter.map(|text| RowFilter::new(Expression::parse(text).expect("a filter")));
        engine.count_rows("", NAME, &Count { filter, partial_ok }, &Cancel::never())
    };
    assert_eq!(count(None, true).expect("the rest"), rest.len() as u64);
    assert_eq!(count(Some("id < 103"), true).expect("the rest"), 3);
    let aggregate = |partial_ok| {
        let (figures, order) = (Vec::new(), GroupOrder::Key);
        let group_by = GroupBy::Nothing;
        let asked = Aggregate { filter: None, group_by, figures, order, limit: 1, partial_ok };
        engine.aggregate("", NAME, &asked, &Cancel::never())
    };
    assert_eq!(aggregate(true).expect("the rest").rows, rest.len() as u64);
    let errors = [
        get(false).expect_err("nobody asked for less"),
        count(None, false).expect_err("nobody asked for less"),
        count(Some("id < 3"), false).expect_err("nobody asked for less"),
        aggregate(false).expect_err("nobody asked for less"),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains(MISSING), "{error}");
    }
    let missing = engine.missing_rows("", NAME).expect("the collection is there");
    assert!(missing.len() == 1 && missing[0].contains(MISSING), "{missing:?}");
    assert!(engine.missing_rows("", "other").expect("the other one, too").is_empty());
}

#[test]
fn a_damaged_file_stays_where_it_is_and_an_undamaged_one_in_its_place_ends_it() {
    let (disk, file) = damaged();
    for _ in 0..2 {
        let engine = open(&disk).expect("one bad file does not stop the server");
        engine.count("", NAME).expect_err("rows are missing");
        engine.close();
    }
    flip(&disk, &file);
    let engine = open(&disk).expect("a restart");
    insert(&engine, &[99], 0).expect("its ids are known");
    let live = (0..30).chain(99..110).filter(|id| ![7, 105].contains(id));
    assert_eq!(contents(&engine), live.map(|id| (id, 0)).collect::<Vec<_>>());
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
    flush(&engine);
    let (most, entry) = (most.into_inner(), 2_000 * 64);
    assert!(most < 40 * entry, "the log grew to {most} bytes");
    assert_eq!(contents(&engine).len(), 2_000);
    engine.close();
}
