//! Distances within the sample.

use super::sample::{Picks, Sample};
use super::{Neighborhood, narrow};
use vicinal_distance::{Comparer, kernels};
use vicinal_types::{Cancel, ElementType, Metric, Stopped, VectorType};
use zerocopy::IntoBytes;

/// Rows whose neighbours are looked for.
const CENTERS: usize = 256;

/// Points made of dimensions of different rows.
const SHUFFLED: usize = 128;

/// Neighbours by which the intrinsic dimension is estimated.
const NEIGHBORS: usize = 20;

/// Fewer rows have no neighbourhoods to speak of.
const ROWS_MIN: usize = 100;

/// Sums over the centers.
#[derive(Default)]
struct Sums {
    centers: f64,
    /// Inverse intrinsic dimensions.
    inverse_dims: f64,
    nearest: f64,
    all: f64,
}

pub(super) fn neighborhood(
    sample: &Sample,
    cancel: &Cancel,
) -> Result<Option<Neighborhood>, Stopped> {
    let (dim, count) = (sample.dim(), sample.len());
    if count < ROWS_MIN {
        return Ok(None);
    }
    let of_dim = u32::try_from(dim).ok();
    let kind = of_dim.and_then(|dim| VectorType::new(dim, ElementType::F32, Metric::L2).ok());
    let comparer = Comparer::new(kind.expect("floats of a dimension that exists"), kernels());
    let mut keys = vec![0.0; count];
    let mut sums = Sums::default();
    let centers = CENTERS.min(count);
    for at in 0..centers {
        cancel.check()?;
        let center = at * count / centers;
        comparer.keys(sample.row(center).as_bytes(), sample.values().as_bytes(), &mut keys);
        keys[center] = 0.0;
        sums.add(&keys);
    }
    if sums.centers < 1.0 || sums.inverse_dims <= 0.0 {
        return Ok(None);
    }
    let (mut picks, mut shuffled) = (Picks::new(), 0.0);
    for _ in 0..SHUFFLED {
        cancel.check()?;
        let point: Vec<f32> = (0..dim).map(|at| sample.row(picks.below(count))[at]).collect();
        comparer.keys(point.as_bytes(), sample.values().as_bytes(), &mut keys);
        let nearest = keys.iter().copied().fold(f32::INFINITY, f32::min);
        shuffled += f64::from(nearest).max(0.0).sqrt() / SHUFFLED as f64;
    }
    let nearest = sums.nearest / sums.centers;
    Ok(Some(Neighborhood {
        intrinsic_dim: narrow(sums.centers / sums.inverse_dims),
        contrast: narrow(sums.all / sums.centers / nearest),
        clustering: narrow(shuffled / (shuffled + nearest)),
    }))
}

impl Sums {
    /// Adds a center by the squared distances of all rows. Rows that are equal to it say
    /// nothing of how rows spread around it, and are passed over.
    fn add(&mut self, keys: &[f32]) {
        let is_other = |key: &f32| *key > 0.0 && key.is_finite();
        let mut others: Vec<f32> = keys.iter().copied().filter(is_other).collect();
        if others.len() <= NEIGHBORS {
            return;
        }
        let total: f64 = others.iter().map(|key| f64::from(*key).sqrt()).sum();
        self.all += total / others.len() as f64;
        let (near, last, _) = others.select_nth_unstable_by(NEIGHBORS - 1, f32::total_cmp);
        // Squared: a logarithm is twice that of distances.
        let log = |key: &f32| (f64::from(*last) / f64::from(*key)).ln() / 2.0;
        self.inverse_dims += near.iter().map(log).sum::<f64>() / (NEIGHBORS - 1) as f64;
        let nearest = near.iter().copied().fold(f32::INFINITY, f32::min);
        self.nearest += f64::from(nearest).sqrt();
        self.centers += 1.0;
    }
}
