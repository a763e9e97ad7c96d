//! Indexes of scalar columns: built behind a flush, there after a restart, changed by a
//! declaration, gone with their column.

use crate::fixture::{NAME, contents, delete, engine, flush, insert, open, range, spec, upsert};
use std::path::{Path, PathBuf};
use vicinal_engine::{ApplyMode, Engine, RowFilter};
use vicinal_filter::{Expression, Parameters};
use vicinal_storage::{Disk, SimDisk};
use vicinal_types::{
    Cancel, CollectionSpec, Column, ColumnId, ColumnIndex, Metric, ScalarType, ScalarValue, Schema,
};

/// Enough rows for an index that nobody names.
const ROWS: i64 = 5_000;

/// Column and index of every sealed segment's scalar columns.
fn indexes(engine: &Engine) -> Vec<(String, String)> {
    let segments = engine.describe("", NAME).expect("it is there").segments;
    let indexes = segments.into_iter().flat_map(|segment| segment.indexes);
    let scalars = indexes.filter(|index| index.column != "v");
    scalars.map(|index| (index.column, index.index)).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(column, index)| ((*column).to_owned(), (*index).to_owned())).collect()
}

/// Waits until every segment has what it should have.
fn settle(engine: &Engine) {
    flush(engine);
    assert!(engine.describe("", NAME).expect("it is there").fully_indexed);
}

/// The declaration with that index of a column.
fn with_index(column: &str, index: ColumnIndex) -> CollectionSpec {
    let spec = spec(Metric::L2);
    let columns = spec.schema.columns().iter().map(|own| {
        let index = if own.name == column { index } else { own.index };
        Column { index, ..own.clone() }
    });
    let schema = Schema::new(spec.schema.id_type(), columns.collect()).expect("a right schema");
    CollectionSpec { schema, ..spec }
}

/// The files of scalar indexes.
fn files(disk: &SimDisk) -> Vec<PathBuf> {
    let dir = Path::new("data/groups/1");
    let names = disk.list(dir).expect("a shard's directory");
    names.iter().filter(|name| name.ends_with(".scalars")).map(|name| dir.join(name)).collect()
}

#[test]
fn indexes_are_built_behind_a_flush_and_opened_after_a_restart() {
    let (disk, engine) = engine();
    insert(&engine, &range(0..ROWS), 1).expect("an insert");
    settle(&engine);
    let built = pairs(&[("word", "sorted"), ("number", "sorted")]);
    assert_eq!(indexes(&engine), built);
    let written = files(&disk);
    assert_eq!(written.len(), 1);
    engine.close();
    drop(engine);
    let engine = open(&disk).expect("a restart");
    assert_eq!(indexes(&engine), built, "without building anything");
    settle(&engine);
    assert_eq!(files(&disk), written, "the same file");
    engine.close();
}

#[test]
fn small_segments_get_none_unless_one_is_named() {
    let (disk, engine) = engine();
    insert(&engine, &range(0..100), 1).expect("an insert");
    settle(&engine);
    assert_eq!((indexes(&engine), files(&disk)), (vec![], vec![]));
    let applied = engine
        .apply_collection("", with_index("word", ColumnIndex::Trigram), ApplyMode::default(), None)
        .expect("an index may change");
    let change = &applied.changes[0];
    assert_eq!(applied.changes.len(), 1);
    assert_eq!(
        (change.field.as_str(), change.from.as_str(), change.to.as_str()),
        ("columns.word.index", "auto", "trigram")
    );
    assert_eq!(applied.segments_to_reindex, 1);
    settle(&engine);
    assert_eq!(indexes(&engine), pairs(&[("word", "trigram")]));
    engine.close();
}

#[test]
fn a_declaration_changes_the_index_of_what_is_there() {
    let (disk, engine) = engine();
    insert(&engine, &range(0..ROWS), 1).expect("an insert");
    settle(&engine);
    let first = files(&disk);
    let apply = |index| {
        let spec = with_index("number", index);
        engine.apply_collection("", spec, ApplyMode::default(), None).expect("it may change");
        settle(&engine);
        indexes(&engine)
    };
    assert_eq!(apply(ColumnIndex::Bitmap), pairs(&[("word", "sorted"), ("number", "bitmap")]));
    assert_ne!(files(&disk), first, "another file, and the first is gone");
    assert_eq!(files(&disk).len(), 1);
    assert_eq!(apply(ColumnIndex::None), pairs(&[("word", "sorted")]));
    assert_eq!(apply(ColumnIndex::Auto), pairs(&[("word", "sorted"), ("number", "sorted")]));
    let wrong = with_index("number", ColumnIndex::Sorted);
    let columns = wrong.schema.columns().iter().map(|column| Column {
        index: if column.name == "number" { ColumnIndex::Trigram } else { column.index },
        ..column.clone()
    });
    let refused = Schema::new(wrong.schema.id_type(), columns.collect()).expect_err("no strings");
    assert!(refused.to_string().contains("cannot have index trigram"), "{refused}");
    engine.close();
}

