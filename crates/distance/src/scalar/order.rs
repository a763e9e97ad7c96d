//! Sorted numbers: the definition.

pub(crate) fn insert_sorted(numbers: &mut [u64], number: u64) -> usize {
    let mut at = numbers.len() - 1;
    while at > 0 && numbers[at - 1] > number {
        numbers[at] = numbers[at - 1];
        at -= 1;
    }
    numbers[at] = number;
    at
}
