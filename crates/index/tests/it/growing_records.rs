//! Inserting into a graph of records while it is searched.

use crate::data::{Random, clustered, exact, l2, pool, recall, store};
use proptest::prelude::*;
use vicinal_index::{Found, GrowingRecords, IndexError, Scratch, Search, Vectors};
use vicinal_types::{Bitmap, Cancel, ElementType, GraphParams, Metric, Stopped, VectorType};

const M: u32 = 16;

fn graph(vectors: &Vectors, m: u32, capacity: u32) -> GrowingRecords {
    let params = GraphParams { m, ef_construction: 64, seed: 3 };
    let sample = first(vectors, vectors.len().min(500));
    GrowingRecords::new(params, &sample, capacity).expect("right parameters")
}

fn insert(graph: &GrowingRecords, vectors: &Vectors, rows: u32) {
    for _ in 0..rows {
        graph.insert_next(|row| vectors.row(row)).expect("there is memory");
    }
}

fn grown(vectors: &Vectors) -> GrowingRecords {
    let graph = graph(vectors, M, vectors.len());
    insert(&graph, vectors, vectors.len());
    assert_eq!(graph.inserted(), vectors.len());
    graph
}

fn search(
    graph: &GrowingRecords,
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
    graph: &GrowingRecords,
    vectors: &Vectors,
    visible: u32,
    queries: &Vectors,
    (effort, allowed): (usize, Option<&Bitmap>),
) -> f64 {
    let seen = first(vectors, visible);
    let each = (0..queries.len()).map(|query| {
        let query = queries.row(query);
        let asked = Search { allowed, ..Search::new(10, effort) };
        let found = search(graph, vectors, visible, query, &asked);
        let keys = |row| vectors.comparer().key(query, vectors.row(row));
        assert!(found.neighbors.iter().all(|of| of.key == keys(of.row)), "keys are exact");
        recall(&found.neighbors, &exact(&seen, query, 10, allowed), allowed)
    });
    each.sum::<f64>() / f64::from(queries.len())
}

/// Stored rows, and queries of the same clusters.
fn data(rows: usize, dim: u32, element: ElementType, metric: Metric) -> (Vectors, Vectors) {
    let kind = VectorType::new(dim, element, metric).expect("a right type");
    let all = clustered(rows + 50, dim as usize, 20, 5);
    let (base, queries) = all.split_at(rows * dim as usize);
    (store(kind, base), store(kind, queries))
}

#[test]
fn every_metric_element_and_dimension_is_found() {
    use ElementType::{Bf16, F16, F32, I8, U8};
    for (dim, element, metric, floor) in [
        (24, F32, Metric::L2, 0.97),
        (1, F32, Metric::L2, 0.97),
        (130, F32, Metric::Cosine, 0.97),
        (24, F32, Metric::InnerProduct, 0.85),
        (65, F16, Metric::Cosine, 0.97),
        (24, Bf16, Metric::L2, 0.97),
        (100, U8, Metric::L2, 0.97),
        (24, I8, Metric::L2, 0.97),
    ] {
        let (vectors, queries) = data(5_000, dim, element, metric);
        let graph = grown(&vectors);
        let mean = |effort| mean_recall(&graph, &vectors, 5_000, &queries, (effort, None));
        let (few, many) = (mean(32), mean(100));
        assert!(few >= floor - 0.05 && many >= floor, "{dim} {element} {metric}: {few}, {many}");
    }
}

#[test]
fn what_comes_after_the_first_rows_may_be_far_from_them_and_large() {
    let mut all = clustered(4_050, 24, 20, 5);
    all[500 * 24..].iter_mut().for_each(|value| *value = *value * 300.0 + 40_000.0);
    // A few are beyond what half as many bits hold.
    all[2_000 * 24..][..24].iter_mut().for_each(|value| *value *= 1e6);
    let (base, queries) = all.split_at(4_000 * 24);
    let (vectors, queries) = (store(l2(24), base), store(l2(24), queries));
    let graph = grown(&vectors);
    let found = mean_recall(&graph, &vectors, 4_000, &queries, (64, None));
    assert!(found >= 0.9, "{found}");
    let far = search(&graph, &vectors, 4_000, vectors.row(2_000), &Search::new(1, 64));
    assert!(far.neighbors[0].key.is_finite());
}

