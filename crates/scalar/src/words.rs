//! A bit a row, lowest row first, and how many rows are set or cleared at once.

use std::ops::Range;

/// Words of a bit for each of `rows` rows.
pub(crate) fn word_count(rows: usize) -> usize {
    rows.div_ceil(64)
}

/// Rows that are set.
pub(crate) fn count(words: &[u64]) -> usize {
    words.iter().map(|word| word.count_ones() as usize).sum()
}

/// Turns a row.
#[inline]
pub(crate) fn flip(words: &mut [u64], row: u32) {
    words[row as usize / 64] ^= 1 << (row % 64);
}

/// Turns rows that follow each other.
pub(crate) fn flip_range(words: &mut [u64], rows: Range<usize>) {
    if rows.is_empty() {
        return;
    }
    let (first, last) = (rows.start / 64, (rows.end - 1) / 64);
    let from = u64::MAX << (rows.start % 64);
    let to = u64::MAX >> (63 - (rows.end - 1) % 64);
    if first == last {
        words[first] ^= from & to;
        return;
    }
    words[first] ^= from;
    words[first + 1..last].iter_mut().for_each(|word| *word = !*word);
    words[last] ^= to;
}

/// The rows that are set, ascending.
pub(crate) fn rows(words: &[u64]) -> impl Iterator<Item = u32> + '_ {
    (0u32..).zip(words).flat_map(|(at, &word)| {
        let mut rest = word;
        std::iter::from_fn(move || {
            let bit = (rest != 0).then(|| rest.trailing_zeros())?;
            rest &= rest - 1;
            Some(at * 64 + bit)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_every_place_and_length_are_turned() {
        for start in 0..140 {
            for end in start..200 {
                let mut words = vec![0; word_count(200)];
                flip_range(&mut words, start..end);
                let expected =
                    u32::try_from(start).expect("small")..u32::try_from(end).expect("small");
                assert!(rows(&words).eq(expected), "{start}..{end}");
                assert_eq!(count(&words), end - start);
            }
        }
    }
}
