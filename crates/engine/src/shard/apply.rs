//! What committed commands do to a shard.

use super::existing::{Existing, existing};
use super::state::Place;
use super::update::apply_update;
use super::{Shard, State};
use crate::columns::{id_ref, request_id};
use crate::command::format::{Envelope, Kind, Part};
use crate::command::{
    Guard, Updated, UpdatedRows, decode_filter, decode_guard, decode_ids, decode_rows,
    decode_update, format,
};
use crate::filtering::CompiledFilter;
use crate::request::WriteOutcome;
use crate::segment::{Chunk, Rows};
use std::sync::Arc;
use vicinal_cluster::Committed;
use vicinal_storage::LogPosition;
use vicinal_types::{ErrorKind, Ids, Version};

/// A command, decoded before the state is locked.
enum Write {
    Rows { kind: Kind, chunk: Chunk, guard: Guard },
    Delete { ids: Ids, guard: Guard },
    DeleteWhere(Box<CompiledFilter>),
    Update(Box<Updated>),
}

/// What a write came to: its outcome, or why nothing was done.
pub(super) type Applied = Result<WriteOutcome, (ErrorKind, String)>;

impl Shard {
    /// Applies commands in order; one outcome each.
    ///
    /// # Panics
    /// If an entry is no command of this shard: a bug, or the log of another
    /// program; the group stops and says so.
    pub(crate) fn apply(self: &Arc<Self>, commands: &[Committed]) -> Vec<Applied> {
        let decoded: Vec<_> = commands.iter().map(|command| self.decode(command)).collect();
        let limits = self.settings().segments;
        let mut outcomes = Vec::with_capacity(commands.len());
        let mut state = self.state.write();
        for (command, (envelope, write)) in commands.iter().zip(decoded) {
            outcomes.push(self.apply_one(&mut state, command.index, &envelope, write));
            state.applied = LogPosition { index: command.index, term: command.term };
            state.growing().command_bytes += command.data.len() as u64;
            state.first_change.get_or_insert_with(|| self.clock.now());
            let growing = state.growing();
            let rows = u64::from(growing.view.row_count);
            if rows >= limits.max_rows
                || growing.command_bytes + growing.copied_bytes >= limits.max_bytes
            {
                state.freeze();
            }
        }
        self.publish(&mut state);
        drop(state);
        if self.has_frozen() {
            self.request_flush();
        }
        outcomes
    }

    /// Learns that entries without a command are applied, too.
    pub(crate) fn applied(&self, position: LogPosition) {
        let mut state = self.state.write();
        state.applied = state.applied.max(position);
    }

    fn decode(&self, command: &Committed) -> (Envelope, Write) {
        let (index, collection) = (command.index, self.collection);
        let decoded = format::decode(&command.data).and_then(|(envelope, parts)| {
            let write = self.decode_write(&envelope, &parts, index)?;
            Ok((envelope, write))
        });
        match decoded {
            Ok((envelope, write)) if envelope.collection == collection => (envelope, write),
            Ok((envelope, _)) => {
                let found = envelope.collection;
                panic!("log entry {index} is of collection {found}, this shard holds {collection}")
            }
            Err(error) => {
                panic!("log entry {index} of collection {collection} cannot be applied: {error}")
            }
        }
    }

    fn decode_write(
        &self,
        envelope: &Envelope,
        parts: &[Part],
        index: u64,
    ) -> Result<Write, format::CommandError> {
        let schema = &self.settings().schema;
        match envelope.kind {
            kind @ (Kind::Insert | Kind::Upsert) => {
                let rows = decode_rows(envelope, parts, schema, index)?;
                let guard = decode_guard(envelope, parts, schema)?;
                Ok(Write::Rows { kind, chunk: Chunk::new(rows), guard })
            }
            Kind::Delete => {
                let guard = decode_guard(envelope, parts, schema)?;
                Ok(Write::Delete { ids: decode_ids(parts, schema)?, guard })
            }
            Kind::DeleteWhere => {
                Ok(Write::DeleteWhere(Box::new(decode_filter(envelope, parts, schema)?)))
            }
            Kind::Update => Ok(Write::Update(Box::new(decode_update(envelope, parts, schema)?))),
            Kind::Catalogue => Err(format::CommandError::Wrong("kind, which is the catalogue's,")),
        }
    }

