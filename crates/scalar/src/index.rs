//! An index of a column of a sealed segment.

use crate::cumulative::Places;
use crate::error::{BuildError, OpenError};
use crate::format::{self, Parts};
use crate::order::Order;
use crate::postings::Merge;
use crate::values::Values;
use crate::{build, trigrams, words};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_buffer::NullBuffer;
use bytes::Bytes;
use std::fmt;
use std::ops::Range;
use vicinal_filter::{Leaf, Like, Set, Test};
use vicinal_types::{Bitmap, ColumnIndex, ScalarType};

/// Candidates whose strings are looked at: more, and it is faster to look at all strings
/// in their order.
const ROWS_PER_CANDIDATE: usize = 16;

/// What an index is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The rows of each value.
    Bitmap,
    /// The rows in the order of their values.
    Sorted,
    /// The rows of each item of arrays.
    Inverted,
    /// The rows of each three bytes that follow each other in strings.
    Trigram,
}

impl Kind {
    /// The declaration that names it.
    pub fn declared(self) -> ColumnIndex {
        match self {
            Self::Bitmap => ColumnIndex::Bitmap,
            Self::Sorted => ColumnIndex::Sorted,
            Self::Inverted => ColumnIndex::Inverted,
            Self::Trigram => ColumnIndex::Trigram,
        }
    }

    /// Whether columns of that type can have it.
    pub fn takes(self, scalar: ScalarType) -> bool {
        self.declared().takes(scalar)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.declared().name())
    }
}

/// An index of a column: answers tests of it with rows.
#[derive(Clone)]
pub struct ScalarIndex {
    scalar: ScalarType,
    parts: Parts,
    column: Column,
    nulls: Option<NullBuffer>,
}

/// What the index reads of the column itself.
#[derive(Clone, Debug)]
enum Column {
    /// Single values, or an array's items.
    Values(Values),
    /// Strings, by their trigrams.
    Texts(StringArray),
}

/// Without its parts: there may be millions.
impl fmt::Debug for ScalarIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} index of {} {} values", self.kind(), self.parts.rows, self.scalar)
    }
}

impl ScalarIndex {
    /// Builds an index over a column, in its [`ScalarType::arrow`] type.
    ///
    /// # Errors
    /// [`BuildError`] if the kind is not for that type or the array is of another.
    pub fn build(kind: Kind, scalar: ScalarType, column: &ArrayRef) -> Result<Self, BuildError> {
        let parts = build::build(kind, scalar, column)?;
        let read = Column::of(kind, scalar, column);
        let read = read
            .ok_or_else(|| BuildError::Column { scalar, found: column.data_type().to_string() })?;
        Ok(Self { scalar, parts, column: read, nulls: column.nulls().cloned() })
    }

