//! Filters in searches, counts, walks and deletes: against a brute-force oracle.

mod aggregates;
mod data;
mod deletes;
mod groups;
mod items;
mod orders;
mod pages;
mod ranges;

use crate::fixture::open;
use data::{DIM, NAME, Row, filter, found, kinds, row, search, spec, write};
use std::collections::BTreeSet;
use vicinal_engine::{Engine, Scroll, Search};
use vicinal_storage::SimDisk;
use vicinal_types::{Cancel, Effort, ErrorKind, IndexSpec, VectorInput};

/// Rows of each of two sealed segments; half as many grow.
const SEGMENT_ROWS: i64 = 2_000;
const ROWS: i64 = 2 * SEGMENT_ROWS + SEGMENT_ROWS / 2;

/// Sealed, growing and deleted rows, in both kinds of segments.
fn collection(index: IndexSpec) -> (SimDisk, Engine, Vec<Row>) {
    let disk = SimDisk::new(3);
    let engine = open(&disk).expect("an empty disk");
    engine.create_collection("", spec(index), None).expect("a right declaration");
    for first in [0, SEGMENT_ROWS] {
        write(&engine, first..first + SEGMENT_ROWS);
        data::flush(&engine);
    }
    write(&engine, 2 * SEGMENT_ROWS..ROWS);
    let is_deleted = |id: &i64| id % 11 == 5;
    data::delete(&engine, (0..ROWS).filter(is_deleted).collect());
    let rows = (0..ROWS).filter(|id| !is_deleted(id)).map(row).collect();
    (disk, engine, rows)
}

/// The scores of the nearest rows that pass, nearest first.
fn oracle(rows: &[Row], query: &[f32; DIM], k: usize, passes: impl Fn(&Row) -> bool) -> Vec<f32> {
    let passing = rows.iter().filter(|row| passes(row));
    let mut scores: Vec<f32> = passing.map(|row| row.score(query)).collect();
    scores.sort_by(f32::total_cmp);
    scores.truncate(k);
    scores
}

#[test]
fn every_index_finds_what_passes_at_every_selectivity() {
    const QUERIES: i64 = 12;
    for (name, index) in kinds() {
        let (_, engine, rows) = collection(index);
        let (mut all_hits, mut all_wanted) = (0, 0);
        for (column, per_mille) in data::selectivities() {
            let most = data::quantile(&rows, column, per_mille);
            let passes = |row: &Row| row.value(column) < most;
            let passing = rows.iter().filter(|row| passes(row)).count();
            let condition = filter(&format!("{column} < {{most}}"), &[("most", most)]);
            let (mut hits, mut wanted) = (0, 0);
            for query in (0..QUERIES).map(data::query) {
                let expected = oracle(&rows, &query, 10, passes);
                let asked = Search { filter: Some(condition.clone()), ..data::search_for(&query) };
                let answer = search(&engine, asked);
                let at = format!("{name}, {column} at {per_mille} of 1,000");
                assert_eq!(answer.report.passing_rows, passing as u64, "{at}");
                let ids = found(&answer);
                let distinct: BTreeSet<_> = ids.iter().collect();
                assert_eq!((ids.len(), distinct.len()), (expected.len(), expected.len()), "{at}");
                let is_right = |id: &i64| rows.iter().any(|row| row.id == *id && passes(row));
                assert!(ids.iter().all(is_right), "{at}: {ids:?}");
                let farthest = expected.last().map_or(0.0, |score| score * 1.000_01);
                hits += answer.results[0].scores.iter().filter(|s| **s <= farthest).count();
                wanted += expected.len();
            }
            // The promise is of the mean; so few queries are off by some of their hits.
            let at = format!("{name}, {column} at {per_mille} of 1,000");
            assert!(hits * 20 >= wanted * 17, "{at}: {hits} of {wanted}");
            all_hits += hits;
            all_wanted += wanted;
        }
        assert!(all_hits * 20 >= all_wanted * 19, "{name}: {all_hits} of {all_wanted}");
        engine.close();
    }
}