    fn apply_one(
        &self,
        state: &mut State,
        index: u64,
        envelope: &Envelope,
        write: Write,
    ) -> Applied {
        let repeated = envelope.request.and_then(|request| state.requests.get(request));
        if let Some((first, mut outcome)) = repeated {
            outcome.positions = vec![(self.group, first)];
            return Ok(outcome);
        }
        let mut outcome = match write {
            Write::Rows { kind, chunk, guard } => {
                state.filtered(index, guard.filters());
                apply_rows(state, index, kind, chunk, &guard)
            }
            Write::Delete { ids, guard } => {
                state.filtered(index, guard.filters());
                apply_delete(state, index, &ids, &guard)
            }
            Write::DeleteWhere(filter) => {
                state.filtered(index, std::iter::once(&*filter));
                apply_delete_where(state, index, &filter)
            }
            Write::Update(update) => {
                match &update.rows {
                    UpdatedRows::Ids { guard, .. } => state.filtered(index, guard.filters()),
                    UpdatedRows::Where { filter, .. } => {
                        state.filtered(index, std::iter::once(&**filter));
                    }
                }
                apply_update(state, index, &update)?
            }
        };
        if let Some(request) = envelope.request {
            state.requests.insert(index, request, &outcome);
        }
        outcome.positions = vec![(self.group, index)];
        Ok(outcome)
    }
}

fn apply_rows(
    state: &mut State,
    index: u64,
    kind: Kind,
    chunk: Chunk,
    guard: &Guard,
) -> WriteOutcome {
    let mut outcome = WriteOutcome::default();
    let mut kept = Vec::with_capacity(chunk.len() as usize);
    let ids = (0..).zip(&chunk.hashes).map(|(row, &hash)| (hash, id_ref(&chunk.rows.ids, row)));
    for (row, existing) in (0..).zip(existing(state, ids, guard)) {
        match (existing, kind) {
            (Existing::None, _) if !guard.existing_only => outcome.inserted += 1,
            (Existing::Expired(place), _) if !guard.existing_only => {
                state.delete(place, Version { index, ordinal: row });
                outcome.inserted += 1;
            }
            (Existing::Passing(place), Kind::Upsert) => {
                state.delete(place, Version { index, ordinal: row });
                outcome.replaced += 1;
            }
            (
                Existing::Passing(_),
                Kind::Insert | Kind::Delete | Kind::DeleteWhere | Kind::Update | Kind::Catalogue,
            )
            | (Existing::None | Existing::Refused | Existing::Expired(_), _) => {
                outcome.left_out.push(row);
                continue;
            }
        }
        kept.push(row);
    }
    if kept.len() == chunk.len() as usize {
        state.growing().push(chunk);
    } else if !kept.is_empty() {
        let rows: Rows = chunk.rows.take(&kept);
        state.growing().push(Chunk::new(rows));
    }
    outcome
}

/// Deletes rows by id. Those that have expired go, too, as if they were gone before.
fn apply_delete(state: &mut State, index: u64, ids: &Ids, guard: &Guard) -> WriteOutcome {
    let mut outcome = WriteOutcome::default();
    let ids = (0..ids.len()).map(|at| request_id(ids, at)).map(|id| (id.hash(), id));
    for (ordinal, existing) in (0..).zip(existing(state, ids, guard)) {
        match existing {
            Existing::Passing(place) => {
                state.delete(place, Version { index, ordinal });
                outcome.deleted += 1;
            }
            Existing::Expired(place) => state.delete(place, Version { index, ordinal }),
            Existing::None | Existing::Refused => {}
        }
    }
    outcome
}

/// Deletes what passes in the state that the command meets; nothing else decides.
fn apply_delete_where(state: &mut State, index: u64, filter: &CompiledFilter) -> WriteOutcome {
    let places = passing(state, filter);
    for (ordinal, place) in (0..).zip(&places) {
        state.delete(*place, Version { index, ordinal });
    }
    WriteOutcome { deleted: places.len() as u64, ..WriteOutcome::default() }
}

/// The live rows that pass.
pub(super) fn passing(state: &State, filter: &CompiledFilter) -> Vec<Place> {
    let fits = "the filter was checked against the columns that rows have";
    let mut places = Vec::new();
    for (at, segment) in state.sealed.iter().enumerate() {
        let rows = filter.of_sealed(&segment.view).expect(fits);
        places.extend(rows.iter().map(|row| Place::Sealed(at, row)));
    }
    for (at, segment) in state.memory.iter().enumerate() {
        let rows = filter.of_memory(&segment.view).expect(fits);
        places.extend(rows.iter().map(|row| Place::Memory(at, row)));
    }
    places
}
