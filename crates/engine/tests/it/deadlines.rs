//! Searches that meet their deadline, and those that wait for others of their database.

use crate::fixture::{NAME, flush, insert, options, range, rows, spec, vector};
use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use vicinal_engine::{Engine, EngineOptions, Search, SearchAnswer, Write};
use vicinal_storage::SimDisk;
use vicinal_types::{
    Cancel, Clock, Effort, Error, ErrorKind, Ids, IndexKind, IndexSpec, Metric, Result,
    SystemClock, VectorInput,
};

const SEGMENTS: i64 = 4;
const ROWS: i64 = 1_500;

/// A clock that moves on by a millisecond whenever somebody looks.
struct Ticking {
    start: Instant,
    looks: AtomicU32,
}

impl Clock for Ticking {
    fn now(&self) -> Instant {
        self.start + Duration::from_millis(1) * self.looks.fetch_add(1, Ordering::SeqCst)
    }

    fn unix_micros(&self) -> u64 {
        0
    }
}

/// A search that may look at its clock so many times.
fn looks(count: u32) -> Cancel {
    let start = SystemClock.now();
    let clock = Ticking { start, looks: AtomicU32::new(0) };
    Cancel::new(Arc::new(clock), Some(start + Duration::from_millis(1) * count))
}

fn engine(kind: IndexKind) -> Engine {
    let engine = Engine::open(options(Arc::new(SimDisk::new(4)))).expect("an empty disk");
    let mut declared = spec(Metric::L2);
    declared.indexes.insert("v".into(), IndexSpec { kind, m: 8, ..IndexSpec::default() });
    engine.create_collection("", declared, None).expect("a right declaration");
    for segment in 0..SEGMENTS {
        insert(&engine, &range(segment * ROWS..segment * ROWS + ROWS), 0).expect("an insert");
        flush(&engine);
    }
    engine
}

fn search(queries: i64, partial_ok: bool) -> Search {
    let floats = (0..queries).flat_map(|id| vector(id, 1)).collect();
    let search = Search::new(VectorInput::Floats(floats), 10);
    Search { partial_ok, effort: Effort::Exact, ..search }
}

fn ids(answer: &SearchAnswer, query: usize) -> Vec<i64> {
    match &answer.results[query].rows.ids {
        Ids::Int(ids) => ids.clone(),
        Ids::Str(_) => panic!("integer ids"),
    }
}

/// The segments that an answer is without, from 0 in the order of their ids.
fn missing(engine: &Engine, answer: &SearchAnswer) -> Vec<i64> {
    let segments = engine.describe("", NAME).expect("it is there").segments;
    let place = |line: &String| {
        let is_named = |name: String| line.starts_with(&format!("segment {name}: the deadline"));
        segments.iter().position(|segment| is_named(segment.segment.to_string()))
    };
    let places = answer.missing.iter().map(|line| place(line).unwrap_or_else(|| panic!("{line}")));
    places.map(|at| i64::try_from(at).expect("a few")).collect()
}

#[test]
fn at_the_deadline_the_best_so_far_comes_back_if_it_is_welcome() {
    for queries in [1, 3] {
        let engine = engine(IndexKind::Flat);
        let ask = |search, looks| engine.search_blocking("", NAME, search, looks);
        let whole = ask(search(queries, false), Cancel::never()).expect("all the time");
        let (mut last, mut seen) = (SEGMENTS, 0);
        for count in 0..200 {
            let answer = ask(search(queries, true), looks(count)).expect("it is welcome");
            let without = missing(&engine, &answer);
            let left = i64::try_from(without.len()).expect("a few");
            assert!(left <= last, "more time, less missing: {left} after {last}");
            seen += i64::from(left < last);
            last = left;
            let refused = ask(search(queries, false), looks(count));
            if left == 0 {
                assert_eq!(ids(&answer, 0), ids(&whole, 0));
                refused.expect("the time that is enough for all");
                break;
            }
            let error = refused.expect_err("the same time");
            assert_eq!(error.kind(), ErrorKind::Deadline);
            // What was found of all other segments is as good as without a deadline.
            for query in 0..usize::try_from(queries).expect("a few") {
                let found = ids(&answer, query);
                let is_there = |id: &i64| !without.contains(&(id / ROWS));
                let best = ids(&whole, query).into_iter().filter(is_there);
                assert!(best.clone().all(|id| found.contains(&id)), "{found:?} of {without:?}");
            }
        }
        assert_eq!(last, 0, "in the end there is time for all");
        assert!(seen >= 3, "some answers had some of the segments");
        engine.close();
    }
}

#[test]
fn a_scan_that_the_deadline_ends_gives_what_it_compared() {
    let engine = engine(IndexKind::Flat);
    let partly = (0..200).any(|count| {
        let answer = engine.search_blocking("", NAME, search(1, true), looks(count));
        let answer = answer.expect("it is welcome");
        let without = missing(&engine, &answer);
        ids(&answer, 0).iter().any(|id| without.contains(&(id / ROWS)))
    });
    assert!(partly, "rows of a segment that was not searched to its end are found");
    engine.close();
}

