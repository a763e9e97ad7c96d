//! Kernels for x86-64 with AVX-512 F, BW, DQ, VL, VNNI and VPOPCNTDQ.
//!
//! Plainly: sum += (a[i] - b[i])², or sum += a[i] · b[i]. Tricks: (1) sixteen
//! floats or 32 bytes at a time, (2) fused multiply-add for floats, VNNI's
//! multiply-pairs-and-add for integers widened to 16 bits, (3) four sums at
//! once, because an addition takes four cycles, (4) the tail is loaded under a
//! mask whose zeros add nothing.
//!
//! A second table has the bfloat16 product in addition, which not all CPUs with
//! the rest have: see [`brains`].

pub(crate) mod brains;
mod codes;
mod fastscan;
mod halves;
mod order;
mod signs;
mod tiles;
mod transform;

use crate::kernels::{Isa, Kernel, Kernels, ROWS_AHEAD};
use crate::prefetch::prefetch;
use crate::scalar;
use std::arch::x86_64::*;

pub(crate) static KERNELS: Kernels = TABLE;

const TABLE: Kernels = Kernels {
    isa: Isa::Avx512,
    l2_f32: kernel!(l2_f32, Some(&tiles::L2_F32)),
    dot_f32: kernel!(dot_f32, Some(&tiles::DOT_F32)),
    l2_f16: kernel!(halves::l2_f16, Some(&tiles::L2_F16)),
    dot_f16: kernel!(halves::dot_f16, Some(&tiles::DOT_F16)),
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
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("avx512vpopcntdq")
}

/// All call shapes of a pair kernel, the loops over rows compiled with it.
macro_rules! kernel {
    ($pair:path, $tiles:expr) => {
        kernel!("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq", $pair, $tiles)
    };
    ($features:literal, $pair:path, $tiles:expr) => {{
        #[target_feature(enable = $features)]
        fn rows(query: &[u8], rows: &[u8], out: &mut [f32]) {
            for (row, key) in rows.chunks_exact(query.len()).zip(out) {
                *key = $pair(query, row);
            }
        }

        #[target_feature(enable = $features)]
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

/// The first `count` of at most 64 lanes.
fn first(count: usize) -> u64 {
    debug_assert!(count < 64, "a tail is shorter than a register");
    (1 << count) - 1
}

/// Sums `step` over blocks of sixteen elements of `BYTES` bytes in all.
///
/// `load` gets a pointer and the mask of the elements behind it that exist.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn floats<const BYTES: usize>(
    a: &[u8],
    b: &[u8],
    load: impl Fn(*const u8, __mmask16) -> __m512,
    step: impl Fn(__m512, __m512, __m512) -> __m512,
) -> f32 {
    const ALL: __mmask16 = __mmask16::MAX;
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<BYTES>(), b.as_chunks::<BYTES>());
    let ((a_quads, a_rest), (b_quads, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sums = [_mm512_setzero_ps(); 4];
    for (a, b) in a_quads.iter().zip(b_quads) {
        for lane in 0..4 {
            sums[lane] = step(sums[lane], load(a[lane].as_ptr(), ALL), load(b[lane].as_ptr(), ALL));
        }
    }
    for (a, b) in a_rest.iter().zip(b_rest) {
        sums[0] = step(sums[0], load(a.as_ptr(), ALL), load(b.as_ptr(), ALL));
    }
    if !a_tail.is_empty() {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a tail has fewer than sixteen elements"
        )]
        let mask = first(a_tail.len() / (BYTES / 16)) as __mmask16;
        sums[1] = step(sums[1], load(a_tail.as_ptr(), mask), load(b_tail.as_ptr(), mask));
    }
    _mm512_reduce_add_ps(_mm512_add_ps(
        _mm512_add_ps(sums[0], sums[1]),
        _mm512_add_ps(sums[2], sums[3]),
    ))
}

/// Sums `step` over blocks of 32 bytes widened to 16 bits.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn integers(
    a: &[u8],
    b: &[u8],
    widen: impl Fn(__m256i) -> __m512i,
    step: impl Fn(__m512i, __m512i, __m512i) -> __m512i,
) -> i32 {
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<32>(), b.as_chunks::<32>());
    let ((a_pairs, a_rest), (b_pairs, b_rest)) = (a.as_chunks::<2>(), b.as_chunks::<2>());
    // SAFETY: the block holds 32 bytes; this load needs no alignment.
    let load = |block: &[u8; 32]| widen(unsafe { _mm256_loadu_si256(block.as_ptr().cast()) });
    let mut sums = [_mm512_setzero_si512(); 2];
    for (a, b) in a_pairs.iter().zip(b_pairs) {
        for lane in 0..2 {
            sums[lane] = step(sums[lane], load(&a[lane]), load(&b[lane]));
        }
    }
    for (a, b) in a_rest.iter().zip(b_rest) {
        sums[0] = step(sums[0], load(a), load(b));
    }
    if !a_tail.is_empty() {
        #[expect(clippy::cast_possible_truncation, reason = "a tail has fewer than 32 bytes")]
        let mask = first(a_tail.len()) as __mmask32;
        // SAFETY: the mask lets through only the bytes of the tails.
        let a = widen(unsafe { _mm256_maskz_loadu_epi8(mask, a_tail.as_ptr().cast()) });
        // SAFETY: as above; the tails are equally long.
        let b = widen(unsafe { _mm256_maskz_loadu_epi8(mask, b_tail.as_ptr().cast()) });
        sums[1] = step(sums[1], a, b);
    }
    _mm512_reduce_add_epi32(_mm512_add_epi32(sums[0], sums[1]))
}

