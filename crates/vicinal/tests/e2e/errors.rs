//! What is refused over the wire: with which code, in which words, and that
//! nothing of it was written.

use crate::message::{
    collections_stub, column, ids, int_values, ints, names, packed, refused, rows_stub,
    scalar_column, search_stub, strings, vector_column,
};
use crate::process::{Server, Setup};
use tonic::transport::Channel;
use tonic::{Code, Status};
use vicinal_client::proto;
use vicinal_client::proto::column_values::Values;

const INVALID: Code = Code::InvalidArgument;

/// Bytes of a message that the servers here take.
const MESSAGE_BYTES: usize = 1 << 20;

/// A server with a collection `docs` (ids 1 to 10) and one, `keys`, with string ids.
struct Docs {
    server: Server,
    channel: Channel,
    _directory: tempfile::TempDir,
}

fn spec(name: &str) -> proto::CollectionSpec {
    proto::CollectionSpec {
        name: name.to_owned(),
        id_type: proto::IdType::Int64.into(),
        vectors: vec![vector_column("v", 4, proto::Metric::L2)],
        columns: vec![
            scalar_column("word", proto::ScalarType::String),
            scalar_column("weight", proto::ScalarType::Float64),
            proto::ScalarColumn {
                nullable: true,
                ..scalar_column("more", proto::ScalarType::Json)
            },
        ],
        segments: Some(proto::SegmentLimits { max_rows: 8, ..Default::default() }),
        ttl: None,
    }
}

/// Rows of `docs`, right ones.
fn batch(rows: impl IntoIterator<Item = i64> + Clone) -> proto::RowBatch {
    let list = || rows.clone().into_iter();
    let vectors: Vec<f32> = list().flat_map(|id| [id as f32, 1.0, 2.0, 3.0]).collect();
    let weights = proto::DoubleValues { values: list().map(|id| id as f64).collect() };
    proto::RowBatch {
        ids: ids(list()),
        columns: vec![
            column("v", Values::Vectors(packed(&vectors))),
            column("word", strings(list().map(|id| format!("word {id}")))),
            column("weight", Values::Doubles(weights)),
        ],
    }
}

/// Two rows of which one column is replaced.
fn with(values: proto::ColumnValues) -> proto::RowBatch {
    let mut rows = batch([21, 22]);
    rows.columns.retain(|column| column.name != values.name);
    rows.columns.push(values);
    rows
}

/// Two rows whose second vector holds `value`.
fn with_value(value: f32) -> proto::RowBatch {
    with(column("v", Values::Vectors(packed(&[0.0, 0.0, 0.0, 0.0, 1.0, value, 1.0, 1.0]))))
}

fn json(text: &str) -> proto::RowBatch {
    let values = vec!["{}".to_owned(), text.to_owned()];
    with(column("more", Values::Json(proto::StringValues { values })))
}

fn search(vector: &[f32], k: u32) -> proto::SearchRequest {
    proto::SearchRequest {
        collection: "docs".to_owned(),
        vector: Some(packed(vector)),
        k,
        ..Default::default()
    }
}

fn collection<T: Default>(set: impl FnOnce(&mut T)) -> T {
    let mut request = T::default();
    set(&mut request);
    request
}

