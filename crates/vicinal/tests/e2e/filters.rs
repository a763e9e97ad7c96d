//! Filters from the command line, over real data.

use crate::process::{Server, Setup, write_file};
use std::path::Path;

const WORDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/wordnet10k.parquet");

/// Rows of the file.
const ROWS: u64 = 10_000;

fn count(server: &Server, filter: &[&str]) -> u64 {
    let arguments = [&["count", "-c", "words"], filter].concat();
    server.run(&arguments).trim().parse().expect("a number")
}

#[test]
fn filters_select_what_is_counted_found_and_deleted() {
    let directory = tempfile::tempdir().expect("a directory");
    let setup = Setup::new(directory.path());
    let server = setup.start();
    server.run(&["import", "-c", "words", "--metric", "cosine", WORDS]);
    assert_eq!(count(&server, &[]), ROWS);
    let short = ["--filter", "length(word) < {n}", "--param", "n=6"];
    let short_count = count(&server, &short);
    assert!((1..ROWS).contains(&short_count), "{short_count}");
    assert_eq!(count(&server, &["--filter", "not length(word) < 6"]), ROWS - short_count);

    let search = ["search", "-c", "words", "--id", "42", "-k", "20", "--columns", "word", "--json"];
    let found = server.run(&[&search[..], &short[..]].concat());
    let words = found.lines().map(|line| {
        let hit: serde_json::Value = serde_json::from_str(line).expect("JSON");
        hit["word"].as_str().expect("a word").to_owned()
    });
    let words: Vec<_> = words.collect();
    assert_eq!(words.len(), 20);
    assert!(words.iter().all(|word| word.chars().count() < 6), "{words:?}");

    let line = server.fails(&["count", "-c", "words", "--filter", "wrod = 'lake'"]);
    assert!(line.contains("line 1, column 1") && line.contains("did you mean `word`?"), "{line}");
    let line = server.fails(&["count", "-c", "words", "--filter", "word = {w}", "--param", "w"]);
    assert!(line.contains("`w` is not of the form NAME=VALUE"), "{line}");

    let deleted = server.run(&[&["delete", "-c", "words", "--json"], &short[..]].concat());
    assert_eq!(deleted.trim(), format!("{{\"deleted\":{short_count}}}"));
    assert_eq!((count(&server, &[]), count(&server, &short)), (ROWS - short_count, 0));
    server.kill();
    let server = setup.start();
    assert_eq!((count(&server, &[]), count(&server, &short)), (ROWS - short_count, 0));
    server.stop();
}

/// A member of each line of JSON.
fn members(printed: &str, name: &str) -> Vec<String> {
    let member = |line| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        line[name].as_str().expect("a text").to_owned()
    };
    printed.lines().map(member).collect()
}

#[test]
fn rows_are_grouped_and_ordered_by_a_column() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Setup::new(directory.path()).start();
    server.run(&["import", "-c", "words", "--metric", "cosine", "--wait-indexed", WORDS]);
    let search = ["search", "-c", "words", "--id", "42", "-k", "20", "--columns", "word", "--json"];
    let found = server.run(&[&search[..], &["--group-by", "word", "--group-size", "2"]].concat());
    let mut groups = members(&found, "group");
    assert_eq!(groups, members(&found, "word"));
    // Rows of a group follow each other.
    groups.dedup();
    let count = groups.len();
    groups.sort_unstable();
    groups.dedup();
    assert_eq!((count, groups.len()), (20, 20));
    let line = server.fails(&[&search[..], &["--group-by", "vector"]].concat());
    assert!(line.contains("there is no scalar column `vector`"), "{line}");

    let scroll = ["scroll", "-c", "words", "-n", "50", "--json", "--order-by", "word"];
    let first = members(&server.run(&scroll), "word");
    assert!(first.len() == 50 && first.is_sorted(), "{first:?}");
    let last = members(&server.run(&[&scroll[..], &["--descending"]].concat()), "word");
    assert!(last.len() == 50 && last.is_sorted_by(|a, b| a >= b), "{last:?}");
    assert!(first[49] < last[49]);
    let ids = |more: &[&str]| -> Vec<i64> {
        let printed = server.run(&[&["scroll", "-c", "words", "-n", "3", "--json"], more].concat());
        let id = |line| {
            let row: serde_json::Value = serde_json::from_str(line).expect("JSON");
            row["id"].as_i64().expect("an id")
        };
        printed.lines().map(id).collect()
    };
    let up = ids(&["--order-by", "id", "--filter", "id >= 7"]);
    assert!(up[0] >= 7 && up.is_sorted_by(|a, b| a < b), "{up:?}");
    let down = ids(&["--order-by", "id", "--descending"]);
    assert!(down[2] > up[2] && down.is_sorted_by(|a, b| a > b), "{down:?}");
    server.stop();
}

