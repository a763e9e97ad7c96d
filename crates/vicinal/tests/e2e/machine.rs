//! The figures of the machine: measured at the first start, kept, shown, measured anew.

use crate::process::{Setup, until, vicinal, write_file};
use serde_json::Value;
use std::path::Path;
use std::process::Output;

fn ask(command: &str, data: &Path, more: &[&str]) -> Output {
    let data = data.to_str().expect("UTF-8");
    let arguments = [command, "--data-dir", data];
    vicinal(arguments.iter().chain(more)).output().expect("the binary starts")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn refusal(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&stdout(output)).expect("JSON")
}

/// The figures, once there are some other than those before.
fn new_figures(data: &Path, before: Option<&Value>) -> Value {
    until("figures of the machine", || {
        let output = ask("machine", data, &["--json"]);
        let figures = output.status.success().then(|| json(&output));
        figures.filter(|figures| before.is_none_or(|before| before != figures))
    })
}

#[test]
fn the_machine_is_measured_at_the_first_start_and_after_damage() {
    let directory = tempfile::tempdir().expect("a directory");
    let setup = Setup::new(directory.path()).with("SEARCH__PROFILE_MACHINE", true);
    let server = setup.start();
    let figures = new_figures(setup.data(), None);
    let kernels = figures["profile"]["kernels"].as_array().expect("kernels");
    assert!(kernels.len() == 12 && figures["machine"]["cores"].as_u64() > Some(0), "{figures}");
    let refused = refusal(&ask("calibrate", setup.data(), &[]));
    assert!(refused.contains("in use by process"), "{refused}");
    server.stop();

    // What is good is not measured again.
    setup.start().stop();
    assert_eq!(json(&ask("machine", setup.data(), &["--json"])), figures);

    let path = setup.data().join("MACHINE");
    let mut bytes = std::fs::read(&path).expect("the file");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    write_file(&path, bytes);
    let refused = refusal(&ask("machine", setup.data(), &[]));
    assert!(refused.contains("checksum") && refused.contains("vicinal calibrate"), "{refused}");
    let verified = stdout(&ask("verify", setup.data(), &[]));
    assert!(verified.contains("the next start measures"), "{verified}");
    let server = setup.start();
    new_figures(setup.data(), Some(&figures));
    server.stop();
}

#[test]
fn a_machine_is_measured_by_hand_and_shown_as_tables() {
    let directory = tempfile::tempdir().expect("a directory");
    let setup = Setup::new(directory.path());
    let missing = refusal(&ask("machine", setup.data(), &[]));
    assert!(missing.contains("no data directory"), "{missing}");
    setup.start().stop();
    let missing = refusal(&ask("machine", setup.data(), &[]));
    assert!(missing.contains("no figures of this machine yet"), "{missing}");

    let by_hand = json(&ask("calibrate", setup.data(), &["--json"]));
    assert_eq!(json(&ask("machine", setup.data(), &["--json"])), by_hand);
    let tables = stdout(&ask("machine", setup.data(), &[]));
    for expected in ["f32 l2", "binary jaccard", "one read after the other", "GPU", "a dimension"] {
        assert!(tables.contains(expected), "{expected}: {tables}");
    }
    let verified = stdout(&ask("verify", setup.data(), &[]));
    assert!(verified.contains("MACHINE") && !verified.contains("measures"), "{verified}");
}
