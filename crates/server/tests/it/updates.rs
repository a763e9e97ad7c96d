//! Updates and conditional upserts, end to end: by ids, by filter, and with errors.

use crate::serving::{TestServer, batch, ids};
use tonic::Code;
use vicinal_api::v1;
use vicinal_api::v1::column_values::Values;

fn filter(text: &str) -> Option<v1::Filter> {
    let form = Some(v1::filter::Form::Text(text.to_owned()));
    Some(v1::Filter { form, ..Default::default() })
}

fn years(values: Vec<i64>) -> v1::ColumnValues {
    let values = Some(Values::Ints(v1::IntValues { values }));
    v1::ColumnValues { name: "year".to_owned(), values, nulls: Vec::new() }
}

fn update(columns: Vec<v1::ColumnValues>) -> v1::UpdateRequest {
    v1::UpdateRequest { collection: "docs".to_owned(), columns, ..Default::default() }
}

async fn count(server: &TestServer, text: &str) -> u64 {
    let collection = "docs".to_owned();
    let request = v1::CountRequest { collection, filter: filter(text), ..Default::default() };
    server.rows().count(request).await.expect("a count").into_inner().rows
}

#[tokio::test]
async fn updates_change_what_they_name_and_nothing_else() {
    let server = TestServer::with_docs().await;
    server.insert(1..=9).await;
    let options = Some(v1::WriteOptions { request_id: vec![5; 16], timeout_ms: 0 });
    let columns = vec![years(vec![100, 101, 102])];
    let request = v1::UpdateRequest { ids: ids([4, 77, 5]), options, ..update(columns) };
    let first = server.rows().update(request.clone()).await.expect("updated").into_inner();
    assert_eq!((first.updated, first.missing.as_slice()), (2, &[1][..]));
    assert_eq!(first.positions.len(), 1);
    let again = server.rows().update(request).await.expect("known").into_inner();
    assert_eq!(again, first);
    assert_eq!(count(&server, "year = 100 and id = 4 and word = \"word 4\"").await, 1);
    assert_eq!(count(&server, "year = 102 and id = 5").await, 1);
    let get = v1::GetRequest {
        collection: "docs".to_owned(),
        ids: ids([4]),
        columns: vec!["v".to_owned()],
        ..Default::default()
    };
    let rows = server.rows().get(get).await.expect("a row").into_inner().rows.expect("rows");
    let Some(Values::Vectors(vectors)) = &rows.columns[0].values else { panic!("vectors") };
    let Some(v1::vectors::Data::Packed(bytes)) = &vectors.data else { panic!("packed") };
    assert_eq!(bytes[..4], 4_f32.to_le_bytes(), "the vector stayed");

    let by_filter = update(vec![years(vec![-7])]);
    let by_filter = v1::UpdateRequest { filter: filter("year >= 100"), ..by_filter };
    let answer = server.rows().update(by_filter).await.expect("updated").into_inner();
    assert_eq!((answer.updated, answer.missing), (2, Vec::new()));
    assert_eq!(count(&server, "year = -7").await, 2);
    assert_eq!(count(&server, "id > 0").await, 9);
}

