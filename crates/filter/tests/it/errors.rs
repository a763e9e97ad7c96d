//! What is said about filters that are wrong: the sentence, and where the carets are.

use crate::table::schema;
use vicinal_filter::{Expression, Filter, Parameters, Value};
use vicinal_types::IdType;

/// Filters and their errors, separated by empty lines.
const GOLDEN: &str = include_str!("errors.txt");

fn error(text: &str) -> String {
    let schema = schema(IdType::Int64);
    let parameters = match text.contains('{') {
        true => Parameters::from([("max".to_owned(), Value::Text("x".into()))]),
        false => Parameters::new(),
    };
    let expression = Expression::parse(text);
    match expression.and_then(|expression| Filter::new(&expression, &schema, &parameters, 0)) {
        Ok(_) => "no error".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// `UPDATE=1` writes the file anew from the filters in it.
#[test]
fn errors_say_what_is_wrong_and_where() {
    let filters = GOLDEN.lines().filter_map(|line| line.strip_prefix("> "));
    let said: Vec<String> = filters.map(|text| format!("> {text}\n{}\n", error(text))).collect();
    let said = said.join("\n");
    if std::env::var_os("UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/errors.txt");
        #[expect(clippy::disallowed_methods, reason = "a golden file of the tree")]
        std::fs::write(path, &said).expect("the file can be written");
        return;
    }
    assert_eq!(said, GOLDEN);
}

#[test]
fn lines_and_columns_count_characters() {
    let error = Expression::parse("id = 1 and\n  string = 'ä' und 2 = 2").expect_err("`und`");
    assert_eq!((error.line(), error.column()), (2, 16));
    assert!(
        error.to_string().ends_with("\n    string = 'ä' und 2 = 2\n                 ^^^"),
        "{error}"
    );
    assert_eq!(error.message(), "`und` is no operator; did you mean `and`?");
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let text = format!("{}nothing = 1{}", "id = 1 or ".repeat(50), " or id = 1".repeat(50));
    let said = error(&text);
    let lines: Vec<&str> = said.lines().collect();
    let at = lines[2].find('^').expect("a caret");
    let (skipped, shown) = (at - 2, lines[1].trim_start());
    let marked: String = shown.chars().skip(skipped).take(7).collect();
    assert_eq!((marked.as_str(), shown.chars().count()), ("nothing", 78), "{said}");
}
