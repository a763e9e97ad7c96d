//! A command of a Raft log entry.
//!
//! | offset | bytes | field                                                   |
//! |-------:|------:|---------------------------------------------------------|
//! |      0 |     2 | format version, 1                                       |
//! |      2 |     1 | kind: 1 insert, 2 upsert, 3 delete, 4 delete by filter, |
//! |        |       | 5 update, 16 catalogue                                  |
//! |      3 |     1 | 1 if a request id is given                              |
//! |      4 |     4 | feature level that a node needs to apply it: 4 if it    |
//! |        |       | has parts from 7 on, 3 for an update, 2 for a delete by |
//! |        |       | filter, else 1                                          |
//! |      8 |     4 | database                                                |
//! |     12 |     4 | collection                                              |
//! |     16 |     4 | schema version of the rows                              |
//! |     20 |     4 | rows; of an update by filter: how many it may be of     |
//! |     24 |    16 | request id, or zero                                     |
//! |     40 |     8 | leader time, microseconds since 1970-01-01 UTC          |
//! |     48 |     4 | number of parts                                         |
//! |     52 |    12 | zero                                                    |
//! |     64 |  16·n | parts: kind (4), column (4), length (8)                 |
//! |      … |     … | the parts' bytes, each starting at a multiple of 64     |
//!
//! Parts: 1 ids (a column), 2 vectors (rows × row bytes), 3 norms (rows × f32),
//! 4 scalars (a column), 5 text (JSON of a catalogue command), 6 filter (JSON of its
//! text, its parameters and the columns that it names), 7 condition (a filter that the
//! live rows of the ids must pass), 8 existing only (empty: ids without a live row are
//! left out), 9 living (a filter that rows pass which have not expired). An update has ids or a filter, and the columns that it sets, in the latter
//! case with one row. Columns are in the form of `columns::format`. Integers are
//! little-endian.

use bytes::Bytes;
use std::ops::Range;
use vicinal_types::{CollectionId, ColumnId, DatabaseId, RequestId};

const VERSION: u16 = 1;
/// What this node is able to apply.
const FEATURE_LEVEL: u32 = 4;

const FORMAT: Range<usize> = 0..2;
const KIND: usize = FORMAT.end;
const HAS_REQUEST: usize = KIND + 1;
const LEVEL: Range<usize> = HAS_REQUEST + 1..HAS_REQUEST + 5;
const DATABASE: Range<usize> = LEVEL.end..LEVEL.end + 4;
const COLLECTION: Range<usize> = DATABASE.end..DATABASE.end + 4;
const SCHEMA: Range<usize> = COLLECTION.end..COLLECTION.end + 4;
const ROWS: Range<usize> = SCHEMA.end..SCHEMA.end + 4;
const REQUEST: Range<usize> = ROWS.end..ROWS.end + 16;
const TIME: Range<usize> = REQUEST.end..REQUEST.end + 8;
const PARTS: Range<usize> = TIME.end..TIME.end + 4;
const HEADER_BYTES: usize = PARTS.end + 12;
const PART_BYTES: usize = 16;
const ALIGNMENT: usize = 64;
const _: () = assert!(HEADER_BYTES == 64, "the table above says so");

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Insert,
    Upsert,
    Delete,
    DeleteWhere,
    Update,
    Catalogue,
}

/// The fixed part of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) kind: Kind,
    pub(crate) database: DatabaseId,
    pub(crate) collection: CollectionId,
    pub(crate) schema_version: u32,
    pub(crate) rows: u32,
    pub(crate) request: Option<RequestId>,
    pub(crate) time_micros: u64,
}

/// What a part of a command holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartKind {
    Ids,
    Vectors,
    Norms,
    Scalars,
    Text,
    Filter,
    Condition,
    ExistingOnly,
    Living,
}

/// A named piece of a command's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) kind: PartKind,
    pub(crate) column: ColumnId,
    pub(crate) bytes: Bytes,
}

