//! Upserts and updates with conditions: what the live rows say when they are applied
//! decides, also after crashes; against a model.

use crate::fixture::{
    NAME, contents, delete, engine, flush, insert, open, range, rows, spec, upsert,
};
use crate::power::fail_power;
use proptest::prelude::*;
use std::collections::BTreeMap;
use vicinal_engine::{
    Engine, Missing, RowFilter, Selection, Update, UpsertCondition, Write, WriteOutcome,
};
use vicinal_filter::{Expression, Parameters, Value};
use vicinal_storage::SimDisk;
use vicinal_types::{Cancel, ErrorKind, Ids, Metric, RequestId, Result};

/// The form of each row.
type Model = BTreeMap<i64, i64>;

#[derive(Clone, Debug)]
enum Step {
    Upsert(Vec<i64>),
    UpsertIf(Vec<i64>, Option<i64>, bool),
    UpdateIf(Vec<i64>, i64),
    Delete(Vec<i64>),
    Flush,
    Compact,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ids = || prop::collection::btree_set(0..30_i64, 1..12);
    let ids = || ids().prop_map(|ids| ids.into_iter().collect::<Vec<_>>());
    let upsert_if = (ids(), any::<Option<bool>>(), 0..40_i64, any::<bool>());
    let step = prop_oneof![
        2 => ids().prop_map(Step::Upsert),
        6 => upsert_if.prop_map(|(ids, has, below, existing_only)| {
            Step::UpsertIf(ids, has.map(|_| below), existing_only)
        }),
        3 => (ids(), 0..40_i64).prop_map(|(ids, below)| Step::UpdateIf(ids, below)),
        1 => ids().prop_map(Step::Delete),
        1 => Just(Step::Flush),
        1 => Just(Step::Compact),
        2 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..40)
}

fn filter(text: &str, value: i64) -> RowFilter {
    let parameters = Parameters::from([("value".to_owned(), Value::Int(value))]);
    RowFilter { expression: Expression::parse(text).expect("a filter"), parameters }
}

/// Of every third id any row passes, since its word is null; of the others those of
/// forms below.
fn older_than(form: i64) -> RowFilter {
    filter("word is null or number - id * 10 < {value}", form)
}

fn passes(id: i64, form: i64, below: i64) -> bool {
    id % 3 == 0 || form < below
}

fn upsert_if(
    engine: &Engine,
    ids: &[i64],
    form: i64,
    condition: UpsertCondition,
    request: Option<RequestId>,
) -> Result<WriteOutcome> {
    engine.write_blocking("", NAME, Write::UpsertIf(rows(ids, form), condition), request)
}

fn update_if(engine: &Engine, ids: &[i64], form: i64, filter: RowFilter) -> Result<WriteOutcome> {
    let batch = rows(ids, form);
    let rows = Selection::IdsIf(Ids::Int(ids.to_vec()), filter);
    let update = Update { rows, vectors: batch.vectors, scalars: batch.scalars };
    engine.write_blocking("", NAME, Write::Update(update), None)
}

fn inserting(filter: RowFilter) -> UpsertCondition {
    UpsertCondition { filter: Some(filter), missing: Missing::Insert }
}

fn reopen(engine: Engine, disk: &SimDisk) -> Engine {
    disk.crash();
    engine.close();
    drop(engine);
    disk.restart();
    open(disk).expect("a restart")
}

fn upsert_model(
    model: &mut Model,
    ids: &[i64],
    form: i64,
    (below, existing_only): (Option<i64>, bool),
) -> WriteOutcome {
    let mut outcome = WriteOutcome::default();
    for (at, id) in (0..).zip(ids) {
        match model.get(id) {
            None if !existing_only => outcome.inserted += 1,
            Some(is) if below.is_none_or(|below| passes(*id, *is, below)) => outcome.replaced += 1,
            None | Some(_) => {
                outcome.left_out.push(at);
                continue;
            }
        }
        model.insert(*id, form);
    }
    outcome
}

