//! Signs of ways and estimates from them with AVX-512.
//!
//! Sixteen elements at a time; a comparison's mask is the signs.

use crate::kernels::{Estimate, Way};
use std::arch::x86_64::*;

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(crate) fn way(from: &[f32], to: &[f32], signs: &mut [u8]) -> Way {
    let mut sums = [_mm512_setzero_ps(); 4];
    let blocks = from.as_chunks::<16>().0.iter().zip(to.as_chunks::<16>().0);
    for ((from, to), signs) in blocks.zip(signs.as_chunks_mut::<2>().0) {
        // SAFETY: both arrays hold sixteen floats; this load needs no alignment.
        let (from, to) = unsafe { (_mm512_loadu_ps(from.as_ptr()), _mm512_loadu_ps(to.as_ptr())) };
        let step = _mm512_sub_ps(to, from);
        let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(step, _mm512_setzero_ps());
        sums[0] = _mm512_fmadd_ps(step, step, sums[0]);
        sums[1] = _mm512_add_ps(sums[1], _mm512_abs_ps(step));
        sums[2] = _mm512_fmadd_ps(from, step, sums[2]);
        let added = _mm512_add_ps(sums[3], from);
        sums[3] = _mm512_mask_sub_ps(added, !above, sums[3], from);
        *signs = above.to_le_bytes();
    }
    let [squared, absolute, from_dot, signed_from] = sums.map(|sum| _mm512_reduce_add_ps(sum));
    Way { squared, absolute, from_dot, signed_from }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(crate) fn estimates(
    sums: &[u32; 32],
    adds: &[f32; 32],
    factors: &[f32; 32],
    estimate: Estimate,
    keys: &mut [f32; 32],
) -> u32 {
    let (base, bound) = (_mm512_set1_ps(estimate.base), _mm512_set1_ps(estimate.bound));
    let (scale, shift) = (_mm512_set1_ps(estimate.scale), _mm512_set1_ps(estimate.shift));
    let mut below = 0;
    for at in [0, 16] {
        // SAFETY: sixteen numbers lie behind `at` in each array of 32; these
        // loads need no alignment.
        let (sums, adds, factors) = unsafe {
            (
                _mm512_loadu_si512(sums.as_ptr().add(at).cast()),
                _mm512_loadu_ps(adds.as_ptr().add(at)),
                _mm512_loadu_ps(factors.as_ptr().add(at)),
            )
        };
        let signs = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), scale, shift);
        let near = _mm512_fmadd_ps(factors, signs, _mm512_add_ps(base, adds));
        below |= u32::from(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(near, bound)) << at;
        // SAFETY: sixteen floats lie behind `at`; this store needs no alignment.
        unsafe { _mm512_storeu_ps(keys.as_mut_ptr().add(at), near) };
    }
    below
}
