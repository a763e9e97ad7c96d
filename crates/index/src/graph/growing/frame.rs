//! What was fixed before the first row was inserted.

use crate::Vectors;
use crate::graph::landmarks::Landmarks;
use crate::graph::query::Query;
use crate::graph::records::{Layout, mean};
use crate::graph::{build, prune, stored};
use crate::quantise::floats;
use crate::quantise::rotation::Rotation;
use vicinal_distance::{Comparer, kernels};
use vicinal_types::{GraphParams, Metric, VectorType};

/// How rows stand in records and are compared.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: VectorType,
    /// Of the rows as the caller has them.
    pub(super) rows: Comparer,
    /// The type of the vectors in records.
    pub(super) stored: VectorType,
    pub(super) comparer: Comparer,
    /// Links are chosen by this: vectors of length 1 by L2, whatever they are searched by.
    pub(super) of_links: Comparer,
    /// Keys of links to those chosen count for so much more.
    pub(super) slack: f32,
    pub(super) layout: Layout,
    /// Of blocks of landmarks.
    pub(super) landmarks: Layout,
    pub(super) rotation: Rotation,
    /// The mean of the first rows, the origin of estimates.
    pub(super) mean: Vec<f32>,
    /// The same, rotated.
    rotated_mean: Vec<f32>,
}

impl Frame {
    /// Takes what it must know of the rows from some of them.
    pub(super) fn new(params: GraphParams, sample: &Vectors) -> Self {
        let kind = sample.vector_type();
        let stored = stored::choose(sample);
        let rotated_dim = build::rotated_dim(kind);
        let rotation = Rotation::new(rotated_dim, params.seed);
        let mean = mean(sample);
        let mut rotated_mean = Vec::new();
        rotation.pad(&mean, &mut rotated_mean);
        rotation.rotate(&mut rotated_mean);
        let (of_links, slack) = match kind.metric() {
            Metric::L2 => (stored, prune::SLACK),
            Metric::Cosine => (stored::with_metric(stored, Metric::L2), prune::SLACK),
            Metric::InnerProduct | Metric::Hamming | Metric::Jaccard => (stored, 1.0),
        };
        Self {
            kind,
            rows: Comparer::new(kind, kernels()),
            stored,
            comparer: Comparer::new(stored, kernels()),
            of_links: Comparer::new(of_links, kernels()),
            slack,
            layout: Layout::new(stored.row_bytes(), rotated_dim, build::degree(params)),
            landmarks: Landmarks::layout(rotated_dim),
            rotation,
            mean,
            rotated_mean,
        }
    }

    /// The key of a query and the origin.
    pub(super) fn mean_key(&self, query: &Query) -> f32 {
        match self.kind.metric() {
            Metric::L2 => query.squared,
            Metric::InnerProduct | Metric::Cosine | Metric::Hamming | Metric::Jaccard => {
                -query.mean_dot
            }
        }
    }

    /// The key of a link from the key of its ends, and the other way round.
    pub(super) fn link_key(&self, key: f32) -> f32 {
        match self.kind.metric() {
            // |a - b|² = 2 - 2 a · b, and keys are -a · b.
            Metric::Cosine => (2.0 + 2.0 * key).max(0.0),
            Metric::L2 | Metric::InnerProduct | Metric::Hamming | Metric::Jaccard => key,
        }
    }

    pub(super) fn key_of_link(&self, key: f32) -> f32 {
        match self.kind.metric() {
            Metric::Cosine => key / 2.0 - 1.0,
            Metric::L2 | Metric::InnerProduct | Metric::Hamming | Metric::Jaccard => key,
        }
    }

    /// The vector of a record relative to the origin, rotated.
    pub(super) fn rotate(&self, record: &[u8], out: &mut [f32]) {
        let (vector, padding) = out.split_at_mut(self.kind.dim());
        padding.fill(0.0);
        floats::decode(self.stored.element(), &record[self.layout.vector.clone()], vector);
        for (value, mean) in vector.iter_mut().zip(&self.mean) {
            *value -= mean;
        }
        self.rotation.rotate(out);
    }

    /// The inner product of the origin and a rotated row; 0 for L2, which needs none.
    pub(super) fn mean_dot(&self, rotated: &[f32]) -> f32 {
        match self.kind.metric() {
            Metric::L2 => 0.0,
            Metric::InnerProduct | Metric::Cosine | Metric::Hamming | Metric::Jaccard => {
                kernels().dot_f32(rotated, &self.rotated_mean)
            }
        }
    }
}
