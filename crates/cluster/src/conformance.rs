//! What every state machine must pass.

use crate::{Committed, StateMachine};
use bytes::Bytes;
use std::fmt::Debug;
use vicinal_storage::LogPosition;

/// Checks that a state machine keeps its contract over these commands: one
/// outcome each, and the same ones however the commands are cut into calls.
///
/// # Panics
/// If it does not; for tests.
pub fn check_state_machine<S>(mut make: impl FnMut() -> S, commands: &[Bytes])
where
    S: StateMachine,
    S::Outcome: PartialEq + Debug,
{
    let history: Vec<_> = (1..)
        .zip(commands)
        .map(|(index, data)| Committed { index, term: 1, data: data.clone() })
        .collect();
    let mut run = |calls: usize| {
        let mut machine = make();
        let mut outcomes = Vec::new();
        for call in history.chunks(calls) {
            let given = machine.apply(call);
            assert_eq!(given.len(), call.len(), "one outcome for each command");
            outcomes.extend(given);
            if let Some(last) = call.last() {
                let (index, term) = (last.index, last.term);
                machine.applied(LogPosition { index, term });
            }
        }
        outcomes
    };
    let one_by_one = run(1);
    for calls in [1, 2, 3, 7, history.len().max(1)] {
        let cut = run(calls);
        assert_eq!(cut, one_by_one, "cut into calls of {calls} commands");
    }
}
