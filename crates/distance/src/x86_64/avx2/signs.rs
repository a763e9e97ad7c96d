//! Signs of ways and estimates from them with AVX2.
//!
//! Eight elements at a time; a comparison's upper bits are the signs.

use crate::kernels::{Estimate, Way};
use std::arch::x86_64::*;

#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(crate) fn way(from: &[f32], to: &[f32], signs: &mut [u8]) -> Way {
    let flip = _mm256_set1_ps(-0.0);
    let mut sums = [_mm256_setzero_ps(); 4];
    let blocks = from.as_chunks::<8>().0.iter().zip(to.as_chunks::<8>().0);
    for ((from, to), signs) in blocks.zip(signs) {
        // SAFETY: both arrays hold eight floats; this load needs no alignment.
        let (from, to) = unsafe { (_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(to.as_ptr())) };
        let step = _mm256_sub_ps(to, from);
        let above = _mm256_cmp_ps::<_CMP_GT_OQ>(step, _mm256_setzero_ps());
        let negated = _mm256_xor_ps(from, flip);
        sums[0] = _mm256_fmadd_ps(step, step, sums[0]);
        sums[1] = _mm256_add_ps(sums[1], _mm256_andnot_ps(flip, step));
        sums[2] = _mm256_fmadd_ps(from, step, sums[2]);
        sums[3] = _mm256_add_ps(sums[3], _mm256_blendv_ps(negated, from, above));
        #[expect(clippy::cast_possible_truncation, reason = "eight lanes have eight signs")]
        let bits = _mm256_movemask_ps(above).cast_unsigned() as u8;
        *signs = bits;
    }
    let [squared, absolute, from_dot, signed_from] = sums.map(total);
    Way { squared, absolute, from_dot, signed_from }
}

#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(crate) fn estimates(
    sums: &[u32; 32],
    adds: &[f32; 32],
    factors: &[f32; 32],
    estimate: Estimate,
    keys: &mut [f32; 32],
) -> u32 {
    let (base, bound) = (_mm256_set1_ps(estimate.base), _mm256_set1_ps(estimate.bound));
    let (scale, shift) = (_mm256_set1_ps(estimate.scale), _mm256_set1_ps(estimate.shift));
    let mut below = 0;
    for at in (0..32).step_by(8) {
        // SAFETY: eight numbers lie behind `at` in each array of 32; these loads
        // need no alignment.
        let (sums, adds, factors) = unsafe {
            (
                _mm256_loadu_si256(sums.as_ptr().add(at).cast()),
                _mm256_loadu_ps(adds.as_ptr().add(at)),
                _mm256_loadu_ps(factors.as_ptr().add(at)),
            )
        };
        let signs = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), scale, shift);
        let near = _mm256_fmadd_ps(factors, signs, _mm256_add_ps(base, adds));
        let mask = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(near, bound));
        below |= mask.cast_unsigned() << at;
        // SAFETY: eight floats lie behind `at`; this store needs no alignment.
        unsafe { _mm256_storeu_ps(keys.as_mut_ptr().add(at), near) };
    }
    below
}

/// The sum of all lanes.
fn total(lanes: __m256) -> f32 {
    // SAFETY: both types are 32 bytes and every value of them is valid.
    let lanes = unsafe { std::mem::transmute::<__m256, [f32; 8]>(lanes) };
    lanes.iter().sum()
}
