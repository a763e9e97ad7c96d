//! `vicinal bench load`: a server under load.

mod outcome;
mod pacing;
mod queries;

use super::latency::{Latencies, Percentiles};
use crate::commands::search::How;
use crate::connection::{Target, block_on};
use crate::failure::Failure;
use crate::output;
use crate::source::npy;
use outcome::Outcome;
pub(super) use outcome::Tally;
pub(super) use pacing::Pacing;
pub(super) use queries::Queries;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use vicinal_client::{Client, Code, Collection, Effort, Filter, Retry};
use vicinal_types::{Clock as _, SystemClock};

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal bench load -c sift --query query.npy --truth truth.npy --k 10 --effort 64 --clients 8 --seconds 10
  vicinal bench load -c sift --query query.npy --truth truth.npy --min-recall 0.95 --rate 5000 --json
  vicinal bench load --address 127.0.0.1:7878 -c words --query query.npy --clients 1

Without --rate every client sends its next query when it has the answer (closed
loop). With --rate queries are due at a fixed rate, and their latency counts from
the moment they are due, whoever makes them wait (open loop).";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,

    /// The queries: .npy of u8, f16 or f32.
    #[arg(long, value_name = "FILE")]
    query: PathBuf,

    /// The true neighbours of each query, as ids: .npy of i32. Without it there is no recall.
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,

    /// Rows wanted.
    #[arg(long, short, default_value_t = 10)]
    k: u32,

    #[command(flatten)]
    how: How,

    /// The vector column, if there are several.
    #[arg(long, default_value = "", value_name = "NAME")]
    vector_column: String,

    /// Clients, each with a connection of its own.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    clients: u32,

    /// Queries per second; without it as many as the clients manage.
    #[arg(long, value_name = "QPS", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,

    /// How long the load lasts.
    #[arg(long, default_value_t = 10.0, value_name = "S")]
    seconds: f64,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
struct Report {
    qps: f64,
    success_rate: f64,
    #[serde(flatten)]
    latency: Percentiles,
    recall: Option<f64>,
    errors: BTreeMap<String, u64>,
    server_cpu_us_per_query: f64,
    queries: u64,
    seconds: f64,
    clients: u32,
    rate: Option<u32>,
    k: u32,
    effort: String,
}

/// What every client needs.
pub(super) struct Load {
    pub(super) queries: Arc<Queries>,
    pub(super) pacing: Pacing,
    pub(super) k: u32,
    pub(super) effort: Effort,
    pub(super) vector_column: String,
    pub(super) filter: Option<Filter>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    if !(args.seconds > 0.0 && args.seconds <= 86_400.0) {
        return Err(Failure::new("--seconds is above 0 and at most a day"));
    }
    block_on(async {
        let report = measure(args).await?;
        if args.json { output::json(&report) } else { print(&report) }
    })
}

async fn measure(args: &Args) -> Result<Report, Failure> {
    let observer = args.target.connection.connect().await?;
    let described = observer.collection(&args.target.collection).describe().await?;
    let spec = described.spec.unwrap_or_default();
    let queries = Queries::read(&args.query, &spec, &args.vector_column)?;
    let truth = args.truth.as_deref().map(npy::read_i32).transpose()?;
    if let (Some(truth), Some(path)) = (&truth, &args.truth) {
        queries.check_truth(path, truth, args.k)?;
    }
    let clients = connect(&args.target, args.clients).await?;
    warm_up(args, &clients, &queries).await?;

    let cpu_before = observer.stats().await?.cpu_us;
    let started = SystemClock.now();
    let pacing = Pacing::start(started, Duration::from_secs_f64(args.seconds), args.rate);
    let pacer = pacing.pacer();
    let load = Load {
        queries: Arc::new(queries),
        pacing,
        k: args.k,
        effort: args.how.effort(),
        vector_column: args.vector_column.clone(),
        filter: None,
    };
    let mut tally = Tally::new(load.queries.len());
    drive(&clients, load, &mut tally).await?;
    let elapsed = SystemClock.now().saturating_duration_since(started);
    if let Some(pacer) = pacer {
        pacer.await.map_err(|error| Failure::new(format!("pacing stopped: {error}")))?;
    }
    let cpu_after = observer.stats().await?.cpu_us;
    if tally.cached() > 0 {
        let answers = tally.cached();
        return Err(Failure::new(format!(
            "{answers} answers came from a cache although none may; nothing was measured"
        )));
    }
    Ok(report(args, &tally, truth.as_ref(), elapsed, cpu_after.saturating_sub(cpu_before)))
}

