//! A small collection and the calls that every test makes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use vicinal_engine::{Compaction, Engine, EngineOptions, Search, Write, WriteOutcome};
use vicinal_planner::MachineProfile;
use vicinal_storage::{Disk, SimDisk};
use vicinal_types::{
    Cancel, Clock, CollectionSpec, Column, ColumnId, ColumnIndex, ColumnType, ElementType, IdType,
    Ids, IndexKind, IndexSpec, Metric, Result, RowBatch, ScalarType, Schema, SystemClock,
    VectorInput, VectorType,
};

pub(crate) const DIM: usize = 4;
pub(crate) const NAME: &str = "points";

pub(crate) fn options(disk: Arc<dyn Disk>) -> EngineOptions {
    EngineOptions {
        search_threads: 1,
        build_threads: 1,
        flush_workers: 1,
        // Tests count segments; those of compaction ask for it.
        compaction: Compaction::OnRequest,
        pin_threads: false,
        disk_reserve_bytes: 0,
        machine: slow_at_comparing(),
        ..EngineOptions::new(disk, PathBuf::from("data"), Arc::new(SystemClock))
    }
}

/// A machine where a scan of a thousand rows takes longer than a walk: tests have few rows
/// of few dimensions, and search indexes all the same.
pub(crate) fn slow_at_comparing() -> MachineProfile {
    let mut machine = MachineProfile::TYPICAL;
    machine.kernels.iter_mut().for_each(|kernel| kernel.time.base_nanos = 25.0);
    machine
}

pub(crate) fn open(disk: &SimDisk) -> Result<Engine> {
    Engine::open(options(Arc::new(disk.clone())))
}

/// An engine on a simulated disk with the collection in it.
pub(crate) fn engine() -> (SimDisk, Engine) {
    let disk = SimDisk::new(1);
    let engine = open(&disk).expect("an empty disk");
    engine.create_collection("", spec(Metric::L2), None).expect("a right declaration");
    (disk, engine)
}

/// Vectors of four floats, a nullable string and an integer.
pub(crate) fn spec(metric: Metric) -> CollectionSpec {
    let kind = VectorType::new(4, ElementType::F32, metric).expect("a right type");
    let scalar = |scalar, nullable| ColumnType::Scalar { scalar, nullable };
    let columns = [
        ("v", ColumnType::Vector(kind)),
        ("word", scalar(ScalarType::String, true)),
        ("number", scalar(ScalarType::Int64, false)),
    ];
    let columns = (1..).zip(columns).map(|(id, (name, kind))| Column {
        id: ColumnId(id),
        name: name.into(),
        kind,
        default: None,
        index: ColumnIndex::Auto,
    });
    let schema = Schema::new(IdType::Int64, columns.collect()).expect("a right schema");
    let mut spec = CollectionSpec::new(NAME, schema);
    spec.indexes.insert("v".into(), IndexSpec { kind: IndexKind::Flat, ..IndexSpec::default() });
    spec
}

/// The vector and the other columns of an id in its n-th form.
pub(crate) fn vector(id: i64, form: i64) -> [f32; DIM] {
    let mix = |salt: i64| {
        // The finaliser of splitmix64: neighbouring inputs give unrelated bits.
        let mut bits =
            (id * 1_000 + form * 10 + salt).cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        f32::from(u16::try_from(bits >> 48).expect("sixteen bits")) / 4_096.0 + 0.5
    };
    [mix(1), mix(2), mix(3), mix(4)]
}

pub(crate) fn rows(ids: &[i64], form: i64) -> RowBatch {
    let floats = ids.iter().flat_map(|id| vector(*id, form)).collect();
    let words: Vec<_> =
        ids.iter().map(|id| (id % 3 != 0).then(|| format!("word {id}.{form}"))).collect();
    let numbers: Vec<_> = ids.iter().map(|id| id * 10 + form).collect();
    RowBatch {
        ids: Ids::Int(ids.to_vec()),
        vectors: vec![(ColumnId(1), VectorInput::Floats(floats))],
        scalars: vec![
            (ColumnId(2), Arc::new(arrow_array::StringArray::from(words))),
            (ColumnId(3), Arc::new(arrow_array::Int64Array::from(numbers))),
        ],
    }
}

pub(crate) fn insert(engine: &Engine, ids: &[i64], form: i64) -> Result<WriteOutcome> {
    engine.write_blocking("", NAME, Write::Insert(rows(ids, form)), None)
}

pub(crate) fn upsert(engine: &Engine, ids: &[i64], form: i64) -> Result<WriteOutcome> {
    engine.write_blocking("", NAME, Write::Upsert(rows(ids, form)), None)
}

pub(crate) fn delete(engine: &Engine, ids: &[i64]) -> Result<WriteOutcome> {
    engine.write_blocking("", NAME, Write::Delete(Ids::Int(ids.to_vec())), None)
}

pub(crate) fn flush(engine: &Engine) -> u64 {
    let timeout = SystemClock.now() + Duration::from_secs(60);
    let cancel = Cancel::new(Arc::new(SystemClock), Some(timeout));
    engine.flush("", NAME, true, &cancel).expect("a flush")
}

/// Every row as (id, form), read by `scroll`, in the order of ids; checks that
/// all columns of a row are of one form.
pub(crate) fn contents(engine: &Engine) -> Vec<(i64, i64)> {
    let mut all = Vec::new();
    let mut cursor = Vec::new();
    loop {
        let columns = ["**".to_owned()];
        let page = engine.scroll("", NAME, &cursor, 7, &columns, &Cancel::never()).expect("a page");
        all.extend(forms(&page.rows));
        match page.next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    all.sort_unstable();
    let count = engine.count("", NAME).expect("a count");
    assert_eq!(all.len() as u64, count, "scroll and count agree");
    all
}

/// The (id, form) of each row.
pub(crate) fn forms(rows: &RowBatch) -> Vec<(i64, i64)> {
    let Ids::Int(ids) = &rows.ids else { panic!("integer ids") };
    let numbers = arrow_array::cast::AsArray::as_primitive::<arrow_array::types::Int64Type>(
        &rows.scalars[1].1,
    );
    let words = arrow_array::cast::AsArray::as_string::<i32>(&rows.scalars[0].1);
    let VectorInput::Packed { bytes, .. } = &rows.vectors[0].1 else { panic!("packed vectors") };
    let vectors: Vec<f32> = bytes.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect();
    let form_of = |(at, &id): (usize, &i64)| {
        let form = numbers.value(at) - id * 10;
        let word = (id % 3 != 0).then(|| format!("word {id}.{form}"));
        let is_null = arrow_array::Array::is_null(words, at);
        assert_eq!(
            (!is_null).then(|| words.value(at).to_owned()),
            word,
            "the word of {id} is of its form"
        );
        assert_eq!(
            vectors[at * DIM..][..DIM],
            vector(id, form),
            "the vector of {id} is of its form"
        );
        (id, form)
    };
    ids.iter().enumerate().map(form_of).collect()
}

/// The ids of the k nearest rows to the vector of an id and form.
pub(crate) fn nearest(engine: &Engine, id: i64, form: i64, k: usize) -> Vec<i64> {
    let search = Search::new(VectorInput::Floats(vector(id, form).to_vec()), k);
    let answer = engine.search_blocking("", NAME, search, Cancel::never()).expect("a search");
    match &answer.results[0].rows.ids {
        Ids::Int(ids) => ids.clone(),
        Ids::Str(_) => panic!("integer ids"),
    }
}

pub(crate) fn range(ids: std::ops::Range<i64>) -> Vec<i64> {
    ids.collect()
}
