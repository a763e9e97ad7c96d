//! Rows whose columns go with their vectors, against them, or with nothing.

use crate::fixture;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use vicinal_engine::{Engine, RowFilter, Search, SearchAnswer, Write, WriteOutcome};
use vicinal_filter::{Expression, Value};
use vicinal_types::{
    Cancel, Clock, CollectionSpec, Column, ColumnId, ElementType, IdType, Ids, IndexCodes,
    IndexEngine, IndexKind, IndexLayout, IndexSpec, Metric, RequestId, Result, RowBatch,
    ScalarType, ScalarValue, Schema, SystemClock, VectorInput, VectorType,
};

pub(super) use fixture::NAME;

pub(super) const DIM: usize = 8;

pub(super) struct Row {
    pub(super) id: i64,
    vector: [f32; DIM],
    pub(super) word: Option<String>,
}

/// Evenly spread bits of a number and a salt.
fn mix(id: i64, salt: i64) -> u64 {
    let mut bits = (id * 1_000 + salt).cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

fn unit(id: i64, salt: i64) -> f32 {
    f32::from(u16::try_from(mix(id, salt) >> 48).expect("sixteen bits")) / 65_536.0
}

fn vector(id: i64) -> [f32; DIM] {
    std::array::from_fn(|at| unit(id, i64::try_from(at).expect("small")))
}

pub(super) fn row(id: i64) -> Row {
    let word = (id % 7 != 0).then(|| format!("w{}", id % 40));
    Row { id, vector: vector(id), word }
}

/// Queries lie where the first coordinate is small.
pub(super) fn query(id: i64) -> [f32; DIM] {
    let mut query = vector(1_000_000 + id);
    query[0] *= 0.1;
    query
}

impl Row {
    pub(super) fn vector(&self) -> [f32; DIM] {
        self.vector
    }

    pub(super) fn score(&self, query: &[f32; DIM]) -> f32 {
        self.vector.iter().zip(query).map(|(a, b)| (a - b) * (a - b)).sum()
    }

    /// `near` is small where queries are, `far` is small far from them.
    #[expect(clippy::cast_possible_truncation, reason = "below a million")]
    pub(super) fn value(&self, column: &str) -> i64 {
        let near = (self.vector[0] * 1_000_000.0) as i64;
        match column {
            "near" => near,
            "far" => 1_000_000 - near,
            _ => i64::try_from(mix(self.id, 99) % 1_000_000).expect("below a million"),
        }
    }
}

/// What so many thousandths of the rows are below.
pub(super) fn quantile(rows: &[Row], column: &str, per_mille: usize) -> i64 {
    let mut values: Vec<_> = rows.iter().map(|row| row.value(column)).collect();
    values.sort_unstable();
    let at = rows.len() * per_mille / 1_000;
    values.get(at).copied().unwrap_or(i64::MAX)
}

/// Columns, and how many of a thousand rows pass.
pub(super) fn selectivities() -> Vec<(&'static str, usize)> {
    let all = [0, 1, 10, 100, 500, 990, 1_000];
    let columns = ["shuffled", "near", "far"];
    columns.into_iter().flat_map(|column| all.map(|per_mille| (column, per_mille))).collect()
}

/// Every index there is, small segments included.
pub(super) fn kinds() -> Vec<(String, IndexSpec)> {
    let kind = |kind| IndexSpec { kind, ..IndexSpec::default() };
    let hnsw = kind(IndexKind::Hnsw);
    let mut kinds = vec![
        ("hnsw_rs".to_owned(), IndexSpec { engine: IndexEngine::HnswRs, ..hnsw }),
        ("paged".to_owned(), IndexSpec { layout: IndexLayout::Paged, ..hnsw }),
    ];
    for codes in [
        IndexCodes::Inlined,
        IndexCodes::None,
        IndexCodes::Sq8,
        IndexCodes::Sq4,
        IndexCodes::Rabitq,
    ] {
        kinds.push((format!("hnsw {codes:?}"), IndexSpec { codes, ..hnsw }));
    }
    for codes in [IndexCodes::None, IndexCodes::Sq8] {
        let flat = kind(IndexKind::Flat);
        kinds.push((format!("flat {codes:?}"), IndexSpec { codes, ..flat }));
    }
    for lists in [
        IndexKind::IvfFlat,
        IndexKind::IvfSq8,
        IndexKind::IvfPq,
        IndexKind::IvfRabitq,
        IndexKind::Scann,
    ] {
        kinds.push((format!("{lists:?}"), kind(lists)));
    }
    kinds
}

pub(super) fn spec(index: IndexSpec) -> CollectionSpec {
    let kind = VectorType::new(8, ElementType::F32, Metric::L2).expect("a right type");
    let scalar = |id, name, scalar, nullable| Column::scalar(ColumnId(id), name, scalar, nullable);
    let columns = vec![
        Column::vector(ColumnId(1), "v", kind),
        scalar(2, "shuffled", ScalarType::Int64, false),
        scalar(3, "near", ScalarType::Int32, false),
        scalar(4, "far", ScalarType::Int64, false),
        scalar(5, "word", ScalarType::String, true),
    ];
    let schema = Schema::new(IdType::Int64, columns).expect("a right schema");
    let mut spec = CollectionSpec::new(NAME, schema);
    spec.indexes.insert("v".into(), index);
    spec
}

pub(super) fn batch(ids: Range<i64>) -> RowBatch {
    let rows: Vec<_> = ids.clone().map(row).collect();
    let ints = |column| rows.iter().map(|row| row.value(column)).collect::<Vec<_>>();
    let near = ints("near").into_iter().map(|x| i32::try_from(x).expect("below a million"));
    let words: Vec<_> = rows.iter().map(|row| row.word.clone()).collect();
    RowBatch {
        ids: Ids::Int(ids.collect()),
        vectors: vec![(
            ColumnId(1),
            VectorInput::Floats(rows.iter().flat_map(|row| row.vector).collect()),
        )],
        scalars: vec![
            (ColumnId(2), Arc::new(arrow_array::Int64Array::from(ints("shuffled")))),
            (ColumnId(3), Arc::new(near.collect::<arrow_array::Int32Array>())),
            (ColumnId(4), Arc::new(arrow_array::Int64Array::from(ints("far")))),
            (ColumnId(5), Arc::new(arrow_array::StringArray::from(words))),
        ],
    }
}

pub(super) fn write(engine: &Engine, ids: Range<i64>) {
    engine.write_blocking("", NAME, Write::Insert(batch(ids)), None).expect("an insert");
}

pub(super) fn delete(engine: &Engine, ids: Vec<i64>) {
    engine.write_blocking("", NAME, Write::Delete(Ids::Int(ids)), None).expect("a delete");
}

pub(super) fn delete_where(
    engine: &Engine,
    filter: RowFilter,
    request: Option<RequestId>,
) -> Result<WriteOutcome> {
    engine.write_blocking("", NAME, Write::DeleteWhere(filter), request)
}

/// Seals and indexes; building all kinds takes its time where others run, too.
pub(super) fn flush(engine: &Engine) {
    let deadline = SystemClock.now() + Duration::from_secs(600);
    let cancel = Cancel::new(Arc::new(SystemClock), Some(deadline));
    engine.flush("", NAME, true, &cancel).expect("a flush");
}

/// A column with a default, and one that is null.
pub(super) fn add_columns(engine: &Engine) {
    let price = Column::scalar(ColumnId(0), "price", ScalarType::Int8, false);
    let price = Column { default: Some(ScalarValue::Int(7)), ..price };
    engine.add_column("", NAME, price, None).expect("a new column");
    let note = Column::scalar(ColumnId(0), "note", ScalarType::String, true);
    engine.add_column("", NAME, note, None).expect("a new column");
}

pub(super) fn filter(text: &str, parameters: &[(&str, i64)]) -> RowFilter {
    let value = |(name, value): &(&str, i64)| ((*name).to_owned(), Value::Int(*value));
    RowFilter {
        expression: Expression::parse(text).expect("a filter"),
        parameters: parameters.iter().map(value).collect(),
    }
}

pub(super) fn search_for(query: &[f32; DIM]) -> Search {
    Search::new(VectorInput::Floats(query.to_vec()), 10)
}

pub(super) fn search(engine: &Engine, search: Search) -> SearchAnswer {
    engine.search_blocking("", NAME, search, Cancel::never()).expect("a search")
}

pub(super) fn ids(rows: &RowBatch) -> Vec<i64> {
    let Ids::Int(ids) = &rows.ids else { panic!("integer ids") };
    ids.clone()
}

pub(super) fn found(answer: &SearchAnswer) -> Vec<i64> {
    ids(&answer.results[0].rows)
}
