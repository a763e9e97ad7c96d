//! One collection's rows and state, and the catalogue around it.

use crate::aggregate::Aggregate;
use crate::connect::Client;
use crate::convert;
use crate::error::Result;
use crate::filter::Filter;
use crate::rows::{Rows, Vectors};
use crate::scroll::Scroll;
use crate::search::{Many, One, Search};
use crate::spec::{CollectionSpec, ColumnSpec};
use crate::writer::{Writer, WriterOptions};
use vicinal_api::v1 as proto;
use vicinal_types::Ids;

/// A collection by name or alias; made by [`Client::collection`], which does
/// not ask whether it exists.
#[derive(Clone, Debug)]
pub struct Collection {
    client: Client,
    name: String,
}

/// Whether a declaration is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apply {
    /// Create or change the collection; columns that the declaration does not
    /// have are an error.
    Now,
    /// The same, but drop those columns with their values.
    DroppingColumns,
    /// Only say what would change.
    DryRun,
}

/// An answer that may be without the rows of damaged segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partial<T> {
    /// The answer from what can be read.
    pub value: T,
    /// The rows that it is without, a line for each damaged segment; empty: it is whole.
    pub missing_rows: Vec<String>,
}

/// What a flush waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushUntil {
    /// Everything written so far is in sealed segments.
    Sealed,
    /// And every sealed segment has its index.
    Indexed,
}

impl Client {
    /// A handle to the collection of that name or alias.
    pub fn collection(&self, name: impl Into<String>) -> Collection {
        Collection { client: self.clone(), name: name.into() }
    }

    /// Creates a collection and returns its number.
    ///
    /// # Errors
    /// `ALREADY_EXISTS` if the name is taken; `INVALID_ARGUMENT` naming what is
    /// wrong with the declaration.
    pub async fn create(&self, spec: CollectionSpec) -> Result<u32> {
        let message = proto::CreateCollectionRequest {
            database: self.database(),
            spec: Some(spec.into_message()),
            options: self.write_options(),
        };
        let answer = self
            .call(message, |request| {
                let mut stub = self.collections_stub();
                async move { stub.create_collection(request).await }
            })
            .await?;
        Ok(answer.collection_id)
    }

    /// Makes a collection be as declared, or says what would change.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` naming what may not change or is wrong.
    pub async fn apply(
        &self,
        spec: CollectionSpec,
        apply: Apply,
    ) -> Result<proto::ApplyCollectionResponse> {
        let message = proto::ApplyCollectionRequest {
            database: self.database(),
            spec: Some(spec.into_message()),
            dry_run: apply == Apply::DryRun,
            options: self.write_options(),
            drop_columns: apply == Apply::DroppingColumns,
        };
        self.call(message, |request| {
            let mut stub = self.collections_stub();
            async move { stub.apply_collection(request).await }
        })
        .await
    }

    /// Lists the collections of the database, by name.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn list(&self) -> Result<Vec<proto::CollectionSummary>> {
        let message = proto::ListCollectionsRequest { database: self.database() };
        let answer = self
            .call(message, |request| {
                let mut stub = self.collections_stub();
                async move { stub.list_collections(request).await }
            })
            .await?;
        Ok(answer.collections)
    }

    /// Points an alias at a collection; returns what it pointed at before.
    ///
    /// # Errors
    /// `NOT_FOUND` if there is no such collection.
    pub async fn set_alias(&self, alias: &str, collection: &str) -> Result<Option<String>> {
        let message = proto::SetAliasRequest {
            database: self.database(),
            alias: alias.to_owned(),
            collection: collection.to_owned(),
            options: self.write_options(),
        };
        let answer = self
            .call(message, |request| {
                let mut stub = self.collections_stub();
                async move { stub.set_alias(request).await }
            })
            .await?;
        Ok(Some(answer.previous).filter(|previous| !previous.is_empty()))
    }

    /// Removes an alias.
    ///
    /// # Errors
    /// `NOT_FOUND` if it is not there.
    pub async fn drop_alias(&self, alias: &str) -> Result<()> {
        let message = proto::DropAliasRequest {
            database: self.database(),
            alias: alias.to_owned(),
            options: self.write_options(),
        };
        self.call(message, |request| {
            let mut stub = self.collections_stub();
            async move { stub.drop_alias(request).await }
        })
        .await?;
        Ok(())
    }

    /// Lists the aliases of the database, by name.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn aliases(&self) -> Result<Vec<proto::Alias>> {
        let message = proto::ListAliasesRequest { database: self.database() };
        let answer = self
            .call(message, |request| {
                let mut stub = self.collections_stub();
                async move { stub.list_aliases(request).await }
            })
            .await?;
        Ok(answer.aliases)
    }

    /// Says what the server is and what it uses.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn stats(&self) -> Result<proto::StatsResponse> {
        self.call(proto::StatsRequest {}, |request| {
            let mut stub = self.admin_stub();
            async move { stub.stats(request).await }
        })
        .await
    }
}