/// Puts load on a server with all clients, until it ends.
pub(super) async fn drive(
    clients: &[Collection],
    load: Load,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let load = Arc::new(load);
    let mut running = JoinSet::new();
    for client in clients {
        running.spawn(send_until_the_end(client.clone(), Arc::clone(&load)));
    }
    while let Some(outcome) = running.join_next().await {
        tally.add(outcome.map_err(|error| Failure::new(format!("a client stopped: {error}")))?)?;
    }
    Ok(())
}

/// So many clients, each with a connection of its own.
pub(super) async fn connect(target: &Target, count: u32) -> Result<Vec<Collection>, Failure> {
    let connection = &target.connection;
    let mut clients = Vec::new();
    for _ in 0..count {
        // A failure is to be counted, not to be hidden by a second attempt.
        let builder = Client::builder().database(&connection.database).retry(Retry::NEVER);
        let client = builder.connect(&connection.address).await?;
        clients.push(client.collection(&target.collection));
    }
    Ok(clients)
}

/// One query of each client before the clock starts: the first one on a
/// connection also pays for its handshake. A request that cannot work shows here.
async fn warm_up(args: &Args, clients: &[Collection], queries: &Queries) -> Result<(), Failure> {
    for client in clients {
        let search = client.search(queries.vector(0)).vector_column(&args.vector_column);
        search.k(args.k).effort(args.how.effort()).send().await?;
    }
    Ok(())
}

/// One client: query after query until the time is over.
async fn send_until_the_end(client: Collection, load: Arc<Load>) -> Outcome {
    let mut outcome = Outcome::new();
    while let Some((number, due)) = load.pacing.next().await {
        let query = load.queries.number(number);
        let mut search = client.search(load.queries.vector(query)).k(load.k).effort(load.effort);
        if let Some(filter) = &load.filter {
            search = search.filter(filter.clone());
        }
        let answer = search.vector_column(&load.vector_column).send().await;
        let latency = SystemClock.now().saturating_duration_since(due);
        match answer {
            Ok(found) => outcome.answered(query, latency, found),
            Err(error) => outcome.failed(error.code()),
        }
    }
    outcome
}

fn report(
    args: &Args,
    tally: &Tally,
    truth: Option<&npy::Matrix<i32>>,
    elapsed: Duration,
    cpu_us: u64,
) -> Report {
    let (answered, asked) = (tally.answered() as f64, tally.asked() as f64);
    let errors = tally.errors().iter().map(|(code, count)| (code_name(*code), *count));
    Report {
        qps: answered / elapsed.as_secs_f64(),
        success_rate: answered / asked.max(1.0),
        latency: tally.percentiles(),
        recall: truth.map(|truth| tally.recall(truth, args.k as usize)),
        errors: errors.collect(),
        server_cpu_us_per_query: cpu_us as f64 / asked.max(1.0),
        queries: tally.asked(),
        seconds: elapsed.as_secs_f64(),
        clients: args.clients,
        rate: args.rate,
        k: args.k,
        effort: match args.how.effort() {
            Effort::Exact => "exact".to_owned(),
            Effort::Candidates(effort) => effort.to_string(),
            Effort::MinRecall(recall) => format!("min_recall {recall}"),
        },
    }
}

/// The code as the gRPC documentation writes it.
fn code_name(code: i32) -> String {
    format!("{:?}", Code::from_i32(code))
}

fn print(report: &Report) -> Result<(), Failure> {
    let Report { qps, success_rate, queries, seconds, clients, effort, k, .. } = report;
    let pace = match report.rate {
        Some(rate) => format!("due at {rate}/s"),
        None => "in a closed loop".to_owned(),
    };
    output::line(format_args!(
        "{queries} queries in {seconds:.1} s, {clients} clients {pace}, k {k}, effort {effort}"
    ))?;
    output::line(format_args!("qps {qps:.0}  success_rate {success_rate:.4}"))?;
    let Percentiles { min_us, mean_us, p50_us, p90_us, p95_us, p99_us, p999_us, max_us } =
        report.latency;
    output::line(format_args!(
        "min_us {min_us:.0}  mean_us {mean_us:.0}  p50_us {p50_us:.0}  p90_us {p90_us:.0}  p95_us {p95_us:.0}  p99_us {p99_us:.0}  p999_us {p999_us:.0}  max_us {max_us:.0}"
    ))?;
    if let Some(recall) = report.recall {
        output::line(format_args!("recall {recall:.4}"))?;
    }
    output::line(format_args!("server_cpu_us_per_query {:.0}", report.server_cpu_us_per_query))?;
    for (code, count) in &report.errors {
        output::line(format_args!("errors {code} {count}"))?;
    }
    Ok(())
}
