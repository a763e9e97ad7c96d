//! Writing rows and reading them back.

use super::{Api, write_error};
use crate::convert;
use crate::gate::Call;
use crate::status::status;
use std::mem::take;
use std::sync::Arc;
use tonic::{Request, Response, Status};
use vicinal_api::v1;
use vicinal_api::v1::rows_server::Rows;
use vicinal_engine::{Collection, Count, Engine, Get, Scroll, Write, WriteOutcome};
use vicinal_types::{Cancel, Error, Result, limits};

/// Rows of a page when the request names no number.
const SCROLL_ROWS_DEFAULT: u32 = 100;

/// Where a write goes.
struct Place {
    database: String,
    collection: String,
}

impl Api {
    /// Parses a write and waits until it is on stable storage.
    async fn write(
        &self,
        call: &Call,
        place: &Place,
        options: Option<&v1::WriteOptions>,
        parse: impl FnOnce(&Collection) -> Result<Write>,
    ) -> Result<WriteOutcome> {
        let request_id = convert::request_id_in(options)?;
        let cancel = self.0.cancel(call, options.map_or(0, |options| options.timeout_ms));
        let collection = call.collection(&self.0.engine, &place.database, &place.collection)?;
        let write = parse(&collection)?;
        // A disk that is slower than the writers slows them down, before it fails them.
        let delay = self.0.engine.write_delay(&place.database, &place.collection);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
            cancel.cancel().check()?;
        }
        let outcome = self.0.called_back(call, &cancel, |engine, done| {
            engine.write(&place.database, &place.collection, write, request_id, done);
        });
        outcome.await.map_err(write_error)
    }

    async fn insert_rows(&self, request: Request<v1::InsertRequest>) -> Result<v1::InsertResponse> {
        let (call, request) = Call::open(request)?;
        let place = Place { database: request.database, collection: request.collection };
        let rows = request.rows;
        let outcome = self
            .write(&call, &place, request.options.as_ref(), |collection| {
                convert::rows_in(collection, rows).map(Write::Insert)
            })
            .await?;
        Ok(v1::InsertResponse {
            inserted: outcome.inserted,
            already_exists: outcome.left_out,
            positions: convert::positions_out(outcome.positions),
        })
    }

    async fn upsert_rows(&self, request: Request<v1::UpsertRequest>) -> Result<v1::UpsertResponse> {
        let (call, request) = Call::open(request)?;
        let place = Place { database: request.database, collection: request.collection };
        let (rows, condition) = (request.rows, request.condition);
        let outcome = self
            .write(&call, &place, request.options.as_ref(), |collection| {
                convert::upsert_in(collection, rows, condition, request.existing_only)
            })
            .await?;
        Ok(v1::UpsertResponse {
            inserted: outcome.inserted,
            replaced: outcome.replaced,
            positions: convert::positions_out(outcome.positions),
            left_out: outcome.left_out,
        })
    }

    async fn update_rows(&self, request: Request<v1::UpdateRequest>) -> Result<v1::UpdateResponse> {
        let (call, request) = Call::open(request)?;
        let v1::UpdateRequest { database, collection, ids, filter, columns, options } = request;
        let place = Place { database, collection };
        let outcome = self
            .write(&call, &place, options.as_ref(), |collection| {
                convert::update_in(collection, ids, filter, columns).map(Write::Update)
            })
            .await?;
        Ok(v1::UpdateResponse {
            updated: outcome.replaced,
            missing: outcome.left_out,
            positions: convert::positions_out(outcome.positions),
        })
    }

    async fn delete_rows(&self, request: Request<v1::DeleteRequest>) -> Result<v1::DeleteResponse> {
        let (call, request) = Call::open(request)?;
        let place = Place { database: request.database, collection: request.collection };
        let (ids, filter) = (request.ids, request.filter);
        let outcome = self
            .write(&call, &place, request.options.as_ref(), |collection| match (ids, filter) {
                (Some(_), Some(_)) => {
                    Err(Error::invalid("a delete has ids or a filter; send them one by one"))
                }
                (None, Some(filter)) => convert::filter_in(filter).map(Write::DeleteWhere),
                (ids, None) => convert::write_ids_in(collection, ids).map(Write::Delete),
            })
            .await?;
        Ok(v1::DeleteResponse {
            deleted: outcome.deleted,
            positions: convert::positions_out(outcome.positions),
        })
    }

    async fn get_rows(&self, request: Request<v1::GetRequest>) -> Result<v1::GetResponse> {
        let (call, request) = Call::open(request)?;
        let options = request.options.as_ref();
        convert::consistency_in(options)?;
        let cancel = self.0.cancel(&call, options.map_or(0, |options| options.timeout_ms));
        let engine = &self.0.engine;
        let collection = call.collection(engine, &request.database, &request.collection)?;
        let ids = convert::fetch_ids_in(&collection, request.ids)?;
        let columns = convert::columns_in(request.columns)?;
        cancel.cancel().check()?;
        let get = Get { ids, columns, partial_ok: convert::partial_ok_in(options) };
        let (database, name) = (&request.database, &request.collection);
        let rows = engine.get_rows(database, name, &get, cancel.cancel())?;
        let missing_rows = self.0.missing_rows(get.partial_ok, (database, name))?;
        let rows = Some(convert::rows_out(&collection, rows)?);
        self.0.fits(v1::GetResponse { rows, missing_rows })
    }

    async fn count_rows(&self, request: Request<v1::CountRequest>) -> Result<v1::CountResponse> {
        let (call, request) = Call::open(request)?;
        let options = request.options.as_ref();
        convert::consistency_in(options)?;
        let cancel = self.0.cancel(&call, options.map_or(0, |options| options.timeout_ms));
        call.collection(&self.0.engine, &request.database, &request.collection)?;
        let partial_ok = convert::partial_ok_in(options);
        let v1::CountRequest { database, collection, filter, .. } = request;
        let filter = filter.map(convert::filter_in).transpose()?;
        let missing_rows = self.0.missing_rows(partial_ok, (&database, &collection))?;
        let is_known = filter.is_none();
        let asked = Count { filter, partial_ok };
        let count = move |engine: &Engine, cancel: &Cancel| {
            engine.count_rows(&database, &collection, &asked, cancel)
        };
        let rows = if is_known {
            count(&self.0.engine, cancel.cancel())?
        } else {
            self.0.blocking(&call, &cancel, count).await?
        };
        Ok(v1::CountResponse { rows, missing_rows })
    }

    async fn scroll_rows(&self, request: Request<v1::ScrollRequest>) -> Result<v1::ScrollResponse> {
        let (call, request) = Call::open(request)?;
        let options = request.options.as_ref();
        convert::consistency_in(options)?;
        let cancel = self.0.cancel(&call, options.map_or(0, |options| options.timeout_ms));
        let collection = call.collection(&self.0.engine, &request.database, &request.collection)?;
        let v1::ScrollRequest { database, collection: name, cursor, columns, filter, .. } = request;
        let (limit, order_by) = (request.limit, request.order_by);
        let limit = if limit == 0 { SCROLL_ROWS_DEFAULT } else { limit };
        let max = limits::FETCH_ROWS_MAX;
        if limit as usize > max {
            return Err(Error::invalid(format!("limit {limit} is not between 1 and {max}")));
        }
        let scroll = Scroll {
            cursor,
            limit: limit as usize,
            columns: convert::columns_in(columns)?,
            filter: filter.map(convert::filter_in).transpose()?,
            order_by: order_by.map(convert::order_by_in).transpose()?,
            partial_ok: convert::partial_ok_in(options),
        };
        let missing_rows = self.0.missing_rows(scroll.partial_ok, (&database, &name))?;
        let page = self
            .0
            .blocking(&call, &cancel, move |engine, cancel| {
                engine.scroll_where(&database, &name, &scroll, cancel)
            })
            .await?;
        let rows = Some(convert::rows_out(&collection, page.rows)?);
        self.0.fits(v1::ScrollResponse { rows, next: page.next.unwrap_or_default(), missing_rows })
    }

    async fn aggregate_rows(
        &self,
        request: Request<v1::AggregateRequest>,
    ) -> Result<v1::AggregateResponse> {
        let (call, mut request) = Call::open(request)?;
        let options = request.options.as_ref();
        convert::consistency_in(options)?;
        let cancel = self.0.cancel(&call, options.map_or(0, |options| options.timeout_ms));
        call.collection(&self.0.engine, &request.database, &request.collection)?;
        let (database, name) = (take(&mut request.database), take(&mut request.collection));
        let asked = convert::aggregate_in(request)?;
        let missing_rows = self.0.missing_rows(asked.partial_ok, (&database, &name))?;
        let answer = self
            .0
            .blocking(&call, &cancel, move |engine, cancel| {
                engine.aggregate(&database, &name, &asked, cancel)
            })
            .await?;
        self.0.fits(v1::AggregateResponse { missing_rows, ..convert::aggregated_out(answer) })
    }

    async fn flush_rows(&self, request: Request<v1::FlushRequest>) -> Result<v1::FlushResponse> {
        let (call, request) = Call::open(request)?;
        let cancel = self.0.cancel(&call, 0);
        let _: Arc<Collection> =
            call.collection(&self.0.engine, &request.database, &request.collection)?;
        let sealed_segments = self
            .0
            .blocking(&call, &cancel, move |engine, cancel| {
                engine.flush(&request.database, &request.collection, request.wait_indexed, cancel)
            })
            .await?;
        Ok(v1::FlushResponse { sealed_segments })
    }
}

