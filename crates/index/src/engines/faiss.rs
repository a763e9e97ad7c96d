//! An index by the library faiss: FLAT, HNSW, or product codes in lists.
//!
//! Rows and queries are 32-bit floats; cosine is compared by Euclidean distance
//! between unit vectors. Lists of product codes give more candidates than are
//! asked for, which are compared again by their rows; too few rows to train them
//! are kept as in FLAT. Its search cannot be stopped once begun and tells little
//! of its work.
//!
//! A build on a pool of one thread is a function of its parameters and rows; on
//! more threads a graph is not.

mod format;
mod memory;
mod native;

use super::floats::Floats;
use super::{Asked, check_graph, check_parameter};
use crate::hnsw::{Duplicates, Words};
use crate::{Found, IndexError, Progress, Search, SearchError, Section, Vectors, Work};
use bytes::Bytes;
use native::Native;
use parking_lot::{RwLock, RwLockWriteGuard};
use std::borrow::Cow;
use std::sync::Arc;
use vicinal_types::{Bitmap, Cancel, FaissIvfPq, FaissParams, limits};

/// The engine's name.
const ENGINE: &str = "faiss";

/// Rows that k-means wants for each of its means, or it complains.
const TRAINED_PER_MEAN: u32 = 39;

/// Rows that k-means uses for each of its means at most.
const TRAINED_PER_MEAN_MAX: u32 = 256;

/// Rows added at a time, between two looks at the clock.
const ROWS_AT_ONCE: usize = 16_384;

/// Candidates of product codes that are compared again, for each row asked for.
const CANDIDATES_PER_ROW: usize = 10;

/// An index that faiss built; clones share it.
#[derive(Clone, Debug)]
pub struct Faiss {
    params: FaissParams,
    rows: u32,
    floats: Floats,
    shape: Shape,
    /// HNSW: rows whose vector is another row's; a graph would not lead to them.
    duplicates: Duplicates,
    native: Arc<Tuned>,
    /// What faiss would write of it, which is about what it holds.
    stored_bytes: usize,
}

/// What parameters come to for some number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Flat,
    Hnsw,
    Lists(u32),
}

/// Candidates and what they took; none where a scan is better.
type Candidates = Option<(Vec<u32>, Work)>;

/// faiss keeps the effort of a graph's search in the graph itself, in its file too.
#[derive(Debug)]
struct Tuned {
    native: Native,
    effort: RwLock<usize>,
}

/// The effort that stands in files.
const EFFORT_STORED: usize = 16;

impl Shape {
    fn new(params: FaissParams, rows: u32) -> Self {
        match params {
            FaissParams::Flat => Self::Flat,
            FaissParams::Hnsw(_) => Self::Hnsw,
            FaissParams::IvfPq(FaissIvfPq { bits, .. }) if rows >> bits < TRAINED_PER_MEAN => {
                Self::Flat
            }
            FaissParams::IvfPq(FaissIvfPq { lists, .. }) => {
                Self::Lists(lists.min(rows / TRAINED_PER_MEAN).max(1))
            }
        }
    }

    /// In the language of faiss's factory.
    fn description(self, params: FaissParams, has_duplicates: bool) -> String {
        match (self, params) {
            (Self::Hnsw, FaissParams::Hnsw(graph)) if has_duplicates => {
                format!("IDMap,HNSW{}", graph.m)
            }
            (Self::Hnsw, FaissParams::Hnsw(graph)) => format!("HNSW{}", graph.m),
            (Self::Lists(lists), FaissParams::IvfPq(FaissIvfPq { subvectors, bits: 4, .. })) => {
                format!("IVF{lists},PQ{subvectors}x4fs")
            }
            (Self::Lists(lists), FaissParams::IvfPq(FaissIvfPq { subvectors, bits, .. })) => {
                // Not "polysemous", which takes minutes to train and is of no use here.
                format!("IVF{lists},PQ{subvectors}x{bits}np")
            }
            (Self::Flat | Self::Hnsw | Self::Lists(_), _) => "Flat".to_owned(),
        }
    }
}

