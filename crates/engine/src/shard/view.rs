//! What a search sees: all segments of a shard at one moment.

use crate::segment::{MemoryView, SealedView};
use vicinal_types::{Error, Result};

/// What can be done where a segment is damaged. Its files are left where they are: the
/// next start tries them again, perhaps with a copy of them in their place.
pub(super) const WAY_OUT: &str = "reads with partial_ok answer without these rows and name them; to have them back, put undamaged files in their place and restart, or restore a snapshot";

/// The segments of a shard after some write; it never changes.
#[derive(Debug)]
pub(crate) struct View {
    /// Grows with every change.
    pub(crate) number: u64,
    /// Sealed ones first, then those in memory, oldest first.
    pub(crate) segments: Vec<SegmentView>,
    /// Segments whose files cannot be read, with the reason.
    pub(crate) damaged: Vec<String>,
}

/// One segment of a view.
#[derive(Clone, Debug)]
pub(crate) enum SegmentView {
    Memory(MemoryView),
    Sealed(SealedView),
}

impl View {
    /// Rows that are not deleted.
    pub(crate) fn live_count(&self) -> u64 {
        self.segments.iter().map(SegmentView::live_count).sum()
    }

    /// Segments that wait for their files.
    pub(crate) fn frozen_count(&self) -> usize {
        let is_frozen = |segment: &&SegmentView| match segment {
            SegmentView::Memory(memory) => memory.is_frozen,
            SegmentView::Sealed(_) => false,
        };
        self.segments.iter().filter(is_frozen).count()
    }

    /// Segments in files.
    pub(crate) fn sealed_count(&self) -> usize {
        let is_sealed = |segment: &&SegmentView| matches!(segment, SegmentView::Sealed(_));
        self.segments.iter().filter(is_sealed).count()
    }

    /// Why some rows are missing, if some are.
    pub(crate) fn damage(&self) -> Option<String> {
        (!self.damaged.is_empty()).then(|| self.damaged.join("; "))
    }

    /// Refuses to answer with rows missing.
    ///
    /// # Errors
    /// `Corrupt` naming every damaged segment.
    pub(crate) fn check_whole(&self) -> Result<()> {
        self.damage().map_or(Ok(()), |reason| Err(Error::corrupt(format!("{reason}; {WAY_OUT}"))))
    }
}

impl SegmentView {
    /// Rows that are not deleted.
    pub(crate) fn live_count(&self) -> u64 {
        match self {
            Self::Memory(memory) => memory.live_count(),
            Self::Sealed(sealed) => sealed.live_count(),
        }
    }
}
