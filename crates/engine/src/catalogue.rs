//! The catalogue: databases, collections, aliases, and the shards behind them.
//!
//! It is the state machine of group 0. Applying a command changes the documents,
//! then opens and closes shards to match; lookups take the last published
//! [`Names`] and need no lock.

mod names;
mod reopen;
mod schemas;
mod state;

pub(crate) use names::{LiveCollection, Names, database_name};
pub(crate) use reopen::Reopening;
pub(crate) use schemas::{ColumnDrops, changes};
#[cfg(test)]
pub(crate) use schemas::{with_column, without_column};
pub(crate) use state::{CatalogueCommand, CatalogueOutcome, Restored, State};

use crate::command::{decode_text, format};
use crate::machine::Machine;
use crate::maintenance::Maintenance;
use crate::request::Collection;
use crate::shard::{Settings, Shard, ShardOptions, install};
use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use state::Entry;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use vicinal_cluster::{Committed, GroupStart};
use vicinal_storage::{Disk, LogPosition, ManifestStore};
use vicinal_types::{
    Clock, CollectionId, CollectionSpec, ColumnId, ErrorKind, GroupId, IndexSpec, Result,
};

/// A shard, or why it could not be opened.
pub(crate) type OpenedShard = Result<Arc<Shard>, (ErrorKind, String)>;

/// The catalogue of a node.
pub(crate) struct Catalogue {
    disk: Arc<dyn Disk>,
    /// Holds a directory for each group.
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    maintenance: Weak<Maintenance>,
    /// Guards the manifests of group 0, rank 1.
    manifest: Mutex<ManifestStore>,
    /// Guards the documents, rank 2. Written by the apply thread only.
    state: RwLock<State>,
    /// Guards the shards that are open, rank 3. Written by the apply thread, and by the
    /// ticker, which puts shards in the place of failures.
    shards: RwLock<BTreeMap<GroupId, OpenedShard>>,
    /// Set once the log's tail is applied. Until then no shard is opened: one
    /// would apply writes of its own log to a schema older than theirs.
    is_replayed: AtomicBool,
    names: ArcSwap<Names>,
}

