//! Torn ends are cut off, damage is refused: every byte, every kind of bit.

use crate::log_model::{DIR, Model, contents, entry, log_files, open, open_with, position};
use std::ops::Range;
use std::path::PathBuf;
use vicinal_storage::{Disk as _, Log, LogError, LogOptions, SimDisk, VoteState};
use vicinal_types::{ErrorKind, GroupId};

const G: GroupId = GroupId(5);
const HEADER: usize = 40;

/// Entries 1, 2, …, each synced on its own, and where their records stand.
fn log_of(count: u64) -> (SimDisk, PathBuf, Vec<Range<usize>>) {
    let disk = SimDisk::new(0);
    let (mut log, _) = open_with(&disk, LogOptions::default()).unwrap();
    let path = log_files(&disk).remove(0);
    let mut places = Vec::new();
    for index in 1..=count {
        let start = disk.contents(&path).unwrap().len();
        log.append(G, &[entry(index, 1, 33)]).unwrap();
        log.sync().unwrap();
        places.push(start..disk.contents(&path).unwrap().len());
    }
    (disk, path, places)
}

fn reopen(disk: &SimDisk) -> Result<(Log, Option<vicinal_storage::TornTail>), LogError> {
    let (log, report) = open_with(disk, LogOptions::default())?;
    Ok((log, report.torn))
}

#[test]
fn log_cut_at_every_byte_of_its_last_records_opens() {
    let (disk, path, places) = log_of(8);
    let whole = disk.contents(&path).unwrap();
    for end in places[5].start..whole.len() {
        disk.set_contents(&path, &whole[..end]);
        let good = places.iter().filter(|place| place.end <= end).count();
        let good_end = places[good - 1].end;
        let (log, torn) = reopen(&disk).unwrap();
        assert_eq!(log.last_index(G), u64::try_from(good).unwrap(), "cut at byte {end}");
        assert_eq!(torn.is_some(), end != good_end, "cut at byte {end}");
        if let Some(torn) = torn {
            let text = torn.to_string();
            assert!(text.contains("log/0000000001.log"), "{text}");
            assert!(text.contains(&format!("from byte {good_end} on")), "{text}");
        }
        let before = contents(&log).unwrap();
        drop(log);
        let (log, torn) = reopen(&disk).unwrap();
        assert_eq!((contents(&log).unwrap(), torn), (before, None), "reopening changes nothing");
    }
}

/// The parts of a record, as its format lists them.
const PARTS: [(&str, Range<usize>); 10] = [
    ("crc", 0..4),
    ("length", 4..8),
    ("kind", 8..9),
    ("detail", 9..10),
    ("reserved", 10..12),
    ("synced", 12..16),
    ("group", 16..24),
    ("index", 24..32),
    ("term", 32..40),
    ("payload", HEADER..HEADER + 33),
];

fn for_every_bit(record: &Range<usize>, mut check: impl FnMut(usize, u8, &str)) {
    for (part, bytes) in PARTS {
        for at in bytes {
            for bit in 0..8 {
                let at = record.start + at;
                check(at, 1 << bit, &format!("{part}, byte {at}, bit {bit}"));
            }
        }
    }
}

#[test]
fn flipped_bit_in_the_middle_is_damage_and_nothing_is_changed() {
    let (disk, path, places) = log_of(4);
    for place in &places[..3] {
        for_every_bit(place, |at, mask, name| {
            disk.flip(&path, u64::try_from(at).unwrap(), mask).unwrap();
            let before = disk.contents(&path).unwrap();
            let error = reopen(&disk).unwrap_err();
            let text = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}: {text}");
            let named = format!("log file log/0000000001.log is damaged at byte {}", place.start);
            assert!(text.starts_with(&named) && text.contains("restore"), "{name}: {text}");
            assert_eq!(disk.contents(&path).unwrap(), before, "{name}");
            disk.flip(&path, u64::try_from(at).unwrap(), mask).unwrap();
        });
    }
    assert_eq!(reopen(&disk).unwrap().0.last_index(G), 4);
}

