//! Making the records of a finished graph.

use super::links::Links;
use super::records::{Lane, Layout, Rotated};
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
        for lane in rows.len()..layout.degree {
            layout.put_nothing(lane, record);
        }
        for (at, (&row, &vertex)) in rows.iter().zip(vertices).enumerate().take(layout.degree) {
            if let Some(&later) = rows.get(at + ROWS_AHEAD) {
                prefetch(self.rotated.row(later));
            }
            let mean_dot = self.mean_dot(row) - from_mean_dot;
            let lane = Lane { at, vertex, ends: (from, self.rotated.row(row)), mean_dot };
            layout.put(self.metric, &lane, &mut signs, record);
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
