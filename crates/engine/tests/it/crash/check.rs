//! What must hold after a crash, whenever it came.

use super::script::Script;
use super::step::{Change, Step, open};
use super::world::World;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use vicinal_engine::{Engine, FileRole, VerifiedFile, verify};
use vicinal_storage::{Disk, SimDisk, Survivors};
use vicinal_types::{Error, RequestId};

/// What a run had come to when it ended.
pub(crate) struct Expected<'a> {
    /// After everything that was acknowledged.
    pub(crate) acknowledged: &'a World,
    /// The step that was under way, and the world after it.
    pub(crate) under_way: Option<(&'a Step, &'a World)>,
    /// The steps before that, all acknowledged.
    pub(crate) done: &'a [Step],
}

impl<'a> Expected<'a> {
    /// What must be there when the counter of [`Script::play`] was at `counter`.
    pub(crate) fn at(script: &'a Script, worlds: &'a [World], counter: u64) -> Self {
        let done = usize::try_from(counter / 2).expect("a number of steps");
        let under_way = (counter % 2 == 1).then(|| (&script.steps[done], &worlds[done + 1]));
        Self { acknowledged: &worlds[done], under_way, done: &script.steps[..done] }
    }
}

/// Opens what a crash left and holds it against the model. A panic is an error
/// as any other.
pub(crate) fn check(disk: &SimDisk, expected: &Expected<'_>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| check_all(disk, expected))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map_or("without words", String::as_str);
        Err(format!("panic: {text}"))
    })
}

fn check_all(disk: &SimDisk, expected: &Expected<'_>) -> Result<(), String> {
    let engine = open(disk).map_err(said("it does not open"))?;
    let checked = check_open(&engine, expected);
    // Everything that was shown must survive what comes next.
    disk.power_off();
    engine.close();
    drop(engine);
    disk.crash_leaving(Survivors::Nothing);
    let shown = checked?;
    let engine = open(disk).map_err(said("it does not open twice"))?;
    let again = World::read(&engine).map_err(said("it cannot be read twice"))?;
    engine.close();
    drop(engine);
    if again != shown {
        return Err(differs("what was shown is lost by another crash", &again, &[&shown]));
    }
    is_sound(disk)
}

fn check_open(engine: &Engine, expected: &Expected<'_>) -> Result<World, String> {
    let found = World::read(engine).map_err(said("it cannot be read"))?;
    let after = expected.under_way.map(|(_, after)| after);
    if found != *expected.acknowledged && Some(&found) != after {
        let allowed: Vec<_> = [expected.acknowledged].into_iter().chain(after).collect();
        return Err(differs("wrong contents", &found, &allowed));
    }
    let found = retry(engine, expected, found)?;
    repeat(engine, expected, &found)?;
    write_more(engine, found)
}

/// Inserts with request ids that were acknowledged, the last one and one before:
/// handed in again they come to the same and change nothing.
fn repeat(engine: &Engine, expected: &Expected<'_>, found: &World) -> Result<(), String> {
    let requested = expected.done.iter().rev().filter_map(|step| {
        let Step::Write { to, change, request: Some(request) } = step else { return None };
        let Change::Insert(ids, _) = change else { return None };
        Some((to, change, ids.len() as u64, *request))
    });
    for (to, change, count, request) in requested.step_by(3).take(2) {
        let write = change.write(engine, to).map_err(said("no write"))?;
        let outcome = engine.write_blocking("", to, write, Some(RequestId([request; 16])));
        let outcome = outcome.map_err(said("a repeated request is refused"))?;
        if outcome.inserted != count {
            return Err(format!("request {request} repeated came to {outcome:?}"));
        }
    }
    let again = World::read(engine).map_err(said("it cannot be read after a repetition"))?;
    if again == *found { Ok(()) } else { Err(differs("a repetition", &again, &[found])) }
}

