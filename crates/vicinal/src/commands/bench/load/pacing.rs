//! When the next query is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use vicinal_types::{Clock as _, SystemClock};

/// The most clients that may wait for a permit at the end.
const CLIENTS_MAX: usize = 4_096;

/// Hands out queries to the clients, at their own pace or at a fixed rate.
pub(in crate::commands::bench) struct Pacing {
    started: Instant,
    end: Instant,
    next: AtomicU64,
    rate: Option<Rate>,
}

/// Queries due at a fixed rate.
struct Rate {
    period: Duration,
    total: u64,
    /// One permit for every query that is due and not taken.
    due: Arc<Semaphore>,
}

impl Pacing {
    pub(in crate::commands::bench) fn start(
        started: Instant,
        lasts: Duration,
        per_second: Option<u32>,
    ) -> Self {
        let rate = per_second.map(|per_second| {
            let period = Duration::from_secs(1) / per_second;
            let total = lasts.as_nanos() / period.as_nanos().max(1);
            Rate {
                period,
                total: u64::try_from(total).unwrap_or(u64::MAX).max(1),
                due: Arc::new(Semaphore::new(0)),
            }
        });
        Self { started, end: started + lasts, next: AtomicU64::new(0), rate }
    }

    /// The number of the next query and the moment from which its latency
    /// counts; none at the end. Waits until it is due.
    pub(in crate::commands::bench) async fn next(&self) -> Option<(u64, Instant)> {
        let Some(rate) = &self.rate else {
            let now = SystemClock.now();
            return (now < self.end).then(|| (self.next.fetch_add(1, Ordering::Relaxed), now));
        };
        rate.due.acquire().await.ok()?.forget();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < rate.total).then(|| (number, self.started + rate.period.mul_f64(number as f64)))
    }

    /// Starts what makes queries due; at a client's own pace there is nothing.
    pub(in crate::commands::bench) fn pacer(&self) -> Option<JoinHandle<()>> {
        let rate = self.rate.as_ref()?;
        let (started, period, total) = (self.started, rate.period, rate.total);
        let due = Arc::clone(&rate.due);
        Some(tokio::task::spawn_blocking(move || pace(&due, started, period, total)))
    }
}

/// A thread of its own sleeps to within some 50 µs; the runtime's timer only to
/// a millisecond, which would be counted as latency.
fn pace(due: &Semaphore, started: Instant, period: Duration, total: u64) {
    let mut given = 0;
    while given < total {
        let elapsed = SystemClock.now().saturating_duration_since(started);
        let by_now = elapsed.as_nanos() / period.as_nanos().max(1) + 1;
        let by_now = u64::try_from(by_now).unwrap_or(u64::MAX).min(total);
        if by_now > given {
            due.add_permits(usize::try_from(by_now - given).unwrap_or(usize::MAX));
            given = by_now;
        }
        let next = started + period.mul_f64(given as f64);
        std::thread::park_timeout(next.saturating_duration_since(SystemClock.now()));
    }
    // One more for every client, so that each learns that this was the last.
    due.add_permits(CLIENTS_MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_query_of_a_rate_is_due_once_and_at_its_time() {
        let started = SystemClock.now();
        let pacing = Pacing::start(started, Duration::from_millis(20), Some(1_000));
        let pacer = pacing.pacer().expect("a rate has a pacer");
        let mut due = Vec::new();
        while let Some((number, moment)) = pacing.next().await {
            assert!(SystemClock.now() >= moment, "not before it is due");
            due.push((number, moment.duration_since(started)));
        }
        let expected: Vec<_> = (0..20).map(|at| (at, Duration::from_millis(at))).collect();
        assert_eq!(due, expected);
        pacer.await.expect("the pacer ends");
        assert!(pacing.next().await.is_none());
    }

    #[tokio::test]
    async fn a_closed_loop_ends_with_its_time() {
        let pacing = Pacing::start(SystemClock.now(), Duration::from_millis(5), None);
        assert!(pacing.pacer().is_none());
        let mut count = 0;
        while let Some((number, _)) = pacing.next().await {
            assert_eq!(number, count);
            count += 1;
        }
        assert!(count > 0);
    }
}
