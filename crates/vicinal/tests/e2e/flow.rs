//! What a user does from the command line, from the declaration to the drop.

use crate::process::{Server, Setup, Starting, until, write_file};
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

const DIM: usize = 32;

/// Rows of a file that is imported whole.
const ROWS: usize = 3_000;

/// Rows of a file whose import is interrupted.
const LONG_ROWS: usize = 60_000;

const DECLARED: &str = "\
collection: points
vectors:
  - name: vector
    dimension: 32
    metric: l2
    index:
      kind: AUTO
      m: 8
      ef_construction: 40
      flat_below_rows: 100
segments:
  max_rows: 1000
";

/// The vector of a row; no two are alike, and neighbours in number are near.
fn vector(row: usize) -> [f32; DIM] {
    std::array::from_fn(|at| (row as f32) * 0.5 + ((row * 31 + at * 17) % 101) as f32 * 0.01)
}

fn elements(row: usize) -> impl Iterator<Item = u8> {
    vector(row).into_iter().flat_map(f32::to_le_bytes)
}

/// A .npy file of f32 as NumPy writes it.
fn npy(path: &Path, rows: usize) {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {DIM}), }}");
    let header = format!("{header:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).expect("short").to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend((0..rows).flat_map(elements));
    write_file(path, bytes);
}

/// The same vectors as .fvecs.
fn fvecs(path: &Path, rows: usize) {
    let dim = u32::try_from(DIM).expect("few").to_le_bytes();
    let row = |row| dim.into_iter().chain(elements(row));
    write_file(path, (0..rows).flat_map(row).collect::<Vec<u8>>());
}

/// A server, a directory for files, and their names.
struct Desk {
    server: Server,
    directory: TempDir,
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let server = Setup::new(directory.path()).start();
        Self { server, directory }
    }

    fn file(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Lines of JSON that a command prints.
    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.server.run(&[arguments, &["--json"]].concat());
        let value = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        text.lines().map(value).collect()
    }

    /// The indexes of all sealed segments.
    fn indexes(&self, name: &str) -> Vec<String> {
        let described = self.json(&["describe", "-c", name]).remove(0);
        let segments = described["segments"].as_array().expect("a list");
        let sealed = segments.iter().filter(|segment| segment["state"] == "sealed");
        let indexes = sealed.flat_map(|segment| segment["indexes"].as_array().expect("a list"));
        indexes.map(|index| index["index"].as_str().expect("a name").to_owned()).collect()
    }

    #[track_caller]
    fn count(&self, name: &str) -> usize {
        self.server.run(&["count", "-c", name]).trim().parse().expect("a number")
    }
}

/// The ids of hits or rows.
fn ids(lines: &[Value]) -> Vec<i64> {
    lines.iter().map(|line| line["id"].as_i64().expect("a number")).collect()
}

#[test]
fn a_collection_is_declared_filled_searched_changed_and_dropped() {
    let desk = Desk::new();
    let (yaml, data) = (desk.file("points.yaml"), desk.file("points.npy"));
    write_file(yaml.as_ref(), DECLARED);
    npy(data.as_ref(), ROWS);
    let apply = ["apply", "-f", &yaml];
    assert_eq!(desk.json(&[&apply[..], &["--dry-run"]].concat())[0]["created"], true);
    assert!(desk.server.fails(&["count", "-c", "points"]).contains("`points`"), "a dry run");
    assert_eq!(desk.json(&apply)[0]["created"], true);
    let again = desk.json(&apply).remove(0);
    assert_eq!(
        (&again["created"], again["changes"].as_array().map(Vec::len)),
        (&false.into(), Some(0))
    );

    let imported = desk
        .json(&["import", "-c", "points", "--batch-rows", "1000", "--wait-indexed", &data])
        .remove(0);
    assert_eq!((&imported["rows"], &imported["already_there"]), (&ROWS.into(), &0.into()));
    assert!(imported["rows_per_s"].as_f64().expect("a rate") > 0.0);
    assert_eq!(desk.count("points"), ROWS);
    searches(&desk, &data);

    let indexes = desk.indexes("points");
    assert_eq!(indexes, vec!["HNSW m=8 ef_construction=40 codes=inlined"; 3]);
    write_file(yaml.as_ref(), DECLARED.replace("m: 8", "m: 12"));
    let change = |applied: &Value| {
        let change = applied["changes"][0].clone();
        (change["field"].clone(), change["from"].clone(), change["to"].clone())
    };
    let expected = ("vectors.vector.index.m".into(), "8".into(), "12".into());
    let dry = desk.json(&[&apply[..], &["--dry-run"]].concat()).remove(0);
    assert_eq!((change(&dry), &dry["segments_to_reindex"]), (expected.clone(), &3.into()));
    assert_eq!(desk.indexes("points"), indexes, "a dry run");
    let applied = desk.json(&[&apply[..], &["--wait"]].concat()).remove(0);
    assert_eq!((change(&applied), &applied["segments_to_reindex"]), (expected, &3.into()));
    assert_eq!(desk.indexes("points"), vec!["HNSW m=12 ef_construction=40 codes=inlined"; 3]);
    searches(&desk, &data);
    write_file(yaml.as_ref(), DECLARED.replace("dimension: 32", "dimension: 64"));
    assert!(
        desk.server.fails(&apply).contains("the type of column `vector` of collection `points`")
    );
    write_file(yaml.as_ref(), DECLARED.replace("    metric", "    metrik"));
    let line = desk.server.fails(&apply);
    assert!(line.contains("line 5") && line.contains("metrik"), "{line}");

    desk.server.run(&["flush", "-c", "points"]);
    assert!(desk.server.fails(&["drop", "-c", "points"]).contains("--yes"), "nobody said yes");
    desk.server.run(&["drop", "-c", "points", "--yes"]);
    assert!(desk.server.fails(&["count", "-c", "points"]).contains("`points`"));
    assert!(desk.json(&["list"]).iter().all(|line| line["collection"] != "points"));
    desk.server.stop();
}

