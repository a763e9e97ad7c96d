//! Sorted numbers and the smallest of many with AVX-512.
//!
//! Plainly: from the end on, every number above the new one moves up by one
//! place. Tricks: (1) eight at a time, (2) the comparison's mask is that of the
//! store, so that finding the place and making room are one pass.

use std::arch::x86_64::*;

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(crate) fn insert_sorted(numbers: &mut [u64], number: u64) -> usize {
    let new = _mm512_set1_epi64(number.cast_signed());
    let mut end = numbers.len() - 1;
    while end >= 8 {
        let start = end - 8;
        // SAFETY: eight numbers lie before `end`, which is below the length.
        let above = unsafe {
            let block = _mm512_loadu_si512(numbers.as_ptr().add(start).cast());
            let above = _mm512_cmpgt_epu64_mask(block, new);
            // Ascending: the places behind those above are up to `end`.
            _mm512_mask_storeu_epi64(numbers.as_mut_ptr().add(start + 1).cast(), above, block);
            above
        };
        if above != 0xff {
            let at = end - above.count_ones() as usize;
            numbers[at] = number;
            return at;
        }
        end = start;
    }
    #[expect(clippy::cast_possible_truncation, reason = "fewer than eight lanes")]
    let mask = ((1_u16 << end) - 1) as __mmask8;
    // SAFETY: the masks let through only the first `end` numbers, and the places
    // one behind them, which exist because `end` is below the length.
    let above = unsafe {
        let block = _mm512_maskz_loadu_epi64(mask, numbers.as_ptr().cast());
        let above = _mm512_mask_cmpgt_epu64_mask(mask, block, new);
        _mm512_mask_storeu_epi64(numbers.as_mut_ptr().add(1).cast(), above, block);
        above
    };
    let at = end - above.count_ones() as usize;
    numbers[at] = number;
    at
}

/// Sixteen keys at a time; a comparison's mask is a quarter of the word.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(crate) fn at_most(keys: &[f32], bound: f32, words: &mut [u64]) {
    let (blocks, rest) = keys.as_chunks::<64>();
    let (words, last) = words.split_at_mut(blocks.len());
    let bounds = _mm512_set1_ps(bound);
    for (block, word) in blocks.iter().zip(words) {
        *word = 0;
        for (at, keys) in block.as_chunks::<16>().0.iter().enumerate() {
            // SAFETY: the array holds sixteen floats; this load needs no alignment.
            let keys = unsafe { _mm512_loadu_ps(keys.as_ptr()) };
            let mask = _mm512_cmp_ps_mask::<_CMP_LE_OQ>(keys, bounds);
            *word |= u64::from(mask) << (16 * at);
        }
    }
    crate::scalar::order::at_most(rest, bound, last);
}
