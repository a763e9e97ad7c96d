//! Rows as columns, in memory or mapped: the form that searches and reads see.

use crate::columns;
use arrow_array::{Array, ArrayRef};
use std::sync::Arc;
use vicinal_index::Vectors;
use vicinal_types::{ColumnId, Version};

/// Rows of one segment, or a part of them; all columns have one length.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// Primary ids.
    pub(crate) ids: ArrayRef,
    /// When each row was written.
    pub(crate) versions: Versions,
    /// Those of every vector column that the collection has now, at least.
    pub(crate) vectors: Vec<(ColumnId, VectorPart)>,
    /// Those that the collection had when the rows were written: a column added
    /// since is missing, and every row has its default or null; one dropped
    /// since is still here, for deletes by filter that are applied again.
    pub(crate) scalars: Vec<(ColumnId, ArrayRef)>,
}

/// The vectors of one column.
#[derive(Clone, Debug)]
pub(crate) struct VectorPart {
    /// As compared: of length 1 under cosine.
    pub(crate) vectors: Vectors,
    /// Cosine: the length that each had.
    pub(crate) norms: Option<Arc<[f32]>>,
}

/// The versions of consecutive rows, as runs of consecutive ordinals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Versions {
    /// By ascending first row; the first starts at row 0.
    pub(crate) runs: Vec<Run>,
}

/// Rows of one command whose ordinals follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first_row: u32,
    pub(crate) first: Version,
}

impl Rows {
    /// How many rows there are.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.ids.len()).expect("a segment's rows have 32-bit offsets")
    }

    /// The vectors of a column; none only for a reader that still knows a column
    /// which was dropped before these rows were written.
    pub(crate) fn vectors(&self, column: ColumnId) -> Option<&VectorPart> {
        self.vectors.iter().find(|(id, _)| *id == column).map(|(_, part)| part)
    }

    /// The values of a scalar column; none if the rows are older than the column:
    /// all of them have its [default](columns::constant) then.
    pub(crate) fn scalars(&self, column: ColumnId) -> Option<&ArrayRef> {
        self.scalars.iter().find(|(id, _)| *id == column).map(|(_, array)| array)
    }

    /// Whether both have the same columns, in the same order.
    pub(crate) fn has_columns_of(&self, other: &Self) -> bool {
        let vectors = |rows: &Self| rows.vectors.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        let scalars = |rows: &Self| rows.scalars.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        vectors(self) == vectors(other) && scalars(self) == scalars(other)
    }

    /// Bytes that the columns take.
    pub(crate) fn bytes(&self) -> usize {
        let vectors = self.vectors.iter().map(|(_, part)| {
            part.vectors.bytes().len() + part.norms.as_ref().map_or(0, |norms| norms.len() * 4)
        });
        let scalars = self.scalars.iter().map(|(_, array)| array.get_buffer_memory_size());
        self.ids.get_buffer_memory_size() + vectors.sum::<usize>() + scalars.sum::<usize>()
    }

    /// Some of the rows, in the order given.
    pub(crate) fn take(&self, rows: &[u32]) -> Self {
        let vectors = self.vectors.iter().map(|(column, part)| (*column, part.take(rows)));
        Self {
            ids: columns::take(&self.ids, rows),
            versions: self.versions.take(rows),
            vectors: vectors.collect(),
            scalars: self
                .scalars
                .iter()
                .map(|(column, array)| (*column, columns::take(array, rows)))
                .collect(),
        }
    }

    /// All rows of the parts, one after another; they have the same columns in
    /// the same order.
    pub(crate) fn concat(parts: &[&Self]) -> Self {
        let first = parts[0];
        let vectors = first.vectors.iter().enumerate().map(|(at, (column, _))| {
            let blocks: Vec<_> = parts.iter().map(|part| &part.vectors[at].1).collect();
            (*column, VectorPart::concat(&blocks))
        });
        let scalars = first.scalars.iter().enumerate().map(|(at, (column, _))| {
            let arrays: Vec<_> = parts.iter().map(|part| &part.scalars[at].1).collect();
            (*column, columns::concat(&arrays))
        });
        let ids: Vec<_> = parts.iter().map(|part| &part.ids).collect();
        Self {
            versions: Versions::concat(parts.iter().map(|part| (&part.versions, part.len()))),
            vectors: vectors.collect(),
            scalars: scalars.collect(),
            ids: columns::concat(&ids),
        }
    }
}

