//! Updates: rows keep what is not given, also after crashes; against a model.

use crate::fixture::{DIM, NAME, delete, flush, insert, nearest, open, range, rows, spec, upsert};
use crate::fixture::{engine, vector};
use crate::power::fail_power;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{Array as _, ArrayRef, Int64Array, StringArray};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use vicinal_engine::{Engine, RowFilter, Selection, Update, Write, WriteOutcome};
use vicinal_filter::Expression;
use vicinal_storage::SimDisk;
use vicinal_types::{
    Cancel, ColumnId, ErrorKind, Ids, Metric, RequestId, Result, RowBatch, VectorInput, limits,
};

/// Which form each column of a row has; the word may be null instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    vector: i64,
    word: Option<i64>,
    number: i64,
}

type Model = BTreeMap<i64, Row>;

/// Which columns an update sets.
#[derive(Clone, Copy, Debug)]
struct Sets {
    vector: bool,
    word: Option<bool>,
    number: bool,
}

impl Sets {
    fn apply(self, row: &mut Row, form: i64) {
        if self.vector {
            row.vector = form;
        }
        if let Some(is_null) = self.word {
            row.word = (!is_null).then_some(form);
        }
        if self.number {
            row.number = form;
        }
    }

    fn is_nothing(self) -> bool {
        !self.vector && self.word.is_none() && !self.number
    }

