//! Bytes that no index wrote: refused, or at least harmless.

use crate::columns::{Draw, Nulls, column, filter, filters, kinds};
use arrow_array::ArrayRef;
use bytes::Bytes;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use vicinal_scalar::{Kind, ScalarIndex};
use vicinal_types::{ArrayItem, ScalarType};

const TYPES: [ScalarType; 4] = [
    ScalarType::Int64,
    ScalarType::String,
    ScalarType::Float32,
    ScalarType::Array(ArrayItem::String),
];

/// Opens the bytes and asks everything, if they can be opened; says whether they could.
fn ask(bytes: Vec<u8>, scalar: ScalarType, column: &ArrayRef, rng: &mut SmallRng) -> bool {
    let Ok(index) = ScalarIndex::open(&Bytes::from(bytes), scalar, column) else { return false };
    for text in filters(scalar, rng) {
        for leaf in filter(scalar, &text).leaves() {
            if let Some(rows) = index.answer(leaf) {
                assert_eq!(rows.len(), column.len());
            }
            let _counted = index.count(leaf);
        }
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn edited_bytes_never_panic(
        rows in prop_oneof![1..100_usize, 17_000..18_000_usize],
        distinct in prop_oneof![1..5_u32, 1..100_000_u32],
        has_nulls in any::<bool>(),
        seed in 0..u64::MAX / 2,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        in_header in any::<bool>(),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let nulls = if has_nulls { Nulls::Some } else { Nulls::None };
        for scalar in TYPES {
            let column = column(scalar, Draw { rows, distinct, nulls, seed });
            for kind in kinds(scalar) {
                let index = ScalarIndex::build(kind, scalar, &column).expect("a right column");
                let mut bytes = index.to_bytes();
                for (at, byte) in &edits {
                    let at = at.index(if in_header { 64 } else { bytes.len() });
                    bytes[at] = *byte;
                }
                if let Some(cut) = cut {
                    bytes.truncate(cut.index(bytes.len()));
                }
                ask(bytes, scalar, &column, &mut rng);
            }
        }
    }
}

/// What is wrong with bytes, by where it is.
#[test]
fn wrong_bytes_are_refused_with_the_reason() {
    let draw = Draw { rows: 20_000, distinct: 50, nulls: Nulls::Some, seed: 9 };
    let column = column(ScalarType::Int64, draw);
    let bytes = |kind| {
        ScalarIndex::build(kind, ScalarType::Int64, &column).expect("a right column").to_bytes()
    };
    let check = |kind: Kind, edit: &dyn Fn(&mut Vec<u8>), expected: &str| {
        let mut bytes = bytes(kind);
        edit(&mut bytes);
        let opened = ScalarIndex::open(&Bytes::from(bytes), ScalarType::Int64, &column);
        let error = opened.expect_err(expected);
        assert!(error.to_string().contains(expected), "{error} instead of {expected}");
    };
    check(Kind::Sorted, &|bytes| bytes.truncate(60), "60 bytes instead of 64");
    check(Kind::Sorted, &|bytes| bytes[0] = 9, "version 9, this program reads 1");
    check(Kind::Sorted, &|bytes| bytes[1] = 0, "kind is wrong");
    check(Kind::Sorted, &|bytes| bytes[1] = 4, "kind is wrong");
    check(Kind::Sorted, &|bytes| bytes[3] = 1, "header is wrong");
    check(Kind::Sorted, &|bytes| bytes[8] ^= 1, "row count is wrong");
    check(Kind::Sorted, &|bytes| bytes.extend([0; 64]), "length is wrong");
    check(Kind::Sorted, &|bytes| bytes[67] = 0xff, "place of a value is wrong");
    check(Kind::Sorted, &|bytes| bytes.copy_within(64..68, 68), "set of rows is wrong");
    check(Kind::Bitmap, &|bytes| bytes[64 + 256] = 1, "list of keys is wrong");
    let last = |bytes: &mut Vec<u8>| *bytes.last_mut().expect("there are some") ^= 1;
    check(Kind::Bitmap, &last, "padding is wrong");
}

/// Neither wrong rows nor rows that come twice are served.
#[test]
fn every_edited_row_is_found() {
    let draw = Draw { rows: 1_000, distinct: 100_000, nulls: Nulls::Some, seed: 9 };
    let column = column(ScalarType::Int64, draw);
    let index = ScalarIndex::build(Kind::Sorted, ScalarType::Int64, &column).expect("right");
    let whole = index.to_bytes();
    let mut rng = SmallRng::seed_from_u64(1);
    assert!(ask(whole.clone(), ScalarType::Int64, &column, &mut rng));
    for at in 64..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        assert!(!ask(bytes, ScalarType::Int64, &column, &mut rng), "byte {at}");
    }
}
