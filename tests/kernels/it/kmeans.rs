//! Rounds of k-means.

use crate::data::rng;
use crate::run::{address, address_mut, launch, unranked};
use rand::Rng;
use vicinal_gpu::{AssignArgs, MeansArgs, assign, means};

struct Sample {
    rows: Vec<f32>,
    centroids: Vec<f32>,
    dim: u32,
}

impl Sample {
    fn random(rows: u32, centroids: u32, dim: u32, seed: u64) -> Self {
        let mut rng = rng(seed);
        let mut floats =
            |count: u32| (0..count * dim).map(|_| rng.random_range(-1.0..1.0)).collect();
        Self { rows: floats(rows), centroids: floats(centroids), dim }
    }

    fn distance(&self, row: usize, centroid: usize) -> f64 {
        let dim = self.dim as usize;
        let (row, centroid) = (&self.rows[row * dim..], &self.centroids[centroid * dim..]);
        let pairs = row[..dim].iter().zip(&centroid[..dim]);
        pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
    }
}

fn nearest(sample: &Sample, order: u32) -> Vec<u64> {
    let row_count = sample.rows.len() as u32 / sample.dim;
    let mut nearest = vec![0u64; row_count as usize];
    let args = AssignArgs {
        rows: address(&sample.rows),
        centroids: address(&sample.centroids),
        nearest: address_mut(&mut nearest),
        row_count,
        centroid_count: sample.centroids.len() as u32 / sample.dim,
        dim: sample.dim,
        padding: 0,
    };
    // SAFETY: rows, centroids and a place for each row are there.
    unsafe { launch(&assign(row_count), order, &args) };
    nearest
}

#[test]
fn rows_are_assigned_to_their_nearest_centroid() {
    for (at, (rows, centroids, dim)) in
        [(1, 1, 1), (63, 3, 5), (65, 130, 17), (200, 64, 33)].into_iter().enumerate()
    {
        let sample = Sample::random(rows, centroids, dim, at as u64);
        for order in 0..3 {
            for (row, ranked) in nearest(&sample, order).into_iter().enumerate() {
                let (key, centroid) = unranked(ranked);
                let exact = sample.distance(row, centroid as usize);
                assert!((f64::from(key) - exact).abs() <= 1e-5 * exact.max(1e-3), "{row}");
                let least = (0..centroids as usize).map(|at| sample.distance(row, at));
                let least = least.fold(f64::INFINITY, f64::min);
                assert!(exact <= least * (1.0 + 1e-5), "row {row} of {rows}: {exact} {least}");
            }
        }
    }
}

#[test]
fn the_first_of_equal_centroids_is_taken() {
    let sample = Sample { rows: vec![0.5; 70 * 3], centroids: vec![0.25; 90 * 3], dim: 3 };
    assert!(nearest(&sample, 1).iter().all(|ranked| unranked(*ranked).1 == 0));
}

/// The same sums in the same order as on the CPU: the same floats.
#[test]
fn centroids_move_to_the_means_of_their_rows() {
    let mut sample = Sample::random(500, 7, 300, 3);
    let dim = sample.dim as usize;
    let members: Vec<u32> = (0..500).map(|at| at * 7 % 500).collect();
    // The third cluster is empty.
    let starts = [0u32, 90, 91, 91, 200, 350, 499, 500];
    let mut expected = sample.centroids.clone();
    for (cluster, bounds) in starts.windows(2).enumerate().filter(|(_, pair)| pair[0] < pair[1]) {
        let members = &members[bounds[0] as usize..bounds[1] as usize];
        for at in 0..dim {
            let row = |row: &u32| f64::from(sample.rows[*row as usize * dim + at]);
            let sum: f64 = members.iter().map(row).sum();
            expected[cluster * dim + at] = (sum / members.len() as f64) as f32;
        }
    }
    let args = MeansArgs {
        rows: address(&sample.rows),
        members: address(&members),
        starts: address(&starts),
        centroids: address_mut(&mut sample.centroids),
        dim: sample.dim,
        padding: 0,
    };
    // SAFETY: the rows that are named are there, and so are seven clusters.
    unsafe { launch(&means(7), 2, &args) };
    assert_eq!(sample.centroids, expected);
}
