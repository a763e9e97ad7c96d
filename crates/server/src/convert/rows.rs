//! Ids, rows and the positions of writes.

use super::filter_in;
use super::scalars::{kind_of, scalars_in, scalars_out};
use super::vectors::{Target, vectors_out};
use arrow_array::ArrayRef;
use std::collections::BTreeSet;
use vicinal_api::v1;
use vicinal_api::v1::column_values::Values;
use vicinal_engine::{
    Collection, Direction, Missing, OrderBy, Selection, Update, UpsertCondition, Write,
};
use vicinal_types::{
    Column, ColumnId, ColumnType, Error, IdType, Ids, Result, RowBatch, ShardId, VectorInput,
    limits,
};

/// Parses the rows of a write against the collection's columns.
pub(crate) fn rows_in(collection: &Collection, rows: Option<v1::RowBatch>) -> Result<RowBatch> {
    let rows = rows.ok_or_else(|| Error::invalid("there are no rows; set `rows`"))?;
    let ids = write_ids_in(collection, rows.ids)?;
    let Given { vectors, scalars } = given_in(collection, ids.len(), rows.columns)?;
    Ok(RowBatch { ids, vectors, scalars })
}

/// Parses an upsert against the collection's columns.
pub(crate) fn upsert_in(
    collection: &Collection,
    rows: Option<v1::RowBatch>,
    condition: Option<v1::Filter>,
    existing_only: bool,
) -> Result<Write> {
    let rows = rows_in(collection, rows)?;
    let filter = condition.map(filter_in).transpose()?;
    let missing = if existing_only { Missing::LeaveOut } else { Missing::Insert };
    Ok(match (filter, missing) {
        (None, Missing::Insert) => Write::Upsert(rows),
        (filter, missing) => Write::UpsertIf(rows, UpsertCondition { filter, missing }),
    })
}

/// Parses an update against the collection's columns.
pub(crate) fn update_in(
    collection: &Collection,
    ids: Option<v1::Ids>,
    filter: Option<v1::Filter>,
    columns: Vec<v1::ColumnValues>,
) -> Result<Update> {
    let (rows, len) = match (ids, filter) {
        (None, Some(filter)) => (Selection::Where(filter_in(filter)?), 1),
        (ids, filter) => {
            let ids = write_ids_in(collection, ids)?;
            let len = ids.len();
            let rows = match filter {
                None => Selection::Ids(ids),
                Some(filter) => Selection::IdsIf(ids, filter_in(filter)?),
            };
            (rows, len)
        }
    };
    let Given { vectors, scalars } = given_in(collection, len, columns)?;
    Ok(Update { rows, vectors, scalars })
}

/// Columns of a write.
#[derive(Default)]
struct Given {
    vectors: Vec<(ColumnId, VectorInput)>,
    scalars: Vec<(ColumnId, ArrayRef)>,
}

fn given_in(collection: &Collection, rows: usize, columns: Vec<v1::ColumnValues>) -> Result<Given> {
    let (max, given) = (limits::COLUMNS_MAX, columns.len());
    if given > max {
        return Err(Error::invalid(format!("{given} columns are more than the limit of {max}")));
    }
    let mut all = Given::default();
    let mut seen = BTreeSet::new();
    for values in columns {
        let column = column_named(collection, &values.name)?;
        if !seen.insert(column.id) {
            return Err(Error::invalid(format!("column `{}` is there twice", column.name)));
        }
        column_in(collection, column, rows, values, &mut all)?;
    }
    Ok(all)
}

fn column_in(
    collection: &Collection,
    column: &Column,
    rows: usize,
    values: v1::ColumnValues,
    given: &mut Given,
) -> Result<()> {
    match column.kind {
        ColumnType::Vector(kind) => {
            let name = &column.name;
            let vectors = match values.values {
                Some(Values::Vectors(vectors)) => vectors,
                other => {
                    let found = other.as_ref().map_or("no values", kind_of);
                    return Err(Error::invalid(format!(
                        "column `{name}` holds vectors, the request has {found}"
                    )));
                }
            };
            if !values.nulls.is_empty() {
                return Err(Error::invalid(format!(
                    "column `{name}` holds vectors, which are never null"
                )));
            }
            let target = Target { collection: &collection.spec.name, column: name, kind };
            given.vectors.push((column.id, target.parse_rows(vectors, rows)?));
        }
        ColumnType::Scalar { scalar, nullable: _ } => {
            let array = scalars_in(&column.name, scalar, rows, values.values, &values.nulls)?;
            given.scalars.push((column.id, array));
        }
    }
    Ok(())
}