/// # Safety
/// There must be a float behind `at` for every bit of the mask.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
unsafe fn load_f32(at: *const u8, mask: __mmask16) -> __m512 {
    // SAFETY: the caller's promise; this load needs no alignment.
    unsafe { _mm512_maskz_loadu_ps(mask, at.cast()) }
}

/// # Safety
/// There must be a half behind `at` for every bit of the mask.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
unsafe fn load_f16(at: *const u8, mask: __mmask16) -> __m512 {
    // SAFETY: the caller's promise; this load needs no alignment.
    _mm512_cvtph_ps(unsafe { _mm256_maskz_loadu_epi16(mask, at.cast()) })
}

/// A bfloat16 is the upper half of a binary32.
///
/// # Safety
/// There must be a bfloat16 behind `at` for every bit of the mask.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
unsafe fn load_bf16(at: *const u8, mask: __mmask16) -> __m512 {
    // SAFETY: the caller's promise; this load needs no alignment.
    let halves = unsafe { _mm256_maskz_loadu_epi16(mask, at.cast()) };
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn l2_step(sum: __m512, a: __m512, b: __m512) -> __m512 {
    let difference = _mm512_sub_ps(a, b);
    _mm512_fmadd_ps(difference, difference, sum)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn l2_step_integer(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
    let difference = _mm512_sub_epi16(a, b);
    _mm512_dpwssd_epi32(sum, difference, difference)
}

/// A float kernel: `floats` with its load and step.
macro_rules! float_kernel {
    ($name:ident, $bytes:literal, $load:ident, $step:expr) => {
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
        fn $name(a: &[u8], b: &[u8]) -> f32 {
            // SAFETY: `floats` passes a pointer to a block with the full mask, or
            // to a tail with the mask of its elements.
            floats::<$bytes>(a, b, |at, mask| unsafe { $load(at, mask) }, $step)
        }
    };
}

float_kernel!(l2_f32, 64, load_f32, |sum, a, b| l2_step(sum, a, b));
float_kernel!(dot_f32, 64, load_f32, |sum, a, b| _mm512_fmadd_ps(a, b, sum));
float_kernel!(l2_bf16, 32, load_bf16, |sum, a, b| l2_step(sum, a, b));
float_kernel!(dot_bf16, 32, load_bf16, |sum, a, b| _mm512_fmadd_ps(a, b, sum));

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn l2_i8(a: &[u8], b: &[u8]) -> f32 {
    let widen = |bytes| _mm512_cvtepi8_epi16(bytes);
    integers(a, b, widen, |sum, a, b| l2_step_integer(sum, a, b)) as f32
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn dot_i8(a: &[u8], b: &[u8]) -> f32 {
    dot_i8_sum(a, b) as f32
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn dot_i8_sum(a: &[u8], b: &[u8]) -> i32 {
    let widen = |bytes| _mm512_cvtepi8_epi16(bytes);
    integers(a, b, widen, |sum, a, b| _mm512_dpwssd_epi32(sum, a, b))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn l2_u8(a: &[u8], b: &[u8]) -> f32 {
    let widen = |bytes| _mm512_cvtepu8_epi16(bytes);
    integers(a, b, widen, |sum, a, b| l2_step_integer(sum, a, b)) as f32
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn dot_u8(a: &[u8], b: &[u8]) -> f32 {
    dot_u8_sum(a, b) as f32
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn dot_u8_sum(a: &[u8], b: &[u8]) -> i32 {
    let widen = |bytes| _mm512_cvtepu8_epi16(bytes);
    integers(a, b, widen, |sum, a, b| _mm512_dpwssd_epi32(sum, a, b))
}

/// 64 bytes at a time through the vector population count.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn hamming(a: &[u8], b: &[u8]) -> f32 {
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<64>(), b.as_chunks::<64>());
    let mut sum = _mm512_setzero_si512();
    for (a, b) in a.iter().zip(b) {
        // SAFETY: both blocks hold 64 bytes; this load needs no alignment.
        let (a, b) = unsafe {
            (_mm512_loadu_si512(a.as_ptr().cast()), _mm512_loadu_si512(b.as_ptr().cast()))
        };
        sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(a, b)));
    }
    if !a_tail.is_empty() {
        let mask = first(a_tail.len());
        // SAFETY: the mask lets through only the bytes of the tails.
        let a = unsafe { _mm512_maskz_loadu_epi8(mask, a_tail.as_ptr().cast()) };
        // SAFETY: as above; the tails are equally long.
        let b = unsafe { _mm512_maskz_loadu_epi8(mask, b_tail.as_ptr().cast()) };
        sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(a, b)));
    }
    _mm512_reduce_add_epi64(sum) as f32
}
