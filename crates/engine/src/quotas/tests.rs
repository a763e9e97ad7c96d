//! Rates, debts and what is stored.

use super::*;
use vicinal_types::{
    CollectionId, CollectionSpec, Column, ColumnId, ElementType, IdType, Metric, Schema, TestClock,
    VectorType,
};

fn collection(database: &str, name: &str) -> Collection {
    let kind = VectorType::new(4, ElementType::F32, Metric::L2).expect("a right type");
    let columns = vec![Column::vector(ColumnId(1), "v", kind)];
    let schema = Schema::new(IdType::Int64, columns).expect("a right schema");
    let spec = CollectionSpec::new(name, schema);
    Collection { id: CollectionId(1), database: database.to_owned(), schema_version: 1, spec }
}

fn book(databases: &[(&str, Quota)], collections: &[(&str, Quota)]) -> (QuotaBook, Arc<TestClock>) {
    let named = |quotas: &[(&str, Quota)]| {
        quotas.iter().map(|(name, quota)| ((*name).to_owned(), *quota)).collect()
    };
    let clock = Arc::new(TestClock::default());
    let quotas = Quotas { databases: named(databases), collections: named(collections) };
    (QuotaBook::new(&quotas, 4, Arc::clone(&clock) as Arc<dyn Clock>), clock)
}

fn refused<T: std::fmt::Debug>(outcome: Result<T>, expected: &str) -> Option<Duration> {
    let error = outcome.expect_err("refused");
    assert!(error.to_string().contains(expected), "{error} does not say {expected:?}");
    error.retry_hint()
}

#[test]
fn requests_come_at_their_rate_and_the_refusal_says_when() {
    let quota = Quota { requests_per_s: Some(2.0), ..Quota::default() };
    let (book, clock) = book(&[], &[("c", quota)]);
    let (limited, free) = (collection("default", "c"), collection("other", "c"));
    book.admit(&limited, 10).expect("the first");
    book.admit(&limited, 10).expect("the second");
    let wait =
        refused(book.admit(&limited, 10), "collection `c` has used up its quota requests_per_s 2");
    assert!(wait.is_some_and(|wait| wait < Duration::from_millis(10)), "{wait:?}");
    (0..9).for_each(|_| book.admit(&free, 10).expect("no quota of its own"));
    clock.advance(Duration::from_millis(250));
    book.admit(&limited, 10).expect("half a request's time is above zero");
    let wait = refused(book.admit(&limited, 10), "requests_per_s").expect("a hint");
    assert!(wait > Duration::from_millis(240), "{wait:?}");
    clock.advance(Duration::from_secs(60));
    let allowed = (0..100).filter(|_| book.admit(&limited, 10).is_ok()).count();
    assert_eq!(allowed, 2, "a minute of silence is no credit for a minute");
}

#[test]
fn one_large_request_passes_and_is_paid_for_later() {
    let quota = Quota { bytes_per_s: Some(1_000.0), ..Quota::default() };
    let (book, clock) = book(&[("d", quota)], &[]);
    let (one, two) = (collection("d", "one"), collection("d", "two"));
    book.admit(&one, 5_000).expect("the bucket was full");
    let wait = refused(book.admit(&two, 1), "database `d` has used up its quota bytes_per_s 1000");
    let wait = wait.expect("a hint");
    assert!(wait > Duration::from_secs(4) && wait < Duration::from_millis(4_100), "{wait:?}");
    clock.advance(wait);
    book.admit(&two, 1).expect("when it was said to be");
}

#[test]
fn searches_pay_with_the_time_they_took() {
    let quota = Quota { cpu_share: Some(0.25), ..Quota::default() };
    let (book, clock) = book(&[], &[("d/c", quota)]);
    let limited = collection("d", "c");
    // A quarter of four threads is one.
    book.admit_cpu(&limited).expect("nothing was used");
    book.charge_cpu(&limited, Duration::from_secs(3));
    let wait = refused(book.admit_cpu(&limited), "collection `d/c`").expect("a hint");
    assert!(wait > Duration::from_millis(1_990) && wait < Duration::from_millis(2_010), "{wait:?}");
    clock.advance(wait);
    book.admit_cpu(&limited).expect("paid");
    book.admit_cpu(&collection("default", "c")).expect("another collection");
}

#[test]
fn growth_is_refused_with_what_there_is_and_what_may_be() {
    let quota = Quota { rows: Some(10), disk_bytes: Some(500), ..Quota::default() };
    let (book, _) = book(&[], &[("c", quota)]);
    let own = collection("default", "c");
    let meter = book.own(&own).expect("it has a quota");
    assert!(meter.limits_growth() && book.database(&own).is_none());
    let has = |rows, disk_bytes| Holding { rows, memory_bytes: 1 << 40, disk_bytes };
    meter.check_growth(has(8, 500), 2).expect("just as many");
    let rows = "has 8 rows and 3 would come, its quota is 10";
    assert_eq!(refused(meter.check_growth(has(8, 0), 3), rows), None);
    refused(meter.check_growth(has(0, 501), 0), "has 501 disk_bytes, its quota is 500");
}
