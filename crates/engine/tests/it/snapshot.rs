//! Snapshots: what was pinned comes back, here or elsewhere, at once or not at all.

use crate::fixture::{
    NAME, contents, delete, engine, flush, insert, nearest, open, options, range, spec, upsert,
};
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vicinal_engine::{
    Engine, EngineOptions, FileRole, Pinned, RestoreAs, SnapshotCollection, verify,
};
use vicinal_storage::{Disk, FileDisk, SimDisk};
use vicinal_types::{
    Cancel, Clock, CollectionId, ColumnId, ErrorKind, Metric, RequestId, Result, SystemClock,
    VectorInput,
};

/// Names and bytes.
type Files = Vec<(String, Bytes)>;

/// A snapshot as it is kept elsewhere.
pub(crate) struct Kept {
    collection: SnapshotCollection,
    files: Files,
}

/// Checks and copies the files of a snapshot.
pub(crate) fn keep(pinned: Pinned) -> Result<Kept> {
    let mut files = Files::new();
    for file in &pinned.files {
        file.verify()?;
        files.push((file.name.clone(), Bytes::copy_from_slice(&file.bytes())));
    }
    Ok(Kept { collection: pinned.collection, files })
}

/// Takes a snapshot and copies its files.
pub(crate) fn take(engine: &Engine) -> Kept {
    let pinned = engine.pin("", NAME, &Cancel::never()).expect("a snapshot");
    keep(pinned).expect("undamaged files")
}

pub(crate) fn restore(engine: &Engine, kept: &Kept, to: &RestoreAs) -> Result<CollectionId> {
    let bytes = kept.files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let staging = engine.stage(&kept.collection, to, bytes)?;
    for (name, bytes) in &kept.files {
        let mut file = staging.create(name)?;
        file.append(bytes)?;
        file.finish()?;
    }
    staging.install()
}

pub(crate) fn named(name: &str) -> RestoreAs {
    RestoreAs { database: None, collection: Some(name.to_owned()) }
}

/// Two segments, one of them with tombstones, an index, and a request's outcome.
fn filled() -> (SimDisk, Engine) {
    let (disk, engine) = engine();
    let write = vicinal_engine::Write::Insert(crate::fixture::rows(&range(0..40), 0));
    let request = Some(RequestId([7; 16]));
    engine.write_blocking("", NAME, write, request).expect("an insert");
    flush(&engine);
    upsert(&engine, &range(10..20), 1).expect("an upsert");
    delete(&engine, &[3, 12]).expect("a delete");
    flush(&engine);
    insert(&engine, &range(40..50), 0).expect("an insert");
    (disk, engine)
}

#[test]
fn a_snapshot_comes_back_in_an_empty_server_and_is_written_to_again() {
    let (_, source) = filled();
    let kept = take(&source);
    let expected = contents(&source);
    assert_eq!(kept.collection.rows, expected.len() as u64);
    let disk = SimDisk::new(2);
    let target = open(&disk).expect("an empty disk");
    restore(&target, &kept, &RestoreAs::default()).expect("a restore");
    assert_eq!(contents(&target), expected);
    for id in [1, 11, 45] {
        assert_eq!(nearest(&target, id, 0, 5), nearest(&source, id, 0, 5));
    }
    // A write from before the snapshot is not done again.
    let write = vicinal_engine::Write::Insert(crate::fixture::rows(&range(0..40), 0));
    let repeated = target.write_blocking("", NAME, write, Some(RequestId([7; 16])));
    assert_eq!(repeated.expect("remembered").inserted, 40);
    // Tombstones of restored rows outlive a flush and a restart.
    delete(&target, &[0, 15]).expect("a delete");
    upsert(&target, &[1], 5).expect("an upsert");
    flush(&target);
    delete(&target, &[2]).expect("a delete");
    let expected = contents(&target);
    target.close();
    drop(target);
    let target = open(&disk).expect("what was closed");
    assert_eq!(contents(&target), expected);
    assert_eq!(disk.list(Path::new("data/staging")).expect("a directory"), [""; 0]);
    target.close();
}

