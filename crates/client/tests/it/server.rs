//! A server that follows a script, and a proxy that cuts connections.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};
use vicinal_client::proto;

/// What the server does, and what it saw.
#[derive(Default)]
pub(crate) struct Script {
    failures: AtomicUsize,
    failure: Option<Status>,
    delay: Duration,
    flying: AtomicUsize,
    pub(crate) flying_max: AtomicUsize,
    inserts: Mutex<Vec<proto::InsertRequest>>,
    searches: Mutex<Vec<proto::SearchRequest>>,
}

impl Script {
    pub(crate) fn fail(times: usize, status: Status) -> Self {
        Self { failures: AtomicUsize::new(times), failure: Some(status), ..Default::default() }
    }

    pub(crate) fn late(delay: Duration) -> Self {
        Self { delay, ..Default::default() }
    }

    fn next_failure(&self) -> Option<Status> {
        let spent = |left: usize| left.checked_sub(1);
        let failed = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spent).is_ok();
        self.failure.clone().filter(|_| failed)
    }
}

pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) script: Arc<Script>,
}

impl Server {
    pub(crate) fn request_ids(&self) -> Vec<Vec<u8>> {
        let inserts = self.script.inserts.lock().expect("no panic while locked");
        inserts.iter().map(|i| i.options.clone().unwrap_or_default().request_id).collect()
    }

    pub(crate) fn batch_rows(&self) -> Vec<usize> {
        self.script.inserts.lock().expect("no panic while locked").iter().map(row_count).collect()
    }

    pub(crate) fn searches(&self) -> Vec<proto::SearchRequest> {
        self.script.searches.lock().expect("no panic while locked").clone()
    }
}

fn row_count(insert: &proto::InsertRequest) -> usize {
    let ids = insert.rows.as_ref().and_then(|rows| rows.ids.as_ref()?.kind.as_ref());
    match ids {
        Some(proto::ids::Kind::Ints(ids)) => ids.values.len(),
        Some(proto::ids::Kind::Strings(ids)) => ids.values.len(),
        None => 0,
    }
}

pub(crate) async fn start(script: Script) -> Server {
    let script = Arc::new(script);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let scripted = Scripted(script.clone());
    let server = tonic::transport::Server::builder()
        .add_service(proto::rows_server::RowsServer::new(scripted.clone()))
        .add_service(proto::search_server::SearchServer::new(scripted));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    Server { address, script }
}

/// A proxy whose connections can be cut and that can stop listening.
pub(crate) struct Proxy {
    pub(crate) address: String,
    cut: watch::Sender<()>,
    stopped: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) fn cut(&self) {
        self.cut.send_replace(());
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }
}

pub(crate) async fn proxy(to: String) -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let (cut, cuts) = watch::channel(());
    let stopped = Arc::new(AtomicBool::new(false));
    let is_stopped = stopped.clone();
    tokio::spawn(async move {
        while let Ok((mut inner, _)) = listener.accept().await {
            if is_stopped.load(Ordering::SeqCst) {
                continue;
            }
            let (mut cuts, to) = (cuts.clone(), to.clone());
            cuts.mark_unchanged();
            tokio::spawn(async move {
                let mut outer = TcpStream::connect(to).await.expect("the server listens");
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut inner, &mut outer) => {}
                    _ = cuts.changed() => {}
                }
            });
        }
    });
    Proxy { address, cut, stopped }
}

#[derive(Clone)]
struct Scripted(Arc<Script>);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl proto::rows_server::Rows for Scripted {
    async fn insert(
        &self,
        request: Request<proto::InsertRequest>,
    ) -> Answer<proto::InsertResponse> {
        let request = request.into_inner();
        let inserted = row_count(&request) as u64;
        self.0.inserts.lock().expect("no panic while locked").push(request);
        if let Some(status) = self.0.next_failure() {
            return Err(status);
        }
        let flying = self.0.flying.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.flying_max.fetch_max(flying, Ordering::SeqCst);
        tokio::time::sleep(self.0.delay).await;
        self.0.flying.fetch_sub(1, Ordering::SeqCst);
        Ok(Response::new(proto::InsertResponse { inserted, ..Default::default() }))
    }

