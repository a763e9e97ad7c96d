//! The inner product of bfloat16 by the instruction made for it, VDPBF16PS.
//!
//! It multiplies 32 pairs at once and adds neighbours, where widening takes 16. It
//! takes numbers nearer to zero than 1.2e-38 for zero, and so are products that near:
//! less than the rounding of any sum that matters. Squared distances stay as they
//! are, for there is no such difference. Ice Lake has not got it, Zen 4 and Cooper
//! Lake have.

use super::{TABLE, first, kernel, tiles};
use crate::kernels::{Isa, Kernel, Kernels, ROWS_AHEAD};
use crate::prefetch::prefetch;
use std::arch::x86_64::*;

/// All of AVX-512's table but this product.
pub(crate) static KERNELS: Kernels = Kernels {
    isa: Isa::Avx512Bf16,
    dot_bf16: kernel!(
        "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,avx512bf16",
        dot_bf16,
        Some(&tiles::DOT_BF16)
    ),
    ..TABLE
};

const BYTES: usize = 64;

pub(crate) fn is_detected() -> bool {
    super::is_detected() && is_x86_feature_detected!("avx512bf16")
}

#[inline]
#[target_feature(
    enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,avx512bf16"
)]
fn dot_bf16(a: &[u8], b: &[u8]) -> f32 {
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<BYTES>(), b.as_chunks::<BYTES>());
    let ((a_quads, a_rest), (b_quads, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sums = [_mm512_setzero_ps(); 4];
    let step = |sum, a: &[u8; BYTES], b: &[u8; BYTES]| {
        _mm512_dpbf16_ps(sum, load(a, __mmask32::MAX), load(b, __mmask32::MAX))
    };
    for (a, b) in a_quads.iter().zip(b_quads) {
        for lane in 0..4 {
            sums[lane] = step(sums[lane], &a[lane], &b[lane]);
        }
    }
    for (a, b) in a_rest.iter().zip(b_rest) {
        sums[0] = step(sums[0], a, b);
    }
    if !a_tail.is_empty() {
        #[expect(clippy::cast_possible_truncation, reason = "a tail has fewer than 32 elements")]
        let mask = first(a_tail.len() / 2) as __mmask32;
        sums[1] = _mm512_dpbf16_ps(sums[1], load(a_tail, mask), load(b_tail, mask));
    }
    _mm512_reduce_add_ps(_mm512_add_ps(
        _mm512_add_ps(sums[0], sums[1]),
        _mm512_add_ps(sums[2], sums[3]),
    ))
}

/// The elements of a block that the mask names.
#[inline]
#[target_feature(
    enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,avx512bf16"
)]
fn load(block: &[u8], mask: __mmask32) -> __m512bh {
    debug_assert!(block.len() / 2 >= 32 - mask.leading_zeros() as usize);
    // SAFETY: callers name no more elements than the block has; this load needs no
    // alignment.
    let words = unsafe { _mm512_maskz_loadu_epi16(mask, block.as_ptr().cast()) };
    // SAFETY: both are 512 bits, and any bits are bfloat16.
    unsafe { std::mem::transmute::<__m512i, __m512bh>(words) }
}
