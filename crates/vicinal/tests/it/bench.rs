//! `vicinal bench ann` and `bench table` on files of a test's own size.

use super::{text, vicinal};
use std::path::Path;

/// A NumPy array of bytes: rows in 50 clusters, some of them far out.
fn write_rows(path: &Path, rows: usize, dim: usize) {
    let mut header =
        format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10 - 1;
    header.push_str(&" ".repeat(padded - header.len()));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).expect("a short header").to_le_bytes());
    bytes.extend(header.into_bytes());
    let mut random = 7_u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) as usize
    };
    for _ in 0..rows {
        let cluster = next() % 50;
        let value = |at: usize| (cluster * 37 + at * 11) % 200 + next() % 40;
        bytes.extend((0..dim).map(value).map(|value| u8::try_from(value).unwrap_or(255)));
    }
    #[expect(clippy::disallowed_methods, reason = "a test's input, not data")]
    std::fs::write(path, bytes).expect("written");
}

/// The number that a line of JSON has under a name.
fn number(line: &str, name: &str) -> f64 {
    let (_, rest) = line.split_once(&format!("\"{name}\":")).expect(name);
    let end = rest.find([',', '}']).expect("a field ends");
    rest[..end].parse().expect(name)
}

#[test]
fn a_paged_graph_reads_a_page_for_a_vertex_and_a_table_tells_of_it() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let base = dir.path().join("rows.npy");
    write_rows(&base, 4_000, 64);
    let (base, built) = (base.to_string_lossy(), dir.path().join("built"));
    let built = built.to_string_lossy();
    let ann = |more: &[&str]| {
        let common = ["bench", "ann", "--base", &base, "--hold-out", "50", "--metric", "l2"];
        let kept = ["--save", &built, "--load", &built, "--effort", "32", "--json"];
        let output = vicinal(&[&common[..], &kept, more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).to_owned()
    };
    let line = ann(&["--index", "HNSW,layout=paged,efc=64", "--cold"]);
    let figure = |name| number(&line, name);
    let (expanded, touched, read) = (figure("expanded"), figure("pages"), figure("pages_read"));
    assert!(figure("recall") >= 0.95 && touched <= expanded, "{line}");
    // More than touched: read ahead. Far fewer: they were not taken out of memory.
    assert!(read <= touched * 1.01 && read >= touched * 0.9, "{line}");
    let warm = ann(&["--index", "HNSW,layout=paged,efc=64"]);
    assert!(!warm.contains("pages_read") && number(&warm, "pages") == touched, "{warm}");
    assert!(number(&warm, "mapped_mb") >= 1.0, "the records are mapped: {warm}");

    let lines = dir.path().join("lines.jsonl");
    let peer =
        r#"{"lib":"peer","data":"rows","queries":"hold-out","ef":1,"recall":0.99,"qps":0.5}"#;
    #[expect(clippy::disallowed_methods, reason = "a test's input, not data")]
    std::fs::write(&lines, format!("{warm}{peer}\n")).expect("written");
    let output = vicinal(&["bench", "table", &lines.to_string_lossy(), "--at", "0.9"]);
    let table = text(&output.stdout);
    let rows: Vec<_> =
        table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert_eq!(rows[1][..4], ["rows", "hold-out", "vicinal", "HNSW"], "{table}");
    assert_eq!(rows[1].last(), Some(&"1.00"), "{table}");
    assert_eq!(rows[2][..3], ["rows", "hold-out", "peer"], "{table}");
    let ratio: f64 = rows[2].last().and_then(|cell| cell.parse().ok()).expect("a ratio");
    assert!(ratio > 10.0, "{table}");
}

#[test]
fn bits_are_compared_by_jaccard() {
    let dir = tempfile::tempdir().expect("a directory");
    let base = dir.path().join("bits.npy");
    write_rows(&base, 1_000, 16);
    let base = base.to_string_lossy();
    let common = ["bench", "ann", "--base", &base, "--hold-out", "20", "--json", "--metric"];
    let output = vicinal(&[&common[..], &["jaccard", "--element", "binary"]].concat());
    let line = text(&output.stdout);
    assert!(line.contains("\"dim\":128") && number(line, "recall") == 1.0, "{line}");
    let output = vicinal(&[&common[..], &["jaccard"]].concat());
    assert!(text(&output.stderr).contains("binary takes hamming or jaccard"));
}

#[test]
fn a_profile_tells_of_clusters_and_of_bytes() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let base = dir.path().join("rows.npy");
    write_rows(&base, 3_000, 64);
    let base = base.to_string_lossy();
    let profile = |more: &[&str]| {
        let common = ["bench", "profile", "--base", &base, "--metric", "l2", "--element", "u8"];
        let output = vicinal(&[&common[..], more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).to_owned()
    };
    let line = profile(&["--json"]);
    let figure = |name| number(&line, name);
    assert_eq!((figure("rows"), figure("dim"), figure("sampled")), (3_000.0, 64.0, 3_000.0));
    // Bytes are themselves; a bit loses more than a third.
    assert!(figure("sq8") == 0.0 && figure("rabitq1") > 0.3, "{line}");
    assert!(figure("clustering") > 0.7 && figure("contrast") > 2.0, "{line}");
    let table = profile(&[]);
    assert!(table.contains("3,000 × 64") && table.contains("intrinsic dimension"), "{table}");
}

/// No device: one line that says so, and an exit code of its own.
#[test]
fn without_a_gpu_its_benchmark_ends_with_3() {
    let output = vicinal(&["bench", "gpu", "--sets", "1000x8", "--batches", "1", "--passes", "1"]);
    let stderr = text(&output.stderr);
    if Path::new("/dev/nvidia0").exists() {
        assert!(output.status.success(), "{stderr}");
        return;
    }
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains("CUDA driver"), "{stderr}");
    let wrong = vicinal(&["bench", "gpu", "--sets", "1000"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong.stderr));
}
