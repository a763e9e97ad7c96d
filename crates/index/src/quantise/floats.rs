//! Stored vectors as floats.

use crate::Vectors;
use half::{bf16, f16};
use vicinal_types::ElementType;

/// Writes a stored vector's elements to `out`; a binary one has none.
pub(crate) fn decode(element: ElementType, stored: &[u8], out: &mut [f32]) {
    match element {
        ElementType::F32 => fill(out, stored.as_chunks().0, |bytes| f32::from_le_bytes(*bytes)),
        ElementType::F16 => {
            fill(out, stored.as_chunks().0, |bytes| f16::from_le_bytes(*bytes).to_f32());
        }
        ElementType::Bf16 => {
            fill(out, stored.as_chunks().0, |bytes| bf16::from_le_bytes(*bytes).to_f32());
        }
        ElementType::I8 => fill(out, stored, |byte| f32::from(byte.cast_signed())),
        ElementType::U8 => fill(out, stored, |byte| f32::from(*byte)),
        ElementType::Binary => {}
    }
}

/// Writes elements as a vector stores them; integers are rounded and clamped, a
/// binary one has none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` clamps")]
pub(crate) fn encode(element: ElementType, values: &[f32], out: &mut [u8]) {
    match element {
        ElementType::F32 => put(out, values, f32::to_le_bytes),
        ElementType::F16 => put(out, values, |value| f16::from_f32(value).to_le_bytes()),
        ElementType::Bf16 => put(out, values, |value| bf16::from_f32(value).to_le_bytes()),
        ElementType::I8 => put(out, values, |value| [(value.round() as i8).cast_unsigned()]),
        ElementType::U8 => put(out, values, |value| [value.round() as u8]),
        ElementType::Binary => {}
    }
}

fn put<const N: usize>(out: &mut [u8], values: &[f32], bytes: impl Fn(f32) -> [u8; N]) {
    for (place, &value) in out.as_chunks_mut::<N>().0.iter_mut().zip(values) {
        *place = bytes(value);
    }
}

fn fill<T>(out: &mut [f32], stored: &[T], value: impl Fn(&T) -> f32) {
    for (out, stored) in out.iter_mut().zip(stored) {
        *out = value(stored);
    }
}

/// About `count` rows, evenly spread over all.
pub(crate) fn sample(vectors: &Vectors, count: u32) -> impl Iterator<Item = u32> + use<> {
    let step = (vectors.len() / count.max(1)).max(1);
    (0..vectors.len()).step_by(step as usize)
}
