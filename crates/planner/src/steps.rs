//! What a search of an index does and how long that takes, by its effort.
//!
//! The figures are of runs of `vicinal bench ann` on 5,000 to 80,000 rows of sift1m,
//! wordnet384 and GloVe-50 (benches/results/2026-11-22-plans.md), on a machine whose
//! kernels take [`REFERENCE_NANOS`] for a dimension; others are taken to be as much faster
//! or slower as theirs are. What waits for memory is reckoned by the machine's own figures.

use crate::RowCost;
use crate::cost::share_beyond_caches;
use vicinal_types::{FaissParams, FlatCodes, HnswCodes, IndexParams, IvfCodes, IvfParams};

/// What comparing in the nearest cache took for a dimension of binary32 where the figures
/// here were taken.
pub(crate) const REFERENCE_NANOS: f64 = 0.0412;

/// What one search does in an index.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Steps {
    pub(crate) nanos: f64,
    pub(crate) bytes: f64,
    pub(crate) pages: f64,
}

/// Walks compare with so many rows for each candidate to the power of [`WALK_EXPONENT`]:
/// the nearer the end, the fewer are new.
const COMPARED: f64 = 46.0;
/// The same of 1-bit codes, whose order is rough.
const COMPARED_BY_BITS: f64 = 64.0;
/// See [`COMPARED`].
const WALK_EXPONENT: f64 = 0.7;
/// Of so many rows; of others they grow with a small power of these.
const WALKED_ROWS: f64 = 20_000.0;
const ROWS_EXPONENT: f64 = 0.08;

/// Comparing in a walk, beside reading: links, candidates, what was seen.
const ROW_NANOS: f64 = 30.0;
/// The same by a code, whose best are compared again.
const CODE_NANOS: f64 = 38.0;
const BITS_NANOS: f64 = 42.0;
/// Comparing with a byte that is in the caches.
const BYTE_NANOS: f64 = 0.03;

/// Records of inlined codes that a walk reads, for each candidate to that power.
const RECORDS: f64 = 8.0;
/// A record: larger ones take longer, and fewer of them are needed.
const RECORD_NANOS: f64 = 362.0;

/// How much longer walks take where links and rows stand in pages.
const PAGED_FACTOR: f64 = 1.3;
/// Different pages that such a walk reads for each candidate.
const PAGES_PER_CANDIDATE: f64 = 0.9;

/// How much longer foreign engines take than ours without codes.
const HNSW_RS_FACTOR: f64 = 3.0;
const FAISS_HNSW_FACTOR: f64 = 1.2;
/// Product codes of faiss, for a code.
const FAISS_PQ_NANOS: f64 = 0.3;

/// Finding the nearest lists, for a list and dimension.
const CENTROID_NANOS: f64 = 0.035;
/// Going on to the next list.
const LIST_NANOS: f64 = 60.0;
/// A row in the order of its list, beside comparing.
const LISTED_NANOS: f64 = 5.0;

/// Looking through codes: making the query ready, of product codes for each of a row; each
/// code; and each of its bytes. The best are compared again, which is in the first.
struct CodeTime {
    query_nanos: f64,
    subvector_nanos: f64,
    nanos: f64,
    byte_nanos: f64,
}

impl CodeTime {
    const fn new(query_nanos: f64, subvector_nanos: f64, nanos: f64, byte_nanos: f64) -> Self {
        Self { query_nanos, subvector_nanos, nanos, byte_nanos }
    }
}

const LIST_SQ8: CodeTime = CodeTime::new(2_000.0, 0.0, 2.5, 0.07);
const LIST_PQ4: CodeTime = CodeTime::new(2_500.0, 35.0, 2.0, 0.075);
const LIST_PQ8: CodeTime = CodeTime::new(2_500.0, 130.0, 3.0, 0.75);
const LIST_RABITQ1: CodeTime = CodeTime::new(4_000.0, 0.0, 4.0, 0.2);
const LIST_RABITQ: CodeTime = CodeTime::new(4_000.0, 0.0, 5.0, 0.1);
const FLAT_SQ8: CodeTime = CodeTime::new(0.0, 0.0, 4.0, 0.025);
const FLAT_RABITQ: CodeTime = CodeTime::new(0.0, 0.0, 4.0, 0.22);

impl CodeTime {
    fn steps(self, rows: f64, bytes: f64, subvectors: f64, speed: f64) -> Steps {
        let query = self.query_nanos + self.subvector_nanos * subvectors;
        let nanos = (query + rows * (self.nanos + self.byte_nanos * bytes)) * speed;
        Steps { nanos, bytes: rows * bytes, pages: 0.0 }
    }
}

