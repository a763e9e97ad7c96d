//! Columns of every type, and columns that come and go: against a model.

pub(crate) mod values;

use crate::fixture::{NAME, flush, open, vector};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use values::{array, value, value_at};
use vicinal_engine::{ApplyMode, Engine, Search, Write};
use vicinal_storage::SimDisk;
use vicinal_types::{
    Cancel, CollectionSpec, Column, ColumnId, ColumnType, ElementType, ErrorKind, IdType, Ids,
    Metric, RowBatch, ScalarType, ScalarValue, Schema, VectorInput, VectorType,
};

/// A step of a collection's life.
#[derive(Clone, Debug)]
enum Step {
    /// Ids from the first on; the seed says which values, and what is left out.
    Insert {
        first: i64,
        count: i64,
        seed: usize,
    },
    Upsert {
        first: i64,
        count: i64,
        seed: usize,
    },
    Delete {
        first: i64,
        count: i64,
    },
    Add {
        scalar: ScalarType,
        nullable: bool,
        has_default: bool,
        seed: usize,
    },
    Drop {
        at: usize,
    },
    Flush,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let ids = || (0..40_i64, 1..12_i64, any::<u16>().prop_map(usize::from));
    let scalar = prop::sample::select(ScalarType::ALL.to_vec());
    let insert = ids().prop_map(|(first, count, seed)| Step::Insert { first, count, seed });
    let upsert = ids().prop_map(|(first, count, seed)| Step::Upsert { first, count, seed });
    let add = (scalar, any::<bool>(), any::<bool>(), 0..100_usize).prop_map(
        |(scalar, nullable, has_default, seed)| {
            let has_default = has_default || !nullable;
            Step::Add { scalar, nullable, has_default, seed }
        },
    );
    prop_oneof![
        5 => insert,
        4 => upsert,
        1 => ids().prop_map(|(first, count, _)| Step::Delete { first, count }),
        3 => add,
        2 => (0..20_usize).prop_map(|at| Step::Drop { at }),
        2 => Just(Step::Flush),
        1 => Just(Step::Restart),
    ]
}

/// What the engine shall answer.
struct Model {
    columns: Vec<Column>,
    /// By id: the value of each column, by the column's name.
    rows: BTreeMap<i64, BTreeMap<String, Option<ScalarValue>>>,
    next_name: usize,
}

fn scalar_of(column: &Column) -> (ScalarType, bool) {
    let ColumnType::Scalar { scalar, nullable } = column.kind else { panic!("a scalar column") };
    (scalar, nullable)
}

impl Model {
    /// A collection with a column of every type, nullable or with a default.
    fn new() -> Self {
        let mut columns = Vec::new();
        for (at, (id, scalar)) in (2..).zip(ScalarType::ALL).enumerate() {
            let mut column = Column::scalar(ColumnId(id), format!("c{at}"), scalar, at % 2 == 0);
            if at % 3 == 0 {
                column.default = Some(value(scalar, at));
            }
            columns.push(column);
        }
        Self { next_name: columns.len(), columns, rows: BTreeMap::new() }
    }

    fn spec(&self) -> CollectionSpec {
        let kind = VectorType::new(4, ElementType::F32, Metric::L2).expect("a right type");
        let columns = [Column::vector(ColumnId(1), "v", kind)].into_iter();
        let columns = columns.chain(self.columns.iter().cloned()).collect();
        CollectionSpec::new(NAME, Schema::new(IdType::Int64, columns).expect("a right schema"))
    }

    /// Rows of the ids and what they hold; a column is left out now and then.
    fn batch(
        &self,
        engine: &Engine,
        ids: &[i64],
        seed: usize,
    ) -> (RowBatch, Vec<BTreeMap<String, Option<ScalarValue>>>) {
        let schema = engine.collection("", NAME).expect("it is there").spec.schema.clone();
        let mut expected = vec![BTreeMap::new(); ids.len()];
        let mut scalars = Vec::new();
        for (at, column) in self.columns.iter().enumerate() {
            let (scalar, nullable) = scalar_of(column);
            let has_answer = nullable || column.default.is_some();
            let is_left_out = has_answer && (seed + at).is_multiple_of(4);
            let values: Vec<_> = (0..ids.len())
                .map(|row| {
                    let mix = seed + 7 * at + 3 * row;
                    if is_left_out {
                        return column.default.clone();
                    }
                    (!nullable || !mix.is_multiple_of(3)).then(|| value(scalar, mix))
                })
                .collect();
            for (row, value) in expected.iter_mut().zip(&values) {
                row.insert(column.name.clone(), value.clone());
            }
            if !is_left_out {
                let id = schema.column(&column.name).expect("it was added").id;
                scalars.push((id, array(scalar, &values)));
            }
        }
        let floats = ids.iter().flat_map(|id| vector(*id, 0)).collect();
        let vectors = vec![(ColumnId(1), VectorInput::Floats(floats))];
        (RowBatch { ids: Ids::Int(ids.to_vec()), vectors, scalars }, expected)
    }