#[test]
fn a_dropped_column_takes_its_index_along_and_a_new_one_has_none_of_old_rows() {
    let (disk, engine) = engine();
    insert(&engine, &range(0..ROWS), 1).expect("an insert");
    settle(&engine);
    engine.drop_column("", NAME, "number", None).expect("it is there");
    let column = Column {
        default: Some(ScalarValue::Int(3)),
        ..Column::scalar(ColumnId(0), "late", ScalarType::Int64, false)
    };
    engine.add_column("", NAME, column, None).expect("it has a default");
    settle(&engine);
    assert_eq!(indexes(&engine), pairs(&[("word", "sorted")]));
    assert_eq!(files(&disk).len(), 1);
    engine.close();
    drop(engine);
    let engine = open(&disk).expect("a restart");
    assert_eq!(indexes(&engine), pairs(&[("word", "sorted")]));
    engine.close();
}

#[test]
fn a_damaged_file_is_rebuilt_and_rows_are_served_meanwhile() {
    let (disk, engine) = engine();
    insert(&engine, &range(0..ROWS), 1).expect("an insert");
    settle(&engine);
    let expected = (indexes(&engine), contents(&engine));
    engine.close();
    drop(engine);
    let damaged = files(&disk);
    disk.flip(&damaged[0], 4_096, 1).expect("a byte of the table");
    let engine = open(&disk).expect("a restart");
    assert_eq!(contents(&engine), expected.1);
    settle(&engine);
    assert_eq!((indexes(&engine), contents(&engine)), expected);
    assert!(files(&disk).iter().any(|file| !damaged.contains(file)), "another file");
    engine.close();
    drop(engine);
    let engine = open(&disk).expect("a restart");
    assert_eq!(files(&disk).len(), 1, "the damaged one is gone");
    assert_eq!(indexes(&engine), expected.0);
    engine.close();
}

/// Checks counts under filters of the words and numbers against the rows themselves.
fn check_counts(engine: &Engine, at: &str) {
    let rows = contents(engine);
    let word = |id: i64, form: i64| (id % 3 != 0).then(|| format!("word {id}.{form}"));
    let check = |text: &str, passes: &dyn Fn(Option<&str>, i64) -> bool| {
        let parameters = Parameters::new();
        let filter =
            RowFilter { expression: Expression::parse(text).expect("a filter"), parameters };
        let found = engine.count_where("", NAME, &filter, &Cancel::never()).expect("a count");
        let passing = rows
            .iter()
            .filter(|(id, form)| passes(word(*id, *form).as_deref(), id * 10 + form))
            .count();
        assert_eq!(found, passing as u64, "{text}, {at}");
    };
    check("number < 12000", &|_, number| number < 12_000);
    check("number between 30001 and 40002", &|_, number| (30_001..=40_002).contains(&number));
    check("number in [11, 12, 4002, 49991]", &|_, n| [11, 12, 4_002, 49_991].contains(&n));
    check("not (number > 100)", &|_, number| number <= 100);
    check("word = 'word 77.1'", &|word, _| word == Some("word 77.1"));
    check("word != 'word 77.1'", &|word, _| word.is_some_and(|word| word != "word 77.1"));
    check("word is null", &|word, _| word.is_none());
    check("word like 'word 4%'", &|word, _| word.is_some_and(|word| word.starts_with("word 4")));
    check("word like '%99.1%'", &|word, _| word.is_some_and(|word| word.contains("99.1")));
    check("word not like '%99.2'", &|word, _| word.is_some_and(|word| !word.ends_with("99.2")));
    check("number > 45000 and word like 'word 4_9%'", &|word, number| {
        let tenth =
            |word: &str| word.starts_with("word 4") && word.as_bytes().get(7) == Some(&b'9');
        number > 45_000 && word.is_some_and(tenth)
    });
}

#[test]
fn filters_find_the_same_rows_with_every_index() {
    let (disk, engine) = engine();
    insert(&engine, &range(0..ROWS), 1).expect("an insert");
    settle(&engine);
    upsert(&engine, &range(100..200), 2).expect("an upsert");
    delete(&engine, &range(1_000..1_100)).expect("a delete");
    insert(&engine, &range(ROWS..ROWS + 100), 2).expect("an insert into a growing segment");
    check_counts(&engine, "by themselves");
    for (column, index) in [
        ("word", ColumnIndex::Trigram),
        ("word", ColumnIndex::Bitmap),
        ("number", ColumnIndex::Bitmap),
        ("number", ColumnIndex::None),
    ] {
        let spec = with_index(column, index);
        engine.apply_collection("", spec, ApplyMode::default(), None).expect("it may change");
        settle(&engine);
        check_counts(&engine, &format!("{index} of {column}"));
    }
    engine.close();
    drop(engine);
    let engine = open(&disk).expect("a restart");
    check_counts(&engine, "after a restart");
    engine.close();
}
