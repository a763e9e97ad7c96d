//! From names to collections.

use super::OpenedShard;
use super::reopen::is_passing;
use crate::request::Collection;
use crate::shard::Shard;
use std::collections::HashMap;
use std::sync::Arc;
use vicinal_types::{DatabaseId, Error, Result};

/// The database of requests that name none.
pub(crate) const DEFAULT_DATABASE: &str = "default";

/// A collection with what requests need of it.
#[derive(Clone)]
pub(crate) struct LiveCollection {
    pub(crate) info: Arc<Collection>,
    pub(crate) database: DatabaseId,
    pub(crate) shard: OpenedShard,
}

impl LiveCollection {
    /// Its shard.
    ///
    /// # Errors
    /// Why it could not be opened.
    pub(crate) fn shard(&self) -> Result<&Arc<Shard>> {
        self.shard.as_ref().map_err(|(kind, reason)| {
            let name = &self.info.spec.name;
            let outlook = if is_passing(*kind) { "; this is tried again every second" } else { "" };
            Error::new(*kind, format!("collection `{name}` could not be opened: {reason}{outlook}"))
        })
    }
}

/// All collections and aliases at one moment.
#[derive(Default)]
pub(crate) struct Names {
    databases: HashMap<String, Database>,
}

#[derive(Default)]
struct Database {
    collections: HashMap<String, Arc<LiveCollection>>,
    aliases: HashMap<String, String>,
}

/// The name of a database, with the default for the empty one.
pub(crate) fn database_name(name: &str) -> &str {
    if name.is_empty() { DEFAULT_DATABASE } else { name }
}

impl Names {
    pub(super) fn add(&mut self, live: LiveCollection) {
        let database = self.databases.entry(live.info.database.clone()).or_default();
        database.collections.insert(live.info.spec.name.clone(), Arc::new(live));
    }

    pub(super) fn add_alias(&mut self, database: &str, alias: &str, collection: &str) {
        let database = self.databases.entry(database.to_owned()).or_default();
        database.aliases.insert(alias.to_owned(), collection.to_owned());
    }

    /// The collection of a name or alias.
    ///
    /// # Errors
    /// `NotFound` naming what was looked for.
    pub(crate) fn get(&self, database: &str, name: &str) -> Result<&Arc<LiveCollection>> {
        let database = database_name(database);
        let found = self.databases.get(database).and_then(|database| {
            let name = database.aliases.get(name).map_or(name, String::as_str);
            database.collections.get(name)
        });
        found.ok_or_else(|| {
            Error::not_found(format!(
                "there is no collection or alias `{name}` in database `{database}`; create it first"
            ))
        })
    }

    /// The collections of a database, by name.
    pub(crate) fn list(&self, database: &str) -> Vec<&Arc<LiveCollection>> {
        let database = self.databases.get(database_name(database));
        let mut all: Vec<_> =
            database.map_or_else(Vec::new, |database| database.collections.values().collect());
        all.sort_by(|a, b| a.info.spec.name.cmp(&b.info.spec.name));
        all
    }

    /// The aliases of a database with what they point at, by alias.
    pub(crate) fn aliases(&self, database: &str) -> Vec<(String, String)> {
        let database = self.databases.get(database_name(database));
        let mut all: Vec<(String, String)> = database.map_or_else(Vec::new, |database| {
            database.aliases.iter().map(|(alias, name)| (alias.clone(), name.clone())).collect()
        });
        all.sort();
        all
    }

    /// Every collection of every database.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<LiveCollection>> {
        self.databases.values().flat_map(|database| database.collections.values())
    }
}
