//! Walks in the order of a column or of ids: against a model that sorts all rows.

use super::data::{self, NAME, Row};
use super::groups;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use vicinal_engine::{Direction, Engine, OrderBy, Page, Scroll, Write};
use vicinal_types::{Cancel, Column, ColumnId, Error, IndexSpec, Result, ScalarType, ScalarValue};

const COLUMNS: [&str; 6] = ["flag", "kind", "at", "doc", "score", "id"];
const DIRECTIONS: [Direction; 2] = [Direction::Ascending, Direction::Descending];

fn ordered(column: &str, direction: Direction, limit: usize) -> Scroll {
    let order_by = Some(OrderBy { column: column.to_owned(), direction });
    Scroll { limit, order_by, ..Scroll::default() }
}

fn page(engine: &Engine, scroll: &Scroll) -> Result<Page> {
    engine.scroll_where("", NAME, scroll, &Cancel::never())
}

/// All ids of a walk, page after page.
fn walk(engine: &Engine, mut scroll: Scroll, mut between: impl FnMut(&[i64])) -> Vec<i64> {
    let mut all = Vec::new();
    loop {
        let page = page(engine, &scroll).expect("a page");
        let ids = data::ids(&page.rows);
        assert!(ids.len() == scroll.limit || page.next.is_none(), "{} rows", ids.len());
        all.extend(ids);
        between(&all);
        match page.next {
            Some(next) => scroll.cursor = next,
            None => return all,
        }
    }
}

/// The order of two rows in a walk.
fn compare(a: &Row, b: &Row, column: &str, direction: Direction) -> Ordering {
    if column == "id" {
        let ascending = a.id.cmp(&b.id);
        return if direction == Direction::Descending { ascending.reverse() } else { ascending };
    }
    let values = match (groups::key(a, column), groups::key(b, column)) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => {
            let ascending = match (a, b) {
                (ScalarValue::Bool(a), ScalarValue::Bool(b)) => a.cmp(&b),
                (ScalarValue::Int(a), ScalarValue::Int(b)) => a.cmp(&b),
                (ScalarValue::Float(a), ScalarValue::Float(b)) => a.total_cmp(&b),
                (ScalarValue::Text(a), ScalarValue::Text(b)) => a.cmp(&b),
                (a, b) => panic!("{a} and {b} are of one column"),
            };
            if direction == Direction::Descending { ascending.reverse() } else { ascending }
        }
    };
    values.then(a.id.cmp(&b.id))
}

#[test]
fn pages_are_the_rows_in_the_order_of_the_column() {
    let (_, engine, rows) = groups::collection(IndexSpec::default());
    for column in COLUMNS {
        for direction in DIRECTIONS {
            for (limit, text) in [(100, None), (4_499, None), (1_000, Some("id % 50 < 25"))] {
                let passes = |row: &&Row| text.is_none() || row.id % 50 < 25;
                let mut expected: Vec<_> = rows.iter().filter(passes).collect();
                expected.sort_by(|a, b| compare(a, b, column, direction));
                let expected: Vec<_> = expected.iter().map(|row| row.id).collect();
                let filter = text.map(|text| data::filter(text, &[]));
                let scroll = Scroll { filter, ..ordered(column, direction, limit) };
                let all = walk(&engine, scroll, |_| ());
                assert_eq!(all, expected, "{column}, {direction:?}, {limit}, {text:?}");
            }
        }
    }
    engine.close();
}

#[test]
fn rows_older_than_the_column_have_its_default() {
    let (_, engine, rows) = groups::collection(IndexSpec::default());
    data::add_columns(&engine);
    for column in ["price", "note"] {
        for direction in DIRECTIONS {
            let all = walk(&engine, ordered(column, direction, 1_000), |_| ());
            assert_eq!(all, rows.iter().map(|row| row.id).collect::<Vec<_>>(), "{column}");
        }
    }
    engine.close();
}

