//! The catalogue's documents, and what commands do to them.
//!
//! Kept as one JSON document in the manifest of group 0.

mod restore;

pub(crate) use restore::Restored;

use super::names::database_name;
use super::schemas::{ColumnDrops, declared_schema, with_column, without_column};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use vicinal_storage::LogPosition;
use vicinal_types::{
    CollectionId, CollectionSpec, Column, ColumnId, DatabaseId, Error, GroupId, RequestId, Result,
    Schema, check_object_name, limits,
};

/// The version of the document.
const VERSION: u32 = 1;

/// Requests whose outcomes are remembered: retries come within seconds, and
/// declaring collections is rare.
const REQUESTS_KEPT: usize = 256;

/// A change of the catalogue, as it stands in the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CatalogueCommand {
    /// Creates a collection.
    Create { database: String, spec: CollectionSpec },
    /// Creates a collection of files that are staged on this node.
    Restore {
        database: String,
        spec: CollectionSpec,
        schema_version: u32,
        next_column: u32,
        restored: Restored,
    },
    /// Gives a collection the columns, segment limits and indexes of the
    /// declaration.
    Alter {
        database: String,
        spec: CollectionSpec,
        #[serde(default)]
        drops: ColumnDrops,
    },
    /// Adds a column; its number is the catalogue's to give.
    AddColumn { database: String, collection: String, column: Column },
    /// Drops a column.
    DropColumn { database: String, collection: String, column: String },
    /// Drops a collection and its aliases.
    Drop { database: String, name: String },
    /// Points an alias at a collection.
    SetAlias { database: String, alias: String, collection: String },
    /// Removes an alias.
    DropAlias { database: String, alias: String },
}

impl CatalogueCommand {
    /// Whether it takes something away: a full disk is no reason to refuse it.
    pub(crate) fn makes_room(&self) -> bool {
        match self {
            Self::Drop { .. } | Self::DropColumn { .. } | Self::DropAlias { .. } => true,
            Self::Create { .. }
            | Self::Restore { .. }
            | Self::Alter { .. }
            | Self::AddColumn { .. }
            | Self::SetAlias { .. } => false,
        }
    }
}

/// What a change came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CatalogueOutcome {
    Created(CollectionId),
    Altered,
    ColumnAdded(ColumnId),
    ColumnDropped,
    Dropped,
    /// What the alias pointed at before.
    AliasSet(Option<String>),
    AliasDropped,
}

/// The documents.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    version: u32,
    applied_index: u64,
    applied_term: u64,
    next_collection: u32,
    next_group: u64,
    databases: BTreeMap<String, DatabaseId>,
    collections: BTreeMap<CollectionId, Entry>,
    /// Database, alias, collection name.
    aliases: BTreeMap<String, BTreeMap<String, String>>,
    /// Oldest first.
    requests: Vec<(RequestId, CatalogueOutcome)>,
}

/// A collection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) database: String,
    pub(crate) spec: CollectionSpec,
    pub(crate) schema_version: u32,
    /// The number of the next column, unless one that is there has a higher one:
    /// numbers are never given twice, rows of dropped columns may be in files.
    #[serde(default)]
    next_column: u32,
    /// What it began with, if it was restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) restored: Option<Restored>,
    /// The group of its shard, which owns all slots of the id hash.
    pub(crate) group: GroupId,
}

impl Entry {
    /// The number of the next column.
    fn next_column(&self) -> ColumnId {
        let highest = self.spec.schema.columns().iter().map(|column| column.id.0).max();
        ColumnId(self.next_column.max(highest.unwrap_or_default() + 1))
    }

    /// Takes other columns, if they are others.
    fn set_schema(&mut self, schema: Schema) {
        if self.spec.schema == schema {
            return;
        }
        // Before columns go, so that their numbers are not given again.
        self.next_column = self.next_column().0;
        self.spec.schema = schema;
        self.schema_version += 1;
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            version: VERSION,
            applied_index: 0,
            applied_term: 0,
            next_collection: 1,
            next_group: 1,
            databases: BTreeMap::from([(database_name("").to_owned(), DatabaseId(0))]),
            collections: BTreeMap::new(),
            aliases: BTreeMap::new(),
            requests: Vec::new(),
        }
    }
}