impl Steps {
    /// Searching an index of `rows` rows; of a graph so many candidates are kept, of lists
    /// so many are probed.
    pub(crate) fn of(params: &IndexParams, effort: f64, rows: f64, row: &RowCost) -> Self {
        match params {
            IndexParams::Flat | IndexParams::Faiss(FaissParams::Flat) => {
                Self { nanos: rows * row.scanned(rows), bytes: rows * row.bytes as f64, pages: 0.0 }
            }
            IndexParams::FlatCodes(FlatCodes::Sq8) => FLAT_SQ8.steps(rows, row.dim, 0.0, row.speed),
            IndexParams::FlatCodes(FlatCodes::Rabitq) => {
                FLAT_RABITQ.steps(rows, row.dim / 8.0, 0.0, row.speed)
            }
            IndexParams::Graph(params) => {
                let records = (RECORDS * effort.powf(WALK_EXPONENT)).min(rows);
                let record = 2.0 * row.dim + f64::from(2 * params.m) * (row.dim / 8.0 + 12.0);
                let nanos = records * RECORD_NANOS * row.speed;
                Self { nanos, bytes: records * record, pages: 0.0 }
            }
            IndexParams::Hnsw(params) => Self::walk(effort, rows, params.codes, row),
            IndexParams::Paged(params) => {
                let walk = Self::walk(effort, rows, params.codes, row);
                let pages = (effort * PAGES_PER_CANDIDATE).min(rows);
                Self { nanos: walk.nanos * PAGED_FACTOR, pages, ..walk }
            }
            IndexParams::HnswRs(_) => {
                Self::walk(effort, rows, HnswCodes::None, row).longer(HNSW_RS_FACTOR)
            }
            IndexParams::Faiss(FaissParams::Hnsw(_)) => {
                Self::walk(effort, rows, HnswCodes::None, row).longer(FAISS_HNSW_FACTOR)
            }
            IndexParams::Ivf(params) => Self::lists(params, effort, rows, row),
            IndexParams::Faiss(FaissParams::IvfPq(params)) => {
                let codes = f64::from(params.subvectors);
                let time = CodeTime::new(2_500.0, 130.0, 2.0, FAISS_PQ_NANOS);
                Self::probe(effort, f64::from(params.lists), rows, row)
                    .and(|listed| time.steps(listed, codes, codes, row.speed))
            }
        }
    }

    /// A walk that compares with rows or their codes wherever these are.
    fn walk(effort: f64, rows: f64, codes: HnswCodes, row: &RowCost) -> Self {
        let (compared, bytes, each) = match codes {
            HnswCodes::None => (COMPARED, row.bytes as f64, ROW_NANOS),
            HnswCodes::Sq8 => (COMPARED, row.dim, CODE_NANOS),
            HnswCodes::Sq4 => (COMPARED, row.dim / 2.0, CODE_NANOS),
            HnswCodes::Rabitq1 => (COMPARED_BY_BITS, row.dim / 8.0, BITS_NANOS),
        };
        let growth = (rows / WALKED_ROWS).powf(ROWS_EXPONENT);
        let compared = (compared * effort.powf(WALK_EXPONENT) * growth).min(rows);
        let waited = share_beyond_caches(rows * bytes) * row.scattered.nanos(bytes);
        let computed = (each + BYTE_NANOS * bytes) * row.speed;
        Self { nanos: compared * (computed + waited), bytes: compared * bytes, pages: 0.0 }
    }

    fn lists(params: &IvfParams, effort: f64, rows: f64, row: &RowCost) -> Self {
        let probed = Self::probe(effort, f64::from(params.lists), rows, row);
        probed.and(|listed| match params.codes {
            IvfCodes::None => Self {
                nanos: listed * (row.scanned(rows) + LISTED_NANOS * row.speed),
                bytes: listed * row.bytes as f64,
                pages: 0.0,
            },
            IvfCodes::Sq8 => LIST_SQ8.steps(listed, row.dim, 0.0, row.speed),
            IvfCodes::Pq { bits: 8, subvectors } => {
                let codes = f64::from(subvectors);
                LIST_PQ8.steps(listed, codes, codes, row.speed)
            }
            IvfCodes::Pq { subvectors, .. } | IvfCodes::Scann { subvectors } => {
                let codes = f64::from(subvectors);
                LIST_PQ4.steps(listed, codes / 2.0, codes, row.speed)
            }
            IvfCodes::Rabitq { bits: 1 } => {
                LIST_RABITQ1.steps(listed, row.dim / 8.0, 0.0, row.speed)
            }
            IvfCodes::Rabitq { bits } => {
                LIST_RABITQ.steps(listed, row.dim * f64::from(bits) / 8.0, 0.0, row.speed)
            }
        })
    }

    /// Finding the nearest lists; with the rows that these have.
    fn probe(effort: f64, lists: f64, rows: f64, row: &RowCost) -> Probe {
        let lists = lists.max(1.0);
        let nanos = (CENTROID_NANOS * row.dim * lists + LIST_NANOS * effort) * row.speed;
        let listed = (effort / lists).min(1.0) * rows;
        Probe { steps: Self { nanos, bytes: lists * row.dim, pages: 0.0 }, listed }
    }

    fn longer(self, factor: f64) -> Self {
        Self { nanos: self.nanos * factor, ..self }
    }
}

struct Probe {
    steps: Steps,
    listed: f64,
}

impl Probe {
    fn and(self, look: impl FnOnce(f64) -> Steps) -> Steps {
        let looked = look(self.listed);
        let (nanos, bytes) = (self.steps.nanos + looked.nanos, self.steps.bytes + looked.bytes);
        Steps { nanos, bytes, pages: 0.0 }
    }
}