#[test]
fn rows_that_stay_come_once_whatever_is_written_meanwhile() {
    let ids = DIRECTIONS.map(|direction| ("id", direction));
    let columns = [("kind", Direction::Descending), ("doc", Direction::Ascending)];
    for (column, direction) in ids.into_iter().chain(columns) {
        let (_, engine, rows) = groups::collection(IndexSpec::default());
        let is_deleted = |id: i64| id % 13 == 1;
        let mut pages = 0;
        let mut early = BTreeSet::new();
        let all = walk(&engine, ordered(column, direction, 300), |seen| {
            pages += 1;
            // Rows come, are written again as they are, go, and segments are sealed.
            let new = 10_000 + pages * 20;
            let write = |write| engine.write_blocking("", NAME, write, None).expect("a write");
            write(Write::Insert(groups::batch(new..new + 20)));
            write(Write::Upsert(groups::batch(500..600)));
            if pages == 4 {
                early.extend(seen.iter().copied());
                data::delete(&engine, (0..10_000).filter(|id| is_deleted(*id)).collect());
            }
            if pages % 5 == 0 {
                data::flush(&engine);
            }
        });
        let distinct: BTreeSet<_> = all.iter().copied().collect();
        assert_eq!(distinct.len(), all.len(), "{column}: some came twice");
        let stayed = |id: &i64| *id < 10_000 && !is_deleted(*id) && !(500..600).contains(id);
        let expected = rows.iter().map(|row| row.id).filter(stayed);
        let expected: BTreeSet<_> = expected.chain(500..600).collect();
        let missing: Vec<_> =
            expected.iter().filter(|id| stayed(id) && !distinct.contains(id)).collect();
        assert!(missing.is_empty(), "{column}: {missing:?} did not come");
        let late = all.iter().find(|id| **id < 500 && is_deleted(**id) && !early.contains(id));
        assert_eq!(late, None, "{column}: it was deleted before");
        let sorted = all.iter().map(|id| data::row(*id)).collect::<Vec<_>>();
        assert!(sorted.is_sorted_by(|a, b| compare(a, b, column, direction).is_lt()), "{column}");
        engine.close();
    }
}

#[test]
fn wrong_orders_and_cursors_are_refused() {
    let (_, engine, _) = groups::collection(IndexSpec::default());
    let refused = |scroll: &Scroll, expected: &str| {
        let error: Error = page(&engine, scroll).expect_err("a wrong scroll");
        assert!(error.to_string().contains(expected), "{error}");
    };
    let document = Column::scalar(ColumnId(0), "document", ScalarType::Json, true);
    engine.add_column("", NAME, document, None).expect("a new column");
    let up = |column| ordered(column, Direction::Ascending, 10);
    refused(&up("document"), "column `document` holds json values; rows are ordered by");
    refused(&up("absent"), "there is no scalar column `absent`; there are `flag`");
    refused(&Scroll { limit: 0, ..up("at") }, "limit 0 of a scroll");
    let next = |scroll| page(&engine, &scroll).expect("a page").next.expect("more");
    let own = next(up("at"));
    let unordered = next(Scroll { limit: 10, ..Scroll::default() });
    let wrong = "the cursor is not one that a scroll in this order returned";
    for cursor in [vec![9], vec![2, 0], unordered] {
        refused(&Scroll { cursor, ..up("at") }, wrong);
    }
    refused(&Scroll { cursor: own.clone(), ..up("kind") }, wrong);
    refused(&Scroll { cursor: own.clone(), ..up("id") }, wrong);
    refused(&Scroll { cursor: next(up("id")), ..up("at") }, wrong);
    let down = ordered("at", Direction::Descending, 10);
    refused(&Scroll { cursor: own.clone(), ..down }, wrong);
    let plain = Scroll { cursor: own, limit: 10, ..Scroll::default() };
    refused(&plain, "the cursor is not one that a scroll returned");
    engine.close();
}
