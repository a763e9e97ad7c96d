//! Which search runs next, and how much may wait: by predicted cost, fair between
//! tenants.
//!
//! Start-time fair queueing: a search begins, in virtual time, when its tenant's last one
//! ends there, at the earliest now; the one that begins first runs next. So a tenant with
//! a thousand searches waiting delays another's by little more than one of its own. What a
//! tenant may have waiting or running is bounded by what all leave free, as memory of a
//! switch is shared between its ports: one alone has half of the limit, two a third each,
//! and there is room left for whoever comes next.

use parking_lot::Mutex;
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use vicinal_types::Error;

/// Tenants that are known without being asked whether they are still of interest.
const TENANTS_KEPT: usize = 64;

/// Nobody is told to come again sooner: that costs more than it saves.
const RETRY_MIN: Duration = Duration::from_millis(1);

/// A queue before the search pools; clones are handles of the same.
#[derive(Clone, Debug)]
pub struct Admission {
    inner: Arc<Inner>,
}

/// The part of a search in what is bounded, given back when dropped.
#[derive(Debug)]
pub struct Permit {
    inner: Arc<Inner>,
    tenant: Arc<str>,
    nanos: u64,
    /// When it begins, in virtual time.
    begins: u64,
}

/// Too much waits or runs already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the search is predicted to take {} ms of processor time and was refused: searches of database `{tenant}` that wait or run take {} ms, those of all {} ms, of at most {} ms (search.max_waiting_us for each thread); come again in {} ms or ask for less",
    millis(*.nanos), millis(*.tenant_nanos), millis(*.all_nanos), millis(*.limit_nanos),
    .retry_after.as_millis()
)]
pub struct Overloaded {
    /// What the search should take.
    pub nanos: u64,
    /// Who asked for it.
    pub tenant: String,
    /// What those of this tenant should take.
    pub tenant_nanos: u64,
    /// What those of all should take.
    pub all_nanos: u64,
    /// What they may take.
    pub limit_nanos: u64,
    /// When there should be room.
    pub retry_after: Duration,
}

/// What waits and runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdmissionStats {
    /// Searches that wait for a thread.
    pub waiting: u64,
    /// What those that wait or run should take.
    pub nanos: u64,
    /// What they may take.
    pub limit_nanos: u64,
    /// Searches refused since the start.
    pub refused: u64,
}

type Job = Box<dyn FnOnce(Permit) + Send>;

#[derive(Debug)]
struct Inner {
    limit_nanos: u64,
    threads: u64,
    /// Rank: a leaf, no job runs while it is held.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By pool: what waits there.
    lanes: Vec<BinaryHeap<Reverse<Waiting>>>,
    tenants: HashMap<Arc<str>, Account>,
    /// When the search that ran last began, in virtual time.
    now: u64,
    /// Numbers searches in the order in which they came.
    next: u64,
    nanos: u64,
    refused: u64,
    /// When the last of all searches ends, in virtual time.
    latest: u64,
    /// Tenants from which on those are forgotten that nothing is known of.
    tenants_max: usize,
}

/// What a tenant has.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    /// When its last search ends, in virtual time.
    ends: u64,
    /// What its searches that wait or run should take.
    nanos: u64,
}

/// A search that waits.
struct Waiting {
    number: u64,
    job: Job,
    permit: Permit,
}

