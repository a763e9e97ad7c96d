//! Random rows of every type of column: as plain values and as Arrow arrays.

use arrow_array::builder::{
    BooleanBuilder, Float32Builder, Float64Builder, Int8Builder, Int16Builder, Int32Builder,
    Int64Builder, ListBuilder, StringBuilder,
};
use arrow_array::{Array, ArrayRef};
use rand::prelude::*;
use rand::rngs::SmallRng;
use std::collections::HashMap;
use std::sync::Arc;
use vicinal_filter::{ColumnRef, Columns};
use vicinal_types::{
    ArrayItem, Column, ColumnId, ElementType, IdType, Metric, ScalarType, Schema, VectorType,
};

/// A value of a row, as the oracle sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Time(i64),
    Span(i64),
    Json(serde_json::Value),
    Array(Vec<Cell>),
}

/// The name of the column of each type; `id` is apart.
pub(crate) fn name(scalar: ScalarType) -> String {
    match scalar.item() {
        Some(item) => format!("{}s", item.scalar().name()),
        None => scalar.name().to_owned(),
    }
}

/// A schema with a nullable column of every type.
pub(crate) fn schema(id_type: IdType) -> Schema {
    let vector = VectorType::new(4, ElementType::F32, Metric::L2).expect("a right type");
    let mut columns = vec![Column::vector(ColumnId(1), "embedding", vector)];
    for (id, scalar) in (2..).zip(ScalarType::ALL) {
        columns.push(Column::scalar(ColumnId(id), name(scalar), scalar, true));
    }
    Schema::new(id_type, columns).expect("a right schema")
}

pub(crate) const INTS: [i64; 12] =
    [0, 1, 2, 3, -1, -2, 7, 127, -128, i64::MAX, i64::MIN, 9_007_199_254_740_993];
pub(crate) const FLOATS: [f64; 12] = [
    0.0,
    -0.0,
    0.5,
    1.0,
    2.0,
    -1.5,
    0.1,
    3.0,
    1e300,
    -1e300,
    9_007_199_254_740_992.0,
    9_223_372_036_854_775_808.0,
];
pub(crate) const TEXTS: [&str; 12] =
    ["", "a", "ab", "abc", "b", "ba", "ä", "a%b", "a_b", "A\nb", "aab", "bbbb"];
pub(crate) const TIMES: [i64; 6] = [0, 1, -1, 86_400_000_000, 1_767_225_600_000_000, i64::MAX];
const DOCUMENTS: [&str; 12] = [
    "{}",
    "null",
    r#"{"a": null, "b": 1}"#,
    r#"{"a": 1, "b": [1, 2, "a"]}"#,
    r#"{"a": 1.0, "b": {"a": true}}"#,
    r#"{"a": "ab", "b": []}"#,
    r#"{"a": 0.5, "a": 2}"#,
    r#"{"b": [1, [2], {"c": 3}, null, true, 0.5, "abc"]}"#,
    r#"[1, "a", {"a": "\u00e4"}]"#,
    r#"{"a": 9223372036854775808, "b": [9007199254740993]}"#,
    r#"{"a": {"b": 3}, "b": "abc"}"#,
    r#"{"a": false, "b": [true, false]}"#,
];

/// Rows by column name.
pub(crate) struct Table {
    pub(crate) schema: Schema,
    pub(crate) columns: HashMap<String, Vec<Cell>>,
    pub(crate) row_count: usize,
}

impl Table {
    /// Rows of a seed; about one value in five is null.
    pub(crate) fn random(seed: u64, row_count: usize) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let id_type = if rng.random() { IdType::Int64 } else { IdType::String };
        let mut columns = HashMap::new();
        let ids = (0..row_count).map(|row| match id_type {
            IdType::Int64 => Cell::Int(i64::try_from(row).expect("few") - 3),
            IdType::String => Cell::Text(format!("{}{row}", TEXTS[row % 4])),
        });
        columns.insert("id".to_owned(), ids.collect());
        for scalar in ScalarType::ALL {
            let cell = |_| if rng.random_ratio(1, 5) { Cell::Null } else { cell(scalar, &mut rng) };
            columns.insert(name(scalar), (0..row_count).map(cell).collect());
        }
        Self { schema: schema(id_type), columns, row_count }
    }

    /// The rows as Arrow arrays, each a slice of a longer one.
    pub(crate) fn arrays(&self, offset: usize) -> Columns {
        let mut arrays = Columns::new(self.row_count);
        let id_type = match self.schema.id_type() {
            IdType::Int64 => ScalarType::Int64,
            IdType::String => ScalarType::String,
        };
        let ids = array(id_type, &self.columns["id"], offset);
        arrays.insert(ColumnRef::Id, ids).expect("the rows there are");
        for (column, scalar, _) in self.schema.scalars() {
            let array = array(scalar, &self.columns[&column.name], offset);
            arrays.insert(ColumnRef::Column(column.id), array).expect("the rows there are");
        }
        arrays
    }
}

