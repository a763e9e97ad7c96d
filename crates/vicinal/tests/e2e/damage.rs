//! Data directories that are in use, damaged, full or not directories: what
//! serves on, what is refused, and which file is named.

use crate::process::{Ended, Server, Setup, names, vicinal, write_file};
use std::path::{Path, PathBuf};
use vicinal_client::proto::ReadOptions;
use vicinal_client::{
    Client, Code, CollectionSpec, ElementType, Error, FlushUntil, Ids, Metric, Rows, SegmentLimits,
    VectorType,
};

/// Rows of a segment: a flush of twenty makes two and a bit.
const SEGMENT_ROWS: u64 = 8;

/// Group 0 is the catalogue's, 1 the first collection's.
const FIRST_GROUP: &str = "groups/1";

fn setup() -> (tempfile::TempDir, Setup) {
    let directory = tempfile::tempdir().expect("a directory");
    let setup = Setup::new(directory.path());
    (directory, setup)
}

fn rows(ids: impl IntoIterator<Item = i64>) -> Rows {
    let ids: Vec<i64> = ids.into_iter().collect();
    let vectors: Vec<f32> = ids.iter().flat_map(|id| [*id as f32, 1.0, 2.0, 3.0]).collect();
    Rows::new(ids).vectors("v", &vectors)
}

async fn create(client: &Client, name: &str) {
    let vector = VectorType::new(4, ElementType::F32, Metric::L2).expect("a type");
    let limits = SegmentLimits { max_rows: SEGMENT_ROWS, ..SegmentLimits::default() };
    let spec = CollectionSpec::new(name).vector("v", vector).segments(limits);
    client.create(spec).await.expect("a collection");
}

/// Collections `first` and `second`, rows 0 to 19 in each, some of them deleted
/// after they were sealed; stopped in order.
async fn filled(setup: &Setup) {
    let server = setup.start();
    let client = server.client().await;
    for name in ["first", "second"] {
        create(&client, name).await;
        let collection = client.collection(name);
        collection.insert(rows(0..20)).await.expect("rows");
        collection.flush(FlushUntil::Sealed).await.expect("sealed");
        collection.delete([3_i64, 5]).await.expect("deleted");
        collection.insert(rows([20])).await.expect("a row");
        collection.flush(FlushUntil::Indexed).await.expect("sealed");
    }
    server.stop();
}

/// The first file in a directory whose name ends so.
fn file(directory: &Path, ending: &str) -> PathBuf {
    let names = names(directory);
    let name = names.iter().find(|name| name.ends_with(ending));
    directory.join(name.unwrap_or_else(|| panic!("no {ending} among {names:?}")))
}

/// The newest manifest of a group.
fn manifest(directory: &Path) -> PathBuf {
    let names = names(directory).into_iter().filter(|name| name.starts_with("MANIFEST-"));
    directory.join(names.max().expect("a manifest"))
}

/// Turns some bits of a file's byte.
fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).expect("a file");
    bytes[at] ^= 0x55;
    write_file(path, bytes);
}

fn cut(path: &Path, bytes: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(path).expect("a file");
    let len = file.metadata().expect("its length").len();
    file.set_len(len - bytes).expect("a shorter file");
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

fn says<T: std::fmt::Debug>(outcome: Result<T, Error>, code: Code, words: &[&str]) {
    let error = outcome.expect_err("a failure");
    assert_eq!(error.code(), code, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "`{error}` does not say `{word}`");
    }
}

/// `first` cannot be read or written and says which file it is; `second` serves.
async fn first_is_damaged(server: Server, file: &str) -> Ended {
    let client = server.client().await;
    let (first, lost, words) = (client.collection("first"), Code::DataLoss, &[file][..]);
    says(first.count().await, lost, words);
    says(first.get([1_i64], &[]).await, lost, words);
    says(first.search(&[0.0; 4]).k(1).send().await, lost, words);
    says(first.scroll().next_page().await, lost, words);
    says(first.insert(rows([99])).await, lost, words);
    says(first.upsert(rows([1])).await, lost, words);
    says(first.delete([1_i64]).await, lost, words);
    serves(&client, "second", 19).await;
    server.stop()
}