impl Admission {
    /// Lets searches in that are predicted to take `limit` on so many threads of so many
    /// pools.
    pub fn new(limit: Duration, threads: usize, pools: usize) -> Self {
        let state = State {
            lanes: (0..pools).map(|_| BinaryHeap::new()).collect(),
            tenants_max: TENANTS_KEPT,
            ..State::default()
        };
        let inner = Inner {
            limit_nanos: nanos(limit),
            threads: threads.max(1) as u64,
            state: Mutex::new(state),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Lets a search of a tenant in; never waits.
    ///
    /// # Errors
    /// [`Overloaded`] if too much waits or runs.
    pub fn enter(&self, tenant: &str, cost: Duration) -> Result<Permit, Overloaded> {
        let nanos = nanos(cost);
        let mut state = self.inner.state.lock();
        if let Some(overloaded) = self.inner.refusal(&state, tenant, nanos) {
            state.refused += 1;
            return Err(overloaded);
        }
        let tenant = match state.tenants.get_key_value(tenant) {
            Some((known, _)) => Arc::clone(known),
            None => state.meet(tenant),
        };
        let now = state.now;
        let account = state.tenants.entry(Arc::clone(&tenant)).or_default();
        let begins = account.ends.max(now);
        account.ends = begins.saturating_add(nanos);
        account.nanos += nanos;
        state.latest = state.latest.max(begins.saturating_add(nanos));
        state.nanos += nanos;
        Ok(Permit { inner: Arc::clone(&self.inner), tenant, nanos, begins })
    }

    /// Queues a search that was let in for a pool. Whoever does gives the pool a task
    /// that [runs the next](Self::run_next).
    ///
    /// # Panics
    /// If there is no such pool.
    pub fn queue(&self, pool: usize, permit: Permit, job: impl FnOnce(Permit) + Send + 'static) {
        let mut state = self.inner.state.lock();
        state.next += 1;
        let number = state.next;
        state.lanes[pool].push(Reverse(Waiting { number, job: Box::new(job), permit }));
    }

    /// Runs the search of a pool whose turn it is, if one waits.
    pub fn run_next(&self, pool: usize) {
        let mut state = self.inner.state.lock();
        let Some(Reverse(next)) = state.lanes[pool].pop() else { return };
        state.now = state.now.max(next.permit.begins);
        drop(state);
        (next.job)(next.permit);
    }

    /// What waits and runs.
    pub fn stats(&self) -> AdmissionStats {
        let state = self.inner.state.lock();
        AdmissionStats {
            waiting: state.lanes.iter().map(|lane| lane.len() as u64).sum(),
            nanos: state.nanos,
            limit_nanos: self.inner.limit_nanos,
            refused: state.refused,
        }
    }
}

impl Inner {
    /// Why a search is not let in, if it is not. One that takes more than all may have
    /// passes where its tenant has none.
    fn refusal(&self, state: &State, tenant: &str, nanos: u64) -> Option<Overloaded> {
        let account = state.tenants.get(tenant).copied().unwrap_or_default();
        let wanted = if account.nanos == 0 { 1 } else { account.nanos.saturating_add(nanos) };
        let missing = wanted.saturating_add(state.nanos).saturating_sub(self.limit_nanos);
        if missing == 0 {
            return None;
        }
        let wait = Duration::from_nanos(missing / self.threads);
        Some(Overloaded {
            nanos,
            tenant: tenant.to_owned(),
            tenant_nanos: account.nanos,
            all_nanos: state.nanos,
            limit_nanos: self.limit_nanos,
            retry_after: wait.max(RETRY_MIN),
        })
    }
}

impl State {
    /// Makes a tenant known, and forgets those of whom nothing is left to know.
    fn meet(&mut self, tenant: &str) -> Arc<str> {
        if self.tenants.len() >= self.tenants_max {
            let now = self.now;
            self.tenants.retain(|_, account| account.nanos > 0 || account.ends > now);
            self.tenants_max = TENANTS_KEPT.max(2 * self.tenants.len());
        }
        Arc::from(tenant)
    }
}

impl Permit {
    /// Says that the search takes longer than was thought when it was let in.
    pub fn raise(&mut self, cost: Duration) {
        let more = nanos(cost).saturating_sub(self.nanos);
        let mut state = self.inner.state.lock();
        if let Some(account) = state.tenants.get_mut(&self.tenant) {
            account.ends = account.ends.saturating_add(more);
            account.nanos += more;
            let ends = account.ends;
            state.latest = state.latest.max(ends);
        }
        state.nanos += more;
        drop(state);
        self.nanos += more;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.inner.state.lock();
        state.nanos -= self.nanos;
        if state.nanos == 0 {
            // Nobody is ahead of anybody when all rest.
            state.now = state.now.max(state.latest);
        }
        if let Some(account) = state.tenants.get_mut(&self.tenant) {
            account.nanos -= self.nanos;
        }
    }
}

impl Waiting {
    fn turn(&self) -> (u64, u64) {
        (self.permit.begins, self.number)
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.turn().cmp(&other.turn())
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenants, now, nanos, refused, .. } = self;
        let mut shown = f.debug_struct("State");
        shown.field("tenants", tenants).field("now", now);
        shown.field("nanos", nanos).field("refused", refused).finish_non_exhaustive()
    }
}

impl From<Overloaded> for Error {
    fn from(overloaded: Overloaded) -> Self {
        Self::exhausted(overloaded.to_string()).retry_after(overloaded.retry_after)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4)
}

/// Milliseconds with what is left of them, for messages.
fn millis(nanos: u64) -> f64 {
    (nanos / 1_000) as f64 / 1_000.0
}

#[cfg(test)]
mod tests;
