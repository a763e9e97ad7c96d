//! Which call fails, by count.

use super::call::DiskCall;
use std::io;
use std::path::{Path, PathBuf};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// As a broken device: EIO.
    Io,
    /// As a full disk: ENOSPC.
    Full,
}

impl Failure {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::Io => io::Error::other("simulated I/O error"),
            Self::Full => io::Error::new(io::ErrorKind::StorageFull, "simulated disk is full"),
        }
    }
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Proceed,
    Fail(Failure),
    /// The power goes during this call.
    Dying,
    /// The power is gone.
    Down,
}

/// Which calls count for a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Any,
    Syncs,
    Appends,
}

impl Counted {
    fn counts(self, call: DiskCall) -> bool {
        match self {
            Self::Any => true,
            Self::Syncs => call.is_sync(),
            Self::Appends => call == DiskCall::Append,
        }
    }
}

#[derive(Clone, Copy)]
struct Fault {
    counted: Counted,
    /// Calls until it strikes; 1 is the next.
    left: u64,
    failure: Failure,
}

#[derive(Default)]
pub(super) struct Faults {
    by_kind: [u64; DiskCall::ALL.len()],
    pub(super) capacity: Option<u64>,
    planned: Vec<Fault>,
    /// The call, counted from the first ever, that fails; no crash forgets it.
    failing: Option<(u64, Failure)>,
    struck: Option<(DiskCall, PathBuf)>,
    crash_left: Option<u64>,
    down: bool,
}

impl Faults {
    pub(super) fn fail(&mut self, counted: Counted, n: u64) {
        let failure = if counted == Counted::Appends { Failure::Full } else { Failure::Io };
        self.planned.push(Fault { counted, left: n, failure });
    }

    pub(super) fn fail_at(&mut self, n: u64, failure: Failure) {
        self.failing = Some((n, failure));
    }

    pub(super) fn crash_at(&mut self, n: u64) {
        self.crash_left = Some(n);
    }

    pub(super) fn power_off(&mut self) {
        self.down = true;
    }

    pub(super) fn is_down(&self) -> bool {
        self.down
    }

    pub(super) fn struck(&self) -> Option<(DiskCall, PathBuf)> {
        self.struck.clone()
    }

    pub(super) fn calls(&self) -> u64 {
        self.by_kind.iter().sum()
    }

    pub(super) fn calls_of(&self, call: DiskCall) -> u64 {
        self.by_kind[call as usize]
    }

    /// Forgets what was planned; counters and capacity stay.
    pub(super) fn reset(&mut self) {
        self.planned.clear();
        self.crash_left = None;
        self.down = false;
    }

    pub(super) fn next(&mut self, call: DiskCall, path: &Path) -> Verdict {
        if self.down {
            return Verdict::Down;
        }
        self.by_kind[call as usize] += 1;
        if let Some(left) = &mut self.crash_left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.down = true;
                return Verdict::Dying;
            }
        }
        let mut strikes = None;
        self.planned.retain_mut(|fault| {
            if !fault.counted.counts(call) {
                return true;
            }
            fault.left = fault.left.saturating_sub(1);
            if fault.left == 0 {
                strikes = Some(fault.failure);
            }
            fault.left > 0
        });
        let calls = self.calls();
        let failing = self.failing.take_if(|(n, _)| *n <= calls);
        match strikes.or(failing.map(|(_, failure)| failure)) {
            Some(failure) => {
                self.struck = Some((call, path.to_owned()));
                Verdict::Fail(failure)
            }
            None => Verdict::Proceed,
        }
    }
}
