//! Rows with their keys, the nearest of them, and the work it took.

use std::collections::BinaryHeap;
use std::ops::AddAssign;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A row and how near it is: a smaller key is nearer, whatever the metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbor {
    /// The row.
    pub row: u32,
    /// Its key, see [`vicinal_distance::Comparer`].
    pub key: f32,
}

/// What a search did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Vectors compared with the query.
    pub distances: u64,
    /// Graph vertices whose links were followed.
    pub expanded: u64,
    /// Vectors whose key was estimated from a code.
    pub estimates: u64,
    /// Lists of an IVF index that were probed.
    pub lists: u64,
    /// Different pages of 4 KiB that a graph in pages was read from.
    pub pages: u64,
}

impl AddAssign for Work {
    fn add_assign(&mut self, more: Self) {
        self.distances += more.distances;
        self.expanded += more.expanded;
        self.estimates += more.estimates;
        self.lists += more.lists;
        self.pages += more.pages;
    }
}

/// The keys that a search wants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyRange {
    /// No key below it.
    pub least: f32,
    /// No key above it.
    pub most: f32,
}

/// The `k` nearest rows seen so far; of equally near ones the lower row.
#[derive(Clone, Debug, Default)]
pub struct TopK {
    k: usize,
    keys: KeyRange,
    heap: BinaryHeap<Ranked>,
}

/// A key and a number as one integer, ordered by key first: comparing and moving
/// candidates is the inner loop of every search.
///
/// The upper half is the key's bits with the sign bit flipped, or all bits where
/// it was set, which orders like the floats. Keys are never NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, FromBytes, IntoBytes, Immutable)]
#[repr(transparent)]
pub(crate) struct Ranked(u64);

const SIGN: u32 = 1 << 31;

impl Ranked {
    /// Behind everything that has a key.
    pub(crate) const FARTHEST: Self = Self(u64::MAX);

    /// The integers themselves.
    #[inline]
    pub(crate) fn numbers(ranked: &mut [Self]) -> &mut [u64] {
        zerocopy::transmute_mut!(ranked)
    }

    /// The integer itself.
    #[inline]
    pub(crate) fn number(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) fn new(key: f32, id: u32) -> Self {
        let bits = key.to_bits();
        let ordered = if bits & SIGN == 0 { bits | SIGN } else { !bits };
        Self(u64::from(ordered) << 32 | u64::from(id))
    }

    #[inline]
    pub(crate) fn key(self) -> f32 {
        let ordered = (self.0 >> 32) as u32;
        f32::from_bits(if ordered & SIGN == 0 { !ordered } else { ordered & !SIGN })
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    pub(crate) fn id(self) -> u32 {
        self.0 as u32
    }

    pub(crate) fn neighbor(self) -> Neighbor {
        Neighbor { row: self.id(), key: self.key() }
    }
}

impl KeyRange {
    /// Every key.
    pub const ALL: Self = Self { least: f32::NEG_INFINITY, most: f32::INFINITY };

    /// Whether the key is one of them.
    #[inline]
    pub fn contains(&self, key: f32) -> bool {
        key >= self.least && key <= self.most
    }
}

impl Default for KeyRange {
    fn default() -> Self {
        Self::ALL
    }
}

impl TopK {
    /// Room for `k` rows.
    pub fn new(k: usize) -> Self {
        Self::among(k, KeyRange::ALL)
    }

    /// Room for `k` rows of these keys.
    pub fn among(k: usize, keys: KeyRange) -> Self {
        Self { k, keys, heap: BinaryHeap::new() }
    }

    /// Keeps the row if its key is wanted and it is among the `k` nearest of those.
    #[inline]
    pub fn push(&mut self, key: f32, row: u32) {
        if self.keys.contains(key) {
            self.push_ranked(Ranked::new(key, row));
        }
    }

