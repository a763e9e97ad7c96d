//! Searches allocate nothing once their scratch has grown.
//!
//! Foreign engines are not among the subjects: their libraries allocate heaps,
//! hash tables and results of their own for every search.

use crate::data::{clustered, pool, store};
use allocation_counter::measure;
use vicinal_index::{Found, GrowingHnsw, GrowingRecords, Index, IndexParams, Progress, Scratch};
use vicinal_index::{Search, TopK, Vectors, Work, scan};
use vicinal_types::{
    Bitmap, Cancel, ElementType, FlatCodes, GraphParams, HnswCodes, HnswParams, IvfCodes,
    IvfParams, Metric, VectorType,
};

const ROWS: u32 = 4_000;
const DIM: u32 = 32;
const QUERIES: u32 = 12;

/// The rows, some of them twice, and queries near them.
fn fixture(metric: Metric, element: ElementType) -> (Vectors, Vectors) {
    let vector = VectorType::new(DIM, element, metric).expect("a right type");
    let mut base = clustered((ROWS + QUERIES) as usize, DIM as usize, 20, 5);
    let queries = base.split_off((ROWS * DIM) as usize);
    base.copy_within(..64 * DIM as usize, 100 * DIM as usize);
    (store(vector, &base), store(vector, &queries))
}

/// Masks that are scanned and masks that are searched with.
fn masks() -> Vec<Option<Bitmap>> {
    let every = |step: usize| {
        let mut mask = Bitmap::new(ROWS as usize);
        (0..ROWS).step_by(step).for_each(|row| _ = mask.insert(row));
        Some(mask)
    };
    let mut most = Bitmap::full(ROWS as usize);
    (0..ROWS).step_by(9).for_each(|row| _ = most.remove(row));
    vec![None, Some(most), every(2), every(40), every(1_999), Some(Bitmap::new(ROWS as usize))]
}

/// Every search that may take another way: by mask, `k`, effort and bound.
fn search_all(index: &Index, vectors: &Vectors, queries: &Vectors, scratch: &mut Scratch) -> usize {
    let masks = masks();
    let never = Cancel::never();
    let mut allocations = 0;
    for mask in &masks {
        for (k, effort) in [(10, 16), (10, 1_200), (100, 100)] {
            for within in [f32::INFINITY, 30.0] {
                let search = Search { allowed: mask.as_ref(), within, ..Search::new(k, effort) };
                for query in 0..queries.len() {
                    let info = measure(|| {
                        let query = queries.row(query);
                        let found = index.search(vectors, query, &search, scratch, &never);
                        scratch.give_back(found.expect("not stopped").neighbors);
                    });
                    allocations += usize::try_from(info.count_total).expect("a few");
                }
            }
        }
    }
    allocations
}

fn check(params: IndexParams, vectors: &Vectors, queries: &Vectors) {
    let index = Index::build(&params, vectors, &pool(1), &Progress::default(), &Cancel::never());
    let index = index.expect("right parameters");
    let mut scratch = Scratch::default();
    let warming = search_all(&index, vectors, queries, &mut scratch);
    let again = search_all(&index, vectors, queries, &mut scratch);
    assert!(warming > 0, "the first searches allocate, or nothing is counted");
    assert_eq!(again, 0, "{params:?}, {:?}", vectors.vector_type());
    let stats = scratch.counters().stats();
    assert!(stats.missed < 10 && stats.taken >= 720, "{stats:?}");
    assert_eq!(stats.returned, stats.taken, "every buffer came back");
}

