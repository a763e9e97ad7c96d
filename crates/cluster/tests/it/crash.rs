//! The power goes at every disk call: what was acknowledged is there afterwards.

use crate::rig::*;
use std::collections::BTreeMap;
use vicinal_cluster::Node;
use vicinal_storage::{LogPosition, SimDisk};
use vicinal_types::GroupId;

/// What the test keeps beside the disk, like a manifest: everything up to
/// `applied` is durable elsewhere.
#[derive(Clone, Default)]
struct Durable {
    applied: LogPosition,
    commands: Vec<String>,
}

/// What a run left: by group the durable state and the acknowledged commands.
#[derive(Default)]
struct Promised {
    durable: BTreeMap<GroupId, Durable>,
    acknowledged: BTreeMap<GroupId, Vec<String>>,
}

/// Rounds of the script; in each, both groups get a few commands of which some
/// share a sync, and in some, a group is purged.
const ROUNDS: usize = 12;

/// Starts on the disk and runs until done or until the disk fails.
fn run(disk: &SimDisk, promised: &mut Promised) {
    let Ok(node) = start_with(disk, |_| ()) else {
        return;
    };
    let journals = [ONE, TWO].map(|group| (group, add(&node, group)));
    for round in 0..ROUNDS {
        let outcomes: Vec<_> = (0..4)
            .map(|at| {
                let group = if at == 3 { TWO } else { ONE };
                // Large enough that the script goes through several files.
                let command = format!("{round}-{at}-{}", "x".repeat(150));
                (group, command.clone(), propose(&node, group, command))
            })
            .collect();
        for (group, command, outcome) in outcomes {
            if wait(&outcome).is_ok() {
                promised.acknowledged.entry(group).or_default().push(command);
            }
        }
        if round % 3 == 2 {
            for (group, journal) in &journals[..=round % 2] {
                purge(&node, *group, journal, promised);
            }
        }
    }
    node.stop();
}

/// Makes everything applied so far durable elsewhere, then lets the log drop it.
fn purge(node: &Node<Counter>, group: GroupId, journal: &SharedJournal, promised: &mut Promised) {
    let applied = journal.lock().positions.last().copied();
    if let Some(applied) = applied {
        let commands = texts(journal);
        promised.durable.insert(group, Durable { applied, commands });
        node.purge(group, applied);
    }
}

/// Restarts and compares; the error names what was lost or made up.
fn check(disk: &SimDisk, promised: &Promised) -> Result<(), String> {
    let node = start_with(disk, |_| ()).map_err(|error| error.to_string())?;
    let mut verdict = Ok(());
    for group in [ONE, TWO] {
        let durable = promised.durable.get(&group).cloned().unwrap_or_default();
        let journal = add_at(&node, group, durable.applied);
        let caught_up = node.wait_caught_up(group, PATIENCE).map_err(|error| error.to_string());
        let mut found = durable.commands;
        found.extend(texts(&journal));
        let acknowledged = promised.acknowledged.get(&group).cloned().unwrap_or_default();
        // In order and once each; what was proposed and not answered may follow.
        let is_kept = found.starts_with(&acknowledged);
        let is_unique = found.windows(2).all(|pair| pair[0] != pair[1]);
        verdict = verdict.and(caught_up).and(match (is_kept, is_unique) {
            (true, true) => Ok(()),
            (false, _) => Err(format!("group {group} lost one of {}", acknowledged.len())),
            (_, false) => Err(format!("group {group} has a command twice")),
        });
    }
    node.stop();
    verdict
}

#[test]
fn a_power_cut_at_any_disk_call_loses_nothing_acknowledged() {
    let whole = SimDisk::new(0);
    let mut promised = Promised::default();
    run(&whole, &mut promised);
    check(&whole, &promised).expect("without a cut");
    let calls = whole.calls();
    assert!(calls > 50, "{calls} calls in the script");
    for n in 1..=calls {
        let disk = SimDisk::new(n);
        disk.crash_at(n);
        let mut promised = Promised::default();
        run(&disk, &mut promised);
        disk.restart();
        check(&disk, &promised).unwrap_or_else(|lost| panic!("cut at call {n}: {lost}"));
    }
}

#[test]
fn a_cut_between_any_two_answers_loses_nothing_acknowledged() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let mut promised = Promised::default();
        run(&disk, &mut promised);
        disk.crash();
        check(&disk, &promised).unwrap_or_else(|lost| panic!("seed {seed}: {lost}"));
        assert_eq!(promised.acknowledged[&ONE].len(), 3 * ROUNDS);
    }
}

/// The proof that the tests above would notice: with syncs that do nothing,
/// acknowledged commands are lost.
#[test]
fn a_disk_that_ignores_syncs_is_caught() {
    let caught = (0..20).filter(|&seed| {
        let disk = SimDisk::new(seed);
        disk.ignore_syncs(true);
        let mut promised = Promised::default();
        run(&disk, &mut promised);
        disk.crash();
        check(&disk, &promised).is_err()
    });
    assert!(caught.count() >= 15, "most crashes must show the bug");
}