impl Faiss {
    pub(crate) fn build(
        params: FaissParams,
        vectors: &Vectors,
        pool: &rayon::ThreadPool,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Self, IndexError> {
        check(params, vectors)?;
        cancel.check()?;
        let floats = Floats::plain(ENGINE, vectors)?;
        let shape = Shape::new(params, vectors.len());
        pool.install(|| {
            let duplicates = match shape {
                Shape::Hnsw => Duplicates::find(vectors),
                Shape::Flat | Shape::Lists(_) => no_duplicates(),
            };
            let mut native = new_native(params, shape, &floats, &duplicates)?;
            native::with_threads(pool.current_num_threads(), || {
                train(&mut native, params, shape, &floats, vectors)?;
                add(&mut native, &floats, vectors, &duplicates, progress, cancel)
            })?;
            let stored_bytes =
                if shape == Shape::Flat { 0 } else { memory::written_bytes(&native)? };
            let (rows, native) = (vectors.len(), Arc::new(Tuned::new(native)));
            Ok(Self { params, rows, floats, shape, duplicates, native, stored_bytes })
        })
    }

    pub(crate) fn search(
        &self,
        vectors: &Vectors,
        query: &[u8],
        search: &Search<'_>,
        cancel: &Cancel,
    ) -> Result<Found, SearchError> {
        assert_eq!(
            vectors.len(),
            self.rows,
            "an index is searched with the vectors it was built for"
        );
        let asked = Asked::new(search, self.rows);
        let work = Work::default();
        if asked.k == 0 {
            return Ok(Found { neighbors: Vec::new(), work });
        }
        cancel.check()?;
        let mut values = Vec::with_capacity(self.floats.dim());
        self.floats.query(query, &mut values);
        let candidates = match self.shape {
            Shape::Flat => self.search_flat(&values, &asked),
            Shape::Hnsw => self.search_graph(&values, &asked),
            Shape::Lists(lists) => self.search_lists(&values, &asked, lists, search.effort),
        };
        let Some((rows, work)) = candidates.map_err(SearchError::Engine)? else {
            return Ok(asked.exact(vectors, query, work, cancel)?);
        };
        let rows = rows.into_iter().flat_map(|row| self.duplicates.with_copies(row));
        Ok(asked.rank(vectors, query, rows, work, cancel)?)
    }

    fn search_flat(&self, values: &[f32], asked: &Asked<'_>) -> Result<Candidates, IndexError> {
        let rows = self.native.native.search(values, asked.k, asked.allowed)?;
        Ok(Some((rows, Work { distances: asked.passing as u64, ..Work::default() })))
    }

    fn search_graph(&self, values: &[f32], asked: &Asked<'_>) -> Result<Candidates, IndexError> {
        if !asked.walk_pays(self.rows) {
            return Ok(None);
        }
        // Rows that do not pass take places among the candidates as well.
        let effort = asked.effort as u64 * u64::from(self.rows) / asked.passing as u64;
        let effort = usize::try_from(effort).unwrap_or(usize::MAX).min(self.rows as usize);
        let allowed = asked.allowed.map(|allowed| self.with_vertices_of_copies(allowed));
        let rows = self.native.search(effort, values, asked.k, allowed.as_deref())?;
        Ok(Some((rows, Work::default())))
    }

    /// The mask with the vertices added of which a copy passes.
    fn with_vertices_of_copies<'a>(&self, allowed: &'a Bitmap) -> Cow<'a, Bitmap> {
        let mut allowed = Cow::Borrowed(allowed);
        let words = self.duplicates.words().get();
        let (vertices, copies) = words.split_at(words.len() / 2);
        for (&vertex, &copy) in vertices.iter().zip(copies) {
            if allowed.contains(copy) && !allowed.contains(vertex) {
                allowed.to_mut().insert(vertex);
            }
        }
        allowed
    }

    fn search_lists(
        &self,
        values: &[f32],
        asked: &Asked<'_>,
        lists: u32,
        effort: usize,
    ) -> Result<Candidates, IndexError> {
        // So many more codes must be seen as the mask takes away.
        let probed = effort.max(1) as u64 * u64::from(self.rows) / asked.passing as u64;
        let probed = probed.min(u64::from(lists));
        // A code costs about a quarter of a row.
        let codes = probed * u64::from(self.rows) / u64::from(lists);
        let wanted = asked.k.saturating_mul(CANDIDATES_PER_ROW);
        if wanted >= asked.passing || codes > 4 * asked.passing as u64 {
            return Ok(None);
        }
        let rows = self.native.native.probe(values, wanted, asked.allowed, probed)?;
        Ok(Some((rows, Work { lists: probed, ..Work::default() })))
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

    /// About what faiss holds: its copy of the rows, or its codes, and its links.
    pub(crate) fn bytes(&self) -> usize {
        match self.shape {
            Shape::Flat => self.rows as usize * self.floats.dim() * size_of::<f32>(),
            Shape::Hnsw | Shape::Lists(_) => self.stored_bytes + self.duplicates.bytes(),
        }
    }

    pub(crate) fn params(&self) -> FaissParams {
        self.params
    }
}

