//! The binary from outside: its help, its exit codes, its one-line errors.

mod bench;

use std::path::Path;
use std::process::{Command, Output};

fn vicinal(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vicinal"));
    command.args(arguments).env_remove("VICINAL_ADDRESS").env_remove("VICINAL_DATABASE");
    command.output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// Commands that are run, as one writes them behind `vicinal`.
const COMMANDS: [&str; 18] = [
    "",
    "serve",
    "demo",
    "apply",
    "import",
    "search",
    "get",
    "scroll",
    "count",
    "describe",
    "list",
    "drop",
    "flush",
    "stats",
    "bench ann",
    "bench gpu",
    "bench load",
    "bench table",
];

#[test]
fn help_is_as_recorded() {
    let mut found = String::new();
    for command in COMMANDS {
        let mut arguments: Vec<_> = command.split_whitespace().collect();
        arguments.push("--help");
        let output = vicinal(&arguments);
        assert!(output.status.success(), "{command}");
        found.push_str(&format!("$ vicinal {}\n{}\n", arguments.join(" "), text(&output.stdout)));
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/help.txt");
    if std::env::var_os("UPDATE").is_some() {
        #[expect(clippy::disallowed_methods, reason = "a golden file is written on demand")]
        std::fs::write(&golden, &found).expect("the tree is writable");
    }
    let recorded = std::fs::read_to_string(&golden).expect("UPDATE=1 writes the golden file");
    assert_eq!(found, recorded, "run with UPDATE=1 if the help was meant to change");
}

#[test]
fn wrong_usage_ends_with_2() {
    let check = |arguments: &[&str], expected: &str| {
        let output = vicinal(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    };
    check(&["serch"], "unrecognized subcommand 'serch'");
    check(&["count"], "--collection <NAME>");
    check(&["search", "-c", "words"], "--id");
    check(&["search", "-c", "words", "--id", "1", "--vector", "1,2"], "cannot be used with");
    check(&["search", "-c", "words", "--id", "1", "--exact", "--effort", "3"], "cannot be used");
    check(&["search", "-c", "words", "--id", "1", "--all", "--offset", "3"], "cannot be used with");
    check(&["import", "-c", "words", "--if", "id < 3", "a.npy"], "--upsert");
    check(&["import", "-c", "words", "--metric", "l1", "a.npy"], "it is l2, ip, cosine, hamming");
    check(
        &["bench", "load", "-c", "a", "--query", "q.npy", "--clients", "0"],
        "0 is not in 1..=4096",
    );
}

#[test]
fn failures_are_one_line_and_end_with_1() {
    let check = |arguments: &[&str], expected: &str| {
        let output = vicinal(arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
        assert!(error.starts_with("error: ") && error.contains(expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(output.stdout.is_empty());
    };
    let nobody = "127.0.0.1:1";
    check(&["count", "-c", "a", "--address", nobody], "check that it runs (`vicinal serve`)");
    check(&["list", "--address", "nonsense"], "write host:port");
    check(&["import", "-c", "a", "rows.csv"], "rows.csv: the ending says neither");
    check(&["import", "-c", "a", "absent.npy"], "cannot read absent.npy");
    check(&["apply", "-f", "absent.yaml"], "absent.yaml: No such file");
    check(&["demo", "--data", "absent.parquet"], "cannot read absent.parquet");
    check(&["bench", "table", "absent.jsonl"], "absent.jsonl: No such file");
}
