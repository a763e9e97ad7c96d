//! What was measured of an index for the search at hand: among all rows or, under a
//! filter, among about as many as pass, for about as many neighbours.

use vicinal_types::{Among, RecallCurve};

/// Whether a filter's rows are assumed to be strewn or in clumps. Which of the two, nobody
/// knows before the search.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Strewn,
    Clumps,
}

/// The curve among all rows from which most is known about `k` neighbours: of those for
/// fewer the one for most, else the one for fewest.
pub(crate) fn among_all(curves: &[RecallCurve], k: usize) -> Option<&RecallCurve> {
    let all = || curves.iter().filter(|curve| curve.among == Among::All && is_whole(curve));
    let fewer = all().filter(|curve| curve.k as usize <= k).max_by_key(|curve| curve.k);
    fewer.or_else(|| all().min_by_key(|curve| curve.k))
}

/// What `value` says of searches among a share of the rows, 0 to 1: between two shares that
/// were measured what lies between them, by their logarithms; beyond them what holds for
/// the last. The larger one of rows that are strewn and rows in clumps.
///
/// Nothing if no filter was measured, infinity where `value` has nothing to say.
pub(crate) fn among_some(
    curves: &[RecallCurve],
    share: f64,
    value: impl Fn(&RecallCurve) -> Option<f64>,
) -> Option<f64> {
    let value = |curve| value(curve).unwrap_or(f64::INFINITY);
    let of_kind = |kind| {
        let of_kind = || curves.iter().filter(move |curve| is(curve, kind) && is_whole(curve));
        let share_of = |curve: &&RecallCurve| curve.among.share();
        let by_share = |a: &&RecallCurve, b: &&RecallCurve| share_of(a).total_cmp(&share_of(b));
        let above = of_kind().filter(|curve| share_of(curve) >= share).min_by(by_share);
        let below = of_kind().filter(|curve| share_of(curve) <= share).max_by(by_share);
        let (Some(above), Some(below)) = (above, below) else {
            return above.or(below).map(value);
        };
        let (high, low) = (share_of(&above), share_of(&below));
        if high <= low {
            return Some(value(above));
        }
        let part = (high / share).ln() / (high / low).ln();
        let (above, below) = (value(above), value(below));
        let is_known = above.is_finite() && below.is_finite();
        Some(if is_known { above + (below - above) * part } else { f64::INFINITY })
    };
    let (strewn, clumps) = (of_kind(Kind::Strewn), of_kind(Kind::Clumps));
    strewn.into_iter().chain(clumps).max_by(f64::total_cmp)
}

fn is(curve: &RecallCurve, kind: Kind) -> bool {
    match curve.among {
        Among::All => false,
        Among::Strewn(_) => kind == Kind::Strewn,
        Among::Clumps(_) => kind == Kind::Clumps,
    }
}

/// Whether it says anything.
fn is_whole(curve: &RecallCurve) -> bool {
    curve.k > 0 && !curve.points.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(k: u32, among: Among, effort: u32) -> RecallCurve {
        RecallCurve { k, among, queries: 100, live: 0, points: vec![(effort, 0.95)] }
    }

    #[test]
    fn the_curve_for_about_as_many_neighbours_is_taken() {
        let mut curves = vec![
            curve(10, Among::All, 1),
            curve(100, Among::All, 2),
            curve(10, Among::Strewn(50), 3),
            curve(1_000, Among::All, 4),
        ];
        curves[3].points.clear();
        let k = |k| among_all(&curves, k).map(|curve| curve.k);
        assert_eq!([1, 10, 99].map(k), [Some(10); 3]);
        assert_eq!([100, 5_000].map(k), [Some(100); 2], "one without points says nothing");
        assert_eq!(among_all(&curves[2..], 10), None);
    }

    #[test]
    fn between_two_shares_lies_what_lies_between_them() {
        let effort = |curve: &RecallCurve| curve.points.first().map(|point| f64::from(point.0));
        let curves = [
            curve(10, Among::Strewn(80), 10),
            curve(10, Among::Strewn(20), 30),
            curve(10, Among::Clumps(40), 24),
        ];
        let at = |share| among_some(&curves, share, effort);
        assert_eq!([0.9, 0.8].map(at), [Some(24.0); 2], "clumps need more");
        assert!(at(0.2).is_some_and(|effort| (effort - 30.0).abs() < 1e-9));
        assert!(at(0.05).is_some_and(|effort| (effort - 30.0).abs() < 1e-9));
        let middle = among_some(&curves[..2], 0.4, effort);
        assert!(middle.is_some_and(|effort| (effort - 20.0).abs() < 1e-9), "{middle:?}");
        assert_eq!(among_some(&curves[..0], 0.5, effort), None);
        assert_eq!(among_some(&[curve(10, Among::All, 7)], 0.5, effort), None);
        let unknown = |_: &RecallCurve| None;
        assert_eq!(among_some(&curves, 0.5, unknown), Some(f64::INFINITY));
    }
}
