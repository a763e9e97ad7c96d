//! Range search: all rows within a distance, at the cost of those that are there.

use crate::data::{build_as, clustered, exact, l2, store};
use vicinal_index::{
    Found, GrowingHnsw, GrowingRecords, HnswParams, Index, IndexParams, Scratch, Search, Vectors,
};
use vicinal_types::{Bitmap, Cancel, ForeignGraph, GraphParams, HnswCodes};

const ROWS: usize = 20_000;
const TYPE_DIM: u32 = 16;
const DIM: usize = TYPE_DIM as usize;
const QUERIES: usize = 30;
const EFFORT: usize = 40;

fn data() -> (Vectors, Vectors) {
    let mut base = clustered(ROWS + QUERIES, DIM, 30, 9);
    let queries = base.split_off(ROWS * DIM);
    let vector = l2(TYPE_DIM);
    (store(vector, &base), store(vector, &queries))
}

fn hnsw(codes: HnswCodes) -> HnswParams {
    HnswParams { m: 12, ef_construction: 64, seed: 42, codes }
}

/// Rows found of those within a distance, and whether the cost went by them.
fn check(
    (vectors, queries): (&Vectors, &Vectors),
    what: &str,
    allowed: Option<&Bitmap>,
    mut search: impl FnMut(&[u8], &Search<'_>) -> Found,
) {
    let k = ROWS / 2;
    for near in [1, 20, 300] {
        let (mut found, mut right, mut compared) = (0, 0, 0);
        for query in (0..queries.len()).map(|query| queries.row(query)) {
            let truth = exact(vectors, query, near, allowed);
            // Nothing is nearer than half the distance of the nearest.
            let nothing = Search { within: truth[0].key / 2.0, allowed, ..Search::new(k, EFFORT) };
            assert_eq!(search(query, &nothing).neighbors, [], "{what}");
            let within = truth[near - 1].key;
            let result = search(query, &Search { within, allowed, ..Search::new(k, EFFORT) });
            let neighbors = &result.neighbors;
            assert!(neighbors.iter().all(|neighbor| neighbor.key <= within), "{what}");
            assert!(neighbors.is_sorted_by(|a, b| (a.key, a.row) < (b.key, b.row)), "{what}");
            found += neighbors.len();
            right += truth.len();
            compared += result.work.distances.max(result.work.expanded);
        }
        assert!(found <= right && found * 10 >= right * 9, "{what}: {found} of {right}");
        let each = compared / QUERIES as u64;
        if allowed.is_none() && near < 300 {
            assert!(each < ROWS as u64 / 4, "{what}: {each} comparisons for {near} rows");
        }
    }
}

fn check_index(params: IndexParams) {
    let (vectors, queries) = data();
    let index: Index = build_as(params, &vectors, 2);
    let mut scratch = Scratch::default();
    let mut half = Bitmap::new(ROWS);
    (0..vectors.len()).step_by(2).for_each(|row| _ = half.insert(row));
    for allowed in [None, Some(&half)] {
        check((&vectors, &queries), &params.to_string(), allowed, |query, search| {
            index
                .search(&vectors, query, search, &mut scratch, &Cancel::never())
                .expect("not stopped")
        });
    }
}

#[test]
fn graphs_find_all_within_a_distance_for_what_they_cost() {
    check_index(IndexParams::Graph(GraphParams { m: 16, ef_construction: 64, seed: 42 }));
    for codes in [HnswCodes::None, HnswCodes::Sq8] {
        check_index(IndexParams::Hnsw(hnsw(codes)));
    }
    check_index(IndexParams::Paged(hnsw(HnswCodes::Sq8)));
    check_index(IndexParams::HnswRs(ForeignGraph { m: 12, ef_construction: 64 }));
}

#[test]
fn growing_graphs_do_as_well() {
    let (vectors, queries) = data();
    let graph = GrowingHnsw::new(hnsw(HnswCodes::None), vectors.vector_type(), vectors.len())
        .expect("right parameters");
    (0..vectors.len()).for_each(|row| graph.insert(|row| vectors.row(row), row));
    let mut scratch = Scratch::default();
    check((&vectors, &queries), "growing", None, |query, search| {
        let row = |row| vectors.row(row);
        graph
            .search(row, vectors.len(), query, search, &mut scratch, &Cancel::never())
            .expect("not stopped")
    });
    let params = GraphParams { m: 16, ef_construction: 64, seed: 42 };
    let graph = GrowingRecords::new(params, &vectors, vectors.len()).expect("right parameters");
    for _ in 0..vectors.len() {
        graph.insert_next(|row| vectors.row(row)).expect("there is memory");
    }
    check((&vectors, &queries), "growing records", None, |query, search| {
        let row = |row| vectors.row(row);
        graph
            .search(row, vectors.len(), query, search, &mut scratch, &Cancel::never())
            .expect("not stopped")
    });
}
