//! Signs of ways, estimates, sorted numbers and the smallest of many on every table.

use crate::kernels::{Estimate, available};
use crate::scalar;
use proptest::collection::vec;
use proptest::prelude::*;

fn floats(sixteens: std::ops::Range<usize>) -> impl Strategy<Value = (Vec<f32>, Vec<f32>)> {
    sixteens.prop_flat_map(|count| {
        let value = prop_oneof![8 => -100.0_f32..100.0, 1 => Just(0.0), 1 => Just(-0.0)];
        (vec(value.clone(), 16 * count), vec(value, 16 * count))
    })
}

proptest! {
    #[test]
    fn ways_agree_with_scalar((from, to) in floats(0..12)) {
        let mut expected_signs = vec![0; from.len() / 8];
        let expected = scalar::signs::way(&from, &to, &mut expected_signs);
        for kernels in available() {
            let mut signs = vec![0xff; from.len() / 8];
            let way = kernels.way(&from, &to, &mut signs);
            prop_assert_eq!(&signs, &expected_signs);
            let near = |a: f32, b: f32, scale: f32| (a - b).abs() <= 1e-5 * scale.max(1.0);
            let scale = from.len() as f32 * 40_000.0;
            prop_assert!(near(way.squared, expected.squared, scale));
            prop_assert!(near(way.absolute, expected.absolute, scale));
            prop_assert!(near(way.from_dot, expected.from_dot, scale));
            prop_assert!(near(way.signed_from, expected.signed_from, scale));
        }
    }

    #[test]
    fn estimates_agree_with_scalar(
        sums in vec(0_u32..1 << 24, 32),
        adds in vec(prop_oneof![8 => -1e3_f32..1e3, 1 => Just(f32::INFINITY)], 32),
        factors in vec(-4.0_f32..4.0, 32),
        (base, scale, shift, bound) in (-1e3_f32..1e3, -1.0_f32..1.0, -1e3_f32..1e3, -1e6_f32..1e6),
    ) {
        let array = |values: Vec<f32>| <[f32; 32]>::try_from(values).expect("32 lanes");
        let sums = <[u32; 32]>::try_from(sums).expect("32 lanes");
        let (adds, factors) = (array(adds), array(factors));
        let estimate = Estimate { base, scale, shift, bound };
        let mut expected = [0.0; 32];
        scalar::signs::estimates(&sums, &adds, &factors, estimate, &mut expected);
        for kernels in available() {
            let mut keys = [0.0; 32];
            let below = kernels.estimates(&sums, &adds, &factors, estimate, &mut keys);
            for lane in 0..32 {
                let allowed = 1e-5 * (1e3 + 4.0 * (1_f32 + (1 << 24) as f32));
                prop_assert!(
                    keys[lane] == expected[lane] || (keys[lane] - expected[lane]).abs() <= allowed
                );
                prop_assert_eq!(below >> lane & 1 == 1, keys[lane] < bound);
            }
        }
    }

    #[test]
    fn the_smallest_of_many_keys_are_marked(
        keys in vec(prop_oneof![9 => -1e3_f32..1e3, 1 => Just(0.0), 1 => Just(f32::INFINITY)], 0..270),
        bound in prop_oneof![
            8 => -1e3_f32..1e3, 1 => Just(0.0), 1 => Just(f32::INFINITY), 1 => Just(f32::NEG_INFINITY)
        ],
    ) {
        for kernels in available() {
            let mut words = vec![u64::MAX; keys.len().div_ceil(64)];
            kernels.at_most(&keys, bound, &mut words);
            for at in 0..64 * words.len() {
                let is_in = keys.get(at).is_some_and(|key| *key <= bound);
                prop_assert_eq!(words[at / 64] >> (at % 64) & 1 == 1, is_in, "key {} of {:?}", at, kernels);
            }
        }
    }

    #[test]
    fn numbers_are_put_where_they_belong(
        mut numbers in vec(prop_oneof![any::<u64>(), 0_u64..4, Just(u64::MAX)], 1..70),
        number in prop_oneof![any::<u64>(), 0_u64..4, Just(u64::MAX)],
    ) {
        numbers.sort_unstable();
        // The definition: drop the last, add the new one, sort.
        let mut expected = numbers.clone();
        expected.pop();
        let at = expected.partition_point(|other| *other <= number);
        expected.insert(at, number);
        for kernels in available() {
            let mut found = numbers.clone();
            prop_assert_eq!(kernels.insert_sorted(&mut found, number), at);
            prop_assert_eq!(&found, &expected);
        }
    }
}

#[test]
fn lanes_that_are_not_numbers_are_not_below() {
    for kernels in available() {
        let mut keys = [0.0; 32];
        let estimate = Estimate { base: 0.0, scale: 1.0, shift: 0.0, bound: f32::INFINITY };
        let below = kernels.estimates(&[1; 32], &[f32::NAN; 32], &[1.0; 32], estimate, &mut keys);
        assert_eq!(below, 0);
    }
}
