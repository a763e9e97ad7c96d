//! Tombstones of one sealed segment, as a section file beside it.
//!
//! Section 1, version 1: for each tombstone, in the order of deletion, 16 bytes:
//! Raft index (8), ordinal (4), row (4), little-endian.

use std::path::Path;
use std::sync::Arc;
use vicinal_storage::{Disk, SectionFile, SectionWriter, SegmentError};
use vicinal_types::{Error, Result, Version};

const TOMBSTONES: u32 = 1;
const SECTION_VERSION: u16 = 1;
const BYTES: usize = 16;

/// The deletion of a row of a sealed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tombstone {
    /// The row.
    pub(crate) row: u32,
    /// The write that deleted or replaced it.
    pub(crate) version: Version,
}

/// Writes the tombstones and makes the file durable; returns its bytes.
pub(crate) fn write_tombstones(
    disk: &Arc<dyn Disk>,
    path: &Path,
    file: u64,
    tombstones: &[Tombstone],
) -> Result<u64, SegmentError> {
    let mut writer = SectionWriter::create(Arc::clone(disk), path, file)?;
    writer.begin(TOMBSTONES, SECTION_VERSION)?;
    for tombstone in tombstones {
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(&tombstone.version.index.to_le_bytes());
        bytes[8..12].copy_from_slice(&tombstone.version.ordinal.to_le_bytes());
        bytes[12..].copy_from_slice(&tombstone.row.to_le_bytes());
        writer.write(&bytes)?;
    }
    writer.finish()
}

/// Reads the tombstones of a segment of `rows` rows.
///
/// # Errors
/// `Corrupt` if the file is not what was written.
pub(crate) fn read_tombstones(
    disk: &dyn Disk,
    path: &Path,
    file: u64,
    rows: u32,
) -> Result<Vec<Tombstone>> {
    let section = SectionFile::open(disk, path, file)?.section(TOMBSTONES)?;
    let (entries, rest) = section.bytes.as_chunks::<BYTES>();
    let tombstones: Vec<_> = entries.iter().map(decode).collect();
    let is_whole = rest.is_empty() && section.version == SECTION_VERSION;
    if !is_whole || tombstones.iter().any(|tombstone| tombstone.row >= rows) {
        let path = path.display();
        return Err(Error::corrupt(format!(
            "tombstones in {path} do not belong to a segment of {rows} rows"
        )));
    }
    Ok(tombstones)
}

fn decode(bytes: &[u8; BYTES]) -> Tombstone {
    let [index @ .., _, _, _, _, _, _, _, _] = *bytes;
    let [_, _, _, _, _, _, _, _, o0, o1, o2, o3, row @ ..] = *bytes;
    let ordinal = u32::from_le_bytes([o0, o1, o2, o3]);
    let version = Version { index: u64::from_le_bytes(index), ordinal };
    Tombstone { row: u32::from_le_bytes(row), version }
}