/// Rows are found, near each other as they are in the file.
fn searches(desk: &Desk, data: &str) {
    let near = desk.json(&["search", "-c", "points", "--id", "1234", "-k", "3"]);
    assert_eq!((near.len(), near[0]["id"].clone()), (3, 1_234.into()));
    assert_eq!(near[0]["score"], 0.0);
    let file = ["search", "-c", "points", "--file", data, "--row", "77", "--exact", "-k", "1"];
    assert_eq!(ids(&desk.json(&file)), [77]);
    let text = vector(500).map(|element| element.to_string()).join(",");
    let typed = ["search", "-c", "points", "--vector", &text, "--effort", "50", "-k", "1"];
    assert_eq!(ids(&desk.json(&typed)), [500]);
    let rows = desk.json(&["get", "-c", "points", "7", "2999", "--columns", "**"]);
    assert_eq!(ids(&rows), [7, 2_999]);
    let stored = rows[1]["vector"].as_array().expect("a vector");
    let stored: Vec<f64> = stored.iter().filter_map(Value::as_f64).collect();
    assert_eq!(stored, vector(2_999).map(f64::from));
    assert!(desk.server.fails(&["get", "-c", "points", "7", "5000"]).contains("1 of 2 ids"));
    let wrong = ["search", "-c", "points", "--vector", "1,2,3", "-k", "1"];
    assert!(desk.server.fails(&wrong).contains("3 dimensions"));
}

#[test]
fn the_shipped_declaration_and_both_vector_files_load() {
    let desk = Desk::new();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/collection.yaml");
    assert_eq!(desk.json(&["apply", "-f", shipped])[0]["created"], true);
    let (data, vecs, torn) = (desk.file("a.npy"), desk.file("b.fvecs"), desk.file("c.fvecs"));
    npy(data.as_ref(), 500);
    fvecs(vecs.as_ref(), 500);
    let imported = desk.json(&["import", "-c", "vecs", "--metric", "ip", &vecs]).remove(0);
    assert_eq!(imported["rows"], 500);
    desk.json(&["import", "-c", "vecs", &data]);
    assert_eq!(desk.count("vecs"), 500, "the same rows again");
    let described = desk.json(&["describe", "-c", "vecs"]).remove(0);
    assert_eq!(described["vectors"][0]["metric"], "ip");
    let names = desk.json(&["list"]);
    let names: Vec<_> = names.iter().map(|line| line["collection"].clone()).collect();
    assert_eq!(names, ["vecs", "words"]);
    let limited = ["import", "-c", "few", "--limit", "120", "--batch-rows", "50", &vecs];
    assert_eq!(desk.json(&limited)[0]["rows"], 120);
    // Contradictions and broken files are said and load nothing.
    let wrong = ["import", "-c", "vecs", "--metric", "l2", &vecs];
    assert!(desk.server.fails(&wrong).contains("exists with ip, not l2"));
    let words = ["import", "-c", "words", &vecs];
    assert!(desk.server.fails(&words).contains("32 dimensions"));
    let bytes = std::fs::read(&vecs).expect("a file");
    write_file(torn.as_ref(), &bytes[..bytes.len() - 3]);
    assert!(desk.server.fails(&["import", "-c", "torn", &torn]).contains("c.fvecs"));
    assert!(desk.server.fails(&["count", "-c", "torn"]).contains("`torn`"));
    assert!(desk.server.fails(&["import", "-c", "torn", "no.npy"]).contains("no.npy"));
    desk.server.stop();
}

#[test]
fn an_interrupted_import_goes_on_where_it_was() {
    let desk = Desk::new();
    let data = desk.file("long.npy");
    npy(data.as_ref(), LONG_ROWS);
    let arguments = ["import", "-c", "long", "--batch-rows", "200", "--in-flight", "2", &data];
    let mut there = 0;
    for interrupted in 1..=2 {
        let importer = Starting::new(desk.server.command(&arguments));
        let enough = interrupted * LONG_ROWS / 5;
        until("rows of the import", || {
            let count = desk.server.command(&["count", "-c", "long"]).output().ok()?.stdout;
            there = String::from_utf8_lossy(&count).trim().parse().unwrap_or(0);
            (there > enough).then_some(())
        });
        let ended = importer.kill();
        assert!(!ended.status.success(), "it was over before it was interrupted");
    }
    let rest = desk.json(&arguments).remove(0);
    let (new, old) = (rest["rows"].as_u64(), rest["already_there"].as_u64());
    let (new, old) = (new.expect("a number"), old.expect("a number"));
    assert_eq!(new + old, LONG_ROWS as u64);
    assert!(old >= there as u64 && new > 0, "{old} rows were there, {new} are new");
    assert_eq!(desk.count("long"), LONG_ROWS);
    let last = LONG_ROWS - 1;
    assert_eq!(ids(&desk.json(&["get", "-c", "long", "0", &last.to_string()])), [0, last as i64]);
    let whole = desk.json(&arguments).remove(0);
    assert_eq!((&whole["rows"], &whole["already_there"]), (&0.into(), &LONG_ROWS.into()));
    desk.server.stop();
}
