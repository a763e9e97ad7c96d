//! Counters and histograms, and their text for Prometheus.

mod gauges;
mod requests;

pub(crate) use gauges::gauges;
pub(crate) use requests::Requests;

use crate::server::StartError;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;
use std::time::Duration;

/// How often recorded values are folded into histograms, so that memory stays
/// bounded when nobody scrapes.
pub(crate) const UPKEEP: Duration = Duration::from_secs(5);

/// Bounds of the buckets of request latencies, in seconds: 50 µs to 10 s.
const REQUEST_SECONDS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_2, 0.000_4, 0.000_7, 0.001, 0.002, 0.004, 0.007, 0.01, 0.02, 0.05,
    0.1, 0.25, 1.0, 2.5, 10.0,
];

/// Bounds for everything else that takes time: syncs, flushes, builds.
const OTHER_SECONDS: [f64; 14] =
    [0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0, 300.0, 1_800.0];

/// The recorder is one for the process: engines report to it through a global.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// The handle of the process's recorder, installed on the first call.
///
/// # Errors
/// [`StartError::Metrics`] if somebody else has installed another recorder.
pub(crate) fn recorder() -> Result<PrometheusHandle, StartError> {
    let handle = RECORDER.get_or_init(|| {
        let requests = Matcher::Full(requests::SECONDS.to_owned());
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(requests, &REQUEST_SECONDS)
            .and_then(|builder| builder.set_buckets(&OTHER_SECONDS))
            .map(PrometheusBuilder::build_recorder)
            .ok()?;
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok()?;
        requests::describe();
        Some(handle)
    });
    handle.clone().ok_or(StartError::Metrics)
}
