//! The log in plain use.

use crate::log_model::{
    DIR, Group, Model, contents, entry, log_files, open, open_with, position, small,
};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use vicinal_storage::{Disk as _, FileDisk, Log, LogError, LogOptions, SimDisk, VoteState};
use vicinal_types::GroupId;

const A: GroupId = GroupId(1);
const B: GroupId = GroupId(2);

const VOTE: VoteState = VoteState { term: 3, vote: 1, commit: 2 };

#[test]
fn new_group_is_empty() {
    let (log, report) = open(&SimDisk::new(0)).unwrap();
    assert_eq!((report.files, report.torn), (0, None));
    assert_eq!((log.first_index(A), log.last_index(A)), (1, 0));
    assert_eq!((log.state(A), log.purged(A)), (None, position(0, 0)));
    assert_eq!(log.term(A, 0).unwrap(), Some(0));
    assert_eq!(log.term(A, 1).unwrap(), None);
    assert!(log.entries(A, 1..1, 100).unwrap().is_empty());
    assert!(log.groups().is_empty());
}

#[test]
fn entries_and_votes_come_back_on_a_real_disk() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("log");
    let open = || Log::open(Arc::new(FileDisk), &dir, small()).unwrap().0;
    let mut log = open();
    for index in 1..=100 {
        log.append(A, &[entry(index, 1, 50)]).unwrap();
        log.append(B, &[entry(index, 2, 10), entry(index + 1, 2, 0)]).unwrap();
        log.set_vote(A, VoteState { commit: index, ..VOTE }).unwrap();
        if index % 10 == 0 {
            log.sync().unwrap();
        }
    }
    let before = contents(&log).unwrap();
    assert!(log.stats().files > 5, "the log was rotated");
    drop(log);
    let log = open();
    assert_eq!(contents(&log).unwrap(), before);
    assert_eq!(before[&A].vote.unwrap().commit, 100);
    assert_eq!(log.last_index(B), 101);
    log.close().unwrap();
    assert_eq!(contents(&open()).unwrap(), before);
}

#[test]
fn later_entries_replace_everything_from_their_index_on() {
    let disk = SimDisk::new(0);
    let (mut log, _) = open(&disk).unwrap();
    let old: Vec<_> = (1..=9).map(|index| entry(index, 1, 20)).collect();
    log.append(A, &old).unwrap();
    log.append(A, &[entry(4, 2, 5), entry(5, 2, 5)]).unwrap();
    log.sync().unwrap();
    let expected = [&old[..3], &[entry(4, 2, 5), entry(5, 2, 5)]].concat();
    assert_eq!(log.entries(A, 1..6, u64::MAX).unwrap(), expected);
    assert_eq!(log.term(A, 6).unwrap(), None);
    let (log, _) = open(&disk).unwrap();
    assert_eq!(log.entries(A, 1..6, u64::MAX).unwrap(), expected);
    assert_eq!((log.term(A, 3).unwrap(), log.term(A, 4).unwrap()), (Some(1), Some(2)));
}

#[test]
fn gaps_and_purged_indexes_are_refused_and_change_nothing() {
    let (mut log, _) = open(&SimDisk::new(0)).unwrap();
    log.append(A, &[entry(1, 1, 1), entry(2, 1, 1)]).unwrap();
    log.purge(A, position(1, 1)).unwrap();
    let before = contents(&log).unwrap();
    for wrong in [
        vec![entry(4, 1, 1)],
        vec![entry(1, 1, 1)],
        vec![entry(3, 1, 1), entry(5, 1, 1)],
        vec![entry(3, 1, 1), entry(3, 1, 1)],
    ] {
        let error = log.append(A, &wrong).unwrap_err();
        assert!(matches!(error, LogError::NotContiguous { .. }), "{error:?}");
        assert_eq!(contents(&log).unwrap(), before);
    }
    let error = log.append(A, &[entry(9, 1, 1)]).unwrap_err().to_string();
    assert_eq!(error, "group 1 takes entries from 2 to 3 next, not entry 9");
}

#[test]
fn too_large_entry_is_refused_with_the_limit() {
    let (mut log, _) = open(&SimDisk::new(0)).unwrap();
    let error = log.append(A, &[entry(1, 1, 64 * 1024 * 1024 + 1)]).unwrap_err();
    assert!(matches!(error, LogError::TooLarge { .. }), "{error:?}");
    assert_eq!(log.last_index(A), 0);
}

#[test]
fn ranges_outside_are_refused_by_name() {
    let (mut log, _) = open(&SimDisk::new(0)).unwrap();
    let all: Vec<_> = (1..=5).map(|index| entry(index, 1, 1)).collect();
    log.append(A, &all).unwrap();
    log.purge(A, position(2, 1)).unwrap();
    let purged = log.entries(A, 2..4, 100).unwrap_err().to_string();
    assert_eq!(purged, "entry 2 of group 1 was purged, the first one held is 3");
    let beyond = log.entries(A, 3..7, 100).unwrap_err().to_string();
    assert_eq!(beyond, "entry 6 of group 1 does not exist, the last one is 5");
}