/// `first` answers those who ask for less, and says what is missing.
async fn first_answers_in_part(server: Server, file: &str) {
    let client = server.client().await;
    let first = client.collection("first");
    let says = |missing: &[String]| {
        assert_eq!(missing.len(), 1, "{missing:?}");
        assert!(
            missing[0].contains(file) && missing[0].contains("ids from 0 to 19"),
            "{missing:?}"
        );
    };
    let got = first.get_partial([1_i64, 9, 20], &[]).await.expect("the rest");
    assert_eq!(got.value.ids(), &Ids::Int(vec![20]));
    says(&got.missing_rows);
    let count = first.count_partial(None).await.expect("the rest");
    assert_eq!(count.value, 1);
    says(&count.missing_rows);
    let few = first.count_partial(Some("id < 10".into())).await.expect("the rest");
    assert_eq!(few.value, 0);
    let options = || ReadOptions { partial_ok: true, ..Default::default() };
    let groups = first.aggregate().options(options()).send().await.expect("the rest");
    assert_eq!(groups.rows, 1);
    says(&groups.missing_rows);
    let found = first.search(&[0.0; 4]).k(100).options(options()).send().await.expect("the rest");
    assert_eq!(found.hits.scores.len(), 1);
    says(&found.missing_rows);
    let mut pages = first.scroll().options(options());
    assert_eq!(pages.next_page().await.expect("the rest").expect("a page").len(), 1);
    says(pages.missing_rows());
    let whole = client.collection("second").count_partial(None).await.expect("all");
    assert_eq!((whole.value, whole.missing_rows.len()), (19, 0));
    server.stop();
}

