//! Kernels over sorted numbers, and the smallest of many.

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

    /// Says which keys are at most `bound`: bit i of `words`, 64 bits a word, is
    /// about `keys[i]`; bits behind the last key are zeros.
    ///
    /// # Panics
    /// If `words` has not 64 bits for every 64 keys, the last ones included.
    #[inline]
    pub fn at_most(&self, keys: &[f32], bound: f32, words: &mut [u64]) {
        assert_eq!(words.len(), keys.len().div_ceil(64), "each key has one bit");
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        unsafe { (self.at_most)(keys, bound, words) }
    }
}
