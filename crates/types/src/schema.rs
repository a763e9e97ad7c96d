//! The columns of a collection.

use crate::{ColumnId, ColumnIndex, Error, Result, ScalarType, ScalarValue, VectorType, limits};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The type of a collection's primary ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdType {
    /// 64-bit signed integers.
    Int64,
    /// UTF-8 strings of 1 to [`limits::ID_BYTES_MAX`] bytes.
    String,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// One vector a row, never null.
    Vector(VectorType),
    /// One value a row.
    Scalar {
        /// The type of the values.
        scalar: ScalarType,
        /// Whether a row may have no value.
        nullable: bool,
    },
}

/// A column of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its number, unique in the collection for ever.
    pub id: ColumnId,
    /// Its name, unique among the living columns.
    pub name: String,
    /// What it holds.
    pub kind: ColumnType,
    /// The value, as [`ScalarType::value`] makes it, of a row that was written
    /// without the column; none: null if the column is nullable, else every
    /// write must bring it. Vector columns have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<ScalarValue>,
    /// The index of a scalar column; it may change. Vector columns have theirs in
    /// the collection's [`indexes`](crate::CollectionSpec::indexes).
    #[serde(default, skip_serializing_if = "ColumnIndex::is_auto")]
    pub index: ColumnIndex,
}

/// The columns of a collection; at least one holds vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SchemaFields", into = "SchemaFields")]
pub struct Schema {
    id_type: IdType,
    columns: Vec<Column>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaFields {
    id_type: IdType,
    columns: Vec<Column>,
}

impl Column {
    /// A vector column.
    pub fn vector(id: ColumnId, name: impl Into<String>, kind: VectorType) -> Self {
        Self {
            id,
            name: name.into(),
            kind: ColumnType::Vector(kind),
            default: None,
            index: ColumnIndex::Auto,
        }
    }

    /// A scalar column without a default.
    pub fn scalar(
        id: ColumnId,
        name: impl Into<String>,
        scalar: ScalarType,
        nullable: bool,
    ) -> Self {
        let kind = ColumnType::Scalar { scalar, nullable };
        Self { id, name: name.into(), kind, default: None, index: ColumnIndex::Auto }
    }

    fn check_default(&self) -> Result<()> {
        let Some(default) = &self.default else { return Ok(()) };
        let name = &self.name;
        let scalar = match self.kind {
            ColumnType::Scalar { scalar, .. } => scalar,
            ColumnType::Vector(_) => {
                return Err(Error::invalid(format!(
                    "vector column `{name}` cannot have a default; every row brings its vector"
                )));
            }
        };
        let wrong = |reason| Error::invalid(format!("the default of column `{name}`: {reason}"));
        let stored = scalar.value(default.clone()).map_err(|error| wrong(error.to_string()))?;
        if stored != *default {
            return Err(wrong(format!("{default} is stored as {stored}; declare that")));
        }
        Ok(())
    }
}

impl Column {
    fn check_index(&self) -> Result<()> {
        let name = &self.name;
        let wrong =
            |reason: String| Error::invalid(format!("the index of column `{name}`: {reason}"));
        match self.kind {
            ColumnType::Scalar { scalar, .. } => {
                self.index.check(scalar).map_err(|error| wrong(error.to_string()))
            }
            ColumnType::Vector(_) if self.index == ColumnIndex::Auto => Ok(()),
            ColumnType::Vector(_) => {
                Err(wrong(format!("a vector column cannot have {}", self.index)))
            }
        }
    }
}

impl Schema {
    /// Checks names, numbers, counts and defaults.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is no vector column, too
    /// many columns, a name or number that is wrong or used twice, or a default
    /// that is no value of its column.
    pub fn new(id_type: IdType, columns: Vec<Column>) -> Result<Self> {
        let max = limits::COLUMNS_MAX;
        if columns.len() > max {
            let count = columns.len();
            return Err(Error::invalid(format!(
                "{count} columns are more than the limit of {max}"
            )));
        }
        let mut names = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for column in &columns {
            check_name("column", &column.name)?;
            if column.name == Self::ID_NAME {
                return Err(Error::invalid(
                    "the column name `id` is the primary id's; choose another",
                ));
            }
            if !names.insert(&column.name) {
                return Err(Error::invalid(format!("column `{}` is named twice", column.name)));
            }
            if !ids.insert(column.id) {
                return Err(Error::invalid(format!("column number {} is used twice", column.id)));
            }
            column.check_default()?;
            column.check_index()?;
        }
        let schema = Self { id_type, columns };
        if schema.vectors().next().is_none() {
            return Err(Error::invalid("a collection needs at least one vector column"));
        }
        Ok(schema)
    }

    /// The name under which the primary id is known.
    pub const ID_NAME: &'static str = "id";

    /// The type of the primary ids.
    pub fn id_type(&self) -> IdType {
        self.id_type
    }

