//! Commands are applied once, in order, after they are durable.

use crate::rig::*;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;
use vicinal_cluster::{Committed, GroupStart, ProposeError, check_state_machine};
use vicinal_storage::SimDisk;
use vicinal_types::GroupId;

#[test]
fn the_counter_of_these_tests_is_a_right_state_machine() {
    let commands: Vec<_> = (0..20).map(|at| format!("c{at}").into()).collect();
    check_state_machine(|| Counter::new().0, &commands);
}

#[test]
fn commands_are_applied_in_the_order_they_were_proposed() {
    let node = start(&SimDisk::new(1));
    let journal = add(&node, ONE);
    let outcomes: Vec<_> = (0..100).map(|at| propose(&node, ONE, format!("c{at}"))).collect();
    for (at, outcome) in (1..).zip(&outcomes) {
        assert_eq!(wait(outcome), Ok(at));
    }
    let expected: Vec<_> = (0..100).map(|at| format!("c{at}")).collect();
    assert_eq!(texts(&journal), expected);
    let status = node.status(ONE).expect("it runs");
    assert_eq!((status.is_leader, status.applied, status.stopped), (true, 101, None));
    assert_eq!(node.waiting(), (0, 0));
    node.stop();
}

#[test]
fn nothing_is_applied_or_answered_while_its_sync_waits() {
    let disk = SimDisk::new(1);
    let node = start(&disk);
    let journal = add(&node, ONE);
    put(&node, ONE, "before").expect("a good disk");
    let held = hold_syncs(&disk);
    let outcome = propose(&node, ONE, "held");
    until("the sync waits", || disk.syncs_waiting() == 1);
    // Enough for an apply thread that had got the entry too early.
    let answered = outcome.recv_timeout(Duration::from_millis(100));
    assert_eq!(answered, Err(RecvTimeoutError::Timeout));
    assert_eq!(texts(&journal), ["before"]);
    drop(held);
    assert_eq!(wait(&outcome), Ok(2));
    node.stop();
}

#[test]
fn all_groups_share_the_sync_of_a_round() {
    let disk = SimDisk::new(1);
    let node = start(&disk);
    let journals = [add(&node, ONE), add(&node, TWO)];
    for group in [ONE, TWO] {
        node.wait_caught_up(group, PATIENCE).expect("an empty log");
        put(&node, group, "first").expect("a good disk");
    }
    let held = hold_syncs(&disk);
    let opening = propose(&node, ONE, "opens the round");
    until("the sync waits", || disk.syncs_waiting() == 1);
    let waiting: Vec<_> = (0..40)
        .map(|at| propose(&node, if at % 2 == 0 { ONE } else { TWO }, format!("{at}")))
        .collect();
    let before = disk.syncs();
    drop(held);
    wait(&opening).expect("a good disk");
    for outcome in &waiting {
        wait(outcome).expect("a good disk");
    }
    assert_eq!(journals.map(|journal| texts(&journal).len()), [22, 21]);
    let syncs = disk.syncs() - before;
    assert!(syncs <= 2, "{syncs} syncs for the held round and the next one");
    node.stop();
}

#[test]
fn the_next_round_syncs_while_the_last_one_is_applied() {
    let disk = SimDisk::new(1);
    let node = start(&disk);
    let (go, may_go) = std::sync::mpsc::channel::<()>();
    let (slow, journal) = Counter::with_hook(move |_| may_go.recv().expect("the test says when"));
    node.add_group(GroupStart::empty(ONE), slow);
    let first = propose(&node, ONE, "first");
    until("the first is being applied", || {
        node.status(ONE).is_some_and(|status| status.commit == 2)
    });
    let syncs = disk.syncs();
    let second = propose(&node, ONE, "second");
    until("the second is durable", || disk.syncs() > syncs);
    assert!(texts(&journal).is_empty());
    go.send(()).expect("the counter waits");
    go.send(()).expect("the counter waits");
    assert_eq!((wait(&first), wait(&second)), (Ok(1), Ok(2)));
    node.stop();
}

#[test]
fn a_state_machine_may_add_propose_and_remove_while_it_applies() {
    let node = start(&SimDisk::new(1));
    let catalogue = GroupId::CATALOGUE;
    let journal = SharedJournal::default();
    let (inner, shared) = (node.clone(), Arc::clone(&journal));
    let hook = move |command: &Committed| match text(&command.data).as_str() {
        "create" => {
            let counter = Counter { journal: Arc::clone(&shared), hook: Box::new(|_| ()) };
            inner.add_group(GroupStart::empty(TWO), counter);
            inner.propose(
                TWO,
                "from within".into(),
                Box::new(|outcome| assert_eq!(outcome, Ok(1))),
            );
        }
        "drop" => inner.remove_group(TWO),
        other => panic!("unknown command {other}"),
    };
    node.add_group(GroupStart::empty(catalogue), Counter::with_hook(hook).0);
    put(&node, catalogue, "create").expect("a good disk");
    put(&node, TWO, "from outside").expect("the group runs as soon as its creation is answered");
    assert_eq!(texts(&journal), ["from within", "from outside"]);
    put(&node, catalogue, "drop").expect("a good disk");
    assert_eq!(put(&node, TWO, "late"), Err(ProposeError::UnknownGroup { group: TWO }));
    assert_eq!(node.status(TWO), None);
    node.stop();
}

#[test]
fn stop_finishes_what_waits_and_refuses_what_comes() {
    let disk = SimDisk::new(1);
    let node = start(&disk);
    let journal = add(&node, ONE);
    let outcomes: Vec<_> = (0..500).map(|at| propose(&node, ONE, format!("{at}"))).collect();
    node.stop();
    assert!(outcomes.iter().all(|outcome| wait(outcome).is_ok()));
    assert_eq!(texts(&journal).len(), 500);
    assert_eq!(put(&node, ONE, "late"), Err(ProposeError::Stopping));
    assert_eq!(node.failure(), None);
    node.stop();
    assert_eq!(Arc::strong_count(&journal), 1, "the state machine was dropped");
}

#[test]
fn threads_end_when_the_last_handle_is_dropped() {
    let disk = SimDisk::new(1);
    let journal = add(&start(&disk), ONE);
    assert_eq!(Arc::strong_count(&journal), 1);
    assert!(open_log(&disk).is_ok());
}
