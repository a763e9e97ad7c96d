//! Figures of groups of rows.

use crate::collection::Collection;
use crate::error::Result;
use crate::filter::Filter;
use crate::rows::Value;
use vicinal_api::v1 as proto;

/// An aggregation; made by [`Collection::aggregate`]. Of all rows, as one group, unless
/// it says otherwise.
#[derive(Clone, Debug)]
pub struct Aggregate {
    collection: Collection,
    filter: Option<Filter>,
    message: proto::AggregateRequest,
}

/// The groups that an aggregation found.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    /// Rows that pass the filter.
    pub rows: u64,
    /// Groups that there are, those included that the limit left out.
    pub group_count: u64,
    /// The first of them.
    pub groups: Vec<Group>,
    /// The rows that the answer is without, if that was welcome: a line for each damaged
    /// segment.
    pub missing_rows: Vec<String>,
}

/// One group of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    key: Option<proto::Value>,
    /// Its rows.
    pub rows: u64,
    values: Vec<proto::Value>,
}

impl Aggregate {
    pub(crate) fn new(collection: Collection) -> Self {
        Self { collection, filter: None, message: proto::AggregateRequest::default() }
    }

    /// Lets only rows count that pass.
    #[must_use]
    pub fn filter(mut self, filter: impl Into<Filter>) -> Self {
        self.filter = Some(filter.into());
        self
    }

    /// Makes rows with the same value of a column one group.
    #[must_use]
    pub fn group_by(mut self, column: impl Into<String>) -> Self {
        self.message.group_by = column.into();
        self
    }

    /// Makes rows whose timestamps are in the same stretch of time one group.
    #[must_use]
    pub fn group_by_time(mut self, column: impl Into<String>, unit: proto::TimeUnit) -> Self {
        self.message.group_by = column.into();
        self.message.time_unit = unit.into();
        self
    }

    /// Computes a function of a column's values in each group; at most 32 of them.
    #[must_use]
    pub fn figure(mut self, function: proto::Function, column: impl Into<String>) -> Self {
        let figure = proto::Figure { function: function.into(), column: column.into() };
        self.message.figures.push(figure);
        self
    }

    /// Says which groups come first. Default: those with the most rows.
    #[must_use]
    pub fn order(mut self, order: proto::GroupOrder) -> Self {
        self.message.order = order.into();
        self
    }

    /// Sets how many groups are wanted; 1 to 65,536. Default: 100.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.message.limit = limit;
        self
    }

    /// Sets the options of the read: consistency, partial answers.
    #[must_use]
    pub fn options(mut self, options: proto::ReadOptions) -> Self {
        self.message.options = Some(options);
        self
    }

    /// Sends the aggregation.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` naming what is wrong: a column, a function, a limit, too many
    /// groups.
    pub async fn send(self) -> Result<Groups> {
        let client = self.collection.client();
        let message = proto::AggregateRequest {
            database: client.database(),
            collection: self.collection.name().to_owned(),
            filter: self.filter.map(Filter::into_message),
            ..self.message
        };
        let answer = client
            .call(message, |request| {
                let mut stub = client.rows_stub();
                async move { stub.aggregate(request).await }
            })
            .await?;
        let proto::AggregateResponse { rows, group_count, groups, missing_rows } = answer;
        let group = |proto::Group { key, rows, values }| Group { key, rows, values };
        let groups = groups.into_iter().map(group).collect();
        Ok(Groups { rows, group_count, groups, missing_rows })
    }
}

impl Group {
    /// What its rows have in common: a bool, an integer or a string, a timestamp as the
    /// microseconds of it; null also where nothing was grouped by.
    pub fn key(&self) -> Value<'_> {
        self.key.as_ref().map_or(Value::Null, Value::of)
    }

    /// One for each figure; null where all values were.
    pub fn values(&self) -> impl Iterator<Item = Value<'_>> {
        self.values.iter().map(Value::of)
    }
}
