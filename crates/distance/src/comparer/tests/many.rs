//! Keys of many vectors and many: each is the key of its pair.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn types() -> impl Iterator<Item = (ElementType, Metric)> {
    let floats = [ElementType::F32, ElementType::F16, ElementType::Bf16];
    let numbers = floats.into_iter().chain([ElementType::I8, ElementType::U8]);
    numbers
        .flat_map(|element| [(element, Metric::L2), (element, Metric::InnerProduct)])
        .chain([Metric::Hamming, Metric::Jaccard].map(|metric| (ElementType::Binary, metric)))
}

/// Dimension, queries, rows, bytes before them, and values to fill them with.
fn shape() -> impl Strategy<Value = (usize, usize, usize, usize, Vec<i8>)> {
    (1..=130usize, 0..=21usize, 0..=70usize, 0..4usize).prop_flat_map(
        |(dim, queries, rows, skip)| {
            let values = vec(any::<i8>(), dim * (queries + rows));
            (Just(dim), Just(queries), Just(rows), Just(skip), values)
        },
    )
}

fn check(comparer: &Comparer, queries: &[u8], rows: &[u8], is_same: impl Fn(f32, f32) -> bool) {
    let row_bytes = comparer.vector_type().row_bytes();
    let (query_count, row_count) = (queries.len() / row_bytes, rows.len() / row_bytes);
    let mut found = vec![f32::NAN; query_count * row_count];
    comparer.keys_many(queries, rows, &mut found);
    for (q, query) in queries.chunks(row_bytes).enumerate() {
        for (r, row) in rows.chunks(row_bytes).enumerate() {
            let (found, key) = (found[q * row_count + r], comparer.key(query, row));
            assert!(is_same(found, key), "{comparer:?}: {found} is not {key} at {q}, {r}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    /// Small whole numbers are summed exactly by every type in every order.
    #[test]
    fn many_keys_are_the_keys_of_each_pair((dim, queries, _, skip, values) in shape()) {
        for (element, metric) in types() {
            let dim = if element == ElementType::Binary { 8 * dim } else { dim };
            let dim = u32::try_from(dim).expect("small");
            let bytes = stored(element, &values);
            let shifted = [vec![0; skip], bytes].concat();
            let vector = vector_type(dim, element, metric);
            let (queries, rows) = shifted[skip..].split_at(queries * vector.row_bytes());
            for kernels in available() {
                check(&Comparer::new(vector, kernels), queries, rows, |a, b| a.to_bits() == b.to_bits());
            }
        }
    }

    /// Whether a key is infinite, and which infinity, does not depend on the way.
    #[test]
    fn many_keys_of_special_values_are_ordered(
        (dim, queries, rows) in (1..=40usize, 4..=9usize, 0..=40usize),
        values in vec(prop_oneof![
            40 => -1f32..1.0,
            1 => Just(f32::NAN),
            1 => Just(f32::INFINITY),
            1 => Just(f32::NEG_INFINITY),
            1 => Just(-0.0),
        ], 40 * 49),
    ) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let vector = |metric| vector_type(u32::try_from(dim).expect("small"), ElementType::F32, metric);
        let (queries, rows) = (&bytes[..queries * dim * 4], &bytes[queries * dim * 4..][..rows * dim * 4]);
        for (metric, kernels) in available().flat_map(|table| [(Metric::L2, table), (Metric::Cosine, table)]) {
            check(&Comparer::new(vector(metric), kernels), queries, rows, |found, key| {
                if key.is_infinite() { found == key } else { (found - key).abs() <= 1e-4 }
            });
        }
    }
}

/// More queries than are packed at once, and extreme bytes in long vectors.
#[test]
fn many_long_integer_vectors_do_not_overflow() {
    let dim = 20_000;
    for element in [ElementType::U8, ElementType::I8] {
        let bytes = [vec![0; 2 * dim], vec![255; dim], vec![127; dim], vec![128; 2 * dim]].concat();
        for (metric, kernels) in
            available().flat_map(|table| [(Metric::L2, table), (Metric::InnerProduct, table)])
        {
            let vector = vector_type(u32::try_from(dim).expect("small"), element, metric);
            check(&Comparer::new(vector, kernels), &bytes, &bytes, |a, b| a == b);
        }
    }
}

#[test]
fn more_queries_than_are_packed_at_once_get_their_keys() {
    let values: Vec<i8> =
        (0..3 * 600).map(|at: i32| i8::try_from(at * 7 % 100).expect("small")).collect();
    for kernels in available() {
        let vector = vector_type(3, ElementType::F32, Metric::L2);
        let bytes = stored(ElementType::F32, &values);
        check(&Comparer::new(vector, kernels), &bytes, &bytes[..12 * 50], |a, b| a == b);
    }
}

#[test]
#[should_panic(expected = "each query meets each row once")]
fn room_for_too_few_keys_is_refused() {
    let kernels = available().next().expect("scalar runs everywhere");
    let comparer = Comparer::new(vector_type(2, ElementType::F32, Metric::L2), kernels);
    comparer.keys_many(&[0; 16], &[0; 16], &mut [0.0; 3]);
}
