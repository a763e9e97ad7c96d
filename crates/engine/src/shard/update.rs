//! What committed updates do: rows are written anew with what changes and what stays.

use super::State;
use super::apply::{Applied, passing};
use super::existing::{Existing, existing};
use super::state::Place;
use crate::columns::{self, request_id};
use crate::command::{Updated, UpdatedRows};
use crate::fetch::{by_block, fetch_scalars};
use crate::request::WriteOutcome;
use crate::segment::{Chunk, Rows, VectorPart, Versions};
use arrow_array::ArrayRef;
use std::collections::{BTreeMap, BTreeSet};
use vicinal_types::{ColumnId, ErrorKind, Version, limits};

/// Rows to be updated: where each is, and which of the new values is its; and which of
/// the ids have none.
#[derive(Default)]
struct Targets {
    places: Vec<Place>,
    values: Vec<u32>,
    missing: Vec<u32>,
}

/// Gives live rows new versions with the columns that the update sets.
pub(super) fn apply_update(state: &mut State, index: u64, update: &Updated) -> Applied {
    let targets = find(state, update)?;
    check_kept(state, index, update, &targets)?;
    let chunks: Vec<_> =
        write_anew(state, index, update, &targets).into_iter().map(Chunk::new).collect();
    for (ordinal, place) in (0..).zip(&targets.places) {
        state.delete(*place, Version { index, ordinal });
    }
    for chunk in chunks {
        let growing = state.growing();
        growing.copied_bytes += chunk.bytes() as u64;
        growing.push(chunk);
    }
    let replaced = targets.places.len() as u64;
    Ok(WriteOutcome { replaced, left_out: targets.missing, ..WriteOutcome::default() })
}

fn find(state: &State, update: &Updated) -> Result<Targets, (ErrorKind, String)> {
    let mut targets = Targets::default();
    match &update.rows {
        UpdatedRows::Ids { ids, guard } => {
            let ids = (0..ids.len()).map(|at| request_id(ids, at)).map(|id| (id.hash(), id));
            for (value, existing) in (0..).zip(existing(state, ids, guard)) {
                match existing {
                    Existing::Passing(place) => {
                        targets.places.push(place);
                        targets.values.push(value);
                    }
                    Existing::None | Existing::Refused | Existing::Expired(_) => {
                        targets.missing.push(value);
                    }
                }
            }
        }
        UpdatedRows::Where { filter, rows_max } => {
            targets.places = passing(state, filter);
            let found = targets.places.len();
            if found > *rows_max as usize {
                let reason = format!(
                    "{found} rows pass the filter of an update, which may be of {rows_max} here, by the bytes that it writes for each; nothing was changed: narrow the filter, for example by a range of `id`"
                );
                return Err((ErrorKind::Exhausted, reason));
            }
            targets.values = vec![0; found];
        }
    }
    Ok(targets)
}

/// Refuses an update that would copy too many bytes of columns that it does not set.
fn check_kept(
    state: &mut State,
    index: u64,
    update: &Updated,
    targets: &Targets,
) -> Result<(), (ErrorKind, String)> {
    let (mut bytes, mut columns) = (0, BTreeSet::new());
    for place in &targets.places {
        let (rows, row) = state.source(*place);
        for (id, array) in &rows.scalars {
            if update.scalars(*id).is_none() {
                bytes += columns::value_bytes(array, row as usize);
                columns.insert(*id);
            }
        }
    }
    let max = limits::UPDATED_BYTES_MAX;
    if bytes <= max {
        return Ok(());
    }
    // Applied again after a crash it must find them all, those dropped since included.
    state.reads(index, columns.into_iter());
    Err((
        ErrorKind::Exhausted,
        format!(
            "{} rows of an update have {bytes} bytes in columns that it does not set, which are copied; the limit is {max}; nothing was changed: update fewer rows at once",
            targets.places.len()
        ),
    ))
}

