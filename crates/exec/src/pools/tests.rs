//! Pools on this machine and on one that is only described.

use super::*;
use rustix::process::getpriority_process;
use rustix::thread::sched_getaffinity;
use std::collections::BTreeSet;
use std::sync::mpsc;

fn node(number: usize, cores: std::ops::Range<usize>) -> NumaNode {
    NumaNode { number, cores: cores.collect() }
}

/// The cores that the calling thread may run on.
fn own_cores() -> Vec<usize> {
    let set = sched_getaffinity(None).expect("Linux tells");
    (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect()
}

#[test]
fn threads_are_dealt_by_cores_and_every_node_has_one() {
    let check = |nodes: &[NumaNode], threads: usize, expected: &[usize]| {
        assert_eq!(shares(nodes, threads), expected, "{threads} threads on {nodes:?}");
    };
    let even = [node(0, 0..4), node(1, 4..8)];
    check(&even, 8, &[4, 4]);
    check(&even, 4, &[2, 2]);
    check(&even, 5, &[3, 2]);
    check(&even, 1, &[1, 1]);
    let uneven = [node(0, 0..6), node(1, 6..8)];
    check(&uneven, 8, &[6, 2]);
    check(&uneven, 4, &[3, 1]);
    check(&[node(0, 0..2)], 7, &[7]);
}

#[test]
fn each_search_thread_has_a_core_of_its_own() {
    let topology = Topology::detect();
    let options =
        PoolOptions { search_threads: topology.core_count(), build_threads: 1, pin: true };
    let pools = Pools::new(&topology, &options).expect("threads");
    assert_eq!(pools.pinned_threads(), topology.core_count());
    for (at, node) in topology.nodes().iter().enumerate() {
        let bound: BTreeSet<_> = pools.search(at).broadcast(|_| own_cores()).into_iter().collect();
        let expected: BTreeSet<_> = node.cores.iter().map(|&core| vec![core]).collect();
        assert_eq!(bound, expected);
    }
    let build = pools.build().broadcast(|_| own_cores());
    let all: Vec<_> = core_affinity::get_core_ids().expect("Linux tells");
    assert_eq!(build, [all.iter().map(|core| core.id).collect::<Vec<_>>()], "build is not pinned");
}

#[test]
fn an_uneven_number_of_threads_shares_the_cores_of_the_node() {
    let topology = Topology::detect();
    let threads = topology.core_count() + topology.nodes().len();
    let options = PoolOptions { search_threads: threads, build_threads: 1, pin: true };
    let pools = Pools::new(&topology, &options).expect("threads");
    for (at, node) in topology.nodes().iter().enumerate() {
        for cores in pools.search(at).broadcast(|_| own_cores()) {
            assert_eq!(cores, node.cores);
        }
    }
}

#[test]
fn build_threads_are_nice_and_search_threads_are_not() {
    let options = PoolOptions { search_threads: 0, build_threads: 2, pin: false };
    let pools = Pools::new(&Topology::detect(), &options).expect("threads");
    let nice = || getpriority_process(Some(gettid())).expect("Linux tells");
    let own = nice();
    assert_eq!(pools.build().broadcast(|_| nice()), [BUILD_NICE; 2]);
    assert_eq!(pools.merge().broadcast(|_| nice()), [MERGE_NICE; 2]);
    assert!(pools.search(0).broadcast(|_| nice()).iter().all(|&nice| nice == own));
    assert_eq!(pools.pinned_threads(), 0);
}

#[test]
fn threads_are_named_by_pool_and_place() {
    let options = PoolOptions { search_threads: 1, build_threads: 1, pin: false };
    let pools = Pools::new(&Topology::detect(), &options).expect("threads");
    let name = || std::thread::current().name().map(str::to_owned);
    assert_eq!(pools.search(0).install(name).as_deref(), Some("search-0-0"));
    assert_eq!(pools.build().install(name).as_deref(), Some("build-0"));
}

#[test]
#[cfg(feature = "numa")]
fn a_machine_of_two_nodes_has_two_search_pools() {
    let topology = Topology::from_synthetic("node:2 core:2 pu:1").expect("hwloc knows it");
    let options = PoolOptions { search_threads: 4, build_threads: 1, pin: false };
    let pools = Pools::new(&topology, &options).expect("threads");
    assert_eq!(pools.node_count(), 2);
    assert_eq!(pools.search(0).current_num_threads(), 2);
    assert_eq!(pools.search(1).current_num_threads(), 2);

    // Tasks without a home go to both in turn.
    let (sender, receiver) = mpsc::channel();
    for _ in 0..4 {
        let sender = sender.clone();
        pools.spawn_search(move || {
            let name = std::thread::current().name().map(|name| name[..8].to_owned());
            sender.send(name).expect("the receiver waits");
        });
    }
    drop(sender);
    let mut names: Vec<_> = receiver.iter().flatten().collect();
    names.sort_unstable();
    assert_eq!(names, ["search-0", "search-0", "search-1", "search-1"]);
}

#[test]
fn a_core_that_is_not_there_costs_the_pinning_but_not_the_thread() {
    let counters = Counters::default();
    std::thread::scope(|scope| {
        scope.spawn(|| Place::AnyOf(vec![1022, 1023]).bind(&counters));
        scope.spawn(|| Place::Core(1023).bind(&counters));
    });
    assert_eq!(counters.pinned.load(Ordering::Relaxed), 0);
}

#[test]
fn a_task_that_panics_is_counted_and_its_thread_goes_on() {
    let options = PoolOptions { search_threads: 1, build_threads: 1, pin: false };
    let pools = Pools::new(&Topology::detect(), &options).expect("threads");
    pools.spawn_search(|| panic!("a poison query"));
    let (sender, receiver) = mpsc::channel();
    pools.spawn_search(move || sender.send("alive").expect("the receiver waits"));
    assert_eq!(receiver.recv(), Ok("alive"));
    // The thread that ran the second task had finished the first one, panic and all,
    // unless there are several nodes.
    if pools.node_count() == 1 {
        assert_eq!(pools.panics(), 1);
    }
}
