//! What a merge reads and the segment that it makes, until it is installed.

use crate::columns::{IdRef, id_ref};
use crate::segment::{
    BuiltIndex, Dropped, Part, Rows, Sealed, SealedView, Tombstone, dropped, write_segment,
};
use crate::shard::Shard;
use crate::shard::manifest::{FileKind, file_path};
use std::path::PathBuf;
use std::sync::Arc;
use vicinal_index::Progress;
use vicinal_types::{Bitmap, Cancel, Error, IndexParams, Result, Schema, SegmentId, Version};

/// A segment that is merged.
pub(super) struct Input {
    pub(super) view: SealedView,
    /// Rows that the new segment has, too.
    live: Bitmap,
    /// The same as a list, ascending.
    kept: Vec<u32>,
}

/// The new segment, durable but not named yet.
pub(super) struct Output {
    pub(super) sealed: Sealed,
    pub(super) file: u64,
    /// Its indexes and the numbers of their files.
    pub(super) indexes: Vec<(u64, Arc<BuiltIndex>)>,
    /// Whether columns that were dropped are no longer there.
    pub(super) leaves_columns: bool,
}

/// What can be said of a set of rows in a few bytes: two sets with the same sum have
/// the same ids with the same versions, each as often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct RowSum {
    rows: u64,
    /// Of the rows' hashes.
    xor: u64,
    sum: u64,
}

impl Input {
    /// Without the deleted rows.
    pub(super) fn new(view: SealedView, deleted: &[Tombstone]) -> Self {
        let mut live = Bitmap::full(view.sealed.rows.len() as usize);
        for tombstone in deleted {
            live.remove(tombstone.row);
        }
        let kept = live.iter().collect();
        Self { view, live, kept }
    }

    pub(super) fn id(&self) -> SegmentId {
        self.view.sealed.id
    }

    /// Bytes that copying reads.
    pub(super) fn bytes(&self) -> u64 {
        self.view.sealed.file_bytes
    }

    /// How many of its rows the new segment has.
    pub(super) fn kept_count(&self) -> usize {
        self.kept.len()
    }

    /// The place among those of a row that is kept.
    pub(super) fn place(&self, row: u32) -> Option<usize> {
        self.kept.binary_search(&row).ok()
    }
}

impl Output {
    /// Bytes that were written.
    pub(super) fn bytes(&self) -> u64 {
        let indexes = self.indexes.iter().map(|(_, index)| index.file_bytes);
        self.sealed.file_bytes + indexes.sum::<u64>()
    }
}

impl RowSum {
    fn add(&mut self, id: IdRef<'_>, version: Version) {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&version.index.to_le_bytes());
        bytes[8..].copy_from_slice(&version.ordinal.to_le_bytes());
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed(&bytes, id.hash());
        self.rows += 1;
        self.xor ^= hash;
        self.sum = self.sum.wrapping_add(hash);
    }

    fn add_rows(&mut self, rows: &Rows, is_live: impl Fn(u32) -> bool) {
        for row in (0..rows.len()).filter(|row| is_live(*row)) {
            self.add(id_ref(&rows.ids, row as usize), rows.versions.get(row));
        }
    }
}

/// Refuses a segment that has not just the rows that live in those it is to replace.
fn check_rows(inputs: &[Input], output: &Rows) -> Result<()> {
    let (mut before, mut after) = (RowSum::default(), RowSum::default());
    for input in inputs {
        before.add_rows(&input.view.sealed.rows, |row| input.live.contains(row));
    }
    after.add_rows(output, |_| true);
    if before == after {
        return Ok(());
    }
    metrics::counter!("vicinal_compaction_mismatches_total").increment(1);
    Err(Error::internal(format!(
        "a merged segment has other rows ({after:?}) than those it was made of ({before:?}); these are kept"
    )))
}

impl Shard {
    /// Whether nothing that the log may have to apply again asks for columns that were
    /// dropped: every write whose filter reads one is in the manifest's files. Later ones
    /// were checked against a schema without these columns.
    pub(super) fn may_drop_columns(&self) -> bool {
        let settings = self.settings();
        self.state.read().may_drop_columns(&settings.schema)
    }

