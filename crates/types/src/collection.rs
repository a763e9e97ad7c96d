//! What a user declares: a collection, its segments' limits and its indexes.

use crate::schema::check_name;
use crate::{Error, IndexSpec, Result, Schema, limits};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A declared collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionSpec {
    /// Its name, unique in its database.
    pub name: String,
    /// Its columns.
    pub schema: Schema,
    /// When growing segments are sealed.
    pub segments: SegmentLimits,
    /// Index parameters by vector column name; a column without an entry has
    /// [`IndexSpec::default`].
    pub indexes: BTreeMap<String, IndexSpec>,
}

/// When a growing segment is frozen and sealed: whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SegmentLimits {
    /// Rows of a segment.
    pub max_rows: u64,
    /// Bytes of commands that the log holds for a segment.
    pub max_bytes: u64,
    /// Seconds after a growing segment's first row.
    pub max_interval_s: u64,
}

impl Default for SegmentLimits {
    fn default() -> Self {
        Self { max_rows: 262_144, max_bytes: 512 * 1024 * 1024, max_interval_s: 60 }
    }
}

impl CollectionSpec {
    /// A collection with default limits and indexes.
    pub fn new(name: impl Into<String>, schema: Schema) -> Self {
        Self {
            name: name.into(),
            schema,
            segments: SegmentLimits::default(),
            indexes: BTreeMap::new(),
        }
    }

    /// Checks what the types alone do not.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) naming the field and its limit.
    pub fn check(&self) -> Result<()> {
        check_name("collection", &self.name)?;
        self.segments.check()?;
        for (column, index) in &self.indexes {
            let Some((_, vector)) = self.schema.vectors().find(|(known, _)| &known.name == column)
            else {
                return Err(Error::invalid(format!(
                    "an index names the vector column `{column}`, which the schema does not have"
                )));
            };
            index
                .check(vector)
                .map_err(|error| Error::invalid(format!("index of `{column}`: {error}")))?;
        }
        Ok(())
    }

    /// The index parameters of a vector column.
    pub fn index(&self, column: &str) -> IndexSpec {
        self.indexes.get(column).copied().unwrap_or_default()
    }
}

impl SegmentLimits {
    fn check(&self) -> Result<()> {
        let rows_max = limits::SEGMENT_ROWS_MAX as u64;
        if self.max_rows == 0 || self.max_rows > rows_max {
            let rows = self.max_rows;
            return Err(Error::invalid(format!(
                "segments.max_rows {rows} is not between 1 and {rows_max}"
            )));
        }
        if self.max_bytes == 0 || self.max_interval_s == 0 {
            return Err(Error::invalid(
                "segments.max_bytes and segments.max_interval_s must be above 0",
            ));
        }
        Ok(())
    }
}

/// Checks the name of a database or alias like that of a collection.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) naming the rule that was broken.
pub fn check_object_name(what: &str, name: &str) -> Result<()> {
    check_name(what, name)
}
