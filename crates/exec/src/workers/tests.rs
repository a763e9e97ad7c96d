//! Jobs in the background: order, bound, panics, stopping.

use super::*;
use std::sync::mpsc;

#[test]
fn jobs_run_in_order_and_stop_finishes_what_is_queued() {
    let workers = Workers::new("flush", 1, 100).expect("a thread");
    let (sender, receiver) = mpsc::channel();
    for job in 0..50 {
        let sender = sender.clone();
        workers.submit(move || sender.send(job).expect("the receiver waits")).expect("room");
    }
    workers.stop();
    drop(sender);
    assert_eq!(receiver.iter().collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
    let error = workers.submit(|| ()).expect_err("stopped");
    assert_eq!(error, SubmitError::Stopped { name: "flush".into() });
    workers.stop();
}

#[test]
fn a_full_queue_refuses_and_takes_again_when_there_is_room() {
    let workers = Workers::new("flush", 1, 2).expect("a thread");
    let (started, has_started) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    workers
        .submit(move || {
            started.send(()).expect("the test waits");
            may_go.recv().expect("the test says when");
        })
        .expect("room");
    has_started.recv().expect("the job runs");
    assert_eq!((workers.running(), workers.queued()), (1, 0));
    workers.submit(|| ()).expect("room for one");
    workers.submit(|| ()).expect("room for two");
    let error = workers.submit(|| ()).expect_err("full");
    assert_eq!(error, SubmitError::Full { name: "flush".into(), limit: 2 });
    assert_eq!(Error::from(error).kind(), vicinal_types::ErrorKind::Exhausted);
    go.send(()).expect("the job waits");
    workers.stop();
    assert_eq!((workers.running(), workers.queued()), (0, 0));
}

#[test]
fn a_job_that_panics_is_counted_and_its_thread_goes_on() {
    let workers = Workers::new("flush", 1, 10).expect("a thread");
    let (sender, receiver) = mpsc::channel();
    workers.submit(|| panic!("a poison job")).expect("room");
    let name = move || thread::current().name().map(str::to_owned);
    workers.submit(move || sender.send(name()).expect("the test waits")).expect("room");
    assert_eq!(receiver.recv().expect("the thread lives").as_deref(), Some("flush-0"));
    assert_eq!(workers.panics(), 1);
}

#[test]
fn a_job_may_stop_the_workers_it_runs_on() {
    let workers = Arc::new(Workers::new("flush", 2, 10).expect("threads"));
    let (sender, receiver) = mpsc::channel();
    let own = Arc::clone(&workers);
    workers
        .submit(move || {
            own.stop();
            drop(own);
            sender.send(()).expect("the test waits");
        })
        .expect("room");
    receiver.recv().expect("no deadlock");
    workers.stop();
}
