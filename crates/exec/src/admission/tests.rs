//! A flood and its neighbours, in virtual time.

use super::*;

const MS: Duration = Duration::from_millis(1);

/// A pool of one thread that works for as long as searches should take, and what it did:
/// whose search, and when it began.
#[derive(Clone, Default)]
struct Thread {
    did: Arc<Mutex<Vec<(String, u128)>>>,
    time: Arc<Mutex<Duration>>,
}

impl Thread {
    fn submit(
        &self,
        admission: &Admission,
        tenant: &str,
        cost: Duration,
    ) -> Result<(), Overloaded> {
        let (own, name) = (self.clone(), tenant.to_owned());
        let permit = admission.enter(tenant, cost)?;
        admission.queue(0, permit, move |permit| {
            own.did.lock().push((name, own.time.lock().as_millis()));
            *own.time.lock() += cost;
            drop(permit);
        });
        Ok(())
    }

    /// When searches of a tenant began.
    fn began(&self, tenant: &str) -> Vec<u128> {
        let did = self.did.lock();
        did.iter().filter(|(of, _)| of == tenant).map(|(_, at)| *at).collect()
    }
}

fn drain(admission: &Admission) {
    while admission.stats().waiting > 0 {
        admission.run_next(0);
    }
}

#[test]
fn a_flood_of_one_tenant_leaves_the_wait_of_another_bounded() {
    let (admission, thread) = (Admission::new(1_000 * MS, 1, 1), Thread::default());
    let refused = (0..10_000).filter(|_| thread.submit(&admission, "flood", MS).is_err()).count();
    assert_eq!(refused, 9_500, "one tenant alone has half of the limit");
    // Every ten milliseconds the other asks for as much, while the flood is kept up.
    let mut waits = Vec::new();
    for _ in 0..100 {
        let came = thread.time.lock().as_millis();
        thread.submit(&admission, "other", MS).expect("there is room for it");
        for _ in 0..10 {
            admission.run_next(0);
            // Refused or not.
            let _ = thread.submit(&admission, "flood", MS);
        }
        let began = *thread.began("other").last().expect("it ran within ten searches");
        waits.push(began - came);
    }
    waits.sort_unstable();
    assert!(waits[98] <= 1, "p99 of the waits is a search of the flood: {waits:?}");
    assert_eq!(thread.began("flood").len(), 900, "and the flood has all that is left");
}

#[test]
fn tenants_share_by_cost_and_not_by_number() {
    let (admission, thread) = (Admission::new(10_000 * MS, 1, 1), Thread::default());
    for _ in 0..100 {
        thread.submit(&admission, "cheap", MS).expect("room");
    }
    for _ in 0..10 {
        thread.submit(&admission, "dear", 10 * MS).expect("room");
    }
    for _ in 0..55 {
        admission.run_next(0);
    }
    let (cheap, dear) = (thread.began("cheap").len(), thread.began("dear").len());
    assert!((48..=51).contains(&cheap) && (4..=7).contains(&dear), "{cheap} and {dear}");
    drain(&admission);
    assert_eq!(thread.time.lock().as_millis(), 200);
    let empty = AdmissionStats { limit_nanos: 10_000_000_000, ..AdmissionStats::default() };
    assert_eq!(admission.stats(), empty);
}

#[test]
fn what_is_refused_says_what_it_would_take_and_when_to_come_again() {
    let (admission, thread) = (Admission::new(100 * MS, 2, 1), Thread::default());
    thread.submit(&admission, "words", 60 * MS).expect("the first of a tenant");
    let overloaded = thread.submit(&admission, "words", 20 * MS).expect_err("too much");
    assert_eq!(overloaded.retry_after, 20 * MS, "40 ms of room are missing, for two threads");
    let text = Error::from(overloaded).to_string();
    for part in ["take 20 ms", "`words`", "take 60 ms", "at most 100 ms", "in 20 ms"] {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
    // Others may have searches, a large one each, while there is room at all.
    thread.submit(&admission, "other", 200 * MS).expect("its first");
    let error = Error::from(thread.submit(&admission, "third", MS).expect_err("full"));
    assert_eq!(error.kind(), vicinal_types::ErrorKind::Exhausted);
    assert!(error.retry_hint().is_some_and(|wait| wait >= 80 * MS), "{:?}", error.retry_hint());
    assert_eq!(admission.stats().refused, 2);
    drain(&admission);
    thread.submit(&admission, "third", MS).expect("there is room again");
}

#[test]
fn a_search_that_turns_out_dear_counts_as_such() {
    let admission = Admission::new(100 * MS, 1, 1);
    let queue = |cost| admission.enter("words", cost);
    let mut permit = queue(MS).expect("room");
    permit.raise(90 * MS);
    assert_eq!(admission.stats().nanos, 90_000_000);
    queue(20 * MS).expect_err("it takes all the room");
    permit.raise(MS);
    assert_eq!(admission.stats().nanos, 90_000_000, "less is no news");
    drop(permit);
    assert_eq!(admission.stats().nanos, 0);
    queue(20 * MS).expect("room again");
}

#[test]
fn pools_have_queues_of_their_own_and_one_limit() {
    let (admission, done) = (Admission::new(90 * MS, 2, 2), Arc::new(Mutex::new(Vec::new())));
    let queue = |pool, name: &'static str| {
        let done = Arc::clone(&done);
        let permit = admission.enter("words", 20 * MS)?;
        admission.queue(pool, permit, move |_| done.lock().push(name));
        Ok::<(), Overloaded>(())
    };
    queue(1, "one").expect("room");
    queue(0, "two").expect("room");
    queue(1, "three").expect_err("60 of words, and 50 are free");
    admission.run_next(0);
    admission.run_next(0);
    assert_eq!(*done.lock(), ["two"], "nothing waits there any more");
    admission.run_next(1);
    assert_eq!(*done.lock(), ["two", "one"]);
}

#[test]
fn tenants_that_are_gone_are_forgotten() {
    let (admission, thread) = (Admission::new(100 * MS, 1, 1), Thread::default());
    for tenant in 0..1_000 {
        thread.submit(&admission, &format!("tenant {tenant}"), MS).expect("room");
        admission.run_next(0);
    }
    assert!(admission.inner.state.lock().tenants.len() <= 2 * TENANTS_KEPT + 1);
}
