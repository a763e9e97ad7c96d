//! Learning the centroids and codes, and sorting the rows into lists.

use super::Ivf;
use super::coarse::{Coarse, CoarseScratch, origin};
use crate::hnsw::mix;
use crate::kmeans;
use crate::neighbors::Ranked;
use crate::quantise::blocks::{Blocks, Layout, block_count};
use crate::quantise::coded::{Codec, Coded};
use crate::quantise::encode::{Encoder, unit};
use crate::quantise::floats;
use crate::quantise::product::{Product, Sample, Shape, rotation};
use crate::quantise::rabitq::Rabitq;
use crate::quantise::scalar::{Range, Scalar};
use crate::quantise::words::Words;
use crate::{IndexError, Progress, Vectors};
use rayon::prelude::*;
use vicinal_types::{Cancel, IvfCodes, IvfParams, Metric, Stopped};

/// Rows that centroids are learnt from, for each of them.
const ROWS_PER_CENTROID: usize = 128;

/// Bytes that the rows to learn from take at most, as floats.
const SAMPLE_BYTES_MAX: usize = 512 << 20;

/// Rows that codewords are learnt from, for each codeword of a subvector.
const ROWS_PER_CODEWORD: usize = 256;

/// Rows that codewords are learnt from at most.
const CODEWORD_ROWS_MAX: usize = 32_768;

/// Rows sorted into lists by a thread at once.
const BLOCK_ROWS: usize = 512;

pub(super) fn build(
    params: IvfParams,
    vectors: &Vectors,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<Ivf, IndexError> {
    let dim = vectors.vector_type().dim();
    let lists = list_count(params, vectors.len());
    let per_byte = SAMPLE_BYTES_MAX / (dim * size_of::<f32>());
    let rows = sample(vectors.len(), (ROWS_PER_CENTROID * lists).min(per_byte), params.seed);
    let values = gather(vectors, &rows);
    let values = kmeans::Rows { values: &values, dim };
    let centroids = kmeans::train(values, lists, params.seed, cancel)?;
    let assigned = assign(vectors, &centroids, progress, cancel)?;
    let members = kmeans::members(&assigned, lists);
    let coarse = Coarse::new(kmeans::vectors(&centroids, dim, probing_metric(vectors)));
    let origin = &origin(coarse.centroids());
    let source = Source { vectors, centroids: &centroids, origin, assigned: &assigned };
    let mut codec = train(params, &source, cancel)?;
    let (blocks, norm_max) = encode(&codec, &source, &members, cancel)?;
    if let Codec::Scalar(scalar) = &mut codec {
        scalar.set_norm_max(norm_max);
    }
    let facts = Words::filled(2 * lists, |words| {
        let (rows, radii) = words.split_at_mut(lists);
        for (place, members) in rows.iter_mut().zip(&members) {
            *place = u32::try_from(members.len()).unwrap_or(u32::MAX);
        }
        for nearest in &assigned {
            // Bits of floats that are not negative order like the floats.
            let radius = &mut radii[nearest.id() as usize];
            *radius = (*radius).max(nearest.key().max(0.0).sqrt().to_bits());
        }
    });
    Ok(Ivf::new(params, vectors.len(), coarse, facts, Coded { codec, blocks }))
}

/// How centroids are ordered: unit vectors are near where products are large.
pub(super) fn probing_metric(vectors: &Vectors) -> Metric {
    match vectors.vector_type().metric() {
        Metric::L2 | Metric::Cosine | Metric::Hamming | Metric::Jaccard => Metric::L2,
        Metric::InnerProduct => Metric::InnerProduct,
    }
}

/// Codes of a row where that was left to us.
pub(super) fn subvectors(declared: u32, dim: usize, dims: usize) -> usize {
    if declared == 0 { dim.div_ceil(dims) } else { declared as usize }
}

/// The shape of the product codes, if the codes are such.
pub(super) fn shape(codes: IvfCodes, dim: usize) -> Option<Shape> {
    let (declared, bits, is_anisotropic) = match codes {
        IvfCodes::None | IvfCodes::Sq8 | IvfCodes::Rabitq { .. } => return None,
        IvfCodes::Pq { bits, subvectors } => (subvectors, bits, false),
        IvfCodes::Scann { subvectors } => (subvectors, 4, true),
    };
    let subvectors = subvectors(declared, dim, if bits == 4 { 2 } else { 4 });
    Some(Shape { dim: rotation(dim).rotated_dim(), subvectors, bits, is_anisotropic })
}

/// Of codes that cost little a row, long lists: as many centroids as rows of a
/// probed list cost more to choose from than they save.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a square root")]
fn list_count(params: IvfParams, rows: u32) -> usize {
    let of_root = match params.codes {
        IvfCodes::Pq { bits: 4, .. } | IvfCodes::Scann { .. } => 2.0,
        IvfCodes::None | IvfCodes::Sq8 | IvfCodes::Pq { .. } | IvfCodes::Rabitq { .. } => 4.0,
    };
    let by_rows = (of_root * f64::from(rows).sqrt()).round() as u32;
    let lists = if params.lists == 0 { by_rows } else { params.lists };
    lists.min(rows) as usize
}

/// About `count` rows, each drawn from a stretch of its own.
fn sample(rows: u32, count: usize, seed: u64) -> Vec<u32> {
    let stretch = u64::from(rows).div_ceil(count.max(1) as u64).max(1);
    let starts = (0..u64::from(rows)).step_by(stretch.try_into().unwrap_or(usize::MAX));
    let drawn = starts.map(|start| start + mix(seed ^ start) % stretch);
    drawn.filter_map(|row| u32::try_from(row).ok().filter(|row| *row < rows)).collect()
}

fn gather(vectors: &Vectors, rows: &[u32]) -> Vec<f32> {
    let kind = vectors.vector_type();
    let mut values = vec![0.0; rows.len() * kind.dim()];
    values.par_chunks_exact_mut(kind.dim()).zip(rows).for_each(|(out, row)| {
        floats::decode(kind.element(), vectors.row(*row), out);
    });
    values
}

/// The list of every row, and the squared distance from its centroid.
fn assign(
    vectors: &Vectors,
    centroids: &[f32],
    progress: &Progress,
    cancel: &Cancel,
) -> Result<Vec<Ranked>, Stopped> {
    let kind = vectors.vector_type();
    let dim = kind.dim();
    let coarse = Coarse::new(kmeans::vectors(centroids, dim, Metric::L2));
    let mut assigned = vec![Ranked::new(0.0, 0); vectors.len() as usize];
    let assign = |scratch: &mut (CoarseScratch, Vec<f32>), block: usize, out: &mut [Ranked]| {
        cancel.check()?;
        let (scratch, values) = scratch;
        values.resize(out.len() * dim, 0.0);
        for (row, values) in (block * BLOCK_ROWS..).zip(values.chunks_exact_mut(dim)) {
            let row = u32::try_from(row).expect("a segment's rows fit 32 bits");
            floats::decode(kind.element(), vectors.row(row), values);
        }
        coarse.nearest_of_many(values, scratch, |at, nearest| out[at] = nearest);
        progress.add(out.len() as u64);
        Ok(())
    };
    assigned
        .par_chunks_mut(BLOCK_ROWS)
        .enumerate()
        .try_for_each_init(Default::default, |scratch, (at, out)| assign(scratch, at, out))?;
    Ok(assigned)
}

/// The rows, and whose list each is in.
struct Source<'a> {
    vectors: &'a Vectors,
    centroids: &'a [f32],
    origin: &'a [f32],
    assigned: &'a [Ranked],
}

