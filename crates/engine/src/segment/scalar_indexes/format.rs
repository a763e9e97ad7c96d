//! The file of a sealed segment's scalar indexes: which sections it has.
//!
//! | kind            | version | what                                               |
//! |-----------------|--------:|----------------------------------------------------|
//! | 1               |       1 | columns, 8 bytes each: number (4), what was        |
//! |                 |         | declared (1), zero (3)                             |
//! | 0x1000000 + col |       1 | index of a column, as `vicinal-scalar` writes it   |
//!
//! Declared is 0 auto, 1 none, 2 bitmap, 3 sorted, 4 inverted, 5 trigram. A column
//! without a section has no index: none was chosen. Integers are little-endian; every
//! section begins at a multiple of 4096 bytes, so that indexes are read where they are
//! mapped.

use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use vicinal_storage::{Disk, Section, SectionFile, SectionWriter, SegmentError};
use vicinal_types::{ColumnId, ColumnIndex, Error, Result};

const TABLE: u32 = 1;
const INDEXES: u32 = 0x0100_0000;
const SECTION_VERSION: u16 = 1;
const ENTRY_BYTES: usize = 8;

const CODES: [(u8, ColumnIndex); 6] = [
    (0, ColumnIndex::Auto),
    (1, ColumnIndex::None),
    (2, ColumnIndex::Bitmap),
    (3, ColumnIndex::Sorted),
    (4, ColumnIndex::Inverted),
    (5, ColumnIndex::Trigram),
];

/// Writes what was declared and the indexes that there are, and makes the file durable.
pub(super) fn write(
    disk: &Arc<dyn Disk>,
    path: &Path,
    file: u64,
    table: &[(ColumnId, ColumnIndex)],
    indexes: &[(ColumnId, Vec<u8>)],
) -> Result<(), SegmentError> {
    let mut writer = SectionWriter::create(Arc::clone(disk), path, file)?;
    writer.begin(TABLE, SECTION_VERSION)?;
    for (column, declared) in table {
        let code = CODES.iter().find(|(_, known)| known == declared);
        let (code, _) = code.expect("every declaration has a code");
        writer.write(&column.0.to_le_bytes())?;
        writer.write(&[*code, 0, 0, 0])?;
    }
    for (column, bytes) in indexes {
        writer.section(INDEXES + column.0, SECTION_VERSION, bytes)?;
    }
    writer.finish()?;
    Ok(())
}

/// What was declared for which columns.
///
/// # Errors
/// `Corrupt` if the table is none.
pub(super) fn read_table(file: &SectionFile) -> Result<Vec<(ColumnId, ColumnIndex)>> {
    let table = checked(file, file.section(TABLE)?)?;
    let (entries, rest) = table.as_chunks::<ENTRY_BYTES>();
    let entry = |[a, b, c, d, code, zeros @ ..]: &[u8; ENTRY_BYTES]| {
        let (_, declared) = CODES.iter().find(|(known, _)| known == code)?;
        let column = ColumnId(u32::from_le_bytes([*a, *b, *c, *d]));
        (*zeros == [0; 3]).then_some((column, *declared))
    };
    let entries: Option<Vec<_>> = entries.iter().map(entry).collect();
    entries.filter(|_| rest.is_empty()).ok_or_else(|| {
        Error::corrupt(format!("the table of columns in {} is damaged", file.path().display()))
    })
}

/// The bytes of a column's index, if it has one.
///
/// # Errors
/// `Corrupt` if they are not what was written.
pub(super) fn read_index(file: &SectionFile, column: ColumnId) -> Result<Option<Bytes>> {
    let Some(kind) = INDEXES.checked_add(column.0) else { return Ok(None) };
    if !file.has_section(kind) {
        return Ok(None);
    }
    checked(file, file.section(kind)?).map(Some)
}

fn checked(file: &SectionFile, section: Section) -> Result<Bytes> {
    if section.version != SECTION_VERSION {
        let (path, found) = (file.path().display(), section.version);
        return Err(Error::corrupt(format!(
            "a section of {path} has version {found}, this program reads {SECTION_VERSION}"
        )));
    }
    Ok(section.bytes)
}
