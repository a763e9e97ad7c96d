//! Searches that may find some rows only.

use crate::data::{Random, build, clustered, l2, mean_recall, pool, search, store};
use vicinal_index::{Index, IndexParams, Progress, Vectors};
use vicinal_types::{
    Bitmap, Cancel, ElementType, GraphParams, HnswCodes, HnswParams, Metric, VectorType,
};

const ROWS: u32 = 10_000;
const CLUSTERS: u32 = 20;

struct Fixture {
    index: Index,
    vectors: Vectors,
    queries: Vectors,
}

/// A graph over rows, and one over codes.
fn fixtures() -> [Fixture; 2] {
    let dim = 16;
    let all = clustered(ROWS as usize + 40, dim, CLUSTERS as usize, 2);
    let (base, queries) = all.split_at(ROWS as usize * dim);
    let (vectors, queries) = (store(l2(16), base), store(l2(16), queries));
    let coded = IndexParams::Graph(GraphParams { m: 16, ef_construction: 64, seed: 42 });
    let (progress, cancel) = (Progress::default(), Cancel::never());
    let coded = Index::build(&coded, &vectors, &pool(2), &progress, &cancel).expect("a graph");
    let of = |index| Fixture { index, vectors: vectors.clone(), queries: queries.clone() };
    [of(build(&vectors, 12, 64, 2)), of(coded)]
}

fn mask(passes: impl FnMut(&u32) -> bool) -> Bitmap {
    let mut mask = Bitmap::new(ROWS as usize);
    (0..ROWS).filter(passes).for_each(|row| _ = mask.insert(row));
    mask
}

fn check(fixtures: &[Fixture; 2], mask: &Bitmap, what: &str) {
    fixtures.iter().for_each(|fixture| check_one(fixture, mask, what));
}

/// `recall` inside checks that all rows found are allowed and that there are as
/// many as there can be.
fn check_one(fixture: &Fixture, mask: &Bitmap, what: &str) {
    // Sixteen bits say little about sixteen dimensions.
    let coded = if matches!(fixture.index, Index::Graph(_)) { 0.05 } else { 0.0 };
    for (k, effort, floor) in [(10, 64, 0.95), (10, 10, 0.60), (100, 100, 0.90)] {
        let floor = floor - coded;
        let recall =
            mean_recall(&fixture.index, &fixture.vectors, &fixture.queries, k, effort, Some(mask));
        assert!(
            recall >= floor,
            "{}: {what}, {} rows, k {k}, effort {effort}: recall {recall}",
            fixture.index.params(),
            mask.count()
        );
    }
}

#[test]
fn random_masks_of_every_selectivity() {
    let fixtures = fixtures();
    check(&fixtures, &Bitmap::new(ROWS as usize), "nothing");
    check(&fixtures, &mask(|&row| row == 4_321), "one row");
    for permille in [1, 3, 10, 30, 100, 250, 500, 750, 900, 990, 999] {
        let mut random = Random(permille);
        check(&fixtures, &mask(|_| random.below(1_000) < permille), "random");
    }
    check(&fixtures, &Bitmap::full(ROWS as usize), "everything");
}

#[test]
fn masks_that_go_with_the_clusters() {
    let fixtures = fixtures();
    for cluster in [0, 7] {
        check(&fixtures, &mask(|&row| row % CLUSTERS == cluster), "one cluster");
        check(&fixtures, &mask(|&row| row % CLUSTERS != cluster), "all but one cluster");
        check(
            &fixtures,
            &mask(|&row| row % CLUSTERS == cluster && row % 3 == 0),
            "a part of a cluster",
        );
    }
    check(&fixtures, &mask(|&row| row % CLUSTERS < CLUSTERS / 2), "half of the clusters");
    check(&fixtures, &mask(|&row| row < ROWS / 2), "the first half");
}

#[test]
fn deleted_neighbourhoods_leave_the_rest_to_be_found() {
    let graph =
        |codes| IndexParams::Hnsw(HnswParams { m: 12, ef_construction: 64, seed: 42, codes });
    for params in [
        graph(HnswCodes::None),
        graph(HnswCodes::Sq8),
        IndexParams::Graph(GraphParams { m: 16, ef_construction: 64, seed: 42 }),
    ] {
        for (element, metric) in [
            (ElementType::F32, Metric::L2),
            (ElementType::F16, Metric::Cosine),
            (ElementType::F32, Metric::InnerProduct),
        ] {
            let vector = VectorType::new(16, element, metric).expect("a right type");
            let all = clustered(3_020, 16, 20, 7);
            let (base, queries) = all.split_at(3_000 * 16);
            let (vectors, queries) = (store(vector, base), store(vector, queries));
            let index =
                Index::build(&params, &vectors, &pool(2), &Progress::default(), &Cancel::never())
                    .expect("x");
            let mut live = Bitmap::full(vectors.len() as usize);
            for round in 0..4 {
                let found = mean_recall(&index, &vectors, &queries, 10, 64, Some(&live));
                assert!(found >= 0.9, "{params} {metric}, round {round}: recall {found}");
                for query in 0..queries.len() {
                    let query = queries.row(query);
                    let found = search(&index, &vectors, query, 10, 64, Some(&live)).neighbors;
                    assert!(found.iter().all(|neighbor| live.remove(neighbor.row)));
                }
            }
        }
    }
}
