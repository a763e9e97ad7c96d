//! Which index a column gets.

use crate::columns::{Draw, Nulls, column, kinds};
use vicinal_scalar::{AUTO_ROWS_MIN, BITMAP_VALUES_MAX, Kind, Profile, ScalarIndex, choose};
use vicinal_types::{ArrayItem, ColumnIndex, ScalarType};

fn auto(scalar: ScalarType, rows: usize, distinct: u32) -> Option<Kind> {
    let column = column(scalar, Draw { rows, distinct, nulls: Nulls::Some, seed: 3 });
    let profile = Profile::of(scalar, &column).expect("a right column");
    assert_eq!((profile.rows, profile.nulls), (rows, column.null_count()));
    choose(ColumnIndex::Auto, scalar, &profile)
}

#[test]
fn the_type_and_the_values_choose() {
    let check = |scalar, rows, distinct, expected| {
        assert_eq!(auto(scalar, rows, distinct), expected, "{scalar} {rows} {distinct}");
    };
    let many = 1_000_000;
    check(ScalarType::Int64, 20_000, 50, Some(Kind::Bitmap));
    check(ScalarType::Int64, 20_000, many, Some(Kind::Sorted));
    check(ScalarType::Int64, AUTO_ROWS_MIN - 1, many, None);
    check(ScalarType::Timestamp, 20_000, many, Some(Kind::Sorted));
    check(ScalarType::Int8, 20_000, many, Some(Kind::Bitmap));
    check(ScalarType::String, 20_000, 5, Some(Kind::Bitmap));
    check(ScalarType::String, 20_000, many, Some(Kind::Sorted));
    check(ScalarType::Array(ArrayItem::String), 20_000, 5, Some(Kind::Inverted));
    check(ScalarType::Bool, 20_000, 2, None);
    check(ScalarType::Json, 20_000, many, None);
}

#[test]
fn values_are_counted_up_to_the_limit() {
    let draw = |distinct| Draw { rows: 20_000, distinct, nulls: Nulls::None, seed: 3 };
    let distinct = |distinct| {
        let column = column(ScalarType::Int64, draw(distinct));
        Profile::of(ScalarType::Int64, &column).expect("a right column").distinct
    };
    assert_eq!(distinct(7), 7);
    assert_eq!(distinct(1_000_000), BITMAP_VALUES_MAX + 1);
}

#[test]
fn what_is_named_is_taken_or_refused() {
    let profile = Profile { rows: 10, nulls: 0, distinct: 0 };
    for scalar in ScalarType::ALL {
        for kind in kinds(scalar) {
            assert_eq!(choose(kind.declared(), scalar, &profile), Some(kind));
        }
        assert_eq!(choose(ColumnIndex::None, scalar, &profile), None);
    }
    let draw = Draw { rows: 10, distinct: 3, nulls: Nulls::None, seed: 3 };
    let ints = column(ScalarType::Int64, draw);
    let refused = ScalarIndex::build(Kind::Trigram, ScalarType::Int64, &ints);
    let refused = refused.expect_err("numbers have no trigrams");
    assert_eq!(refused.to_string(), "a column of type int64 has no trigram index");
    let refused = ScalarIndex::build(Kind::Sorted, ScalarType::Int32, &ints);
    let refused = refused.expect_err("it is held as int64");
    assert!(refused.to_string().contains("held as an array of Int64"), "{refused}");
}
