//! The nearest rows of many segments as one answer.

use crate::fixture::{NAME, engine, flush, nearest, range, rows, upsert, vector};
use vicinal_engine::{Engine, Write};
use vicinal_types::{ColumnId, VectorInput};

const SEGMENTS: i64 = 4;
const ROWS: i64 = 40;

/// Inserts rows that all have the vector of one id.
fn insert_equal(engine: &Engine, ids: &[i64]) {
    let floats = ids.iter().flat_map(|_| vector(7, 0)).collect();
    let mut batch = rows(ids, 0);
    batch.vectors = vec![(ColumnId(1), VectorInput::Floats(floats))];
    engine.write_blocking("", NAME, Write::Insert(batch), None).expect("an insert");
}

#[test]
fn equally_near_rows_come_by_id_whatever_segment_they_lie_in() {
    let (_, engine) = engine();
    // The last segment stays in memory, and has the lowest ids.
    for segment in (0..SEGMENTS).rev() {
        let ids: Vec<_> =
            range(0..ROWS).into_iter().filter(|id| id % SEGMENTS == segment).collect();
        insert_equal(&engine, &ids);
        if segment > 0 {
            flush(&engine);
        }
    }
    for k in [1, 5, 10, 40] {
        let first = range(0..i64::try_from(k).expect("a few"));
        assert_eq!(nearest(&engine, 7, 0, k), first, "k {k}");
    }
    assert_eq!(engine.describe("", NAME).expect("it is there").segments.len(), 4);
    engine.close();
}

#[test]
fn an_id_comes_once_and_in_its_newest_version() {
    let (_, engine) = engine();
    let ids = range(0..ROWS);
    for form in 0..SEGMENTS {
        upsert(&engine, &ids, form).expect("an upsert");
        if form + 1 < SEGMENTS {
            flush(&engine);
        }
        let found = nearest(&engine, 3, form, 2 * ids.len());
        assert_eq!(found.len(), ids.len(), "every id once");
        assert_eq!(found[0], 3, "with the vector that it has now");
        let before = nearest(&engine, 3, form - 1, 1);
        assert!(form == 0 || before != [3], "not with the one that it had");
    }
    engine.close();
}
