//! Memory of the texts that groups have as keys or figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vicinal_types::{Error, Result};

/// Bytes of texts that one search or aggregation copied, counted for the node as long as
/// it lives.
#[derive(Debug)]
pub(crate) struct GroupTexts {
    /// Those of all.
    of_node: Arc<AtomicU64>,
    held: AtomicU64,
    max: usize,
}

impl GroupTexts {
    /// None yet, and at most `max`.
    pub(crate) fn new(of_node: Arc<AtomicU64>, max: usize) -> Self {
        Self { of_node, held: AtomicU64::new(0), max }
    }

    /// Others of the same node, of which there may be as many again.
    pub(crate) fn others(&self, max: usize) -> Self {
        Self::new(Arc::clone(&self.of_node), max)
    }

    /// Holds more of them; refused before they are copied.
    ///
    /// # Errors
    /// `Invalid` naming the limit.
    pub(crate) fn hold(&self, bytes: usize) -> Result<()> {
        let more = bytes as u64;
        if self.held.load(Ordering::Relaxed).saturating_add(more) > self.max as u64 {
            return Err(Error::invalid(format!(
                "the texts of the groups are more than the limit of {} bytes; filter, ask for fewer groups, or group by a column with fewer or shorter values",
                self.max
            )));
        }
        self.held.fetch_add(more, Ordering::Relaxed);
        self.of_node.fetch_add(more, Ordering::Relaxed);
        Ok(())
    }

    /// Lets all of them go and holds these.
    ///
    /// # Errors
    /// Those of [`hold`](Self::hold).
    pub(crate) fn replace(&mut self, bytes: usize) -> Result<()> {
        self.of_node.fetch_sub(std::mem::take(self.held.get_mut()), Ordering::Relaxed);
        self.hold(bytes)
    }
}

impl Drop for GroupTexts {
    fn drop(&mut self) {
        self.of_node.fetch_sub(*self.held.get_mut(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_counted_up_to_the_limit_and_given_back() {
        let node = Arc::new(AtomicU64::new(0));
        let count = || node.load(Ordering::Relaxed);
        let mut one = GroupTexts::new(Arc::clone(&node), 100);
        one.hold(60).expect("below the limit");
        let error = one.hold(41).expect_err("beyond it").to_string();
        assert!(error.contains("the limit of 100 bytes"), "{error}");
        one.hold(40).expect("the limit itself");
        let other = one.others(10);
        other.hold(10).expect("a limit of its own");
        assert_eq!(count(), 110);
        one.replace(30).expect("in place of all");
        assert_eq!(count(), 40);
        one.replace(101).expect_err("beyond it");
        assert_eq!(count(), 10);
        drop((one, other));
        assert_eq!(count(), 0);
    }
}
