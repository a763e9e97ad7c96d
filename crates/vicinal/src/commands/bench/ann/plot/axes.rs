//! Where a recall and a rate lie, and the grid behind them.

use super::{text, write_to};
use crate::commands::bench::curve::{Curve, Point};

/// Recalls that may have a tick.
const RECALLS: [f64; 12] = [0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0];

/// What lies below is of no use to anyone, unless there is nothing else.
const LEAST_USEFUL: f64 = 0.8;

/// How much of the axis recall 1 gets: without it, it would be infinitely far.
const SOFTENING: f64 = 0.001;

/// Recall, from left to right.
pub(super) struct Across {
    least: f64,
    left: f64,
    right: f64,
}

/// Queries per second, from the bottom up.
pub(super) struct Up {
    least: f64,
    most: f64,
    top: f64,
    bottom: f64,
}

fn stretched(recall: f64) -> f64 {
    -(1.0 + SOFTENING - recall.clamp(0.0, 1.0)).ln()
}

impl Across {
    /// An axis from the lowest useful recall to 1.
    pub(super) fn new(curves: &[Curve], left: f64, right: f64) -> Self {
        let best = |curve: &Curve| points(curve).map(|point| point.recall).fold(0.0, f64::max);
        let worst_best = curves.iter().map(best).fold(1.0, f64::min);
        let lowest = curves.iter().flat_map(points).map(|point| point.recall).fold(1.0, f64::min);
        let wanted = lowest.max(LEAST_USEFUL.min(worst_best));
        let below = RECALLS.into_iter().rev().find(|tick| *tick <= wanted);
        // Something must be seen to change.
        Self { least: below.unwrap_or(0.0).min(0.9), left, right }
    }

    pub(super) fn least(&self) -> f64 {
        self.least
    }

    /// The horizontal place of a recall; left of the plot if it is too low.
    pub(super) fn place(&self, recall: f64) -> f64 {
        let (low, high) = (stretched(self.least), stretched(1.0));
        self.left + (self.right - self.left) * (stretched(recall) - low) / (high - low)
    }
}

impl Up {
    /// An axis that holds every rate at a useful recall, with some air.
    pub(super) fn new(curves: &[Curve], least_recall: f64, top: f64, bottom: f64) -> Self {
        let seen = curves.iter().flat_map(points).filter(|point| point.recall >= least_recall);
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for point in seen {
            (least, most) = (least.min(point.qps), most.max(point.qps));
        }
        if most <= 0.0 {
            (least, most) = (1.0, 10.0);
        }
        Self { least: least.max(1e-3) / 1.3, most: most * 1.25, top, bottom }
    }

    /// The vertical place of a rate.
    pub(super) fn place(&self, qps: f64) -> f64 {
        let part = (qps.max(1e-3) / self.least).ln() / (self.most / self.least).ln();
        self.bottom - (self.bottom - self.top) * part
    }

    /// 1, 2 and 5 times the powers of ten that lie within; of a wide range only
    /// the powers.
    fn ticks(&self) -> Vec<f64> {
        let is_wide = self.most / self.least > 2_000.0;
        let steps: &[f64] = if is_wide { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let all =
            (-3..=9).flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
        all.filter(|tick| (self.least..=self.most).contains(tick)).collect()
    }
}

fn points(curve: &Curve) -> impl Iterator<Item = &Point> {
    curve.points.iter()
}

/// A rate in a few signs: `850`, `5.4k`, `19k`.
fn short(qps: f64) -> String {
    let trimmed = |number: f64, unit: &str| {
        let digits = usize::from(number < 9.95);
        let text = format!("{number:.digits$}");
        format!("{}{unit}", text.trim_end_matches(".0"))
    };
    match qps {
        1e6.. => trimmed(qps / 1e6, "M"),
        1e3.. => trimmed(qps / 1e3, "k"),
        _ => trimmed(qps, ""),
    }
}

/// The grid with its labels.
pub(super) fn draw(svg: &mut String, across: &Across, up: &Up) {
    let mut line = |(x1, y1): (f64, f64), (x2, y2): (f64, f64), color: &str| {
        write_to(
            svg,
            format_args!(
                "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{color}\"/>\n"
            ),
        );
    };
    let ticks = || RECALLS.into_iter().filter(|tick| *tick >= across.least);
    for tick in ticks() {
        let x = across.place(tick);
        line((x, up.top), (x, up.bottom), "#e6e9ed");
    }
    for tick in up.ticks() {
        let y = up.place(tick);
        line((across.left, y), (across.right, y), "#e6e9ed");
    }
    line((across.left, up.bottom), (across.right, up.bottom), "#8c959f");
    line((across.left, up.top), (across.left, up.bottom), "#8c959f");
    for tick in ticks() {
        let place = (across.place(tick), up.bottom + 22.0);
        text(svg, place, "tick", "middle", &format!("{tick}"));
    }
    for tick in up.ticks() {
        let place = (across.left - 10.0, up.place(tick) + 4.0);
        text(svg, place, "tick", "end", &short(tick));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short() {
        let check = |qps, expected: &str| assert_eq!(short(qps), expected);
        check(0.5, "0.5");
        check(60.2, "60");
        check(850.0, "850");
        check(5_400.0, "5.4k");
        check(19_432.0, "19k");
        check(1_000_000.0, "1M");
    }

    #[test]
    fn recall_grows_to_the_right_and_rates_up() {
        let points = vec![
            Point { recall: 0.4, qps: 50_000.0 },
            Point { recall: 0.92, qps: 9_000.0 },
            Point { recall: 1.0, qps: 30.0 },
        ];
        let curve = Curve { is_ours: true, points, ..Curve::default() };
        let across = Across::new(std::slice::from_ref(&curve), 0.0, 100.0);
        assert_eq!(across.least(), 0.8);
        assert!(across.place(0.4) < 0.0);
        assert_eq!((across.place(0.8), across.place(1.0).round()), (0.0, 100.0));
        let up = Up::new(&[curve], across.least(), 0.0, 100.0);
        assert!(up.place(50_000.0) < 0.0, "it is not seen and takes no room");
        assert!(up.place(9_000.0) < up.place(30.0));
        assert_eq!(up.ticks().first(), Some(&50.0));
    }
}
