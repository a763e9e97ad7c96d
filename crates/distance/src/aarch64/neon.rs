//! Kernels for aarch64 with NEON, which every such CPU has.
//!
//! Plainly: sum += (a[i] - b[i])², or sum += a[i] · b[i]. Tricks: (1) four floats
//! or sixteen bytes at a time, (2) fused multiply-add for floats, products of
//! bytes in 16 bits added to 32-bit sums in pairs, (3) four sums at once, because
//! an addition takes several cycles, (4) the tail goes to the scalar kernel.
//!
//! What is not here, the compiler makes of the plain loops: this instruction set
//! is the one it compiles for anyway.

mod codes;
mod fastscan;
mod tiles;

use crate::kernels::{Isa, Kernel, Kernels, ROWS_AHEAD};
use crate::prefetch::prefetch;
use crate::scalar;
use half::f16;
use std::arch::aarch64::*;

pub(crate) static KERNELS: Kernels = Kernels {
    isa: Isa::Neon,
    l2_f32: kernel!(l2_f32, Some(&tiles::L2_F32)),
    dot_f32: kernel!(dot_f32, Some(&tiles::DOT_F32)),
    l2_f16: kernel!(l2_f16, Some(&tiles::L2_F16)),
    dot_f16: kernel!(dot_f16, Some(&tiles::DOT_F16)),
    l2_bf16: kernel!(l2_bf16, Some(&tiles::L2_BF16)),
    dot_bf16: kernel!(dot_bf16, Some(&tiles::DOT_BF16)),
    l2_i8: kernel!(l2_i8, None),
    dot_i8: kernel!(dot_i8, None),
    l2_u8: kernel!(l2_u8, None),
    dot_u8: kernel!(dot_u8, None),
    hamming: kernel!(codes::hamming, None),
    jaccard: kernel!(codes::jaccard, None),
    l2_u4: kernel!(codes::l2_u4, None),
    dot_u4: kernel!(codes::dot_u4, None),
    bit_dot: codes::bit_dot,
    bit_dot_rows: codes::bit_dot_rows,
    fastscan: fastscan::fastscan,
    ..scalar::KERNELS
};

pub(crate) fn is_detected() -> bool {
    std::arch::is_aarch64_feature_detected!("neon")
}

