//! When a call is repeated and how long it waits before.

use std::time::Duration;
use tonic::Status;
use tonic_types::StatusExt as _;

/// How often and how patiently a call is repeated.
///
/// Repeated are calls that failed with `UNAVAILABLE` or a broken connection, and those
/// whose refusal says when to come again (`google.rpc.RetryInfo`, as a full memory or a
/// quota does); writes carry a request id, so that a repeated write happens once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Repetitions after the first attempt; 0: none.
    pub retries: u32,
    /// The wait before the first repetition; it doubles with each.
    pub first_wait: Duration,
    /// No wait is longer, except where the server asks for it: then the call's time
    /// limit is the bound, beyond which the refusal is reported at once.
    pub wait_max: Duration,
}

impl Retry {
    /// Every failure is reported at once.
    pub const NEVER: Self =
        Self { retries: 0, first_wait: Duration::ZERO, wait_max: Duration::ZERO };

    /// The wait before repetition `attempt` (from 0), between half of the
    /// exponential step and all of it: `jitter` is uniform in [0, 1), so that
    /// clients that failed together do not come back together. With the server's hint at
    /// least that, and up to a quarter more.
    pub(crate) fn wait(self, attempt: u32, hint: Option<Duration>, jitter: f64) -> Duration {
        let doubled = self.first_wait.saturating_mul(2_u32.saturating_pow(attempt));
        let own = doubled.min(self.wait_max).mul_f64(0.5 + jitter / 2.0);
        hint.map_or(own, |hint| own.max(hint.saturating_add((hint / 4).mul_f64(jitter))))
    }
}

/// When the server says that the call may succeed.
pub(crate) fn retry_hint(status: &Status) -> Option<Duration> {
    status.get_details_retry_info()?.retry_delay
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
            assert_eq!(retry.wait(attempt, None, jitter), Duration::from_millis(millis));
        };
        check(0, 0.0, 50);
        check(1, 0.0, 100);
        check(2, 0.5, 300);
        check(10, 0.0, 1_000);
        check(u32::MAX, 0.0, 1_000);
        assert!(retry.wait(3, None, 0.999) < Duration::from_millis(800));
    }

    #[test]
    fn a_hint_is_waited_for_and_a_little_longer() {
        let hint = Some(Duration::from_secs(4));
        let check = |attempt, hint, jitter, millis| {
            let wait = Retry::default().wait(attempt, hint, jitter);
            assert_eq!(wait, Duration::from_millis(millis));
        };
        check(0, hint, 0.0, 4_000);
        check(0, hint, 0.5, 4_500);
        // Repetitions of what comes back too soon are spread as without a hint.
        check(2, Some(Duration::from_millis(1)), 0.5, 300);
        let longest = Retry::default().wait(0, Some(Duration::MAX), 1.0);
        assert_eq!(longest, Duration::MAX);
    }
}
