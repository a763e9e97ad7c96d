//! The power fails at every disk call of every script.

use super::check::{Expected, check};
use super::script::{CALLS_MIN, Script};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use vicinal_storage::{DiskImage, SimDisk, Survivors};

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

fn passes(script: &Script) {
    let images = record(script, &SimDisk::new(1));
    assert!(images.len() as u64 >= CALLS_MIN, "{}: {} calls", script.name, images.len());
    let tally = crash_everywhere(script, &images, seeds())
        .unwrap_or_else(|caught| panic!("{}, call {}: {}", script.name, caught.at, caught.how));
    println!(
        "{}: {} crash points, {} crashes, {} different disks",
        script.name,
        images.len(),
        tally.crashes,
        tally.different
    );
}

macro_rules! scripts {
    ($($test:ident: $at:literal,)*) => {
        $(#[test]
        fn $test() {
            passes(&Script::all()[$at]);
        })*
    };
}

scripts! {
    a_crash_at_any_call_of_the_log_loses_nothing: 0,
    a_crash_at_any_call_of_sealing_loses_nothing: 1,
    a_crash_at_any_call_of_indexing_loses_nothing: 2,
    a_crash_at_any_call_of_the_catalogue_loses_nothing: 3,
    a_crash_at_any_call_of_opening_loses_nothing: 4,
    a_crash_at_any_call_with_request_ids_does_each_once: 5,
}
