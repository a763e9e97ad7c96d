//! Columns of every type with random values, and filters that test them.

use arrow_array::builder::{
    BooleanBuilder, Float32Builder, Float64Builder, Int8Builder, Int16Builder, Int32Builder,
    Int64Builder, ListBuilder, StringBuilder,
};
use arrow_array::{Array, ArrayRef, ListArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use vicinal_filter::{ColumnRef, Columns, Expression, Filter, Parameters};
use vicinal_scalar::Kind;
use vicinal_types::{
    ArrayItem, Column, ColumnId, ElementType, IdType, Metric, ScalarType, Schema, VectorType,
};

/// Which rows are null.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Nulls {
    None,
    Some,
    All,
}

/// How values are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    pub(crate) rows: usize,
    /// Different values, about.
    pub(crate) distinct: u32,
    pub(crate) nulls: Nulls,
    pub(crate) seed: u64,
}

impl Draw {
    fn is_null(self, rng: &mut SmallRng) -> bool {
        match self.nulls {
            Nulls::None => false,
            Nulls::Some => rng.random_ratio(1, 5),
            Nulls::All => true,
        }
    }
}

/// The number as a string that shares beginnings and parts with others.
pub(crate) fn text(number: i64) -> String {
    let words = ["noun.food", "noun.plant", "verb", "ä", "", "adj"];
    let word = words[usize::try_from(number.rem_euclid(6)).expect("below 6")];
    if number.rem_euclid(17) < 6 { word.to_owned() } else { format!("{word}{number:x}") }
}

/// The column that is tested.
pub(crate) const COLUMN: ColumnId = ColumnId(2);

macro_rules! column {
    ($builder:ty, $draw:expr, $rng:expr, $value:expr) => {{
        let mut builder = <$builder>::new();
        for _ in 0..$draw.rows {
            if $draw.is_null($rng) {
                builder.append_null();
            } else {
                let number = i64::from($rng.random_range(0..$draw.distinct.max(1)));
                builder.append_value($value(number));
            }
        }
        Arc::new(builder.finish())
    }};
}

fn signed(number: i64) -> i64 {
    number * 1_000_003 % 7_919 - 3_000
}

/// A column of that type.
pub(crate) fn column(scalar: ScalarType, draw: Draw) -> ArrayRef {
    let rng = &mut SmallRng::seed_from_u64(draw.seed);
    let small = |number: i64| i8::try_from(number % 256 - 128).expect("a byte");
    let real = |number: i64| signed(number) as f64 / 8.0;
    match scalar {
        ScalarType::Bool => column!(BooleanBuilder, draw, rng, |number| number % 2 == 0),
        ScalarType::Int8 => column!(Int8Builder, draw, rng, small),
        ScalarType::Int16 => {
            column!(Int16Builder, draw, rng, |number| i16::try_from(signed(number)).expect("small"))
        }
        ScalarType::Int32 => {
            column!(Int32Builder, draw, rng, |number| i32::try_from(signed(number)).expect("small"))
        }
        ScalarType::Int64 | ScalarType::Timestamp => column!(Int64Builder, draw, rng, signed),
        ScalarType::Float32 => {
            column!(Float32Builder, draw, rng, |number| f32::from(
                i16::try_from(signed(number)).expect("small")
            ) / 8.0)
        }
        ScalarType::Float64 => column!(Float64Builder, draw, rng, real),
        ScalarType::String | ScalarType::Json => column!(StringBuilder, draw, rng, text),
        ScalarType::Array(item) => array(item, draw, rng),
    }
}

fn array(item: ArrayItem, draw: Draw, rng: &mut SmallRng) -> ArrayRef {
    let lengths: Vec<usize> = (0..draw.rows).map(|_| rng.random_range(0..4)).collect();
    let total = lengths.iter().sum();
    let items = Draw { rows: total, nulls: Nulls::None, seed: draw.seed + 1, ..draw };
    let items = column(item.scalar(), items);
    // Rows that are null have items as well: nobody may see them.
    let valid: Vec<bool> = (0..draw.rows).map(|_| !draw.is_null(rng)).collect();
    let offsets = OffsetBuffer::from_lengths(lengths);
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
    Arc::new(ListArray::new(item.field(), offsets, items, nulls))
}

/// Lists of no items, in case an array's builder is wanted.
pub(crate) fn empty_lists(rows: usize) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(ArrayItem::String.field());
    (0..rows).for_each(|_| lists.append(true));
    Arc::new(lists.finish())
}

