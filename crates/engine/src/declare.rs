//! Changes of the catalogue: collections and aliases.

use crate::catalogue::{
    CatalogueCommand, CatalogueOutcome, ColumnDrops, LiveCollection, changes, database_name,
};
use crate::command::{self, Header};
use crate::engine::Engine;
use crate::machine::Outcome;
use crate::request::{Applied, ApplyMode};
use crate::shard::{SegmentView, params_of};
use std::sync::mpsc;
use vicinal_planner::choose_index;
use vicinal_types::{
    CollectionId, CollectionSpec, Column, ColumnId, DatabaseId, Error, GroupId, IndexEngine,
    IndexSpec, RequestId, Result,
};

impl Engine {
    /// Creates a collection and waits until it is durable.
    ///
    /// # Errors
    /// `AlreadyExists` if its name is taken, `Invalid` for its declaration, `Unavailable`
    /// or `Exhausted` if it is declared, and cannot be opened yet.
    pub fn create_collection(
        &self,
        database: &str,
        spec: CollectionSpec,
        request: Option<RequestId>,
    ) -> Result<CollectionId> {
        check_engines(&spec)?;
        let database = database_name(database).to_owned();
        self.create(CatalogueCommand::Create { database, spec }, request)
    }

    /// Creates a collection, and does not call it created while nobody can use it: it is
    /// declared then, and who asks again with the same request id hears how it is.
    fn create(
        &self,
        command: CatalogueCommand,
        request: Option<RequestId>,
    ) -> Result<CollectionId> {
        let outcome = self.change(command, request)?;
        let CatalogueOutcome::Created(id) = outcome else { return Err(other_request(&outcome)) };
        // Not there if it was dropped meanwhile.
        let names = self.catalogue().names();
        names.all().find(|live| live.info.id == id).map_or(Ok(id), |live| live.shard().map(|_| id))
    }

    /// Makes a collection be as declared: creates it, or changes what differs and
    /// may change; segments get new indexes in the background.
    ///
    /// # Errors
    /// `Invalid` for the declaration, or for a column that cannot become what is
    /// declared.
    pub fn apply_collection(
        &self,
        database: &str,
        spec: CollectionSpec,
        mode: ApplyMode,
        request: Option<RequestId>,
    ) -> Result<Applied> {
        spec.check()?;
        check_engines(&spec)?;
        let database = database_name(database).to_owned();
        let live = match self.live(&database, &spec.name) {
            Ok(live) => live,
            Err(_) => {
                let command = CatalogueCommand::Create { database, spec };
                if mode.dry_run {
                    self.catalogue().read(|state| state.check(&command, request))?;
                } else {
                    self.create(command, request)?;
                }
                return Ok(Applied { created: true, ..Applied::default() });
            }
        };
        let is = &live.info.spec;
        if is.name != spec.name {
            let (alias, name) = (&spec.name, &is.name);
            return Err(Error::invalid(format!(
                "`{alias}` is an alias of collection `{name}`; declare `{name}`"
            )));
        }
        let changes = changes(is, &spec);
        let segments_to_reindex = segments_to_reindex(&live, &spec)?;
        // Who only looks shall see what would be dropped.
        let drops = if mode.drop_columns || mode.dry_run {
            ColumnDrops::Allowed
        } else {
            ColumnDrops::Refused
        };
        let command = CatalogueCommand::Alter { database, spec, drops };
        if mode.dry_run || changes.is_empty() {
            // What cannot change is no change, but an error.
            self.catalogue().read(|state| state.check(&command, request))?;
        } else {
            self.change(command, request)?;
        }
        Ok(Applied { created: false, changes, segments_to_reindex })
    }

    /// Adds a scalar column; its number is chosen, and rows that are there answer
    /// its default, or null.
    ///
    /// # Errors
    /// `NotFound` for the collection, `AlreadyExists` for the column's name,
    /// `Invalid` for a column that is neither nullable nor has a default.
    pub fn add_column(
        &self,
        database: &str,
        collection: &str,
        column: Column,
        request: Option<RequestId>,
    ) -> Result<ColumnId> {
        let info = self.collection(database, collection)?;
        let (database, collection) = (info.database.clone(), info.spec.name.clone());
        let command = CatalogueCommand::AddColumn { database, collection, column };
        let outcome = self.change(command, request)?;
        if let CatalogueOutcome::ColumnAdded(id) = outcome {
            Ok(id)
        } else {
            Err(other_request(&outcome))
        }
    }

    /// Drops a column: no read or write knows it any more.
    ///
    /// # Errors
    /// `NotFound` for the collection or the column, `Invalid` for the last vector
    /// column.
    pub fn drop_column(
        &self,
        database: &str,
        collection: &str,
        column: &str,
        request: Option<RequestId>,
    ) -> Result<()> {
        let info = self.collection(database, collection)?;
        let (database, collection) = (info.database.clone(), info.spec.name.clone());
        let column = column.to_owned();
        let command = CatalogueCommand::DropColumn { database, collection, column };
        let outcome = self.change(command, request)?;
        if let CatalogueOutcome::ColumnDropped = outcome {
            Ok(())
        } else {
            Err(other_request(&outcome))
        }
    }

