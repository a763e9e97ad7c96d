//! Sorted numbers and the smallest of many with AVX2.
//!
//! As with AVX-512, four at a time. Comparisons are signed here: flipping the
//! highest bit of both sides makes them agree with unsigned ones.

use std::arch::x86_64::*;

#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(crate) fn insert_sorted(numbers: &mut [u64], number: u64) -> usize {
    let flip = _mm256_set1_epi64x(i64::MIN);
    let new = _mm256_xor_si256(_mm256_set1_epi64x(number.cast_signed()), flip);
    let mut end = numbers.len() - 1;
    while end >= 4 {
        let start = end - 4;
        // SAFETY: four numbers lie before `end`, which is below the length.
        let above = unsafe {
            let block = _mm256_loadu_si256(numbers.as_ptr().add(start).cast());
            let above = _mm256_cmpgt_epi64(_mm256_xor_si256(block, flip), new);
            // Ascending: the places behind those above are up to `end`.
            _mm256_maskstore_epi64(numbers.as_mut_ptr().add(start + 1).cast(), above, block);
            _mm256_movemask_pd(_mm256_castsi256_pd(above))
        };
        if above != 0xf {
            let at = end - above.count_ones() as usize;
            numbers[at] = number;
            return at;
        }
        end = start;
    }
    crate::scalar::order::insert_sorted(&mut numbers[..=end], number)
}

/// Eight keys at a time; a comparison's upper bits are the word's.
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(crate) fn at_most(keys: &[f32], bound: f32, words: &mut [u64]) {
    let (blocks, rest) = keys.as_chunks::<64>();
    let (words, last) = words.split_at_mut(blocks.len());
    let bounds = _mm256_set1_ps(bound);
    for (block, word) in blocks.iter().zip(words) {
        *word = 0;
        for (at, keys) in block.as_chunks::<8>().0.iter().enumerate() {
            // SAFETY: the array holds eight floats; this load needs no alignment.
            let keys = unsafe { _mm256_loadu_ps(keys.as_ptr()) };
            let mask = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LE_OQ>(keys, bounds));
            *word |= u64::from(mask.cast_unsigned()) << (8 * at);
        }
    }
    crate::scalar::order::at_most(rest, bound, last);
}
