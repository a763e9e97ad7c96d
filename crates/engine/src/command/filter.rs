//! The filter of a write: all that it takes to evaluate it, whatever becomes of the
//! schema until it is applied, or applied again after a crash.

use super::Header;
use super::format::{self, CommandError, Envelope, Kind, Part, PartKind};
use crate::filtering::CompiledFilter;
use crate::request::RowFilter;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vicinal_filter::{Expression, Value};
use vicinal_types::{Column, ColumnId, ColumnType, Error, Result, Schema};

/// The filter as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    text: String,
    parameters: BTreeMap<String, Value>,
    /// The columns that it names, as they were declared when it was checked.
    columns: Vec<Column>,
}

/// Checks and writes a delete by filter, and what guards it.
///
/// # Errors
/// `Invalid` with the place in the filter's text.
pub(crate) fn encode_delete_where(
    header: &Header,
    schema: &Schema,
    filter: &RowFilter,
    guard: Vec<Part>,
) -> Result<Bytes> {
    let mut parts = vec![filter_part(header, schema, PartKind::Filter, filter)?];
    parts.extend(guard);
    Ok(format::encode(&header.envelope(Kind::DeleteWhere, 0), &parts))
}

/// Checks a filter and writes it.
///
/// # Errors
/// `Invalid` with the place in the filter's text.
pub(super) fn filter_part(
    header: &Header,
    schema: &Schema,
    kind: PartKind,
    filter: &RowFilter,
) -> Result<Part> {
    CompiledFilter::new(schema, filter, header.time_micros)?;
    let names = filter.expression.column_names();
    let is_named = |column: &&Column| names.contains(&column.name.as_str());
    let body = Body {
        text: filter.expression.text().to_owned(),
        parameters: filter.parameters.clone().into_iter().collect(),
        columns: schema.columns().iter().filter(is_named).cloned().collect(),
    };
    let bytes = serde_json::to_vec(&body)
        .map_err(|error| Error::internal("a filter cannot be written").caused_by(error))?;
    Ok(Part { kind, column: ColumnId(0), bytes: bytes.into() })
}

/// The filter of a write by filter, which reads the columns that it was checked against;
/// rows that have expired do not pass.
pub(crate) fn decode_filter(
    envelope: &Envelope,
    parts: &[Part],
    schema: &Schema,
) -> Result<CompiledFilter, CommandError> {
    let part = parts.iter().find(|part| part.kind == PartKind::Filter);
    let part = part.ok_or(CommandError::Wrong("list of parts"))?;
    let filter = decode_part(envelope, part, schema)?;
    let living = parts.iter().find(|part| part.kind == PartKind::Living);
    Ok(match living {
        None => filter,
        Some(living) => filter.and(decode_part(envelope, living, schema)?),
    })
}

/// A filter of any part that has one.
pub(super) fn decode_part(
    envelope: &Envelope,
    Part { bytes, .. }: &Part,
    schema: &Schema,
) -> Result<CompiledFilter, CommandError> {
    let wrong = || CommandError::Wrong("filter");
    let body: Body = serde_json::from_slice(bytes).map_err(|_| wrong())?;
    let is_vector = |column: &&Column| matches!(column.kind, ColumnType::Vector(_));
    let vectors = schema.columns().iter().filter(is_vector).cloned();
    let schema = Schema::new(schema.id_type(), vectors.chain(body.columns).collect());
    let filter = RowFilter {
        expression: Expression::parse(&body.text).map_err(|_| wrong())?,
        parameters: body.parameters.into_iter().collect(),
    };
    CompiledFilter::new(&schema.map_err(|_| wrong())?, &filter, envelope.time_micros)
        .map_err(|_| wrong())
}
