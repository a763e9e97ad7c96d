//! Rows that expire: no read and no write finds them from their time on, also after
//! crashes, whatever is declared by then; against a model with a clock moved by hand.

use crate::fixture::{NAME, contents, delete, flush, nearest, options, range, rows, spec};
use crate::power::fail_power;
use arrow_array::{ArrayRef, Int64Array};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use vicinal_engine::{
    Aggregate, ApplyMode, Engine, EngineOptions, GroupBy, GroupOrder, Missing, RowFilter,
    Selection, Update, UpsertCondition, Write, WriteOutcome,
};
use vicinal_filter::{Expression, Parameters, Value};
use vicinal_storage::SimDisk;
use vicinal_types::{
    Cancel, Clock, CollectionSpec, Column, ColumnId, ErrorKind, Ids, Metric, RequestId, Result,
    RowBatch, ScalarType, Schema, TestClock, Ttl,
};

const UNTIL: ColumnId = ColumnId(4);
const SECOND: i64 = 1_000_000;

/// A disk and the time, which stay, and the engine on them.
struct World {
    disk: SimDisk,
    clock: Arc<TestClock>,
    engine: Engine,
}

fn open(disk: &SimDisk, clock: &Arc<TestClock>) -> Result<Engine> {
    Engine::open(EngineOptions { clock: clock.clone(), ..options(Arc::new(disk.clone())) })
}

/// The collection of the other tests with a column of times.
fn expiring(is_expiring: bool) -> CollectionSpec {
    let spec = spec(Metric::L2);
    let until = Column::scalar(UNTIL, "until", ScalarType::Timestamp, true);
    let columns = spec.schema.columns().iter().cloned().chain([until]).collect();
    let schema = Schema::new(spec.schema.id_type(), columns).expect("a right schema");
    let ttl = is_expiring.then(|| Ttl { column: "until".to_owned() });
    CollectionSpec { schema, ttl, ..spec }
}

impl World {
    fn new() -> Self {
        let (disk, clock) = (SimDisk::new(1), Arc::new(TestClock::default()));
        let engine = open(&disk, &clock).expect("an empty disk");
        engine.create_collection("", expiring(true), None).expect("a right declaration");
        Self { disk, clock, engine }
    }

    fn reopened(self) -> Self {
        let Self { disk, clock, engine } = self;
        disk.crash();
        engine.close();
        drop(engine);
        disk.restart();
        let engine = open(&disk, &clock).expect("a restart");
        Self { disk, clock, engine }
    }

    fn now(&self) -> i64 {
        i64::try_from(self.clock.unix_micros()).expect("a time")
    }

    fn write(&self, write: Write) -> WriteOutcome {
        let outcome = self.engine.write_blocking("", NAME, write, None).expect("a write");
        WriteOutcome { positions: Vec::new(), ..outcome }
    }

    fn declare(&self, is_expiring: bool) {
        let applied =
            self.engine.apply_collection("", expiring(is_expiring), ApplyMode::default(), None);
        let changes = applied.expect("a right declaration").changes;
        assert!(changes.iter().all(|change| change.field == "ttl.column"), "{changes:?}");
    }
}

/// Rows of a form that all live until then.
fn until(ids: &[i64], form: i64, until: Option<i64>) -> RowBatch {
    let times: ArrayRef = Arc::new(Int64Array::from(vec![until; ids.len()]));
    let batch = rows(ids, form);
    let scalars = batch.scalars.into_iter().chain([(UNTIL, times)]).collect();
    RowBatch { scalars, ..batch }
}

fn filter(text: &str, value: i64) -> RowFilter {
    let parameters = Parameters::from([("value".to_owned(), Value::Int(value))]);
    RowFilter { expression: Expression::parse(text).expect("a filter"), parameters }
}

/// Form and end of every row that is stored, expired or not.
#[derive(Default)]
struct Model {
    rows: BTreeMap<i64, (i64, Option<i64>)>,
    is_expiring: bool,
}

impl Model {
    fn is_found(&self, until: Option<i64>, now: i64) -> bool {
        !self.is_expiring || until.is_none_or(|until| until > now / SECOND * SECOND)
    }

    /// The form of a row that is found.
    fn find(&self, id: i64, now: i64) -> Option<i64> {
        let (form, until) = self.rows.get(&id)?;
        self.is_found(*until, now).then_some(*form)
    }

    fn found(&self, now: i64) -> Vec<(i64, i64)> {
        let ids = self.rows.keys();
        ids.filter_map(|id| Some((*id, self.find(*id, now)?))).collect()
    }