    fn run(&mut self, disk: &SimDisk, engine: Engine, step: &Step) -> Engine {
        match step {
            Step::Insert { first, count, seed } => {
                let ids: Vec<_> = (*first..first + count).collect();
                let (batch, rows) = self.batch(&engine, &ids, *seed);
                engine.write_blocking("", NAME, Write::Insert(batch), None).expect("inserted");
                for (id, row) in ids.into_iter().zip(rows) {
                    self.rows.entry(id).or_insert(row);
                }
            }
            Step::Upsert { first, count, seed } => {
                let ids: Vec<_> = (*first..first + count).collect();
                let (batch, rows) = self.batch(&engine, &ids, *seed);
                engine.write_blocking("", NAME, Write::Upsert(batch), None).expect("upserted");
                self.rows.extend(ids.into_iter().zip(rows));
            }
            Step::Delete { first, count } => {
                let ids: Vec<_> = (*first..first + count).collect();
                self.rows.retain(|id, _| !ids.contains(id));
                engine.write_blocking("", NAME, Write::Delete(Ids::Int(ids)), None).expect("gone");
            }
            Step::Add { scalar, nullable, has_default, seed } => {
                let name = format!("c{}", self.next_name);
                self.next_name += 1;
                let mut column = Column::scalar(ColumnId::default(), &name, *scalar, *nullable);
                column.default = has_default.then(|| value(*scalar, *seed));
                engine.add_column("", NAME, column.clone(), None).expect("added");
                for row in self.rows.values_mut() {
                    row.insert(name.clone(), column.default.clone());
                }
                self.columns.push(column);
            }
            Step::Drop { at } => {
                if let Some(at) = at.checked_rem(self.columns.len()) {
                    let column = self.columns.remove(at);
                    engine.drop_column("", NAME, &column.name, None).expect("dropped");
                    for row in self.rows.values_mut() {
                        row.remove(&column.name);
                    }
                }
            }
            Step::Flush => drop(flush(&engine)),
            Step::Restart => {
                engine.close();
                drop(engine);
                return open(disk).expect("what was closed opens");
            }
        }
        engine
    }