impl Tuned {
    fn new(native: Native) -> Self {
        Self { native, effort: RwLock::new(0) }
    }

    /// Searches of the same effort run side by side.
    fn search(
        &self,
        effort: usize,
        values: &[f32],
        k: usize,
        allowed: Option<&Bitmap>,
    ) -> Result<Vec<u32>, IndexError> {
        let mut current = self.effort.read();
        if *current != effort {
            drop(current);
            current = RwLockWriteGuard::downgrade(self.tune(effort)?);
        }
        let rows = self.native.search(values, k, allowed);
        drop(current);
        rows
    }

    fn tune(&self, effort: usize) -> Result<RwLockWriteGuard<'_, usize>, IndexError> {
        let mut current = self.effort.write();
        self.native.set_graph_effort(effort)?;
        *current = effort;
        Ok(current)
    }

    /// What faiss writes, the same whatever was searched before.
    fn written(&self, shape: Shape) -> Result<Vec<u8>, IndexError> {
        if shape == Shape::Hnsw {
            let tuned = self.tune(EFFORT_STORED)?;
            let written = memory::written(&self.native);
            drop(tuned);
            return written;
        }
        memory::written(&self.native)
    }
}

fn check(params: FaissParams, vectors: &Vectors) -> Result<(), IndexError> {
    match params {
        FaissParams::Flat => Ok(()),
        FaissParams::Hnsw(graph) => check_graph(graph),
        FaissParams::IvfPq(FaissIvfPq { lists, subvectors, bits }) => {
            check_parameter("lists", lists, 1, limits::LISTS_MAX)?;
            let dim = vectors.vector_type().dim();
            let refused =
                |what, way_out| Err(IndexError::EngineRefuses { engine: ENGINE, what, way_out });
            if bits != 4 && bits != 8 {
                return refused(format!("codes of {bits} bits"), "use pq_bits 4 or 8");
            }
            if subvectors == 0 || !dim.is_multiple_of(subvectors as usize) {
                let what = format!("{subvectors} subvectors of vectors of dimension {dim}");
                return refused(what, "use a pq_subvectors that divides the dimension");
            }
            Ok(())
        }
    }
}

fn no_duplicates() -> Duplicates {
    Duplicates::new(Words::aligned(0, std::iter::empty()), 0)
}

fn new_native(
    params: FaissParams,
    shape: Shape,
    floats: &Floats,
    duplicates: &Duplicates,
) -> Result<Native, IndexError> {
    let description = shape.description(params, !duplicates.is_empty());
    let native = Native::new(&description, floats.dim(), floats.metric())?;
    if let FaissParams::Hnsw(graph) = params {
        native.set_construction_effort(graph.ef_construction)?;
    }
    Ok(native)
}

fn train(
    native: &mut Native,
    params: FaissParams,
    shape: Shape,
    floats: &Floats,
    vectors: &Vectors,
) -> Result<(), IndexError> {
    let (Shape::Lists(lists), FaissParams::IvfPq(FaissIvfPq { bits, .. })) = (shape, params) else {
        return Ok(());
    };
    let means = lists.max(1 << bits);
    let step = (vectors.len() / (means * TRAINED_PER_MEAN_MAX)).max(1);
    let sample = floats.all(vectors, (0..vectors.len()).step_by(step as usize));
    native.train(&sample)
}

fn add(
    native: &mut Native,
    floats: &Floats,
    vectors: &Vectors,
    duplicates: &Duplicates,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<(), IndexError> {
    let rows: Vec<u32> = (0..vectors.len()).filter(|&row| !duplicates.is_duplicate(row)).collect();
    progress.add(duplicates.len() as u64);
    for rows in rows.chunks(ROWS_AT_ONCE) {
        cancel.check()?;
        let values = floats.all(vectors, rows.iter().copied());
        if duplicates.is_empty() {
            native.add(&values)?;
        } else {
            native.add_named(&values, rows)?;
        }
        progress.add(rows.len() as u64);
    }
    Ok(())
}

impl Floats {
    /// The floats of some rows, one after another.
    fn all(&self, vectors: &Vectors, rows: impl Iterator<Item = u32>) -> Vec<f32> {
        let (mut all, mut values) = (Vec::new(), Vec::new());
        for row in rows {
            self.row(vectors.row(row), &mut values);
            all.extend_from_slice(&values);
        }
        all
    }
}
