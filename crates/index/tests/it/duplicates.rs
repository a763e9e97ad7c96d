//! Rows with equal vectors.

use crate::data::{build, clustered, exact, l2, mean_recall, search, store};
use vicinal_types::Bitmap;

const ROWS: usize = 10_000;
const DIM: usize = 16;

/// 10,000 clustered rows of which every tenth is one and the same.
fn with_copies() -> Vec<f32> {
    let mut values = clustered(ROWS, DIM, 20, 3);
    let copy = values[3 * DIM..4 * DIM].to_vec();
    for row in (3..ROWS).step_by(10) {
        values[row * DIM..][..DIM].copy_from_slice(&copy);
    }
    values
}

#[test]
fn a_thousand_copies_hide_nothing() {
    let vectors = store(l2(16), &with_copies());
    let index = build(&vectors, 12, 64, 2);
    let queries = store(l2(16), &clustered(ROWS + 50, DIM, 20, 3)[ROWS * DIM..]);
    let recall = mean_recall(&index, &vectors, &queries, 10, 64, None);
    assert!(recall >= 0.97, "{recall}");

    let found = search(&index, &vectors, vectors.row(3), 10, 10, None);
    assert_eq!(found.neighbors, exact(&vectors, vectors.row(3), 10, None), "the lowest ten copies");
    let found = search(&index, &vectors, vectors.row(3), 1_005, 1_005, None);
    assert_eq!(found.neighbors.iter().filter(|neighbor| neighbor.key == 0.0).count(), 1_000);
}

#[test]
fn a_mask_may_allow_copies_without_their_vertex() {
    let vectors = store(l2(16), &with_copies());
    let index = build(&vectors, 12, 64, 2);
    let mut mask = Bitmap::full(ROWS);
    (3..5_000).step_by(10).for_each(|row| _ = mask.remove(row));
    let found = search(&index, &vectors, vectors.row(3), 10, 32, Some(&mask));
    assert_eq!(found.neighbors, exact(&vectors, vectors.row(3), 10, Some(&mask)));
}

#[test]
fn rows_that_are_all_equal_are_all_found() {
    let vectors = store(l2(16), &[1.0; DIM].repeat(3_000));
    let index = build(&vectors, 8, 32, 2);
    let found = search(&index, &vectors, vectors.row(0), 50, 64, None);
    let rows: Vec<_> = found.neighbors.iter().map(|neighbor| neighbor.row).collect();
    assert_eq!(rows, (0..50).collect::<Vec<_>>());
}