impl Source<'_> {
    fn centroid(&self, list: usize) -> &[f32] {
        let dim = self.vectors.vector_type().dim();
        &self.centroids[list * dim..][..dim]
    }

    /// Residuals to learn codewords from, at unit length.
    fn residuals(&self, shape: Shape, seed: u64) -> Sample {
        let wanted = (ROWS_PER_CODEWORD << shape.bits).min(CODEWORD_ROWS_MAX);
        let rows = sample(self.vectors.len(), wanted, mix(seed));
        let values = gather(self.vectors, &rows);
        let is_l2 = self.vectors.vector_type().metric() == Metric::L2;
        let (mut residuals, mut directions) = (Vec::new(), Vec::new());
        let rotation = rotation(shape.dim);
        let (mut direction, mut rotated) = (Vec::new(), Vec::new());
        let mut rotate = |vector: &[f32], out: &mut Vec<f32>| {
            rotation.pad(vector, &mut rotated);
            rotation.rotate(&mut rotated);
            out.extend_from_slice(&rotated);
        };
        let dim = self.vectors.vector_type().dim();
        for (row, values) in rows.iter().zip(values.chunks_exact(dim)) {
            let centroid = self.centroid(self.assigned[*row as usize].id() as usize);
            let pairs = values.iter().zip(centroid);
            let residual: Vec<f32> = pairs.map(|(value, center)| value - center).collect();
            unit(&residual, &mut direction);
            rotate(&direction, &mut residuals);
            if shape.is_anisotropic {
                unit(if is_l2 { &residual } else { values }, &mut direction);
                rotate(&direction, &mut directions);
            }
        }
        Sample { residuals, directions }
    }
}

fn train(params: IvfParams, source: &Source<'_>, cancel: &Cancel) -> Result<Codec, Stopped> {
    let kind = source.vectors.vector_type();
    if let Some(shape) = shape(params.codes, kind.dim()) {
        let sample = source.residuals(shape, params.seed);
        return Ok(Codec::Product(Product::train(shape, &sample, params.seed, cancel)?));
    }
    Ok(match params.codes {
        IvfCodes::Sq8 => Codec::Scalar(Scalar::new(kind, Range::measure(source.vectors))),
        IvfCodes::Rabitq { bits } => Codec::Rabitq(Rabitq::new(kind.dim(), bits, params.seed)),
        IvfCodes::None | IvfCodes::Pq { .. } | IvfCodes::Scann { .. } => Codec::Rows,
    })
}

/// The blocks of all lists, and the length of the longest decoded row.
fn encode(
    codec: &Codec,
    source: &Source<'_>,
    members: &[Vec<u32>],
    cancel: &Cancel,
) -> Result<(Blocks, f32), Stopped> {
    let layout: Layout = codec.layout(source.vectors.vector_type().row_bytes());
    let words = members.iter().map(|rows| block_count(rows.len()) * layout.words());
    let mut done = Ok(0.0);
    let filled = Words::filled(words.clone().sum(), |mut rest| {
        let mut lists = Vec::with_capacity(members.len());
        for (list, (rows, words)) in members.iter().zip(words).enumerate() {
            let (mine, others) = std::mem::take(&mut rest).split_at_mut(words);
            lists.push((list, rows, mine));
            rest = others;
        }
        let encode = |encoder: &mut Encoder<'_>,
                      (list, rows, words): (usize, &Vec<u32>, &mut [u32])| {
            cancel.check()?;
            encoder.list(rows, source.centroid(list), source.origin, words);
            Ok(encoder.norm_max)
        };
        done = lists
            .into_par_iter()
            .map_init(|| Encoder::new(codec, source.vectors), encode)
            .try_reduce(|| 0.0, |a, b| Ok(a.max(b)));
    });
    Ok((Blocks::new(filled, layout).expect("as many words as the blocks take"), done?))
}
