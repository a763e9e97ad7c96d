//! Block scans over 4-bit codes with AVX-512.
//!
//! The tricks are those of AVX2, with four groups in a register instead of two.
//! On Zen 4 this takes 0.92 (32 groups) to 0.97 (192 groups) of the time of the
//! 256-bit form, so the table has it.

use crate::kernels::Facts;
use std::arch::x86_64::*;

/// Groups summed in 16 bits; the four quarters of a register are added in 16
/// bits, too.
const STRETCH_GROUPS: usize = 256;
const _: () = assert!(STRETCH_GROUPS * 255 <= u16::MAX as usize, "sums fit 16 bits");

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(crate) fn fastscan(codes: &[u8], tables: &[u8], sums: &mut [u32; 32]) {
    let (codes, tables) = (codes.as_chunks::<64>().0, tables.as_chunks::<64>().0);
    let stretches = codes.chunks(STRETCH_GROUPS / 4).zip(tables.chunks(STRETCH_GROUPS / 4));
    let mut totals = [_mm512_setzero_si512(); 2];
    for (codes, tables) in stretches {
        let lanes = stretch(codes, tables);
        let low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(lanes));
        let high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(lanes));
        totals = [_mm512_add_epi32(totals[0], low), _mm512_add_epi32(totals[1], high)];
    }
    for (total, out) in totals.iter().zip(sums.as_chunks_mut::<16>().0) {
        // SAFETY: the chunk has room for sixteen sums; this store needs no alignment.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), *total) };
    }
}

/// The sums of all lanes over at most [`STRETCH_GROUPS`] groups.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn stretch(codes: &[[u8; 64]], tables: &[[u8; 64]]) -> __m512i {
    let nibble = _mm512_set1_epi8(15);
    let mut mixed = [_mm512_setzero_si512(); 2];
    let mut odd = [_mm512_setzero_si512(); 2];
    for (codes, table) in codes.iter().zip(tables) {
        // SAFETY: both arrays hold 64 bytes; this load needs no alignment.
        let (codes, table) = unsafe {
            (_mm512_loadu_si512(codes.as_ptr().cast()), _mm512_loadu_si512(table.as_ptr().cast()))
        };
        let low = _mm512_and_si512(codes, nibble);
        let high = _mm512_and_si512(_mm512_srli_epi16::<4>(codes), nibble);
        for (half, indexes) in [low, high].into_iter().enumerate() {
            let found = _mm512_shuffle_epi8(table, indexes);
            mixed[half] = _mm512_add_epi16(mixed[half], found);
            odd[half] = _mm512_add_epi16(odd[half], _mm512_srli_epi16::<8>(found));
        }
    }
    let even = [0, 1].map(|half| _mm512_sub_epi16(mixed[half], _mm512_slli_epi16::<8>(odd[half])));
    // Quarter by quarter: even and odd places of the low half, then of the high.
    let sums = fold(fold_pairs(even[0], odd[0]), fold_pairs(even[1], odd[1]));
    _mm512_permutexvar_epi16(ORDER, sums)
}

/// Adds the quarters of two registers in pairs: [a0 + a2, a1 + a3, b0 + b2, b1 + b3].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn fold_pairs(a: __m512i, b: __m512i) -> __m512i {
    _mm512_add_epi16(
        _mm512_shuffle_i32x4::<0b01_00_01_00>(a, b),
        _mm512_shuffle_i32x4::<0b11_10_11_10>(a, b),
    )
}

/// Adds neighbouring quarters: [a0 + a1, a2 + a3, b0 + b1, b2 + b3].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn fold(a: __m512i, b: __m512i) -> __m512i {
    _mm512_add_epi16(
        _mm512_shuffle_i32x4::<0b10_00_10_00>(a, b),
        _mm512_shuffle_i32x4::<0b11_01_11_01>(a, b),
    )
}

/// Where lane n's sum lies: even lanes in quarters 0 and 2, odd ones in 1 and 3.
const ORDER: __m512i = {
    let mut order = [0u16; 32];
    let mut lane = 0u16;
    while lane < 32 {
        order[lane as usize] = lane / 16 * 16 + lane % 2 * 8 + lane % 16 / 2;
        lane += 1;
    }
    // SAFETY: both types are 64 bytes and every value of them is valid.
    unsafe { std::mem::transmute::<[u16; 32], __m512i>(order) }
};

/// Sixteen lanes at a time; a comparison's mask is the answer.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(crate) fn least_keys(sums: &[u32; 32], facts: &Facts<'_>, keys: &mut [f32; 32]) -> u32 {
    let (base, bound) = (_mm512_set1_ps(facts.base), _mm512_set1_ps(facts.bound));
    let (step, offset) = (_mm512_set1_ps(facts.step), _mm512_set1_ps(facts.offset));
    let reach = _mm512_set1_ps(facts.reach);
    let mut passing = 0;
    for at in [0, 16] {
        // SAFETY: sixteen numbers lie behind `at` in each array of 32; these
        // loads need no alignment.
        let (sums, bias, scale, error) = unsafe {
            (
                _mm512_loadu_si512(sums.as_ptr().add(at).cast()),
                _mm512_loadu_ps(facts.biases.as_ptr().add(at)),
                _mm512_loadu_ps(facts.scales.as_ptr().add(at)),
                _mm512_loadu_ps(facts.errors.as_ptr().add(at)),
            )
        };
        let sum = _mm512_add_ps(_mm512_mul_ps(step, _mm512_cvtepi32_ps(sums)), offset);
        let near = _mm512_add_ps(_mm512_add_ps(base, bias), _mm512_mul_ps(scale, sum));
        let least = _mm512_sub_ps(near, _mm512_mul_ps(reach, error));
        passing |= u32::from(_mm512_cmp_ps_mask::<_CMP_LE_OQ>(least, bound)) << at;
        // SAFETY: sixteen floats lie behind `at`; this store needs no alignment.
        unsafe { _mm512_storeu_ps(keys.as_mut_ptr().add(at), least) };
    }
    passing
}

/// A mask includes a value in four of eight sums; the other eight are these and
/// the last value. On Zen 4, sixteen sums at once take 1.7 times as long.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(crate) fn subset_sums(values: &[f32], out: &mut [f32]) {
    const INCLUDED: [__mmask8; 3] = [0xaa, 0xcc, 0xf0];
    for (values, out) in values.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<16>().0) {
        let mut low = _mm256_setzero_ps();
        for (value, included) in values.iter().zip(INCLUDED) {
            low = _mm256_add_ps(low, _mm256_maskz_mov_ps(included, _mm256_set1_ps(*value)));
        }
        let high = _mm256_add_ps(low, _mm256_set1_ps(values[3]));
        // SAFETY: the chunk has room for sixteen floats; these stores need no alignment.
        unsafe {
            _mm256_storeu_ps(out.as_mut_ptr(), low);
            _mm256_storeu_ps(out.as_mut_ptr().add(8), high);
        }
    }
}