/// The rows as they are after the update. Those of blocks with different dropped columns
/// stay apart: what a row has that lacks such a column is not known any more, and a
/// filter of the log that is applied again may yet read it.
fn write_anew(state: &State, index: u64, update: &Updated, targets: &Targets) -> Vec<Rows> {
    let sources: Vec<_> = targets.places.iter().map(|place| state.source(*place)).collect();
    let (blocks, places) = by_block(&sources);
    let dropped: Vec<_> = blocks.iter().map(|rows| dropped_columns(rows, update)).collect();
    let mut groups: BTreeMap<&[ColumnId], Vec<u32>> = BTreeMap::new();
    for (at, place) in (0..).zip(&places) {
        groups.entry(&dropped[place.0]).or_default().push(at);
    }
    let count = u32::try_from(sources.len()).expect("an update's rows are few");
    let versions = Versions::of_command(index, count);
    let rows = groups.into_iter().map(|(dropped, members)| {
        let group = Group {
            update,
            blocks: &blocks,
            places: members.iter().map(|&at| places[at as usize]).collect(),
            values: members.iter().map(|&at| targets.values[at as usize]).collect(),
        };
        group.rows(dropped, versions.take(&members))
    });
    rows.collect()
}

/// Scalar columns of rows that the schema does not have any more.
fn dropped_columns(rows: &Rows, update: &Updated) -> Vec<ColumnId> {
    let is_dropped = |id: &ColumnId| update.schema.scalars().all(|(column, ..)| column.id != *id);
    let mut dropped: Vec<_> = rows.scalars.iter().map(|(id, _)| *id).filter(is_dropped).collect();
    dropped.sort_unstable();
    dropped
}

/// Rows whose blocks have the same dropped columns.
struct Group<'a> {
    update: &'a Updated,
    blocks: &'a [&'a Rows],
    /// Block of each row, and place in it.
    places: Vec<(usize, usize)>,
    /// Which of the new values is its.
    values: Vec<u32>,
}

impl Group<'_> {
    fn rows(&self, dropped: &[ColumnId], versions: Versions) -> Rows {
        let ids: Vec<_> = self.blocks.iter().map(|rows| &rows.ids).collect();
        let schema = &self.update.schema;
        let vectors = schema.vectors().map(|(column, _)| (column.id, self.vectors(column.id)));
        let scalars = schema.scalars().map(|(column, scalar, _)| {
            let given = self.update.scalars(column.id);
            let kept = || fetch_scalars(column, scalar, self.blocks, &self.places);
            (column.id, given.map_or_else(kept, |array| columns::take(array, &self.values)))
        });
        let given = self.update.scalars.iter().filter(|(id, _)| {
            !dropped.contains(id) && schema.scalars().all(|(column, ..)| column.id != *id)
        });
        let given = given.map(|(id, array)| (*id, columns::take(array, &self.values)));
        let dropped = dropped.iter().map(|id| (*id, self.dropped(*id)));
        Rows {
            ids: columns::interleave(&ids, &self.places),
            versions,
            vectors: vectors.collect(),
            scalars: scalars.chain(dropped).chain(given).collect(),
        }
    }

    fn vectors(&self, column: ColumnId) -> VectorPart {
        if let Some(part) = self.update.vectors(column) {
            return part.take(&self.values);
        }
        let parts = self.blocks.iter().map(|rows| rows.vectors(column));
        let parts: Vec<_> = parts.map(|part| part.expect("rows have all vector columns")).collect();
        VectorPart::interleave(&parts, &self.places)
    }

    /// What the group's rows have in a column that was dropped.
    fn dropped(&self, column: ColumnId) -> ArrayRef {
        if let Some(array) = self.update.scalars(column) {
            return columns::take(array, &self.values);
        }
        let own = self.blocks[self.places[0].0].scalars(column);
        let own = own.expect("the group's blocks have the column");
        // Blocks of other groups may lack it; no place is in them.
        let arrays: Vec<_> =
            self.blocks.iter().map(|rows| rows.scalars(column).unwrap_or(own)).collect();
        columns::interleave(&arrays, &self.places)
    }
}
