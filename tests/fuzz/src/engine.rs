//! A node's whole data directory: catalogue, manifests, rows, columns, tombstones,
//! requests, indexes and the commands in the log.

use crate::edits::{Edit, edits};
use crate::files::{Files, disk_of, read_all, right_checksums};
use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int16Array, Int64Array, StringArray};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use vicinal_engine::{Engine, EngineOptions, Search, Write};
use vicinal_storage::{Disk, SectionFile, SectionWriter, SimDisk};
use vicinal_types::{
    ArrayItem, Cancel, Clock, CollectionSpec, Column, ColumnId, ColumnIndex, ColumnType,
    ElementType, IdType, Ids, IndexKind, IndexSpec, Metric, RequestId, RowBatch, ScalarType,
    Schema, SystemClock, VectorInput, VectorType,
};

const DIR: &str = "data";
const NAME: &str = "points";

/// A file of the directory, in the pieces that edits are about.
#[derive(Clone)]
enum Stored {
    /// Its sections, by kind and version, of the file with that number.
    Sections(u64, Vec<(u32, u16, Vec<u8>)>),
    Whole(Vec<u8>),
}

static DIRECTORY: LazyLock<Vec<(PathBuf, Stored)>> = LazyLock::new(|| {
    let disk = SimDisk::new(1);
    let engine = open(&disk).expect("an empty disk");
    fill(&engine);
    engine.close();
    drop(engine);
    let files = read_all(&disk, Path::new(DIR));
    files.into_iter().map(|(path, bytes)| in_pieces(&disk, path, bytes)).collect()
});

fn open(disk: &SimDisk) -> vicinal_types::Result<Engine> {
    let options = EngineOptions {
        search_threads: 1,
        build_threads: 1,
        flush_workers: 1,
        pin_threads: false,
        disk_reserve_bytes: 0,
        hot_index_bytes: 0,
        ..EngineOptions::new(Arc::new(disk.clone()), DIR.into(), Arc::new(SystemClock))
    };
    Engine::open(options)
}

fn soon() -> Cancel {
    let deadline = SystemClock.now() + Duration::from_secs(5);
    Cancel::new(Arc::new(SystemClock), Some(deadline))
}

/// A collection with every type of column and of their indexes, an indexed segment with deletions, one
/// without, and writes that are in the log only.
fn fill(engine: &Engine) {
    let vector = VectorType::new(4, ElementType::F32, Metric::Cosine).expect("a right type");
    let scalar = |scalar, nullable| ColumnType::Scalar { scalar, nullable };
    let columns = [
        ("v", ColumnType::Vector(vector)),
        ("word", scalar(ScalarType::String, true)),
        ("number", scalar(ScalarType::Int64, false)),
        ("is", scalar(ScalarType::Bool, true)),
        ("part", scalar(ScalarType::Float64, true)),
        ("tags", scalar(ScalarType::Array(ArrayItem::String), true)),
        ("small", scalar(ScalarType::Int16, false)),
    ];
    let columns = (1..).zip(columns).map(|(id, (name, kind))| Column {
        id: ColumnId(id),
        name: name.into(),
        kind,
        default: None,
        index: match name {
            "word" => ColumnIndex::Trigram,
            "number" => ColumnIndex::Sorted,
            "part" => ColumnIndex::Bitmap,
            "tags" => ColumnIndex::Inverted,
            _ => ColumnIndex::Auto,
        },
    });
    let schema = Schema::new(IdType::String, columns.collect()).expect("a right schema");
    let mut spec = CollectionSpec::new(NAME, schema);
    spec.indexes.insert("v".into(), IndexSpec { kind: IndexKind::Hnsw, ..IndexSpec::default() });
    engine.create_collection("", spec, None).expect("a right declaration");
    let write = |write, request: u8| {
        engine.write_blocking("", NAME, write, Some(RequestId([request; 16]))).expect("a write");
    };
    write(Write::Insert(rows(0..200)), 1);
    engine.flush("", NAME, true, &Cancel::never()).expect("a flush");
    write(Write::Delete(ids(20..30)), 2);
    write(Write::Insert(rows(190..230)), 3);
    engine.flush("", NAME, false, &Cancel::never()).expect("a flush");
    write(Write::Upsert(rows(40..50)), 4);
    write(Write::Delete(ids(215..220)), 5);
}

fn ids(range: std::ops::Range<i64>) -> Ids {
    Ids::Str(range.map(|id| format!("id {id}")).collect())
}

