//! When a call is repeated and how long it waits before.

use std::time::Duration;

/// How often and how patiently a call is repeated while the server is unavailable.
///
/// Only `UNAVAILABLE` and broken connections are retried; writes carry a request
/// id, so that a repeated write happens once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Repetitions after the first attempt; 0: none.
    pub retries: u32,
    /// The wait before the first repetition; it doubles with each.
    pub first_wait: Duration,
    /// No wait is longer.
    pub wait_max: Duration,
}

impl Retry {
    /// Every failure is reported at once.
    pub const NEVER: Self =
        Self { retries: 0, first_wait: Duration::ZERO, wait_max: Duration::ZERO };

    /// The wait before repetition `attempt` (from 0), between half of the
    /// exponential step and all of it: `jitter` is uniform in [0, 1), so that
    /// clients that failed together do not come back together.
    pub(crate) fn wait(self, attempt: u32, jitter: f64) -> Duration {
        let doubled = self.first_wait.saturating_mul(2_u32.saturating_pow(attempt));
        doubled.min(self.wait_max).mul_f64(0.5 + jitter / 2.0)
    }
}

impl Default for Retry {
    /// Five repetitions within about three seconds: as long as a restart takes.
    fn default() -> Self {
        Self {
            retries: 5,
            first_wait: Duration::from_millis(100),
            wait_max: Duration::from_secs(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_jitter_stays_in_the_upper_half() {
        let retry = Retry::default();
        let check = |attempt, jitter, millis| {
            assert_eq!(retry.wait(attempt, jitter), Duration::from_millis(millis));
        };
        check(0, 0.0, 50);
        check(1, 0.0, 100);
        check(2, 0.5, 300);
        check(10, 0.0, 1_000);
        check(u32::MAX, 0.0, 1_000);
        assert!(retry.wait(3, 0.999) < Duration::from_millis(800));
    }
}
