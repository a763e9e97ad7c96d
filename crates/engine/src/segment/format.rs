//! The file of a sealed segment's rows: which sections it has.
//!
//! | kind            | version | what                                              |
//! |-----------------|--------:|---------------------------------------------------|
//! | 1               |       1 | ids: a column (see `columns::format`)             |
//! | 2               |       1 | id hashes, ascending: rows × u64                  |
//! | 3               |       1 | rows in the order of 2: rows × u32                |
//! | 4               |       1 | versions: runs of first row (4), ordinal (4),     |
//! |                 |         | Raft index (8)                                    |
//! | 0x1000000 + col |       1 | vectors of a column: rows × row bytes             |
//! | 0x2000000 + col |       1 | norms of a cosine column: rows × f32              |
//! | 0x3000000 + col |       1 | scalars of a column (see `columns::format`)       |
//!
//! Integers are little-endian; every section begins at a multiple of 4096 bytes,
//! so that vectors and hashes are searched where they are mapped. The schema is
//! the catalogue's: columns are found by their numbers. A scalar column without a
//! section was added after the file was written; a section without a column is of one
//! that was dropped, and kept for deletes by filter that may be applied again.

use super::rows::Run;
use super::sealed::IdIndex;
use super::{MemoryView, Rows, VectorPart, Versions};
use crate::columns;
use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_schema::DataType;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use vicinal_index::Vectors;
use vicinal_storage::{Disk, SectionFile, SectionWriter, SegmentError};
use vicinal_types::{ColumnId, Error, Result, Schema, VectorType, Version};

const IDS: u32 = 1;
const HASHES: u32 = 2;
const HASH_ROWS: u32 = 3;
const VERSIONS: u32 = 4;
const VECTORS: u32 = 0x0100_0000;
const NORMS: u32 = 0x0200_0000;
const SCALARS: u32 = 0x0300_0000;
const SECTION_VERSION: u16 = 1;
const RUN_BYTES: usize = 16;

/// A block of rows, and which of them go into a file.
pub(crate) struct Part<'a> {
    pub(crate) rows: &'a Rows,
    /// The hash of each row's id, if somebody has them.
    pub(crate) hashes: Option<&'a [u64]>,
    /// The places of those that are written, ascending.
    pub(crate) kept: Vec<u32>,
}

impl<'a> Part<'a> {
    /// The rows of a segment in memory that `kept` lists by ascending segment row.
    pub(crate) fn of_memory(view: &'a MemoryView, kept: &[u32]) -> Vec<Self> {
        let mut rest = kept;
        let parts = view.chunks.iter().map(|placed| {
            let end = placed.first_row + placed.chunk.len();
            let (of_chunk, after) = rest.split_at(rest.partition_point(|row| *row < end));
            rest = after;
            Self {
                rows: &placed.chunk.rows,
                hashes: Some(&placed.chunk.hashes),
                kept: of_chunk.iter().map(|row| row - placed.first_row).collect(),
            }
        });
        parts.collect()
    }

    fn hash(&self, row: u32) -> u64 {
        let row = row as usize;
        self.hashes.map_or_else(|| columns::id_ref(&self.rows.ids, row).hash(), |all| all[row])
    }
}

/// What becomes of columns that rows have and the schema has not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// They go into the file: a delete by filter that asks for them may be applied
    /// again, and must find what it found the first time.
    Kept,
    /// They are left out.
    Left,
}

