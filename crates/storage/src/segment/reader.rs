//! Reading a section file through a map, checking before serving.

use super::error::SegmentError;
use super::format::{self, Bad, Line};
use crate::checksum::checksum;
use crate::disk::Disk;
use crate::fields::to_u64;
use bytes::Bytes;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A section: its bytes where they are mapped, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The version of the section's own format.
    pub version: u16,
    /// Its bytes, starting on a page boundary; they keep the map alive.
    pub bytes: Bytes,
}

/// What the table says of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionInfo {
    /// What it is, unique in the file.
    pub kind: u32,
    /// The version of the section's own format.
    pub version: u16,
    /// Its bytes.
    pub bytes: u64,
}

/// An open section file. Sections are checked when they are first asked for.
#[derive(Debug)]
pub struct SectionFile {
    path: PathBuf,
    file_number: u64,
    map: Bytes,
    lines: Vec<Line>,
    /// For each line, whether its section was found good.
    checked: Vec<AtomicBool>,
}

impl SectionFile {
    /// Maps a file and checks its header, table and trailer.
    ///
    /// # Errors
    /// [`SegmentError::Damaged`] if they are not what was written under that
    /// number, [`SegmentError::Unsupported`] if a newer program wrote them.
    pub fn open(disk: &dyn Disk, path: &Path, file_number: u64) -> Result<Self, SegmentError> {
        let map = disk.map(path).map_err(SegmentError::io("map", path))?;
        let lines = format::check_header(&map, file_number)
            .and_then(|()| format::decode_footer(&map, file_number))
            .map_err(|bad| refusal(path, file_number, bad))?;
        Ok(Self {
            path: path.to_owned(),
            file_number,
            map,
            checked: lines.iter().map(|_| AtomicBool::new(false)).collect(),
            lines,
        })
    }

    /// A section, without copying. The first call for it reads all its bytes to
    /// check them.
    ///
    /// # Errors
    /// [`SegmentError::Missing`] if there is none, [`SegmentError::Section`] if
    /// its bytes are not what was written.
    pub fn section(&self, kind: u32) -> Result<Section, SegmentError> {
        let place = self.lines.iter().position(|line| line.kind == kind);
        let Some(place) = place else {
            let path = self.path.clone();
            return Err(SegmentError::Missing { path, kind });
        };
        self.check(place)?;
        Ok(Section { version: self.lines[place].version, bytes: self.map.slice(self.range(place)) })
    }

    /// What sections the file has, in its order.
    #[must_use]
    pub fn sections(&self) -> Vec<SectionInfo> {
        let info =
            |line: &Line| SectionInfo { kind: line.kind, version: line.version, bytes: line.bytes };
        self.lines.iter().map(info).collect()
    }

    /// Whether the file has that section.
    #[must_use]
    pub fn has_section(&self, kind: u32) -> bool {
        self.lines.iter().any(|line| line.kind == kind)
    }

    /// Reads and checks every section again, whatever was checked before.
    ///
    /// # Errors
    /// [`SegmentError::Section`] for the first that is not what was written.
    pub fn verify_all(&self) -> Result<(), SegmentError> {
        for (place, checked) in self.checked.iter().enumerate() {
            checked.store(false, Ordering::Release);
            self.check(place)?;
        }
        Ok(())
    }

    /// Bytes of the file.
    #[must_use]
    pub fn bytes_len(&self) -> u64 {
        to_u64(self.map.len())
    }

    /// The whole file; the bytes keep the map alive, also when the file is removed.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.map.clone()
    }

    /// The name the file was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number that is mixed into its checksums.
    #[must_use]
    pub fn file_number(&self) -> u64 {
        self.file_number
    }

    fn range(&self, place: usize) -> Range<usize> {
        let line = &self.lines[place];
        let in_memory = |offset| usize::try_from(offset).expect("the table lies within the map");
        in_memory(line.offset)..in_memory(line.offset + line.bytes)
    }

    fn check(&self, place: usize) -> Result<(), SegmentError> {
        if self.checked[place].load(Ordering::Acquire) {
            return Ok(());
        }
        let line = &self.lines[place];
        let range = self.range(place);
        let failed = |reason: String| SegmentError::Section {
            path: self.path.clone(),
            kind: line.kind,
            reason,
        };
        let found = checksum(self.file_number, line.offset, &self.map[range.clone()]);
        if found != line.crc {
            let expected = line.crc;
            return Err(failed(format!(
                "its checksum is {found:08x}, the table says {expected:08x}"
            )));
        }
        let page = usize::try_from(format::ALIGNMENT).expect("a page");
        let zeros = range.end..range.end.next_multiple_of(page);
        format::check_zeros(&self.map, zeros).map_err(|bad| failed(bad.to_string()))?;
        self.checked[place].store(true, Ordering::Release);
        Ok(())
    }
}

fn refusal(path: &Path, file_number: u64, bad: Bad) -> SegmentError {
    let path = path.to_owned();
    let reason = bad.to_string();
    match bad {
        Bad::Version { .. } | Bad::Features { .. } | Bad::Codec { .. } => {
            SegmentError::Unsupported { path, reason }
        }
        Bad::Short { .. }
        | Bad::Magic
        | Bad::HeaderChecksum
        | Bad::Number { .. }
        | Bad::Reserved { .. }
        | Bad::TrailerMagic
        | Bad::Length { .. }
        | Bad::Table
        | Bad::TableChecksum
        | Bad::Layout { .. } => SegmentError::Damaged { path, file_number, reason },
    }
}