    /// The update; rows that a filter selects get the values of id 0.
    fn update(self, rows: Selection, form: i64) -> Update {
        let ids = match &rows {
            Selection::Ids(Ids::Int(ids)) | Selection::IdsIf(Ids::Int(ids), _) => ids.clone(),
            Selection::Ids(Ids::Str(_))
            | Selection::IdsIf(Ids::Str(_), _)
            | Selection::Where(_) => vec![0],
        };
        let (mut vectors, mut scalars) = (Vec::new(), Vec::<(ColumnId, ArrayRef)>::new());
        if self.vector {
            let floats = ids.iter().flat_map(|id| vector(*id, form)).collect();
            vectors.push((ColumnId(1), VectorInput::Floats(floats)));
        }
        if let Some(is_null) = self.word {
            let words = ids.iter().map(|_| (!is_null).then(|| form.to_string()));
            scalars.push((ColumnId(2), Arc::new(words.collect::<StringArray>())));
        }
        if self.number {
            scalars.push((ColumnId(3), Arc::new(Int64Array::from(vec![form; ids.len()]))));
        }
        Update { rows, vectors, scalars }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Upsert(Vec<i64>),
    Delete(Vec<i64>),
    Update(Vec<i64>, Sets),
    UpdateWhere(i64, Sets),
    Flush,
    Compact,
    Restart,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ids = || prop::collection::btree_set(0..30_i64, 1..12);
    let ids = || ids().prop_map(|ids| ids.into_iter().collect::<Vec<_>>());
    let sets = || {
        (any::<bool>(), any::<Option<bool>>(), any::<bool>())
            .prop_map(|(vector, word, number)| Sets { vector, word, number })
            .prop_filter("an update sets something", |sets| !sets.is_nothing())
    };
    let step = prop_oneof![
        4 => ids().prop_map(Step::Upsert),
        1 => ids().prop_map(Step::Delete),
        5 => (ids(), sets()).prop_map(|(ids, sets)| Step::Update(ids, sets)),
        3 => (0..40_i64, sets()).prop_map(|(below, sets)| Step::UpdateWhere(below, sets)),
        1 => Just(Step::Flush),
        1 => Just(Step::Compact),
        1 => Just(Step::Restart),
        2 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..40)
}

fn write(engine: &Engine, write: Write) -> WriteOutcome {
    engine.write_blocking("", NAME, write, None).expect("a write")
}

/// Rows whose columns are all of one form.
fn of_form(ids: &[i64], form: i64) -> RowBatch {
    let words = ids.iter().map(|_| Some(form.to_string())).collect::<StringArray>();
    let scalars: Vec<(ColumnId, ArrayRef)> = vec![
        (ColumnId(2), Arc::new(words)),
        (ColumnId(3), Arc::new(Int64Array::from(vec![form; ids.len()]))),
    ];
    RowBatch { scalars, ..rows(ids, form) }
}

fn condition(text: &str) -> RowFilter {
    RowFilter::new(Expression::parse(text).expect("a filter"))
}

/// The rows as they are read; `values_of` says which row's values a vector is of.
fn contents(engine: &Engine, model: &Model, shared: &BTreeMap<(i64, i64), ()>) -> Model {
    let page = engine.scroll("", NAME, &[], 1_000, &["**".to_owned()], &Cancel::never());
    let rows = page.expect("a page").rows;
    let Ids::Int(ids) = &rows.ids else { panic!("integer ids") };
    let VectorInput::Packed { bytes, .. } = &rows.vectors[0].1 else { panic!("packed vectors") };
    let floats: Vec<f32> = bytes.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect();
    let words = rows.scalars[0].1.as_string::<i32>();
    let numbers = rows.scalars[1].1.as_primitive::<Int64Type>();
    let row = |(at, id): (usize, &i64)| {
        let word = words.is_valid(at).then(|| words.value(at).parse().expect("a form"));
        // A vector set by a filter is that of id 0.
        let expected = model.get(id).map_or(-1, |row| row.vector);
        let of = if shared.contains_key(&(*id, expected)) { 0 } else { *id };
        let is_right = floats[at * DIM..][..DIM] == vector(of, expected);
        let vector = if is_right { expected } else { -1 };
        (*id, Row { vector, word, number: numbers.value(at) })
    };
    let found: Model = ids.iter().enumerate().map(row).collect();
    assert_eq!(found.len(), ids.len(), "each id once");
    assert_eq!(engine.count("", NAME).expect("a count"), found.len() as u64);
    found
}

fn reopen(engine: Engine, disk: &SimDisk, crashes: bool) -> Engine {
    if crashes {
        disk.crash();
    }
    engine.close();
    drop(engine);
    if crashes {
        disk.restart();
    }
    open(disk).expect("a restart")
}

fn run(steps: Vec<Step>) {
    let (disk, mut engine) = engine();
    let (mut model, mut shared) = (Model::new(), BTreeMap::new());
    for (form, step) in (1..).zip(steps) {
        match step {
            Step::Upsert(ids) => {
                write(&engine, Write::Upsert(of_form(&ids, form)));
                let row = Row { vector: form, word: Some(form), number: form };
                model.extend(ids.iter().map(|id| (*id, row)));
            }
            Step::Delete(ids) => {
                delete(&engine, &ids).expect("a delete");
                model.retain(|id, _| !ids.contains(id));
            }
            Step::Update(ids, sets) => {
                let update = sets.update(Selection::Ids(Ids::Int(ids.clone())), form);
                let outcome = write(&engine, Write::Update(update));
                let missing = (0..).zip(&ids).filter(|(_, id)| !model.contains_key(id));
                let missing: Vec<u32> = missing.map(|(at, _)| at).collect();
                assert_eq!(outcome.replaced, (ids.len() - missing.len()) as u64);
                assert_eq!(outcome.left_out, missing);
                let given = model.iter_mut().filter(|(id, _)| ids.contains(id));
                given.for_each(|(_, row)| sets.apply(row, form));
            }
            Step::UpdateWhere(below, sets) => {
                let passes = condition(&format!("number < {below} and id % 3 != 0"));
                let update = sets.update(Selection::Where(passes), form);
                let outcome = write(&engine, Write::Update(update));
                let mut updated = 0;
                for (id, row) in &mut model {
                    if row.number < below && id % 3 != 0 {
                        sets.apply(row, form);
                        updated += 1;
                        if sets.vector {
                            shared.insert((*id, form), ());
                        }
                    }
                }
                assert_eq!(outcome.replaced, updated);
            }
            Step::Flush => {
                flush(&engine);
            }
            Step::Compact => {
                engine.compact("", NAME, &Cancel::never()).expect("a compaction");
            }
            Step::Restart => engine = reopen(engine, &disk, false),
            Step::Crash => engine = reopen(engine, &disk, true),
        }
        assert_eq!(contents(&engine, &model, &shared), model, "after step {form}");
    }
    let engine = reopen(engine, &disk, true);
    assert_eq!(contents(&engine, &model, &shared), model, "applied again from the log");
    flush(&engine);
    let engine = reopen(engine, &disk, true);
    assert_eq!(contents(&engine, &model, &shared), model, "read from files");
    engine.close();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn rows_keep_what_updates_do_not_give(steps in steps()) {
        run(steps);
    }
}

const NUMBER: Sets = Sets { vector: false, word: None, number: true };

fn update_ids(
    engine: &Engine,
    ids: &[i64],
    form: i64,
    request: Option<RequestId>,
) -> Result<WriteOutcome> {
    let update = NUMBER.update(Selection::Ids(Ids::Int(ids.to_vec())), form);
    engine.write_blocking("", NAME, Write::Update(update), request)
}

#[test]
fn updated_rows_are_found_by_their_vectors_once() {
    for metric in [Metric::L2, Metric::Cosine] {
        let disk = SimDisk::new(3);
        let engine = open(&disk).expect("an empty disk");
        engine.create_collection("", spec(metric), None).expect("a declaration");
        insert(&engine, &range(0..200), 0).expect("an insert");
        flush(&engine);
        insert(&engine, &range(200..300), 0).expect("an insert");
        update_ids(&engine, &[5, 205], 9, None).expect("an update");
        for id in [5, 205] {
            let found = nearest(&engine, id, 0, 300);
            assert_eq!((found[0], found.len()), (id, 300), "{metric:?}: the vector stayed");
        }
        let moved = Sets { vector: true, word: None, number: false };
        let update = moved.update(Selection::Ids(Ids::Int(vec![5])), 7);
        write(&engine, Write::Update(update));
        let found = nearest(&engine, 5, 7, 300);
        assert_eq!((found[0], found.len()), (5, 300), "{metric:?}: the vector is another");
        let columns = ["**".to_owned()];
        let read = engine.get("", NAME, &Ids::Int(vec![205]), &columns, &Cancel::never());
        let read = read.expect("a row");
        let VectorInput::Packed { bytes, .. } = &read.vectors[0].1 else { panic!("packed") };
        let floats = bytes.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x));
        let is_near = |(a, b): (f32, f32)| (a - b).abs() < 1e-4;
        assert!(floats.zip(vector(205, 0)).all(is_near), "{metric:?}: with its length");
        engine.close();
    }
}

