//! Generated data sets, and the exact answers.

use bytes::Bytes;
use half::{bf16, f16};
use std::collections::BTreeSet;
use vicinal_index::{
    Calibration, Found, HnswParams, Index, IndexError, IndexParams, Neighbor, Progress, Scratch,
    Search, Section, TopK, Vectors, Work, calibrate,
};
use vicinal_types::{Among, Bitmap, Cancel, ElementType, Error, HnswCodes, Metric, VectorType};

/// A sequence of numbers that is its seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// About normally distributed: the sum of four uniform numbers.
    fn normal(&mut self) -> f32 {
        (0..4).map(|_| self.below(1 << 20) as f32 / (1 << 20) as f32 - 0.5).sum::<f32>() * 1.7
    }
}

/// Rows of clusters of unequal width; row `r` belongs to cluster `r % clusters`.
pub(crate) fn clustered(rows: usize, dim: usize, clusters: usize, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    let centers: Vec<f32> = (0..clusters * dim).map(|_| 3.0 * random.normal()).collect();
    (0..rows * dim)
        .map(|at| {
            let cluster = at / dim % clusters;
            centers[cluster * dim + at % dim] + random.normal() * (0.5 + (cluster % 4) as f32 / 2.0)
        })
        .collect()
}

/// Stores floats in an element type: cosine at unit length, integers scaled.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the element type")]
pub(crate) fn store(vector: VectorType, values: &[f32]) -> Vectors {
    let mut values = values.to_vec();
    if vector.metric() == Metric::Cosine {
        for row in values.chunks_mut(vector.dim()) {
            let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
            row.iter_mut().for_each(|value| *value /= norm);
        }
    }
    let bytes: Vec<u8> = match vector.element() {
        ElementType::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ElementType::F16 => {
            values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect()
        }
        ElementType::Bf16 => {
            values.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect()
        }
        ElementType::I8 => {
            values.iter().map(|value| (value * 12.0).clamp(-128.0, 127.0) as i8 as u8).collect()
        }
        ElementType::U8 => {
            values.iter().map(|value| (128.0 + value * 12.0).clamp(0.0, 255.0) as u8).collect()
        }
        ElementType::Binary => {
            let byte = |bits: &[f32]| {
                bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit > 0.0))
            };
            values.chunks(8).map(byte).collect()
        }
    };
    Vectors::new(vector, Bytes::from(bytes)).expect("whole rows")
}

pub(crate) fn l2(dim: u32) -> VectorType {
    VectorType::new(dim, ElementType::F32, Metric::L2).expect("a right type")
}

/// The recall@10 of growing efforts, measured with rows as queries.
pub(crate) fn recall_curve(
    index: &Index,
    vectors: &Vectors,
    threads: usize,
    queries: usize,
) -> Vec<(u32, f32)> {
    let wish = Calibration { k: 10, among: Among::All, queries };
    let curves = calibrate(index, vectors, &pool(threads), &[wish], 7, &Cancel::never());
    let curves = curves.expect("not stopped").into_iter().next();
    curves.map_or_else(Vec::new, |curve| curve.points)
}

pub(crate) fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool")
}

pub(crate) fn build(vectors: &Vectors, m: u32, ef_construction: u32, threads: usize) -> Index {
    let codes = HnswCodes::None;
    build_as(
        IndexParams::Hnsw(HnswParams { m, ef_construction, seed: 42, codes }),
        vectors,
        threads,
    )
}

pub(crate) fn build_as(params: IndexParams, vectors: &Vectors, threads: usize) -> Index {
    let progress = Progress::default();
    let index = Index::build(&params, vectors, &pool(threads), &progress, &Cancel::never())
        .expect("right parameters");
    assert_eq!((progress.done(), progress.total()), (vectors.len().into(), vectors.len().into()));
    assert_eq!(index.params(), params);
    index
}

/// Opens an index from its sections.
pub(crate) fn open(sections: &[Section], vectors: &Vectors) -> Result<Index, IndexError> {
    let mut read = |kind| {
        let found = sections.iter().find(|section| section.0 == kind);
        let (_, version, bytes) =
            found.ok_or_else(|| Error::corrupt(format!("there is no section {kind}")))?;
        Ok((*version, bytes.clone()))
    };
    Index::open(&mut read, vectors)
}

/// The sections with one of them changed.
pub(crate) fn changed(
    sections: &[Section],
    at: usize,
    change: impl FnOnce(&mut Vec<u8>),
) -> Vec<Section> {
    let mut sections = sections.to_vec();
    let mut bytes = sections[at].2.to_vec();
    change(&mut bytes);
    sections[at].2 = Bytes::from(bytes);
    sections
}

pub(crate) fn search(
    index: &Index,
    vectors: &Vectors,
    query: &[u8],
    k: usize,
    effort: usize,
    allowed: Option<&Bitmap>,
) -> Found {
    let search = Search { allowed, ..Search::new(k, effort) };
    index
        .search(vectors, query, &search, &mut Scratch::default(), &Cancel::never())
        .expect("not stopped")
}

/// The nearest rows by comparing with all.
pub(crate) fn exact(
    vectors: &Vectors,
    query: &[u8],
    k: usize,
    allowed: Option<&Bitmap>,
) -> Vec<Neighbor> {
    let mut top = TopK::new(k);
    vicinal_index::scan(
        vectors,
        query,
        allowed,
        0,
        &mut top,
        &mut Work::default(),
        &Cancel::never(),
    )
    .expect("not stopped");
    top.into_sorted()
}

/// How much of the truth was found; ties count. Also checks what holds for
/// every result: as many as there are, in order, no row twice, all allowed.
pub(crate) fn recall(found: &[Neighbor], truth: &[Neighbor], allowed: Option<&Bitmap>) -> f64 {
    assert_eq!(found.len(), truth.len(), "as many as there are");
    assert!(
        found.is_sorted_by(|a, b| (a.key, a.row) < (b.key, b.row)),
        "nearest first, ties by row"
    );
    assert!(
        found.iter().all(|neighbor| allowed.is_none_or(|allowed| allowed.contains(neighbor.row)))
    );
    assert_eq!(
        found.iter().map(|neighbor| neighbor.row).collect::<BTreeSet<_>>().len(),
        found.len()
    );
    let Some(last) = truth.last() else { return 1.0 };
    found.iter().filter(|neighbor| neighbor.key <= last.key).count() as f64 / truth.len() as f64
}

/// The mean recall of `queries` at an effort.
pub(crate) fn mean_recall(
    index: &Index,
    vectors: &Vectors,
    queries: &Vectors,
    k: usize,
    effort: usize,
    allowed: Option<&Bitmap>,
) -> f64 {
    let each = (0..queries.len()).map(|query| {
        let query = queries.row(query);
        let found = search(index, vectors, query, k, effort, allowed);
        recall(&found.neighbors, &exact(vectors, query, k, allowed), allowed)
    });
    each.sum::<f64>() / f64::from(queries.len())
}
