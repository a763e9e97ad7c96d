//! Codes against the rows that they stand for.

use super::blocks::{Blocks, LANES, block_count};
use super::coded::{Codec, Coded};
use super::encode::Encoder;
use super::product::{Product, Sample, Shape, rotation};
use super::rabitq::Rabitq;
use super::tables::Tables;
use super::words::Words;
use crate::hnsw::mix;
use crate::ivf::coarse::terms;
use crate::kmeans;
use vicinal_types::{Cancel, Metric};

const ROWS: usize = 2_000;

/// What queries are seen from, in every dimension.
fn origin(metric: Metric) -> f32 {
    if metric == Metric::InnerProduct { 0.0 } else { 0.2 }
}

/// About normally distributed.
fn normal(at: u64) -> f32 {
    let part = |at: u64| (mix(at) % 1_000_000) as f32 / 1e6 - 0.5;
    (0..4).map(|round| part(mix(at).wrapping_add(round))).sum::<f32>() * 1.7
}

fn rows(count: usize, dim: usize, seed: u64, metric: Metric) -> Vec<f32> {
    let mut values: Vec<f32> =
        (0..(count * dim) as u64).map(|at| 0.3 + normal(mix(seed) ^ at)).collect();
    if metric == Metric::Cosine {
        for row in values.chunks_exact_mut(dim) {
            let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
            row.iter_mut().for_each(|value| *value /= norm);
        }
    }
    values
}

fn coded(codec: Codec, values: &[f32], dim: usize, center: &[f32], metric: Metric) -> Coded {
    let vectors = kmeans::vectors(values, dim, metric);
    let layout = codec.layout(vectors.vector_type().row_bytes());
    let all: Vec<u32> = (0..vectors.len()).collect();
    let words = Words::filled(block_count(all.len()) * layout.words(), |words| {
        Encoder::new(&codec, &vectors).list(&all, center, &vec![origin(metric); dim], words);
    });
    Coded { codec, blocks: Blocks::new(words, layout).expect("whole blocks") }
}

/// How many standard deviations the keys of all rows are off, as the codes tell
/// it: the mean square and the largest.
fn deviations(
    coded: &Coded,
    values: &[f32],
    query: &[f32],
    center: &[f32],
    metric: Metric,
) -> (f64, f64) {
    let vectors = kmeans::vectors(values, query.len(), metric);
    let mut tables = Tables::default();
    let shifted: Vec<f32> = query.iter().map(|value| value - origin(metric)).collect();
    match &coded.codec {
        Codec::Product(product) => {
            let mut rotated = Vec::new();
            product.rotate(&shifted, &mut rotated);
            product.prepare(&rotated, &mut tables);
        }
        Codec::Rabitq(rabitq) => {
            let mut rotated = Vec::new();
            rabitq.rotate(&shifted, &mut rotated);
            rabitq.prepare(&rotated, &mut tables);
        }
        Codec::Rows | Codec::Scalar(_) => unreachable!("these have no tables"),
    }
    let (base, reach) = terms(metric, query, center);
    let bytes: Vec<u8> = query.iter().flat_map(|value| value.to_le_bytes()).collect();
    let (mut squares, mut largest) = (0.0, 0.0f64);
    for (at, block) in coded.blocks.range(0..coded.blocks.len()).enumerate() {
        let sums = tables.sums(block.codes);
        for (lane, sum) in sums.iter().enumerate().take(ROWS - at * LANES) {
            let sum = tables.step * *sum as f32 + tables.offset;
            let key = base + block.bias()[lane] + block.scale()[lane] * sum;
            let exact = vectors.key(&bytes, block.rows()[lane]);
            let rounding = block.scale()[lane] * tables.rounding;
            let expected = (reach * block.error()[lane]).hypot(rounding);
            let off = f64::from((key - exact) / expected);
            squares += off * off;
            largest = largest.max(off.abs());
        }
    }
    (squares / ROWS as f64, largest)
}

