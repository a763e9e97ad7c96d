//! The log's size stays bounded while it is purged.

use crate::log_model::{contents, entry, open_with, position};
use vicinal_storage::{LogEntry, LogOptions, SimDisk};
use vicinal_types::GroupId;

const MIB: u64 = 1024 * 1024;

fn batch(first: u64, count: u64) -> Vec<LogEntry> {
    (first..first + count).map(|index| entry(index, 1, 8)).collect()
}

#[test]
fn five_million_entries_in_three_groups_fit_into_a_few_files() {
    let disk = SimDisk::new(1);
    let file_bytes = 4 * MIB;
    let options = LogOptions { file_bytes, cache_bytes: 1 << 20 };
    let (mut log, _) = open_with(&disk, options.clone()).unwrap();
    let (catalogue, busy, slow) = (GroupId(0), GroupId(1), GroupId(2));
    // Never purged, and as old as can be: it must not pin the first file.
    log.append(catalogue, &batch(1, 100)).unwrap();
    let (mut appended, mut bytes_max, mut used_max) = (100, 0, 0);
    let (mut busy_last, mut slow_last) = (0, 0);
    for round in 0..1_000_u64 {
        log.append(busy, &batch(busy_last + 1, 4_900)).unwrap();
        busy_last += 4_900;
        log.append(slow, &batch(slow_last + 1, 100)).unwrap();
        slow_last += 100;
        appended += 5_000;
        log.sync().unwrap();
        if round % 10 == 9 {
            log.purge(busy, position(busy_last - 2_000, 1)).unwrap();
        }
        if round % 100 == 99 {
            log.purge(slow, position(slow_last, 1)).unwrap();
        }
        bytes_max = bytes_max.max(log.stats().bytes);
        if round % 50 == 0 {
            used_max = used_max.max(disk.used_bytes());
        }
    }
    assert!(appended >= 5_000_000);
    let stats = log.stats();
    assert!(bytes_max <= 6 * file_bytes, "{bytes_max} bytes at most");
    assert!(used_max <= bytes_max, "what the log says is what the disk has");
    assert!(stats.moved_entries >= 100, "the catalogue moved on: {stats:?}");
    assert!(stats.freed_bytes > 200 * MIB, "{stats:?}");
    assert!(stats.index_bytes < 4 << 20, "{stats:?}");
    log.sync().unwrap();
    let before = contents(&log).unwrap();
    drop(log);
    disk.crash();
    let (log, report) = open_with(&disk, options).unwrap();
    assert_eq!(report.torn, None);
    assert!(contents(&log).unwrap() == before, "a crash changes nothing that was synced");
    assert_eq!(before[&catalogue].entries.len(), 100);
}

#[test]
fn group_too_big_to_move_pins_its_files_until_it_is_purged() {
    let disk = SimDisk::new(1);
    let options = LogOptions { file_bytes: MIB, cache_bytes: 0 };
    let (mut log, _) = open_with(&disk, options).unwrap();
    let (big, busy) = (GroupId(1), GroupId(2));
    log.append(big, &[entry(1, 1, 500_000)]).unwrap();
    for index in 1..=100 {
        log.append(busy, &[entry(index, 1, 100_000)]).unwrap();
        log.sync().unwrap();
        log.purge(busy, position(index, 1)).unwrap();
    }
    assert_eq!(log.stats().moved_entries, 0);
    assert!(log.stats().files > 8);
    let freed = log.purge(big, position(1, 1)).unwrap();
    assert!(freed > 8 * MIB);
    assert_eq!(log.stats().files, 1);
}
