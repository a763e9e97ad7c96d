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
