//! Filters, end to end: as text, as tree, with parameters, and with errors.

use crate::serving::{TestServer, ids, ints, nearest};
use tonic::Code;
use vicinal_api::v1;
use vicinal_api::v1::filter::Form;
use vicinal_api::v1::{FilterOperator, expression, filter_value};

fn text(text: &str) -> v1::Filter {
    v1::Filter { form: Some(Form::Text(text.to_owned())), ..Default::default() }
}

fn int(value: i64) -> v1::FilterValue {
    v1::FilterValue { kind: Some(filter_value::Kind::IntValue(value)) }
}

fn list(values: impl IntoIterator<Item = i64>) -> v1::FilterValue {
    let values = values.into_iter().map(int).collect();
    v1::FilterValue { kind: Some(filter_value::Kind::ListValue(v1::FilterValues { values })) }
}

fn with(filter: v1::Filter, name: &str, value: v1::FilterValue) -> v1::Filter {
    let parameters = filter.parameters.into_iter().chain([(name.to_owned(), value)]).collect();
    v1::Filter { parameters, ..filter }
}

fn leaf(kind: expression::Kind) -> v1::Expression {
    v1::Expression { kind: Some(kind), operands: Vec::new() }
}

fn call(operator: FilterOperator, operands: Vec<v1::Expression>) -> v1::Expression {
    v1::Expression { kind: Some(expression::Kind::Operator(operator.into())), operands }
}

fn column(name: &str) -> v1::Expression {
    leaf(expression::Kind::Column(name.to_owned()))
}

fn tree(tree: v1::Expression) -> v1::Filter {
    v1::Filter { form: Some(Form::Tree(tree)), ..Default::default() }
}

async fn count(server: &TestServer, filter: v1::Filter) -> Result<u64, tonic::Status> {
    let request = v1::CountRequest {
        collection: "docs".to_owned(),
        filter: Some(filter),
        ..Default::default()
    };
    Ok(server.rows().count(request).await?.into_inner().rows)
}

async fn find(server: &TestServer, at: f32, k: u32, filter: v1::Filter) -> v1::SearchResponse {
    let request = v1::SearchRequest { filter: Some(filter), ..nearest(at, k) };
    server.search().search(request).await.expect("an answer").into_inner()
}

/// A hundred rows, of which half are sealed.
async fn docs() -> TestServer {
    let server = TestServer::with_docs().await;
    server.insert(0..50).await;
    let request = v1::FlushRequest {
        collection: "docs".to_owned(),
        wait_indexed: true,
        ..Default::default()
    };
    server.rows().flush(request).await.expect("flushed");
    server.insert(50..100).await;
    server
}

#[tokio::test]
async fn searches_find_the_nearest_that_pass() {
    let server = docs().await;
    let answer = find(&server, 42.0, 3, text("year % 10 = 7")).await;
    let report = answer.report.expect("a report");
    assert_eq!(report.passing_rows, 10);
    assert_eq!(ints(answer.hits.expect("hits").ids), [37, 47, 27]);
    let given = with(text("year in {years}"), "years", list([3, 90, 1_000]));
    let answer = find(&server, 42.0, 3, given.clone()).await;
    assert_eq!(ints(answer.hits.expect("hits").ids), [3, 90], "there are no more");
    let request = v1::SearchBatchRequest {
        collection: "docs".to_owned(),
        vectors: nearest(42.0, 1).vector,
        k: 1,
        filter: Some(given),
        ..Default::default()
    };
    let answer = server.search().search_batch(request).await.expect("answers").into_inner();
    assert_eq!(ints(answer.results[0].ids.clone()), [3]);
}