fn run(steps: Vec<Step>) {
    let (disk, mut engine) = engine();
    let mut model = Model::new();
    for (form, step) in (1..).zip(steps) {
        match step {
            Step::Upsert(ids) => {
                upsert(&engine, &ids, form).expect("an upsert");
                model.extend(ids.iter().map(|id| (*id, form)));
            }
            Step::UpsertIf(ids, below, existing_only) => {
                let missing = if existing_only { Missing::LeaveOut } else { Missing::Insert };
                let condition = UpsertCondition { filter: below.map(older_than), missing };
                let outcome = upsert_if(&engine, &ids, form, condition, None).expect("an upsert");
                let expected = upsert_model(&mut model, &ids, form, (below, existing_only));
                assert_eq!(WriteOutcome { positions: Vec::new(), ..outcome }, expected);
            }
            Step::UpdateIf(ids, below) => {
                let outcome = update_if(&engine, &ids, form, older_than(below)).expect("an update");
                let mut left_out = Vec::new();
                for (at, id) in (0..).zip(ids) {
                    match model.get_mut(&id) {
                        Some(is) if passes(id, *is, below) => *is = form,
                        Some(_) | None => left_out.push(at),
                    }
                }
                assert_eq!(outcome.left_out, left_out);
            }
            Step::Delete(ids) => {
                delete(&engine, &ids).expect("a delete");
                model.retain(|id, _| !ids.contains(id));
            }
            Step::Flush => {
                flush(&engine);
            }
            Step::Compact => {
                engine.compact("", NAME, &Cancel::never()).expect("a compaction");
            }
            Step::Crash => engine = reopen(engine, &disk),
        }
        let expected: Vec<_> = model.iter().map(|(id, form)| (*id, *form)).collect();
        assert_eq!(contents(&engine), expected, "after step {form}");
    }
    let expected: Vec<_> = model.into_iter().collect();
    let engine = reopen(engine, &disk);
    assert_eq!(contents(&engine), expected, "applied again from the log");
    flush(&engine);
    let engine = reopen(engine, &disk);
    assert_eq!(contents(&engine), expected, "read from files");
    engine.close();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn rows_are_written_as_their_conditions_say(steps in steps()) {
        run(steps);
    }
}

#[test]
fn counting_by_conditional_upserts_loses_nothing() {
    const COUNTERS: i64 = 40;
    const TIMES: i64 = 20;
    let (_, engine) = engine();
    insert(&engine, &range(0..COUNTERS), 0).expect("an insert");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut done = 0;
                while done < TIMES {
                    // The form of row 1 is the counter; the other rows stand beside it.
                    let (_, is) = contents(&engine)[1];
                    let condition = inserting(filter("number - id * 10 = {value}", is));
                    let outcome = upsert_if(&engine, &[1], is + 1, condition, None);
                    let outcome = outcome.expect("an upsert");
                    assert_eq!(outcome.replaced + outcome.left_out.len() as u64, 1);
                    done += i64::try_from(outcome.replaced).expect("one at most");
                }
            });
        }
    });
    assert_eq!(contents(&engine)[1], (1, 3 * TIMES));
    assert_eq!(contents(&engine)[2], (2, 0));
    engine.close();
}

#[test]
fn many_rows_are_judged_each_by_its_own_live_row() {
    let (_, engine) = engine();
    insert(&engine, &range(0..500), 0).expect("an insert");
    flush(&engine);
    upsert(&engine, &range(250..750), 5).expect("an upsert");
    let condition = inserting(older_than(3));
    let outcome = upsert_if(&engine, &range(0..1_000), 9, condition, None).expect("an upsert");
    let is_left_out = |id: &i64| (250..750).contains(id) && id % 3 != 0;
    let expected: Vec<u32> = (0..1_000).filter(|at| is_left_out(&i64::from(*at))).collect();
    assert_eq!(outcome.left_out, expected);
    assert_eq!(outcome.inserted, 250);
    let form = |id: i64| (id, if is_left_out(&id) { 5 } else { 9 });
    assert_eq!(contents(&engine), range(0..1_000).into_iter().map(form).collect::<Vec<_>>());
    engine.close();
}

