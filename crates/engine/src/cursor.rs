//! What the cursors of all walks have in common: a first byte that says which walk, and
//! the id of the row where a page ended, at the end.

use crate::columns::IdRef;
use vicinal_types::RowId;

/// The first byte of a cursor: over rows by the hashes of their ids.
pub(crate) const BY_HASH: u8 = 1;

/// Over rows in the order of a column.
pub(crate) const BY_COLUMN: u8 = 2;

/// Over rows by their scores.
pub(crate) const BY_SCORE: u8 = 3;

/// Over rows in the order of their ids.
pub(crate) const BY_ID: u8 = 4;

/// 0 and the number (8), or 1 and the text, to the end.
pub(crate) fn encode_id(id: IdRef<'_>, cursor: &mut Vec<u8>) {
    match id {
        IdRef::Int(id) => {
            cursor.push(0);
            cursor.extend_from_slice(&id.to_le_bytes());
        }
        IdRef::Str(id) => {
            cursor.push(1);
            cursor.extend_from_slice(id.as_bytes());
        }
    }
}

/// The id that the rest of a cursor is.
pub(crate) fn decode_id(bytes: &[u8]) -> Option<RowId> {
    let (kind, id) = bytes.split_first()?;
    match kind {
        0 => Some(RowId::Int(i64::from_le_bytes(id.try_into().ok()?))),
        1 => Some(RowId::Str(String::from_utf8(id.to_vec()).ok()?)),
        _ => None,
    }
}

/// Borrows the id where a page ended.
pub(crate) fn id_of(id: &RowId) -> IdRef<'_> {
    match id {
        RowId::Int(id) => IdRef::Int(*id),
        RowId::Str(id) => IdRef::Str(id),
    }
}