fn cell(scalar: ScalarType, rng: &mut SmallRng) -> Cell {
    let int = |rng: &mut SmallRng| *INTS.choose(rng).expect("some");
    let near = |rng: &mut SmallRng| rng.random_range(-4..5);
    match scalar {
        ScalarType::Bool => Cell::Bool(rng.random()),
        ScalarType::Int8 | ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => {
            let (min, max) = scalar.int_range().expect("integers");
            let value = if rng.random() { int(rng) } else { near(rng) };
            Cell::Int(value.clamp(min, max))
        }
        ScalarType::Float32 => {
            let value = f64::from(*FLOATS.choose(rng).expect("some") as f32);
            Cell::Float(if value.is_finite() { value } else { 0.25 })
        }
        ScalarType::Float64 => Cell::Float(*FLOATS.choose(rng).expect("some")),
        ScalarType::String => Cell::Text((*TEXTS.choose(rng).expect("some")).to_owned()),
        ScalarType::Timestamp => Cell::Time(*TIMES.choose(rng).expect("some")),
        ScalarType::Json => {
            let text = DOCUMENTS.choose(rng).expect("some");
            Cell::Json(serde_json::from_str(text).expect("a document"))
        }
        ScalarType::Array(item) => {
            let len = rng.random_range(0..5);
            Cell::Array((0..len).map(|_| cell(item.scalar(), rng)).collect())
        }
    }
}

/// Puts values into a builder, with `offset` nulls in front that are cut off again.
macro_rules! built {
    ($builder:expr, $cells:expr, $offset:expr, $pattern:pat => $value:expr) => {{
        let mut builder = $builder;
        (0..$offset).for_each(|_| builder.append_null());
        for cell in $cells {
            match cell {
                $pattern => builder.append_value($value),
                _ => builder.append_null(),
            }
        }
        Arc::new(builder.finish()) as ArrayRef
    }};
}

fn array(scalar: ScalarType, cells: &[Cell], offset: usize) -> ArrayRef {
    let array = whole(scalar, cells, offset);
    array.slice(offset, cells.len())
}

fn narrow<T: TryFrom<i64>>(value: i64) -> T {
    T::try_from(value).ok().expect("within the type")
}

fn whole(scalar: ScalarType, cells: &[Cell], offset: usize) -> ArrayRef {
    match scalar {
        ScalarType::Bool => built!(BooleanBuilder::new(), cells, offset, Cell::Bool(v) => *v),
        ScalarType::Int8 => built!(Int8Builder::new(), cells, offset, Cell::Int(v) => narrow(*v)),
        ScalarType::Int16 => built!(Int16Builder::new(), cells, offset, Cell::Int(v) => narrow(*v)),
        ScalarType::Int32 => built!(Int32Builder::new(), cells, offset, Cell::Int(v) => narrow(*v)),
        ScalarType::Int64 => built!(Int64Builder::new(), cells, offset, Cell::Int(v) => *v),
        ScalarType::Float32 => {
            built!(Float32Builder::new(), cells, offset, Cell::Float(v) => *v as f32)
        }
        ScalarType::Float64 => built!(Float64Builder::new(), cells, offset, Cell::Float(v) => *v),
        ScalarType::String => built!(StringBuilder::new(), cells, offset, Cell::Text(v) => v),
        ScalarType::Timestamp => built!(Int64Builder::new(), cells, offset, Cell::Time(v) => *v),
        ScalarType::Json => {
            built!(StringBuilder::new(), cells, offset, Cell::Json(v) => spelled(v))
        }
        ScalarType::Array(item) => lists(item, cells, offset),
    }
}

/// The text that a document came from, with names that come twice.
fn spelled(document: &serde_json::Value) -> &'static str {
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    let is_it = |text: &&&str| parsed(text).as_ref() == Some(document);
    DOCUMENTS.iter().find(is_it).expect("one of them")
}

macro_rules! listed {
    ($builder:expr, $item:expr, $cells:expr, $offset:expr, $pattern:pat => $value:expr) => {{
        let mut builder = ListBuilder::new($builder).with_field($item.field());
        // What is cut off has items, so that the first offset is not 0.
        for cell in std::iter::repeat_n(&$cells[0], $offset).chain($cells) {
            if let Cell::Array(items) = cell {
                for item in items {
                    if let $pattern = item {
                        builder.values().append_value($value);
                    }
                }
                builder.append(true);
            } else {
                builder.append(false);
            }
        }
        Arc::new(builder.finish()) as ArrayRef
    }};
}

fn lists(item: ArrayItem, cells: &[Cell], offset: usize) -> ArrayRef {
    if cells.is_empty() {
        return arrow_array::new_null_array(&ScalarType::Array(item).arrow(), offset);
    }
    match item {
        ArrayItem::Bool => listed!(BooleanBuilder::new(), item, cells, offset, Cell::Bool(v) => *v),
        ArrayItem::Int8 => {
            listed!(Int8Builder::new(), item, cells, offset, Cell::Int(v) => narrow(*v))
        }
        ArrayItem::Int16 => {
            listed!(Int16Builder::new(), item, cells, offset, Cell::Int(v) => narrow(*v))
        }
        ArrayItem::Int32 => {
            listed!(Int32Builder::new(), item, cells, offset, Cell::Int(v) => narrow(*v))
        }
        ArrayItem::Int64 => listed!(Int64Builder::new(), item, cells, offset, Cell::Int(v) => *v),
        ArrayItem::Float32 => {
            listed!(Float32Builder::new(), item, cells, offset, Cell::Float(v) => *v as f32)
        }
        ArrayItem::Float64 => {
            listed!(Float64Builder::new(), item, cells, offset, Cell::Float(v) => *v)
        }
        ArrayItem::String => listed!(StringBuilder::new(), item, cells, offset, Cell::Text(v) => v),
        ArrayItem::Timestamp => {
            listed!(Int64Builder::new(), item, cells, offset, Cell::Time(v) => *v)
        }
    }
}
