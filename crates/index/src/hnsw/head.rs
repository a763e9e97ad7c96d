//! What the header of a graph says, and the parts that graphs have in common.
//!
//! Integers are little-endian.
//!
//! | offset | bytes | field                                                     |
//! |-------:|------:|-----------------------------------------------------------|
//! |      0 |     4 | index kind                                                |
//! |      4 |     4 | vertices of the ground layer                              |
//! |      8 |     4 | `m`                                                       |
//! |     12 |     4 | `ef_construction`                                         |
//! |     16 |     8 | `seed`                                                    |
//! |     24 |     4 | entry: a slot of the top layer, a vertex if there is none |
//! |     28 |     4 | layers above the ground, at most [`LAYERS_MAX`]           |
//! |     32 |    64 | vertices of layer 1, 2, …; zero where there is none       |
//!
//! and, only if searches walk on codes,
//!
//! | offset | bytes | field                                                   |
//! |-------:|------:|---------------------------------------------------------|
//! |     96 |     4 | codes: 1 8 bits, 2 4 bits, 3 1 bit                      |
//! |    100 |     4 | 8 and 4 bits: the value of level 0, a float; else zero  |
//! |    104 |     4 | 8 and 4 bits: from level to level, a float; else zero   |

use super::codes::{BitCodes, Codes, ScalarCodes, Scale};
use super::duplicates::Duplicates;
use super::layers::{LAYERS_MAX, NONE, Tower, UpperLayer, Words};
use super::{HnswParams, check};
use crate::IndexError;
use crate::index::section;
use bytes::Bytes;
use std::ops::Range;
use vicinal_types::{HnswCodes, VectorType};

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
const CODES: Range<usize> = HEADER_BYTES..HEADER_BYTES + 4;
const OFFSET: Range<usize> = CODES.end..CODES.end + 4;
const STEP: Range<usize> = OFFSET.end..OFFSET.end + 4;
const CODED_BYTES: usize = STEP.end;
const _: () = assert!(CODED_BYTES == 108, "the table above says so");

/// Reads a section by its kind.
pub(crate) type Read<'a> = dyn FnMut(u32) -> Result<Bytes, IndexError> + 'a;

/// The header of a graph.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// The kind of index.
    pub(crate) kind: u32,
    /// Vertices of the ground layer.
    pub(crate) vertices: u32,
    pub(crate) params: HnswParams,
    pub(crate) entry: u32,
    pub(crate) layers: Vec<UpperLayer>,
    /// Of scalar codes; zeros for others.
    pub(crate) scale: Scale,
}

