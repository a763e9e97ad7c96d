//! Building a graph: every vertex is searched for in what there is already, and
//! linked to what was found, by all threads of a pool at once.
//!
//! All layers are known before the first insertion, and the vertices of the
//! upper ones come first: the entry vertex never changes. A vertex is linked
//! from the ground upwards, so that whoever meets it on an upper layer finds it
//! linked below.

use super::codes::{Codes, ScalarCodes, are_stored};
use super::duplicates::Duplicates;
use super::layers::{LAYERS_MAX, Tower, UpperLayer, Words};
use super::linker::{LinkScratch, OpenLayer};
use super::rows::Rows;
use super::walk::Walk;
use super::{Hnsw, HnswParams, repair};
use crate::neighbors::Ranked;
use crate::{IndexError, Progress, Vectors};
use std::cmp::Reverse;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use vicinal_types::{Cancel, HnswCodes, Metric, Stopped, VectorType};

/// Vertices inserted by one thread before the others join: while the graph is
/// tiny, vertices inserted at the same time would not see each other.
const ALONE: usize = 256;

/// Vertices that a thread takes at once; about a millisecond of work.
const BATCH: usize = 16;

struct Builder<'a, R> {
    params: HnswParams,
    rows: &'a R,
    cancel: &'a Cancel,
    /// Ground first.
    layers: Vec<OpenLayer>,
    /// Where searches begin, on the top layer.
    entry: u32,
}

/// A row's level, its place among those of the same level, the row.
type Place = (u32, u64, u32);

