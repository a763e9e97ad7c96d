//! Clustering rows around centroids (k-means; Lloyd, 1957).
//!
//! The same centroids for the same sample and seed, on any number of threads:
//! rows are assigned one by one and summed up cluster by cluster, in order.
//!
//! Many clusters are found in two levels: a row is compared with the square root
//! of their number, and then with those that share its cluster of clusters. A
//! few rounds over all of them, through codes, put right what that misses.

use crate::Vectors;
use crate::hnsw::mix;
use crate::ivf::coarse::{Coarse, CoarseScratch};
use crate::neighbors::Ranked;
use bytes::Bytes;
use rayon::prelude::*;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use vicinal_types::{Cancel, ElementType, Metric, Stopped, VectorType};
use zerocopy::IntoBytes;

/// From so many clusters on, they are found in two levels.
const TWO_LEVELS_MIN: usize = 512;

/// Rounds of Lloyd's, on one level.
const ROUNDS: usize = 10;

/// Rounds over all clusters after they were found in two levels.
const ROUNDS_AFTER: usize = 2;

/// Rows that a thread assigns at once.
const BLOCK_ROWS: usize = 256;

/// Rows, contiguous floats.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) dim: usize,
}

impl<'a> Rows<'a> {
    pub(crate) fn len(self) -> usize {
        self.values.len() / self.dim
    }

    pub(crate) fn row(self, at: usize) -> &'a [f32] {
        &self.values[at * self.dim..][..self.dim]
    }
}

/// Floats as vectors that are compared by their squared distance.
pub(crate) fn vectors(values: &[f32], dim: usize, metric: Metric) -> Vectors {
    let dim = u32::try_from(dim).expect("a dimension is at most DIM_MAX");
    let kind = VectorType::new(dim, ElementType::F32, metric).expect("floats take any metric");
    let bytes = Bytes::copy_from_slice(values.as_bytes());
    Vectors::new(kind, bytes).expect("fewer centroids than a segment may have rows")
}

/// The centroids of `count` clusters of a sample, on the pool it is called in.
/// With fewer rows than clusters, some centroids are equal.
pub(crate) fn train(
    sample: Rows<'_>,
    count: usize,
    seed: u64,
    cancel: &Cancel,
) -> Result<Vec<f32>, Stopped> {
    if count == 0 || sample.len() == 0 {
        return Ok(vec![0.0; count * sample.dim]);
    }
    if count < TWO_LEVELS_MIN {
        return lloyd(sample, start(sample, count, seed), ROUNDS, cancel);
    }
    let top_count = (count as f64).sqrt().round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a square root")]
    let top_count = top_count as usize;
    let top = lloyd(sample, start(sample, top_count, seed), ROUNDS, cancel)?;
    let members = members(&assign(sample, &top, cancel)?, top_count);
    let shares = shares(&members, count);
    let parts: Result<Vec<Vec<f32>>, Stopped> = members
        .par_iter()
        .zip(&shares)
        .enumerate()
        .map(|(at, (members, &share))| {
            let values: Vec<f32> =
                members.iter().flat_map(|&row| sample.row(row as usize)).copied().collect();
            let rows = Rows { values: &values, dim: sample.dim };
            if rows.len() == 0 {
                return Ok(Vec::new());
            }
            let seed = mix(seed.wrapping_add(at as u64 + 1));
            lloyd(rows, start(rows, share, seed), ROUNDS, cancel)
        })
        .collect();
    lloyd(sample, parts?.concat(), ROUNDS_AFTER, cancel)
}

/// Evenly spread rows to start from, each drawn from a stretch of its own.
fn start(sample: Rows<'_>, count: usize, seed: u64) -> Vec<f32> {
    let (rows, count) = (sample.len() as u64, count as u64);
    let stretch = (rows / count.max(1)).max(1);
    let row = |at: u64| (at * stretch + mix(seed.wrapping_add(at)) % stretch) % rows;
    #[expect(clippy::cast_possible_truncation, reason = "a remainder of a row count")]
    (0..count).flat_map(|at| sample.row(row(at) as usize)).copied().collect()
}

/// How many of `count` clusters each group of rows gets: in proportion to its
/// rows, at least one if it has any, and `count` in all.
fn shares(members: &[Vec<u32>], count: usize) -> Vec<usize> {
    let rows: usize = members.iter().map(Vec::len).sum();
    let mut shares: Vec<usize> = members
        .iter()
        .map(|group| if group.is_empty() { 0 } else { (group.len() * count / rows).max(1) })
        .collect();
    let rows_of_each = |at: usize, shares: &[usize]| members[at].len() * 1_000 / shares[at].max(1);
    let mut given: usize = shares.iter().sum();
    while given < count {
        let most = (0..shares.len()).max_by_key(|&at| rows_of_each(at, &shares)).unwrap_or(0);
        shares[most] += 1;
        given += 1;
    }
    while given > count {
        let several = (0..shares.len()).filter(|&at| shares[at] > 1);
        let Some(least) = several.min_by_key(|&at| rows_of_each(at, &shares)) else { break };
        shares[least] -= 1;
        given -= 1;
    }
    shares
}

