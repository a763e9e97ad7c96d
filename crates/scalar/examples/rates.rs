//! How long an index takes to answer, and the column without one, in milliseconds for a
//! million rows: `cargo run --release -p vicinal-scalar --example rates`.

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, Int64Array, StringArray};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::Arc;
use vicinal_filter::{ColumnRef, Columns, Expression, Filter, Parameters};
use vicinal_scalar::{Kind, ScalarIndex};
use vicinal_types::{
    ArrayItem, Column, ColumnId, ElementType, IdType, Metric, ScalarType, Schema, VectorType,
};

const ROWS: usize = 1_000_000;

/// A column, the indexes to try, and filters of it.
struct Case {
    name: &'static str,
    scalar: ScalarType,
    column: ArrayRef,
    kinds: &'static [Kind],
    filters: Vec<String>,
}

fn random() -> impl FnMut() -> usize {
    let mut state = 1_u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).expect("31 bits")
    }
}

fn ints(of: impl FnMut(usize) -> usize) -> ArrayRef {
    let values = (0..ROWS).map(of).map(|value| i64::try_from(value).expect("small"));
    Arc::new(Int64Array::from_iter_values(values))
}

fn texts(of: impl FnMut(usize) -> String) -> ArrayRef {
    Arc::new(StringArray::from_iter_values((0..ROWS).map(of)))
}

/// Ranges that begin in the middle, for each share of the rows.
fn ranges(values: usize) -> Vec<String> {
    let shares = [0.0001, 0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.6, 0.9, 0.99];
    let range = |share: f64| {
        let width = (values as f64 * share).round().max(1.0);
        let from = ((values as f64 - width) / 2.0).floor();
        format!("c between {from} and {}", from + width - 1.0)
    };
    shares.into_iter().map(range).collect()
}

fn cases() -> Vec<Case> {
    let mut random = random();
    let all = |filters: &[&str]| filters.iter().map(|filter| (*filter).to_owned()).collect();
    let ordered: &[Kind] = &[Kind::Bitmap, Kind::Sorted];
    let words = ["noun.food", "noun.plant", "verb.motion", "adj.all"];
    let int64 = |name, column, kinds, filters| Case {
        name,
        scalar: ScalarType::Int64,
        column,
        kinds,
        filters,
    };
    let string = |name, column, kinds, filters| Case {
        name,
        scalar: ScalarType::String,
        column,
        kinds,
        filters,
    };
    let mut wide = ranges(1_000_000);
    wide.push("c = 77".to_owned());
    let mut few = ranges(100);
    few.push("c in [1, 5, 9, 33, 50]".to_owned());
    vec![
        int64("int64, a million values", ints(|_| random() % 1_000_000), &[Kind::Sorted], wide),
        int64("int64 in order", ints(|row| row), &[Kind::Sorted], ranges(1_000_000)),
        int64("int64, 100 values", ints(|_| random() % 100), ordered, few),
        string(
            "string, 4 values",
            texts(|_| words[random() % 4].to_owned()),
            ordered,
            all(&["c = 'noun.food'", "c like 'noun%'", "c like '%o%n%'", "c matches 'f[aeiou]+d'"]),
        ),
        string(
            "string, a million values",
            texts(|_| format!("{}.{:x}", words[random() % 4], random())),
            &[Kind::Sorted, Kind::Trigram],
            all(&[
                "c = 'noun.food.77'",
                "c like 'noun.food.7f%'",
                "c like 'noun%'",
                "c > 'noun' and c < 'o'",
                "c like '%.7ff%'",
                "c like '%7ff1%'",
                "c like '%7ff%'",
            ]),
        ),
        lists(&mut random),
    ]
}

fn lists(random: &mut impl FnMut() -> usize) -> Case {
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(ArrayItem::String.field());
    for row in 0..ROWS {
        (0..row % 4).for_each(|_| lists.values().append_value(format!("tag{}", random() % 500)));
        lists.append(true);
    }
    let filters = [
        "contains(c, 'tag7')",
        "contains_any(c, ['tag1', 'tag2', 'tag3', 'tag77'])",
        "contains_all(c, ['tag1', 'tag2'])",
    ];
    Case {
        name: "array<string>, 500 items",
        scalar: ScalarType::Array(ArrayItem::String),
        column: Arc::new(lists.finish()),
        kinds: &[Kind::Inverted],
        filters: filters.map(str::to_owned).into(),
    }
}

/// Seconds of processor time of this thread: others on the machine do not count.
fn seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Milliseconds that it takes, the best of some tries.
fn milliseconds(mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..9 {
        let start = seconds();
        run();
        best = best.min(seconds() - start);
    }
    best * 1e3
}

fn filter(scalar: ScalarType, text: &str) -> Filter {
    let vector = VectorType::new(4, ElementType::F32, Metric::L2).expect("a right type");
    let declared = vec![
        Column::vector(ColumnId(1), "v", vector),
        Column::scalar(ColumnId(2), "c", scalar, true),
    ];
    let schema = Schema::new(IdType::Int64, declared).expect("a right schema");
    let expression = Expression::parse(text).expect("a filter");
    Filter::new(&expression, &schema, &Parameters::new(), 0).expect("it fits")
}

#[expect(clippy::print_stdout, reason = "what it measured is what it is for")]
fn main() {
    for case in cases() {
        println!("{}", case.name);
        let mut indexes = Vec::new();
        for kind in case.kinds {
            let start = seconds();
            let built = ScalarIndex::build(*kind, case.scalar, &case.column).expect("it fits");
            let seconds_built = seconds() - start;
            let bytes = built.to_bytes().into();
            let open = || ScalarIndex::open(&bytes, case.scalar, &case.column).expect("its own");
            let opening = milliseconds(|| drop(black_box(open())));
            let bytes_a_row = bytes.len() as f64 / ROWS as f64;
            println!(
                "  {kind}: {bytes_a_row:.2} bytes a row, built in {seconds_built:.2} s, opened in {opening:.1} ms"
            );
            indexes.push(open());
        }
        let mut columns = Columns::new(ROWS);
        let column = ColumnRef::Column(ColumnId(2));
        columns.insert(column, Arc::clone(&case.column)).expect("as many rows");
        for text in &case.filters {
            let filter = filter(case.scalar, text);
            let evaluate = |index: Option<&ScalarIndex>| {
                let mut ask = |leaf: &vicinal_filter::Leaf| index?.answer(leaf);
                filter.evaluate(black_box(&columns), None, &mut ask).expect("it is there").count()
            };
            let scan = milliseconds(|| _ = black_box(evaluate(None)));
            let rows = evaluate(None);
            print!("  {rows:>8} rows  scan {scan:>7.3} ms");
            for index in &indexes {
                let leaf = filter.leaves()[0];
                if index.answer(leaf).is_none() {
                    print!("  {} not asked    ", index.kind());
                    continue;
                }
                let alone = milliseconds(|| drop(black_box(index.answer(black_box(leaf)))));
                let whole = milliseconds(|| _ = black_box(evaluate(Some(index))));
                print!("  {} {alone:>7.3} ms, evaluated {whole:>7.3} ms", index.kind());
            }
            println!("  {text}");
        }
    }
}