impl Head {
    pub(crate) fn new(
        kind: u32,
        vertices: u32,
        params: HnswParams,
        tower: &Tower,
        codes: Option<&Codes>,
    ) -> Self {
        let scale = match codes {
            Some(Codes::Scalar(codes)) => codes.scale(),
            Some(Codes::Bits(_) | Codes::Rows(_)) | None => Scale { offset: 0.0, step: 0.0 },
        };
        let (entry, layers) = (tower.entry, tower.layers.clone());
        Self { kind, vertices, params, entry, layers, scale }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "layers and their vertices are fewer than 2^32"
    )]
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut header = vec![0; CODED_BYTES];
        let mut put = |at: Range<usize>, word: u32| {
            header[at].copy_from_slice(&word.to_le_bytes());
        };
        put(KIND, self.kind);
        put(ROWS, self.vertices);
        put(M, self.params.m);
        put(EF_CONSTRUCTION, self.params.ef_construction);
        put(ENTRY, self.entry);
        put(LAYERS, self.layers.len() as u32);
        put(OFFSET, self.scale.offset.to_bits());
        put(STEP, self.scale.step.to_bits());
        let codes = match self.params.codes {
            HnswCodes::None => 0,
            HnswCodes::Sq8 => 1,
            HnswCodes::Sq4 => 2,
            HnswCodes::Rabitq1 => 3,
        };
        put(CODES, codes);
        header[SEED].copy_from_slice(&self.params.seed.to_le_bytes());
        for (place, layer) in header[COUNTS].as_chunks_mut().0.iter_mut().zip(&self.layers) {
            *place = (layer.count as u32).to_le_bytes();
        }
        header.truncate(if codes == 0 { HEADER_BYTES } else { CODED_BYTES });
        header
    }

    pub(crate) fn decode(header: &[u8], vector: VectorType) -> Result<Self, IndexError> {
        if header.len() != HEADER_BYTES && header.len() != CODED_BYTES {
            let found = header.len();
            let reason = format!("it has {found} bytes, neither {HEADER_BYTES} nor {CODED_BYTES}");
            return Err(damaged(section::HEADER, reason));
        }
        let params = params(header, vector)?;
        let (kind, vertices, entry) = (word(header, KIND), word(header, ROWS), word(header, ENTRY));
        let layers = layers(header, params.m, vertices)?;
        let entries = layers.last().map_or(vertices as usize, |top| top.count);
        if entry as usize >= entries.max(1) {
            let reason = format!("entry {entry} is not one of the top layer's {entries} vertices");
            return Err(damaged(section::HEADER, reason));
        }
        let is_scaled = matches!(params.codes, HnswCodes::Sq8 | HnswCodes::Sq4);
        let float = |at| if is_scaled { f32::from_bits(word(header, at)) } else { 0.0 };
        let scale = Scale { offset: float(OFFSET), step: float(STEP) };
        Ok(Self { kind, vertices, params, entry, layers, scale })
    }

    /// Reads the layers above the ground.
    pub(crate) fn tower(&self, read: &mut Read<'_>) -> Result<Tower, IndexError> {
        let m = self.params.m;
        let count = |layer: &UpperLayer| UpperLayer::words(layer.count, m);
        let upper = words(section::HNSW_UPPER, read, Some(self.layers.iter().map(count).sum()))?;
        check_upper(&self.layers, &upper, m, self.vertices)?;
        Ok(Tower { m, entry: self.entry, words: upper, layers: self.layers.clone() })
    }

    /// Reads the codes of all vertices.
    pub(crate) fn codes(
        &self,
        read: &mut Read<'_>,
        vector: VectorType,
    ) -> Result<Codes, IndexError> {
        let records = words(section::HNSW_CODES, read, None)?;
        let (codes, seed, rows) = (self.params.codes, self.params.seed, self.vertices);
        let opened = match codes {
            HnswCodes::Rabitq1 => {
                let centre = words(section::HNSW_CENTRE, read, Some(vector.dim()))?;
                BitCodes::open(vector, seed, rows, centre, records).map(Codes::Bits)
            }
            HnswCodes::None | HnswCodes::Sq8 | HnswCodes::Sq4 => {
                let bits = if codes == HnswCodes::Sq4 { 4 } else { 8 };
                ScalarCodes::open(vector, bits, self.scale, rows, records).map(Codes::Scalar)
            }
        };
        opened.ok_or_else(|| {
            damaged(section::HNSW_CODES, format!("they are not the {codes} codes of {rows} rows"))
        })
    }
}

/// Reads the copies of the rows.
pub(crate) fn duplicates(read: &mut Read<'_>, rows: u32) -> Result<Duplicates, IndexError> {
    let duplicates = words(section::HNSW_DUPLICATES, read, None)?;
    check_duplicates(duplicates.get(), rows)?;
    Ok(Duplicates::new(duplicates, rows))
}

fn word(header: &[u8], at: Range<usize>) -> u32 {
    header[at].iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte))
}

fn params(header: &[u8], vector: VectorType) -> Result<HnswParams, IndexError> {
    let seed = header[SEED].iter().rev().fold(0, |seed, &byte| seed << 8 | u64::from(byte));
    let codes = match header.get(CODES).map(|_| word(header, CODES)) {
        None => HnswCodes::None,
        Some(1) => HnswCodes::Sq8,
        Some(2) => HnswCodes::Sq4,
        Some(3) => HnswCodes::Rabitq1,
        Some(codes) => return Err(damaged(section::HEADER, format!("codes {codes} are unknown"))),
    };
    let (m, ef_construction) = (word(header, M), word(header, EF_CONSTRUCTION));
    let params = HnswParams { m, ef_construction, seed, codes };
    check(params, vector).map_err(|error| damaged(section::HEADER, error.to_string()))?;
    Ok(params)
}

fn layers(header: &[u8], m: u32, rows: u32) -> Result<Vec<UpperLayer>, IndexError> {
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

pub(crate) fn words(
    section: u32,
    read: &mut Read<'_>,
    expected: Option<usize>,
) -> Result<Words, IndexError> {
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
pub(crate) fn links_below(section: u32, links: &[u32], bound: u32) -> Result<(), IndexError> {
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

pub(crate) fn check_duplicates(words: &[u32], rows: u32) -> Result<(), IndexError> {
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

pub(crate) fn damaged(section: u32, reason: String) -> IndexError {
    IndexError::Damaged { section, reason }
}
