//! Rows in blocks of 32: their codes, then a column for each fact about them.
//!
//! A block is what one look at memory brings in: `code_bytes` of codes, then
//! 32 words each of
//!
//! | column | word                                                          |
//! |-------:|---------------------------------------------------------------|
//! |      0 | the row                                                       |
//! |      1 | `bias`, a float, where the codes are not the rows themselves  |
//! |      2 | `error`, a float, likewise                                    |
//! |      3 | `scale`, a float, where it differs from row to row            |
//!
//! The last block of a list is filled up with row 0 and zeros, never looked at.

use super::words::Words;
use crate::hot::Hot;
use zerocopy::{FromBytes, IntoBytes, transmute_ref};

/// Rows of a block.
pub(crate) const LANES: usize = 32;

const ROW: usize = 0;
const BIAS: usize = 1;
const ERROR: usize = 2;
const SCALE: usize = 3;

/// Where things stand in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Bytes of the codes of a block; whole words.
    pub(crate) code_bytes: usize,
    /// Columns behind the codes: 1, 3 or 4.
    pub(crate) columns: usize,
}

/// Blocks one behind the other.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    words: Words,
    layout: Layout,
}

/// One block.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    pub(crate) codes: &'a [u8],
    columns: &'a [[u32; LANES]],
}

/// One block while it is filled.
pub(crate) struct BlockMut<'a> {
    pub(crate) codes: &'a mut [u8],
    columns: &'a mut [[u32; LANES]],
}

/// What the codes of a row leave out: its key is about
/// `list's term + bias + scale · sum`, and how far off that is goes with `error`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Factors {
    pub(crate) bias: f32,
    pub(crate) scale: f32,
    pub(crate) error: f32,
}

impl Layout {
    /// Words of a block.
    pub(crate) fn words(self) -> usize {
        self.code_bytes / size_of::<u32>() + self.columns * LANES
    }
}

/// Blocks that so many rows take.
pub(crate) fn block_count(rows: usize) -> usize {
    rows.div_ceil(LANES)
}

impl Blocks {
    /// Takes whole blocks.
    pub(crate) fn new(words: Words, layout: Layout) -> Option<Self> {
        words.get().len().is_multiple_of(layout.words()).then_some(Self { words, layout })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.words.get().len() / self.layout.words()
    }

    pub(crate) fn words(&self) -> &Words {
        &self.words
    }

    /// The words of a block.
    #[inline]
    pub(crate) fn words_of(&self, block: usize) -> &[u32] {
        let words = self.layout.words();
        &self.words.get()[block * words..(block + 1) * words]
    }

    /// The same blocks in memory of their own, in large pages where the system has
    /// them.
    pub(crate) fn hot_copy(&self) -> Option<Self> {
        Self::new(Words::new(Hot::copy(self.words.bytes())?)?, self.layout)
    }

    /// The blocks of a range.
    #[inline]
    pub(crate) fn range(&self, blocks: std::ops::Range<usize>) -> impl Iterator<Item = Block<'_>> {
        let (words, code_words) = (self.layout.words(), self.layout.code_bytes / 4);
        let all = &self.words.get()[blocks.start * words..blocks.end * words];
        all.chunks_exact(words).map(move |block| {
            let (codes, columns) = block.split_at(code_words);
            Block { codes: codes.as_bytes(), columns: columns.as_chunks().0 }
        })
    }
}

impl<'a> Block<'a> {
    #[inline]
    pub(crate) fn rows(&self) -> &'a [u32; LANES] {
        &self.columns[ROW]
    }

    #[inline]
    pub(crate) fn bias(&self) -> &'a [f32; LANES] {
        floats(&self.columns[BIAS])
    }

    #[inline]
    pub(crate) fn scale(&self) -> &'a [f32; LANES] {
        floats(&self.columns[SCALE])
    }

    #[inline]
    pub(crate) fn error(&self) -> &'a [f32; LANES] {
        floats(&self.columns[ERROR])
    }
}

#[inline]
fn floats(column: &[u32; LANES]) -> &[f32; LANES] {
    transmute_ref!(column)
}

impl<'a> BlockMut<'a> {
    /// The blocks of `words`, to be filled.
    pub(crate) fn all(
        words: &'a mut [u32],
        layout: Layout,
    ) -> impl Iterator<Item = BlockMut<'a>> + use<'a> {
        words.chunks_exact_mut(layout.words()).map(move |block| {
            let (codes, columns) = block.split_at_mut(layout.code_bytes / 4);
            let codes = <[u8]>::mut_from_bytes(codes.as_mut_bytes());
            let codes = codes.expect("bytes may lie anywhere");
            BlockMut { codes, columns: columns.as_chunks_mut().0 }
        })
    }

    pub(crate) fn set_row(&mut self, lane: usize, row: u32) {
        self.columns[ROW][lane] = row;
    }

    /// Writes what the layout has room for.
    pub(crate) fn set_factors(&mut self, lane: usize, factors: Factors) {
        let all = [(BIAS, factors.bias), (SCALE, factors.scale), (ERROR, factors.error)];
        for (column, value) in all {
            if let Some(column) = self.columns.get_mut(column) {
                column[lane] = value.to_bits();
            }
        }
    }

    /// Writes the 4-bit codes of a lane the way FastScan reads them.
    pub(crate) fn set_nibbles(&mut self, lane: usize, nibbles: impl Iterator<Item = u8>) {
        let (byte, shift) = (lane % 16, if lane < 16 { 0 } else { 4 });
        for (group, nibble) in self.codes.as_chunks_mut::<16>().0.iter_mut().zip(nibbles) {
            group[byte] |= nibble << shift;
        }
    }

    /// Writes the bytes of a lane one behind the other.
    pub(crate) fn set_bytes(&mut self, lane: usize, bytes: &[u8]) {
        self.codes[lane * bytes.len()..][..bytes.len()].copy_from_slice(bytes);
    }
}