/// A collection reads and writes.
async fn serves(client: &Client, name: &str, count: u64) {
    let collection = client.collection(name);
    assert_eq!(collection.count().await.expect("a count"), count, "{name}");
    let found = collection.search(&[7.0, 1.0, 2.0, 3.0]).k(1).send().await.expect("hits");
    assert_eq!((found.hits.rows.ids(), found.hits.scores), (&Ids::Int(vec![7]), vec![0.0]));
    collection.insert(rows([1_000])).await.expect("a row");
    collection.delete([1_000_i64]).await.expect("deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_on_one_directory_is_refused_in_one_line() {
    let (_directory, setup) = setup();
    let server = setup.start();
    let client = server.client().await;
    create(&client, "first").await;
    let data = setup.data().display().to_string();
    let pid = std::fs::read_to_string(setup.data().join("LOCK")).expect("who holds it");
    setup.refused().says(&["is in use by", &data, pid.trim()]);
    client.collection("first").insert(rows([1])).await.expect("the first one serves on");
    server.kill();
    // The lock of the dead is nobody's.
    setup.start().stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_in_a_segment_is_data_loss_and_spares_the_others() {
    let (_directory, setup) = setup();
    filled(&setup).await;
    let rows = file(&setup.data().join(FIRST_GROUP), ".rows");
    let half = std::fs::metadata(&rows).expect("a file").len() / 2;
    for at in [70, 4_096 + 17, usize::try_from(half).expect("small")] {
        let whole = std::fs::read(&rows).expect("a file");
        flip(&rows, at);
        let flipped = whole != std::fs::read(&rows).expect("a file");
        assert!(flipped);
        let ended = first_is_damaged(setup.start(), &name(&rows)).await;
        let logged =
            ended.lines.iter().any(|line| line.contains("ERROR") && line.contains(&name(&rows)));
        assert!(logged, "{ended:#?}");
        first_answers_in_part(setup.start(), &name(&rows)).await;
        write_file(&rows, whole);
    }
    let server = setup.start();
    serves(&server.client().await, "first", 19).await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_maps_no_files_serves_and_finds_damage_as_well() {
    let (_directory, mut setup) = setup();
    filled(&setup).await;
    let rows = file(&setup.data().join(FIRST_GROUP), ".rows");
    for mmap in [true, false] {
        setup = setup.with("STORAGE__MMAP", mmap);
        let server = setup.start();
        let client = server.client().await;
        let pid = std::fs::read_to_string(setup.data().join("LOCK")).expect("who holds it");
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", pid.trim())).expect("maps");
        assert_eq!(maps.contains(".rows"), mmap);
        for name in ["first", "second"] {
            serves(&client, name, 19).await;
        }
        server.stop();
    }
    flip(&rows, 4_096 + 17);
    first_is_damaged(setup.start(), &name(&rows)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_or_shortened_file_of_a_segment_is_data_loss() {
    let (directory, setup) = setup();
    filled(&setup).await;
    let group = setup.data().join(FIRST_GROUP);
    for ending in [".rows", ".tombstones"] {
        let file = file(&group, ending);
        let whole = std::fs::read(&file).expect("a file");
        cut(&file, 1);
        first_is_damaged(setup.start(), &name(&file)).await;
        write_file(&file, &whole);
        let aside = directory.path().join("aside");
        move_file(&file, &aside);
        first_is_damaged(setup.start(), &name(&file)).await;
        move_file(&aside, &file);
        flip(&file, 4_096);
        first_is_damaged(setup.start(), &name(&file)).await;
        write_file(&file, &whole);
    }
    let server = setup.start();
    serves(&server.client().await, "first", 19).await;
    server.stop();
}

#[expect(clippy::disallowed_methods, reason = "files are lost behind the server's back")]
fn move_file(from: &Path, to: &Path) {
    std::fs::rename(from, to).expect("a file that moves");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_manifest_spares_other_collections() {
    let (_directory, setup) = setup();
    filled(&setup).await;
    let manifest = manifest(&setup.data().join(FIRST_GROUP));
    let whole = std::fs::read(&manifest).expect("a manifest");
    flip(&manifest, whole.len() / 2);
    first_is_damaged(setup.start(), &name(&manifest)).await;
    write_file(&manifest, []);
    first_is_damaged(setup.start(), &name(&manifest)).await;
    write_file(&manifest, whole);
    let server = setup.start();
    serves(&server.client().await, "first", 19).await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_catalogue_or_identity_is_refused() {
    let (_directory, setup) = setup();
    filled(&setup).await;
    for path in [manifest(&setup.data().join("groups/0")), setup.data().join("IDENTITY")] {
        let whole = std::fs::read(&path).expect("a file");
        flip(&path, whole.len() - 1);
        setup.refused().says(&["damaged", &name(&path)]);
        write_file(&path, whole);
    }
    let server = setup.start();
    serves(&server.client().await, "first", 19).await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_index_costs_nothing_but_its_building() {
    let (_directory, setup) = setup();
    let setup = setup.with("INDEX__FLAT_BELOW_ROWS", 1);
    let server = setup.start();
    let client = server.client().await;
    let vector = VectorType::new(4, ElementType::F32, Metric::L2).expect("a type");
    client.create(CollectionSpec::new("first").vector("v", vector)).await.expect("a collection");
    let first = client.collection("first");
    first.insert(rows(0..500)).await.expect("rows");
    first.flush(FlushUntil::Indexed).await.expect("indexed");
    server.stop();
    let index = file(&setup.data().join(FIRST_GROUP), ".index");
    flip(&index, 4_096 + 17);
    let server = setup.start();
    let client = server.client().await;
    serves(&client, "first", 500).await;
    let first = client.collection("first");
    first.flush(FlushUntil::Indexed).await.expect("indexed again");
    let described = first.describe().await.expect("a description");
    assert!(
        described.segments.iter().any(|of| of.indexes.iter().any(|of| of.index.contains("HNSW")))
    );
    serves(&client, "first", 500).await;
    let ended = server.stop();
    let warned = ended.lines.iter().filter(|line| line.contains(&name(&index)));
    assert_eq!(warned.count(), 1, "{ended:#?}");
}

/// The log after writes that were not flushed: rows 0 to 49 of `first`, each with
/// a write of its own.
async fn logged(setup: &Setup) -> PathBuf {
    let server = setup.start();
    let client = server.client().await;
    let vector = VectorType::new(4, ElementType::F32, Metric::L2).expect("a type");
    client.create(CollectionSpec::new("first").vector("v", vector)).await.expect("a collection");
    for id in 0..50 {
        client.collection("first").insert(rows([id])).await.expect("a row");
    }
    server.kill();
    file(&setup.data().join("log"), ".log")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_tail_of_the_log_is_cut_off_and_said() {
    let (_directory, setup) = setup();
    let log = logged(&setup).await;
    let whole = std::fs::read(&log).expect("a log");
    for torn in [1, 30, 130] {
        write_file(&log, &whole);
        cut(&log, torn);
        let server = setup.start();
        let client = server.client().await;
        let count = client.collection("first").count().await.expect("a count");
        assert!((45..50).contains(&count), "{count} rows with {torn} bytes cut off");
        serves(&client, "first", count).await;
        let ended = server.stop();
        let said = ended.lines.iter().filter(|line| {
            line.contains("WARN") && line.contains("torn write") && line.contains(&name(&log))
        });
        assert_eq!(said.count(), 1, "{ended:#?}");
    }
    // Zeros behind the end, as some file systems leave them.
    write_file(&log, [whole, vec![0; 10_000]].concat());
    let server = setup.start();
    serves(&server.client().await, "first", 50).await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_inside_the_log_is_refused_with_file_and_offset() {
    let (_directory, setup) = setup();
    let log = logged(&setup).await;
    let whole = std::fs::read(&log).expect("a log");
    for at in [0, 40, whole.len() / 3, whole.len() / 2] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        write_file(&log, &bytes);
        setup.refused().says(&["damaged at byte", &name(&log), "nothing was changed"]);
        assert!(std::fs::read(&log).expect("a log") == bytes, "nothing was changed at byte {at}");
    }
    write_file(&log, whole);
    let server = setup.start();
    serves(&server.client().await, "first", 50).await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_file_of_the_log_is_refused() {
    let (directory, setup) = setup();
    let server = setup.start();
    let client = server.client().await;
    let vector = VectorType::new(1_024, ElementType::F32, Metric::L2).expect("a type");
    client.create(CollectionSpec::new("wide").vector("v", vector)).await.expect("a collection");
    let wide = client.collection("wide");
    for id in 0..10 {
        let vectors = vec![0.5; 1_024 * 100];
        let ids: Vec<i64> = (id * 100..(id + 1) * 100).collect();
        wide.insert(Rows::new(ids).vectors("v", &vectors)).await.expect("rows");
    }
    server.kill();
    let log = setup.data().join("log");
    let files = names(&log);
    assert!(files.len() >= 3, "{files:?}");
    let aside = directory.path().join("aside");
    for missing in [&files[0], &files[1]] {
        move_file(&log.join(missing), &aside);
        setup.refused().says(&["missing", "log"]);
        move_file(&aside, &log.join(missing));
    }
    let server = setup.start();
    assert_eq!(server.client().await.collection("wide").count().await.expect("a count"), 1_000);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_what_adds_and_takes_what_makes_room() {
    let (_directory, setup) = setup();
    filled(&setup).await;
    let server = setup.clone().with("STORAGE__DISK_RESERVE_BYTES", u64::MAX).start();
    let client = server.client().await;
    let (first, second) = (client.collection("first"), client.collection("second"));
    let (full, words) = (Code::ResourceExhausted, &["storage.disk_reserve_bytes", "free"][..]);
    says(first.insert(rows([99])).await, full, words);
    says(first.upsert(rows([1])).await, full, words);
    let vector = VectorType::new(4, ElementType::F32, Metric::L2).expect("a type");
    let spec = CollectionSpec::new("third").vector("v", vector);
    says(client.create(spec).await, full, words);
    assert_eq!(first.count().await.expect("reads go on"), 19);
    first.search(&[7.0; 4]).k(3).send().await.expect("searches go on");
    let deleted = first.delete([1_i64, 2]).await.expect("deletes make room").deleted;
    assert_eq!(deleted, 2);
    first.flush(FlushUntil::Indexed).await.expect("flushes make room in the log");
    second.drop_collection().await.expect("drops make room");
    server.stop();
    let server = setup.start();
    let client = server.client().await;
    serves(&client, "first", 17).await;
    says(client.collection("second").count().await, Code::NotFound, &["second"]);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_cannot_be_used_is_refused_in_one_line() {
    let (directory, setup) = setup();
    write_file(setup.data(), "a file");
    let data = setup.data().display().to_string();
    setup.refused().says(&["cannot open the data directory", &data]);
    let below = Setup::new(setup.data());
    below.refused().says(&["cannot open the data directory", &data]);
    // Below /proc nobody can make a directory, root included.
    Setup::new(Path::new("/proc")).refused().says(&["/proc/data"]);
    drop(directory);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_names_the_damaged_file_and_fails() {
    let (_directory, setup) = setup();
    let data = setup.data().display().to_string();
    let verify = |more: &[&str]| {
        let output = vicinal(["verify", "--data-dir", data.as_str()].iter().chain(more)).output();
        let output = output.expect("a command");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let (is_sound, _, error) = verify(&[]);
    assert!(!is_sound && error.contains("is no data directory"), "{error}");
    filled(&setup).await;
    let (is_sound, table, error) = verify(&[]);
    assert!(is_sound, "{table}{error}");
    assert!(table.contains("FILE") && table.contains("groups/1/MANIFEST-"), "{table}");
    let server = setup.start();
    let (is_sound, _, error) = verify(&[]);
    assert!(!is_sound && error.contains("is in use by process"), "{error}");
    server.stop();
    let group = setup.data().join(FIRST_GROUP);
    for path in [file(&group, ".rows"), file(&group, ".tombstones"), manifest(&group)] {
        flip(&path, 20);
        let (is_sound, lines, error) = verify(&["--json"]);
        assert!(!is_sound && error.contains("are damaged"), "{error}");
        let damaged = lines.lines().filter(|line| !line.contains("\"problem\":null"));
        let damaged: Vec<_> = damaged.collect();
        assert!(damaged.iter().any(|line| line.contains(&name(&path))), "{damaged:?}");
        flip(&path, 20);
    }
    assert!(verify(&[]).0, "what was turned twice is as it was");
}