#[tokio::test]
async fn a_tree_is_the_text_that_it_prints_as() {
    let server = docs().await;
    let least = leaf(expression::Kind::Parameter("least".to_owned()));
    let at_least = call(FilterOperator::GreaterOrEqual, vec![column("year"), least]);
    let of_words =
        call(FilterOperator::Not, vec![call(FilterOperator::IsNull, vec![column("word")])]);
    let both = call(FilterOperator::And, vec![at_least.clone(), of_words]);
    let as_tree = with(tree(both), "least", int(60));
    let as_text = with(text("year >= {least} and word is not null"), "least", int(60));
    let expected = count(&server, as_text).await.expect("a count");
    assert!(expected > 0 && expected <= 40);
    assert_eq!(count(&server, as_tree).await.expect("a count"), expected);
    let alone = with(tree(at_least), "least", int(60));
    assert_eq!(count(&server, alone).await.expect("a count"), 40);
}

#[tokio::test]
async fn walks_and_deletes_take_filters() {
    let server = docs().await;
    let mut found = Vec::new();
    let mut cursor = Vec::new();
    loop {
        let request = v1::ScrollRequest {
            collection: "docs".to_owned(),
            limit: 7,
            cursor,
            filter: Some(text("year < 30")),
            ..Default::default()
        };
        let page = server.rows().scroll(request).await.expect("a page").into_inner();
        found.extend(ints(page.rows.expect("rows").ids));
        cursor = page.next;
        if cursor.is_empty() {
            break;
        }
    }
    found.sort_unstable();
    assert_eq!(found, (0..30).collect::<Vec<_>>());
    let delete = |ids, filter| v1::DeleteRequest {
        collection: "docs".to_owned(),
        ids,
        filter,
        ..Default::default()
    };
    let request = delete(None, Some(text("year between 20 and 79")));
    let answer = server.rows().delete(request).await.expect("deleted").into_inner();
    assert_eq!((answer.deleted, answer.positions.len()), (60, 1));
    assert_eq!(count(&server, text("year >= 0")).await.expect("a count"), 40);
    let refused = server.rows().delete(delete(ids([1]), Some(text("year = 1")))).await;
    let refused = refused.expect_err("both");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("ids or a filter"), "{refused}");
}

#[tokio::test]
async fn wrong_filters_are_refused_with_their_place() {
    let server = docs().await;
    let check = async |filter: v1::Filter, expected: &str| {
        let search = v1::SearchRequest { filter: Some(filter.clone()), ..nearest(1.0, 1) };
        let searched = server.search().search(search).await.expect_err("a wrong filter");
        let counted = count(&server, filter).await.expect_err("a wrong filter");
        for status in [searched, counted] {
            assert_eq!(status.code(), Code::InvalidArgument, "{status}");
            assert!(status.message().contains(expected), "{status} does not say {expected:?}");
        }
    };
    check(text("year = = 3"), "line 1, column 8").await;
    check(text("yaer = 3"), "line 1, column 1: ").await;
    check(text("year < {max}"), "column 8").await;
    check(with(text("year < 3"), "max", int(3)), "max").await;
    check(with(text("year < {max}"), "max", v1::FilterValue::default()), "{max}").await;
    check(v1::Filter::default(), "the filter is empty").await;
    check(tree(v1::Expression::default()), "a node of the filter's tree is empty").await;
    let nonsense = call(FilterOperator::Unspecified, Vec::new());
    check(tree(nonsense), "does not say which operator").await;
    let unknown =
        v1::Expression { kind: Some(expression::Kind::Operator(99)), operands: Vec::new() };
    check(tree(unknown), "99 is no operator").await;
    let operands = vec![column("year")];
    let of_column = v1::Expression { operands, ..column("word") };
    check(tree(of_column), "operands and no operator").await;
    let infinite = v1::FilterValue { kind: Some(filter_value::Kind::FloatValue(f64::INFINITY)) };
    check(with(text("year < {max}"), "max", infinite), "{max} of the filter is inf").await;
    let in_list = v1::FilterValues { values: vec![list([1])] };
    let in_list = v1::FilterValue { kind: Some(filter_value::Kind::ListValue(in_list)) };
    check(with(text("year in {some}"), "some", in_list), "a list in a list").await;
    let deep = (0..40).fold(column("word"), |inner, _| call(FilterOperator::Not, vec![inner]));
    let deep = (0..40).fold(deep, |inner, _| call(FilterOperator::Not, vec![inner]));
    check(tree(deep), "levels deep").await;
}
