//! Rotating, measuring and rounding one vector with AVX-512.

use super::first;
use crate::scalar::transform as scalar;
use std::arch::x86_64::*;

/// The first four steps stay within a register, the others are done two at a
/// time, so that the vector is read and written half as often.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(crate) fn rotate_fht(values: &mut [f32]) {
    let len = values.len();
    if len < 16 {
        return scalar::rotate_fht(values);
    }
    for block in values.as_chunks_mut::<16>().0 {
        within(block);
    }
    let mut half = 16;
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
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn within(block: &mut [f32; 16]) {
    // A place keeps its value or the value's negative and adds the other one.
    let one = _mm512_set1_ps(1.0);
    let keep = [0xaaaa, 0xcccc, 0xf0f0, 0xff00]
        .map(|negative| _mm512_mask_blend_ps(negative, one, _mm512_set1_ps(-1.0)));
    // SAFETY: the block holds sixteen floats; this load needs no alignment.
    let x = unsafe { _mm512_loadu_ps(block.as_ptr()) };
    let x = _mm512_fmadd_ps(x, keep[0], _mm512_permute_ps::<0b10_11_00_01>(x));
    let x = _mm512_fmadd_ps(x, keep[1], _mm512_permute_ps::<0b01_00_11_10>(x));
    let x = _mm512_fmadd_ps(x, keep[2], _mm512_shuffle_f32x4::<0b10_11_00_01>(x, x));
    let x = _mm512_fmadd_ps(x, keep[3], _mm512_shuffle_f32x4::<0b01_00_11_10>(x, x));
    // SAFETY: as for the load.
    unsafe { _mm512_storeu_ps(block.as_mut_ptr(), x) };
}

/// Two steps over the four quarters of a block, whose length is a multiple of 64.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn two_steps(block: &mut [f32]) {
    let quarter = block.len() / 4;
    let (low, high) = block.split_at_mut(2 * quarter);
    let ((a, b), (c, d)) = (low.split_at_mut(quarter), high.split_at_mut(quarter));
    let low = a.as_chunks_mut::<16>().0.iter_mut().zip(b.as_chunks_mut::<16>().0);
    let high = c.as_chunks_mut::<16>().0.iter_mut().zip(d.as_chunks_mut::<16>().0);
    for ((a, b), (c, d)) in low.zip(high) {
        // SAFETY: each array holds sixteen floats; these loads need no alignment.
        let (va, vb, vc, vd) = unsafe {
            (
                _mm512_loadu_ps(a.as_ptr()),
                _mm512_loadu_ps(b.as_ptr()),
                _mm512_loadu_ps(c.as_ptr()),
                _mm512_loadu_ps(d.as_ptr()),
            )
        };
        let (ab, a_b) = (_mm512_add_ps(va, vb), _mm512_sub_ps(va, vb));
        let (cd, c_d) = (_mm512_add_ps(vc, vd), _mm512_sub_ps(vc, vd));
        // SAFETY: as for the loads.
        unsafe {
            _mm512_storeu_ps(a.as_mut_ptr(), _mm512_add_ps(ab, cd));
            _mm512_storeu_ps(b.as_mut_ptr(), _mm512_add_ps(a_b, c_d));
            _mm512_storeu_ps(c.as_mut_ptr(), _mm512_sub_ps(ab, cd));
            _mm512_storeu_ps(d.as_mut_ptr(), _mm512_sub_ps(a_b, c_d));
        }
    }
}

/// The step over the two halves, whose length is a multiple of 16.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn last_step(values: &mut [f32]) {
    let (low, high) = values.split_at_mut(values.len() / 2);
    let (low, high) = (low.as_chunks_mut::<16>().0, high.as_chunks_mut::<16>().0);
    for (a, b) in low.iter_mut().zip(high) {
        // SAFETY: each array holds sixteen floats; these loads need no alignment.
        let (va, vb) = unsafe { (_mm512_loadu_ps(a.as_ptr()), _mm512_loadu_ps(b.as_ptr())) };
        // SAFETY: as for the loads.
        unsafe {
            _mm512_storeu_ps(a.as_mut_ptr(), _mm512_add_ps(va, vb));
            _mm512_storeu_ps(b.as_mut_ptr(), _mm512_sub_ps(va, vb));
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(crate) fn quantise_u8(values: &[f32], lo: f32, scale: f32, out: &mut [u8]) {
    let (lo, scale) = (_mm512_set1_ps(lo), _mm512_set1_ps(scale));
    let levels = |x: __m512| {
        let x = _mm512_mul_ps(_mm512_sub_ps(x, lo), scale);
        // Of a NaN and a number, the maximum is the second: NaN becomes zero.
        let x = _mm512_max_ps(x, _mm512_setzero_ps());
        _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_min_ps(x, _mm512_set1_ps(255.0))))
    };
    let ((blocks, tail), (out, out_tail)) = (values.as_chunks::<16>(), out.as_chunks_mut::<16>());
    for (block, out) in blocks.iter().zip(out) {
        // SAFETY: the block holds sixteen floats; this load needs no alignment.
        let x = levels(unsafe { _mm512_loadu_ps(block.as_ptr()) });
        // SAFETY: the chunk has room for sixteen bytes; this store needs no alignment.
        unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), x) };
    }
    if !tail.is_empty() {
        #[expect(clippy::cast_possible_truncation, reason = "a tail has fewer than 16 elements")]
        let mask = first(tail.len()) as __mmask16;
        // SAFETY: the mask lets through only the floats of the tail.
        let x = levels(unsafe { _mm512_maskz_loadu_ps(mask, tail.as_ptr()) });
        // SAFETY: the mask lets through as many bytes as the tail has elements,
        // and `out` is as long as `values`.
        unsafe { _mm_mask_storeu_epi8(out_tail.as_mut_ptr().cast(), mask, x) };
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(crate) fn min_max(values: &[f32]) -> (f32, f32) {
    let (blocks, tail) = values.as_chunks::<16>();
    let mut min = _mm512_set1_ps(f32::INFINITY);
    let mut max = _mm512_set1_ps(f32::NEG_INFINITY);
    for block in blocks {
        // SAFETY: the block holds sixteen floats; this load needs no alignment.
        let x = unsafe { _mm512_loadu_ps(block.as_ptr()) };
        // Of a NaN and a number, these give the second.
        (min, max) = (_mm512_min_ps(x, min), _mm512_max_ps(x, max));
    }
    let (tail_min, tail_max) = scalar::min_max(tail);
    (_mm512_reduce_min_ps(min).min(tail_min), _mm512_reduce_max_ps(max).max(tail_max))
}
