//! Comparing quantised codes one by one with AVX2.

use crate::scalar::codes as scalar;
use std::arch::x86_64::*;

/// Sums `step`, which makes sixteen sums of 16 bits from the low or the high
/// nibbles of 32 bytes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn nibbles(
    a: &[u8],
    b: &[u8],
    step: impl Fn(__m256i, __m256i) -> __m256i,
    tail: fn(&[u8], &[u8]) -> f32,
) -> f32 {
    let nibble = _mm256_set1_epi8(15);
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<32>(), b.as_chunks::<32>());
    let mut sum = _mm256_setzero_si256();
    for (a, b) in a.iter().zip(b) {
        // SAFETY: both blocks hold 32 bytes; this load needs no alignment.
        let (a, b) = unsafe {
            (_mm256_loadu_si256(a.as_ptr().cast()), _mm256_loadu_si256(b.as_ptr().cast()))
        };
        let low = step(_mm256_and_si256(a, nibble), _mm256_and_si256(b, nibble));
        let high = step(
            _mm256_and_si256(_mm256_srli_epi16::<4>(a), nibble),
            _mm256_and_si256(_mm256_srli_epi16::<4>(b), nibble),
        );
        // At most 4 · 15², so the additions in 16 bits fit.
        let both = _mm256_add_epi16(low, high);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(both, _mm256_set1_epi16(1)));
    }
    super::total(sum) as f32 + tail(a_tail, b_tail)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(super) fn l2_u4(a: &[u8], b: &[u8]) -> f32 {
    let step = |a, b| {
        let difference = _mm256_abs_epi8(_mm256_sub_epi8(a, b));
        _mm256_maddubs_epi16(difference, difference)
    };
    nibbles(a, b, step, scalar::l2_u4)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(super) fn dot_u4(a: &[u8], b: &[u8]) -> f32 {
    nibbles(a, b, |a, b| _mm256_maddubs_epi16(a, b), scalar::dot_u4)
}

/// Counts the bits of `join`ed bytes, eight at a time through the scalar
/// population count.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn bits(a: &[u8], b: &[u8], join: impl Fn(u64, u64) -> u64) -> u32 {
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sum = 0;
    for (a, b) in a.iter().zip(b) {
        sum += join(u64::from_le_bytes(*a), u64::from_le_bytes(*b)).count_ones();
    }
    for (a, b) in a_tail.iter().zip(b_tail) {
        sum += join(u64::from(*a), u64::from(*b)).count_ones();
    }
    sum
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(super) fn jaccard(a: &[u8], b: &[u8]) -> f32 {
    scalar::jaccard_distance(bits(a, b, |a, b| a & b), bits(a, b, |a, b| a | b))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(super) fn bit_dot(planes: &[u8], code: &[u8]) -> u32 {
    let plane = |weight: usize| &planes[weight * code.len()..][..code.len()];
    let sum = |weight| bits(plane(weight), code, |plane, code| plane & code) << weight;
    sum(0) + sum(1) + sum(2) + sum(3)
}

#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(super) fn bit_dot_rows(
    planes: &[u8],
    (records, record_bytes): (&[u8], usize),
    rows: &[u32],
    out: &mut [u32],
) {
    let len = planes.len() / 4;
    for (&row, out) in rows.iter().zip(out) {
        *out = bit_dot(planes, &records[row as usize * record_bytes..][..len]);
    }
}
