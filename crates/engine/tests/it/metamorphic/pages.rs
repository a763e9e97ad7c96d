//! Walks over the nearest rows in pages: against all rows, sorted by the test. Vectors are
//! few and rows many, so that most rows are as near as others.

use super::relations::{Act, act};
use super::{compact, condition, filter, passing, search};
use crate::fixture::{NAME, delete, flush, open, spec};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use vicinal_engine::{Engine, Search, Write};
use vicinal_storage::SimDisk;
use vicinal_types::{
    Cancel, CollectionSpec, Column, ColumnId, ColumnType, Effort, ElementType, IdType, Ids,
    IndexKind, IndexSpec, Metric, RowBatch, Schema, VectorInput, VectorType,
};

const METRICS: [Metric; 5] =
    [Metric::L2, Metric::InnerProduct, Metric::Cosine, Metric::Hamming, Metric::Jaccard];

fn is_binary(metric: Metric) -> bool {
    matches!(metric, Metric::Hamming | Metric::Jaccard)
}

fn declared(metric: Metric, kind: IndexKind) -> CollectionSpec {
    let mut spec = spec(Metric::L2);
    let (dim, element) =
        if is_binary(metric) { (16, ElementType::Binary) } else { (4, ElementType::F32) };
    let vector = VectorType::new(dim, element, metric).expect("a right type");
    let column = |column: &Column| match column.kind {
        ColumnType::Vector(_) => Column { kind: ColumnType::Vector(vector), ..column.clone() },
        ColumnType::Scalar { .. } => column.clone(),
    };
    let columns = spec.schema.columns().iter().map(column).collect();
    spec.schema = Schema::new(IdType::Int64, columns).expect("a right schema");
    spec.segments.max_rows = 64;
    let kind = if is_binary(metric) { IndexKind::Flat } else { kind };
    spec.indexes.insert("v".into(), IndexSpec { kind, ..IndexSpec::default() });
    spec
}

/// The n-th vector: small numbers, whose sums floats hold exactly in any order.
fn floats(n: i64) -> [i8; 4] {
    [n % 5 - 2, n / 5 % 5 - 2, n / 25 % 3, 1].map(|x| i8::try_from(x).expect("small"))
}

fn bits(n: i64) -> [u8; 2] {
    u16::try_from(n * 2_357 % 65_536).expect("sixteen bits").to_le_bytes()
}

fn stored(metric: Metric, numbers: impl Iterator<Item = i64>) -> VectorInput {
    if is_binary(metric) {
        let bytes: Vec<u8> = numbers.flat_map(bits).collect();
        VectorInput::Packed { element: ElementType::Binary, bytes: bytes.into() }
    } else {
        VectorInput::Floats(numbers.flat_map(floats).map(f32::from).collect())
    }
}

/// The score of two vectors, but of cosine, whose roots are not exact.
fn score(metric: Metric, a: i64, b: i64) -> f32 {
    let pairs = || floats(a).into_iter().zip(floats(b)).map(|(a, b)| (f32::from(a), f32::from(b)));
    let count = |of: fn(u8, u8) -> u8| {
        let pairs = bits(a).into_iter().zip(bits(b));
        pairs.map(|(a, b)| of(a, b).count_ones()).sum::<u32>() as f32
    };
    match metric {
        Metric::L2 => pairs().map(|(a, b)| (a - b) * (a - b)).sum(),
        Metric::InnerProduct | Metric::Cosine => pairs().map(|(a, b)| a * b).sum(),
        Metric::Hamming => count(|a, b| a ^ b),
        Metric::Jaccard if count(|a, b| a | b) == 0.0 => 0.0,
        Metric::Jaccard => 1.0 - count(|a, b| a & b) / count(|a, b| a | b),
    }
}

/// Ids, and which vector each has.
type Rows = BTreeMap<i64, i64>;

fn upsert(engine: &Engine, metric: Metric, rows: &[(i64, i64)]) {
    let ids: Vec<i64> = rows.iter().map(|row| row.0).collect();
    let words = ids.iter().map(|id| (id % 3 != 0).then(|| format!("word {id}.0")));
    let batch = RowBatch {
        vectors: vec![(ColumnId(1), stored(metric, rows.iter().map(|row| row.1)))],
        scalars: vec![
            (ColumnId(2), Arc::new(words.collect::<arrow_array::StringArray>())),
            (
                ColumnId(3),
                Arc::new(ids.iter().map(|id| id * 10).collect::<arrow_array::Int64Array>()),
            ),
        ],
        ids: Ids::Int(ids),
    };
    engine.write_blocking("", NAME, Write::Upsert(batch), None).expect("an upsert");
}