#[test]
fn walks_and_filters_are_left_out_at_the_deadline_as_well() {
    let engine = engine(IndexKind::Hnsw);
    let effort = Effort::Candidates(100);
    let ask = |search: Search, count| engine.search_blocking("", NAME, search, looks(count));
    let mut ended = 0;
    for count in 0..20 {
        let walk = Search { effort, ..search(1, true) };
        let answer = ask(walk, count).expect("it is welcome");
        ended += usize::from(!answer.missing.is_empty() && !ids(&answer, 0).is_empty());
    }
    assert!(ended > 0, "some walks were done, some were not");
    let expression = vicinal_filter::Expression::parse("number > 5").expect("a filter");
    let filter = Some(vicinal_engine::RowFilter::new(expression));
    let answer = ask(Search { filter, ..search(2, true) }, 0).expect("it is welcome");
    assert_eq!(missing(&engine, &answer), [0, 1, 2, 3], "no time to evaluate it");
    assert!(answer.missing[0].contains("2 of 2 queries"), "{}", answer.missing[0]);
    let grouped = vicinal_engine::GroupHits { column: "number".into(), size: 1 };
    let error = ask(Search { group_by: Some(grouped), ..search(1, true) }, 0);
    assert_eq!(error.expect_err("groups are whole").kind(), ErrorKind::Deadline);
    engine.close();
}

/// A clock at which search threads wait until they are let go.
#[derive(Default)]
struct Held {
    /// How many wait, and whether they may go.
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Held {
    fn wait_for_a_thread(&self) {
        let mut state = self.state.lock();
        while state.0 == 0 {
            self.changed.wait(&mut state);
        }
    }

    fn let_go(&self) {
        self.state.lock().1 = true;
        self.changed.notify_all();
    }
}

impl Clock for Held {
    fn now(&self) -> Instant {
        let thread = std::thread::current();
        if thread.name().is_some_and(|name| name.starts_with("search-")) {
            let mut state = self.state.lock();
            state.0 += 1;
            self.changed.notify_all();
            while !state.1 {
                self.changed.wait(&mut state);
            }
        }
        SystemClock.now()
    }

    fn unix_micros(&self) -> u64 {
        0
    }
}

/// Two databases with the same rows, and one thread that searches.
fn two_databases(searches_waiting_max: Duration) -> Engine {
    let options = EngineOptions { searches_waiting_max, ..options(Arc::new(SimDisk::new(5))) };
    let engine = Engine::open(options).expect("an empty disk");
    for database in ["flood", "other"] {
        engine.create_collection(database, spec(Metric::L2), None).expect("a right declaration");
        let write = Write::Insert(rows(&range(0..4_000), 0));
        engine.write_blocking(database, NAME, write, None).expect("an insert");
    }
    engine
}

/// Holds the only thread with a search of `flood`, queues searches of some databases, and
/// lets go; all outcomes in their order.
fn behind_a_held_search(engine: &Engine, databases: &[&str]) -> Vec<(String, Option<Error>)> {
    let (sender, receiver) = mpsc::channel();
    let ask = |database: &str, cancel| {
        let (sender, name) = (sender.clone(), database.to_owned());
        let done = Box::new(move |answer: Result<SearchAnswer>| {
            sender.send((name, answer.err())).expect("the test waits");
        });
        engine.search(database, NAME, search(400, false), cancel, done);
    };
    let held = Arc::new(Held::default());
    let deadline = SystemClock.now() + Duration::from_secs(600);
    ask("flood", Cancel::new(held.clone(), Some(deadline)));
    held.wait_for_a_thread();
    databases.iter().for_each(|database| ask(database, Cancel::never()));
    held.let_go();
    drop(sender);
    receiver.iter().collect()
}

#[test]
fn a_flood_of_one_database_lets_the_search_of_another_pass() {
    let engine = two_databases(Duration::from_secs(10));
    let asked = ["flood", "flood", "flood", "flood", "other", "flood"];
    let outcomes = behind_a_held_search(&engine, &asked);
    assert!(outcomes.iter().all(|(_, error)| error.is_none()), "{outcomes:?}");
    let order: Vec<_> = outcomes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(order, ["flood", "other", "flood", "flood", "flood", "flood", "flood"]);
    assert_eq!((engine.stats().admission.nanos, engine.stats().admission.refused), (0, 0));
    engine.close();
}

#[test]
fn a_flood_is_refused_and_leaves_room_for_others() {
    // Each should take about forty milliseconds on a typical machine.
    let engine = two_databases(Duration::from_millis(180));
    let outcomes = behind_a_held_search(&engine, &["flood", "flood", "flood", "other"]);
    let of = |name| outcomes.iter().filter(move |(of, _)| of == name).map(|(_, error)| error);
    assert_eq!(of("other").flatten().count(), 0, "{outcomes:?}");
    assert_eq!(of("flood").filter(|error| error.is_none()).count(), 2, "{outcomes:?}");
    for error in of("flood").flatten() {
        assert_eq!(error.kind(), ErrorKind::Exhausted);
        assert!(error.retry_hint().is_some_and(|wait| wait < Duration::from_secs(1)));
        for part in ["predicted to take", "`flood`", "search.max_waiting_us"] {
            assert!(error.to_string().contains(part), "{error} says {part}");
        }
    }
    assert_eq!(engine.stats().admission.refused, 2);
    engine.close();
}
