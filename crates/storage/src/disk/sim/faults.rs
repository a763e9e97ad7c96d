//! Which call fails, by count.

use super::Call;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Proceed,
    Fail,
    /// The power goes during this call.
    Dying,
    /// The power is gone.
    Down,
}

#[derive(Clone, Copy)]
struct Fault {
    /// Which calls count; none means all.
    call: Option<Call>,
    /// Calls until it strikes; 1 is the next.
    left: u64,
}

#[derive(Default)]
pub(super) struct Faults {
    pub(super) calls: u64,
    pub(super) syncs: u64,
    pub(super) capacity: Option<u64>,
    planned: Vec<Fault>,
    crash_left: Option<u64>,
    down: bool,
}

impl Faults {
    pub(super) fn fail(&mut self, call: Option<Call>, n: u64) {
        self.planned.push(Fault { call, left: n });
    }

    pub(super) fn crash_at(&mut self, n: u64) {
        self.crash_left = Some(n);
    }

    pub(super) fn is_down(&self) -> bool {
        self.down
    }

    /// Forgets what was planned; counters and capacity stay.
    pub(super) fn reset(&mut self) {
        self.planned.clear();
        self.crash_left = None;
        self.down = false;
    }

    pub(super) fn next(&mut self, call: Call) -> Verdict {
        if self.down {
            return Verdict::Down;
        }
        self.calls += 1;
        self.syncs += u64::from(call == Call::Sync);
        if let Some(left) = &mut self.crash_left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.down = true;
                return Verdict::Dying;
            }
        }
        let mut strikes = false;
        self.planned.retain_mut(|fault| {
            if fault.call.is_some_and(|counted| counted != call) {
                return true;
            }
            fault.left = fault.left.saturating_sub(1);
            strikes |= fault.left == 0;
            fault.left > 0
        });
        if strikes { Verdict::Fail } else { Verdict::Proceed }
    }
}
