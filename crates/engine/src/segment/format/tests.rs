//! What lies in a file, and where it is read.

use super::*;
use crate::catalogue::{with_column, without_column};
use crate::segment::{Chunk, MemorySegment, Sealed};
use arrow_array::cast::AsArray as _;
use vicinal_storage::FileDisk;
use vicinal_types::{Column, ElementType, IdType, Metric, ScalarType, ScalarValue, SegmentId};

const ROWS: u32 = 300;

fn kind() -> VectorType {
    VectorType::new(4, ElementType::F32, Metric::L2).expect("a right type")
}

/// A vector column and one scalar column of each of the types.
fn schema(scalars: &[ScalarType]) -> Schema {
    let scalar = |(id, scalar): (u32, &ScalarType)| {
        Column::scalar(ColumnId(id), format!("c{id}"), *scalar, true)
    };
    let columns = [Column::vector(ColumnId(1), "v", kind())].into_iter();
    let columns = columns.chain((2..).zip(scalars).map(scalar)).collect();
    Schema::new(IdType::Int64, columns).expect("a right schema")
}

/// A default that takes some bytes.
fn value(scalar: ScalarType) -> ScalarValue {
    match scalar {
        ScalarType::Bool => ScalarValue::Bool(true),
        ScalarType::Int8
        | ScalarType::Int16
        | ScalarType::Int32
        | ScalarType::Int64
        | ScalarType::Timestamp => ScalarValue::Int(7),
        ScalarType::Float32 | ScalarType::Float64 => ScalarValue::Float(0.5),
        ScalarType::String | ScalarType::Json => ScalarValue::Text("\"text\"".into()),
        ScalarType::Array(item) => ScalarValue::Array(vec![value(item.scalar()); 3]),
    }
}

/// Rows of the schema's columns from the id `first` on.
fn chunk(schema: &Schema, first: i64, index: u64) -> Chunk {
    let ids = (first..).take(ROWS as usize).collect::<arrow_array::Int64Array>();
    let vectors = Vectors::new(kind(), vec![0; ROWS as usize * 16].into()).expect("whole rows");
    let scalars = schema.scalars().map(|(column, scalar, _)| {
        (column.id, columns::constant(scalar, Some(&value(scalar)), ROWS as usize))
    });
    Chunk::new(Rows {
        ids: Arc::new(ids),
        versions: Versions::of_command(index, ROWS),
        vectors: vec![(ColumnId(1), VectorPart { vectors, norms: None })],
        scalars: scalars.collect(),
    })
}

/// Seals chunks under one schema and opens the file under another.
fn sealed(dir: &Path, chunks: Vec<Chunk>, written: &Schema, opened: &Schema) -> Sealed {
    let mut segment = MemorySegment::new(SegmentId(1));
    for chunk in chunks {
        segment.push(chunk);
    }
    let disk: Arc<dyn Disk> = Arc::new(FileDisk);
    let kept: Vec<u32> = (0..segment.view.row_count).collect();
    let path = dir.join("1.rows");
    write_segment(&disk, &path, 9, &Part::of_memory(&segment.view, &kept), written, Dropped::Kept)
        .expect("written");
    Sealed::open(&*disk, &path, 9, SegmentId(1), opened).expect("what was written opens")
}

/// Where a file is mapped in this process.
fn mapped(name: &str) -> Vec<std::ops::Range<usize>> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the maps of this process");
    let address = |text: &str| usize::from_str_radix(text, 16).expect("an address");
    let range = |line: &str| {
        let (start, end) = line.split_whitespace().next()?.split_once('-')?;
        Some(address(start)..address(end))
    };
    maps.lines().filter(|line| line.ends_with(name)).filter_map(range).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn columns_are_read_where_the_file_is_mapped() {
    let dir = tempfile::tempdir().expect("a directory");
    let schema = schema(&ScalarType::ALL);
    let sealed = sealed(dir.path(), vec![chunk(&schema, 0, 1)], &schema, &schema);
    let path = dir.path().join("1.rows").canonicalize().expect("it is there");
    let maps = mapped(path.to_str().expect("a path of the test"));
    assert!(!maps.is_empty());
    for (column, scalar, _) in schema.scalars() {
        let array = sealed.rows.scalars(column.id).expect("written");
        let mut buffers = array.to_data().buffers().to_vec();
        if scalar.item().is_some() {
            buffers.extend(array.as_list::<i32>().values().to_data().buffers().to_vec());
        }
        assert!(!buffers.is_empty());
        for buffer in buffers {
            let address = buffer.as_ptr().addr();
            assert!(maps.iter().any(|map| map.contains(&address)), "{scalar} was copied");
            assert!(address.is_multiple_of(64), "{scalar} lies at {address:#x}");
        }
    }
}

#[test]
fn rows_older_than_a_column_are_sealed_with_its_default() {
    let dir = tempfile::tempdir().expect("a directory");
    let old = schema(&[ScalarType::Int64]);
    let column = Column {
        default: Some(ScalarValue::Int(3)),
        ..Column::scalar(ColumnId(3), "m", ScalarType::Int8, false)
    };
    let new = with_column(&old, column).expect("it has a default");
    let chunks = vec![chunk(&old, 0, 1), chunk(&new, 1_000, 2), chunk(&old, 2_000, 3)];
    let sealed = sealed(dir.path(), chunks, &new, &new);
    let array = sealed.rows.scalars(ColumnId(3)).expect("written");
    let values = array.as_primitive::<arrow_array::types::Int8Type>().values();
    let rows = ROWS as usize;
    assert_eq!(values.len(), 3 * rows);
    assert!(values[..rows].iter().chain(&values[2 * rows..]).all(|value| *value == 3));
    assert!(values[rows..2 * rows].iter().all(|value| *value == 7));
}

#[test]
fn dropped_columns_are_sealed_with_the_rows_that_have_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let old = schema(&[ScalarType::Int8, ScalarType::Bool]);
    let new = without_column(&old, "c2").expect("it is there");
    let chunks = vec![chunk(&old, 0, 1), chunk(&new, 1_000, 2)];
    let sealed = sealed(dir.path(), chunks, &new, &new);
    let array = sealed.rows.scalars(ColumnId(2)).expect("kept");
    let values = array.as_primitive::<arrow_array::types::Int8Type>();
    let rows = ROWS as usize;
    assert_eq!((values.len(), values.null_count()), (2 * rows, rows));
    assert!((0..rows).all(|row| values.value(row) == 7));
}

#[test]
fn columns_that_went_after_the_file_are_in_the_rows_and_those_that_came_are_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let written = schema(&[ScalarType::Int64, ScalarType::Bool]);
    let column = Column::scalar(ColumnId(9), "m", ScalarType::String, true);
    let opened = with_column(&written, column).expect("nullable");
    let opened = without_column(&opened, "c2").expect("it is there");
    let sealed = sealed(dir.path(), vec![chunk(&written, 0, 1)], &written, &opened);
    let ids: Vec<_> = sealed.rows.scalars.iter().map(|(id, _)| id.0).collect();
    assert_eq!(ids, [3, 2]);
}
