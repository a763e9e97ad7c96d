//! Walks over the nearest rows in pages, by every index, and where most are equally near.

use super::data::{self, DIM, NAME, Row};
use super::{collection, open};
use std::collections::BTreeSet;
use vicinal_engine::{Engine, GroupHits, Search, SearchReport, Write};
use vicinal_storage::SimDisk;
use vicinal_types::{
    Cancel, ColumnId, Effort, Error, IndexCodes, IndexKind, IndexSpec, Result, VectorInput,
};

/// Ids and scores of a page, where the next begins, and what it took.
struct Page {
    hits: Vec<(i64, f32)>,
    next: Option<Vec<u8>>,
    report: SearchReport,
}

fn page(engine: &Engine, asked: Search) -> Result<Page> {
    let mut answer = engine.search_blocking("", NAME, asked, Cancel::never())?;
    let hits = answer.results.remove(0);
    let ids = data::ids(&hits.rows);
    let (next, report) = (hits.next, answer.report);
    Ok(Page { hits: ids.into_iter().zip(hits.scores).collect(), next, report })
}

/// All hits of a walk, and what each page took; checks that they come in order, so that
/// none comes twice.
fn walk(engine: &Engine, asked: &Search) -> (Vec<(i64, f32)>, Vec<SearchReport>) {
    let (mut all, mut reports, mut cursor) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let asked = Search { cursor: Some(cursor), ..asked.clone() };
        let Page { hits, next, report } = page(engine, asked.clone()).expect("a page");
        assert!(hits.len() == asked.k || next.is_none(), "{} of {}", hits.len(), asked.k);
        all.extend(hits);
        reports.push(report);
        match next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    let is_behind =
        |a: &(i64, f32), b: &(i64, f32)| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)).is_lt();
    assert!(all.is_sorted_by(is_behind));
    (all, reports)
}

/// Of the nearest so many rows, how many came among the first so many.
fn found(all: &[(i64, f32)], exact: &[(i64, f32)], count: usize) -> usize {
    let first: BTreeSet<_> = all.iter().take(count).map(|hit| hit.0).collect();
    exact.iter().take(count).filter(|hit| first.contains(&hit.0)).count()
}

#[test]
fn every_index_walks_over_all_rows() {
    for (name, index) in data::kinds() {
        let (_, engine, rows) = collection(index);
        for text in [None, Some("shuffled < 300000")] {
            let passes = |row: &Row| text.is_none() || row.value("shuffled") < 300_000;
            let query = data::query(3);
            let filter = text.map(|text| data::filter(text, &[]));
            let asked = Search { k: 130, filter, ..data::search_for(&query) };
            let (exact, _) = walk(&engine, &Search { effort: Effort::Exact, ..asked.clone() });
            let expected = rows.iter().filter(|row| passes(row)).map(|row| row.id);
            let ids: BTreeSet<_> = exact.iter().map(|hit| hit.0).collect();
            assert_eq!(ids, expected.collect(), "{name}, {text:?}");
            let mut scores = super::oracle(&rows, &query, rows.len(), passes).into_iter();
            let is_near = |score: f32, expected: f32| (score - expected).abs() <= expected * 1e-5;
            assert!(exact.iter().all(|hit| is_near(hit.1, scores.next().expect("as many"))));

            let (all, _) = walk(&engine, &Search { effort: Effort::Candidates(40), ..asked });
            for count in [130, 1_000, exact.len()] {
                let came = found(&all, &exact, count);
                let wanted = count.min(exact.len());
                assert!(came * 10 >= wanted * 9, "{name}, {text:?}: {came} of {wanted}");
            }
        }
        engine.close();
    }
}

/// One sealed segment that is large enough to be walked.
fn large(index: IndexSpec, vectors: impl Fn(i64) -> i64) -> (SimDisk, Engine) {
    const ROWS: i64 = 20_000;
    let disk = SimDisk::new(4);
    let engine = open(&disk).expect("an empty disk");
    engine.create_collection("", data::spec(index), None).expect("a right declaration");
    for first in (0..ROWS).step_by(10_000) {
        let mut batch = data::batch(first..first + 10_000);
        let floats = (first..first + 10_000).flat_map(|id| data::row(vectors(id)).vector());
        batch.vectors = vec![(ColumnId(1), VectorInput::Floats(floats.collect()))];
        engine.write_blocking("", NAME, Write::Insert(batch), None).expect("an insert");
    }
    data::flush(&engine);
    (disk, engine)
}

