//! How many of the true neighbours were found.

use vicinal_client::Nearer;

/// Hits among the first `k` by row number, out of the `k` true ones.
///
/// A row that is none of them still counts if its score is not worse than that
/// of a true one that was found: then it ties with it, and ties cost nobody.
pub(crate) fn by_ids(found: &[i64], scores: &[f32], truth: &[i32], nearer: Nearer) -> f64 {
    let is_true = |id: &i64| truth.iter().any(|row| i64::from(*row) == *id);
    let is_farther = |score: f32, than: f32| match nearer {
        Nearer::Lower => score > than,
        Nearer::Higher => score < than,
    };
    let pairs = || found.iter().zip(scores).take(truth.len());
    let worst_true = pairs()
        .filter(|(id, _)| is_true(id))
        .map(|(_, score)| *score)
        .reduce(|worst, score| if is_farther(score, worst) { score } else { worst });
    let hits = pairs().filter(|(id, score)| {
        is_true(id) || worst_true.is_some_and(|worst| !is_farther(**score, worst))
    });
    hits.count() as f64 / truth.len().max(1) as f64
}

/// Hits by distance: keys not larger than the largest of the `k` true ones.
pub(crate) fn by_keys(found: &[f32], truth: &[f32]) -> f64 {
    let farthest = truth.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let hits = found.iter().take(truth.len()).filter(|key| **key <= farthest);
    hits.count() as f64 / truth.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_counted_by_row_and_by_tie() {
        let check = |found: &[i64], scores: &[f32], nearer, expected: f64| {
            assert_eq!(by_ids(found, scores, &[1, 2, 3, 4], nearer), expected);
        };
        check(&[1, 2, 3, 4], &[0.1, 0.2, 0.3, 0.4], Nearer::Lower, 1.0);
        check(&[4, 3, 2, 1], &[0.1, 0.2, 0.3, 0.4], Nearer::Lower, 1.0);
        check(&[1, 2, 9, 8], &[0.1, 0.2, 0.3, 0.4], Nearer::Lower, 0.5);
        // 9 ties with 2, and 2 is a true neighbour.
        check(&[1, 2, 9, 8], &[0.1, 0.2, 0.2, 0.4], Nearer::Lower, 0.75);
        check(&[1, 2, 9, 8], &[0.9, 0.8, 0.8, 0.4], Nearer::Higher, 0.75);
        check(&[9, 8], &[0.0, 0.1], Nearer::Lower, 0.0);
        check(&[], &[], Nearer::Lower, 0.0);
        // What stands behind the k-th place does not count.
        check(&[9, 8, 7, 6, 1], &[0.1, 0.2, 0.3, 0.4, 0.5], Nearer::Lower, 0.0);
    }

    #[test]
    fn keys_up_to_the_farthest_true_one_are_hits() {
        let check = |found: &[f32], expected: f64| {
            assert_eq!(by_keys(found, &[1.0, 2.0, 2.0, 3.0]), expected);
        };
        check(&[1.0, 2.0, 2.0, 3.0], 1.0);
        check(&[1.0, 3.0, 3.0, 3.0], 1.0);
        check(&[1.0, 2.0, 3.1, f32::INFINITY], 0.5);
        check(&[1.0, 2.0], 0.5);
        check(&[1.0, 2.0, 4.0, 4.0, 1.0], 0.5);
    }
}
