//! The crate's graph: inserting, searching, reading and loading it.

use super::ENGINE;
use super::private_files::PrivateFolder;
use crate::IndexError;
use hnsw_rs::anndists::dist::{DistL2, Distance};
use hnsw_rs::hnsw::{FilterT, Hnsw, Neighbour};
use hnsw_rs::hnswio::HnswIo;
use self_cell::self_cell;
use std::cell::Cell;
use vicinal_types::ForeignGraph;

/// Layers that a graph has, most of them empty; the crate stores no other number.
pub(super) const LAYERS: u8 = 16;

/// What its two files are called; it adds their endings.
pub(super) const BASENAME: &str = "graph";

/// The crate's Euclidean distance, counted.
#[derive(Clone, Copy, Default)]
pub(super) struct CountedL2;

thread_local! {
    /// Distances computed by this thread since it last looked.
    static DISTANCES: Cell<u64> = const { Cell::new(0) };
    /// Where the vector lies that the first of them was about: a search begins with
    /// its entry, which the crate does not tell otherwise.
    static FIRST: Cell<*const f32> = const { Cell::new(std::ptr::null()) };
}

impl Distance<f32> for CountedL2 {
    fn eval(&self, query: &[f32], row: &[f32]) -> f32 {
        let before = DISTANCES.get();
        if before == 0 {
            FIRST.set(row.as_ptr());
        }
        DISTANCES.set(before + 1);
        DistL2.eval(query, row)
    }
}

type Points<'a> = Hnsw<'a, f32, CountedL2>;

self_cell!(
    /// A loaded graph may refer to its loader, by its type if not in fact: the two
    /// live in one place and die together, the graph first.
    struct Loaded {
        owner: HnswIo,
        #[not_covariant]
        dependent: Points,
    }
);

/// A graph over rows of floats.
pub(super) struct Graph(Option<Loaded>);

/// A vertex as it is stored: the layer up to which it is linked, and its links
/// layer by layer, those of the last layers left out if there are none.
pub(super) struct Vertex {
    pub(super) row: u32,
    pub(super) level: u8,
    pub(super) links: Vec<Vec<u32>>,
}

impl Graph {
    /// Takes checked parameters.
    pub(super) fn new(params: ForeignGraph, rows: usize) -> Self {
        let (m, ef) = (params.m as usize, params.ef_construction as usize);
        Self(Some(Loaded::new(HnswIo::default(), |_| {
            Hnsw::new(m, rows, LAYERS.into(), ef, CountedL2)
        })))
    }

    /// Loads the files called [`BASENAME`]. The crate asserts that they are right.
    pub(super) fn load(folder: &PrivateFolder) -> Result<Self, IndexError> {
        let loaded = Loaded::try_new(HnswIo::new(folder.path(), BASENAME), |loader| {
            loader.load_hnsw_with_dist(CountedL2)
        });
        let loaded = loaded.map_err(|error| IndexError::EngineFailed {
            engine: ENGINE,
            task: "load its graph",
            reason: error.to_string(),
        })?;
        Ok(Self(Some(loaded)))
    }

    pub(super) fn insert(&self, row: u32, values: &[f32]) {
        self.with(|points| points.insert_slice((values, row as usize)));
    }

    /// Vertices that are probably nearest, nearest first, and how many distances
    /// that took.
    pub(super) fn search(
        &self,
        query: &[f32],
        k: usize,
        effort: usize,
        filter: Option<&dyn Fn(u32) -> bool>,
    ) -> (Vec<u32>, u64) {
        let filter = filter.map(|passes| move |row: &usize| passes(as_row(*row)));
        let filter = filter.as_ref().map(|filter| filter as &dyn FilterT);
        // With one candidate, the crate can be left without any when it filters.
        let effort = effort.max(2);
        DISTANCES.set(0);
        let found = self.with(|points| points.search_filter(query, k, effort, filter));
        let rows = found.iter().map(|neighbor| as_row(neighbor.d_id)).collect();
        (rows, DISTANCES.get())
    }

    /// All vertices in ascending order of their rows, and the row where searches
    /// begin.
    pub(super) fn vertices(&self) -> (Vec<Vertex>, u32) {
        self.with(|points| {
            let indexation = points.get_point_indexation();
            DISTANCES.set(0);
            points.search(&vec![0.0; indexation.get_data_dimension()], 1, 2);
            let first = FIRST.get();
            let (mut vertices, mut entry) = (Vec::with_capacity(points.get_nb_point()), 0);
            for point in (0..LAYERS.into()).flat_map(|layer| indexation.get_layer_iterator(layer)) {
                let row = as_row(point.get_origin_id());
                if point.get_v().as_ptr() == first {
                    entry = row;
                }
                vertices.push(Vertex::new(
                    row,
                    point.get_point_id().0,
                    &point.get_neighborhood_id(),
                ));
            }
            vertices.sort_unstable_by_key(|vertex| vertex.row);
            (vertices, entry)
        })
    }

    /// About what it takes: the sizes of the crate's structures, links and vectors.
    pub(super) fn bytes(&self) -> usize {
        // A point, its lock, the heads of its lists of links; a link and its pointer.
        const POINT: usize = 64 + 56 + LAYERS as usize * 24 + 16;
        const LINK: usize = 32 + 8;
        self.with(|points| {
            let points = points.get_point_indexation();
            let row = POINT + points.get_data_dimension() * size_of::<f32>();
            let layers = (0..LAYERS.into()).flat_map(|layer| points.get_layer_iterator(layer));
            let links = |links: Vec<Vec<_>>| links.iter().map(Vec::len).sum::<usize>();
            layers.map(|point| row + LINK * links(point.get_neighborhood_id())).sum()
        })
    }

    fn with<T>(&self, use_points: impl for<'a> FnOnce(&Points<'a>) -> T) -> T {
        let loaded = self.0.as_ref().expect("only dropping takes it");
        loaded.with_dependent(|_, points| use_points(points))
    }
}

impl Vertex {
    fn new(row: u32, level: u8, neighborhood: &[Vec<Neighbour>]) -> Self {
        let mut links: Vec<Vec<u32>> = neighborhood
            .iter()
            .map(|links| links.iter().map(|link| as_row(link.d_id)).collect())
            .collect();
        let last = links.iter().rposition(|links| !links.is_empty());
        links.truncate(last.map_or(0, |last| last + 1));
        Self { row, level, links }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rows are numbered with 32 bits")]
fn as_row(id: usize) -> u32 {
    id as u32
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let vertices = self.with(|points| points.get_nb_point());
        f.debug_struct("Graph").field("vertices", &vertices).finish_non_exhaustive()
    }
}

impl Drop for Graph {
    /// The crate takes a graph apart on rayon's pool; outside of any that would
    /// start rayon's own, with as many threads as there are cores, for good.
    fn drop(&mut self) {
        let loaded = self.0.take();
        if rayon::current_thread_index().is_some() {
            return drop(loaded);
        }
        match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
            Ok(pool) => pool.install(|| drop(loaded)),
            Err(_) => drop(loaded),
        }
    }
}