/// Why bytes are not a command.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("the command has format version {found}, this program reads version {VERSION}")]
    Version { found: u16 },
    #[error("the command needs feature level {found}, this program has {FEATURE_LEVEL}")]
    Level { found: u32 },
    #[error("the command's {0} is not valid")]
    Wrong(&'static str),
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Insert => 1,
            Self::Upsert => 2,
            Self::Delete => 3,
            Self::DeleteWhere => 4,
            Self::Update => 5,
            Self::Catalogue => 16,
        }
    }

    /// What a node must be able to do to apply it.
    fn level(self) -> u32 {
        match self {
            Self::Insert | Self::Upsert | Self::Delete | Self::Catalogue => 1,
            Self::DeleteWhere => 2,
            Self::Update => 3,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        let all = [
            Self::Insert,
            Self::Upsert,
            Self::Delete,
            Self::DeleteWhere,
            Self::Update,
            Self::Catalogue,
        ];
        all.into_iter().find(|kind| kind.code() == code)
    }
}

impl PartKind {
    fn code(self) -> u32 {
        match self {
            Self::Ids => 1,
            Self::Vectors => 2,
            Self::Norms => 3,
            Self::Scalars => 4,
            Self::Text => 5,
            Self::Filter => 6,
            Self::Condition => 7,
            Self::ExistingOnly => 8,
            Self::Living => 9,
        }
    }

    /// What a node must be able to do to apply a command that has it.
    fn level(self) -> u32 {
        match self {
            Self::Ids | Self::Vectors | Self::Norms | Self::Scalars | Self::Text | Self::Filter => {
                1
            }
            Self::Condition | Self::ExistingOnly | Self::Living => 4,
        }
    }

    fn from_code(code: u32) -> Option<Self> {
        let all = [
            Self::Ids,
            Self::Vectors,
            Self::Norms,
            Self::Scalars,
            Self::Text,
            Self::Filter,
            Self::Condition,
            Self::ExistingOnly,
            Self::Living,
        ];
        all.into_iter().find(|kind| kind.code() == code)
    }
}

/// Writes a command.
pub(crate) fn encode(envelope: &Envelope, parts: &[Part]) -> Bytes {
    let table_end = HEADER_BYTES + parts.len() * PART_BYTES;
    let body: usize = parts.iter().map(|part| part.bytes.len().next_multiple_of(ALIGNMENT)).sum();
    let mut out = Vec::with_capacity(table_end.next_multiple_of(ALIGNMENT) + body);
    out.resize(HEADER_BYTES, 0);
    let request = envelope.request.map_or([0; 16], |request| request.0);
    let parts_len = u32::try_from(parts.len()).expect("a schema's columns are few");
    let level = parts.iter().map(|part| part.kind.level()).fold(envelope.kind.level(), u32::max);
    out[FORMAT].copy_from_slice(&VERSION.to_le_bytes());
    out[KIND] = envelope.kind.code();
    out[HAS_REQUEST] = u8::from(envelope.request.is_some());
    out[LEVEL].copy_from_slice(&level.to_le_bytes());
    out[DATABASE].copy_from_slice(&envelope.database.0.to_le_bytes());
    out[COLLECTION].copy_from_slice(&envelope.collection.0.to_le_bytes());
    out[SCHEMA].copy_from_slice(&envelope.schema_version.to_le_bytes());
    out[ROWS].copy_from_slice(&envelope.rows.to_le_bytes());
    out[REQUEST].copy_from_slice(&request);
    out[TIME].copy_from_slice(&envelope.time_micros.to_le_bytes());
    out[PARTS].copy_from_slice(&parts_len.to_le_bytes());
    for part in parts {
        out.extend_from_slice(&part.kind.code().to_le_bytes());
        out.extend_from_slice(&part.column.0.to_le_bytes());
        out.extend_from_slice(&(part.bytes.len() as u64).to_le_bytes());
    }
    for part in parts {
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        out.extend_from_slice(&part.bytes);
    }
    out.into()
}