/// Moves centroids to the means of the rows nearest to them, `rounds` times.
fn lloyd(
    sample: Rows<'_>,
    mut centroids: Vec<f32>,
    rounds: usize,
    cancel: &Cancel,
) -> Result<Vec<f32>, Stopped> {
    for _ in 0..rounds {
        let mut assigned = assign(sample, &centroids, cancel)?;
        let members = members(&assigned, centroids.len() / sample.dim);
        centroids.par_chunks_exact_mut(sample.dim).zip(&members).for_each(|(centroid, members)| {
            mean(sample, members, centroid);
        });
        fill_empty(sample, &mut centroids, &members, &mut assigned);
    }
    Ok(centroids)
}

/// The nearest centroid of each row, with its key.
pub(crate) fn assign(
    sample: Rows<'_>,
    centroids: &[f32],
    cancel: &Cancel,
) -> Result<Vec<Ranked>, Stopped> {
    let coarse = Coarse::new(vectors(centroids, sample.dim, Metric::L2));
    let mut assigned = vec![Ranked::new(0.0, 0); sample.len()];
    let assign = |scratch: &mut CoarseScratch, block: usize, out: &mut [Ranked]| {
        cancel.check()?;
        let rows = &sample.values[block * BLOCK_ROWS * sample.dim..][..out.len() * sample.dim];
        coarse.nearest_of_many(rows, scratch, |at, nearest| out[at] = nearest);
        Ok(())
    };
    assigned
        .par_chunks_mut(BLOCK_ROWS)
        .enumerate()
        .try_for_each_init(CoarseScratch::default, |scratch, (at, out)| assign(scratch, at, out))?;
    Ok(assigned)
}

/// The rows of each cluster, ascending.
pub(crate) fn members(assigned: &[Ranked], count: usize) -> Vec<Vec<u32>> {
    let mut members = vec![Vec::new(); count];
    for (row, nearest) in (0..).zip(assigned) {
        members[nearest.id() as usize].push(row);
    }
    members
}

/// Leaves the centroid where it is if it has no rows.
fn mean(sample: Rows<'_>, members: &[u32], centroid: &mut [f32]) {
    if members.is_empty() {
        return;
    }
    let mut sums = vec![0.0f64; sample.dim];
    for &row in members {
        for (sum, value) in sums.iter_mut().zip(sample.row(row as usize)) {
            *sum += f64::from(*value);
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "a mean of such floats")]
    for (place, sum) in centroid.iter_mut().zip(sums) {
        *place = (sum / members.len() as f64) as f32;
    }
}

/// Moves centroids without rows to the farthest rows of the clusters that are
/// spread most.
fn fill_empty(
    sample: Rows<'_>,
    centroids: &mut [f32],
    members: &[Vec<u32>],
    assigned: &mut [Ranked],
) {
    let empty = (0..members.len()).filter(|cluster| members[*cluster].is_empty());
    let mut empty = empty.peekable();
    if empty.peek().is_none() {
        return;
    }
    let spread = |(cluster, members): (u32, &Vec<u32>)| {
        let spread = members.iter().map(|row| assigned[*row as usize].key().max(0.0)).sum();
        Ranked::new(spread, u32::MAX - cluster)
    };
    let mut spreads: BinaryHeap<Ranked> = (0..).zip(members).map(spread).collect();
    for empty in empty {
        let Some(widest) = spreads.pop() else { return };
        let cluster = u32::MAX - widest.id();
        let distance = |row: &&u32| (assigned[**row as usize].key(), Reverse(**row));
        let farthest = members[cluster as usize]
            .iter()
            .max_by(|a, b| distance(a).partial_cmp(&distance(b)).unwrap_or(Ordering::Equal));
        let Some(&row) = farthest.filter(|row| distance(row).0 > 0.0) else { return };
        centroids[empty * sample.dim..][..sample.dim].copy_from_slice(sample.row(row as usize));
        assigned[row as usize] = Ranked::new(0.0, cluster);
        spreads.push(Ranked::new(widest.key() / 2.0, widest.id()));
    }
}

#[cfg(test)]
mod tests;
