//! Rotating, measuring and rounding one vector: the definition.

pub(crate) fn rotate_fht(values: &mut [f32]) {
    let mut half = 1;
    while half < values.len() {
        butterflies(values, half);
        half *= 2;
    }
}

/// One step of the transform: (a, b) becomes (a + b, a - b), `half` apart.
fn butterflies(values: &mut [f32], half: usize) {
    for block in values.chunks_exact_mut(2 * half) {
        let (low, high) = block.split_at_mut(half);
        for (low, high) in low.iter_mut().zip(high) {
            (*low, *high) = (*low + *high, *low - *high);
        }
    }
}

pub(crate) fn quantise_u8(values: &[f32], lo: f32, scale: f32, out: &mut [u8]) {
    for (value, out) in values.iter().zip(out) {
        #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, as is wanted")]
        let level = ((value - lo) * scale).round_ties_even() as u8;
        *out = level;
    }
}

pub(crate) fn min_max(values: &[f32]) -> (f32, f32) {
    values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(min, max), value| {
        (min.min(*value), max.max(*value))
    })
}
