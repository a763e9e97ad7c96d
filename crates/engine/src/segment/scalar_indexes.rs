//! The indexes of a sealed segment's scalar columns: one file for all of them.

mod format;

use super::Rows;
use std::path::Path;
use std::sync::Arc;
use vicinal_scalar::{BuildError, Profile, ScalarIndex, choose};
use vicinal_storage::{Disk, SectionFile};
use vicinal_types::{Cancel, Column, ColumnId, ColumnIndex, Error, Result, ScalarType, Schema};

/// What a segment's file of scalar indexes has; nothing without one.
#[derive(Debug, Default)]
pub(crate) struct ScalarIndexes {
    columns: Vec<Indexed>,
    pub(crate) file_bytes: u64,
}

/// A column for which an index was declared when the file was written.
#[derive(Debug)]
pub(super) struct Indexed {
    column: ColumnId,
    declared: ColumnIndex,
    built: Option<Built>,
}

/// An index with the bytes that it takes; none if that is what was chosen.
#[derive(Debug)]
struct Built {
    index: ScalarIndex,
    bytes: u64,
}

impl ScalarIndexes {
    /// Maps a file over the rows that it was built for. A column that was dropped since
    /// has no index.
    ///
    /// # Errors
    /// `Corrupt` naming what is wrong with it.
    pub(crate) fn open(
        disk: &dyn Disk,
        path: &Path,
        file: u64,
        rows: &Rows,
        schema: &Schema,
    ) -> Result<Self> {
        let file = SectionFile::open(disk, path, file)?;
        let mut columns = Vec::new();
        for (column, declared) in format::read_table(&file)? {
            let living = schema.scalars().find(|(living, ..)| living.id == column);
            let values = living.zip(rows.scalars(column));
            let built = match (values, format::read_index(&file, column)?) {
                (Some(((_, scalar, _), array)), Some(bytes)) => {
                    let index = ScalarIndex::open(&bytes, scalar, array).map_err(|error| {
                        let path = path.display();
                        let what = format!("the index of column number {column} in {path}");
                        Error::corrupt(format!("{what} cannot be used")).caused_by(error)
                    })?;
                    Some(Built { index, bytes: bytes.len() as u64 })
                }
                (None, _) | (_, None) => None,
            };
            columns.push(Indexed { column, declared, built });
        }
        Ok(Self { columns, file_bytes: file.bytes_len() })
    }

    /// The index of a column, if it has one.
    pub(crate) fn index(&self, column: ColumnId) -> Option<&ScalarIndex> {
        let indexed = self.columns.iter().find(|indexed| indexed.column == column);
        indexed?.built.as_ref().map(|built| &built.index)
    }

    /// Bytes of a column's index.
    pub(crate) fn bytes(&self, column: ColumnId) -> u64 {
        let indexed = self.columns.iter().find(|indexed| indexed.column == column);
        indexed.and_then(|indexed| indexed.built.as_ref()).map_or(0, |built| built.bytes)
    }

    /// Whether a column has what is declared for it, or nothing where nothing can be.
    pub(crate) fn is_as_declared(&self, column: &Column, scalar: ScalarType, rows: &Rows) -> bool {
        let indexed = self.columns.iter().find(|indexed| indexed.column == column.id);
        if rows.scalars(column.id).is_none() || !may_have(column.index, scalar, rows) {
            return indexed.is_none_or(|indexed| indexed.built.is_none());
        }
        indexed.is_some_and(|indexed| indexed.declared == column.index)
    }

    /// Whether all columns of a schema, and no others, have what is declared.
    pub(crate) fn are_as_declared(&self, schema: &Schema, rows: &Rows) -> bool {
        let living =
            |indexed: &Indexed| schema.scalars().any(|(column, ..)| column.id == indexed.column);
        self.columns.iter().all(living)
            && schema.scalars().all(|(column, scalar, _)| self.is_as_declared(column, scalar, rows))
    }

    /// Writes a file with what is declared for the columns of these rows, and makes it
    /// durable; says whether there was something to write. What is as declared is copied.
    ///
    /// # Errors
    /// Those of the disk; `DeadlineExceeded` or `Cancelled` if it is cancelled.
    pub(crate) fn write(
        &self,
        disk: &Arc<dyn Disk>,
        path: &Path,
        file: u64,
        rows: &Rows,
        schema: &Schema,
        cancel: &Cancel,
    ) -> Result<bool> {
        let mut table = Vec::new();
        let mut indexes = Vec::new();
        for (column, scalar, _) in schema.scalars() {
            let Some(array) = rows.scalars(column.id) else { continue };
            if !may_have(column.index, scalar, rows) {
                continue;
            }
            cancel.check()?;
            table.push((column.id, column.index));
            let is_there = self.is_as_declared(column, scalar, rows);
            let known = self.index(column.id).filter(|_| is_there);
            let bytes = match known {
                Some(index) => Ok(Some(index.to_bytes())),
                None if is_there => Ok(None),
                None => build(column.index, scalar, array),
            };
            match bytes {
                Ok(Some(bytes)) => indexes.push((column.id, bytes)),
                Ok(None) => {}
                // It is not tried again: the values will not change.
                Err(error) => {
                    tracing::warn!("column `{}` of {}: {error}", column.name, path.display());
                }
            }
        }
        if table.is_empty() {
            return Ok(false);
        }
        format::write(disk, path, file, &table, &indexes)?;
        Ok(true)
    }
}

/// Whether a segment of so many rows may have an index of that column at all.
fn may_have(declared: ColumnIndex, scalar: ScalarType, rows: &Rows) -> bool {
    let profile = Profile { rows: rows.len() as usize, nulls: 0, distinct: 0 };
    choose(declared, scalar, &profile).is_some()
}

fn build(
    declared: ColumnIndex,
    scalar: ScalarType,
    array: &arrow_array::ArrayRef,
) -> Result<Option<Vec<u8>>, BuildError> {
    let profile = Profile::of(scalar, array)?;
    let Some(kind) = choose(declared, scalar, &profile) else { return Ok(None) };
    ScalarIndex::build(kind, scalar, array).map(|index| Some(index.to_bytes()))
}