impl State {
    /// Reads the document.
    ///
    /// # Errors
    /// `Corrupt` for what no program writes, `Invalid` for a newer version.
    pub(crate) fn decode(bytes: &[u8], dir: &Path) -> Result<Self> {
        let state: Self = serde_json::from_slice(bytes).map_err(|error| {
            Error::corrupt(format!("the catalogue in {} cannot be read", dir.display()))
                .caused_by(error)
        })?;
        if state.version != VERSION {
            let (dir, found) = (dir.display(), state.version);
            return Err(Error::invalid(format!(
                "the catalogue in {dir} has version {found}, this program reads version {VERSION}; start the program that wrote it"
            )));
        }
        Ok(state)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("names, numbers and lists are always JSON")
    }

    pub(crate) fn applied(&self) -> LogPosition {
        LogPosition { index: self.applied_index, term: self.applied_term }
    }

    pub(super) fn set_applied(&mut self, position: LogPosition) {
        let position = position.max(self.applied());
        (self.applied_index, self.applied_term) = (position.index, position.term);
    }

    pub(crate) fn collections(&self) -> impl Iterator<Item = (CollectionId, &Entry)> {
        self.collections.iter().map(|(id, entry)| (*id, entry))
    }

    pub(super) fn aliases(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.aliases.iter().flat_map(|(database, aliases)| {
            aliases.iter().map(|(alias, name)| (database.as_str(), alias.as_str(), name.as_str()))
        })
    }

    /// The number of a database that has a collection.
    pub(super) fn database(&self, name: &str) -> DatabaseId {
        self.databases.get(name).copied().unwrap_or_default()
    }

    /// Applies a command; the outcome is the same on every replica.
    pub(crate) fn apply(
        &mut self,
        position: LogPosition,
        request: Option<RequestId>,
        command: CatalogueCommand,
    ) -> Result<CatalogueOutcome> {
        self.set_applied(position);
        let repeated = self.requests.iter().find(|(known, _)| Some(*known) == request);
        if let Some((_, outcome)) = repeated {
            return Ok(outcome.clone());
        }
        let outcome = match command {
            CatalogueCommand::Create { database, spec } => self.create(database, spec),
            CatalogueCommand::Restore { database, spec, schema_version, next_column, restored } => {
                self.restore(database, spec, (schema_version, next_column), restored)
            }
            CatalogueCommand::Alter { database, spec, drops } => self.alter(&database, spec, drops),
            CatalogueCommand::AddColumn { database, collection, column } => {
                self.add_column(&database, &collection, column)
            }
            CatalogueCommand::DropColumn { database, collection, column } => {
                self.drop_column(&database, &collection, &column)
            }
            CatalogueCommand::Drop { database, name } => self.drop(&database, &name),
            CatalogueCommand::SetAlias { database, alias, collection } => {
                self.set_alias(&database, alias, collection)
            }
            CatalogueCommand::DropAlias { database, alias } => self.drop_alias(&database, &alias),
        }?;
        if let Some(request) = request {
            self.requests.push((request, outcome.clone()));
            let beyond = self.requests.len().saturating_sub(REQUESTS_KEPT);
            self.requests.drain(..beyond);
        }
        Ok(outcome)
    }

    /// Refuses what [`apply`](Self::apply) would refuse, before it is proposed.
    ///
    /// # Errors
    /// The same as applying it.
    pub(crate) fn check(
        &self,
        command: &CatalogueCommand,
        request: Option<RequestId>,
    ) -> Result<()> {
        let mut copy = self.clone();
        copy.apply(self.applied(), request, command.clone()).map(|_| ())
    }

    fn create(&mut self, database: String, spec: CollectionSpec) -> Result<CatalogueOutcome> {
        check_object_name("database", &database)?;
        spec.check()?;
        let name = &spec.name;
        if self.find(&database, name).is_some() {
            return Err(Error::already_exists(format!(
                "collection `{name}` exists in database `{database}`; drop it first or choose another name"
            )));
        }
        if self.aliases.get(&database).is_some_and(|aliases| aliases.contains_key(name)) {
            return Err(Error::already_exists(format!(
                "`{name}` is an alias in database `{database}`; drop it first or choose another name"
            )));
        }
        let max = limits::COLLECTIONS_MAX;
        if self.collections.len() >= max {
            return Err(Error::exhausted(format!(
                "the node has {max} collections, which is the limit; drop one first"
            )));
        }
        let id = CollectionId(self.next_collection);
        self.next_collection += 1;
        let group = GroupId(self.next_group);
        self.next_group += 1;
        let next_database = DatabaseId(u32::try_from(self.databases.len()).unwrap_or(u32::MAX));
        self.databases.entry(database.clone()).or_insert(next_database);
        let entry =
            Entry { database, spec, schema_version: 1, next_column: 0, restored: None, group };
        self.collections.insert(id, entry);
        Ok(CatalogueOutcome::Created(id))
    }

