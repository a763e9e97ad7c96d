//! The times of commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vicinal_types::Clock;

/// Gives each command a time of its own, in microseconds since 1970.
pub(crate) struct CommandClock {
    clock: Arc<dyn Clock>,
    /// The time of the last command, which the next exceeds.
    last: AtomicU64,
}

impl CommandClock {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, last: AtomicU64::new(0) }
    }

    /// A time above that of every command before, and not before the clock's.
    pub(crate) fn next(&self) -> u64 {
        let now = self.clock.unix_micros();
        let next = |last| Some(now.max(last + 1));
        let previous = self.last.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        previous.map_or(now, |previous| now.max(previous + 1))
    }
}
