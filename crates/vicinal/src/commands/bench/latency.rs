//! Latencies by percentile.

use crate::failure::Failure;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Duration;

/// The longest latency told apart from longer ones.
const NANOS_MAX: u64 = 3_600_000_000_000;

/// Latencies, to three digits.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    nanos: Histogram<u64>,
}

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) min_us: f64,
    pub(crate) mean_us: f64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p95_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        let nanos = Histogram::new_with_bounds(1, NANOS_MAX, 3).expect("the bounds are in order");
        Self { nanos }
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(NANOS_MAX);
        self.nanos.saturating_record(nanos);
    }

    pub(crate) fn add(&mut self, other: &Self) -> Result<(), Failure> {
        let added = self.nanos.add(&other.nanos);
        added.map_err(|error| Failure::new(format!("latencies do not add up: {error}")))
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let micros = |nanos: u64| nanos as f64 / 1e3;
        let at = |percent| micros(self.nanos.value_at_percentile(percent));
        Percentiles {
            min_us: micros(self.nanos.min()),
            mean_us: self.nanos.mean() / 1e3,
            p50_us: at(50.0),
            p90_us: at(90.0),
            p95_us: at(95.0),
            p99_us: at(99.0),
            p999_us: at(99.9),
            max_us: micros(self.nanos.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let (mut all, mut half) = (Latencies::new(), Latencies::new());
        for micros in 1..=500 {
            all.record(Duration::from_micros(micros));
            half.record(Duration::from_micros(500 + micros));
        }
        all.add(&half).expect("the same bounds");
        let found = all.percentiles();
        let near = |found: f64, expected: f64| {
            assert!((found / expected - 1.0).abs() < 0.002, "{found} is not {expected}");
        };
        near(found.min_us, 1.0);
        near(found.mean_us, 500.5);
        near(found.p50_us, 500.0);
        near(found.p99_us, 990.0);
        near(found.p999_us, 999.0);
        near(found.max_us, 1_000.0);
    }
}
