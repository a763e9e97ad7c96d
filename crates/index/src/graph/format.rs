//! The sections of a graph of records. Integers are little-endian.
//!
//! [`section::HEADER`]:
//!
//! | offset | bytes | field                                                       |
//! |-------:|------:|-------------------------------------------------------------|
//! |      0 |     4 | index kind, 3                                               |
//! |      4 |     4 | rows                                                        |
//! |      8 |     4 | vertices                                                    |
//! |     12 |     4 | `m`                                                         |
//! |     16 |     4 | `ef_construction`                                           |
//! |     20 |     4 | vectors in records: 0 as the rows, 1 binary16, 2 bfloat16   |
//! |     24 |     8 | `seed`, which also decides the rotation                     |
//!
//! [`section::GRAPH_RECORDS`]: the record of every vertex, see
//! [`Layout`](super::records::Layout). What they say is checked when a search
//! follows it: they are the bulk of an index and need not be in memory.
//!
//! [`section::GRAPH_ORDER`]: the row of every vertex.
//!
//! [`section::GRAPH_MEAN`]: the origin of the estimates, a float a dimension.
//!
//! [`section::GRAPH_LANDMARKS`]: blocks of 32 landmarks, records without a vector.
//!
//! [`section::HNSW_DUPLICATES`]: as in HNSW.
//!
//! [`section::HNSW_CODES`], [`section::HNSW_CENTRE`]: 1-bit codes of all rows, as in HNSW.

use super::landmarks::Landmarks;
use super::records::Layout;
use super::{Graph, build, check, stored};
use crate::hnsw::{BitCodes, Duplicates, Read, damaged, duplicates, words as hnsw_words};
use crate::index::{GRAPH, VERSION, section};
use crate::quantise::rotation::Rotation;
use crate::quantise::words::Words;
use crate::{IndexError, Section, Vectors};
use bytes::Bytes;
use std::ops::Range;
use vicinal_distance::{Comparer, kernels};
use vicinal_types::{Bitmap, ElementType, GraphParams, VectorType};

const KIND: Range<usize> = 0..4;
const ROWS: Range<usize> = KIND.end..KIND.end + 4;
const VERTICES: Range<usize> = ROWS.end..ROWS.end + 4;
const M: Range<usize> = VERTICES.end..VERTICES.end + 4;
const EF_CONSTRUCTION: Range<usize> = M.end..M.end + 4;
const ELEMENT: Range<usize> = EF_CONSTRUCTION.end..EF_CONSTRUCTION.end + 4;
const SEED: Range<usize> = ELEMENT.end..ELEMENT.end + 8;
const HEADER_BYTES: usize = SEED.end;
const _: () = assert!(HEADER_BYTES == 32, "the table above says so");

pub(super) fn encode(graph: &Graph) -> Vec<Section> {
    let parts = [
        (section::HEADER, Bytes::from(header(graph))),
        (section::GRAPH_RECORDS, graph.records.clone()),
        (section::GRAPH_ORDER, graph.order.bytes().clone()),
        (section::GRAPH_MEAN, graph.mean.bytes().clone()),
        (section::GRAPH_LANDMARKS, graph.landmarks.bytes().clone()),
        (section::HNSW_DUPLICATES, graph.duplicates.words().bytes().clone()),
        (section::HNSW_CODES, graph.codes.words().bytes().clone()),
        (section::HNSW_CENTRE, graph.codes.centre().bytes().clone()),
    ];
    parts.into_iter().map(|(kind, bytes)| (kind, VERSION, bytes)).collect()
}

fn header(graph: &Graph) -> Vec<u8> {
    let mut header = vec![0; HEADER_BYTES];
    let mut put = |at: Range<usize>, word: u32| header[at].copy_from_slice(&word.to_le_bytes());
    put(KIND, GRAPH);
    put(ROWS, graph.rows);
    #[expect(clippy::cast_possible_truncation, reason = "a segment's rows fit 32 bits")]
    put(VERTICES, graph.order.get().len() as u32);
    put(M, graph.params.m);
    put(EF_CONSTRUCTION, graph.params.ef_construction);
    put(ELEMENT, graph.element);
    header[SEED].copy_from_slice(&graph.params.seed.to_le_bytes());
    header
}

