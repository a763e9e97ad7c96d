//! The live rows of a write's ids, as the write meets them.

use super::State;
use super::state::Place;
use crate::columns::IdRef;
use crate::command::Guard;
use crate::filtering::CompiledFilter;
use vicinal_types::limits;

/// Rows whose columns are brought together to be looked at: few enough that one Arrow
/// array holds their values, whatever these are.
const TOGETHER_MAX: usize = 32;

const _: () = assert!(
    TOGETHER_MAX * limits::COMMAND_BYTES_MAX < i32::MAX as usize,
    "a value came with a command, and offsets of an array have 32 bits"
);

/// What there is of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    /// No live row.
    None,
    /// One that passes the write's condition, if there is one.
    Passing(Place),
    /// One that does not.
    Refused,
    /// One that has expired: who looks for it finds nothing.
    Expired(Place),
}

/// What there is of each id, in their order. The ids are different, so that what is done
/// to one row changes nothing for the others.
pub(super) fn existing<'a>(
    state: &State,
    ids: impl Iterator<Item = (u64, IdRef<'a>)>,
    guard: &Guard,
) -> Vec<Existing> {
    let find = |(hash, id)| state.find(hash, id).map_or(Existing::None, Existing::Passing);
    let mut all: Vec<_> = ids.map(find).collect();
    if let Some(living) = &guard.living {
        for (row, place) in failing(state, &all, living) {
            all[row] = Existing::Expired(place);
        }
    }
    if let Some(condition) = &guard.condition {
        for (row, _) in failing(state, &all, condition) {
            all[row] = Existing::Refused;
        }
    }
    all
}

/// Rows that are there and do not pass, by their places in the list.
fn failing(state: &State, all: &[Existing], filter: &CompiledFilter) -> Vec<(usize, Place)> {
    let of_row = |(row, existing): (usize, &Existing)| match *existing {
        Existing::Passing(place) => Some((row, place)),
        Existing::None | Existing::Refused | Existing::Expired(_) => None,
    };
    let found: Vec<_> = all.iter().enumerate().filter_map(of_row).collect();
    let mut failing = Vec::new();
    for found in found.chunks(TOGETHER_MAX) {
        let sources: Vec<_> = found.iter().map(|(_, place)| state.source(*place)).collect();
        let passing = filter.of_sources(&sources);
        let passing = passing.expect("the filter was checked against the columns that rows have");
        let rows = (0..).zip(found).filter(|(at, _)| !passing.contains(*at));
        failing.extend(rows.map(|(_, row)| *row));
    }
    failing
}
