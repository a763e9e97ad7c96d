//! Searches: over all kinds of segments at once, against the exact answer.

use crate::fixture::{DIM, NAME, delete, engine, flush, insert, range, spec, upsert, vector};
use std::sync::Arc;
use std::time::Duration;
use vicinal_engine::{ApplyMode, Engine, Search, SearchAnswer, SegmentIndexDescription};
use vicinal_storage::SimDisk;
use vicinal_types::{
    Cancel, Clock, CollectionSpec, Effort, ErrorKind, Ids, IndexKind, IndexSpec, Metric,
    SystemClock, VectorInput,
};

fn search(engine: &Engine, search: Search) -> SearchAnswer {
    engine.search_blocking("", NAME, search, Cancel::never()).expect("a search")
}

fn l2(a: &[f32; DIM], b: &[f32; DIM]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[test]
fn growing_and_sealed_rows_are_found_together_without_deleted_ones() {
    let (_, engine) = engine();
    insert(&engine, &range(0..300), 0).expect("an insert");
    flush(&engine);
    insert(&engine, &range(300..500), 0).expect("an insert");
    upsert(&engine, &range(100..110), 1).expect("an upsert");
    delete(&engine, &range(0..400).into_iter().step_by(3).collect::<Vec<_>>()).expect("a delete");
    let live = |id: &i64| *id >= 400 || id % 3 != 0;
    let form = |id: i64| i64::from((100..110).contains(&id));
    for query_id in [5, 105, 350, 499] {
        let query = vector(query_id, 0);
        let mut exact: Vec<(f32, i64)> =
            (0..500).filter(live).map(|id| (l2(&query, &vector(id, form(id))), id)).collect();
        exact.sort_by(|a, b| a.0.total_cmp(&b.0));
        let answer = search(&engine, Search::new(VectorInput::Floats(query.to_vec()), 20));
        let expected: Vec<f32> = exact[..20].iter().map(|(score, _)| *score).collect();
        let is_near = |(found, exact): (&f32, &f32)| (found - exact).abs() <= exact * 1e-5;
        let scores = &answer.results[0].scores;
        assert_eq!(scores.len(), 20);
        assert!(scores.iter().zip(&expected).all(is_near), "{scores:?} instead of {expected:?}");
        assert_eq!(answer.report.segments, 2);
    }
    engine.close();
}

#[test]
fn a_batch_answers_each_query_as_it_would_be_alone() {
    let (_, engine) = engine();
    insert(&engine, &range(0..200), 0).expect("an insert");
    flush(&engine);
    insert(&engine, &range(200..1_500), 0).expect("an insert");
    delete(&engine, &range(0..400).into_iter().step_by(3).collect::<Vec<_>>()).expect("a delete");
    // More queries than go over the rows together.
    let queries: Vec<f32> = (0..150).flat_map(|id| vector(id, 5)).collect();
    let all = search(&engine, Search::new(VectorInput::Floats(queries), 3));
    assert_eq!((all.results.len(), all.report.scanned_segments), (150, 2));
    for (id, hits) in (0..150).zip(&all.results) {
        let alone = search(&engine, Search::new(VectorInput::Floats(vector(id, 5).to_vec()), 3));
        assert_eq!(alone.results[0].scores, hits.scores);
        assert_eq!(alone.results[0].rows.ids, hits.rows.ids);
    }
    engine.close();
}

/// The index of the first segment, once everything is indexed.
fn index(engine: &Engine) -> SegmentIndexDescription {
    let described = engine.describe("", NAME).expect("there");
    assert!(described.fully_indexed);
    described.segments[0].indexes[0].clone()
}

fn with_hnsw(m: u32) -> CollectionSpec {
    let mut declared = spec(Metric::L2);
    let hnsw = IndexSpec { kind: IndexKind::Hnsw, m, ..IndexSpec::default() };
    declared.indexes.insert("v".into(), hnsw);
    declared
}

/// A collection of 4,000 sealed rows with a graph.
fn graph() -> (SimDisk, Engine) {
    let disk = SimDisk::new(4);
    let engine = crate::fixture::open(&disk).expect("an empty disk");
    engine.create_collection("", with_hnsw(8), None).expect("a right declaration");
    for batch in 0..4 {
        insert(&engine, &range(batch * 1_000..batch * 1_000 + 1_000), 0).expect("an insert");
    }
    flush(&engine);
    (disk, engine)
}

#[test]
fn a_graph_in_memory_says_how_far_ahead_it_asks() {
    let (_, engine) = graph();
    let deadline = SystemClock.now() + Duration::from_secs(60);
    while !index(&engine).reason.contains("copied to memory; asks for ") {
        assert!(SystemClock.now() < deadline, "{}", index(&engine).reason);
        std::thread::park_timeout(Duration::from_millis(5));
    }
    // Too small to be measured.
    assert!(index(&engine).reason.ends_with(" cache lines ahead"));
    engine.close();
}

#[test]
fn a_graph_is_built_searched_and_reopened() {
    let (disk, engine) = graph();
    assert_eq!(index(&engine).index, "HNSW m=8 ef_construction=128 codes=inlined");
    assert!(!index(&engine).calibration.is_empty(), "recall was measured when it was built");
    let with_effort =
        |effort| Search { effort, ..Search::new(VectorInput::Floats(vector(7, 3).to_vec()), 10) };
    let exact = search(&engine, with_effort(Effort::Exact));
    let found = search(&engine, with_effort(Effort::Candidates(64)));
    assert_eq!(exact.results[0].scores, found.results[0].scores);
    assert!(found.report.distances < exact.report.distances);
    assert_eq!(
        (exact.report.scanned_segments, found.report.scanned_segments),
        (2, 1),
        "the growing one is scanned"
    );
    engine.close();
    drop(engine);

    let engine = crate::fixture::open(&disk).expect("a restart");
    let reopened = search(&engine, with_effort(Effort::Candidates(64)));
    assert_eq!(reopened.results[0].scores, found.results[0].scores);
    assert_eq!(
        engine.describe("", NAME).expect("there").segments[0].indexes[0].building,
        None,
        "not built again"
    );
    engine.close();
}

#[test]
fn a_changed_declaration_replaces_the_indexes_of_live_segments() {
    let (_, engine) = graph();
    let declared = with_hnsw(4);
    let dry = engine
        .apply_collection(
            "",
            declared.clone(),
            ApplyMode { dry_run: true, ..ApplyMode::default() },
            None,
        )
        .expect("a right declaration");
    assert_eq!((dry.changes.len(), dry.segments_to_reindex), (1, 1));
    assert_eq!(dry.changes[0].field, "vectors.v.index.m");
    assert_eq!(
        index(&engine).index,
        "HNSW m=8 ef_construction=128 codes=inlined",
        "a dry run changes nothing"
    );
    engine
        .apply_collection("", declared.clone(), ApplyMode::default(), None)
        .expect("a right declaration");
    flush(&engine);
    assert_eq!(index(&engine).index, "HNSW m=4 ef_construction=128 codes=inlined");
    let mut declared = declared;
    declared
        .indexes
        .insert("v".into(), IndexSpec { kind: IndexKind::Flat, ..IndexSpec::default() });
    engine.apply_collection("", declared, ApplyMode::default(), None).expect("a right declaration");
    flush(&engine);
    assert_eq!(index(&engine).index, "FLAT");
    engine.close();
}

#[test]
fn cosine_scores_are_cosines_and_vectors_come_back_as_they_were() {
    let disk = SimDisk::new(5);
    let engine = crate::fixture::open(&disk).expect("an empty disk");
    engine.create_collection("", spec(Metric::Cosine), None).expect("a right declaration");
    insert(&engine, &range(0..20), 0).expect("an insert");
    flush(&engine);
    let answer = search(
        &engine,
        Search::new(VectorInput::Floats(vector(3, 0).map(|x| x * 2.0).to_vec()), 1),
    );
    assert_eq!(answer.results[0].rows.ids, Ids::Int(vec![3]));
    assert!((answer.results[0].scores[0] - 1.0).abs() < 1e-5);
    let got =
        engine.get("", NAME, &Ids::Int(vec![3]), &["v".into()], &Cancel::never()).expect("a row");
    let VectorInput::Packed { bytes, .. } = &got.vectors[0].1 else { panic!("packed") };
    let back: Vec<f32> = bytes.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect();
    assert!(back.iter().zip(vector(3, 0)).all(|(a, b)| (a - b).abs() < 1e-4), "{back:?}");
    engine.close();
}

#[test]
fn a_search_that_nobody_waits_for_stops() {
    let (_, engine) = engine();
    insert(&engine, &range(0..10), 0).expect("an insert");
    let query = || Search::new(VectorInput::Floats(vector(0, 0).to_vec()), 1);
    let cancel = Cancel::never();
    cancel.cancel();
    let error = engine.search_blocking("", NAME, query(), cancel).expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let late = Cancel::new(Arc::new(SystemClock), Some(SystemClock.now()));
    let error = engine.search_blocking("", NAME, query(), late).expect_err("too late");
    assert_eq!(error.kind(), ErrorKind::Deadline);
    engine.close();
}

#[test]
fn queries_are_asked_again_and_what_they_taught_is_kept() {
    const SAMPLED: i64 = 50 * 64;
    let (disk, engine) = graph();
    let ask = |effort| {
        for id in 0..SAMPLED {
            let query = VectorInput::Floats(vector(id, 5).to_vec());
            search(&engine, Search { effort, ..Search::new(query, 10) });
        }
    };
    ask(Effort::Candidates(20));
    ask(Effort::MinRecall(0.9));
    let deadline = SystemClock.now() + Duration::from_secs(60);
    while index(&engine).live_queries < 50 {
        assert!(SystemClock.now() < deadline, "{:?}", index(&engine));
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let learned = index(&engine);
    assert_eq!(learned.live_queries, 50, "those that name an effort are not asked again");
    assert_eq!(learned.live_calibration.len(), learned.calibration.len());
    let (low, high) = (learned.live_calibration[0], learned.calibration[0]);
    assert!(low.0 == high.0 && (0.0..=1.0).contains(&low.1), "{learned:?}");
    engine.close();
    drop(engine);
    let engine = crate::fixture::open(&disk).expect("a restart");
    let kept = index(&engine);
    assert!((32..=50).contains(&kept.live_queries), "{kept:?}");
    assert_eq!(kept.live_calibration.len(), learned.live_calibration.len());
    engine.close();
}