/// Every checksum and invariant holds, and files that no manifest names are gone.
fn is_sound(disk: &SimDisk) -> Result<(), String> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let found = verify(&disk, Path::new("data")).map_err(said("it cannot be verified"))?;
    let is_bad = |file: &&VerifiedFile| file.problem.is_some() || file.kind == FileRole::Leftover;
    match found.files.iter().find(is_bad) {
        Some(file) => Err(format!("{:?} {}: {:?}", file.kind, file.path.display(), file.problem)),
        None => Ok(()),
    }
}

/// A write with a request id that was under way is done by handing it in again,
/// and once.
fn retry(engine: &Engine, expected: &Expected<'_>, found: World) -> Result<World, String> {
    let Some((step @ Step::Write { to, change, request: Some(request) }, after)) =
        expected.under_way
    else {
        return Ok(found);
    };
    let request = Some(RequestId([*request; 16]));
    let write = change.write(engine, to).map_err(said("no write"))?;
    let outcome = engine.write_blocking("", to, write, request);
    let outcome = outcome.map_err(said("a retry is refused"))?;
    let found = World::read(engine).map_err(said("it cannot be read after a retry"))?;
    if found != *after {
        return Err(differs(&format!("{step:?} was handed in again"), &found, &[after]));
    }
    let ids = |ids: &Vec<i64>| ids.len() as u64;
    let is_right = match change {
        Change::Insert(inserted, _) => outcome.inserted == ids(inserted),
        Change::Upsert(upserted, _) => outcome.inserted + outcome.replaced == ids(upserted),
        Change::Delete(deleted) => outcome.deleted == ids(deleted),
    };
    if is_right { Ok(found) } else { Err(format!("the retry of {step:?} came to {outcome:?}")) }
}

/// What was found takes writes.
fn write_more(engine: &Engine, mut found: World) -> Result<World, String> {
    const NEW: i64 = 1_000_000;
    let Some((name, collection)) = found.collections.iter_mut().next() else {
        return Ok(found);
    };
    let first = collection.rows.keys().next().copied().unwrap_or(NEW);
    for change in [Change::Insert(vec![NEW], 1), Change::Upsert(vec![first], 77)] {
        let write = change.write(engine, name).map_err(said("no write"))?;
        let outcome = engine.write_blocking("", name, write, None);
        outcome.map_err(said("a write after the restart is refused"))?;
        collection.apply(&change);
    }
    let read = World::read(engine).map_err(said("it cannot be read after a write"))?;
    if read == found { Ok(found) } else { Err(differs("after a write", &read, &[&found])) }
}

fn said(what: &str) -> impl FnOnce(Error) -> String {
    move |error| format!("{what}: {error}")
}

/// Where two worlds differ, in few words.
fn differs(what: &str, found: &World, allowed: &[&World]) -> String {
    let mut text = format!("{what}:");
    for (at, allowed) in allowed.iter().enumerate() {
        text += &format!(" [against allowed world {at}]");
        if found.aliases != allowed.aliases {
            text += &format!(" aliases {:?}, not {:?};", found.aliases, allowed.aliases);
        }
        let names: BTreeSet<_> =
            found.collections.keys().chain(allowed.collections.keys()).collect();
        for name in names {
            match (found.collections.get(name), allowed.collections.get(name)) {
                (Some(found), Some(allowed)) => {
                    if found.extras != allowed.extras {
                        text += &format!(" columns {:?} of {name};", found.extras);
                    }
                    let ids: BTreeSet<_> = found.rows.keys().chain(allowed.rows.keys()).collect();
                    let wrong =
                        ids.into_iter().filter(|id| found.rows.get(id) != allowed.rows.get(id));
                    for id in wrong.take(3) {
                        let (is, should) = (found.rows.get(id), allowed.rows.get(id));
                        text += &format!(" {name} {id}: {is:?}, not {should:?};");
                    }
                }
                (Some(_), None) => text += &format!(" {name} should not be there;"),
                (None, _) => text += &format!(" {name} is missing;"),
            }
        }
    }
    text
}
