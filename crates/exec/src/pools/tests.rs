//! Pools on this machine and on one that is only described.

use super::*;
use rustix::process::getpriority_process;
use std::collections::BTreeSet;
use std::sync::mpsc;

fn node(number: usize, cores: std::ops::Range<usize>) -> NumaNode {
    NumaNode { number, cores: cores.collect() }
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

/// What the system says of the threads of this process: their names and cores.
#[cfg(feature = "numa")]
fn threads_and_cores() -> Vec<(String, String)> {
    let of = |status: &str, key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.map(|value| value.trim().to_owned()).unwrap_or_default()
    };
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux tells");
    // A thread may end while it is looked at.
    let statuses = tasks.filter_map(|task| {
        std::fs::read_to_string(task.expect("an entry").path().join("status")).ok()
    });
    statuses.map(|status| (of(&status, "Name:"), of(&status, "Cpus_allowed_list:"))).collect()
}

#[test]
#[cfg(feature = "numa")]
fn the_system_says_that_each_pool_is_on_its_node() {
    let cores = own_cores();
    if cores.len() < 2 || cores[..2] != [0, 1] {
        return;
    }
    let topology = Topology::from_synthetic("node:2 core:1 pu:1").expect("hwloc knows it");
    let options = PoolOptions { search_threads: 6, build_threads: 1, pin: true };
    let pools = Pools::new(&topology, &options).expect("threads");
    assert_eq!(pools.pinned_threads(), 6);
    let all = threads_and_cores();
    // Other tests of this process have pools with threads 0 and 1.
    for (thread, core) in [("search-0-2", "0"), ("search-1-2", "1")] {
        let found: Vec<_> = all.iter().filter(|(name, _)| name == thread).collect();
        assert!(found.iter().any(|(_, on)| on == core), "{thread} on {core}: {found:?}");
    }
    for node in [0, 1] {
        assert_eq!(pools.search(node).broadcast(|_| pools.node_here()), [Some(node); 3]);
    }
}

/// Two nodes of a thread each, as far as the machine has the cores.
#[cfg(feature = "numa")]
fn two_nodes() -> Arc<Pools> {
    let topology = Topology::from_synthetic("node:2 core:1 pu:1").expect("hwloc knows it");
    let options = PoolOptions { search_threads: 2, build_threads: 1, pin: true };
    Arc::new(Pools::new(&topology, &options).expect("threads"))
}

/// Has a thread of a node share units, and says who did what.
#[cfg(feature = "numa")]
fn share(
    pools: &Arc<Pools>,
    homes: &[Option<usize>],
    before: impl Fn(usize) + Send + Sync + 'static,
) -> Vec<(usize, String)> {
    let (sender, receiver) = mpsc::channel();
    let (units, own) = (Units::new(2, homes.iter().copied()), Arc::clone(pools));
    pools.spawn_search_on(0, move || {
        own.share_units(units, move |unit| {
            before(unit);
            let name = std::thread::current().name().expect("pools name threads").to_owned();
            sender.send((unit, name)).expect("the receiver waits");
        });
    });
    let mut all: Vec<_> = receiver.iter().collect();
    all.sort_unstable();
    all
}

#[test]
#[cfg(feature = "numa")]
fn units_are_done_by_threads_of_their_node() {
    let pools = two_nodes();
    // Both threads have begun before either goes on.
    let both = std::sync::Barrier::new(2);
    let done = share(&pools, &[Some(1), Some(0)], move |_| {
        both.wait();
    });
    assert_eq!(done, [(0, "search-1-0".to_owned()), (1, "search-0-0".to_owned())]);
}

#[test]
#[cfg(feature = "numa")]
fn a_node_without_work_takes_that_of_another() {
    let pools = two_nodes();
    let (sender, receiver) = mpsc::channel();
    let receiver = parking_lot::Mutex::new(receiver);
    // The first unit ends when somebody else has done the second.
    let done = share(&pools, &[Some(0), Some(0)], move |unit| match unit {
        0 => receiver.lock().recv().expect("the other thread takes the second"),
        _ => sender.send(()).expect("the first waits"),
    });
    assert_eq!(done, [(0, "search-0-0".to_owned()), (1, "search-1-0".to_owned())]);
}