#[test]
fn a_retry_of_an_update_changes_nothing_more() {
    let (disk, engine) = engine();
    insert(&engine, &range(0..4), 0).expect("an insert");
    let request = Some(RequestId([3; 16]));
    let first = update_ids(&engine, &[1, 9, 2], 70, request).expect("an update");
    assert_eq!((first.replaced, first.left_out.as_slice()), (2, &[1][..]));
    upsert(&engine, &[2], 5).expect("an upsert");
    assert_eq!(update_ids(&engine, &[1, 9, 2], 70, request).expect("a retry"), first);
    flush(&engine);
    let engine = reopen(engine, &disk, true);
    assert_eq!(update_ids(&engine, &[1, 9, 2], 70, request).expect("a retry"), first);
    let numbers = |text| engine.count_where("", NAME, &condition(text), &Cancel::never());
    assert_eq!(numbers("number = 70").expect("a count"), 1);
    assert_eq!(numbers("id = 2 and number = 25").expect("a count"), 1, "the later write stays");
    engine.close();
}

#[test]
fn a_column_dropped_since_is_still_read_when_updates_are_applied_again() {
    for is_sealed_before in [false, true] {
        let (disk, engine) = engine();
        insert(&engine, &range(0..100), 0).expect("an insert");
        if is_sealed_before {
            flush(&engine);
            insert(&engine, &range(100..130), 0).expect("an insert");
        }
        // The column that is read is set by an update, and stays in rows whose other
        // columns are.
        update_ids(&engine, &range(0..10), -1, None).expect("an update");
        let word = Sets { vector: false, word: Some(false), number: false };
        let update = word.update(Selection::Ids(Ids::Int(range(8..30))), 1);
        write(&engine, Write::Update(update));
        let update = word.update(Selection::Where(condition("number = 200")), 2);
        assert_eq!(write(&engine, Write::Update(update)).replaced, 1);
        let text = condition("number < 0 or number = 290");
        assert_eq!(write(&engine, Write::DeleteWhere(text)).deleted, 11);
        let count = engine.count("", NAME).expect("a count");
        engine.drop_column("", NAME, "number", None).expect("dropped");
        let engine = reopen(engine, &disk, true);
        assert_eq!(engine.count("", NAME).expect("a count"), count, "{is_sealed_before}");
        let two = condition("word = \"2\"");
        let two = engine.count_where("", NAME, &two, &Cancel::never()).expect("a count");
        assert_eq!(two, 1, "{is_sealed_before}");
        engine.close();
    }
}

#[test]
fn a_power_failure_at_every_disk_call_leaves_all_or_nothing_of_an_update() {
    let script = |engine: &Engine| -> Result<()> {
        engine.create_collection("", spec(Metric::L2), None)?;
        insert(engine, &range(0..40), 0)?;
        engine.flush("", NAME, false, &Cancel::never())?;
        insert(engine, &range(40..80), 0)?;
        let update = NUMBER.update(Selection::Where(condition("id % 4 = 1")), -1);
        engine.write_blocking("", NAME, Write::Update(update), None)?;
        engine.flush("", NAME, false, &Cancel::never())?;
        Ok(())
    };
    fail_power(open, script, |engine, is_acknowledged| {
        let counted = |text| {
            engine.count_where("", NAME, &condition(text), &Cancel::never()).unwrap_or_default()
        };
        match (counted("id >= 0"), counted("number = -1")) {
            (80, 20) => Ok(true),
            (0 | 40 | 80, 0) if !is_acknowledged => Ok(false),
            (all, updated) => Err(format!("{updated} of {all} rows are updated")),
        }
    });
}

