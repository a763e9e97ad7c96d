//! Tests of one column.

use super::EvaluateError;
use super::arrays::{Floats, Ints, Lists, Texts, Values};
use super::bits::{self, Bits, Block, each, load, pack};
use super::sets::{IntSet, TextSet, ValueSet, float_bits};
use crate::number::f32_range;
use crate::plan::{Leaf, Set, Test};
use arrow_array::ArrayRef;
use arrow_buffer::BooleanBuffer;
use std::ops::Bound;

/// A test with the values that it reads.
pub(super) enum LeafTask<'a> {
    /// False for every value.
    Never,
    IntRange(Ints<'a>, i64, i64),
    FloatRange(Floats<'a>, f64, f64),
    Bools(&'a BooleanBuffer, &'a [bool]),
    Ints(Ints<'a>, IntSet),
    Floats(Floats<'a>, IntSet),
    Texts(Texts<'a>, TextSet<'a>),
    /// A test of strings other than for a set.
    Text(Texts<'a>, &'a Test),
    Any(Lists<'a>, ValueSet<'a>),
    All(Lists<'a>, &'a Set),
}

impl<'a> LeafTask<'a> {
    /// # Errors
    /// [`EvaluateError::Type`] if the array is not of the column's type.
    pub(super) fn bind(leaf: &'a Leaf, array: &'a ArrayRef) -> Result<Self, EvaluateError> {
        let values = Values::bind(leaf.column, leaf.scalar, array)?;
        let is_impossible = match &leaf.test {
            Test::In(set) | Test::ContainsAny(set) => set.is_empty(),
            Test::IsNull
            | Test::IntRange { .. }
            | Test::FloatRange { .. }
            | Test::TextRange { .. }
            | Test::Prefix(_)
            | Test::Like(_)
            | Test::Matches(_)
            | Test::ContainsAll(_) => false,
        };
        if is_impossible {
            return Ok(Self::Never);
        }
        let task = match (&leaf.test, values) {
            (Test::IntRange { min, max }, Values::Ints(values)) => {
                Self::IntRange(values, *min, *max)
            }
            (Test::FloatRange { min, max }, Values::Floats(values)) => {
                Self::FloatRange(values, *min, *max)
            }
            (Test::In(Set::Bools(set)), Values::Bools(values)) => Self::Bools(values, set),
            (Test::In(Set::Ints(set)), Values::Ints(values)) => {
                Self::Ints(values, IntSet::new(set))
            }
            (Test::In(Set::Floats(set)), Values::Floats(values)) => {
                Self::Floats(values, IntSet::of_floats(set))
            }
            (Test::In(Set::Texts(set)), Values::Texts(values)) => {
                Self::Texts(values, TextSet::new(set))
            }
            (
                Test::TextRange { .. } | Test::Prefix(_) | Test::Like(_) | Test::Matches(_),
                Values::Texts(values),
            ) => Self::Text(values, &leaf.test),
            (Test::ContainsAny(set), Values::Lists(lists)) => Self::Any(lists, ValueSet::new(set)),
            (Test::ContainsAll(set), Values::Lists(lists)) => Self::All(lists, set),
            // The checker made the test for the column's type.
            _ => Self::Never,
        };
        Ok(task)
    }

    /// Sets `out` to where the test is true: at the rows of `mask` at least, which have
    /// values.
    pub(super) fn run(&self, block: Block, mask: &Bits, out: &mut Bits) {
        if bits::is_empty(mask) {
            return;
        }
        let start = block.start;
        match self {
            Self::Never => *out = [0; _],
            Self::IntRange(values, min, max) => int_range(*values, *min, *max, block, out),
            Self::FloatRange(values, min, max) => float_range(*values, *min, *max, block, out),
            Self::Bools(values, set) => {
                load(values.inner(), values.offset(), block, out);
                let (no, yes) = (set.contains(&false), set.contains(&true));
                let keep = |word: u64| (if yes { word } else { 0 }) | (if no { !word } else { 0 });
                out.iter_mut().for_each(|word| *word = keep(*word));
            }
            Self::Ints(values, set) => int_set(*values, set, block, mask, out),
            Self::Floats(values, set) => {
                each(mask, out, |row| set.contains(float_bits(values.get(start + row))));
            }
            Self::Texts(values, set) => {
                each(mask, out, |row| set.contains(values.bytes(start + row)));
            }
            Self::Text(values, Test::Like(like)) if bits::is_dense(mask, block) => {
                match like.only_contains() {
                    Some(finder) => values.containing(finder, block, out),
                    None => each(mask, out, |row| like.is_match(values.bytes(start + row))),
                }
            }
            Self::Text(values, test) => {
                each(mask, out, |row| test.passes_text(values.bytes(start + row)));
            }
            Self::Any(lists, set) => {
                let is_in = item_test(&lists.items, set);
                each(mask, out, |row| lists.range(start + row).any(&is_in));
            }
            Self::All(lists, set) => {
                let mut seen = Vec::new();
                let place = item_place(&lists.items, set);
                each(mask, out, |row| {
                    has_all(lists.range(start + row), set.len(), &place, &mut seen)
                });
            }
        }
    }
}

/// Plainly: `min <= value && value <= max`. Trick: for 64 bits as one comparison of the
/// distance from `min`, which wraps around for values below it.
fn int_range(values: Ints<'_>, min: i64, max: i64, block: Block, out: &mut Bits) {
    match values {
        Ints::I8(values) => {
            let is_far = min > i64::from(i8::MAX) || max < i64::from(i8::MIN);
            let (low, high) = (narrow(min, i8::MIN, i8::MAX), narrow(max, i8::MIN, i8::MAX));
            pack(block.of(values), out, |value| !is_far & (low <= value) & (value <= high));
        }
        Ints::I16(values) => {
            let is_far = min > i64::from(i16::MAX) || max < i64::from(i16::MIN);
            let (low, high) = (narrow(min, i16::MIN, i16::MAX), narrow(max, i16::MIN, i16::MAX));
            pack(block.of(values), out, |value| !is_far & (low <= value) & (value <= high));
        }
        Ints::I32(values) => {
            let is_far = min > i64::from(i32::MAX) || max < i64::from(i32::MIN);
            let (low, high) = (narrow(min, i32::MIN, i32::MAX), narrow(max, i32::MIN, i32::MAX));
            pack(block.of(values), out, |value| !is_far & (low <= value) & (value <= high));
        }
        Ints::I64(values) => {
            let width = max.wrapping_sub(min).cast_unsigned();
            pack(block.of(values), out, |value| value.wrapping_sub(min).cast_unsigned() <= width);
        }
    }
}

/// The value, or the end of the type's range that is nearer to it.
fn narrow<T: TryFrom<i64>>(value: i64, min: T, max: T) -> T {
    T::try_from(value).unwrap_or(if value < 0 { min } else { max })
}

fn float_range(values: Floats<'_>, min: f64, max: f64, block: Block, out: &mut Bits) {
    match values {
        Floats::F32(values) => {
            let (min, max) = f32_range(min, max);
            pack(block.of(values), out, |value| (min <= value) & (value <= max));
        }
        Floats::F64(values) => {
            pack(block.of(values), out, |value| (min <= value) & (value <= max));
        }
    }
}

fn int_set(values: Ints<'_>, set: &IntSet, block: Block, mask: &Bits, out: &mut Bits) {
    if let (Ints::I64(values), IntSet::Few(_) | IntSet::Dense { .. }) = (values, set) {
        return pack(block.of(values), out, |value| set.contains(value));
    }
    each(mask, out, |row| set.contains(values.get(block.start + row)));
}

impl Test {
    /// Whether a string passes a test of strings.
    pub(crate) fn passes_text(&self, text: &[u8]) -> bool {
        match self {
            Self::In(Set::Texts(set)) => {
                set.binary_search_by(|own| own.as_bytes().cmp(text)).is_ok()
            }
            Self::TextRange { min, max } => {
                let is_above = match min {
                    Bound::Included(min) => min.as_bytes() <= text,
                    Bound::Excluded(min) => min.as_bytes() < text,
                    Bound::Unbounded => true,
                };
                is_above
                    && match max {
                        Bound::Included(max) => text <= max.as_bytes(),
                        Bound::Excluded(max) => text < max.as_bytes(),
                        Bound::Unbounded => true,
                    }
            }
            Self::Prefix(prefix) => text.starts_with(prefix.as_bytes()),
            Self::Like(like) => like.is_match(text),
            Self::Matches(regex) => regex.is_match(text),
            Self::IsNull
            | Self::In(Set::Bools(_) | Set::Ints(_) | Set::Floats(_))
            | Self::IntRange { .. }
            | Self::FloatRange { .. }
            | Self::ContainsAny(_)
            | Self::ContainsAll(_) => false,
        }
    }
}

/// Whether the item at a place is in a set.
fn item_test<'t>(items: &'t Values<'_>, set: &'t ValueSet<'_>) -> impl Fn(usize) -> bool + 't {
    move |at| match (items, set) {
        (Values::Bools(items), ValueSet::Bools(set)) => set.contains(&items.value(at)),
        (Values::Ints(items), ValueSet::Ints(set)) => set.contains(items.get(at)),
        (Values::Floats(items), ValueSet::Floats(set)) => set.contains(float_bits(items.get(at))),
        (Values::Texts(items), ValueSet::Texts(set)) => set.contains(items.bytes(at)),
        _ => false,
    }
}

/// Where in an ascending set the item at a place stands.
fn item_place<'t>(items: &'t Values<'_>, set: &'t Set) -> impl Fn(usize) -> Option<usize> + 't {
    move |at| match (items, set) {
        (Values::Bools(items), Set::Bools(set)) => set.binary_search(&items.value(at)).ok(),
        (Values::Ints(items), Set::Ints(set)) => set.binary_search(&items.get(at)).ok(),
        (Values::Floats(items), Set::Floats(set)) => {
            let item = items.get(at) + 0.0;
            set.binary_search_by(|own| own.total_cmp(&item)).ok()
        }
        (Values::Texts(items), Set::Texts(set)) => {
            let item = items.bytes(at);
            set.binary_search_by(|own| own.as_bytes().cmp(item)).ok()
        }
        _ => None,
    }
}

/// Whether all members of a set of `count` are among the items at these places.
fn has_all(
    items: std::ops::Range<usize>,
    count: usize,
    place: impl Fn(usize) -> Option<usize>,
    seen: &mut Vec<bool>,
) -> bool {
    if items.len() < count {
        return false;
    }
    seen.clear();
    seen.resize(count, false);
    let mut missing = count;
    for place in items.filter_map(place) {
        missing -= usize::from(!std::mem::replace(&mut seen[place], true));
    }
    missing == 0
}
