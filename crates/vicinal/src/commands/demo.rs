//! `vicinal demo`: the whole path with real data, in half a minute.

mod measure;
mod words;

use super::import::{self, Loaded};
use crate::connection::block_on;
use crate::failure::Failure;
use crate::output::{self, Align, Grid};
use crate::source::Source;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use vicinal_client::{Client, Collection, Metric};
use vicinal_server::{Config, Server};
use vicinal_types::SystemClock;
use words::Words;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal demo
  vicinal demo --keep                      leave the data directory behind
  vicinal demo --data my.parquet           a file of yours with id, vector, word and gloss";

/// 10,000 WordNet 3.0 synsets, embedded by all-MiniLM-L6-v2; LICENSE.wordnet
/// stands beside the file.
const WORDNET: &[u8] = include_bytes!("../../../../tests/data/wordnet10k.parquet");

/// The collection's name.
const COLLECTION: &str = "words";

/// Words that are searched for, as far as they are in the data.
const SEARCHED: [&str; 4] = ["hospital", "bicycle", "Paris", "love"];

/// Neighbours shown for each.
const SHOWN: u32 = 6;

/// Columns that scores and words take beside the glosses.
const WORD_WIDTH: usize = 40;

/// What the log may leave of a small disk.
const RESERVE_BYTES: u64 = 64 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave the data directory behind, to serve it again.
    #[arg(long)]
    keep: bool,

    /// Load this .parquet file instead of the built-in one.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let data = args.data.as_deref();
    let words = Words::read(open(data)?)?;
    let directory = TempDir::with_prefix("vicinal-demo-")
        .map_err(|error| Failure::new(format!("cannot make a directory for the data: {error}")))?;
    let told = block_on(tell(directory.path(), data, &words));
    if args.keep {
        let kept = directory.keep();
        output::note(format_args!(
            "the data stays; serve it: VICINAL_STORAGE__DIRECTORY={} vicinal serve",
            kept.display()
        ));
    } else if let Err(error) = directory.close() {
        output::note(format_args!("the demo's data could not be removed: {error}"));
    }
    told
}

/// Starts a server, tells the story, stops the server.
async fn tell(directory: &Path, data: Option<&Path>, words: &Words) -> Result<(), Failure> {
    let server = Server::start(config(directory)?, Arc::new(SystemClock))
        .await
        .map_err(|error| Failure::new(error.to_string()))?;
    let address = server.grpc_addr().to_string();
    output::line(format_args!(
        "A server runs at {address} with its data in {}.",
        directory.display()
    ))?;
    let told = show(&address, data, words).await;
    server.shutdown().await;
    told?;
    output::line("The server has stopped.\n")?;
    output::line(NEXT)
}

const NEXT: &str = "\
Try next:
  vicinal serve                                     a server of your own
  vicinal import -c words --metric cosine FILE      .parquet, .npy, .fvecs or .bvecs
  vicinal search -c words --id 1 -k 5
  vicinal describe -c words
  vicinal help";

fn config(directory: &Path) -> Result<Config, Failure> {
    let any_port = "127.0.0.1:0".parse();
    let any_port =
        any_port.map_err(|error| Failure::new(format!("no loopback address: {error}")))?;
    let mut config = Config::default();
    config.server.address = any_port;
    config.http.address = any_port;
    config.storage.directory = directory.to_owned();
    config.storage.disk_reserve_bytes = RESERVE_BYTES;
    // It would run beside what is shown.
    config.search.profile_machine = false;
    Ok(config)
}

fn open(data: Option<&Path>) -> Result<Source, Failure> {
    Ok(match data {
        Some(path) => Source::open(path)?,
        None => Source::parquet("wordnet10k.parquet", Bytes::from_static(WORDNET))?,
    })
}

async fn show(address: &str, data: Option<&Path>, words: &Words) -> Result<(), Failure> {
    let client = Client::connect(address).await?;
    let options = import::Options {
        upsert: None,
        metric: Some(Metric::Cosine),
        element: None,
        batch_rows: None,
        in_flight: 4,
        rows_max: None,
        rate: None,
        wait_indexed: true,
    };
    let loaded = import::load(&client, COLLECTION, open(data)?, options).await?;
    print_loaded(&loaded)?;
    let collection = client.collection(COLLECTION);
    for word in words.pick(&SEARCHED) {
        print_neighbors(&collection, words, word).await?;
    }
    print_measured(&collection, words).await
}

fn print_loaded(loaded: &Loaded) -> Result<(), Failure> {
    let (rows, seconds) = (output::count(loaded.rows), loaded.seconds);
    let rate = loaded.rows_per_s();
    output::line(format_args!(
        "Loaded {rows} rows in {seconds:.2} s: {rate:.0} rows/s, each batch on stable storage before its answer."
    ))?;
    match loaded.indexed_s {
        Some(indexed) => {
            output::line(format_args!("Sealed and indexed {indexed:.2} s after the start."))
        }
        None => Ok(()),
    }
}

/// A word's row and what is near to it.
async fn print_neighbors(
    collection: &Collection,
    words: &Words,
    row: usize,
) -> Result<(), Failure> {
    let gloss = output::cut(words.gloss(row), WORD_WIDTH);
    output::line(format_args!("\nNear \"{}\" ({gloss}):\n", words.word(row)))?;
    let search = collection.search(words.vector(row)).k(SHOWN + 1).columns(["word", "gloss"]);
    let hits = search.send().await?.hits;
    let columns = [("score", Align::Right), ("word", Align::Left), ("gloss", Align::Left)];
    let mut grid = Grid::new(&columns);
    for (at, score) in hits.scores.iter().enumerate() {
        // The nearest row of all is the word itself.
        if hits.rows.ids().get(at) == words.id(row) {
            continue;
        }
        let text = |column: &str| hits.rows.text(column, at).unwrap_or_default();
        let gloss = output::cut(text("gloss"), WORD_WIDTH);
        grid.row([format!("{score:.3}"), text("word").replace('_', " "), gloss]);
    }
    grid.print()
}

async fn print_measured(collection: &Collection, words: &Words) -> Result<(), Failure> {
    let measured = measure::measure(collection, words).await?;
    let (queries, recall) = (measured.queries, measured.recall);
    output::line(format_args!(
        "\nrecall@10 of {queries} rows as queries, against the exact answers: {recall:.4}  (0.95 was asked for)"
    ))?;
    let latency = measured.latency;
    output::line(format_args!(
        "latency of {} searches, one after another: p50 {:.0} µs  p95 {:.0} µs  p99 {:.0} µs",
        measured.searches, latency.p50_us, latency.p95_us, latency.p99_us
    ))
}
