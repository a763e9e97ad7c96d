//! Every kind of index and every engine, through a real server: declared, built,
//! searched, with deletions, and back after a restart without being built again.

use crate::process::{Server, Setup, until, write_file};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use vicinal_client::{Collection, Effort, Found, Hits, Ids};
use vicinal_machine::{Machine, Measured, store};
use vicinal_planner::MachineProfile;
use vicinal_storage::{Disk as _, FileDisk};

const DIM: usize = 24;

/// Rows of each collection, all in one segment.
const ROWS: usize = 2_500;

/// Queries, which are no rows.
const QUERIES: usize = 20;

/// Neighbours wanted.
const K: usize = 10;

/// Lists probed or candidates kept: little enough that no segment is scanned.
const EFFORT: usize = 32;

/// Collections: their names, their indexes, and how these are described.
const DECLARED: [(&str, &str, &str); 18] = [
    ("auto", "{ kind: AUTO, flat_below_rows: 1000 }", "HNSW m="),
    ("flat", "{ kind: FLAT }", "FLAT"),
    ("flat_sq8", "{ kind: FLAT, codes: sq8 }", "FLAT codes=sq8"),
    ("flat_rabitq", "{ kind: FLAT, codes: rabitq }", "FLAT codes=rabitq"),
    ("ivf_flat", "{ kind: IVF_FLAT, lists: 70 }", "IVF_FLAT lists=70"),
    ("ivf_sq8", "{ kind: IVF_SQ8 }", "IVF_SQ8 lists=78"),
    ("ivf_pq4", "{ kind: IVF_PQ }", "IVF_PQ lists=78"),
    ("ivf_pq8", "{ kind: IVF_PQ, pq_bits: 8, pq_subvectors: 6 }", "IVF_PQ lists=78"),
    ("ivf_rabitq", "{ kind: IVF_RABITQ }", "IVF_RABITQ lists=78"),
    ("scann", "{ kind: SCANN }", "SCANN lists=78"),
    ("hnsw", "{ kind: HNSW, codes: none, m: 8 }", "HNSW m=8 ef_construction=128"),
    ("hnsw_sq8", "{ kind: HNSW, codes: sq8 }", "HNSW m=16 ef_construction=128 codes=sq8"),
    ("hnsw_sq4", "{ kind: HNSW, codes: sq4 }", "HNSW m=16 ef_construction=128 codes=sq4"),
    ("hnsw_rabitq", "{ kind: HNSW, codes: rabitq }", "HNSW m=16 ef_construction=128 codes=rabitq"),
    ("hnsw_memory", "{ kind: HNSW, objective: memory }", "HNSW m=16 ef_construction=128 codes=sq8"),
    (
        "hnsw_inlined",
        "{ kind: HNSW, codes: inlined }",
        "HNSW m=16 ef_construction=128 codes=inlined",
    ),
    (
        "hnsw_paged",
        "{ kind: HNSW, layout: paged, m: 8 }",
        "HNSW m=8 ef_construction=128 codes=sq8 layout=paged",
    ),
    ("hnsw_rs", "{ kind: HNSW, engine: hnsw_rs }", "hnsw_rs HNSW m=16 ef_construction=128"),
];

#[cfg(feature = "faiss")]
const FAISS: [(&str, &str, &str); 3] = [
    ("faiss_flat", "{ kind: FLAT, engine: faiss }", "faiss FLAT"),
    ("faiss_hnsw", "{ kind: HNSW, engine: faiss }", "faiss HNSW m=16 ef_construction=128"),
    ("faiss_ivf_pq", "{ kind: IVF_PQ, engine: faiss, lists: 70 }", "faiss IVF_PQ lists=70"),
];

#[cfg(not(feature = "faiss"))]
const FAISS: [(&str, &str, &str); 0] = [];

fn declared() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    DECLARED.into_iter().chain(FAISS)
}

/// A vector of some clusters, the same for the same number.
fn vector(number: usize) -> Vec<f32> {
    let noise = |at: usize| {
        let mixed = (number * 1_000 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        f32::from(u16::try_from(mixed >> 48).expect("16 bits")) / f32::from(u16::MAX)
    };
    let center =
        |at: usize| f32::from(u8::try_from((number % 40 * 7 + at * 13) % 23).expect("few"));
    (0..DIM).map(|at| center(at) * 0.2 + noise(at)).collect()
}

/// The rows as NumPy writes them.
fn npy(path: &Path) {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({ROWS}, {DIM}), }}");
    let header = format!("{header:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).expect("short").to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend((0..ROWS).flat_map(vector).flat_map(f32::to_le_bytes));
    write_file(path, bytes);
}

fn yaml(name: &str, index: &str) -> String {
    format!(
        "collection: {name}\nvectors:\n  - name: v\n    dimension: {DIM}\n    metric: l2\n    index: {index}\n"
    )
}

/// The only segment's index, once it is what was declared.
fn index(server: &Server, name: &str) -> Option<String> {
    let text = server.run(&["describe", "-c", name, "--json"]);
    let described: Value = serde_json::from_str(&text).expect("JSON");
    let segments = described["segments"].as_array().expect("a list");
    let sealed: Vec<_> = segments.iter().filter(|of| of["state"] == "sealed").collect();
    assert!(sealed.len() <= 1, "{name}: {text}");
    let index = sealed.first()?["indexes"][0]["index"].as_str().expect("a name");
    (described["fully_indexed"] == true).then(|| index.to_owned())
}

