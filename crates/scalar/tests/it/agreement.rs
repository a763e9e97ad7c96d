//! An index answers as the column does.

use crate::columns::{Draw, Nulls, column, columns, empty_lists, filter, filters, kinds};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, StringArray};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::sync::Arc;
use vicinal_filter::{Leaf, Test};
use vicinal_scalar::{Kind, ScalarIndex};
use vicinal_types::ScalarType;

/// The index, read from its bytes.
fn index(kind: Kind, scalar: ScalarType, column: &ArrayRef) -> ScalarIndex {
    let built = ScalarIndex::build(kind, scalar, column).expect("a right column");
    let opened = ScalarIndex::open(&built.to_bytes().into(), scalar, column);
    opened.unwrap_or_else(|error| panic!("{kind} of {scalar}: {error}"))
}

/// Checks a filter with every index that the column can have; returns how many tests
/// were answered.
fn check(scalar: ScalarType, column: &ArrayRef, indexes: &[ScalarIndex], text: &str) -> usize {
    let columns = columns(column);
    let filter = filter(scalar, text);
    let expected = filter.evaluate(&columns, None, &mut |_| None).expect("the column is there");
    let mut answered = 0;
    for index in indexes {
        let mut ask = |leaf: &Leaf| {
            let answer = index.answer(leaf)?;
            answered += 1;
            let nulls = column.nulls();
            let is_null = |row: &u32| nulls.is_some_and(|nulls| nulls.is_null(*row as usize));
            assert!(!answer.iter().any(|row| is_null(&row)), "{text}: null rows");
            if let Some(count) = index.count(leaf) {
                assert_eq!(count, answer.count(), "{text}: rows counted by {}", index.kind());
            }
            Some(answer)
        };
        let found = filter.evaluate(&columns, None, &mut ask).expect("the column is there");
        assert_eq!(found, expected, "{text} of {scalar} by {}", index.kind());
    }
    answered
}

fn check_all(scalar: ScalarType, draw: Draw, rng: &mut SmallRng) -> usize {
    let column = column(scalar, draw);
    let indexes: Vec<ScalarIndex> =
        kinds(scalar).into_iter().map(|kind| index(kind, scalar, &column)).collect();
    let texts = filters(scalar, rng);
    texts.iter().map(|text| check(scalar, &column, &indexes, text)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_answer_is_that_of_the_column(
        rows in prop_oneof![0..200_usize, 4_000..5_000_usize],
        distinct in prop_oneof![1..5_u32, 1..300_u32, 1..100_000_u32],
        nulls in prop_oneof![Just(Nulls::None), Just(Nulls::Some), Just(Nulls::All)],
        seed in 0..u64::MAX / 2,
    ) {
        let mut rng = SmallRng::seed_from_u64(seed);
        for scalar in ScalarType::ALL {
            check_all(scalar, Draw { rows, distinct, nulls, seed }, &mut rng);
        }
    }
}

/// Several chunks of rows, bits that are kept, and containers of both forms.
#[test]
fn large_columns_are_answered_as_small_ones_are() {
    let mut rng = SmallRng::seed_from_u64(1);
    for (scalar, distinct, expected) in [
        (ScalarType::Int64, 40, 22),
        (ScalarType::Int64, 1_000_000, 22),
        (ScalarType::Float32, 1_000_000, 20),
        (ScalarType::Int8, 1_000, 20),
        (ScalarType::String, 3, 36),
        (ScalarType::String, 2_000, 32),
        (ScalarType::Array(vicinal_types::ArrayItem::String), 30, 6),
        (ScalarType::Array(vicinal_types::ArrayItem::Int64), 1_000_000, 6),
    ] {
        for nulls in [Nulls::None, Nulls::Some] {
            let draw = Draw { rows: 150_001, distinct, nulls, seed: 5 };
            let answered = check_all(scalar, draw, &mut rng);
            assert!(answered >= expected, "{answered} tests of {scalar} were answered");
        }
    }
}

#[test]
fn a_column_in_order_takes_next_to_nothing() {
    let rows = 100_000_i64;
    let ascending: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row / 3)));
    let index = index(Kind::Sorted, ScalarType::Int64, &ascending);
    assert_eq!(index.to_bytes().len(), 64);
    for text in ["c < 500", "c between 100 and 20000", "c = 7", "c != 9", "c in [1, 5, 900000]"] {
        assert!(check(ScalarType::Int64, &ascending, std::slice::from_ref(&index), text) > 0);
    }
}

#[test]
fn zeros_of_both_signs_are_one() {
    let zeros: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, 1.0, -1.0]));
    for kind in [Kind::Bitmap, Kind::Sorted] {
        let index = index(kind, ScalarType::Float64, &zeros);
        for text in ["c = 0", "c = -0.0", "c < 0", "c >= 0", "c in [-0.0, 1]"] {
            assert_eq!(check(ScalarType::Float64, &zeros, std::slice::from_ref(&index), text), 1);
        }
    }
}

#[test]
fn a_pattern_of_one_trigram_looks_at_no_string() {
    let texts = (0..50_000).map(|row| if row % 40 == 0 { "a food b" } else { "none of it" });
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
    let index = index(Kind::Trigram, ScalarType::String, &texts);
    let of = std::slice::from_ref(&index);
    for text in ["c like '%ood%'", "c like '%food_b%'", "c like '%food%'", "c like '%foodies%'"] {
        assert_eq!(check(ScalarType::String, &texts, of, text), 1, "{text}");
    }
    // Too many strings to look at, and none to look for.
    for text in ["c like '%none%'", "c like '%oo%'", "c matches 'food'", "c > 'b'"] {
        assert_eq!(check(ScalarType::String, &texts, of, text), 0, "{text}");
    }
}

#[test]
fn a_test_of_another_type_is_not_answered() {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let index = index(Kind::Sorted, ScalarType::Int64, &column);
    let filter = filter(ScalarType::Int32, "c < 2");
    let leaf = filter.leaves()[0];
    assert_eq!((index.answer(leaf), index.count(leaf)), (None, None));
    let null = Leaf { test: Test::IsNull, scalar: ScalarType::Int64, ..leaf.clone() };
    assert_eq!((index.answer(&null), index.count(&null)), (None, Some(0)));
}

#[test]
fn arrays_without_items_are_found_by_nothing() {
    use vicinal_types::ArrayItem;
    let scalar = ScalarType::Array(ArrayItem::String);
    let column = empty_lists(300);
    let index = index(Kind::Inverted, scalar, &column);
    let of = std::slice::from_ref(&index);
    for text in ["contains(c, 'a')", "contains_all(c, ['a', 'b'])", "contains_all(c, [])"] {
        check(scalar, &column, of, text);
    }
    assert_eq!(index.row_count(), 300);
}