#[test]
fn wrong_updates_are_refused_and_change_nothing() {
    let (_, engine) = engine();
    insert(&engine, &range(0..10), 0).expect("an insert");
    let ids = |ids: &[i64]| Selection::Ids(Ids::Int(ids.to_vec()));
    let refused = |update: Update, expected: &str| {
        let error = engine.write_blocking("", NAME, Write::Update(update), None);
        let error = error.expect_err("a wrong update");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(expected), "{error} does not say {expected:?}");
    };
    let nothing = Sets { vector: false, word: None, number: false };
    refused(nothing.update(ids(&[1]), 1), "sets one column at least");
    refused(NUMBER.update(ids(&[1, 1]), 1), "each id may come once");
    refused(NUMBER.update(ids(&[]), 1), "takes 1 to 65536 ids");
    refused(NUMBER.update(Selection::Where(condition("nubmer = 1")), 1), "nubmer");
    let short = Update { rows: ids(&[1, 2]), ..NUMBER.update(ids(&[1]), 1) };
    refused(short, "column `number` has 1 values for 2 rows");
    let null: ArrayRef = Arc::new(Int64Array::from(vec![None::<i64>]));
    let null = Update { rows: ids(&[1]), vectors: Vec::new(), scalars: vec![(ColumnId(3), null)] };
    refused(null, "`number` takes no nulls");
    let flat = VectorInput::Floats(vec![1.0; 3]);
    let flat = Update { rows: ids(&[1]), vectors: vec![(ColumnId(1), flat)], scalars: Vec::new() };
    refused(flat, "vectors of 3 dimensions");
    assert_eq!(crate::fixture::contents(&engine).len(), 10, "all as they were");
    engine.close();
}

#[test]
fn an_update_by_a_filter_that_too_many_rows_pass_is_refused_whole() {
    let (_, engine) = engine();
    for first in [0, 33_000] {
        insert(&engine, &range(first..first + 33_000), 0).expect("an insert");
    }
    let update = |text| NUMBER.update(Selection::Where(condition(text)), -1);
    let error = engine.write_blocking("", NAME, Write::Update(update("id >= 0")), None);
    let error = error.expect_err("too many rows");
    assert_eq!(error.kind(), ErrorKind::Exhausted);
    assert!(error.to_string().contains("66000 rows pass the filter of an update"), "{error}");
    assert_eq!(write(&engine, Write::Update(update("number = -1"))).replaced, 0);
    assert_eq!(write(&engine, Write::Update(update("id < 65536"))).replaced, 65_536);
    engine.close();
}

#[test]
fn an_update_that_would_write_too_many_bytes_is_refused_whole() {
    const ROWS: usize = 3_200;
    let (_, engine) = engine();
    let long: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(limits::STRING_BYTES_MAX)]));
    insert(&engine, &range(0..ROWS as i64), 0).expect("an insert");
    let refused = |update: Update, expected: &str| {
        let error = engine.write_blocking("", NAME, Write::Update(update), None);
        let error = error.expect_err("too many bytes");
        assert_eq!(error.kind(), ErrorKind::Exhausted, "{error}");
        assert!(error.to_string().contains(expected), "{error} does not say {expected:?}");
    };
    let all = || Selection::Where(condition("id >= 0"));
    let words = |rows| Update { rows, vectors: vec![], scalars: vec![(ColumnId(2), long.clone())] };
    // 192 MiB of a text, the offset of each and a vector of sixteen bytes.
    refused(words(all()), "3200 rows pass the filter of an update, which may be of 3071 here");
    for part in ["id < 1600", "id >= 1600"] {
        let outcome = write(&engine, Write::Update(words(Selection::Where(condition(part)))));
        assert_eq!(outcome.replaced, 1_600);
    }
    refused(NUMBER.update(all(), -1), "3200 rows of an update have 209728000 bytes in columns");
    let ids = Selection::Ids(Ids::Int(range(0..ROWS as i64)));
    refused(NUMBER.update(ids, -1), "the limit is 201326592; nothing was changed");
    assert_eq!(write(&engine, Write::Update(NUMBER.update(all_below(3_000), -1))).replaced, 3_000);
    engine.close();
}

fn all_below(id: i64) -> Selection {
    Selection::Where(condition(&format!("id < {id}")))
}
