//! Files made here are read back; damaged ones are named.

use super::*;
use ::parquet::arrow::ArrowWriter;
use arrow_array::types::Float32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Float16Array, Float64Array, Int32Array, Int64Array,
    ListArray, RecordBatch, StringArray, TimestampMillisecondArray, UInt8Array,
};
use std::fmt::Write as _;
use std::sync::Arc;
use tempfile::TempDir;
use vicinal_client::{Ids, Value};

fn write(directory: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    #[expect(clippy::disallowed_methods, reason = "a test makes the files that it reads")]
    std::fs::write(&path, bytes).unwrap();
    path
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A .npy file as NumPy writes it.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.write_char(' ').unwrap();
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// All rows of a file, read `chunk` at a time.
fn read_all(path: &Path, chunk: usize) -> Rows {
    let mut source = Source::open(path).unwrap();
    let mut all = source.next_rows(chunk).unwrap().expect("a first chunk");
    while let Some(rows) = source.next_rows(chunk).unwrap() {
        assert!(rows.len() <= chunk);
        all.append(rows).unwrap();
    }
    assert_eq!(all.len() as u64, source.layout().rows);
    all
}

#[test]
fn npy_of_every_element_is_read_in_chunks() {
    let directory = directory();
    let halves: Vec<u8> = (0..6_u8).flat_map(|v| f16::from(v).to_le_bytes()).collect();
    let check = |descr: &str, data: &[u8], element: ElementType| {
        let path = write(&directory, "a.npy", &npy(descr, "(3, 2)", data));
        let rows = read_all(&path, 2);
        assert_eq!(rows.ids(), &Ids::Int(vec![0, 1, 2]));
        assert_eq!(rows.vector_column("vector").unwrap().element(), Some(element));
        assert_eq!(rows.vector("vector", 2), Some(vec![4.0, 5.0]));
        let matrix = npy::read_f32(&path).unwrap();
        assert_eq!((matrix.rows, matrix.dim), (3, 2));
        assert_eq!(matrix.row(1), [2.0, 3.0]);
    };
    check("|u1", &[0, 1, 2, 3, 4, 5], ElementType::U8);
    check("<f2", &halves, ElementType::F16);
    check("<f4", &floats(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), ElementType::F32);
}

#[test]
fn row_numbers_are_read_as_integers() {
    let directory = directory();
    let data: Vec<u8> = [1_i32, 2, 3, -4].iter().flat_map(|v| v.to_le_bytes()).collect();
    let path = write(&directory, "t.npy", &npy("<i4", "(2, 2)", &data));
    assert_eq!(npy::read_i32(&path).unwrap().row(1), [3, -4]);
    let error = Source::open(&path).err().expect("no vectors").to_string();
    assert!(error.contains("elements are <i4"), "{error}");
}

#[test]
fn wrong_npy_files_are_refused_with_the_reason() {
    let directory = directory();
    let check = |bytes: &[u8], expected: &str| {
        let path = write(&directory, "a.npy", bytes);
        let error = Source::open(&path).err().expect("wrong").to_string();
        assert!(error.contains(expected) && error.contains("a.npy"), "{error}");
    };
    check(b"not an array at all", "does not begin like");
    check(b"\x93NUM", "cannot read");
    check(&npy("<f8", "(1, 1)", &[0; 8]), "elements are `<f8`");
    check(&npy("<f4", "(4,)", &[0; 16]), "rows × dimensions");
    check(&npy("<f4", "(2, 2, 1)", &[0; 16]), "rows × dimensions");
    check(&npy("<f4", "(2, 2)", &[0; 15]), "15 bytes follow");
    check(&npy("<f4", "(2, 2)", &[0; 17]), "17 bytes follow");
    let fortran = npy("<f4", "(2, 2)", &[0; 16]);
    let fortran = String::from_utf8_lossy(&fortran[8..]).replace("False", "True ");
    let fortran = [&b"\x93NUMPY\x01\x00"[..], fortran.as_bytes()].concat();
    check(&fortran, "Fortran order");
    let huge = npy("<f4", "(9999999999999999, 9999999999)", &[0; 16]);
    check(&huge, "is the file whole?");
}

#[test]
fn fvecs_and_bvecs_are_read_in_chunks() {
    let directory = directory();
    let mut fvecs = Vec::new();
    let mut bvecs = Vec::new();
    for row in 0..5_u8 {
        fvecs.extend(2_u32.to_le_bytes());
        fvecs.extend(floats(&[f32::from(row), 0.5]));
        bvecs.extend(3_u32.to_le_bytes());
        bvecs.extend([row, 1, 2]);
    }
    let rows = read_all(&write(&directory, "a.fvecs", &fvecs), 2);
    assert_eq!(rows.vector("vector", 4), Some(vec![4.0, 0.5]));
    let rows = read_all(&write(&directory, "a.bvecs", &bvecs), 3);
    assert_eq!(rows.vector("vector", 3), Some(vec![3.0, 1.0, 2.0]));
    assert_eq!(rows.ids(), &Ids::Int(vec![0, 1, 2, 3, 4]));
}

#[test]
fn wrong_vecs_files_are_refused_with_the_reason() {
    let directory = directory();
    let open = |bytes: &[u8]| Source::open(&write(&directory, "a.bvecs", bytes));
    let error = open(&[2, 0, 0, 0, 1]).err().expect("cut").to_string();
    assert!(error.contains("is the file whole?"), "{error}");
    let error = open(&[0, 0, 0, 0]).err().expect("no dimensions").to_string();
    assert!(error.contains("0 dimensions"), "{error}");
    let mut other = open(&[2, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1]).expect("the first row is right");
    let error = other.next_rows(10).expect_err("another dimension").to_string();
    assert!(error.contains("row 1 has 1 dimensions, the first has 2"), "{error}");
}

fn list_of_floats(rows: &[&[f32]]) -> ListArray {
    let rows = rows.iter().map(|row| Some(row.iter().map(|value| Some(*value))));
    ListArray::from_iter_primitive::<Float32Type, _, _>(rows)
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Bytes {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    Bytes::from(bytes)
}

#[test]
fn parquet_columns_become_ids_vectors_and_scalars() {
    let vector = list_of_floats(&[&[1.0, 2.0], &[3.0, 4.0], &[5.0, 6.0]]);
    let bytes = parquet(vec![
        ("id", Arc::new(Int64Array::from(vec![10, 20, 30]))),
        ("vector", Arc::new(vector)),
        ("word", Arc::new(StringArray::from(vec![Some("a"), None, Some("c")]))),
        ("count", Arc::new(Int32Array::from(vec![1, 2, 3]))),
        ("ratio", Arc::new(Float64Array::from(vec![0.5, 1.5, 2.5]))),
        ("flag", Arc::new(BooleanArray::from(vec![true, false, true]))),
        ("at", Arc::new(TimestampMillisecondArray::from(vec![1, 2, 3]))),
        ("blob", Arc::new(BinaryArray::from(vec![&b"x"[..], b"y", b"z"]))),
    ]);
    let mut source = Source::parquet("a.parquet", bytes).unwrap();
    let layout = source.layout().clone();
    assert_eq!((layout.rows, layout.id_type), (3, IdType::Int64));
    assert_eq!(layout.vectors[0].dim, 2);
    assert_eq!(layout.vectors[0].element, ElementType::F32);
    assert_eq!(layout.skipped[0].0, "blob");
    let names: Vec<_> = layout.scalars.iter().map(|s| (s.name.as_str(), s.scalar.name())).collect();
    let expected = [
        ("word", "string"),
        ("count", "int64"),
        ("ratio", "float64"),
        ("flag", "bool"),
        ("at", "timestamp"),
    ];
    assert_eq!(names, expected);

    let first = source.next_rows(2).unwrap().unwrap();
    let second = source.next_rows(2).unwrap().unwrap();
    assert_eq!((first.len(), second.len()), (2, 1));
    assert_eq!(second.ids(), &Ids::Int(vec![30]));
    assert_eq!(second.vector("vector", 0), Some(vec![5.0, 6.0]));
    assert_eq!(first.value("word", 1), Some(Value::Null));
    assert_eq!(second.value("at", 0), Some(Value::Timestamp(3_000)));
    assert!(source.next_rows(2).unwrap().is_none());
}

#[test]
fn parquet_chunks_may_be_smaller_than_those_before() {
    let rows: Vec<Vec<f32>> = (0..100_u8).map(|row| vec![f32::from(row)]).collect();
    let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
    let bytes = parquet(vec![("vector", Arc::new(list_of_floats(&rows)))]);
    let mut source = Source::parquet("a.parquet", bytes).unwrap();
    let mut ids = Vec::<i64>::new();
    for wanted in [40, 7, 100, 100, 100] {
        let Some(rows) = source.next_rows(wanted).unwrap() else {
            break;
        };
        assert!(rows.len() <= wanted);
        let Ids::Int(more) = rows.ids() else { panic!("row numbers are integers") };
        for (row, id) in more.iter().enumerate() {
            assert_eq!(rows.vector("vector", row), Some(vec![*id as f32]));
        }
        ids.extend(more);
    }
    assert_eq!(ids, (0..100).collect::<Vec<_>>());
}

#[test]
fn parquet_vectors_of_other_elements_and_string_ids() {
    use arrow_schema::{DataType, Field};
    let list = |values: ArrayRef, kind: DataType| {
        let field = Arc::new(Field::new_list_field(kind, true));
        let offsets = arrow_buffer_offsets(&[2, 2]);
        Arc::new(ListArray::new(field, offsets, values, None)) as ArrayRef
    };
    let halves = [1.0_f32, 2.0, 3.0, 4.0].map(f16::from_f32).to_vec();
    let bytes = parquet(vec![
        ("id", Arc::new(StringArray::from(vec!["a", "b"]))),
        ("half", list(Arc::new(Float16Array::from(halves)), DataType::Float16)),
        ("wide", list(Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0, 4.0])), DataType::Float64)),
        ("byte", list(Arc::new(UInt8Array::from(vec![1, 2, 3, 4])), DataType::UInt8)),
    ]);
    let mut source = Source::parquet("a.parquet", bytes).unwrap();
    let elements: Vec<_> = source.layout().vectors.iter().map(|vector| vector.element).collect();
    assert_eq!(elements, [ElementType::F16, ElementType::F32, ElementType::U8]);
    let rows = source.next_rows(10).unwrap().unwrap();
    assert_eq!(rows.ids(), &Ids::Str(vec!["a".into(), "b".into()]));
    for column in ["half", "wide", "byte"] {
        assert_eq!(rows.vector(column, 1), Some(vec![3.0, 4.0]), "{column}");
    }
}

