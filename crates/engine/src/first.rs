//! The first so many of all that are offered.

use std::collections::BinaryHeap;

/// Keeps the first so many of all that are offered; the last of them on top.
pub(crate) struct First<T> {
    kept: BinaryHeap<T>,
    limit: usize,
}

impl<T: Ord> First<T> {
    /// Room for `limit`.
    pub(crate) fn new(limit: usize) -> Self {
        Self { kept: BinaryHeap::new(), limit }
    }

    /// The last of those kept, once there is no room: what is behind it need not be
    /// offered.
    pub(crate) fn end(&self) -> Option<&T> {
        self.kept.peek().filter(|_| self.kept.len() == self.limit)
    }

    pub(crate) fn offer(&mut self, item: T) {
        self.kept.push(item);
        if self.kept.len() > self.limit {
            self.kept.pop();
        }
    }

    /// Those kept, in their order.
    pub(crate) fn into_sorted(self) -> Vec<T> {
        self.kept.into_sorted_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_kept_and_the_last_of_them_is_known_once_there_is_no_room() {
        let mut first = First::new(3);
        for (item, end) in [(5, None), (9, None), (7, Some(9)), (8, Some(8)), (1, Some(7))] {
            first.offer(item);
            assert_eq!(first.end().copied(), end);
        }
        assert_eq!(first.into_sorted(), [1, 5, 7]);
    }
}
