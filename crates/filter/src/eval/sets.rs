//! Sets of constants, asked once a row.

use crate::plan::Set;
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

/// Members that are compared one by one: up to here that is faster than a hash.
const FEW: usize = 4;

/// Integers between the least and the greatest for which a bit each is kept.
const DENSE_MAX: u64 = 1 << 16;

/// A set of integers; floats are in one as their bits.
pub(super) enum IntSet {
    Few(Vec<i64>),
    /// A bit for each integer from `min` on.
    Dense {
        min: i64,
        words: Vec<u64>,
    },
    Hashed(HashTable<i64>),
}

impl IntSet {
    /// The set of ascending integers.
    pub(super) fn new(values: &[i64]) -> Self {
        let (Some(&min), Some(&max)) = (values.first(), values.last()) else {
            return Self::Few(Vec::new());
        };
        if values.len() <= FEW {
            return Self::Few(values.to_vec());
        }
        let span = max.abs_diff(min);
        if span < DENSE_MAX {
            let mut words = vec![0; place(span) + 1];
            for value in values {
                let bit = value.abs_diff(min);
                words[place(bit)] |= 1 << (bit % 64);
            }
            return Self::Dense { min, words };
        }
        let mut table = HashTable::with_capacity(values.len());
        for value in values {
            table.insert_unique(hash(*value), *value, |value| hash(*value));
        }
        Self::Hashed(table)
    }

    /// The set of floats by their bits.
    pub(super) fn of_floats(values: &[f64]) -> Self {
        let mut bits: Vec<i64> = values.iter().map(|value| float_bits(*value)).collect();
        bits.sort_unstable();
        Self::new(&bits)
    }

    #[inline]
    pub(super) fn contains(&self, value: i64) -> bool {
        match self {
            Self::Few(values) => values.iter().fold(false, |is_in, own| is_in | (*own == value)),
            Self::Dense { min, words } => {
                let bit = value.wrapping_sub(*min).cast_unsigned();
                let word = if bit < DENSE_MAX { words.get(place(bit)) } else { None };
                word.is_some_and(|word| word >> (bit % 64) & 1 == 1)
            }
            Self::Hashed(table) => table.find(hash(value), |own| *own == value).is_some(),
        }
    }
}

/// The word that a bit is in; there are few.
fn place(bit: u64) -> usize {
    (bit / 64) as usize
}

fn hash(value: i64) -> u64 {
    let spread = value.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    spread ^ (spread >> 32)
}

/// A float as an integer that is equal if the float is; zeros of both signs are.
#[inline]
pub(super) fn float_bits(value: f64) -> i64 {
    (value + 0.0).to_bits().cast_signed()
}

/// A set of strings.
pub(super) enum TextSet<'a> {
    Few(&'a [String]),
    Hashed(HashTable<&'a [u8]>),
}

impl<'a> TextSet<'a> {
    pub(super) fn new(texts: &'a [String]) -> Self {
        if texts.len() <= FEW {
            return Self::Few(texts);
        }
        let mut table = HashTable::with_capacity(texts.len());
        for text in texts {
            table.insert_unique(xxh3_64(text.as_bytes()), text.as_bytes(), |own| xxh3_64(own));
        }
        Self::Hashed(table)
    }

    #[inline]
    pub(super) fn contains(&self, text: &[u8]) -> bool {
        match self {
            Self::Few(texts) => texts.iter().any(|own| own.as_bytes() == text),
            Self::Hashed(table) => table.find(xxh3_64(text), |own| *own == text).is_some(),
        }
    }
}

/// A set of values of one type.
pub(super) enum ValueSet<'a> {
    Bools(&'a [bool]),
    Ints(IntSet),
    Floats(IntSet),
    Texts(TextSet<'a>),
}

impl<'a> ValueSet<'a> {
    pub(super) fn new(set: &'a Set) -> Self {
        match set {
            Set::Bools(values) => Self::Bools(values),
            Set::Ints(values) => Self::Ints(IntSet::new(values)),
            Set::Floats(values) => Self::Floats(IntSet::of_floats(values)),
            Set::Texts(values) => Self::Texts(TextSet::new(values)),
        }
    }
}