    fn alter(
        &mut self,
        database: &str,
        spec: CollectionSpec,
        drops: ColumnDrops,
    ) -> Result<CatalogueOutcome> {
        spec.check()?;
        let entry = self.existing_entry(database, &spec.name)?;
        let schema = declared_schema(&entry.spec, &spec, drops, entry.next_column())?;
        entry.set_schema(schema);
        entry.spec.segments = spec.segments;
        entry.spec.indexes = spec.indexes;
        entry.spec.ttl = spec.ttl;
        Ok(CatalogueOutcome::Altered)
    }

    fn add_column(
        &mut self,
        database: &str,
        collection: &str,
        column: Column,
    ) -> Result<CatalogueOutcome> {
        let entry = self.existing_entry(database, collection)?;
        let id = entry.next_column();
        entry.set_schema(with_column(&entry.spec.schema, Column { id, ..column })?);
        Ok(CatalogueOutcome::ColumnAdded(id))
    }

    fn drop_column(
        &mut self,
        database: &str,
        collection: &str,
        column: &str,
    ) -> Result<CatalogueOutcome> {
        let entry = self.existing_entry(database, collection)?;
        if entry.spec.ttl.as_ref().is_some_and(|ttl| ttl.column == column) {
            return Err(Error::invalid(format!(
                "column `{column}` says until when rows of collection `{collection}` live and cannot be dropped; apply a declaration without ttl first (`vicinal apply`)"
            )));
        }
        entry.set_schema(without_column(&entry.spec.schema, column)?);
        entry.spec.indexes.remove(column);
        Ok(CatalogueOutcome::ColumnDropped)
    }

    fn drop(&mut self, database: &str, name: &str) -> Result<CatalogueOutcome> {
        let id = self.existing(database, name)?;
        self.collections.remove(&id);
        if let Some(aliases) = self.aliases.get_mut(database) {
            aliases.retain(|_, collection| collection != name);
        }
        Ok(CatalogueOutcome::Dropped)
    }

    fn set_alias(
        &mut self,
        database: &str,
        alias: String,
        collection: String,
    ) -> Result<CatalogueOutcome> {
        check_object_name("alias", &alias)?;
        self.existing(database, &collection)?;
        if self.find(database, &alias).is_some() {
            return Err(Error::already_exists(format!(
                "`{alias}` is a collection in database `{database}`; choose another alias"
            )));
        }
        let max = limits::ALIASES_MAX;
        if self.aliases.values().map(BTreeMap::len).sum::<usize>() >= max {
            return Err(Error::exhausted(format!(
                "the node has {max} aliases, which is the limit; drop one first"
            )));
        }
        let aliases = self.aliases.entry(database.to_owned()).or_default();
        Ok(CatalogueOutcome::AliasSet(aliases.insert(alias, collection)))
    }

    fn drop_alias(&mut self, database: &str, alias: &str) -> Result<CatalogueOutcome> {
        let aliases = self.aliases.get_mut(database);
        match aliases.and_then(|aliases| aliases.remove(alias)) {
            Some(_) => Ok(CatalogueOutcome::AliasDropped),
            None => Err(Error::not_found(format!(
                "there is no alias `{alias}` in database `{database}`"
            ))),
        }
    }

    fn find(&self, database: &str, name: &str) -> Option<CollectionId> {
        let mut collections = self.collections.iter();
        let is_it = |entry: &Entry| entry.database == database && entry.spec.name == name;
        collections.find(|(_, entry)| is_it(entry)).map(|(id, _)| *id)
    }

    fn existing_entry(&mut self, database: &str, name: &str) -> Result<&mut Entry> {
        let id = self.existing(database, name)?;
        Ok(self.collections.get_mut(&id).expect("it was just found"))
    }

