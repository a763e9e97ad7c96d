//! Homes by load, and threads that are where they are said to be.

use super::*;
use crate::pools::own_cores;

fn nodes(cores: &[&[usize]]) -> Arc<Nodes> {
    let node = |(number, cores): (usize, &&[usize])| NumaNode { number, cores: cores.to_vec() };
    Nodes::new(&Topology::of(cores.iter().enumerate().map(node).collect()))
}

#[test]
fn data_goes_to_the_node_that_has_the_least_for_each_core() {
    let nodes = nodes(&[&[0, 1, 2, 3], &[4, 5]]);
    let mut homes: Vec<_> = (0..6).map(|_| nodes.place(100)).collect();
    let on = |homes: &[Home], node| homes.iter().filter(|home| home.node() == node).count();
    assert_eq!((on(&homes, 0), on(&homes, 1)), (4, 2), "as many as there are cores");
    let stats = nodes.stats();
    assert_eq!((stats[0].pieces, stats[0].bytes), (4, 400));
    homes.retain(|home| home.node() == 0);
    assert_eq!((nodes.stats()[1].pieces, nodes.stats()[1].bytes), (0, 0), "given back");
    assert_eq!(nodes.place(1_000_000).node(), 0, "a core of four has less of it");
    assert_eq!(nodes.place(1).node(), 1);
    // Without bytes they take turns.
    let empty = self::nodes(&[&[0], &[1]]);
    let homes = [empty.place(0), empty.place(0), empty.place(0)];
    assert_eq!(homes.map(|home| home.node()), [0, 1, 0]);
}

#[test]
fn searches_are_local_or_remote_by_where_their_thread_is() {
    let cores = own_cores();
    if cores.len() < 2 {
        return;
    }
    let nodes = nodes(&[&cores[..1], &cores[1..]]);
    for node in [0, 1] {
        nodes.stay(node, || {
            assert_eq!(nodes.here(), Some(node));
            nodes.count_search(0);
        });
    }
    let stats = nodes.stats();
    assert_eq!((stats[0].local_searches, stats[0].remote_searches), (1, 0));
    assert_eq!((stats[1].local_searches, stats[1].remote_searches), (0, 1));
}

#[test]
fn a_thread_stays_on_a_node_for_some_work_and_goes_back() {
    let cores = own_cores();
    let nodes = nodes(&[&cores[..1], &cores[1..]]);
    assert_eq!(nodes.stay(0, own_cores), &cores[..1]);
    assert_eq!(own_cores(), cores);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        nodes.stay(0, || panic!("half way"));
    }));
    assert!(panicked.is_err());
    assert_eq!(own_cores(), cores, "after a panic as well");
    // Cores that are not there cost the locality, not the work.
    let absent = self::nodes(&[&cores[..1], &[1_022]]);
    assert_eq!(absent.stay(1, own_cores), cores);
}
