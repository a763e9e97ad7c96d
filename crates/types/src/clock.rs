//! Time as a parameter, so that a run can be a function of its seed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where time comes from.
///
/// Both clocks never go backwards within one process: `now` is monotonic by
/// nature, `unix_micros` may repeat but an implementation used for command
/// times is corrected by its user (`max(previous + 1, wall)`).
pub trait Clock: Send + Sync {
    /// A monotonic instant, for deadlines and latencies.
    fn now(&self) -> Instant;

    /// Microseconds since 1970-01-01 UTC, for command times and TTLs.
    fn unix_micros(&self) -> u64;
}

/// The operating system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one home of real time")]
    fn now(&self) -> Instant {
        Instant::now()
    }

    #[expect(clippy::disallowed_methods, reason = "the one home of real time")]
    fn unix_micros(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        since_epoch.map_or(0, |elapsed| u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
    }
}

/// A clock that a test moves by hand.
#[derive(Debug)]
pub struct TestClock {
    start: Instant,
    elapsed_micros: AtomicU64,
}

impl TestClock {
    /// The wall time at which every test clock starts: 2026-01-01 UTC.
    pub const EPOCH_MICROS: u64 = 1_767_225_600_000_000;

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.elapsed_micros.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self { start: SystemClock.now(), elapsed_micros: AtomicU64::new(0) }
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        self.start + Duration::from_micros(self.elapsed_micros.load(Ordering::SeqCst))
    }

    fn unix_micros(&self) -> u64 {
        Self::EPOCH_MICROS + self.elapsed_micros.load(Ordering::SeqCst)
    }
}