    /// Adds rows, or replaces those that are found if `replaces`, or leaves out new ones.
    fn put(
        &mut self,
        ids: &[i64],
        row: (i64, Option<i64>),
        now: i64,
        (replaces, inserts): (bool, bool),
    ) -> WriteOutcome {
        let mut outcome = WriteOutcome::default();
        for (at, id) in (0..).zip(ids) {
            match self.find(*id, now) {
                Some(_) if replaces => outcome.replaced += 1,
                None if inserts => outcome.inserted += 1,
                Some(_) | None => {
                    outcome.left_out.push(at);
                    continue;
                }
            }
            self.rows.insert(*id, row);
        }
        outcome
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(Put, Vec<i64>, Option<i64>),
    Change(Change),
    Advance(u64),
    Declare(bool),
    Purge,
    Flush,
    Compact,
    Crash,
}

/// Writes of whole rows.
#[derive(Clone, Copy, Debug)]
enum Put {
    Insert,
    Upsert,
    UpsertExisting,
    Update,
}

/// Other writes.
#[derive(Clone, Debug)]
enum Change {
    Prolong(i64, i64),
    Delete(Vec<i64>),
    DeleteWhere(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ids = || prop::collection::btree_set(0..30_i64, 1..12);
    let ids = || ids().prop_map(|ids| ids.into_iter().collect::<Vec<_>>());
    let left = || prop::option::weighted(0.8, -1_000_000..3_000_000_i64);
    let put = prop_oneof![
        4 => Just(Put::Insert),
        3 => Just(Put::Upsert),
        2 => Just(Put::UpsertExisting),
        2 => Just(Put::Update),
    ];
    let change = prop_oneof![
        (0..40_i64, 1..3_i64).prop_map(|(below, s)| Change::Prolong(below, s * SECOND)),
        ids().prop_map(Change::Delete),
        (0..20_i64).prop_map(Change::DeleteWhere),
    ];
    let step = prop_oneof![
        // Less than a minute in all: rows are deleted when a step says so.
        6 => (1..1_200_u64).prop_map(Step::Advance),
        11 => (put, ids(), left()).prop_map(|(put, ids, left)| Step::Put(put, ids, left)),
        3 => change.prop_map(Step::Change),
        1 => any::<bool>().prop_map(Step::Declare),
        1 => Just(Step::Purge),
        2 => Just(Step::Flush),
        1 => Just(Step::Compact),
        2 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..40)
}

/// Writes rows of a form to engine and model alike.
fn put(world: &World, model: &mut Model, put: Put, ids: &[i64], row: (i64, Option<i64>)) {
    let batch = until(ids, row.0, row.1);
    let (write, (replaces, inserts)) = match put {
        Put::Insert => (Write::Insert(batch), (false, true)),
        Put::Upsert => (Write::Upsert(batch), (true, true)),
        Put::UpsertExisting => {
            let condition = UpsertCondition { filter: None, missing: Missing::LeaveOut };
            (Write::UpsertIf(batch, condition), (true, false))
        }
        Put::Update => {
            let RowBatch { ids, vectors, scalars } = batch;
            let update = Update { rows: Selection::Ids(ids), vectors, scalars };
            (Write::Update(update), (true, false))
        }
    };
    let outcome = world.write(write);
    assert_eq!(outcome, model.put(ids, row, world.now(), (replaces, inserts)));
}

/// Changes rows of engine and model alike.
fn change(world: &World, model: &mut Model, change: &Change) {
    let now = world.now();
    let older = |below: i64| {
        let found = model.found(now).into_iter().filter(move |(_, form)| *form < below);
        found.collect::<Vec<_>>()
    };
    let is_older = |below: i64| filter("number - id * 10 < {value}", below);
    match change {
        Change::Prolong(below, by) => {
            let rows = Selection::Where(is_older(*below));
            let times: ArrayRef = Arc::new(Int64Array::from(vec![now + by]));
            let scalars = vec![(UNTIL, times)];
            let outcome = world.write(Write::Update(Update { rows, vectors: vec![], scalars }));
            let older = older(*below);
            assert_eq!(outcome.replaced, older.len() as u64);
            let row = |(id, form)| (id, (form, Some(now + by)));
            model.rows.extend(older.into_iter().map(row));
        }
        Change::Delete(ids) => {
            let outcome = delete(&world.engine, ids).expect("a delete");
            let found = ids.iter().filter(|id| model.find(**id, now).is_some()).count();
            assert_eq!(outcome.deleted, found as u64);
            model.rows.retain(|id, _| !ids.contains(id));
        }
        Change::DeleteWhere(below) => {
            let outcome = world.write(Write::DeleteWhere(is_older(*below)));
            let older = older(*below);
            assert_eq!(outcome.deleted, older.len() as u64);
            model.rows.retain(|id, _| older.iter().all(|(older, _)| older != id));
        }
    }
}

fn run(steps: Vec<Step>) {
    let mut world = World::new();
    let mut model = Model { is_expiring: true, ..Model::default() };
    for (form, step) in (1..).zip(steps) {
        match &step {
            Step::Advance(millis) => world.clock.advance(Duration::from_millis(*millis)),
            Step::Declare(is_expiring) => {
                world.declare(*is_expiring);
                model.is_expiring = *is_expiring;
            }
            Step::Purge => {
                let found = model.found(world.now());
                let expired = model.rows.len() - found.len();
                let purged = world.engine.purge_expired("", NAME).expect("a purge");
                assert_eq!(purged, expired as u64);
                model.rows.retain(|id, _| found.iter().any(|(found, _)| found == id));
            }
            Step::Flush => {
                flush(&world.engine);
            }
            Step::Compact => {
                world.engine.compact("", NAME, &Cancel::never()).expect("a compaction");
            }
            Step::Crash => world = world.reopened(),
            Step::Put(kind, ids, left) => {
                let row = (form, left.map(|left| world.now() + left));
                put(&world, &mut model, *kind, ids, row);
            }
            Step::Change(step) => change(&world, &mut model, step),
        }
        check_reads(&world, &model);
    }
    let world = world.reopened();
    check_reads(&world, &model);
    flush(&world.engine);
    let world = world.reopened();
    check_reads(&world, &model);
    world.engine.close();
}

/// Every kind of read finds what the model does.
fn check_reads(world: &World, model: &Model) {
    let (engine, now) = (&world.engine, world.now());
    let found = model.found(now);
    // By scrolling, and by counting.
    assert_eq!(contents(engine), found, "at {now}");
    let ids: Vec<_> = found.iter().map(|(id, _)| *id).collect();
    let got = engine.get("", NAME, &Ids::Int(range(0..30)), &[], &Cancel::never());
    assert_eq!(got.expect("rows").ids, Ids::Int(ids.clone()));
    let mut near = nearest(engine, 3, 3, 30);
    near.sort_unstable();
    assert_eq!(near, ids);
    let odd = found.iter().filter(|(id, _)| id % 2 == 1).count() as u64;
    let is_odd = filter("id % 2 = {value}", 1);
    let counted = engine.count_where("", NAME, &is_odd, &Cancel::never()).expect("a count");
    assert_eq!(counted, odd);
    let asked = Aggregate {
        filter: Some(is_odd),
        group_by: GroupBy::Nothing,
        figures: Vec::new(),
        order: GroupOrder::Count,
        limit: 1,
        partial_ok: false,
    };
    let figures = engine.aggregate("", NAME, &asked, &Cancel::never()).expect("figures");
    assert_eq!(figures.rows, odd);
    let stored = engine.describe("", NAME).expect("a description").rows;
    assert_eq!(stored, model.rows.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn rows_are_found_until_they_expire(steps in steps()) {
        run(steps);
    }
}

#[test]
fn a_row_is_gone_from_the_second_of_its_time_on() {
    let world = World::new();
    let at = |millis: i64| Some(world.now() + millis * 1_000);
    for (id, end) in [(1, at(1_000)), (2, at(1_001)), (3, at(2_000)), (4, None)] {
        world.write(Write::Insert(until(&[id], 0, end)));
    }
    flush(&world.engine);
    let ids = || contents(&world.engine).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    for (millis, expected) in
        [(999, &[1, 2, 3, 4][..]), (1, &[2, 3, 4]), (999, &[2, 3, 4]), (1, &[4]), (1_000_000, &[4])]
    {
        world.clock.advance(Duration::from_millis(millis));
        assert_eq!(ids(), expected, "{} later", millis);
    }
    world.engine.close();
}

#[test]
fn expired_rows_are_deleted_by_themselves_and_their_space_comes_back() {
    let world = World::new();
    let end = Some(world.now() + SECOND);
    world.write(Write::Insert(until(&range(0..300), 0, end)));
    world.write(Write::Insert(until(&range(300..400), 0, None)));
    flush(&world.engine);
    let described = || world.engine.describe("", NAME).expect("a description");
    let mut rounds = 0;
    while described().rows != 100 {
        assert!(rounds < 3_000, "{} rows are left", described().rows);
        world.clock.advance(Duration::from_secs(61));
        std::thread::park_timeout(Duration::from_millis(20));
        rounds += 1;
    }
    world.engine.compact("", NAME, &Cancel::never()).expect("a compaction");
    let stored: u64 = described().segments.iter().map(|segment| segment.rows).sum();
    assert_eq!(stored, 100);
    assert_eq!(world.engine.purge_expired("", NAME).expect("a purge"), 0);
    world.engine.close();
}

#[test]
fn an_insert_over_an_expired_row_is_repeated_as_it_was() {
    let world = World::new();
    let request = Some(RequestId([7; 16]));
    world.write(Write::Insert(until(&[1, 2], 0, Some(world.now() + SECOND))));
    world.clock.advance(Duration::from_millis(500));
    let insert = |world: &World| {
        let batch = until(&[1, 5], 1, None);
        world.engine.write_blocking("", NAME, Write::Insert(batch), request).expect("an insert")
    };
    let before = world.write(Write::Insert(until(&[2], 1, None)));
    assert_eq!((before.inserted, before.left_out.as_slice()), (0, &[0][..]));
    world.clock.advance(Duration::from_millis(500));
    let first = insert(&world);
    assert_eq!((first.inserted, first.left_out.len()), (2, 0));
    // Applied again, and without a ttl, it finds what it found the first time.
    world.declare(false);
    let world = world.reopened();
    assert_eq!(contents(&world.engine), [(1, 1), (2, 0), (5, 1)]);
    assert_eq!(insert(&world), first);
    world.engine.close();
}

#[test]
fn the_column_goes_after_the_ttl_and_the_log_is_still_applied() {
    for is_sealed_before in [false, true] {
        let world = World::new();
        world.write(Write::Insert(until(&range(0..50), 0, Some(world.now() + SECOND))));
        if is_sealed_before {
            flush(&world.engine);
        }
        world.clock.advance(Duration::from_secs(2));
        world.write(Write::Insert(until(&range(0..20), 1, None)));
        let error = world.engine.drop_column("", NAME, "until", None).expect_err("in use");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("says until when rows of collection"), "{error}");
        world.declare(false);
        world.engine.drop_column("", NAME, "until", None).expect("dropped");
        world.engine.compact("", NAME, &Cancel::never()).expect("a compaction");
        let expected: Vec<_> = (0..50).map(|id| (id, i64::from(id < 20))).collect();
        assert_eq!(contents(&world.engine), expected);
        let world = world.reopened();
        assert_eq!(contents(&world.engine), expected, "{is_sealed_before}");
        world.engine.close();
    }
}

#[test]
fn a_power_failure_at_every_disk_call_leaves_all_or_nothing_of_a_purge() {
    let clock = Arc::new(TestClock::default());
    let script = |engine: &Engine| -> Result<()> {
        let end = i64::try_from(clock.unix_micros()).expect("a time") + SECOND;
        engine.create_collection("", expiring(true), None)?;
        for first in [0, 40] {
            let (early, late) = (range(first..first + 20), range(first + 20..first + 40));
            for (ids, end) in [(early, Some(end)), (late, None)] {
                let batch = until(&ids, 0, end);
                engine.write_blocking("", NAME, Write::Insert(batch), None)?;
            }
            if first == 0 {
                engine.flush("", NAME, false, &Cancel::never())?;
            }
        }
        clock.advance(Duration::from_secs(2));
        assert_eq!(engine.purge_expired("", NAME)?, 40);
        engine.flush("", NAME, false, &Cancel::never())?;
        Ok(())
    };
    let open = |disk: &SimDisk| open(disk, &clock);
    fail_power(open, script, |engine, is_acknowledged| {
        clock.advance(Duration::from_secs(2));
        let is_there = engine.collection("", NAME).is_ok();
        let found = if is_there { contents(engine).len() } else { 0 };
        let stored = engine.describe("", NAME).map_or(0, |described| described.rows);
        match (found, stored) {
            (40, 40) => Ok(true),
            (40, 80) | (20, 40 | 60) | (0, 0 | 20) if !is_acknowledged => Ok(false),
            other => Err(format!("{other:?}, acknowledged: {is_acknowledged}")),
        }
    });
}
