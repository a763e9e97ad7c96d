//! Putting a merged segment in the place of those it was made of.

use super::output::{Input, Output};
use crate::segment::{SealedView, Tombstone, write_tombstones};
use crate::shard::Shard;
use crate::shard::id_range::IdRange;
use crate::shard::manifest::{
    Body, FileKind, IndexEntry, SegmentEntry, TombstonesEntry, file_path,
};
use crate::shard::space::Retired;
use crate::shard::state::{SealedState, State};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vicinal_types::{Error, Result, SegmentId};

impl Shard {
    /// Names the output, if any row lives, in place of the inputs, then lets searches
    /// see it and removes the inputs' files. Files written are added to `files`.
    pub(super) fn install_merge(
        &self,
        inputs: &[Input],
        output: Option<Output>,
        files: &mut Vec<PathBuf>,
    ) -> Result<()> {
        let _sealing = self.sealing.lock();
        if output.as_ref().is_some_and(|output| output.leaves_columns) && !self.may_drop_columns() {
            return Err(Error::conflict(
                "rows were deleted by a filter while segments were merged without the columns that were dropped",
            ));
        }
        let (carried, durable) = {
            let state = self.state.read();
            (carry(&state, inputs)?, state.durable)
        };
        let carried: Vec<_> =
            carried.into_iter().filter(|tombstone| tombstone.version.index <= durable).collect();
        #[cfg(feature = "seeded-bugs")]
        let carried = self.miscarry(carried);
        let tombstones = self.write_carried(&carried, files)?;
        let entry = output.as_ref().map(|output| entry(output, tombstones));
        let obsolete = self.name_merge(inputs, entry)?;
        let replaced = self.show_merge(inputs, output);
        let bytes = replaced.iter().map(|of| of.view.file_bytes()).sum();
        self.retired.lock().push(Retired::new(&replaced, bytes));
        drop(replaced);
        self.remove_files(&obsolete);
        Ok(())
    }

    fn write_carried(
        &self,
        carried: &[Tombstone],
        files: &mut Vec<PathBuf>,
    ) -> Result<Option<TombstonesEntry>> {
        if carried.is_empty() {
            return Ok(None);
        }
        let file = self.take_file();
        let path = file_path(&self.dir, FileKind::Tombstones, file);
        write_tombstones(&self.disk, &path, file, carried)?;
        files.push(path);
        Ok(Some(TombstonesEntry { file, count: carried.len() as u64 }))
    }

    /// One manifest edit; the files that no manifest names then.
    fn name_merge(&self, inputs: &[Input], entry: Option<SegmentEntry>) -> Result<Vec<PathBuf>> {
        let mut manifest = self.manifest.lock();
        // Index builds may have named files since; only what is ours is changed.
        let mut body = manifest.body.clone();
        let is_input = |id: SegmentId| inputs.iter().any(|input| input.id() == id);
        let replaced = body.segments.iter().filter(|entry| is_input(entry.id));
        let obsolete = replaced.flat_map(|entry| paths(&self.dir, entry)).collect();
        #[cfg(feature = "seeded-bugs")]
        let old = body.segments.clone();
        replace(&mut body, is_input, entry);
        #[cfg(feature = "seeded-bugs")]
        self.misreplace(&mut body, old, is_input);
        manifest.store.commit(&body.encode())?;
        manifest.body = body;
        Ok(obsolete)
    }

