//! A graph whose vertices carry 1-bit codes of their neighbours.
//!
//! A search needs one record for every vertex it visits, and that record lies in
//! one piece: the vertex's own vector, codes from which the keys of all its
//! neighbours are estimated in one pass, and their numbers (the design of NGT-QG
//! and SymphonyQG, Gou and others, 2025, over RaBitQ codes, Gao and Long, 2024).
//! The exact key of a vertex is computed when it is visited, so what is found has
//! exact keys, and an estimate only decides where to go.
//!
//! There is one layer; landmarks, vertices spread over all others, take the place
//! of those above. Rows whose vectors are equal byte for byte share one vertex.

mod build;
mod candidates;
mod coded;
mod compact;
mod encode;
mod format;
mod growing;
mod landmarks;
mod links;
mod partition;
mod places;
mod pool;
mod prune;
mod query;
mod records;
mod repair;
mod reverse;
mod stored;
mod walk;

use crate::flat::exact;
use crate::hnsw::{BitCodes, Duplicates, rerank};
use crate::hot::Hot;
use crate::neighbors::Ranked;
use crate::quantise::rotation::Rotation;
use crate::quantise::words::Words;
use crate::rivals::Rivals;
use crate::scratch::Pools;
use crate::{Found, IndexError, Neighbor, Progress, Scratch, Search, Section, Vectors, Work};
use bytes::Bytes;
use coded::Way;
use landmarks::Landmarks;
use records::Layout;
use vicinal_distance::{Comparer, kernels, prefetch_far};
use vicinal_types::{Bitmap, Cancel, ElementType, GraphParams, Metric, Stopped, VectorType};
use walk::{Contiguous, Reach, Walk};

pub use growing::GrowingRecords;
pub(crate) use walk::GraphScratch;

/// One more row for so many is compared again where records hold rounded vectors.
const RERANKED_PART: usize = 4;

/// Candidates of a walk under a filter that are open, at least and at most.
const OPEN_MIN: usize = 64;
const OPEN_MAX: usize = 4_096;

/// A walk that sees rows that pass so many times as rarely as they are is far from them.
const HOPELESS: usize = 4;

/// A graph as it is stored and searched.
#[derive(Clone, Debug)]
pub struct Graph {
    params: GraphParams,
    rows: u32,
    /// The type of the vectors in records, as a number of the format and itself.
    element: u32,
    stored: VectorType,
    comparer: Comparer,
    layout: Layout,
    rotation: Rotation,
    /// The rows' mean, the origin of estimates.
    mean: Words,
    landmarks: Landmarks,
    /// One record a vertex; the first vertex is the root, from which all others
    /// can be reached.
    records: Bytes,
    /// The row of every vertex.
    order: Words,
    duplicates: Duplicates,
    /// The codes of all rows, for searches under filters that few rows pass.
    codes: BitCodes,
}

