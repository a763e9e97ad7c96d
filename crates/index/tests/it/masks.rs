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
