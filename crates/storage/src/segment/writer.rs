//! Writing a section file, front to back.

use super::error::SegmentError;
use super::format::{self, Line, SECTIONS_MAX};
use crate::checksum::checksum_start;
use crate::disk::{Disk, DiskFile, parent_of, temporary_path};
use crate::fields::to_u64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes gathered before a write: large enough for any disk.
const GATHERED_BYTES_MAX: usize = 1024 * 1024;

/// Writes a section file beside its final name; [`SectionWriter::finish`] gives
/// it the name. Dropping the writer before removes what it has written; a crash
/// leaves a `.tmp` file, which the next writer of that path replaces.
#[derive(Debug)]
pub struct SectionWriter {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    temporary: PathBuf,
    file: Box<dyn DiskFile>,
    file_number: u64,
    gathered: Vec<u8>,
    /// Bytes handed in so far: written and gathered.
    offset: u64,
    lines: Vec<Line>,
    /// Whether the last line is still being written.
    is_open: bool,
    /// Whether the file has its final name.
    is_named: bool,
}

impl SectionWriter {
    /// Starts a file. The number goes into every checksum and must be given
    /// again to open the file.
    ///
    /// # Errors
    /// [`SegmentError::Io`] if the file cannot be created.
    pub fn create(
        disk: Arc<dyn Disk>,
        path: &Path,
        file_number: u64,
    ) -> Result<Self, SegmentError> {
        let temporary = temporary_path(path);
        let is_left = disk.exists(&temporary).map_err(SegmentError::io("find", &temporary))?;
        if is_left {
            disk.remove(&temporary).map_err(SegmentError::io("remove", &temporary))?;
        }
        let file = disk.create_new(&temporary);
        let file = file.map_err(SegmentError::io("create", &temporary))?;
        let gathered = format::encode_header(file_number);
        Ok(Self {
            disk,
            path: path.to_owned(),
            temporary,
            file,
            file_number,
            offset: to_u64(gathered.len()),
            gathered,
            lines: Vec::new(),
            is_open: false,
            is_named: false,
        })
    }

    /// Begins a section, ending the one before. Kinds are unique in a file; the
    /// version is that of the section's own format.
    ///
    /// # Errors
    /// [`SegmentError::Rejected`] for a kind that is there already, or a section
    /// more than [`SECTIONS_MAX`].
    pub fn begin(&mut self, kind: u32, version: u16) -> Result<(), SegmentError> {
        self.end()?;
        let reason = if self.lines.iter().any(|line| line.kind == kind) {
            "it is there already".to_owned()
        } else if self.lines.len() >= SECTIONS_MAX {
            format!("a file has at most {SECTIONS_MAX}")
        } else {
            self.lines.push(Line {
                kind,
                version,
                codec: format::CODEC_NONE,
                crc: checksum_start(self.file_number, self.offset),
                offset: self.offset,
                bytes: 0,
            });
            self.is_open = true;
            return Ok(());
        };
        let path = self.path.clone();
        Err(SegmentError::Rejected { path, kind, reason })
    }

    /// Adds bytes to the section that was begun.
    ///
    /// # Errors
    /// [`SegmentError::Io`] if the disk fails; the file is useless then.
    ///
    /// # Panics
    /// If no section was begun.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), SegmentError> {
        assert!(self.is_open, "begin() comes before write()");
        if let Some(line) = self.lines.last_mut() {
            line.crc = crc32c::crc32c_append(line.crc, bytes);
            line.bytes += to_u64(bytes.len());
        }
        self.put(bytes)
    }

    /// Ends the section that was begun, if any.
    ///
    /// # Errors
    /// As [`SectionWriter::write`].
    pub fn end(&mut self) -> Result<(), SegmentError> {
        if std::mem::take(&mut self.is_open) {
            let boundary = format::aligned(self.offset).expect("files are below 2^63 bytes");
            let zeros = usize::try_from(boundary - self.offset).expect("less than a page");
            self.put(&vec![0; zeros])?;
        }
        Ok(())
    }

    /// Writes a whole section.
    ///
    /// # Errors
    /// As [`SectionWriter::begin`] and [`SectionWriter::write`].
    pub fn section(&mut self, kind: u32, version: u16, bytes: &[u8]) -> Result<(), SegmentError> {
        self.begin(kind, version)?;
        self.write(bytes)?;
        self.end()
    }

    /// Bytes so far, without the table.
    #[must_use]
    pub fn bytes_len(&self) -> u64 {
        self.offset
    }

    /// Completes the file, makes it durable, gives it its name, makes the name
    /// durable, and returns its bytes.
    ///
    /// # Errors
    /// [`SegmentError::Io`] if the disk fails; the file does not have its name
    /// then, or its name is not durable.
    pub fn finish(mut self) -> Result<u64, SegmentError> {
        self.end()?;
        let footer = format::encode_footer(&self.lines, self.file_number, self.offset);
        self.put(&footer)?;
        self.flush()?;
        self.sync()?;
        let renamed = self.disk.rename(&self.temporary, &self.path);
        renamed.map_err(SegmentError::io("rename", &self.temporary))?;
        self.is_named = true;
        let dir = parent_of(&self.path);
        #[cfg(feature = "seeded-bugs")]
        if crate::Bug::FileNameNotSynced.is_on(&*self.disk) {
            return Ok(self.offset);
        }
        self.disk.sync_dir(dir).map_err(SegmentError::io("sync", dir))?;
        Ok(self.offset)
    }

    fn sync(&mut self) -> Result<(), SegmentError> {
        #[cfg(feature = "seeded-bugs")]
        if crate::Bug::ManifestBeforeFile.is_on(&*self.disk) {
            return Ok(());
        }
        self.file.sync().map_err(SegmentError::io("sync", &self.temporary))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), SegmentError> {
        self.offset += to_u64(bytes.len());
        if self.gathered.len() + bytes.len() > GATHERED_BYTES_MAX {
            self.flush()?;
        }
        if bytes.len() > GATHERED_BYTES_MAX {
            let written = self.file.append(bytes);
            return written.map_err(SegmentError::io("write", &self.temporary));
        }
        self.gathered.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SegmentError> {
        if !self.gathered.is_empty() {
            let written = self.file.append(&self.gathered);
            written.map_err(SegmentError::io("write", &self.temporary))?;
            self.gathered.clear();
        }
        Ok(())
    }
}

impl Drop for SectionWriter {
    fn drop(&mut self) {
        if !self.is_named {
            // A half-written file is no use, and a full disk needs its space. If
            // it cannot be removed now, it is a leftover that its owner removes.
            let _ = self.disk.remove(&self.temporary);
        }
    }
}
