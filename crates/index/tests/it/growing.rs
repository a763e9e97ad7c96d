//! Inserting into a graph while it is searched.

use crate::data::{Random, clustered, exact, l2, pool, recall, store};
use proptest::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering};
use vicinal_index::{Found, GrowingHnsw, HnswParams, IndexError, Scratch, Search, Vectors};
use vicinal_types::{Bitmap, Cancel, ElementType, HnswCodes, Metric, Stopped, VectorType};

fn graph(vectors: &Vectors, m: u32, capacity: u32) -> GrowingHnsw {
    let params = HnswParams { m, ef_construction: 64, seed: 3, codes: HnswCodes::None };
    GrowingHnsw::new(params, vectors.vector_type(), capacity).expect("right parameters")
}

fn grown(vectors: &Vectors, m: u32) -> GrowingHnsw {
    let graph = graph(vectors, m, vectors.len());
    (0..vectors.len()).for_each(|row| graph.insert(|row| vectors.row(row), row));
    assert_eq!(graph.inserted(), vectors.len());
    graph
}

fn search(
    graph: &GrowingHnsw,
    vectors: &Vectors,
    visible: u32,
    query: &[u8],
    search: &Search<'_>,
) -> Found {
    let mut scratch = Scratch::default();
    let never = Cancel::never();
    let found = graph.search(|row| vectors.row(row), visible, query, search, &mut scratch, &never);
    found.expect("not stopped")
}

/// The first rows only.
fn first(vectors: &Vectors, rows: u32) -> Vectors {
    let bytes = rows as usize * vectors.vector_type().row_bytes();
    Vectors::new(vectors.vector_type(), vectors.bytes().slice(..bytes)).expect("whole rows")
}

fn mean_recall(
    graph: &GrowingHnsw,
    vectors: &Vectors,
    visible: u32,
    queries: &Vectors,
    allowed: Option<&Bitmap>,
) -> f64 {
    let seen = first(vectors, visible);
    let each = (0..queries.len()).map(|query| {
        let query = queries.row(query);
        let asked = Search { allowed, ..Search::new(10, 64) };
        let found = search(graph, vectors, visible, query, &asked);
        recall(&found.neighbors, &exact(&seen, query, 10, allowed), allowed)
    });
    each.sum::<f64>() / f64::from(queries.len())
}

#[test]
fn a_grown_graph_finds_what_was_inserted() {
    let check = |vector, floor| {
        let all = clustered(6_050, 24, 30, 1);
        let (base, queries) = all.split_at(6_000 * 24);
        let (vectors, queries) = (store(vector, base), store(vector, queries));
        let graph = grown(&vectors, 12);
        let found = mean_recall(&graph, &vectors, vectors.len(), &queries, None);
        assert!(found >= floor, "{vector:?}: {found}");
    };
    check(l2(24), 0.97);
    for metric in [Metric::Cosine, Metric::InnerProduct] {
        let vector = VectorType::new(24, ElementType::F16, metric).expect("a right type");
        check(vector, if metric == Metric::Cosine { 0.97 } else { 0.85 });
    }
}

#[test]
fn a_search_sees_only_the_rows_that_its_caller_sees() {
    let all = clustered(3_020, 16, 10, 2);
    let (base, queries) = all.split_at(3_000 * 16);
    let (vectors, queries) = (store(l2(16), base), store(l2(16), queries));
    let graph = grown(&vectors, 8);
    for visible in [0, 1, 5, 100, 1_000, 2_999, 3_000] {
        let found = mean_recall(&graph, &vectors, visible, &queries, None);
        assert!(found >= 0.93, "of {visible} rows: {found}");
    }
    // Every row that is visible can be reached through visible rows only.
    for visible in [1, 700, 3_000] {
        let all = Search::new(visible as usize, 0);
        let asked = Search { effort: visible as usize - 1, ..all };
        let found = search(&graph, &vectors, visible, queries.row(0), &asked);
        assert_eq!(found.neighbors.len(), visible as usize);
    }
}

#[test]
fn masks_may_range_over_more_rows_and_give_as_many_as_there_are() {
    let all = clustered(4_020, 16, 20, 4);
    let (base, queries) = all.split_at(4_000 * 16);
    let (vectors, queries) = (store(l2(16), base), store(l2(16), queries));
    let graph = grown(&vectors, 8);
    for permille in [0, 1, 20, 200, 600, 990] {
        let mut mask = Bitmap::new(8_192);
        let mut random = Random(permille);
        (0..8_192).filter(|_| random.below(1_000) < permille).for_each(|row| _ = mask.insert(row));
        for visible in [4_000, 3_333] {
            let found = mean_recall(&graph, &vectors, visible, &queries, Some(&mask));
            assert!(found >= 0.93, "{permille} of 1,000, {visible} rows: {found}");
        }
    }
}

