//! Updates: the rows, and new values of some of their columns.

use super::format::{self, CommandError, Envelope, Kind, Part, PartKind};
use super::guard::{Guard, decode_guard};
use super::{Header, Parts, decode_filter, decode_ids, filter, part, push_columns};
use crate::columns::ids_to_array;
use crate::filtering::CompiledFilter;
use crate::request::Selection;
use crate::segment::VectorPart;
use crate::vectors::Encoded;
use arrow_array::ArrayRef;
use bytes::Bytes;
use std::sync::Arc;
use vicinal_types::{ColumnId, Ids, Result, Schema, limits};

/// New values that passed validation, in stored form.
#[derive(Debug)]
pub(crate) struct CheckedUpdate {
    /// The most rows that the update may be of.
    pub(crate) rows_max: usize,
    pub(crate) vectors: Vec<(ColumnId, Encoded)>,
    pub(crate) scalars: Vec<(ColumnId, ArrayRef)>,
    /// Bytes of vectors that it copies, as far as that is known.
    pub(crate) copied_bytes: u64,
}

/// An update as it is applied.
pub(crate) struct Updated {
    pub(crate) rows: UpdatedRows,
    /// At least as new as that which the update was checked against.
    pub(crate) schema: Arc<Schema>,
    pub(crate) vectors: Vec<(ColumnId, VectorPart)>,
    /// Columns that were dropped since included: a later write of the log may have a
    /// filter that reads them.
    pub(crate) scalars: Vec<(ColumnId, ArrayRef)>,
}

/// Which rows are updated.
pub(crate) enum UpdatedRows {
    /// Columns have a value for each.
    Ids { ids: Ids, guard: Guard },
    /// Columns have one value; nothing is done if more than `rows_max` pass.
    Where { filter: Box<CompiledFilter>, rows_max: u32 },
}

impl Updated {
    /// New values of a vector column.
    pub(crate) fn vectors(&self, column: ColumnId) -> Option<&VectorPart> {
        self.vectors.iter().find(|(id, _)| *id == column).map(|(_, part)| part)
    }

    /// New values of a scalar column.
    pub(crate) fn scalars(&self, column: ColumnId) -> Option<&ArrayRef> {
        self.scalars.iter().find(|(id, _)| *id == column).map(|(_, array)| array)
    }
}

/// Writes an update, and what guards it.
///
/// # Errors
/// `Invalid` with the place in the filter's text.
pub(crate) fn encode_update(
    header: &Header,
    schema: &Schema,
    rows: &Selection,
    update: &CheckedUpdate,
    guard: Vec<Part>,
) -> Result<Bytes> {
    let ids_part = |ids: &Ids| part(PartKind::Ids, ColumnId(0), &ids_to_array(ids));
    let filter_part = |kind, filter| filter::filter_part(header, schema, kind, filter);
    let (count, mut parts) = match rows {
        Selection::Ids(ids) => (ids.len(), vec![ids_part(ids)]),
        Selection::IdsIf(ids, condition) => {
            (ids.len(), vec![ids_part(ids), filter_part(PartKind::Condition, condition)?])
        }
        Selection::Where(condition) => {
            (update.rows_max, vec![filter_part(PartKind::Filter, condition)?])
        }
    };
    push_columns(&mut parts, &update.vectors, &update.scalars);
    parts.extend(guard);
    Ok(format::encode(&header.envelope(Kind::Update, count), &parts))
}

/// Reads an update. The schema may be newer than the one that it was checked against:
/// new values of vector columns that were dropped since are left out.
pub(crate) fn decode_update(
    envelope: &Envelope,
    parts: &[Part],
    schema: &Arc<Schema>,
) -> Result<Updated, CommandError> {
    if envelope.rows as usize > limits::WRITE_ROWS_MAX {
        return Err(CommandError::Wrong("row count"));
    }
    let is_by_filter = parts.iter().any(|part| part.kind == PartKind::Filter);
    let (rows, len) = if is_by_filter {
        let filter = Box::new(decode_filter(envelope, parts, schema)?);
        (UpdatedRows::Where { filter, rows_max: envelope.rows }, 1)
    } else {
        let ids = decode_ids(parts, schema)?;
        let len = ids.len();
        (UpdatedRows::Ids { ids, guard: decode_guard(envelope, parts, schema)? }, len)
    };
    let given = Parts { parts, len };
    let has = |kind, column| given.find(kind, column).is_some();
    let vectors = schema.vectors().filter(|(column, _)| has(PartKind::Vectors, column.id));
    let vectors = vectors.map(|(column, kind)| Ok((column.id, given.vectors(column.id, kind)?)));
    let scalars = schema.scalars().filter(|(column, ..)| has(PartKind::Scalars, column.id));
    let scalars =
        scalars.map(|(column, scalar, _)| Ok((column.id, given.scalars(column, scalar)?)));
    let scalars = scalars.chain(given.dropped(schema));
    Ok(Updated {
        rows,
        schema: Arc::clone(schema),
        vectors: vectors.collect::<Result<_, _>>()?,
        scalars: scalars.collect::<Result<_, _>>()?,
    })
}