#[test]
fn flipped_bit_in_the_last_record_is_a_torn_write() {
    let (disk, path, places) = log_of(4);
    let whole = disk.contents(&path).unwrap();
    for_every_bit(&places[3], |at, mask, name| {
        disk.set_contents(&path, &whole);
        disk.flip(&path, u64::try_from(at).unwrap(), mask).unwrap();
        let (log, torn) = reopen(&disk).unwrap();
        assert_eq!(log.last_index(G), 3, "{name}");
        assert_eq!(torn.unwrap().offset, u64::try_from(places[3].start).unwrap(), "{name}");
    });
}

#[test]
fn flipped_bit_anywhere_in_a_closed_log_is_damage() {
    let (disk, path, places) = log_of(4);
    reopen(&disk).unwrap().0.close().unwrap();
    for_every_bit(&places[3], |at, mask, name| {
        disk.flip(&path, u64::try_from(at).unwrap(), mask).unwrap();
        let error = reopen(&disk).unwrap_err();
        assert!(matches!(error, LogError::Damaged { .. }), "{name}: {error:?}");
        disk.flip(&path, u64::try_from(at).unwrap(), mask).unwrap();
    });
}

#[test]
fn flipped_bit_in_the_file_header_is_damage_once_records_follow() {
    let (disk, path, _) = log_of(2);
    for at in 0..32 {
        for bit in 0..8 {
            disk.flip(&path, at, 1 << bit).unwrap();
            let error = reopen(&disk).unwrap_err();
            assert!(matches!(error, LogError::Damaged { .. }), "byte {at}: {error:?}");
            disk.flip(&path, at, 1 << bit).unwrap();
        }
    }
}

#[test]
fn lost_sector_of_an_unsynced_write_is_a_torn_write() {
    let (disk, path, places) = log_of(3);
    let (mut log, _) = open_with(&disk, LogOptions::default()).unwrap();
    let start = disk.contents(&path).unwrap().len();
    let batch: Vec<_> = (4..=40).map(|index| entry(index, 1, 100)).collect();
    log.append(G, &batch).unwrap();
    log.sync().unwrap();
    drop(log);
    let mut bytes = disk.contents(&path).unwrap();
    let hole = start.next_multiple_of(512) + 512;
    bytes[hole..hole + 512].fill(0); // this sector came late, those behind it early
    disk.set_contents(&path, &bytes);
    let (log, torn) = reopen(&disk).unwrap();
    assert!(torn.unwrap().offset <= u64::try_from(hole).unwrap());
    let last = log.last_index(G);
    assert!((3..15).contains(&last) && places.len() == 3, "entry {last}");
}

#[test]
fn unfinished_new_file_is_removed() {
    let build = || {
        let disk = SimDisk::new(0);
        let (mut log, _) = open(&disk).unwrap();
        for index in 1..=30 {
            log.append(G, &[entry(index, 1, 40)]).unwrap();
        }
        log.sync().unwrap();
        (disk, contents(&log).unwrap())
    };
    let (disk, _) = build();
    let newest = log_files(&disk).pop().unwrap();
    let states_end = 32 + HEADER + 24;
    let header = disk.contents(&newest).unwrap()[..states_end].to_vec();
    for end in 0..=states_end {
        let (disk, before) = build();
        let next = PathBuf::from(DIR).join(format!("{:010}.log", log_files(&disk).len() + 1));
        // The next file's own bytes, as far as they were written.
        let mut bytes = header.clone();
        bytes.truncate(end);
        disk.set_contents(&next, &bytes[..end.min(31)]);
        let (log, report) = open(&disk).unwrap();
        assert_eq!(report.torn.unwrap().offset, 0);
        assert_eq!(contents(&log).unwrap(), before);
        drop(log);
        assert_eq!(contents(&open(&disk).unwrap().0).unwrap(), before);
    }
}

