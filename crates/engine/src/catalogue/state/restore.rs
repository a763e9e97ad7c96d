//! Collections that come from a snapshot, and what goes into one.

use super::{CatalogueOutcome, Entry, State};
use serde::{Deserialize, Serialize};
use vicinal_storage::LogPosition;
use vicinal_types::{CollectionId, CollectionSpec, Error, Result};

/// What a restored collection began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restored {
    /// The folder below the staging directory that had its files.
    pub(crate) staged: String,
    applied_index: u64,
    applied_term: u64,
}

impl Restored {
    /// Files in a folder that hold every write up to a position.
    pub(crate) fn new(staged: String, applied: LogPosition) -> Self {
        Self { staged, applied_index: applied.index, applied_term: applied.term }
    }

    /// The position behind which the collection's own history begins.
    pub(crate) fn applied(&self) -> LogPosition {
        LogPosition { index: self.applied_index, term: self.applied_term }
    }
}

impl Entry {
    /// The declaration, the version of its schema and the number of its next
    /// column.
    pub(crate) fn declaration(&self) -> (CollectionSpec, u32, u32) {
        (self.spec.clone(), self.schema_version, self.next_column().0)
    }
}

impl State {
    /// A collection.
    ///
    /// # Errors
    /// `NotFound` if it was dropped.
    pub(crate) fn entry(&self, id: CollectionId) -> Result<&Entry> {
        let gone = || Error::not_found(format!("collection {id} was dropped meanwhile"));
        self.collections.get(&id).ok_or_else(gone)
    }

    /// Creates a collection as it was; numbers of columns go on where they were.
    pub(super) fn restore(
        &mut self,
        database: String,
        spec: CollectionSpec,
        (schema_version, next_column): (u32, u32),
        restored: Restored,
    ) -> Result<CatalogueOutcome> {
        let outcome = self.create(database, spec)?;
        if let CatalogueOutcome::Created(id) = outcome
            && let Some(entry) = self.collections.get_mut(&id)
        {
            entry.schema_version = schema_version;
            entry.next_column = next_column;
            entry.restored = Some(restored);
        }
        Ok(outcome)
    }
}