#[test]
fn a_search_sees_only_the_rows_that_its_caller_sees() {
    let (vectors, queries) = data(3_000, 16, ElementType::F32, Metric::L2);
    let graph = grown(&vectors);
    for visible in [0, 1, 5, 100, 1_000, 2_999, 3_000] {
        let found = mean_recall(&graph, &vectors, visible, &queries, (64, None));
        assert!(found >= 0.93, "of {visible} rows: {found}");
    }
}

#[test]
fn masks_may_range_over_more_rows_and_give_as_many_as_there_are() {
    let (vectors, queries) = data(4_000, 16, ElementType::F32, Metric::L2);
    let graph = grown(&vectors);
    for permille in [0, 1, 20, 200, 600, 990] {
        let mut mask = Bitmap::new(8_192);
        let mut random = Random(permille);
        (0..8_192).filter(|_| random.below(1_000) < permille).for_each(|row| _ = mask.insert(row));
        for visible in [4_000, 3_333] {
            let found = mean_recall(&graph, &vectors, visible, &queries, (64, Some(&mask)));
            assert!(found >= 0.93, "{permille} of 1,000, {visible} rows: {found}");
        }
    }
}

#[test]
fn what_is_near_is_found_where_all_that_is_nearer_was_deleted() {
    let (vectors, _) = data(6_000, 16, ElementType::F32, Metric::L2);
    let graph = grown(&vectors);
    let mut right = 0.0;
    for query in (0..6_000).step_by(300) {
        let query = vectors.row(query);
        let mut live = Bitmap::full(6_000);
        exact(&vectors, query, 600, None).iter().for_each(|of| _ = live.remove(of.row));
        let asked = Search { allowed: Some(&live), ..Search::new(10, 64) };
        let found = search(&graph, &vectors, 6_000, query, &asked);
        right += recall(&found.neighbors, &exact(&vectors, query, 10, Some(&live)), Some(&live));
    }
    assert!(right / 20.0 >= 0.9, "{}", right / 20.0);
}

