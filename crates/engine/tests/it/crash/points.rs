//! The power fails at every disk call of every script.

use super::check::{Expected, check};
use super::script::{CALLS_MIN, Script};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use vicinal_storage::{DiskCall, DiskImage, SimDisk, Survivors};

/// Where the harness found something.
#[derive(Debug)]
pub(crate) struct Caught {
    /// The disk call, from 1.
    pub(crate) at: usize,
    pub(crate) how: String,
}

/// What one script came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Crash points times kinds of crashes.
    pub(crate) crashes: usize,
    /// Disks among them that differ in contents or in what was acknowledged.
    pub(crate) different: usize,
}

/// Runs a script once, with a picture before each disk call.
pub(crate) fn record(script: &Script, disk: &SimDisk) -> Vec<DiskImage> {
    let counter = Arc::new(AtomicU64::new(0));
    disk.record(Arc::clone(&counter));
    let played = script.play(disk, &counter);
    if let Some(engine) = &played.engine {
        engine.close();
    }
    assert_eq!((played.failed, played.said), (None, vec![]), "{} runs cleanly", script.name);
    disk.take_images()
}

/// Crashes at every call of a recorded run in every way, until something is wrong.
pub(crate) fn crash_everywhere(
    script: &Script,
    images: &[DiskImage],
    seeds: u64,
) -> Result<Tally, Caught> {
    let worlds = script.worlds();
    let mut seen = BTreeSet::new();
    let mut tally = Tally::default();
    for (at, image) in (1_u64..).zip(images) {
        let expected = Expected::at(script, &worlds, image.tag);
        let torn = (0..seeds).map(|seed| (Survivors::Torn, seed));
        let others = Survivors::ALL.into_iter().filter(|survivors| *survivors != Survivors::Torn);
        for (survivors, seed) in others.map(|survivors| (survivors, 0)).chain(torn) {
            let disk = image.disk(at << 8 | seed);
            disk.crash_leaving(survivors);
            tally.crashes += 1;
            if !seen.insert((disk.fingerprint(), image.tag)) {
                continue;
            }
            tally.different += 1;
            check(&disk, &expected).map_err(|error| Caught {
                at: usize::try_from(at).unwrap_or(usize::MAX),
                how: format!("{survivors:?} survived {image:?}: {error}"),
            })?;
        }
    }
    Ok(tally)
}

/// Torn disks for each crash point.
pub(crate) fn seeds() -> u64 {
    let asked = std::env::var("VICINAL_CRASH_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    asked.unwrap_or(2)
}

/// How many crashes of a script were looked at.
fn passes(script: &Script) -> String {
    let images = record(script, &SimDisk::new(1));
    assert!(images.len() as u64 >= CALLS_MIN, "{}: {} calls", script.name, images.len());
    let tally = crash_everywhere(script, &images, seeds())
        .unwrap_or_else(|caught| panic!("{}, call {}: {}", script.name, caught.at, caught.how));
    let (name, points) = (script.name, images.len());
    let Tally { crashes, different } = tally;
    format!("{name}: {points} crash points, {crashes} crashes, {different} different disks")
}

#[test]
fn a_crash_at_any_call_of_the_log_loses_nothing() {
    println!("{}", passes(&Script::log()));
}

#[test]
fn a_crash_at_any_call_of_sealing_loses_nothing() {
    println!("{}", passes(&Script::seal()));
}

#[test]
fn a_crash_at_any_call_of_indexing_loses_nothing() {
    println!("{}", passes(&Script::index()));
}

#[test]
fn a_crash_at_any_call_of_merging_loses_nothing() {
    println!("{}", passes(&Script::compaction()));
}

#[test]
fn a_crash_at_any_call_of_the_catalogue_loses_nothing() {
    println!("{}", passes(&Script::catalogue()));
}

#[test]
fn a_crash_at_any_call_of_opening_loses_nothing() {
    println!("{}", passes(&Script::recovery()));
}

#[test]
fn a_crash_at_any_call_with_request_ids_does_each_write_once() {
    println!("{}", passes(&Script::requests()));
}

#[test]
fn a_crash_at_any_call_of_snapshots_loses_nothing() {
    println!("{}", passes(&Script::snapshot()));
}

#[test]
fn every_kind_of_disk_call_is_made_by_some_script() {
    let mut total = [0; DiskCall::ALL.len()];
    let scripts = Script::all();
    let columns: Vec<_> = scripts.iter().map(|script| script.word()).collect();
    println!("{:<16}{:>11}", "disk call", columns.join("   "));
    let disks = scripts.iter().map(|script| {
        let disk = SimDisk::new(1);
        drop(record(script, &disk));
        disk
    });
    let disks: Vec<_> = disks.collect();
    for (call, total) in DiskCall::ALL.into_iter().zip(&mut total) {
        let counts: Vec<_> = disks.iter().map(|disk| disk.calls_of(call)).collect();
        *total = counts.iter().sum();
        let cells = counts.iter().zip(&columns);
        let cells: String =
            cells.map(|(count, name)| format!("{count:>width$}", width = name.len() + 3)).collect();
        println!("{:<12}{cells}{total:>8}", format!("{call:?}"));
    }
    for (call, total) in DiskCall::ALL.into_iter().zip(total) {
        assert!(total > 0, "no script makes the call {call:?}");
    }
}
