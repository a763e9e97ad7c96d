//! What a database or a collection may use of a server.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Limits of one database or collection; what is left out is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Rows that are not deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Bytes of memory: growing segments, maps of ids, tombstones, index builds and
    /// copies of indexes, files that are not mapped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Bytes of segment and index files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// The part of all search threads' time that its searches, aggregates and counts may
    /// take, above 0 and at most 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_share: Option<f64>,
    /// Requests a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_s: Option<f64>,
    /// Bytes of request messages a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_s: Option<f64>,
}

/// The quotas of a server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// By database; the limits hold for all of its collections together.
    pub databases: BTreeMap<String, Quota>,
    /// By collection: its name in the default database, else `database/name`.
    pub collections: BTreeMap<String, Quota>,
}

impl Quota {
    /// Rates and shares by their names.
    pub fn rates(&self) -> [(&'static str, Option<f64>); 3] {
        [
            ("cpu_share", self.cpu_share),
            ("requests_per_s", self.requests_per_s),
            ("bytes_per_s", self.bytes_per_s),
        ]
    }
}
