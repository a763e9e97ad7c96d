//! What reading a page of a file takes: the first touch of a mapped page, as searches of
//! indexes on disk do it.

use super::MeasureError;
use super::memory::Places;
use super::sample::{Watch, middle};
use std::hint::black_box;
use std::io;
use std::path::Path;
use std::time::Duration;
use vicinal_planner::DiskTimes;
use vicinal_storage::{Disk, advise_scattered, page_out, resident_pages};

/// The file that pages are read from.
const PROBE_FILE: &str = "MACHINE.probe";

/// Bytes of it; a write of so many bothers no disk.
const FILE_BYTES: usize = 8 * 1024 * 1024;

/// Bytes written at once.
const BLOCK_BYTES: usize = 1024 * 1024;

/// Bytes of a page, or a part of one.
const PAGE_BYTES: usize = 4096;

/// Pages that are read.
const PAGES: usize = 128;

/// How long they may take together; a slow disk has read enough by then.
const TOUCHES_MAX: Duration = Duration::from_millis(250);

/// Measures pages that the system has in memory, and those that it does not.
pub(super) fn measure(
    watch: &Watch<'_>,
    disk: &dyn Disk,
    directory: &Path,
    notes: &mut Vec<String>,
) -> Result<DiskTimes, MeasureError> {
    let path = directory.join(PROBE_FILE);
    if disk.exists(&path)? {
        // A crash left it.
        disk.remove(&path)?;
    }
    let measured = write(disk, &path).map_err(MeasureError::from).and_then(|()| {
        // In memory they are after writing them.
        let cached_page_nanos = touch(watch, &map(disk, &path)?)?;
        Ok(DiskTimes { cached_page_nanos, read_page_nanos: read(watch, disk, &path, notes)? })
    });
    let removed = if disk.exists(&path)? { disk.remove(&path) } else { Ok(()) };
    let measured = measured?;
    removed?;
    Ok(measured)
}

fn write(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let mut file = disk.create_new(path)?;
    // Bytes that no file system stores as fewer.
    let mut state = 1_u64;
    for _ in 0..FILE_BYTES / BLOCK_BYTES {
        let words = (0..BLOCK_BYTES / 8).flat_map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        file.append(&words.collect::<Vec<_>>())?;
    }
    file.sync()
}

fn map(disk: &dyn Disk, path: &Path) -> io::Result<bytes::Bytes> {
    let bytes = disk.map(path)?;
    advise_scattered(&bytes)?;
    Ok(bytes)
}

/// Pages that come from the disk; none if the system does not let them go.
fn read(
    watch: &Watch<'_>,
    disk: &dyn Disk,
    path: &Path,
    notes: &mut Vec<String>,
) -> Result<Option<f64>, MeasureError> {
    let bytes = map(disk, path)?;
    // Only pages that were touched can be sent away.
    let sum = bytes.iter().step_by(PAGE_BYTES).fold(0_u64, |sum, byte| sum + u64::from(*byte));
    black_box(sum);
    page_out(&bytes)?;
    let left = resident_pages(&bytes)?;
    if left * 10 > FILE_BYTES / PAGE_BYTES {
        notes.push(format!(
            "pages from the disk: {left} stayed in memory, as those of a file system in memory do; not measured"
        ));
        return Ok(None);
    }
    touch(watch, &bytes).map(Some)
}

/// The first touch of a page, in the middle.
fn touch(watch: &Watch<'_>, bytes: &[u8]) -> Result<f64, MeasureError> {
    let mut places = Places::of(bytes.len() / PAGE_BYTES);
    let started = watch.clock.now();
    let mut took = Vec::with_capacity(PAGES);
    while took.len() < PAGES {
        watch.cancel.check()?;
        let page = places.next();
        let touched = watch.clock.now();
        black_box(black_box(bytes)[page * PAGE_BYTES]);
        took.push(watch.nanos_since(touched));
        if watch.clock.now().saturating_duration_since(started) > TOUCHES_MAX {
            break;
        }
    }
    match middle(&mut took) {
        nanos if nanos > 0.0 => Ok(nanos),
        _ => Err(MeasureError::Clock { what: "touching a page" }),
    }
}