fn check(codec: impl Fn(&[f32], &[f32]) -> Codec, dim: usize, metric: Metric, what: &str) {
    let values = rows(ROWS, dim, 1, metric);
    let queries = rows(10, dim, 2, metric);
    let mut center = vec![0.0; dim];
    for row in values.chunks_exact(dim).take(100) {
        center.iter_mut().zip(row).for_each(|(center, value)| *center += value / 100.0);
    }
    let coded = coded(codec(&values, &center), &values, dim, &center, metric);
    let (mut squares, mut largest) = (0.0, 0.0f64);
    for query in queries.chunks_exact(dim) {
        let (square, most) = deviations(&coded, &values, query, &center, metric);
        squares += square / 10.0;
        largest = largest.max(most);
    }
    assert!((0.5..1.6).contains(&squares), "{what}, {dim} {metric}: mean square {squares}");
    assert!(largest < 5.5, "{what}, {dim} {metric}: {largest} deviations");
}

fn product(bits: u32, is_anisotropic: bool) -> impl Fn(&[f32], &[f32]) -> Codec {
    move |values, center| {
        let dim = center.len();
        let rotation = rotation(dim);
        let rotated_dim = rotation.rotated_dim();
        let subvectors = dim.div_ceil(2);
        let shape = Shape { dim: rotated_dim, subvectors, bits, is_anisotropic };
        let mut sample = Sample { residuals: Vec::new(), directions: Vec::new() };
        for row in values.chunks_exact(dim) {
            let residual: Vec<f32> = row.iter().zip(center).map(|(a, b)| a - b).collect();
            let (mut direction, mut rotated) = (Vec::new(), Vec::new());
            super::encode::unit(&residual, &mut direction);
            for (vector, out) in
                [(&direction, &mut sample.residuals), (&direction, &mut sample.directions)]
            {
                rotation.pad(vector, &mut rotated);
                rotation.rotate(&mut rotated);
                out.extend_from_slice(&rotated);
            }
        }
        Codec::Product(Product::train(shape, &sample, 3, &Cancel::never()).expect("not stopped"))
    }
}

#[test]
fn codes_know_how_far_off_they_are() {
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        for dim in [48, 64, 100] {
            for bits in [1, 2, 4] {
                check(|_, _| Codec::Rabitq(Rabitq::new(dim, bits, 5)), dim, metric, "rabitq");
            }
            check(product(4, false), dim, metric, "product");
        }
    }
    check(product(4, true), 64, Metric::Cosine, "anisotropic");
}

/// The part of the rows' squared lengths that product codes leave out.
fn lost(bits: u32, is_anisotropic: bool) -> f32 {
    let (dim, metric) = (64, Metric::L2);
    let values = rows(ROWS, dim, 1, metric);
    let center = vec![0.3; dim];
    let Codec::Product(product) = product(bits, is_anisotropic)(&values, &center) else {
        unreachable!("a product code")
    };
    let (mut numbers, mut decoded, mut rotated) = (Vec::new(), Vec::new(), Vec::new());
    let (mut lost, mut all) = (0.0, 0.0);
    for row in values.chunks_exact(dim) {
        let residual: Vec<f32> = row.iter().zip(&center).map(|(a, b)| a - b).collect();
        super::encode::unit(&residual, &mut decoded);
        product.rotate(&decoded, &mut rotated);
        product.encode(&rotated, &rotated, &mut numbers, &mut decoded);
        lost += rotated.iter().zip(&decoded).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        all += rotated.iter().map(|a| a * a).sum::<f32>();
    }
    lost / all
}

#[test]
fn codewords_are_where_the_rows_are() {
    // Two bits a dimension of a normal distribution leave 0.107 of it, four 0.008.
    assert!(lost(4, false) < 0.13, "{}", lost(4, false));
    assert!(lost(8, false) < 0.02, "{}", lost(8, false));
}