fn inlined() -> IndexSpec {
    let (kind, codes) = (IndexKind::Hnsw, IndexCodes::Inlined);
    IndexSpec { kind, codes, ..IndexSpec::default() }
}

#[test]
fn a_page_costs_what_is_passed_over_until_it_costs_an_exact_search() {
    let (_, engine) = large(inlined(), |id| id);
    let asked =
        Search { k: 100, effort: Effort::Candidates(10), ..data::search_for(&data::query(1)) };
    let (all, reports) = walk(&engine, &asked);
    let (exact, _) = walk(&engine, &Search { effort: Effort::Exact, ..asked });
    // What an index does not find is passed over by the pages it makes, no more.
    assert!(exact.len() == 20_000 && all.len() >= 19_900, "{} of {}", all.len(), exact.len());
    let came = found(&all, &exact, 400);
    assert!(came >= 390, "{came} of the first 400");
    let distances: Vec<_> = reports.iter().map(|report| report.distances).collect();
    assert!(distances[..3].is_sorted() && distances[0] < 2_000, "{distances:?}");
    assert!(distances.iter().all(|distances| *distances <= 30_000), "{distances:?}");
    assert!(distances[100..].iter().all(|distances| *distances == 20_000), "{distances:?}");
    engine.close();
}

#[test]
fn rows_that_are_equally_near_come_once_and_by_id() {
    for (vectors, page_rows) in [(6_000, 50), (1_000, 7), (40, 90), (1, 3_000)] {
        let (_, engine) = large(inlined(), |id| id * 7 % vectors);
        let query = data::query(2);
        let asked = Search { k: page_rows, ..data::search_for(&query) };
        let asked = Search { effort: Effort::Candidates(64), ..asked };
        let exact = Search { effort: Effort::Exact, k: 10_000, ..asked.clone() };
        let (exact, _) = walk(&engine, &exact);
        assert_eq!(exact.len(), 20_000);
        // A walk of all rows page by page is long.
        let (mut all, mut cursor) = (Vec::new(), Vec::new());
        for _ in 0..12 {
            let asked = Search { cursor: Some(cursor), ..asked.clone() };
            let Page { hits, next, .. } = page(&engine, asked).expect("a page");
            assert!(hits.len() == page_rows || next.is_none());
            all.extend(hits);
            match next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        let came = found(&all, &exact, all.len());
        assert!(came * 20 >= all.len() * 19, "{vectors} vectors: {came} of {}", all.len());
        let mut rest = exact.iter();
        assert!(all.iter().all(|hit| rest.any(|other| other == hit)), "{vectors} vectors");
        engine.close();
    }
}

#[test]
fn wrong_pages_and_cursors_are_refused() {
    let (_, engine, _) = collection(IndexSpec::default());
    let asked = data::search_for(&data::query(1));
    let first = Search { cursor: Some(Vec::new()), ..asked.clone() };
    let cursor = page(&engine, first.clone()).expect("a page").next.expect("more");
    let refused = |asked: Search, expected: &str| {
        let error: Error = page(&engine, asked).map(|page| page.hits).expect_err("a wrong page");
        assert!(error.to_string().contains(expected), "{error}");
    };
    let asked = Search { cursor: Some(cursor.clone()), ..asked };
    page(&engine, Search { k: 3, columns: vec!["*".into()], ..asked.clone() }).expect("a page");
    page(&engine, Search { effort: Effort::Exact, ..asked.clone() }).expect("a page");
    let other = "the cursor is of another search";
    let query = VectorInput::Floats(data::query(2).to_vec());
    refused(Search { queries: query, ..asked.clone() }, other);
    refused(Search { filter: Some(data::filter("id < 7", &[])), ..asked.clone() }, other);
    refused(Search { radius: Some(0.5), ..asked.clone() }, other);
    refused(Search { inner_radius: Some(0.5), ..asked.clone() }, other);
    refused(Search { cursor: Some(vec![3, 1]), ..asked }, "not one that a search returned");
    refused(Search { offset: 1, ..first.clone() }, "offset 1 of a walk in pages");
    let group_by = Some(GroupHits { column: "shuffled".into(), size: 1 });
    refused(Search { group_by, ..first.clone() }, "has no groups");
    let two = VectorInput::Floats(vec![0.5; 2 * DIM]);
    refused(Search { queries: two, ..first }, "has one query");
    engine.close();
}
