//! Which sealed segments are merged into one.
//!
//! Three reasons: a segment has many deleted rows, or much of it is of columns that were
//! dropped, and bytes come back when it is written anew; or several segments are small,
//! and every search goes through each.
//! While rows come, small ones wait until there are several of about one size: a row is
//! then copied, and its index built, once for each of the few sizes there are. Where
//! nobody writes any more, all that fit into one are merged: searches of one segment
//! cost less than half of what those of four do.

use vicinal_types::SegmentId;

/// A segment is written anew when more than one row in so many is deleted: files
/// then take at most 1.25 times the bytes of the rows that live, and for each row
/// that goes four are copied. At one in ten these would be nine, at one in three
/// files would take half as much again.
pub const DELETED_ONE_IN: u64 = 5;

/// A segment is written anew when more than one byte in so many is of columns that were
/// dropped: the reckoning is that of deleted rows.
pub const DROPPED_ONE_IN: u64 = DELETED_ONE_IN;

/// Segments of about one size that are merged, at least: so many times more rows does
/// the merged one have, so a row is copied as often as the logarithm to this base says.
const SEGMENTS_MIN: usize = 4;

/// Of segments that are merged while nobody writes, the largest has at most so many times
/// the rows of the others together: for each of their rows so many are copied.
const LARGEST_TO_OTHERS: u64 = 8;

/// Segments that are merged, at most: all of them are read at the same time.
const SEGMENTS_MAX: usize = 8;

/// Live rows below which all segments count as of one size: none of them has an index
/// worth the name, and copying so few costs nothing.
const SMALL_ROWS: u64 = 4_096;

/// Bytes of one column of texts or arrays in a segment: Arrow's offsets have 31 bits.
const COLUMN_BYTES_MAX: u64 = i32::MAX as u64;

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
    /// Of these, bytes of dropped columns, as far as a merge may leave them out.
    pub dropped_bytes: u64,
    /// Bytes of the scalar column that has the most.
    pub column_bytes: u64,
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
    /// Much of them is of columns that were dropped.
    Dropped,
    /// They are small.
    Small,
}

/// Whether rows come to the segments that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// There will be more.
    Going,
    /// None for a while, or it was said that everything be merged.
    Quiet,
}

/// The next merge, if any is worth its work.
///
/// Deleted rows go first, the segment with the largest part of them before all. A
/// segment that has the target's size is left alone until its rows are deleted or its
/// columns dropped.
pub fn choose_merge(
    segments: &[SegmentFigures],
    target: SegmentTarget,
    writes: Writes,
) -> Option<Merge> {
    deleted(segments, target)
        .or_else(|| dropped(segments, target))
        .or_else(|| small(segments, target, writes))
}

fn deleted(segments: &[SegmentFigures], target: SegmentTarget) -> Option<Merge> {
    let mut heavy: Vec<_> = segments.iter().filter(|segment| segment.is_heavy()).collect();
    // By the part of rows that live, in millionths: whole numbers have an order.
    heavy.sort_by_key(|segment| (segment.live_rows() * 1_000_000 / segment.rows, segment.id));
    let fitting = fitting(&heavy, target);
    (!fitting.is_empty()).then(|| merge(fitting, MergeReason::Deleted))
}

fn dropped(segments: &[SegmentFigures], target: SegmentTarget) -> Option<Merge> {
    let heavy: Vec<_> = segments.iter().filter(|segment| segment.has_many_dropped()).collect();
    let fitting = fitting(&heavy, target);
    (!fitting.is_empty()).then(|| merge(fitting, MergeReason::Dropped))
}

fn small(segments: &[SegmentFigures], target: SegmentTarget, writes: Writes) -> Option<Merge> {
    let is_small = |segment: &&SegmentFigures| {
        segment.live_rows() < target.rows && segment.live_bytes() < target.bytes
    };
    let mut small: Vec<_> = segments.iter().filter(is_small).collect();
    small.sort_by_key(|segment| (segment.live_rows(), segment.id));
    let chosen = match writes {
        Writes::Going => several_of_a_size(&small, target),
        Writes::Quiet => all_that_pay(&small, target),
    };
    (chosen.len() > 1).then(|| merge(chosen, MergeReason::Small))
}

/// The smallest of which there are several of about one size.
fn several_of_a_size<'a>(
    ascending: &[&'a SegmentFigures],
    target: SegmentTarget,
) -> Vec<&'a SegmentFigures> {
    let same = (0..ascending.len()).map(|first| {
        let largest = ascending[first].live_rows().max(SMALL_ROWS) * SEGMENTS_MIN as u64;
        let count = ascending[first..].partition_point(|of| of.live_rows() < largest);
        &ascending[first..first + count]
    });
    let several = same.filter(|same| same.len() >= SEGMENTS_MIN);
    several.map(|same| fitting(same, target)).find(|same| same.len() > 1).unwrap_or_default()
}

/// The smallest that fit, without those that are too large beside the others.
fn all_that_pay<'a>(
    ascending: &[&'a SegmentFigures],
    target: SegmentTarget,
) -> Vec<&'a SegmentFigures> {
    let mut fitting = fitting(ascending, target);
    while let Some((largest, others)) = fitting.split_last() {
        let others: u64 = others.iter().map(|of| of.live_rows()).sum();
        if largest.live_rows() <= others * LARGEST_TO_OTHERS {
            break;
        }
        fitting.pop();
    }
    fitting
}

/// As many of the first as make one segment of at most one and a half times the
/// target: two halves that came out a row too large still fit together. The first is
/// always among them.
fn fitting<'a>(segments: &[&'a SegmentFigures], target: SegmentTarget) -> Vec<&'a SegmentFigures> {
    let (mut rows, mut bytes, mut column_bytes) = (0, 0, 0_u64);
    let mut fitting: Vec<&SegmentFigures> = Vec::new();
    for segment in segments.iter().take(SEGMENTS_MAX) {
        rows += segment.live_rows();
        bytes += segment.live_bytes();
        column_bytes = column_bytes.saturating_add(segment.column_bytes);
        let fits = rows <= target.rows + target.rows / 2
            && bytes <= target.bytes + target.bytes / 2
            && column_bytes <= COLUMN_BYTES_MAX;
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

    /// Whether so much of it is of dropped columns that it should be written anew.
    pub fn has_many_dropped(&self) -> bool {
        self.dropped_bytes * DROPPED_ONE_IN > self.bytes
    }

    /// Bytes of the rows that live, if all take the same.
    fn live_bytes(&self) -> u64 {
        let bytes = self.bytes.saturating_sub(self.dropped_bytes);
        let part = u128::from(bytes) * u128::from(self.live_rows());
        u64::try_from(part / u128::from(self.rows.max(1))).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
