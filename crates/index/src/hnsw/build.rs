//! Building a graph: every vertex is searched for in what there is already, and
//! linked to what was found, by all threads of a pool at once.
//!
//! Links are atomic words, so that readers need no lock: whoever reads a list
//! while it is rewritten sees a mixture of old and new links, all of them
//! vertices, or a shorter list. Writers of one list exclude each other.
//!
//! All layers are known before the first insertion, and the vertices of the
//! upper ones come first: the entry vertex never changes. A vertex is linked
//! from the ground upwards, so that whoever meets it on an upper layer finds it
//! linked below.

use super::duplicates::Duplicates;
use super::layers::{LAYERS_MAX, Layer, NONE, UpperLayer, Words};
use super::select::select;
use super::walk::{HnswScratch, Walk};
use super::{Hnsw, HnswParams, repair};
use crate::neighbors::Ranked;
use crate::{IndexError, Progress, Vectors, Work};
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use vicinal_distance::prefetch;
use vicinal_types::{Cancel, Stopped};

/// Vertices inserted by one thread before the others join: while the graph is
/// tiny, vertices inserted at the same time would not see each other.
const ALONE: usize = 256;

/// Vertices that a thread takes at once; about a millisecond of work.
const BATCH: usize = 16;

/// A layer under construction.
struct Growing {
    degree: usize,
    /// The row of every slot, above the ground.
    vertices: Option<Vec<u32>>,
    /// The slot below of every slot, above the ground.
    below: Vec<u32>,
    links: Vec<AtomicU32>,
    /// One for each vertex's list of links: held while it is rewritten, never
    /// together with another.
    locks: Vec<Mutex<()>>,
}

struct Builder<'a> {
    params: HnswParams,
    vectors: &'a Vectors,
    cancel: &'a Cancel,
    /// Ground first.
    layers: Vec<Growing>,
    /// Where searches begin, on the top layer.
    entry: u32,
}

/// Memory of a building thread.
#[derive(Default)]
struct BuildScratch {
    walk: HnswScratch,
    /// The links chosen, by layer.
    selected: Vec<Vec<Ranked>>,
    candidates: Vec<Ranked>,
    kept: Vec<Ranked>,
    work: Work,
}