/// Reads a command; the parts share the entry's bytes.
///
/// # Errors
/// [`CommandError`]; hostile bytes never panic.
pub(crate) fn decode(bytes: &Bytes) -> Result<(Envelope, Vec<Part>), CommandError> {
    let header = bytes.get(..HEADER_BYTES).ok_or(CommandError::Wrong("length"))?;
    let found = u16::from_le_bytes(field(header, FORMAT));
    if found != VERSION {
        return Err(CommandError::Version { found });
    }
    let found = u32::from_le_bytes(field(header, LEVEL));
    if found > FEATURE_LEVEL {
        return Err(CommandError::Level { found });
    }
    let request = RequestId(field(header, REQUEST));
    let envelope = Envelope {
        kind: Kind::from_code(header[KIND]).ok_or(CommandError::Wrong("kind"))?,
        database: DatabaseId(u32::from_le_bytes(field(header, DATABASE))),
        collection: CollectionId(u32::from_le_bytes(field(header, COLLECTION))),
        schema_version: u32::from_le_bytes(field(header, SCHEMA)),
        rows: u32::from_le_bytes(field(header, ROWS)),
        request: (header[HAS_REQUEST] == 1).then_some(request),
        time_micros: u64::from_le_bytes(field(header, TIME)),
    };
    let count = u32::from_le_bytes(field(header, PARTS)) as usize;
    let table = count
        .checked_mul(PART_BYTES)
        .and_then(|len| bytes.get(HEADER_BYTES..HEADER_BYTES.checked_add(len)?))
        .ok_or(CommandError::Wrong("table of parts"))?;
    let mut at = HEADER_BYTES + table.len();
    let mut parts = Vec::with_capacity(count);
    for entry in table.as_chunks::<PART_BYTES>().0 {
        let kind = PartKind::from_code(u32::from_le_bytes(field(entry, 0..4)));
        let len = usize::try_from(u64::from_le_bytes(field(entry, 8..16))).ok();
        at = at.next_multiple_of(ALIGNMENT);
        let end = len.and_then(|len| at.checked_add(len)).filter(|end| *end <= bytes.len());
        parts.push(Part {
            kind: kind.ok_or(CommandError::Wrong("part kind"))?,
            column: ColumnId(u32::from_le_bytes(field(entry, 4..8))),
            bytes: bytes.slice(at..end.ok_or(CommandError::Wrong("part length"))?),
        });
        at += parts.last().map_or(0, |part| part.bytes.len());
    }
    Ok((envelope, parts))
}

fn field<const N: usize>(header: &[u8], at: Range<usize>) -> [u8; N] {
    header[at].try_into().expect("the offsets above are N apart")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn example() -> (Envelope, Vec<Part>) {
        let envelope = Envelope {
            kind: Kind::Upsert,
            database: DatabaseId(1),
            collection: CollectionId(2),
            schema_version: 3,
            rows: 4,
            request: Some(RequestId([5; 16])),
            time_micros: 6,
        };
        let part =
            |kind, column, len| Part { kind, column: ColumnId(column), bytes: vec![9; len].into() };
        (
            envelope,
            vec![
                part(PartKind::Ids, 0, 100),
                part(PartKind::Vectors, 1, 64),
                part(PartKind::Scalars, 2, 0),
            ],
        )
    }

    #[test]
    fn a_command_comes_back() {
        let (envelope, parts) = example();
        let bytes = encode(&envelope, &parts);
        assert_eq!(decode(&bytes).expect("what was encoded"), (envelope, parts));
    }

    #[test]
    fn the_layout_of_version_1_never_changes() {
        let (envelope, parts) = example();
        let bytes = encode(&envelope, &parts);
        assert_eq!(
            xxhash_rust::xxh3::xxh3_64(&bytes),
            10_762_315_124_663_407_354,
            "logs hold this form"
        );
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_an_error_or_a_command(at in 0usize..400, bit in 0u8..8, cut in 0usize..400) {
            let (envelope, parts) = example();
            let mut bytes = encode(&envelope, &parts).to_vec();
            let len = bytes.len();
            bytes[at % len] ^= 1 << bit;
            bytes.truncate(cut.max(1).min(len));
            let _ = decode(&bytes.into());
        }
    }
}