/// Turns rows into columns with names.
pub(crate) fn rows_out(collection: &Collection, rows: RowBatch) -> Result<v1::RowBatch> {
    let RowBatch { ids, vectors, scalars } = rows;
    let mut columns = Vec::with_capacity(vectors.len() + scalars.len());
    for (id, array) in scalars {
        // Added after the request was parsed: not for this answer.
        let Some(column) = column_numbered(collection, id) else { continue };
        let ColumnType::Scalar { scalar, .. } = column.kind else {
            return Err(Error::internal(format!(
                "vector column `{}` came as scalars",
                column.name
            )));
        };
        let (values, nulls) = scalars_out(&column.name, scalar, &array)?;
        columns.push(v1::ColumnValues { name: column.name.clone(), values: Some(values), nulls });
    }
    for (id, input) in vectors {
        let Some(column) = column_numbered(collection, id) else { continue };
        let values = Some(Values::Vectors(vectors_out(input)));
        columns.push(v1::ColumnValues { name: column.name.clone(), values, nulls: Vec::new() });
    }
    Ok(v1::RowBatch { ids: Some(ids_out(ids)), columns })
}

/// Parses the ids of a write.
pub(crate) fn write_ids_in(collection: &Collection, ids: Option<v1::Ids>) -> Result<Ids> {
    ids_in(collection, ids, limits::WRITE_ROWS_MAX, "one write")
}

/// Parses the ids of rows to read.
pub(crate) fn fetch_ids_in(collection: &Collection, ids: Option<v1::Ids>) -> Result<Ids> {
    ids_in(collection, ids, limits::FETCH_ROWS_MAX, "one get")
}

fn ids_in(collection: &Collection, ids: Option<v1::Ids>, max: usize, of: &str) -> Result<Ids> {
    let kind = ids.and_then(|ids| ids.kind);
    let kind =
        kind.ok_or_else(|| Error::invalid("there are no ids; set `ids.ints` or `ids.strings`"))?;
    let ids = match kind {
        v1::ids::Kind::Ints(v1::IntIds { values }) => Ids::Int(values),
        v1::ids::Kind::Strings(v1::StringIds { values }) => Ids::Str(values),
    };
    let count = ids.len();
    if count == 0 || count > max {
        return Err(Error::invalid(format!("{count} ids are not the 1 to {max} of {of}")));
    }
    let given = match ids {
        Ids::Int(_) => IdType::Int64,
        Ids::Str(_) => IdType::String,
    };
    let own = collection.spec.schema.id_type();
    if given != own {
        let name = &collection.spec.name;
        return Err(Error::invalid(format!(
            "collection `{name}` has {own} ids, the request has {given} ids"
        )));
    }
    Ok(ids)
}

pub(super) fn ids_out(ids: Ids) -> v1::Ids {
    let kind = match ids {
        Ids::Int(values) => v1::ids::Kind::Ints(v1::IntIds { values }),
        Ids::Str(values) => v1::ids::Kind::Strings(v1::StringIds { values }),
    };
    v1::Ids { kind: Some(kind) }
}

/// Where a write stands in the shards that it touched.
pub(crate) fn positions_out(positions: Vec<(ShardId, u64)>) -> Vec<v1::Position> {
    let position = |(shard, index): (ShardId, u64)| v1::Position { shard: shard.0, index };
    positions.into_iter().map(position).collect()
}

/// Checks the number of names of columns wanted; the engine knows the names.
pub(crate) fn columns_in(columns: Vec<String>) -> Result<Vec<String>> {
    let (max, given) = (limits::COLUMNS_MAX, columns.len());
    if given > max {
        return Err(Error::invalid(format!(
            "{given} names of columns are more than the limit of {max}"
        )));
    }
    Ok(columns)
}

/// Parses an order; whether the column has one is the engine's to say.
pub(crate) fn order_by_in(order: v1::OrderBy) -> Result<OrderBy> {
    let v1::OrderBy { column, direction } = order;
    let direction = match v1::Direction::try_from(direction) {
        Ok(v1::Direction::Unspecified | v1::Direction::Ascending) => Direction::Ascending,
        Ok(v1::Direction::Descending) => Direction::Descending,
        Err(_) => {
            return Err(Error::invalid(format!(
                "{direction} is no Direction; use ASCENDING or DESCENDING"
            )));
        }
    };
    Ok(OrderBy { column, direction })
}

fn column_named<'a>(collection: &'a Collection, name: &str) -> Result<&'a Column> {
    let schema = &collection.spec.schema;
    schema.column(name).ok_or_else(|| {
        let own = &collection.spec.name;
        let names: Vec<_> = schema.columns().iter().map(|column| column.name.as_str()).collect();
        let names = names.join("`, `");
        let name: String = name.chars().take(limits::NAME_BYTES_MAX).collect();
        Error::invalid(format!("collection `{own}` has no column {name:?}; it has `{names}`"))
    })
}

fn column_numbered(collection: &Collection, id: ColumnId) -> Option<&Column> {
    collection.spec.schema.columns().iter().find(|column| column.id == id)
}