fn arrow_buffer_offsets(lengths: &[usize]) -> arrow_buffer::OffsetBuffer<i32> {
    arrow_buffer::OffsetBuffer::from_lengths(lengths.iter().copied())
}

#[test]
fn wrong_parquet_files_are_refused_with_the_reason() {
    let check = |bytes: Bytes, expected: &str| {
        let read = Source::parquet("a.parquet", bytes).and_then(|mut source| source.next_rows(9));
        let error = read.expect_err("wrong").to_string();
        assert!(error.contains(expected) && error.contains("a.parquet"), "{error}");
    };
    check(Bytes::from_static(b"nothing"), "a.parquet");
    check(parquet(vec![("word", Arc::new(StringArray::from(vec!["a"])))]), "no list column");
    let ragged = list_of_floats(&[&[1.0, 2.0], &[3.0]]);
    check(parquet(vec![("vector", Arc::new(ragged))]), "row 1 has 1 dimensions, the first has 2");
    let vector: ArrayRef = Arc::new(list_of_floats(&[&[1.0]]));
    let ids: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
    check(parquet(vec![("id", ids), ("vector", vector.clone())]), "ids are integers or strings");
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![None]));
    check(parquet(vec![("id", ids), ("vector", vector)]), "an id is null");
}

#[test]
fn the_bundled_words_are_read() {
    let words = include_bytes!("../../../../tests/data/wordnet10k.parquet");
    let mut source = Source::parquet("words", Bytes::from_static(words)).unwrap();
    let layout = source.layout();
    assert_eq!(layout.rows, 10_000);
    assert_eq!((layout.vectors[0].dim, layout.vectors[0].element), (384, ElementType::F16));
    assert!(layout.scalars.iter().any(|scalar| scalar.name == "gloss"));
    let rows = source.next_rows(100).unwrap().unwrap();
    assert_eq!(rows.len(), 100);
    assert!(rows.text("word", 0).is_some());
}