#[test]
fn a_retry_gets_the_first_outcome_whatever_the_row_is_by_then() {
    let (disk, engine) = engine();
    insert(&engine, &range(0..4), 0).expect("an insert");
    let request = Some(RequestId([4; 16]));
    let condition = || UpsertCondition {
        filter: Some(filter("number - id * 10 = {value}", 0)),
        missing: Missing::LeaveOut,
    };
    let write = |engine: &Engine| upsert_if(engine, &[1, 9, 2], 7, condition(), request);
    upsert(&engine, &[2], 3).expect("an upsert");
    let first = write(&engine).expect("an upsert");
    assert_eq!((first.replaced, first.left_out.as_slice()), (1, &[1, 2][..]));
    upsert(&engine, &[1, 2], 0).expect("an upsert that makes them pass again");
    assert_eq!(write(&engine).expect("a retry"), first);
    flush(&engine);
    let engine = reopen(engine, &disk);
    assert_eq!(write(&engine).expect("a retry"), first);
    assert_eq!(contents(&engine), [(0, 0), (1, 0), (2, 0), (3, 0)]);
    engine.close();
}

#[test]
fn a_column_dropped_since_is_still_read_when_conditions_are_applied_again() {
    for is_sealed_before in [false, true] {
        let (disk, engine) = engine();
        insert(&engine, &range(0..100), 0).expect("an insert");
        if is_sealed_before {
            flush(&engine);
        }
        upsert(&engine, &range(50..100), 4).expect("an upsert");
        let condition = inserting(filter("number - id * 10 > {value}", 0));
        let outcome = upsert_if(&engine, &range(40..60), 5, condition, None).expect("an upsert");
        assert_eq!((outcome.replaced, outcome.left_out.len()), (10, 10));
        engine.drop_column("", NAME, "number", None).expect("dropped");
        engine.compact("", NAME, &Cancel::never()).expect("a compaction");
        let words = |engine: &Engine| {
            let text = filter("word like \"%.5\" and id >= {value}", 0);
            engine.count_where("", NAME, &text, &Cancel::never()).expect("a count")
        };
        let before = words(&engine);
        assert!(before > 0);
        let engine = reopen(engine, &disk);
        assert_eq!(words(&engine), before, "{is_sealed_before}");
        assert_eq!(engine.count("", NAME).expect("a count"), 100);
        engine.close();
    }
}

#[test]
fn a_power_failure_at_every_disk_call_leaves_all_or_nothing_of_a_conditional_upsert() {
    let script = |engine: &Engine| -> Result<()> {
        engine.create_collection("", spec(Metric::L2), None)?;
        insert(engine, &range(0..40), 0)?;
        engine.flush("", NAME, false, &Cancel::never())?;
        upsert(engine, &range(20..60), 1)?;
        let condition = inserting(filter("number - id * 10 = {value}", 1));
        upsert_if(engine, &range(10..80), 2, condition, None)?;
        engine.flush("", NAME, false, &Cancel::never())?;
        Ok(())
    };
    fail_power(open, script, |engine, is_acknowledged| {
        let is_there = engine.collection("", NAME).is_ok();
        let is = if is_there { contents(engine) } else { Vec::new() };
        let forms = |form: i64| is.iter().filter(|(_, is)| *is == form).count();
        match (forms(0), forms(1), forms(2)) {
            (20, 0, 60) => Ok(true),
            (0, 0, 0) | (40, 0, 0) | (20, 40, 0) if !is_acknowledged => Ok(false),
            other => Err(format!("{other:?}")),
        }
    });
}

#[test]
fn wrong_conditions_are_refused_and_change_nothing() {
    let (_, engine) = engine();
    insert(&engine, &range(0..10), 0).expect("an insert");
    let text = |text: &str| RowFilter::new(Expression::parse(text).expect("a filter"));
    for (wrong, expected) in [("nubmer = 1", "nubmer"), ("number = {n}", "{n}")] {
        let error = upsert_if(&engine, &[1], 1, inserting(text(wrong)), None);
        let error = error.expect_err("a wrong condition");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(expected), "{error} does not say {expected:?}");
        let error = update_if(&engine, &[1], 1, text(wrong)).expect_err("a wrong condition");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    assert_eq!(contents(&engine).iter().filter(|(_, form)| *form == 0).count(), 10);
    engine.close();
}
