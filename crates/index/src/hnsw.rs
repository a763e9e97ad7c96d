//! A hierarchical navigable small-world graph (Malkov and Yashunin, 2016).
//!
//! Every row is a vertex of the ground layer, one in `m` of them of the layer
//! above, and so on. A search walks greedily from the entry vertex down to the
//! ground and there keeps the `effort` nearest vertices seen, always following
//! the links of the nearest one not yet followed.
//!
//! Rows whose vectors are equal byte for byte share one vertex: copies would
//! link to each other only and be cut off from the rest.

mod build;
mod duplicates;
mod format;
mod layers;
mod repair;
mod select;
mod walk;

use crate::neighbors::Ranked;
use crate::{Found, IndexError, Neighbor, Progress, Search, Section, TopK, Vectors, Work, scan};
use duplicates::Duplicates;
use layers::{Layer, UpperLayer, Words};
use vicinal_types::{Bitmap, Cancel, Stopped};
use walk::{Ended, Walk};

pub(crate) use build::mix;
pub(crate) use walk::HnswScratch;

/// The parameters of an HNSW graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HnswParams {
    /// Links of a vertex above the ground layer; twice as many on it. 2 to 256.
    pub m: u32,
    /// Candidates kept while a vertex is linked. 4 to 4096.
    pub ef_construction: u32,
    /// Decides the layers of the vertices and the order of their insertion.
    pub seed: u64,
}

/// A graph as it is stored and searched.
#[derive(Clone, Debug)]
pub struct Hnsw {
    params: HnswParams,
    rows: u32,
    /// Where every search begins: a vertex of the top layer.
    entry: u32,
    /// [`HnswParams::ground_degree`] words a row, [`layers::NONE`] at the end.
    ground: Words,
    upper: Words,
    /// Layer 1 first.
    layers: Vec<UpperLayer>,
    duplicates: Duplicates,
}

/// Efforts above this are searched with heaps: a sorted array would move too
/// many candidates at every insertion.
const POOL_MAX: usize = 1_024;

impl HnswParams {
    /// Links of a vertex on the ground layer.
    pub(crate) fn ground_degree(self) -> usize {
        2 * self.m as usize
    }

    fn check(self) -> Result<(), IndexError> {
        let bounds = [("m", self.m, 2, 256), ("ef_construction", self.ef_construction, 4, 4_096)];
        for (name, value, min, max) in bounds {
            if !(min..=max).contains(&value) {
                return Err(IndexError::Parameter { name, value, min, max });
            }
        }
        Ok(())
    }
}