#[test]
fn unknown_endings_are_refused() {
    let error = Source::open(Path::new("rows.csv")).err().expect("no vectors").to_string();
    assert!(error.contains("rows.csv") && error.contains(".fvecs"), "{error}");
}

#[test]
fn vectors_are_widened_where_the_column_rounds() {
    let bytes = Vectors::packed(ElementType::U8, vec![1, 255]);
    let check = |to, expected: Option<&[f32]>| {
        let converted = convert("v", &bytes, to).ok();
        assert_eq!(converted.and_then(|v| v.to_f32()).as_deref(), expected, "{to}");
    };
    check(ElementType::U8, Some(&[1.0, 255.0]));
    check(ElementType::F32, Some(&[1.0, 255.0]));
    check(ElementType::F16, Some(&[1.0, 255.0]));
    check(ElementType::I8, None);
    let bits = [1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1].map(|bit: u8| f32::from(bit));
    check(ElementType::Binary, Some(&bits));
    let halves = Vectors::packed(ElementType::F16, f16::from_f32(1.5).to_le_bytes().to_vec());
    assert_eq!(convert("v", &halves, ElementType::Bf16).unwrap().to_f32(), Some(vec![1.5]));
    let floats = Vectors::from(&[1.5]);
    assert_eq!(convert("v", &floats, ElementType::F16).unwrap(), floats);
    let error = convert("v", &floats, ElementType::U8).expect_err("rounding is not asked for");
    assert!(error.to_string().contains("column `v` of the file has f32"), "{error}");
}
