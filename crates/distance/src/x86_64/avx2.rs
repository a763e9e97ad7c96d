//! Kernels for x86-64 with AVX2, FMA, F16C and POPCNT.
//!
//! Plainly: sum += (a[i] - b[i])², or sum += a[i] · b[i]. Tricks: (1) eight
//! floats or sixteen bytes at a time, (2) fused multiply-add for floats,
//! multiply-and-add-pairs for integers widened to 16 bits, (3) four sums at
//! once, because an addition takes four cycles, (4) the tail goes to the scalar
//! kernel.

mod codes;
mod fastscan;
mod order;
mod signs;
mod tiles;
mod transform;

use crate::kernels::{Isa, Kernel, Kernels, ROWS_AHEAD};
use crate::prefetch::prefetch;
use crate::scalar;
use std::arch::x86_64::*;

pub(crate) static KERNELS: Kernels = Kernels {
    isa: Isa::Avx2,
    l2_f32: kernel!(l2_f32, Some(&tiles::L2_F32)),
    dot_f32: kernel!(dot_f32, Some(&tiles::DOT_F32)),
    l2_f16: kernel!(l2_f16, Some(&tiles::L2_F16)),
    dot_f16: kernel!(dot_f16, Some(&tiles::DOT_F16)),
    l2_bf16: kernel!(l2_bf16, Some(&tiles::L2_BF16)),
    dot_bf16: kernel!(dot_bf16, Some(&tiles::DOT_BF16)),
    l2_i8: kernel!(l2_i8, Some(&tiles::L2_I8)),
    dot_i8: kernel!(dot_i8, Some(&tiles::DOT_I8)),
    l2_u8: kernel!(l2_u8, Some(&tiles::L2_U8)),
    dot_u8: kernel!(dot_u8, Some(&tiles::DOT_U8)),
    hamming: kernel!(hamming, None),
    jaccard: kernel!(codes::jaccard, None),
    l2_u4: kernel!(codes::l2_u4, None),
    dot_u4: kernel!(codes::dot_u4, None),
    bit_dot: codes::bit_dot,
    bit_dot_rows: codes::bit_dot_rows,
    table_sum: scalar::codes::table_sum,
    table_sum_rows: scalar::codes::table_sum_rows,
    fastscan: fastscan::fastscan,
    least_keys: fastscan::least_keys,
    subset_sums: fastscan::subset_sums,
    rotate_fht: transform::rotate_fht,
    quantise_u8: transform::quantise_u8,
    min_max: transform::min_max,
    way: signs::way,
    estimates: signs::estimates,
    insert_sorted: order::insert_sorted,
    at_most: order::at_most,
};

pub(crate) fn is_detected() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("popcnt")
}

/// All call shapes of a pair kernel, the loops over rows compiled with it.
macro_rules! kernel {
    ($pair:path, $tiles:expr) => {{
        #[target_feature(enable = "avx2,fma,f16c,popcnt")]
        fn rows(query: &[u8], rows: &[u8], out: &mut [f32]) {
            for (row, key) in rows.chunks_exact(query.len()).zip(out) {
                *key = $pair(query, row);
            }
        }

        #[target_feature(enable = "avx2,fma,f16c,popcnt")]
        fn scattered(query: &[u8], rows: &[u8], at: &[u32], out: &mut [f32]) {
            let len = query.len();
            let row = |row: &u32| &rows[*row as usize * len..][..len];
            at.iter().take(ROWS_AHEAD).for_each(|at| prefetch(row(at)));
            for (first, (at_row, key)) in at.iter().zip(out).enumerate() {
                if let Some(ahead) = at.get(first + ROWS_AHEAD) {
                    prefetch(row(ahead));
                }
                *key = $pair(query, row(at_row));
            }
        }
        Kernel { pair: $pair, rows, scattered, tiles: $tiles }
    }};
}
use kernel;

/// Sums `step` over blocks of eight elements of `BYTES` bytes in all.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn floats<const BYTES: usize>(
    a: &[u8],
    b: &[u8],
    load: impl Fn(&[u8; BYTES]) -> __m256,
    step: impl Fn(__m256, __m256, __m256) -> __m256,
    scalar: fn(&[u8], &[u8]) -> f32,
) -> f32 {
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<BYTES>(), b.as_chunks::<BYTES>());
    let ((a_quads, a_rest), (b_quads, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sums = [_mm256_setzero_ps(); 4];
    for (a, b) in a_quads.iter().zip(b_quads) {
        for lane in 0..4 {
            sums[lane] = step(sums[lane], load(&a[lane]), load(&b[lane]));
        }
    }
    for (a, b) in a_rest.iter().zip(b_rest) {
        sums[0] = step(sums[0], load(a), load(b));
    }
    let sum = _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
    let sum = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps::<1>(sum));
    let sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    let sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
    let blocks = _mm_cvtss_f32(sum);
    if a_tail.is_empty() { blocks } else { blocks + scalar(a_tail, b_tail) }
}