    /// Drops a collection with its rows, files and aliases.
    ///
    /// # Errors
    /// `NotFound` if there is no collection of that name.
    pub fn drop_collection(
        &self,
        database: &str,
        name: &str,
        request: Option<RequestId>,
    ) -> Result<()> {
        let (database, name) = (database_name(database).to_owned(), name.to_owned());
        let outcome = self.change(CatalogueCommand::Drop { database, name }, request)?;
        if let CatalogueOutcome::Dropped = outcome { Ok(()) } else { Err(other_request(&outcome)) }
    }

    /// Points an alias at a collection; returns what it pointed at before.
    ///
    /// # Errors
    /// `NotFound` for the collection, `AlreadyExists` if a collection has the name.
    pub fn set_alias(
        &self,
        database: &str,
        alias: &str,
        collection: &str,
        request: Option<RequestId>,
    ) -> Result<Option<String>> {
        let command = CatalogueCommand::SetAlias {
            database: database_name(database).to_owned(),
            alias: alias.to_owned(),
            collection: collection.to_owned(),
        };
        let outcome = self.change(command, request)?;
        if let CatalogueOutcome::AliasSet(previous) = outcome {
            Ok(previous)
        } else {
            Err(other_request(&outcome))
        }
    }

    /// Removes an alias.
    ///
    /// # Errors
    /// `NotFound` if it is not there.
    pub fn drop_alias(
        &self,
        database: &str,
        alias: &str,
        request: Option<RequestId>,
    ) -> Result<()> {
        let (database, alias) = (database_name(database).to_owned(), alias.to_owned());
        let outcome = self.change(CatalogueCommand::DropAlias { database, alias }, request)?;
        if let CatalogueOutcome::AliasDropped = outcome {
            Ok(())
        } else {
            Err(other_request(&outcome))
        }
    }

    pub(crate) fn change(
        &self,
        command: CatalogueCommand,
        request: Option<RequestId>,
    ) -> Result<CatalogueOutcome> {
        if !command.makes_room() {
            self.check_disk()?;
        }
        self.catalogue().read(|state| state.check(&command, request))?;
        let header = Header {
            database: DatabaseId::default(),
            collection: CollectionId::default(),
            schema_version: 0,
            request,
            time_micros: self.command_time(),
        };
        let text = serde_json::to_string(&command).expect("names and numbers are always JSON");
        let (sender, receiver) = mpsc::sync_channel(1);
        let done = move |outcome| {
            // The receiver is there until it has the outcome.
            let _ = sender.send(outcome);
        };
        let data = command::encode_text(&header, text);
        self.node().propose(GroupId::CATALOGUE, data, Box::new(done));
        let stopped = || Error::unavailable("the node stopped before the change was done");
        match receiver.recv().map_err(|_| stopped())?? {
            Outcome::Catalogue(outcome) => {
                outcome.map_err(|(kind, reason)| Error::new(kind, reason))
            }
            Outcome::Shard(_) => Err(Error::internal("the catalogue answered as a shard")),
        }
    }
}

/// Refuses indexes of engines that this build does not have.
pub(crate) fn check_engines(spec: &CollectionSpec) -> Result<()> {
    let is_missing =
        |index: &IndexSpec| index.engine == IndexEngine::Faiss && !cfg!(feature = "faiss");
    match spec.indexes.iter().find(|(_, index)| is_missing(index)) {
        Some((column, index)) => Err(Error::invalid(format!(
            "index of `{column}`: engine {} is not in this build; use native, or a server built with `--features faiss`",
            index.engine
        ))),
        None => Ok(()),
    }
}

fn segments_to_reindex(live: &LiveCollection, spec: &CollectionSpec) -> Result<u64> {
    let shard = live.shard()?;
    let differs = |segment: &&SegmentView| {
        let SegmentView::Sealed(sealed) = segment else {
            return false;
        };
        let indexed = |column: &Column| {
            let declared = spec.schema.column(&column.name);
            let index = declared.map_or(column.index, |declared| declared.index);
            Column { index, ..column.clone() }
        };
        let mut scalars = live.info.spec.schema.scalars();
        let rows = &sealed.sealed.rows;
        if scalars.any(|(column, scalar, _)| {
            !sealed.scalar_indexes.is_as_declared(&indexed(column), scalar, rows)
        }) {
            return true;
        }
        let stays = |name: &str| spec.schema.column(name).is_some();
        let columns = live.info.spec.schema.vectors();
        columns.filter(|(column, _)| stays(&column.name)).any(|(column, kind)| {
            let rows = u64::from(sealed.sealed.rows.len());
            let wanted = choose_index(rows, kind, &spec.index(&column.name)).params;
            params_of(sealed.index(column.id)) != wanted
        })
    };
    Ok(shard.view().segments.iter().filter(differs).count() as u64)
}

/// A request id that was used for another kind of change.
fn other_request(outcome: &CatalogueOutcome) -> Error {
    Error::invalid(format!(
        "the request id was used for another change before, which came to {outcome:?}; use a new id for each"
    ))
}
