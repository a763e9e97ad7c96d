//! Stored indexes of every kind.

use crate::edits::edits;
use bytes::Bytes;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::LazyLock;
use vicinal_index::{Index, IndexError, IndexParams, Progress, Scratch, Search, Section, Vectors};
use vicinal_types::{
    Bitmap, Cancel, ElementType, Error, FlatCodes, ForeignGraph, GraphParams, HnswCodes,
    HnswParams, IvfCodes, IvfParams, Metric, VectorType,
};

/// More than one block of codes, and some copies.
const ROWS: u32 = 170;

/// Rows from here on are copies of the first ones.
const COPIES_FROM: u32 = 150;

/// An index that can be opened.
struct Stored {
    vectors: Vectors,
    sections: Vec<Section>,
    half: Bitmap,
}

static STORED: LazyLock<Vec<Stored>> = LazyLock::new(|| {
    let pool = ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let numbers = [(6, ElementType::F32, Metric::L2), (9, ElementType::F16, Metric::Cosine)];
    let mut stored = Vec::new();
    for params in kinds() {
        for (dim, element, metric) in numbers {
            stored.push(store(params, rows(dim, element, metric), &pool));
        }
    }
    for params in [IndexParams::Flat, IndexParams::Hnsw(graph(HnswCodes::None))] {
        stored.push(store(params, rows(40, ElementType::Binary, Metric::Jaccard), &pool));
    }
    stored
});

fn graph(codes: HnswCodes) -> HnswParams {
    HnswParams { m: 4, ef_construction: 16, seed: 1, codes }
}

fn kinds() -> Vec<IndexParams> {
    let lists = [
        IvfCodes::None,
        IvfCodes::Sq8,
        IvfCodes::Pq { bits: 4, subvectors: 3 },
        IvfCodes::Pq { bits: 8, subvectors: 3 },
        IvfCodes::Rabitq { bits: 1 },
        IvfCodes::Rabitq { bits: 4 },
        IvfCodes::Scann { subvectors: 3 },
    ];
    let codes = [HnswCodes::None, HnswCodes::Sq8, HnswCodes::Sq4, HnswCodes::Rabitq1];
    let flat = [FlatCodes::Sq8, FlatCodes::Rabitq].map(IndexParams::FlatCodes);
    let lists = lists.map(|codes| IndexParams::Ivf(IvfParams { lists: 5, codes, seed: 1 }));
    let others = [
        IndexParams::Flat,
        IndexParams::Graph(GraphParams { m: 16, ef_construction: 16, seed: 1 }),
        IndexParams::HnswRs(ForeignGraph { m: 4, ef_construction: 16 }),
    ];
    let layered = codes.map(|codes| IndexParams::Hnsw(graph(codes)));
    let paged = codes.map(|codes| IndexParams::Paged(graph(codes)));
    others.into_iter().chain(layered).chain(paged).chain(lists).chain(flat).collect()
}

/// Rows that look random and are the same each time.
fn rows(dim: u32, element: ElementType, metric: Metric) -> Vectors {
    let vector = VectorType::new(dim, element, metric).expect("a right type");
    let element_bytes = vector.row_bytes() / vector.dim();
    let bytes = (0..ROWS).flat_map(|row| {
        let mut bits = u64::from(row % COPIES_FROM) + 1;
        (0..vector.row_bytes()).map(move |at| {
            bits = bits.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let byte = bits.to_le_bytes()[7];
            match (element_bytes, at % element_bytes.max(1)) {
                // Floats between 0.5 and 2 or their negatives.
                (4, 3) => byte & 0x80 | 0x3f,
                (2, 1) => byte & 0x83 | 0x38,
                _ => byte,
            }
        })
    });
    Vectors::new(vector, bytes.collect()).expect("whole rows")
}

fn store(params: IndexParams, vectors: Vectors, pool: &ThreadPool) -> Stored {
    let never = Cancel::never();
    let index = Index::build(&params, &vectors, pool, &Progress::default(), &never);
    let sections = index.expect("right parameters").sections();
    let mut half = Bitmap::new(ROWS as usize);
    (0..ROWS).filter(|row| row % 2 == 0).for_each(|row| _ = half.insert(row));
    Stored { vectors, sections, half }
}

/// Edits to the sections of an index, which is then opened, searched, stored and
/// opened again. The first byte chooses the index.
///
/// # Panics
/// If a search finds less than there is, or rows that it must not find.
pub fn index(data: &[u8]) {
    let (&chosen, data) = data.split_first().unwrap_or((&0, &[]));
    let stored = &STORED[usize::from(chosen) % STORED.len()];
    let mut bytes: Vec<_> = stored.sections.iter().map(|section| section.2.to_vec()).collect();
    for edit in edits(data) {
        edit.apply(&mut bytes[edit.part(stored.sections.len())]);
    }
    let sections = stored.sections.iter().zip(bytes);
    let sections: Vec<Section> =
        sections.map(|((kind, version, _), bytes)| (*kind, *version, bytes.into())).collect();
    let Ok(opened) = open(&sections, &stored.vectors) else { return };
    check(&opened, stored);
    if let Some(copy) = opened.hot_copy() {
        check(&copy, stored);
    }
    open(&opened.sections(), &stored.vectors).expect("what it has stored itself");
}

fn open(sections: &[Section], vectors: &Vectors) -> Result<Index, IndexError> {
    let mut read = |kind| -> Result<(u16, Bytes), Error> {
        let found = sections.iter().find(|section| section.0 == kind);
        let (_, version, bytes) =
            found.ok_or_else(|| Error::corrupt("there is no such section"))?;
        Ok((*version, bytes.clone()))
    };
    Index::open(&mut read, vectors)
}

/// Searches in all the ways that take another path.
fn check(index: &Index, stored: &Stored) {
    let Stored { vectors, half, .. } = stored;
    let (rows, never, mut scratch) = (ROWS as usize, Cancel::never(), Scratch::default());
    assert!(index.bytes() < 1 << 30, "{} bytes of {rows} rows", index.bytes());
    for (row, k, effort, allowed) in
        [(3, 5, 16, None), (90, 5, 16, Some(half)), (149, 20, 2_000, None), (7, 2 * rows, 1, None)]
    {
        let search = Search { allowed, ..Search::new(k, effort) };
        let query = vectors.row(row);
        let found = index.search(vectors, query, &search, &mut scratch, &never);
        let found = found.expect("nobody stops it").neighbors;
        assert_eq!(found.len(), k.min(allowed.map_or(rows, Bitmap::count)));
        assert!(found.is_sorted_by(|a, b| (a.key, a.row) < (b.key, b.row)), "{found:?}");
        let is_allowed = |row| allowed.is_none_or(|allowed| allowed.contains(row));
        assert!(found.iter().all(|neighbor| is_allowed(neighbor.row)), "{found:?}");
    }
}
