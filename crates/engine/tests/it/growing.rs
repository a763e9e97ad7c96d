//! Graphs over growing segments: what was written is found at once, by less work than
//! a scan, also while the segment is sealed and its index built.

use crate::fixture::{NAME, delete, flush, insert, open, range, spec, upsert, vector};
use vicinal_engine::{Engine, GroupHits, Search, SearchAnswer};
use vicinal_storage::SimDisk;
use vicinal_types::{Cancel, Effort, Ids, IndexKind, IndexSpec, Metric, VectorInput};

/// Above the rows from which a segment in memory has a graph.
const ROWS: i64 = 6_000;

fn engine(disk: &SimDisk) -> Engine {
    let engine = open(disk).expect("a disk that works");
    let mut spec = spec(Metric::L2);
    spec.indexes.insert("v".into(), IndexSpec { kind: IndexKind::Hnsw, ..IndexSpec::default() });
    engine.create_collection("", spec, None).expect("a right declaration");
    engine
}

fn search(engine: &Engine, id: i64, form: i64, effort: Effort) -> SearchAnswer {
    let queries = VectorInput::Floats(vector(id, form).to_vec());
    let search = Search { effort, ..Search::new(queries, 10) };
    engine.search_blocking("", NAME, search, Cancel::never()).expect("a search")
}

fn ids(answer: &SearchAnswer) -> Vec<i64> {
    match &answer.results[0].rows.ids {
        Ids::Int(ids) => ids.clone(),
        Ids::Str(_) => panic!("integer ids"),
    }
}

