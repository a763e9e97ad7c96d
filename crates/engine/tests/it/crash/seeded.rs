//! Bugs planted on purpose: the harness notices each.

use super::failures::fail_everywhere;
use super::points::{Caught, crash_everywhere, record};
use super::script::Script;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use vicinal_storage::{Bug, Failure, SimDisk};

struct Row {
    bug: Bug,
    script: &'static str,
    caught: Caught,
}

fn planted(bug: Bug, seed: u64) -> SimDisk {
    let disk = SimDisk::new(seed);
    disk.plant(Some(bug));
    disk
}

/// What the harness says of a script under a bug; a panic is as good as an error.
fn try_script(bug: Bug, script: &Script) -> Result<(), Caught> {
    let guarded = |what: &mut dyn FnMut() -> Result<(), Caught>| {
        catch_unwind(AssertUnwindSafe(what)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            Err(Caught { at: 0, how: format!("panic: {text}") })
        })
    };
    if bug == Bug::SyncTriedAgain {
        let mut fail =
            || fail_everywhere(script, Failure::Io, 1, |seed| planted(bug, seed)).map(|_| ());
        return guarded(&mut fail);
    }
    guarded(&mut || {
        let images = record(script, &planted(bug, 1));
        crash_everywhere(script, &images, 4).map(|_| ())
    })
}

#[test]
fn every_seeded_bug_is_caught() {
    let scripts = [
        Script::seal(),
        Script::requests(),
        Script::log(),
        Script::compaction(),
        Script::recovery(),
        Script::catalogue(),
        Script::index(),
    ];
    let restores = [Script::snapshot()];
    let hook = take_hook();
    set_hook(Box::new(|_| {})); // panics are what is looked for
    let mut rows = Vec::new();
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        // Only this script has what these are in.
        let is_of_restores =
            [Bug::StagedNotSynced, Bug::MovesNotSynced, Bug::StageRemovedEarly].contains(&bug);
        let scripts = if is_of_restores { &restores[..] } else { &scripts[..] };
        let caught = scripts
            .iter()
            .find_map(|script| try_script(bug, script).err().map(|caught| (script.word(), caught)));
        match caught {
            Some((script, caught)) => rows.push(Row { bug, script, caught }),
            None => missed.push(bug),
        }
    }
    set_hook(hook);
    println!("{:<22} {:<10} {:>5}  how", "seeded bug", "caught by", "call");
    for Row { bug, script, caught } in &rows {
        let bug = format!("{bug:?}");
        let how: String = caught.how.chars().take(150).collect();
        println!("{bug:<22} {script:<10} {:>5}  {how}", caught.at);
    }
    println!("{} of {} seeded bugs caught", rows.len(), Bug::ALL.len());
    assert_eq!(missed, [], "bugs that the harness does not notice");
}
