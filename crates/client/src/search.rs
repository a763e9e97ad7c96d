//! Asking for the nearest rows.

mod pages;

pub use pages::SearchPages;

use crate::collection::Collection;
use crate::convert;
use crate::error::Result;
use crate::filter::Filter;
use crate::rows::{Rows, Value, Vectors};
use std::marker::PhantomData;
use std::ops::Range;
use vicinal_api::v1 as proto;
use vicinal_types::{Effort, Nearer};

/// Marks a [`Search`] for one vector.
#[derive(Clone, Copy, Debug)]
pub enum One {}

/// Marks a [`Search`] for many vectors.
#[derive(Clone, Copy, Debug)]
pub enum Many {}

/// A search; made by [`Collection::search`] and [`Collection::search_batch`].
#[derive(Clone, Debug)]
pub struct Search<Queries> {
    collection: Collection,
    vector_column: String,
    vectors: Vectors,
    k: u32,
    columns: Vec<String>,
    params: proto::SearchParams,
    options: proto::ReadOptions,
    filter: Option<Filter>,
    bounds: Bounds,
    queries: PhantomData<Queries>,
}

/// Which of the nearest rows are wanted, beside how many.
#[derive(Clone, Debug, Default)]
struct Bounds {
    radius: Option<f32>,
    inner_radius: Option<f32>,
    offset: u32,
    group_by: String,
    group_size: u32,
}

/// How much of a search is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explain {
    /// How it would go.
    Plan,
    /// It is run, and what it took is said, too.
    Analyze,
}

/// The rows found for one query, nearest first; with [`Search::group_by`] group after group.
#[derive(Clone, Debug, PartialEq)]
pub struct Hits {
    /// Their ids and the columns asked for.
    pub rows: Rows,
    /// The metric's own score of each.
    pub scores: Vec<f32>,
    /// The groups, that of the nearest row first; empty if nothing groups rows.
    pub groups: Vec<HitGroup>,
}

/// Rows found that are of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct HitGroup {
    key: Option<proto::Value>,
    /// Which of the rows found they are.
    pub rows: Range<usize>,
}

impl HitGroup {
    /// The value that they have in the column that groups them, a timestamp as the
    /// microseconds of it.
    pub fn key(&self) -> Value<'_> {
        self.key.as_ref().map_or(Value::Null, Value::of)
    }
}

/// What a search for `H` found.
#[derive(Clone, Debug)]
pub struct Found<H> {
    /// The rows, for one query or for each of many.
    pub hits: H,
    /// Which way scores point.
    pub nearer: Nearer,
    /// What the search took.
    pub report: proto::SearchReport,
    /// The rows that the answer is without, if that was welcome: a line for each damaged
    /// segment.
    pub missing_rows: Vec<String>,
}

/// Rows wanted by a search that does not say.
const K_DEFAULT: u32 = 10;

impl<Queries> Search<Queries> {
    pub(crate) fn new(collection: Collection, vectors: Vectors) -> Self {
        Self {
            collection,
            vector_column: String::new(),
            vectors,
            k: K_DEFAULT,
            columns: Vec::new(),
            params: proto::SearchParams::default(),
            options: proto::ReadOptions::default(),
            filter: None,
            bounds: Bounds::default(),
            queries: PhantomData,
        }
    }

    /// Names the vector column; needed only if there are several.
    #[must_use]
    pub fn vector_column(mut self, name: impl Into<String>) -> Self {
        self.vector_column = name.into();
        self
    }

    /// Sets how many rows are wanted; 1 to 16,384. Default: 10.
    #[must_use]
    pub fn k(mut self, k: u32) -> Self {
        self.k = k;
        self
    }

    /// Names the columns wanted with each hit; `*` all scalar columns, `**`
    /// vectors too. Default: ids and scores only.
    #[must_use]
    pub fn columns<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.columns = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Lets only rows be found that pass, however few they are.
    #[must_use]
    pub fn filter(mut self, filter: impl Into<Filter>) -> Self {
        self.filter = Some(filter.into());
        self
    }

    /// Lets only rows be found whose score is nearer than this: below it, or above it
    /// under inner product and cosine.
    #[must_use]
    pub fn radius(mut self, radius: f32) -> Self {
        self.bounds.radius = Some(radius);
        self
    }

    /// Lets only rows be found whose score is this or farther; nearer ones do not
    /// count among the `k`.
    #[must_use]
    pub fn inner_radius(mut self, inner_radius: f32) -> Self {
        self.bounds.inner_radius = Some(inner_radius);
        self
    }

    /// Passes over the nearest rows, so many; with `k` at most 16,384. Default: 0.
    #[must_use]
    pub fn offset(mut self, offset: u32) -> Self {
        self.bounds.offset = offset;
        self
    }

    /// Makes rows with the same value of a column one group, null included: `k` and
    /// `offset` are then of groups, and of each the nearest rows are found, so many.
    #[must_use]
    pub fn group_by(mut self, column: impl Into<String>, group_size: u32) -> Self {
        self.bounds.group_by = column.into();
        self.bounds.group_size = group_size;
        self
    }

    /// Asks for this mean recall, above 0 and at most 1. Default: 0.95.
    #[must_use]
    pub fn min_recall(self, recall: f32) -> Self {
        self.effort(Effort::MinRecall(recall))
    }

    /// Asks for the exact answer: every row is compared.
    #[must_use]
    pub fn exact(self) -> Self {
        self.effort(Effort::Exact)
    }

