//! Commands: what goes through the Raft log, from request to apply.

mod clock;
mod filter;
pub(crate) mod format;
mod guard;
mod update;

pub(crate) use clock::CommandClock;
pub(crate) use filter::{decode_filter, encode_delete_where};
pub(crate) use guard::{Guard, decode_guard, guard_parts, living_parts};
pub(crate) use update::{CheckedUpdate, Updated, UpdatedRows, decode_update, encode_update};

use crate::columns::{self, array_to_ids, ids_to_array};
use crate::segment::{Rows, VectorPart, Versions};
use crate::vectors::Encoded;
use arrow_array::ArrayRef;
use bytes::Bytes;
use format::{CommandError, Envelope, Kind, Part, PartKind};
use std::sync::Arc;
use vicinal_index::Vectors;
use vicinal_types::{
    CollectionId, Column, ColumnId, DatabaseId, Ids, RequestId, ScalarType, Schema, VectorType,
    limits,
};

/// Rows that passed validation, in stored form.
#[derive(Debug)]
pub(crate) struct CheckedRows {
    pub(crate) ids: Ids,
    pub(crate) vectors: Vec<(ColumnId, Encoded)>,
    pub(crate) scalars: Vec<(ColumnId, ArrayRef)>,
}

/// What a command carries besides its rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) database: DatabaseId,
    pub(crate) collection: CollectionId,
    pub(crate) schema_version: u32,
    pub(crate) request: Option<RequestId>,
    pub(crate) time_micros: u64,
}

impl Header {
    fn envelope(&self, kind: Kind, rows: usize) -> Envelope {
        Envelope {
            kind,
            database: self.database,
            collection: self.collection,
            schema_version: self.schema_version,
            rows: u32::try_from(rows).expect("validation bounds the rows of a write"),
            request: self.request,
            time_micros: self.time_micros,
        }
    }
}

/// Writes an insert or upsert, and what guards it.
pub(crate) fn encode_rows(
    header: &Header,
    kind: Kind,
    rows: &CheckedRows,
    guard: Vec<Part>,
) -> Bytes {
    let mut parts = vec![part(PartKind::Ids, ColumnId(0), &ids_to_array(&rows.ids))];
    push_columns(&mut parts, &rows.vectors, &rows.scalars);
    parts.extend(guard);
    format::encode(&header.envelope(kind, rows.ids.len()), &parts)
}

fn push_columns(
    parts: &mut Vec<Part>,
    vectors: &[(ColumnId, Encoded)],
    scalars: &[(ColumnId, ArrayRef)],
) {
    for (column, encoded) in vectors {
        let bytes = encoded.bytes.clone();
        parts.push(Part { kind: PartKind::Vectors, column: *column, bytes });
        if let Some(norms) = &encoded.norms {
            let bytes: Bytes = norms.iter().flat_map(|norm| norm.to_le_bytes()).collect();
            parts.push(Part { kind: PartKind::Norms, column: *column, bytes });
        }
    }
    for (column, array) in scalars {
        parts.push(part(PartKind::Scalars, *column, array));
    }
}

/// Writes a delete, and what guards it.
pub(crate) fn encode_delete(header: &Header, ids: &Ids, guard: Vec<Part>) -> Bytes {
    let mut parts = vec![part(PartKind::Ids, ColumnId(0), &ids_to_array(ids))];
    parts.extend(guard);
    format::encode(&header.envelope(Kind::Delete, ids.len()), &parts)
}

/// Writes a catalogue command.
pub(crate) fn encode_text(header: &Header, text: String) -> Bytes {
    let part = Part { kind: PartKind::Text, column: ColumnId(0), bytes: text.into() };
    format::encode(&header.envelope(Kind::Catalogue, 0), &[part])
}

fn part(kind: PartKind, column: ColumnId, array: &ArrayRef) -> Part {
    let mut bytes = Vec::new();
    columns::format::encode(array, &mut bytes);
    Part { kind, column, bytes: bytes.into() }
}

/// The text of a catalogue command.
pub(crate) fn decode_text(parts: &[Part]) -> Result<&[u8], CommandError> {
    let [part] = parts else {
        return Err(CommandError::Wrong("list of parts"));
    };
    Ok(&part.bytes)
}

