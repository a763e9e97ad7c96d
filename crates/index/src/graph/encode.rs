//! Making the records of a finished graph.

use super::links::Links;
use super::records::{LANES, Layout, Rotated, encode_lane};
use crate::quantise::rotation::Rotation;
use rayon::prelude::*;
use vicinal_distance::prefetch;
use vicinal_types::{Metric, VectorType};

/// Rows asked for before they are read.
const ROWS_AHEAD: usize = 4;

/// What records are made from.
pub(super) struct Encoder<'a> {
    metric: Metric,
    rotated: &'a Rotated,
    /// For inner products: of the mean and every row. Empty for L2.
    mean_dots: Vec<f32>,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(kind: VectorType, rotated: &'a Rotated, rotation: &Rotation) -> Self {
        let metric = kind.metric();
        let mut mean_dots = Vec::new();
        if metric != Metric::L2 {
            let mut mean = rotated.mean.clone();
            mean.resize(rotation.rotated_dim(), 0.0);
            rotation.rotate(&mut mean);
            let dot = |row: u32| rotated.row(row).iter().zip(&mean).map(|(a, b)| a * b).sum();
            mean_dots = (0..rotated.rows()).into_par_iter().map(dot).collect();
        }
        Self { metric, rotated, mean_dots }
    }

    fn mean_dot(&self, row: u32) -> f32 {
        self.mean_dots.get(row as usize).copied().unwrap_or(0.0)
    }

    /// Writes codes, terms and vertices of the ways from `from`, whose inner
    /// product with the mean comes with it, to `rows`.
    pub(super) fn block(
        &self,
        layout: &Layout,
        (from, from_mean_dot): (&[f32], f32),
        (rows, vertices): (&[u32], &[u32]),
        record: &mut [u8],
    ) {
        record[layout.codes.start..].fill(0);
        let mut signs = Vec::new();
        let block_bytes = layout.codes.len() / (layout.degree / LANES);
        let ids = rows.iter().zip(vertices).map(|(&row, &vertex)| Some((row, vertex)));
        for (lane, id) in ids.chain(std::iter::repeat(None)).take(layout.degree).enumerate() {
            let word = 4 * lane..4 * lane + 4;
            let (mut add, mut factor, mut number) = (f32::INFINITY, 0.0_f32, 0);
            if let Some(&later) = rows.get(lane + ROWS_AHEAD) {
                prefetch(self.rotated.row(later));
            }
            if let Some((row, vertex)) = id {
                let block = &mut record[layout.codes.clone()][lane / LANES * block_bytes..];
                let way = self.mean_dot(row) - from_mean_dot;
                let ends = (from, self.rotated.row(row));
                let terms = encode_lane(self.metric, ends, way, &mut signs, lane % LANES, block);
                (add, factor, number) = (terms.add, terms.factor, vertex);
            }
            record[layout.adds.clone()][word.clone()].copy_from_slice(&add.to_le_bytes());
            record[layout.factors.clone()][word.clone()].copy_from_slice(&factor.to_le_bytes());
            record[layout.ids.clone()][word].copy_from_slice(&number.to_le_bytes());
        }
    }

    /// Writes the records of all vertices: `order` names the place of each, and
    /// `numbers` the vertex of each place; `own` writes a vector.
    pub(super) fn records(
        &self,
        layout: &Layout,
        links: &Links,
        (order, numbers): (&[u32], &[u32]),
        own: impl Fn(u32, &mut [u8]) + Sync,
        out: &mut [u8],
    ) {
        out.par_chunks_exact_mut(layout.bytes).zip(order).for_each_init(
            <(Vec<u32>, Vec<u32>)>::default,
            |(rows, vertices), (record, &row)| {
                own(row, &mut record[layout.vector.clone()]);
                rows.clear();
                rows.extend(links.of(row).iter().map(|link| link.id()));
                vertices.clear();
                vertices.extend(rows.iter().map(|&row| numbers[row as usize]));
                let from = (self.rotated.row(row), self.mean_dot(row));
                self.block(layout, from, (rows, vertices), record);
            },
        );
    }
}
