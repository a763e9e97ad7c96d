//! `vicinal bench filtered`: a server under load, with one filter after another.

mod plot;
mod truth;

use super::load::{Load, Pacing, Queries, Tally, connect, drive};
use crate::commands::search::How;
use crate::connection::{Target, block_on};
use crate::failure::Failure;
use crate::output::{self, Align, Grid};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use truth::Truth;
use vicinal_client::{Collection, Filter};
use vicinal_types::{Clock as _, SystemClock};

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal bench filtered -c words --query query.npy --filters filters.txt
  vicinal bench filtered -c words --query query.npy --filters filters.txt --clients 8 --seconds 5 --json --plot filtered.svg

A line of the file of filters is a name, a space and the filter; lines that begin with
# are passed over. Every round measures the search without a filter, too: the ratio is
to that. What is true is asked of the server itself, by an exact search.";

/// The name of what is measured without a filter.
const UNFILTERED: &str = "unfiltered";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,

    /// The queries: .npy of u8, f16 or f32.
    #[arg(long, value_name = "FILE")]
    query: PathBuf,

    /// The filters, one a line: its name, a space, its text.
    #[arg(long, value_name = "FILE")]
    filters: PathBuf,

    /// Rows wanted.
    #[arg(long, short, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    k: u32,

    #[command(flatten)]
    how: How,

    /// The vector column, if there are several.
    #[arg(long, default_value = "", value_name = "NAME")]
    vector_column: String,

    /// Clients, each with a connection of its own, in a closed loop.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    clients: u32,

    /// How long each filter is measured, over all rounds.
    #[arg(long, default_value_t = 6.0, value_name = "S")]
    seconds: f64,

    /// Rounds over all filters: what disturbs the machine for a while disturbs all.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,

    /// Draw the rates by how many rows pass.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,

    /// Print JSON: one line a filter.
    #[arg(long)]
    json: bool,
}

/// What was measured of one filter.
#[derive(Clone, Debug, Serialize)]
struct Line {
    name: String,
    filter: String,
    passing_rows: u64,
    /// Part of all rows.
    selectivity: f64,
    recall: f64,
    qps: f64,
    /// To the rate without a filter.
    ratio: f64,
    p50_us: f64,
    p99_us: f64,
    errors: u64,
    clients: u32,
    k: u32,
}

/// A filter while it is measured.
struct Measured {
    name: String,
    text: String,
    passing_rows: u64,
    truth: Truth,
    tally: Tally,
    elapsed: Duration,
}

impl Measured {
    fn filter(&self) -> Option<Filter> {
        (!self.text.is_empty()).then(|| Filter::new(&self.text))
    }

    fn qps(&self) -> f64 {
        self.tally.answered() as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    if !(args.seconds > 0.0 && args.seconds <= 86_400.0) {
        return Err(Failure::new("--seconds is above 0 and at most a day"));
    }
    let filters = read(&args.filters)?;
    let lines = block_on(measure(args, filters))?;
    if args.json {
        lines.iter().try_for_each(output::json)?;
    } else {
        print(&lines)?;
    }
    let Some(path) = &args.plot else { return Ok(()) };
    #[expect(clippy::disallowed_methods, reason = "a picture for people, not data")]
    std::fs::write(path, plot::draw(&lines)).map_err(|error| Failure::file(path, error))?;
    output::note(format_args!("drawn: {}", path.display()));
    Ok(())
}

/// Names and filters of a file.
fn read(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
    let mut filters = vec![(UNFILTERED.to_owned(), String::new())];
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, filter)) = line.split_once(char::is_whitespace) else {
            let reason = format!("line {number} has no filter behind its name");
            return Err(Failure::file(path, reason));
        };
        filters.push((name.to_owned(), filter.trim().to_owned()));
    }
    Ok(filters)
}

