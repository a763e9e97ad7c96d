//! How much passes through one node, on a real disk; printed, and held to a floor
//! that only a broken design misses.

use crate::rig::*;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use vicinal_cluster::{Node, NodeOptions};
use vicinal_storage::{FileDisk, Log, LogOptions};
use vicinal_types::{Clock, NodeId, SystemClock};

const THREADS: usize = 16;

/// Proposes from 16 threads, each with `in_flight` commands on their way.
fn measure(bytes: usize, per_thread: usize, in_flight: usize) -> (Duration, u64) {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = Arc::new(FileDisk);
    let log = Log::open(disk, &dir.path().join("log"), LogOptions::default()).expect("a disk").0;
    let options = NodeOptions::new(NodeId(1));
    let node = Node::start(options, log, Arc::new(SystemClock)).expect("threads");
    let journal = add(&node, ONE);
    node.wait_caught_up(ONE, PATIENCE).expect("an empty log");
    let data = Bytes::from(vec![7; bytes]);
    let begin = SystemClock.now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut waiting = std::collections::VecDeque::new();
                for _ in 0..per_thread {
                    if waiting.len() == in_flight {
                        let oldest: Outcome = waiting.pop_front().expect("not empty");
                        wait(&oldest).expect("a good disk");
                    }
                    waiting.push_back(propose(&node, ONE, data.clone()));
                }
                for outcome in waiting {
                    wait(&outcome).expect("a good disk");
                }
            });
        }
    });
    let elapsed = SystemClock.now() - begin;
    assert_eq!(journal.lock().commands.len(), THREADS * per_thread);
    let syncs = node.log_stats().syncs;
    node.stop();
    (elapsed, syncs)
}

#[test]
fn small_commands_share_syncs_and_large_ones_use_the_disk() {
    for in_flight in [1, 64] {
        let per_thread = 2_000;
        let (elapsed, syncs) = measure(1024, per_thread, in_flight);
        let rate = (THREADS * per_thread) as f64 / elapsed.as_secs_f64();
        println!(
            "1 KiB, {THREADS} threads × {in_flight} in flight: {rate:.0} commands/s, {syncs} syncs"
        );
        assert!(rate > 500.0, "{rate} commands/s");
    }
    for in_flight in [1, 4] {
        let per_thread = 16;
        let (elapsed, syncs) = measure(1024 * 1024, per_thread, in_flight);
        let rate = (THREADS * per_thread) as f64 / elapsed.as_secs_f64();
        println!(
            "1 MiB, {THREADS} threads × {in_flight} in flight: {rate:.0} MiB/s, {syncs} syncs"
        );
        assert!(rate > 10.0, "{rate} MiB/s");
    }
}