#[tonic::async_trait]
impl Rows for Api {
    async fn insert(
        &self,
        request: Request<v1::InsertRequest>,
    ) -> Result<Response<v1::InsertResponse>, Status> {
        self.insert_rows(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn upsert(
        &self,
        request: Request<v1::UpsertRequest>,
    ) -> Result<Response<v1::UpsertResponse>, Status> {
        self.upsert_rows(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn update(
        &self,
        request: Request<v1::UpdateRequest>,
    ) -> Result<Response<v1::UpdateResponse>, Status> {
        self.update_rows(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn delete(
        &self,
        request: Request<v1::DeleteRequest>,
    ) -> Result<Response<v1::DeleteResponse>, Status> {
        self.delete_rows(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn get(
        &self,
        request: Request<v1::GetRequest>,
    ) -> Result<Response<v1::GetResponse>, Status> {
        self.get_rows(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn count(
        &self,
        request: Request<v1::CountRequest>,
    ) -> Result<Response<v1::CountResponse>, Status> {
        self.count_rows(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn scroll(
        &self,
        request: Request<v1::ScrollRequest>,
    ) -> Result<Response<v1::ScrollResponse>, Status> {
        self.scroll_rows(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn aggregate(
        &self,
        request: Request<v1::AggregateRequest>,
    ) -> Result<Response<v1::AggregateResponse>, Status> {
        self.aggregate_rows(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn flush(
        &self,
        request: Request<v1::FlushRequest>,
    ) -> Result<Response<v1::FlushResponse>, Status> {
        self.flush_rows(request).await.map(Response::new).map_err(|error| status(&error))
    }
}
