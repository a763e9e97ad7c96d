//! Which index a column of a segment gets.

use crate::error::BuildError;
use crate::index::Kind;
use crate::values::{Key, Values};
use arrow_array::{Array, ArrayRef};
use hashbrown::HashTable;
use vicinal_types::{ColumnIndex, ScalarType};
use xxhash_rust::xxh3::xxh3_64;

/// Rows from which on a column gets an index by itself: fewer are looked at in a few
/// microseconds.
pub const AUTO_ROWS_MIN: usize = 4_096;

/// Different values from which on their order is kept instead of the rows of each: with
/// fewer, their rows take 2 bytes each at most, and an order takes 4.
pub const BITMAP_VALUES_MAX: usize = 1_024;

/// What is known of a column's values before an index is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its rows.
    pub rows: usize,
    /// How many of them are null.
    pub nulls: usize,
    /// Its different values; [`BITMAP_VALUES_MAX`] + 1 if there are more than that. Of
    /// arrays and of JSON they are not counted: 0.
    pub distinct: usize,
}

impl Profile {
    /// Looks at a column, in its [`ScalarType::arrow`] type.
    ///
    /// # Errors
    /// [`BuildError::Column`] if the array is of another type.
    pub fn of(scalar: ScalarType, column: &ArrayRef) -> Result<Self, BuildError> {
        let (rows, nulls) = (column.len(), column.null_count());
        let are_counted = scalar.item().is_none() && scalar != ScalarType::Json;
        if !are_counted || rows < AUTO_ROWS_MIN {
            return Ok(Self { rows, nulls, distinct: 0 });
        }
        let found = || BuildError::Column { scalar, found: column.data_type().to_string() };
        let values = Values::of(scalar, column).ok_or_else(found)?;
        let mut seen: HashTable<Key<'_>> = HashTable::new();
        for row in (0..rows).filter(|row| column.is_valid(*row)) {
            let key = values.key(row);
            let is_same = |other: &Key<'_>| *other == key;
            if let hashbrown::hash_table::Entry::Vacant(place) =
                seen.entry(hash(&key), is_same, hash)
            {
                place.insert(key);
                if seen.len() > BITMAP_VALUES_MAX {
                    break;
                }
            }
        }
        Ok(Self { rows, nulls, distinct: seen.len() })
    }
}

fn hash(key: &Key<'_>) -> u64 {
    match key {
        Key::Number(number) => {
            let spread = number.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
            spread ^ (spread >> 32)
        }
        Key::Text(text) => xxh3_64(text),
    }
}

/// The index that a column gets, if it gets one.
///
/// Bools get none by themselves: the column is what a bitmap would be.
pub fn choose(declared: ColumnIndex, scalar: ScalarType, profile: &Profile) -> Option<Kind> {
    let kind = match declared {
        ColumnIndex::None => None,
        ColumnIndex::Bitmap => Some(Kind::Bitmap),
        ColumnIndex::Sorted => Some(Kind::Sorted),
        ColumnIndex::Inverted => Some(Kind::Inverted),
        ColumnIndex::Trigram => Some(Kind::Trigram),
        ColumnIndex::Auto if profile.rows < AUTO_ROWS_MIN => None,
        ColumnIndex::Auto => match scalar {
            ScalarType::Bool | ScalarType::Json => None,
            ScalarType::Array(_) => Some(Kind::Inverted),
            ScalarType::Int8
            | ScalarType::Int16
            | ScalarType::Int32
            | ScalarType::Int64
            | ScalarType::Float32
            | ScalarType::Float64
            | ScalarType::String
            | ScalarType::Timestamp => Some(if profile.distinct <= BITMAP_VALUES_MAX {
                Kind::Bitmap
            } else {
                Kind::Sorted
            }),
        },
    };
    kind.filter(|kind| kind.takes(scalar))
}
