//! What a search allocates beyond its answer.

use crate::fixture::{NAME, flush, insert, open, options, range, spec, vector};
use allocation_counter::measure;
use std::sync::{Arc, mpsc};
use vicinal_engine::{Engine, EngineOptions, Search, SearchAnswer};
use vicinal_storage::SimDisk;
use vicinal_types::{
    Cancel, CollectionSpec, Effort, ElementType, IndexKind, IndexSpec, Metric, VectorInput,
};

const SEGMENTS: i64 = 8;
const ROWS: i64 = 1_500;

/// The list of answers, of one the ids and the scores: what the caller gets.
const ANSWER: u64 = 3;

/// The plans of the segments, which go from thread to thread with the search, and
/// the count of those who share the bytes of the queries.
const BEYOND: u64 = 2;

/// Eight sealed segments, and one that grows.
fn segments(kind: IndexKind) -> (SimDisk, Engine) {
    let disk = SimDisk::new(9);
    let engine = open(&disk).expect("an empty disk");
    let mut declared: CollectionSpec = spec(Metric::L2);
    declared.indexes.insert("v".into(), IndexSpec { kind, m: 8, ..IndexSpec::default() });
    engine.create_collection("", declared, None).expect("a right declaration");
    for segment in 0..SEGMENTS {
        insert(&engine, &range(segment * ROWS..segment * ROWS + ROWS), 0).expect("an insert");
        flush(&engine);
    }
    insert(&engine, &range(SEGMENTS * ROWS..SEGMENTS * ROWS + 100), 0).expect("an insert");
    (disk, engine)
}

/// Searches on this thread; the answer and how often it allocated.
fn search(engine: &Engine, id: i64, k: usize) -> (SearchAnswer, u64) {
    let bytes = vector(id, 1).into_iter().flat_map(f32::to_le_bytes).collect();
    let queries = VectorInput::Packed { element: ElementType::F32, bytes };
    let search = Search { effort: Effort::Candidates(10), ..Search::new(queries, k) };
    let (sender, receiver) = mpsc::sync_channel(1);
    let done = Box::new(move |answer| sender.send(answer).expect("the receiver waits"));
    let cancel = Cancel::never();
    let counted = measure(|| engine.search("", NAME, search, cancel, done));
    (receiver.try_recv().expect("it ran here").expect("a search"), counted.count_total)
}

#[test]
fn a_search_of_many_segments_allocates_its_answer_and_little_else() {
    for kind in [IndexKind::Flat, IndexKind::Hnsw, IndexKind::IvfFlat] {
        let (_, engine) = segments(kind);
        let (answer, warming) = search(&engine, 3, 100);
        assert_eq!((answer.report.segments, answer.results[0].scores.len()), (9, 100));
        assert!(warming > ANSWER + BEYOND, "the scratch grows, or nothing is counted");
        let searches = (0..20).flat_map(|id| [(id, 10), (id, 100)]);
        for (id, k) in searches.clone() {
            // Scans and walks grow parts of their own, for some queries more.
            search(&engine, id, k);
        }
        for (id, k) in searches {
            let (answer, counted) = search(&engine, id, k);
            if kind == IndexKind::Hnsw && k == 10 {
                assert_eq!(answer.report.scanned_segments, 1, "the graphs are searched");
            }
            assert_eq!(counted, ANSWER + BEYOND, "{kind:?}, query {id}, k {k}");
        }
        let stats = engine.stats().scratch;
        assert_eq!(stats.taken, stats.returned, "every buffer came back");
        engine.close();
    }
}

#[test]
fn buffers_are_there_before_the_first_search() {
    let disk = SimDisk::new(2);
    let mut options: EngineOptions = options(Arc::new(disk));
    options.scratch.buffers = 3;
    let few = Engine::open(options.clone()).expect("an empty disk");
    let free_bytes = few.stats().scratch.free_bytes;
    assert!(free_bytes > 0, "the search pool has its buffers");
    few.close();
    drop(few);
    options.scratch.bytes_max = 1_000;
    let bounded = Engine::open(options).expect("it was closed");
    assert!((1..=1_000).contains(&bounded.stats().scratch.free_bytes), "{free_bytes} before");
    bounded.close();
}
