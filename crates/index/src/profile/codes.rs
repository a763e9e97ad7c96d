//! What codes leave out, with the codes that indexes have.

use super::sample::Sample;
use super::{CodeErrors, narrow};
use crate::Vectors;
use crate::quantise::rabitq::Rabitq;
use crate::quantise::scalar::Range;
use vicinal_types::{Cancel, Stopped};

/// Rows that are coded.
const CODED_ROWS: usize = 256;

/// Errors of some rows of the sample; none where these are all one row.
pub(super) fn errors(
    sample: &Sample,
    vectors: &Vectors,
    cancel: &Cancel,
) -> Result<Option<CodeErrors>, Stopped> {
    let (dim, count) = (sample.dim(), CODED_ROWS.min(sample.len()));
    let rows = || (0..count).map(|at| sample.row(at * sample.len() / count));
    let means: Vec<f32> = sample.means().into_iter().map(narrow).collect();
    let range = Range::measure(vectors);
    let codes = [1, 4].map(|bits| Rabitq::new(dim, bits, 0));
    let (mut total, mut scalar, mut rotated) = (0.0, [0.0; 2], [0.0; 2]);
    for row in rows() {
        cancel.check()?;
        let rest: Vec<f32> = row.iter().zip(&means).map(|(value, mean)| value - mean).collect();
        let length = squared(&rest);
        total += length;
        // 15 levels take the range of 255.
        for (error, (step, top)) in
            scalar.iter_mut().zip([(range.step, 255.0), (range.step * 17.0, 15.0)])
        {
            let left = |value: &f32| {
                let level = ((value - range.lo) / step).round().clamp(0.0, top);
                f64::from(value - (range.lo + step * level)).powi(2)
            };
            *error += row.iter().map(left).sum::<f64>();
        }
        for (error, code) in rotated.iter_mut().zip(&codes) {
            *error += length * missed(code, &rest);
        }
    }
    if total <= 0.0 || !total.is_finite() {
        return Ok(None);
    }
    let [[sq8, sq4], [rabitq1, rabitq4]] =
        [scalar, rotated].map(|errors| errors.map(|error| narrow(error / total)));
    Ok(Some(CodeErrors { sq8, sq4, rabitq1, rabitq4 }))
}

/// The part of a vector's squared length that is not in the direction of its code.
fn missed(code: &Rabitq, vector: &[f32]) -> f64 {
    let (mut rotated, mut levels, mut decoded) = (Vec::new(), Vec::new(), Vec::new());
    code.rotate(vector, &mut rotated);
    code.encode(&rotated, &mut levels, &mut decoded);
    let product: f64 = rotated.iter().zip(&decoded).map(|(a, b)| f64::from(a * b)).sum();
    let lengths = squared(&rotated) * squared(&decoded);
    if lengths > 0.0 { (1.0 - product * product / lengths).max(0.0) } else { 0.0 }
}

fn squared(vector: &[f32]) -> f64 {
    vector.iter().map(|value| f64::from(*value).powi(2)).sum()
}
