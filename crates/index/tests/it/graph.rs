//! The graph whose vertices carry codes of their neighbours.

use crate::data::{Random, clustered, exact, mean_recall, open, pool, search, store};
use bytes::Bytes;
use vicinal_index::{Index, IndexError, IndexParams, Progress, Vectors, section};
use vicinal_types::{Bitmap, Cancel, ElementType, GraphParams, Metric, VectorType};

const ROWS: usize = 4_000;

fn build_on(vectors: &Vectors, threads: usize) -> Index {
    let params = IndexParams::Graph(GraphParams { m: 16, ef_construction: 64, seed: 3 });
    Index::build(&params, vectors, &pool(threads), &Progress::default(), &Cancel::never())
        .expect("right parameters")
}

/// Stored rows and queries of the same clusters.
fn data(dim: usize, element: ElementType, metric: Metric) -> (Vectors, Vectors) {
    let vector = VectorType::new(u32::try_from(dim).expect("small"), element, metric);
    let vector = vector.expect("a right type");
    let all = clustered(ROWS + 50, dim, 10, 5);
    let (base, queries) = all.split_at(ROWS * dim);
    (store(vector, base), store(vector, queries))
}

#[test]
fn every_metric_and_element_is_found() {
    use ElementType::{Bf16, F16, F32, I8, U8};
    for (element, metric) in [
        (F32, Metric::L2),
        (F32, Metric::InnerProduct),
        (F16, Metric::L2),
        (Bf16, Metric::L2),
        (U8, Metric::L2),
        (I8, Metric::L2),
    ] {
        let (vectors, queries) = data(24, element, metric);
        let index = build_on(&vectors, 2);
        let recall = mean_recall(&index, &vectors, &queries, 10, 100, None);
        assert!(recall > 0.95, "{element} {metric}: {recall}");
    }
}

#[test]
fn values_beyond_binary16_are_found() {
    for scale in [1e-6, 1e6] {
        let vector = VectorType::new(24, ElementType::F32, Metric::L2).expect("a right type");
        let mut all = clustered(ROWS + 50, 24, 10, 5);
        all.iter_mut().for_each(|value| *value *= scale);
        let (base, queries) = all.split_at(ROWS * 24);
        let (vectors, queries) = (store(vector, base), store(vector, queries));
        let recall = mean_recall(&build_on(&vectors, 2), &vectors, &queries, 10, 100, None);
        assert!(recall > 0.95, "{scale}: {recall}");
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (vectors, _) = data(24, ElementType::F32, Metric::L2);
    let sections = build_on(&vectors, 1).sections();
    assert!(sections == build_on(&vectors, 3).sections(), "same parameters and rows, same bytes");
}

#[test]
fn rows_that_are_equal_or_alike_are_all_found() {
    // Two thousand copies of one row, two thousand that differ from it by less
    // than a code can tell, and two thousand others.
    let vector = VectorType::new(24, ElementType::F32, Metric::L2).expect("a right type");
    let mut random = Random(4);
    let mut values = vec![50.0; 4_000 * 24];
    for row in 2_000..4_000 {
        values[row * 24] += row as f32 * 1e-4;
    }
    values.extend(clustered(2_000, 24, 10, 5));
    let vectors = store(vector, &values);
    let index = build_on(&vectors, 2);
    for _ in 0..20 {
        let row = u32::try_from(random.below(6_000)).expect("small");
        let query = vectors.row(row);
        let found = search(&index, &vectors, query, 50, 100, None);
        let nearest = found.neighbors[0].key;
        assert!(nearest < 1e-2, "row {row} itself, a copy or one that is alike: {nearest}");
        assert_eq!(found.neighbors.len(), 50);
    }
    let query = vectors.row(0);
    let all = search(&index, &vectors, query, 6_000, 10, None);
    assert_eq!(all.neighbors, exact(&vectors, query, 6_000, None));
}

/// What a search costs is pinned but for a few steps: instruction sets round the
/// estimates differently.
#[test]
fn work_is_pinned() {
    let (vectors, queries) = data(24, ElementType::U8, Metric::L2);
    let index = build_on(&vectors, 2);
    let work = |effort, mask: Option<&Bitmap>| {
        let each = (0..queries.len()).map(|query| {
            search(&index, &vectors, queries.row(query), 10, effort, mask).work.expanded
        });
        each.sum::<u64>() / u64::from(queries.len())
    };
    for (effort, expected) in [(10, 39), (20, 56), (40, 87)] {
        let found = work(effort, None);
        assert!(
            found.abs_diff(expected) <= 1 + expected / 20,
            "effort {effort}: {found} vertices expanded, {expected} expected"
        );
    }
}

#[test]
fn damaged_records_are_searched_without_harm() {
    let (vectors, queries) = data(24, ElementType::F32, Metric::L2);
    let sections = build_on(&vectors, 2).sections();
    let mut random = Random(8);
    for kind in [section::GRAPH_RECORDS, section::GRAPH_LANDMARKS, section::GRAPH_MEAN] {
        for round in 0..20 {
            let mut damaged = sections.clone();
            let place = damaged.iter_mut().find(|section| section.0 == kind).expect("there");
            let mut bytes = place.2.to_vec();
            let count = if round % 2 == 0 { 100 } else { bytes.len() };
            for _ in 0..count {
                let at = random.below(bytes.len() as u64);
                let bits = random.below(256);
                bytes[usize::try_from(at).expect("small")] ^= u8::try_from(bits).expect("small");
            }
            place.2 = Bytes::from(bytes);
            let index = open(&damaged, &vectors).expect("what a search follows, it checks itself");
            for query in 0..5 {
                let found = search(&index, &vectors, queries.row(query), 10, 30, None);
                assert_eq!(found.neighbors.len(), 10);
            }
        }
    }
}

#[test]
fn sections_that_contradict_themselves_are_refused() {
    let (vectors, _) = data(24, ElementType::F32, Metric::L2);
    let sections = build_on(&vectors, 2).sections();
    for at in 0..sections.len() {
        let (kind, _, bytes) = &sections[at];
        let mut wrong = vec![Bytes::new(), bytes.slice(..bytes.len().saturating_sub(4))];
        if *kind == section::HEADER {
            // Whatever `ef_construction` was, the graph is a graph.
            for byte in [0, 4, 8, 12, 20] {
                let mut changed = bytes.to_vec();
                changed[byte] ^= 0x55;
                wrong.push(Bytes::from(changed));
            }
        }
        if *kind == section::GRAPH_ORDER {
            let mut twice = bytes.to_vec();
            twice.copy_within(0..4, 4);
            wrong.push(Bytes::from(twice));
        }
        // Without copies or landmarks an index is whole.
        let may_be_empty = [section::HNSW_DUPLICATES, section::GRAPH_LANDMARKS];
        wrong.retain(|bytes| !bytes.is_empty() || !may_be_empty.contains(kind));
        for bytes in wrong.into_iter().filter(|wrong| wrong != bytes) {
            let mut damaged = sections.clone();
            damaged[at].2 = bytes;
            let error = open(&damaged, &vectors).err();
            assert!(matches!(error, Some(IndexError::Damaged { .. })), "section {kind}: {error:?}");
        }
    }
}
