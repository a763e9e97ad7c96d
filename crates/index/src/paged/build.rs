//! Laying a graph out in pages.

use super::Paged;
use super::records::{Records, Shape};
use crate::hnsw::{Codes, Hnsw, HnswParams, NONE, PAGE_WORDS, Tower, UpperLayer, Words};
use crate::{IndexError, Progress, Vectors};
use bytes::Bytes;
use vicinal_types::{Bitmap, Cancel, ElementType, HnswCodes};
use zerocopy::IntoBytes;

pub(super) fn build(
    params: HnswParams,
    vectors: &Vectors,
    pool: &rayon::ThreadPool,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<Paged, IndexError> {
    let params = HnswParams { codes: steering(params.codes, vectors), ..params };
    let graph = Hnsw::build(params, vectors, pool, progress, cancel)?;
    cancel.check()?;
    let row_of = order(&graph);
    let mut vertex_of = vec![NONE; vectors.len() as usize];
    for (vertex, &row) in (0..).zip(&row_of) {
        vertex_of[row as usize] = vertex;
    }
    let records = records(&graph, vectors, &row_of, &vertex_of);
    let codes = match &graph.codes {
        Some(codes) => codes.gathered(&row_of),
        None => Codes::Rows(gathered(vectors, &row_of)?),
    };
    let tower = renumbered(&graph.tower, &vertex_of);
    let row_of = Words::aligned(row_of.len(), row_of.iter().copied());
    let (rows, duplicates) = (vectors.len(), graph.duplicates);
    Ok(Paged { params, rows, records, row_of, tower, codes, duplicates })
}

/// The codes that steer: 8 bits where nothing else is asked for, and rows that
/// are as small themselves.
fn steering(codes: HnswCodes, vectors: &Vectors) -> HnswCodes {
    match vectors.vector_type().element() {
        ElementType::F32 | ElementType::F16 | ElementType::Bf16 if codes == HnswCodes::None => {
            HnswCodes::Sq8
        }
        ElementType::F32
        | ElementType::F16
        | ElementType::Bf16
        | ElementType::I8
        | ElementType::U8
        | ElementType::Binary => codes,
    }
}

/// The rows of the vertices, breadth first from the entry: all are reachable.
fn order(graph: &Hnsw) -> Vec<u32> {
    let degree = graph.params.ground_degree();
    let mut placed = Bitmap::new(graph.rows as usize);
    let mut order = Vec::with_capacity(graph.rows as usize);
    let mut place = |row: u32, order: &mut Vec<u32>| {
        if placed.insert(row) {
            order.push(row);
        }
    };
    if graph.rows > 0 {
        place(graph.tower.ground_entry(), &mut order);
    }
    let mut next = 0;
    while let Some(&row) = order.get(next) {
        let links = &graph.ground.get()[row as usize * degree..][..degree];
        links.iter().take_while(|&&link| link != NONE).for_each(|&link| place(link, &mut order));
        next += 1;
    }
    order
}

fn records(graph: &Hnsw, vectors: &Vectors, row_of: &[u32], vertex_of: &[u32]) -> Records {
    let degree = graph.params.ground_degree();
    let shape = Shape::new(vectors.vector_type(), degree);
    let vertices = u32::try_from(row_of.len()).expect("a segment's rows fit 32 bits");
    let words = Words::filled(shape.bytes(vertices) / 4, PAGE_WORDS, |pages| {
        let (pages, mut links) = (pages.as_mut_bytes(), Vec::with_capacity(degree));
        for (vertex, &row) in (0..).zip(row_of) {
            let own = &graph.ground.get()[row as usize * degree..][..degree];
            links.clear();
            let linked = own.iter().take_while(|&&link| link != NONE);
            links.extend(linked.map(|&link| vertex_of[link as usize]));
            shape.write(pages, vertex, &links, vectors.row(row));
        }
    });
    Records::new(shape, vertices, words).expect("as many pages as the records take")
}

/// The rows in the order of the vertices.
fn gathered(vectors: &Vectors, row_of: &[u32]) -> Result<Vectors, IndexError> {
    let rows: Vec<u8> = row_of.iter().flat_map(|&row| vectors.row(row)).copied().collect();
    Vectors::new(vectors.vector_type(), Bytes::from(rows))
}

/// The layers above the ground with other numbers for the ground's vertices:
/// slots ascend with these.
fn renumbered(tower: &Tower, vertex_of: &[u32]) -> Tower {
    let mut words = Vec::with_capacity(tower.words.get().len());
    let mut layers = Vec::with_capacity(tower.layers.len());
    // The new slot of every old one, of the layer below.
    let mut lower: Vec<u32> = vertex_of.to_vec();
    for layer in &tower.layers {
        let rows = layer.vertices(&tower.words);
        let mut slots: Vec<u32> = (0..).take(rows.len()).collect();
        slots.sort_unstable_by_key(|&slot| vertex_of[rows[slot as usize] as usize]);
        let mut moved = vec![0; slots.len()];
        for (new, &old) in (0..).zip(&slots) {
            moved[old as usize] = new;
        }
        layers.push(UpperLayer { count: layer.count, start: words.len() });
        words.extend(slots.iter().map(|&old| vertex_of[rows[old as usize] as usize]));
        let below = layer.below(&tower.words);
        words.extend(slots.iter().map(|&old| lower[below[old as usize] as usize]));
        let (m, links) = (tower.m as usize, layer.links(&tower.words, tower.m));
        for &old in &slots {
            let links = &links[old as usize * m..][..m];
            let link = |&link: &u32| if link == NONE { NONE } else { moved[link as usize] };
            words.extend(links.iter().map(link));
        }
        lower = moved;
    }
    let entry = lower.get(tower.entry as usize).copied().unwrap_or(0);
    let words = Words::aligned(words.len(), words.iter().copied());
    Tower { m: tower.m, entry, words, layers }
}
