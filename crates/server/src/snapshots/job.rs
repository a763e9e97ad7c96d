//! A copy on its way: how far it is, how fast it may be, whether it goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use vicinal_types::{Cancel, Clock, Result};

/// How long a job that waits for its turn takes to notice that it shall stop.
const CANCEL_LATENCY: Duration = Duration::from_millis(100);

/// One creation, restore or verification.
pub(crate) struct Job {
    cancel: Cancel,
    clock: Arc<dyn Clock>,
    /// Bytes in a second; none: as fast as it goes.
    rate: Option<u64>,
    /// When the bytes taken so far are through, at that rate. Rank: a leaf.
    through: Mutex<Instant>,
    files: AtomicU64,
    files_total: AtomicU64,
    bytes: AtomicU64,
    bytes_total: AtomicU64,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) files: u64,
    pub(crate) files_total: u64,
    pub(crate) bytes: u64,
    pub(crate) bytes_total: u64,
}

impl Job {
    /// A job that moves at most `rate` bytes in a second; 0: as many as it can.
    pub(crate) fn new(cancel: Cancel, clock: Arc<dyn Clock>, rate: u64) -> Self {
        Self {
            cancel,
            rate: (rate > 0).then_some(rate),
            through: Mutex::new(clock.now()),
            clock,
            files: AtomicU64::new(0),
            files_total: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            bytes_total: AtomicU64::new(0),
        }
    }

    /// Whether it should go on.
    pub(crate) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> Progress {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Progress {
            files: load(&self.files),
            files_total: load(&self.files_total),
            bytes: load(&self.bytes),
            bytes_total: load(&self.bytes_total),
        }
    }

    /// Says how much there is.
    pub(super) fn expect(&self, files: u64, bytes: u64) {
        self.files_total.store(files, Ordering::Relaxed);
        self.bytes_total.store(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that are dealt with.
    pub(super) fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts a file that is dealt with.
    pub(super) fn add_file(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until so many bytes may travel.
    ///
    /// # Errors
    /// `Cancelled` or `Deadline` when nobody waits any more.
    pub(super) async fn pace(&self, bytes: u64) -> Result<()> {
        self.cancel.check()?;
        let Some(rate) = self.rate else { return Ok(()) };
        let mut through = self.through.lock().await;
        let now = self.clock.now();
        let start = now.max(*through);
        #[expect(clippy::cast_precision_loss, reason = "a wait need not be exact")]
        let takes = Duration::from_secs_f64(bytes as f64 / rate as f64);
        *through = start + takes;
        drop(through);
        loop {
            let wait = start.saturating_duration_since(self.clock.now());
            if wait.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(wait.min(CANCEL_LATENCY)).await;
            self.cancel.check()?;
        }
    }
}
