//! The nearest rows of every row, as far as leaves tell.

use super::compact::Compact;
use crate::neighbors::Ranked;
use parking_lot::Mutex;
use rayon::prelude::*;
use vicinal_types::{Cancel, Stopped};

/// Rows whose lists one lock guards together.
const ROWS_PER_LOCK: usize = 64;

/// Rows of a leaf compared with all others at once.
const BLOCK_ROWS: usize = 64;

/// For every row the nearest found so far, `width` places each.
pub(super) struct Candidates {
    width: usize,
    /// Sorted lists of several rows; free places are at their ends.
    parts: Vec<Mutex<Vec<Ranked>>>,
}

impl Candidates {
    /// Compares all rows of each leaf with each other; every row takes the
    /// nearest `from_leaf` of each and keeps the nearest `width` of all.
    ///
    /// What is kept does not depend on the order of the leaves.
    pub(super) fn find(
        compact: &Compact,
        leaves: &[Vec<u32>],
        (from_leaf, width): (usize, usize),
        cancel: &Cancel,
    ) -> Result<Self, Stopped> {
        let rows = compact.rows();
        let part = || Mutex::new(vec![Ranked::FARTHEST; ROWS_PER_LOCK * width]);
        let parts = std::iter::repeat_with(part).take(rows.div_ceil(ROWS_PER_LOCK)).collect();
        let this = Self { width, parts };
        leaves.par_iter().try_for_each_init(Leaf::default, |leaf, rows| {
            cancel.check()?;
            leaf.compare(compact, rows, from_leaf, |row, near| this.offer(row, near));
            Ok(())
        })?;
        Ok(this)
    }

    /// The candidates of a row, nearest first.
    pub(super) fn of(&self, row: u32, out: &mut Vec<Ranked>) {
        let part = self.parts[row as usize / ROWS_PER_LOCK].lock();
        let list = &part[row as usize % ROWS_PER_LOCK * self.width..][..self.width];
        let count = list.partition_point(|candidate| *candidate < Ranked::FARTHEST);
        out.clear();
        out.extend_from_slice(&list[..count]);
    }

    /// Merges `near`, sorted, into a row's list.
    fn offer(&self, row: u32, near: &[Ranked]) {
        let mut part = self.parts[row as usize / ROWS_PER_LOCK].lock();
        let list = &mut part[row as usize % ROWS_PER_LOCK * self.width..][..self.width];
        for &candidate in near {
            if candidate >= list[self.width - 1] {
                break;
            }
            let at = list.partition_point(|other| *other < candidate);
            if list[at] != candidate {
                list.copy_within(at..self.width - 1, at + 1);
                list[at] = candidate;
            }
        }
    }
}

/// Memory of a comparing thread.
#[derive(Default)]
struct Leaf {
    codes: Vec<u8>,
    keys: Vec<f32>,
    near: Vec<Ranked>,
}

impl Leaf {
    /// Calls `offer` with every row and its nearest, at most `count`.
    fn compare(
        &mut self,
        compact: &Compact,
        rows: &[u32],
        count: usize,
        offer: impl Fn(u32, &[Ranked]),
    ) {
        let Self { codes, keys, near } = self;
        compact.gather(rows.iter().copied(), codes);
        for (block, codes_of_block) in
            rows.chunks(BLOCK_ROWS).zip(codes.chunks(BLOCK_ROWS * compact.dim()))
        {
            keys.resize(block.len() * rows.len(), 0.0);
            compact.keys_many(codes_of_block, codes, keys);
            for (&row, keys) in block.iter().zip(keys.chunks_exact(rows.len())) {
                nearest(row, rows, keys, count, near);
                offer(row, near);
            }
        }
    }
}

/// The `count` nearest of `rows` to `row`, sorted, without itself.
fn nearest(row: u32, rows: &[u32], keys: &[f32], count: usize, near: &mut Vec<Ranked>) {
    near.clear();
    let mut threshold = f32::INFINITY;
    for (keys, rows) in keys.chunks(16).zip(rows.chunks(16)) {
        if keys.iter().all(|&key| key > threshold) {
            continue;
        }
        for (&key, &other) in keys.iter().zip(rows) {
            let ranked = Ranked::new(key, other);
            if key > threshold || other == row {
                continue;
            }
            if near.len() == count {
                if near.last().is_some_and(|worst| *worst < ranked) {
                    continue;
                }
                near.pop();
            }
            let at = near.partition_point(|other| *other < ranked);
            near.insert(at, ranked);
            if near.len() == count {
                threshold = near[count - 1].key();
            }
        }
    }
}
