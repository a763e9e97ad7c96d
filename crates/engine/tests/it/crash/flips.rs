//! Bits flip in what was durable: verification names the file, a server says what
//! is missing and serves the rest, and nobody gets wrong rows.

use super::script::Script;
use super::step::open;
use super::world::{Collection, World};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vicinal_engine::{FileRole, Verification, verify};
use vicinal_storage::{Disk, SimDisk};

/// Flips for each file.
const FLIPS: u64 = 24;

fn verified(disk: &SimDisk) -> Verification {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    verify(&disk, Path::new("data")).expect("a data directory that nobody uses")
}

/// The disk after the whole script and a clean stop.
fn ended(script: &Script) -> SimDisk {
    let disk = SimDisk::new(1);
    let played = script.play(&disk, &Arc::default());
    played.engine.expect("the script runs").close();
    disk
}

/// What verification and a server make of a flipped bit; an error if one of them
/// gets past it.
fn flip(good: &SimDisk, world: &World, path: &Path, at: u64) -> Result<Verification, String> {
    let disk = good.fork(at);
    disk.flip(path, at, 1 << (at % 8)).map_err(|error| error.to_string())?;
    let found = verified(&disk);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let engine = match open(&disk) {
        Ok(engine) => engine,
        Err(error) if error.to_string().contains(&name) => return Ok(found),
        Err(error) => return Err(format!("the error does not name the file: {error}")),
    };
    for (collection, rows) in &world.collections {
        match Collection::read(&engine, collection) {
            Ok(read) if read == *rows => {}
            Ok(_) => return Err(format!("wrong rows of {collection}")),
            Err(error) if error.to_string().contains(&name) => {}
            Err(error) => return Err(format!("{collection}: not said of the file: {error}")),
        }
    }
    engine.close();
    Ok(found)
}

fn flips_are_found(script: &Script) -> String {
    let disk = ended(script);
    let world = script.worlds().pop().unwrap_or_default();
    let sound = verified(&disk);
    assert!(sound.is_sound(), "{:?}", sound.files);
    let paths: Vec<PathBuf> = sound.files.iter().map(|file| file.path.clone()).collect();
    let mut flips = 0;
    for path in &paths {
        let bytes = disk.contents(path).expect("a file").len() as u64;
        for at in (0..FLIPS).map(|n| n * bytes / FLIPS) {
            let found = flip(&disk, &world, path, at)
                .unwrap_or_else(|error| panic!("byte {at} of {}: {error}", path.display()));
            let is_found = found.files.iter().any(|file| {
                // The end of the log after its last proof counts as torn.
                let is_torn = file.kind == FileRole::Log && file.note.is_some();
                file.path == *path && (file.problem.is_some() || is_torn)
            });
            assert!(is_found, "byte {at} of {} is not found", path.display());
            flips += 1;
        }
    }
    format!("{}: {flips} flipped bits in {} files found", script.name, paths.len())
}

#[test]
fn flipped_bits_of_requests_and_tombstones_are_found() {
    println!("{}", flips_are_found(&Script::requests()));
}

#[test]
fn flipped_bits_of_indexes_are_found() {
    println!("{}", flips_are_found(&Script::index()));
}

#[test]
fn flipped_bits_of_the_catalogue_are_found() {
    println!("{}", flips_are_found(&Script::catalogue()));
}

#[test]
fn every_kind_of_file_is_verified() {
    let scripts = [Script::requests(), Script::index()];
    let found: Vec<_> =
        scripts.iter().flat_map(|script| verified(&ended(script)).files).map(|f| f.kind).collect();
    for kind in [
        FileRole::Identity,
        FileRole::Log,
        FileRole::Manifest,
        FileRole::Rows,
        FileRole::Index,
        FileRole::ScalarIndexes,
        FileRole::Tombstones,
        FileRole::Requests,
    ] {
        assert!(found.contains(&kind), "no {} among the files", kind.name());
    }
}

#[test]
fn what_files_say_of_each_other_is_verified() {
    let disk = ended(&Script::requests());
    let rows = verified(&disk).files.into_iter().find(|file| file.kind == FileRole::Rows);
    let rows = rows.expect("a sealed segment").path;
    let stray = rows.with_file_name("00009999.rows");
    disk.set_contents(&stray, b"nobody names this");
    let found = verified(&disk);
    assert!(found.is_sound(), "a leftover is no damage");
    let is_leftover = |path: &Path| {
        found.files.iter().any(|file| file.path == path && file.kind == FileRole::Leftover)
    };
    assert!(is_leftover(&stray));
    disk.remove(&rows).expect("a file");
    let found = verified(&disk);
    let file = found.files.iter().find(|file| file.path == rows).expect("it is named");
    assert!(
        file.problem.as_ref().is_some_and(|problem| problem.contains("is missing")),
        "{file:?}"
    );
    // The log was purged: an older manifest does not hold what it held.
    let disk = ended(&Script::seal());
    let manifests = verified(&disk)
        .files
        .into_iter()
        .filter(|file| file.kind == FileRole::Manifest && file.path.starts_with("data/groups/1"));
    let newest = manifests.max_by(|a, b| a.path.cmp(&b.path)).expect("a manifest").path;
    disk.remove(&newest).expect("a file");
    let found = verified(&disk);
    let says = |word: &str| {
        found.files.iter().any(|file| file.problem.as_ref().is_some_and(|p| p.contains(word)))
    };
    assert!(says("those between are lost"), "{:?}", found.files);
}
