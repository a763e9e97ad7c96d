//! A disk call fails, at every place of every script: the failure is said, the
//! node reads on, nothing acknowledged is lost.

use super::check::{Expected, check};
use super::points::Caught;
use super::script::{Played, Script};
use super::step::Change;
use super::world::World;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use vicinal_engine::Engine;
use vicinal_storage::{DiskCall, Failure, SimDisk, Survivors};

/// Failed calls by kind: those that nobody heard of but a log, and the others.
pub(crate) type Heard = BTreeMap<DiskCall, [u64; 2]>;

/// Lets every `every`-th call fail, one in each run.
pub(crate) fn fail_everywhere(
    script: &Script,
    failure: Failure,
    every: u64,
    disk: impl Fn(u64) -> SimDisk,
) -> Result<Heard, Caught> {
    let calls = {
        let disk = disk(0);
        let played = script.play(&disk, &Arc::default());
        played.engine.inspect(Engine::close);
        disk.calls()
    };
    let mut heard = Heard::new();
    let worlds = script.worlds();
    for at in (1..=calls).step_by(usize::try_from(every).unwrap_or(1)) {
        let disk = disk(at);
        disk.fail_at(at, failure);
        let played = script.play(&disk, &Arc::new(AtomicU64::new(0)));
        let struck = disk.struck();
        disk.fail_at(u64::MAX, failure);
        let caught = |how| Caught { at: usize::try_from(at).unwrap_or(usize::MAX), how };
        let is_said = fail(script, &worlds, &disk, played)
            .map_err(|error| caught(format!("{failure:?} at {struck:?}: {error}")))?;
        if let Some((call, _)) = struck {
            heard.entry(call).or_default()[usize::from(is_said)] += 1;
        }
    }
    Ok(heard)
}

/// Looks at a node after a failure, ends it, and opens it on a good disk. Says
/// whether the failure was heard of.
fn fail(script: &Script, worlds: &[World], disk: &SimDisk, played: Played) -> Result<bool, String> {
    let Played { engine, snapshots: _, done, failed, said } = played;
    let mut counter = 2 * done as u64;
    let mut is_said = !said.is_empty();
    if let Some(error) = &failed {
        is_said = true;
        counter += 1;
        if !error.contains("simulated") {
            return Err(format!("the error does not say why: {error}"));
        }
    }
    let expected = Expected::at(script, worlds, counter);
    if let Some(engine) = &engine {
        is_said |= reads_on(engine, &expected)?;
        is_said |= engine.failure().is_some();
    }
    disk.power_off();
    engine.inspect(Engine::close);
    if disk.calls().is_multiple_of(2) {
        disk.kill();
    } else {
        disk.crash_leaving(Survivors::Nothing);
    }
    check(disk, &expected)?;
    Ok(is_said)
}

/// Reads go on, but for what could not be opened, which says why.
fn reads_on(engine: &Engine, expected: &Expected<'_>) -> Result<bool, String> {
    let found = match World::read(engine) {
        Ok(found) => found,
        Err(error) => {
            let text = error.to_string();
            let is_partial = text.contains("could not be opened") || text.contains("missing");
            return if is_partial && text.contains("simulated") {
                Ok(true)
            } else {
                Err(format!("reads end, too: {text}"))
            };
        }
    };
    let after = expected.under_way.map(|(_, after)| after);
    if found != *expected.acknowledged && Some(&found) != after {
        return Err("the node reads something else than was written".to_owned());
    }
    refuses_writes_after_a_failed_log(engine, &found)?;
    Ok(false)
}

/// The log is never tried again: writes say the first reason.
fn refuses_writes_after_a_failed_log(engine: &Engine, found: &World) -> Result<(), String> {
    let Some(reason) = engine.failure() else {
        return Ok(());
    };
    let Some(name) = found.collections.keys().next() else {
        return Ok(());
    };
    let write = Change::Insert(vec![2_000_000], 1).write(engine, name);
    match engine.write_blocking("", name, write.map_err(|error| error.to_string())?, None) {
        Ok(_) => Err(format!("a write succeeds after the log failed: {reason}")),
        Err(error) if error.to_string().contains("simulated") => Ok(()),
        Err(error) => Err(format!("a refused write does not say why: {error}")),
    }
}

/// One in how many calls fails.
pub(crate) fn every() -> u64 {
    let asked = std::env::var("VICINAL_CRASH_EVERY").ok().and_then(|every| every.parse().ok());
    asked.unwrap_or(5)
}

/// How many failures of a script were said.
fn passes(script: &Script) -> String {
    let of_failure = |failure: Failure| {
        let heard = fail_everywhere(script, failure, every(), SimDisk::new)
            .unwrap_or_else(|caught| panic!("{}, call {}: {}", script.name, caught.at, caught.how));
        let total = |at: usize| heard.values().map(|counts| counts[at]).sum::<u64>();
        format!("{failure:?}: {} failures said, {} mended in silence", total(1), total(0))
    };
    format!("{}: {}; {}", script.name, of_failure(Failure::Io), of_failure(Failure::Full))
}

#[test]
fn a_failed_call_of_the_log_loses_nothing() {
    println!("{}", passes(&Script::log()));
}

#[test]
fn a_failed_call_of_sealing_loses_nothing() {
    println!("{}", passes(&Script::seal()));
}

#[test]
fn a_failed_call_of_indexing_loses_nothing() {
    println!("{}", passes(&Script::index()));
}

#[test]
fn a_failed_call_of_merging_loses_nothing() {
    println!("{}", passes(&Script::compaction()));
}

#[test]
fn a_failed_call_of_the_catalogue_loses_nothing() {
    println!("{}", passes(&Script::catalogue()));
}

#[test]
fn a_failed_call_of_opening_loses_nothing() {
    println!("{}", passes(&Script::recovery()));
}

#[test]
fn a_failed_call_with_request_ids_loses_nothing() {
    println!("{}", passes(&Script::requests()));
}

#[test]
fn a_failed_call_of_snapshots_loses_nothing() {
    println!("{}", passes(&Script::snapshot()));
}
