//! A failing disk stops the node's writing, a failing state machine its group.

use crate::rig::*;
use std::path::Path;
use vicinal_cluster::{Committed, GroupStart, Node, ProposeError};
use vicinal_storage::{Disk, SimDisk};
use vicinal_types::{Error, ErrorKind};

/// Commands of this test's script; each is answered before the next is proposed.
const COMMANDS: u64 = 12;

/// Proposes one command after the other; returns how many were acknowledged
/// before the first failure.
fn script(node: &Node<Counter>) -> (u64, Option<ProposeError>) {
    for at in 0..COMMANDS {
        if let Err(error) = put(node, ONE, format!("c{at}")) {
            return (at, Some(error));
        }
    }
    (COMMANDS, None)
}

#[test]
fn a_failed_sync_stops_all_writing_and_loses_no_acknowledged_write() {
    let mut failures = 0;
    for n in 1..=2 * COMMANDS {
        let disk = SimDisk::new(n);
        let node = start(&disk);
        let journal = add(&node, ONE);
        node.wait_caught_up(ONE, PATIENCE).expect("an empty log");
        disk.fail_sync(n);
        let (acknowledged, error) = script(&node);
        assert_eq!(texts(&journal).len() as u64, acknowledged, "applied is acknowledged");
        if let Some(error) = error {
            failures += 1;
            check_failed(&node, error);
        }
        node.stop();
        disk.crash();

        let node = start(&disk);
        let journal = add(&node, ONE);
        node.wait_caught_up(ONE, PATIENCE).expect("what was durable is there");
        let found = texts(&journal);
        let expected: Vec<_> = (0..acknowledged).map(|at| format!("c{at}")).collect();
        assert!(found.starts_with(&expected), "{acknowledged} acknowledged, found {found:?}");
        put(&node, ONE, "after").expect("a restart takes writes again");
        node.stop();
    }
    assert!(failures >= COMMANDS - 1, "{failures} runs failed");
}

/// After its log failed, a node refuses writes with the first reason, for good.
fn check_failed(node: &Node<Counter>, error: ProposeError) {
    let reason = node.failure().expect("the node knows");
    assert_eq!(error, ProposeError::LogFailed { reason: reason.clone() });
    for group in [ONE, TWO] {
        let again = put(node, group, "late").expect_err("no write passes");
        assert_eq!(again, ProposeError::LogFailed { reason: reason.clone() });
        assert_eq!(Error::from(again).kind(), ErrorKind::Unavailable);
    }
    let stopped = node.status(ONE).expect("it is still known").stopped;
    assert!(stopped.is_some_and(|stopped| stopped.contains(&reason)));
    add(node, TWO);
    assert!(node.wait_caught_up(TWO, PATIENCE).is_err());
}

#[test]
fn a_failed_sync_answers_everybody_who_waits() {
    let disk = SimDisk::new(1);
    let node = start(&disk);
    add(&node, ONE);
    add(&node, TWO);
    put(&node, ONE, "c").expect("a good disk");
    put(&node, TWO, "c").expect("a good disk");
    let held = hold_syncs(&disk);
    disk.fail_sync(1);
    let opening = propose(&node, ONE, "opens the round");
    until("the sync waits", || disk.syncs_waiting() == 1);
    let waiting: Vec<_> = (0..20)
        .map(|at| propose(&node, if at % 2 == 0 { ONE } else { TWO }, format!("{at}")))
        .collect();
    drop(held);
    for outcome in waiting.iter().chain([&opening]) {
        let error = wait(outcome).expect_err("nothing is acknowledged");
        assert!(matches!(error, ProposeError::LogFailed { .. }), "{error}");
    }
    assert_eq!(node.waiting(), (0, 0));
    node.stop();
}

#[test]
fn a_full_disk_stops_writing_like_any_failed_write() {
    let disk = SimDisk::new(1);
    let node = start(&disk);
    add(&node, ONE);
    put(&node, ONE, "c").expect("room");
    disk.set_capacity(Some(disk.used_bytes() + 100));
    let error = put(&node, ONE, vec![1; 1000]).expect_err("no room");
    assert!(matches!(error, ProposeError::LogFailed { .. }), "{error}");
    node.stop();
}

#[test]
fn a_panic_in_a_state_machine_stops_its_group_and_no_other() {
    let disk = SimDisk::new(1);
    let node = start(&disk);
    let hook = |command: &Committed| assert!(&command.data[..] != b"poison", "cannot apply poison");
    let (fragile, _) = Counter::with_hook(hook);
    node.add_group(GroupStart::empty(ONE), fragile);
    let journal = add(&node, TWO);
    put(&node, ONE, "c").expect("a good command");
    let error = put(&node, ONE, "poison").expect_err("the state machine panics");
    let ProposeError::GroupStopped { group: ONE, reason } = error else {
        panic!("{error}");
    };
    assert!(reason.contains("cannot apply poison"), "{reason}");
    let again = put(&node, ONE, "c").expect_err("it has stopped");
    assert_eq!(again, ProposeError::GroupStopped { group: ONE, reason: reason.clone() });
    assert_eq!(node.status(ONE).expect("known").stopped, Some(reason));
    assert_eq!(node.failure(), None);
    assert_eq!(put(&node, TWO, "c"), Ok(1));
    assert_eq!(texts(&journal), ["c"]);
    node.stop();

    // The command is still in the log: a version that can apply it goes on.
    let node = start(&disk);
    let journal = add(&node, ONE);
    node.wait_caught_up(ONE, PATIENCE).expect("a good log");
    assert_eq!(texts(&journal), ["c", "poison"]);
    node.stop();
}

#[test]
fn a_panic_in_a_receiver_harms_nobody() {
    let node = start(&SimDisk::new(1));
    add(&node, ONE);
    node.propose(ONE, "c".into(), Box::new(|_| panic!("a careless receiver")));
    assert_eq!(put(&node, ONE, "c"), Ok(2));
    assert_eq!(node.status(ONE).expect("it runs").stopped, None);
    node.stop();
}

/// An entry that rots while the node runs is found when it is read again.
#[test]
fn damage_stops_the_group_that_needs_the_bytes_and_no_other() {
    let disk = SimDisk::new(1);
    let node = start(&disk);
    add(&node, ONE);
    put(&node, ONE, "rotten rotten rotten").expect("a good disk");
    node.stop();

    let node = start(&disk);
    let dir = Path::new("log");
    for name in disk.list(dir).expect("a directory") {
        let path = dir.join(name);
        let bytes = disk.contents(&path).expect("a file");
        let found = bytes.windows(6).position(|window| window == b"rotten");
        if let Some(at) = found {
            disk.flip(&path, at as u64, 1).expect("a byte");
        }
    }
    add(&node, ONE);
    add(&node, TWO);
    let error = node.wait_caught_up(ONE, PATIENCE).expect_err("the entry is damaged");
    assert!(error.to_string().contains("damaged"), "{error}");
    put(&node, TWO, "c").expect("the other group goes on");
    node.stop();
}