#[test]
fn unfinished_new_file_does_not_come_back() {
    for seed in 0..40 {
        let disk = SimDisk::new(seed);
        let (mut log, _) = open(&disk).unwrap();
        log.append(G, &[entry(1, 1, 600)]).unwrap();
        log.sync().unwrap();
        drop(log);
        disk.set_contents(&PathBuf::from(DIR).join("0000000002.log"), b"VICNL");
        // With room in the first file, the log goes on there.
        let (mut log, _) = open_with(&disk, LogOptions::default()).unwrap();
        log.append(G, &[entry(2, 1, 2000)]).unwrap();
        disk.crash_at(2);
        log.sync().unwrap_err();
        disk.restart();
        open_with(&disk, LogOptions::default()).unwrap();
    }
}

/// A log of several files with two groups.
fn long_log() -> (SimDisk, Model) {
    let disk = SimDisk::new(0);
    let (mut log, _) = open(&disk).unwrap();
    for index in 1..=60 {
        log.append(G, &[entry(index, 1, 40)]).unwrap();
        log.append(GroupId(6), &[entry(index, 1, 5)]).unwrap();
        log.sync().unwrap();
    }
    (disk, contents(&log).unwrap())
}

#[test]
fn any_flip_or_cut_in_an_older_file_is_damage() {
    let (disk, _) = long_log();
    let files = log_files(&disk);
    assert!(files.len() > 4);
    for path in &files[..2] {
        let whole = disk.contents(path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            disk.set_contents(path, &flipped);
            let error = open(&disk).unwrap_err();
            let after = disk.contents(path).unwrap();
            assert!(after == flipped, "byte {at}: nothing is changed");
            assert!(matches!(error, LogError::Damaged { .. }), "byte {at}: {error:?}");
        }
        for end in (0..whole.len()).step_by(7) {
            disk.set_contents(path, &whole[..end]);
            open(&disk).unwrap_err();
        }
        disk.set_contents(path, &whole);
    }
    open(&disk).unwrap();
}

#[test]
fn missing_file_is_damage_wherever_it_was() {
    let (disk, before) = long_log();
    let files = log_files(&disk);
    for path in &files[..files.len() - 1] {
        let whole = disk.contents(path).unwrap();
        disk.remove(path).unwrap();
        let error = open(&disk).unwrap_err().to_string();
        assert!(error.contains("missing"), "{error}");
        disk.set_contents(path, &whole);
    }
    assert_eq!(contents(&open(&disk).unwrap().0).unwrap(), before);
}

#[test]
fn file_under_another_number_is_damage() {
    let (disk, _) = long_log();
    let files = log_files(&disk);
    disk.set_contents(&files[2], &disk.contents(&files[1]).unwrap());
    open(&disk).unwrap_err();
}

#[test]
fn damage_found_while_reading_is_an_error_for_that_read_only() {
    let (disk, before) = long_log();
    let (mut log, _) = open(&disk).unwrap();
    disk.flip(&log_files(&disk)[0], 32 + 50, 4).unwrap();
    let error = log.entries(G, 1..2, u64::MAX).unwrap_err();
    assert!(matches!(error, LogError::Damaged { .. }), "{error:?}");
    let rest = log.entries(G, 30..61, u64::MAX).unwrap();
    assert_eq!(rest, before[&G].entries[29..]);
    log.append(G, &[entry(61, 1, 1)]).unwrap();
    log.sync().unwrap();
}

#[test]
fn votes_and_purged_positions_outlive_the_files_they_came_in() {
    let (disk, _) = long_log();
    let (mut log, _) = open(&disk).unwrap();
    let vote = VoteState { term: 9, vote: 2, commit: 60 };
    log.set_vote(GroupId(6), vote).unwrap();
    log.purge(GroupId(6), position(60, 1)).unwrap();
    for index in 61..=200 {
        log.append(G, &[entry(index, 1, 40)]).unwrap();
        log.purge(G, position(index - 1, 1)).unwrap();
    }
    log.sync().unwrap();
    let (log, report) = open(&disk).unwrap();
    assert!(report.files <= 4, "{report:?}");
    assert_eq!(log.state(GroupId(6)), Some(vote));
    assert_eq!(log.purged(GroupId(6)), position(60, 1));
    assert_eq!(log.last_index(G), 200);
}
