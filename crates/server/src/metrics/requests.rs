//! Requests by RPC and collection.

use crate::grpc::Rpc;
use crate::status::code_name;
use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};
use parking_lot::RwLock;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tonic::Code;
use vicinal_engine::Collection;
use vicinal_types::CollectionId;

/// The histogram of latencies.
pub(super) const SECONDS: &str = "vicinal_request_seconds";
const REQUESTS: &str = "vicinal_requests_total";
const ERRORS: &str = "vicinal_request_errors_total";

/// The label of collections beyond the number that is counted apart.
const OTHER: &str = "other";

/// Says in the text what the metrics are.
pub(super) fn describe() {
    describe_counter!(REQUESTS, "Requests answered, by RPC and collection.");
    describe_counter!(ERRORS, "Requests that failed, by RPC, collection and gRPC code.");
    describe_histogram!(SECONDS, "Seconds from a request's headers to its answer.");
}

/// Counts requests. Only collections that exist become labels, and at most
/// `collections_max` of those: clients cannot fill the memory with series.
pub(crate) struct Requests {
    collections_max: usize,
    series: RwLock<Series>,
}

/// Guarded by the lock in [`Requests`], which is held for a look-up or an
/// insertion and never while another lock is taken.
#[derive(Default)]
struct Series {
    by_key: HashMap<(Rpc, Option<CollectionId>), Arc<Entry>>,
    names: HashSet<(String, String)>,
}

struct Entry {
    labels: [(&'static str, String); 3],
    requests: Counter,
    seconds: Histogram,
}

impl Requests {
    /// No requests yet.
    pub(crate) fn new(collections_max: usize) -> Self {
        Self { collections_max, series: RwLock::default() }
    }

    /// Counts an answered request.
    pub(crate) fn record(
        &self,
        rpc: Rpc,
        collection: Option<&Collection>,
        code: Code,
        took: Duration,
    ) {
        let entry = self.entry(rpc, collection);
        entry.requests.increment(1);
        entry.seconds.record(took.as_secs_f64());
        if code != Code::Ok {
            let [rpc, database, collection] = entry.labels.clone();
            counter!(ERRORS, &[rpc, database, collection, ("code", code_name(code).to_owned())])
                .increment(1);
        }
    }

    fn entry(&self, rpc: Rpc, collection: Option<&Collection>) -> Arc<Entry> {
        let key = (rpc, collection.map(|collection| collection.id));
        if let Some(entry) = self.series.read().by_key.get(&key) {
            return Arc::clone(entry);
        }
        let mut series = self.series.write();
        let (database, name) = self.labels(&mut series, collection);
        let entry = Arc::new(Entry::new(rpc, database, name));
        // Numbers of dropped collections stay in the map: far more than there can
        // be of living ones means churn, and a fresh start costs only look-ups.
        if series.by_key.len() > 64 * (self.collections_max + 64) {
            series.by_key.clear();
        }
        series.by_key.insert(key, Arc::clone(&entry));
        entry
    }

    fn labels(&self, series: &mut Series, collection: Option<&Collection>) -> (String, String) {
        let Some(collection) = collection else {
            return (String::new(), String::new());
        };
        let name = (collection.database.clone(), collection.spec.name.clone());
        if series.names.contains(&name) {
            return name;
        }
        if series.names.len() >= self.collections_max {
            return (OTHER.to_owned(), OTHER.to_owned());
        }
        series.names.insert(name.clone());
        name
    }
}

impl Entry {
    fn new(rpc: Rpc, database: String, collection: String) -> Self {
        let labels =
            [("rpc", rpc.name().to_owned()), ("database", database), ("collection", collection)];
        Self {
            requests: counter!(REQUESTS, &labels),
            seconds: histogram!(SECONDS, &labels),
            labels,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vicinal_types::{
        CollectionSpec, Column, ColumnId, ElementType, IdType, Metric, Schema, SegmentLimits,
        VectorType,
    };

    fn collection(id: u32) -> Collection {
        let kind = VectorType::new(4, ElementType::F32, Metric::L2).expect("a right type");
        let columns = vec![Column::vector(ColumnId(1), "v", kind)];
        Collection {
            id: CollectionId(id),
            database: "default".to_owned(),
            schema_version: 1,
            spec: CollectionSpec {
                name: format!("c{id}"),
                schema: Schema::new(IdType::Int64, columns).expect("a right schema"),
                segments: SegmentLimits::default(),
                indexes: std::collections::BTreeMap::new(),
                ttl: None,
            },
        }
    }

    #[test]
    fn collections_beyond_the_limit_share_a_label() {
        let requests = Requests::new(2);
        let rpc = Rpc::of("/vicinal.v1.Search/Search");
        let label = |id| requests.entry(rpc, Some(&collection(id))).labels[2].1.clone();
        assert_eq!([label(1), label(2), label(3), label(1)], ["c1", "c2", "other", "c1"]);
        assert_eq!(requests.entry(rpc, None).labels[2].1, "");
    }

    #[test]
    fn endless_churn_of_collections_does_not_fill_the_memory() {
        let requests = Requests::new(2);
        let rpc = Rpc::of("/vicinal.v1.Search/Search");
        for id in 0..10_000 {
            requests.record(rpc, Some(&collection(id)), Code::Ok, Duration::ZERO);
        }
        assert!(requests.series.read().by_key.len() < 5_000);
    }
}