pub(super) fn build(
    params: HnswParams,
    vectors: &Vectors,
    pool: &rayon::ThreadPool,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<Hnsw, IndexError> {
    let duplicates = pool.install(|| Duplicates::find(vectors));
    cancel.check()?;
    progress.add(duplicates.len() as u64);
    let mut order: Vec<(u32, u64, u32)> = (0..vectors.len())
        .filter(|&row| !duplicates.is_duplicate(row))
        .map(|row| (level(params, row), mix(params.seed ^ u64::from(row)), row))
        .collect();
    order.sort_unstable_by_key(|&(level, shuffle, row)| (Reverse(level), shuffle, row));
    let builder = Builder::new(params, vectors, cancel, &order);
    builder.insert_all(&order, pool, progress)?;
    let mut hnsw = builder.finish(vectors, duplicates);
    repair::connect(&mut hnsw, vectors, cancel)?;
    Ok(hnsw)
}

/// The top layer of a row: layer `l` or above with probability `m` to the
/// power of `-l`. Whole numbers only, so that it is the same everywhere.
fn level(params: HnswParams, row: u32) -> u32 {
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

impl Growing {
    fn new(vertices: Option<Vec<u32>>, below: Vec<u32>, count: usize, degree: usize) -> Self {
        let links = std::iter::repeat_with(|| AtomicU32::new(NONE)).take(count * degree).collect();
        let locks = std::iter::repeat_with(|| Mutex::new(())).take(count).collect();
        Self { degree, vertices, below, links, locks }
    }

    fn view(&self) -> Layer<'_, AtomicU32, impl Fn(&AtomicU32) -> u32> {
        Layer::new(&self.links, self.degree, self.vertices.as_deref(), |link: &AtomicU32| {
            link.load(Ordering::Relaxed)
        })
    }

    /// The slot of a row that is on this layer.
    fn slot(&self, row: u32) -> u32 {
        match &self.vertices {
            None => row,
            Some(vertices) => slot_of(vertices, row),
        }
    }

    fn record(&self, vertex: u32) -> &[AtomicU32] {
        let start = vertex as usize * self.degree;
        &self.links[start..start + self.degree]
    }

    /// Replaces the links of a vertex; its lock is held.
    fn write(&self, vertex: u32, links: impl Iterator<Item = u32>) {
        for (place, link) in self.record(vertex).iter().zip(links.chain(std::iter::repeat(NONE))) {
            place.store(link, Ordering::Relaxed);
        }
    }

    fn into_links(self) -> impl Iterator<Item = u32> {
        self.links.into_iter().map(AtomicU32::into_inner)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a segment's rows fit 32 bits")]
fn slot_of(vertices: &[u32], row: u32) -> u32 {
    vertices.binary_search(&row).expect("a row is looked up on its own layers") as u32
}

impl<'a> Builder<'a> {
    /// Lays out all layers, without links. `order` has the highest level first.
    fn new(
        params: HnswParams,
        vectors: &'a Vectors,
        cancel: &'a Cancel,
        order: &[(u32, u64, u32)],
    ) -> Self {
        let rows = vectors.len() as usize;
        let mut layers = vec![Growing::new(None, Vec::new(), rows, params.ground_degree())];
        let top = order.first().map_or(0, |first| first.0);
        for layer in 1..=top {
            let count = order.partition_point(|&(level, ..)| level >= layer);
            let mut vertices: Vec<u32> = order[..count].iter().map(|&(.., row)| row).collect();
            vertices.sort_unstable();
            let lower = &layers[layer as usize - 1];
            let below = vertices.iter().map(|&row| lower.slot(row)).collect();
            layers.push(Growing::new(Some(vertices), below, count, params.m as usize));
        }
        let entry = order.first().map_or(0, |&(.., row)| layers[top as usize].slot(row));
        Self { params, vectors, cancel, layers, entry }
    }

    fn insert_all(
        &self,
        order: &[(u32, u64, u32)],
        pool: &rayon::ThreadPool,
        progress: &Progress,
    ) -> Result<(), Stopped> {
        // The first vertex is the entry: it is linked to by the others.
        let first = order.len().min(1);
        let alone = order.len().min(ALONE);
        let (next, stopped) = (AtomicUsize::new(alone), OnceLock::new());
        let insert = |batch: &[(u32, u64, u32)], scratch: &mut BuildScratch| {
            let done = self.cancel.check().and_then(|()| {
                batch.iter().try_for_each(|&(level, _, row)| self.insert(row, level, scratch))
            });
            progress.add(batch.len() as u64);
            done.map_err(|reason| _ = stopped.set(reason))
        };
        let run = || {
            let mut scratch = BuildScratch::default();
            while stopped.get().is_none() {
                let start = next.fetch_add(BATCH, Ordering::Relaxed);
                let batch = order.get(start..order.len().min(start + BATCH));
                match batch {
                    Some(batch) if !batch.is_empty() => _ = insert(batch, &mut scratch),
                    Some(_) | None => break,
                }
            }
        };
        _ = pool.install(|| insert(&order[first..alone], &mut BuildScratch::default()));
        pool.broadcast(|_| run());
        stopped.get().map_or(Ok(()), |reason| Err(*reason))
    }

    /// Finds a row's neighbours on all its layers, then links it, ground first.
    fn insert(&self, row: u32, level: u32, scratch: &mut BuildScratch) -> Result<(), Stopped> {
        let effort = self.params.ef_construction as usize;
        let walk = Walk {
            vectors: self.vectors,
            query: self.vectors.row(row),
            effort,
            cancel: self.cancel,
        };
        let top = self.layers.len() - 1;
        let (mut nearest, mut entry) = (self.entry, self.entry);
        scratch.selected.resize_with(self.layers.len(), Vec::new);
        for (layer, growing) in self.layers.iter().enumerate().rev() {
            let view = growing.view();
            if layer > level as usize {
                nearest = walk.greedy(&view, nearest, &mut scratch.work);
            } else {
                let seeds = [nearest, entry];
                self.candidates(&walk, layer, row, &seeds, scratch)?;
                nearest = scratch.walk.found().next().map_or(nearest, Ranked::id);
            }
            if layer > 0 {
                (nearest, entry) = (growing.below[nearest as usize], growing.below[entry as usize]);
            }
        }
        for layer in 0..=top.min(level as usize) {
            self.link(layer, row, scratch);
        }
        Ok(())
    }

    /// Searches a layer and selects whom to link to.
    fn candidates(
        &self,
        walk: &Walk<'_>,
        layer: usize,
        row: u32,
        seeds: &[u32],
        scratch: &mut BuildScratch,
    ) -> Result<(), Stopped> {
        let growing = &self.layers[layer];
        let view = growing.view();
        #[expect(clippy::cast_possible_truncation, reason = "a segment's rows fit 32 bits")]
        scratch.walk.begin(growing.locks.len() as u32);
        scratch.walk.skip(growing.slot(row));
        walk.beam(&view, seeds, &mut scratch.walk, &mut scratch.work)?;
        let limit = self.params.m as usize;
        let kept = &mut scratch.selected[layer];
        select(self.vectors, |vertex| view.row(vertex), scratch.walk.found(), limit, kept);
        Ok(())
    }

    /// Links a vertex to those selected, and them to it.
    fn link(&self, layer: usize, row: u32, scratch: &mut BuildScratch) {
        let growing = &self.layers[layer];
        let vertex = growing.slot(row);
        let selected = std::mem::take(&mut scratch.selected[layer]);
        {
            let _guard = growing.locks[vertex as usize].lock();
            growing.write(vertex, selected.iter().map(|neighbor| neighbor.id()));
        }
        for neighbor in &selected {
            self.link_back(growing, neighbor.id(), Ranked::new(neighbor.key(), vertex), scratch);
        }
        scratch.selected[layer] = selected;
    }

    /// Adds a link to `vertex`; selects anew when its list is full.
    fn link_back(&self, growing: &Growing, vertex: u32, link: Ranked, scratch: &mut BuildScratch) {
        let _guard = growing.locks[vertex as usize].lock();
        let view = growing.view();
        let candidates = &mut scratch.candidates;
        let count = view.neighbors(vertex).count();
        if view.neighbors(vertex).any(|other| other == link.id()) {
            return;
        }
        if let Some(free) = growing.record(vertex).get(count) {
            free.store(link.id(), Ordering::Relaxed);
            return;
        }
        view.neighbors(vertex).for_each(|other| prefetch(self.vectors.row(view.row(other))));
        let bytes = self.vectors.row(view.row(vertex));
        candidates.clear();
        candidates.push(link);
        let others = view.neighbors(vertex);
        candidates.extend(
            others.map(|other| Ranked::new(self.vectors.key(bytes, view.row(other)), other)),
        );
        candidates.sort_unstable();
        let sorted = candidates.iter().copied();
        select(self.vectors, |vertex| view.row(vertex), sorted, growing.degree, &mut scratch.kept);
        growing.write(vertex, scratch.kept.iter().map(|kept| kept.id()));
    }

    /// Lays the links out as they are stored.
    fn finish(self, vectors: &Vectors, duplicates: Duplicates) -> Hnsw {
        let (params, entry) = (self.params, self.entry);
        let mut growing = self.layers.into_iter();
        let ground = growing.next().expect("there is always a ground layer");
        let ground = Words::aligned(ground.links.len(), ground.into_links());
        let mut layers = Vec::new();
        let mut words = Vec::new();
        for layer in growing {
            layers.push(UpperLayer { count: layer.locks.len(), start: words.len() });
            words.extend(layer.vertices.iter().flatten());
            words.extend(&layer.below);
            words.extend(layer.into_links());
        }
        let upper = Words::aligned(words.len(), words.into_iter());
        Hnsw { params, rows: vectors.len(), entry, ground, upper, layers, duplicates }
    }
}
