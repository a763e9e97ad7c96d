//! Signs of ways and estimates from them: the definition.

use crate::kernels::{Estimate, Way};

pub(crate) fn way(from: &[f32], to: &[f32], signs: &mut [u8]) -> Way {
    let mut way = Way::default();
    signs.fill(0);
    for (at, (&from, &to)) in from.iter().zip(to).enumerate() {
        let step = to - from;
        way.squared += step * step;
        way.absolute += step.abs();
        way.from_dot += from * step;
        way.signed_from += if step > 0.0 { from } else { -from };
        signs[at / 8] |= u8::from(step > 0.0) << (at % 8);
    }
    way
}

pub(crate) fn estimates(
    sums: &[u32; 32],
    adds: &[f32; 32],
    factors: &[f32; 32],
    estimate: Estimate,
    keys: &mut [f32; 32],
) -> u32 {
    let mut below = 0;
    for lane in 0..32 {
        let signs = sums[lane].cast_signed() as f32 * estimate.scale + estimate.shift;
        keys[lane] = estimate.base + adds[lane] + factors[lane] * signs;
        below |= u32::from(keys[lane] < estimate.bound) << lane;
    }
    below
}