    /// All columns, in order of declaration.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The vector columns with their types.
    pub fn vectors(&self) -> impl Iterator<Item = (&Column, VectorType)> {
        self.columns.iter().filter_map(|column| match column.kind {
            ColumnType::Vector(vector) => Some((column, vector)),
            ColumnType::Scalar { .. } => None,
        })
    }

    /// The scalar columns with their types and whether they are nullable.
    pub fn scalars(&self) -> impl Iterator<Item = (&Column, ScalarType, bool)> {
        self.columns.iter().filter_map(|column| match column.kind {
            ColumnType::Scalar { scalar, nullable } => Some((column, scalar, nullable)),
            ColumnType::Vector(_) => None,
        })
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The vector column of that name, or the only one if `name` is empty.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) naming the columns there are.
    pub fn vector_column(&self, name: &str) -> Result<(&Column, VectorType)> {
        let mut vectors = self.vectors();
        let found = match (name, vectors.next(), vectors.next()) {
            ("", Some(only), None) => Some(only),
            ("", ..) => None,
            (name, ..) => self.vectors().find(|(column, _)| column.name == name),
        };
        found.ok_or_else(|| {
            let names: Vec<_> = self.vectors().map(|(column, _)| column.name.as_str()).collect();
            let names = names.join("`, `");
            Error::invalid(if name.is_empty() {
                format!("the collection has several vector columns; name one of `{names}`")
            } else {
                format!("there is no vector column `{name}`; there are `{names}`")
            })
        })
    }
}

impl IdType {
    /// The type's name in YAML, flags and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int64 => "int64",
            Self::String => "string",
        }
    }
}

impl fmt::Display for IdType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl TryFrom<SchemaFields> for Schema {
    type Error = Error;

    fn try_from(fields: SchemaFields) -> Result<Self> {
        Self::new(fields.id_type, fields.columns)
    }
}

impl From<Schema> for SchemaFields {
    fn from(schema: Schema) -> Self {
        Self { id_type: schema.id_type, columns: schema.columns }
    }
}

/// Checks the name of a database, collection, alias or column: 1 to
/// [`limits::NAME_BYTES_MAX`] of `a-z A-Z 0-9 _ - .`, not starting with `.` or `-`.
pub(crate) fn check_name(what: &str, name: &str) -> Result<()> {
    let max = limits::NAME_BYTES_MAX;
    if name.is_empty() || name.len() > max {
        let len = name.len();
        return Err(Error::invalid(format!(
            "a {what} name has 1 to {max} bytes, this one has {len}"
        )));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.chars().all(allowed) || name.starts_with(['.', '-']) {
        return Err(Error::invalid(format!(
            "{what} name {name:?} may hold only a-z, A-Z, 0-9, `_`, `-` and `.`, and not start with `-` or `.`"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ElementType, Metric};

    fn vector(id: u32, name: &str) -> Column {
        let kind = VectorType::new(4, ElementType::F32, Metric::L2).expect("a right type");
        Column::vector(ColumnId(id), name, kind)
    }

    #[test]
    fn wrong_schemas_are_refused_with_the_reason() {
        let check = |columns: Vec<Column>, expected: &str| {
            let error = Schema::new(IdType::Int64, columns).expect_err("a wrong schema");
            assert!(error.to_string().contains(expected), "{error}");
        };
        check(vec![], "at least one vector column");
        check(vec![vector(1, "a"), vector(2, "a")], "named twice");
        check(vec![vector(1, "a"), vector(1, "b")], "used twice");
        check(vec![vector(1, "id")], "primary id");
        check(vec![vector(1, "")], "1 to 128 bytes");
        check(vec![vector(1, "a/b")], "may hold only");
        let with = |column: Column, default| Column { default: Some(default), ..column };
        let small = || Column::scalar(ColumnId(2), "n", ScalarType::Int8, false);
        let default = |column, value, expected| {
            check(vec![vector(1, "a"), with(column, value)], expected);
        };
        default(small(), ScalarValue::Int(128), "the default of column `n`: 128 is not between");
        default(small(), ScalarValue::Bool(true), "true is no int8");
        default(vector(2, "n"), ScalarValue::Int(1), "vector column `n` cannot have a default");
        let indexed = Column { index: ColumnIndex::Trigram, ..small() };
        check(vec![vector(1, "a"), indexed], "the index of column `n`: a column of type int8");
        let float = Column::scalar(ColumnId(2), "n", ScalarType::Float64, false);
        default(float, ScalarValue::Int(1), "1 is stored as 1.0; declare that");
    }

    #[test]
    fn the_only_vector_column_needs_no_name() {
        let one = Schema::new(IdType::Int64, vec![vector(1, "a")]).expect("right");
        assert_eq!(one.vector_column("").expect("the only one").0.name, "a");
        let two = Schema::new(IdType::Int64, vec![vector(1, "a"), vector(2, "b")]).expect("right");
        assert!(two.vector_column("").is_err());
        assert_eq!(two.vector_column("b").expect("there").0.id, ColumnId(2));
    }
}