    /// Writes the rows that live, checks what was written, and builds its indexes;
    /// nothing if no row lives. Files that are there now are added to `files`.
    pub(super) fn write_output(
        &self,
        inputs: &[Input],
        cancel: &Cancel,
        pool: &rayon::ThreadPool,
        files: &mut Vec<PathBuf>,
    ) -> Result<Option<Output>> {
        let inputs_with_rows = || inputs.iter().filter(|input| !input.kept.is_empty());
        if inputs_with_rows().next().is_none() {
            return Ok(None);
        }
        // Taken after the inputs: it knows every column that rows of them have.
        let schema = Arc::clone(&self.settings().schema);
        let parts: Vec<_> = inputs_with_rows()
            .map(|input| Part {
                rows: &input.view.sealed.rows,
                hashes: None,
                kept: input.kept.clone(),
            })
            .collect();
        let (id, file) = (self.state.write().take_segment(), self.take_file());
        let path = file_path(&self.dir, FileKind::Rows, file);
        let leaves_columns = !dropped(&parts, &schema).is_empty() && self.may_drop_columns();
        let columns = if leaves_columns { Dropped::Left } else { Dropped::Kept };
        write_segment(&self.disk, &path, file, &parts, &schema, columns)?;
        drop(parts);
        files.push(path.clone());
        let sealed = Sealed::open(&*self.disk, &path, file, id, &schema)?;
        check_rows(inputs, &sealed.rows)?;
        let indexes = self.write_indexes(&sealed, &schema, cancel, pool, files)?;
        Ok(Some(Output { sealed, file, indexes, leaves_columns }))
    }

    fn write_indexes(
        &self,
        sealed: &Sealed,
        schema: &Schema,
        cancel: &Cancel,
        pool: &rayon::ThreadPool,
        files: &mut Vec<PathBuf>,
    ) -> Result<Vec<(u64, Arc<BuiltIndex>)>> {
        let mut indexes = Vec::new();
        let memory = self.maintenance.upgrade().map(|of| Arc::clone(of.hot_memory()));
        for (column, kind) in schema.vectors() {
            let params = self.choose(column.id, kind, sealed.rows.len()).params;
            if params == IndexParams::Flat {
                continue;
            }
            let progress = Progress::default();
            let built = self.write_index(sealed, column.id, &params, &progress, cancel, pool)?;
            let Some((file, built)) = built else { continue };
            files.push(file_path(&self.dir, FileKind::Index, file));
            // Before searches come, who would read the file's pages cold.
            if let Some(memory) = memory.as_ref().filter(|memory| built.wants_copy(memory)) {
                built.copy_to(memory, sealed, &*self.clock);
            }
            indexes.push((file, Arc::new(built)));
        }
        Ok(indexes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(rows: &[(i64, u64, u32)]) -> RowSum {
        let mut sum = RowSum::default();
        for &(id, index, ordinal) in rows {
            sum.add(IdRef::Int(id), Version { index, ordinal });
        }
        sum
    }

    #[test]
    fn the_sum_tells_sets_of_rows_apart() {
        let rows = [(1, 5, 0), (2, 5, 1), (3, 6, 0)];
        let mut other_order = rows;
        other_order.reverse();
        assert_eq!(sum(&rows), sum(&other_order));
        let lost = &rows[..2];
        let twice = [rows[0], rows[1], rows[2], rows[2]];
        let in_place_of_another = [rows[0], rows[2], rows[2]];
        let older = [rows[0], rows[1], (3, 4, 0)];
        let other_ordinal = [rows[0], rows[1], (3, 6, 1)];
        let swapped = [(2, 5, 0), (1, 5, 1), rows[2]];
        for other in [lost, &twice, &in_place_of_another, &older, &other_ordinal, &swapped] {
            assert_ne!(sum(&rows), sum(other), "{other:?}");
        }
    }
}
