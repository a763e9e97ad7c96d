//! Comparisons against integers of 128 bits.

use super::*;
use proptest::prelude::*;

const INTS: [i64; 9] = [
    i64::MIN,
    i64::MIN + 1,
    -9_007_199_254_740_993,
    -1,
    0,
    1,
    9_007_199_254_740_993,
    i64::MAX - 1,
    i64::MAX,
];

fn any_int() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), -3..4_i64, prop::sample::select(&INTS[..])]
}

fn any_float() -> impl Strategy<Value = f64> {
    let edges = [0.0, -0.0, 0.5, -1.5, ABOVE_INTS, -ABOVE_INTS, 1e300, f64::MIN_POSITIVE];
    prop_oneof![
        any::<f64>().prop_filter("finite", |float| float.is_finite()),
        any_int().prop_map(nearest_float),
        prop::sample::select(edges.to_vec()),
    ]
}

fn exact(int: i64, float: f64) -> Ordering {
    if float.abs() > 1e30 {
        return if float > 0.0 { Ordering::Less } else { Ordering::Greater };
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 1e30")]
    let whole = float.trunc() as i128;
    let rest = float - float.trunc();
    let rest = if rest > 0.0 { 1 } else { -i128::from(rest < 0.0) };
    (i128::from(int) * 2).cmp(&(whole * 2 + rest))
}

proptest! {
    #[test]
    fn ints_and_floats_compare_as_numbers(int in any_int(), float in any_float()) {
        prop_assert_eq!(compare(int, float), exact(int, float));
        let near = nearest_float(int);
        prop_assert_eq!(exact_float(int).is_some(), exact(int, near).is_eq());
    }

    #[test]
    fn ranges_hold_what_compares_so(
        int in any_int(), other in any_int(), float in any_float(), far in any_float()
    ) {
        for comparison in [Comparison::Equal, Comparison::Less, Comparison::LessOrEqual] {
            for side in [Side::Left, Side::Right] {
                let holds = |ordering: Ordering| match side {
                    Side::Right => comparison.holds(ordering),
                    Side::Left => comparison.holds(ordering.reverse()),
                };
                let within = |(min, max): (i64, i64)| min <= int && int <= max;
                let inside = |(min, max): (f64, f64)| min <= float && float <= max;
                let ints = ints_to_int(comparison, side, other);
                prop_assert_eq!(within(ints), holds(int.cmp(&other)));
                let ints = ints_to_float(comparison, side, float);
                prop_assert_eq!(within(ints), holds(exact(int, float)));
                let floats = floats_to_int(comparison, side, int);
                prop_assert_eq!(inside(floats), holds(exact(int, float).reverse()));
                let floats = floats_to_float(comparison, side, far);
                let ordering = float.partial_cmp(&far).expect("no NaN");
                prop_assert_eq!(inside(floats), holds(ordering));
                #[expect(clippy::cast_possible_truncation, reason = "makes any 32-bit float")]
                let single = float as f32;
                if single.is_finite() {
                    let (low, high) = f32_range(floats.0, floats.1);
                    let ordering = f64::from(single).partial_cmp(&far).expect("no NaN");
                    prop_assert_eq!(low <= single && single <= high, holds(ordering));
                }
            }
        }
    }
}
