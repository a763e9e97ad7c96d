//! Lengths of rows, and how the dimensions spread.

use super::sample::{Picks, Sample};
use super::{Spread, narrow};

/// Pairs of rows by which dimensions are held against each other.
const PAIRS: usize = 16_384;

/// What single rows and dimensions are like.
pub(super) struct Shape {
    pub(super) zeros: f32,
    pub(super) norms: Spread,
    pub(super) deviations: Spread,
    pub(super) correlation: f32,
    pub(super) effective_dims: f32,
}

pub(super) fn shape(sample: &Sample) -> Shape {
    let values = sample.values();
    let zeros = values.iter().filter(|value| **value == 0.0).count();
    let norm =
        |row: &[f32]| narrow(row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt());
    let means = sample.means();
    let variances = variances(sample, &means);
    let (correlation, effective_dims) = dependence(sample, &means, &variances);
    Shape {
        zeros: zeros as f32 / values.len().max(1) as f32,
        norms: Spread::of(sample.rows().map(norm)),
        deviations: Spread::of(variances.iter().map(|variance| narrow(variance.sqrt()))),
        correlation,
        effective_dims,
    }
}

/// The variance of each dimension.
fn variances(sample: &Sample, means: &[f64]) -> Vec<f64> {
    let (count, mut variances) = (sample.len().max(1) as f64, vec![0.0; sample.dim()]);
    for row in sample.rows() {
        for ((variance, mean), value) in variances.iter_mut().zip(means).zip(row) {
            *variance += (f64::from(*value) - mean).powi(2) / count;
        }
    }
    variances
}

/// Correlation of dimensions, and how many independent ones there seem to be.
///
/// The mean squared product of two independent rows less the mean is the sum of all
/// squared covariances, diagonal included: so that sum, which has the dimension's square
/// of parts, costs some thousand products. Of rows divided by the deviations it is the
/// sum of squared correlations.
fn dependence(sample: &Sample, means: &[f64], variances: &[f64]) -> (f32, f32) {
    let live = variances.iter().filter(|variance| **variance > 0.0).count() as f64;
    let total: f64 = variances.iter().sum();
    if sample.len() < 2 || total <= 0.0 {
        return (0.0, 0.0);
    }
    let (mut picks, mut covariance, mut correlation) = (Picks::new(), 0.0, 0.0);
    for _ in 0..PAIRS {
        let first = picks.below(sample.len());
        let second = (first + 1 + picks.below(sample.len() - 1)) % sample.len();
        let (mut plain, mut scaled) = (0.0, 0.0);
        let pairs = sample.row(first).iter().zip(sample.row(second));
        for ((a, b), (mean, variance)) in pairs.zip(means.iter().zip(variances)) {
            let product = (f64::from(*a) - mean) * (f64::from(*b) - mean);
            plain += product;
            if *variance > 0.0 {
                scaled += product / variance;
            }
        }
        covariance += plain * plain / PAIRS as f64;
        correlation += scaled * scaled / PAIRS as f64;
    }
    let others = (live * (live - 1.0)).max(1.0);
    let squared = ((correlation - live) / others).clamp(0.0, 1.0);
    let effective = (total * total / covariance.max(f64::MIN_POSITIVE)).clamp(1.0, live);
    (narrow(squared.sqrt()), narrow(effective))
}
