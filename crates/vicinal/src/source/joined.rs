//! Vectors of one file with the ids and scalar columns of another, row by row.

use super::{Layout, Source, SourceError, parquet::ParquetRows};
use std::fs::File;
use std::path::{Path, PathBuf};
use vicinal_client::Rows;

/// Two files as one stream of rows.
pub(crate) struct JoinedRows {
    vectors: Source,
    columns: ParquetRows,
    path: PathBuf,
    layout: Layout,
}

impl JoinedRows {
    /// Joins vectors with a Parquet file of as many rows, in the same order.
    pub(super) fn open(vectors: Source, path: &Path) -> Result<Self, SourceError> {
        let file = File::open(path).map_err(SourceError::io(path))?;
        let columns = ParquetRows::open(path, file)?;
        let (rows, wanted) = (columns.layout().rows, vectors.layout().rows);
        if rows != wanted {
            let reason = format!("it has {rows} rows, the file of vectors has {wanted}");
            return Err(SourceError::format(path, reason));
        }
        let layout =
            Layout { vectors: vectors.layout().vectors.clone(), ..columns.layout().clone() };
        Ok(Self { vectors, columns, path: path.to_owned(), layout })
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn next_rows(&mut self, rows_max: usize) -> Result<Option<Rows>, SourceError> {
        let Some(columns) = self.columns.next_rows(rows_max)? else { return Ok(None) };
        let count = columns.len();
        let vectors = self.vectors.next_rows(count)?;
        let vectors = vectors.filter(|vectors| vectors.len() == count).ok_or_else(|| {
            SourceError::format(&self.path, "the file of vectors has ended before it")
        })?;
        let (ids, _, scalars) = columns.into_parts();
        let mut rows = Rows::new(ids);
        for (name, vectors) in vectors.into_parts().1 {
            rows = rows.vectors(name, vectors);
        }
        for (name, scalars) in scalars {
            rows = rows.column(name, scalars);
        }
        Ok(Some(rows))
    }
}
