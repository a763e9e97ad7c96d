//! A replica alone: what it wants persisted, and when it commits.

use super::*;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use vicinal_storage::{Log, LogOptions, SimDisk};

const GROUP: GroupId = GroupId(3);

fn log() -> SharedLog {
    let disk = Arc::new(SimDisk::new(1));
    let (log, _) = Log::open(disk, Path::new("log"), LogOptions::default()).expect("a new log");
    Rc::new(RefCell::new(log))
}

fn options(voters: &[u64], seed: u64) -> ReplicaOptions {
    ReplicaOptions {
        group: GROUP,
        node: NodeId(1),
        voters: voters.iter().copied().map(NodeId).collect(),
        seed,
        commit_bytes_max: 1024,
        applied: LogPosition::default(),
    }
}

/// One round of a driver: write, sync, confirm.
fn round(replica: &mut Replica, log: &SharedLog) -> Vec<LogEntry> {
    let ready = replica.take_ready();
    assert!(ready.committed.is_empty(), "everything committed was handed out");
    if let Some(vote) = ready.vote {
        log.borrow_mut().set_vote(GROUP, vote).expect("a good disk");
    }
    log.borrow_mut().append(GROUP, &ready.entries).expect("a good disk");
    log.borrow_mut().sync().expect("a good disk");
    replica.persisted()
}

#[test]
fn raft_is_set_up_to_survive_partitions_and_floods() {
    let config = config(&options(&[1], 1));
    assert!(config.check_quorum && config.pre_vote, "both are off by default in raft");
    assert!(config.max_size_per_msg > 0 && config.max_size_per_msg < raft::NO_LIMIT);
    assert!(config.max_inflight_msgs > 0);
    assert!(config.max_uncommitted_size < raft::NO_LIMIT);
    assert!(config.max_committed_size_per_ready < raft::NO_LIMIT);
    assert_eq!(config.read_only_option, ReadOnlyOption::Safe);
    config.validate().expect("raft takes it");
}

/// The trap of etcd issue 14370: a group of one must not commit what is only
/// about to be written.
#[test]
fn a_sole_voter_commits_nothing_before_it_is_persisted() {
    let log = log();
    let mut replica = Replica::new(&options(&[1], 1), Rc::clone(&log)).expect("fits");
    assert!(replica.is_leader(), "nobody else could lead");
    let committed = round(&mut replica, &log);
    assert_eq!(committed.len(), 1, "the leader's first entry");
    assert!(!is_command(&committed[0]));

    let first = replica.propose(vec!["a".into(), "b".into()]).expect("it leads");
    assert_eq!(first.index, 2);
    let ready = replica.take_ready();
    assert_eq!(ready.entries.len(), 2);
    assert!(ready.committed.is_empty(), "not on disk yet");
    assert_eq!(replica.commit(), 1);
    assert!(!replica.has_ready(), "nothing more before the first is persisted");

    log.borrow_mut().append(GROUP, &ready.entries).expect("a good disk");
    log.borrow_mut().sync().expect("a good disk");
    let committed = replica.persisted();
    assert_eq!(replica.commit(), 3);
    let commands: Vec<_> = committed.iter().map(|entry| entry.data.as_ref()).collect();
    assert_eq!(commands, [b"a", b"b"]);
    assert!(committed.iter().all(is_command));
}

#[test]
fn a_voter_among_three_neither_leads_nor_commits_alone() {
    let log = log();
    let mut replica = Replica::new(&options(&[1, 2, 3], 1), Rc::clone(&log)).expect("fits");
    for _ in 0..4 * ELECTION_TICKS {
        replica.tick();
        if replica.has_ready() {
            assert!(round(&mut replica, &log).is_empty());
        }
        assert!(!replica.is_leader());
    }
    assert_eq!(replica.term(), 0, "pre-vote keeps the term while nobody answers");
    assert_eq!(replica.propose(vec!["a".into()]), None);
}

#[test]
fn election_timeouts_repeat_with_the_seed_and_differ_between_seeds() {
    let timeout = |seed| {
        let replica = Replica::new(&options(&[1, 2, 3], seed), log()).expect("fits");
        replica.raw.raft.randomized_election_timeout()
    };
    let drawn: Vec<_> = (0..64).map(timeout).collect();
    assert_eq!(drawn, (0..64).map(timeout).collect::<Vec<_>>());
    assert!(drawn.iter().all(|ticks| (ELECTION_TICKS..2 * ELECTION_TICKS).contains(ticks)));
    assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), ELECTION_TICKS);
}

#[test]
fn committed_entries_are_handed_out_in_bounded_pieces() {
    let log = log();
    let mut replica = Replica::new(&options(&[1], 1), Rc::clone(&log)).expect("fits");
    round(&mut replica, &log);
    let command = Bytes::from(vec![7; 300]);
    replica.propose(vec![command; 10]).expect("it leads");
    let mut pieces = vec![round(&mut replica, &log).len()];
    while replica.has_ready() {
        pieces.push(replica.take_ready().committed.len());
        pieces.push(replica.persisted().len());
    }
    assert_eq!(pieces.iter().sum::<usize>(), 10);
    assert!(pieces.iter().all(|&entries| entries <= 3), "3 × 300 bytes fit 1024: {pieces:?}");
}

#[test]
fn kinds_of_entries_survive_the_log_and_unknown_ones_are_refused() {
    for kind in [KIND_NORMAL, KIND_CONF_CHANGE, KIND_CONF_CHANGE_V2] {
        let entry = LogEntry { index: 5, term: 2, kind, data: "x".into() };
        let back = to_raft_entry(entry.clone()).map(to_log_entry);
        assert_eq!(back, Some(entry));
    }
    let unknown = LogEntry { index: 5, term: 2, kind: 9, data: "x".into() };
    assert!(to_raft_entry(unknown).is_none());
}

#[test]
fn a_state_that_does_not_fit_the_log_is_refused_with_the_reason() {
    let shared = log();
    let mut replica = Replica::new(&options(&[1], 1), Rc::clone(&shared)).expect("fits");
    round(&mut replica, &shared);
    replica.propose(vec!["a".into(), "b".into(), "c".into()]).expect("it leads");
    round(&mut replica, &shared);
    shared.borrow_mut().purge(GROUP, LogPosition { index: 2, term: 1 }).expect("a good disk");

    let check = |index, term, expected: &str| {
        let options = ReplicaOptions { applied: LogPosition { index, term }, ..options(&[1], 1) };
        match Replica::new(&options, Rc::clone(&shared)) {
            Ok(_) => assert_eq!(expected, "", "index {index} of term {term} was taken"),
            Err(error) => {
                let text = error.to_string();
                assert!(!expected.is_empty() && text.contains(expected), "{text}");
            }
        }
    };
    check(0, 0, "purged up to 2");
    check(1, 1, "purged up to 2");
    check(2, 1, "");
    check(3, 1, "");
    check(3, 7, "has term Some(1) there");
    check(4, 1, "");
    check(5, 1, "the log ends at 4");
}
