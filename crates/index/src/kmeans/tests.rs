//! Clusters that are known.

use super::*;

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool")
}

/// Rows around the corners of a cube of side 100, the corners in turn.
fn cube(rows: u64, dim: usize) -> Vec<f32> {
    let value = |at: u64| {
        let (row, axis) = (at / dim as u64, at % dim as u64);
        let noise = (mix(at) % 1_000) as f32 / 1_000.0;
        noise + if row >> (axis % 3) & 1 == 1 { 100.0 } else { 0.0 }
    };
    (0..rows * dim as u64).map(value).collect()
}

fn trained(values: &[f32], dim: usize, count: usize, threads: usize) -> Vec<f32> {
    let run = || train(Rows { values, dim }, count, 7, &Cancel::never());
    pool(threads).install(run).expect("not stopped")
}

#[test]
fn corners_of_a_cube_are_found() {
    let values = cube(800, 6);
    let sample = Rows { values: &values, dim: 6 };
    let centroids = trained(&values, 6, 24, 2);
    let assigned = assign(sample, &centroids, &Cancel::never()).expect("not stopped");
    for (row, cluster) in assigned.iter().enumerate() {
        let centroid = &centroids[cluster.id() as usize * 6..][..6];
        let far = sample.row(row).iter().zip(centroid).any(|(a, b)| (a - b).abs() > 2.0);
        assert!(!far, "row {row}: {centroid:?}");
    }
}

#[test]
fn no_cluster_is_empty_where_rows_differ() {
    // Most rows are one and the same: starts are drawn from them.
    let mut values = vec![1.0; 4 * 900];
    values.extend(cube(100, 4));
    let centroids = trained(&values, 4, 20, 2);
    let assigned = assign(Rows { values: &values, dim: 4 }, &centroids, &Cancel::never())
        .expect("not stopped");
    let used = members(&assigned, 20).iter().filter(|members| !members.is_empty()).count();
    assert!(used >= 9, "the eight corners and the copies are apart: {used}");
}

#[test]
fn any_number_of_threads_finds_the_same() {
    for (rows, count) in [(3_000, 16), (3_000, 600)] {
        let values = cube(rows, 8);
        assert_eq!(trained(&values, 8, count, 1), trained(&values, 8, count, 3), "{count}");
    }
}

#[test]
fn fewer_rows_than_clusters_and_none_are_taken() {
    let values = cube(5, 4);
    assert_eq!(trained(&values, 4, 8, 1).len(), 32);
    assert_eq!(trained(&[], 4, 8, 1), [0.0; 32]);
    assert!(trained(&values, 4, 0, 1).is_empty());
    assert_eq!(trained(&[2.0; 4_000], 4, 600, 2), [2.0; 2_400]);
}

#[test]
fn cancelled_training_stops() {
    let values = cube(600, 4);
    let cancel = Cancel::never();
    cancel.cancel();
    let stopped = train(Rows { values: &values, dim: 4 }, 8, 1, &cancel);
    assert_eq!(stopped, Err(Stopped::Cancelled));
}
