//! What an exact search finds under a filter.

use crate::commands::bench::load::Queries;
use crate::failure::Failure;
use vicinal_client::{Collection, Filter, Hits, Nearer};

/// Queries asked for at once: each call ends well before it would time out.
const QUERIES_PER_CALL: usize = 100;

/// How much a score may differ that two ways of summing up have computed.
const ROUNDING: f32 = 1e-5;

/// The scores of the true neighbours of each query, and which way they point.
pub(super) struct Truth {
    scores: Vec<Vec<f32>>,
    nearer: Nearer,
}

impl Truth {
    /// Asks the server for the exact answer to every query.
    pub(super) async fn ask(
        collection: &Collection,
        queries: &Queries,
        filter: Option<Filter>,
        (k, vector_column): (u32, &str),
    ) -> Result<Self, Failure> {
        let mut truth = Self { scores: Vec::new(), nearer: Nearer::Lower };
        for first in (0..queries.len()).step_by(QUERIES_PER_CALL) {
            let range = first..queries.len().min(first + QUERIES_PER_CALL);
            let search = collection.search_batch(queries.vectors(range));
            let mut search = search.k(k).vector_column(vector_column).exact();
            if let Some(filter) = &filter {
                search = search.filter(filter.clone());
            }
            let found = search.send().await?;
            truth.nearer = found.nearer;
            truth.scores.extend(found.hits.into_iter().map(|hits| hits.scores));
        }
        Ok(truth)
    }

    /// The part of the true neighbours that was found, by score, so that ties cost
    /// nobody; none where there is no neighbour.
    pub(super) fn recall(&self, query: usize, hits: &Hits) -> Option<f64> {
        let (scores, nearer) = (self.scores.get(query)?, self.nearer);
        let farthest = *scores.last()?;
        let slack = farthest.abs().max(1.0) * ROUNDING;
        let is_hit = |score: &&f32| match nearer {
            Nearer::Lower => **score <= farthest + slack,
            Nearer::Higher => **score >= farthest - slack,
        };
        let found = hits.scores.iter().take(scores.len()).filter(is_hit).count();
        Some(found as f64 / scores.len() as f64)
    }
}
