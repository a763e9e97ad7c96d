//! Work in units that are best done on one node or another.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Units of work by home. Each is taken once: by a thread of its node, or by one of
/// another node that has none left.
#[derive(Debug)]
pub struct Units {
    /// One for each node, and last those without a home.
    lists: Vec<List>,
}

#[derive(Debug, Default)]
struct List {
    units: Vec<usize>,
    taken: AtomicUsize,
}

impl Units {
    /// Units from 0 by their homes, for a machine of so many nodes. They are taken in
    /// this order: the longest should come first.
    ///
    /// # Panics
    /// If a home is no node.
    pub fn new(nodes: usize, homes: impl IntoIterator<Item = Option<usize>>) -> Self {
        let mut lists: Vec<_> = (0..=nodes).map(|_| List::default()).collect();
        for (unit, home) in homes.into_iter().enumerate() {
            lists[home.unwrap_or(nodes)].units.push(unit);
        }
        Self { lists }
    }

    /// How many there are, taken ones included.
    pub fn count(&self) -> usize {
        self.lists.iter().map(|list| list.units.len()).sum()
    }

    /// The next one for a thread of a node: of its own, else one without a home, else
    /// of the nodes behind it.
    pub fn take(&self, node: usize) -> Option<usize> {
        let nodes = self.lists.len() - 1;
        let others = (1..nodes).map(|step| (node + step) % nodes);
        [node, nodes].into_iter().chain(others).find_map(|at| self.lists[at].take())
    }
}

impl List {
    fn take(&self) -> Option<usize> {
        if self.taken.load(Ordering::Relaxed) >= self.units.len() {
            return None;
        }
        // What a unit works on was shared before the list was.
        self.units.get(self.taken.fetch_add(1, Ordering::Relaxed)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_takes_its_own_units_then_homeless_ones_then_those_of_others() {
        let homes = [Some(0), Some(1), None, Some(2), Some(1), Some(0)];
        let units = Units::new(3, homes);
        assert_eq!(units.count(), 6);
        let taken: Vec<_> = (0..7).map(|_| units.take(1)).collect();
        assert_eq!(taken, [Some(1), Some(4), Some(2), Some(3), Some(0), Some(5), None]);
    }

    #[test]
    fn racing_threads_take_each_unit_once() {
        let units = Units::new(2, (0..10_000).map(|unit| Some(unit % 2)));
        let mut all: Vec<_> = std::thread::scope(|scope| {
            let takes = |node| {
                let units = &units;
                move || std::iter::from_fn(|| units.take(node)).collect::<Vec<_>>()
            };
            let threads: Vec<_> = (0..4).map(|at| scope.spawn(takes(at % 2))).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
        });
        all.sort_unstable();
        assert_eq!(all, (0..10_000).collect::<Vec<_>>());
    }
}
