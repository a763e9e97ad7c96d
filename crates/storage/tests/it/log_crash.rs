//! Whatever fails and whenever: what was synced is there, nothing is invented.
//!
//! A script of calls runs on a simulated disk until it is stopped. Beside it
//! stands the list of all states the log went through, record by record. After
//! the restart the log must be in one of the states from the last acknowledged
//! sync to the last record that was tried.

use crate::log_model::{Model, contents, entry, open, position};
use vicinal_storage::{Log, LogEntry, LogError, SimDisk, VoteState};
use vicinal_types::GroupId;

const STEPS: u64 = 60;

struct Run {
    states: Vec<Model>,
    /// The state that the last successful sync acknowledged.
    synced: usize,
    error: Option<LogError>,
}

impl Run {
    fn now(&self) -> Model {
        self.states.last().cloned().unwrap_or_default()
    }

    fn append(&mut self, log: &mut Log, group: u64, entries: &[LogEntry]) -> Result<(), LogError> {
        for entry in entries {
            let mut state = self.now();
            state.entry(GroupId(group)).or_default().put(entry.clone());
            self.states.push(state);
        }
        log.append(GroupId(group), entries)
    }

    /// One step of the script; the number decides what it is.
    fn step(&mut self, log: &mut Log, step: u64) -> Result<(), LogError> {
        let group = step % 3;
        let id = GroupId(group);
        let mut state = self.now();
        let held = state.entry(id).or_default().clone();
        match step % 10 {
            3 => {
                let vote = VoteState { term: step, vote: group, commit: held.last() };
                state.entry(id).or_default().vote = Some(vote);
                self.states.push(state);
                log.set_vote(id, vote)
            }
            // The second group is never purged by name, so its entries move.
            5 | 8 if group != 1 && !held.entries.is_empty() => {
                let to = &held.entries[held.entries.len() / 2];
                let up_to = position(to.index, to.term);
                state.entry(id).or_default().purge(up_to);
                self.states.push(state);
                log.purge(id, up_to).map(|_| ())
            }
            6 if step > 40 && group == 0 => {
                state.remove(&id);
                self.states.push(state);
                log.forget(id)
            }
            // A new term replaces the last two entries.
            7 if held.entries.len() > 2 => {
                let first = held.last() - 1;
                self.append(log, group, &[entry(first, step, 30)])
            }
            _ if group == 1 && !held.entries.is_empty() => Ok(()),
            _ => {
                let next = held.last() + 1;
                let term = held.entries.last().map_or(1, |entry| entry.term);
                let bytes = if group == 1 { 5 } else { 60 };
                let entries: Vec<_> = (next..next + 3).map(|i| entry(i, term, bytes)).collect();
                self.append(log, group, &entries)
            }
        }
    }

    fn all(&mut self, disk: &SimDisk) -> Result<(), LogError> {
        let (mut log, _) = open(disk)?;
        for step in 0..STEPS {
            self.step(&mut log, step)?;
            if step % 2 == 1 {
                let states = self.states.len() - 1;
                log.sync()?;
                self.synced = states;
            }
        }
        Ok(())
    }
}

fn run(disk: &SimDisk) -> Run {
    let mut run = Run { states: vec![Model::new()], synced: 0, error: None };
    run.error = run.all(disk).err();
    run
}

/// Opens the log again and again, with a crash at each call of the opening if
/// asked for, and checks what is in it.
fn check(disk: &SimDisk, run: &Run, crash_at: Option<u64>) -> Result<(), String> {
    if let Some(n) = crash_at {
        disk.crash_at(n);
        drop(open(disk));
        disk.restart();
    }
    let (log, _) = open(disk).map_err(|error| format!("does not open: {error}"))?;
    let found = contents(&log).map_err(|error| format!("cannot be read: {error}"))?;
    let allowed = &run.states[run.synced..];
    if !allowed.contains(&found) {
        let lost = run.states[..run.synced].contains(&found);
        return Err(if lost {
            "acknowledged entries are lost".to_owned()
        } else {
            format!("a state that never was: {found:?}, allowed {allowed:?}")
        });
    }
    drop(log);
    survives_crash(disk, &found, "what an opened log shows must stay")?;
    // It goes on from there.
    let (mut log, _) = open(disk).map_err(|error| error.to_string())?;
    let next = log.last_index(GroupId(9)) + 1;
    let appended = log.append(GroupId(9), &[entry(next, 1, 10)]);
    appended.and_then(|()| log.sync()).map_err(|error| error.to_string())?;
    let found = contents(&log).map_err(|error| error.to_string())?;
    drop(log);
    survives_crash(disk, &found, "what is appended must stay")
}

fn survives_crash(disk: &SimDisk, before: &Model, claim: &str) -> Result<(), String> {
    disk.crash();
    let (log, _) = open(disk).map_err(|error| format!("does not open again: {error}"))?;
    let after = contents(&log).map_err(|error| error.to_string())?;
    if after == *before { Ok(()) } else { Err(format!("{claim}: {before:?} became {after:?}")) }
}

