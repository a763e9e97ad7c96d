//! The thread that looks after what is due: segments to freeze, flushes, builds and
//! merges to queue, shards to open that could not be opened, expired rows, a log that grows too long, free disk space.

use crate::catalogue::Reopening;
use crate::expiry::Purges;
use crate::memory::Account;
use crate::options::{Compaction, EngineOptions};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use vicinal_types::{Error, Result};

/// Between two looks. Intervals of segments are whole seconds.
const PERIOD: Duration = Duration::from_millis(250);

/// The thread, and what it found last.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    available_bytes: AtomicU64,
    /// Guards whether to end. Rank: a leaf.
    is_stopping: Mutex<bool>,
    changed: Condvar,
}

impl Ticker {
    /// Starts the thread.
    ///
    /// # Errors
    /// `Exhausted` if the operating system gives no thread.
    pub(crate) fn start(account: Arc<Account>, options: &EngineOptions) -> Result<Self> {
        let shared = Arc::new(Shared {
            available_bytes: AtomicU64::new(u64::MAX),
            is_stopping: Mutex::new(false),
            changed: Condvar::new(),
        });
        shared.look_at_disk(options);
        let (of_thread, options) = (Arc::clone(&shared), options.clone());
        let builder = std::thread::Builder::new().name("ticker".into());
        let thread = builder.spawn(move || of_thread.run(&account, &options));
        let thread = thread.map_err(|error| {
            Error::exhausted("no thread could be started for the ticker").caused_by(error)
        })?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Free bytes on the data directory's disk, as of the last look.
    pub(crate) fn available_bytes(&self) -> u64 {
        self.shared.available_bytes.load(Ordering::Relaxed)
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        *self.shared.is_stopping.lock() = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the ticker ended with a panic");
        }
    }
}

impl Shared {
    fn run(&self, account: &Account, options: &EngineOptions) {
        let catalogue = &account.catalogue;
        let (mut purges, mut reopening) = (Purges::default(), Reopening::default());
        let mut is_stopping = self.is_stopping.lock();
        // Looked at before the first wait, too: the end may come before the start.
        while !*is_stopping {
            if !self.changed.wait_for(&mut is_stopping, PERIOD).timed_out() {
                continue;
            }
            MutexGuard::unlocked(&mut is_stopping, || {
                catalogue.shorten_log(options.log_max_bytes);
                for shard in catalogue.shards() {
                    if shard.freeze_if_due() {
                        shard.request_flush();
                    }
                    shard.request_builds();
                    shard.request_copies();
                    shard.request_growth();
                    shard.request_recall();
                    if options.compaction == Compaction::Automatic {
                        shard.request_merges(shard.writes());
                    }
                }
                let now = options.clock.now();
                catalogue.reopen(&mut reopening, now);
                purges.round(now, catalogue, &account.times, &account.node);
                account.round();
                self.look_at_disk(options);
            });
        }
    }

    /// A disk that cannot say what is free is not refused for that.
    fn look_at_disk(&self, options: &EngineOptions) {
        if let Ok(bytes) = options.disk.available_bytes(&options.directory) {
            self.available_bytes.store(bytes, Ordering::Relaxed);
        }
    }
}
