//! The cursor of a walk over the nearest rows: what was asked, and where a page ended.
//!
//! | bytes | field                                                                |
//! |------:|----------------------------------------------------------------------|
//! |     1 | which walk: [`BY_SCORE`]                                             |
//! |     8 | the question: a hash of what all pages of a walk have in common      |
//! |     4 | the key of the page's last row, as the bits of a float               |
//! |     8 | rows of all pages so far                                             |
//! |     1 | length of the next                                                   |
//! |   len | name of the instruction set that computed the key                    |
//! |  9, … | the id of the page's last row                                        |
//! |     8 | a hash of everything before it                                       |
//!
//! Integers are little-endian.

use crate::columns::IdRef;
use crate::cursor::{BY_SCORE, decode_id, encode_id};
use crate::request::{Collection, RowFilter, Search};
use vicinal_distance::kernels;
use vicinal_types::{ColumnId, Error, Metric, Nearer, Result, RowId};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Where a page ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct After {
    pub(super) key: f32,
    /// Rows of all pages so far.
    pub(super) seen: u64,
    pub(super) id: RowId,
}

/// A cursor to be made.
pub(super) struct Cursor<'a> {
    pub(super) question: u64,
    pub(super) key: f32,
    pub(super) seen: u64,
    pub(super) id: IdRef<'a>,
}

/// What a cursor says.
struct Said<'a> {
    question: u64,
    isa: &'a [u8],
    after: After,
}

/// A hash of what all pages of a walk have in common: rows and their scores. Effort and
/// columns may change on the way.
pub(super) fn question(
    collection: &Collection,
    column: ColumnId,
    search: &Search,
    query: &[u8],
) -> u64 {
    let filter = search.filter.as_ref().map(RowFilter::key).unwrap_or_default();
    let mut hasher = Xxh3::new();
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    add(&collection.id.0.to_le_bytes());
    add(&column.0.to_le_bytes());
    add(query);
    add(filter.as_bytes());
    for bound in [search.radius, search.inner_radius] {
        match bound {
            Some(bound) => add(&bound.to_le_bytes()),
            None => add(&[]),
        }
    }
    hasher.digest()
}

impl Cursor<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        encode(self, kernels().isa().name())
    }

    /// Where the last page of that walk ended; none: nowhere yet.
    ///
    /// # Errors
    /// `Invalid` for what is no cursor, or one of another walk, or one that was made where
    /// scores are computed in another way.
    pub(super) fn decode(bytes: &[u8], question: u64, metric: Metric) -> Result<Option<After>> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let Some(said) = decode(bytes) else {
            return Err(Error::invalid(
                "the cursor is not one that a search returned; leave it empty to start over",
            ));
        };
        if said.question != question {
            return Err(Error::invalid(
                "the cursor is of another search: all pages of a walk have the same collection, vector, filter and radiuses; leave it empty to start over",
            ));
        }
        let isa = kernels().isa().name();
        if said.isa != isa.as_bytes() {
            let (made, key) = (String::from_utf8_lossy(said.isa), said.after.key);
            let score = match Nearer::of(metric) {
                Nearer::Lower => key,
                Nearer::Higher => -key,
            };
            return Err(Error::invalid(format!(
                "the cursor was made with the instruction set {made}, this server computes scores with {isa}, which round in another way; start over with an empty cursor, perhaps with inner_radius {score}, where it was"
            )));
        }
        Ok(Some(said.after))
    }
}

fn encode(cursor: &Cursor<'_>, isa: &str) -> Vec<u8> {
    let mut bytes = vec![BY_SCORE];
    bytes.extend_from_slice(&cursor.question.to_le_bytes());
    bytes.extend_from_slice(&cursor.key.to_bits().to_le_bytes());
    bytes.extend_from_slice(&cursor.seen.to_le_bytes());
    bytes.push(u8::try_from(isa.len()).expect("names of instruction sets are short"));
    bytes.extend_from_slice(isa.as_bytes());
    encode_id(cursor.id, &mut bytes);
    bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
    bytes
}

fn decode(cursor: &[u8]) -> Option<Said<'_>> {
    let (body, hash) = cursor.split_last_chunk()?;
    let (&BY_SCORE, rest) = body.split_first()? else { return None };
    let (question, rest) = rest.split_first_chunk()?;
    let (key, rest) = rest.split_first_chunk()?;
    let (seen, rest) = rest.split_first_chunk()?;
    let (len, rest) = rest.split_first()?;
    let (isa, id) = rest.split_at_checked((*len).into())?;
    let key = f32::from_bits(u32::from_le_bytes(*key));
    let after = After { key, seen: u64::from_le_bytes(*seen), id: decode_id(id)? };
    let is_whole = u64::from_le_bytes(*hash) == xxh3_64(body) && !key.is_nan();
    is_whole.then_some(Said { question: u64::from_le_bytes(*question), isa, after })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::id_of;

    fn cursor(id: &RowId, isa: &str) -> Vec<u8> {
        encode(&Cursor { question: 7, key: -0.25, seen: 1_000, id: id_of(id) }, isa)
    }

    fn refused(bytes: &[u8], question: u64) -> String {
        Cursor::decode(bytes, question, Metric::Cosine).expect_err("a wrong cursor").to_string()
    }

    #[test]
    fn cursors_come_back_and_no_byte_of_them_can_be_changed() {
        let isa = kernels().isa().name();
        for id in [RowId::Int(-5), RowId::Str("synset ü".into())] {
            let bytes = cursor(&id, isa);
            let after = Cursor::decode(&bytes, 7, Metric::Cosine).expect("a cursor");
            assert_eq!(after, Some(After { key: -0.25, seen: 1_000, id }));
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                assert!(refused(&changed, 7).contains("not one that a search returned"), "{at}");
                if at > 0 {
                    assert!(refused(&bytes[..at], 7).contains("not one that"), "{at}");
                }
            }
        }
        assert_eq!(Cursor::decode(&[], 7, Metric::L2).expect("the start"), None);
    }

    #[test]
    fn cursors_of_other_walks_and_other_machines_are_refused() {
        let id = RowId::Int(3);
        assert!(refused(&cursor(&id, kernels().isa().name()), 8).contains("of another search"));
        let line = refused(&cursor(&id, "abacus"), 7);
        assert!(line.contains("abacus") && line.contains("inner_radius 0.25"), "{line}");
    }
}
