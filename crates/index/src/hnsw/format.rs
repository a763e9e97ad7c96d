//! The sections of an HNSW index. Integers are little-endian.
//!
//! [`section::HEADER`]: see [`Head`]; its vertices are the rows.
//!
//! [`section::HNSW_GROUND`]: for every row 2 · `m` rows that it links to,
//! nearest directions first; [`NONE`] fills the end. A vertex is its row; a
//! later version that reorders vertices adds a section with their permutation.
//!
//! [`section::HNSW_UPPER`]: layer 1, 2, …, each of them
//!
//! | words           | field                                                   |
//! |----------------:|---------------------------------------------------------|
//! |        vertices | the row of every slot, ascending                        |
//! |        vertices | the slot in the layer below; on layer 1 the row         |
//! | vertices · `m`  | slots of this layer that it links to, [`NONE`] at the end |
//!
//! [`section::HNSW_DUPLICATES`]: the vertex of every row that is a copy,
//! ascending, then as many rows, ascending for each vertex.
//!
//! [`section::HNSW_CODES`]: a record for every row, in whole words: its codes, of
//! 4 bits the even dimensions in the low halves of the bytes; for inner products
//! then the sum of the codes, a float; 1-bit codes as [`BitCodes`] has them. There
//! is none for rows of 8-bit integers under codes of 8 bits.
//!
//! [`section::HNSW_CENTRE`], only for 1-bit codes: a float for every dimension.

use super::Hnsw;
use super::codes::are_stored;
use super::head::{Head, Read, damaged, duplicates, links_below, words};
use crate::index::{HNSW, VERSION, section};
use crate::{IndexError, Section, Vectors};
use bytes::Bytes;

pub(super) fn encode(hnsw: &Hnsw) -> Vec<Section> {
    let head = Head::new(HNSW, hnsw.rows, hnsw.params, &hnsw.tower, hnsw.codes.as_ref());
    let mut parts = vec![
        (section::HEADER, Bytes::from(head.encode())),
        (section::HNSW_GROUND, hnsw.ground.bytes().clone()),
        (section::HNSW_UPPER, hnsw.tower.words.bytes().clone()),
        (section::HNSW_DUPLICATES, hnsw.duplicates.words().bytes().clone()),
    ];
    if let Some(codes) = &hnsw.codes {
        parts.extend(codes.parts());
    }
    parts.into_iter().map(|(kind, bytes)| (kind, VERSION, bytes)).collect()
}

pub(super) fn decode(
    header: &[u8],
    read: &mut Read<'_>,
    vectors: &Vectors,
) -> Result<Hnsw, IndexError> {
    let vector = vectors.vector_type();
    let head = Head::decode(header, vector)?;
    let (params, rows) = (head.params, head.vertices);
    if rows != vectors.len() {
        let reason = format!("it is about {rows} rows, the segment has {}", vectors.len());
        return Err(damaged(section::HEADER, reason));
    }
    let ground = words(section::HNSW_GROUND, read, Some(rows as usize * params.ground_degree()))?;
    links_below(section::HNSW_GROUND, ground.get(), rows)?;
    let tower = head.tower(read)?;
    let duplicates = duplicates(read, rows)?;
    let has_codes = are_stored(params.codes, vector.element());
    let codes = has_codes.then(|| head.codes(read, vector)).transpose()?;
    Ok(Hnsw { params, rows, ground, tower, duplicates, codes, ahead: None })
}