/// Waits until searches compare with few of the rows, and no longer with fewer: all
/// are in the graph.
fn wait_for_graph(engine: &Engine) {
    let (mut last, mut same) = (u64::MAX, 0);
    for _ in 0..1_000 {
        let distances = search(engine, 5, 0, Effort::Candidates(64)).report.distances;
        same = if distances == last { same + 1 } else { 0 };
        last = distances;
        if distances < ROWS.cast_unsigned() / 2 && same == 20 {
            return;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    panic!("the growing segment never had a graph: {last} distances");
}

fn check_recall(engine: &Engine, form: i64) {
    let (mut found, mut wanted) = (0, 0);
    for id in (0..ROWS).step_by(97) {
        let exact = ids(&search(engine, id, form, Effort::Exact));
        let near = ids(&search(engine, id, form, Effort::Candidates(64)));
        assert_eq!(near.len(), exact.len());
        found += near.iter().filter(|id| exact.contains(id)).count();
        wanted += exact.len();
    }
    assert!(found * 100 >= wanted * 97, "{found} of {wanted} neighbours were found");
}

#[test]
fn rows_are_found_as_soon_as_they_are_acknowledged_and_deleted_ones_never() {
    let disk = SimDisk::new(1);
    let engine = engine(&disk);
    for batch in 0..ROWS / 500 {
        insert(&engine, &range(batch * 500..batch * 500 + 500), 0).expect("an insert");
    }
    wait_for_graph(&engine);
    for id in ROWS..ROWS + 200 {
        insert(&engine, &[id], 0).expect("an insert");
        assert_eq!(ids(&search(&engine, id, 0, Effort::Candidates(64)))[0], id);
    }
    upsert(&engine, &range(100..200), 1).expect("an upsert");
    delete(&engine, &range(300..400)).expect("a delete");
    for id in 0..500 {
        let found = ids(&search(&engine, id, 0, Effort::Candidates(64)));
        assert!(found.iter().all(|id| !(300..400).contains(id)), "{found:?}");
        let is_old = (100..200).contains(&id) || (300..400).contains(&id);
        assert!(is_old || found[0] == id, "{id}: {found:?}");
    }
    assert_eq!(ids(&search(&engine, 150, 1, Effort::Candidates(64)))[0], 150);
    check_recall(&engine, 0);
    engine.close();
}

#[test]
fn a_segment_is_never_scanned_while_it_is_sealed_and_indexed() {
    let disk = SimDisk::new(2);
    let engine = engine(&disk);
    for batch in 0..ROWS / 500 {
        insert(&engine, &range(batch * 500..batch * 500 + 500), 0).expect("an insert");
    }
    // Sealed rows have other places than those in memory.
    delete(&engine, &range(0..50)).expect("a delete");
    wait_for_graph(&engine);
    let is_indexed = std::thread::scope(|scope| {
        let sealing = scope.spawn(|| flush(&engine));
        let mut number = 0;
        while !sealing.is_finished() {
            number = (number + 1) % 1_000;
            let id = 1_000 + number;
            let answer = search(&engine, id, 0, Effort::Candidates(64));
            assert!(answer.report.distances < ROWS.cast_unsigned() * 3 / 4, "{:?}", answer.report);
            assert_eq!(ids(&answer)[0], id);
            if number % 50 == 0 {
                delete(&engine, &[50 + number / 50]).expect("a delete");
            }
        }
        sealing.join().is_ok()
    });
    assert!(is_indexed);
    for id in 0..50 {
        let found = ids(&search(&engine, id, 0, Effort::Candidates(64)));
        assert!(!found.contains(&id), "{id} was deleted");
    }
    check_recall(&engine, 0);
    engine.close();
}

#[test]
fn groups_are_found_by_the_graph() {
    let disk = SimDisk::new(4);
    let engine = engine(&disk);
    for batch in 0..ROWS / 500 {
        insert(&engine, &range(batch * 500..batch * 500 + 500), 0).expect("an insert");
    }
    wait_for_graph(&engine);
    let (mut found, mut wanted) = (0, 0);
    for id in (1..ROWS).step_by(97) {
        // Every word has one row, but a third of the rows have none.
        let grouped = |effort| {
            let group_by = Some(GroupHits { column: "word".into(), size: 3 });
            let queries = VectorInput::Floats(vector(id, 0).to_vec());
            let search = Search { effort, group_by, ..Search::new(queries, 8) };
            engine.search_blocking("", NAME, search, Cancel::never()).expect("a search")
        };
        let (exact, near) = (grouped(Effort::Exact), grouped(Effort::Candidates(64)));
        let rows = |answer: &SearchAnswer| {
            let groups = answer.results[0].groups.iter();
            groups.map(|group| (group.key.is_none(), group.rows)).collect::<Vec<_>>()
        };
        let full = |(is_null, rows)| rows == if is_null { 3 } else { 1 };
        assert!(rows(&near).len() == 8 && rows(&near).into_iter().all(full), "{:?}", rows(&near));
        assert!(near.report.distances < ROWS.cast_unsigned() * 3 / 4, "{:?}", near.report);
        found += ids(&near).iter().filter(|id| ids(&exact).contains(id)).count();
        wanted += ids(&exact).len();
    }
    assert!(found * 100 >= wanted * 97, "{found} of {wanted} rows were found");
    engine.close();
}

#[test]
fn several_queries_of_a_request_are_answered_as_each_alone() {
    let disk = SimDisk::new(3);
    let engine = engine(&disk);
    for batch in 0..ROWS / 500 {
        insert(&engine, &range(batch * 500..batch * 500 + 500), 0).expect("an insert");
    }
    wait_for_graph(&engine);
    let queries: Vec<f32> = (0..20).flat_map(|id| vector(id * 7, 0)).collect();
    let effort = Effort::Candidates(64);
    let batch = Search { effort, ..Search::new(VectorInput::Floats(queries), 10) };
    let answer = engine.search_blocking("", NAME, batch, Cancel::never()).expect("a search");
    for (at, hits) in answer.results.iter().enumerate() {
        let id = i64::try_from(at).expect("few") * 7;
        let alone = ids(&search(&engine, id, 0, effort));
        assert_eq!(hits.rows.ids, Ids::Int(alone));
    }
    engine.close();
}