    /// Lets searches see the output; what they no longer see.
    fn show_merge(&self, inputs: &[Input], output: Option<Output>) -> Vec<SealedState> {
        let mut state = self.state.write();
        let tombstones = carry(&state, inputs).expect("only merges take segments away, in turn");
        #[cfg(feature = "seeded-bugs")]
        let tombstones = self.miscarry(tombstones);
        let is_input = |of: &SealedState| inputs.iter().any(|i| i.id() == of.view.sealed.id);
        let place = state.sealed.iter().position(is_input).unwrap_or(state.sealed.len());
        let all = std::mem::take(&mut state.sealed);
        let (replaced, mut left): (Vec<_>, Vec<_>) = all.into_iter().partition(is_input);
        if let Some(Output { sealed, indexes, .. }) = output {
            let mut view = SealedView {
                sealed: Arc::new(sealed),
                indexes: indexes.into_iter().map(|(_, index)| index).collect(),
                scalar_indexes: Arc::default(),
                live: None,
                deleted_count: 0,
                interim: None,
            };
            tombstones.iter().for_each(|tombstone| view.delete(tombstone.row));
            left.insert(place, SealedState { view, tombstones });
        }
        state.sealed = left;
        self.publish(&mut state);
        drop(state);
        let of_inputs = |segment: SegmentId| inputs.iter().any(|input| input.id() == segment);
        self.builds.lock().retain(|(segment, _), _| !of_inputs(*segment));
        replaced
    }
}

/// The deletions of rows that the output has, by its rows, in order of their versions.
///
/// # Errors
/// `Internal` if an input is gone, or more or fewer of its rows live than were kept.
fn carry(state: &State, inputs: &[Input]) -> Result<Vec<Tombstone>> {
    let mut carried = Vec::new();
    let (mut first_row, mut live) = (0, 0);
    for input in inputs {
        let id = input.id();
        let gone = || Error::internal(format!("segment {id} went away while it was merged"));
        let of = &state.sealed[state.sealed_at(id).ok_or_else(gone)?];
        live += of.view.live_count();
        let moved = of.tombstones.iter().filter_map(|tombstone| {
            let row = first_row + input.place(tombstone.row)?;
            let row = u32::try_from(row).expect("a segment's rows have 32-bit offsets");
            Some(Tombstone { row, ..*tombstone })
        });
        carried.extend(moved);
        first_row += input.kept_count();
    }
    if first_row as u64 != live + carried.len() as u64 {
        let carried = carried.len();
        return Err(Error::internal(format!(
            "a merged segment has {first_row} rows, of which {carried} were deleted since, instead of {live} that live; those it was made of are kept"
        )));
    }
    carried.sort_by_key(|tombstone| tombstone.version);
    Ok(carried)
}

fn entry(output: &Output, tombstones: Option<TombstonesEntry>) -> SegmentEntry {
    let index = |(file, index): &(u64, Arc<crate::segment::BuiltIndex>)| {
        IndexEntry::new(index.column, *file, &index.curves)
    };
    SegmentEntry {
        id: output.sealed.id,
        file: output.file,
        rows: output.sealed.rows.len(),
        ids: IdRange::of(&output.sealed.rows.ids),
        tombstones,
        indexes: output.indexes.iter().map(index).collect(),
        scalar_indexes: None,
    }
}

/// Puts the entry where the first of those was that it replaces.
fn replace(body: &mut Body, is_input: impl Fn(SegmentId) -> bool, entry: Option<SegmentEntry>) {
    let place = body.segments.iter().position(|entry| is_input(entry.id));
    body.segments.retain(|entry| !is_input(entry.id));
    if let Some(entry) = entry {
        body.next_segment = body.next_segment.max(SegmentId(entry.id.0 + 1));
        body.segments.insert(place.unwrap_or(body.segments.len()), entry);
    }
}

/// The files of a segment.
fn paths(dir: &Path, entry: &SegmentEntry) -> Vec<PathBuf> {
    let rows = std::iter::once((FileKind::Rows, entry.file));
    let tombstones = entry.tombstones.iter().map(|of| (FileKind::Tombstones, of.file));
    let indexes = entry.indexes.iter().map(|index| (FileKind::Index, index.file));
    let scalars = entry.scalar_indexes.iter().map(|file| (FileKind::ScalarIndexes, *file));
    let files = rows.chain(tombstones).chain(indexes).chain(scalars);
    files.map(|(kind, file)| file_path(dir, kind, file)).collect()
}
