//! Writing and reading rows, end to end.

use crate::serving::{TestServer, batch, ids, ints, refused};
use tonic::Code;
use vicinal_api::v1;
use vicinal_api::v1::column_values::Values;

fn get(values: impl IntoIterator<Item = i64>, columns: &[&str]) -> v1::GetRequest {
    v1::GetRequest {
        collection: "docs".to_owned(),
        ids: ids(values),
        columns: columns.iter().map(|&name| name.to_owned()).collect(),
        ..Default::default()
    }
}

async fn count(server: &TestServer) -> u64 {
    let request = v1::CountRequest { collection: "docs".to_owned(), ..Default::default() };
    server.rows().count(request).await.expect("a count").into_inner().rows
}

#[tokio::test]
async fn rows_come_back_as_they_were_written() {
    let server = TestServer::with_docs().await;
    let outcome = server.insert([1, 2, 3]).await;
    assert_eq!((outcome.inserted, outcome.positions.len()), (3, 1));
    let answer = server.rows().get(get([3, 99, 2], &["**"])).await.expect("rows").into_inner();
    let rows = answer.rows.expect("rows");
    assert_eq!(rows.ids, ids([3, 2]), "in the order asked for, without those not there");
    let column = |name: &str| rows.columns.iter().find(|column| column.name == name).expect(name);
    let Some(Values::Vectors(vectors)) = &column("v").values else { panic!("vectors") };
    assert_eq!(vectors.element(), v1::ElementType::F32);
    let Some(v1::vectors::Data::Packed(bytes)) = &vectors.data else { panic!("packed") };
    assert_eq!(bytes[..4], 3_f32.to_le_bytes());
    assert_eq!(bytes.len(), 2 * 16);
    let Some(Values::Strings(words)) = &column("word").values else { panic!("strings") };
    assert_eq!(words.values, ["", "word 2"]);
    assert_eq!(column("word").nulls, [0b01]);
    let Some(Values::Ints(years)) = &column("year").values else { panic!("ints") };
    assert_eq!(years.values, [3, 2]);
    assert!(column("year").nulls.is_empty());
}

#[tokio::test]
async fn only_the_columns_asked_for_come_back() {
    let server = TestServer::with_docs().await;
    server.insert([2]).await;
    let names = async |columns: &[&str]| {
        let rows = server.rows().get(get([2], columns)).await.expect("rows").into_inner().rows;
        let mut names: Vec<_> =
            rows.expect("rows").columns.into_iter().map(|column| column.name).collect();
        names.sort();
        names
    };
    assert_eq!(names(&[]).await, [""; 0]);
    assert_eq!(names(&["year"]).await, ["year"]);
    assert_eq!(names(&["*"]).await, ["word", "year"]);
    assert_eq!(names(&["**"]).await, ["v", "word", "year"]);
}

#[tokio::test]
async fn inserts_name_what_exists_and_upserts_replace_it() {
    let server = TestServer::with_docs().await;
    server.insert([1, 2]).await;
    let outcome = server.insert([5, 2, 6, 1]).await;
    assert_eq!((outcome.inserted, outcome.already_exists), (2, vec![1, 3]));
    let mut rows = batch([1, 7]);
    rows.columns[2].values = Some(Values::Ints(v1::IntValues { values: vec![1111, 7777] }));
    let request =
        v1::UpsertRequest { collection: "docs".to_owned(), rows: Some(rows), ..Default::default() };
    let outcome = server.rows().upsert(request).await.expect("upserted").into_inner();
    assert_eq!((outcome.inserted, outcome.replaced), (1, 1));
    assert_eq!(count(&server).await, 5);
    let answer = server.rows().get(get([1], &["year"])).await.expect("a row").into_inner();
    let years = answer.rows.expect("rows").columns.remove(0).values;
    assert_eq!(years, Some(Values::Ints(v1::IntValues { values: vec![1111] })));
}

