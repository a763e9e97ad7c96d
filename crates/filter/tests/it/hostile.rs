//! Texts that nobody means well with.

use crate::table::{Table, schema};
use proptest::prelude::*;
use vicinal_filter::{Expression, Filter, Node, Operator, Parameters, Value};
use vicinal_types::{IdType, limits};

fn run(text: &str) -> Result<usize, String> {
    let expression = Expression::parse(text).map_err(|error| error.to_string())?;
    let filter = Filter::new(&expression, &schema(IdType::Int64), &Parameters::new(), 0);
    let filter = filter.map_err(|error| error.to_string())?;
    let mut tables = (7..).map(|seed| Table::random(seed, 20));
    let has_int_ids = |table: &Table| table.schema.id_type() == IdType::Int64;
    let table = tables.find(has_int_ids).expect("every other seed");
    let found = filter.evaluate(&table.arrays(1), None, &mut |_| None);
    found.map(|rows| rows.count()).map_err(|error| error.to_string())
}

fn refused(text: &str, why: &str) {
    let error = run(text).expect_err("refused");
    assert!(error.contains(why), "{error}");
}

const WORDS: [&str; 48] = [
    "int64",
    "string",
    "json",
    "strings",
    "embedding",
    "id",
    "nothing",
    "and",
    "or",
    "not",
    "in",
    "between",
    "like",
    "escape",
    "matches",
    "is",
    "null",
    "true",
    "(",
    ")",
    "[",
    "]",
    ",",
    "=",
    "!=",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "1",
    "-9223372036854775808",
    "0.5",
    "'a'",
    "'%_'",
    "'[a'",
    "now()",
    "length(",
    "date_trunc('day',",
    "json_get(json, '$.a')",
    "timestamp",
    "interval'1 day'",
    "{p}",
    "contains_any(",
    "\u{0}",
    "ü",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn any_text_is_read_or_refused(text: String) {
        let _ = run(&text);
    }

    #[test]
    fn any_words_are_read_or_refused(
        words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..25)
    ) {
        let text = words.join(" ");
        if let Ok(expression) = Expression::parse(&text) {
            let again = Expression::parse(&expression.to_string()).expect("it was printed");
            prop_assert_eq!(again.root(), expression.root());
        }
        let _ = run(&text);
    }

    #[test]
    fn any_tree_is_taken_or_refused(name: String, text: String, float: f64, int: i64) {
        let leaf = |value| Node::value(value);
        let tree = Node::call(Operator::And, vec![
            Node::call(Operator::Equal, vec![Node::column(name.clone()), leaf(Value::Text(text))]),
            Node::call(Operator::Less, vec![leaf(Value::Float(float)), Node::parameter(name)]),
            Node::call(Operator::Greater, vec![
                Node::call(Operator::Negate, vec![leaf(Value::Int(int))]),
                leaf(Value::Timestamp(int)),
                ]),
        ]);
        if let Ok(expression) = Expression::new(tree.clone()) {
            prop_assert_eq!(expression.root(), &tree);
        }
    }
}

#[test]
fn limits_are_named() {
    let deep = limits::FILTER_DEPTH_MAX + 1;
    let depth = "nested deeper than 64 levels";
    refused(&format!("{}id = 1{}", "(".repeat(deep), ")".repeat(deep)), depth);
    refused(&format!("{}id = 1", "not ".repeat(deep)), depth);
    refused(&format!("{}1 = 1", "-".repeat(deep)), depth);
    refused(&format!("id{} = 1", " + id".repeat(deep)), depth);
    refused(&format!("id in {}1", "[".repeat(100_000)), "more than 65536 words");
    refused(&"(".repeat(60_000), depth);
    refused(&" ".repeat(limits::FILTER_BYTES_MAX + 1), "the limit is 262144");
    let patterns = vec!["string matches 'a'"; limits::FILTER_PATTERNS_MAX + 1].join(" or ");
    refused(&patterns, "at most 64 such patterns");
    refused("string matches '(a{1000}){1000}'", "more than 1048576 bytes");
    let nested = format!("string matches '{}a{}'", "(".repeat(200), ")".repeat(200));
    refused(&nested, "no regular expression");
    let list = Value::List(vec![Value::Int(1); limits::FILTER_LIST_MAX + 1]);
    let expression = Expression::parse("id in {list}").expect("a filter");
    let parameters = Parameters::from([("list".to_owned(), list)]);
    let error = Filter::new(&expression, &schema(IdType::Int64), &parameters, 0);
    assert!(error.is_err_and(|error| error.to_string().contains("the limit is 65536")));
    let mut tree = Node::column("bool");
    for _ in 0..deep {
        tree = Node::call(Operator::Not, vec![tree]);
    }
    let error = Expression::new(tree).expect_err("too deep");
    assert!(error.to_string().contains("66 levels deep, the limit is 64"), "{error}");
}

#[test]
fn long_chains_are_flat() {
    let chain = vec!["id = 1"; 16_000].join(" or ");
    assert_eq!(run(&chain), Ok(1));
    let chain = vec!["id != 100"; 16_000].join(" and ");
    assert_eq!(run(&chain), Ok(20));
}

#[test]
fn a_pattern_that_backtracks_elsewhere_is_linear() {
    let text = format!("'{}' matches '^(a+)+$'", "a".repeat(30_000));
    assert_eq!(run(&text), Ok(20));
    let pattern = "%a".repeat(1_000);
    let text = format!("'{}b' like '{pattern}_%c'", "a".repeat(30_000));
    assert_eq!(run(&text).ok(), Some(0));
}