fn crash_everywhere(seeds: std::ops::Range<u64>, ignore_syncs: bool) -> Result<u64, String> {
    let mut crashes = 0;
    for seed in seeds {
        for n in 1.. {
            let disk = SimDisk::new(seed);
            disk.ignore_syncs(ignore_syncs);
            disk.crash_at(n);
            let run = run(&disk);
            let went = disk.restart();
            let opening = (seed % 2 == 1).then_some(n % 14 + 1);
            let checked = check(&disk, &run, opening);
            checked.map_err(|error| format!("seed {seed}, crash at call {n}: {error}"))?;
            if !went {
                break;
            }
            crashes += 1;
        }
    }
    Ok(crashes)
}

#[test]
fn script_reaches_rotation_purge_and_moves() {
    let disk = SimDisk::new(0);
    let (mut log, _) = open(&disk).unwrap();
    let mut run = Run { states: vec![Model::new()], synced: 0, error: None };
    for step in 0..STEPS {
        run.step(&mut log, step).unwrap();
        assert_eq!(contents(&log).unwrap_or_default(), prune(run.now()), "step {step}");
    }
    let stats = log.stats();
    assert!(stats.freed_bytes > 3_000 && stats.moved_entries >= 2, "{stats:?}");
}

/// The model knows a group as soon as it looks at it, the log only with data.
fn prune(mut model: Model) -> Model {
    model.retain(|_, group| *group != crate::log_model::Group::default());
    model
}

#[test]
fn crash_at_every_call_keeps_what_was_synced() {
    let crashes = crash_everywhere(0..24, false).unwrap();
    assert!(crashes > 2_000, "{crashes} crashes");
}

#[test]
fn crash_test_notices_missing_syncs() {
    let error = crash_everywhere(0..8, true).unwrap_err();
    assert!(error.contains("crash at call"), "{error}");
}

/// After the failure everything is refused with its reason, and a restart finds
/// what was acknowledged.
fn check_poisoned(seed: u64, plan: impl Fn(&SimDisk, u64)) -> u64 {
    for n in 1.. {
        let disk = SimDisk::new(seed);
        plan(&disk, n);
        let run = run(&disk);
        let Some(error) = &run.error else {
            return n - 1;
        };
        assert!(matches!(error, LogError::Io { .. }), "{error:?}");
        // The machine goes down, or only the process.
        if seed.is_multiple_of(2) {
            disk.crash()
        } else {
            disk.kill()
        }
        check(&disk, &run, None)
            .unwrap_or_else(|error| panic!("seed {seed}, failure {n}: {error}"));
    }
    0
}

#[test]
fn failed_sync_at_any_count_loses_nothing_acknowledged() {
    for seed in 0..10 {
        assert!(check_poisoned(seed, SimDisk::fail_sync) > 40);
    }
}

#[test]
fn failed_write_at_any_count_loses_nothing_acknowledged() {
    for seed in 0..10 {
        assert!(check_poisoned(seed, SimDisk::fail_write) > 20);
    }
}

#[test]
fn failed_call_of_any_kind_loses_nothing_acknowledged() {
    for seed in 0..10 {
        assert!(check_poisoned(seed, SimDisk::fail_call) > 80);
    }
}

#[test]
fn every_call_after_a_failed_sync_is_refused_with_the_first_reason() {
    let disk = SimDisk::new(0);
    let (mut log, _) = open(&disk).unwrap();
    let id = GroupId(1);
    log.append(id, &[entry(1, 1, 10)]).unwrap();
    disk.fail_sync(1);
    let first = log.sync().unwrap_err().to_string();
    let syncs = disk.syncs();
    let refused = [
        log.sync().unwrap_err(),
        log.append(id, &[entry(2, 1, 10)]).unwrap_err(),
        log.set_vote(id, VoteState::default()).unwrap_err(),
        log.purge(id, position(1, 1)).unwrap_err(),
        log.forget(id).unwrap_err(),
        log.term(id, 1).unwrap_err(),
        log.entries(id, 1..2, 10).unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(error, LogError::Poisoned { .. }), "{error:?}");
        assert!(error.to_string().contains(&first), "{error}");
    }
    log.close().unwrap_err();
    assert_eq!(disk.syncs(), syncs, "a failed sync is never tried again");
}

#[test]
fn full_disk_stops_the_log_and_a_restart_with_room_goes_on() {
    let disk = SimDisk::new(3);
    let (mut log, _) = open(&disk).unwrap();
    log.append(GroupId(1), &[entry(1, 1, 10)]).unwrap();
    log.sync().unwrap();
    disk.set_capacity(Some(disk.used_bytes() + 70));
    log.append(GroupId(1), &[entry(2, 1, 10), entry(3, 1, 10)]).unwrap();
    let error = log.sync().unwrap_err();
    assert_eq!(error.kind(), vicinal_types::ErrorKind::Exhausted);
    drop(log);
    disk.set_capacity(None);
    let (mut log, report) = open(&disk).unwrap();
    assert!(report.torn.is_some(), "half of entry 3");
    let next = log.last_index(GroupId(1)) + 1;
    assert_eq!(next, 3, "entry 2 was whole, though not acknowledged");
    log.append(GroupId(1), &[entry(next, 1, 10)]).unwrap();
    log.sync().unwrap();
}
