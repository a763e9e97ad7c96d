//! Snapshots over a store in memory and a directory, without a network.

use super::format::{FileHash, ManifestFile};
use super::job::Progress;
use super::store::{Object, PART_BYTES};
use super::*;
use object_store::memory::InMemory;
use std::path::Path;
use tempfile::TempDir;
use vicinal_engine::{Compaction, EngineOptions, RestoreAs, Write};
use vicinal_storage::SimDisk;
use vicinal_types::{
    Cancel, CollectionSpec, Column, ColumnId, ElementType, ErrorKind, IdType, Ids, Metric,
    RowBatch, Schema, SystemClock, VectorInput, VectorType,
};

/// An engine with a collection `points` of ten rows, and a directory as its store.
struct Desk {
    engine: Engine,
    snapshots: Snapshots,
    directory: TempDir,
}

fn job() -> Arc<Job> {
    Arc::new(Job::new(Cancel::never(), Arc::new(SystemClock), 0))
}

fn write(engine: &Engine, ids: std::ops::Range<i64>) {
    let ids: Vec<i64> = ids.collect();
    let floats = ids.iter().flat_map(|id| [*id as f32, 1.0]).collect();
    let vectors = vec![(ColumnId(1), VectorInput::Floats(floats))];
    let rows = RowBatch { ids: Ids::Int(ids), vectors, scalars: vec![] };
    engine.write_blocking("", "points", Write::Insert(rows), None).expect("an insert");
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = directory.path().join("store").display().to_string();
        let options = EngineOptions {
            search_threads: 1,
            build_threads: 1,
            flush_workers: 1,
            pin_threads: false,
            compaction: Compaction::OnRequest,
            disk_reserve_bytes: 0,
            ..EngineOptions::new(Arc::new(SimDisk::new(1)), "data".into(), Arc::new(SystemClock))
        };
        let engine = Engine::open(options).expect("an empty disk");
        let kind = VectorType::new(2, ElementType::F32, Metric::L2).expect("a type");
        let schema = Schema::new(IdType::Int64, vec![Column::vector(ColumnId(1), "v", kind)]);
        let spec = CollectionSpec::new("points", schema.expect("a right schema"));
        engine.create_collection("", spec, None).expect("a right declaration");
        write(&engine, 0..10);
        let config = SnapshotsConfig { store, ..SnapshotsConfig::default() };
        let snapshots =
            Snapshots::new(engine.clone(), Arc::new(SystemClock), config, directory.path());
        Self { engine, snapshots, directory }
    }

    async fn create(&self) -> Created {
        let wanted = Create {
            store: String::new(),
            database: String::new(),
            collections: vec![],
            label: "a label".to_owned(),
        };
        self.snapshots.create(wanted, job()).await.expect("a snapshot")
    }

    async fn restore(&self, id: &str, name: &str) -> Result<Vec<Restored>> {
        let wanted = Restore {
            store: String::new(),
            snapshot: id.to_owned(),
            collection: None,
            to: RestoreAs { database: None, collection: Some(name.to_owned()) },
            aliases: false,
        };
        self.snapshots.restore(wanted, job()).await
    }

    fn path(&self, key: &str) -> std::path::PathBuf {
        self.directory.path().join("store").join(key)
    }

    /// Stores a manifest that somebody else made.
    async fn put(&self, manifest: &Manifest) {
        let store = Store::open(&self.path("").display().to_string()).expect("a directory");
        let (key, job) = (manifest.id.key(), job());
        let put = store.put(&key, manifest.encode().into(), &job);
        put.await.expect("a disk that works");
    }
}

fn refused<T>(outcome: Result<T>, kind: ErrorKind, words: &str) {
    let Err(error) = outcome else { panic!("it was not refused: {words}") };
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "`{error}` does not say `{words}`");
}