    /// The key above which a row has no chance: the greatest that is wanted until
    /// `k` rows are there.
    #[inline]
    pub fn threshold(&self) -> f32 {
        match self.heap.peek() {
            Some(worst) if self.heap.len() >= self.k => worst.key(),
            Some(_) | None => self.keys.most,
        }
    }

    /// How many rows are kept.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether no row is kept.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Takes over the rows of another list.
    pub fn merge(&mut self, other: Self) {
        other.heap.into_iter().for_each(|ranked| self.push_ranked(ranked));
    }

    /// The rows kept, nearest first.
    pub fn into_sorted(self) -> Vec<Neighbor> {
        self.heap.into_sorted_vec().into_iter().map(Ranked::neighbor).collect()
    }

    #[inline]
    pub(crate) fn push_ranked(&mut self, ranked: Ranked) {
        if self.heap.len() < self.k {
            self.heap.push(ranked);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && ranked < *worst
        {
            *worst = ranked;
        }
    }

    /// The worst row kept, once `k` are.
    #[inline]
    pub(crate) fn worst_of_full(&self) -> Option<Ranked> {
        if self.heap.len() < self.k { None } else { self.heap.peek().copied() }
    }

    /// Empties the list and gives it room for `k` rows, keeping its memory.
    pub fn reset(&mut self, k: usize) {
        self.reset_among(k, KeyRange::ALL);
    }

    /// Empties the list and gives it room for `k` rows of these keys, keeping its
    /// memory.
    pub fn reset_among(&mut self, k: usize, keys: KeyRange) {
        self.heap.clear();
        self.k = k;
        self.keys = keys;
    }

    /// Appends the rows kept to `out`, nearest first, and is empty then; keeps its
    /// memory.
    pub fn drain_into(&mut self, out: &mut Vec<Neighbor>) {
        let mut ranked = std::mem::take(&mut self.heap).into_vec();
        ranked.sort_unstable();
        out.extend(ranked.drain(..).map(Ranked::neighbor));
        self.heap = ranked.into();
    }

    /// Moves the rows kept to `out`, nearest first.
    pub(crate) fn drain_sorted(&mut self, out: &mut Vec<Ranked>) {
        out.clear();
        out.extend(self.heap.drain());
        out.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranked_orders_like_the_float_and_then_the_row() {
        let keys =
            [f32::NEG_INFINITY, -2.5, -f32::MIN_POSITIVE, 0.0, 1e-40, 1.0, f32::MAX, f32::INFINITY];
        for pair in keys.windows(2) {
            assert!(Ranked::new(pair[0], u32::MAX) < Ranked::new(pair[1], 0), "{pair:?}");
        }
        for key in keys {
            assert_eq!(Ranked::new(key, 7).neighbor(), Neighbor { row: 7, key });
        }
    }

    #[test]
    fn ties_go_to_the_lower_row() {
        let mut top = TopK::new(2);
        for row in [5, 3, 9, 1] {
            top.push(1.0, row);
        }
        assert_eq!(top.threshold(), 1.0);
        let rows: Vec<_> = top.into_sorted().iter().map(|neighbor| neighbor.row).collect();
        assert_eq!(rows, [1, 3]);
    }

    #[test]
    fn keys_out_of_range_take_no_room() {
        let mut top = TopK::among(2, KeyRange { least: 1.0, most: 3.0 });
        assert_eq!(top.threshold(), 3.0);
        for (row, key) in (0..).zip([0.5, 3.5, 3.0, 1.0, 2.0, 0.0]) {
            top.push(key, row);
        }
        assert_eq!(top.threshold(), 2.0);
        let rows: Vec<_> = top.into_sorted().iter().map(|neighbor| neighbor.row).collect();
        assert_eq!(rows, [3, 4]);
    }

    #[test]
    fn room_for_nothing_keeps_nothing() {
        let mut top = TopK::new(0);
        top.push(1.0, 1);
        assert!(top.is_empty());
        assert_eq!(top.threshold(), f32::INFINITY);
    }
}
