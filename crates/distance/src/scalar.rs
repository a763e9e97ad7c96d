//! The definition: plain loops, one element after the other.

pub(crate) mod codes;
pub(crate) mod fastscan;
pub(crate) mod order;
pub(crate) mod signs;
pub(crate) mod transform;

use crate::kernels::{Isa, Kernel, Kernels};
use half::{bf16, f16};

pub(crate) static KERNELS: Kernels = Kernels {
    isa: Isa::Scalar,
    l2_f32: kernel!(l2_f32),
    dot_f32: kernel!(dot_f32),
    l2_f16: kernel!(l2_f16),
    dot_f16: kernel!(dot_f16),
    l2_bf16: kernel!(l2_bf16),
    dot_bf16: kernel!(dot_bf16),
    l2_i8: kernel!(l2_i8),
    dot_i8: kernel!(dot_i8),
    l2_u8: kernel!(l2_u8),
    dot_u8: kernel!(dot_u8),
    hamming: kernel!(hamming),
    jaccard: kernel!(codes::jaccard),
    l2_u4: kernel!(codes::l2_u4),
    dot_u4: kernel!(codes::dot_u4),
    bit_dot: codes::bit_dot,
    bit_dot_rows: codes::bit_dot_rows,
    table_sum: codes::table_sum,
    table_sum_rows: codes::table_sum_rows,
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

/// All call shapes of a pair kernel.
macro_rules! kernel {
    ($pair:path) => {
        Kernel {
            pair: $pair,
            rows: |query, rows, out| each($pair, query, rows, out),
            scattered: |query, rows, at, out| each_at($pair, query, rows, (at, out)),
            tiles: None,
        }
    };
}
use kernel;

fn each(pair: fn(&[u8], &[u8]) -> f32, query: &[u8], rows: &[u8], out: &mut [f32]) {
    for (row, key) in rows.chunks_exact(query.len()).zip(out) {
        *key = pair(query, row);
    }
}

fn each_at(pair: fn(&[u8], &[u8]) -> f32, query: &[u8], rows: &[u8], at: (&[u32], &mut [f32])) {
    for (row, key) in at.0.iter().zip(at.1) {
        *key = pair(query, &rows[*row as usize * query.len()..][..query.len()]);
    }
}

fn elements<const BYTES: usize>(
    a: &[u8],
    b: &[u8],
) -> impl Iterator<Item = ([u8; BYTES], [u8; BYTES])> {
    let (a, b) = (a.as_chunks().0, b.as_chunks().0);
    a.iter().copied().zip(b.iter().copied())
}

fn l2<const BYTES: usize>(a: &[u8], b: &[u8], widen: impl Fn([u8; BYTES]) -> f32) -> f32 {
    elements(a, b).fold(0.0, |sum, (a, b)| {
        let difference = widen(a) - widen(b);
        sum + difference * difference
    })
}

fn dot<const BYTES: usize>(a: &[u8], b: &[u8], widen: impl Fn([u8; BYTES]) -> f32) -> f32 {
    elements(a, b).fold(0.0, |sum, (a, b)| sum + widen(a) * widen(b))
}

fn l2_integer(a: &[u8], b: &[u8], widen: impl Fn([u8; 1]) -> i32) -> f32 {
    let sum: i32 = elements(a, b).map(|(a, b)| (widen(a) - widen(b)).pow(2)).sum();
    sum as f32
}

fn dot_integer(a: &[u8], b: &[u8], widen: impl Fn([u8; 1]) -> i32) -> f32 {
    let sum: i32 = elements(a, b).map(|(a, b)| widen(a) * widen(b)).sum();
    sum as f32
}

pub(crate) fn l2_f32(a: &[u8], b: &[u8]) -> f32 {
    l2(a, b, f32::from_le_bytes)
}

pub(crate) fn dot_f32(a: &[u8], b: &[u8]) -> f32 {
    dot(a, b, f32::from_le_bytes)
}

pub(crate) fn l2_f16(a: &[u8], b: &[u8]) -> f32 {
    l2(a, b, |bytes| f16::from_le_bytes(bytes).to_f32())
}

pub(crate) fn dot_f16(a: &[u8], b: &[u8]) -> f32 {
    dot(a, b, |bytes| f16::from_le_bytes(bytes).to_f32())
}

pub(crate) fn l2_bf16(a: &[u8], b: &[u8]) -> f32 {
    l2(a, b, |bytes| bf16::from_le_bytes(bytes).to_f32())
}

pub(crate) fn dot_bf16(a: &[u8], b: &[u8]) -> f32 {
    dot(a, b, |bytes| bf16::from_le_bytes(bytes).to_f32())
}

pub(crate) fn l2_i8(a: &[u8], b: &[u8]) -> f32 {
    l2_integer(a, b, |bytes| i8::from_le_bytes(bytes).into())
}

pub(crate) fn dot_i8(a: &[u8], b: &[u8]) -> f32 {
    dot_integer(a, b, |bytes| i8::from_le_bytes(bytes).into())
}

pub(crate) fn l2_u8(a: &[u8], b: &[u8]) -> f32 {
    l2_integer(a, b, |[byte]| byte.into())
}

pub(crate) fn dot_u8(a: &[u8], b: &[u8]) -> f32 {
    dot_integer(a, b, |[byte]| byte.into())
}

pub(crate) fn hamming(a: &[u8], b: &[u8]) -> f32 {
    let bits: u32 = a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum();
    bits as f32
}
