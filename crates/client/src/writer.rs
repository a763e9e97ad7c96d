//! Many rows, batch by batch, several batches in flight.

use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::rows::Rows;
use tokio::task::{JoinError, JoinSet};
use vicinal_types::limits;

/// What happens to a row whose id exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExisting {
    /// It stays as it is, and the new one is counted in [`Written::already_there`].
    Keep,
    /// The new one replaces it.
    Replace,
}

/// How a [`Writer`] cuts and sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterOptions {
    /// Rows that make a batch; at most [`limits::WRITE_ROWS_MAX`].
    pub batch_rows: usize,
    /// Bytes that make a batch; well below [`limits::COMMAND_BYTES_MAX`].
    pub batch_bytes: usize,
    /// Batches on their way at the same time: while one is synced to disk, the
    /// next is on the wire.
    pub in_flight: usize,
    /// What happens to rows whose ids exist.
    pub on_existing: OnExisting,
}

/// What was written and acknowledged so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows in acknowledged batches.
    pub rows: u64,
    /// Of those, rows that are new.
    pub inserted: u64,
    /// Of those, rows that replaced one.
    pub replaced: u64,
    /// Of those, rows left out as their ids exist.
    pub already_there: u64,
    /// Of those, rows left out by [`Writer::replace_if`] or [`Writer::existing_only`].
    pub left_out: u64,
}

/// Gathers rows into batches and keeps several of them in flight.
///
/// Batches that are in flight together may be applied in any order: do not put
/// two versions of one id into a writer.
#[derive(Debug)]
pub struct Writer {
    collection: Collection,
    options: WriterOptions,
    condition: Option<Filter>,
    existing_only: bool,
    /// Less than a batch.
    waiting: Option<Rows>,
    flying: JoinSet<Result<Written>>,
    written: Written,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            batch_rows: 16_384,
            batch_bytes: 2 << 20,
            in_flight: 4,
            on_existing: OnExisting::Keep,
        }
    }
}

impl WriterOptions {
    /// Checks the bounds.
    fn check(self) -> Result<()> {
        let (rows, rows_max) = (self.batch_rows, limits::WRITE_ROWS_MAX);
        if rows == 0 || rows > rows_max {
            return Err(Error::Invalid(format!(
                "a batch of {rows} rows is not between 1 and {rows_max}"
            )));
        }
        if self.batch_bytes == 0 || self.in_flight == 0 {
            let reason = "batches need at least 1 byte and 1 of them in flight";
            return Err(Error::Invalid(reason.into()));
        }
        Ok(())
    }
}

impl Writer {
    pub(crate) fn new(collection: Collection, options: WriterOptions) -> Self {
        Self {
            collection,
            options,
            condition: None,
            existing_only: false,
            waiting: None,
            flying: JoinSet::new(),
            written: Written::default(),
        }
    }

    /// Lets rows replace others, but only those which pass as they are when the batch is
    /// applied; new ids are added. Instead of [`WriterOptions::on_existing`].
    #[must_use]
    pub fn replace_if(mut self, condition: impl Into<Filter>) -> Self {
        self.options.on_existing = OnExisting::Replace;
        self.condition = Some(condition.into());
        self
    }

    /// Lets rows replace others, and leaves out those whose ids are new.
    #[must_use]
    pub fn existing_only(mut self) -> Self {
        self.options.on_existing = OnExisting::Replace;
        self.existing_only = true;
        self
    }

    /// Adds rows; waits while enough batches are in flight. All rows given to a
    /// writer have the same columns, and no single call more rows than a batch.
    ///
    /// # Errors
    /// [`Error::Invalid`] for rows that do not fit, or the first failure of a
    /// batch sent earlier: the rows behind it may or may not be written.
    pub async fn push(&mut self, rows: Rows) -> Result<()> {
        self.options.check()?;
        rows.check()?;
        let (count, limit) = (rows.len(), self.options.batch_rows);
        if count > limit {
            return Err(Error::Invalid(format!(
                "{count} rows at once are more than a batch of {limit}; hand them over in parts"
            )));
        }
        if let Some(waiting) = &self.waiting
            && (waiting.len() + count > limit
                || waiting.bytes() + rows.bytes() > self.options.batch_bytes)
        {
            self.send_waiting().await?;
        }
        match &mut self.waiting {
            Some(waiting) => waiting.append(rows)?,
            None => self.waiting = Some(rows),
        }
        let is_full =
            |waiting: &Rows| waiting.len() >= limit || waiting.bytes() >= self.options.batch_bytes;
        if self.waiting.as_ref().is_some_and(is_full) {
            self.send_waiting().await?;
        }
        Ok(())
    }

    /// What is acknowledged so far.
    pub fn written(&self) -> Written {
        self.written
    }

    /// Sends what is left and waits for every acknowledgement.
    ///
    /// # Errors
    /// The first failure of a batch.
    pub async fn finish(mut self) -> Result<Written> {
        self.send_waiting().await?;
        while let Some(outcome) = self.flying.join_next().await {
            self.landed(outcome)?;
        }
        Ok(self.written)
    }

    async fn send_waiting(&mut self) -> Result<()> {
        let Some(rows) = self.waiting.take() else {
            return Ok(());
        };
        while let Some(outcome) = self.flying.try_join_next() {
            self.landed(outcome)?;
        }
        while self.flying.len() >= self.options.in_flight {
            if let Some(outcome) = self.flying.join_next().await {
                self.landed(outcome)?;
            }
        }
        let collection = self.collection.clone();
        let (on_existing, existing_only) = (self.options.on_existing, self.existing_only);
        let condition = self.condition.clone();
        self.flying.spawn(async move {
            match on_existing {
                OnExisting::Keep => insert(&collection, rows).await,
                OnExisting::Replace => upsert(&collection, rows, condition, existing_only).await,
            }
        });
        Ok(())
    }

    fn landed(&mut self, outcome: Result<Result<Written>, JoinError>) -> Result<()> {
        let batch = match outcome {
            Ok(batch) => batch?,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return Err(Error::Invalid("the runtime is shutting down".into())),
            },
        };
        self.written.rows += batch.rows;
        self.written.inserted += batch.inserted;
        self.written.replaced += batch.replaced;
        self.written.already_there += batch.already_there;
        self.written.left_out += batch.left_out;
        Ok(())
    }
}

async fn insert(collection: &Collection, rows: Rows) -> Result<Written> {
    let count = rows.len() as u64;
    let answer = collection.insert(rows).await?;
    let already_there = answer.already_exists.len() as u64;
    Ok(Written { rows: count, inserted: answer.inserted, already_there, ..Written::default() })
}

async fn upsert(
    collection: &Collection,
    rows: Rows,
    condition: Option<Filter>,
    existing_only: bool,
) -> Result<Written> {
    let count = rows.len() as u64;
    let answer = collection.upsert_rows(rows, condition, existing_only).await?;
    Ok(Written {
        rows: count,
        inserted: answer.inserted,
        replaced: answer.replaced,
        left_out: answer.left_out.len() as u64,
        ..Written::default()
    })
}
