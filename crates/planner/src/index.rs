//! Which index a sealed segment gets.

use vicinal_types::{
    ElementType, FaissIvfPq, FaissParams, FlatCodes, ForeignGraph, GraphParams, HnswCodes,
    HnswParams, IndexCodes, IndexEngine, IndexKind, IndexLayout, IndexObjective, IndexParams,
    IndexSpec, IvfCodes, IvfParams, VectorType, limits,
};

/// The index to build, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexChoice {
    /// The index; its seed is 0.
    pub params: IndexParams,
    /// One sentence for `describe` and the log.
    pub reason: String,
}

/// Rows below which a graph is never built, even when it is asked for: one page
/// of vectors is scanned faster than a graph is entered.
const GRAPH_ROWS_MIN: u64 = 2;

/// Lists for each square root of the rows, as is usual. Of codes that cost little a
/// row half as many are searched faster (measured).
const LISTS_OF_ROOT: u64 = 4;

/// Rows below which no lists are made: there would be too few to learn from.
const LISTS_ROWS_MIN: u64 = 256;

/// Rows that a list has at least where their number is left to the server: fewer
/// are dearer to find than to compare with.
const ROWS_PER_LIST_MIN: u64 = 32;

/// Dimensions that share a product code where that is left to the server.
const DIMS_PER_CODE: usize = 2;

/// Chooses the index of a segment's vector column.
pub fn choose_index(rows: u64, vector: VectorType, spec: &IndexSpec) -> IndexChoice {
    let (kind, element, below) = (spec.kind, vector.element(), spec.flat_below_rows);
    let declared = || format!("{kind} is declared");
    match kind {
        IndexKind::Auto if rows < below.max(GRAPH_ROWS_MIN) => choice(
            IndexParams::Flat,
            format!(
                "{rows} {element} vectors are below flat_below_rows = {below}: a scan is exact and fast enough"
            ),
        ),
        IndexKind::Auto => choice(
            graph(vector, spec),
            format!(
                "{rows} {element} vectors are at or above flat_below_rows = {below}: a scan of all would be slow"
            ),
        ),
        IndexKind::Flat => choice(flat(rows, spec), declared()),
        IndexKind::Hnsw if rows < GRAPH_ROWS_MIN => {
            choice(IndexParams::Flat, format!("HNSW is declared, but {rows} rows make no graph"))
        }
        IndexKind::Hnsw => choice(graph(vector, spec), declared()),
        IndexKind::IvfFlat
        | IndexKind::IvfSq8
        | IndexKind::IvfPq
        | IndexKind::IvfRabitq
        | IndexKind::Scann
            if rows < LISTS_ROWS_MIN =>
        {
            let reason = format!("{kind} is declared, but {rows} rows are too few to make lists");
            choice(IndexParams::Flat, reason)
        }
        IndexKind::IvfFlat
        | IndexKind::IvfSq8
        | IndexKind::IvfPq
        | IndexKind::IvfRabitq
        | IndexKind::Scann => choice(lists(rows, vector, spec), declared()),
    }
}

/// Rows from which a segment in memory has a graph, and below which it is scanned: so
/// many rows of 128 dimensions are scanned in the time of a walk.
pub const GROWING_GRAPH_ROWS_MIN: u64 = 4_096;

/// Candidates kept while a row is inserted into such a graph, at most: it is searched
/// for minutes, and every row inserted takes time from searches.
const GROWING_EF_CONSTRUCTION_MAX: u32 = 64;

/// Chooses the graph over a segment in memory; none where a scan is quicker, or exact
/// because that was declared.
pub fn choose_growing(rows: u64, spec: &IndexSpec) -> Option<HnswParams> {
    let is_large = rows >= GROWING_GRAPH_ROWS_MIN.max(spec.flat_below_rows);
    (is_large && spec.kind != IndexKind::Flat).then(|| HnswParams {
        m: spec.m,
        ef_construction: spec.ef_construction.min(GROWING_EF_CONSTRUCTION_MAX),
        seed: 0,
        codes: HnswCodes::None,
    })
}

fn choice(params: IndexParams, reason: String) -> IndexChoice {
    IndexChoice { params, reason }
}

fn flat(rows: u64, spec: &IndexSpec) -> IndexParams {
    match spec.engine {
        _ if rows < GRAPH_ROWS_MIN => IndexParams::Flat,
        IndexEngine::Faiss => IndexParams::Faiss(FaissParams::Flat),
        IndexEngine::HnswRs | IndexEngine::Native => match spec.codes {
            IndexCodes::Sq8 => IndexParams::FlatCodes(FlatCodes::Sq8),
            IndexCodes::Rabitq => IndexParams::FlatCodes(FlatCodes::Rabitq),
            IndexCodes::Auto | IndexCodes::None | IndexCodes::Sq4 | IndexCodes::Inlined => {
                IndexParams::Flat
            }
        },
    }
}

