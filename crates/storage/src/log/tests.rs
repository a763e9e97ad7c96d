//! What needs the inside of the format: golden bytes, hostile records.

use super::format::{self, Kind, Record, State};
use super::*;
use crate::disk::{FileDisk, SimDisk};
use proptest::prelude::*;
use std::path::PathBuf;

const GROUP: GroupId = GroupId(3);

fn record<'a>(kind: Kind, index: u64, term: u64, payload: &'a [u8]) -> Record<'a> {
    Record {
        kind,
        detail: 0,
        synced: 0,
        group: GROUP,
        position: LogPosition { index, term },
        payload,
    }
}

fn log_path(file: u32) -> PathBuf {
    Path::new("log").join(format::file_name(file))
}

fn disk_with(files: &[Vec<u8>]) -> SimDisk {
    let disk = SimDisk::new(0);
    disk.create_dir_all(Path::new("log")).unwrap();
    for (number, bytes) in (1..).zip(files) {
        disk.set_contents(&log_path(number), bytes);
    }
    disk
}

fn open(disk: &SimDisk) -> Result<(Log, RecoveryReport), LogError> {
    Log::open(Arc::new(disk.clone()), Path::new("log"), LogOptions::default())
}

/// One record of every kind, and with them every field.
fn golden_file() -> Vec<u8> {
    let vote = VoteState { term: 0x1122_3344_5566_7788, vote: 2, commit: 8 };
    let state = State { vote: Some(vote), is_empty: true };
    let (detail, payload) = format::encode_state(state);
    let mut other = record(Kind::Entry, 1, 1, b"of a group that goes");
    other.group = GroupId(4);
    let mut forget = record(Kind::Forget, 0, 0, b"");
    forget.group = GroupId(4);
    let records = [
        Record { detail, ..record(Kind::State, 8, 5, &payload) },
        Record { detail: 7, ..record(Kind::Moved, 9, 5, b"moved") },
        Record { detail: 9, synced: 100, ..record(Kind::Entry, 10, 6, b"entry") },
        record(Kind::Entry, 11, 6, b""),
        other,
        forget,
    ];
    let mut file = format::encode_file_header(1).to_vec();
    for record in &records {
        let offset = crate::fields::to_u64(file.len());
        format::encode(record, 1, offset, &mut file);
    }
    file
}

#[test]
fn golden_log_of_version_1_is_read_and_written() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/log-v1.bin");
    if std::env::var_os("UPDATE").is_some() {
        if FileDisk.exists(&path).unwrap() {
            FileDisk.remove(&path).unwrap();
        }
        FileDisk.create_new(&path).unwrap().append(&golden_file()).unwrap();
    }
    let golden = FileDisk.map(&path).unwrap().to_vec();
    assert!(golden == golden_file(), "the bytes that are written have moved");
    let (log, report) = open(&disk_with(&[golden])).unwrap();
    assert_eq!((report.records, report.torn), (6, None));
    assert_eq!(log.groups(), [GROUP]);
    assert_eq!(log.state(GROUP).unwrap().term, 0x1122_3344_5566_7788);
    assert_eq!(log.purged(GROUP), LogPosition { index: 8, term: 5 });
    let entry =
        |index, term, kind, data: &'static [u8]| LogEntry { index, term, kind, data: data.into() };
    let expected = [entry(9, 5, 7, b"moved"), entry(10, 6, 9, b"entry"), entry(11, 6, 0, b"")];
    assert_eq!(log.entries(GROUP, 9..12, u64::MAX).unwrap(), expected);
}

#[test]
fn file_of_another_version_is_refused_with_both_numbers() {
    let mut file = golden_file();
    file[12] = 2; // the version
    let crc = crate::checksum::checksum(1, 0, &file[12..format::FILE_HEADER_BYTES]);
    file[8..12].copy_from_slice(&crc.to_le_bytes());
    let error = open(&disk_with(&[file])).unwrap_err().to_string();
    assert!(error.contains("has format version 2, this program reads version 1"), "{error}");
}

#[test]
fn missing_first_entries_are_damage() {
    let mut file = format::encode_file_header(1).to_vec();
    let offset = crate::fields::to_u64(file.len());
    format::encode(&record(Kind::Entry, 5, 1, b"x"), 1, offset, &mut file);
    let error = open(&disk_with(&[file])).unwrap_err().to_string();
    assert!(error.contains("its first entry is 5: an older file is missing"), "{error}");
}

#[test]
fn only_file_with_a_bad_header_is_damage_unless_it_is_the_first() {
    let disk = SimDisk::new(0);
    disk.create_dir_all(Path::new("log")).unwrap();
    disk.set_contents(&log_path(2), b"VICN");
    open(&disk).unwrap_err();
    disk.set_contents(&log_path(1), b"VICN");
    disk.remove(&log_path(2)).unwrap();
    assert!(open(&disk).unwrap().1.torn.is_some());
}

fn hostile_number() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..6_u64, 1 => any::<u64>(), 1 => u64::MAX - 4..=u64::MAX]
}

prop_compose! {
    fn hostile_record()(
        kind in prop::sample::select(vec![Kind::Entry, Kind::State, Kind::Forget, Kind::Moved]),
        (detail, synced, group) in (any::<u8>(), any::<u32>(), 0..3_u64),
        (index, term) in (hostile_number(), 0..3_u64),
        payload in prop::collection::vec(any::<u8>(), 0..40),
        breaks in prop::option::weighted(0.05, any::<u8>()),
    ) -> (Kind, u8, u32, u64, LogPosition, Vec<u8>, Option<u8>) {
        let payload = if kind == Kind::State { vec![1; 24] } else { payload };
        (kind, detail, synced, group, LogPosition { index, term }, payload, breaks)
    }
}

proptest! {
    #[test]
    fn random_bytes_are_never_a_record_nor_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        offset in any::<u64>(),
    ) {
        let seen = format::decode(&bytes, 1, offset);
        let is_record = matches!(seen, format::Seen::Record { .. });
        prop_assert!(!is_record);
        format::claim(&bytes);
    }

    /// Records with good checksums and impossible contents: the log opens or
    /// says that it is damaged.
    #[test]
    fn impossible_records_never_panic(
        files in prop::collection::vec(prop::collection::vec(hostile_record(), 0..12), 1..4),
    ) {
        let mut contents = Vec::new();
        for (number, records) in (1..).zip(&files) {
            let mut file = format::encode_file_header(number).to_vec();
            for (kind, detail, synced, group, position, payload, breaks) in records {
                let record = Record {
                    kind: *kind,
                    detail: *detail,
                    synced: *synced,
                    group: GroupId(*group),
                    position: *position,
                    payload,
                };
                let offset = file.len();
                format::encode(&record, number, crate::fields::to_u64(offset), &mut file);
                if let Some(at) = breaks {
                    file[offset + usize::from(*at) % 40] ^= 1;
                }
            }
            contents.push(file);
        }
        let disk = disk_with(&contents);
        if let Ok((mut log, _)) = open(&disk) {
            for group in log.groups() {
                let range = log.first_index(group)..log.last_index(group) + 1;
                log.entries(group, range, u64::MAX).unwrap();
                let last = log.last_index(group);
                log.purge(group, LogPosition { index: last, term: 1 }).unwrap();
            }
            log.sync().unwrap();
            drop(log);
            open(&disk).unwrap();
        }
    }
}