    /// Sets how hard to try.
    #[must_use]
    pub fn effort(mut self, effort: Effort) -> Self {
        use proto::search_params::EffortKind;
        self.params.effort_kind = Some(match effort {
            Effort::Exact => EffortKind::Exact(true),
            Effort::Candidates(count) => {
                EffortKind::Effort(u32::try_from(count).unwrap_or(u32::MAX))
            }
            Effort::MinRecall(recall) => EffortKind::MinRecall(recall),
        });
        self
    }

    /// Allows an answer from the server's result cache, if it has one.
    #[must_use]
    pub fn allow_cached(mut self) -> Self {
        self.params.allow_cached = true;
        self
    }

    /// Sets the options of the read: consistency, partial answers.
    #[must_use]
    pub fn options(mut self, options: proto::ReadOptions) -> Self {
        self.options = options;
        self
    }
}

impl Search<One> {
    /// Sends the search.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` naming what is wrong: dimension, k, a column.
    pub async fn send(self) -> Result<Found<Hits>> {
        self.ask(None).await.map(|(found, _)| found)
    }

    /// Walks over the nearest rows in pages of [`k`](Self::k), as far as there are any; no
    /// limit of a search holds for all pages together.
    pub fn pages(self) -> SearchPages {
        SearchPages::new(self)
    }

    /// Says how the search would go through each segment, and what the ways would cost that
    /// are not taken; with [`Explain::Analyze`] runs it, and says what it took.
    ///
    /// # Errors
    /// Those of the search.
    pub async fn explain(self, explain: Explain) -> Result<proto::ExplainResponse> {
        let collection = self.collection.clone();
        let client = collection.client();
        let analyze = match explain {
            Explain::Plan => false,
            Explain::Analyze => true,
        };
        let message = proto::ExplainRequest { search: Some(self.into_message(None)), analyze };
        client
            .call(message, |request| {
                let mut stub = client.search_stub();
                async move { stub.explain(request).await }
            })
            .await
    }

    /// Sends the search, and says where the next page begins if this is one.
    async fn ask(self, cursor: Option<Vec<u8>>) -> Result<(Found<Hits>, Vec<u8>)> {
        let collection = self.collection.clone();
        let client = collection.client();
        let message = self.into_message(cursor);
        let answer = client
            .call(message, |request| {
                let mut stub = client.search_stub();
                async move { stub.search(request).await }
            })
            .await?;
        let nearer = convert::nearer_back(answer.nearer());
        let found = nearer.ok_or_else(no_direction).and_then(|nearer| {
            let hits = hits(answer.hits.unwrap_or_default())?;
            let (report, missing_rows) = (answer.report.unwrap_or_default(), answer.missing_rows);
            Ok(Found { hits, nearer, report, missing_rows })
        });
        Ok((found.map_err(|reason| client.answer_error(reason))?, answer.next))
    }

    fn into_message(self, cursor: Option<Vec<u8>>) -> proto::SearchRequest {
        let client = self.collection.client();
        proto::SearchRequest {
            database: client.database(),
            collection: self.collection.name().to_owned(),
            vector_column: self.vector_column,
            vector: Some(self.vectors.into_message()),
            k: self.k,
            columns: self.columns,
            params: Some(self.params),
            options: Some(self.options),
            filter: self.filter.map(Filter::into_message),
            radius: self.bounds.radius,
            inner_radius: self.bounds.inner_radius,
            offset: self.bounds.offset,
            group_by: self.bounds.group_by,
            group_size: self.bounds.group_size,
            cursor,
        }
    }
}

impl Search<Many> {
    /// Sends the search.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` naming what is wrong: dimension, k, a column, or too
    /// many queries at once.
    pub async fn send(self) -> Result<Found<Vec<Hits>>> {
        let client = self.collection.client();
        let message = proto::SearchBatchRequest {
            database: client.database(),
            collection: self.collection.name().to_owned(),
            vector_column: self.vector_column,
            vectors: Some(self.vectors.into_message()),
            k: self.k,
            columns: self.columns,
            params: Some(self.params),
            options: Some(self.options),
            filter: self.filter.map(Filter::into_message),
            radius: self.bounds.radius,
            inner_radius: self.bounds.inner_radius,
            offset: self.bounds.offset,
            group_by: self.bounds.group_by,
            group_size: self.bounds.group_size,
        };
        let answer = client
            .call(message, |request| {
                let mut stub = client.search_stub();
                async move { stub.search_batch(request).await }
            })
            .await?;
        let nearer = convert::nearer_back(answer.nearer());
        let found = nearer.ok_or_else(no_direction).and_then(|nearer| {
            Ok(Found {
                hits: answer.results.into_iter().map(hits).collect::<Result<_, _>>()?,
                nearer,
                report: answer.report.unwrap_or_default(),
                missing_rows: answer.missing_rows,
            })
        });
        found.map_err(|reason| client.answer_error(reason))
    }
}

fn no_direction() -> String {
    "it does not say which way scores point".to_owned()
}

fn hits(message: proto::Hits) -> Result<Hits, String> {
    let rows = Rows::from_parts(message.ids, message.columns)?;
    let scores = message.scores;
    if scores.len() != rows.len() {
        return Err(format!("{} scores came with {} ids", scores.len(), rows.len()));
    }
    let mut end = 0;
    let mut groups = Vec::with_capacity(message.groups.len());
    for proto::HitGroup { key, rows } in message.groups {
        let first = end;
        end += rows as usize;
        groups.push(HitGroup { key, rows: first..end });
    }
    if !groups.is_empty() && end != rows.len() {
        return Err(format!("groups of {end} rows came with {} ids", rows.len()));
    }
    Ok(Hits { rows, scores, groups })
}
