//! A query made ready for estimates.

use crate::quantise::floats;
use crate::quantise::rotation::Rotation;
use vicinal_distance::kernels;
use vicinal_types::VectorType;

/// The tables of one query, and memory to make the next.
#[derive(Debug, Default)]
pub(super) struct Query {
    /// The difference from the rows' mean, rotated.
    pub(super) rotated: Vec<f32>,
    sums: Vec<f32>,
    /// For every four dimensions the sums of each subset of their values, as
    /// bytes.
    pub(super) tables: Vec<u8>,
    /// The sum of signs is `scale` times the sum of table entries plus `shift`.
    pub(super) scale: f32,
    pub(super) shift: f32,
    /// The squared distance from the rows' mean.
    pub(super) squared: f32,
    /// The inner product with the rows' mean.
    pub(super) mean_dot: f32,
}

impl Query {
    /// Rotates a stored vector and makes its tables.
    pub(super) fn prepare(
        &mut self,
        kind: VectorType,
        stored: &[u8],
        mean: &[f32],
        rotation: &Rotation,
    ) {
        let Self { rotated, sums, tables, .. } = self;
        rotated.clear();
        rotated.resize(rotation.rotated_dim(), 0.0);
        floats::decode(kind.element(), stored, &mut rotated[..kind.dim()]);
        self.mean_dot = rotated.iter().zip(mean).map(|(value, mean)| value * mean).sum();
        for (value, mean) in rotated.iter_mut().zip(mean) {
            *value -= mean;
        }
        rotation.rotate(rotated);
        sums.resize(4 * rotated.len(), 0.0);
        tables.resize(4 * rotated.len(), 0);
        kernels().subset_sums(rotated, sums);
        let (mut largest, mut lows, mut total, mut squared) = (0.0_f32, 0.0, 0.0, 0.0);
        for group in rotated.as_chunks::<4>().0 {
            let absolute: f32 = group.iter().map(|value| value.abs()).sum();
            let sum: f32 = group.iter().sum();
            squared += group.iter().map(|value| value * value).sum::<f32>();
            largest = largest.max(absolute);
            // The smallest subset is that of the negative values.
            lows += (sum - absolute) / 2.0;
            total += sum;
        }
        let steps = if largest > 0.0 { 255.0 / largest } else { 0.0 };
        for ((group, sums), table) in rotated
            .as_chunks::<4>()
            .0
            .iter()
            .zip(sums.as_chunks::<16>().0)
            .zip(tables.as_chunks_mut::<16>().0)
        {
            let low: f32 = group.iter().map(|value| value.min(0.0)).sum();
            kernels().quantise_u8(sums, low, steps, table);
        }
        self.squared = squared;
        self.scale = if steps > 0.0 { 2.0 / steps } else { 0.0 };
        self.shift = 2.0 * lows - total;
    }
}
