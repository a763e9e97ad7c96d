//! Rows that expire: not found from their time on, and deleted a while later.
//!
//! Times are compared with whole seconds, so that which rows of a segment live is found
//! out once a second, not once a request. What a write finds is decided by the
//! command's time, in the command itself; declaring another column, or none, changes
//! nothing for commands that are applied again.

use crate::catalogue::{Catalogue, LiveCollection};
use crate::command::{self, CommandClock, Header};
use crate::engine::Engine;
use crate::filtering::CompiledFilter;
use crate::machine::{Machine, Outcome};
use crate::request::RowFilter;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use vicinal_cluster::Node;
use vicinal_filter::{Expression, Parameters, Value};
use vicinal_types::{Cancel, CollectionSpec, Error, GroupId, Result};

/// Between two looks for expired rows of a collection: what they take comes back a
/// minute later, and a look reads one column.
const PURGE_PERIOD: Duration = Duration::from_secs(60);

const MICROS: u64 = 1_000_000;

/// What rows of a collection pass that have not expired; none if rows do not expire.
pub(crate) fn living(spec: &CollectionSpec, now_micros: u64) -> Option<RowFilter> {
    let column = &spec.ttl_column()?.name;
    Some(filter(&format!("`{column}` is null or `{column}` > {{second}}"), now_micros))
}

/// What rows pass that have.
fn expired(spec: &CollectionSpec, now_micros: u64) -> Option<RowFilter> {
    let column = &spec.ttl_column()?.name;
    Some(filter(&format!("`{column}` <= {{second}}"), now_micros))
}

fn filter(text: &str, now_micros: u64) -> RowFilter {
    let expression = Expression::parse(text).expect("names of columns have no backticks");
    let second = i64::try_from(now_micros / MICROS * MICROS).unwrap_or(i64::MAX);
    let parameters = Parameters::from([("second".to_owned(), Value::Timestamp(second))]);
    RowFilter { expression, parameters }
}

/// The command that deletes what has expired by its time; none if nothing has, or if
/// writes cannot be taken now.
fn purge_command(live: &LiveCollection, times: &CommandClock) -> Result<Option<Bytes>> {
    let Ok(shard) = live.shard() else { return Ok(None) };
    if shard.check_writable().is_err() {
        return Ok(None);
    }
    let (spec, time_micros) = (&live.info.spec, times.next());
    let Some(expired) = expired(spec, time_micros) else { return Ok(None) };
    let compiled = CompiledFilter::new(&spec.schema, &expired, time_micros)?;
    if compiled.count(&shard.view(), &Cancel::never())? == 0 {
        return Ok(None);
    }
    let header = Header {
        database: live.database,
        collection: live.info.id,
        schema_version: live.info.schema_version,
        request: None,
        time_micros,
    };
    command::encode_delete_where(&header, &spec.schema, &expired, Vec::new()).map(Some)
}

/// When each collection was looked at last.
#[derive(Default)]
pub(crate) struct Purges(BTreeMap<GroupId, Instant>);

impl Purges {
    /// Proposes the deletion of expired rows where a look is due, and does not wait.
    pub(crate) fn round(
        &mut self,
        now: Instant,
        catalogue: &Catalogue,
        times: &CommandClock,
        node: &Node<Machine>,
    ) {
        let names = catalogue.names();
        let expiring = || names.all().filter(|live| live.info.spec.ttl.is_some());
        let groups = || expiring().filter_map(|live| Some(live.shard.as_ref().ok()?.group));
        self.0.retain(|group, _| groups().any(|known| known == *group));
        for live in expiring() {
            let Ok(shard) = &live.shard else { continue };
            let last = self.0.entry(shard.group).or_insert(now);
            if now.saturating_duration_since(*last) < PURGE_PERIOD {
                continue;
            }
            *last = now;
            let collection = live.info.spec.name.clone();
            match purge_command(live, times) {
                Ok(None) => {}
                Ok(Some(command)) => {
                    let done = move |outcome| report(&collection, outcome);
                    node.propose(shard.group, command, Box::new(done));
                }
                Err(error) => {
                    tracing::warn!(%collection, %error, "expired rows could not be deleted");
                }
            }
        }
    }
}

/// Says what a purge came to; the next one tries again.
fn report(collection: &str, outcome: Result<Outcome, vicinal_cluster::ProposeError>) {
    match outcome {
        Ok(Outcome::Shard(Ok(outcome))) => {
            metrics::counter!("vicinal_expired_rows_total").increment(outcome.deleted);
        }
        Ok(Outcome::Shard(Err((_, reason)))) => {
            tracing::warn!(%collection, %reason, "expired rows could not be deleted");
        }
        Ok(Outcome::Catalogue(_)) => {
            tracing::error!(%collection, "the catalogue answered as a shard");
        }
        Err(error) => tracing::warn!(%collection, %error, "expired rows could not be deleted"),
    }
}

impl Engine {
    /// Deletes the rows of a collection that have expired; returns how many. This happens
    /// by itself once a minute.
    ///
    /// # Errors
    /// `NotFound` for the collection, and those of a write.
    pub fn purge_expired(&self, database: &str, collection: &str) -> Result<u64> {
        let live = self.live(database, collection)?;
        let shard = live.shard()?;
        shard.check_writable()?;
        let Some(command) = purge_command(&live, &self.account().times)? else { return Ok(0) };
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let done = move |outcome| {
            // The receiver is there until it has the outcome.
            let _ = sender.send(outcome);
        };
        self.propose(shard.group, command, Box::new(done));
        let stopped = || Error::unavailable("the node stopped before expired rows were deleted");
        Ok(receiver.recv().map_err(|_| stopped())??.deleted)
    }
}
