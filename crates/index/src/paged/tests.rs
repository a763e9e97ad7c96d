//! What only the inside can see: where records lie, what reading them takes.

use super::records::PAGE_BYTES;
use super::*;
use crate::hnsw::{Links, mix};
use crate::paged::records::{PagedLinks, Shape};
use bytes::Bytes;
use std::cell::RefCell;
use vicinal_types::{Bitmap, ElementType, HnswCodes, Metric, VectorType};

fn vectors(dim: u32, rows: u32) -> Vectors {
    let bytes = (0..u64::from(dim * rows)).map(|at| mix(at).to_le_bytes()[0]).collect::<Vec<_>>();
    let vector = VectorType::new(dim, ElementType::U8, Metric::L2).expect("a right type");
    Vectors::new(vector, Bytes::from(bytes)).expect("whole rows")
}

fn build(vectors: &Vectors, codes: HnswCodes) -> Paged {
    let params = HnswParams { m: 8, ef_construction: 32, seed: 1, codes };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
    Paged::build(params, vectors, &pool, &Progress::default(), &Cancel::never())
        .expect("right parameters")
}

#[test]
fn no_record_crosses_a_page_that_it_fits_in() {
    for (dim, per_page, pages_each) in
        [(8, 53, 1), (128, 20, 1), (2_000, 1, 1), (4_000, 1, 1), (4_029, 1, 2), (9_000, 1, 3)]
    {
        let vector = VectorType::new(dim, ElementType::U8, Metric::L2).expect("a right type");
        let shape = Shape::new(vector, 16);
        assert_eq!(shape.bytes(per_page), pages_each * PAGE_BYTES, "{dim} dimensions");
        assert_eq!(shape.bytes(per_page + 1), 2 * pages_each * PAGE_BYTES, "{dim} dimensions");
    }
    let paged = build(&vectors(700, 300), HnswCodes::None);
    assert_eq!(paged.records.bytes().as_ptr().addr() % PAGE_BYTES, 0, "pages are aligned");
    for vertex in 0..paged.records.vertices() {
        let mut pages = PagesRead::default();
        pages.begin(&paged.records);
        pages.note(&paged.records, vertex);
        assert_eq!(pages.count(), 1, "vertex {vertex}");
    }
    let large = build(&vectors(5_000, 40), HnswCodes::None);
    assert_eq!(large.pages_per_record(), 2);
}

#[test]
fn all_vertices_are_reached_and_hold_their_rows() {
    for codes in [HnswCodes::None, HnswCodes::Sq4, HnswCodes::Rabitq1] {
        let vectors = vectors(24, 2_000);
        let paged = build(&vectors, codes);
        let mut pages = PagesRead::default();
        pages.begin(&paged.records);
        let links = PagedLinks { records: &paged.records, pages: RefCell::new(&mut pages) };
        let mut reached = Bitmap::new(2_000);
        let mut queue = vec![paged.tower.ground_entry()];
        while let Some(vertex) = queue.pop() {
            if reached.insert(vertex) {
                queue.extend(links.neighbors(vertex));
            }
        }
        assert_eq!(reached.count(), 2_000, "{codes}");
        for (vertex, &row) in (0..).zip(paged.row_of.get()) {
            assert_eq!(paged.records.row(vertex), vectors.row(row), "{codes}");
        }
        assert_eq!(pages.count(), (paged.records.bytes().len() / PAGE_BYTES) as u64);
        if let Codes::Rows(rows) = &paged.codes {
            assert_eq!(rows.row(1), vectors.row(paged.row_of.get()[1]));
        }
    }
}
