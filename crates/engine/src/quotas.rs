//! Who may use how much: quotas by database and by collection.
//!
//! Rates are buckets that fill at the rate and hold what comes in a second. A request
//! is let in while its bucket is above zero and may leave it in debt: so the largest
//! request passes, and what is asked for on average is the rate.

use crate::request::Collection;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vicinal_types::{Clock, Error, Quota, Quotas, Result};

/// The database of collections that name none.
const DEFAULT_DATABASE: &str = "default";

/// All quotas, and what is used of the rates.
pub(crate) struct QuotaBook {
    clock: Arc<dyn Clock>,
    databases: HashMap<String, Meter>,
    /// By database and name.
    collections: HashMap<(String, String), Meter>,
}

/// One quota.
pub(crate) struct Meter {
    /// `database …` or `collection …`, for messages.
    whose: String,
    pub(crate) quota: Quota,
    requests: Bucket,
    bytes: Bucket,
    /// In seconds of one thread.
    cpu: Bucket,
}

/// What may be used of something that comes at a rate.
struct Bucket {
    /// Units a second; none: no limit.
    rate: Option<f64>,
    /// What it holds, below zero in debt, and as of when. Rank: a leaf.
    level: Mutex<(f64, Instant)>,
}

/// What a collection or database holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holding {
    pub(crate) rows: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) disk_bytes: u64,
}

impl AddAssign for Holding {
    fn add_assign(&mut self, more: Self) {
        self.rows += more.rows;
        self.memory_bytes += more.memory_bytes;
        self.disk_bytes += more.disk_bytes;
    }
}

impl QuotaBook {
    /// The quotas; `threads` search.
    pub(crate) fn new(quotas: &Quotas, threads: usize, clock: Arc<dyn Clock>) -> Self {
        let meter = |whose: String, quota: &Quota| Meter::new(whose, *quota, threads, clock.now());
        let databases = quotas
            .databases
            .iter()
            .map(|(name, quota)| (name.clone(), meter(format!("database `{name}`"), quota)));
        let collections = quotas.collections.iter().map(|(path, quota)| {
            let (database, name) = path.split_once('/').unwrap_or((DEFAULT_DATABASE, path));
            let whose = format!("collection `{path}`");
            ((database.to_owned(), name.to_owned()), meter(whose, quota))
        });
        let (databases, collections) = (databases.collect(), collections.collect());
        Self { databases, collections, clock }
    }

    /// The quota of a collection's database, and its own.
    fn of(&self, collection: &Collection) -> impl Iterator<Item = &Meter> {
        let (own, all) = (self.own(collection), self.database(collection));
        own.into_iter().chain(all)
    }

    /// A collection's own quota.
    pub(crate) fn own(&self, collection: &Collection) -> Option<&Meter> {
        if self.collections.is_empty() {
            return None;
        }
        let key = (collection.database.clone(), collection.spec.name.clone());
        self.collections.get(&key)
    }

    /// The quota of a collection's database.
    pub(crate) fn database(&self, collection: &Collection) -> Option<&Meter> {
        self.databases.get(&collection.database)
    }

    /// Lets a request of so many bytes in.
    ///
    /// # Errors
    /// `Exhausted` naming the quota, with when to come again.
    pub(crate) fn admit(&self, collection: &Collection, bytes: u64) -> Result<()> {
        if self.databases.is_empty() && self.collections.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        for meter in self.of(collection) {
            meter.take("requests_per_s", &meter.requests, 1.0, now)?;
            meter.take("bytes_per_s", &meter.bytes, bytes as f64, now)?;
        }
        Ok(())
    }

    /// Lets work in, whose time is [charged](Self::charge_cpu) once it is known.
    ///
    /// # Errors
    /// `Exhausted` naming the quota, with when to come again.
    pub(crate) fn admit_cpu(&self, collection: &Collection) -> Result<()> {
        let now = self.clock.now();
        self.of(collection).try_for_each(|meter| meter.take("cpu_share", &meter.cpu, 0.0, now))
    }