impl VectorPart {
    /// Some of the vectors, in the order given.
    pub(crate) fn take(&self, rows: &[u32]) -> Self {
        let mut bytes = Vec::with_capacity(rows.len() * self.vectors.vector_type().row_bytes());
        for &row in rows {
            bytes.extend_from_slice(self.vectors.row(row));
        }
        let norms = self.norms.as_ref();
        Self {
            vectors: self.with_bytes(bytes),
            norms: norms.map(|norms| rows.iter().map(|&row| norms[row as usize]).collect()),
        }
    }

    /// Vectors of one column from several parts: (part, row) pairs in the order wanted.
    pub(crate) fn interleave(parts: &[&Self], places: &[(usize, usize)]) -> Self {
        let row_bytes = parts[0].vectors.vector_type().row_bytes();
        let mut bytes = Vec::with_capacity(places.len() * row_bytes);
        for &(part, row) in places {
            let at = row * row_bytes;
            bytes.extend_from_slice(&parts[part].vectors.bytes()[at..at + row_bytes]);
        }
        let norms = places.iter().map(|&(part, row)| Some(parts[part].norms.as_ref()?[row]));
        Self { vectors: parts[0].with_bytes(bytes), norms: norms.collect() }
    }

    fn concat(parts: &[&Self]) -> Self {
        let blocks: Vec<&[u8]> = parts.iter().map(|part| part.vectors.bytes().as_ref()).collect();
        let norms = parts.iter().map(|part| part.norms.as_deref()).collect::<Option<Vec<_>>>();
        Self {
            vectors: parts[0].with_bytes(blocks.concat()),
            norms: norms.map(|norms| norms.concat().into()),
        }
    }

    fn with_bytes(&self, bytes: Vec<u8>) -> Vectors {
        Vectors::new(self.vectors.vector_type(), bytes.into())
            .expect("whole vectors put together are whole vectors")
    }
}

impl Versions {
    /// Those of all rows of one command.
    pub(crate) fn of_command(index: u64, rows: u32) -> Self {
        let first = Version { index, ordinal: 0 };
        let run = Run { first_row: 0, first };
        Self { runs: if rows == 0 { Vec::new() } else { vec![run] } }
    }

    /// The version of a row.
    pub(crate) fn get(&self, row: u32) -> Version {
        let after = self.runs.partition_point(|run| run.first_row <= row);
        let run = self.runs[after - 1];
        let ordinal = run.first.ordinal + (row - run.first_row);
        Version { index: run.first.index, ordinal }
    }

    fn push(&mut self, row: u32, version: Version) {
        let follows = self.runs.last().is_some_and(|run| {
            run.first.index == version.index
                && run.first.ordinal + (row - run.first_row) == version.ordinal
        });
        if !follows {
            self.runs.push(Run { first_row: row, first: version });
        }
    }

    /// Those of some of the rows, in the order given.
    pub(crate) fn take(&self, rows: &[u32]) -> Self {
        let mut taken = Self::default();
        for (to, &row) in (0..).zip(rows) {
            taken.push(to, self.get(row));
        }
        taken
    }

    fn concat<'a>(parts: impl Iterator<Item = (&'a Self, u32)>) -> Self {
        let mut all = Self::default();
        let mut base = 0;
        for (part, rows) in parts {
            for run in &part.runs {
                all.push(base + run.first_row, run.first);
            }
            base += rows;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(index: u64, ordinal: u32) -> Version {
        Version { index, ordinal }
    }

    #[test]
    fn versions_are_runs_and_survive_take_and_concat() {
        let a = Versions::of_command(5, 4);
        let kept = a.take(&[0, 1, 3]);
        assert_eq!(kept.runs.len(), 2);
        let b = Versions::of_command(6, 2);
        let all = Versions::concat([(&kept, 3), (&b, 2)].into_iter());
        let seen: Vec<_> = (0..5).map(|row| all.get(row)).collect();
        assert_eq!(
            seen,
            [version(5, 0), version(5, 1), version(5, 3), version(6, 0), version(6, 1)]
        );
    }
}
