//! Upserts on a condition.

use crate::collection::Collection;
use crate::error::Result;
use crate::filter::Filter;
use crate::rows::Rows;
use vicinal_api::v1 as proto;

/// Rows that replace others only if these pass; made by [`Collection::upsert_if`].
#[derive(Clone, Debug)]
pub struct UpsertIf {
    collection: Collection,
    rows: Rows,
    condition: Filter,
    existing_only: bool,
}

impl Collection {
    /// Adds rows, and replaces those of the same ids which pass a condition as they are
    /// when the write is applied; rows that are left out are named in the answer. So a
    /// row that was read is replaced only if nobody changed it since:
    /// `collection.upsert_if(rows, Filter::new("version = {v}").parameter("v", 3)).send()`.
    pub fn upsert_if(&self, rows: Rows, condition: impl Into<Filter>) -> UpsertIf {
        let (collection, condition) = (self.clone(), condition.into());
        UpsertIf { collection, rows, condition, existing_only: false }
    }

    pub(crate) async fn upsert_rows(
        &self,
        rows: Rows,
        condition: Option<Filter>,
        existing_only: bool,
    ) -> Result<proto::UpsertResponse> {
        rows.check()?;
        let message = proto::UpsertRequest {
            database: self.client().database(),
            collection: self.name().to_owned(),
            rows: Some(rows.into_message()),
            options: self.client().write_options(),
            condition: condition.map(Filter::into_message),
            existing_only,
        };
        self.client()
            .call(message, |request| {
                let mut stub = self.client().rows_stub();
                async move { stub.upsert(request).await }
            })
            .await
    }
}

impl UpsertIf {
    /// Leaves rows out, too, whose ids are new.
    #[must_use]
    pub fn existing_only(self) -> Self {
        Self { existing_only: true, ..self }
    }

    /// Sends the rows.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` naming the row and the column that is wrong, or with the place
    /// in the condition that is.
    pub async fn send(self) -> Result<proto::UpsertResponse> {
        self.collection.upsert_rows(self.rows, Some(self.condition), self.existing_only).await
    }
}
