//! Power failures: a script of writes, ended at each of its disk calls.

use vicinal_engine::Engine;
use vicinal_storage::SimDisk;
use vicinal_types::Result;

/// Runs a script on a disk that works, then lets the power fail during each of its disk
/// calls. `look` sees what the next start finds and whether the whole script was
/// acknowledged; it says whether what the script is about is done, or what is wrong.
pub(crate) fn fail_power(
    open: impl Fn(&SimDisk) -> Result<Engine>,
    script: impl Fn(&Engine) -> Result<()>,
    mut look: impl FnMut(&Engine, bool) -> Result<bool, String>,
) {
    let run = |disk: &SimDisk| -> Result<()> {
        let engine = open(disk)?;
        let outcome = script(&engine);
        engine.close();
        outcome
    };
    let clean = SimDisk::new(1);
    run(&clean).expect("a disk that works");
    let (mut before, mut after) = (0, 0);
    for at in 1..=clean.calls() {
        let disk = SimDisk::new(at);
        disk.crash_at(at);
        let is_acknowledged = run(&disk).is_ok();
        disk.restart();
        let engine = open(&disk).unwrap_or_else(|error| panic!("call {at}: {error}"));
        let found = look(&engine, is_acknowledged);
        engine.close();
        if found.unwrap_or_else(|wrong| panic!("call {at}: {wrong}")) {
            after += 1;
        } else {
            before += 1;
        }
    }
    assert!(before > 5 && after > 5, "{before} failures before it was done, {after} after it");
}