impl Catalogue {
    /// Reads the catalogue of a data directory; shards are opened by
    /// [`replayed`](Self::replayed).
    ///
    /// # Errors
    /// If the manifest of group 0 cannot be read.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        clock: Arc<dyn Clock>,
        maintenance: &Arc<Maintenance>,
    ) -> Result<Self> {
        let own_dir = dir.join(GroupId::CATALOGUE.to_string());
        let (manifest, document) = ManifestStore::open(Arc::clone(&disk), &own_dir)?;
        let state = match document {
            Some(document) => State::decode(&document, &own_dir)?,
            None => State::default(),
        };
        Ok(Self {
            disk,
            dir,
            clock,
            maintenance: Arc::downgrade(maintenance),
            manifest: Mutex::new(manifest),
            state: RwLock::new(state),
            shards: RwLock::default(),
            is_replayed: AtomicBool::new(false),
            names: ArcSwap::default(),
        })
    }

    /// Up to where the catalogue is durable without the log.
    pub(crate) fn durable(&self) -> LogPosition {
        self.state.read().applied()
    }

    /// The names as they resolve now.
    pub(crate) fn names(&self) -> Arc<Names> {
        self.names.load_full()
    }

    /// All shards that are open.
    pub(crate) fn shards(&self) -> Vec<Arc<Shard>> {
        self.shards.read().values().filter_map(|shard| shard.as_ref().ok().cloned()).collect()
    }

    /// Freezes the segment that has grown longest when the log is longer than it
    /// should be: a log file goes only when no group needs it any more.
    pub(crate) fn shorten_log(&self, bytes_max: u64) {
        let maintenance = self.maintenance.upgrade();
        let log = maintenance.as_ref().and_then(|maintenance| maintenance.node());
        if log.is_none_or(|node| node.log_stats().bytes <= bytes_max) {
            return;
        }
        let growing =
            self.shards().into_iter().filter_map(|shard| Some((shard.growing_since()?, shard)));
        if let Some((_, oldest)) = growing.min_by_key(|(since, _)| *since) {
            oldest.freeze();
        }
    }

    /// The groups that there should be, the catalogue's own included.
    pub(crate) fn groups(&self) -> Vec<GroupId> {
        let state = self.state.read();
        state.collections().map(|(_, entry)| entry.group).chain([GroupId::CATALOGUE]).collect()
    }

    /// Looks at the documents, without waiting for anybody.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read())
    }

    /// Applies commands in order; one outcome each.
    ///
    /// # Panics
    /// If an entry is no command of the catalogue: a bug, or the log of another
    /// program; the group stops and says so.
    pub(crate) fn apply(
        &self,
        commands: &[Committed],
    ) -> Vec<Result<CatalogueOutcome, (ErrorKind, String)>> {
        let decode = |command: &Committed| {
            let (envelope, parts) = format::decode(&command.data)?;
            let text = decode_text(&parts)?;
            let change: CatalogueCommand = serde_json::from_slice(text).map_err(|_| {
                format::CommandError::Wrong("text, which no catalogue command has,")
            })?;
            Ok::<_, format::CommandError>((envelope, change))
        };
        let mut outcomes = Vec::with_capacity(commands.len());
        for command in commands {
            let (envelope, change) = decode(command).unwrap_or_else(|error| {
                panic!("catalogue entry {} cannot be applied: {error}", command.index)
            });
            let position = LogPosition { index: command.index, term: command.term };
            let outcome = self.state.write().apply(position, envelope.request, change);
            outcomes.push(outcome.map_err(|error| (error.kind(), error.to_string())));
            self.reconcile();
        }
        self.save();
        outcomes
    }

    /// Learns that entries without a command are applied, too.
    pub(crate) fn applied(&self, position: LogPosition) {
        self.state.write().set_applied(position);
    }

    /// Makes the documents durable without the log and lets the log forget them.
    /// A failure costs nothing but a longer log.
    fn save(&self) {
        let (document, applied) = {
            let state = self.state.read();
            (state.encode(), state.applied())
        };
        #[cfg(feature = "seeded-bugs")]
        if vicinal_storage::Bug::CatalogueUnsaved.is_on(&*self.disk) {
            self.purge(applied);
            return;
        }
        if let Err(error) = self.manifest.lock().commit(&document) {
            tracing::warn!("the catalogue stays in the log for now: {error}");
            return;
        }
        self.purge(applied);
    }

    fn purge(&self, applied: LogPosition) {
        if let Some(maintenance) = self.maintenance.upgrade() {
            maintenance.purge(GroupId::CATALOGUE, applied);
        }
    }

    /// Opens all shards: the documents are what the log says.
    pub(crate) fn replayed(&self) {
        self.is_replayed.store(true, Ordering::Release);
        self.reconcile();
    }

    /// Opens shards that are declared, drops those that are not, hands settings
    /// on, and publishes the names. In this order: a write is checked against
    /// published columns, so its shard has learned of them before.
    fn reconcile(&self) {
        if !self.is_replayed.load(Ordering::Acquire) {
            return;
        }
        let state = self.state.read();
        let mut shards = self.shards.write();
        let declared = self.groups_of(&state);
        let gone: Vec<GroupId> =
            shards.keys().copied().filter(|group| !declared.contains(group)).collect();
        for group in gone {
            if let Some(shard) = shards.remove(&group) {
                self.close(group, shard);
            }
        }
        let mut names = Names::default();
        for (id, entry) in state.collections() {
            let settings = settings_of(&entry.spec);
            let shard = shards.entry(entry.group).or_insert_with(|| {
                self.open_shard(id, entry).inspect_err(|(_, reason)| {
                    tracing::error!(
                        collection = entry.spec.name,
                        "the collection cannot be opened: {reason}"
                    );
                })
            });
            if let Ok(shard) = shard
                && *shard.settings() != settings
            {
                shard.set_settings(settings);
                shard.request_builds();
            }
            let collection = Collection {
                id,
                database: entry.database.clone(),
                schema_version: entry.schema_version,
                spec: entry.spec.clone(),
            };
            let live = LiveCollection {
                info: Arc::new(collection),
                database: state.database(&entry.database),
                shard: shard.clone(),
            };
            names.add(live);
        }
        for (database, alias, collection) in state.aliases() {
            names.add_alias(database, alias, collection);
        }
        self.names.store(Arc::new(names));
    }

    fn groups_of(&self, state: &State) -> Vec<GroupId> {
        state.collections().map(|(_, entry)| entry.group).collect()
    }

    fn open_shard(&self, collection: CollectionId, entry: &Entry) -> OpenedShard {
        let (group, dir) = (entry.group, self.dir.join(entry.group.to_string()));
        let mut start = GroupStart::empty(group);
        if let Some(restored) = &entry.restored {
            start.begins_at = restored.applied();
            let staged = self.staging_dir().join(&restored.staged);
            install(&self.disk, &staged, &dir, collection)
                .map_err(|error| (error.kind(), error.to_string()))?;
        }
        let options = ShardOptions {
            group,
            collection,
            settings: settings_of(&entry.spec),
            disk: Arc::clone(&self.disk),
            dir,
            clock: Arc::clone(&self.clock),
            maintenance: Weak::clone(&self.maintenance),
        };
        let opened = Shard::open(options).map_err(|error| (error.kind(), error.to_string()));
        let (shard, applied) = opened?;
        start.applied = applied;
        let maintenance = self.maintenance.upgrade();
        let node = maintenance.as_ref().and_then(|maintenance| maintenance.node());
        if let Some(node) = node {
            node.add_group(start, Machine::Shard(Arc::clone(&shard)));
        }
        Ok(shard)
    }

    /// Where files wait until a command makes a collection of them.
    pub(crate) fn staging_dir(&self) -> PathBuf {
        self.dir.with_file_name("staging")
    }

    /// Removes staged files that no collection waits for: the node stopped before
    /// they were whole, or before they were moved away entirely.
    ///
    /// # Errors
    /// `Unavailable` if they cannot be removed.
    pub(crate) fn remove_stray_stages(&self) -> Result<()> {
        let dir = self.staging_dir();
        let (state, shards) = (self.state.read(), self.shards.read());
        let is_missing = |entry: &Entry| !matches!(shards.get(&entry.group), Some(Ok(_)));
        let waiting: Vec<&str> = state
            .collections()
            .filter(|(_, entry)| is_missing(entry))
            .filter_map(|(_, entry)| Some(entry.restored.as_ref()?.staged.as_str()))
            .collect();
        let remove = || {
            if !self.disk.exists(&dir)? {
                return Ok(());
            }
            for name in self.disk.list(&dir)? {
                if !waiting.contains(&name.as_str()) {
                    self.disk.remove_dir_all(&dir.join(name))?;
                }
            }
            self.disk.sync_dir(&dir)
        };
        remove().map_err(|error: std::io::Error| {
            let dir = dir.display();
            vicinal_types::Error::unavailable(format!("leftovers in {dir} cannot be removed"))
                .caused_by(error)
        })
    }

    fn close(&self, group: GroupId, shard: OpenedShard) {
        if let Some(maintenance) = self.maintenance.upgrade()
            && let Some(node) = maintenance.node()
        {
            node.remove_group(group);
        }
        if let Ok(shard) = &shard {
            shard.stop();
        }
        self.remove_group_dir(group);
    }

    /// Removes the directory of a group that is no more; what cannot be removed
    /// now is removed at the next start.
    pub(crate) fn remove_group_dir(&self, group: GroupId) {
        let dir = self.dir.join(group.to_string());
        let removed = self
            .disk
            .exists(&dir)
            .and_then(|exists| if exists { self.disk.remove_dir_all(&dir) } else { Ok(()) });
        if let Err(error) = removed.and_then(|()| self.disk.sync_dir(&self.dir)) {
            tracing::warn!("{} is left for the next start to remove: {error}", dir.display());
        }
    }

    /// The directories of groups that no collection has: their collection was
    /// dropped just before the node stopped.
    pub(crate) fn stray_groups(&self) -> Result<Vec<GroupId>> {
        let names = self.disk.list(&self.dir).map_err(|error| {
            let dir = self.dir.display();
            vicinal_types::Error::unavailable(format!("{dir} cannot be listed")).caused_by(error)
        })?;
        let groups = self.groups();
        let numbers = names.iter().filter_map(|name| name.parse().ok().map(GroupId));
        Ok(numbers.filter(|group| !groups.contains(group)).collect())
    }
}

fn settings_of(spec: &CollectionSpec) -> Settings {
    let indexes: BTreeMap<ColumnId, IndexSpec> =
        spec.schema.vectors().map(|(column, _)| (column.id, spec.index(&column.name))).collect();
    Settings { schema: Arc::new(spec.schema.clone()), segments: spec.segments, indexes }
}
