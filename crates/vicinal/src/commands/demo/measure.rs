//! Recall and latency, as a client sees them.

use super::words::Words;
use crate::commands::bench::{Latencies, Percentiles};
use crate::failure::Failure;
use std::collections::BTreeSet;
use vicinal_client::{Collection, Hits};
use vicinal_types::{Clock as _, SystemClock};

/// Rows that serve as queries, evenly spread.
const QUERIES: usize = 300;

/// Neighbours that are compared.
const K: u32 = 10;

/// Times that every query is sent.
const ROUNDS: usize = 4;

/// What was measured.
pub(super) struct Measured {
    pub(super) queries: usize,
    pub(super) searches: usize,
    pub(super) recall: f64,
    pub(super) latency: Percentiles,
}

pub(super) async fn measure(collection: &Collection, words: &Words) -> Result<Measured, Failure> {
    let queries = QUERIES.min(words.len());
    let rows = || (0..queries).map(|query| query * words.len() / queries);
    let mut latencies = Latencies::new();
    let mut recall = 0.0;
    for round in 0..ROUNDS {
        for row in rows() {
            let search = collection.search(words.vector(row)).k(K);
            let exact = search.clone().exact();
            let started = SystemClock.now();
            let found = search.send().await?;
            latencies.record(SystemClock.now().saturating_duration_since(started));
            if round == 0 {
                recall += share(&found.hits, &exact.send().await?.hits);
            }
        }
    }
    Ok(Measured {
        queries,
        searches: queries * ROUNDS,
        recall: recall / queries as f64,
        latency: latencies.percentiles(),
    })
}

/// The share of the exact answer that was found.
fn share(found: &Hits, exact: &Hits) -> f64 {
    let ids = |hits: &Hits| {
        let rows = 0..hits.rows.len();
        rows.map(|row| hits.rows.ids().get(row)).collect::<BTreeSet<_>>()
    };
    let (found, exact) = (ids(found), ids(exact));
    found.intersection(&exact).count() as f64 / exact.len().max(1) as f64
}