impl Graph {
    pub(crate) fn build(
        params: GraphParams,
        vectors: &Vectors,
        pool: &rayon::ThreadPool,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Self, IndexError> {
        check(params)?;
        if vectors.vector_type().element() == ElementType::Binary {
            return Err(IndexError::BinaryLists);
        }
        pool.install(|| build::build(params, vectors, progress, cancel))
    }

    pub(crate) fn sections(&self) -> Vec<Section> {
        format::encode(self)
    }

    pub(crate) fn open(
        header: &[u8],
        read: &mut dyn FnMut(u32) -> Result<Bytes, IndexError>,
        vectors: &Vectors,
    ) -> Result<Self, IndexError> {
        format::decode(header, read, vectors)
    }

    pub(crate) fn params(&self) -> GraphParams {
        self.params
    }

    pub(crate) fn bytes(&self) -> usize {
        self.records.len()
            + self.order.bytes().len()
            + self.mean.bytes().len()
            + self.landmarks.bytes().len()
            + self.rotation.bytes()
            + self.duplicates.bytes()
            + self.codes.held_bytes()
    }

    /// Bytes that a copy in large pages takes.
    pub(crate) fn hot_bytes(&self) -> usize {
        self.records.len()
    }

    /// The same graph with its records in memory of their own.
    pub(crate) fn hot_copy(&self) -> Option<Self> {
        Some(Self { records: Hot::copy(&self.records)?, ..self.clone() })
    }

    /// The lines of a record that a walk asks for, and whether they were measured.
    pub(crate) fn ahead(&self) -> (usize, bool) {
        let lines = self.layout.ahead.unwrap_or(self.layout.lines());
        (lines, self.layout.ahead.is_some())
    }

    pub(crate) fn set_ahead(&mut self, lines: Option<usize>) {
        self.layout.ahead = lines;
    }

    /// Whether a row shares its vertex with another.
    pub(crate) fn is_duplicated(&self, row: u32) -> bool {
        self.duplicates.is_duplicate(row) || !self.duplicates.of(row).is_empty()
    }

    pub(crate) fn search(
        &self,
        vectors: &Vectors,
        query: &[u8],
        search: &Search<'_>,
        scratch: &mut Scratch,
        cancel: &Cancel,
    ) -> Result<Found, Stopped> {
        self.search_as(vectors, (query, None), search, scratch, cancel)
    }

    /// Searches for a query as if a vertex were not there, if one is named; it must have
    /// no duplicates, and the mask must not have it.
    fn search_as(
        &self,
        vectors: &Vectors,
        (query, without): (&[u8], Option<u32>),
        search: &Search<'_>,
        scratch: &mut Scratch,
        cancel: &Cancel,
    ) -> Result<Found, Stopped> {
        assert_eq!(
            vectors.len(),
            self.rows,
            "an index is searched with the vectors it was built for"
        );
        let passing = search.allowed.map_or(self.rows as usize, Bitmap::count);
        let allowed = search.allowed.filter(|_| passing < self.rows as usize);
        let k = search.k.min(passing);
        let search = Search { k, effort: search.effort.max(k), allowed, ..*search };
        let mut work = Work::default();
        if k == 0 {
            return Ok(Found { neighbors: Vec::new(), work });
        }
        let way = Way::choose(&search, self.rows, passing);
        let found = match way {
            Way::Compare => {
                let found = exact(vectors, query, &search, &mut scratch.pools, work, cancel)?;
                if search.competes {
                    scratch.add_rivals(&found.neighbors);
                }
                return Ok(found);
            }
            Way::Codes => None,
            Way::Walk(expanded_max) => self.walked(
                vectors,
                (query, without),
                (&search, passing, expanded_max),
                scratch,
                &mut work,
                cancel,
            )?,
        };
        let neighbors = match found {
            Some(neighbors) => neighbors,
            // The mask and the query disagree, or the graph has few vertices near.
            None => {
                let scratch = (&mut scratch.graph.coded, &mut scratch.pools);
                self.look(vectors, query, &search, scratch, &mut work, cancel)?
            }
        };
        // A walk has said what it found.
        if search.competes && way == Way::Codes {
            scratch.add_rivals(&neighbors);
        }
        Ok(Found { neighbors, work })
    }

    /// The nearest rows by a walk, unless it gives up or finds too few.
    fn walked(
        &self,
        vectors: &Vectors,
        (query, without): (&[u8], Option<u32>),
        (search, passing, expanded_max): (&Search<'_>, usize, u64),
        Scratch { graph: scratch, pools, rivals, .. }: &mut Scratch,
        work: &mut Work,
        cancel: &Cancel,
    ) -> Result<Option<Vec<Neighbor>>, Stopped> {
        let (order, allowed) = (self.order.get(), search.allowed);
        let passes = |vertex: u32| self.any_passes(order[vertex as usize], allowed);
        let passes = allowed.is_some().then_some(&passes as &dyn Fn(u32) -> bool);
        let rarity = (self.rows as usize).div_ceil(passing);
        let open_max = search.effort.saturating_mul(2 * rarity).clamp(OPEN_MIN, OPEN_MAX);
        let reach = Reach {
            effort: search.effort,
            wanted: search.k,
            open_max: allowed.map(|_| open_max),
            without,
            passes,
            expanded_max: if allowed.is_some() { expanded_max } else { u64::MAX },
            expanded_per_result_max: (HOPELESS * rarity) as u64,
            cancel,
        };
        let rivals = search.competes.then_some(rivals);
        self.walk(vectors, query, (reach, rivals), scratch, work)?;
        if scratch.has_given_up {
            return Ok(None);
        }
        let neighbors = self.nearest(vectors, query, search, (scratch, pools), work);
        if neighbors.len() == search.k || scratch.is_beaten {
            return Ok(Some(neighbors));
        }
        pools.put_results(neighbors);
        Ok(None)
    }

    /// The vertices of ascending rows that have one.
    pub(crate) fn vertices(&self, rows: &[u32]) -> Vec<u32> {
        let mut vertices = vec![0; rows.len()];
        for (vertex, row) in (0..).zip(self.order.get()) {
            if let Ok(at) = rows.binary_search(row) {
                vertices[at] = vertex;
            }
        }
        vertices
    }

    /// Searches for a query as if a vertex were not there; it must have no
    /// duplicates, and a mask must not have it.
    pub(crate) fn search_without(
        &self,
        vectors: &Vectors,
        (query, without): (&[u8], u32),
        search: &Search<'_>,
        scratch: &mut Scratch,
        cancel: &Cancel,
    ) -> Result<Vec<Neighbor>, Stopped> {
        if search.allowed.is_some() {
            let found = self.search_as(vectors, (query, Some(without)), search, scratch, cancel)?;
            return Ok(found.neighbors);
        }
        let Scratch { graph: scratch, pools, .. } = scratch;
        let (effort, mut work) = (search.effort.max(search.k), Work::default());
        let reach = Reach {
            effort,
            wanted: search.k,
            open_max: None,
            without: Some(without),
            passes: None,
            expanded_max: u64::MAX,
            expanded_per_result_max: u64::MAX,
            cancel,
        };
        self.walk(vectors, query, (reach, None), scratch, &mut work)?;
        Ok(self.nearest(vectors, query, search, (scratch, pools), &mut work))
    }

    /// Leaves the vertices near a query in the scratch, with their keys.
    fn walk(
        &self,
        vectors: &Vectors,
        query: &[u8],
        (reach, mut rivals): (Reach<'_>, Option<&mut Rivals>),
        scratch: &mut GraphScratch,
        work: &mut Work,
    ) -> Result<(), Stopped> {
        let (kernels, kind) = (kernels(), vectors.vector_type());
        let vertices = self.order.get().len();
        scratch.begin(vertices, &reach);
        if let Some(rivals) = &mut rivals {
            scratch.compete(rivals, self.rows);
        }
        scratch.query.prepare(kind, query, self.mean.floats(), &self.rotation);
        scratch.stored.resize(self.stored.row_bytes(), 0);
        stored::convert(kind, query, self.stored, &mut scratch.stored);
        let base = self.mean_key(scratch);
        for (key, vertex) in self.landmarks.nearest(kernels, &scratch.query, base) {
            if key < f32::INFINITY && (vertex as usize) < vertices {
                scratch.offer(kernels, key, vertex);
            }
        }
        let walk = Walk {
            kernels,
            comparer: &self.comparer,
            layout: &self.layout,
            records: &Contiguous { bytes: &self.records, record_bytes: self.layout.bytes },
            bytes_ahead: self.layout.bytes_ahead(),
            vertices,
            reach,
        };
        let ended = walk.run(scratch, work);
        if let Some(rivals) = rivals {
            scratch.end_competition(rivals);
        }
        ended
    }

    /// Whether a row or a copy of it is allowed.
    fn any_passes(&self, row: u32, allowed: Option<&Bitmap>) -> bool {
        let passes = |row| allowed.is_none_or(|allowed| allowed.contains(row));
        passes(row) || self.duplicates.of(row).iter().any(|&copy| passes(copy))
    }

    /// The key of the query and the rows' mean.
    fn mean_key(&self, scratch: &GraphScratch) -> f32 {
        match self.stored.metric() {
            Metric::L2 => scratch.query.squared,
            Metric::InnerProduct | Metric::Cosine | Metric::Hamming | Metric::Jaccard => {
                -scratch.query.mean_dot
            }
        }
    }

    /// The nearest `k` allowed rows of the vertices found.
    fn nearest(
        &self,
        vectors: &Vectors,
        query: &[u8],
        search: &Search<'_>,
        (scratch, pools): (&mut GraphScratch, &mut Pools),
        work: &mut Work,
    ) -> Vec<Neighbor> {
        let (order, found) = (self.order.get(), &mut scratch.found);
        for found in found.iter_mut() {
            *found = Ranked::new(found.key(), order[found.id() as usize]);
        }
        if !self.duplicates.is_empty() || search.allowed.is_some() {
            found.retain(|found| self.any_passes(found.id(), search.allowed));
        }
        let is_exact = self.stored == vectors.vector_type();
        let keep = if is_exact { search.k } else { search.k + search.k.div_ceil(RERANKED_PART) };
        if found.len() > keep {
            found.select_nth_unstable(keep);
            found.truncate(keep);
        }
        if is_exact {
            found.sort_unstable();
        } else {
            found.iter().for_each(|found| prefetch_far(vectors.row(found.id())));
            rerank(vectors, query, found, work);
        }
        if self.duplicates.is_empty() {
            let mut neighbors = pools.results(search.k.min(found.len()));
            neighbors.extend(found.iter().take(search.k).map(|found| found.neighbor()));
            return neighbors;
        }
        let passes = |row| search.allowed.is_none_or(|allowed| allowed.contains(row));
        pools.top.reset(search.k);
        for found in found.iter() {
            let copies = self.duplicates.of(found.id()).iter().copied();
            for row in std::iter::once(found.id()).chain(copies).filter(|&row| passes(row)) {
                pools.top.push(found.key(), row);
            }
        }
        pools.take_top()
    }
}

fn check(params: GraphParams) -> Result<(), IndexError> {
    let bounds = [("m", params.m, 2, 256), ("ef_construction", params.ef_construction, 4, 4_096)];
    for (name, value, min, max) in bounds {
        if !(min..=max).contains(&value) {
            return Err(IndexError::Parameter { name, value, min, max });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
