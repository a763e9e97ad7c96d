//! Asking for memory before it is needed.

/// Bytes of a cache line on the CPUs we tune for.
#[cfg(target_arch = "x86_64")]
const LINE_BYTES: usize = 64;

/// Lines asked for at most: what follows, the hardware's own stream prefetcher
/// brings in while these are read.
#[cfg(target_arch = "x86_64")]
const LINES_MAX: usize = 16;

/// Asks the CPU to bring the beginning of `items` near; does nothing where
/// there is no such instruction.
#[inline]
pub fn prefetch<T>(items: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..size_of_val(items)).step_by(LINE_BYTES).take(LINES_MAX) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let at = items.as_ptr().wrapping_byte_add(line);
        // SAFETY: a prefetch reads nothing and faults on no address; every
        // x86-64 has the instruction.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = items;
}

/// Lines that [`prefetch_far`] asks for at most: a core has room for about so
/// many requests on their way to the second cache.
#[cfg(target_arch = "x86_64")]
const FAR_LINES_MAX: usize = 64;

/// Asks the CPU to bring the beginning of `items` into the second cache, for use
/// a while later: more requests fit under way than to the first. Does nothing
/// where there is no such instruction.
#[inline]
pub fn prefetch_far<T>(items: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..size_of_val(items)).step_by(LINE_BYTES).take(FAR_LINES_MAX) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        let at = items.as_ptr().wrapping_byte_add(line);
        // SAFETY: a prefetch reads nothing and faults on no address; every
        // x86-64 has the instruction.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = items;
}
