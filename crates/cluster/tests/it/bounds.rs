//! What waits is bounded, in number and in bytes, and said so.

use crate::rig::*;
use vicinal_cluster::{Node, NodeOptions, ProposeError, StartError};
use vicinal_storage::SimDisk;
use vicinal_types::{Error, ErrorKind, NodeId, SystemClock, limits};

#[test]
fn one_command_more_than_may_wait_is_refused_at_once() {
    let disk = SimDisk::new(1);
    let node = start_with(&disk, |options| options.proposals_waiting_max = 3).expect("a good disk");
    add(&node, ONE);
    add(&node, TWO);
    put(&node, ONE, "c").expect("a good disk");
    let held = hold_syncs(&disk);
    let waiting: Vec<_> = (0..3).map(|_| propose(&node, ONE, "c")).collect();
    let error = put(&node, ONE, "c").expect_err("the fourth");
    assert_eq!(error, ProposeError::Full { group: ONE, waiting: 3, limit: 3 });
    assert_eq!(Error::from(error).kind(), ErrorKind::Exhausted);
    let other = propose(&node, TWO, "c");
    assert_eq!(node.waiting(), (4, 4));
    drop(held);
    assert!(waiting.iter().chain([&other]).all(|outcome| wait(outcome).is_ok()));
    put(&node, ONE, "c").expect("there is room again");
    assert_eq!(node.waiting(), (0, 0));
    node.stop();
}

#[test]
fn more_bytes_than_may_wait_are_refused_at_once() {
    let disk = SimDisk::new(1);
    let limit_bytes = 1000;
    let node = start_with(&disk, |options| options.proposal_bytes_waiting_max = limit_bytes);
    let node = node.expect("a good disk");
    add(&node, ONE);
    add(&node, TWO);
    put(&node, ONE, vec![1; 5000]).expect("alone, even a larger one passes");
    let held = hold_syncs(&disk);
    let first = propose(&node, ONE, vec![1; 600]);
    let error = put(&node, TWO, vec![1; 401]).expect_err("the bound is the node's");
    assert_eq!(error, ProposeError::FullBytes { waiting_bytes: 600, limit_bytes });
    let second = propose(&node, TWO, vec![1; 400]);
    drop(held);
    assert!(wait(&first).is_ok() && wait(&second).is_ok());
    node.stop();
}

#[test]
fn commands_that_no_log_record_takes_are_refused() {
    let node = start(&SimDisk::new(1));
    add(&node, ONE);
    assert_eq!(put(&node, ONE, ""), Err(ProposeError::Empty { group: ONE }));
    let (bytes, limit_bytes) = (limits::COMMAND_BYTES_MAX + 1, limits::COMMAND_BYTES_MAX);
    let error = put(&node, ONE, vec![0; bytes]).expect_err("too large");
    assert_eq!(error, ProposeError::TooLarge { bytes, limit_bytes });
    put(&node, ONE, vec![0; limit_bytes]).expect("the largest passes");
    node.stop();
}

#[test]
fn rounds_are_bounded_in_bytes_but_take_at_least_one_command() {
    let disk = SimDisk::new(1);
    let node = start_with(&disk, |options| options.round_bytes_max = 1000).expect("a good disk");
    let journal = add(&node, ONE);
    put(&node, ONE, "c").expect("a good disk");
    let held = hold_syncs(&disk);
    let opening = propose(&node, ONE, "opens the round");
    until("the sync waits", || disk.syncs_waiting() == 1);
    let outcomes: Vec<_> = (0..10).map(|_| propose(&node, ONE, vec![1; 600])).collect();
    drop(held);
    assert!(outcomes.iter().chain([&opening]).all(|outcome| wait(outcome).is_ok()));
    assert_eq!(texts(&journal).len(), 12);
    node.stop();
}

#[test]
fn wrong_options_are_refused_by_name() {
    let check = |options: NodeOptions, expected: &str| {
        let log = open_log(&SimDisk::new(1)).expect("a good disk");
        let started = Node::<Counter>::start(options, log, std::sync::Arc::new(SystemClock));
        let error = started.map(|_| ()).expect_err("a wrong option");
        assert!(error.to_string().contains(expected), "{error}");
    };
    let good = NodeOptions::new(NodeId(1));
    check(NodeOptions { node: NodeId(0), ..good.clone() }, "node id 0");
    check(NodeOptions { proposals_waiting_max: 0, ..good.clone() }, "proposals_waiting_max");
    check(NodeOptions { round_bytes_max: 0, ..good.clone() }, "round_bytes_max");
    check(NodeOptions { tick: std::time::Duration::ZERO, ..good }, "tick");
    let zero = StartError::OptionZero { option: "tick" };
    assert_eq!(zero.to_string(), "option tick of the node is 0; it must be at least 1");
}
