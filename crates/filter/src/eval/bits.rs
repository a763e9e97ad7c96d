//! A bit for each row of a block.

use arrow_buffer::NullBuffer;
use arrow_buffer::bit_chunk_iterator::BitChunks;

/// Rows of a block: their bits and a few columns' values stay in the first cache.
pub(super) const BLOCK_ROWS: usize = 4_096;

/// A bit a row, lowest first; those past the end of a block are zero.
pub(super) type Bits = [u64; BLOCK_ROWS / 64];

/// Some rows that follow each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// The first; a multiple of [`BLOCK_ROWS`].
    pub(super) start: usize,
    /// How many; fewer than [`BLOCK_ROWS`] in the last block only.
    pub(super) len: usize,
}

impl Block {
    /// All rows of the block.
    pub(super) fn full(self) -> Bits {
        let mut bits = [0; _];
        let (words, rest) = (self.len / 64, self.len % 64);
        bits[..words].fill(u64::MAX);
        if rest > 0 {
            bits[words] = (1 << rest) - 1;
        }
        bits
    }

    /// The block's part of a column's values.
    pub(super) fn of<T>(self, values: &[T]) -> &[T] {
        &values[self.start..self.start + self.len]
    }
}

pub(super) fn is_empty(bits: &Bits) -> bool {
    bits.iter().fold(0, |any, word| any | word) == 0
}

/// Whether so many rows are in it that all may as well be looked at.
pub(super) fn is_dense(bits: &Bits, block: Block) -> bool {
    bits.iter().map(|word| word.count_ones() as usize).sum::<usize>() > block.len / 8
}

/// Copies the bits of a block from a buffer of bits.
pub(super) fn load(buffer: &[u8], offset: usize, block: Block, out: &mut Bits) {
    *out = [0; _];
    let chunks = BitChunks::new(buffer, offset + block.start, block.len);
    out.iter_mut().zip(chunks.iter_padded()).for_each(|(word, chunk)| *word = chunk);
}

/// Takes out the rows that are null.
pub(super) fn keep_valid(bits: &mut Bits, nulls: Option<&NullBuffer>, block: Block) {
    if let Some(nulls) = nulls {
        let mut valid = [0; _];
        load(nulls.validity(), nulls.offset(), block, &mut valid);
        bits.iter_mut().zip(&valid).for_each(|(word, valid)| *word &= valid);
    }
}

/// Keeps of `bits` what was found, or what was not.
pub(super) fn resolve(bits: &mut Bits, found: &Bits, is_negated: bool) {
    let flip = if is_negated { u64::MAX } else { 0 };
    bits.iter_mut().zip(found).for_each(|(word, found)| *word &= found ^ flip);
}

/// Sets the bits of the rows in `mask` that pass; `row` counts from the block's start.
pub(super) fn each(mask: &Bits, out: &mut Bits, mut passes: impl FnMut(usize) -> bool) {
    for (at, (mask, out)) in mask.iter().zip(out).enumerate() {
        let (mut rest, mut found) = (*mask, 0);
        while rest != 0 {
            let bit = rest.trailing_zeros();
            rest &= rest - 1;
            found |= u64::from(passes(at * 64 + bit as usize)) << bit;
        }
        *out = found;
    }
}

/// Sets a bit for each value that passes.
///
/// Plainly: `out[i / 64] |= passes(values[i]) << (i % 64)`. Tricks: (1) no branch, (2)
/// eight values at a time into a byte of their own, so that no chain of 64 shifts and
/// ors holds the next value up.
#[inline]
pub(super) fn pack<T: Copy>(values: &[T], out: &mut Bits, passes: impl Fn(T) -> bool) {
    let (chunks, tail) = values.as_chunks::<64>();
    for (chunk, word) in chunks.iter().zip(out.iter_mut()) {
        let mut bytes = [0_u64; 8];
        for (byte, eight) in bytes.iter_mut().zip(chunk.as_chunks::<8>().0) {
            for (bit, value) in eight.iter().enumerate() {
                *byte |= u64::from(passes(*value)) << bit;
            }
        }
        *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | byte);
    }
    if let Some(word) = out.get_mut(chunks.len()) {
        *word = 0;
        for (bit, value) in tail.iter().enumerate() {
            *word |= u64::from(passes(*value)) << bit;
        }
    }
}

/// Sets a bit for each pair of values that passes; as [`pack`].
pub(super) fn pack_pairs<T: Copy>(
    left: &[T],
    right: &[T],
    out: &mut Bits,
    passes: impl Fn(T, T) -> bool,
) {
    for ((left, right), word) in left.chunks(64).zip(right.chunks(64)).zip(out) {
        *word = 0;
        for (bit, (left, right)) in left.iter().zip(right).enumerate() {
            *word |= u64::from(passes(*left, *right)) << bit;
        }
    }
}