    /// The index as bytes that [`open`](Self::open) reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        format::encode(&self.parts)
    }

    /// Opens an index over the column that it was built from; large parts stay where
    /// their bytes are. That every row is there once, and nothing beyond the column, is
    /// checked; whether values are in their order is not.
    ///
    /// # Errors
    /// [`OpenError`] naming what is wrong.
    pub fn open(bytes: &Bytes, scalar: ScalarType, column: &ArrayRef) -> Result<Self, OpenError> {
        let parts = format::decode(bytes)?;
        if !parts.kind.takes(scalar) {
            return Err(OpenError::Wrong("kind"));
        }
        if parts.rows != column.len() {
            return Err(OpenError::Wrong("row count"));
        }
        let read = Column::of(parts.kind, scalar, column).ok_or(OpenError::Wrong("column"))?;
        let index = Self { scalar, parts, column: read, nulls: column.nulls().cloned() };
        index.check()?;
        Ok(index)
    }

    fn check(&self) -> Result<(), OpenError> {
        let Parts { kind, rows, is_in_order, places, postings, cumulative } = &self.parts;
        postings.check(*rows)?;
        let has_keys = *kind != Kind::Sorted;
        if has_keys && (postings.key_count() != places.len() || *is_in_order) {
            return Err(OpenError::Wrong("number of keys"));
        }
        if !has_keys && postings.key_count() > 0 || *is_in_order && !places.is_empty() {
            return Err(OpenError::Wrong("number of places"));
        }
        if let Column::Values(values) = &self.column {
            let len = values.len();
            if places.iter().any(|place| *place as usize >= len) {
                return Err(OpenError::Wrong("place of a value"));
            }
        }
        match kind {
            Kind::Bitmap | Kind::Sorted => cumulative.check(self.places(), &self.valid()),
            Kind::Inverted | Kind::Trigram if cumulative.places.is_empty() => Ok(()),
            Kind::Inverted | Kind::Trigram => Err(OpenError::Wrong("list of cumulative bits")),
        }
    }

    /// What it is made of.
    pub fn kind(&self) -> Kind {
        self.parts.kind
    }

    /// Rows of the column.
    pub fn row_count(&self) -> usize {
        self.parts.rows
    }

    /// The rows for which a test is true, none of which is null; `None` if the index does
    /// not say, or not before all rows are looked at.
    pub fn answer(&self, leaf: &Leaf) -> Option<Bitmap> {
        let words = match (self.scalar == leaf.scalar, self.kind()) {
            (false, _) => return None,
            (true, Kind::Bitmap | Kind::Sorted) => self.ordered(&leaf.test)?,
            (true, Kind::Inverted) => self.containing(&leaf.test)?,
            (true, Kind::Trigram) => self.like(&leaf.test)?,
        };
        Some(Bitmap::from_words(words, self.parts.rows))
    }

    /// How many rows a test is true for, where that is known without finding them.
    pub fn count(&self, leaf: &Leaf) -> Option<usize> {
        if self.scalar != leaf.scalar {
            return None;
        }
        let rows = self.parts.rows;
        if leaf.test == Test::IsNull {
            return Some(self.nulls.as_ref().map_or(0, NullBuffer::null_count));
        }
        match (self.kind(), &leaf.test) {
            (Kind::Bitmap | Kind::Sorted, test) => {
                let ranges = self.ranges(test)?;
                Some(ranges.into_iter().map(|range| self.places().weight(range)).sum())
            }
            (Kind::Inverted, Test::ContainsAny(set) | Test::ContainsAll(set)) if set.len() == 1 => {
                let ranges = self.order()?.members(set, rows)?;
                Some(ranges.into_iter().map(|keys| self.parts.postings.count(keys)).sum())
            }
            (Kind::Inverted | Kind::Trigram, _) => None,
        }
    }

    fn order(&self) -> Option<Order<'_>> {
        let places = (!self.parts.is_in_order).then_some(&self.parts.places[..]);
        match &self.column {
            Column::Values(values) => Some(Order { values, places }),
            Column::Texts(_) => None,
        }
    }

    fn places(&self) -> Places<'_> {
        match (self.kind(), self.parts.is_in_order) {
            (Kind::Sorted, true) => Places::InOrder(self.parts.rows),
            (Kind::Sorted, false) => Places::Rows(&self.parts.places),
            (Kind::Bitmap | Kind::Inverted | Kind::Trigram, _) => {
                Places::Keys(&self.parts.postings)
            }
        }
    }

    /// The rows that are not null.
    fn valid(&self) -> Vec<u64> {
        let mut words = Bitmap::full(self.parts.rows).words().to_vec();
        if let Some(nulls) = &self.nulls {
            let chunks = nulls.inner().bit_chunks();
            words.iter_mut().zip(chunks.iter_padded()).for_each(|(word, chunk)| *word = chunk);
        }
        words
    }

    fn no_rows(&self) -> Vec<u64> {
        vec![0; words::word_count(self.parts.rows)]
    }

    /// Where in the order of values a test is true.
    fn ranges(&self, test: &Test) -> Option<Vec<Range<usize>>> {
        let order = self.order()?;
        let passes: &dyn Fn(&[u8]) -> bool = match test {
            Test::Like(like) => &|text| like.is_match(text),
            Test::Matches(regex) => &|text| regex.is_match(text),
            Test::IsNull
            | Test::In(_)
            | Test::IntRange { .. }
            | Test::FloatRange { .. }
            | Test::TextRange { .. }
            | Test::Prefix(_)
            | Test::ContainsAny(_)
            | Test::ContainsAll(_) => return order.ranges(test, self.parts.rows),
        };
        let prefix = if let Test::Like(like) = test { like.prefix() } else { "" };
        let places = order.prefix(prefix.as_bytes());
        (places.len() <= self.parts.rows / ROWS_PER_CANDIDATE)
            .then(|| order.passing(places, passes))
    }

    fn ordered(&self, test: &Test) -> Option<Vec<u64>> {
        let ranges = self.ranges(test)?;
        let mut words = self.no_rows();
        for range in ranges {
            self.parts.cumulative.flip(self.places(), range, &mut words);
        }
        Some(words)
    }

    fn containing(&self, test: &Test) -> Option<Vec<u64>> {
        let members = |set: &Set| self.order()?.members(set, self.parts.rows);
        let postings = &self.parts.postings;
        match test {
            Test::ContainsAny(set) => {
                let mut words = self.no_rows();
                for keys in members(set)? {
                    postings.merge(keys, Merge::Or, &mut words);
                }
                Some(words)
            }
            Test::ContainsAll(set) => {
                let found = members(set)?;
                if found.len() < set.len() {
                    return Some(self.no_rows());
                }
                let mut words = self.valid();
                for keys in found {
                    let mut other = self.no_rows();
                    postings.merge(keys, Merge::Or, &mut other);
                    words.iter_mut().zip(&other).for_each(|(word, other)| *word &= other);
                }
                Some(words)
            }
            Test::IsNull
            | Test::In(_)
            | Test::IntRange { .. }
            | Test::FloatRange { .. }
            | Test::TextRange { .. }
            | Test::Prefix(_)
            | Test::Like(_)
            | Test::Matches(_) => None,
        }
    }

    fn like(&self, test: &Test) -> Option<Vec<u64>> {
        match test {
            Test::Like(like) => {
                let middle = like.middle().iter().map(|text| text.as_bytes());
                let ends = [like.prefix().as_bytes(), like.suffix().as_bytes()];
                let texts: Vec<&[u8]> = middle.chain(ends).collect();
                let is_sure = is_one_trigram(like);
                self.verified(&texts, |text| is_sure || like.is_match(text))
            }
            Test::Prefix(prefix) => {
                let prefix = prefix.as_bytes();
                self.verified(&[prefix], |text| text.starts_with(prefix))
            }
            Test::In(Set::Texts(set)) => {
                let mut words = self.no_rows();
                for member in set {
                    let member = member.as_bytes();
                    let found = self.verified(&[member], |text| text == member)?;
                    words.iter_mut().zip(&found).for_each(|(word, found)| *word |= found);
                }
                Some(words)
            }
            Test::IsNull
            | Test::In(Set::Bools(_) | Set::Ints(_) | Set::Floats(_))
            | Test::IntRange { .. }
            | Test::FloatRange { .. }
            | Test::TextRange { .. }
            | Test::Matches(_)
            | Test::ContainsAny(_)
            | Test::ContainsAll(_) => None,
        }
    }

    /// Rows that have the trigrams of all texts and pass.
    fn verified(&self, texts: &[&[u8]], passes: impl Fn(&[u8]) -> bool) -> Option<Vec<u64>> {
        let Column::Texts(column) = &self.column else { return None };
        let Parts { places, postings, rows, .. } = &self.parts;
        let mut found = trigrams::candidates(places, postings, texts, *rows)?;
        if words::count(&found) > rows / ROWS_PER_CANDIDATE {
            return None;
        }
        let wrong: Vec<u32> = words::rows(&found)
            .filter(|row| !passes(column.value(*row as usize).as_bytes()))
            .collect();
        wrong.into_iter().for_each(|row| words::flip(&mut found, row));
        Some(found)
    }
}

/// Whether rows that have the pattern's one trigram are sure to be like it.
fn is_one_trigram(like: &Like) -> bool {
    let is_open = like.prefix().is_empty() && like.suffix().is_empty();
    match like.middle() {
        // With a `_` beside it the text alone would not do.
        [only] => is_open && only.len() == 3 && like.is_match(only.as_bytes()),
        _ => false,
    }
}

impl Column {
    fn of(kind: Kind, scalar: ScalarType, column: &ArrayRef) -> Option<Self> {
        match (kind, scalar.item()) {
            (Kind::Trigram, _) => Some(Self::Texts(column.as_string_opt::<i32>()?.clone())),
            (Kind::Bitmap | Kind::Sorted, _) => Values::of(scalar, column).map(Self::Values),
            (Kind::Inverted, item) => {
                let items = column.as_list_opt::<i32>()?.values();
                Values::of(item?.scalar(), items).map(Self::Values)
            }
        }
    }
}
