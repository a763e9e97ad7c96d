//! Declaring collections and looking at them.

use super::{Api, write_error};
use crate::convert;
use crate::gate::Call;
use crate::status::status;
use tonic::{Request, Response, Status};
use vicinal_api::v1;
use vicinal_api::v1::collections_server::Collections;
use vicinal_engine::{ApplyMode, Engine};
use vicinal_types::{RequestId, Result};

impl Api {
    /// Runs a change of the catalogue.
    async fn change<T: Send + 'static>(
        &self,
        call: &Call,
        options: Option<&v1::WriteOptions>,
        work: impl FnOnce(&Engine, Option<RequestId>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let request_id = convert::request_id_in(options)?;
        let cancel = self.0.cancel(call, options.map_or(0, |options| options.timeout_ms));
        let outcome = self.0.blocking(call, &cancel, move |engine, _| work(engine, request_id));
        outcome.await.map_err(write_error)
    }

    async fn create(
        &self,
        request: Request<v1::CreateCollectionRequest>,
    ) -> Result<v1::CreateCollectionResponse> {
        let (call, request) = Call::open(request)?;
        let spec = convert::spec_in(request.spec, self.0.segments, self.0.index)?;
        let database = request.database;
        let id = self
            .change(&call, request.options.as_ref(), move |engine, request_id| {
                engine.create_collection(&database, spec, request_id)
            })
            .await?;
        Ok(v1::CreateCollectionResponse { collection_id: id.0 })
    }

    async fn apply(
        &self,
        request: Request<v1::ApplyCollectionRequest>,
    ) -> Result<v1::ApplyCollectionResponse> {
        let (call, request) = Call::open(request)?;
        let spec = convert::spec_in(request.spec, self.0.segments, self.0.index)?;
        let database = request.database;
        let mode = ApplyMode { dry_run: request.dry_run, drop_columns: request.drop_columns };
        let applied = self
            .change(&call, request.options.as_ref(), move |engine, request_id| {
                engine.apply_collection(&database, spec, mode, request_id)
            })
            .await?;
        Ok(convert::applied_out(applied))
    }

    async fn add(&self, request: Request<v1::AddColumnRequest>) -> Result<v1::AddColumnResponse> {
        let (call, request) = Call::open(request)?;
        let column = convert::new_column_in(request.column)?;
        let (database, name) = (request.database, request.collection);
        self.change(&call, request.options.as_ref(), move |engine, request_id| {
            engine.add_column(&database, &name, column, request_id)
        })
        .await?;
        Ok(v1::AddColumnResponse {})
    }

    async fn remove(
        &self,
        request: Request<v1::DropColumnRequest>,
    ) -> Result<v1::DropColumnResponse> {
        let (call, request) = Call::open(request)?;
        let (database, name, column) = (request.database, request.collection, request.column);
        self.change(&call, request.options.as_ref(), move |engine, request_id| {
            engine.drop_column(&database, &name, &column, request_id)
        })
        .await?;
        Ok(v1::DropColumnResponse {})
    }

    async fn describe(
        &self,
        request: Request<v1::DescribeCollectionRequest>,
    ) -> Result<v1::DescribeCollectionResponse> {
        let (call, request) = Call::open(request)?;
        call.collection(&self.0.engine, &request.database, &request.collection)?;
        let description = self.0.engine.describe(&request.database, &request.collection)?;
        self.0.fits(convert::description_out(description))
    }

    async fn list(
        &self,
        request: Request<v1::ListCollectionsRequest>,
    ) -> Result<v1::ListCollectionsResponse> {
        let (_, request) = Call::open(request)?;
        let summaries = self.0.engine.list_collections(&request.database)?;
        Ok(convert::summaries_out(summaries))
    }

    async fn drop(
        &self,
        request: Request<v1::DropCollectionRequest>,
    ) -> Result<v1::DropCollectionResponse> {
        let (call, request) = Call::open(request)?;
        let (database, name) = (request.database, request.collection);
        self.change(&call, request.options.as_ref(), move |engine, request_id| {
            engine.drop_collection(&database, &name, request_id)
        })
        .await?;
        Ok(v1::DropCollectionResponse {})
    }

    async fn point(&self, request: Request<v1::SetAliasRequest>) -> Result<v1::SetAliasResponse> {
        let (call, request) = Call::open(request)?;
        let (database, alias, name) = (request.database, request.alias, request.collection);
        let previous = self
            .change(&call, request.options.as_ref(), move |engine, request_id| {
                engine.set_alias(&database, &alias, &name, request_id)
            })
            .await?;
        Ok(v1::SetAliasResponse { previous: previous.unwrap_or_default() })
    }

    async fn unpoint(
        &self,
        request: Request<v1::DropAliasRequest>,
    ) -> Result<v1::DropAliasResponse> {
        let (call, request) = Call::open(request)?;
        let (database, alias) = (request.database, request.alias);
        self.change(&call, request.options.as_ref(), move |engine, request_id| {
            engine.drop_alias(&database, &alias, request_id)
        })
        .await?;
        Ok(v1::DropAliasResponse {})
    }

    async fn aliases(
        &self,
        request: Request<v1::ListAliasesRequest>,
    ) -> Result<v1::ListAliasesResponse> {
        let (_, request) = Call::open(request)?;
        let aliases = self.0.engine.list_aliases(&request.database)?;
        Ok(convert::aliases_out(aliases))
    }
}

#[tonic::async_trait]
impl Collections for Api {
    async fn create_collection(
        &self,
        request: Request<v1::CreateCollectionRequest>,
    ) -> Result<Response<v1::CreateCollectionResponse>, Status> {
        self.create(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn apply_collection(
        &self,
        request: Request<v1::ApplyCollectionRequest>,
    ) -> Result<Response<v1::ApplyCollectionResponse>, Status> {
        self.apply(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn add_column(
        &self,
        request: Request<v1::AddColumnRequest>,
    ) -> Result<Response<v1::AddColumnResponse>, Status> {
        self.add(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn drop_column(
        &self,
        request: Request<v1::DropColumnRequest>,
    ) -> Result<Response<v1::DropColumnResponse>, Status> {
        self.remove(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn describe_collection(
        &self,
        request: Request<v1::DescribeCollectionRequest>,
    ) -> Result<Response<v1::DescribeCollectionResponse>, Status> {
        self.describe(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn list_collections(
        &self,
        request: Request<v1::ListCollectionsRequest>,
    ) -> Result<Response<v1::ListCollectionsResponse>, Status> {
        self.list(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn drop_collection(
        &self,
        request: Request<v1::DropCollectionRequest>,
    ) -> Result<Response<v1::DropCollectionResponse>, Status> {
        self.drop(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn set_alias(
        &self,
        request: Request<v1::SetAliasRequest>,
    ) -> Result<Response<v1::SetAliasResponse>, Status> {
        self.point(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn drop_alias(
        &self,
        request: Request<v1::DropAliasRequest>,
    ) -> Result<Response<v1::DropAliasResponse>, Status> {
        self.unpoint(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn list_aliases(
        &self,
        request: Request<v1::ListAliasesRequest>,
    ) -> Result<Response<v1::ListAliasesResponse>, Status> {
        self.aliases(request).await.map(Response::new).map_err(|error| status(&error))
    }
}
