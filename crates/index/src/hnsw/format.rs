//! The sections of an HNSW index. Integers are little-endian.
//!
//! [`section::HEADER`]:
//!
//! | offset | bytes | field                                                  |
//! |-------:|------:|--------------------------------------------------------|
//! |      0 |     4 | index kind, 2: HNSW                                    |
//! |      4 |     4 | rows                                                   |
//! |      8 |     4 | `m`                                                    |
//! |     12 |     4 | `ef_construction`                                      |
//! |     16 |     8 | `seed`                                                 |
//! |     24 |     4 | entry: a slot of the top layer, a row if there is none |
//! |     28 |     4 | layers above the ground, at most [`LAYERS_MAX`]        |
//! |     32 |    64 | vertices of layer 1, 2, …; zero where there is none    |
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

use super::duplicates::Duplicates;
use super::layers::{LAYERS_MAX, NONE, UpperLayer, Words};
use super::{Hnsw, HnswParams};
use crate::index::{HNSW, VERSION, section};
use crate::{IndexError, Section, Vectors};
use bytes::Bytes;
use std::ops::Range;

const KIND: Range<usize> = 0..4;
const ROWS: Range<usize> = KIND.end..KIND.end + 4;
const M: Range<usize> = ROWS.end..ROWS.end + 4;
const EF_CONSTRUCTION: Range<usize> = M.end..M.end + 4;
const SEED: Range<usize> = EF_CONSTRUCTION.end..EF_CONSTRUCTION.end + 8;
const ENTRY: Range<usize> = SEED.end..SEED.end + 4;
const LAYERS: Range<usize> = ENTRY.end..ENTRY.end + 4;
const COUNTS: Range<usize> = LAYERS.end..LAYERS.end + 4 * LAYERS_MAX;
const HEADER_BYTES: usize = COUNTS.end;
const _: () = assert!(HEADER_BYTES == 96, "the table above says so");

type Read<'a> = dyn FnMut(u32) -> Result<Bytes, IndexError> + 'a;

pub(super) fn encode(hnsw: &Hnsw) -> Vec<Section> {
    let parts = [
        (section::HEADER, Bytes::from(header(hnsw))),
        (section::HNSW_GROUND, hnsw.ground.bytes().clone()),
        (section::HNSW_UPPER, hnsw.upper.bytes().clone()),
        (section::HNSW_DUPLICATES, hnsw.duplicates.words().bytes().clone()),
    ];
    parts.into_iter().map(|(kind, bytes)| (kind, VERSION, bytes)).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "layers and their vertices are fewer than 2^32"
)]
fn header(hnsw: &Hnsw) -> Vec<u8> {
    let mut header = vec![0; HEADER_BYTES];
    header[KIND].copy_from_slice(&HNSW.to_le_bytes());
    header[ROWS].copy_from_slice(&hnsw.rows.to_le_bytes());
    header[M].copy_from_slice(&hnsw.params.m.to_le_bytes());
    header[EF_CONSTRUCTION].copy_from_slice(&hnsw.params.ef_construction.to_le_bytes());
    header[SEED].copy_from_slice(&hnsw.params.seed.to_le_bytes());
    header[ENTRY].copy_from_slice(&hnsw.entry.to_le_bytes());
    header[LAYERS].copy_from_slice(&(hnsw.layers.len() as u32).to_le_bytes());
    for (place, layer) in header[COUNTS].as_chunks_mut().0.iter_mut().zip(&hnsw.layers) {
        *place = (layer.count as u32).to_le_bytes();
    }
    header
}

pub(super) fn decode(
    header: &[u8],
    read: &mut Read<'_>,
    vectors: &Vectors,
) -> Result<Hnsw, IndexError> {
    let header: &[u8; HEADER_BYTES] = header.try_into().map_err(|_| {
        damaged(section::HEADER, format!("it has {} bytes, not {HEADER_BYTES}", header.len()))
    })?;
    let params = params(header)?;
    let rows = word(header, ROWS);
    if rows != vectors.len() {
        let reason = format!("it is about {rows} rows, the segment has {}", vectors.len());
        return Err(damaged(section::HEADER, reason));
    }
    let layers = layers(header, params.m, rows)?;
    let entry = word(header, ENTRY);
    let entries = layers.last().map_or(rows as usize, |top| top.count);
    if entry as usize >= entries.max(1) {
        let reason = format!("entry {entry} is not one of the top layer's {entries} vertices");
        return Err(damaged(section::HEADER, reason));
    }
    let ground = words(section::HNSW_GROUND, read, Some(rows as usize * params.ground_degree()))?;
    links_below(section::HNSW_GROUND, ground.get(), rows)?;
    let expected = layers.iter().map(|layer| UpperLayer::words(layer.count, params.m)).sum();
    let upper = words(section::HNSW_UPPER, read, Some(expected))?;
    check_upper(&layers, &upper, params.m, rows)?;
    let duplicates = words(section::HNSW_DUPLICATES, read, None)?;
    check_duplicates(duplicates.get(), rows)?;
    let duplicates = Duplicates::new(duplicates, rows);
    Ok(Hnsw { params, rows, entry, ground, upper, layers, duplicates })
}

