//! What a node knows after it was stopped and started again.

use crate::rig::*;
use std::path::Path;
use vicinal_cluster::{CatchUpError, GroupStart, ProposeError};
use vicinal_storage::{Disk, LogPosition, SimDisk};
use vicinal_types::GroupId;

/// The position of the n-th command (from 1) of a journal.
fn position(journal: &SharedJournal, n: usize) -> LogPosition {
    let command = &journal.lock().commands[n - 1];
    LogPosition { index: command.index, term: command.term }
}

/// A disk with a log of ten commands, and their journal.
fn ten_commands() -> (SimDisk, SharedJournal) {
    let disk = SimDisk::new(1);
    let node = start(&disk);
    let journal = add(&node, ONE);
    for at in 1..=10 {
        put(&node, ONE, format!("c{at}")).expect("a good disk");
    }
    node.stop();
    (disk, journal)
}

#[test]
fn exactly_the_unapplied_suffix_is_replayed() {
    let (disk, before) = ten_commands();
    for applied in 0..=10 {
        let at = match applied {
            0 => LogPosition::default(),
            n => position(&before, n),
        };
        let node = start(&disk);
        let journal = add_at(&node, ONE, at);
        node.wait_caught_up(ONE, PATIENCE).expect("a good log");
        assert!(node.caught_up(ONE));
        let expected: Vec<_> = (applied + 1..=10).map(|at| format!("c{at}")).collect();
        assert_eq!(texts(&journal), expected, "applied {applied} before");
        let indexes = |journal: &SharedJournal| -> Vec<_> {
            journal.lock().commands.iter().map(|command| command.index).collect()
        };
        assert_eq!(indexes(&journal), indexes(&before)[applied..]);
        node.stop();
    }
}

#[test]
fn a_restarted_group_goes_on_where_it_was() {
    let (disk, before) = ten_commands();
    let node = start(&disk);
    let journal = add_at(&node, ONE, position(&before, 10));
    assert_eq!(put(&node, ONE, "c11"), Ok(1));
    let (ten, eleven) = (position(&before, 10), position(&journal, 1));
    assert!(eleven.index > ten.index && eleven.term > ten.term);
    node.stop();
}

#[test]
fn a_purged_log_serves_the_state_that_was_purged_for_and_no_older_one() {
    let disk = SimDisk::new(1);
    let node = start(&disk);
    let journal = add(&node, ONE);
    for at in 1..=100 {
        put(&node, ONE, format!("{at:0500}")).expect("a good disk");
    }
    let (fifty, ninety) = (position(&journal, 50), position(&journal, 90));
    let files = || disk.list(Path::new("log")).expect("a directory").len();
    let many = files();
    node.purge(ONE, ninety);
    until("files are gone", || files() < many / 2);
    until("it is seen", || node.status(ONE).is_some_and(|status| status.first == ninety.index + 1));
    node.stop();

    let node = start(&disk);
    let journal = add_at(&node, ONE, ninety);
    node.wait_caught_up(ONE, PATIENCE).expect("what it needs is there");
    assert_eq!(texts(&journal).len(), 10);
    node.stop();

    let node = start(&disk);
    add_at(&node, ONE, fifty);
    let error = node.wait_caught_up(ONE, PATIENCE).expect_err("what it needs is gone");
    assert!(matches!(error, CatchUpError::Stopped { group: ONE, .. }), "{error}");
    assert!(error.to_string().contains("purged up to"), "{error}");
    let refused = put(&node, ONE, "late").expect_err("it does not run");
    assert!(matches!(refused, ProposeError::GroupStopped { group: ONE, .. }), "{refused}");
    node.stop();
}

#[test]
fn entries_that_are_not_applied_are_not_purged() {
    let disk = SimDisk::new(1);
    let node = start(&disk);
    add(&node, ONE);
    put(&node, ONE, "c1").expect("a good disk");
    node.purge(ONE, LogPosition { index: 50, term: 1 });
    put(&node, ONE, "c2").expect("the group goes on");
    assert_eq!(node.status(ONE).expect("it runs").first, 1);
    assert_eq!(node.failure(), None);
    node.stop();
}

#[test]
fn a_purge_waits_until_its_entries_are_applied() {
    let disk = SimDisk::new(1);
    let node = start(&disk);
    add(&node, ONE);
    put(&node, ONE, "c1").expect("a good disk");
    let up_to = node.status(ONE).expect("it runs").applied + 1;
    node.purge(ONE, LogPosition { index: up_to, term: 1 });
    put(&node, ONE, "c2").expect("a good disk");
    until("the purge", || node.status(ONE).expect("it runs").first == up_to + 1);
    node.stop();
}

