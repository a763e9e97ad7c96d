//! What it takes until a search thread that sleeps has begun a task.

use super::MeasureError;
use super::sample::{Watch, middle};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use vicinal_exec::Pools;
use vicinal_types::Clock;

/// Tasks given.
const TASKS: usize = 48;

/// Long enough for a thread without work to go to sleep.
const PAUSE: Duration = Duration::from_micros(500);

/// A task that does not begin for so long never does: the pool has stopped.
const PATIENCE: Duration = Duration::from_secs(1);

/// Measures from giving a task to its beginning; the middle one of some.
pub(super) fn measure(
    watch: &Watch<'_>,
    clock: &Arc<dyn Clock>,
    pools: &Pools,
) -> Result<f64, MeasureError> {
    let mut took = Vec::with_capacity(TASKS);
    for _ in 0..TASKS {
        watch.cancel.check()?;
        std::thread::park_timeout(PAUSE);
        let (sender, receiver) = mpsc::sync_channel(1);
        let of_task = Arc::clone(clock);
        let given = clock.now();
        pools.spawn_search(move || {
            // Whoever waits may have lost patience.
            let _ = sender.send(of_task.now());
        });
        if let Ok(begun) = receiver.recv_timeout(PATIENCE) {
            took.push(begun.saturating_duration_since(given).as_secs_f64() * 1e9);
        }
    }
    match middle(&mut took) {
        nanos if nanos > 0.0 => Ok(nanos),
        _ => Err(MeasureError::Clock { what: "giving a task to the search threads" }),
    }
}