/// How often this process has built an index.
fn builds(server: &Server) -> u64 {
    let (_, page) = server.http("/metrics");
    let mut lines = page.lines().filter(|line| line.starts_with("vicinal_index_builds_total"));
    let line = lines.next().and_then(|line| line.rsplit_once(' '));
    line.map_or(0, |(_, count)| count.parse().expect("a number"))
}

async fn search(words: &Collection, query: usize, effort: Effort) -> Found<Hits> {
    let query = vector(ROWS + query);
    let k = u32::try_from(K).expect("few");
    words.search(&query).k(k).effort(effort).send().await.expect("an answer")
}

fn ids(found: &Found<Hits>) -> BTreeSet<i64> {
    match found.hits.rows.ids() {
        Ids::Int(ids) => ids.iter().copied().collect(),
        Ids::Str(ids) => panic!("{ids:?} are no integers"),
    }
}

/// Asserts that searches by the index find rows that are there, and enough of the
/// nearest: with a fixed effort, and when recall 0.95 is asked for.
async fn check_recall(server: &Server, name: &str, is_deleted: impl Fn(i64) -> bool) {
    let words = server.client().await.collection(name);
    let (mut right, mut promised_right) = (0, 0);
    for query in 0..QUERIES {
        let exact = ids(&search(&words, query, Effort::Exact).await);
        let found = search(&words, query, Effort::Candidates(EFFORT)).await;
        // The growing segment, which is empty, is always scanned.
        let by_index = found.report.segments - found.report.scanned_segments;
        assert_eq!(by_index, u32::from(name != "flat"), "{name}: segments searched by index");
        let found = ids(&found);
        assert_eq!(found.len(), K, "{name}: rows found");
        assert!(!found.iter().any(|id| is_deleted(*id)), "{name}: {found:?}");
        right += found.intersection(&exact).count();
        let promised = ids(&search(&words, query, Effort::DEFAULT).await);
        promised_right += promised.intersection(&exact).count();
    }
    let recall = |right: usize| right as f64 / (QUERIES * K) as f64;
    let (recall, promised) = (recall(right), recall(promised_right));
    // Of 24 dimensions, few bits say little.
    let least = match name {
        "hnsw_sq4" => 0.75,
        "hnsw_rabitq" => 0.5,
        _ => 0.9,
    };
    assert!(recall >= least, "{name}: recall {recall} at effort {EFFORT}");
    assert!(promised >= 0.9, "{name}: recall {promised} where 0.95 was asked for");
}

/// Gives a data directory the figures of a machine where a scan of few rows takes longer
/// than any search of an index: else these would be scanned.
fn compare_slowly(directory: &Path) {
    let mut profile = MachineProfile::TYPICAL;
    profile.kernels.iter_mut().for_each(|kernel| kernel.time.base_nanos = 200.0);
    let measured = Measured {
        machine: Machine::detect(),
        unix_micros: 0,
        took_millis: 1,
        spread: 0.0,
        notes: Vec::new(),
        profile,
    };
    FileDisk.create_dir_all(directory).expect("a directory");
    store(&FileDisk, directory, &measured).expect("a file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_is_built_once_and_finds_what_is_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("rows.npy");
    npy(&data);
    let data = data.display().to_string();
    // A segment of which a third is deleted would be merged, and indexed anew.
    let setup = Setup::new(directory.path())
        .with("FLUSH__COMPACTION", false)
        .with("SEARCH__PROFILE_MACHINE", true);
    compare_slowly(setup.data());
    let server = setup.start();
    for (name, index, _) in declared() {
        let file = directory.path().join(name);
        write_file(&file, yaml(name, index));
        server.run(&["apply", "-f", &file.display().to_string()]);
        server.run(&["import", "-c", name, &data]);
        server.run(&["flush", "-c", name]);
    }
    let deleted = |id: i64| id % 3 == 0;
    for (name, _, expected) in declared() {
        let built = until(name, || index(&server, name));
        assert!(built.starts_with(expected), "{name}: {built} is not {expected}");
        check_recall(&server, name, |_| false).await;
        let words = server.client().await.collection(name);
        let gone: Vec<i64> = (0..2_500).filter(|id| deleted(*id)).collect();
        words.delete(gone).await.expect("deleted");
        check_recall(&server, name, deleted).await;
    }
    assert!(builds(&server) >= declared().count() as u64 - 1);
    server.stop();

    let server = setup.start();
    for (name, _, expected) in declared() {
        let opened = index(&server, name).unwrap_or_default();
        assert!(opened.starts_with(expected), "{name}: {opened} is not {expected}");
        check_recall(&server, name, deleted).await;
    }
    assert_eq!(builds(&server), 0, "an index was built again");
    server.stop();
}

#[test]
fn an_index_that_cannot_be_is_refused_with_the_way_out() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Setup::new(directory.path()).start();
    let file = directory.path().join("wrong");
    let check = |index: &str, words: &str| {
        write_file(&file, yaml("wrong", index));
        let line = server.fails(&["apply", "-f", &file.display().to_string()]);
        assert!(line.contains(words), "{line}");
    };
    check("{ kind: IVF_PQ, engine: hnsw_rs }", "engine hnsw_rs has no kind IVF_PQ; it has");
    check("{ kind: IVF_SQ8, codes: sq4 }", "codes sq4 goes with kind FLAT or HNSW");
    check("{ kind: IVF_PQ, pq_bits: 5 }", "pq_bits 5 is neither 4 nor 8");
    check("{ kind: SCANN, lists: 70000 }", "lists 70000 is not between 0 and 65536");
    check("{ kind: HNSW, layout: disk }", "unknown variant `disk`");
    if cfg!(not(feature = "faiss")) {
        check("{ kind: FLAT, engine: faiss }", "engine faiss is not in this build; use native");
    }
    server.stop();
}