    /// Does work on so many threads and charges the time that it takes.
    pub(crate) fn charged<T>(
        &self,
        collection: &Collection,
        threads: usize,
        run: impl FnOnce() -> T,
    ) -> T {
        if self.of(collection).all(|meter| meter.quota.cpu_share.is_none()) {
            return run();
        }
        let start = self.clock.now();
        let done = run();
        let took = self.clock.now().saturating_duration_since(start);
        self.charge_cpu(collection, took * u32::try_from(threads).unwrap_or(u32::MAX));
        done
    }

    /// Charges the time of threads that work took.
    fn charge_cpu(&self, collection: &Collection, busy: Duration) {
        let now = self.clock.now();
        for meter in self.of(collection) {
            meter.cpu.charge(busy.as_secs_f64(), now);
        }
    }
}

impl Meter {
    fn new(whose: String, quota: Quota, threads: usize, now: Instant) -> Self {
        let cpu = quota.cpu_share.map(|share| share * threads as f64);
        Self {
            whose,
            quota,
            requests: Bucket::new(quota.requests_per_s, now),
            bytes: Bucket::new(quota.bytes_per_s, now),
            cpu: Bucket::new(cpu, now),
        }
    }

    fn take(&self, name: &str, bucket: &Bucket, amount: f64, now: Instant) -> Result<()> {
        let Err(wait) = bucket.take(amount, now) else { return Ok(()) };
        let rate = self.quota.rates().into_iter().find(|(rate, _)| *rate == name);
        let limit = rate.and_then(|(_, limit)| limit).unwrap_or(0.0);
        let (whose, ms) = (&self.whose, wait.as_millis().max(1));
        Err(Error::exhausted(format!(
            "{whose} has used up its quota {name} {limit}; come again in {ms} ms or ask for a larger quota"
        ))
        .retry_after(wait))
    }

    /// Refuses a write that would leave more than the quota allows; `more` rows are new.
    ///
    /// # Errors
    /// `Exhausted` naming the quota, what there is and what it allows.
    pub(crate) fn check_growth(&self, has: Holding, more: u64) -> Result<()> {
        let over = |name: &str, has: u64, more: u64, max: Option<u64>| match max {
            Some(max) if has.saturating_add(more) > max => {
                let whose = &self.whose;
                let and = if more > 0 { format!(" and {more} would come") } else { String::new() };
                Err(Error::exhausted(format!(
                    "{whose} has {has} {name}{and}, its quota is {max}; delete some or ask for a larger quota"
                )))
            }
            Some(_) | None => Ok(()),
        };
        over("rows", has.rows, more, self.quota.rows)?;
        over("memory_bytes", has.memory_bytes, 0, self.quota.memory_bytes)?;
        over("disk_bytes", has.disk_bytes, 0, self.quota.disk_bytes)
    }

    /// Whether anything that is stored is limited.
    pub(crate) fn limits_growth(&self) -> bool {
        let Quota { rows, memory_bytes, disk_bytes, .. } = self.quota;
        rows.or(memory_bytes).or(disk_bytes).is_some()
    }
}

impl Bucket {
    fn new(rate: Option<f64>, now: Instant) -> Self {
        Self { rate, level: Mutex::new((rate.unwrap_or(0.0), now)) }
    }

    /// Takes an amount if the bucket is above zero, else says when it will be.
    fn take(&self, amount: f64, now: Instant) -> Result<(), Duration> {
        let Some(rate) = self.rate else { return Ok(()) };
        let mut level = self.level.lock();
        Self::fill(&mut level, rate, now);
        if level.0 <= 0.0 {
            // A hair above zero is enough to be let in.
            return Err(Duration::from_secs_f64((1e-3 - level.0 / rate).min(3_600.0)));
        }
        level.0 -= amount;
        Ok(())
    }

    /// Takes an amount whatever there is.
    fn charge(&self, amount: f64, now: Instant) {
        if let Some(rate) = self.rate {
            let mut level = self.level.lock();
            Self::fill(&mut level, rate, now);
            level.0 -= amount;
        }
    }

    fn fill((level, at): &mut (f64, Instant), rate: f64, now: Instant) {
        let gone = now.saturating_duration_since(*at).as_secs_f64();
        *level = (*level + gone * rate).min(rate);
        *at = (*at).max(now);
    }
}

#[cfg(test)]
mod tests;
