//! The definition: plain loops, one element after the other.

use crate::kernels::{Isa, Kernel, Kernels};
use half::{bf16, f16};

pub(crate) static KERNELS: Kernels = Kernels {
    isa: Isa::Scalar,
    l2_f32: Kernel { pair: l2_f32, rows: |query, rows, out| each(l2_f32, query, rows, out) },
    dot_f32: Kernel { pair: dot_f32, rows: |query, rows, out| each(dot_f32, query, rows, out) },
    l2_f16: Kernel { pair: l2_f16, rows: |query, rows, out| each(l2_f16, query, rows, out) },
    dot_f16: Kernel { pair: dot_f16, rows: |query, rows, out| each(dot_f16, query, rows, out) },
    l2_bf16: Kernel { pair: l2_bf16, rows: |query, rows, out| each(l2_bf16, query, rows, out) },
    dot_bf16: Kernel { pair: dot_bf16, rows: |query, rows, out| each(dot_bf16, query, rows, out) },
    l2_i8: Kernel { pair: l2_i8, rows: |query, rows, out| each(l2_i8, query, rows, out) },
    dot_i8: Kernel { pair: dot_i8, rows: |query, rows, out| each(dot_i8, query, rows, out) },
    l2_u8: Kernel { pair: l2_u8, rows: |query, rows, out| each(l2_u8, query, rows, out) },
    dot_u8: Kernel { pair: dot_u8, rows: |query, rows, out| each(dot_u8, query, rows, out) },
    hamming: Kernel { pair: hamming, rows: |query, rows, out| each(hamming, query, rows, out) },
};

fn each(pair: fn(&[u8], &[u8]) -> f32, query: &[u8], rows: &[u8], out: &mut [f32]) {
    for (row, key) in rows.chunks_exact(query.len()).zip(out) {
        *key = pair(query, row);
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
