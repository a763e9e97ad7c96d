//! Comparing quantised codes one by one with AVX-512.

use super::first;
use crate::scalar::codes as scalar;
use std::arch::x86_64::*;

/// Calls `step` with 64 bytes of both at a time, zeros behind the last.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn blocks(a: &[u8], b: &[u8], mut step: impl FnMut(__m512i, __m512i)) {
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<64>(), b.as_chunks::<64>());
    for (a, b) in a.iter().zip(b) {
        // SAFETY: both blocks hold 64 bytes; this load needs no alignment.
        let (a, b) = unsafe {
            (_mm512_loadu_si512(a.as_ptr().cast()), _mm512_loadu_si512(b.as_ptr().cast()))
        };
        step(a, b);
    }
    if !a_tail.is_empty() {
        let mask = first(a_tail.len());
        // SAFETY: the mask lets through only the bytes of the tails.
        let a = unsafe { _mm512_maskz_loadu_epi8(mask, a_tail.as_ptr().cast()) };
        // SAFETY: as above; the tails are equally long.
        let b = unsafe { _mm512_maskz_loadu_epi8(mask, b_tail.as_ptr().cast()) };
        step(a, b);
    }
}

/// Sums `step` over the low and the high nibbles.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn nibbles(a: &[u8], b: &[u8], step: impl Fn(__m512i, __m512i, __m512i) -> __m512i) -> f32 {
    let nibble = _mm512_set1_epi8(15);
    let (mut low, mut high) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    blocks(a, b, |a, b| {
        low = step(low, _mm512_and_si512(a, nibble), _mm512_and_si512(b, nibble));
        high = step(
            high,
            _mm512_and_si512(_mm512_srli_epi16::<4>(a), nibble),
            _mm512_and_si512(_mm512_srli_epi16::<4>(b), nibble),
        );
    });
    _mm512_reduce_add_epi32(_mm512_add_epi32(low, high)) as f32
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(super) fn l2_u4(a: &[u8], b: &[u8]) -> f32 {
    nibbles(a, b, |sum, a, b| {
        let difference = _mm512_abs_epi8(_mm512_sub_epi8(a, b));
        _mm512_dpbusd_epi32(sum, difference, difference)
    })
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(super) fn dot_u4(a: &[u8], b: &[u8]) -> f32 {
    nibbles(a, b, |sum, a, b| _mm512_dpbusd_epi32(sum, a, b))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(super) fn jaccard(a: &[u8], b: &[u8]) -> f32 {
    let (mut common, mut either) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    blocks(a, b, |a, b| {
        common = _mm512_add_epi64(common, _mm512_popcnt_epi64(_mm512_and_si512(a, b)));
        either = _mm512_add_epi64(either, _mm512_popcnt_epi64(_mm512_or_si512(a, b)));
    });
    scalar::jaccard_distance(total(common), total(either))
}

/// The sum of the lanes, each a number of bits in a vector.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn total(bits: __m512i) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "vectors have fewer than 2^32 bits")]
    #[expect(clippy::cast_sign_loss, reason = "a number of bits is not negative")]
    let total = _mm512_reduce_add_epi64(bits) as u32;
    total
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(super) fn bit_dot(planes: &[u8], code: &[u8]) -> u32 {
    if let (Ok(planes), Ok(code)) = (planes.try_into(), code.try_into()) {
        return short_bit_dot(planes, code);
    }
    let len = code.len();
    let mut sums = [_mm512_setzero_si512(); 4];
    for (weight, sum) in sums.iter_mut().enumerate() {
        blocks(&planes[weight * len..][..len], code, |plane, code| {
            *sum = _mm512_add_epi64(*sum, _mm512_popcnt_epi64(_mm512_and_si512(plane, code)));
        });
    }
    let low = _mm512_add_epi64(sums[0], _mm512_slli_epi64::<1>(sums[1]));
    let high = _mm512_add_epi64(sums[2], _mm512_slli_epi64::<1>(sums[3]));
    total(_mm512_add_epi64(low, _mm512_slli_epi64::<2>(high)))
}

/// The planes of 128 bits fill one register.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn short_bit_dot(planes: &[u8; 64], code: &[u8; 16]) -> u32 {
    // SAFETY: the arrays hold 64 and 16 bytes; these loads need no alignment.
    let (planes, code) = unsafe {
        (_mm512_loadu_si512(planes.as_ptr().cast()), _mm_loadu_si128(code.as_ptr().cast()))
    };
    let weights = _mm512_set_epi64(3, 3, 2, 2, 1, 1, 0, 0);
    let bits = _mm512_popcnt_epi64(_mm512_and_si512(planes, _mm512_broadcast_i32x4(code)));
    total(_mm512_sllv_epi64(bits, weights))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(super) fn bit_dot_rows(
    planes: &[u8],
    (records, record_bytes): (&[u8], usize),
    rows: &[u32],
    out: &mut [u32],
) {
    let len = planes.len() / 4;
    if len == 16 || len >= 64 {
        for (&row, out) in rows.iter().zip(out) {
            *out = bit_dot(planes, &records[row as usize * record_bytes..][..len]);
        }
        return;
    }
    let mask = first(len);
    // SAFETY: the mask lets through only the bytes of one plane.
    let plane = |at: usize| unsafe {
        _mm512_maskz_loadu_epi8(mask, planes[at * len..][..len].as_ptr().cast())
    };
    let planes = [plane(0), plane(1), plane(2), plane(3)];
    for (&row, out) in rows.iter().zip(out) {
        let code = &records[row as usize * record_bytes..][..len];
        // SAFETY: the mask lets through only the bytes of the code.
        let code = unsafe { _mm512_maskz_loadu_epi8(mask, code.as_ptr().cast()) };
        let bits = planes.map(|plane| _mm512_popcnt_epi64(_mm512_and_si512(plane, code)));
        let low = _mm512_add_epi64(bits[0], _mm512_slli_epi64::<1>(bits[1]));
        let high = _mm512_add_epi64(bits[2], _mm512_slli_epi64::<1>(bits[3]));
        *out = total(_mm512_add_epi64(low, _mm512_slli_epi64::<2>(high)));
    }
}
