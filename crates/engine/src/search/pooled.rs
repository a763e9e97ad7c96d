//! Which searches go to the search pools, and when it is their turn there.

use crate::engine::Engine;
use crate::request::{Collection, Done};
use std::ops::RangeInclusive;
use std::time::Duration;
use vicinal_exec::Permit;

/// A search that should take no longer than so many hand-offs to another thread runs where
/// it is asked for.
const INLINE_HAND_OFFS: f64 = 10.0;

/// Bounds of that time: below them the answer's way back to the caller costs more than
/// was measured, above them other requests wait too long for the thread.
const INLINE_NANOS: RangeInclusive<f64> = 500_000.0..=1_000_000.0;

/// What a search is let in as whose cost is known only when its filter is evaluated.
pub(super) const UNKNOWN_NANOS_MIN: u64 = 100_000;

impl Engine {
    /// What a search may take that runs where it is asked for.
    pub(super) fn inline_nanos_max(&self) -> u64 {
        inline_nanos_max(self.machine_profile().hand_off_nanos)
    }

    /// Has a search of a collection run on the pool, of a node if one is named, when it is
    /// its database's turn.
    pub(super) fn on_pool<T: 'static>(
        &self,
        (collection, nanos, node): (&Collection, u64, Option<usize>),
        done: Done<T>,
        run: impl FnOnce(Permit, Done<T>) + Send + 'static,
    ) {
        let admission = self.admission().clone();
        match admission.enter(&collection.database, Duration::from_nanos(nanos)) {
            Err(overloaded) => done(Err(overloaded.into())),
            Ok(permit) => {
                let node = node.unwrap_or_else(|| self.pools().next_node());
                admission.queue(node, permit, move |permit| run(permit, done));
                self.pools().spawn_search_on(node, move || admission.run_next(node));
            }
        }
    }
}

/// The same by what a hand-off takes.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a million at most, and positive"
)]
fn inline_nanos_max(hand_off_nanos: f64) -> u64 {
    let nanos = INLINE_HAND_OFFS * hand_off_nanos;
    nanos.clamp(*INLINE_NANOS.start(), *INLINE_NANOS.end()) as u64
}

/// Gives the permit back when there is an answer.
pub(super) fn with_permit<T: 'static>(permit: Permit, done: Done<T>) -> Done<T> {
    Box::new(move |answer| {
        drop(permit);
        done(answer);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_less_than_ten_hand_offs_runs_where_it_is_asked_for() {
        assert_eq!(inline_nanos_max(80_000.0), 800_000);
        assert_eq!(inline_nanos_max(1_000.0), 500_000, "the way back costs as well");
        assert_eq!(inline_nanos_max(9e9), 1_000_000, "others wait for the thread");
    }
}
