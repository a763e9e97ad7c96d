//! Rows that expire, end to end.

use crate::serving::{TestServer, batch, docs, ids, ints, nearest};
use tonic::Code;
use vicinal_api::v1;
use vicinal_api::v1::column_values::Values;
use vicinal_types::{Clock as _, SystemClock};

/// The collection `docs` with a column of times.
fn expiring(ttl: Option<&str>) -> v1::CollectionSpec {
    let mut spec = docs("docs");
    spec.columns.push(v1::ScalarColumn {
        name: "until".to_owned(),
        r#type: v1::ScalarType::Timestamp.into(),
        nullable: true,
        ..Default::default()
    });
    v1::CollectionSpec { ttl: ttl.map(|column| v1::Ttl { column: column.to_owned() }), ..spec }
}

/// Rows that live for so many seconds, or for ever.
fn living(values: &[i64], seconds: Option<i64>) -> v1::RowBatch {
    let now = i64::try_from(SystemClock.unix_micros()).expect("a time");
    let mut rows = batch(values.iter().copied());
    if let Some(seconds) = seconds {
        let values = vec![now + seconds * 1_000_000; values.len()];
        let values = Some(Values::Timestamps(v1::IntValues { values }));
        let name = "until".to_owned();
        rows.columns.push(v1::ColumnValues { name, values, nulls: Vec::new() });
    }
    rows
}

async fn insert(server: &TestServer, rows: v1::RowBatch) -> v1::InsertResponse {
    let collection = "docs".to_owned();
    let request = v1::InsertRequest { collection, rows: Some(rows), ..Default::default() };
    server.rows().insert(request).await.expect("inserted").into_inner()
}

async fn declare(server: &TestServer, ttl: Option<&str>) -> Result<Vec<v1::Change>, tonic::Status> {
    let request = v1::ApplyCollectionRequest { spec: Some(expiring(ttl)), ..Default::default() };
    Ok(server.collections().apply_collection(request).await?.into_inner().changes)
}

async fn count(server: &TestServer) -> u64 {
    let request = v1::CountRequest { collection: "docs".to_owned(), ..Default::default() };
    server.rows().count(request).await.expect("a count").into_inner().rows
}

#[tokio::test]
async fn expired_rows_are_not_found_and_give_their_ids_back() {
    let server = TestServer::start().await;
    declare(&server, Some("until")).await.expect("a new collection");
    insert(&server, living(&[1, 2, 3], Some(-10))).await;
    insert(&server, living(&[4, 5], Some(1_000))).await;
    insert(&server, living(&[6], None)).await;
    assert_eq!(count(&server).await, 3);
    let found = server.search().search(nearest(2.0, 10)).await.expect("an answer").into_inner();
    assert_eq!(ints(found.hits.expect("hits").ids), [4, 5, 6]);
    assert_eq!(found.report.expect("a report").passing_rows, 3);
    let get =
        v1::GetRequest { collection: "docs".to_owned(), ids: ids([1, 4, 6]), ..Default::default() };
    let got = server.rows().get(get).await.expect("rows").into_inner();
    assert_eq!(ints(got.rows.expect("rows").ids), [4, 6]);
    let answer = insert(&server, living(&[2, 4], None)).await;
    assert_eq!((answer.inserted, answer.already_exists), (1, vec![1]));
    assert_eq!(count(&server).await, 4);

    let describe =
        v1::DescribeCollectionRequest { collection: "docs".to_owned(), ..Default::default() };
    let described = server.collections().describe_collection(describe).await.expect("described");
    let spec = described.into_inner().spec.expect("a declaration");
    assert_eq!(spec.ttl, Some(v1::Ttl { column: "until".to_owned() }));
    let changes = declare(&server, None).await.expect("changed");
    assert_eq!((changes[0].field.as_str(), changes[0].to.as_str()), ("ttl.column", "none"));
    assert_eq!(count(&server).await, 6, "what is not deleted yet is found again");
}

#[tokio::test]
async fn a_ttl_needs_its_column() {
    let server = TestServer::start().await;
    declare(&server, Some("until")).await.expect("a new collection");
    for (column, expected) in [
        ("year", "`year`, which holds int64 values; name a column of type timestamp"),
        ("v", "`v`, which holds vectors"),
        ("utnil", "`utnil`, which the schema does not have"),
    ] {
        let status = declare(&server, Some(column)).await.expect_err("no timestamp");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(expected), "{status}");
    }
    let request = v1::DropColumnRequest {
        collection: "docs".to_owned(),
        column: "until".to_owned(),
        ..Default::default()
    };
    let status = server.collections().drop_column(request).await.expect_err("in use");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("without ttl first"), "{status}");
}