#[test]
fn reads_stop_at_the_budget_but_give_one_entry() {
    for cache_bytes in [0, 1 << 20] {
        let options = LogOptions { cache_bytes, ..small() };
        let (mut log, _) = open_with(&SimDisk::new(0), options).unwrap();
        let all: Vec<_> = (1..=50).map(|index| entry(index, 1, 100)).collect();
        log.append(A, &all).unwrap();
        for (bytes_max, count) in [(0, 1), (99, 1), (200, 2), (299, 2), (u64::MAX, 50)] {
            let read = log.entries(A, 1..51, bytes_max).unwrap();
            assert_eq!(read, all[..count], "{bytes_max} bytes, cache {cache_bytes}");
        }
    }
}

#[test]
fn entries_not_written_yet_are_readable_without_a_cache() {
    let options = LogOptions { cache_bytes: 0, ..small() };
    let (mut log, _) = open_with(&SimDisk::new(0), options).unwrap();
    log.append(A, &[entry(1, 1, 30)]).unwrap();
    log.sync().unwrap();
    log.append(A, &[entry(2, 1, 30), entry(3, 1, 30)]).unwrap();
    assert_eq!(log.stats().cache_bytes, 0);
    let read = log.entries(A, 1..4, u64::MAX).unwrap();
    assert_eq!(read, [entry(1, 1, 30), entry(2, 1, 30), entry(3, 1, 30)]);
}

#[test]
fn cache_stays_within_its_budget_and_index_shrinks() {
    let options = LogOptions { cache_bytes: 10_000, ..LogOptions::default() };
    let (mut log, _) = open_with(&SimDisk::new(0), options).unwrap();
    log.append(B, &[entry(1, 1, 100)]).unwrap();
    for index in 1..=20_000 {
        log.append(A, &[entry(index, 1, 30)]).unwrap();
        assert!(log.stats().cache_bytes <= 10_000);
    }
    log.sync().unwrap();
    let backlog = log.stats().index_bytes;
    log.purge(A, position(19_999, 1)).unwrap();
    assert!(log.stats().index_bytes < backlog / 8);
    assert_eq!(log.entries(A, 20_000..20_001, 0).unwrap(), [entry(20_000, 1, 30)]);
    assert_eq!(log.entries(B, 1..2, 0).unwrap(), [entry(1, 1, 100)]);
}

#[test]
fn one_sync_covers_all_groups_with_one_write() {
    let disk = SimDisk::new(0);
    let (mut log, _) = open_with(&disk, LogOptions::default()).unwrap();
    let (writes, syncs) = (log.stats().writes, log.stats().syncs);
    for group in 1..=10 {
        log.append(GroupId(group), &[entry(1, 1, 100), entry(2, 1, 100)]).unwrap();
        log.set_vote(GroupId(group), VOTE).unwrap();
    }
    log.sync().unwrap();
    assert_eq!((log.stats().writes, log.stats().syncs), (writes + 1, syncs + 1));
    log.sync().unwrap();
    assert_eq!(log.stats().syncs, syncs + 1, "nothing to sync");
}

#[test]
fn purge_beyond_the_end_starts_the_group_anew() {
    let disk = SimDisk::new(0);
    let (mut log, _) = open(&disk).unwrap();
    log.append(A, &[entry(1, 1, 1), entry(2, 1, 1)]).unwrap();
    log.purge(A, position(100, 5)).unwrap();
    assert_eq!((log.first_index(A), log.last_index(A)), (101, 100));
    assert_eq!(log.term(A, 100).unwrap(), Some(5));
    log.append(A, &[entry(101, 5, 1)]).unwrap();
    log.sync().unwrap();
    let before = contents(&log).unwrap();
    assert_eq!(contents(&open(&disk).unwrap().0).unwrap(), before);
}

#[test]
fn purge_at_another_term_drops_the_other_history() {
    let disk = SimDisk::new(0);
    let (mut log, _) = open(&disk).unwrap();
    let all: Vec<_> = (1..=60).map(|index| entry(index, 1, 40)).collect();
    log.append(A, &all).unwrap();
    log.append(B, &[entry(1, 1, 400)]).unwrap();
    log.purge(A, position(30, 2)).unwrap();
    assert_eq!((log.first_index(A), log.last_index(A)), (31, 30));
    log.sync().unwrap();
    let before = contents(&log).unwrap();
    assert_eq!(contents(&open(&disk).unwrap().0).unwrap(), before);
}

