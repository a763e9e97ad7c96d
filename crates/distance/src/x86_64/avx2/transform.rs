//! Rotating, measuring and rounding one vector with AVX2.

use crate::scalar::transform as scalar;
use std::arch::x86_64::*;

/// The first three steps stay within a register, the others are done two at a
/// time, so that the vector is read and written half as often.
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(crate) fn rotate_fht(values: &mut [f32]) {
    let len = values.len();
    if len < 8 {
        return scalar::rotate_fht(values);
    }
    for block in values.as_chunks_mut::<8>().0 {
        within(block);
    }
    let mut half = 8;
    while 4 * half <= len {
        for block in values.chunks_exact_mut(4 * half) {
            two_steps(block);
        }
        half *= 4;
    }
    if half < len {
        last_step(values);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn within(block: &mut [f32; 8]) {
    // A place keeps its value or the value's negative and adds the other one.
    let keep = [
        _mm256_set_ps(-1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0),
        _mm256_set_ps(-1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0, 1.0),
        _mm256_set_ps(-1.0, -1.0, -1.0, -1.0, 1.0, 1.0, 1.0, 1.0),
    ];
    // SAFETY: the block holds eight floats; this load needs no alignment.
    let x = unsafe { _mm256_loadu_ps(block.as_ptr()) };
    let x = _mm256_fmadd_ps(x, keep[0], _mm256_permute_ps::<0b10_11_00_01>(x));
    let x = _mm256_fmadd_ps(x, keep[1], _mm256_permute_ps::<0b01_00_11_10>(x));
    let x = _mm256_fmadd_ps(x, keep[2], _mm256_permute2f128_ps::<1>(x, x));
    // SAFETY: as for the load.
    unsafe { _mm256_storeu_ps(block.as_mut_ptr(), x) };
}

/// Two steps over the four quarters of a block, whose length is a multiple of 32.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn two_steps(block: &mut [f32]) {
    let quarter = block.len() / 4;
    let (low, high) = block.split_at_mut(2 * quarter);
    let ((a, b), (c, d)) = (low.split_at_mut(quarter), high.split_at_mut(quarter));
    let low = a.as_chunks_mut::<8>().0.iter_mut().zip(b.as_chunks_mut::<8>().0);
    let high = c.as_chunks_mut::<8>().0.iter_mut().zip(d.as_chunks_mut::<8>().0);
    for ((a, b), (c, d)) in low.zip(high) {
        // SAFETY: each array holds eight floats; these loads need no alignment.
        let (va, vb, vc, vd) = unsafe {
            (
                _mm256_loadu_ps(a.as_ptr()),
                _mm256_loadu_ps(b.as_ptr()),
                _mm256_loadu_ps(c.as_ptr()),
                _mm256_loadu_ps(d.as_ptr()),
            )
        };
        let (ab, a_b) = (_mm256_add_ps(va, vb), _mm256_sub_ps(va, vb));
        let (cd, c_d) = (_mm256_add_ps(vc, vd), _mm256_sub_ps(vc, vd));
        // SAFETY: as for the loads.
        unsafe {
            _mm256_storeu_ps(a.as_mut_ptr(), _mm256_add_ps(ab, cd));
            _mm256_storeu_ps(b.as_mut_ptr(), _mm256_add_ps(a_b, c_d));
            _mm256_storeu_ps(c.as_mut_ptr(), _mm256_sub_ps(ab, cd));
            _mm256_storeu_ps(d.as_mut_ptr(), _mm256_sub_ps(a_b, c_d));
        }
    }
}

/// The step over the two halves, whose length is a multiple of 8.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn last_step(values: &mut [f32]) {
    let (low, high) = values.split_at_mut(values.len() / 2);
    let (low, high) = (low.as_chunks_mut::<8>().0, high.as_chunks_mut::<8>().0);
    for (a, b) in low.iter_mut().zip(high) {
        // SAFETY: each array holds eight floats; these loads need no alignment.
        let (va, vb) = unsafe { (_mm256_loadu_ps(a.as_ptr()), _mm256_loadu_ps(b.as_ptr())) };
        // SAFETY: as for the loads.
        unsafe {
            _mm256_storeu_ps(a.as_mut_ptr(), _mm256_add_ps(va, vb));
            _mm256_storeu_ps(b.as_mut_ptr(), _mm256_sub_ps(va, vb));
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(crate) fn quantise_u8(values: &[f32], lo: f32, scale: f32, out: &mut [u8]) {
    let (v_lo, v_scale) = (_mm256_set1_ps(lo), _mm256_set1_ps(scale));
    let ((blocks, tail), (out, out_tail)) = (values.as_chunks::<8>(), out.as_chunks_mut::<8>());
    for (block, out) in blocks.iter().zip(out) {
        // SAFETY: the block holds eight floats; this load needs no alignment.
        let x = unsafe { _mm256_loadu_ps(block.as_ptr()) };
        let x = _mm256_mul_ps(_mm256_sub_ps(x, v_lo), v_scale);
        // Of a NaN and a number, the maximum is the second: NaN becomes zero.
        let x = _mm256_max_ps(x, _mm256_setzero_ps());
        let x = _mm256_cvtps_epi32(_mm256_min_ps(x, _mm256_set1_ps(255.0)));
        let x = _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x));
        *out = _mm_cvtsi128_si64(_mm_packus_epi16(x, x)).to_le_bytes();
    }
    scalar::quantise_u8(tail, lo, scale, out_tail);
}

#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(crate) fn min_max(values: &[f32]) -> (f32, f32) {
    let (blocks, tail) = values.as_chunks::<8>();
    let mut min = _mm256_set1_ps(f32::INFINITY);
    let mut max = _mm256_set1_ps(f32::NEG_INFINITY);
    for block in blocks {
        // SAFETY: the block holds eight floats; this load needs no alignment.
        let x = unsafe { _mm256_loadu_ps(block.as_ptr()) };
        // Of a NaN and a number, these give the second.
        (min, max) = (_mm256_min_ps(x, min), _mm256_max_ps(x, max));
    }
    let (mut lows, mut highs) = ([0.0; 8], [0.0; 8]);
    // SAFETY: each array has room for eight floats; these stores need no alignment.
    unsafe {
        _mm256_storeu_ps(lows.as_mut_ptr(), min);
        _mm256_storeu_ps(highs.as_mut_ptr(), max);
    }
    let (min, max) = scalar::min_max(tail);
    (lows.into_iter().fold(min, f32::min), highs.into_iter().fold(max, f32::max))
}
