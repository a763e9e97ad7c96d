//! Snapshots from the command line: taken under writes, kept once, restored here
//! and elsewhere, damaged, interrupted, deleted.

use crate::process::{Server, Setup, Starting, names, until, write_file};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;
use vicinal_client::{
    Client, Collection, CollectionSpec, ElementType, FlushUntil, Ids, IndexSpec, Metric, Rows,
    ScalarType, SegmentLimits, VectorType,
};

const DIM: u32 = 16;

/// Rows of a segment: a thousand rows make several.
const SEGMENT_ROWS: u64 = 400;

/// Two data directories and a store.
struct Desk {
    directory: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    fn setup(&self, name: &str) -> Setup {
        // Tests count files, and compare the work of graphs.
        let setup = Setup::new(&self.directory.path().join(name)).with("FLUSH__COMPACTION", false);
        setup.with("SNAPSHOTS__STORE", self.store())
    }

    fn store(&self) -> String {
        format!("file://{}", self.path().display())
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    /// The files that the store keeps.
    fn files(&self) -> Vec<PathBuf> {
        let files = self.path().join("files");
        let below = |folder: String| {
            let folder = files.join(folder);
            names(&folder).into_iter().map(move |name| folder.join(name))
        };
        names(&files).into_iter().flat_map(below).collect()
    }
}

/// Lines of JSON that a command prints.
#[track_caller]
fn json(server: &Server, arguments: &[&str]) -> Vec<Json> {
    let text = server.run(&[arguments, &["--json"]].concat());
    let value = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
    text.lines().map(value).collect()
}

fn text(value: &Json, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}")).to_owned()
}

fn number(value: &Json, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("no {key} in {value}"))
}

/// Takes a snapshot; its id, and the files and bytes that were written.
#[track_caller]
fn create(server: &Server) -> (String, u64, u64) {
    let created = json(server, &["snapshot", "create", "-c", "points"]).remove(0);
    let written = (number(&created, "written_files"), number(&created, "written_bytes"));
    (text(&created, "snapshot"), written.0, written.1)
}

