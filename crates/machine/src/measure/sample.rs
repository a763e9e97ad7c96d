//! Repetitions and what they say.

use std::time::Instant;
use vicinal_planner::Line;
use vicinal_types::{Cancel, Clock, Stopped};

/// Repetitions of each measurement.
const ROUNDS: usize = 11;

/// A round takes at least so long, many times what reading the clock takes.
const ROUND_NANOS_MIN: f64 = 30_000.0;

/// So many calls that take no time are those of a clock that stands still.
const CALLS_UNSEEN_MAX: u32 = 1 << 10;

/// What times are read from, and who may stop it.
pub(super) struct Watch<'a> {
    pub(super) clock: &'a dyn Clock,
    pub(super) cancel: &'a Cancel,
}

/// What repetitions took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// The fastest.
    pub(super) nanos: f64,
    /// How much longer the middle one took, as a part of it.
    pub(super) spread: f64,
}

impl Watch<'_> {
    pub(super) fn nanos_since(&self, started: Instant) -> f64 {
        self.clock.now().saturating_duration_since(started).as_secs_f64() * 1e9
    }

    /// What one call of `work` takes: it is called some times a round, so often that a
    /// round can be measured.
    pub(super) fn repeat(&self, mut work: impl FnMut()) -> Result<Sample, Stopped> {
        let mut calls = 1_u32;
        loop {
            let nanos = self.round(calls, &mut work)?;
            if nanos >= ROUND_NANOS_MIN {
                break;
            }
            if nanos == 0.0 && calls >= CALLS_UNSEEN_MAX {
                return Ok(Sample { nanos, spread: 0.0 });
            }
            calls *= 2;
        }
        let rounds = (0..ROUNDS).map(|_| self.round(calls, &mut work));
        let mut rounds = rounds.collect::<Result<Vec<_>, _>>()?;
        let per_call = 1.0 / f64::from(calls);
        rounds.iter_mut().for_each(|nanos| *nanos *= per_call);
        Ok(Sample::of(&mut rounds))
    }

    fn round(&self, calls: u32, work: &mut impl FnMut()) -> Result<f64, Stopped> {
        self.cancel.check()?;
        let started = self.clock.now();
        (0..calls).for_each(|_| work());
        Ok(self.nanos_since(started))
    }
}

impl Sample {
    fn of(rounds: &mut [f64]) -> Self {
        let middle = middle(rounds);
        let nanos = rounds.iter().copied().fold(f64::INFINITY, f64::min);
        Self { nanos, spread: if nanos > 0.0 { middle / nanos - 1.0 } else { 0.0 } }
    }

    /// The same for a part of what was measured.
    pub(super) fn each_of(self, count: usize) -> Self {
        Self { nanos: self.nanos / count as f64, ..self }
    }
}

/// The middle one; 0 of none.
pub(super) fn middle(numbers: &mut [f64]) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}

/// The line of sizes and times that is nearest in proportion to the times, so that
/// small sizes count as much as large ones. It has no part below zero.
pub(super) fn fit(points: &[(f64, f64)]) -> Line {
    let (mut w, mut wx, mut wy, mut wxx, mut wxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (x, y) in points.iter().copied().filter(|(_, y)| *y > 0.0) {
        let weight = 1.0 / (y * y);
        w += weight;
        wx += weight * x;
        wy += weight * y;
        wxx += weight * x * x;
        wxy += weight * x * y;
    }
    let unit_nanos = (w * wxy - wx * wy) / (w * wxx - wx * wx);
    let base_nanos = (wy - unit_nanos * wx) / w;
    if base_nanos < 0.0 {
        return Line { base_nanos: 0.0, unit_nanos: wxy / wxx };
    }
    Line { base_nanos, unit_nanos }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;
    use vicinal_types::TestClock;

    #[test]
    fn the_fastest_round_counts_and_the_middle_one_tells_of_disturbance() {
        let mut rounds = [9.0, 2.0, 3.0, 3.0, 50.0];
        let sample = Sample::of(&mut rounds);
        assert_eq!(sample, Sample { nanos: 2.0, spread: 0.5 });
        assert_eq!(sample.each_of(4), Sample { nanos: 0.5, spread: 0.5 });
        assert_eq!(middle(&mut []), 0.0);
    }

    #[test]
    fn short_work_is_called_often_a_round() {
        let clock = Arc::new(TestClock::default());
        let cancel = Cancel::never();
        let watch = Watch { clock: &*clock, cancel: &cancel };
        let mut calls = 0;
        let sample = watch.repeat(|| {
            calls += 1;
            // Every eighth call is disturbed.
            clock.advance(Duration::from_micros(if calls % 8 == 0 { 9 } else { 1 }));
        });
        let sample = sample.expect("nobody stops it");
        assert!((sample.nanos - 2_000.0).abs() < 1.0, "{sample:?}");
        cancel.cancel();
        assert_eq!(watch.repeat(|| {}), Err(Stopped::Cancelled));
    }

    #[test]
    fn a_clock_that_stands_still_ends_the_search_for_a_round() {
        let (clock, cancel, mut calls) = (TestClock::default(), Cancel::never(), 0);
        let sample = Watch { clock: &clock, cancel: &cancel }.repeat(|| calls += 1);
        assert_eq!(sample, Ok(Sample { nanos: 0.0, spread: 0.0 }));
        assert!(calls < 1 << 12, "{calls}");
    }

    #[test]
    fn lines_are_found_and_stay_above_zero() {
        let check = |points: &[(f64, f64)], base: f64, unit: f64| {
            let line = fit(points);
            let is_near = |a: f64, b: f64| (a - b).abs() < 1e-6;
            assert!(is_near(line.base_nanos, base) && is_near(line.unit_nanos, unit), "{line:?}");
        };
        check(&[(10.0, 7.0), (20.0, 9.0), (100.0, 25.0)], 5.0, 0.2);
        // Its line would begin at -10.
        let unit = (1.0 + 2.0 / 3.0 + 4.0 / 7.0) / (1.0 + 4.0 / 9.0 + 16.0 / 49.0);
        check(&[(10.0, 10.0), (20.0, 30.0), (40.0, 70.0)], 0.0, unit);
    }
}