/// A collection of rows written in parts, every second one sealed.
fn collection(metric: Metric, kind: IndexKind, rows: &Rows, part: usize) -> (SimDisk, Engine) {
    let disk = SimDisk::new(5);
    let engine = open(&disk).expect("an empty disk");
    engine.create_collection("", declared(metric, kind), None).expect("a right declaration");
    let rows: Vec<_> = rows.iter().map(|(id, n)| (*id, *n)).collect();
    for (at, rows) in rows.chunks(part).enumerate() {
        upsert(&engine, metric, rows);
        if at % 2 == 0 {
            flush(&engine);
        }
    }
    (disk, engine)
}

fn asked(metric: Metric, query: i64, k: usize) -> Search {
    let search = Search::new(stored(metric, std::iter::once(query)), k);
    Search { effort: Effort::Exact, ..search }
}

/// All rows by score and id.
fn sorted(engine: &Engine, metric: Metric, query: i64, rows: &Rows) -> Vec<(i64, f32)> {
    let mut all: Vec<_> = match metric {
        Metric::Cosine => search(engine, NAME, asked(metric, query, 10_000)),
        Metric::L2 | Metric::InnerProduct | Metric::Hamming | Metric::Jaccard => {
            rows.iter().map(|(id, n)| (*id, score(metric, *n, query))).collect()
        }
    };
    all.sort_by(|a, b| order(metric, a, b));
    all
}

fn order(metric: Metric, a: &(i64, f32), b: &(i64, f32)) -> std::cmp::Ordering {
    let scores = a.1.total_cmp(&b.1);
    let nearer = if metric.higher_is_nearer() { scores.reverse() } else { scores };
    nearer.then(a.0.cmp(&b.0))
}

/// A page, and where the next begins.
fn page(engine: &Engine, asked: &Search, cursor: Vec<u8>) -> (Vec<(i64, f32)>, Option<Vec<u8>>) {
    let asked = Search { cursor: Some(cursor), ..asked.clone() };
    let answer = engine.search_blocking("", NAME, asked, Cancel::never()).expect("a page");
    let hits = answer.results.into_iter().next().expect("one query");
    let Ids::Int(ids) = hits.rows.ids else { panic!("integer ids") };
    (ids.into_iter().zip(hits.scores).collect(), hits.next)
}

fn some_rows() -> impl Strategy<Value = Rows> {
    (1..60_i64).prop_flat_map(|vectors| prop::collection::btree_map(0..400_i64, 0..vectors, 1..150))
}

fn metrics() -> impl Strategy<Value = Metric> {
    prop::sample::select(METRICS.to_vec())
}

/// What happens between two pages.
#[derive(Clone, Debug)]
enum Event {
    Act(Act),
    /// New rows, whose ids and vectors come from a number.
    Insert(i64),
    /// Rows as they are, by the remainder of their ids.
    Again(i64),
    Delete(i64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => act().prop_map(Event::Act),
        1 => (0..50_i64).prop_map(Event::Insert),
        1 => (0..5_i64).prop_map(Event::Again),
        1 => (0..30_i64).prop_map(Event::Delete),
    ]
}

/// The rows there are while a walk goes on.
struct World {
    metric: Metric,
    living: Rows,
    /// Ids of those that were there from the beginning.
    stayed: BTreeSet<i64>,
}

impl World {
    fn change(&mut self, event: Event, disk: &SimDisk, engine: Engine) -> Engine {
        match event {
            Event::Act(act) if fits(self.metric, &act) => return act.run(disk, engine),
            Event::Act(_) => compact(&engine),
            Event::Insert(n) => {
                let new = (n * 8..n * 8 + 8).map(|id| (500 + id, id % 60));
                let new: Vec<_> = new.filter(|(id, _)| !self.living.contains_key(id)).collect();
                self.upsert(&engine, &new);
                self.living.extend(new);
            }
            Event::Again(left) => {
                let same = self.living.iter().filter(|(id, _)| *id % 5 == left);
                let same: Vec<_> = same.map(|(id, n)| (*id, *n)).collect();
                self.upsert(&engine, &same);
            }
            Event::Delete(left) => {
                let gone: Vec<_> =
                    self.living.keys().copied().filter(|id| id % 30 == left).collect();
                if !gone.is_empty() {
                    delete(&engine, &gone).expect("a delete");
                }
                self.living.retain(|id, _| !gone.contains(id));
                self.stayed.retain(|id| !gone.contains(id));
            }
        }
        engine
    }