#[test]
fn copies_are_chained_and_hide_nothing() {
    let mut values = clustered(4_000, 16, 10, 3);
    let copy = values[3 * 16..4 * 16].to_vec();
    (3..4_000).step_by(4).for_each(|row| values[row * 16..][..16].copy_from_slice(&copy));
    let vectors = store(l2(16), &values);
    let graph = grown(&vectors);
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
fn rows_that_are_alike_are_all_found() {
    // Two thousand that differ by less than a record holds, and as many others.
    let mut values = vec![50.0; 2_000 * 24];
    (0..2_000).for_each(|row| values[row * 24] += row as f32 * 1e-4);
    values.extend(clustered(2_000, 24, 10, 5));
    let vectors = store(l2(24), &values);
    let graph = grown(&vectors);
    for row in (0..4_000).step_by(137) {
        let found = search(&graph, &vectors, 4_000, vectors.row(row), &Search::new(50, 100));
        assert_eq!(found.neighbors.len(), 50);
        let nearest = found.neighbors[0].key;
        assert!(nearest < 1e-2, "row {row} itself or one that is alike: {nearest}");
    }
}

#[test]
fn many_read_while_one_writes() {
    const ROWS: u32 = 6_000;
    let (vectors, queries) = data(ROWS as usize, 16, ElementType::F32, Metric::L2);
    let graph = graph(&vectors, M, ROWS);
    pool(4).broadcast(|thread| {
        if thread.index() == 0 {
            return insert(&graph, &vectors, ROWS);
        }
        let (mut scratch, never) = (Scratch::default(), Cancel::never());
        let (mut right, mut searches) = (0.0, 0.0);
        loop {
            let visible = graph.inserted();
            let query = queries.row(visible % queries.len());
            let asked = Search::new(10, 100);
            let found = graph
                .search(|row| vectors.row(row), visible, query, &asked, &mut scratch, &never)
                .expect("not stopped");
            let keys = |row| vectors.comparer().key(query, vectors.row(row));
            assert!(found.neighbors.iter().all(|of| of.row < visible && of.key == keys(of.row)));
            right +=
                recall(&found.neighbors, &exact(&first(&vectors, visible), query, 10, None), None);
            searches += 1.0;
            if visible == ROWS {
                break;
            }
        }
        assert!(right / searches >= 0.95, "{right} of {searches}");
    });
    assert_eq!(graph.inserted(), ROWS);
    let found = mean_recall(&graph, &vectors, ROWS, &queries, (64, None));
    assert!(found >= 0.95, "{found}");
}

#[test]
fn long_searches_see_what_was_there_when_they_began() {
    // All rows are wanted, so a search goes through all records while most are replaced.
    const ROWS: u32 = 3_000;
    let (vectors, _) = data(ROWS as usize, 16, ElementType::F32, Metric::L2);
    let graph = graph(&vectors, M, ROWS);
    insert(&graph, &vectors, 500);
    pool(3).broadcast(|thread| {
        if thread.index() == 0 {
            return insert(&graph, &vectors, ROWS - 500);
        }
        while graph.inserted() < ROWS {
            let visible = graph.inserted();
            let k = visible as usize - 1;
            let query = vectors.row(visible - 1);
            let found = search(&graph, &vectors, visible, query, &Search::new(k, k));
            let truth = exact(&first(&vectors, visible), query, k, None);
            let right = recall(&found.neighbors, &truth, None);
            assert!(right >= 0.99, "{right} of {visible}");
        }
    });
}

#[test]
fn bounds_parameters_and_cancelling_are_respected() {
    let vectors = store(l2(4), &clustered(500, 4, 3, 1));
    let params = GraphParams { m: 1, ef_construction: 64, seed: 3 };
    let error = GrowingRecords::new(params, &vectors, 10).expect_err("m is too small");
    assert!(matches!(error, IndexError::Parameter { name: "m", .. }));
    let bits = VectorType::new(64, ElementType::Binary, Metric::Hamming).expect("a right type");
    let bits = store(bits, &[1.0; 64]);
    let params = GraphParams { m: 16, ..params };
    let error = GrowingRecords::new(params, &bits, 10).expect_err("bits have no such graph");
    assert!(matches!(error, IndexError::BinaryLists));
    let graph = grown(&vectors);
    assert_eq!(graph.capacity(), 500);
    assert!((500 * 64..500 * 4_096).contains(&graph.bytes()), "{}", graph.bytes());
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
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    /// Clusters far apart, few values (so many copies), any order of inserting and
    /// searching: of few rows nearly all are found that are wanted.
    #[test]
    fn of_few_rows_nearly_all_are_found(
        m in 2u32..24,
        values in 2u64..40,
        dim in 1u32..4,
        steps in proptest::collection::vec((1u32..60, 0u32..300), 1..12),
        seed in any::<u64>(),
    ) {
        let mut random = Random(seed);
        let rows: u32 = steps.iter().map(|step| step.0).sum();
        let numbers: Vec<f32> = (0..rows * dim)
            .map(|_| random.below(values) as f32 + 100.0 * random.below(3) as f32)
            .collect();
        let vectors = store(l2(dim), &numbers);
        let graph = graph(&vectors, m, rows);
        let mut inserted = 0;
        for (count, query) in steps {
            insert(&graph, &vectors, count);
            inserted += count;
            prop_assert_eq!(graph.inserted(), inserted);
            let query = vectors.row(query % rows);
            for k in [1, (inserted as usize).div_ceil(4), (inserted as usize - 1).max(1)] {
                // One less than all rows: the graph is walked, not scanned.
                let effort = (inserted as usize - 1).max(1);
                let found = search(&graph, &vectors, inserted, query, &Search::new(k, effort));
                let truth = exact(&first(&vectors, inserted), query, k, None);
                let missing = (1.0 - recall(&found.neighbors, &truth, None)) * k as f64;
                prop_assert!(missing <= (k as f64 * 0.15).max(1.0), "{missing} of {k}");
                prop_assert!(k > 1 || missing < 0.5, "the nearest is found");
            }
        }
    }
}
