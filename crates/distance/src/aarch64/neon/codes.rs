//! Comparing bits and quantised codes one by one with NEON.

use super::{add_products, integers};
use crate::scalar::{self, codes as plain};
use std::arch::aarch64::*;

/// Counts the bits of sixteen joined bytes.
#[inline]
#[target_feature(enable = "neon")]
fn count(sum: uint32x4_t, bits: uint8x16_t) -> uint32x4_t {
    vpadalq_u16(sum, vpaddlq_u8(vcntq_u8(bits)))
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn hamming(a: &[u8], b: &[u8]) -> f32 {
    let (sum, (a, b)) = integers(a, b, |sum, a, b| count(sum, veorq_u8(a, b)));
    sum as f32 + scalar::hamming(a, b)
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn jaccard(a: &[u8], b: &[u8]) -> f32 {
    let (common, _) = integers(a, b, |sum, a, b| count(sum, vandq_u8(a, b)));
    let (either, (a, b)) = integers(a, b, |sum, a, b| count(sum, vorrq_u8(a, b)));
    let tail = a.iter().zip(b);
    let (common, either) = tail.fold((common, either), |(common, either), (a, b)| {
        (common + bits(a & b), either + bits(a | b))
    });
    plain::jaccard_distance(common.cast_unsigned(), either.cast_unsigned())
}

fn bits(byte: u8) -> i32 {
    byte.count_ones().cast_signed()
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn bit_dot(planes: &[u8], code: &[u8]) -> u32 {
    let mut sum = 0;
    for (weight, plane) in planes.chunks_exact(code.len().max(1)).enumerate() {
        let (both, (plane, code)) =
            integers(plane, code, |sum, plane, code| count(sum, vandq_u8(plane, code)));
        let rest: i32 = plane.iter().zip(code).map(|(plane, code)| bits(plane & code)).sum();
        sum += (both + rest).cast_unsigned() << weight;
    }
    sum
}

#[target_feature(enable = "neon")]
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

/// The low and the high nibbles.
#[inline]
#[target_feature(enable = "neon")]
fn nibbles(bytes: uint8x16_t) -> [uint8x16_t; 2] {
    [vandq_u8(bytes, vdupq_n_u8(15)), vshrq_n_u8::<4>(bytes)]
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn l2_u4(a: &[u8], b: &[u8]) -> f32 {
    let (sum, (a, b)) = integers(a, b, |sum, a, b| {
        let ([a_low, a_high], [b_low, b_high]) = (nibbles(a), nibbles(b));
        let (low, high) = (vabdq_u8(a_low, b_low), vabdq_u8(a_high, b_high));
        add_products(add_products(sum, low, low), high, high)
    });
    sum as f32 + plain::l2_u4(a, b)
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn dot_u4(a: &[u8], b: &[u8]) -> f32 {
    let (sum, (a, b)) = integers(a, b, |sum, a, b| {
        let ([a_low, a_high], [b_low, b_high]) = (nibbles(a), nibbles(b));
        add_products(add_products(sum, a_low, b_low), a_high, b_high)
    });
    sum as f32 + plain::dot_u4(a, b)
}
