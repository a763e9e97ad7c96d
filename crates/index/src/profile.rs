//! What the vectors of a segment are like, from a sample of them.
//!
//! All distances are Euclidean, of the numbers as they are stored; binary vectors are
//! taken for zeros and ones, so that a squared distance is the number of differing bits.
//! Everything is a function of the rows.

mod codes;
mod neighbors;
mod sample;
mod spread;
#[cfg(test)]
mod tests;

use crate::Vectors;
use sample::Sample;
use vicinal_types::{Cancel, ElementType, Stopped};

/// Rows looked at, at most.
const SAMPLE_ROWS: usize = 4_096;

/// Numbers looked at, at most, but for the least rows.
const SAMPLE_VALUES: usize = 4 * 1024 * 1024;

/// Rows looked at in any case, if there are so many.
const SAMPLE_ROWS_MIN: usize = 512;

/// What vectors are like.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorProfile {
    /// Rows that there are.
    pub rows: u32,
    /// Rows that were looked at.
    pub sampled: u32,
    /// The part of these that is equal to an earlier one.
    pub duplicates: f32,
    /// The part of their numbers that is zero.
    pub zeros: f32,
    /// Their lengths.
    pub norms: Spread,
    /// The standard deviations of the dimensions.
    pub deviations: Spread,
    /// The root of the mean squared correlation of two dimensions: 0 of independent ones,
    /// 1 of such that tell the same.
    pub correlation: f32,
    /// How many uncorrelated dimensions of one deviation would spread as much: the
    /// participation ratio of the covariance. At most the dimension.
    pub effective_dims: f32,
    /// How near the rows are to each other; none where fewer than a hundred differ.
    pub neighborhood: Option<Neighborhood>,
    /// What codes leave out; none of binary vectors, and where all rows are one.
    pub codes: Option<CodeErrors>,
}

/// The least, the mean and the greatest of some numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// The least.
    pub least: f32,
    /// The mean.
    pub mean: f32,
    /// The greatest.
    pub greatest: f32,
}

/// How near rows of the sample are to each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighborhood {
    /// The local intrinsic dimension: the exponent with which the number of rows grows
    /// with the distance, around a row (maximum likelihood of Levina and Bickel, pooled as
    /// by MacKay and Ghahramani). Low for a sample of data of many dimensions.
    pub intrinsic_dim: f32,
    /// The mean distance of two rows over the mean distance of a row and its nearest
    /// (relative contrast of He, Kumar and Chang): near 1 where nothing is near.
    pub contrast: f32,
    /// How much nearer rows are to rows than points are whose dimensions are each taken
    /// from another row, from 0 to 1 (after Hopkins): 0.5 where dimensions are independent,
    /// near 1 of dense groups.
    pub clustering: f32,
}

/// What codes leave out of a row less the mean, as a part of its squared length; of codes
/// around the mean of all rows, without the lists that make residuals smaller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CodeErrors {
    /// A byte a dimension, of one range for all.
    pub sq8: f32,
    /// Half a byte a dimension, of the same range.
    pub sq4: f32,
    /// A bit a dimension after a random rotation (RaBitQ).
    pub rabitq1: f32,
    /// Four bits a dimension after a random rotation.
    pub rabitq4: f32,
}

/// Profiles vectors by a sample of them: at most some tenths of a second.
///
/// # Errors
/// [`Stopped`] when `cancel` says so.
pub fn profile(vectors: &Vectors, cancel: &Cancel) -> Result<VectorProfile, Stopped> {
    let sample = Sample::of(vectors, sampled_rows(vectors));
    cancel.check()?;
    let shape = spread::shape(&sample);
    cancel.check()?;
    let neighborhood = neighbors::neighborhood(&sample, cancel)?;
    let is_coded = vectors.vector_type().element() != ElementType::Binary;
    let codes = if is_coded { codes::errors(&sample, vectors, cancel)? } else { None };
    Ok(VectorProfile {
        rows: vectors.len(),
        sampled: u32::try_from(sample.len()).unwrap_or(u32::MAX),
        duplicates: sample.duplicates,
        zeros: shape.zeros,
        norms: shape.norms,
        deviations: shape.deviations,
        correlation: shape.correlation,
        effective_dims: shape.effective_dims,
        neighborhood,
        codes,
    })
}

fn sampled_rows(vectors: &Vectors) -> usize {
    let by_values = SAMPLE_VALUES / vectors.vector_type().dim();
    by_values.clamp(SAMPLE_ROWS_MIN, SAMPLE_ROWS).min(vectors.len() as usize)
}

impl Spread {
    fn of(numbers: impl Iterator<Item = f32>) -> Self {
        let (mut spread, mut sum, mut count) =
            (Self { least: f32::INFINITY, mean: 0.0, greatest: f32::NEG_INFINITY }, 0.0, 0.0);
        for number in numbers {
            spread.least = spread.least.min(number);
            spread.greatest = spread.greatest.max(number);
            sum += f64::from(number);
            count += 1.0;
        }
        if count == 0.0 {
            return Self::default();
        }
        Self { mean: narrow(sum / count), ..spread }
    }
}

/// A figure as it is shown; sums are of binary64.
#[expect(clippy::cast_possible_truncation, reason = "figures have fewer digits than binary32")]
fn narrow(figure: f64) -> f32 {
    figure as f32
}
