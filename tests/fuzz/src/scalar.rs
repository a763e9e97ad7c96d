//! Stored indexes of scalar columns.

use crate::edits::edits;
use arrow_array::builder::{Int64Builder, ListBuilder, StringBuilder};
use arrow_array::{Array, ArrayRef};
use std::ops::Bound;
use std::sync::{Arc, LazyLock};
use vicinal_filter::{ColumnRef, Leaf, Set, Test};
use vicinal_scalar::{Kind, ScalarIndex};
use vicinal_types::{ArrayItem, ColumnId, ScalarType};

/// Enough for bits that are kept, and not a multiple of a word.
const ROWS: i64 = 17_001;

/// An index that can be opened.
struct Stored {
    scalar: ScalarType,
    column: ArrayRef,
    bytes: Vec<u8>,
}

static STORED: LazyLock<Vec<Stored>> = LazyLock::new(|| {
    let mut stored = Vec::new();
    for distinct in [3, 1_000_003] {
        let number = |row: i64| (row % 7 != 0).then_some(row * 7_919 % 1_000_003 % distinct);
        let mut ints = Int64Builder::new();
        let mut texts = StringBuilder::new();
        let mut lists =
            ListBuilder::new(StringBuilder::new()).with_field(ArrayItem::String.field());
        for row in 0..ROWS {
            let text = number(row).map(|number| format!("word {number:x}"));
            ints.append_option(number(row));
            text.iter().for_each(|text| lists.values().append_value(text));
            lists.append(row % 5 != 0);
            texts.append_option(text);
        }
        let columns: [(ScalarType, ArrayRef, &[Kind]); 3] = [
            (ScalarType::Int64, Arc::new(ints.finish()), &[Kind::Bitmap, Kind::Sorted]),
            (
                ScalarType::String,
                Arc::new(texts.finish()),
                &[Kind::Bitmap, Kind::Sorted, Kind::Trigram],
            ),
            (ScalarType::Array(ArrayItem::String), Arc::new(lists.finish()), &[Kind::Inverted]),
        ];
        for (scalar, column, kinds) in columns {
            for kind in kinds {
                let index = ScalarIndex::build(*kind, scalar, &column).expect("a right column");
                let (bytes, column) = (index.to_bytes(), Arc::clone(&column));
                stored.push(Stored { scalar, column, bytes });
            }
        }
    }
    stored
});

fn tests(scalar: ScalarType) -> Vec<Test> {
    let texts = |texts: &[&str]| Set::Texts(texts.iter().map(|text| (*text).to_owned()).collect());
    if scalar == ScalarType::Int64 {
        vec![
            Test::IntRange { min: i64::MIN, max: 500_000 },
            Test::IntRange { min: 1, max: i64::MAX },
            Test::In(Set::Ints(vec![0, 2, 500, 77_000])),
        ]
    } else if scalar == ScalarType::String {
        vec![
            Test::Prefix("word 7f".to_owned()),
            Test::In(texts(&["word 1", "word 2f0"])),
            Test::TextRange { min: Bound::Unbounded, max: Bound::Excluded("word 9".to_owned()) },
        ]
    } else {
        vec![
            Test::ContainsAny(texts(&["word 1", "word 2f0"])),
            Test::ContainsAll(texts(&["word 1", "word 2"])),
        ]
    }
}

/// Edits to an index, which is then opened and asked. The first byte chooses the index.
///
/// # Panics
/// If an answer ranges over other rows than the column, or an untouched index is refused.
pub fn scalar(data: &[u8]) {
    let (&chosen, data) = data.split_first().unwrap_or((&0, &[]));
    let Stored { scalar, column, bytes } = &STORED[usize::from(chosen) % STORED.len()];
    let mut edited = bytes.clone();
    edits(data).for_each(|edit| edit.apply(&mut edited));
    let is_edited = edited != *bytes;
    let opened = ScalarIndex::open(&edited.into(), *scalar, column);
    assert!(is_edited || opened.is_ok(), "its own bytes are refused");
    let Ok(index) = opened else { return };
    for test in tests(*scalar) {
        let leaf = Leaf { column: ColumnRef::Column(ColumnId(1)), scalar: *scalar, test };
        if let Some(rows) = index.answer(&leaf) {
            assert_eq!(rows.len(), column.len());
            assert!(is_edited || index.count(&leaf).is_none_or(|count| count == rows.count()));
        }
    }
}