/// Writes the kept rows of the parts, one part after another, with the columns of
/// the schema, and makes the file durable; returns its bytes.
///
/// # Panics
/// If there are no parts.
pub(crate) fn write_segment(
    disk: &Arc<dyn Disk>,
    path: &Path,
    file: u64,
    parts: &[Part<'_>],
    schema: &Schema,
    dropped: Dropped,
) -> Result<u64, SegmentError> {
    let mut writer = SectionWriter::create(Arc::clone(disk), path, file)?;
    // Vectors are the bulk: they go from where they are into the file.
    for (column, _) in schema.vectors() {
        write_vectors(&mut writer, parts, column.id)?;
    }
    write_scalars(&mut writer, parts, schema)?;
    if dropped == Dropped::Kept {
        write_dropped(&mut writer, parts, schema)?;
    }
    write_ids(&mut writer, parts)?;
    writer.finish()
}

fn write_vectors(
    writer: &mut SectionWriter,
    parts: &[Part<'_>],
    column: ColumnId,
) -> Result<(), SegmentError> {
    // Vector columns only ever go: what the schema has, every block has.
    let parts: Vec<_> = parts
        .iter()
        .map(|part| {
            let vectors = part.rows.vectors(column);
            (&part.kept, vectors.expect("rows have every vector column that is there now"))
        })
        .collect();
    writer.begin(VECTORS + column.0, SECTION_VERSION)?;
    for (kept, part) in &parts {
        let row_bytes = part.vectors.vector_type().row_bytes();
        for run in kept.chunk_by(|a, b| a + 1 == *b) {
            let first = run[0] as usize * row_bytes;
            writer.write(&part.vectors.bytes()[first..][..run.len() * row_bytes])?;
        }
    }
    if parts[0].1.norms.is_some() {
        writer.begin(NORMS + column.0, SECTION_VERSION)?;
        for (kept, part) in &parts {
            for &row in *kept {
                let norm = part.norms.as_ref().map_or(1.0, |norms| norms[row as usize]);
                writer.write(&norm.to_le_bytes())?;
            }
        }
    }
    Ok(())
}

/// Writes what the schema has, rows that are older than a column with its default.
fn write_scalars(
    writer: &mut SectionWriter,
    parts: &[Part<'_>],
    schema: &Schema,
) -> Result<(), SegmentError> {
    for (column, scalar, _) in schema.scalars() {
        let of_part = |part: &Part<'_>| match part.rows.scalars(column.id) {
            Some(array) => columns::take(array, &part.kept),
            None => columns::constant(scalar, column.default.as_ref(), part.kept.len()),
        };
        let arrays: Vec<ArrayRef> = parts.iter().map(of_part).collect();
        write_column(writer, SCALARS + column.id.0, &arrays)?;
    }
    Ok(())
}

fn write_dropped(
    writer: &mut SectionWriter,
    parts: &[Part<'_>],
    schema: &Schema,
) -> Result<(), SegmentError> {
    for (column, scalar) in dropped(parts, schema) {
        let of_part = |part: &Part<'_>| match part.rows.scalars(column) {
            Some(array) => columns::take(array, &part.kept),
            None => new_null_array(&scalar, part.kept.len()),
        };
        let arrays: Vec<ArrayRef> = parts.iter().map(of_part).collect();
        write_column(writer, SCALARS + column.0, &arrays)?;
    }
    Ok(())
}

/// Scalar columns that rows have and the schema has not any more.
pub(crate) fn dropped(parts: &[Part<'_>], schema: &Schema) -> BTreeMap<ColumnId, DataType> {
    let of_parts = parts.iter().flat_map(|part| &part.rows.scalars);
    let is_declared = |id: ColumnId| schema.columns().iter().any(|column| column.id == id);
    let dropped = of_parts.filter(|(id, _)| !is_declared(*id));
    dropped.map(|(id, array)| (*id, array.data_type().clone())).collect()
}

fn write_ids(writer: &mut SectionWriter, parts: &[Part<'_>]) -> Result<(), SegmentError> {
    let ids: Vec<_> = parts.iter().map(|part| columns::take(&part.rows.ids, &part.kept)).collect();
    write_column(writer, IDS, &ids)?;
    let hashes = parts.iter().flat_map(|part| part.kept.iter().map(|row| part.hash(*row)));
    let mut sorted: Vec<(u64, u32)> = hashes.zip(0..).collect();
    sorted.sort_unstable();
    writer.begin(HASHES, SECTION_VERSION)?;
    for (hash, _) in &sorted {
        writer.write(&hash.to_le_bytes())?;
    }
    writer.begin(HASH_ROWS, SECTION_VERSION)?;
    for (_, row) in &sorted {
        writer.write(&row.to_le_bytes())?;
    }
    writer.begin(VERSIONS, SECTION_VERSION)?;
    let taken = parts.iter().map(|part| (part.rows.versions.take(&part.kept), part.kept.len()));
    let mut base = 0;
    for (versions, rows) in taken {
        for run in &versions.runs {
            writer.write(&(base + run.first_row).to_le_bytes())?;
            writer.write(&run.first.ordinal.to_le_bytes())?;
            writer.write(&run.first.index.to_le_bytes())?;
        }
        base += u32::try_from(rows).expect("a segment's rows have 32-bit offsets");
    }
    Ok(())
}

fn write_column(
    writer: &mut SectionWriter,
    kind: u32,
    parts: &[ArrayRef],
) -> Result<(), SegmentError> {
    let array = columns::concat(&parts.iter().collect::<Vec<_>>());
    let mut bytes = Vec::new();
    columns::format::encode(&array, &mut bytes);
    writer.section(kind, columns::format::SECTION_VERSION, &bytes)
}

/// Bytes of each column's sections; a column may have several.
pub(super) fn column_bytes(file: &SectionFile) -> Vec<(ColumnId, u64)> {
    let kinds = VECTORS..SCALARS + (SCALARS - NORMS);
    let sections = file.sections().into_iter().filter(|section| kinds.contains(&section.kind));
    sections.map(|section| (ColumnId(section.kind % VECTORS), section.bytes)).collect()
}

/// Reads the rows of a mapped file, without copying them; all checksums are
/// verified here.
///
/// # Errors
/// `Corrupt` if a section is missing, damaged or contradicts the others.
pub(super) fn read_segment(file: &SectionFile, schema: &Schema) -> Result<(Rows, IdIndex)> {
    let file = Reader { file };
    let ids = file.column(IDS)?;
    if columns::array_to_ids(&ids, schema.id_type()).is_none() {
        return Err(file.wrong("the id column"));
    }
    let len = ids.len();
    let vectors =
        schema.vectors().map(|(column, kind)| Ok((column.id, file.vectors(column.id, kind, len)?)));
    let vectors = vectors.collect::<Result<Vec<_>>>()?;
    let mut scalars: Vec<(ColumnId, ArrayRef)> = Vec::new();
    for (declared, scalar, _) in schema.scalars() {
        if !file.file.has_section(SCALARS + declared.id.0) {
            continue;
        }
        let array = file.column(SCALARS + declared.id.0)?;
        if array.len() != len || array.data_type() != &scalar.arrow() {
            return Err(file.wrong("a scalar section"));
        }
        scalars.push((declared.id, array));
    }
    for section in file.file.sections() {
        let column = ColumnId(section.kind.wrapping_sub(SCALARS));
        let is_scalar = section.kind >= SCALARS && column.0 < SCALARS - NORMS;
        if is_scalar && !schema.columns().iter().any(|declared| declared.id == column) {
            let array = file.column(section.kind)?;
            if array.len() != len {
                return Err(file.wrong("a scalar section"));
            }
            scalars.push((column, array));
        }
    }
    let versions = read_versions(&file.section(VERSIONS)?, len);
    let versions = versions.ok_or_else(|| file.wrong("the version section"))?;
    let index = read_id_index(file.section(HASHES)?, file.section(HASH_ROWS)?, len);
    let index = index.ok_or_else(|| file.wrong("the id index"))?;
    Ok((Rows { ids, versions, vectors, scalars }, index))
}

/// The sections of a file, with errors that name it.
struct Reader<'a> {
    file: &'a SectionFile,
}

impl Reader<'_> {
    fn section(&self, kind: u32) -> Result<Bytes> {
        let section = self.file.section(kind)?;
        if section.version != SECTION_VERSION {
            let (path, found) = (self.file.path().display(), section.version);
            return Err(Error::corrupt(format!(
                "section {kind:#x} of {path} has version {found}, this program reads {SECTION_VERSION}"
            )));
        }
        Ok(section.bytes)
    }

    fn wrong(&self, what: &str) -> Error {
        let path = self.file.path().display();
        Error::corrupt(format!("{what} of segment file {path} contradicts the rest of it"))
    }

    fn column(&self, kind: u32) -> Result<ArrayRef> {
        let bytes = self.section(kind)?;
        columns::format::decode(&bytes).map_err(|error| self.wrong("a column").caused_by(error))
    }

    fn vectors(&self, column: ColumnId, kind: VectorType, len: usize) -> Result<VectorPart> {
        let vectors = Vectors::new(kind, self.section(VECTORS + column.0)?).ok();
        let vectors = vectors.filter(|vectors| vectors.len() as usize == len);
        let vectors = vectors.ok_or_else(|| self.wrong("a vector section"))?;
        let norms = if self.file.has_section(NORMS + column.0) {
            let norms = read_norms(&self.section(NORMS + column.0)?, len);
            Some(norms.ok_or_else(|| self.wrong("a norm section"))?)
        } else {
            None
        };
        Ok(VectorPart { vectors, norms })
    }
}

fn read_norms(bytes: &Bytes, len: usize) -> Option<Arc<[f32]>> {
    let (norms, rest) = bytes.as_chunks::<4>();
    let is_whole = rest.is_empty() && norms.len() == len;
    is_whole.then(|| norms.iter().map(|norm| f32::from_le_bytes(*norm)).collect())
}

fn read_versions(bytes: &Bytes, len: usize) -> Option<Versions> {
    let (runs, rest) = bytes.as_chunks::<RUN_BYTES>();
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_le_bytes);
    let run = |run: &[u8; RUN_BYTES]| {
        let index = u64::from_le_bytes(run[8..].try_into().ok()?);
        let first = Version { index, ordinal: number(&run[4..8])? };
        Some(Run { first_row: number(&run[..4])?, first })
    };
    let runs: Vec<Run> = runs.iter().map(run).collect::<Option<_>>()?;
    let is_rising = runs.is_sorted_by(|a, b| a.first_row < b.first_row);
    let is_whole = match (runs.first(), runs.last()) {
        (Some(first), Some(last)) => first.first_row == 0 && (last.first_row as usize) < len,
        _ => len == 0,
    };
    (rest.is_empty() && is_rising && is_whole).then_some(Versions { runs })
}

fn read_id_index(hashes: Bytes, rows: Bytes, len: usize) -> Option<IdIndex> {
    if hashes.len() != len * 8 || rows.len() != len * 4 {
        return None;
    }
    // Sections begin at page boundaries, so both are aligned.
    let hashes = ScalarBuffer::<u64>::new(Buffer::from(hashes), 0, len);
    let rows = ScalarBuffer::<u32>::new(Buffer::from(rows), 0, len);
    let is_right = hashes.is_sorted() && rows.iter().all(|row| (*row as usize) < len);
    is_right.then_some(IdIndex { hashes, rows })
}

#[cfg(test)]
mod tests;
