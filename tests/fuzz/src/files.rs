//! The files of `storage`, each by its own decoder.

use crate::edits::edits;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use vicinal_storage::{
    Disk, IDENTITY_FILE, Identity, Log, LogEntry, LogOptions, LogPosition, ManifestStore,
    SectionFile, SectionWriter, SimDisk, VoteState,
};
use vicinal_types::{GroupId, NodeId};

/// The files of a directory.
pub(crate) type Files = Vec<(PathBuf, Vec<u8>)>;

const DIR: &str = "dir";

/// Small, so that a log of a few entries is a row of files.
const LOG: LogOptions = LogOptions { file_bytes: 4_096, cache_bytes: 0 };

const SECTIONS: u64 = 7;

/// One valid directory of each kind.
static DIRECTORIES: LazyLock<[Files; 4]> = LazyLock::new(|| {
    [sections(), log(), manifest(), identity()].map(|disk| read_all(&disk, Path::new(DIR)))
});

fn new_disk() -> (SimDisk, Arc<dyn Disk>) {
    let disk = SimDisk::new(1);
    disk.create_dir_all(Path::new(DIR)).expect("an empty disk");
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    (disk, shared)
}

fn sections() -> SimDisk {
    let (disk, shared) = new_disk();
    let path = Path::new(DIR).join("a.rows");
    let mut writer = SectionWriter::create(shared, &path, SECTIONS).expect("a new file");
    for (kind, bytes) in [(1, 70), (2, 0), (9, 4_096), (70_000, 5_000)] {
        writer.section(kind, 3, &vec![b'a'; bytes]).expect("a disk that works");
    }
    writer.finish().expect("a disk that works");
    disk
}

fn log() -> SimDisk {
    let (disk, shared) = new_disk();
    let (mut log, _) = Log::open(shared, Path::new(DIR), LOG).expect("an empty directory");
    for index in 1..=40_u64 {
        let entry = |group: u64| {
            let data = vec![b'd'; 90 + usize::from(index.is_multiple_of(7)) * 700];
            let entry = LogEntry { index, term: 1 + index / 9, kind: 0, data: data.into() };
            (GroupId(group), entry)
        };
        for (group, entry) in [entry(0), entry(5)] {
            log.append(group, &[entry]).expect("a disk that works");
        }
        let vote = VoteState { term: 1 + index / 9, vote: 1, commit: index - 1 };
        log.set_vote(GroupId(5), vote).expect("a disk that works");
        log.sync().expect("a disk that works");
    }
    log.purge(GroupId(0), LogPosition { index: 30, term: 4 }).expect("a disk that works");
    log.sync().expect("a disk that works");
    log.close().expect("a disk that works");
    disk
}

fn manifest() -> SimDisk {
    let (disk, shared) = new_disk();
    let (mut store, _) = ManifestStore::open(shared, Path::new(DIR)).expect("an empty directory");
    for body in ["{}", "{\"version\":1}", "what the newest one says"] {
        store.commit(body.as_bytes()).expect("a disk that works");
    }
    disk
}

fn identity() -> SimDisk {
    let (disk, _) = new_disk();
    Identity::load_or_create(&disk, Path::new(DIR), fresh()).expect("an empty directory");
    disk
}

fn fresh() -> Identity {
    Identity { cluster_id: [3; 16], node_id: NodeId(1), incarnation: [4; 16] }
}

/// All files below a directory.
pub(crate) fn read_all(disk: &SimDisk, dir: &Path) -> Files {
    let names = disk.list(dir).expect("a directory");
    let paths = names.into_iter().map(|name| dir.join(name));
    paths
        .flat_map(|path| match disk.map(&path) {
            Ok(bytes) => vec![(path, bytes.to_vec())],
            Err(_) => read_all(disk, &path),
        })
        .collect()
}

/// A disk with nothing but these files.
pub(crate) fn disk_of(files: &Files) -> SimDisk {
    let disk = SimDisk::new(1);
    for (path, bytes) in files {
        disk.create_dir_all(path.parent().expect("in a directory")).expect("a new disk");
        disk.create_new(path).and_then(|mut file| file.append(bytes)).expect("a new disk");
    }
    disk
}

/// Edits to files of one kind, which are then opened, read, written to and opened
/// again. The first byte chooses the kind and whether checksums are made right.
///
/// # Panics
/// If what was opened cannot be used.
pub fn files(data: &[u8]) {
    let (&chosen, data) = data.split_first().unwrap_or((&0, &[]));
    let kind = usize::from(chosen % 4);
    let mut files = DIRECTORIES[kind].clone();
    let count = files.len();
    for edit in edits(data) {
        edit.apply(&mut files[edit.part(count)].1);
    }
    if chosen & 4 == 0 {
        files.iter_mut().for_each(|(path, bytes)| right_checksums(path, bytes));
    }
    let disk = disk_of(&files);
    match kind {
        0 => use_sections(&disk, &files[0].0),
        1 => use_log(&disk),
        2 => use_manifest(&disk),
        _ => drop(Identity::load_or_create(&disk, Path::new(DIR), fresh())),
    }
}

fn use_sections(disk: &SimDisk, path: &Path) {
    let Ok(file) = SectionFile::open(disk, path, SECTIONS) else { return };
    let infos = file.sections();
    let read = infos.iter().filter(|info| file.section(info.kind).is_ok()).count();
    assert_eq!(file.verify_all().is_ok(), read == infos.len());
}

