//! The process's memory allocator: jemalloc, since it gives memory back.
//!
//! Segments are built in memory and then freed by the hundred megabytes; with the
//! system's allocator most of that stayed with the process. A background thread
//! returns free pages within ten seconds.

use tikv_jemalloc_ctl::{epoch, stats};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Bytes that the allocator holds beyond what is allocated: free pages that are
/// not returned yet, rounding up to size classes, its own tables. 0 if the
/// allocator's figures cannot be had.
pub fn held_bytes() -> u64 {
    let held =
        epoch::advance().and_then(|_| Ok((stats::resident::read()?, stats::allocated::read()?)));
    held.map_or(0, |(resident, allocated)| resident.saturating_sub(allocated) as u64)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_allocator_is_the_one_that_is_measured() {
        let before = tikv_jemalloc_ctl::stats::allocated::read().expect("figures");
        let block = vec![1_u8; 8 << 20];
        tikv_jemalloc_ctl::epoch::advance().expect("figures");
        let after = tikv_jemalloc_ctl::stats::allocated::read().expect("figures");
        assert!(after >= before + (7 << 20), "{before} {after} {}", block.len());
        assert!(super::held_bytes() > 0);
    }
}