    /// Reads every row by id, in one call, and compares all columns.
    fn check(&self, engine: &Engine) {
        let ids: Vec<_> = (0..60).collect();
        let all = ["*".to_owned()];
        let rows = engine.get("", NAME, &Ids::Int(ids), &all, &Cancel::never()).expect("rows");
        let Ids::Int(found) = &rows.ids else { panic!("integer ids") };
        assert_eq!(found, &self.rows.keys().copied().collect::<Vec<_>>());
        let schema = &engine.collection("", NAME).expect("it is there").spec.schema;
        assert_eq!(rows.scalars.len(), self.columns.len());
        for column in &self.columns {
            let id = schema.column(&column.name).expect("it is there").id;
            let (_, array) = rows.scalars.iter().find(|(found, _)| *found == id).expect("read");
            let (scalar, _) = scalar_of(column);
            assert_eq!(array.data_type(), &scalar.arrow());
            for (row, (id, expected)) in self.rows.iter().enumerate() {
                let name = &column.name;
                let found = value_at(scalar, array, row);
                assert_eq!(&found, &expected[name], "column {name} ({scalar}) of row {id}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_collection_answers_like_its_model(steps in prop::collection::vec(step(), 1..40)) {
        let disk = SimDisk::new(1);
        let mut model = Model::new();
        let mut engine = open(&disk).expect("an empty disk");
        engine.create_collection("", model.spec(), None).expect("a right declaration");
        for step in steps.iter().chain(&[Step::Flush, Step::Restart]) {
            engine = model.run(&disk, engine, step);
            model.check(&engine);
        }
        engine.close();
    }
}

#[test]
fn every_type_is_the_same_growing_sealed_and_after_a_restart() {
    let disk = SimDisk::new(1);
    let mut model = Model::new();
    let mut engine = open(&disk).expect("an empty disk");
    engine.create_collection("", model.spec(), None).expect("a right declaration");
    for seed in 0..10 {
        let first = i64::try_from(seed).expect("few") * 6;
        let step = Step::Insert { first, count: 6, seed: seed * 5 };
        engine = model.run(&disk, engine, &step);
    }
    model.check(&engine);
    for step in [Step::Restart, Step::Flush, Step::Restart] {
        engine = model.run(&disk, engine, &step);
        model.check(&engine);
    }
    engine.close();
}

fn collection() -> (SimDisk, Engine) {
    let disk = SimDisk::new(1);
    let engine = open(&disk).expect("an empty disk");
    let kind = VectorType::new(4, ElementType::F32, Metric::L2).expect("a right type");
    let columns = vec![
        Column::vector(ColumnId(1), "v", kind),
        Column::vector(ColumnId(2), "w", kind),
        Column::scalar(ColumnId(3), "n", ScalarType::Int64, false),
    ];
    let schema = Schema::new(IdType::Int64, columns).expect("a right schema");
    engine.create_collection("", CollectionSpec::new(NAME, schema), None).expect("right");
    (disk, engine)
}

fn small(name: &str) -> Column {
    let default = Some(ScalarValue::Int(5));
    Column { default, ..Column::scalar(ColumnId::default(), name, ScalarType::Int16, false) }
}

/// Rows with the vector columns that are asked for, and `n`.
fn rows(ids: &[i64], vectors: &[u32]) -> RowBatch {
    let floats: Vec<f32> = ids.iter().flat_map(|id| vector(*id, 0)).collect();
    let vector = |id: &u32| (ColumnId(*id), VectorInput::Floats(floats.clone()));
    let numbers: Vec<_> = ids.iter().map(|id| Some(ScalarValue::Int(*id))).collect();
    RowBatch {
        ids: Ids::Int(ids.to_vec()),
        vectors: vectors.iter().map(vector).collect(),
        scalars: vec![(ColumnId(3), array(ScalarType::Int64, &numbers))],
    }
}

fn insert(engine: &Engine, ids: &[i64], vectors: &[u32]) -> vicinal_types::Result<()> {
    engine.write_blocking("", NAME, Write::Insert(rows(ids, vectors)), None).map(drop)
}

#[test]
fn wrong_changes_of_columns_are_refused_with_the_reason() {
    let (_, engine) = collection();
    let refused = |outcome: vicinal_types::Result<()>, kind, expected: &str| {
        let error = outcome.expect_err(expected);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    };
    let add = |column| engine.add_column("", NAME, column, None).map(drop);
    let drop_column = |name| engine.drop_column("", NAME, name, None);
    refused(add(small("n")), ErrorKind::AlreadyExists, "a column `n` already");
    let bare = Column { default: None, ..small("m") };
    refused(add(bare), ErrorKind::Invalid, "make it nullable or give it a default");
    let far = Column { default: Some(ScalarValue::Int(40_000)), ..small("m") };
    refused(add(far), ErrorKind::Invalid, "40000 is not between -32768 and 32767");
    let kind = VectorType::new(4, ElementType::F32, Metric::L2).expect("a right type");
    let vector = Column::vector(ColumnId::default(), "x", kind);
    refused(add(vector), ErrorKind::Invalid, "vector column `x` cannot be added");
    refused(drop_column("m"), ErrorKind::NotFound, "there is no column `m`; there are `v`");
    drop_column("w").expect("one of two vector columns");
    refused(drop_column("v"), ErrorKind::Invalid, "the last vector column");
    let nowhere = engine.drop_column("", "nowhere", "n", None);
    refused(nowhere, ErrorKind::NotFound, "no collection or alias `nowhere`");
    engine.close();
}

#[test]
fn a_dropped_vector_column_is_gone_from_writes_searches_and_files() {
    let (disk, engine) = collection();
    insert(&engine, &[1, 2], &[1, 2]).expect("both vectors");
    flush(&engine);
    insert(&engine, &[3, 4], &[1, 2]).expect("both vectors");
    engine.drop_column("", NAME, "w", None).expect("one of two");
    insert(&engine, &[5, 6], &[1]).expect("one vector");
    let error = insert(&engine, &[7], &[1, 2]).expect_err("it is gone");
    assert!(error.to_string().contains("column number 2"), "{error}");
    let check = |engine: &Engine| {
        let search = Search::new(VectorInput::Floats(vector(4, 0).to_vec()), 6);
        let found = engine.search_blocking("", NAME, search, Cancel::never()).expect("one is left");
        assert_eq!(found.results[0].rows.ids.len(), 6);
        let all = ["**".to_owned()];
        let ids = Ids::Int(vec![1, 3, 5]);
        let rows = engine.get("", NAME, &ids, &all, &Cancel::never()).expect("rows");
        assert_eq!((rows.vectors.len(), rows.scalars.len()), (1, 1));
    };
    check(&engine);
    flush(&engine);
    check(&engine);
    engine.close();
    drop(engine);
    let engine = open(&disk).expect("what was closed opens");
    check(&engine);
    engine.close();
}

#[test]
fn a_declaration_adds_columns_and_drops_them_only_if_allowed() {
    let (_, engine) = collection();
    insert(&engine, &[1], &[1, 2]).expect("a row");
    let is = engine.collection("", NAME).expect("there").spec.clone();
    let mut columns: Vec<_> = is.schema.columns().to_vec();
    columns.retain(|column| column.name != "w");
    columns.push(Column { id: ColumnId(9), ..small("m") });
    let schema = Schema::new(IdType::Int64, columns).expect("a right schema");
    let declared = CollectionSpec { schema, ..is };
    let apply = |mode| engine.apply_collection("", declared.clone(), mode, None);
    let error = apply(ApplyMode::default()).expect_err("`w` is missing");
    assert!(error.to_string().contains("column `w` of collection `points` is missing"), "{error}");
    let fields = |changes: &[vicinal_engine::Change]| -> Vec<_> {
        let field = |change: &vicinal_engine::Change| {
            format!("{}: {} → {}", change.field, change.from, change.to)
        };
        changes.iter().map(field).collect()
    };
    let expected =
        ["vectors.w: f32 × 4, l2 → none", "columns.m: none → int16, default 5"].map(String::from);
    let dry = apply(ApplyMode { dry_run: true, drop_columns: false }).expect("only a look");
    assert_eq!(fields(&dry.changes), expected);
    assert!(engine.collection("", NAME).expect("there").spec.schema.column("w").is_some());
    let done = apply(ApplyMode { dry_run: false, drop_columns: true }).expect("allowed");
    assert_eq!(fields(&done.changes), expected);
    let schema = &engine.collection("", NAME).expect("there").spec.schema;
    assert!(schema.column("w").is_none());
    assert_eq!(schema.column("m").expect("added").id, ColumnId(4), "the catalogue numbers it");
    assert!(apply(ApplyMode::default()).expect("as declared").changes.is_empty());
    engine.close();
}

/// Writers know what columns there were when they asked; whatever they meet when
/// their rows are applied, all rows are there, each value is one that was written
/// or the default, and the engine lives.
#[test]
fn columns_come_and_go_among_writes_and_searches() {
    let (disk, engine) = collection();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3_i64)
            .map(|writer| {
                let (engine, is_done) = (&engine, &is_done);
                scope.spawn(move || {
                    let mut next = writer * 1_000_000;
                    while !is_done.load(Ordering::Relaxed) {
                        match insert(engine, &[next, next + 1], &[1, 2]) {
                            Ok(()) => next += 2,
                            Err(error) => panic!("no write of these columns is wrong: {error}"),
                        }
                        let search = Search {
                            vector_column: "w".into(),
                            columns: vec!["**".into()],
                            ..Search::new(VectorInput::Floats(vector(next, 0).to_vec()), 3)
                        };
                        engine.search_blocking("", NAME, search, Cancel::never()).expect("hits");
                    }
                    next - writer * 1_000_000
                })
            })
            .collect();
        for round in 0..20 {
            let name = format!("m{round}");
            engine.add_column("", NAME, small(&name), None).expect("added");
            if round % 4 == 3 {
                flush(&engine);
            }
            engine.drop_column("", NAME, &name, None).expect("dropped");
        }
        engine.add_column("", NAME, small("last"), None).expect("added");
        is_done.store(true, Ordering::Relaxed);
        let written: i64 = writers.into_iter().map(|writer| writer.join().expect("alive")).sum();
        assert!(written > 0);
        assert_eq!(engine.count("", NAME).expect("a count"), written.unsigned_abs());
    });
    let check = |engine: &Engine| {
        let all = ["*".to_owned()];
        let page = engine.scroll("", NAME, &[], 1_000, &all, &Cancel::never()).expect("a page");
        assert_eq!(page.rows.scalars.len(), 2);
        for row in 0..page.rows.ids.len() {
            let last = value_at(ScalarType::Int16, &page.rows.scalars[1].1, row);
            assert_eq!(last, Some(ScalarValue::Int(5)));
        }
    };
    check(&engine);
    engine.close();
    drop(engine);
    let engine = open(&disk).expect("what was closed opens");
    check(&engine);
    flush(&engine);
    check(&engine);
    engine.close();
}
