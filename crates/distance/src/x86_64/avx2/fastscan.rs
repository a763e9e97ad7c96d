//! Block scans over 4-bit codes with AVX2.
//!
//! Plainly: sums[lane] += table[code of the lane], group by group. Tricks:
//! (1) the table of a group is half a register and a byte shuffle looks up
//! sixteen lanes of it at once; two groups fill a register. (2) Bytes are summed
//! in 16-bit places without unpacking: adding the register as it is puts
//! even + 256 · odd (modulo 2^16) into a place, adding it shifted right by eight
//! puts odd there, and one subtraction at the end tells them apart. (3) A place
//! sees at most 256 groups of at most 255, which fits; then it is widened.

use crate::kernels::Facts;
use std::arch::x86_64::*;

/// Groups summed in 16 bits.
const STRETCH_GROUPS: usize = 256;
const _: () = assert!(STRETCH_GROUPS * 255 <= u16::MAX as usize, "sums fit 16 bits");

#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(crate) fn fastscan(codes: &[u8], tables: &[u8], sums: &mut [u32; 32]) {
    let (codes, tables) = (codes.as_chunks::<32>().0, tables.as_chunks::<32>().0);
    let stretches = codes.chunks(STRETCH_GROUPS / 2).zip(tables.chunks(STRETCH_GROUPS / 2));
    let mut totals = [_mm256_setzero_si256(); 4];
    for (codes, tables) in stretches {
        let [low, high] = stretch(codes, tables);
        for (total, part) in totals.iter_mut().zip([
            _mm256_castsi256_si128(low),
            _mm256_extracti128_si256::<1>(low),
            _mm256_castsi256_si128(high),
            _mm256_extracti128_si256::<1>(high),
        ]) {
            *total = _mm256_add_epi32(*total, _mm256_cvtepu16_epi32(part));
        }
    }
    for (total, out) in totals.iter().zip(sums.as_chunks_mut::<8>().0) {
        // SAFETY: the chunk has room for eight sums; this store needs no alignment.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), *total) };
    }
}

/// The sums of lanes 0 to 15 and of lanes 16 to 31 over at most
/// [`STRETCH_GROUPS`] groups.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn stretch(codes: &[[u8; 32]], tables: &[[u8; 32]]) -> [__m256i; 2] {
    let nibble = _mm256_set1_epi8(15);
    let mut mixed = [_mm256_setzero_si256(); 2];
    let mut odd = [_mm256_setzero_si256(); 2];
    for (codes, table) in codes.iter().zip(tables) {
        // SAFETY: both arrays hold 32 bytes; this load needs no alignment.
        let (codes, table) = unsafe {
            (_mm256_loadu_si256(codes.as_ptr().cast()), _mm256_loadu_si256(table.as_ptr().cast()))
        };
        let low = _mm256_and_si256(codes, nibble);
        let high = _mm256_and_si256(_mm256_srli_epi16::<4>(codes), nibble);
        for (half, indexes) in [low, high].into_iter().enumerate() {
            let found = _mm256_shuffle_epi8(table, indexes);
            mixed[half] = _mm256_add_epi16(mixed[half], found);
            odd[half] = _mm256_add_epi16(odd[half], _mm256_srli_epi16::<8>(found));
        }
    }
    let mut lanes = [_mm256_setzero_si256(); 2];
    for half in 0..2 {
        let even = _mm256_sub_epi16(mixed[half], _mm256_slli_epi16::<8>(odd[half]));
        let fold = |sums: __m256i| {
            _mm_add_epi16(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums))
        };
        let (even, odd) = (fold(even), fold(odd[half]));
        lanes[half] =
            _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd));
    }
    lanes
}

/// Eight lanes at a time; a comparison's upper bits are the mask.
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(crate) fn least_keys(sums: &[u32; 32], facts: &Facts<'_>, keys: &mut [f32; 32]) -> u32 {
    let (base, bound) = (_mm256_set1_ps(facts.base), _mm256_set1_ps(facts.bound));
    let (step, offset) = (_mm256_set1_ps(facts.step), _mm256_set1_ps(facts.offset));
    let reach = _mm256_set1_ps(facts.reach);
    let mut passing = 0;
    for at in (0..32).step_by(8) {
        // SAFETY: eight numbers lie behind `at` in each array of 32; these loads
        // need no alignment.
        let (sums, bias, scale, error) = unsafe {
            (
                _mm256_loadu_si256(sums.as_ptr().add(at).cast()),
                _mm256_loadu_ps(facts.biases.as_ptr().add(at)),
                _mm256_loadu_ps(facts.scales.as_ptr().add(at)),
                _mm256_loadu_ps(facts.errors.as_ptr().add(at)),
            )
        };
        let sum = _mm256_add_ps(_mm256_mul_ps(step, _mm256_cvtepi32_ps(sums)), offset);
        let near = _mm256_add_ps(_mm256_add_ps(base, bias), _mm256_mul_ps(scale, sum));
        let least = _mm256_sub_ps(near, _mm256_mul_ps(reach, error));
        let mask = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LE_OQ>(least, bound));
        passing |= mask.cast_unsigned() << at;
        // SAFETY: eight floats lie behind `at`; this store needs no alignment.
        unsafe { _mm256_storeu_ps(keys.as_mut_ptr().add(at), least) };
    }
    passing
}

#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(crate) fn subset_sums(values: &[f32], out: &mut [f32]) {
    let including = |bit: i32| {
        let lanes = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
        let bit = _mm256_set1_epi32(1 << bit);
        _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(lanes, bit), bit))
    };
    let masks = [including(0), including(1), including(2)];
    for (values, out) in values.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<16>().0) {
        let mut low = _mm256_setzero_ps();
        for (value, mask) in values.iter().zip(masks) {
            low = _mm256_add_ps(low, _mm256_and_ps(_mm256_set1_ps(*value), mask));
        }
        let high = _mm256_add_ps(low, _mm256_set1_ps(values[3]));
        // SAFETY: the chunk has room for sixteen floats; these stores need no alignment.
        unsafe {
            _mm256_storeu_ps(out.as_mut_ptr(), low);
            _mm256_storeu_ps(out.as_mut_ptr().add(8), high);
        }
    }
}