impl Collection {
    /// The name or alias.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Adds rows; those whose ids exist are left out and named in the answer.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` naming the row and the column that is wrong.
    pub async fn insert(&self, rows: Rows) -> Result<proto::InsertResponse> {
        rows.check()?;
        let message = proto::InsertRequest {
            database: self.client.database(),
            collection: self.name.clone(),
            rows: Some(rows.into_message()),
            options: self.client.write_options(),
        };
        self.client
            .call(message, |request| {
                let mut stub = self.client.rows_stub();
                async move { stub.insert(request).await }
            })
            .await
    }

    /// Adds rows, replacing whole rows of the same id.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` naming the row and the column that is wrong.
    pub async fn upsert(&self, rows: Rows) -> Result<proto::UpsertResponse> {
        self.upsert_rows(rows, None, false).await
    }

    /// Deletes rows by id; ids that do not exist are no error.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if the ids are not of the collection's type.
    pub async fn delete(&self, ids: impl Into<Ids>) -> Result<proto::DeleteResponse> {
        self.delete_rows(Some(convert::ids(ids.into())), None).await
    }

    /// Deletes all rows that pass, at once.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with the place in the filter that is wrong.
    pub async fn delete_where(&self, filter: impl Into<Filter>) -> Result<proto::DeleteResponse> {
        self.delete_rows(None, Some(filter.into().into_message())).await
    }

    async fn delete_rows(
        &self,
        ids: Option<proto::Ids>,
        filter: Option<proto::Filter>,
    ) -> Result<proto::DeleteResponse> {
        let message = proto::DeleteRequest {
            database: self.client.database(),
            collection: self.name.clone(),
            ids,
            options: self.client.write_options(),
            filter,
        };
        self.client
            .call(message, |request| {
                let mut stub = self.client.rows_stub();
                async move { stub.delete(request).await }
            })
            .await
    }

    /// Reads rows by id, in the order asked for; ids that do not exist are left
    /// out. `*` stands for all scalar columns, `**` for the vectors, too.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` naming a column that is not there.
    pub async fn get(&self, ids: impl Into<Ids>, columns: &[&str]) -> Result<Rows> {
        let options = proto::ReadOptions::default();
        self.get_with(ids.into(), columns, options).await.map(|answer| answer.value)
    }

