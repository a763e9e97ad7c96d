//! Every table against the naive sums in binary64.

mod codes;
mod signs;
mod transform;

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// What a kernel of `len` terms may be off, in parts of the sum of the terms'
/// magnitudes: one rounding a term, and some for the terms themselves.
fn assert_within_rounding(found: f32, exact: f64, magnitude: f64, len: usize) {
    let allowed =
        (len as f64 + 4.0) * f64::from(f32::EPSILON) * magnitude + f64::from(f32::MIN_POSITIVE);
    let error = (f64::from(found) - exact).abs();
    assert!(error <= allowed, "{found} is not {exact} ± {allowed} of {len} terms");
}

/// The values' bits, with one NaN for all.
fn bits(values: &[f32]) -> Vec<u32> {
    let one = |value: &f32| if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() };
    values.iter().map(one).collect()
}

/// Values that break careless arithmetic.
fn special() -> impl Strategy<Value = f32> {
    prop_oneof![
        Just(f32::NAN),
        Just(f32::INFINITY),
        Just(f32::NEG_INFINITY),
        Just(0.0),
        Just(-0.0),
        Just(f32::MAX),
        Just(f32::MIN),
        Just(f32::MIN_POSITIVE),
    ]
}

fn terms(a: &[f64], b: &[f64], term: impl Fn(f64, f64) -> f64) -> (f64, f64) {
    let terms = || a.iter().zip(b).map(|(&a, &b)| term(a, b));
    (terms().sum(), terms().map(f64::abs).sum())
}

fn l2(a: f64, b: f64) -> f64 {
    (a - b).powi(2)
}

fn dot(a: f64, b: f64) -> f64 {
    a * b
}

/// Two slices of equal length that begin at any element of their buffers.
fn pair<T: Clone + std::fmt::Debug>(
    element: impl Strategy<Value = T>,
) -> impl Strategy<Value = (Vec<T>, usize)> {
    (0..=130usize, 0..4usize).prop_flat_map({
        let element = std::rc::Rc::new(element);
        move |(len, skip)| (vec(element.clone(), 2 * (len + skip)), Just(skip))
    })
}

fn halves<T>((buffer, skip): &(Vec<T>, usize)) -> (&[T], &[T]) {
    let (a, b) = buffer.split_at(buffer.len() / 2);
    (&a[*skip..], &b[*skip..])
}

