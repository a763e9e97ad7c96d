//! Searches within a radius, beyond an inner one, and behind an offset.

use super::data::{self, DIM, NAME, Row};
use super::{collection, oracle};
use vicinal_engine::{Engine, QueryHits, Search};
use vicinal_types::{Cancel, Effort, Error, IndexSpec, VectorInput};

const QUERIES: i64 = 6;

/// Between the scores of two rows that follow each other, so that rounding is no matter.
fn between(scores: &[f32], at: usize) -> f32 {
    (scores[at - 1] + scores[at]) / 2.0
}

fn find(engine: &Engine, search: Search) -> QueryHits {
    data::search(engine, search).results.remove(0)
}

fn refused(engine: &Engine, search: Search) -> Error {
    engine.search_blocking("", NAME, search, Cancel::never()).expect_err("a wrong search")
}

/// The part of the rows wanted that a search found, in hits and in all.
fn check(engine: &Engine, rows: &[Row], asked: &Search, query: &[f32; DIM]) -> (usize, usize) {
    let least = asked.inner_radius.unwrap_or(f32::NEG_INFINITY);
    let most = asked.radius.unwrap_or(f32::INFINITY);
    let passes = |row: &Row| {
        let score = row.score(query);
        let is_filtered = asked.filter.is_some() && row.value("shuffled") >= 500_000;
        score >= least && score < most && !is_filtered
    };
    let expected = oracle(rows, query, asked.k + asked.offset, passes);
    let expected = expected.get(asked.offset..).unwrap_or_default();
    let hits = find(engine, asked.clone());
    let ids = data::ids(&hits.rows);
    assert!(hits.scores.is_sorted() && ids.len() <= expected.len());
    for (id, score) in ids.iter().zip(&hits.scores) {
        assert!(rows.iter().any(|row| row.id == *id && passes(row)), "{id} at {score}");
    }
    let farthest = expected.last().map_or(0.0, |score| score * 1.000_01);
    (hits.scores.iter().filter(|score| **score <= farthest).count(), expected.len())
}

#[test]
fn every_index_finds_what_is_between_the_bounds() {
    for (name, index) in data::kinds() {
        let (_, engine, rows) = collection(index);
        let condition = data::filter("shuffled < 500000", &[]);
        for (inner, outer) in [(0, 1), (0, 40), (0, 1_500), (40, 90), (1_000, 1_020), (1_000, 0)] {
            for (k, offset, filter) in
                [(10, 0, None), (3_000, 0, None), (20, 10, None), (50, 0, Some(condition.clone()))]
            {
                let (mut hits, mut wanted) = (0, 0);
                for query in (0..QUERIES).map(data::query) {
                    let scores = oracle(&rows, &query, rows.len(), |_| true);
                    let bound = |at| (at > 0).then(|| between(&scores, at));
                    let (radius, inner_radius) = (bound(outer), bound(inner));
                    let filter = filter.clone();
                    let asked = data::search_for(&query);
                    let asked = Search { k, offset, filter, radius, inner_radius, ..asked };
                    let (found, expected) = check(&engine, &rows, &asked, &query);
                    (hits, wanted) = (hits + found, wanted + expected);
                    let exact = Search { effort: Effort::Exact, ..asked };
                    let (found, expected) = check(&engine, &rows, &exact, &query);
                    assert_eq!(found, expected, "{name}, exact, {inner} to {outer}, {k} {offset}");
                }
                assert!(
                    hits * 10 >= wanted * 9,
                    "{name}, {inner} to {outer}, {k} behind {offset}: {hits} of {wanted}"
                );
            }
        }
        engine.close();
    }
}

#[test]
fn a_batch_within_bounds_answers_each_query_as_it_would_be_alone() {
    for (name, index) in data::kinds() {
        let (_, engine, _) = collection(index);
        let bounds = |search| Search {
            k: 7,
            offset: 2,
            radius: Some(0.5),
            inner_radius: Some(0.1),
            ..search
        };
        let queries: Vec<_> = (0..70).map(data::query).collect();
        let all = Search::new(VectorInput::Floats(queries.concat()), 1);
        let all = data::search(&engine, bounds(all));
        for (query, hits) in queries.iter().zip(&all.results) {
            let alone = find(&engine, bounds(data::search_for(query)));
            assert_eq!(alone.rows.ids, hits.rows.ids, "{name}");
        }
        engine.close();
    }
}

#[test]
fn a_score_at_the_radius_is_out_and_one_at_the_inner_radius_is_in() {
    let (_, engine, _) = collection(IndexSpec::default());
    let all = Search { effort: Effort::Exact, ..data::search_for(&data::query(1)) };
    let QueryHits { rows, scores, .. } = find(&engine, all.clone());
    let ids = data::ids(&rows);
    let bounded = Search { radius: Some(scores[6]), inner_radius: Some(scores[2]), ..all.clone() };
    assert_eq!(data::ids(&find(&engine, bounded).rows), ids[2..6]);
    let behind = Search { offset: 4, k: 6, ..all };
    assert_eq!(data::ids(&find(&engine, behind).rows), ids[4..]);
    engine.close();
}

#[test]
fn wrong_bounds_and_offsets_are_refused() {
    let (_, engine, _) = collection(IndexSpec::default());
    let asked = data::search_for(&data::query(1));
    let error = refused(&engine, Search { offset: 16_375, ..asked.clone() });
    assert!(error.to_string().contains("limit of 16384"), "{error}");
    let error = refused(&engine, Search { radius: Some(0.5), inner_radius: Some(0.5), ..asked });
    assert!(error.to_string().contains("at least inner_radius"), "{error}");
    engine.close();
}