impl Docs {
    async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let setup = Setup::new(directory.path()).with("LIMITS__MESSAGE_BYTES", MESSAGE_BYTES);
        let server = setup.start();
        let docs = Self { channel: server.channel(), server, _directory: directory };
        docs.create(spec("docs")).await.expect("a collection");
        let keys = proto::CollectionSpec {
            id_type: proto::IdType::String.into(),
            columns: Vec::new(),
            ..spec("keys")
        };
        docs.create(keys).await.expect("a collection");
        docs.insert(batch(1..=10)).await.expect("right rows");
        docs
    }

    async fn create(&self, spec: proto::CollectionSpec) -> Result<u32, Status> {
        let request = proto::CreateCollectionRequest { spec: Some(spec), ..Default::default() };
        let answer = collections_stub(&self.channel).create_collection(request).await?;
        Ok(answer.into_inner().collection_id)
    }

    async fn insert(&self, rows: proto::RowBatch) -> Result<u64, Status> {
        self.insert_into("docs", rows).await
    }

    async fn insert_into(&self, name: &str, rows: proto::RowBatch) -> Result<u64, Status> {
        let request = proto::InsertRequest {
            collection: name.to_owned(),
            rows: Some(rows),
            ..Default::default()
        };
        Ok(rows_stub(&self.channel).insert(request).await?.into_inner().inserted)
    }

    async fn upsert(&self, rows: proto::RowBatch) -> Result<u64, Status> {
        let request = proto::UpsertRequest {
            collection: "docs".to_owned(),
            rows: Some(rows),
            ..Default::default()
        };
        Ok(rows_stub(&self.channel).upsert(request).await?.into_inner().inserted)
    }

    async fn delete(&self, ids: Option<proto::Ids>) -> Result<u64, Status> {
        let request =
            proto::DeleteRequest { collection: "docs".to_owned(), ids, ..Default::default() };
        Ok(rows_stub(&self.channel).delete(request).await?.into_inner().deleted)
    }

    async fn search(&self, request: proto::SearchRequest) -> Result<Vec<i64>, Status> {
        let answer = search_stub(&self.channel).search(request).await?.into_inner();
        Ok(ints(answer.hits.and_then(|hits| hits.ids)))
    }

    async fn search_batch(&self, vectors: usize, k: u32) -> Result<usize, Status> {
        let request = proto::SearchBatchRequest {
            collection: "docs".to_owned(),
            vectors: Some(packed(&vec![1.0; vectors * 4])),
            k,
            ..Default::default()
        };
        let answer = search_stub(&self.channel).search_batch(request).await?;
        Ok(answer.into_inner().results.len())
    }

    /// Both ways of writing rows refuse these.
    async fn refuses(&self, rows: proto::RowBatch, words: &str) {
        refused(self.insert(rows.clone()).await, INVALID, words);
        refused(self.upsert(rows).await, INVALID, words);
    }

    /// Nothing was written since the start.
    async fn unchanged(self) {
        let client = self.server.client().await;
        for (name, rows) in [("docs", 10), ("keys", 0)] {
            assert_eq!(client.collection(name).count().await.expect("a count"), rows, "{name}");
        }
        let stats = client.stats().await.expect("figures");
        assert_eq!(stats.collections.len(), 2, "{stats:?}");
        let all = self.search(search(&[0.0; 4], 100)).await.expect("hits");
        assert_eq!(all, (1..=10).collect::<Vec<_>>());
        self.server.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_vectors_are_refused_and_not_written() {
    let docs = Docs::start().await;
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        docs.refuses(with_value(value), "vector 1 of `v` holds NaN or an infinity").await;
        let found = docs.search(search(&[0.0, value, 0.0, 0.0], 1)).await;
        refused(found, INVALID, "holds NaN or an infinity");
    }
    let floats = proto::FloatValues { values: vec![0.0, 0.0, 0.0, 0.0, 1.0, f32::NAN, 1.0, 1.0] };
    let data = Some(proto::vectors::Data::Floats(floats));
    let floats = proto::Vectors { data, element: 0 };
    docs.refuses(with(column("v", Values::Vectors(floats))), "holds NaN").await;
    let v = |values: &[f32]| with(column("v", Values::Vectors(packed(values))));
    let takes = "vector has 3 dimensions, column `v` of collection `docs` takes 4";
    docs.refuses(v(&[1.0; 6]), takes).await;
    docs.refuses(v(&[1.0; 7]), "7 elements are not 2 vectors of the 4 dimensions").await;
    docs.refuses(v(&[]), "0 elements are not 2 vectors").await;
    refused(docs.search(search(&[1.0; 3], 1)).await, INVALID, takes);
    refused(docs.search(search(&[1.0; 8], 1)).await, INVALID, "vector has 8 dimensions");
    refused(docs.search(search(&[], 1)).await, INVALID, "0 elements");
    let data = Some(proto::vectors::Data::Packed(vec![0; 31].into()));
    let ragged = proto::Vectors { data, element: 0 };
    let ragged = with(column("v", Values::Vectors(ragged)));
    docs.refuses(ragged, "31 packed bytes are not whole f32 elements").await;
    let none = proto::Vectors { data: None, element: 0 };
    docs.refuses(with(column("v", Values::Vectors(none))), "there are no vectors").await;
    let element = proto::ElementType::F16.into();
    let halves = proto::Vectors { element, ..packed(&[1.0; 4]) };
    let halves = with(column("v", Values::Vectors(halves)));
    docs.refuses(halves, "packed vectors are f16, column `v` of collection `docs` takes f32").await;
    docs.unchanged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_rows_are_refused_and_not_written() {
    let docs = Docs::start().await;
    docs.refuses(batch([21, 22, 21]), "id 21 is in rows 0 and 2 of one batch").await;
    let twice = docs.delete(ids([1, 2, 1])).await;
    refused(twice, INVALID, "id 1 is in rows 0 and 2 of one batch");
    docs.refuses(batch([]), "0 ids are not the 1 to 65536 of one write").await;
    let many = proto::RowBatch { ids: ids(0..65_537), columns: Vec::new() };
    docs.refuses(many, "65537 ids are not the 1 to 65536").await;
    let no_ids = proto::RowBatch { ids: None, ..batch([21, 22]) };
    docs.refuses(no_ids, "there are no ids").await;
    let other_ids = proto::RowBatch { ids: names(&["a", "b"]), ..batch([21, 22]) };
    let words = "collection `docs` has int64 ids, the request has string ids";
    docs.refuses(other_ids, words).await;
    let long = || "x".repeat(64 * 1024 + 1);
    let words = "column `word` takes at most 65536 bytes a value, row 1 has 65537";
    docs.refuses(with(column("word", strings(["a".to_owned(), long()]))), words).await;
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let words = "column `more` row 1 is JSON nested deeper than 64 levels";
    docs.refuses(json(&deep(65)), words).await;
    docs.refuses(json(&"[".repeat(60_000)), words).await;
    docs.refuses(json(&r#"{"a":"#.repeat(10_000)), words).await;
    docs.refuses(json("{a: 1}"), "row 1 is not JSON").await;
    docs.refuses(json(&format!("\"{}\"", long())), "takes at most 65536 bytes").await;
    for weight in [f64::NAN, f64::INFINITY] {
        let values = Values::Doubles(proto::DoubleValues { values: vec![0.0, weight] });
        let words = "column `weight` holds NaN or an infinity in row 1";
        docs.refuses(with(column("weight", values)), words).await;
    }
    let ints = int_values([1, 2]);
    let words = "column `weight` holds float64 values, the request has ints";
    docs.refuses(with(column("weight", ints)), words).await;
    let short = strings(["a".to_owned()]);
    docs.refuses(with(column("word", short)), "column `word` has 1 values for 2 rows").await;
    let unknown = with(column("colour", strings(["a".to_owned(), "b".to_owned()])));
    docs.refuses(unknown, "colour").await;
    let mut null = batch([21, 22]);
    null.columns[1].nulls = vec![0b10];
    docs.refuses(null.clone(), "column `word` takes no nulls, row 1 is null").await;
    null.columns[1].nulls = vec![0; 5];
    docs.refuses(null, "null bitmap of 5 bytes").await;
    let mut missing = batch([21, 22]);
    missing.columns.remove(1);
    docs.refuses(missing.clone(), "column `word` is missing").await;
    missing.columns.push(missing.columns[0].clone());
    docs.refuses(missing, "column `v` is there twice").await;
    docs.unchanged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_string_ids_are_refused_and_not_written() {
    let docs = Docs::start().await;
    let keys = |ids: &[&str]| proto::RowBatch {
        ids: names(ids),
        columns: vec![column("v", Values::Vectors(packed(&vec![1.0; 4 * ids.len()])))],
    };
    let insert = |rows| docs.insert_into("keys", rows);
    let long = "k".repeat(513);
    let words = "the id of row 1 has 513 bytes, ids have 1 to 512";
    refused(insert(keys(&["a", &long])).await, INVALID, words);
    refused(insert(keys(&["a", ""])).await, INVALID, "the id of row 1 has 0 bytes");
    refused(insert(keys(&["a", "b", "a"])).await, INVALID, r#"id "a" is in rows 0 and 2"#);
    let request = proto::GetRequest {
        collection: "keys".to_owned(),
        ids: names(&[&long]),
        ..Default::default()
    };
    refused(rows_stub(&docs.channel).get(request).await, INVALID, "513 bytes");
    docs.unchanged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_searches_and_reads_are_refused() {
    use proto::search_params::EffortKind;
    let docs = Docs::start().await;
    let at = [0.0; 4];
    refused(docs.search(search(&at, 0)).await, INVALID, "k 0 is not between 1 and 16384");
    refused(docs.search(search(&at, 16_385)).await, INVALID, "k 16385 is not between 1 and 16384");
    refused(docs.search(search(&at, u32::MAX)).await, INVALID, "is not between 1 and 16384");
    let none = proto::SearchRequest { vector: None, ..search(&at, 1) };
    refused(docs.search(none).await, INVALID, "there is no query");
    refused(docs.search_batch(1, 0).await, INVALID, "k 0 is not between");
    refused(docs.search_batch(0, 1).await, INVALID, "0 queries are not the 1 to 16384");
    refused(docs.search_batch(16_385, 1).await, INVALID, "16385 queries are not the 1 to 16384");
    let words = "100 queries for 16384 rows each are 1638400 hits, more than the 1048576";
    refused(docs.search_batch(100, 16_384).await, INVALID, words);
    let effort = |effort| {
        let params = proto::SearchParams { effort_kind: Some(effort), allow_cached: false };
        docs.search(proto::SearchRequest { params: Some(params), ..search(&at, 1) })
    };
    let words = "effort 0 is not between 1 and 65536";
    refused(effort(EffortKind::Effort(0)).await, INVALID, words);
    refused(effort(EffortKind::Effort(65_537)).await, INVALID, "effort 65537");
    for recall in [0.0, 1.01, f32::NAN] {
        let words = "is not above 0 and at most 1";
        refused(effort(EffortKind::MinRecall(recall)).await, INVALID, words);
    }
    let column = proto::SearchRequest { vector_column: "w".to_owned(), ..search(&at, 1) };
    refused(docs.search(column).await, INVALID, "there is no vector column `w`; there are `v`");
    let columns = || vec!["word".to_owned(), "colour".to_owned()];
    let words = "there is no column `colour`; there are `v`, `word`, `weight`, `more`";
    let wanted = proto::SearchRequest { columns: columns(), ..search(&at, 1) };
    refused(docs.search(wanted).await, INVALID, words);
    let mut rows = rows_stub(&docs.channel);
    let docs_name = || "docs".to_owned();
    let get = proto::GetRequest {
        collection: docs_name(),
        ids: ids([1]),
        columns: columns(),
        ..Default::default()
    };
    refused(rows.get(get).await, INVALID, words);
    let get =
        proto::GetRequest { collection: docs_name(), ids: ids(0..16_385), ..Default::default() };
    refused(rows.get(get).await, INVALID, "16385 ids are not the 1 to 16384 of one get");
    let scroll = |limit, cursor| proto::ScrollRequest {
        collection: docs_name(),
        limit,
        cursor,
        ..Default::default()
    };
    refused(rows.scroll(scroll(16_385, vec![])).await, INVALID, "limit 16385 is not between");
    refused(rows.scroll(scroll(1, vec![7; 3])).await, INVALID, "cursor");
    refused(rows.scroll(scroll(1, vec![0xff; 64])).await, INVALID, "cursor");
    docs.unchanged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_names_are_not_found() {
    let docs = Docs::start().await;
    let name = || "nowhere".to_owned();
    let words = "there is no collection or alias `nowhere` in database `default`";
    let check = |outcome: Result<(), Status>| refused(outcome, Code::NotFound, words);
    let (mut rows, mut stub) = (rows_stub(&docs.channel), collections_stub(&docs.channel));
    check(docs.insert_into("nowhere", batch([1])).await.map(drop));
    let request = collection(|r: &mut proto::UpsertRequest| r.collection = name());
    check(rows.upsert(request).await.map(drop));
    let request = collection(|r: &mut proto::DeleteRequest| r.collection = name());
    check(rows.delete(request).await.map(drop));
    let request = collection(|r: &mut proto::GetRequest| r.collection = name());
    check(rows.get(request).await.map(drop));
    let request = collection(|r: &mut proto::CountRequest| r.collection = name());
    check(rows.count(request).await.map(drop));
    let request = collection(|r: &mut proto::ScrollRequest| r.collection = name());
    check(rows.scroll(request).await.map(drop));
    let request = collection(|r: &mut proto::FlushRequest| r.collection = name());
    check(rows.flush(request).await.map(drop));
    let request = proto::SearchRequest { collection: name(), ..search(&[0.0; 4], 1) };
    check(docs.search(request).await.map(drop));
    let request = collection(|r: &mut proto::SearchBatchRequest| r.collection = name());
    check(search_stub(&docs.channel).search_batch(request).await.map(drop));
    let request = collection(|r: &mut proto::DescribeCollectionRequest| r.collection = name());
    check(stub.describe_collection(request).await.map(drop));
    let request = collection(|r: &mut proto::DropCollectionRequest| r.collection = name());
    refused(stub.drop_collection(request).await, Code::NotFound, "`nowhere`");
    let request = collection(|r: &mut proto::DropAliasRequest| r.alias = name());
    refused(stub.drop_alias(request).await, Code::NotFound, "`nowhere`");
    let request =
        proto::SetAliasRequest { alias: "a".to_owned(), collection: name(), ..Default::default() };
    refused(stub.set_alias(request).await, Code::NotFound, "`nowhere`");
    let request = proto::CountRequest {
        filter: None,
        database: "other".to_owned(),
        collection: "docs".to_owned(),
        ..Default::default()
    };
    refused(rows.count(request).await, Code::NotFound, "`docs` in database `other`");
    docs.unchanged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_declarations_are_refused() {
    let docs = Docs::start().await;
    let check = async |change: &dyn Fn(&mut proto::CollectionSpec), code, words| {
        let mut declared = spec("new");
        change(&mut declared);
        refused(docs.create(declared).await, code, words);
    };
    check(&|s| s.name = "docs".to_owned(), Code::AlreadyExists, "collection `docs` exists").await;
    check(&|s| s.name = "n".repeat(129), INVALID, "has 1 to 128 bytes, this one has 129").await;
    check(&|s| s.name = String::new(), INVALID, "has 1 to 128 bytes, this one has 0").await;
    check(&|s| s.name = "../up".to_owned(), INVALID, "may hold only").await;
    check(&|s| s.columns[0].name = "c".repeat(200), INVALID, "this one has 200").await;
    check(&|s| s.columns[0].name = "v".to_owned(), INVALID, "column `v` is named twice").await;
    check(&|s| s.columns[0].name = "id".to_owned(), INVALID, "the primary id's").await;
    check(&|s| s.vectors[0].dimension = 0, INVALID, "dimension 0 is not between 1 and 32768").await;
    check(&|s| s.vectors[0].dimension = 32_769, INVALID, "dimension 32769").await;
    check(&|s| s.vectors[0].metric = 0, INVALID, "metric").await;
    check(&|s| s.vectors[0].metric = proto::Metric::Hamming.into(), INVALID, "hamming").await;
    check(&|s| s.vectors.clear(), INVALID, "at least one vector column").await;
    let many = |s: &mut proto::CollectionSpec| {
        let column = |at| scalar_column(&format!("c{at}"), proto::ScalarType::Int64);
        s.columns = (0..256).map(column).collect();
    };
    check(&many, INVALID, "257 columns are more than the limit of 256").await;
    let limits = proto::SegmentLimits { max_rows: 1 << 40, ..Default::default() };
    let words = "segments.max_rows 1099511627776 is not between 1 and 16777216";
    check(&|s| s.segments = Some(limits), INVALID, words).await;
    let index = proto::IndexSpec { m: 1, ..Default::default() };
    check(&|s| s.vectors[0].index = Some(index), INVALID, "m 1 is not between 2 and 256").await;
    docs.unchanged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giant_messages_and_wrong_options_are_refused() {
    let docs = Docs::start().await;
    let giant = strings(["x".repeat(MESSAGE_BYTES + 1), "y".to_owned()]);
    let outcome = docs.insert(with(column("word", giant))).await;
    refused(outcome, Code::OutOfRange, &format!("the limit is: {MESSAGE_BYTES} bytes"));
    let name = "n".repeat(MESSAGE_BYTES / 2);
    let outcome = docs.insert_into(&name, batch([21])).await;
    let status = outcome.expect_err("no such collection");
    assert_eq!(status.code(), Code::NotFound);
    assert!(status.message().len() < 4_096, "{} bytes", status.message().len());
    let options = Some(proto::WriteOptions { request_id: vec![1; 5], timeout_ms: 0 });
    let request = proto::InsertRequest {
        collection: "docs".to_owned(),
        rows: Some(batch([21])),
        options,
        ..Default::default()
    };
    let outcome = rows_stub(&docs.channel).insert(request).await;
    refused(outcome, INVALID, "request_id has 5 bytes; it takes 16, or none");
    let options = Some(proto::ReadOptions { consistency: 9, ..Default::default() });
    let request = proto::SearchRequest { options, ..search(&[0.0; 4], 1) };
    refused(docs.search(request).await, INVALID, "9 is no Consistency");
    docs.unchanged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_and_answers_too_large_for_a_record_or_a_message_are_refused() {
    let docs = Docs::start().await;
    // Each batch fits into a message, both together do not.
    let texts = |ids: std::ops::Range<i64>| {
        let text = strings(ids.clone().map(|_| "x".repeat(60_000)));
        let mut rows = batch(ids);
        rows.columns[1] = column("word", text);
        rows
    };
    docs.insert(texts(100..110)).await.expect("it fits");
    docs.insert(texts(110..120)).await.expect("it fits");
    let columns = || vec!["word".to_owned()];
    let words = format!("more than the {MESSAGE_BYTES} of one message; ask for fewer");
    let get = proto::GetRequest {
        collection: "docs".to_owned(),
        ids: ids(100..120),
        columns: columns(),
        ..Default::default()
    };
    let exhausted = Code::ResourceExhausted;
    refused(rows_stub(&docs.channel).get(get).await, exhausted, &words);
    let wanted = proto::SearchRequest { columns: columns(), ..search(&[110.0, 1.0, 2.0, 3.0], 20) };
    refused(docs.search(wanted.clone()).await, exhausted, &words);
    let fewer = proto::SearchRequest { k: 10, ..wanted };
    assert_eq!(docs.search(fewer).await.expect("it fits").len(), 10);
    docs.server.stop();

    let directory = tempfile::tempdir().expect("a directory");
    let server = Setup::new(directory.path()).start();
    let docs = Docs { channel: server.channel(), server, _directory: directory };
    docs.create(spec("docs")).await.expect("a collection");
    let rows = |count: i64| {
        let mut rows = batch(0..count);
        rows.columns[1] = column("word", strings((0..count).map(|_| "x".repeat(60_000))));
        rows
    };
    let outcome = docs.insert(rows(840)).await;
    refused(outcome, exhausted, "the limit is 50331648; split the batch");
    let outcome = docs.insert(rows(1_200)).await;
    refused(outcome, Code::OutOfRange, "the limit is: 67108864 bytes");
    let docs_now = docs.server.client().await.collection("docs").count().await;
    assert_eq!(docs_now.expect("a count"), 0);
    docs.server.stop();
}
