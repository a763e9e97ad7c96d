//! Kernels over sorted numbers.

use super::Kernels;

impl Kernels {
    /// Puts `number` where it belongs among the ascending `numbers`; the last one
    /// falls off. Says where it is now: behind all that are not above it.
    ///
    /// # Panics
    /// If there are no numbers.
    #[inline]
    pub fn insert_sorted(&self, numbers: &mut [u64], number: u64) -> usize {
        assert!(!numbers.is_empty(), "a number needs a place");
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        unsafe { (self.insert_sorted)(numbers, number) }
    }
}
