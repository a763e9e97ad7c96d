//! Walking over all rows.

use crate::collection::Collection;
use crate::error::Result;
use crate::filter::Filter;
use crate::rows::Rows;
use vicinal_api::v1 as proto;

/// A walk over all rows of a collection; every row that is there from the first
/// page to the last comes once.
///
/// ```no_run
/// # async fn walk(words: vicinal_client::Collection) -> Result<(), vicinal_client::Error> {
/// let mut pages = words.scroll().columns(["word"]).page_rows(1_000);
/// while let Some(rows) = pages.next_page().await? {
///     assert!(rows.text("word", 0).is_some());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Scroll {
    collection: Collection,
    columns: Vec<String>,
    page_rows: u32,
    filter: Option<Filter>,
    order_by: Option<proto::OrderBy>,
    options: proto::ReadOptions,
    /// Where the next page begins; none: the last page was given out.
    cursor: Option<Vec<u8>>,
    missing_rows: Vec<String>,
}

impl Scroll {
    pub(crate) fn new(collection: Collection) -> Self {
        let (columns, cursor) = (Vec::new(), Some(Vec::new()));
        Self {
            collection,
            columns,
            page_rows: 0,
            filter: None,
            order_by: None,
            options: proto::ReadOptions::default(),
            cursor,
            missing_rows: Vec::new(),
        }
    }

    /// Names the columns wanted; `*` all scalar columns, `**` vectors too.
    #[must_use]
    pub fn columns<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.columns = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the rows of a page; 1 to 16,384. Default: the server's, 100.
    #[must_use]
    pub fn page_rows(mut self, rows: u32) -> Self {
        self.page_rows = rows;
        self
    }

    /// Walks only over rows that pass.
    #[must_use]
    pub fn filter(mut self, filter: impl Into<Filter>) -> Self {
        self.filter = Some(filter.into());
        self
    }

    /// Walks in the order of a column's values, nulls last, or of `id`. Rows whose value changes
    /// meanwhile come where they are then.
    #[must_use]
    pub fn order_by(mut self, column: impl Into<String>, direction: proto::Direction) -> Self {
        let (column, direction) = (column.into(), direction.into());
        self.order_by = Some(proto::OrderBy { column, direction });
        self
    }

    /// Sets the options of every page's read: consistency, partial answers.
    #[must_use]
    pub fn options(mut self, options: proto::ReadOptions) -> Self {
        self.options = options;
        self
    }

    /// The rows that the last page was looked for without, if that was welcome: a line for
    /// each damaged segment.
    pub fn missing_rows(&self) -> &[String] {
        &self.missing_rows
    }

    /// The next page; none after the last.
    ///
    /// # Errors
    /// Those of any call; the walk can then be continued by calling again.
    pub async fn next_page(&mut self) -> Result<Option<Rows>> {
        let Some(cursor) = self.cursor.clone() else {
            return Ok(None);
        };
        let client = self.collection.client();
        let message = proto::ScrollRequest {
            database: client.database(),
            collection: self.collection.name().to_owned(),
            limit: self.page_rows,
            cursor,
            columns: self.columns.clone(),
            options: Some(self.options.clone()),
            filter: self.filter.clone().map(Filter::into_message),
            order_by: self.order_by.clone(),
        };
        let answer = client
            .call(message, |request| {
                let mut stub = client.rows_stub();
                async move { stub.scroll(request).await }
            })
            .await?;
        self.missing_rows = answer.missing_rows;
        let rows = answer.rows.unwrap_or_default();
        let rows = Rows::from_parts(rows.ids, rows.columns)
            .map_err(|reason| client.answer_error(reason))?;
        self.cursor = Some(answer.next).filter(|next| !next.is_empty());
        Ok(Some(rows).filter(|rows| !rows.is_empty() || self.cursor.is_some()))
    }
}
