//! Transforms: every table against the plain loops.

use super::*;

/// The transform by its definition: the sign is the parity of the common bits.
fn hadamard(values: &[f32]) -> Vec<f64> {
    let sign =
        |row: usize, at: usize| if (row & at).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
    let row = |row| {
        let terms = values.iter().enumerate();
        terms.map(|(at, &value)| sign(row, at) * f64::from(value)).sum()
    };
    (0..values.len()).map(row).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_table_rotates_alike(
        buffer in (0..=9u32).prop_flat_map(|power| vec(-1e3f32..1e3, (1 << power) + 1)),
    ) {
        let values = &buffer[1..];
        let exact = hadamard(values);
        let magnitude: f64 = values.iter().map(|value| f64::from(value.abs())).sum();
        let mut first = values.to_vec();
        scalar::KERNELS.rotate_fht(&mut first);
        for kernels in available() {
            let mut moved = buffer.clone();
            kernels.rotate_fht(&mut moved[1..]);
            assert_eq!(bits(&moved[1..]), bits(&first), "{kernels:?}");
        }
        for (found, exact) in first.iter().zip(exact) {
            assert_within_rounding(*found, exact, magnitude, values.len());
        }
    }

    #[test]
    fn every_table_quantises_alike(
        buffer in vec(prop_oneof![20 => -1.5f32..1.5, 1 => special()], 1..=130),
        lo in -1f32..1.0,
        scale in prop_oneof![8 => 1f32..300.0, 1 => Just(0.0), 1 => Just(f32::INFINITY)],
    ) {
        let values = &buffer[1..];
        let level = |value: &f32| {
            let level = f64::from((value - lo) * scale).round_ties_even();
            if level.is_nan() { 0.0 } else { level.clamp(0.0, 255.0) }
        };
        let expected: Vec<f64> = values.iter().map(level).collect();
        for kernels in available() {
            let mut found = vec![7; values.len()];
            kernels.quantise_u8(values, lo, scale, &mut found);
            let found: Vec<f64> = found.into_iter().map(f64::from).collect();
            assert_eq!(found, expected, "{kernels:?}");
        }
    }

    #[test]
    fn every_table_finds_the_extremes(
        buffer in vec(prop_oneof![20 => -1f32..1.0, 1 => special()], 1..=130),
    ) {
        let numbers = || buffer[1..].iter().copied().filter(|value| !value.is_nan());
        let min = numbers().reduce(f32::min).unwrap_or(f32::INFINITY);
        let max = numbers().reduce(f32::max).unwrap_or(f32::NEG_INFINITY);
        for kernels in available() {
            assert_eq!(kernels.min_max(&buffer[1..]), (min, max), "{kernels:?}");
        }
    }
}

#[test]
fn halves_are_rounded_to_the_even_level() {
    for kernels in available() {
        let values: Vec<f32> = (0u8..40).map(|at| f32::from(at) / 2.0).collect();
        let mut levels = vec![0; values.len()];
        kernels.quantise_u8(&values, 0.0, 1.0, &mut levels);
        assert_eq!(levels[..8], [0, 0, 1, 2, 2, 2, 3, 4], "{kernels:?}");
    }
}

#[test]
fn the_longest_vector_rotates_alike_and_back() {
    let values: Vec<f32> = (0..32_768u32).map(|at| (at * 7919 % 1000) as f32 - 500.0).collect();
    for kernels in available() {
        let mut moved = values.clone();
        kernels.rotate_fht(&mut moved);
        kernels.rotate_fht(&mut moved);
        let back: Vec<f32> = moved.iter().map(|value| value / 32_768.0).collect();
        assert_eq!(back, values, "{kernels:?}");
    }
}

#[test]
#[should_panic(expected = "not a power of two")]
fn a_crooked_length_is_not_rotated() {
    scalar::KERNELS.rotate_fht(&mut [0.0; 12]);
}
