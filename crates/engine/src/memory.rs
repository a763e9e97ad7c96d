//! One account of everything large in memory, and what happens when it fills.
//!
//! Below the first mark nothing does. From it on caches and builds give way: copies of
//! indexes are given back one by one and no more are made, builds wait, growing segments
//! are sealed early, and writes wait a little longer the fuller it is. From the second
//! mark on writes are refused; deletes, reads and drops go on.
//!
//! The components are counted anew every round of the ticker; in between, what writes
//! bring is added as it comes.

mod account;
mod texts;

pub(crate) use account::{Account, holding};
pub(crate) use texts::GroupTexts;

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use vicinal_types::{Error, Result};

/// What a write waits for just below the mark from which writes are refused.
const DELAY_MAX: Duration = Duration::from_secs(1);

/// When a refused write may succeed: flushes take about so long.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Copies of indexes leave so much of the room below the first mark, in percent:
/// what was given back is not taken again at once.
const COPIES_PERCENT: u64 = 90;

/// How much memory may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryOptions {
    /// Bytes; 0: the machine's memory or the control group's limit, whichever is less.
    pub limit_bytes: u64,
    /// Percent of it from which caches and builds give way and writes are slowed down.
    pub slow_percent: u64,
    /// Percent of it from which writes are refused.
    pub refuse_percent: u64,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self { limit_bytes: 0, slow_percent: 80, refuse_percent: 90 }
    }
}

/// How full memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Below the first mark.
    Calm,
    /// Caches and builds give way, writes wait.
    Tight,
    /// Writes are refused.
    Full,
}

/// What others than the engine hold.
type Source = Box<dyn Fn() -> u64 + Send + Sync>;

/// The account.
pub(crate) struct MemoryBudget {
    limit: u64,
    slow: u64,
    refuse: u64,
    /// All components as of the last count.
    counted: AtomicU64,
    /// What came since.
    since: AtomicU64,
    /// Rank: a leaf.
    sources: Mutex<Vec<(&'static str, Source)>>,
}

impl std::fmt::Debug for MemoryBudget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryBudget").field("used", &self.used()).finish_non_exhaustive()
    }
}

impl MemoryBudget {
    pub(crate) fn new(options: &MemoryOptions) -> Self {
        let limit = match options.limit_bytes {
            0 => vicinal_exec::memory_limit(),
            bytes => bytes,
        };
        let percent = |part| limit / 100 * part + limit % 100 * part / 100;
        Self {
            limit,
            slow: percent(options.slow_percent),
            refuse: percent(options.refuse_percent),
            counted: AtomicU64::new(0),
            since: AtomicU64::new(0),
            sources: Mutex::default(),
        }
    }

    /// Counts what somebody else holds from now on.
    pub(crate) fn add_source(&self, name: &'static str, source: Source) {
        self.sources.lock().push((name, source));
    }

    /// What others hold, by name.
    pub(crate) fn others(&self) -> Vec<(&'static str, u64)> {
        self.sources.lock().iter().map(|(name, source)| (*name, source())).collect()
    }

    /// Takes a new count of all components.
    pub(crate) fn set_counted(&self, bytes: u64) {
        self.since.store(0, Ordering::Relaxed);
        self.counted.store(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that come between two counts.
    pub(crate) fn add(&self, bytes: u64) {
        self.since.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> u64 {
        self.counted.load(Ordering::Relaxed).saturating_add(self.since.load(Ordering::Relaxed))
    }

    /// Bytes that there may be.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) fn pressure(&self) -> Pressure {
        match self.used() {
            used if used >= self.refuse => Pressure::Full,
            used if used >= self.slow => Pressure::Tight,
            _ => Pressure::Calm,
        }
    }

    /// What a write should wait for: nothing below the first mark, then longer in
    /// proportion, up to [`DELAY_MAX`] at the second.
    pub(crate) fn write_delay(&self) -> Duration {
        let beyond = self.used().saturating_sub(self.slow);
        let room = self.refuse.saturating_sub(self.slow).max(1);
        DELAY_MAX.mul_f64((beyond as f64 / room as f64).min(1.0))
    }

    /// Whether a copy of so many bytes leaves room.
    pub(crate) fn has_room_for_copy(&self, bytes: u64) -> bool {
        self.used().saturating_add(bytes) <= self.slow / 100 * COPIES_PERCENT
    }

    /// Refuses what adds data while memory is full.
    ///
    /// # Errors
    /// `Exhausted` with the figures.
    pub(crate) fn check_write(&self) -> Result<()> {
        let (used, refuse, limit) = (self.used(), self.refuse, self.limit);
        if used < refuse {
            return Ok(());
        }
        Err(Error::exhausted(format!(
            "{used} bytes of memory are in use, writes are refused from {refuse} of {limit} on; reads, deletes and drops go on; wait for segments to be sealed, or raise memory.limit_bytes"
        ))
        .retry_after(RETRY_AFTER))
    }

    /// Whether a job fits below the mark from which writes are refused.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        self.used().saturating_add(bytes) <= self.refuse
    }

    /// Refuses a job that would not fit below the mark at which writes are refused.
    ///
    /// # Errors
    /// `Exhausted` with the figures.
    pub(crate) fn check_job(&self, what: &str, bytes: u64) -> Result<()> {
        let (used, refuse, limit) = (self.used(), self.refuse, self.limit);
        if self.has_room(bytes) {
            return Ok(());
        }
        Err(Error::exhausted(format!(
            "{what} needs about {bytes} bytes of memory, {used} are in use and {refuse} of {limit} may be; it waits for room, or raise memory.limit_bytes"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuller_the_slower_until_writes_are_refused() {
        let options = MemoryOptions { limit_bytes: 1_000, slow_percent: 80, refuse_percent: 90 };
        let budget = MemoryBudget::new(&options);
        budget.set_counted(799);
        assert_eq!((budget.pressure(), budget.write_delay()), (Pressure::Calm, Duration::ZERO));
        assert!(budget.has_room_for_copy(0) == (799 <= 720) && budget.check_write().is_ok());
        budget.add(51);
        assert_eq!((budget.used(), budget.pressure()), (850, Pressure::Tight));
        assert_eq!(budget.write_delay(), DELAY_MAX / 2);
        assert!(budget.check_job("a build", 50).is_ok());
        let refused = budget.check_job("a build", 51).expect_err("beyond").to_string();
        assert!(refused.contains("51 bytes") && refused.contains("900 of 1000"), "{refused}");
        budget.add(50);
        let refused = budget.check_write().expect_err("full");
        assert!(refused.to_string().contains("900 bytes of memory"), "{refused}");
        assert_eq!(refused.retry_hint(), Some(RETRY_AFTER));
        budget.set_counted(100);
        assert_eq!(budget.used(), 100);
        assert!(budget.has_room_for_copy(600) && !budget.has_room_for_copy(700));
    }

    #[test]
    fn without_a_limit_the_machine_is_the_limit() {
        let budget = MemoryBudget::new(&MemoryOptions::default());
        assert_eq!(budget.limit(), vicinal_exec::memory_limit());
        budget.add_source("others", Box::new(|| 7));
        assert_eq!(budget.others(), [("others", 7)]);
    }
}