#[tokio::test]
async fn wrong_updates_are_refused() {
    let server = TestServer::with_docs().await;
    server.insert(1..=3).await;
    let check = async |request: v1::UpdateRequest, expected: &str| {
        let status = server.rows().update(request).await.expect_err("a wrong update");
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains(expected), "{status} does not say {expected:?}");
    };
    let of_one = |column| v1::UpdateRequest { ids: ids([1]), ..update(vec![column]) };
    check(update(vec![years(vec![1])]), "there are no ids").await;
    let both = update(vec![years(vec![1])]);
    let both = v1::UpdateRequest { ids: ids([]), filter: filter("id = 1"), ..both };
    check(both, "0 ids are not the 1 to").await;
    check(v1::UpdateRequest { ids: ids([1]), ..update(Vec::new()) }, "one column at least").await;
    check(of_one(years(vec![1, 2])), "2 values for 1 rows").await;
    let twice = update(vec![years(vec![1]), years(vec![2])]);
    check(v1::UpdateRequest { ids: ids([1]), ..twice }, "`year` is there twice").await;
    let unknown = v1::ColumnValues { name: "yaer".to_owned(), ..years(vec![1]) };
    check(of_one(unknown), "yaer").await;
    let null = v1::ColumnValues { nulls: vec![1], ..years(vec![0]) };
    check(of_one(null), "takes no nulls").await;
    let wrong = update(vec![years(vec![1])]);
    check(v1::UpdateRequest { filter: filter("year = = 1"), ..wrong }, "column 8").await;
    let many = update(vec![years(vec![1, 2])]);
    check(v1::UpdateRequest { filter: filter("id = 1"), ..many }, "2 values for 1 rows").await;
    let words = batch([1]).columns.remove(1);
    let words = v1::ColumnValues { name: "year".to_owned(), ..words };
    check(of_one(words), "the request has strings").await;
    assert_eq!(count(&server, "year = id").await, 3, "nothing changed");
}

fn upsert(values: &[i64], year: i64, condition: Option<v1::Filter>) -> v1::UpsertRequest {
    let mut rows = batch(values.iter().copied());
    rows.columns[2] = years(vec![year; values.len()]);
    v1::UpsertRequest {
        collection: "docs".to_owned(),
        rows: Some(rows),
        condition,
        ..Default::default()
    }
}

#[tokio::test]
async fn upserts_replace_what_passes_their_condition() {
    let server = TestServer::with_docs().await;
    server.insert(1..=4).await;
    let mut condition = filter("year < {least}").expect("a filter");
    let three = v1::FilterValue { kind: Some(v1::filter_value::Kind::IntValue(3)) };
    condition.parameters.insert("least".to_owned(), three);
    let options = Some(v1::WriteOptions { request_id: vec![6; 16], timeout_ms: 0 });
    let request =
        v1::UpsertRequest { options, ..upsert(&[4, 2, 7, 3], 100, Some(condition.clone())) };
    let first = server.rows().upsert(request.clone()).await.expect("upserted").into_inner();
    assert_eq!((first.inserted, first.replaced), (1, 1));
    assert_eq!(first.left_out, [0, 3]);
    let again = server.rows().upsert(request).await.expect("known").into_inner();
    assert_eq!(again, first);
    assert_eq!(count(&server, "year = 100 and id in [2, 7]").await, 2);

    let existing = v1::UpsertRequest { existing_only: true, ..upsert(&[8, 1], 200, None) };
    let answer = server.rows().upsert(existing).await.expect("upserted").into_inner();
    assert_eq!((answer.inserted, answer.replaced, answer.left_out), (0, 1, vec![0]));
    let both = v1::UpsertRequest {
        existing_only: true,
        ..upsert(&[9, 1, 3], 300, Some(condition.clone()))
    };
    let answer = server.rows().upsert(both).await.expect("upserted").into_inner();
    assert_eq!((answer.inserted, answer.replaced, answer.left_out), (0, 0, vec![0, 1, 2]));
    assert_eq!(count(&server, "id > 0").await, 5);

    let ids_if = update(vec![years(vec![-1, -2, -3])]);
    let ids_if = v1::UpdateRequest { ids: ids([3, 4, 9]), filter: filter("year != 4"), ..ids_if };
    let answer = server.rows().update(ids_if).await.expect("updated").into_inner();
    assert_eq!((answer.updated, answer.missing), (1, vec![1, 2]));
    assert_eq!(count(&server, "year = -1 and id = 3").await, 1);

    let wrong = upsert(&[1], 1, filter("yaer = 1"));
    let status = server.rows().upsert(wrong).await.expect_err("a wrong condition");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("yaer"), "{status}");
}
