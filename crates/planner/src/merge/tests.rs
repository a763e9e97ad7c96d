//! What is merged, and that merging ends.

use super::*;
use proptest::prelude::*;

const TARGET: SegmentTarget = SegmentTarget { rows: 262_144, bytes: 512 << 20 };

/// Segments of 512 bytes a row, from their rows and deleted rows.
fn segments(rows: &[(u64, u64)]) -> Vec<SegmentFigures> {
    let figures = |(id, &(rows, deleted_rows)): (u64, &(u64, u64))| SegmentFigures {
        id: SegmentId(id),
        rows,
        deleted_rows,
        bytes: rows * 512,
        dropped_bytes: 0,
        column_bytes: 0,
    };
    (1..).zip(rows).map(figures).collect()
}

fn check(rows: &[(u64, u64)], expected: Option<(&[u64], MergeReason)>) {
    check_when(Writes::Going, rows, expected);
}

fn check_when(writes: Writes, rows: &[(u64, u64)], expected: Option<(&[u64], MergeReason)>) {
    let chosen = choose_merge(&segments(rows), TARGET, writes);
    let chosen = chosen
        .map(|merge| (merge.segments.iter().map(|id| id.0).collect::<Vec<_>>(), merge.reason));
    assert_eq!(chosen, expected.map(|(ids, reason)| (ids.to_vec(), reason)), "{rows:?}");
}

#[test]
fn segments_with_many_deleted_rows_are_written_anew_together_if_they_fit() {
    let full = 262_144;
    check(&[(full, 0), (full, full / 5)], None);
    check(&[(full, 0), (full, full / 5 + 1)], Some((&[2], MergeReason::Deleted)));
    // The one with the most deleted rows first; a third half does not fit.
    let half = full / 2;
    check(
        &[(full, half - 7), (full, half + 7), (full, half), (full, 0)],
        Some((&[1, 2, 3], MergeReason::Deleted)),
    );
    check(
        &[(full, half / 2), (full, half), (full, half / 2)],
        Some((&[1, 2], MergeReason::Deleted)),
    );
    // Of one row that is gone nothing is left, but it is gone.
    check(&[(1, 1)], Some((&[1], MergeReason::Deleted)));
    // However large.
    check(&[(9 * full, 2 * full)], Some((&[1], MergeReason::Deleted)));
}

#[test]
fn columns_of_texts_that_no_array_could_hold_stay_apart() {
    let figures = |gib: [u64; 4]| {
        (1..).zip(gib).map(|(id, gib)| SegmentFigures {
            id: SegmentId(id),
            rows: 10_000,
            deleted_rows: 0,
            bytes: 0,
            dropped_bytes: 0,
            column_bytes: gib << 30,
        })
    };
    let check = |gib, expected: &[u64]| {
        let figures: Vec<_> = figures(gib).collect();
        let merge = choose_merge(&figures, TARGET, Writes::Going);
        let chosen = merge.map_or_else(Vec::new, |merge| merge.segments);
        assert_eq!(chosen, expected.iter().map(|id| SegmentId(*id)).collect::<Vec<_>>());
    };
    check([0, 0, 0, 0], &[1, 2, 3, 4]);
    check([0, 1, 0, 1], &[1, 2, 3]);
    check([1, 1, 1, 1], &[]);
}

#[test]
fn segments_of_which_much_is_dropped_are_written_anew_after_those_of_deleted_rows() {
    let check = |segments: &[(u64, u64, u64)], expected: Option<(&[u64], MergeReason)>| {
        let figures = |(id, &(rows, deleted_rows, dropped))| SegmentFigures {
            id: SegmentId(id),
            rows,
            deleted_rows,
            bytes: rows * 500,
            dropped_bytes: rows * dropped,
            column_bytes: 0,
        };
        let figures: Vec<_> = (1..).zip(segments).map(figures).collect();
        let chosen = choose_merge(&figures, TARGET, Writes::Going);
        let chosen = chosen
            .map(|merge| (merge.segments.iter().map(|id| id.0).collect::<Vec<_>>(), merge.reason));
        assert_eq!(chosen, expected.map(|(ids, reason)| (ids.to_vec(), reason)), "{segments:?}");
    };
    let full = 262_144;
    check(&[(full, 0, 100), (full, 0, 0)], None);
    check(&[(full, 0, 100), (full, 0, 101)], Some((&[2], MergeReason::Dropped)));
    check(&[(full, 0, 499), (full, full / 4, 0)], Some((&[2], MergeReason::Deleted)));
    // As many at once as fit without what goes.
    check(&[(full / 2, 0, 400); 4], Some((&[1, 2, 3], MergeReason::Dropped)));
    check(&[(full * 4, 0, 200), (full, 0, 200)], Some((&[1], MergeReason::Dropped)));
}