/// Vectors of many bits, so that no two distances are alike.
fn vector(id: i64) -> impl Iterator<Item = f32> {
    let mix = move |at: u64| {
        let mut bits = (id.unsigned_abs() * 64 + at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (bits >> 40) as f32 / 65_536.0
    };
    (0..u64::from(DIM)).map(mix)
}

fn rows(ids: impl IntoIterator<Item = i64>) -> Rows {
    let ids: Vec<i64> = ids.into_iter().collect();
    let vectors: Vec<f32> = ids.iter().flat_map(|id| vector(*id)).collect();
    let words: Vec<String> = ids.iter().map(|id| format!("word {id}")).collect();
    Rows::new(ids).vectors("v", &vectors).column("word", words)
}

async fn points(client: &Client) -> Collection {
    let vector = VectorType::new(DIM, ElementType::F32, Metric::L2).expect("a type");
    let limits = SegmentLimits { max_rows: SEGMENT_ROWS, ..SegmentLimits::default() };
    let index = IndexSpec { flat_below_rows: 100, ..IndexSpec::default() };
    let spec = CollectionSpec::new("points").segments(limits).column("word", ScalarType::String);
    client.create(spec.indexed_vector("v", vector, index)).await.expect("a collection");
    client.collection("points")
}

/// Ids, words and scores of what some searches find.
async fn answers(collection: &Collection) -> Vec<(Ids, Vec<Option<String>>, Vec<f32>)> {
    let mut answers = Vec::new();
    for id in (0..1_000).step_by(37) {
        let query: Vec<f32> = vector(id).map(|x| x + 3.0).collect();
        let search = collection.search(&query).k(10).min_recall(0.9).columns(["word"]);
        let hits = search.send().await.expect("hits").hits;
        let words = (0..hits.rows.len()).map(|row| hits.rows.text("word", row).map(str::to_owned));
        answers.push((hits.rows.ids().clone(), words.collect(), hits.scores.clone()));
    }
    answers
}

/// A thousand rows in sealed, indexed segments, some of them deleted.
async fn filled(server: &Server) -> Collection {
    let client = server.client().await;
    let collection = points(&client).await;
    for start in (0..1_000).step_by(100) {
        collection.insert(rows(start..start + 100)).await.expect("rows");
    }
    collection.flush(FlushUntil::Indexed).await.expect("sealed");
    collection.delete([5_i64, 405, 999]).await.expect("deleted");
    collection.flush(FlushUntil::Indexed).await.expect("sealed");
    collection
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_answers_the_same_in_an_empty_server_and_beside_the_original() {
    let desk = Desk::new();
    let server = desk.setup("old").start();
    let collection = filled(&server).await;
    server.client().await.set_alias("p", "points").await.expect("an alias");
    let expected = answers(&collection).await;
    let (id, files, bytes) = create(&server);
    assert!(files >= 6 && bytes > 1_000 * 4 * u64::from(DIM), "{files} files, {bytes} bytes");

    let new = desk.setup("new").start();
    let restored = json(&new, &["snapshot", "restore", &id, "--aliases"]).remove(0);
    assert_eq!((number(&restored, "rows"), text(&restored, "collection")), (997, "points".into()));
    let copy = new.client().await.collection("p");
    assert_eq!(answers(&copy).await, expected);
    copy.insert(rows([5])).await.expect("a row");
    assert_eq!(copy.count().await.expect("a count"), 998);

    server.run(&["snapshot", "restore", &id, "-c", "points", "--into", "beside"]);
    let beside = server.client().await.collection("beside");
    assert_eq!(answers(&beside).await, expected);
    beside.delete([1_i64]).await.expect("deleted");
    assert_eq!(answers(&collection).await, expected, "the original is another one");
    let taken = server.fails(&["snapshot", "restore", &id]);
    assert!(taken.contains("collection `points` exists"), "{taken}");

    // What was restored is there after a kill, and is as good as the original.
    new.kill();
    let new = desk.setup("new").start();
    let copy = new.client().await.collection("points");
    assert_eq!(copy.count().await.expect("a count"), 998);
    copy.delete([5_i64]).await.expect("deleted");
    assert_eq!(answers(&copy).await, expected);
    let described = json(&new, &["describe", "-c", "points"]).remove(0);
    assert_eq!(described["fully_indexed"], true, "{described}");
    new.stop();
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_under_writes_is_of_one_moment() {
    let desk = Desk::new();
    let server = desk.setup("old").with("FLUSH__COMPACTION", true).start();
    let collection = points(&server.client().await).await;
    let acknowledged = Arc::new(AtomicI64::new(0));
    let writer = tokio::spawn({
        let (collection, acknowledged) = (collection.clone(), Arc::clone(&acknowledged));
        async move {
            // One batch after another: every moment is one number.
            for start in (0..).step_by(20) {
                collection.insert(rows(start..start + 20)).await.expect("rows");
                acknowledged.store(start + 20, Ordering::SeqCst);
            }
        }
    });
    let mut ids = Vec::new();
    for round in 1..=3 {
        let before = acknowledged.load(Ordering::SeqCst) + round * 300;
        while acknowledged.load(Ordering::SeqCst) < before {
            tokio::task::yield_now().await;
        }
        let least = acknowledged.load(Ordering::SeqCst);
        let (id, ..) = create(&server);
        ids.push((id, least, acknowledged.load(Ordering::SeqCst) + 20));
    }
    writer.abort();
    for (at, (id, least, most)) in ids.iter().enumerate() {
        let name = format!("copy{at}");
        server.run(&["snapshot", "restore", id, "-c", "points", "--into", &name]);
        let copy = server.client().await.collection(&name);
        let count = copy.count().await.expect("a count");
        let count = i64::try_from(count).expect("few");
        assert!((*least..=*most).contains(&count) && count % 20 == 0, "{least} {count} {most}");
        let last = copy.get([0, count / 2, count - 1], &["word"]).await.expect("rows");
        assert_eq!(last.len(), 3, "rows 0 to {count}, and no hole");
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_snapshot_writes_only_what_is_new_and_deleting_removes_only_what_is_old() {
    let desk = Desk::new();
    let server = desk.setup("old").start();
    let collection = filled(&server).await;
    let (first, ..) = create(&server);
    let kept = desk.files();
    let (again, files, bytes) = create(&server);
    assert_eq!((files, bytes, desk.files()), (0, 0, kept.clone()));
    collection.insert(rows(1_000..1_100)).await.expect("rows");
    collection.flush(FlushUntil::Indexed).await.expect("sealed");
    let (third, files, bytes) = create(&server);
    let new = desk.files().len() - kept.len();
    // The rows of the new segment, their index, and the window of requests.
    assert_eq!(files, new as u64);
    assert!((2..=3).contains(&new), "{new} new files");
    // Every section of a file begins at a page.
    assert!(bytes < 200 * 1_024, "{bytes} bytes for a hundred rows");
    let listed = json(&server, &["snapshot", "list"]);
    let mut listed: Vec<_> = listed.iter().map(|of| text(of, "snapshot")).collect();
    let mut ids = vec![first.clone(), again.clone(), third.clone()];
    listed.sort();
    ids.sort();
    assert_eq!(listed, ids);
    let table = server.run(&["snapshot", "list"]);
    assert!(table.contains("points") && table.contains(&third), "{table}");
    let deleted = json(&server, &["snapshot", "delete", &first]).remove(0);
    assert_eq!(number(&deleted, "removed_files"), 0);
    server.run(&["snapshot", "delete", &again]);
    assert!(desk.files().len() < kept.len() + new, "the first window of requests is gone");
    server.run(&["snapshot", "verify", &third]);
    server.run(&["snapshot", "restore", &third, "-c", "points", "--into", "copy"]);
    server.run(&["snapshot", "delete", &third]);
    assert!(desk.files().is_empty(), "{:?}", desk.files());
    let gone = server.fails(&["snapshot", "restore", &third]);
    assert!(gone.contains(&format!("there is no snapshot {third}")), "{gone}");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_named_and_nothing_is_made_of_it() {
    let desk = Desk::new();
    let server = desk.setup("old").start();
    filled(&server).await;
    let (id, ..) = create(&server);
    let whole = server.run(&["snapshot", "verify", &id]);
    assert!(whole.contains("is whole"), "{whole}");
    let spoil = |path: &Path, change: &dyn Fn(&mut Vec<u8>)| {
        let good = std::fs::read(path).expect("a file");
        let mut bad = good.clone();
        change(&mut bad);
        write_file(path, &bad);
        let hash = path.file_name().expect("a name").to_string_lossy().into_owned();
        let named = server.command(&["snapshot", "verify", &id]).output().expect("it runs");
        assert_eq!(named.status.code(), Some(1));
        let table = String::from_utf8_lossy(&named.stdout).into_owned();
        assert!(table.contains(&hash) && table.contains("points"), "{table}");
        let refused = server.fails(&["snapshot", "restore", &id, "-c", "points", "--into", "copy"]);
        assert!(refused.contains(&hash), "{refused} names {hash}");
        write_file(path, &good);
    };
    for file in desk.files() {
        spoil(&file, &|bytes| bytes[4_100] ^= 1);
        spoil(&file, &|bytes| bytes.truncate(bytes.len() - 1));
    }
    let manifest = desk.path().join("snapshots").join(&id);
    let good = std::fs::read(&manifest).expect("a file");
    write_file(&manifest, &good[..good.len() / 2]);
    let refused = server.fails(&["snapshot", "restore", &id, "-c", "points", "--into", "copy"]);
    assert!(refused.contains("the manifest of snapshot"), "{refused}");
    let listed = server.run(&["snapshot", "list"]);
    assert!(listed.contains("damaged"), "{listed}");
    write_file(&manifest, &good);
    let hostile = server.fails(&["snapshot", "restore", "../../../etc/passwd"]);
    assert!(hostile.contains("is no snapshot's id"), "{hostile}");
    assert_eq!(names(&desk.directory.path().join("old/data/staging")), [""; 0]);
    server.run(&["snapshot", "restore", &id, "-c", "points", "--into", "copy"]);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_snapshot_or_restore_is_none() {
    let desk = Desk::new();
    // A few seconds, and none before the first file.
    let slow = desk.setup("old").with("SNAPSHOTS__BYTES_PER_SECOND", 100_000);
    let server = slow.start();
    let collection = filled(&server).await;
    let started = |server: &Server, arguments: &[&str]| {
        let running = Starting::new(server.command(arguments));
        until("a file that is written", || (!desk.files().is_empty()).then_some(()));
        running
    };
    // The caller goes away: the server stops, and nobody sees a snapshot.
    started(&server, &["snapshot", "create"]).kill();
    assert!(json(&server, &["snapshot", "list"]).is_empty());
    // The server is killed: the next one finds nothing but files.
    let running = started(&server, &["snapshot", "create"]);
    server.kill();
    assert!(!running.ended().status.success());
    let server = desk.setup("old").start();
    assert!(json(&server, &["snapshot", "list"]).is_empty());
    let (id, ..) = create(&server);
    server.run(&["snapshot", "verify", &id]);

    let slow = desk.setup("new").with("SNAPSHOTS__BYTES_PER_SECOND", 100_000);
    let staging = desk.directory.path().join("new/data/staging");
    let begun = || (!names(&staging).is_empty()).then_some(());
    let new = slow.start();
    let caller = Starting::new(new.command(&["snapshot", "restore", &id]));
    until("a staged file", begun);
    caller.kill();
    until("the end of the job", || names(&staging).is_empty().then_some(()));
    let caller = Starting::new(new.command(&["snapshot", "restore", &id]));
    until("a staged file", begun);
    new.kill();
    assert!(!caller.ended().status.success());
    let new = desk.setup("new").start();
    assert_eq!(names(&staging), [""; 0]);
    assert_eq!(new.run(&["list", "--json"]), "");
    new.run(&["snapshot", "restore", &id]);
    let copy = new.client().await.collection("points");
    assert_eq!(answers(&copy).await, answers(&collection_of(&server).await).await);
    drop(collection);
    new.stop();
    server.stop();
}

async fn collection_of(server: &Server) -> Collection {
    server.client().await.collection("points")
}