    fn upsert(&self, engine: &Engine, rows: &[(i64, i64)]) {
        if !rows.is_empty() {
            upsert(engine, self.metric, rows);
        }
    }
}

/// Binary vectors have no other index.
fn fits(metric: Metric, act: &Act) -> bool {
    !(is_binary(metric) && matches!(act, Act::Reindex(_)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn pages_are_all_rows_by_score_and_id_whatever_becomes_of_the_files(
        rows in some_rows(),
        (metric, kind) in (metrics(), super::kind()),
        (part, page_rows) in (5..80_usize, 1..40_usize),
        query in 0..60_i64,
        condition in prop::option::of(condition()),
        bounds in (prop::option::of(0..150_usize), prop::option::of(0..150_usize)),
        acts in prop::collection::vec(act(), 0..6),
    ) {
        let (disk, mut engine) = collection(metric, kind, &rows, part);
        let all = sorted(&engine, metric, query, &rows);
        let at = |rank: usize| all[rank % all.len()].1;
        let (mut inner, mut outer) = (bounds.0.map(at), bounds.1.map(at));
        if let (Some(a), Some(b)) = (inner, outer) {
            let is_between = if metric.higher_is_nearer() { a > b } else { a < b };
            (inner, outer) = if is_between { (inner, outer) } else { (None, None) };
        }
        let passing: BTreeSet<i64> = match &condition {
            None => rows.keys().copied().collect(),
            Some(text) => passing(&engine, NAME, Some(text)).iter().map(|row| row.0).collect(),
        };
        let is_wanted = |hit: &&(i64, f32)| {
            let sign = if metric.higher_is_nearer() { -1.0 } else { 1.0 };
            passing.contains(&hit.0)
                && inner.is_none_or(|inner| sign * hit.1 >= sign * inner)
                && outer.is_none_or(|outer| sign * hit.1 < sign * outer)
        };
        let expected: Vec<_> = all.iter().filter(is_wanted).copied().collect();
        let asked = Search {
            filter: condition.as_deref().map(filter),
            radius: outer,
            inner_radius: inner,
            ..asked(metric, query, page_rows)
        };
        let mut acts = acts.iter().filter(|act| fits(metric, act));
        let (mut found, mut cursor) = (Vec::new(), Vec::new());
        loop {
            let (hits, next) = page(&engine, &asked, cursor);
            prop_assert!(hits.len() == page_rows || next.is_none());
            found.extend(hits);
            let Some(next) = next else { break };
            cursor = next;
            if let Some(act) = acts.next() {
                engine = act.run(&disk, engine);
            }
        }
        prop_assert_eq!(found, expected);
        engine.close();
    }

    #[test]
    fn rows_that_stay_come_once_whatever_is_written_between_pages(
        rows in some_rows(),
        (metric, kind) in (metrics(), super::kind()),
        (part, page_rows) in (5..80_usize, 1..12_usize),
        query in 0..60_i64,
        events in prop::collection::vec(event(), 1..30),
    ) {
        let (disk, mut engine) = collection(metric, kind, &rows, part);
        let asked = asked(metric, query, page_rows);
        let stayed: BTreeSet<i64> = rows.keys().copied().collect();
        let mut world = World { metric, living: rows, stayed };
        let mut events = events.into_iter();
        let (mut found, mut cursor) = (Vec::new(), Vec::new());
        loop {
            let (hits, next) = page(&engine, &asked, cursor);
            for (id, _) in &hits {
                prop_assert!(world.living.contains_key(id), "{} was deleted before", id);
            }
            found.extend(hits);
            let Some(next) = next else { break };
            cursor = next;
            engine = match events.next() {
                Some(event) => world.change(event, &disk, engine),
                None => engine,
            };
        }
        prop_assert!(found.is_sorted_by(|a, b| order(metric, a, b).is_lt()), "{:?}", found);
        let came: BTreeSet<i64> = found.iter().map(|hit| hit.0).collect();
        prop_assert_eq!(came.len(), found.len(), "a row came twice");
        let missed: Vec<_> = world.stayed.difference(&came).collect();
        prop_assert!(missed.is_empty(), "{:?} did not come", missed);
        engine.close();
    }
}