/// The number of the type of the vectors in records.
pub(super) fn element(stored: VectorType, kind: VectorType) -> u32 {
    match stored.element() {
        element if element == kind.element() => 0,
        ElementType::F16 => 1,
        ElementType::F32
        | ElementType::Bf16
        | ElementType::I8
        | ElementType::U8
        | ElementType::Binary => 2,
    }
}

pub(super) fn decode(
    header: &[u8],
    read: &mut Read<'_>,
    vectors: &Vectors,
) -> Result<Graph, IndexError> {
    let Ok(header) = <&[u8; HEADER_BYTES]>::try_from(header) else {
        let reason = format!("it has {} bytes, not {HEADER_BYTES}", header.len());
        return Err(damaged(section::HEADER, reason));
    };
    let kind = vectors.vector_type();
    let (rows, vertices) = (word(header, ROWS), word(header, VERTICES));
    if rows != vectors.len() || vertices > rows || (vertices == 0) != (rows == 0) {
        let reason = format!("{vertices} vertices of {rows} rows are not {}", vectors.len());
        return Err(damaged(section::HEADER, reason));
    }
    let seed = header[SEED].iter().rev().fold(0, |seed, &byte| seed << 8 | u64::from(byte));
    let (m, ef_construction) = (word(header, M), word(header, EF_CONSTRUCTION));
    let params = GraphParams { m, ef_construction, seed };
    check(params).map_err(|error| damaged(section::HEADER, error.to_string()))?;
    let element = word(header, ELEMENT);
    let stored = match (element, kind.element()) {
        (_, ElementType::Binary) => Err("binary vectors have no such graph".to_owned()),
        (0, _) => Ok(kind),
        (1, ElementType::F32) => Ok(stored::with_element(kind, ElementType::F16)),
        (2, ElementType::F32) => Ok(stored::with_element(kind, ElementType::Bf16)),
        (element, kind) => Err(format!("element type {element} is not for {kind} vectors")),
    };
    let stored = stored.map_err(|reason| damaged(section::HEADER, reason))?;
    let rotated_dim = build::rotated_dim(kind);
    let layout = Layout::new(stored.row_bytes(), rotated_dim, build::degree(params));
    let duplicates = duplicates(read, rows)?;
    let order = words(read, section::GRAPH_ORDER, vertices as usize)?;
    check_order(order.get(), rows, &duplicates)?;
    let mean = words(read, section::GRAPH_MEAN, kind.dim())?;
    let records = words(read, section::GRAPH_RECORDS, layout.bytes / 4 * vertices as usize)?;
    let landmarks = Words::new(read(section::GRAPH_LANDMARKS)?)
        .and_then(|words| Landmarks::new(words.bytes().clone(), rotated_dim))
        .ok_or_else(|| damaged(section::GRAPH_LANDMARKS, "it has no whole blocks".into()))?;
    let centre = hnsw_words(section::HNSW_CENTRE, read, Some(kind.dim()))?;
    let codes = hnsw_words(section::HNSW_CODES, read, None)?;
    let codes = BitCodes::open(kind, seed, rows, centre, codes).ok_or_else(|| {
        damaged(section::HNSW_CODES, format!("they are not the 1-bit codes of {rows} rows"))
    })?;
    Ok(Graph {
        params,
        rows,
        element,
        stored,
        comparer: Comparer::new(stored, kernels()),
        layout,
        rotation: Rotation::new(rotated_dim, seed),
        mean,
        landmarks,
        records: records.bytes().clone(),
        order,
        duplicates,
        codes,
    })
}

fn word(header: &[u8; HEADER_BYTES], at: Range<usize>) -> u32 {
    header[at].iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte))
}

fn words(read: &mut Read<'_>, section: u32, count: usize) -> Result<Words, IndexError> {
    let bytes = read(section)?;
    let found = bytes.len();
    let words = Words::new(bytes).filter(|words| words.get().len() == count);
    words.ok_or_else(|| damaged(section, format!("it has {found} bytes, not {count} words")))
}

/// Every row that is no copy has one vertex.
fn check_order(order: &[u32], rows: u32, duplicates: &Duplicates) -> Result<(), IndexError> {
    let mut seen = Bitmap::new(rows as usize);
    let is_right = order.len() + duplicates.len() == rows as usize
        && order.iter().all(|&row| row < rows && !duplicates.is_duplicate(row) && seen.insert(row));
    if is_right {
        return Ok(());
    }
    Err(damaged(section::GRAPH_ORDER, "it does not name every row that is no copy once".into()))
}