fn graph(vector: VectorType, spec: &IndexSpec) -> IndexParams {
    let (m, ef_construction, seed) = (spec.m, spec.ef_construction, 0);
    let foreign = ForeignGraph { m, ef_construction };
    let hnsw = |codes| HnswParams { m, ef_construction, seed, codes };
    match (spec.engine, spec.layout) {
        (IndexEngine::HnswRs, _) => IndexParams::HnswRs(foreign),
        (IndexEngine::Faiss, _) => IndexParams::Faiss(FaissParams::Hnsw(foreign)),
        (IndexEngine::Native, IndexLayout::Paged) => {
            IndexParams::Paged(hnsw(steering(vector, spec)))
        }
        (IndexEngine::Native, IndexLayout::Memory) => match codes(vector, spec) {
            Some(codes) => IndexParams::Hnsw(hnsw(codes)),
            None => IndexParams::Graph(GraphParams { m, ef_construction, seed }),
        },
    }
}

/// The codes of a graph; none if they stand inside its records. Bits have no codes.
fn codes(vector: VectorType, spec: &IndexSpec) -> Option<HnswCodes> {
    let wants_memory = spec.objective == IndexObjective::Memory;
    match spec.codes {
        _ if vector.element() == ElementType::Binary => Some(HnswCodes::None),
        IndexCodes::Auto if wants_memory => Some(HnswCodes::Sq8),
        IndexCodes::Auto | IndexCodes::Inlined => None,
        IndexCodes::None => Some(HnswCodes::None),
        IndexCodes::Sq8 => Some(HnswCodes::Sq8),
        IndexCodes::Sq4 => Some(HnswCodes::Sq4),
        IndexCodes::Rabitq => Some(HnswCodes::Rabitq1),
    }
}

/// The codes that steer a walk through pages: 8 bits where nothing else is asked
/// for, and rows that are as small themselves.
fn steering(vector: VectorType, spec: &IndexSpec) -> HnswCodes {
    let is_float =
        matches!(vector.element(), ElementType::F32 | ElementType::F16 | ElementType::Bf16);
    match spec.codes {
        IndexCodes::Auto | IndexCodes::None | IndexCodes::Inlined if is_float => HnswCodes::Sq8,
        IndexCodes::Auto | IndexCodes::None | IndexCodes::Inlined => HnswCodes::None,
        IndexCodes::Sq8 => HnswCodes::Sq8,
        IndexCodes::Sq4 => HnswCodes::Sq4,
        IndexCodes::Rabitq => HnswCodes::Rabitq1,
    }
}

fn lists(rows: u64, vector: VectorType, spec: &IndexSpec) -> IndexParams {
    let bits = if spec.pq_bits == 0 { 4 } else { spec.pq_bits };
    let subvectors = subvectors_of(vector.dim(), bits, spec.pq_subvectors);
    if spec.engine == IndexEngine::Faiss {
        let lists = list_count(rows, LISTS_OF_ROOT, spec.lists);
        return IndexParams::Faiss(FaissParams::IvfPq(FaissIvfPq { lists, subvectors, bits }));
    }
    let codes = match spec.kind {
        IndexKind::IvfSq8 => IvfCodes::Sq8,
        IndexKind::IvfPq => IvfCodes::Pq { bits, subvectors },
        IndexKind::IvfRabitq => IvfCodes::Rabitq { bits: spec.pq_bits.max(1) },
        IndexKind::Scann => {
            let subvectors = subvectors_of(vector.dim(), 4, spec.pq_subvectors);
            IvfCodes::Scann { subvectors }
        }
        IndexKind::Auto | IndexKind::Flat | IndexKind::Hnsw | IndexKind::IvfFlat => IvfCodes::None,
    };
    let of_root = match codes {
        IvfCodes::Pq { bits: 4, .. } | IvfCodes::Scann { .. } => LISTS_OF_ROOT / 2,
        IvfCodes::None | IvfCodes::Sq8 | IvfCodes::Pq { .. } | IvfCodes::Rabitq { .. } => {
            LISTS_OF_ROOT
        }
    };
    let lists = list_count(rows, of_root, spec.lists);
    IndexParams::Ivf(IvfParams { lists, codes, seed: 0 })
}

/// So many times the square root of the rows, but no lists of a few rows.
fn list_count(rows: u64, of_root: u64, declared: u32) -> u32 {
    let most = (rows / ROWS_PER_LIST_MIN).clamp(1, u64::from(limits::LISTS_MAX));
    let lists =
        if declared == 0 { (of_root * of_root * rows).isqrt() } else { u64::from(declared) };
    u32::try_from(lists.min(most)).unwrap_or(limits::LISTS_MAX)
}

/// Codes of whole dimensions: as many as divide them.
fn subvectors_of(dim: usize, bits: u32, declared: u32) -> u32 {
    let dims = if bits == 4 { DIMS_PER_CODE } else { 2 * DIMS_PER_CODE };
    let wanted = if declared == 0 { (dim / dims).max(1) } else { declared as usize };
    let divisor = (1..=wanted).rev().find(|count| dim.is_multiple_of(*count)).unwrap_or(1);
    u32::try_from(divisor).unwrap_or(limits::DIM_MAX)
}

#[cfg(test)]
mod tests;