#[test]
fn a_snapshot_is_of_its_moment_and_outlives_what_is_done_to_the_original() {
    let (_, source) = filled();
    let pinned = source.pin("", NAME, &Cancel::never()).expect("a snapshot");
    let expected = contents(&source);
    upsert(&source, &range(0..50), 9).expect("an upsert");
    flush(&source);
    source.drop_collection("", NAME, None).expect("a drop");
    let files = pinned.files.iter().map(|file| (file.name.clone(), file.bytes()));
    let kept = Kept { files: files.collect(), collection: pinned.collection };
    restore(&source, &kept, &RestoreAs::default()).expect("a restore in its own server");
    assert_eq!(contents(&source), expected);
    let error = restore(&source, &kept, &RestoreAs::default()).expect_err("the name is taken");
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    restore(&source, &kept, &named("copy")).expect("another name");
    assert_eq!(source.count("", "copy").expect("a count"), expected.len() as u64);
    source.close();
}

#[test]
fn the_files_of_a_snapshot_on_a_real_disk_outlive_a_merge_and_a_drop() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let real = options(Arc::new(FileDisk));
    let source = Engine::open(EngineOptions { directory: data.clone(), ..real });
    let source = source.expect("an empty directory");
    source.create_collection("", spec(Metric::L2), None).expect("a right declaration");
    for batch in 0..4 {
        insert(&source, &range(batch * 20..batch * 20 + 20), 0).expect("an insert");
        flush(&source);
    }
    let expected = contents(&source);
    let pinned = source.pin("", NAME, &Cancel::never()).expect("a snapshot");
    let is_there = |file: &vicinal_engine::PinnedFile| {
        FileDisk.exists(&data.join("groups/1").join(&file.name)).expect("a disk that works")
    };
    assert!(pinned.files.len() >= 4 && pinned.files.iter().all(is_there));
    delete(&source, &range(0..50)).expect("a delete");
    let end = SystemClock.now() + Duration::from_secs(60);
    let cancel = Cancel::new(Arc::new(SystemClock), Some(end));
    assert!(source.compact("", NAME, &cancel).expect("merges that work") > 0);
    assert!(!pinned.files.iter().all(is_there), "merged away");
    source.drop_collection("", NAME, None).expect("a drop");
    assert!(!pinned.files.iter().any(is_there), "dropped");
    let kept = keep(pinned).expect("files as they were");
    restore(&source, &kept, &RestoreAs::default()).expect("a restore in its own server");
    assert_eq!(contents(&source), expected);
    source.close();
}

#[test]
fn an_empty_collection_and_one_with_a_dropped_column_come_back() {
    let (_, source) = engine();
    let kept = take(&source);
    assert!(kept.files.is_empty());
    restore(&source, &kept, &named("empty")).expect("a restore");
    insert(&source, &range(0..5), 0).expect("an insert");
    let kind = vicinal_types::ScalarType::Int64;
    let column = |name| vicinal_types::Column::scalar(ColumnId(0), name, kind, true);
    assert_eq!(source.add_column("", NAME, column("a"), None).expect("new"), ColumnId(4));
    source.drop_column("", NAME, "a", None).expect("there");
    restore(&source, &take(&source), &named("copy")).expect("a restore");
    // Its number is not given again: old files may have values under it.
    assert_eq!(source.add_column("", "copy", column("b"), None).expect("new"), ColumnId(5));
    source.close();
}