fn rows(range: std::ops::Range<i64>) -> RowBatch {
    let numbers: Vec<i64> = range.clone().collect();
    let some = |id: &i64| id % 3 != 0;
    let word = |id: &i64| some(id).then(|| format!("word {id}"));
    let part = |id: &i64| some(id).then(|| f64::from(u8::try_from(id % 100).unwrap_or(0)) / 7.0);
    let float = |at: i64| f32::from(u8::try_from(at * at % 251).unwrap_or(0)) + 1.0;
    let floats = numbers.iter().flat_map(|id| (1..5).map(move |at| float(id * 4 + at)));
    let words: ArrayRef = Arc::new(numbers.iter().map(word).collect::<StringArray>());
    let are = numbers.iter().map(|id| some(id).then_some(id % 2 == 0));
    let are: ArrayRef = Arc::new(are.collect::<BooleanArray>());
    let parts: ArrayRef = Arc::new(numbers.iter().map(part).collect::<Float64Array>());
    let vectors = vec![(ColumnId(1), VectorInput::Floats(floats.collect()))];
    let numbers: ArrayRef = Arc::new(Int64Array::from(numbers));
    let small = Int16Array::from_iter_values((0i16..).take(numbers.len()));
    let mut tags = ListBuilder::new(StringBuilder::new()).with_field(ArrayItem::String.field());
    for id in (0..).take(numbers.len()) {
        for tag in 0..id % 3 {
            tags.values().append_value(format!("tag {tag}"));
        }
        tags.append(id % 5 != 0);
    }
    let scalars: [ArrayRef; 6] =
        [words, numbers, are, parts, Arc::new(tags.finish()), Arc::new(small)];
    let scalars = (2..).map(ColumnId).zip(scalars).collect();
    RowBatch { ids: ids(range), vectors, scalars }
}

fn in_pieces(disk: &SimDisk, path: PathBuf, bytes: Vec<u8>) -> (PathBuf, Stored) {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let opened = name.parse().ok().and_then(|number| SectionFile::open(disk, &path, number).ok());
    let Some(file) = opened else { return (path, Stored::Whole(bytes)) };
    let section = |kind| file.section(kind).expect("it is whole");
    let sections = file.sections().into_iter().map(|info| {
        let section = section(info.kind);
        (info.kind, section.version, section.bytes.to_vec())
    });
    let sections = sections.collect();
    (path, Stored::Sections(file.file_number(), sections))
}

/// Edits to a data directory, which is then opened, read, searched and written to.
///
/// A log entry that is no command ends in a panic that the node catches; any
/// other panic is for the caller to see.
pub fn engine(data: &[u8]) {
    let mut stored = DIRECTORY.clone();
    for edit in edits(data) {
        apply(edit, &mut stored);
    }
    let disk = written(&stored);
    let Ok(engine) = open(&disk) else { return };
    let done = use_engine(&engine, edits(data).next().is_none());
    engine.close();
    if data.len() < 8 {
        done.expect("nothing was edited");
    }
}

/// Section by section and file by file, each is a part of its own.
fn apply(edit: Edit, stored: &mut [(PathBuf, Stored)]) {
    let parts = stored.iter_mut().flat_map(|(_, stored)| match stored {
        Stored::Sections(_, sections) => {
            sections.iter_mut().map(|section| &mut section.2).collect()
        }
        Stored::Whole(bytes) => vec![bytes],
    });
    let mut parts: Vec<_> = parts.filter(|bytes| !bytes.is_empty()).collect();
    let count = parts.len();
    if let Some(part) = parts.get_mut(edit.part(count)) {
        edit.apply(part);
    }
}

fn written(stored: &[(PathBuf, Stored)]) -> SimDisk {
    let whole = |(path, stored): &(PathBuf, Stored)| match stored {
        Stored::Whole(bytes) => {
            let mut bytes = bytes.clone();
            right_checksums(path, &mut bytes);
            Some((path.clone(), bytes))
        }
        Stored::Sections(..) => None,
    };
    let disk = disk_of(&stored.iter().filter_map(whole).collect::<Files>());
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    for (path, stored) in stored {
        let Stored::Sections(number, sections) = stored else { continue };
        let mut writer =
            SectionWriter::create(Arc::clone(&shared), path, *number).expect("a new disk");
        for (kind, version, bytes) in sections {
            writer.section(*kind, *version, bytes).expect("a new disk");
        }
        writer.finish().expect("a new disk");
    }
    disk
}

/// Everything that reads rows, then writes that replace and delete some. What is
/// not `whole` may hold other ids under right checksums: then nothing is counted.
fn use_engine(engine: &Engine, whole: bool) -> vicinal_types::Result<()> {
    let all = ["**".to_owned()];
    let count = engine.count("", NAME);
    let described = engine.describe("", NAME);
    let mut cursor = Vec::new();
    let mut read = 0;
    let scrolled = loop {
        match engine.scroll("", NAME, &cursor, 100, &all, &soon()) {
            Ok(page) => {
                read += page.rows.ids.len() as u64;
                match page.next {
                    Some(next) => cursor = next,
                    None => break Ok(()),
                }
            }
            Err(error) => break Err(error),
        }
    };
    let got = engine.get("", NAME, &ids(0..230), &all, &soon());
    let queries = VectorInput::Floats(vec![1.0, 2.0, 3.0, 4.0, 9.0, 1.0, 1.0, 1.0]);
    let search = Search { columns: all.to_vec(), partial_ok: true, ..Search::new(queries, 20) };
    let searched = engine.search_blocking("", NAME, search, soon());
    let upserted = engine.write_blocking("", NAME, Write::Upsert(rows(45..60)), None);
    let deleted = engine.write_blocking("", NAME, Write::Delete(ids(50..70)), None);
    let flushed = engine.flush("", NAME, false, &soon());
    let counts = (count?, read, got?.ids.len(), upserted?.replaced, deleted?.deleted);
    _ = (described?, scrolled?, searched?, flushed?);
    assert!(!whole || counts == (215, 215, 215, 15, 20), "{counts:?}");
    Ok(())
}