#[test]
fn a_state_ahead_of_its_log_is_refused() {
    let (_, before) = ten_commands();
    let node = start(&SimDisk::new(2));
    add_at(&node, ONE, position(&before, 10));
    let error = node.wait_caught_up(ONE, PATIENCE).expect_err("another log");
    assert!(error.to_string().contains("the log ends at 0"), "{error}");
    node.stop();
}

#[test]
fn a_removed_group_is_forgotten() {
    let (disk, _) = ten_commands();
    let node = start(&disk);
    assert_eq!(node.groups_in_log(), [ONE]);
    let journal = add(&node, TWO);
    put(&node, TWO, "stays").expect("a good disk");
    // Group 1 runs on this disk, but not in this node: its removal was cut short.
    node.remove_group(ONE);
    node.stop();
    assert_eq!(texts(&journal), ["stays"]);
    let node = start(&disk);
    assert_eq!(node.groups_in_log(), [TWO]);
    node.stop();
}

#[test]
fn removing_a_group_answers_those_who_wait() {
    let disk = SimDisk::new(1);
    let node = start(&disk);
    add(&node, ONE);
    add(&node, TWO);
    put(&node, ONE, "c1").expect("a good disk");
    put(&node, TWO, "c1").expect("a good disk");
    let held = hold_syncs(&disk);
    let opening = propose(&node, TWO, "opens the round");
    until("the sync waits", || disk.syncs_waiting() == 1);
    let late: Vec<_> = (0..5).map(|at| propose(&node, ONE, format!("{at}"))).collect();
    node.remove_group(ONE);
    drop(held);
    wait(&opening).expect("the other group goes on");
    for outcome in &late {
        assert_eq!(wait(outcome), Err(ProposeError::GroupRemoved { group: ONE }));
    }
    node.stop();
}

/// A long log is read and applied in pieces, not all at once.
#[test]
fn a_long_replay_is_cut_into_bounded_calls() {
    let disk = SimDisk::new(1);
    let node = start(&disk);
    add(&node, ONE);
    let outcomes: Vec<_> = (0..2_000).map(|at| propose(&node, ONE, format!("{at:0100}"))).collect();
    assert!(outcomes.iter().all(|outcome| wait(outcome).is_ok()));
    node.stop();

    let node = start_with(&disk, |options| options.commit_bytes_max = 2_000).expect("a good disk");
    let journal = add(&node, ONE);
    node.wait_caught_up(ONE, PATIENCE).expect("a good log");
    let calls = journal.lock().calls.clone();
    assert_eq!(calls.iter().sum::<usize>(), 2_000);
    assert!(calls.iter().all(|&commands| commands <= 20), "{calls:?}");
    put(&node, ONE, "and it goes on").expect("a good disk");
    node.stop();
}

#[test]
fn groups_that_never_ran_are_unknown() {
    let node = start(&SimDisk::new(1));
    let group = GroupId(99);
    assert_eq!(put(&node, group, "c"), Err(ProposeError::UnknownGroup { group }));
    assert_eq!(node.status(group), None);
    assert!(!node.caught_up(group));
    let waited = node.wait_caught_up(group, PATIENCE);
    assert_eq!(waited, Err(CatchUpError::UnknownGroup { group }));
    node.remove_group(group);
    node.stop();
}

#[test]
fn a_group_may_be_added_before_its_log_is_replayed_elsewhere() {
    let (disk, _) = ten_commands();
    let node = start(&disk);
    // The slow replay of one group does not keep another from its work.
    let (go, may_go) = std::sync::mpsc::channel::<()>();
    let (slow, journal) = Counter::with_hook(move |_| may_go.recv().expect("the test says when"));
    node.add_group(GroupStart::empty(ONE), slow);
    let waited = node.wait_caught_up(ONE, std::time::Duration::from_millis(20));
    assert!(matches!(waited, Err(CatchUpError::TimedOut { target: 11, .. })), "{waited:?}");
    for _ in 0..10 {
        go.send(()).expect("the counter waits");
    }
    node.wait_caught_up(ONE, PATIENCE).expect("a good log");
    assert_eq!(texts(&journal).len(), 10);
    node.stop();
}
