//! Segments on the NUMA nodes of a described machine.

use crate::fixture::{NAME, flush, insert, options, range, spec, vector};
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use vicinal_engine::{
    Engine, EngineOptions, NodeStats, Search, SearchAnswer, SearchReport, Topology,
};
use vicinal_storage::SimDisk;
use vicinal_types::{
    Cancel, CollectionSpec, Effort, ErrorKind, Ids, IndexKind, IndexSpec, Metric, VectorInput,
};

const SEGMENTS: i64 = 4;
const ROWS: i64 = 2_000;
const QUERIES: i64 = 200;

/// Sealed segments of one size, and rows that are still in memory.
fn engine(topology: &str, kind: IndexKind) -> Engine {
    let topology = Topology::from_synthetic(topology).expect("hwloc knows it");
    let options = EngineOptions {
        search_threads: topology.core_count(),
        topology,
        pin_threads: true,
        ..options(Arc::new(SimDisk::new(3)))
    };
    let engine = Engine::open(options).expect("an empty disk");
    let mut declared: CollectionSpec = spec(Metric::L2);
    declared.indexes.insert("v".into(), IndexSpec { kind, m: 8, ..IndexSpec::default() });
    engine.create_collection("", declared, None).expect("a right declaration");
    for segment in 0..SEGMENTS {
        insert(&engine, &range(segment * ROWS..segment * ROWS + ROWS), 0).expect("an insert");
        flush(&engine);
    }
    insert(&engine, &range(SEGMENTS * ROWS..SEGMENTS * ROWS + 50), 0).expect("an insert");
    engine
}

fn search(engine: &Engine, queries: i64, effort: Effort) -> SearchAnswer {
    let floats = (0..queries).flat_map(|id| vector(id, 1)).collect();
    let search = Search { offset: 2, effort, ..Search::new(VectorInput::Floats(floats), 10) };
    engine.search_blocking("", NAME, search, Cancel::never()).expect("a search")
}

fn ids(answer: &SearchAnswer) -> Vec<Vec<i64>> {
    let of_query = |ids: &Ids| match ids {
        Ids::Int(ids) => ids.clone(),
        Ids::Str(_) => panic!("integer ids"),
    };
    answer.results.iter().map(|hits| of_query(&hits.rows.ids)).collect()
}

fn searches(nodes: &[NodeStats]) -> u64 {
    nodes.iter().map(|node| node.local_searches + node.remote_searches).sum()
}

/// Whether the machine has the two cores that the described one has.
fn has_cores() -> bool {
    let cores = Topology::detect();
    let cores: BTreeSet<_> = cores.nodes().iter().flat_map(|node| node.cores.clone()).collect();
    cores.contains(&0) && cores.contains(&1)
}

/// On which cores the system lets the threads of that name run.
fn cores_of(name: &str) -> BTreeSet<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux tells");
    let status = |task: fs::DirEntry| fs::read_to_string(task.path().join("status")).ok();
    let statuses = tasks.filter_map(|task| status(task.expect("an entry")));
    let is_named = |status: &String| status.starts_with(&format!("Name:\t{name}\n"));
    let cores = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        line.map(|cores| cores.trim().to_owned())
    };
    statuses.filter(is_named).filter_map(cores).collect()
}

#[test]
fn segments_lie_on_nodes_and_are_searched_there() {
    if !has_cores() {
        return;
    }
    for kind in [IndexKind::Flat, IndexKind::Hnsw, IndexKind::IvfFlat] {
        let engine = engine("node:2 core:1 pu:1", kind);
        // Of one thread a node each, no other test has a second.
        assert!(cores_of("search-1-0").contains("1"), "pinned: {:?}", cores_of("search-1-0"));
        let answer = search(&engine, QUERIES, Effort::Exact);
        assert_eq!((answer.report.segments, answer.results.len()), (5, 200));
        let nodes = engine.stats().nodes;
        let shown: Vec<_> = nodes.iter().map(|node| (node.pieces, node.search_threads)).collect();
        assert_eq!(shown, [(2, 1), (2, 1)], "two segments and a thread each");
        assert!(nodes.iter().all(|node| node.bytes > 0), "{nodes:?}");
        let local: u64 = nodes.iter().map(|node| node.local_searches).sum();
        assert!(local > 0, "whoever begins takes its own first: {nodes:?}");
        assert!(searches(&nodes) >= 4, "every segment is counted: {nodes:?}");
        engine.close();
    }
}

#[test]
fn nodes_change_nothing_of_an_answer() {
    for (kind, effort) in [
        (IndexKind::Flat, Effort::Exact),
        (IndexKind::IvfFlat, Effort::Candidates(10_000)),
        (IndexKind::Hnsw, Effort::Candidates(4_000)),
    ] {
        let (one, two) = (engine("node:1 core:2 pu:1", kind), engine("node:2 core:1 pu:1", kind));
        for queries in [1, 3, QUERIES] {
            let answers = [&one, &two].map(|engine| search(engine, queries, effort));
            assert_eq!(ids(&answers[0]), ids(&answers[1]), "{kind:?}, {queries} queries");
            let [few, many] = answers.map(|answer| SearchReport { distances: 0, ..answer.report });
            assert_eq!(few, many);
        }
        assert_eq!(searches(&one.stats().nodes), 0, "one node has nothing to count");
        assert!(searches(&two.stats().nodes) > 0);
        one.close();
        two.close();
    }
}

#[test]
fn a_search_over_nodes_stops_when_nobody_waits() {
    let engine = engine("node:2 core:1 pu:1", IndexKind::Flat);
    let floats = (0..QUERIES).flat_map(|id| vector(id, 1)).collect();
    let search = Search { effort: Effort::Exact, ..Search::new(VectorInput::Floats(floats), 10) };
    let cancel = Cancel::never();
    cancel.cancel();
    let error = engine.search_blocking("", NAME, search, cancel).expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    engine.close();
}
