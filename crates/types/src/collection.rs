//! What a user declares: a collection, its segments' limits and its indexes.

use crate::schema::check_name;
use crate::{Column, ColumnType, Error, IndexSpec, Result, ScalarType, Schema, limits};
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
    /// Until when rows live; none: until they are deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Ttl>,
}

/// Rows that end by themselves: each at the time that it has in a column.
///
/// A row is not found any more from the first whole second on that is not before its
/// time; one whose time is null lives until it is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ttl {
    /// The name of the column, one of timestamps.
    pub column: String,
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
        Self { max_rows: 262_144, max_bytes: 512 * 1024 * 1024, max_interval_s: 600 }
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
            ttl: None,
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
        self.check_ttl()
    }

    fn check_ttl(&self) -> Result<()> {
        let Some(Ttl { column }) = &self.ttl else { return Ok(()) };
        let what = match self.schema.column(column).map(|column| column.kind) {
            Some(ColumnType::Scalar { scalar: ScalarType::Timestamp, .. }) => return Ok(()),
            Some(ColumnType::Scalar { scalar, .. }) => format!("which holds {scalar} values"),
            Some(ColumnType::Vector(_)) => "which holds vectors".to_owned(),
            None => "which the schema does not have".to_owned(),
        };
        Err(Error::invalid(format!(
            "ttl names the column `{column}`, {what}; name a column of type timestamp, or leave ttl out"
        )))
    }

    /// The column that says until when rows live, if there is one.
    pub fn ttl_column(&self) -> Option<&Column> {
        self.ttl.as_ref().and_then(|ttl| self.schema.column(&ttl.column))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ColumnId, ElementType, IdType, Metric, VectorType};

    #[test]
    fn a_ttl_names_a_column_of_timestamps() {
        let kind = VectorType::new(4, ElementType::F32, Metric::L2).expect("a right type");
        let scalar = |id, name: &str, scalar| Column::scalar(ColumnId(id), name, scalar, true);
        let columns = vec![
            Column::vector(ColumnId(1), "v", kind),
            scalar(2, "until", ScalarType::Timestamp),
            scalar(3, "number", ScalarType::Int64),
        ];
        let schema = Schema::new(IdType::Int64, columns).expect("a right schema");
        let of = |column: &str| {
            let ttl = Some(Ttl { column: column.to_owned() });
            CollectionSpec { ttl, ..CollectionSpec::new("c", schema.clone()) }
        };
        of("until").check().expect("a timestamp");
        assert_eq!(of("until").ttl_column().map(|column| column.id), Some(ColumnId(2)));
        for (column, expected) in [
            ("number", "`number`, which holds int64 values; name a column of type timestamp"),
            ("v", "`v`, which holds vectors"),
            ("gone", "`gone`, which the schema does not have"),
        ] {
            let error = of(column).check().expect_err("no timestamp").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
