//! Trigrams: the three bytes that follow each other in strings.
//!
//! A string that contains a text contains the text's trigrams. So rows that have all of
//! them are candidates, and the strings of these are looked at.

use crate::error::BuildError;
use crate::postings::{Builder, Merge, Postings};
use crate::words;
use arrow_array::{Array, StringArray};

/// Pairs of trigram and row that are gathered before they are sorted: 64 MiB.
const GATHERED_MAX: usize = 8 << 20;
/// Rows that go into a container together.
const CHUNK_ROWS: usize = 1 << 16;
/// Trigrams that are asked for are brought in until a candidate that would be saved
/// costs less than they do: so many rows of postings are read while one string is.
const ROWS_PER_STRING: usize = 32;

/// The trigrams of a text.
fn of(text: &[u8]) -> impl Iterator<Item = u32> + '_ {
    text.windows(3).map(|at| u32::from(at[0]) << 16 | u32::from(at[1]) << 8 | u32::from(at[2]))
}

/// The trigrams of strings, ascending, and the rows of each.
///
/// # Errors
/// [`BuildError::TooLarge`].
pub(crate) fn build(texts: &StringArray) -> Result<(Vec<u32>, Postings), BuildError> {
    let mut builder = Builder::default();
    let mut pairs: Vec<u64> = Vec::new();
    for start in (0..texts.len()).step_by(CHUNK_ROWS) {
        let rows = start..(start + CHUNK_ROWS).min(texts.len());
        pairs.clear();
        for row in rows.filter(|row| texts.is_valid(*row)) {
            if pairs.len() > GATHERED_MAX {
                compact(&mut pairs);
            }
            let low = row as u64;
            pairs.extend(of(texts.value(row).as_bytes()).map(|code| u64::from(code) << 32 | low));
        }
        compact(&mut pairs);
        let mut rows = Vec::new();
        for of_code in pairs.chunk_by(|a, b| a >> 32 == b >> 32) {
            rows.clear();
            rows.extend(of_code.iter().map(|pair| low_half(*pair)));
            builder.push(low_half(of_code[0] >> 32), &rows)?;
        }
    }
    builder.finish()
}

fn compact(pairs: &mut Vec<u64>) {
    pairs.sort_unstable();
    pairs.dedup();
}

#[expect(clippy::cast_possible_truncation, reason = "it is the half that is wanted")]
fn low_half(pair: u64) -> u32 {
    pair as u32
}

/// Rows whose strings may contain all of these texts: a bit each, of `rows`. None if no
/// text has a trigram.
pub(crate) fn candidates(
    codes: &[u32],
    postings: &Postings,
    texts: &[&[u8]],
    rows: usize,
) -> Option<Vec<u64>> {
    let mut asked: Vec<u32> = texts.iter().flat_map(|text| of(text)).collect();
    asked.sort_unstable();
    asked.dedup();
    if asked.is_empty() {
        return None;
    }
    let mut found = vec![0; words::word_count(rows)];
    let mut keys = Vec::with_capacity(asked.len());
    for code in asked {
        let Ok(key) = codes.binary_search(&code) else { return Some(found) };
        keys.push((postings.count(key..key + 1), key));
    }
    keys.sort_unstable();
    let mut keys = keys.into_iter();
    let (mut count, first) = keys.next()?;
    postings.merge(first..first + 1, Merge::Or, &mut found);
    for (more, key) in keys {
        if more + found.len() > count * ROWS_PER_STRING {
            break;
        }
        let mut other = vec![0; found.len()];
        postings.merge(key..key + 1, Merge::Or, &mut other);
        found.iter_mut().zip(&other).for_each(|(word, other)| *word &= other);
        count = words::count(&found);
    }
    Some(found)
}
