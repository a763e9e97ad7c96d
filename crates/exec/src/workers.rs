//! Threads for jobs in the background, with a bounded queue.

use crate::pools::{be_nice, panic_text};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle, ThreadId};
use vicinal_types::Error;

type Job = Box<dyn FnOnce() + Send>;

/// A few threads that take jobs in the order they were submitted.
///
/// Dropping it stops it as [`stop`](Self::stop) does.
pub struct Workers {
    shared: Arc<Shared>,
    /// Guards the threads' handles, taken by whoever stops the workers. Rank:
    /// held while joining, and no other lock is.
    threads: Mutex<Vec<JoinHandle<()>>>,
    thread_ids: Vec<ThreadId>,
}

/// Why a job was not taken; it was dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// As many jobs wait as may.
    #[error("{limit} jobs wait for the workers `{name}`, which is the limit; retry later")]
    Full {
        /// The workers.
        name: String,
        /// How many jobs may wait.
        limit: usize,
    },
    /// The workers were stopped.
    #[error("the workers `{name}` have stopped and take no jobs")]
    Stopped {
        /// The workers.
        name: String,
    },
}

struct Shared {
    name: String,
    queue_max: usize,
    /// Guards queue and counters. Rank: a leaf, no job runs while it is held.
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    running: usize,
    panics: usize,
    is_stopping: bool,
}

impl Workers {
    /// Starts `threads` threads named `NAME-0`, `NAME-1`, … in front of which at
    /// most `queue_max` jobs wait.
    ///
    /// # Errors
    /// The operating system's, if it gives no thread.
    ///
    /// # Panics
    /// If there are to be no threads: nothing would ever run.
    pub fn new(name: &str, threads: usize, queue_max: usize) -> std::io::Result<Self> {
        Self::nice(name, 0, threads, queue_max)
    }

    /// [`new`](Self::new) with threads of another priority: the higher the nice value,
    /// the more they leave to others.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn nice(name: &str, nice: i32, threads: usize, queue_max: usize) -> std::io::Result<Self> {
        assert!(threads > 0, "workers `{name}` need a thread");
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            queue_max,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let mut workers =
            Self { shared: Arc::clone(&shared), threads: Mutex::default(), thread_ids: Vec::new() };
        for at in 0..threads {
            let shared = Arc::clone(&shared);
            let builder = thread::Builder::new().name(format!("{name}-{at}"));
            // On an error the drop of `workers` ends the threads there are.
            let thread = builder.spawn(move || {
                if nice != 0 {
                    be_nice(nice);
                }
                shared.run();
            })?;
            workers.thread_ids.push(thread.thread().id());
            workers.threads.get_mut().push(thread);
        }
        Ok(workers)
    }

    /// Queues a job; never waits.
    ///
    /// # Errors
    /// [`SubmitError`] if the queue is full or the workers were stopped.
    pub fn submit(&self, job: impl FnOnce() + Send + 'static) -> Result<(), SubmitError> {
        let mut state = self.shared.state.lock();
        let name = || self.shared.name.clone();
        if state.is_stopping {
            return Err(SubmitError::Stopped { name: name() });
        }
        let limit = self.shared.queue_max;
        if state.queue.len() >= limit {
            return Err(SubmitError::Full { name: name(), limit });
        }
        state.queue.push_back(Box::new(job));
        drop(state);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Jobs waiting, not those running.
    pub fn queued(&self) -> usize {
        self.shared.state.lock().queue.len()
    }

    /// Jobs running.
    pub fn running(&self) -> usize {
        self.shared.state.lock().running
    }

    /// Jobs that panicked.
    pub fn panics(&self) -> usize {
        self.shared.state.lock().panics
    }

    /// Takes no more jobs, finishes those queued and joins the threads. Called
    /// from a job it joins nothing: the job's own thread is among them.
    pub fn stop(&self) {
        self.shared.state.lock().is_stopping = true;
        self.shared.changed.notify_all();
        if self.thread_ids.contains(&thread::current().id()) {
            return;
        }
        for thread in self.threads.lock().drain(..) {
            // The threads catch the panics of jobs; there is nothing else to fail.
            if thread.join().is_err() {
                tracing::error!(workers = self.shared.name, "a worker thread ended with a panic");
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn run(&self) {
        while let Some(job) = self.take() {
            let ended = catch_unwind(AssertUnwindSafe(job));
            let mut state = self.state.lock();
            state.running -= 1;
            if let Err(panic) = ended {
                state.panics += 1;
                drop(state);
                let reason = panic_text(&*panic);
                tracing::error!(workers = self.name, reason, "a job panicked");
            }
        }
    }

    /// The next job; `None` when stopped and empty.
    fn take(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                state.running += 1;
                return Some(job);
            }
            if state.is_stopping {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }
}

impl From<SubmitError> for Error {
    fn from(error: SubmitError) -> Self {
        let message = error.to_string();
        match error {
            SubmitError::Full { .. } => Self::exhausted(message),
            SubmitError::Stopped { .. } => Self::unavailable(message),
        }
    }
}

#[cfg(test)]
mod tests;