#[test]
fn small_segments_wait_for_others_of_their_size() {
    check(&[(10, 0), (4_000, 0), (1, 0)], None);
    check(&[(10, 0), (4_000, 0), (1, 0), (20, 0)], Some((&[1, 2, 3, 4], MergeReason::Small)));
    check(&[(60_000, 0), (17_000, 0), (10, 0), (5_000, 0)], None);
    let sixty = (60_000, 0);
    check(&[sixty, (10, 0), sixty, sixty, sixty], Some((&[1, 3, 4, 5], MergeReason::Small)));
    check(&[(262_144, 0); 9], None);
    check(&[(10, 0); 20], Some((&[1, 2, 3, 4, 5, 6, 7, 8], MergeReason::Small)));
    // Two that would be too large together stay apart.
    check(&[(200_000, 0); 4], None);
    let wide = |id| SegmentFigures {
        id,
        rows: 5_000,
        deleted_rows: 0,
        bytes: 500 << 20,
        dropped_bytes: 0,
        column_bytes: 0,
    };
    assert_eq!(
        choose_merge(&[1, 2, 3, 4].map(|id| wide(SegmentId(id))), TARGET, Writes::Going),
        None
    );
    // Of about one size, wherever the sizes begin.
    check(
        &[(60_000, 0), (65_000, 0), (70_000, 0), (90_000, 0)],
        Some((&[1, 2, 3, 4], MergeReason::Small)),
    );
}

#[test]
fn where_nobody_writes_all_that_fit_are_merged() {
    let check = |rows: &[u64], expected: &[u64]| {
        let rows: Vec<_> = rows.iter().map(|rows| (*rows, 0)).collect();
        let expected = (!expected.is_empty()).then_some((expected, MergeReason::Small));
        check_when(Writes::Quiet, &rows, expected);
    };
    check(&[10, 4_000], &[]);
    check(&[500, 4_000], &[1, 2]);
    check(&[100_000, 60_000, 20_000], &[1, 2, 3]);
    // So few are not worth copying so many.
    check(&[200_000, 20_000], &[]);
    check(&[200_000, 20_000, 5_000], &[1, 2, 3]);
    check(&[200_000, 3_000, 5_000], &[2, 3]);
    // One of the target's size is left alone.
    check(&[262_144, 200_000], &[]);
    check(&[200_000, 150_000, 100_000], &[2, 3]);
    check(&[10], &[]);
}

proptest! {
    /// Whatever there is, merging comes to an end, keeps every row that lives, makes
    /// nothing larger than one and a half targets, and leaves few deleted rows and few
    /// small segments.
    #[test]
    fn merging_ends(
        rows in prop::collection::vec((1_u64..400_000, 0..100_u64), 0..60),
        is_quiet: bool,
    ) {
        let writes = if is_quiet { Writes::Quiet } else { Writes::Going };
        let rows: Vec<_> = rows.iter().map(|(rows, part)| (*rows, rows * part / 100)).collect();
        let mut all = segments(&rows);
        let live = |all: &[SegmentFigures]| all.iter().map(SegmentFigures::live_rows).sum::<u64>();
        let before = live(&all);
        let mut next = 1_000;
        while let Some(merge) = choose_merge(&all, TARGET, writes) {
            next += 1;
            prop_assert!(next < 1_200, "still merging: {all:?}");
            let of_merge = |segment: &SegmentFigures| merge.segments.contains(&segment.id);
            let rows: u64 = all.iter().filter(|s| of_merge(s)).map(|s| s.live_rows()).sum();
            prop_assert!(merge.segments.len() == 1 || rows <= 400_000, "{merge:?} has {rows} rows");
            all.retain(|segment| !of_merge(segment));
            if rows > 0 {
                let figures = SegmentFigures { id: SegmentId(next), rows, deleted_rows: 0, bytes: rows * 512, dropped_bytes: 0, column_bytes: 0 };
                all.push(figures);
            }
        }
        prop_assert_eq!(live(&all), before);
        prop_assert!(!all.iter().any(SegmentFigures::is_heavy));
        let small = all.iter().filter(|segment| segment.live_rows() < 65_536).count();
        prop_assert!(small <= 3 * 3, "{small} small segments: {all:?}");
    }
}
