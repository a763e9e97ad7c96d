//! Rows meet a newer schema than the one they were checked against.

use super::*;
use crate::catalogue::{with_column, without_column};
use crate::validate;
use arrow_array::cast::AsArray;
use arrow_array::types::Int8Type;
use vicinal_types::{ElementType, IdType, Metric, RowBatch, ScalarValue, VectorInput};

#[test]
fn rows_apply_under_a_schema_that_changed_since_they_were_checked() {
    let kind = VectorType::new(2, ElementType::F32, Metric::L2).expect("a right type");
    let checked = Schema::new(
        IdType::Int64,
        vec![
            Column::vector(ColumnId(1), "v", kind),
            Column::vector(ColumnId(2), "w", kind),
            Column::scalar(ColumnId(3), "gone", ScalarType::String, true),
            Column::scalar(ColumnId(4), "kept", ScalarType::Int8, false),
        ],
    );
    let checked = checked.expect("a right schema");
    let default = Some(ScalarValue::Int(9));
    let added = Column { default, ..Column::scalar(ColumnId(5), "new", ScalarType::Int8, false) };
    let now = without_column(&checked, "gone").expect("there");
    let now = without_column(&now, "w").expect("one of two");
    let now = with_column(&now, added).expect("it has a default");

    let floats = || VectorInput::Floats(vec![1.0, 2.0, 3.0, 4.0]);
    let kept = arrow_array::Int8Array::from(vec![-128, 127]);
    let batch = RowBatch {
        ids: Ids::Int(vec![1, 2]),
        vectors: vec![(ColumnId(1), floats()), (ColumnId(2), floats())],
        scalars: vec![(ColumnId(4), Arc::new(kept))],
    };
    let rows = validate::rows(&checked, &batch).expect("right rows");
    let header = Header {
        database: DatabaseId(0),
        collection: CollectionId(1),
        schema_version: 1,
        request: None,
        time_micros: 0,
    };
    let command = encode_rows(&header, Kind::Insert, &rows, Vec::new());
    let (envelope, parts) = format::decode(&command).expect("what was encoded");
    let rows = decode_rows(&envelope, &parts, &now, 7).expect("it applies");
    let ids = |columns: Vec<ColumnId>| columns.iter().map(|id| id.0).collect::<Vec<_>>();
    assert_eq!(ids(rows.vectors.iter().map(|(id, _)| *id).collect()), [1]);
    assert_eq!(ids(rows.scalars.iter().map(|(id, _)| *id).collect()), [4, 5, 3]);
    let values = |id| rows.scalars(ColumnId(id)).expect("it is there").as_primitive::<Int8Type>();
    assert_eq!(values(4).values(), &[-128, 127]);
    assert_eq!(values(5).values(), &[9, 9]);
}