#[test]
fn a_batch_answers_each_query_as_it_would_be_alone_under_a_filter() {
    // One that is scanned, one that is scanned over codes, one that is walked.
    let is_taken = |name: &str| ["flat None", "flat Sq8", "hnsw Inlined"].contains(&name);
    for (name, index) in kinds().into_iter().filter(|(name, _)| is_taken(name)) {
        let (_, engine, _) = collection(index);
        for most in [-1, 30, 600_000] {
            let condition = Some(filter("shuffled < {most}", &[("most", most)]));
            let queries: Vec<_> = (0..70).map(data::query).collect();
            let floats = VectorInput::Floats(queries.concat());
            let all =
                search(&engine, Search { filter: condition.clone(), ..Search::new(floats, 5) });
            for (query, hits) in queries.iter().zip(&all.results) {
                let asked = Search { k: 5, filter: condition.clone(), ..data::search_for(query) };
                let alone = search(&engine, asked);
                assert_eq!(alone.results[0].rows.ids, hits.rows.ids, "{name}, {most}");
            }
        }
        engine.close();
    }
}

/// All ids that a walk comes by.
fn walk(engine: &Engine, text: Option<&str>) -> BTreeSet<i64> {
    let mut all = BTreeSet::new();
    let mut cursor = Vec::new();
    loop {
        let filter = text.map(|text| filter(text, &[]));
        let scroll = Scroll { cursor, limit: 100, filter, ..Scroll::default() };
        let page = engine.scroll_where("", NAME, &scroll, &Cancel::never()).expect("a page");
        for id in data::ids(&page.rows) {
            assert!(all.insert(id), "{id} came twice");
        }
        match page.next {
            Some(next) => cursor = next,
            None => return all,
        }
    }
}

#[test]
fn logic_of_filters_is_logic_of_sets() {
    let (_, engine, rows) = collection(IndexSpec::default());
    let [a, b] = ["shuffled < 300000", "word like 'w1%'"];
    let all = walk(&engine, None);
    assert_eq!(all.len(), rows.len());
    assert_eq!(walk(&engine, Some(&format!("{a} or not {a}"))), all);
    // Words may be null, of which neither is known.
    let known = walk(&engine, Some("word is not null"));
    assert_eq!(walk(&engine, Some(&format!("{b} or not {b}"))), known);
    let [of_a, of_b] = [a, b].map(|text| walk(&engine, Some(text)));
    let both = walk(&engine, Some(&format!("{a} and {b}")));
    assert!(!both.is_empty() && both.is_subset(&of_a) && both.is_subset(&of_b));
    assert_eq!(both, of_a.intersection(&of_b).copied().collect());
    let either = walk(&engine, Some(&format!("{a} or {b}")));
    assert_eq!(either, of_a.union(&of_b).copied().collect());
    for text in [a, b] {
        let count = engine.count_where("", NAME, &filter(text, &[]), &Cancel::never());
        assert_eq!(count.expect("a count"), walk(&engine, Some(text)).len() as u64);
    }
    // An exact search finds the same with a filter that all rows pass.
    let exact = Search { effort: Effort::Exact, ..data::search_for(&data::query(1)) };
    let always = Some(filter(&format!("{a} or not {a}"), &[]));
    let unfiltered = search(&engine, exact.clone());
    assert_eq!(found(&search(&engine, Search { filter: always, ..exact })), found(&unfiltered));
    engine.close();
}

#[test]
fn rows_older_than_a_column_pass_by_its_default() {
    let (_, engine, rows) = collection(IndexSpec::default());
    data::add_columns(&engine);
    let count = |text: &str| {
        let count = engine.count_where("", NAME, &filter(text, &[]), &Cancel::never());
        count.expect("a count")
    };
    let all = rows.len() as u64;
    assert_eq!([count("price = 7"), count("price != 7"), count("note is null")], [all, 0, all]);
    data::flush(&engine);
    assert_eq!([count("price = 7"), count("price != 7"), count("note is null")], [all, 0, all]);
    engine.close();
}

#[test]
fn a_wrong_filter_is_refused_with_its_place() {
    let (_, engine, _) = collection(IndexSpec::default());
    let refused = |text: &str, expected: &str| {
        let asked = Search { filter: Some(filter(text, &[])), ..data::search_for(&data::query(0)) };
        let searched = engine.search_blocking("", NAME, asked, Cancel::never());
        let counted = engine.count_where("", NAME, &filter(text, &[]), &Cancel::never());
        let deleted = data::delete_where(&engine, filter(text, &[]), None);
        for error in [searched.err(), counted.err(), deleted.err()] {
            let error = error.expect("a wrong filter");
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(expected), "{error}");
        }
    };
    refused("shufled < 3", "line 1, column 1");
    refused("shuffled < 3 and v = 1", "column 18");
    refused("shuffled < {most}", "column 12");
    refused("shuffled < 'x'", "line 1, column");
    engine.close();
}
