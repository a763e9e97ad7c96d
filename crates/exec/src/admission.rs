//! How many requests may be at work at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use vicinal_types::Error;

/// Lets a bounded number of requests in; clones share the bound.
#[derive(Clone, Debug)]
pub struct Admission {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    limit: usize,
    admitted: AtomicUsize,
}

/// A place among the admitted, given back when dropped.
#[derive(Debug)]
pub struct Permit {
    inner: Arc<Inner>,
}

/// No place is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} searches are waiting or running, which is the limit; retry later")]
pub struct Full {
    /// How many may be admitted at once.
    pub limit: usize,
}

impl Admission {
    /// Admits at most `waiting_max` requests at once, running ones included.
    pub fn new(waiting_max: usize) -> Self {
        let inner = Inner { limit: waiting_max, admitted: AtomicUsize::new(0) };
        Self { inner: Arc::new(inner) }
    }

    /// Takes a place, which is held as long as the permit; never waits.
    ///
    /// # Errors
    /// [`Full`] if all places are taken.
    pub fn enter(&self) -> Result<Permit, Full> {
        let limit = self.inner.limit;
        let one_more = |admitted| (admitted < limit).then_some(admitted + 1);
        let (set, fetch) = (Ordering::AcqRel, Ordering::Acquire);
        match self.inner.admitted.fetch_update(set, fetch, one_more) {
            Ok(_) => Ok(Permit { inner: Arc::clone(&self.inner) }),
            Err(_) => Err(Full { limit }),
        }
    }

    /// Requests admitted now.
    pub fn admitted(&self) -> usize {
        self.inner.admitted.load(Ordering::Acquire)
    }

    /// How many may be admitted at once.
    pub fn limit(&self) -> usize {
        self.inner.limit
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.inner.admitted.fetch_sub(1, Ordering::AcqRel);
    }
}

impl From<Full> for Error {
    fn from(full: Full) -> Self {
        Self::exhausted(full.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_permit_is_dropped() {
        let admission = Admission::new(2);
        let first = admission.enter().expect("two places");
        let second = admission.clone().enter().expect("two places");
        assert_eq!(admission.enter().expect_err("no third"), Full { limit: 2 });
        assert_eq!(admission.admitted(), 2);
        drop(first);
        let third = admission.enter().expect("one is free again");
        drop((second, third));
        assert_eq!(admission.admitted(), 0);
    }

    #[test]
    fn racing_threads_never_pass_the_limit() {
        let admission = Admission::new(3);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let permit = admission.enter();
                        assert!(admission.admitted() <= 3);
                        drop(permit);
                    }
                });
            }
        });
        assert_eq!(admission.admitted(), 0);
    }
}
