//! A query's lookup tables, and the sums over a block that they give.

use super::blocks::LANES;
use vicinal_distance::kernels;

/// The standard deviation of a rounding, in steps: the square root of 1/12.
pub(super) const QUERY_ERROR: f32 = 0.288_675_13;

/// FastScan tables of a query, used again by the next.
///
/// A code's sum is `step · (sum of its entries) + offset`, off by `rounding` in
/// the standard deviation and by `rounding_max` at most.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// The entries before they are rounded, 16 a group.
    pub(super) floats: Vec<f32>,
    entries: Vec<u8>,
    pub(crate) step: f32,
    pub(crate) offset: f32,
    pub(crate) rounding: f32,
    pub(crate) rounding_max: f32,
}

impl Tables {
    /// Rounds the floats of `groups` tables to bytes; the lowest entry, which a
    /// group's sum begins with. Groups are filled up to a multiple of four.
    pub(super) fn quantise(&mut self, groups: usize) -> f32 {
        let (lo, hi) = kernels().min_max(&self.floats);
        let step = (hi - lo) / 255.0;
        let (lo, step) = if step > 0.0 && step.is_finite() { (lo, step) } else { (0.0, 1.0) };
        self.entries.clear();
        self.entries.resize(groups.next_multiple_of(4) * 16, 0);
        let entries = &mut self.entries[..groups * 16];
        kernels().quantise_u8(&self.floats, lo, step.recip(), entries);
        self.step = step;
        lo
    }

    /// The sums of a block's rows, before `step` and `offset`. Codes of several
    /// bit planes are read plane by plane, the highest first.
    #[inline]
    pub(crate) fn sums(&self, codes: &[u8]) -> [u32; LANES] {
        let mut sums = [0; LANES];
        kernels().fastscan(&codes[..self.entries.len()], &self.entries, &mut sums);
        for plane in codes.chunks_exact(self.entries.len()).skip(1) {
            let mut lower = [0; LANES];
            kernels().fastscan(plane, &self.entries, &mut lower);
            for (sum, lower) in sums.iter_mut().zip(lower) {
                *sum = 2 * *sum + lower;
            }
        }
        sums
    }
}