#[test]
fn what_is_not_as_it_was_written_is_refused_and_leaves_nothing() {
    let (_, source) = filled();
    let kept = take(&source);
    let disk = SimDisk::new(3);
    let target = open(&disk).expect("an empty disk");
    let refused = |kept: &Kept, words: &str| {
        let error = restore(&target, kept, &RestoreAs::default()).expect_err(words);
        assert!(error.to_string().contains(words), "`{error}` does not say `{words}`");
        assert_eq!(disk.list(Path::new("data/staging")).expect("a directory"), [""; 0]);
        assert!(target.collection("", NAME).is_err());
    };
    let files = |change: &dyn Fn(&mut Files)| {
        let mut files = kept.files.clone();
        change(&mut files);
        Kept { collection: kept.collection.clone(), files }
    };
    for at in 0..kept.files.len() {
        let flipped = files(&|files| {
            let mut bytes = files[at].1.to_vec();
            bytes[4_096] ^= 1;
            files[at].1 = bytes.into();
        });
        refused(&flipped, if kept.files[at].0.ends_with("index") { "index" } else { "missing" });
        refused(&files(&|files| drop(files.remove(at))), "");
    }
    for name in ["../evil", "/etc/evil", "MANIFEST-1", "00000001.rows/x", "", "00000099.rows"] {
        let renamed = files(&|files| files[0].0 = name.to_owned());
        refused(&renamed, "which its collection does not have");
    }
    let state = |from: &str, to: &str| {
        let text = serde_json::to_string(&kept.collection).expect("JSON");
        assert!(text.contains(from), "{text}");
        let collection = serde_json::from_str(&text.replace(from, to)).expect("JSON");
        Kept { collection, files: kept.files.clone() }
    };
    refused(&state("\"next_segment\":", "\"next_segment\":1,\"x\":"), "segment number 1");
    refused(&state("\"applied_index\":", "\"applied_indices\":"), "cannot be read");
    refused(&state("\"name\":\"points\"", "\"name\":\"../points\""), "name");
    restore(&target, &kept, &RestoreAs::default()).expect("the true one");
    target.close();
}

#[test]
fn a_disk_without_room_is_left_alone() {
    let (_, source) = filled();
    let kept = take(&source);
    let disk = SimDisk::new(3);
    let target = open(&disk).expect("an empty disk");
    disk.set_capacity(Some(disk.used_bytes() + 4_096));
    let error = restore(&target, &kept, &RestoreAs::default()).expect_err("no room");
    assert_eq!(error.kind(), ErrorKind::Exhausted, "{error}");
    target.close();
}

/// Restores, unless the disk fails; says whether it was acknowledged.
fn try_restore(disk: &SimDisk, kept: &Kept) -> bool {
    let Ok(engine) = open(disk) else { return false };
    let restored = restore(&engine, kept, &RestoreAs::default()).is_ok();
    engine.close();
    restored
}

/// What verification makes of an accident: nothing is damaged, and the files of a
/// restore that was acknowledged are accounted for, wherever they are by then.
fn check_offline(disk: &SimDisk, acknowledged: bool, at: u64) {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    // Without an identity it is no data directory yet.
    let Ok(found) = verify(&disk, Path::new("data")) else {
        assert!(!acknowledged, "call {at}: an acknowledged restore cannot be verified");
        return;
    };
    assert!(found.is_sound(), "call {at}: {:?}", found.files);
    let files = found.files.iter().filter(|file| {
        file.path.extension().is_some_and(|ending| ending == "rows")
            && [FileRole::Rows, FileRole::Staged].contains(&file.kind)
    });
    let count = files.count();
    assert!(count == 3 || (count == 0 && !acknowledged), "call {at}: {:?}", found.files);
}