/// All call shapes of a pair kernel, the loops over rows compiled with it.
macro_rules! kernel {
    ($pair:path, $tiles:expr) => {{
        #[target_feature(enable = "neon")]
        fn rows(query: &[u8], rows: &[u8], out: &mut [f32]) {
            for (row, key) in rows.chunks_exact(query.len()).zip(out) {
                *key = $pair(query, row);
            }
        }
        #[target_feature(enable = "neon")]
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

/// Sums `step` over blocks of four elements of `BYTES` bytes in all.
#[inline]
#[target_feature(enable = "neon")]
fn floats<const BYTES: usize>(
    a: &[u8],
    b: &[u8],
    load: impl Fn(&[u8; BYTES]) -> float32x4_t,
    step: impl Fn(float32x4_t, float32x4_t, float32x4_t) -> float32x4_t,
    scalar: fn(&[u8], &[u8]) -> f32,
) -> f32 {
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<BYTES>(), b.as_chunks::<BYTES>());
    let ((a_quads, a_rest), (b_quads, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sums = [vdupq_n_f32(0.0); 4];
    for (a, b) in a_quads.iter().zip(b_quads) {
        for lane in 0..4 {
            sums[lane] = step(sums[lane], load(&a[lane]), load(&b[lane]));
        }
    }
    for (a, b) in a_rest.iter().zip(b_rest) {
        sums[0] = step(sums[0], load(a), load(b));
    }
    let sum = vaddq_f32(vaddq_f32(sums[0], sums[1]), vaddq_f32(sums[2], sums[3]));
    let blocks = vaddvq_f32(sum);
    if a_tail.is_empty() { blocks } else { blocks + scalar(a_tail, b_tail) }
}

/// Sums `step`, which adds sixteen terms to four sums, and gives back the tails.
#[inline]
#[target_feature(enable = "neon")]
fn integers<'a>(
    a: &'a [u8],
    b: &'a [u8],
    step: impl Fn(uint32x4_t, uint8x16_t, uint8x16_t) -> uint32x4_t,
) -> (i32, (&'a [u8], &'a [u8])) {
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let ((a_pairs, a_rest), (b_pairs, b_rest)) = (a.as_chunks::<2>(), b.as_chunks::<2>());
    let mut sums = [vdupq_n_u32(0); 2];
    for (a, b) in a_pairs.iter().zip(b_pairs) {
        for lane in 0..2 {
            sums[lane] = step(sums[lane], load_bytes(&a[lane]), load_bytes(&b[lane]));
        }
    }
    for (a, b) in a_rest.iter().zip(b_rest) {
        sums[0] = step(sums[0], load_bytes(a), load_bytes(b));
    }
    (vaddvq_u32(vaddq_u32(sums[0], sums[1])).cast_signed(), (a_tail, b_tail))
}

#[inline]
#[target_feature(enable = "neon")]
fn load_bytes(block: &[u8; 16]) -> uint8x16_t {
    // SAFETY: the block holds sixteen bytes.
    unsafe { vld1q_u8(block.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn load_f32(block: &[u8; 16]) -> float32x4_t {
    vreinterpretq_f32_u8(load_bytes(block))
}

/// The compiler makes one instruction of the four conversions where it may.
#[inline]
#[target_feature(enable = "neon")]
fn load_f16(block: &[u8; 8]) -> float32x4_t {
    let mut wide = [0.0; 4];
    for (wide, half) in wide.iter_mut().zip(block.as_chunks().0) {
        *wide = f16::from_le_bytes(*half).to_f32();
    }
    // SAFETY: the array holds four floats.
    unsafe { vld1q_f32(wide.as_ptr()) }
}

/// A bfloat16 is the upper half of a binary32.
#[inline]
#[target_feature(enable = "neon")]
fn load_bf16(block: &[u8; 8]) -> float32x4_t {
    // SAFETY: the block holds eight bytes.
    let halves = vreinterpret_u16_u8(unsafe { vld1_u8(block.as_ptr()) });
    vreinterpretq_f32_u32(vshll_n_u16::<16>(halves))
}

#[inline]
#[target_feature(enable = "neon")]
fn l2_step(sum: float32x4_t, a: float32x4_t, b: float32x4_t) -> float32x4_t {
    let difference = vsubq_f32(a, b);
    vfmaq_f32(sum, difference, difference)
}

/// A float kernel: `floats` with its load, step and tail.
macro_rules! float_kernel {
    ($name:ident, $load:ident, $step:expr) => {
        #[inline]
        #[target_feature(enable = "neon")]
        fn $name(a: &[u8], b: &[u8]) -> f32 {
            floats(a, b, |block| $load(block), $step, scalar::$name)
        }
    };
}

float_kernel!(l2_f32, load_f32, |sum, a, b| l2_step(sum, a, b));
float_kernel!(dot_f32, load_f32, |sum, a, b| vfmaq_f32(sum, a, b));
float_kernel!(l2_f16, load_f16, |sum, a, b| l2_step(sum, a, b));
float_kernel!(dot_f16, load_f16, |sum, a, b| vfmaq_f32(sum, a, b));
float_kernel!(l2_bf16, load_bf16, |sum, a, b| l2_step(sum, a, b));
float_kernel!(dot_bf16, load_bf16, |sum, a, b| vfmaq_f32(sum, a, b));

#[inline]
#[target_feature(enable = "neon")]
fn dot_u8(a: &[u8], b: &[u8]) -> f32 {
    let (sum, (a, b)) = integers(a, b, |sum, a, b| add_products(sum, a, b));
    (sum + rest(a, b, |a, b| i32::from(a) * i32::from(b))) as f32
}

#[inline]
#[target_feature(enable = "neon")]
fn l2_u8(a: &[u8], b: &[u8]) -> f32 {
    let (sum, (a, b)) = integers(a, b, |sum, a, b| {
        let difference = vabdq_u8(a, b);
        add_products(sum, difference, difference)
    });
    (sum + rest(a, b, |a, b| (i32::from(a) - i32::from(b)).pow(2))) as f32
}

#[inline]
#[target_feature(enable = "neon")]
fn dot_i8(a: &[u8], b: &[u8]) -> f32 {
    let (sum, (a, b)) = integers(a, b, |sum, a, b| {
        let (sum, a, b) =
            (vreinterpretq_s32_u32(sum), vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b));
        let sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
        vreinterpretq_u32_s32(vpadalq_s16(sum, vmull_high_s8(a, b)))
    });
    let product = |a: u8, b: u8| i32::from(a.cast_signed()) * i32::from(b.cast_signed());
    (sum + rest(a, b, product)) as f32
}

/// The absolute difference of signed bytes fits an unsigned one.
#[inline]
#[target_feature(enable = "neon")]
fn l2_i8(a: &[u8], b: &[u8]) -> f32 {
    let (sum, (a, b)) = integers(a, b, |sum, a, b| {
        let difference = vabdq_s8(vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b));
        let difference = vreinterpretq_u8_s8(difference);
        add_products(sum, difference, difference)
    });
    let square = |a: u8, b: u8| (i32::from(a.cast_signed()) - i32::from(b.cast_signed())).pow(2);
    (sum + rest(a, b, square)) as f32
}

/// Adds the products of sixteen bytes.
#[inline]
#[target_feature(enable = "neon")]
fn add_products(sum: uint32x4_t, a: uint8x16_t, b: uint8x16_t) -> uint32x4_t {
    let sum = vpadalq_u16(sum, vmull_u8(vget_low_u8(a), vget_low_u8(b)));
    vpadalq_u16(sum, vmull_high_u8(a, b))
}

fn rest(a: &[u8], b: &[u8], term: impl Fn(u8, u8) -> i32) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| term(a, b)).sum()
}
