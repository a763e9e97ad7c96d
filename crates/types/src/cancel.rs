//! How a running search learns that nobody waits for it any more.

use crate::{Clock, Error};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A deadline and a flag, looked at between blocks of work.
///
/// Clones share the flag: the server sets it when the client disconnects.
#[derive(Clone)]
pub struct Cancel {
    clock: Arc<dyn Clock>,
    deadline: Option<Instant>,
    cancelled: Arc<AtomicBool>,
    /// What this is a part of, if of anything.
    whole: Option<Arc<Self>>,
}

/// Why work stopped before it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// The request's deadline passed.
    #[error("the deadline passed before the answer was ready; allow more time or ask for less")]
    Deadline,
    /// The caller went away.
    #[error("the caller cancelled the request")]
    Cancelled,
}

impl Cancel {
    /// Work that must be done by `deadline`, if there is one.
    pub fn new(clock: Arc<dyn Clock>, deadline: Option<Instant>) -> Self {
        Self { clock, deadline, cancelled: Arc::default(), whole: None }
    }

    /// Work that nobody interrupts.
    pub fn never() -> Self {
        Self::new(Arc::new(crate::SystemClock), None)
    }

    /// Work that is a part of this: it stops with the whole, or alone.
    #[must_use]
    pub fn part(&self) -> Self {
        let clock = Arc::clone(&self.clock);
        Self { whole: Some(Arc::new(self.clone())), ..Self::new(clock, self.deadline) }
    }

    /// Asks the work to stop at its next check.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Says whether the work should go on; costs a clock read when there is a
    /// deadline, so it is called per block, not per row.
    ///
    /// # Errors
    /// [`Stopped`] once the flag is set or the deadline has passed.
    pub fn check(&self) -> Result<(), Stopped> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Stopped::Cancelled);
        }
        match self.deadline {
            Some(deadline) if self.clock.now() >= deadline => Err(Stopped::Deadline),
            Some(_) | None => self.whole.as_ref().map_or(Ok(()), |whole| whole.check()),
        }
    }

    /// The same, with a tenth of the time that is left, at most `most`, kept back for what
    /// comes after the work.
    pub fn keeping_back(&self, most: Duration) -> Self {
        let keep = |deadline: Instant| {
            let left = deadline.saturating_duration_since(self.clock.now());
            deadline - most.min(left / 10)
        };
        Self { deadline: self.deadline.map(keep), ..self.clone() }
    }

    /// The instant by which the work must be done.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancel")
            .field("deadline", &self.deadline)
            .field("stopped", &self.check().err())
            .finish_non_exhaustive()
    }
}

impl From<Stopped> for Error {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Deadline => Self::deadline(stopped.to_string()),
            Stopped::Cancelled => Self::cancelled(stopped.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestClock;

    #[test]
    fn a_part_of_the_time_is_kept_back_and_the_flag_is_shared() {
        let clock = Arc::new(TestClock::default());
        let ms = Duration::from_millis;
        let within = |time| Cancel::new(clock.clone(), Some(clock.now() + time));
        let kept = |time| {
            let cancel = within(time);
            cancel.keeping_back(ms(10)).deadline().expect("it has one") - clock.now()
        };
        assert_eq!(kept(ms(20)), ms(18), "a tenth");
        assert_eq!(kept(ms(1_000)), ms(990), "at most so much");
        assert_eq!(Cancel::never().keeping_back(ms(10)).deadline(), None);
        let cancel = within(ms(20));
        let early = cancel.keeping_back(ms(10));
        clock.advance(ms(19));
        assert_eq!((cancel.check(), early.check()), (Ok(()), Err(Stopped::Deadline)));
        cancel.cancel();
        assert_eq!(early.check(), Err(Stopped::Cancelled));
    }
}
