//! Places of values in the order of these values, and where in it a test is true.

use crate::values::{Key, Values, float_key};
use std::ops::{Bound, Range};
use vicinal_filter::{Set, Test};

/// Members of a set that are searched one by one, at least; more only if the set is
/// small for the rows, else reading the column is faster.
const MEMBERS_MIN: usize = 64;
const ROWS_PER_MEMBER: usize = 256;

/// Values in ascending order, as the places where they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order<'a> {
    pub(crate) values: &'a Values,
    /// None if the values themselves are in order.
    pub(crate) places: Option<&'a [u32]>,
}

impl<'a> Order<'a> {
    pub(crate) fn len(&self) -> usize {
        self.places.map_or(self.values.len(), <[u32]>::len)
    }

    pub(crate) fn key(&self, at: usize) -> Key<'a> {
        self.values.key(self.places.map_or(at, |places| places[at] as usize))
    }

    /// The first place from `from` on whose key is not below.
    fn first_not_below(&self, from: usize, key: Key<'_>) -> usize {
        self.partition(from, |own| own < key)
    }

    fn first_above(&self, from: usize, key: Key<'_>) -> usize {
        self.partition(from, |own| own <= key)
    }

    /// The first place from `from` on whose key is not `below`.
    fn partition(&self, from: usize, below: impl Fn(Key<'a>) -> bool) -> usize {
        let (mut low, mut high) = (from, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if below(self.key(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Where the test of single values is true, ascending and apart; none if that is not
    /// for an order to say, or takes longer than to look at all of `rows` rows.
    pub(crate) fn ranges(&self, test: &Test, rows: usize) -> Option<Vec<Range<usize>>> {
        let between = |min: Key<'_>, max: Key<'_>| {
            let start = self.first_not_below(0, min);
            start..self.first_above(start, max)
        };
        let range = match test {
            Test::In(set) => return self.members(set, rows),
            Test::IntRange { min, max } => between(Key::Number(*min), Key::Number(*max)),
            Test::FloatRange { min, max } => {
                between(Key::Number(float_key(*min)), Key::Number(float_key(*max)))
            }
            Test::TextRange { min, max } => self.text_range(min, max),
            Test::Prefix(prefix) => self.prefix(prefix.as_bytes()),
            Test::IsNull
            | Test::Like(_)
            | Test::Matches(_)
            | Test::ContainsAny(_)
            | Test::ContainsAll(_) => return None,
        };
        Some(vec![range])
    }

    fn text_range(&self, min: &Bound<String>, max: &Bound<String>) -> Range<usize> {
        let start = match min {
            Bound::Included(min) => self.first_not_below(0, Key::Text(min.as_bytes())),
            Bound::Excluded(min) => self.first_above(0, Key::Text(min.as_bytes())),
            Bound::Unbounded => 0,
        };
        let end = match max {
            Bound::Included(max) => self.first_above(start, Key::Text(max.as_bytes())),
            Bound::Excluded(max) => self.first_not_below(start, Key::Text(max.as_bytes())),
            Bound::Unbounded => self.len(),
        };
        start..end
    }

    /// Where strings begin with that.
    pub(crate) fn prefix(&self, prefix: &[u8]) -> Range<usize> {
        let start = self.first_not_below(0, Key::Text(prefix));
        let begins = |key: Key<'_>| match key {
            Key::Text(text) => text.starts_with(prefix),
            Key::Number(_) => false,
        };
        start..self.partition(start, begins)
    }

    /// Where the members of a set are, each a range; see [`ranges`](Self::ranges).
    pub(crate) fn members(&self, set: &Set, rows: usize) -> Option<Vec<Range<usize>>> {
        let searches = set.len().min(self.len());
        if searches > MEMBERS_MIN.max(rows / ROWS_PER_MEMBER) {
            return None;
        }
        let members: Vec<Key<'_>> = match set {
            Set::Bools(set) => set.iter().map(|value| Key::Number((*value).into())).collect(),
            Set::Ints(set) => set.iter().map(|value| Key::Number(*value)).collect(),
            Set::Floats(set) => set.iter().map(|value| Key::Number(float_key(*value))).collect(),
            Set::Texts(set) => set.iter().map(|value| Key::Text(value.as_bytes())).collect(),
        };
        let mut ranges: Vec<Range<usize>> = Vec::new();
        if members.len() > self.len() {
            let is_in = |at: &usize| members.binary_search(&self.key(*at)).is_ok();
            (0..self.len()).filter(is_in).for_each(|at| ranges.push(at..at + 1));
            return Some(ranges);
        }
        let mut from = 0;
        for member in members {
            let start = self.first_not_below(from, member);
            from = self.first_above(start, member);
            if start < from {
                ranges.push(start..from);
            }
        }
        Some(ranges)
    }

    /// Those of some places whose strings pass.
    pub(crate) fn passing(
        &self,
        places: Range<usize>,
        passes: &dyn Fn(&[u8]) -> bool,
    ) -> Vec<Range<usize>> {
        let passes = |at: &usize| match self.key(*at) {
            Key::Text(text) => passes(text),
            Key::Number(_) => false,
        };
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for at in places.filter(passes) {
            match ranges.last_mut() {
                Some(last) if last.end == at => last.end = at + 1,
                _ => ranges.push(at..at + 1),
            }
        }
        ranges
    }
}
