//! Comparing with every row: exact.

mod many;

use crate::{TopK, Vectors, Work};
use vicinal_distance::{kernels, prefetch};
use vicinal_types::{Bitmap, Cancel, Stopped};

pub use many::scan_many;

/// Bytes of the rows compared between two looks at the clock: small beside the
/// first cache, so that the loop over keys finds them there.
const BLOCK_BYTES: usize = 64 * 1024;

/// Rows of a block at most: the keys stand on the stack.
const BLOCK_ROWS_MAX: usize = 512;

/// Masked rows compared between two looks at the clock.
const ROWS_PER_CHECK: u32 = 512;

/// A word with so many allowed rows has all its rows compared: in order they
/// stream in about three times as fast as one by one.
const DENSE_ROWS: u32 = 20;

/// Rows of one word of a bitmap.
const WORD_ROWS: u32 = u64::BITS;

/// Compares `query` with every row, or every allowed one, and keeps the nearest
/// in `top`. Exact.
///
/// The rows are numbered from `base_row` on, in `top` as well as in `allowed`:
/// a chunk of a segment is scanned with the segment's mask and gives the
/// segment's rows.
///
/// # Errors
/// [`Stopped`] as soon as `cancel` says so; looked at between blocks of rows.
///
/// # Panics
/// If `query` is not one stored vector, or `allowed` ends before the rows do.
pub fn scan(
    vectors: &Vectors,
    query: &[u8],
    allowed: Option<&Bitmap>,
    base_row: u32,
    top: &mut TopK,
    work: &mut Work,
    cancel: &Cancel,
) -> Result<(), Stopped> {
    let mut scan = Scan { vectors, query, base_row, top, work };
    match allowed {
        None => scan.all(cancel),
        Some(allowed) => scan.allowed(allowed, cancel),
    }
}

struct Scan<'a> {
    vectors: &'a Vectors,
    query: &'a [u8],
    base_row: u32,
    top: &'a mut TopK,
    work: &'a mut Work,
}

impl Scan<'_> {
    fn all(&mut self, cancel: &Cancel) -> Result<(), Stopped> {
        let block = (BLOCK_BYTES / self.vectors.vector_type().row_bytes()).clamp(1, BLOCK_ROWS_MAX);
        for first in (0..self.vectors.len()).step_by(block) {
            cancel.check()?;
            let rest = (self.vectors.len() - first) as usize;
            self.block(first, rest.min(block), |_| true);
        }
        Ok(())
    }

    /// Compares `count` rows from `first` on, at most [`BLOCK_ROWS_MAX`], and
    /// keeps those that pass.
    fn block(&mut self, first: u32, count: usize, passes: impl Fn(usize) -> bool) {
        let mut keys = [0.0; BLOCK_ROWS_MAX];
        let keys = &mut keys[..count];
        self.vectors.comparer().keys(self.query, self.vectors.rows(first, count), keys);
        self.work.distances += count as u64;
        let mut near = [0; BLOCK_ROWS_MAX / 64];
        let near = &mut near[..count.div_ceil(64)];
        kernels().at_most(keys, self.top.threshold(), near);
        for (word_at, word) in near.iter_mut().enumerate() {
            while *word != 0 {
                let at = 64 * word_at + word.trailing_zeros() as usize;
                *word &= *word - 1;
                if passes(at) {
                    #[expect(clippy::cast_possible_truncation, reason = "below BLOCK_ROWS_MAX")]
                    self.top.push(keys[at], self.base_row + first + at as u32);
                }
            }
        }
    }

    /// Word by word of the mask; the rows of a dense word are a block.
    fn allowed(&mut self, allowed: &Bitmap, cancel: &Cancel) -> Result<(), Stopped> {
        let (start, end) = (self.base_row, self.base_row + self.vectors.len());
        assert!(end as usize <= allowed.len(), "the mask has {} rows of {end}", allowed.len());
        let mut rows_since_check = 0;
        for word_start in (start - start % WORD_ROWS..end).step_by(WORD_ROWS as usize) {
            let mut word = allowed.words()[(word_start / WORD_ROWS) as usize];
            if word_start < start {
                word &= u64::MAX << (start - word_start);
            }
            if end - word_start < WORD_ROWS {
                word &= (1 << (end - word_start)) - 1;
            }
            let is_whole = word_start >= start && end - word_start >= WORD_ROWS;
            if is_whole && word.count_ones() >= DENSE_ROWS {
                self.block(word_start - start, WORD_ROWS as usize, |at| word >> at & 1 == 1);
            } else {
                self.word(word, word_start);
            }
            rows_since_check += word.count_ones() + 1;
            if rows_since_check > ROWS_PER_CHECK {
                cancel.check()?;
                rows_since_check = 0;
            }
        }
        Ok(())
    }

    /// Compares the rows of one word's bits, asking for each of them early.
    fn word(&mut self, mut word: u64, word_start: u32) {
        let mut rows = [0; WORD_ROWS as usize];
        let rows = &mut rows[..word.count_ones() as usize];
        for row in &mut *rows {
            *row = word_start + word.trailing_zeros() - self.base_row;
            word &= word - 1;
        }
        let ahead = self.vectors.rows_ahead();
        let ask = |at: usize| {
            if let Some(&row) = rows.get(at) {
                prefetch(self.vectors.row(row));
            }
        };
        (0..ahead).for_each(ask);
        for (at, &row) in rows.iter().enumerate() {
            ask(at + ahead);
            let key = self.vectors.key(self.query, row);
            if key <= self.top.threshold() {
                self.top.push(key, self.base_row + row);
            }
        }
        self.work.distances += rows.len() as u64;
    }
}

#[cfg(test)]
mod tests;
