//! Kernels over 1-bit codes: the signs of a way from one vector to another.

use super::Kernels;

/// What [`Kernels::way`] sums up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Way {
    /// The squared length of the way.
    pub squared: f32,
    /// The sum of its elements' magnitudes.
    pub absolute: f32,
    /// The inner product of the way and where it begins.
    pub from_dot: f32,
    /// The elements of where it begins, summed with the signs of the way.
    pub signed_from: f32,
}

/// What [`Kernels::estimates`] makes keys with.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    /// The key that all lanes begin with.
    pub base: f32,
    /// What a lane's sum is multiplied with.
    pub scale: f32,
    /// What is added to it then.
    pub shift: f32,
    /// Keys below this are counted in.
    pub bound: f32,
}

impl Kernels {
    /// Measures the way from one vector to another. Bit i of `signs` says that
    /// element i of the way is above zero.
    ///
    /// # Panics
    /// If the vectors differ in length, their length is not a multiple of 16, or
    /// `signs` has not one bit for each element.
    #[inline]
    pub fn way(&self, from: &[f32], to: &[f32], signs: &mut [u8]) -> Way {
        assert_eq!(from.len(), to.len(), "a way has two ends of one dimension");
        assert!(from.len().is_multiple_of(16), "elements come in sixteens");
        assert_eq!(signs.len(), from.len() / 8, "an element has one sign");
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        unsafe { (self.way)(from, to, signs) }
    }

    /// `keys[lane] = base + adds[lane] + factors[lane] · (scale · sums[lane] +
    /// shift)`; the bits of the answer are the lanes whose key is below `bound`.
    /// Sums must be below 2^31.
    #[inline]
    pub fn estimates(
        &self,
        sums: &[u32; 32],
        adds: &[f32; 32],
        factors: &[f32; 32],
        estimate: Estimate,
        keys: &mut [f32; 32],
    ) -> u32 {
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        unsafe { (self.estimates)(sums, adds, factors, estimate, keys) }
    }
}