async fn measure(args: &Args, filters: Vec<(String, String)>) -> Result<Vec<Line>, Failure> {
    let observer = args.target.connect().await?;
    let spec = observer.describe().await?.spec.unwrap_or_default();
    let queries = Arc::new(Queries::read(&args.query, &spec, &args.vector_column)?);
    let mut measured = Vec::new();
    for (name, text) in filters {
        output::note(format_args!("{name}: asking what is true"));
        measured.push(prepare(args, &observer, &queries, (name, text)).await?);
    }
    let clients = connect(&args.target, args.clients).await?;
    for round in 1..=args.rounds {
        for filter in &mut measured {
            output::note(format_args!("round {round} of {}: {}", args.rounds, filter.name));
            load(args, &clients, &queries, filter).await?;
        }
    }
    let rows = measured.first().map_or(0, |unfiltered| unfiltered.passing_rows);
    let unfiltered = measured.first().map_or(0.0, Measured::qps);
    Ok(measured.iter().map(|filter| line(args, filter, rows, unfiltered)).collect())
}

async fn prepare(
    args: &Args,
    observer: &Collection,
    queries: &Queries,
    (name, text): (String, String),
) -> Result<Measured, Failure> {
    let filter = (!text.is_empty()).then(|| Filter::new(&text));
    let passing_rows = match filter.clone() {
        None => observer.count().await?,
        Some(filter) => observer.count_where(filter).await?,
    };
    let truth = Truth::ask(observer, queries, filter, (args.k, &args.vector_column)).await?;
    let (tally, elapsed) = (Tally::new(queries.len()), Duration::ZERO);
    Ok(Measured { name, text, passing_rows, truth, tally, elapsed })
}

/// One round of one filter.
async fn load(
    args: &Args,
    clients: &[Collection],
    queries: &Arc<Queries>,
    filter: &mut Measured,
) -> Result<(), Failure> {
    let started = SystemClock.now();
    let lasts = Duration::from_secs_f64(args.seconds / f64::from(args.rounds));
    let load = Load {
        queries: Arc::clone(queries),
        pacing: Pacing::start(started, lasts, None),
        k: args.k,
        effort: args.how.effort(),
        vector_column: args.vector_column.clone(),
        filter: filter.filter(),
    };
    drive(clients, load, &mut filter.tally).await?;
    filter.elapsed += SystemClock.now().saturating_duration_since(started);
    Ok(())
}

fn line(args: &Args, filter: &Measured, rows: u64, unfiltered: f64) -> Line {
    let latency = filter.tally.percentiles();
    let qps = filter.qps();
    Line {
        name: filter.name.clone(),
        filter: filter.text.clone(),
        passing_rows: filter.passing_rows,
        selectivity: filter.passing_rows as f64 / rows.max(1) as f64,
        recall: filter.tally.mean(|query, hits, _| filter.truth.recall(query, hits)),
        qps,
        ratio: qps / unfiltered.max(f64::MIN_POSITIVE),
        p50_us: latency.p50_us,
        p99_us: latency.p99_us,
        errors: filter.tally.asked() - filter.tally.answered(),
        clients: args.clients,
        k: args.k,
    }
}

fn print(lines: &[Line]) -> Result<(), Failure> {
    let names = ["passing", "%", "recall", "q/s", "ratio", "p50 µs", "p99 µs", "errors"];
    let columns = names.map(|name| (name, Align::Right));
    let columns: Vec<_> = [("filter", Align::Left)].into_iter().chain(columns).collect();
    let mut grid = Grid::new(&columns);
    for line in lines {
        grid.row([
            line.name.clone(),
            output::count(line.passing_rows),
            format!("{:.2}", line.selectivity * 100.0),
            format!("{:.4}", line.recall),
            format!("{:.0}", line.qps),
            format!("{:.2}", line.ratio),
            format!("{:.0}", line.p50_us),
            format!("{:.0}", line.p99_us),
            output::count(line.errors),
        ]);
    }
    grid.print()
}