/// The kinds that a column of that type can have.
pub(crate) fn kinds(scalar: ScalarType) -> Vec<Kind> {
    let all = [Kind::Bitmap, Kind::Sorted, Kind::Inverted, Kind::Trigram];
    all.into_iter().filter(|kind| kind.takes(scalar)).collect()
}

/// A filter of a schema with one column, `c`.
pub(crate) fn filter(scalar: ScalarType, text: &str) -> Filter {
    let vector = VectorType::new(4, ElementType::F32, Metric::L2).expect("a right type");
    let declared =
        vec![Column::vector(ColumnId(1), "v", vector), Column::scalar(COLUMN, "c", scalar, true)];
    let schema = Schema::new(IdType::Int64, declared).expect("a right schema");
    let expression = Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let filter = Filter::new(&expression, &schema, &Parameters::new(), 0);
    filter.unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The column as a filter reads it.
pub(crate) fn columns(column: &ArrayRef) -> Columns {
    let mut columns = Columns::new(column.len());
    columns.insert(ColumnRef::Column(COLUMN), Arc::clone(column)).expect("as many rows");
    columns
}

/// Filters of single tests, with constants that are there and that are not.
pub(crate) fn filters(scalar: ScalarType, rng: &mut SmallRng) -> Vec<String> {
    let mut number = || signed(rng.random_range(0..8_000));
    match scalar {
        ScalarType::Bool => ["c", "not c", "c in [true, false]"].map(str::to_owned).into(),
        ScalarType::Int8 => {
            let (a, b) = (number() % 130, number() % 130);
            numbers(&a.to_string(), &b.to_string())
        }
        ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => {
            let (a, b) = (number(), number());
            let mut filters = numbers(&a.to_string(), &b.to_string());
            let many: Vec<String> = (0..60).map(|_| number().to_string()).collect();
            filters.push(format!("c in [{}]", many.join(", ")));
            filters
        }
        ScalarType::Timestamp => {
            numbers(&format!("timestamp({})", number()), &format!("timestamp({})", number()))
        }
        ScalarType::Float32 | ScalarType::Float64 => numbers(
            &(number() as f64 / 8.0).to_string(),
            &(number() as f64 / 8.0 + 0.01).to_string(),
        ),
        ScalarType::String => {
            let (a, b) = (text(number()), text(number()));
            let mut filters = numbers(&format!("'{a}'"), &format!("'{b}'"));
            let part: String = b.chars().skip(2).take(4).collect();
            for filter in [
                format!("c like '{a}%'"),
                format!("c like '%{part}%'"),
                format!("c like '%{a}'"),
                format!("c like 'noun%{part}%'"),
                "c like '%oun%'".to_owned(),
                "c like '%oun_food%'".to_owned(),
                "c like 'n_u%'".to_owned(),
                "c like '%xyz%'".to_owned(),
                "c matches '^n.*[0-9]$'".to_owned(),
            ] {
                filters.push(filter);
            }
            filters
        }
        ScalarType::Json => vec!["c is null".to_owned()],
        ScalarType::Array(item) => containing(item, &mut number),
    }
}

fn containing(item: ArrayItem, number: &mut impl FnMut() -> i64) -> Vec<String> {
    let mut constant = || match item {
        ArrayItem::Bool => "true".to_owned(),
        ArrayItem::Int8 => (number() % 128).to_string(),
        ArrayItem::Int16 | ArrayItem::Int32 | ArrayItem::Int64 => number().to_string(),
        ArrayItem::Float32 | ArrayItem::Float64 => (number() as f64 / 8.0).to_string(),
        ArrayItem::String => format!("'{}'", text(number() % 8)),
        ArrayItem::Timestamp => format!("timestamp({})", number()),
    };
    let (a, b, d) = (constant(), constant(), constant());
    vec![
        format!("contains(c, {a})"),
        format!("contains_any(c, [{a}, {b}, {d}])"),
        format!("contains_all(c, [{a}, {b}])"),
        format!("contains_all(c, [{a}])"),
        "contains_any(c, [])".to_owned(),
        "contains_all(c, [])".to_owned(),
    ]
}

fn numbers(a: &str, b: &str) -> Vec<String> {
    let mut filters = vec![
        format!("c between {a} and {b}"),
        format!("c between {b} and {a}"),
        format!("c in [{a}, {b}]"),
        "c in []".to_owned(),
        "c is null".to_owned(),
    ];
    filters.extend(["=", "!=", "<", "<=", ">", ">="].map(|operator| format!("c {operator} {a}")));
    filters
}