fn use_log(disk: &SimDisk) {
    let open = || Log::open(Arc::new(disk.clone()), Path::new(DIR), LOG);
    let Ok((mut log, _)) = open() else { return };
    let mut kept = Vec::new();
    for group in log.groups() {
        let (first, last) = (log.first_index(group), log.last_index(group));
        assert!(first <= last + 1 && log.purged(group).index < first);
        let entries = log.entries(group, first..last + 1, u64::MAX).expect("what it has checked");
        assert!(entries.iter().map(|entry| entry.index).eq(first..=last));
        let term = entries.last().map_or(log.purged(group).term, |entry| entry.term);
        let next = LogEntry { index: last + 1, term, kind: 0, data: Bytes::from_static(b"next") };
        // Behind the highest index there is none.
        if log.append(group, std::slice::from_ref(&next)).is_ok() {
            kept.push((group, next));
        }
    }
    log.sync().expect("a disk that works");
    drop(log);
    let (log, report) = open().expect("what it has written");
    assert!(report.torn.is_none(), "all of it was synced");
    for (group, next) in kept {
        let range = next.index..next.index + 1;
        assert_eq!(log.entries(group, range, u64::MAX).expect("it was synced"), [next]);
    }
}

fn use_manifest(disk: &SimDisk) {
    let open = || ManifestStore::open(Arc::new(disk.clone()), Path::new(DIR));
    let Ok((mut store, _)) = open() else { return };
    if store.commit(b"new").is_ok() {
        let (_, body) = open().expect("what it has written");
        assert_eq!(body.as_deref(), Some(&b"new"[..]));
    }
}

/// Makes the checksums of a file right, so that what they protect is looked at.
/// The places are those of the tables in storage's `format.rs` files.
pub(crate) fn right_checksums(path: &Path, bytes: &mut [u8]) {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if let Some(number) = name.strip_suffix(".log").and_then(|number| number.parse().ok()) {
        right_log(number, bytes);
    } else if let Some(sequence) = name.strip_prefix("MANIFEST-") {
        right(bytes, 8, sequence.parse().unwrap_or(0), 12, bytes.len());
    } else if name == IDENTITY_FILE {
        right(bytes, 8, 0, 12, bytes.len());
    } else {
        right_sections(bytes);
    }
}

fn right_log(file: u64, bytes: &mut [u8]) {
    right(bytes, 8, file, 12, 32);
    let mut at = 32;
    while let Some(len) = number::<4>(bytes, at + 4) {
        let end = at.saturating_add(40).saturating_add(len);
        if end > bytes.len() {
            break;
        }
        let mut crc = checksum(file, at, &bytes[at + 4..end]).to_le_bytes();
        bytes[at..at + 4].swap_with_slice(&mut crc);
        at = end;
    }
}

fn right_sections(bytes: &mut [u8]) {
    let file = number::<8>(bytes, 16).unwrap_or(0) as u64;
    right(bytes, 8, file, 12, 64);
    let Some(trailer) = bytes.len().checked_sub(32) else { return };
    let table = number::<8>(bytes, trailer + 8).unwrap_or(usize::MAX);
    if table > trailer {
        return;
    }
    for line in (table..trailer).step_by(32) {
        let (start, len) = (number::<8>(bytes, line + 16), number::<8>(bytes, line + 24));
        let (start, len) = (start.unwrap_or(usize::MAX), len.unwrap_or(usize::MAX));
        let section = bytes.get(start..start.saturating_add(len));
        if let (Some(section), true) = (section, line + 12 <= trailer) {
            let crc = checksum(file, start, section).to_le_bytes();
            bytes[line + 8..line + 12].copy_from_slice(&crc);
        }
    }
    let crc = checksum(file, table, &bytes[table..trailer]);
    let crc = crc32c::crc32c_append(crc, &bytes[trailer + 4..]);
    bytes[trailer..trailer + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Puts the checksum of a range of the file's head at `at`, if it is that long.
fn right(bytes: &mut [u8], at: usize, file: u64, from: usize, to: usize) {
    if let Some(covered) = bytes.get(from..to) {
        let crc = checksum(file, 0, covered).to_le_bytes();
        bytes[at..at + 4].copy_from_slice(&crc);
    }
}

fn checksum(file: u64, offset: usize, bytes: &[u8]) -> u32 {
    let place = [file.to_le_bytes(), (offset as u64).to_le_bytes()];
    crc32c::crc32c_append(crc32c::crc32c(place.as_flattened()), bytes)
}

/// A little-endian number of `N` bytes, if there are as many.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(N)?)?;
    let number = bytes.iter().rev().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
    Some(usize::try_from(number).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is valid stays as it is: these are the right places and the right sums.
    #[test]
    fn valid_files_have_right_checksums_already() {
        for files in &*DIRECTORIES {
            for (path, bytes) in files {
                let mut again = bytes.clone();
                right_checksums(path, &mut again);
                assert!(again == *bytes, "{}", path.display());
                again[bytes.len() / 2] ^= 1;
                right_checksums(path, &mut again);
                assert!(again.len() == bytes.len() && again != *bytes);
            }
        }
    }
}
