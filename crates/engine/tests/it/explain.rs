//! What EXPLAIN says agrees with what a search does.

use crate::fixture::{NAME, delete, engine, flush, insert, open, range, spec, vector};
use std::sync::mpsc;
use vicinal_engine::{
    Engine, Explanation, GroupHits, Placement, RowFilter, Search, SearchPlan, SegmentState, Way,
};
use vicinal_filter::Expression;
use vicinal_storage::SimDisk;
use vicinal_types::{
    Cancel, CollectionSpec, Effort, ErrorKind, IndexKind, IndexSpec, Metric, Result, VectorInput,
};

const ROWS: i64 = 6_000;

fn search(id: i64) -> Search {
    Search::new(VectorInput::Floats(vector(id, 0).to_vec()), 10)
}

fn filtered(id: i64, filter: &str) -> Search {
    let filter = RowFilter::new(Expression::parse(filter).expect("a right filter"));
    Search { filter: Some(filter), ..search(id) }
}

fn try_explain(engine: &Engine, search: Search, analyze: bool) -> Result<Explanation> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let done = Box::new(move |answer| sender.send(answer).expect("the receiver waits"));
    engine.explain(("", NAME), search, analyze, Cancel::never(), done);
    receiver.recv().expect("an answer")
}

fn explain(engine: &Engine, search: Search, analyze: bool) -> Explanation {
    try_explain(engine, search, analyze).expect("an explanation")
}

/// A sealed segment with a graph and a growing one of a hundred rows.
fn two_segments() -> (SimDisk, Engine) {
    let disk = SimDisk::new(5);
    let engine = open(&disk).expect("an empty disk");
    let mut declared: CollectionSpec = spec(Metric::L2);
    let index = IndexSpec { kind: IndexKind::Hnsw, m: 8, ..IndexSpec::default() };
    declared.indexes.insert("v".into(), index);
    engine.create_collection("", declared, None).expect("a right declaration");
    insert(&engine, &range(0..ROWS), 0).expect("an insert");
    flush(&engine);
    insert(&engine, &range(ROWS..ROWS + 100), 0).expect("an insert");
    (disk, engine)
}

#[test]
fn the_chosen_way_is_the_cheapest_and_what_the_search_takes() {
    let (_, engine) = two_segments();
    for effort in [Effort::Candidates(10), Effort::Exact] {
        let asked = Search { effort, ..search(3) };
        let said = explain(&engine, asked.clone(), true);
        let found = engine.search_blocking("", NAME, asked, Cancel::never()).expect("a search");
        let [sealed, growing] = &said.segments[..] else { panic!("{said:?}") };
        assert_eq!((sealed.state, growing.state), (SegmentState::Sealed, SegmentState::Growing));
        assert_eq!((sealed.rows, sealed.passing, growing.rows), (6_000, 6_000, 100));
        assert!(sealed.index.starts_with("HNSW m=8"), "{}", sealed.index);
        let mut scans = 0;
        for segment in &said.segments {
            let nanos = |at: usize| segment.ways[at].predicted.map(|way| way.cost.nanos);
            let cheapest = (0..segment.ways.len()).filter_map(nanos).min();
            assert_eq!(nanos(segment.chosen), cheapest, "{segment:?}");
            scans += u32::from(segment.ways[segment.chosen].way == Way::Scan);
        }
        let analysis = said.analysis.expect("it was run");
        assert_eq!(found.report.scanned_segments, scans);
        assert_eq!(found.report.distances, analysis.distances);
        assert_eq!(analysis.hits, 10);
        let parts = said.segments.iter().filter_map(|segment| segment.analysis.as_ref());
        assert_eq!(parts.map(|part| part.work.distances).sum::<u64>(), analysis.distances);
        assert!(analysis.total_nanos >= analysis.search_nanos && analysis.search_nanos > 0);
    }
    let walked = explain(&engine, Search { effort: Effort::Candidates(10), ..search(3) }, true);
    let walked = walked.segments[0].analysis.as_ref().expect("it was run");
    assert!(walked.work.expanded > 0 && walked.thread.starts_with("search-"), "{walked:?}");
    engine.close();
}

#[test]
fn a_rejected_way_says_what_it_would_cost_or_why_it_is_none() {
    let (_, engine) = two_segments();
    let said = explain(&engine, Search { effort: Effort::Candidates(10), ..search(3) }, false);
    let ways: Vec<_> = said.segments[0].ways.iter().map(|way| way.way).collect();
    assert_eq!(ways, [Way::Index, Way::Scan]);
    let scan = said.segments[0].ways[1].predicted.expect("it leads there");
    assert_eq!((scan.plan, scan.cost.memory_bytes), (SearchPlan::Scan, 6_000 * 16));
    assert!(said.analysis.is_none() && said.segments[0].analysis.is_none(), "it was not run");
    assert_eq!((said.placement, said.vector_column.as_str()), (Placement::Inline, "v"));
    let said = explain(&engine, Search { effort: Effort::MinRecall(1.0), ..search(3) }, false);
    let index = said.segments[0].ways[0];
    assert!(index.predicted.is_none() && index.reason.contains("promises"), "{index:?}");
    engine.close();
}

#[test]
fn filters_are_counted_and_remembered() {
    let (_, engine) = two_segments();
    delete(&engine, &[0]).expect("a delete");
    let few = filtered(3, "number < 500");
    let said = explain(&engine, few.clone(), false);
    let [sealed, growing] = &said.segments[..] else { panic!("{said:?}") };
    assert_eq!((sealed.rows, sealed.passing, growing.passing), (5_999, 49, 0));
    assert_eq!(growing.ways[growing.chosen].way, Way::Skip);
    assert_eq!(sealed.ways[sealed.chosen].way, Way::Survivors);
    assert!(!sealed.filter_remembered && said.filter_nanos > 0);
    let said = explain(&engine, few, true);
    assert!(said.segments[0].filter_remembered, "the first one left it behind");
    let part = said.segments[0].analysis.as_ref().expect("it was run");
    // Of rows that stand close together, those between are compared, too.
    assert!((49..=64).contains(&part.work.distances) && part.found == 10, "{part:?}");
    engine.close();
}

#[test]
fn grouped_searches_say_what_they_took_altogether() {
    let (_, engine) = two_segments();
    let group_by = Some(GroupHits { column: "number".into(), size: 1 });
    let said = explain(&engine, Search { group_by, ..search(3) }, true);
    assert!(said.segments.iter().all(|segment| segment.analysis.is_none()));
    let analysis = said.analysis.expect("it was run");
    assert!(analysis.hits == 10 && analysis.distances > 0, "{analysis:?}");
    assert_ne!(said.placement, Placement::Inline);
    engine.close();
}

#[test]
fn what_cannot_be_explained_is_refused() {
    let (_, engine) = engine();
    let refused = |search, expected: &str| {
        let error = try_explain(&engine, search, true).expect_err("a refusal");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(expected), "{error}");
    };
    refused(Search { cursor: Some(Vec::new()), ..search(1) }, "cursor");
    refused(Search { k: 0, ..search(1) }, "k 0");
    let two = VectorInput::Floats([vector(1, 0), vector(2, 0)].concat());
    refused(Search { queries: two, ..search(1) }, "2 queries");
    engine.close();
}
