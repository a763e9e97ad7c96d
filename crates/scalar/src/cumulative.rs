//! Ranges of an order as rows, in a time that hardly grows with the range.
//!
//! Plainly: turn the row of every place of the range. Trick: for sixteen places of the
//! order it is kept which rows are before them, a bit each. The rows between two of these
//! places are the difference of their bits; what a range has beyond, or less, is at most
//! a thirty-second of the rows at either end.

use crate::error::OpenError;
use crate::postings::{Merge, Postings};
use crate::words;
use arrow_buffer::ScalarBuffer;
use std::ops::Range;

/// Places for which bits are kept: 2 bytes a row in all.
const STEPS: usize = 16;
/// Rows from which on bits are kept; fewer are turned one by one in no time.
const ROWS_MIN: usize = 1 << 14;

/// Rows before some places of an order.
#[derive(Clone, Debug)]
pub(crate) struct Cumulative {
    /// Ascending; the last is the end of the order.
    pub(crate) places: ScalarBuffer<u32>,
    /// A bit a row for each of them.
    pub(crate) words: ScalarBuffer<u64>,
}

/// Places of an order, each with rows that no other place has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Places<'a> {
    /// A row each.
    Rows(&'a [u32]),
    /// That row each, of so many.
    InOrder(usize),
    /// The rows of a key each.
    Keys(&'a Postings),
}

impl Places<'_> {
    fn len(self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::InOrder(rows) => rows,
            Self::Keys(postings) => postings.key_count(),
        }
    }

    /// Rows of a range of places.
    pub(crate) fn weight(self, range: Range<usize>) -> usize {
        match self {
            Self::Rows(_) | Self::InOrder(_) => range.len(),
            Self::Keys(postings) => postings.count(range),
        }
    }

    /// Turns the rows of a range of places.
    fn flip(self, range: Range<usize>, words: &mut [u64]) {
        match self {
            Self::Rows(rows) => rows[range].iter().for_each(|row| words::flip(words, *row)),
            Self::InOrder(_) => words::flip_range(words, range),
            Self::Keys(postings) => postings.merge(range, Merge::Flip, words),
        }
    }
}

impl Cumulative {
    pub(crate) fn none() -> Self {
        Self { places: Vec::new().into(), words: Vec::new().into() }
    }

    /// Keeps bits for the places of an order of `rows` rows.
    pub(crate) fn build(order: Places<'_>, rows: usize) -> Self {
        let len = order.len();
        let total = order.weight(0..len);
        if total < ROWS_MIN || matches!(order, Places::InOrder(_)) {
            return Self::none();
        }
        let step = total.div_ceil(STEPS);
        let mut now = vec![0; words::word_count(rows)];
        let (mut places, mut kept) = (Vec::new(), Vec::new());
        let (mut before, mut weight) = (0, 0);
        for place in 1..=len {
            weight += order.weight(place - 1..place);
            if weight >= step || place == len {
                order.flip(before..place, &mut now);
                places.push(u32::try_from(place).expect("places have 32-bit numbers"));
                kept.extend_from_slice(&now);
                (before, weight) = (place, 0);
            }
        }
        Self { places: places.into(), words: kept.into() }
    }

    /// Turns the rows of a range of places; says how many it turned one by one.
    pub(crate) fn flip(&self, order: Places<'_>, range: Range<usize>, words: &mut [u64]) -> usize {
        let weight = order.weight(range.clone());
        let (start, end) = (self.nearest(order, range.start), self.nearest(order, range.end));
        let edges = order.weight(start.edge.clone()) + order.weight(end.edge.clone());
        // Two rows of bits are read in the time in which about as many rows are turned as
        // each has words.
        if start.step == end.step || edges + words.len() > weight {
            order.flip(range, words);
            return weight;
        }
        for Nearest { step, edge } in [start, end] {
            if let Some(step) = step {
                let kept = &self.words[step * words.len()..];
                words.iter_mut().zip(kept).for_each(|(word, kept)| *word ^= kept);
            }
            order.flip(edge, words);
        }
        edges
    }

    /// What is kept nearest to a place, by rows.
    fn nearest(&self, order: Places<'_>, place: usize) -> Nearest {
        let after = self.places.partition_point(|kept| *kept as usize <= place);
        let before = after.checked_sub(1);
        let low = before.map_or(0, |step| self.places[step] as usize)..place;
        let Some(next) = self.places.get(after) else {
            return Nearest { step: before, edge: low };
        };
        let high = place..*next as usize;
        if order.weight(low.clone()) <= order.weight(high.clone()) {
            Nearest { step: before, edge: low }
        } else {
            Nearest { step: Some(after), edge: high }
        }
    }

    /// Checks that the places have the rows of `valid`, each once, and that what is kept
    /// is what they have.
    ///
    /// # Errors
    /// [`OpenError::Wrong`] naming what is not.
    pub(crate) fn check(&self, order: Places<'_>, valid: &[u64]) -> Result<(), OpenError> {
        let wrong = Err(OpenError::Wrong("list of cumulative bits"));
        let len = order.len();
        let is_rising = self.places.is_sorted_by(|a, b| a < b);
        let ends = self.places.last().is_none_or(|last| *last as usize == len);
        if !is_rising || !ends || self.words.len() != self.places.len() * valid.len() {
            return wrong;
        }
        let mut now = vec![0; valid.len()];
        let mut before = 0;
        for (place, kept) in self.places.iter().zip(self.words.chunks(valid.len().max(1))) {
            order.flip(before..*place as usize, &mut now);
            if now != kept {
                return wrong;
            }
            before = *place as usize;
        }
        order.flip(before..len, &mut now);
        // A row that comes twice is turned back, so there are fewer than were turned.
        if now != valid || order.weight(0..len) != words::count(valid) {
            return Err(OpenError::Wrong("set of rows"));
        }
        Ok(())
    }
}

/// A step, none before the first place, and what lies between it and a place.
struct Nearest {
    step: Option<usize>,
    edge: Range<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many rows are turned one by one is the time that a range takes.
    #[test]
    fn no_range_turns_more_than_a_few_rows() {
        let rows = 100_000_u32;
        let shuffled: Vec<u32> = (0..rows).map(|at| at * 7_919 % rows).collect();
        let order = Places::Rows(&shuffled);
        let cumulative = Cumulative::build(order, shuffled.len());
        assert_eq!(cumulative.places.len(), STEPS);
        let mut worst = 0;
        for start in (0..shuffled.len()).step_by(1_234) {
            for end in (start..=shuffled.len()).step_by(4_321) {
                let mut found = vec![0; words::word_count(shuffled.len())];
                worst = worst.max(cumulative.flip(order, start..end, &mut found));
                let mut expected = shuffled[start..end].to_vec();
                expected.sort_unstable();
                assert!(words::rows(&found).eq(expected), "{start}..{end}");
            }
        }
        assert_eq!(worst, 6_133, "of {rows}");
    }
}
