//! Memory for what every search touches.

use bytes::Bytes;
use memmap2::{Advice, MmapMut};

/// Bytes of a large page.
const LARGE_PAGE: usize = 2 * 1024 * 1024;

/// Zeroed memory of its own, in large pages where the system has them: a walk
/// through a graph touches so many places that ordinary pages cost it a tenth of
/// its time in address translation alone.
#[derive(Debug)]
pub(crate) struct Hot {
    map: MmapMut,
    start: usize,
    len: usize,
}

impl Hot {
    /// `None` if the system has no memory for it.
    pub(crate) fn new(len: usize) -> Option<Self> {
        let map = MmapMut::map_anon(len.checked_add(LARGE_PAGE)?).ok()?;
        // Only a wish: without large pages everything works, slower.
        let _wish = map.advise(Advice::HugePage);
        let start = map.as_ptr().align_offset(LARGE_PAGE);
        Some(Self { map, start, len })
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.map[self.start..][..self.len]
    }

    /// The memory as it is now, shared from here on.
    pub(crate) fn freeze(self) -> Bytes {
        let range = self.start..self.start + self.len;
        Bytes::from_owner(self.map).slice(range)
    }

    /// A copy of `bytes`.
    pub(crate) fn copy(bytes: &[u8]) -> Option<Bytes> {
        let mut hot = Self::new(bytes.len())?;
        hot.bytes_mut().copy_from_slice(bytes);
        Some(hot.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hot_memory_is_aligned_and_holds_what_was_written() {
        for len in [0, 1, 4_096, 5_000_000] {
            let data: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let hot = Hot::copy(&data).expect("a few megabytes");
            assert_eq!(hot.as_ref(), &data[..]);
            assert!(len == 0 || hot.as_ptr().align_offset(LARGE_PAGE) == 0);
        }
    }
}
