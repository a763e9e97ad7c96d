//! The sections of a graph in pages. Integers are little-endian.
//!
//! [`section::HEADER`]: see [`Head`].
//!
//! [`section::PAGED_RECORDS`]: pages of 4 KiB, in each as many records as fit, or
//! as many pages as a record takes; zeros fill the rest:
//!
//! | words  | field                                                      |
//! |-------:|------------------------------------------------------------|
//! |      1 | links, at most 2 · `m`                                     |
//! | 2 · `m` | the vertices that it links to, nearest directions first   |
//! |    row | the stored row, filled to whole words                      |
//!
//! [`section::PAGED_ROWS`]: the row of every vertex.
//!
//! [`section::HNSW_UPPER`], [`section::HNSW_DUPLICATES`], [`section::HNSW_CODES`]
//! and [`section::HNSW_CENTRE`] are those of an HNSW index whose rows are the
//! vertices; only the duplicates are rows. Where that has no codes, they are the
//! rows of all vertices.

use super::Paged;
use super::records::{Records, Shape};
use crate::hnsw::{Codes, Duplicates, Head, are_stored, damaged, duplicates, words};
use crate::index::{PAGED, VERSION, section};
use crate::{IndexError, Section, Vectors};
use bytes::Bytes;
use vicinal_types::Bitmap;

type Read<'a> = dyn FnMut(u32) -> Result<Bytes, IndexError> + 'a;

pub(super) fn encode(paged: &Paged) -> Vec<Section> {
    let vertices = paged.records.vertices();
    let head = Head::new(PAGED, vertices, paged.params, &paged.tower, Some(&paged.codes));
    let mut parts = vec![
        (section::HEADER, Bytes::from(head.encode())),
        (section::PAGED_RECORDS, paged.records.bytes().clone()),
        (section::PAGED_ROWS, paged.row_of.bytes().clone()),
        (section::HNSW_UPPER, paged.tower.words.bytes().clone()),
        (section::HNSW_DUPLICATES, paged.duplicates.words().bytes().clone()),
    ];
    parts.extend(paged.codes.parts());
    parts.into_iter().map(|(kind, bytes)| (kind, VERSION, bytes)).collect()
}

pub(super) fn decode(
    header: &[u8],
    read: &mut Read<'_>,
    vectors: &Vectors,
) -> Result<Paged, IndexError> {
    let (vector, rows) = (vectors.vector_type(), vectors.len());
    let head = Head::decode(header, vector)?;
    let (params, vertices) = (head.params, head.vertices);
    let duplicates = duplicates(read, rows)?;
    if vertices as usize + duplicates.len() != rows as usize {
        let copies = duplicates.len();
        let reason = format!("{vertices} vertices and {copies} copies are not {rows} rows");
        return Err(damaged(section::HEADER, reason));
    }
    let row_of = words(section::PAGED_ROWS, read, Some(vertices as usize))?;
    check_rows(row_of.get(), &duplicates, rows)?;
    let tower = head.tower(read)?;
    let codes = if are_stored(params.codes, vector.element()) {
        head.codes(read, vector)?
    } else {
        Codes::Rows(steering_rows(read, vectors, vertices)?)
    };
    let shape = Shape::new(vector, params.ground_degree());
    let pages = words(section::PAGED_RECORDS, read, Some(shape.bytes(vertices) / 4))?;
    let records = Records::new(shape, vertices, pages).ok_or_else(|| {
        damaged(section::PAGED_RECORDS, format!("they are not the records of {vertices} vertices"))
    })?;
    Ok(Paged { params, rows, records, row_of, tower, codes, duplicates })
}

fn steering_rows(
    read: &mut Read<'_>,
    vectors: &Vectors,
    vertices: u32,
) -> Result<Vectors, IndexError> {
    let bytes = read(section::HNSW_CODES)?;
    let found = bytes.len();
    Vectors::new(vectors.vector_type(), bytes)
        .ok()
        .filter(|rows| rows.len() == vertices)
        .ok_or_else(|| {
            let reason = format!("{found} bytes are not the rows of {vertices} vertices");
            damaged(section::HNSW_CODES, reason)
        })
}

/// Every vertex has a row of its own that is no copy.
fn check_rows(row_of: &[u32], duplicates: &Duplicates, rows: u32) -> Result<(), IndexError> {
    let mut seen = Bitmap::new(rows as usize);
    let is_right = |&row: &u32| row < rows && !duplicates.is_duplicate(row) && seen.insert(row);
    if !row_of.iter().all(is_right) {
        let reason = "they are not different rows that are no copies".into();
        return Err(damaged(section::PAGED_ROWS, reason));
    }
    Ok(())
}