fn word(header: &[u8; HEADER_BYTES], at: Range<usize>) -> u32 {
    header[at].iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte))
}

fn params(header: &[u8; HEADER_BYTES]) -> Result<HnswParams, IndexError> {
    let seed = header[SEED].iter().rev().fold(0, |seed, &byte| seed << 8 | u64::from(byte));
    let params =
        HnswParams { m: word(header, M), ef_construction: word(header, EF_CONSTRUCTION), seed };
    params.check().map_err(|error| damaged(section::HEADER, error.to_string()))?;
    Ok(params)
}

fn layers(header: &[u8; HEADER_BYTES], m: u32, rows: u32) -> Result<Vec<UpperLayer>, IndexError> {
    let count = word(header, LAYERS) as usize;
    if count > LAYERS_MAX {
        return Err(damaged(section::HEADER, format!("{count} layers are more than {LAYERS_MAX}")));
    }
    let counts =
        header[COUNTS].as_chunks().0.iter().map(|count| u32::from_le_bytes(*count) as usize);
    let (mut start, mut lower) = (0, rows as usize);
    let mut layers = Vec::with_capacity(count);
    for (layer, vertices) in counts.enumerate() {
        let is_right = if layer < count { (1..=lower).contains(&vertices) } else { vertices == 0 };
        if !is_right {
            let reason =
                format!("layer {} of {count} has {vertices} vertices above {lower}", layer + 1);
            return Err(damaged(section::HEADER, reason));
        }
        if layer < count {
            layers.push(UpperLayer { count: vertices, start });
            start += UpperLayer::words(vertices, m);
            lower = vertices;
        }
    }
    Ok(layers)
}

fn words(section: u32, read: &mut Read<'_>, expected: Option<usize>) -> Result<Words, IndexError> {
    let bytes = read(section)?;
    let found = bytes.len();
    let words = Words::new(bytes)
        .filter(|words| expected.is_none_or(|expected| words.get().len() == expected));
    words.ok_or_else(|| {
        let expected =
            expected.map_or_else(|| "whole words".into(), |words| format!("{words} words"));
        damaged(section, format!("it has {found} bytes, not {expected}"))
    })
}

/// Every link is below `bound` or [`NONE`].
///
/// Written without an early end, which lets the compiler compare many at once: a
/// large index has hundreds of millions of links.
fn links_below(section: u32, links: &[u32], bound: u32) -> Result<(), IndexError> {
    let wrong = links.iter().filter(|&&link| link >= bound && link != NONE).count();
    if wrong > 0 {
        return Err(damaged(section, format!("{wrong} links lead to vertices beyond {bound}")));
    }
    Ok(())
}

fn check_upper(layers: &[UpperLayer], words: &Words, m: u32, rows: u32) -> Result<(), IndexError> {
    let mut lower: Option<&[u32]> = None;
    for layer in layers {
        let (vertices, below) = (layer.vertices(words), layer.below(words));
        if !vertices.is_sorted_by(|a, b| a < b) || vertices.last().is_some_and(|&row| row >= rows) {
            return Err(damaged(section::HNSW_UPPER, "its vertices are not ascending rows".into()));
        }
        let is_below = |(&row, &slot): (&u32, &u32)| match lower {
            None => slot == row,
            Some(lower) => lower.get(slot as usize) == Some(&row),
        };
        if !vertices.iter().zip(below).all(is_below) {
            return Err(damaged(section::HNSW_UPPER, "a vertex is not on the layer below".into()));
        }
        let bound = u32::try_from(layer.count).unwrap_or(u32::MAX);
        links_below(section::HNSW_UPPER, layer.links(words, m), bound)?;
        lower = Some(vertices);
    }
    Ok(())
}

fn check_duplicates(words: &[u32], rows: u32) -> Result<(), IndexError> {
    let (vertices, copies) = words.split_at(words.len() / 2);
    let is_right = vertices.len() == copies.len()
        && words.iter().all(|&row| row < rows)
        && vertices.iter().zip(copies).is_sorted_by(|a, b| a < b)
        && vertices.iter().zip(copies).all(|(vertex, copy)| vertex < copy);
    if !is_right {
        return Err(damaged(
            section::HNSW_DUPLICATES,
            "it is not a list of vertices and their copies".into(),
        ));
    }
    Ok(())
}

fn damaged(section: u32, reason: String) -> IndexError {
    IndexError::Damaged { section, reason }
}
