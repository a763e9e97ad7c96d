//! Vertices spread over all others: a search begins at those nearest to the
//! query instead of walking there from far away.

use super::encode::Encoder;
use super::query::Query;
use super::records::{Block, LANES, Layout};
use crate::hnsw::mix;
use bytes::Bytes;
use vicinal_distance::{Estimate, Kernels};

/// Landmarks at most: to estimate so many keys costs about what it costs to
/// expand four vertices.
pub(super) const COUNT_MAX: usize = 512;

/// Vertices for each landmark, where there are few.
pub(super) const VERTICES_PER_LANDMARK: usize = 16;

/// Landmarks that a search begins at.
pub(super) const SEEDS: usize = 4;

/// Blocks of codes, terms and vertices like those of records, with the rows' mean
/// as the origin.
#[derive(Clone, Debug)]
pub(super) struct Landmarks {
    layout: Layout,
    bytes: Bytes,
}

impl Landmarks {
    /// The layout of one block.
    pub(super) fn layout(rotated_dim: usize) -> Layout {
        Layout::new(0, rotated_dim, LANES)
    }

    /// Chooses vertices at random; `order` names their rows. The root, vertex 0,
    /// is always among them.
    pub(super) fn choose(
        encoder: &Encoder<'_>,
        order: &[u32],
        rotated_dim: usize,
        seed: u64,
    ) -> Self {
        let count = (order.len() / VERTICES_PER_LANDMARK).min(COUNT_MAX - 1);
        let mut vertices: Vec<u32> = (0..count as u64)
            .map(|at| {
                let number = mix(mix(!seed).wrapping_add(at)) % order.len() as u64;
                #[expect(clippy::cast_possible_truncation, reason = "below the vertices")]
                let vertex = number as u32;
                vertex
            })
            .chain((!order.is_empty()).then_some(0))
            .collect();
        vertices.sort_unstable();
        vertices.dedup();
        let layout = Self::layout(rotated_dim);
        let mut bytes = vec![0; vertices.len().div_ceil(LANES) * layout.bytes];
        let origin = vec![0.0; rotated_dim];
        let rows: Vec<u32> = vertices.iter().map(|&vertex| order[vertex as usize]).collect();
        let blocks = rows.chunks(LANES).zip(vertices.chunks(LANES));
        for ((rows, vertices), block) in blocks.zip(bytes.chunks_exact_mut(layout.bytes)) {
            encoder.block(&layout, (&origin, 0.0), (rows, vertices), block);
        }
        Self { layout, bytes: Bytes::from(bytes) }
    }

    /// Takes whole blocks, aligned to four bytes.
    pub(super) fn new(bytes: Bytes, rotated_dim: usize) -> Option<Self> {
        let layout = Self::layout(rotated_dim);
        bytes.len().is_multiple_of(layout.bytes).then_some(Self { layout, bytes })
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The nearest landmarks by estimates that `base` is added to; infinity and
    /// vertex 0 where there are fewer.
    pub(super) fn nearest(
        &self,
        kernels: &Kernels,
        query: &Query,
        base: f32,
    ) -> [(f32, u32); SEEDS] {
        let blocks = self.bytes.chunks_exact(self.layout.bytes);
        nearest(blocks.map(|record| self.layout.block(record, 0)), kernels, query, base)
    }
}

/// The nearest landmarks of some blocks.
pub(super) fn nearest<'a>(
    blocks: impl Iterator<Item = Block<'a>>,
    kernels: &Kernels,
    query: &Query,
    base: f32,
) -> [(f32, u32); SEEDS] {
    let mut best = [(f32::INFINITY, 0); SEEDS];
    for block in blocks {
        let (mut sums, mut keys) = ([0; LANES], [0.0; LANES]);
        kernels.fastscan(block.codes, &query.tables, &mut sums);
        let bound = best[SEEDS - 1].0;
        let estimate = Estimate { base, scale: query.scale, shift: query.shift, bound };
        let mut near = kernels.estimates(&sums, block.adds, block.factors, estimate, &mut keys);
        while near != 0 {
            let lane = near.trailing_zeros() as usize;
            near &= near - 1;
            if keys[lane] < best[SEEDS - 1].0 {
                best[SEEDS - 1] = (keys[lane], block.ids[lane]);
                best.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            }
        }
    }
    best
}
