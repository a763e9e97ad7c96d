//! The tests that an index may answer: what they are, and that an answer counts.

use crate::table::{Cell, Table, schema};
use std::ops::Bound;
use vicinal_filter::{ColumnRef, Expression, Filter, Leaf, Parameters, Set, Test};
use vicinal_types::{Bitmap, IdType, Schema};

/// The rows for which a leaf is true, by its definition.
pub(crate) fn answer(leaf: &Leaf, table: &Table) -> Bitmap {
    let name = match leaf.column {
        ColumnRef::Id => Schema::ID_NAME,
        ColumnRef::Column(id) => {
            let mut columns = table.schema.columns().iter();
            &columns.find(|column| column.id == id).expect("it is there").name
        }
    };
    let mut set = Bitmap::new(table.row_count);
    for (row, cell) in (0..).zip(&table.columns[name]) {
        if *cell != Cell::Null && holds(&leaf.test, cell) {
            set.insert(row);
        }
    }
    set
}

fn within<T: PartialOrd + ?Sized>(value: &T, min: Bound<&T>, max: Bound<&T>) -> bool {
    let above = match min {
        Bound::Included(min) => value >= min,
        Bound::Excluded(min) => value > min,
        Bound::Unbounded => true,
    };
    above
        && match max {
            Bound::Included(max) => value <= max,
            Bound::Excluded(max) => value < max,
            Bound::Unbounded => true,
        }
}

fn is_in(set: &Set, cell: &Cell) -> bool {
    match (set, cell) {
        (Set::Bools(set), Cell::Bool(value)) => set.contains(value),
        (Set::Ints(set), Cell::Int(value) | Cell::Time(value)) => set.contains(value),
        (Set::Floats(set), Cell::Float(value)) => set.contains(value),
        (Set::Texts(set), Cell::Text(value)) => set.contains(value),
        _ => false,
    }
}

/// Whether each member of a set is an item.
fn all_in(set: &Set, items: &[Cell]) -> bool {
    let mut members: Vec<Cell> = match set {
        Set::Bools(set) => set.iter().map(|value| Cell::Bool(*value)).collect(),
        Set::Ints(set) => set.iter().map(|value| Cell::Int(*value)).collect(),
        Set::Floats(set) => set.iter().map(|value| Cell::Float(*value)).collect(),
        Set::Texts(set) => set.iter().map(|value| Cell::Text(value.clone())).collect(),
    };
    members.retain(|member| {
        !items.iter().any(|item| match (item, member) {
            (Cell::Time(item), Cell::Int(member)) => item == member,
            (item, member) => item == member,
        })
    });
    members.is_empty()
}

fn holds(test: &Test, cell: &Cell) -> bool {
    match (test, cell) {
        (Test::In(set), cell) => is_in(set, cell),
        (Test::IntRange { min, max }, Cell::Int(value) | Cell::Time(value)) => {
            min <= value && value <= max
        }
        (Test::FloatRange { min, max }, Cell::Float(value)) => min <= value && value <= max,
        (Test::TextRange { min, max }, Cell::Text(text)) => {
            within(text, min.as_ref(), max.as_ref())
        }
        (Test::Prefix(prefix), Cell::Text(text)) => text.starts_with(prefix),
        (Test::Like(like), Cell::Text(text)) => {
            let is_match = like.is_match(text.as_bytes());
            let mut literals = vec![like.prefix(), like.suffix()];
            literals.extend(like.middle().iter().map(String::as_str));
            assert!(!is_match || literals.iter().all(|literal| text.contains(literal)));
            is_match
        }
        (Test::Matches(regex), Cell::Text(text)) => regex.is_match(text.as_bytes()),
        (Test::ContainsAny(set), Cell::Array(items)) => items.iter().any(|item| is_in(set, item)),
        (Test::ContainsAll(set), Cell::Array(items)) => all_in(set, items),
        (test, cell) => panic!("{test:?} does not test {cell:?}"),
    }
}

