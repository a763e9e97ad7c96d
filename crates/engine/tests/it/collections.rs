//! Declaring, aliasing and dropping collections.

use crate::fixture::{NAME, contents, engine, flush, insert, open, range, spec};
use std::path::Path;
use vicinal_engine::ApplyMode;
use vicinal_storage::Disk;
use vicinal_types::{CollectionSpec, ErrorKind, Metric, RequestId};

fn named(name: &str) -> CollectionSpec {
    CollectionSpec { name: name.into(), ..spec(Metric::L2) }
}

#[test]
fn collections_and_aliases_survive_a_restart() {
    let (disk, engine) = engine();
    let id = engine.create_collection("other", named("b"), None).expect("a new database");
    assert_eq!(engine.set_alias("", "p", NAME, None).expect("an alias"), None);
    engine.create_collection("", named("c"), None).expect("another");
    assert_eq!(engine.set_alias("", "p", "c", None).expect("moved"), Some(NAME.into()));
    let error = engine.create_collection("", named("p"), None).expect_err("the name is an alias");
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    engine.close();
    drop(engine);
    let engine = open(&disk).expect("a restart");
    assert_eq!(engine.collection("", "p").expect("the alias").spec.name, "c");
    assert_eq!(engine.collection("other", "b").expect("there").id, id);
    assert_eq!(engine.list_aliases("").expect("a list"), [("p".to_owned(), "c".to_owned())]);
    let names: Vec<_> =
        engine.list_collections("").expect("a list").into_iter().map(|c| c.name).collect();
    assert_eq!(names, ["c", NAME]);
    engine.drop_alias("", "p", None).expect("there");
    let error = engine.drop_alias("", "p", None).expect_err("gone");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    engine.close();
}

#[test]
fn a_dropped_collection_is_gone_with_its_files_and_its_name_is_free() {
    let (disk, engine) = engine();
    insert(&engine, &range(0..10), 0).expect("an insert");
    flush(&engine);
    insert(&engine, &range(10..20), 0).expect("an insert");
    engine.drop_collection("", NAME, None).expect("there");
    assert_eq!(engine.count("", NAME).expect_err("gone").kind(), ErrorKind::NotFound);
    assert!(!disk.exists(Path::new("data/groups/1")).expect("a disk that works"));
    engine.create_collection("", spec(Metric::L2), None).expect("the name is free");
    assert_eq!(contents(&engine), []);
    insert(&engine, &[5], 3).expect("an insert");
    engine.close();
    drop(engine);
    let engine = open(&disk).expect("a restart");
    assert_eq!(contents(&engine), [(5, 3)]);
    engine.close();
}

#[test]
fn a_repeated_request_creates_once() {
    let (_, engine) = engine();
    let request = Some(RequestId([1; 16]));
    let first = engine.create_collection("", named("b"), request).expect("new");
    assert_eq!(engine.create_collection("", named("b"), request).expect("a retry"), first);
    let error = engine.drop_collection("", "b", request).expect_err("the id was used");
    assert!(error.to_string().contains("use a new id for each"), "{error}");
    engine.close();
}

#[test]
fn a_declaration_that_changes_columns_is_refused() {
    let (_, engine) = engine();
    let mut other = spec(Metric::Cosine);
    let error = engine
        .apply_collection("", other.clone(), ApplyMode::default(), None)
        .expect_err("another metric");
    assert!(error.to_string().contains("the type of column `v`"), "{error}");
    other = spec(Metric::L2);
    assert!(
        engine
            .apply_collection("", other.clone(), ApplyMode::default(), None)
            .expect("the same")
            .changes
            .is_empty()
    );
    other.segments.max_rows = 77;
    let applied =
        engine.apply_collection("", other, ApplyMode::default(), None).expect("may change");
    let change = &applied.changes[0];
    assert_eq!((change.field.as_str(), change.to.as_str()), ("segments.max_rows", "77"));
    assert_eq!(engine.collection("", NAME).expect("there").spec.segments.max_rows, 77);
    engine.close();
}
