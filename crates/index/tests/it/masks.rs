//! Searches that may find some rows only.

use crate::data::{Random, build, clustered, l2, mean_recall, store};
use vicinal_index::{Index, Vectors};
use vicinal_types::Bitmap;

const ROWS: u32 = 10_000;
const CLUSTERS: u32 = 20;

struct Fixture {
    index: Index,
    vectors: Vectors,
    queries: Vectors,
}

fn fixture() -> Fixture {
    let dim = 16;
    let all = clustered(ROWS as usize + 40, dim, CLUSTERS as usize, 2);
    let (base, queries) = all.split_at(ROWS as usize * dim);
    let (vectors, queries) = (store(l2(16), base), store(l2(16), queries));
    Fixture { index: build(&vectors, 12, 64, 2), vectors, queries }
}

fn mask(passes: impl FnMut(&u32) -> bool) -> Bitmap {
    let mut mask = Bitmap::new(ROWS as usize);
    (0..ROWS).filter(passes).for_each(|row| _ = mask.insert(row));
    mask
}

/// `recall` inside checks that all rows found are allowed and that there are as
/// many as there can be.
fn check(fixture: &Fixture, mask: &Bitmap, what: &str) {
    for (k, effort, floor) in [(10, 64, 0.95), (10, 10, 0.60), (100, 100, 0.90)] {
        let recall =
            mean_recall(&fixture.index, &fixture.vectors, &fixture.queries, k, effort, Some(mask));
        assert!(
            recall >= floor,
            "{what}, {} rows, k {k}, effort {effort}: recall {recall}",
            mask.count()
        );
    }
}

#[test]
fn random_masks_of_every_selectivity() {
    let fixture = fixture();
    check(&fixture, &Bitmap::new(ROWS as usize), "nothing");
    check(&fixture, &mask(|&row| row == 4_321), "one row");
    for permille in [1, 3, 10, 30, 100, 250, 500, 750, 900, 990, 999] {
        let mut random = Random(permille);
        check(&fixture, &mask(|_| random.below(1_000) < permille), "random");
    }
    check(&fixture, &Bitmap::full(ROWS as usize), "everything");
}

#[test]
fn masks_that_go_with_the_clusters() {
    let fixture = fixture();
    for cluster in [0, 7] {
        check(&fixture, &mask(|&row| row % CLUSTERS == cluster), "one cluster");
        check(&fixture, &mask(|&row| row % CLUSTERS != cluster), "all but one cluster");
        check(
            &fixture,
            &mask(|&row| row % CLUSTERS == cluster && row % 3 == 0),
            "a part of a cluster",
        );
    }
    check(&fixture, &mask(|&row| row % CLUSTERS < CLUSTERS / 2), "half of the clusters");
    check(&fixture, &mask(|&row| row < ROWS / 2), "the first half");
}

#[test]
fn deleted_neighbourhoods_leave_the_rest_to_be_found() {
    use crate::data::{pool, search};
    use vicinal_types::{
        Cancel, ElementType, GraphParams, HnswCodes, HnswParams, IndexParams, Metric, VectorType,
    };
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
            let index = Index::build(
                &params,
                &vectors,
                &pool(2),
                &vicinal_index::Progress::default(),
                &Cancel::never(),
            )
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
