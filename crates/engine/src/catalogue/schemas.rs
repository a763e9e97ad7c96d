//! From what a collection is to what was declared: which columns come and go.

use crate::request::Change;
use serde::{Deserialize, Serialize};
use vicinal_types::{
    CollectionSpec, Column, ColumnId, ColumnIndex, ColumnType, Error, Result, Schema,
};

/// What becomes of columns that a declaration does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ColumnDrops {
    /// The declaration is refused: it may be of someone who does not know them.
    #[default]
    Refused,
    /// They are dropped.
    Allowed,
}

/// The columns that a collection has after a declaration: those of one name stay
/// what they are, new ones get numbers from `next` on.
///
/// # Errors
/// `Invalid` naming the first difference that cannot be.
pub(crate) fn declared_schema(
    from: &CollectionSpec,
    to: &CollectionSpec,
    drops: ColumnDrops,
    next: ColumnId,
) -> Result<Schema> {
    let name = &from.name;
    let refuse = |what: String| {
        Err(Error::invalid(format!(
            "{what} of collection `{name}` cannot be changed; declare a new collection and point an alias at it"
        )))
    };
    if from.schema.id_type() != to.schema.id_type() {
        return refuse(format!("the id type {}", from.schema.id_type()));
    }
    let mut schema = from.schema.clone();
    for column in from.schema.columns() {
        match to.schema.column(&column.name) {
            Some(declared) if declared.kind != column.kind => {
                return refuse(format!("the type of column `{}`", column.name));
            }
            Some(declared) if declared.default != column.default => {
                return refuse(format!("the default of column `{}`", column.name));
            }
            Some(_) => {}
            None => match drops {
                ColumnDrops::Allowed => schema = without_column(&schema, &column.name)?,
                ColumnDrops::Refused => {
                    return Err(Error::invalid(format!(
                        "column `{}` of collection `{name}` is missing in the declaration; declare it, or drop it and its values with drop_columns (`vicinal apply --drop-columns`)",
                        column.name
                    )));
                }
            },
        }
    }
    let indexed = schema.columns().iter().map(|column| {
        let declared = to.schema.column(&column.name);
        let index = declared.map_or(column.index, |declared| declared.index);
        Column { index, ..column.clone() }
    });
    schema = Schema::new(schema.id_type(), indexed.collect())?;
    let is_new = |column: &&Column| from.schema.column(&column.name).is_none();
    for (id, column) in (next.0..).zip(to.schema.columns().iter().filter(is_new)) {
        schema = with_column(&schema, Column { id: ColumnId(id), ..column.clone() })?;
    }
    Ok(schema)
}

/// A schema with a scalar column behind the others; rows that are there already
/// answer its default, or null.
///
/// # Errors
/// `AlreadyExists` for its name, `Invalid` if rows would have no value in it.
pub(crate) fn with_column(schema: &Schema, column: Column) -> Result<Schema> {
    let name = &column.name;
    if schema.column(name).is_some() {
        return Err(Error::already_exists(format!("there is a column `{name}` already")));
    }
    match column.kind {
        ColumnType::Vector(_) => {
            return Err(Error::invalid(format!(
                "vector column `{name}` cannot be added: the rows that are there have no vectors for it; declare a new collection and point an alias at it"
            )));
        }
        ColumnType::Scalar { nullable: false, .. } if column.default.is_none() => {
            return Err(Error::invalid(format!(
                "column `{name}` cannot be added: the rows that are there have no value for it; make it nullable or give it a default"
            )));
        }
        ColumnType::Scalar { .. } => {}
    }
    Schema::new(schema.id_type(), schema.columns().iter().cloned().chain([column]).collect())
}

/// A schema without a column.
///
/// # Errors
/// `NotFound` if it is not there, `Invalid` for the last vector column.
pub(crate) fn without_column(schema: &Schema, name: &str) -> Result<Schema> {
    let Some(column) = schema.column(name) else {
        let known: Vec<_> = schema.columns().iter().map(|column| column.name.as_str()).collect();
        let known = known.join("`, `");
        return Err(Error::not_found(format!("there is no column `{name}`; there are `{known}`")));
    };
    let is_vector = matches!(column.kind, ColumnType::Vector(_));
    if is_vector && schema.vectors().count() == 1 {
        return Err(Error::invalid(format!(
            "`{name}` is the last vector column and cannot be dropped; drop the collection"
        )));
    }
    let rest = schema.columns().iter().filter(|column| column.name != name);
    Schema::new(schema.id_type(), rest.cloned().collect())
}

/// What a declaration would change of a collection.
pub(crate) fn changes(from: &CollectionSpec, to: &CollectionSpec) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut compare = |field: String, from: String, to: String| {
        if from != to {
            changes.push(Change { field, from, to });
        }
    };
    let none = || "none".to_owned();
    for column in from.schema.columns() {
        if to.schema.column(&column.name).is_none() {
            compare(field_of(column), kind_of(column), none());
        }
    }
    for column in to.schema.columns() {
        if from.schema.column(&column.name).is_none() {
            compare(field_of(column), none(), kind_of(column));
        }
    }
    for (column, ..) in from.schema.scalars() {
        if let Some(declared) = to.schema.column(&column.name) {
            let field = format!("columns.{}.index", column.name);
            compare(field, column.index.to_string(), declared.index.to_string());
        }
    }
    let ttl = |spec: &CollectionSpec| spec.ttl.as_ref().map(|ttl| ttl.column.clone());
    compare("ttl.column".to_owned(), ttl(from).unwrap_or_else(none), ttl(to).unwrap_or_else(none));
    let (a, b) = (from.segments, to.segments);
    for (field, from, to) in [
        ("max_rows", a.max_rows, b.max_rows),
        ("max_bytes", a.max_bytes, b.max_bytes),
        ("max_interval_s", a.max_interval_s, b.max_interval_s),
    ] {
        compare(format!("segments.{field}"), from.to_string(), to.to_string());
    }
    for (column, _) in from.schema.vectors() {
        if to.schema.column(&column.name).is_none() {
            continue;
        }
        let (a, b) = (from.index(&column.name), to.index(&column.name));
        for ((name, from), (_, to)) in a.fields().into_iter().zip(b.fields()) {
            compare(format!("vectors.{}.index.{name}", column.name), from, to);
        }
    }
    changes
}

/// The column as a declaration names it.
fn field_of(column: &Column) -> String {
    match column.kind {
        ColumnType::Vector(_) => format!("vectors.{}", column.name),
        ColumnType::Scalar { .. } => format!("columns.{}", column.name),
    }
}

/// What the column holds, in words.
fn kind_of(column: &Column) -> String {
    match column.kind {
        ColumnType::Vector(kind) => {
            format!("{} × {}, {}", kind.element(), kind.dim(), kind.metric())
        }
        ColumnType::Scalar { scalar, nullable } => {
            let nullable = if nullable { ", nullable" } else { "" };
            let default = column.default.as_ref();
            let default = default.map_or_else(String::new, |value| format!(", default {value}"));
            let is_named = column.index != ColumnIndex::Auto;
            let index = if is_named { format!(", index {}", column.index) } else { String::new() };
            format!("{scalar}{nullable}{default}{index}")
        }
    }
}