#[tokio::test]
async fn objects_are_written_in_one_or_many_parts_below_the_prefix_and_listed() {
    let objects = Arc::new(InMemory::new());
    let store = Store::over(objects.clone());
    let large: bytes::Bytes =
        (0..=250).cycle().take(PART_BYTES * 2 + 5).collect::<Vec<u8>>().into();
    store.put("files/aa/large", large.clone(), &job()).await.expect("stored");
    store.put("files/small", "small".into(), &job()).await.expect("stored");
    store.put("other", "other".into(), &job()).await.expect("stored");
    let length = large.len() as u64;
    assert_eq!(store.size("files/aa/large").await.expect("answered"), Some(length));
    assert_eq!(store.size("files/none").await.expect("answered"), None);
    let range = 7..length - 7;
    let read = store.read("files/aa/large", range).await.expect("there");
    assert_eq!(read, large[7..large.len() - 7]);
    refused(store.read("none", 0..1).await, ErrorKind::NotFound, "there is no none in store");
    let listed = store.list("files").await.expect("listed");
    let keys: Vec<_> = listed.iter().map(|Object { key, bytes, .. }| (&key[..], *bytes)).collect();
    assert_eq!(keys, [("files/aa/large", length), ("files/small", 5)]);
    store.remove("files/small").await.expect("removed");
    store.remove("files/small").await.expect("gone already");
    assert_eq!(store.list("files").await.expect("listed").len(), 1);
    let below = object_store::path::Path::from("some/prefix/other");
    assert!(object_store::ObjectStoreExt::head(&*objects, &below).await.is_ok());
}

#[tokio::test]
async fn a_stopped_job_writes_no_object() {
    let store = Store::over(Arc::new(InMemory::new()));
    let job = job();
    job.cancel().cancel();
    for bytes in [vec![1; 10], vec![1; PART_BYTES + 1]] {
        let put = store.put("key", bytes.into(), &job).await;
        refused(put, ErrorKind::Cancelled, "cancelled");
    }
    assert!(store.list("").await.expect("listed").is_empty());
}

#[test]
fn what_is_no_store_is_refused() {
    for (url, words) in [
        ("backups", "is no URL"),
        ("ftp://host/backups", "has scheme `ftp`"),
        ("memory:///", "has scheme `memory`"),
        ("file://host/backups", "has a host"),
        ("file:///backups?x", "has a query"),
        ("file:///proc/none", "cannot be made"),
        ("s3://bucket/a//b", "has a path"),
    ] {
        refused(Store::open(url), ErrorKind::Invalid, words);
    }
    let desk = tokio::runtime::Runtime::new().expect("threads");
    desk.block_on(async {
        let desk = Desk::new();
        let (engine, config) = (desk.engine.clone(), SnapshotsConfig::default());
        let data = desk.directory.path();
        let snapshots = Snapshots::new(engine, Arc::new(SystemClock), config, data);
        assert_eq!(snapshots.list("").await.expect("an empty store").len(), 0);
        assert!(data.join("snapshots").exists());
        let elsewhere = snapshots.list("/elsewhere").await;
        refused(elsewhere, ErrorKind::Invalid, "snapshots.other_stores is false");
        assert!(!Path::new("/elsewhere").exists());
    });
}

#[tokio::test]
async fn a_second_snapshot_writes_what_is_new_and_the_last_of_a_file_removes_it() {
    let desk = Desk::new();
    let first = desk.create().await;
    assert_eq!(first.written_files, first.manifest.files().count() as u64);
    assert_eq!(desk.create().await.written_files, 0, "nothing is new");
    write(&desk.engine, 10..20);
    let job = job();
    let wanted = Create {
        store: String::new(),
        database: String::new(),
        collections: vec!["points".to_owned()],
        label: String::new(),
    };
    let third = desk.snapshots.create(wanted, Arc::clone(&job)).await.expect("a snapshot");
    let (files, bytes) =
        (third.manifest.files().count() as u64, third.manifest.collections[0].bytes());
    let all = Progress { files, files_total: files, bytes, bytes_total: bytes };
    assert_eq!(job.progress(), all);
    assert!((1..files).contains(&third.written_files), "{} of {files}", third.written_files);
    let rows = |id: String, name: &'static str| {
        let desk = &desk;
        async move {
            desk.restore(&id, name).await.expect("a restore");
            desk.engine.count("", name).expect("a count")
        }
    };
    let ids: Vec<String> = ids_of(&desk).await;
    let deleted = desk.snapshots.delete("", &ids[0]).await.expect("there");
    assert_eq!(deleted.files, 0, "the second one needs them");
    let again = desk.snapshots.delete("", &ids[0]).await;
    refused(again, ErrorKind::NotFound, "there is no snapshot");
    assert_eq!(rows(ids[1].clone(), "b").await, 10);
    assert_eq!(rows(ids[2].clone(), "c").await, 20);
    for id in &ids[1..] {
        desk.snapshots.delete("", id).await.expect("there");
    }
    let store = Store::open(&desk.path("").display().to_string()).expect("a directory");
    assert!(store.list("files").await.expect("listed").is_empty(), "nobody needs any");
    desk.engine.close();
}

