//! Sorted numbers and the smallest of many: the definition.

pub(crate) fn insert_sorted(numbers: &mut [u64], number: u64) -> usize {
    let mut at = numbers.len() - 1;
    while at > 0 && numbers[at - 1] > number {
        numbers[at] = numbers[at - 1];
        at -= 1;
    }
    numbers[at] = number;
    at
}

pub(crate) fn at_most(keys: &[f32], bound: f32, words: &mut [u64]) {
    for (keys, word) in keys.chunks(64).zip(words) {
        let bits = keys.iter().enumerate();
        *word = bits.fold(0, |word, (lane, key)| word | u64::from(*key <= bound) << lane);
    }
}