#[tokio::test]
async fn deleted_rows_are_gone() {
    let server = TestServer::with_docs().await;
    server.insert(0..10).await;
    let request = v1::DeleteRequest {
        collection: "docs".to_owned(),
        ids: ids([3, 4, 99]),
        ..Default::default()
    };
    let outcome = server.rows().delete(request).await.expect("deleted").into_inner();
    assert_eq!(outcome.deleted, 2);
    assert_eq!(count(&server).await, 8);
    let answer = server.rows().get(get([3, 5], &[])).await.expect("rows").into_inner();
    assert_eq!(answer.rows.expect("rows").ids, ids([5]));
}

#[tokio::test]
async fn a_repeated_request_id_writes_once() {
    let server = TestServer::with_docs().await;
    let request = v1::InsertRequest {
        collection: "docs".to_owned(),
        rows: Some(batch([1, 2])),
        options: Some(v1::WriteOptions { request_id: vec![3; 16], timeout_ms: 0 }),
        ..Default::default()
    };
    let first = server.rows().insert(request.clone()).await.expect("inserted").into_inner();
    let again = server.rows().insert(request).await.expect("known").into_inner();
    assert_eq!(first, again);
    assert_eq!((first.inserted, count(&server).await), (2, 2));
}

#[tokio::test]
async fn scrolling_meets_every_row_once() {
    let server = TestServer::with_docs().await;
    server.insert(0..50).await;
    let flush = v1::FlushRequest {
        collection: "docs".to_owned(),
        wait_indexed: true,
        ..Default::default()
    };
    let sealed = server.rows().flush(flush).await.expect("flushed").into_inner();
    assert_eq!(sealed.sealed_segments, 1);
    server.insert(50..100).await;
    let mut seen = Vec::new();
    let mut cursor = Vec::new();
    for _ in 0..100 {
        let request = v1::ScrollRequest {
            collection: "docs".to_owned(),
            limit: 7,
            cursor,
            columns: vec!["year".to_owned()],
            ..Default::default()
        };
        let page = server.rows().scroll(request).await.expect("a page").into_inner();
        seen.extend(ints(page.rows.expect("rows").ids));
        cursor = page.next;
        if cursor.is_empty() {
            break;
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn scrolling_in_the_order_of_a_column_comes_by_its_values() {
    let server = TestServer::with_docs().await;
    server.insert(0..20).await;
    let text = v1::filter::Form::Text("year < 14".to_owned());
    let order = |column: &str, direction: v1::Direction| {
        Some(v1::OrderBy { column: column.to_owned(), direction: direction.into() })
    };
    let mut request = v1::ScrollRequest {
        collection: "docs".to_owned(),
        limit: 4,
        filter: Some(v1::Filter { form: Some(text), ..Default::default() }),
        order_by: order("word", v1::Direction::Descending),
        ..Default::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = server.rows().scroll(request.clone()).await.expect("a page").into_inner();
        seen.extend(ints(page.rows.expect("rows").ids));
        if page.next.is_empty() {
            break;
        }
        request.cursor = page.next;
    }
    // As texts, "word 8" is the last of them; odd rows have none.
    assert_eq!(seen, [8, 6, 4, 2, 12, 10, 0, 1, 3, 5, 7, 9, 11, 13]);
    let other = v1::ScrollRequest {
        order_by: order("word", v1::Direction::Unspecified),
        ..request.clone()
    };
    let outcome = server.rows().scroll(other).await;
    refused(outcome, Code::InvalidArgument, "a scroll in this order");
    let mut wrong = order("year", v1::Direction::Ascending);
    wrong.iter_mut().for_each(|order| order.direction = 7);
    let outcome = server.rows().scroll(v1::ScrollRequest { order_by: wrong, ..request }).await;
    refused(outcome, Code::InvalidArgument, "7 is no Direction; use ASCENDING or DESCENDING");
}