/// The ids of all snapshots, oldest first.
async fn ids_of(desk: &Desk) -> Vec<String> {
    let listed = desk.snapshots.list("").await.expect("listed");
    let id = |listed: &Listed| match listed {
        Listed::Whole(manifest) => (manifest.created_us, manifest.id.to_string()),
        Listed::Damaged(id, reason) => panic!("{id}: {reason}"),
    };
    let mut ids: Vec<_> = listed.iter().map(id).collect();
    ids.sort();
    ids.into_iter().map(|(_, id)| id).collect()
}

#[tokio::test]
async fn a_hostile_manifest_leads_nowhere() {
    let desk = Desk::new();
    let good = desk.create().await.manifest;
    let evil = |change: &dyn Fn(&mut ManifestFile)| {
        let mut manifest = good.clone();
        manifest.collections[0].files.iter_mut().take(1).for_each(change);
        manifest
    };
    let id = good.id.to_string();
    for name in ["../evil", "/tmp/evil", "..", "MANIFEST-00000001", "00000001.rows/../../evil"] {
        desk.put(&evil(&|file| file.name = name.to_owned())).await;
        refused(desk.restore(&id, "copy").await, ErrorKind::Corrupt, "the snapshot lacks file");
        let mut more = good.clone();
        let file = ManifestFile { name: name.to_owned(), ..more.collections[0].files[0].clone() };
        more.collections[0].files.push(file);
        desk.put(&more).await;
        refused(desk.restore(&id, "copy").await, ErrorKind::Corrupt, "does not have");
    }
    let other = FileHash::parse(&"0".repeat(64)).expect("a hash");
    desk.put(&evil(&|file| file.sha256 = other)).await;
    refused(desk.restore(&id, "copy").await, ErrorKind::Corrupt, "is gone");
    desk.put(&evil(&|file| file.bytes += 1)).await;
    refused(desk.restore(&id, "copy").await, ErrorKind::Corrupt, "bytes instead of");
    desk.put(&evil(&|file| file.bytes = u64::MAX)).await;
    refused(desk.restore(&id, "copy").await, ErrorKind::Corrupt, "bytes instead of");
    assert!(desk.engine.collection("", "copy").is_err());
    desk.put(&good).await;
    desk.restore(&id, "copy").await.expect("the true one");
    for id in ["../../etc/passwd", "..", "", "20261121T140000Z-0000002A"] {
        refused(desk.restore(id, "x").await, ErrorKind::Invalid, "is no snapshot's id");
        refused(desk.snapshots.delete("", id).await, ErrorKind::Invalid, "is no snapshot's id");
    }
    desk.engine.close();
}

#[tokio::test]
async fn nothing_is_removed_while_a_manifest_cannot_be_read() {
    let desk = Desk::new();
    let (first, second) = (desk.create().await.manifest.id, desk.create().await.manifest.id);
    let store = Store::open(&desk.path("").display().to_string()).expect("a directory");
    store.put(&second.key(), "damaged".into(), &job()).await.expect("stored");
    let listed = desk.snapshots.list("").await.expect("listed");
    assert!(listed.iter().any(|of| matches!(of, Listed::Damaged(id, _) if *id == second)));
    let delete = desk.snapshots.delete("", &first.to_string()).await;
    refused(delete, ErrorKind::Corrupt, &second.to_string());
    desk.restore(&first.to_string(), "copy").await.expect("it is still there");
    desk.snapshots.delete("", &second.to_string()).await.expect("the damaged one goes");
    let deleted = desk.snapshots.delete("", &first.to_string()).await.expect("and the other");
    assert!(deleted.files > 0);
    desk.engine.close();
}