#[test]
fn copies_are_chained_and_hide_nothing() {
    let mut values = clustered(4_000, 16, 10, 3);
    let copy = values[3 * 16..4 * 16].to_vec();
    (3..4_000).step_by(4).for_each(|row| values[row * 16..][..16].copy_from_slice(&copy));
    let vectors = store(l2(16), &values);
    let graph = grown(&vectors, 8);
    let asked = Search::new(10, 32);
    let found = search(&graph, &vectors, 4_000, vectors.row(3), &asked);
    assert_eq!(found.neighbors, exact(&vectors, vectors.row(3), 10, None), "the lowest ten");
    let mut mask = Bitmap::full(4_000);
    (3..2_000).step_by(4).for_each(|row| _ = mask.remove(row));
    let asked = Search { allowed: Some(&mask), ..asked };
    let found = search(&graph, &vectors, 4_000, vectors.row(3), &asked);
    assert_eq!(found.neighbors, exact(&vectors, vectors.row(3), 10, Some(&mask)));
    let near = search(&graph, &vectors, 4_000, vectors.row(0), &Search::new(1, 16));
    assert_eq!(near.neighbors[0].row, 0);
}

#[test]
fn readers_and_writers_work_at_the_same_time() {
    const ROWS: u32 = 6_000;
    let all = clustered(ROWS as usize + 50, 16, 20, 5);
    let (base, queries) = all.split_at(ROWS as usize * 16);
    let (vectors, queries) = (store(l2(16), base), store(l2(16), queries));
    let graph = graph(&vectors, 10, ROWS);
    graph.insert(|row| vectors.row(row), 0);
    let next = AtomicU32::new(1);
    pool(4).broadcast(|thread| {
        let mut scratch = Scratch::default();
        let is_writer = thread.index() < 2;
        loop {
            if is_writer {
                let row = next.fetch_add(1, Ordering::Relaxed);
                if row >= ROWS {
                    return;
                }
                graph.insert(|row| vectors.row(row), row);
                continue;
            }
            let visible = graph.inserted();
            let query = queries.row(visible % queries.len());
            let (asked, never) = (Search::new(10, 64), Cancel::never());
            let found = graph
                .search(|row| vectors.row(row), visible, query, &asked, &mut scratch, &never)
                .expect("not stopped");
            assert_eq!(found.neighbors.len(), visible.min(10) as usize);
            assert!(found.neighbors.iter().all(|neighbor| neighbor.row < visible));
            if visible == ROWS {
                return;
            }
        }
    });
    assert_eq!(graph.inserted(), ROWS);
    let found = mean_recall(&graph, &vectors, ROWS, &queries, None);
    assert!(found >= 0.95, "{found}");
}

#[test]
fn bounds_parameters_and_cancelling_are_respected() {
    let vectors = store(l2(4), &clustered(500, 4, 3, 1));
    let params = HnswParams { m: 1, ef_construction: 64, seed: 3, codes: HnswCodes::None };
    let error = GrowingHnsw::new(params, vectors.vector_type(), 10).expect_err("m is too small");
    assert!(matches!(error, IndexError::Parameter { name: "m", .. }));
    let graph = grown(&vectors, 4);
    assert_eq!(graph.capacity(), 500);
    assert!((500 * (8 + 3) * 4..500 * 80).contains(&graph.bytes()), "{}", graph.bytes());
    let query = vectors.row(7);
    let near = search(&graph, &vectors, 500, query, &Search { within: 0.0, ..Search::new(5, 9) });
    assert!(near.neighbors.iter().all(|neighbor| neighbor.key == 0.0), "{near:?}");
    assert!(!near.neighbors.is_empty());
    let cancel = Cancel::never();
    cancel.cancel();
    let (mut scratch, asked) = (Scratch::default(), Search::new(500, 500));
    let found = graph.search(|row| vectors.row(row), 500, query, &asked, &mut scratch, &cancel);
    assert_eq!(found.expect_err("cancelled"), Stopped::Cancelled);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    /// Clusters far apart, few values (so many copies), any order of inserting
    /// and searching: each search with room for all finds every row.
    #[test]
    fn every_row_inserted_can_be_reached(
        m in 2u32..6,
        values in 2u64..40,
        steps in proptest::collection::vec((1u32..60, 0u32..300), 1..12),
        seed in any::<u64>(),
    ) {
        let mut random = Random(seed);
        let rows: u32 = steps.iter().map(|step| step.0).sum();
        let numbers: Vec<f32> = (0..rows * 2)
            .map(|_| random.below(values) as f32 + 1_000.0 * random.below(3) as f32)
            .collect();
        let vectors = store(l2(2), &numbers);
        let graph = graph(&vectors, m, rows);
        let mut inserted = 0;
        for (count, query) in steps {
            for _ in 0..count {
                graph.insert(|row| vectors.row(row), inserted);
                inserted += 1;
            }
            prop_assert_eq!(graph.inserted(), inserted);
            let query = vectors.row(query % rows);
            // One less than all rows: the graph is walked, not scanned.
            let effort = (inserted as usize - 1).max(1);
            let found = search(&graph, &vectors, inserted, query, &Search::new(effort, effort));
            prop_assert_eq!(found.neighbors, exact(&first(&vectors, inserted), query, effort, None));
        }
    }
}