fn leaves(text: &str) -> Vec<Test> {
    let expression = Expression::parse(text).expect("a filter");
    let filter = Filter::new(&expression, &schema(IdType::Int64), &Parameters::new(), 0);
    let filter = filter.unwrap_or_else(|error| panic!("{error}"));
    filter.leaves().into_iter().map(|leaf| leaf.test.clone()).collect()
}

fn texts(texts: &[&str]) -> Set {
    Set::Texts(texts.iter().map(|text| (*text).to_owned()).collect())
}

#[test]
fn comparisons_become_tests_of_columns() {
    let check = |text: &str, expected: &[Test]| assert_eq!(leaves(text), expected, "{text}");
    let ints = |min, max| Test::IntRange { min, max };
    let floats = |min, max| Test::FloatRange { min, max };
    check("int64 = 3", &[ints(3, 3)]);
    check("3 > int64", &[ints(i64::MIN, 2)]);
    check("int64 < 2.5", &[ints(i64::MIN, 2)]);
    check("int64 = 2.5", &[Test::In(Set::Ints(vec![]))]);
    check("int64 >= 1 and bool and int64 < 5", &[ints(1, 4), Test::In(Set::Bools(vec![true]))]);
    check("not (int64 < 1 or int64 > 5)", &[ints(1, 5)]);
    check("int64 not between 1 and 5", &[ints(1, 5)]);
    check("int64 in [3, 1, 2, 2]", &[ints(1, 3)]);
    check("int64 in [5, 1, 2.5]", &[Test::In(Set::Ints(vec![1, 5]))]);
    check("id = 7", &[ints(7, 7)]);
    check("timestamp > now() - interval '1 second'", &[ints(-999_999, i64::MAX)]);
    check("timestamp >= '1970-01-02'", &[ints(86_400_000_000, i64::MAX)]);
    check("float64 <= 1", &[floats(f64::NEG_INFINITY, 1.0)]);
    check("float64 < 1", &[floats(f64::NEG_INFINITY, 1.0_f64.next_down())]);
    check("float32 = 0.1", &[floats(f64::from(0.1_f32), f64::from(0.1_f32))]);
    check("string = 'a'", &[Test::In(texts(&["a"]))]);
    check("string in ['b', 'a', 'b']", &[Test::In(texts(&["a", "b"]))]);
    let text_range = |min, max| Test::TextRange { min, max };
    check(
        "string > 'a' and string <= 'b'",
        &[text_range(Bound::Excluded("a".into()), Bound::Included("b".into()))],
    );
    check("string like 'a%'", &[Test::Prefix("a".into())]);
    check("string like 'ab'", &[Test::In(texts(&["ab"]))]);
    check("string is null", &[Test::IsNull]);
    check("contains(strings, 'a')", &[Test::ContainsAny(texts(&["a"]))]);
    check("contains_all(int8s, [2, 1])", &[Test::ContainsAll(Set::Ints(vec![1, 2]))]);
    check("contains_all(int8s, [2, 1.5])", &[Test::ContainsAny(Set::Ints(vec![]))]);
}

#[test]
fn an_index_is_believed() {
    let table = Table::random(1, 100);
    let expression = Expression::parse("int64 = 3 or string = 'a'").expect("a filter");
    let filter = Filter::new(&expression, &table.schema, &Parameters::new(), 0).expect("it fits");
    let mut asked = 0;
    let mut everything = |leaf: &Leaf| {
        asked += 1;
        matches!(leaf.test, Test::IntRange { .. }).then(|| Bitmap::full(100))
    };
    let found = filter.evaluate(&table.arrays(0), None, &mut everything).expect("it is all there");
    let valid = |row: u32| table.columns["int64"][row as usize] != Cell::Null;
    assert!((0..100).all(|row| !valid(row) || found.contains(row)));
    assert_eq!(asked, 2);
    let wrong = filter.evaluate(&table.arrays(0), None, &mut |_| Some(Bitmap::full(99)));
    assert!(wrong.is_err_and(|error| error.to_string().contains("99 rows")));
}
