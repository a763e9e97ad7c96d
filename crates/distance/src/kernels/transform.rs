//! Kernels that rotate, measure and round one vector.

use super::Kernels;

/// The longest vector that [`Kernels::rotate_fht`] takes.
const ROTATED_MAX: usize = 32_768;

impl Kernels {
    /// Rotates in place by the Walsh-Hadamard transform, unnormalised: lengths
    /// grow by the square root of the dimension. The same on every instruction
    /// set.
    ///
    /// # Panics
    /// If the number of values is not a power of two, or above 32,768.
    pub fn rotate_fht(&self, values: &mut [f32]) {
        let len = values.len();
        assert!(
            len.is_power_of_two() && len <= ROTATED_MAX,
            "{len} values are not a power of two up to {ROTATED_MAX}"
        );
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        unsafe { (self.rotate_fht)(values) }
    }

    /// Rounds (value - `lo`) · `scale` to the nearest of 0 to 255, halves to the
    /// even one; NaN becomes 0. The same on every instruction set.
    ///
    /// # Panics
    /// If `out` is not as long as `values`.
    pub fn quantise_u8(&self, values: &[f32], lo: f32, scale: f32, out: &mut [u8]) {
        assert_eq!(values.len(), out.len(), "each value has one level");
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        unsafe { (self.quantise_u8)(values, lo, scale, out) }
    }

    /// The smallest and the largest value; NaN counts as neither. Of no values
    /// they are infinity and minus infinity.
    pub fn min_max(&self, values: &[f32]) -> (f32, f32) {
        // SAFETY: the instruction set is present, by the invariant of `Kernels`.
        unsafe { (self.min_max)(values) }
    }
}