/// Sums `step` over blocks of sixteen bytes widened to 16 bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn integers(
    a: &[u8],
    b: &[u8],
    widen: impl Fn(__m128i) -> __m256i,
    step: impl Fn(__m256i, __m256i) -> __m256i,
    tail: impl Fn(u8, u8) -> i32,
) -> f32 {
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let ((a_pairs, a_rest), (b_pairs, b_rest)) = (a.as_chunks::<2>(), b.as_chunks::<2>());
    let load = |block: &[u8; 16]| widen(load_bytes(block));
    let mut sums = [_mm256_setzero_si256(); 2];
    for (a, b) in a_pairs.iter().zip(b_pairs) {
        for lane in 0..2 {
            sums[lane] = _mm256_add_epi32(sums[lane], step(load(&a[lane]), load(&b[lane])));
        }
    }
    for (a, b) in a_rest.iter().zip(b_rest) {
        sums[0] = _mm256_add_epi32(sums[0], step(load(a), load(b)));
    }
    let sum = total(_mm256_add_epi32(sums[0], sums[1]));
    let rest: i32 = a_tail.iter().zip(b_tail).map(|(&a, &b)| tail(a, b)).sum();
    (sum + rest) as f32
}

/// The sum of eight sums.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn total(sums: __m256i) -> i32 {
    let sum = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b00_00_11_10>(sum));
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b00_00_00_01>(sum));
    _mm_cvtsi128_si32(sum)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn load_bytes(block: &[u8; 16]) -> __m128i {
    // SAFETY: the block holds sixteen bytes; this load needs no alignment.
    unsafe { _mm_loadu_si128(block.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn load_f32(block: &[u8; 32]) -> __m256 {
    // SAFETY: the block holds eight floats; this load needs no alignment.
    unsafe { _mm256_loadu_ps(block.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn load_f16(block: &[u8; 16]) -> __m256 {
    // SAFETY: the block holds eight halves; this load needs no alignment.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(block.as_ptr().cast()) })
}

/// A bfloat16 is the upper half of a binary32.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn load_bf16(block: &[u8; 16]) -> __m256 {
    // SAFETY: the block holds eight bfloat16; this load needs no alignment.
    let halves = unsafe { _mm_loadu_si128(block.as_ptr().cast()) };
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves)))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn l2_step(sum: __m256, a: __m256, b: __m256) -> __m256 {
    let difference = _mm256_sub_ps(a, b);
    _mm256_fmadd_ps(difference, difference, sum)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn l2_step_integer(a: __m256i, b: __m256i) -> __m256i {
    let difference = _mm256_sub_epi16(a, b);
    _mm256_madd_epi16(difference, difference)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn l2_f32(a: &[u8], b: &[u8]) -> f32 {
    floats(a, b, |block| load_f32(block), |sum, a, b| l2_step(sum, a, b), scalar::l2_f32)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn dot_f32(a: &[u8], b: &[u8]) -> f32 {
    floats(a, b, |block| load_f32(block), |sum, a, b| _mm256_fmadd_ps(a, b, sum), scalar::dot_f32)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn l2_f16(a: &[u8], b: &[u8]) -> f32 {
    floats(a, b, |block| load_f16(block), |sum, a, b| l2_step(sum, a, b), scalar::l2_f16)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn dot_f16(a: &[u8], b: &[u8]) -> f32 {
    floats(a, b, |block| load_f16(block), |sum, a, b| _mm256_fmadd_ps(a, b, sum), scalar::dot_f16)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn l2_bf16(a: &[u8], b: &[u8]) -> f32 {
    floats(a, b, |block| load_bf16(block), |sum, a, b| l2_step(sum, a, b), scalar::l2_bf16)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn dot_bf16(a: &[u8], b: &[u8]) -> f32 {
    floats(a, b, |block| load_bf16(block), |sum, a, b| _mm256_fmadd_ps(a, b, sum), scalar::dot_bf16)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn l2_i8(a: &[u8], b: &[u8]) -> f32 {
    let tail = |a: u8, b: u8| (i32::from(a.cast_signed()) - i32::from(b.cast_signed())).pow(2);
    integers(a, b, |bytes| _mm256_cvtepi8_epi16(bytes), |a, b| l2_step_integer(a, b), tail)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn dot_i8(a: &[u8], b: &[u8]) -> f32 {
    let tail = |a: u8, b: u8| i32::from(a.cast_signed()) * i32::from(b.cast_signed());
    integers(a, b, |bytes| _mm256_cvtepi8_epi16(bytes), |a, b| _mm256_madd_epi16(a, b), tail)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn l2_u8(a: &[u8], b: &[u8]) -> f32 {
    let tail = |a: u8, b: u8| (i32::from(a) - i32::from(b)).pow(2);
    integers(a, b, |bytes| _mm256_cvtepu8_epi16(bytes), |a, b| l2_step_integer(a, b), tail)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn dot_u8(a: &[u8], b: &[u8]) -> f32 {
    let tail = |a: u8, b: u8| i32::from(a) * i32::from(b);
    integers(a, b, |bytes| _mm256_cvtepu8_epi16(bytes), |a, b| _mm256_madd_epi16(a, b), tail)
}

/// Eight bytes at a time through the scalar population count.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn hamming(a: &[u8], b: &[u8]) -> f32 {
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let words = a
        .iter()
        .zip(b)
        .map(|(a, b)| (u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b)).count_ones());
    words.sum::<u32>() as f32 + scalar::hamming(a_tail, b_tail)
}