/// Every native index of every kind of codes.
fn every_kind() -> Vec<IndexParams> {
    let hnsw = |codes| HnswParams { m: 12, ef_construction: 64, seed: 42, codes };
    let codes = [HnswCodes::None, HnswCodes::Sq8, HnswCodes::Sq4, HnswCodes::Rabitq1];
    let lists = [
        IvfCodes::None,
        IvfCodes::Sq8,
        IvfCodes::Pq { bits: 4, subvectors: 8 },
        IvfCodes::Pq { bits: 8, subvectors: 8 },
        IvfCodes::Rabitq { bits: 1 },
        IvfCodes::Rabitq { bits: 4 },
        IvfCodes::Scann { subvectors: 8 },
    ];
    let flat = [FlatCodes::Sq8, FlatCodes::Rabitq].map(IndexParams::FlatCodes);
    let lists = lists.map(|codes| IndexParams::Ivf(IvfParams { lists: 300, codes, seed: 42 }));
    let mut all = vec![IndexParams::Flat];
    all.extend(flat.into_iter().chain(lists));
    all.extend(codes.map(|codes| IndexParams::Hnsw(hnsw(codes))));
    all.extend(codes[1..].iter().map(|codes| IndexParams::Paged(hnsw(*codes))));
    all.push(IndexParams::Graph(GraphParams { m: 16, ef_construction: 64, seed: 42 }));
    all
}

#[test]
fn searches_of_every_kind_allocate_nothing() {
    let (vectors, queries) = fixture(Metric::L2, ElementType::F32);
    every_kind().into_iter().for_each(|params| check(params, &vectors, &queries));
}

#[test]
fn searches_of_half_floats_and_by_angle_allocate_nothing() {
    let (vectors, queries) = fixture(Metric::Cosine, ElementType::F16);
    every_kind().into_iter().for_each(|params| check(params, &vectors, &queries));
}

/// Searches under every mask twice; only the first time anything is allocated.
fn check_growing(
    queries: &Vectors,
    mut find: impl FnMut(&[u8], &Search<'_>, &mut Scratch) -> Found,
) {
    let (mut scratch, masks) = (Scratch::default(), masks());
    let mut search_all = || {
        let mut allocations = 0;
        for (mask, k) in masks.iter().flat_map(|mask| [(mask, 10), (mask, 100)]) {
            let search = Search { allowed: mask.as_ref(), ..Search::new(k, 128) };
            for query in 0..queries.len() {
                let info = measure(|| {
                    let found = find(queries.row(query), &search, &mut scratch);
                    scratch.give_back(found.neighbors);
                });
                allocations += info.count_total;
            }
        }
        allocations
    };
    assert!(search_all() > 0, "the first searches allocate, or nothing is counted");
    assert_eq!(search_all(), 0);
}

#[test]
fn searches_of_growing_graphs_allocate_nothing() {
    let (vectors, queries) = fixture(Metric::L2, ElementType::F32);
    let (row, never) = (|row| vectors.row(row), Cancel::never());
    let params = HnswParams { m: 12, ef_construction: 64, seed: 42, codes: HnswCodes::None };
    let graph = GrowingHnsw::new(params, vectors.vector_type(), ROWS).expect("right parameters");
    (0..ROWS).for_each(|new| graph.insert(row, new));
    check_growing(&queries, |query, search, scratch| {
        graph.search(row, ROWS, query, search, scratch, &never).expect("not stopped")
    });
    let params = GraphParams { m: 16, ef_construction: 64, seed: 42 };
    let graph = GrowingRecords::new(params, &vectors, ROWS).expect("right parameters");
    (0..ROWS).for_each(|_| graph.insert_next(row).expect("there is memory"));
    check_growing(&queries, |query, search, scratch| {
        graph.search(row, ROWS, query, search, scratch, &never).expect("not stopped")
    });
}

#[test]
fn scans_into_a_list_that_was_used_allocate_nothing() {
    let (vectors, queries) = fixture(Metric::L2, ElementType::F32);
    let (mut top, mut found, never) = (TopK::default(), Vec::new(), Cancel::never());
    let mut scan_all = |mask: Option<&Bitmap>| {
        let info = measure(|| {
            top.reset(100);
            let work = &mut Work::default();
            scan(&vectors, queries.row(0), mask, 0, &mut top, work, &never).expect("not stopped");
            found.clear();
            top.drain_into(&mut found);
        });
        info.count_total
    };
    assert!(scan_all(None) > 0);
    masks().iter().for_each(|mask| assert_eq!(scan_all(mask.as_ref()), 0));
}