/// What must hold after an accident: all of it or nothing, no leftovers, and
/// what is there is used on.
fn check_after(disk: &SimDisk, kept: &Kept, acknowledged: bool, expected: &[(i64, i64)], at: u64) {
    check_offline(disk, acknowledged, at);
    let engine = open(disk).unwrap_or_else(|error| panic!("call {at}: {error}"));
    let is_there = engine.collection("", NAME).is_ok();
    assert!(is_there || !acknowledged, "call {at}: an acknowledged restore is gone");
    if disk.exists(Path::new("data/staging")).expect("a disk that works") {
        let left = disk.list(Path::new("data/staging")).expect("a directory");
        assert_eq!(left, [""; 0], "call {at}: leftovers");
    }
    if !is_there {
        restore(&engine, kept, &RestoreAs::default()).expect("a second attempt");
    }
    assert_eq!(contents(&engine), expected, "call {at}");
    insert(&engine, &[1_000], 0).expect("a write after the restart");
    delete(&engine, &[1]).expect("a delete after the restart");
    let expected = contents(&engine);
    engine.close();
    drop(engine);
    let engine = open(disk).unwrap_or_else(|error| panic!("call {at}, again: {error}"));
    assert_eq!(contents(&engine), expected, "call {at}, again");
    engine.close();
}

#[test]
fn a_power_failure_at_every_disk_call_of_a_restore_leaves_all_of_it_or_nothing() {
    let (_, source) = filled();
    let kept = take(&source);
    let expected = contents(&source);
    source.close();
    let disk = SimDisk::new(1);
    assert!(try_restore(&disk, &kept));
    let calls = disk.calls();
    let (mut whole, mut nothing) = (0, 0);
    for at in 1..=calls {
        let disk = SimDisk::new(at);
        disk.crash_at(at);
        let acknowledged = try_restore(&disk, &kept);
        disk.restart();
        whole += u64::from(acknowledged);
        nothing += u64::from(!acknowledged);
        check_after(&disk, &kept, acknowledged, &expected, at);
    }
    assert!(nothing > 50 && whole > 0, "{whole} restores of {calls} calls were acknowledged");
}

#[test]
fn a_failed_disk_call_of_a_restore_is_an_error_and_leaves_all_of_it_or_nothing() {
    let (_, source) = filled();
    let kept = take(&source);
    let expected = contents(&source);
    source.close();
    let disk = SimDisk::new(1);
    assert!(try_restore(&disk, &kept));
    let calls = disk.calls();
    for at in 1..=calls {
        let disk = SimDisk::new(at);
        disk.fail_call(at);
        let acknowledged = try_restore(&disk, &kept);
        // A fault that this run did not meet is forgotten.
        disk.crash();
        check_after(&disk, &kept, acknowledged, &expected, at);
    }
}

#[test]
fn a_damaged_file_is_named_when_it_is_copied() {
    let (disk, source) = filled();
    let dir = Path::new("data/groups/1");
    let names = disk.list(dir).expect("a group's directory");
    let name = names.iter().find(|name| name.ends_with(".rows")).expect("a sealed segment");
    disk.flip(&dir.join(name), 4_096 + 17, 1).expect("a file");
    let pinned = source.pin("", NAME, &Cancel::never()).expect("a snapshot");
    let damaged: Vec<_> = pinned.files.iter().filter(|file| file.verify().is_err()).collect();
    assert_eq!(damaged.len(), 1);
    assert_eq!(&damaged[0].name, name);
    source.close();
}

#[test]
fn restored_cosine_vectors_answer_as_they_did() {
    let disk = SimDisk::new(1);
    let source = open(&disk).expect("an empty disk");
    source.create_collection("", spec(Metric::Cosine), None).expect("a right declaration");
    insert(&source, &range(0..100), 0).expect("an insert");
    let search = |name: &str| {
        let query = VectorInput::Floats(crate::fixture::vector(5, 1).to_vec());
        let search = vicinal_engine::Search::new(query, 10);
        let answer = source.search_blocking("", name, search, Cancel::never()).expect("a search");
        (answer.results[0].rows.ids.clone(), answer.results[0].scores.clone())
    };
    restore(&source, &take(&source), &named("copy")).expect("a restore");
    assert_eq!(search("copy"), search(NAME));
    source.close();
}