    fn existing(&self, database: &str, name: &str) -> Result<CollectionId> {
        self.find(database, name).ok_or_else(|| {
            Error::not_found(format!("there is no collection `{name}` in database `{database}`"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vicinal_types::{
        ElementType, IdType, IndexKind, IndexSpec, Metric, ScalarType, VectorType,
    };

    #[test]
    fn declarations_of_the_first_version_are_read() {
        const STORED: &str = r#"{"alter":{"database":"default","spec":{"name":"words","schema":{"id_type":"int64","columns":[{"id":1,"name":"v","kind":{"vector":{"dim":4,"element":"f16","metric":"cosine"}}}]},"segments":{"max_rows":9,"max_bytes":8,"max_interval_s":7},"indexes":{"v":{"kind":"HNSW","m":8,"ef_construction":64,"flat_below_rows":5}}}}}"#;
        let command: CatalogueCommand = serde_json::from_str(STORED).expect("version 1");
        let CatalogueCommand::Alter { spec, .. } = command else { panic!("{command:?}") };
        let (m, ef_construction, flat_below_rows) = (8, 64, 5);
        let kind = IndexKind::Hnsw;
        let index = IndexSpec { kind, m, ef_construction, flat_below_rows, ..IndexSpec::default() };
        assert_eq!(spec.index("v"), index);
    }

    fn spec() -> CollectionSpec {
        let kind = VectorType::new(4, ElementType::F32, Metric::L2).expect("a right type");
        let columns = vec![
            Column::vector(ColumnId(1), "v", kind),
            Column::scalar(ColumnId(2), "a", ScalarType::Int64, true),
        ];
        CollectionSpec::new("c", Schema::new(IdType::Int64, columns).expect("a right schema"))
    }

    /// Applies a command; the numbers of the columns that there are then.
    fn apply(state: &mut State, command: CatalogueCommand) -> Result<Vec<u32>> {
        state.apply(state.applied(), None, command)?;
        let (_, entry) = state.collections().next().expect("a collection");
        Ok(entry.spec.schema.columns().iter().map(|column| column.id.0).collect())
    }

    fn add(name: &str) -> CatalogueCommand {
        let column = Column::scalar(ColumnId(0), name, ScalarType::Int8, true);
        let (database, collection) = ("d".to_owned(), "c".to_owned());
        CatalogueCommand::AddColumn { database, collection, column }
    }

    fn drop(name: &str) -> CatalogueCommand {
        let (database, collection) = ("d".to_owned(), "c".to_owned());
        CatalogueCommand::DropColumn { database, collection, column: name.to_owned() }
    }

    #[test]
    fn numbers_of_columns_are_never_given_twice() {
        let mut state = State::default();
        let create = CatalogueCommand::Create { database: "d".into(), spec: spec() };
        assert_eq!(apply(&mut state, create).expect("new"), [1, 2]);
        assert_eq!(apply(&mut state, drop("a")).expect("there"), [1]);
        assert_eq!(apply(&mut state, add("a")).expect("new again"), [1, 3]);
        assert_eq!(apply(&mut state, drop("a")).expect("there"), [1]);
        // The last number is not forgotten with the document.
        let stored = state.encode();
        let mut state = State::decode(&stored, Path::new("dir")).expect("ours");
        assert_eq!(apply(&mut state, add("b")).expect("new"), [1, 4]);
        // Nor by a declaration that drops and adds.
        let alter = |columns, drops| {
            let schema = Schema::new(IdType::Int64, columns).expect("a right schema");
            let spec = CollectionSpec::new("c", schema);
            CatalogueCommand::Alter { database: "d".into(), spec, drops }
        };
        let declared = vec![
            spec().schema.columns()[0].clone(),
            Column::scalar(ColumnId(2), "x", ScalarType::Bool, true),
        ];
        let refused = apply(&mut state, alter(declared.clone(), ColumnDrops::Refused));
        let refused = refused.expect_err("`b` is missing").to_string();
        assert!(refused.contains("column `b` of collection `c`"), "{refused}");
        let dropped = apply(&mut state, alter(declared, ColumnDrops::Allowed));
        assert_eq!(dropped.expect("`b` goes"), [1, 5]);
        let (_, entry) = state.collections().next().expect("a collection");
        assert_eq!(entry.schema_version, 6);
    }

    #[test]
    fn changes_of_columns_that_cannot_be_are_refused() {
        let mut state = State::default();
        let create = CatalogueCommand::Create { database: "d".into(), spec: spec() };
        apply(&mut state, create).expect("new");
        let before = state.encode();
        for (command, expected) in [
            (add("a"), "there is a column `a` already"),
            (drop("v"), "the last vector column"),
            (drop("b"), "there is no column `b`"),
        ] {
            let error = apply(&mut state, command).expect_err("refused").to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(state.encode(), before, "a refused change changes nothing");
    }
}