impl Hnsw {
    pub(crate) fn build(
        params: HnswParams,
        vectors: &Vectors,
        pool: &rayon::ThreadPool,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Self, IndexError> {
        params.check()?;
        build::build(params, vectors, pool, progress, cancel)
    }

    pub(crate) fn sections(&self) -> Vec<Section> {
        format::encode(self)
    }

    pub(crate) fn open(
        header: &[u8],
        read: &mut dyn FnMut(u32) -> Result<bytes::Bytes, IndexError>,
        vectors: &Vectors,
    ) -> Result<Self, IndexError> {
        format::decode(header, read, vectors)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.ground.bytes().len() + self.upper.bytes().len() + self.duplicates.bytes()
    }

    pub(crate) fn params(&self) -> HnswParams {
        self.params
    }

    pub(crate) fn search(
        &self,
        vectors: &Vectors,
        query: &[u8],
        search: &Search<'_>,
        scratch: &mut HnswScratch,
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
        if !self.walk_pays(&search, passing) {
            return exact(vectors, query, &search, work, cancel);
        }
        let walk = Walk { vectors, query, effort: search.effort, cancel };
        let seeds = self.descend(&walk, &mut work);
        scratch.begin(self.rows);
        let ended = match allowed {
            None if search.effort <= POOL_MAX => {
                walk.beam(&self.ground(), &seeds, scratch, &mut work)?
            }
            None => walk.heaps(&self.ground(), &seeds, |_| true, u64::MAX, scratch, &mut work)?,
            Some(allowed) => {
                let passes = |row| {
                    allowed.contains(row)
                        || self.duplicates.of(row).iter().any(|&row| allowed.contains(row))
                };
                walk.heaps(&self.ground(), &seeds, passes, passing as u64, scratch, &mut work)?
            }
        };
        let neighbors = self.with_duplicates(scratch.found(), &search);
        match ended {
            Ended::Converged if neighbors.len() == k => Ok(Found { neighbors, work }),
            // Fewer than there are, or more work than a scan: the mask and the
            // query disagree, or the graph has few vertices near.
            Ended::Converged | Ended::OverBudget => exact(vectors, query, &search, work, cancel),
        }
    }

    /// Searches on the ground for the neighbours of a vertex as if it were not
    /// there; `without` must have no duplicates.
    pub(crate) fn search_without(
        &self,
        vectors: &Vectors,
        without: u32,
        search: &Search<'_>,
        scratch: &mut HnswScratch,
        cancel: &Cancel,
    ) -> Result<Vec<Neighbor>, Stopped> {
        let effort = search.effort.max(search.k);
        let walk = Walk { vectors, query: vectors.row(without), effort, cancel };
        let mut work = Work::default();
        let seeds = self.descend(&walk, &mut work);
        scratch.begin(self.rows);
        let is_seed = seeds.contains(&without);
        if !is_seed {
            scratch.skip(without);
        }
        let others = |row| row != without;
        if effort <= POOL_MAX && !is_seed {
            walk.beam(&self.ground(), &seeds, scratch, &mut work)?;
        } else {
            walk.heaps(&self.ground(), &seeds, others, u64::MAX, scratch, &mut work)?;
        }
        Ok(self.with_duplicates(scratch.found(), search))
    }

    /// Whether a row shares its vertex with another.
    pub(crate) fn is_duplicated(&self, row: u32) -> bool {
        self.duplicates.is_duplicate(row) || !self.duplicates.of(row).is_empty()
    }

    /// Whether the graph is likely to be cheaper than comparing with every
    /// passing row.
    ///
    /// A walk keeps `effort` passing vertices and expands about `rows / passing`
    /// times as many; measured, each costs ten comparisons of rows not seen
    /// before, which are half as dear again as those of a scan.
    fn walk_pays(&self, search: &Search<'_>, passing: usize) -> bool {
        const SCANNED_PER_VERTEX: u64 = 16;
        let walked = search.effort as u64 * u64::from(self.rows) / passing as u64;
        match search.allowed {
            None => search.effort < self.rows as usize,
            Some(_) => walked * SCANNED_PER_VERTEX < passing as u64,
        }
    }

    /// Walks down to the ground; the vertex arrived at, and the entry's own, from
    /// which every vertex can be reached.
    fn descend(&self, walk: &Walk<'_>, work: &mut Work) -> Vec<u32> {
        let (mut nearest, mut entry) = (self.entry, self.entry);
        for layer in self.layers.iter().rev() {
            let below = layer.below(&self.upper);
            nearest = below[walk.greedy(&self.upper_view(layer), nearest, work) as usize];
            entry = below[entry as usize];
        }
        if nearest == entry { vec![entry] } else { vec![nearest, entry] }
    }

    fn ground(&self) -> Layer<'_, u32, impl Fn(&u32) -> u32> {
        Layer::new(self.ground.get(), self.params.ground_degree(), None, |link: &u32| *link)
    }

    fn upper_view(&self, layer: &UpperLayer) -> Layer<'_, u32, impl Fn(&u32) -> u32> {
        let (vertices, links) =
            (layer.vertices(&self.upper), layer.links(&self.upper, self.params.m));
        Layer::new(links, self.params.m as usize, Some(vertices), |link: &u32| *link)
    }

    /// The nearest `k` allowed rows of the vertices found.
    fn with_duplicates(
        &self,
        found: impl Iterator<Item = Ranked>,
        search: &Search<'_>,
    ) -> Vec<Neighbor> {
        let passes = |row| search.allowed.is_none_or(|allowed| allowed.contains(row));
        if self.duplicates.is_empty() {
            return found
                .filter(|ranked| passes(ranked.id()))
                .take(search.k)
                .map(Ranked::neighbor)
                .collect();
        }
        let mut top = TopK::new(search.k);
        for vertex in found {
            let copies = self.duplicates.of(vertex.id()).iter().copied();
            for row in std::iter::once(vertex.id()).chain(copies).filter(|&row| passes(row)) {
                top.push(vertex.key(), row);
            }
            if top.worst_of_full().is_some_and(|worst| worst.key() < vertex.key()) {
                break;
            }
        }
        top.into_sorted()
    }
}

/// Compares with every allowed row.
fn exact(
    vectors: &Vectors,
    query: &[u8],
    search: &Search<'_>,
    mut work: Work,
    cancel: &Cancel,
) -> Result<Found, Stopped> {
    let mut top = TopK::new(search.k);
    scan(vectors, query, search.allowed, 0, &mut top, &mut work, cancel)?;
    Ok(Found { neighbors: top.into_sorted(), work })
}

#[cfg(test)]
mod tests;