    /// [`get`](Self::get), without the rows of damaged segments if there are any.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_partial(
        &self,
        ids: impl Into<Ids>,
        columns: &[&str],
    ) -> Result<Partial<Rows>> {
        let options = proto::ReadOptions { partial_ok: true, ..Default::default() };
        self.get_with(ids.into(), columns, options).await
    }

    async fn get_with(
        &self,
        ids: Ids,
        columns: &[&str],
        options: proto::ReadOptions,
    ) -> Result<Partial<Rows>> {
        let message = proto::GetRequest {
            database: self.client.database(),
            collection: self.name.clone(),
            ids: Some(convert::ids(ids)),
            columns: columns.iter().map(ToString::to_string).collect(),
            options: Some(options),
        };
        let answer = self
            .client
            .call(message, |request| {
                let mut stub = self.client.rows_stub();
                async move { stub.get(request).await }
            })
            .await?;
        let rows = answer.rows.unwrap_or_default();
        let value = Rows::from_parts(rows.ids, rows.columns)
            .map_err(|reason| self.client.answer_error(reason))?;
        Ok(Partial { value, missing_rows: answer.missing_rows })
    }

    /// Counts the rows.
    ///
    /// # Errors
    /// `NOT_FOUND` if there is no such collection.
    pub async fn count(&self) -> Result<u64> {
        self.count_rows(None, proto::ReadOptions::default()).await.map(|answer| answer.value)
    }

    /// Counts the rows that pass.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with the place in the filter that is wrong.
    pub async fn count_where(&self, filter: impl Into<Filter>) -> Result<u64> {
        let options = proto::ReadOptions::default();
        self.count_rows(Some(filter.into()), options).await.map(|answer| answer.value)
    }

    /// Counts the rows, or those that pass, without those of damaged segments if there are
    /// any.
    ///
    /// # Errors
    /// As [`count_where`](Self::count_where).
    pub async fn count_partial(&self, filter: Option<Filter>) -> Result<Partial<u64>> {
        let options = proto::ReadOptions { partial_ok: true, ..Default::default() };
        self.count_rows(filter, options).await
    }

    async fn count_rows(
        &self,
        filter: Option<Filter>,
        options: proto::ReadOptions,
    ) -> Result<Partial<u64>> {
        let message = proto::CountRequest {
            database: self.client.database(),
            collection: self.name.clone(),
            options: Some(options),
            filter: filter.map(Filter::into_message),
        };
        let answer = self
            .client
            .call(message, |request| {
                let mut stub = self.client.rows_stub();
                async move { stub.count(request).await }
            })
            .await?;
        Ok(Partial { value: answer.rows, missing_rows: answer.missing_rows })
    }

    /// Computes figures of groups of rows: counts, least and greatest values, sums and
    /// means.
    pub fn aggregate(&self) -> Aggregate {
        Aggregate::new(self.clone())
    }

    /// Walks over all rows, page by page.
    pub fn scroll(&self) -> Scroll {
        Scroll::new(self.clone())
    }

    /// Finds the rows nearest to one vector.
    pub fn search(&self, vector: impl Into<Vectors>) -> Search<One> {
        Search::new(self.clone(), vector.into())
    }

    /// Finds the rows nearest to each of many vectors, in one call.
    pub fn search_batch(&self, vectors: impl Into<Vectors>) -> Search<Many> {
        Search::new(self.clone(), vectors.into())
    }

    /// Gathers rows into batches and keeps several of them in flight.
    pub fn writer(&self, options: WriterOptions) -> Writer {
        Writer::new(self.clone(), options)
    }

    /// Seals what is growing; returns the number of sealed segments. Waits as
    /// long as it takes.
    ///
    /// # Errors
    /// `NOT_FOUND` if there is no such collection.
    pub async fn flush(&self, until: FlushUntil) -> Result<u64> {
        let message = proto::FlushRequest {
            database: self.client.database(),
            collection: self.name.clone(),
            wait_indexed: until == FlushUntil::Indexed,
        };
        let client = self.client.clone().with_timeout(None);
        let answer = client
            .call(message, |request| {
                let mut stub = client.rows_stub();
                async move { stub.flush(request).await }
            })
            .await?;
        Ok(answer.sealed_segments)
    }

    /// Adds a column while the collection is read and written; rows that are
    /// there answer its default, or null.
    ///
    /// # Errors
    /// `ALREADY_EXISTS` for the column's name; `INVALID_ARGUMENT` for a column that
    /// is neither nullable nor has a default.
    pub async fn add_column(&self, column: ColumnSpec) -> Result<()> {
        let message = proto::AddColumnRequest {
            database: self.client.database(),
            collection: self.name.clone(),
            column: Some(column.into_message()),
            options: self.client.write_options(),
        };
        self.client
            .call(message, |request| {
                let mut stub = self.client.collections_stub();
                async move { stub.add_column(request).await }
            })
            .await?;
        Ok(())
    }

    /// Drops a column and its values.
    ///
    /// # Errors
    /// `NOT_FOUND` if it is not there; `INVALID_ARGUMENT` for the last vector column.
    pub async fn drop_column(&self, column: &str) -> Result<()> {
        let message = proto::DropColumnRequest {
            database: self.client.database(),
            collection: self.name.clone(),
            column: column.to_owned(),
            options: self.client.write_options(),
        };
        self.client
            .call(message, |request| {
                let mut stub = self.client.collections_stub();
                async move { stub.drop_column(request).await }
            })
            .await?;
        Ok(())
    }

    /// Says what the collection is and how far its segments and indexes are.
    ///
    /// # Errors
    /// `NOT_FOUND` if there is no such collection.
    pub async fn describe(&self) -> Result<proto::DescribeCollectionResponse> {
        let message = proto::DescribeCollectionRequest {
            database: self.client.database(),
            collection: self.name.clone(),
        };
        self.client
            .call(message, |request| {
                let mut stub = self.client.collections_stub();
                async move { stub.describe_collection(request).await }
            })
            .await
    }

    /// Drops the collection with its rows, files and aliases.
    ///
    /// # Errors
    /// `NOT_FOUND` if there is no collection of that name.
    pub async fn drop_collection(&self) -> Result<()> {
        let message = proto::DropCollectionRequest {
            database: self.client.database(),
            collection: self.name.clone(),
            options: self.client.write_options(),
        };
        self.client
            .call(message, |request| {
                let mut stub = self.client.collections_stub();
                async move { stub.drop_collection(request).await }
            })
            .await?;
        Ok(())
    }
}
