//! Which sealed segments are merged into one.
//!
//! Two reasons: a segment has many deleted rows, whose bytes come back when it is
//! written anew; or several segments are small, and every search goes through each.
//! Small ones wait until there are several of about one size: a row is then copied,
//! and its index built, once for each of the few sizes there are.

use vicinal_types::SegmentId;

/// A segment is written anew when more than one row in so many is deleted: files
/// then take at most 1.25 times the bytes of the rows that live, and for each row
/// that goes four are copied. At one in ten these would be nine, at one in three
/// files would take half as much again.
pub const DELETED_ONE_IN: u64 = 5;

/// Segments of about one size that are merged, at least: so many times more rows does
/// the merged one have, so a row is copied as often as the logarithm to this base says.
const SEGMENTS_MIN: usize = 4;

/// Segments that are merged, at most: all of them are read at the same time.
const SEGMENTS_MAX: usize = 8;

/// Live rows below which all segments count as of one size: none of them has an index
/// worth the name, and copying so few costs nothing.
const SMALL_ROWS: u64 = 4_096;

/// What the policy looks at of a sealed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFigures {
    /// Which.
    pub id: SegmentId,
    /// Its rows, deleted ones included.
    pub rows: u64,
    /// Deleted rows, as far as a merge may leave them out.
    pub deleted_rows: u64,
    /// Bytes of its rows' file.
    pub bytes: u64,
}

/// How large a segment should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentTarget {
    /// Rows.
    pub rows: u64,
    /// Bytes of the rows' file.
    pub bytes: u64,
}

/// Segments to be merged into one, or into nothing if none of their rows lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    /// Which, oldest first.
    pub segments: Vec<SegmentId>,
    /// Why.
    pub reason: MergeReason,
}

/// Why segments are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeReason {
    /// Many of their rows are deleted.
    Deleted,
    /// They are small.
    Small,
}

/// The next merge, if any is worth its work.
///
/// Deleted rows go first, the segment with the largest part of them before all. A
/// segment that has the target's size is left alone until its rows are deleted.
pub fn choose_merge(segments: &[SegmentFigures], target: SegmentTarget) -> Option<Merge> {
    deleted(segments, target).or_else(|| small(segments, target))
}

fn deleted(segments: &[SegmentFigures], target: SegmentTarget) -> Option<Merge> {
    let mut heavy: Vec<_> = segments.iter().filter(|segment| segment.is_heavy()).collect();
    // By the part of rows that live, in millionths: whole numbers have an order.
    heavy.sort_by_key(|segment| (segment.live_rows() * 1_000_000 / segment.rows, segment.id));
    let fitting = fitting(&heavy, target);
    (!fitting.is_empty()).then(|| merge(fitting, MergeReason::Deleted))
}

fn small(segments: &[SegmentFigures], target: SegmentTarget) -> Option<Merge> {
    let is_small = |segment: &&SegmentFigures| {
        segment.live_rows() < target.rows && segment.live_bytes() < target.bytes
    };
    let mut small: Vec<_> = segments.iter().filter(is_small).collect();
    small.sort_by_key(|segment| (segment.size(), segment.live_rows(), segment.id));
    small.chunk_by(|a, b| a.size() == b.size()).find_map(|same| {
        let fitting = if same.len() < SEGMENTS_MIN { Vec::new() } else { fitting(same, target) };
        (fitting.len() > 1).then(|| merge(fitting, MergeReason::Small))
    })
}

/// As many of the first as make one segment of at most one and a half times the
/// target: two halves that came out a row too large still fit together. The first is
/// always among them.
fn fitting<'a>(segments: &[&'a SegmentFigures], target: SegmentTarget) -> Vec<&'a SegmentFigures> {
    let (mut rows, mut bytes) = (0, 0);
    let mut fitting: Vec<&SegmentFigures> = Vec::new();
    for segment in segments.iter().take(SEGMENTS_MAX) {
        rows += segment.live_rows();
        bytes += segment.live_bytes();
        let fits =
            rows <= target.rows + target.rows / 2 && bytes <= target.bytes + target.bytes / 2;
        if !fits && !fitting.is_empty() {
            break;
        }
        fitting.push(segment);
    }
    fitting
}

fn merge(segments: Vec<&SegmentFigures>, reason: MergeReason) -> Merge {
    let mut segments: Vec<_> = segments.into_iter().map(|segment| segment.id).collect();
    segments.sort_unstable();
    Merge { segments, reason }
}

impl SegmentFigures {
    /// Rows that a merge would copy.
    pub fn live_rows(&self) -> u64 {
        self.rows.saturating_sub(self.deleted_rows)
    }

    /// Whether so many rows are deleted that it should be written anew.
    pub fn is_heavy(&self) -> bool {
        self.deleted_rows * DELETED_ONE_IN > self.rows
    }

    /// Bytes of the rows that live, if all take the same.
    fn live_bytes(&self) -> u64 {
        let part = u128::from(self.bytes) * u128::from(self.live_rows());
        u64::try_from(part / u128::from(self.rows.max(1))).unwrap_or(u64::MAX)
    }

    /// Segments of one size differ by less than [`SEGMENTS_MIN`] times.
    fn size(&self) -> u32 {
        (self.live_rows() / SMALL_ROWS).checked_ilog(SEGMENTS_MIN as u64).map_or(0, |log| log + 1)
    }
}

#[cfg(test)]
mod tests;