#[test]
fn forgotten_group_stays_forgotten() {
    let disk = SimDisk::new(0);
    let (mut log, _) = open(&disk).unwrap();
    for index in 1..=40 {
        log.append(A, &[entry(index, 1, 40)]).unwrap();
        log.append(B, &[entry(index, 1, 40)]).unwrap();
    }
    log.sync().unwrap();
    let files = log_files(&disk).len();
    log.forget(A).unwrap();
    log.forget(A).unwrap();
    assert_eq!(log.groups(), [B]);
    log.sync().unwrap();
    assert_eq!(open(&disk).unwrap().0.groups(), [B]);
    let (mut log, _) = open(&disk).unwrap();
    log.purge(B, position(39, 1)).unwrap();
    assert!(log_files(&disk).len() < files / 2, "its files are gone too");
}

#[test]
fn open_refuses_file_sizes_out_of_bounds() {
    for file_bytes in [0, 1023, 1 << 31] {
        let options = LogOptions { file_bytes, ..small() };
        let error = open_with(&SimDisk::new(0), options).unwrap_err().to_string();
        assert!(error.contains("choose 1024 to 1073741824"), "{error}");
    }
}

#[test]
fn foreign_files_in_the_directory_are_left_alone() {
    let disk = SimDisk::new(0);
    disk.create_dir_all(Path::new(DIR)).unwrap();
    for name in ["LOCK", "1.log", "note.log", "0000000001.log.tmp"] {
        disk.set_contents(&Path::new(DIR).join(name), b"mine");
    }
    open(&disk).unwrap();
    open(&disk).unwrap();
    assert_eq!(log_files(&disk).len(), 5);
}

#[derive(Clone, Debug)]
enum Step {
    Append { group: u64, back: u64, count: u64, term: u64, bytes: usize },
    Vote { group: u64, commit: u64 },
    Purge { group: u64, ahead: u64, term: Option<u64> },
    Forget { group: u64 },
    Sync,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let group = 0..4_u64;
    let append = (group.clone(), 0..3_u64, 1..6_u64, 1..3_u64, 0..200_usize).prop_map(
        |(group, back, count, term, bytes)| Step::Append { group, back, count, term, bytes },
    );
    let vote = (group.clone(), 0..9_u64).prop_map(|(group, commit)| Step::Vote { group, commit });
    let purge = (group.clone(), 1..8_u64, prop::option::weighted(0.1, 1..4_u64))
        .prop_map(|(group, ahead, term)| Step::Purge { group, ahead, term });
    let forget = group.prop_map(|group| Step::Forget { group });
    let step = prop_oneof![
        12 => append,
        3 => vote,
        6 => purge,
        1 => forget,
        2 => Just(Step::Sync),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..120)
}

fn take(step: Step, log: &mut Log, model: &mut Model) {
    match step {
        Step::Append { group, back, count, term, bytes } => {
            let held = model.entry(GroupId(group)).or_default();
            let first = (held.last() + 1).saturating_sub(back).max(held.purged.index + 1);
            let entries: Vec<_> = (first..first + count).map(|i| entry(i, term, bytes)).collect();
            log.append(GroupId(group), &entries).unwrap();
            entries.into_iter().for_each(|entry| held.put(entry));
        }
        Step::Vote { group, commit } => {
            let vote = VoteState { commit, ..VOTE };
            log.set_vote(GroupId(group), vote).unwrap();
            model.entry(GroupId(group)).or_default().vote = Some(vote);
        }
        Step::Purge { group, ahead, term } => {
            let held: &mut Group = model.entry(GroupId(group)).or_default();
            let index = held.purged.index + ahead;
            let real = held.entries.iter().find(|entry| entry.index == index);
            let term = term.or(real.map(|entry| entry.term)).unwrap_or(1);
            log.purge(GroupId(group), position(index, term)).unwrap();
            held.purge(position(index, term));
        }
        Step::Forget { group } => {
            log.forget(GroupId(group)).unwrap();
            model.remove(&GroupId(group));
        }
        Step::Sync => log.sync().unwrap(),
        Step::Reopen => unreachable!("the test reopens"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn log_holds_what_the_model_holds(steps in steps()) {
        let disk = SimDisk::new(0);
        let mut log = open(&disk).unwrap().0;
        let mut model = Model::new();
        for step in steps {
            if matches!(step, Step::Reopen) {
                log.sync().unwrap();
                drop(log);
                let (reopened, report) = open(&disk).unwrap();
                prop_assert_eq!(report.torn, None);
                log = reopened;
            } else {
                take(step, &mut log, &mut model);
            }
            prop_assert_eq!(&contents(&log).unwrap(), &model);
        }
        log.sync().unwrap();
        drop(log);
        prop_assert_eq!(contents(&open(&disk).unwrap().0).unwrap(), model);
    }
}
