//! Finding the nearest rows.

use super::Api;
use crate::cache::CacheKey;
use crate::convert;
use crate::gate::Call;
use crate::status::status;
use std::mem::take;
use std::time::{Duration, Instant};
use tonic::{Request, Response, Status};
use vicinal_api::v1;
use vicinal_engine::{Explanation, Pressure, Search, SearchAnswer};
use vicinal_types::{Cancel, Error, Result};

/// What an answer may take from the engine to the client.
const ANSWER_TIME_MAX: Duration = Duration::from_millis(10);

impl Api {
    async fn search_one(&self, request: Request<v1::SearchRequest>) -> Result<v1::SearchResponse> {
        let (call, mut request) = Call::open(request)?;
        let options = request.options.as_ref();
        convert::consistency_in(options)?;
        let timeout_ms = options.map_or(0, |options| options.timeout_ms);
        let cancel = self.0.cancel(&call, timeout_ms);
        let collection = call.collection(&self.0.engine, &request.database, &request.collection)?;
        let place = (take(&mut request.database), take(&mut request.collection));
        let asked = convert::search_in(&collection, request)?;
        // The number is read before the search: an answer that saw more than its
        // key says is stored under a number that no later search will read.
        let cached = match &self.0.cache {
            // Rows that expire change answers without a write.
            Some(cache) if asked.allow_cached && collection.spec.ttl.is_none() => {
                let snapshot = self.0.engine.snapshot_number(&place.0, &place.1)?;
                let key = CacheKey::new(&collection, snapshot, &asked.search);
                if let Some(mut answer) = cache.get(&key) {
                    answer.report.get_or_insert_default().from_cache = true;
                    return Ok(answer);
                }
                Some((cache, key))
            }
            Some(_) | None => None,
        };
        let mut missing_rows =
            self.0.missing_rows(asked.search.partial_ok, (&place.0, &place.1))?;
        let start = self.0.clock.now();
        let answer: SearchAnswer = self
            .0
            .called_back(&call, &cancel, |engine, done| {
                let until = until(cancel.cancel(), &asked.search);
                engine.search(&place.0, &place.1, asked.search, until, done);
            })
            .await?;
        let mut answer = convert::answer_out(&collection, answer, self.since(start))?;
        missing_rows.append(&mut answer.missing_rows);
        let answer = self.0.fits(v1::SearchResponse { missing_rows, ..answer })?;
        if let Some((cache, key)) = cached {
            if self.0.engine.memory_pressure() == Pressure::Calm {
                cache.put(key, &answer);
            } else {
                cache.clear();
            }
        }
        Ok(answer)
    }

    async fn search_many(
        &self,
        request: Request<v1::SearchBatchRequest>,
    ) -> Result<v1::SearchBatchResponse> {
        let (call, mut request) = Call::open(request)?;
        let options = request.options.as_ref();
        convert::consistency_in(options)?;
        let timeout_ms = options.map_or(0, |options| options.timeout_ms);
        let cancel = self.0.cancel(&call, timeout_ms);
        let collection = call.collection(&self.0.engine, &request.database, &request.collection)?;
        let place = (take(&mut request.database), take(&mut request.collection));
        let asked = convert::batch_in(&collection, request)?;
        let mut missing_rows =
            self.0.missing_rows(asked.search.partial_ok, (&place.0, &place.1))?;
        let start = self.0.clock.now();
        let answer: SearchAnswer = self
            .0
            .called_back(&call, &cancel, |engine, done| {
                let until = until(cancel.cancel(), &asked.search);
                engine.search(&place.0, &place.1, asked.search, until, done);
            })
            .await?;
        let mut answer = convert::batch_out(&collection, answer, self.since(start))?;
        missing_rows.append(&mut answer.missing_rows);
        self.0.fits(v1::SearchBatchResponse { missing_rows, ..answer })
    }

    async fn explain_one(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<v1::ExplainResponse> {
        let (call, request) = Call::open(request)?;
        let analyze = request.analyze;
        let mut search = request
            .search
            .ok_or_else(|| Error::invalid("there is nothing to explain; set `search`"))?;
        let options = search.options.as_ref();
        convert::consistency_in(options)?;
        let timeout_ms = options.map_or(0, |options| options.timeout_ms);
        let cancel = self.0.cancel(&call, timeout_ms);
        let collection = call.collection(&self.0.engine, &search.database, &search.collection)?;
        let place = (take(&mut search.database), take(&mut search.collection));
        let asked = convert::search_in(&collection, search)?;
        let in_result_cache = match &self.0.cache {
            Some(cache) if asked.allow_cached && collection.spec.ttl.is_none() => {
                let snapshot = self.0.engine.snapshot_number(&place.0, &place.1)?;
                cache.get(&CacheKey::new(&collection, snapshot, &asked.search)).is_some()
            }
            Some(_) | None => false,
        };
        let missing_rows = self.0.missing_rows(asked.search.partial_ok, (&place.0, &place.1))?;
        let explanation: Explanation = self
            .0
            .called_back(&call, &cancel, |engine, done| {
                let (place, cancel) = ((&*place.0, &*place.1), cancel.cancel().clone());
                engine.explain(place, asked.search, analyze, cancel, done);
            })
            .await?;
        let answer = convert::explanation_out(explanation);
        self.0.fits(v1::ExplainResponse { in_result_cache, missing_rows, ..answer })
    }

    fn since(&self, start: Instant) -> Duration {
        self.0.clock.now().saturating_duration_since(start)
    }
}

/// Until when the engine searches: where an answer of what was found is welcome, it ends
/// early enough for that answer to arrive.
fn until(cancel: &Cancel, search: &Search) -> Cancel {
    if search.partial_ok { cancel.keeping_back(ANSWER_TIME_MAX) } else { cancel.clone() }
}

#[tonic::async_trait]
impl v1::search_server::Search for Api {
    async fn search(
        &self,
        request: Request<v1::SearchRequest>,
    ) -> Result<Response<v1::SearchResponse>, Status> {
        self.search_one(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn search_batch(
        &self,
        request: Request<v1::SearchBatchRequest>,
    ) -> Result<Response<v1::SearchBatchResponse>, Status> {
        self.search_many(request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        self.explain_one(request).await.map(Response::new).map_err(|error| status(&error))
    }
}
