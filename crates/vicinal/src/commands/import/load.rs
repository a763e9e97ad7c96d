//! Reading ahead, sending batches, skipping what is there.

use super::declare::{Mapping, prepare};
use crate::failure::Failure;
use crate::source::{Layout, Source};
use crate::{indexing, output};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use vicinal_client::{
    Client, Collection, ElementType, Filter, FlushUntil, Metric, OnExisting, Rows, Writer,
    WriterOptions,
};
use vicinal_types::{Clock as _, SystemClock, limits};

/// Bytes of a batch: large enough that the log's sync is shared by thousands of
/// rows, small enough that several fit into the windows of a connection.
const BATCH_BYTES: usize = 2 << 20;

/// Chunks that the reader is ahead of the writer.
const READ_AHEAD: usize = 2;

/// How to load.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// None: rows whose ids exist stay as they are.
    pub(crate) upsert: Option<Upsert>,
    /// For a collection that is made.
    pub(crate) metric: Option<Metric>,
    /// For a collection that is made.
    pub(crate) element: Option<ElementType>,
    /// None: what makes [`BATCH_BYTES`].
    pub(crate) batch_rows: Option<usize>,
    pub(crate) in_flight: usize,
    /// None: all rows of the file.
    pub(crate) rows_max: Option<u64>,
    /// Rows a second; none: as fast as it goes.
    pub(crate) rate: Option<u32>,
    pub(crate) wait_indexed: bool,
}

/// Which rows take the place of others.
#[derive(Clone, Debug)]
pub(crate) struct Upsert {
    /// What the row that is there must pass; none: any does.
    pub(crate) condition: Option<Filter>,
    /// Whether rows whose ids are new are left out.
    pub(crate) existing_only: bool,
}

/// What was loaded, and how long it took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loaded {
    /// Rows that are new.
    pub(crate) rows: u64,
    /// Rows whose ids existed.
    pub(crate) already_there: u64,
    /// Rows that replaced others.
    pub(crate) replaced: u64,
    /// Rows that an upsert's condition left out, or that were new to it.
    pub(crate) left_out: u64,
    /// From the first byte read to the last acknowledgement.
    pub(crate) seconds: f64,
    /// From the same start until everything was indexed, if that was waited for.
    pub(crate) indexed_s: Option<f64>,
}

impl Loaded {
    pub(crate) fn rows_per_s(&self) -> f64 {
        self.rows as f64 / self.seconds.max(1e-9)
    }
}

/// Loads a file into a collection, which is made if it is not there.
pub(crate) async fn load(
    client: &Client,
    name: &str,
    source: Source,
    options: Options,
) -> Result<Loaded, Failure> {
    let layout = source.layout().clone();
    let wanted = (options.metric, options.element);
    let (mapping, may_hold_rows) = prepare(client, name, &layout, wanted).await?;
    let collection = client.collection(name);
    let started = SystemClock.now();
    let wait_indexed = options.wait_indexed;
    let mut loaded = write(&collection, source, mapping, may_hold_rows, options).await?;
    loaded.seconds = seconds_since(started);
    if wait_indexed {
        collection.flush(FlushUntil::Sealed).await?;
        indexing::wait(&collection).await?;
        loaded.indexed_s = Some(seconds_since(started));
    }
    Ok(loaded)
}

fn seconds_since(started: Instant) -> f64 {
    SystemClock.now().saturating_duration_since(started).as_secs_f64()
}

/// Sends every row that is not there; the outcome has no times yet.
async fn write(
    collection: &Collection,
    source: Source,
    mapping: Mapping,
    may_hold_rows: bool,
    options: Options,
) -> Result<Loaded, Failure> {
    let total = source.layout().rows.min(options.rows_max.unwrap_or(u64::MAX));
    let batch_rows = options.batch_rows.unwrap_or_else(|| batch_rows(source.layout(), &mapping));
    // Who asks for rows gets them, up to what a command of the log may hold.
    let asked = options.batch_rows.map(|_| limits::COMMAND_BYTES_MAX / 2);
    let batch_bytes = asked.unwrap_or(BATCH_BYTES);
    let bar = output::bar(total, "importing");
    let (sender, mut chunks) = mpsc::channel(READ_AHEAD);
    let reader =
        tokio::task::spawn_blocking(move || read(source, &mapping, batch_rows, total, &sender));

    // Rows that are there are skipped, unless they are to be replaced.
    let mut is_resuming = may_hold_rows && options.upsert.is_none();
    let mut writer =
        writer(collection, (batch_rows, batch_bytes), options.in_flight, options.upsert);
    let mut skipped = 0;
    let (mut began, mut pushed) = (None, 0_u64);
    while let Some(chunk) = chunks.recv().await {
        let rows: Rows = chunk;
        if is_resuming && is_there(collection, &rows).await? {
            skipped += rows.len() as u64;
        } else {
            // From the first missing row on, the server sorts out what is there.
            is_resuming = false;
            let began = *began.get_or_insert_with(|| SystemClock.now());
            if let Some(rate) = options.rate {
                let due = began + Duration::from_secs_f64(pushed as f64 / f64::from(rate));
                tokio::time::sleep_until(due.into()).await;
            }
            pushed += rows.len() as u64;
            writer.push(rows).await?;
        }
        bar.set_position(skipped + writer.written().rows);
    }
    let read = reader.await.map_err(|error| Failure::new(format!("reading stopped: {error}")))?;
    let written = writer.finish().await?;
    read?;
    bar.finish_and_clear();
    Ok(Loaded {
        rows: written.inserted,
        already_there: skipped + written.already_there,
        replaced: written.replaced,
        left_out: written.left_out,
        seconds: 0.0,
        indexed_s: None,
    })
}

fn writer(
    collection: &Collection,
    (batch_rows, batch_bytes): (usize, usize),
    in_flight: usize,
    upsert: Option<Upsert>,
) -> Writer {
    let on_existing = if upsert.is_some() { OnExisting::Replace } else { OnExisting::Keep };
    let options = WriterOptions { batch_rows, batch_bytes, in_flight, on_existing };
    let mut writer = collection.writer(options);
    let Some(Upsert { condition, existing_only }) = upsert else { return writer };
    if let Some(condition) = condition {
        writer = writer.replace_if(condition);
    }
    if existing_only { writer.existing_only() } else { writer }
}

/// Whether all rows of a chunk are in the collection.
async fn is_there(collection: &Collection, rows: &Rows) -> Result<bool, Failure> {
    let found = collection.get(rows.ids().clone(), &[]).await?;
    Ok(found.len() == rows.len())
}

/// Reads chunk after chunk until the end, an error, or nobody listens any more.
fn read(
    mut source: Source,
    mapping: &Mapping,
    chunk_rows: usize,
    total: u64,
    sender: &mpsc::Sender<Rows>,
) -> Result<(), Failure> {
    let mut left = total;
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(chunk_rows);
        let Some(rows) = source.next_rows(wanted)? else {
            break;
        };
        left -= rows.len() as u64;
        if sender.blocking_send(mapping.map(rows)?).is_err() {
            break;
        }
    }
    Ok(())
}

/// Rows whose vectors and ids make a batch; at most what one get may ask for.
fn batch_rows(layout: &Layout, mapping: &Mapping) -> usize {
    let vectors = layout.vectors.iter().map(|vector| mapping.row_bytes(vector));
    let row_bytes: usize = vectors.sum::<usize>() + 8;
    BATCH_BYTES.div_ceil(row_bytes).clamp(1, limits::FETCH_ROWS_MAX)
}