/// The ids of a delete or an update.
pub(crate) fn decode_ids(parts: &[Part], schema: &Schema) -> Result<Ids, CommandError> {
    let ids = parts.iter().find(|part| part.kind == PartKind::Ids);
    let array = ids.and_then(|part| columns::format::decode(&part.bytes).ok());
    array
        .and_then(|array| array_to_ids(&array, schema.id_type()))
        .ok_or(CommandError::Wrong("list of ids"))
}

/// The rows of an insert or upsert, sharing the entry's bytes.
///
/// The schema may be newer than the one that the command was checked against:
/// columns added since have their defaults. Scalar columns that were dropped since
/// are kept: a delete by filter that comes behind in the log may read them.
pub(crate) fn decode_rows(
    envelope: &Envelope,
    parts: &[Part],
    schema: &Schema,
    index: u64,
) -> Result<Rows, CommandError> {
    let len = envelope.rows as usize;
    if len > limits::WRITE_ROWS_MAX {
        return Err(CommandError::Wrong("row count"));
    }
    let parts = Parts { parts, len };
    let ids = parts.find(PartKind::Ids, ColumnId(0));
    let ids = ids.and_then(|bytes| columns::format::decode(bytes).ok());
    let ids =
        ids.filter(|ids| array_to_ids(ids, schema.id_type()).is_some_and(|ids| ids.len() == len));
    let vectors =
        schema.vectors().map(|(column, kind)| Ok((column.id, parts.vectors(column.id, kind)?)));
    let scalars =
        schema.scalars().map(|(column, scalar, _)| Ok((column.id, parts.scalars(column, scalar)?)));
    let scalars = scalars.chain(parts.dropped(schema));
    Ok(Rows {
        ids: ids.ok_or(CommandError::Wrong("list of ids"))?,
        versions: Versions::of_command(index, envelope.rows),
        vectors: vectors.collect::<Result<_, _>>()?,
        scalars: scalars.collect::<Result<_, _>>()?,
    })
}

/// The parts of a command of `len` rows.
struct Parts<'a> {
    parts: &'a [Part],
    len: usize,
}

impl<'a> Parts<'a> {
    fn find(&self, kind: PartKind, column: ColumnId) -> Option<&'a Bytes> {
        let is_it = |part: &&Part| part.kind == kind && part.column == column;
        self.parts.iter().find(is_it).map(|part| &part.bytes)
    }

    /// The scalar columns that the schema does not have any more.
    fn dropped(
        &self,
        schema: &Schema,
    ) -> impl Iterator<Item = Result<(ColumnId, ArrayRef), CommandError>> {
        let is_dropped = |part: &&Part| {
            let is_declared = schema.columns().iter().any(|column| column.id == part.column);
            part.kind == PartKind::Scalars && !is_declared
        };
        self.parts.iter().filter(is_dropped).map(|part| {
            let array = columns::format::decode(&part.bytes).ok();
            let array = array.filter(|array| array.len() == self.len);
            Ok((part.column, array.ok_or(CommandError::Wrong("column of scalars"))?))
        })
    }

    fn vectors(&self, column: ColumnId, kind: VectorType) -> Result<VectorPart, CommandError> {
        let bytes =
            self.find(PartKind::Vectors, column).ok_or(CommandError::Wrong("list of vectors"))?;
        let block = Vectors::new(kind, bytes.clone()).ok();
        let block = block.filter(|block| block.len() as usize == self.len);
        let norms = self.find(PartKind::Norms, column).map(|bytes| -> Arc<[f32]> {
            bytes.as_chunks().0.iter().map(|norm| f32::from_le_bytes(*norm)).collect()
        });
        if norms.as_ref().is_some_and(|norms| norms.len() != self.len) {
            return Err(CommandError::Wrong("list of norms"));
        }
        let vectors = block.ok_or(CommandError::Wrong("block of vectors"))?;
        Ok(VectorPart { vectors, norms })
    }

    fn scalars(&self, column: &Column, scalar: ScalarType) -> Result<ArrayRef, CommandError> {
        let Some(bytes) = self.find(PartKind::Scalars, column.id) else {
            return Ok(columns::constant(scalar, column.default.as_ref(), self.len));
        };
        let array = columns::format::decode(bytes).ok();
        let is_right =
            |array: &ArrayRef| array.len() == self.len && array.data_type() == &scalar.arrow();
        array.filter(is_right).ok_or(CommandError::Wrong("column of scalars"))
    }
}

#[cfg(test)]
mod tests;
