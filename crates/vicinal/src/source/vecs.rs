//! .fvecs and .bvecs: every vector behind its dimension as a 32-bit integer.

use super::{Layout, SourceError, numbered, vectors_only};
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use vicinal_client::{ElementType, Rows};

/// Bytes of the dimension in front of every vector.
const DIM_BYTES: usize = 4;

/// Such a file as a stream of rows.
pub(crate) struct VecsRows {
    path: PathBuf,
    file: BufReader<File>,
    layout: Layout,
    element: ElementType,
    dim: [u8; DIM_BYTES],
    row_bytes: usize,
    next: u64,
}

impl VecsRows {
    pub(super) fn open(path: &Path, element: ElementType) -> Result<Self, SourceError> {
        let file = File::open(path).map_err(SourceError::io(path))?;
        let file_bytes = file.metadata().map_err(SourceError::io(path))?.len();
        let mut file = BufReader::with_capacity(1 << 20, file);
        let mut first = [0; DIM_BYTES];
        file.read_exact(&mut first).map_err(SourceError::io(path))?;
        file.rewind().map_err(SourceError::io(path))?;
        let dim = u32::from_le_bytes(first);
        let row_bytes = element.row_bytes(usize::try_from(dim).unwrap_or(usize::MAX / 8));
        let stride = (DIM_BYTES + row_bytes) as u64;
        if dim == 0 || file_bytes % stride != 0 {
            return Err(SourceError::format(
                path,
                format!(
                    "it begins with a vector of {dim} dimensions, which {file_bytes} bytes do not hold a whole number of; is the file whole?"
                ),
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            layout: vectors_only(file_bytes / stride, dim, element),
            element,
            dim: first,
            row_bytes,
            next: 0,
        })
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn next_rows(&mut self, rows_max: usize) -> Result<Option<Rows>, SourceError> {
        let left = self.layout.rows - self.next;
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(rows_max);
        if count == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; count * self.row_bytes];
        for (at, vector) in bytes.chunks_exact_mut(self.row_bytes).enumerate() {
            let mut dim = [0; DIM_BYTES];
            self.file.read_exact(&mut dim).map_err(SourceError::io(&self.path))?;
            if dim != self.dim {
                let row = self.next + at as u64;
                let (found, first) = (u32::from_le_bytes(dim), u32::from_le_bytes(self.dim));
                return Err(SourceError::format(
                    &self.path,
                    format!("row {row} has {found} dimensions, the first has {first}"),
                ));
            }
            self.file.read_exact(vector).map_err(SourceError::io(&self.path))?;
        }
        let rows = numbered(self.next, count, self.element, bytes);
        self.next += count as u64;
        Ok(Some(rows))
    }
}