#[test]
fn an_import_replaces_rows_that_pass_a_condition() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Setup::new(directory.path()).start();
    let import = |more: &[&str]| -> serde_json::Value {
        let arguments = [&["import", "-c", "words", "--metric", "cosine", "--json"], more].concat();
        serde_json::from_str(&server.run(&[&arguments[..], &[WORDS]].concat())).expect("JSON")
    };
    let counts = |done: serde_json::Value| {
        ["rows", "already_there", "replaced", "left_out"]
            .map(|name| done[name].as_u64().expect("a count"))
    };
    assert_eq!(counts(import(&["--limit", "6000"])), [6_000, 0, 0, 0]);
    assert_eq!(counts(import(&["--limit", "8000"])), [2_000, 6_000, 0, 0]);
    let short = ["--filter", "length(word) < 6"];
    let short_count = count(&server, &short);
    let condition = ["--upsert", "--if", "length(word) < {n}", "--param", "n=6"];
    let done = counts(import(&[&condition[..], &["--limit", "8000"]].concat()));
    assert_eq!(done, [0, 0, short_count, 8_000 - short_count]);
    let existing = [&condition[..], &["--existing-only"]].concat();
    assert_eq!(counts(import(&existing)), [0, 0, short_count, ROWS - short_count]);
    assert_eq!(count(&server, &[]), 8_000);
    assert_eq!(counts(import(&["--upsert"])), [2_000, 0, 8_000, 0]);
    let line = server.fails(&["import", "-c", "words", "--upsert", "--if", "wrod = 'a'", WORDS]);
    assert!(line.contains("there is no column `wrod`"), "{line}");
    server.stop();
}

#[test]
fn a_search_walks_over_all_rows_in_pages() {
    let directory = tempfile::tempdir().expect("a directory");
    let setup = Setup::new(directory.path());
    let server = setup.start();
    server.run(&["import", "-c", "words", "--metric", "cosine", "--wait-indexed", WORDS]);
    let search = ["search", "-c", "words", "--id", "42", "--columns", "word", "--json"];
    let hits = |server: &Server, more: &[&str]| -> Vec<(f64, i64)> {
        let printed = server.run(&[&search[..], more].concat());
        let hit = |line| {
            let hit: serde_json::Value = serde_json::from_str(line).expect("JSON");
            (hit["score"].as_f64().expect("a score"), hit["id"].as_i64().expect("an id"))
        };
        printed.lines().map(hit).collect()
    };
    let all = hits(&server, &["--all", "--exact"]);
    assert_eq!(all.len() as u64, ROWS);
    // Nearest first, those of the same score by id, so none comes twice.
    let is_behind =
        |a: &(f64, i64), b: &(f64, i64)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).is_lt();
    assert!(all.is_sorted_by(is_behind));
    assert_eq!(hits(&server, &["-k", "20000", "--exact"]), all, "more than there are");
    let radius = format!("{}", (all[4_999].0 + all[5_000].0) / 2.0);
    let within = hits(&server, &["--all", "--exact", "--radius", &radius]);
    assert_eq!(within[..], all[..within.len()]);
    assert!((4_990..=5_010).contains(&within.len()), "{}", within.len());
    let found = hits(&server, &["--all"]);
    assert!(found.len() as u64 > ROWS * 95 / 100 && found.is_sorted_by(is_behind));
    let printed = server.run(&["search", "-c", "words", "--id", "42", "--all", "--columns", ""]);
    assert_eq!(printed.lines().count() as u64, found.len() as u64 + 1);
    server.stop();
}

/// A .npy file of f32 in two dimensions.
fn npy(path: &Path, rows: u64) {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 2), }}");
    let header = format!("{header:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).expect("short").to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend((0..rows).flat_map(|row| [row as f32, 1.0]).flat_map(f32::to_le_bytes));
    write_file(path, bytes);
}

#[test]
fn vectors_of_one_file_join_columns_of_another_and_are_measured_under_filters() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Setup::new(directory.path()).start();
    let file = |name: &str| directory.path().join(name).display().to_string();
    let (vectors, few, filters) = (file("v.npy"), file("few.npy"), file("filters.txt"));
    npy(vectors.as_ref(), ROWS);
    npy(few.as_ref(), 50);
    let import = ["import", "-c", "words", "--metric", "l2", "--columns", WORDS];
    let line = server.fails(&[&import[..], &[&few]].concat());
    assert!(line.contains("it has 10000 rows, the file of vectors has 50"), "{line}");
    server.run(&[&import[..], &["--wait-indexed", &vectors]].concat());
    assert_eq!(count(&server, &["--filter", "word is not null"]), ROWS);

    write_file(filters.as_ref(), "# comment\nrare id % 100 = 7\n\nnone false\n");
    let plot = file("plot.svg");
    let bench = ["bench", "filtered", "-c", "words", "--query", &few, "--filters", &filters];
    let load = ["--clients", "2", "--seconds", "0.2", "--rounds", "1", "--json", "--plot", &plot];
    let printed = server.run(&[&bench[..], &load[..]].concat());
    let lines: Vec<serde_json::Value> =
        printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let named = |name: &str| lines.iter().find(|line| line["name"] == name).expect("measured");
    assert_eq!((named("unfiltered")["ratio"].as_f64(), lines.len()), (Some(1.0), 3));
    assert!(named("rare")["recall"].as_f64().expect("a number") > 0.9, "{printed}");
    assert!(named("rare")["selectivity"].as_f64().expect("a number") < 0.011);
    assert_eq!(named("none")["passing_rows"], 0);
    assert!(std::fs::read_to_string(&plot).expect("drawn").contains("rare ("));
    server.stop();
}
