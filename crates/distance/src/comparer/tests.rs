//! Keys and scores of every metric and element type.

mod many;

use super::*;
use crate::available;
use half::{bf16, f16};

fn vector_type(dim: u32, element: ElementType, metric: Metric) -> VectorType {
    VectorType::new(dim, element, metric).expect("a right type")
}

/// Stores small whole numbers, which every element type holds exactly.
fn stored(element: ElementType, values: &[i8]) -> Vec<u8> {
    let bytes = |value: &i8| match element {
        ElementType::F32 => f32::from(*value).to_le_bytes().to_vec(),
        ElementType::F16 => f16::from(*value).to_le_bytes().to_vec(),
        ElementType::Bf16 => bf16::from(*value).to_le_bytes().to_vec(),
        ElementType::I8 | ElementType::U8 | ElementType::Binary => vec![value.cast_unsigned()],
    };
    values.iter().flat_map(bytes).collect()
}

#[test]
fn keys_of_all_types_agree_with_pencil_and_paper() {
    let (a, b) = ([1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 2, 1, 0, 1, 2, 3, 4, 5]);
    let (squared, product) =
        (4 + 4 + 16 + 16 + 16 + 16 + 16 + 16, 3 + 4 + 3 + 5 + 12 + 21 + 32 + 45);
    let floats = [ElementType::F32, ElementType::F16, ElementType::Bf16];
    let all =
        [ElementType::F32, ElementType::F16, ElementType::Bf16, ElementType::I8, ElementType::U8];
    let check = |element, metric, key: i32| {
        let (a, b) = (stored(element, &a), stored(element, &b));
        for kernels in available() {
            let comparer = Comparer::new(vector_type(9, element, metric), kernels);
            assert_eq!(comparer.key(&a, &b), key as f32, "{element} {metric} {kernels:?}");
            let score = comparer.score(comparer.key(&a, &b));
            assert_eq!(score, key.abs() as f32, "{element} {metric} {kernels:?}");
        }
    };
    for element in all {
        check(element, Metric::L2, squared);
        check(element, Metric::InnerProduct, -product);
    }
    for element in floats {
        check(element, Metric::Cosine, -product);
    }
}

#[test]
fn binary_keys_count_differing_bits() {
    for kernels in available() {
        let comparer =
            Comparer::new(vector_type(16, ElementType::Binary, Metric::Hamming), kernels);
        assert_eq!(comparer.key(&[0b1010_1010, 0xff], &[0b0101_0101, 0xfe]), 9.0);
        let comparer =
            Comparer::new(vector_type(16, ElementType::Binary, Metric::Jaccard), kernels);
        assert_eq!(comparer.key(&[0b1010_1010, 0xff], &[0b0101_1010, 0x7f]), 5.0 / 14.0);
        assert_eq!(comparer.key(&[0, 0], &[0, 0]), 0.0, "there is nothing to differ in");
    }
}

#[test]
fn keys_of_many_rows_are_the_keys_of_each_at_any_alignment() {
    let vector = vector_type(37, ElementType::F32, Metric::L2);
    let values: Vec<i8> =
        (0..37 * 9).map(|at: i32| i8::try_from(at * 7 % 100).expect("small")).collect();
    let mut bytes = vec![0; 3];
    bytes.extend(stored(ElementType::F32, &values));
    for kernels in available() {
        let comparer = Comparer::new(vector, kernels);
        for skip in 0..3 {
            let shifted = [&bytes[skip..3], &bytes[3..]].concat();
            let rows = &shifted[3 - skip..];
            let query = rows[..vector.row_bytes()].to_vec();
            let mut keys = [f32::NAN; 9];
            comparer.keys(&query, rows, &mut keys);
            let each: Vec<_> =
                rows.chunks(vector.row_bytes()).map(|row| comparer.key(&query, row)).collect();
            assert_eq!(keys.to_vec(), each, "{kernels:?}");
            let at = [8, 0, 3, 3, 7, 1, 8, 2, 6, 5, 4];
            let mut keys = [f32::NAN; 11];
            comparer.keys_at(&query, rows, &at, &mut keys);
            assert_eq!(keys, at.map(|row| each[row as usize]), "{kernels:?}");
        }
    }
}

#[test]
fn keys_are_ordered_whatever_the_vectors_hold() {
    let bytes = |value: f32| value.to_le_bytes().repeat(2);
    for kernels in available() {
        let l2 = Comparer::new(vector_type(2, ElementType::F32, Metric::L2), kernels);
        assert_eq!(
            l2.key(&bytes(f32::INFINITY), &bytes(f32::INFINITY)),
            f32::INFINITY,
            "no order is far"
        );
        assert_eq!(l2.key(&bytes(f32::MAX), &bytes(-f32::MAX)), f32::INFINITY, "overflow is far");
        let dot = Comparer::new(vector_type(2, ElementType::F32, Metric::InnerProduct), kernels);
        assert_eq!(dot.key(&bytes(f32::NAN), &bytes(1.0)), f32::INFINITY, "NaN is far");
        assert!(dot.key(&bytes(0.0), &bytes(1.0)).is_sign_positive(), "there is one zero");
        assert!(dot.score(0.0).is_sign_positive(), "there is one zero");
    }
}

#[test]
#[should_panic(expected = "out of range")]
fn a_row_that_is_not_there_is_refused() {
    let kernels = available().next().expect("scalar runs everywhere");
    let comparer = Comparer::new(vector_type(2, ElementType::F32, Metric::L2), kernels);
    comparer.keys_at(&[0; 8], &[0; 16], &[0, 1, 2], &mut [0.0; 3]);
}

#[test]
#[should_panic(expected = "a stored vector has 8 bytes")]
fn a_short_vector_is_refused() {
    let kernels = available().next().expect("scalar runs everywhere");
    Comparer::new(vector_type(2, ElementType::F32, Metric::L2), kernels).key(&[0; 8], &[0; 4]);
}
