//! Aggregations, end to end.

use crate::serving::{TestServer, refused};
use tonic::Code;
use vicinal_api::v1;
use vicinal_api::v1::value::Kind;

fn figure(function: v1::Function, column: &str) -> v1::Figure {
    v1::Figure { function: function.into(), column: column.to_owned() }
}

fn asked(group_by: &str) -> v1::AggregateRequest {
    v1::AggregateRequest {
        collection: "docs".to_owned(),
        group_by: group_by.to_owned(),
        ..Default::default()
    }
}

async fn docs() -> TestServer {
    let server = TestServer::with_docs().await;
    server.insert(0..100).await;
    server
}

fn value(kind: Kind) -> v1::Value {
    v1::Value { kind: Some(kind) }
}

#[tokio::test]
async fn figures_of_all_rows_and_of_groups_come_back() {
    let server = docs().await;
    let functions = [
        v1::Function::Count,
        v1::Function::Min,
        v1::Function::Max,
        v1::Function::Sum,
        v1::Function::Avg,
    ];
    let text = v1::filter::Form::Text("year < 10".to_owned());
    let request = v1::AggregateRequest {
        filter: Some(v1::Filter { form: Some(text), ..Default::default() }),
        figures: functions.map(|function| figure(function, "year")).to_vec(),
        ..asked("")
    };
    let answer = server.rows().aggregate(request).await.expect("figures").into_inner();
    let ints = [10, 0, 9, 45].map(|int| value(Kind::IntValue(int)));
    let values = ints.into_iter().chain([value(Kind::DoubleValue(4.5))]).collect();
    let group = v1::Group { key: None, rows: 10, values };
    assert_eq!((answer.rows, answer.group_count, answer.groups), (10, 1, vec![group]));

    let order = v1::GroupOrder::Key.into();
    let request = v1::AggregateRequest { order, limit: 3, ..asked("year") };
    let answer = server.rows().aggregate(request).await.expect("groups").into_inner();
    assert_eq!((answer.rows, answer.group_count), (100, 100));
    let groups: Vec<_> = answer.groups.into_iter().map(|group| (group.key, group.rows)).collect();
    assert_eq!(groups, [0, 1, 2].map(|year| (Some(value(Kind::IntValue(year))), 1)));
    let answer = server.rows().aggregate(asked("year")).await.expect("groups").into_inner();
    assert_eq!(answer.groups.len(), 100, "the default limit");
}

#[tokio::test]
async fn wrong_aggregations_are_refused() {
    let server = docs().await;
    let check = async |request: v1::AggregateRequest, expected: &str| {
        refused(server.rows().aggregate(request).await, Code::InvalidArgument, expected);
    };
    check(asked("yaer"), "no scalar column `yaer`").await;
    check(v1::AggregateRequest { order: 9, ..asked("year") }, "9 is no GroupOrder").await;
    check(v1::AggregateRequest { time_unit: 99, ..asked("year") }, "99 is no TimeUnit").await;
    let day = v1::TimeUnit::Day.into();
    check(v1::AggregateRequest { time_unit: day, ..asked("year") }, "a timestamp column").await;
    check(v1::AggregateRequest { time_unit: day, ..asked("") }, "group_by is not").await;
    let figures = vec![figure(v1::Function::Unspecified, "year")];
    check(v1::AggregateRequest { figures, ..asked("year") }, "names no function").await;
    let figures = vec![figure(v1::Function::Sum, "year"); 33];
    check(v1::AggregateRequest { figures, ..asked("year") }, "limit of 32").await;
    check(v1::AggregateRequest { limit: 65_537, ..asked("year") }, "between 1 and 65536").await;
}
