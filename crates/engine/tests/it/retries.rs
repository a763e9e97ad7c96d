//! Request ids: a repeated write is done once and answered as the first time.

use crate::fixture::{NAME, contents, delete, engine, flush, insert, open, range, rows};
use vicinal_engine::Write;
use vicinal_types::{Ids, RequestId};

#[test]
fn a_retry_gets_the_first_outcome_also_after_restarts() {
    let (disk, engine) = engine();
    let request = Some(RequestId([7; 16]));
    let write = || Write::Insert(rows(&[1, 2, 3], 0));
    insert(&engine, &[2], 5).expect("an insert");
    let first = engine.write_blocking("", NAME, write(), request).expect("an insert");
    assert_eq!((first.inserted, first.left_out.as_slice()), (2, &[1][..]));
    delete(&engine, &[1]).expect("a delete");
    assert_eq!(engine.write_blocking("", NAME, write(), request).expect("a retry"), first);
    engine.close();
    drop(engine);

    let engine = open(&disk).expect("a restart");
    assert_eq!(engine.write_blocking("", NAME, write(), request).expect("a retry"), first);
    flush(&engine);
    engine.close();
    drop(engine);

    let engine = open(&disk).expect("a restart from files");
    assert_eq!(engine.write_blocking("", NAME, write(), request).expect("a retry"), first);
    assert_eq!(contents(&engine), [(2, 5), (3, 0)], "the deleted row did not come back");
    engine.close();
}

#[test]
fn outcomes_say_what_happened_to_each_row() {
    let (_, engine) = engine();
    insert(&engine, &range(0..5), 0).expect("an insert");
    let outcome = insert(&engine, &range(3..8), 1).expect("an insert");
    assert_eq!((outcome.inserted, outcome.left_out), (3, vec![0, 1]));
    let outcome = crate::fixture::upsert(&engine, &range(6..10), 2).expect("an upsert");
    assert_eq!((outcome.inserted, outcome.replaced), (2, 2));
    let ids = Write::Delete(Ids::Int(vec![0, 99]));
    let outcome = engine.write_blocking("", NAME, ids, None).expect("a delete");
    assert_eq!(outcome.deleted, 1);
    assert_eq!(outcome.positions.len(), 1);
    engine.close();
}
