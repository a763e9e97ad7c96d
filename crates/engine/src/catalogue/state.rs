//! The catalogue's documents, and what commands do to them.
//!
//! Kept as one JSON document in the manifest of group 0.

use super::names::database_name;
use crate::request::Change;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use vicinal_storage::LogPosition;
use vicinal_types::{
    CollectionId, CollectionSpec, DatabaseId, Error, GroupId, RequestId, Result, check_object_name,
    limits,
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
    /// Gives a collection the segment limits and indexes of the declaration.
    Alter { database: String, spec: CollectionSpec },
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
            Self::Drop { .. } | Self::DropAlias { .. } => true,
            Self::Create { .. } | Self::Alter { .. } | Self::SetAlias { .. } => false,
        }
    }
}

/// What a change came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CatalogueOutcome {
    Created(CollectionId),
    Altered,
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
    /// The group of its shard, which owns all slots of the id hash.
    pub(crate) group: GroupId,
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
    pub(super) fn decode(bytes: &[u8], dir: &Path) -> Result<Self> {
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

    pub(super) fn applied(&self) -> LogPosition {
        LogPosition { index: self.applied_index, term: self.applied_term }
    }

    pub(super) fn set_applied(&mut self, position: LogPosition) {
        let position = position.max(self.applied());
        (self.applied_index, self.applied_term) = (position.index, position.term);
    }

    pub(super) fn collections(&self) -> impl Iterator<Item = (CollectionId, &Entry)> {
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
    pub(super) fn apply(
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
            CatalogueCommand::Alter { database, spec } => self.alter(&database, spec),
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
        self.collections.insert(id, Entry { database, spec, schema_version: 1, group });
        Ok(CatalogueOutcome::Created(id))
    }

    fn alter(&mut self, database: &str, spec: CollectionSpec) -> Result<CatalogueOutcome> {
        spec.check()?;
        let id = self.existing(database, &spec.name)?;
        let entry = self.collections.get_mut(&id).expect("it was just found");
        check_same_schema(&entry.spec, &spec)?;
        entry.spec.segments = spec.segments;
        entry.spec.indexes = spec.indexes;
        Ok(CatalogueOutcome::Altered)
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

    fn existing(&self, database: &str, name: &str) -> Result<CollectionId> {
        self.find(database, name).ok_or_else(|| {
            Error::not_found(format!("there is no collection `{name}` in database `{database}`"))
        })
    }
}

/// What a declaration would change of a collection.
pub(crate) fn changes(from: &CollectionSpec, to: &CollectionSpec) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut compare = |field: String, from: String, to: String| {
        if from != to {
            changes.push(Change { field, from, to });
        }
    };
    let (a, b) = (from.segments, to.segments);
    for (field, from, to) in [
        ("max_rows", a.max_rows, b.max_rows),
        ("max_bytes", a.max_bytes, b.max_bytes),
        ("max_interval_s", a.max_interval_s, b.max_interval_s),
    ] {
        compare(format!("segments.{field}"), from.to_string(), to.to_string());
    }
    for (column, _) in from.schema.vectors() {
        let (a, b) = (from.index(&column.name), to.index(&column.name));
        for ((name, from), (_, to)) in a.fields().into_iter().zip(b.fields()) {
            compare(format!("vectors.{}.index.{name}", column.name), from, to);
        }
    }
    changes
}

/// Refuses a declaration with other columns than the collection has.
///
/// # Errors
/// `Invalid` naming the first difference.
pub(crate) fn check_same_schema(from: &CollectionSpec, to: &CollectionSpec) -> Result<()> {
    let name = &from.name;
    let refuse = |what: String| {
        Err(Error::invalid(format!(
            "{what} of collection `{name}` cannot be changed; declare a new collection and point an alias at it"
        )))
    };
    if from.schema.id_type() != to.schema.id_type() {
        return refuse(format!("the id type {}", from.schema.id_type()));
    }
    for column in from.schema.columns() {
        match to.schema.column(&column.name) {
            Some(declared) if declared.kind == column.kind => {}
            Some(_) => return refuse(format!("the type of column `{}`", column.name)),
            None => {
                return refuse(format!(
                    "column `{}`, which is missing in the declaration,",
                    column.name
                ));
            }
        }
    }
    let added =
        to.schema.columns().iter().find(|column| from.schema.column(&column.name).is_none());
    added.map_or(Ok(()), |column| {
        refuse(format!("column `{}`, which is new in the declaration,", column.name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vicinal_types::{IndexKind, IndexSpec};

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
}