    async fn scroll(
        &self,
        request: Request<proto::ScrollRequest>,
    ) -> Answer<proto::ScrollResponse> {
        let request = request.into_inner();
        let start = i64::from(request.cursor.first().copied().unwrap_or_default());
        let end = (start + i64::from(request.limit)).min(5);
        let next = if end < 5 { vec![u8::try_from(end).expect("five rows")] } else { vec![] };
        let rows = Some(words(start..end));
        Ok(Response::new(proto::ScrollResponse { rows, next, missing_rows: vec![] }))
    }

    async fn upsert(&self, _: Request<proto::UpsertRequest>) -> Answer<proto::UpsertResponse> {
        Err(Status::unimplemented("no test upserts"))
    }

    async fn update(&self, _: Request<proto::UpdateRequest>) -> Answer<proto::UpdateResponse> {
        Err(Status::unimplemented("no test updates"))
    }

    async fn delete(&self, _: Request<proto::DeleteRequest>) -> Answer<proto::DeleteResponse> {
        Err(Status::unimplemented("no test deletes"))
    }

    async fn get(&self, _: Request<proto::GetRequest>) -> Answer<proto::GetResponse> {
        Err(Status::unimplemented("no test gets"))
    }

    async fn count(&self, _: Request<proto::CountRequest>) -> Answer<proto::CountResponse> {
        Err(Status::unimplemented("no test counts"))
    }

    async fn aggregate(
        &self,
        _: Request<proto::AggregateRequest>,
    ) -> Answer<proto::AggregateResponse> {
        Err(Status::unimplemented("no test aggregates"))
    }

    async fn flush(&self, _: Request<proto::FlushRequest>) -> Answer<proto::FlushResponse> {
        Err(Status::unimplemented("no test flushes"))
    }
}

#[tonic::async_trait]
impl proto::search_server::Search for Scripted {
    async fn search(
        &self,
        request: Request<proto::SearchRequest>,
    ) -> Answer<proto::SearchResponse> {
        let request = request.into_inner();
        // One page follows the first.
        let next = if request.cursor == Some(Vec::new()) { vec![1] } else { Vec::new() };
        self.0.searches.lock().expect("no panic while locked").push(request);
        let rows = words(0..2);
        let scores = vec![0.25, 0.5];
        let word = proto::value::Kind::StringValue("w".into());
        let groups = [Some(proto::Value { kind: Some(word) }), None];
        let groups = groups.map(|key| proto::HitGroup { key, rows: 1 }).to_vec();
        let hits = proto::Hits { ids: rows.ids, scores, columns: rows.columns, groups };
        Ok(Response::new(proto::SearchResponse {
            hits: Some(hits),
            nearer: proto::Nearer::Lower.into(),
            report: None,
            next,
            missing_rows: vec![],
        }))
    }

    async fn search_batch(
        &self,
        _: Request<proto::SearchBatchRequest>,
    ) -> Answer<proto::SearchBatchResponse> {
        Err(Status::unimplemented("no test searches in batches"))
    }

    async fn explain(&self, _: Request<proto::ExplainRequest>) -> Answer<proto::ExplainResponse> {
        Err(Status::unimplemented("no test has a search explained"))
    }
}

/// Rows with a column `word` that says `w` and the id.
fn words(ids: std::ops::Range<i64>) -> proto::RowBatch {
    let words = ids.clone().map(|id| format!("w{id}")).collect();
    let column = proto::ColumnValues {
        name: "word".into(),
        values: Some(proto::column_values::Values::Strings(proto::StringValues { values: words })),
        nulls: vec![],
    };
    let ids = proto::ids::Kind::Ints(proto::IntIds { values: ids.collect() });
    proto::RowBatch { ids: Some(proto::Ids { kind: Some(ids) }), columns: vec![column] }
}