pub(super) fn build(
    params: HnswParams,
    vectors: &Vectors,
    pool: &rayon::ThreadPool,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<Hnsw, IndexError> {
    let codes = pool.install(|| Codes::build(params.codes, vectors, params.seed, cancel))?;
    let near = near_rows(vectors);
    // A graph for shorter codes is built on codes of 8 bits: what they confuse,
    // a walk on it still finds its way through.
    let mut hnsw = match &codes {
        None => build_on(&near, params, vectors, pool, progress, cancel),
        Some(Codes::Scalar(codes))
            if params.codes == HnswCodes::Sq8 && near.vector_type() == vectors.vector_type() =>
        {
            build_on(codes, params, vectors, pool, progress, cancel)
        }
        Some(_) if are_stored(HnswCodes::Sq8, vectors.vector_type().element()) => {
            let finer = pool.install(|| ScalarCodes::build(&near, 8, cancel))?;
            build_on(&finer, params, vectors, pool, progress, cancel)
        }
        Some(_) => build_on(&near, params, vectors, pool, progress, cancel),
    }?;
    hnsw.codes = codes;
    Ok(hnsw)
}

/// The rows as the graph compares them with each other.
///
/// By inner products the longest rows would be everybody's neighbours, and short
/// ones nobody's: a search finds the best rows, but hardly those behind them, which
/// are the best once those are deleted. By distances every row has its neighbours,
/// and larger inner products are found along them.
fn near_rows(vectors: &Vectors) -> Vectors {
    let vector = vectors.vector_type();
    if vector.metric() != Metric::InnerProduct {
        return vectors.clone();
    }
    #[expect(clippy::cast_possible_truncation, reason = "a dimension is at most DIM_MAX")]
    let dim = vector.dim() as u32;
    let vector = VectorType::new(dim, vector.element(), Metric::L2)
        .expect("what has inner products has distances");
    Vectors::new(vector, vectors.bytes().clone()).expect("as many bytes a row")
}

/// Builds the graph on `rows`, which are the vectors or codes of them.
fn build_on<R: Rows<Query = [u8]> + Sync>(
    rows: &R,
    params: HnswParams,
    vectors: &Vectors,
    pool: &rayon::ThreadPool,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<Hnsw, IndexError> {
    let duplicates = pool.install(|| Duplicates::find(vectors));
    cancel.check()?;
    progress.add(duplicates.len() as u64);
    let mut order: Vec<Place> = (0..vectors.len())
        .filter(|&row| !duplicates.is_duplicate(row))
        .map(|row| (level(params, row), mix(params.seed ^ u64::from(row)), row))
        .collect();
    order.sort_unstable_by_key(|&(level, shuffle, row)| (Reverse(level), shuffle, row));
    let builder = Builder::new(params, rows, vectors.len(), cancel, &order);
    builder.insert_all(&order, pool, progress)?;
    let mut hnsw = builder.finish(vectors.len(), duplicates);
    repair::connect(&mut hnsw, rows, cancel)?;
    Ok(hnsw)
}

/// The top layer of a row: layer `l` or above with probability `m` to the
/// power of `-l`. Whole numbers only, so that it is the same everywhere.
pub(super) fn level(params: HnswParams, row: u32) -> u32 {
    let (mut level, mut bound) = (0, u64::MAX / u64::from(params.m));
    let number = mix(mix(params.seed).wrapping_add(u64::from(row)));
    while number < bound && (level as usize) < LAYERS_MAX {
        level += 1;
        bound /= u64::from(params.m);
    }
    level
}

/// The finaliser of SplitMix64: a bijection that scatters its input.
pub(crate) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl<'a, R: Rows<Query = [u8]> + Sync> Builder<'a, R> {
    /// Lays out all layers, without links. `order` has the highest level first.
    fn new(
        params: HnswParams,
        rows: &'a R,
        row_count: u32,
        cancel: &'a Cancel,
        order: &[Place],
    ) -> Self {
        let levels: Vec<(u32, u32)> = order.iter().map(|&(level, _, row)| (level, row)).collect();
        let layers = lay_out(params, row_count, &levels);
        let entry = order.first().map_or(0, |&(level, _, row)| layers[level as usize].slot(row));
        Self { params, rows, cancel, layers, entry }
    }

    fn insert_all(
        &self,
        order: &[Place],
        pool: &rayon::ThreadPool,
        progress: &Progress,
    ) -> Result<(), Stopped> {
        // The first vertex is the entry: it is linked to by the others.
        let first = order.len().min(1);
        let alone = order.len().min(ALONE);
        let (next, stopped) = (AtomicUsize::new(alone), OnceLock::new());
        let insert = |batch: &[Place], scratch: &mut LinkScratch| {
            let done = self.cancel.check().and_then(|()| {
                batch.iter().try_for_each(|&(level, _, row)| self.insert(row, level, scratch))
            });
            progress.add(batch.len() as u64);
            done.map_err(|reason| _ = stopped.set(reason))
        };
        let run = || {
            let mut scratch = LinkScratch::default();
            while stopped.get().is_none() {
                let start = next.fetch_add(BATCH, Ordering::Relaxed);
                let batch = order.get(start..order.len().min(start + BATCH));
                match batch {
                    Some(batch) if !batch.is_empty() => _ = insert(batch, &mut scratch),
                    Some(_) | None => break,
                }
            }
        };
        _ = pool.install(|| insert(&order[first..alone], &mut LinkScratch::default()));
        pool.broadcast(|_| run());
        stopped.get().map_or(Ok(()), |reason| Err(*reason))
    }

    /// Finds a row's neighbours on all its layers, then links it, ground first.
    fn insert(&self, row: u32, level: u32, scratch: &mut LinkScratch) -> Result<(), Stopped> {
        let effort = self.params.ef_construction as usize;
        let query = self.rows.bytes(row);
        let walk =
            Walk { rows: self.rows, query, effort, ahead: self.rows.ahead(), cancel: self.cancel };
        let (mut nearest, mut entry) = (self.entry, self.entry);
        scratch.selected.resize_with(self.layers.len(), Vec::new);
        for (layer, open) in self.layers.iter().enumerate().rev() {
            if layer > level as usize {
                nearest = walk.greedy(&open.view(), nearest, &mut scratch.work);
            } else {
                let limit = self.params.m as usize;
                open.candidates(&walk, row, &[nearest, entry], (layer, limit), scratch)?;
                nearest = scratch.walk.found().next().map_or(nearest, Ranked::id);
            }
            if layer > 0 {
                (nearest, entry) = (open.below[nearest as usize], open.below[entry as usize]);
            }
        }
        for layer in 0..=level as usize {
            self.link(layer, row, scratch);
        }
        Ok(())
    }

    /// Links a vertex to those selected, and them to it.
    fn link(&self, layer: usize, row: u32, scratch: &mut LinkScratch) {
        let open = &self.layers[layer];
        let vertex = open.slot(row);
        let selected = std::mem::take(&mut scratch.selected[layer]);
        open.link(vertex, &selected);
        for neighbor in &selected {
            let link = Ranked::new(neighbor.key(), vertex);
            open.link_back(self.rows, neighbor.id(), link, scratch);
        }
        scratch.selected[layer] = selected;
    }

    /// Lays the links out as they are stored.
    fn finish(self, rows: u32, duplicates: Duplicates) -> Hnsw {
        let (params, entry) = (self.params, self.entry);
        let mut open = self.layers.into_iter();
        let ground = {
            let layer = open.next().expect("there is always a ground layer");
            Words::aligned(layer.count() * layer.degree, layer.links())
        };
        let mut layers = Vec::new();
        let mut words = Vec::new();
        for layer in open {
            layers.push(UpperLayer { count: layer.count(), start: words.len() });
            words.extend(layer.vertices.iter().flatten());
            words.extend(&layer.below);
            words.extend(layer.links());
        }
        let upper = Words::aligned(words.len(), words.into_iter());
        let tower = Tower { m: params.m, entry, words: upper, layers };
        Hnsw { params, rows, ground, tower, duplicates, codes: None, ahead: None }
    }
}

/// All layers, without links, for the levels of rows, highest first.
pub(super) fn lay_out(params: HnswParams, row_count: u32, levels: &[(u32, u32)]) -> Vec<OpenLayer> {
    let ground = OpenLayer::new(None, Vec::new(), row_count as usize, params.ground_degree());
    let mut layers = vec![ground];
    for layer in 1..=levels.first().map_or(0, |first| first.0) {
        let count = levels.partition_point(|&(level, _)| level >= layer);
        let mut vertices: Vec<u32> = levels[..count].iter().map(|&(_, row)| row).collect();
        vertices.sort_unstable();
        let lower = &layers[layer as usize - 1];
        let below = vertices.iter().map(|&row| lower.slot(row)).collect();
        layers.push(OpenLayer::new(Some(vertices), below, count, params.m as usize));
    }
    layers
}