fn check_floats<T: Copy>(
    (a, b): (&[T], &[T]),
    widen: impl Fn(T) -> f64,
    l2_kernel: impl Fn(&'static Kernels, &[T], &[T]) -> f32,
    dot_kernel: impl Fn(&'static Kernels, &[T], &[T]) -> f32,
) {
    let wide = |elements: &[T]| elements.iter().map(|&element| widen(element)).collect::<Vec<_>>();
    let (wide_a, wide_b) = (wide(a), wide(b));
    let (l2_sum, l2_magnitude) = terms(&wide_a, &wide_b, l2);
    let (dot_sum, dot_magnitude) = terms(&wide_a, &wide_b, dot);
    // A difference is rounded relative to its operands, not to itself.
    let operands: f64 = wide_a.iter().zip(&wide_b).map(|(a, b)| (a.abs() + b.abs()).powi(2)).sum();
    for kernels in available() {
        assert_within_rounding(
            l2_kernel(kernels, a, b),
            l2_sum,
            l2_magnitude.max(operands),
            a.len(),
        );
        assert_within_rounding(dot_kernel(kernels, a, b), dot_sum, dot_magnitude, a.len());
    }
}

fn rounded(exact: i64) -> f32 {
    exact as f32
}

fn check_integers<T: Copy + Into<i64>>(
    (a, b): (&[T], &[T]),
    l2_kernel: impl Fn(&'static Kernels, &[T], &[T]) -> f32,
    dot_kernel: impl Fn(&'static Kernels, &[T], &[T]) -> f32,
) {
    let pairs = || a.iter().zip(b).map(|(&a, &b)| (a.into(), b.into()));
    let l2: i64 = pairs().map(|(a, b): (i64, i64)| (a - b).pow(2)).sum();
    let dot: i64 = pairs().map(|(a, b): (i64, i64)| a * b).sum();
    for kernels in available() {
        assert_eq!(l2_kernel(kernels, a, b), rounded(l2), "{kernels:?}");
        assert_eq!(dot_kernel(kernels, a, b), rounded(dot), "{kernels:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_table_sums_f32_within_rounding(pair in pair(-1e3f32..1e3)) {
        check_floats(halves(&pair), f64::from, Kernels::l2_f32, Kernels::dot_f32);
    }

    #[test]
    fn every_table_sums_f16_within_rounding(pair in pair((-1e3f32..1e3).prop_map(f16::from_f32))) {
        check_floats(halves(&pair), f64::from, Kernels::l2_f16, Kernels::dot_f16);
    }

    #[test]
    fn every_table_sums_bf16_within_rounding(pair in pair((-1e3f32..1e3).prop_map(bf16::from_f32))) {
        check_floats(halves(&pair), f64::from, Kernels::l2_bf16, Kernels::dot_bf16);
    }

    #[test]
    fn every_table_sums_i8_exactly(pair in pair(any::<i8>())) {
        check_integers(halves(&pair), Kernels::l2_i8, Kernels::dot_i8);
    }

    #[test]
    fn every_table_sums_u8_exactly(pair in pair(any::<u8>())) {
        check_integers(halves(&pair), Kernels::l2_u8, Kernels::dot_u8);
    }

    #[test]
    fn every_table_counts_differing_bits(pair in pair(any::<u8>())) {
        let (a, b) = halves(&pair);
        let bits: i64 = a.iter().zip(b).map(|(a, b)| i64::from((a ^ b).count_ones())).sum();
        for kernels in available() {
            assert_eq!(kernels.hamming(a, b), rounded(bits), "{kernels:?}");
        }
    }

    /// Whether a result is NaN, which infinity it is, or finite, is the same on
    /// every instruction set, wherever the special value stands.
    #[test]
    fn special_values_behave_like_scalar(
        pair in pair(prop_oneof![
            20 => -1f32..1.0,
            1 => Just(f32::NAN),
            1 => Just(f32::INFINITY),
            1 => Just(f32::NEG_INFINITY),
            1 => Just(0.0),
            1 => Just(-0.0),
        ]),
    ) {
        let class = |value: f32| (value.is_nan(), value == f32::INFINITY, value == f32::NEG_INFINITY);
        let (a, b) = halves(&pair);
        let narrow = |values: &[f32]| values.iter().map(|&value| f16::from_f32(value)).collect::<Vec<_>>();
        let brain = |values: &[f32]| values.iter().map(|&value| bf16::from_f32(value)).collect::<Vec<_>>();
        let (half_a, half_b, brain_a, brain_b) = (narrow(a), narrow(b), brain(a), brain(b));
        let all = |kernels: &Kernels| [
            kernels.l2_f32(a, b), kernels.dot_f32(a, b),
            kernels.l2_f16(&half_a, &half_b), kernels.dot_f16(&half_a, &half_b),
            kernels.l2_bf16(&brain_a, &brain_b), kernels.dot_bf16(&brain_a, &brain_b),
        ].map(class);
        for kernels in available() {
            assert_eq!(all(kernels), all(&scalar::KERNELS), "{kernels:?}");
        }
    }
}

#[test]
fn the_longest_integer_vectors_do_not_overflow() {
    let len = limits::DIM_MAX as usize;
    let (low, high) = (vec![0u8; len], vec![255u8; len]);
    let (least, most) = (vec![i8::MIN; len], vec![i8::MAX; len]);
    for kernels in available() {
        assert_eq!(kernels.l2_u8(&low, &high), 255.0 * 255.0 * len as f32, "{kernels:?}");
        assert_eq!(kernels.dot_u8(&high, &high), 255.0 * 255.0 * len as f32, "{kernels:?}");
        assert_eq!(kernels.l2_i8(&least, &most), 255.0 * 255.0 * len as f32, "{kernels:?}");
        assert_eq!(kernels.dot_i8(&least, &least), 128.0 * 128.0 * len as f32, "{kernels:?}");
        assert_eq!(kernels.hamming(&low, &high), 8.0 * len as f32, "{kernels:?}");
    }
}

#[test]
fn empty_and_zero_vectors_have_distance_zero() {
    for kernels in available() {
        for len in 0..70 {
            let zeros = vec![0.0f32; len];
            assert_eq!(kernels.l2_f32(&zeros, &zeros), 0.0, "{kernels:?}");
            assert_eq!(kernels.dot_f32(&zeros, &zeros), 0.0, "{kernels:?}");
        }
    }
}

#[test]
#[should_panic(expected = "one dimension")]
fn different_lengths_are_refused() {
    scalar::KERNELS.l2_f32(&[1.0], &[1.0, 2.0]);
}

#[test]
fn a_table_is_selected_by_name_or_refused_with_the_choice() {
    for kernels in available() {
        let name = kernels.isa().name();
        assert_eq!(select(name).expect("it is available").isa(), kernels.isa());
    }
    let error = select("mmx").expect_err("nobody has this table").to_string();
    assert!(error.contains("`mmx`") && error.contains("scalar"), "{error}");
    for isa in Isa::ALL.into_iter().filter(|isa| !isa.is_detected()) {
        let error = select(isa.name()).expect_err("it was not detected").to_string();
        assert!(error.contains(isa.name()) && error.contains("scalar"), "{error}");
    }
}
