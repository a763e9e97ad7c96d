//! The sections of an index by faiss. Integers are little-endian.
//!
//! [`section::HEADER`]:
//!
//! | offset | bytes | field                                                    |
//! |-------:|------:|----------------------------------------------------------|
//! |      0 |     4 | index kind, 7: faiss                                     |
//! |      4 |     4 | rows                                                     |
//! |      8 |     4 | 1: FLAT, 2: HNSW, 3: IVF_PQ                              |
//! |     12 |     4 | HNSW: `m`; IVF_PQ: lists as declared                     |
//! |     16 |     4 | HNSW: `ef_construction`; IVF_PQ: subvectors              |
//! |     20 |     4 | IVF_PQ: bits                                             |
//! |     24 |     8 | bytes of the other section                               |
//! |     32 |     8 | xxh3 of the other section: faiss believes what it reads |
//!
//! [`section::FAISS_FILE`]: the index as faiss writes it; empty for FLAT and for
//! what is kept like it, which is made of the rows.
//!
//! [`section::HNSW_DUPLICATES`], with HNSW only: as in our own graph.

use super::native::Native;
use super::{EFFORT_STORED, ENGINE, Faiss, Shape, Tuned, check, memory, native};
use crate::engines::floats::Floats;
use crate::engines::{damaged, read_duplicates, word};
use crate::index::{FAISS, VERSION, section};
use crate::{IndexError, Progress, Section, Vectors};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use vicinal_types::{Cancel, FaissIvfPq, FaissParams, ForeignGraph};
use xxhash_rust::xxh3::xxh3_64;

const KIND: Range<usize> = 0..4;
const ROWS: Range<usize> = KIND.end..KIND.end + 4;
const FAISS_KIND: Range<usize> = ROWS.end..ROWS.end + 4;
const FIRST: Range<usize> = FAISS_KIND.end..FAISS_KIND.end + 4;
const SECOND: Range<usize> = FIRST.end..FIRST.end + 4;
const THIRD: Range<usize> = SECOND.end..SECOND.end + 4;
const FILE_BYTES: Range<usize> = THIRD.end..THIRD.end + 8;
const FILE_HASH: Range<usize> = FILE_BYTES.end..FILE_BYTES.end + 8;
const HEADER_BYTES: usize = FILE_HASH.end;
const _: () = assert!(HEADER_BYTES == 40, "the table above says so");

const FLAT: u32 = 1;
const HNSW: u32 = 2;
const IVF_PQ: u32 = 3;

pub(super) fn encode(index: &Faiss) -> Vec<Section> {
    let file = match index.shape {
        Shape::Flat => Bytes::new(),
        shape @ (Shape::Hnsw | Shape::Lists(_)) => {
            Bytes::from(index.native.written(shape).expect("faiss writes what it built"))
        }
    };
    let header = Bytes::from(header(index, &file));
    let mut sections =
        vec![(section::HEADER, VERSION, header), (section::FAISS_FILE, VERSION, file)];
    if index.shape == Shape::Hnsw {
        let duplicates = index.duplicates.words().bytes().clone();
        sections.push((section::HNSW_DUPLICATES, VERSION, duplicates));
    }
    sections
}

fn header(index: &Faiss, file: &[u8]) -> Vec<u8> {
    let words = match index.params {
        FaissParams::Flat => [FLAT, 0, 0, 0],
        FaissParams::Hnsw(ForeignGraph { m, ef_construction }) => [HNSW, m, ef_construction, 0],
        FaissParams::IvfPq(FaissIvfPq { lists, subvectors, bits }) => {
            [IVF_PQ, lists, subvectors, bits]
        }
    };
    let mut header = [FAISS.to_le_bytes(), index.rows.to_le_bytes()].concat();
    header.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    header.extend_from_slice(&(file.len() as u64).to_le_bytes());
    header.extend_from_slice(&xxh3_64(file).to_le_bytes());
    header
}

pub(super) fn decode(
    header: &[u8],
    read: &mut dyn FnMut(u32) -> Result<Bytes, IndexError>,
    vectors: &Vectors,
) -> Result<Faiss, IndexError> {
    if header.len() != HEADER_BYTES {
        let reason = format!("it has {} bytes, not {HEADER_BYTES}", header.len());
        return Err(damaged(section::HEADER, reason));
    }
    let rows = word(header, ROWS);
    if rows != vectors.len() {
        let reason = format!("it is about {rows} rows, the segment has {}", vectors.len());
        return Err(damaged(section::HEADER, reason));
    }
    let wrong_header = |error: IndexError| damaged(section::HEADER, error.to_string());
    let params = params(header)?;
    check(params, vectors).map_err(wrong_header)?;
    let floats = Floats::plain(ENGINE, vectors).map_err(wrong_header)?;
    let shape = Shape::new(params, rows);
    let file = read(section::FAISS_FILE)?;
    if (file.len() as u64, xxh3_64(&file)) != (long(header, FILE_BYTES), long(header, FILE_HASH)) {
        return Err(damaged(section::FAISS_FILE, "its bytes are not those that were written"));
    }
    let duplicates = match shape {
        Shape::Hnsw => read_duplicates(read, rows)?,
        Shape::Flat | Shape::Lists(_) => super::no_duplicates(),
    };
    let stored_bytes = file.len();
    let native = if shape == Shape::Flat {
        let mut native = super::new_native(params, shape, &floats, &duplicates)?;
        let (progress, never) = (Progress::default(), Cancel::never());
        super::add(&mut native, &floats, vectors, &duplicates, &progress, &never)?;
        native
    } else {
        let native = native::with_threads(1, || memory::read(file))?;
        #[expect(clippy::cast_possible_truncation, reason = "there are fewer copies than rows")]
        let known = rows - duplicates.len() as u32;
        check_native(&native, shape, known, &floats)?;
        native
    };
    let native = Arc::new(Tuned::new(native));
    Ok(Faiss { params, rows, floats, shape, duplicates, native, stored_bytes })
}

fn params(header: &[u8]) -> Result<FaissParams, IndexError> {
    let (first, second) = (word(header, FIRST), word(header, SECOND));
    match word(header, FAISS_KIND) {
        FLAT => Ok(FaissParams::Flat),
        HNSW => Ok(FaissParams::Hnsw(ForeignGraph { m: first, ef_construction: second })),
        IVF_PQ => Ok(FaissParams::IvfPq(FaissIvfPq {
            lists: first,
            subvectors: second,
            bits: word(header, THIRD),
        })),
        other => Err(damaged(section::HEADER, format!("faiss kind {other} is unknown"))),
    }
}

fn long(header: &[u8], at: Range<usize>) -> u64 {
    header[at].iter().rev().fold(0, |long, &byte| long << 8 | u64::from(byte))
}

/// That what faiss read is what the header says.
fn check_native(
    native: &Native,
    shape: Shape,
    rows: u32,
    floats: &Floats,
) -> Result<(), IndexError> {
    let is_shape = match shape {
        Shape::Flat => true,
        Shape::Hnsw => native.set_graph_effort(EFFORT_STORED).is_ok(),
        Shape::Lists(_) => native.set_probed(1).is_ok(),
    };
    if is_shape && native.is_of(rows, floats.dim()) {
        return Ok(());
    }
    Err(damaged(section::FAISS_FILE, "it is another index than the header says"))
}
