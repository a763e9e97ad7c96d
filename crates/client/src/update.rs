//! Updates: new values of some columns for rows that are there.

use crate::collection::Collection;
use crate::error::Result;
use crate::filter::Filter;
use crate::rows::{Rows, Scalars, Vectors};
use vicinal_api::v1 as proto;
use vicinal_types::Ids;

/// New values that all rows get which pass a filter; made by
/// [`Collection::update_where`].
#[derive(Clone, Debug)]
pub struct UpdateWhere {
    collection: Collection,
    filter: Filter,
    /// One row of the values; its id stands for nothing.
    values: Rows,
}

impl Collection {
    /// Sets the columns that `rows` have in the rows of these ids, which keep all
    /// others; ids that there are no rows of are named in the answer.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` naming the row and the column that is wrong.
    pub async fn update(&self, rows: Rows) -> Result<proto::UpdateResponse> {
        rows.check()?;
        let proto::RowBatch { ids, columns } = rows.into_message();
        self.update_rows(ids, None, columns).await
    }

    /// The same, of those of the ids only whose rows pass a filter as they are when the
    /// write is applied; the others are named in the answer, too.
    ///
    /// # Errors
    /// As [`update`](Self::update), and `INVALID_ARGUMENT` with the place in the filter
    /// that is wrong.
    pub async fn update_if(
        &self,
        rows: Rows,
        filter: impl Into<Filter>,
    ) -> Result<proto::UpdateResponse> {
        rows.check()?;
        let proto::RowBatch { ids, columns } = rows.into_message();
        self.update_rows(ids, Some(filter.into().into_message()), columns).await
    }

    /// Sets columns of all rows that pass, at once:
    /// `collection.update_where("stock = 0").column("price", vec![0.0]).send()`.
    pub fn update_where(&self, filter: impl Into<Filter>) -> UpdateWhere {
        let values = Rows::new(Ids::Int(vec![0]));
        UpdateWhere { collection: self.clone(), filter: filter.into(), values }
    }

    async fn update_rows(
        &self,
        ids: Option<proto::Ids>,
        filter: Option<proto::Filter>,
        columns: Vec<proto::ColumnValues>,
    ) -> Result<proto::UpdateResponse> {
        let message = proto::UpdateRequest {
            database: self.client().database(),
            collection: self.name().to_owned(),
            ids,
            filter,
            columns,
            options: self.client().write_options(),
        };
        self.client()
            .call(message, |request| {
                let mut stub = self.client().rows_stub();
                async move { stub.update(request).await }
            })
            .await
    }
}

impl UpdateWhere {
    /// Sets a scalar column to the one value.
    #[must_use]
    pub fn column(self, name: impl Into<String>, value: impl Into<Scalars>) -> Self {
        Self { values: self.values.column(name, value), ..self }
    }

    /// Sets a vector column to the one vector.
    #[must_use]
    pub fn vector(self, name: impl Into<String>, vector: impl Into<Vectors>) -> Self {
        Self { values: self.values.vectors(name, vector), ..self }
    }

    /// Sends the update.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with what is wrong with the filter or a value;
    /// `RESOURCE_EXHAUSTED` if more rows pass than one update may be of.
    pub async fn send(self) -> Result<proto::UpdateResponse> {
        let filter = Some(self.filter.into_message());
        let columns = self.values.into_message().columns;
        self.collection.update_rows(None, filter, columns).await
    }
}
